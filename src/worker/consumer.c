/*-------------------------------------------------------------------------
 *
 * consumer.c
 *	  One consumer: its lock, its run from open to close, and its errors.
 *
 * A consumer passes through these states:
 *
 *	CLOSED	no reader.  Left when the consumer's lock is ours (another worker
 *			may still be finishing a batch) and the pause after an error is
 *			over.
 *	CONTACT the reader is open, and we wait for the broker to say how many
 *			partitions there are.  Here the start of a new view is resolved.
 *	CHECK	the last message read is read back, partition by partition, and
 *			compared: is this the log that the position belongs to?
 *	RUN		batches.  After any trouble with the broker, back to CONTACT: the
 *			topic may have been deleted and created anew meanwhile.
 *
 * contact.c is what leads from the open reader to batches.
 *
 * A broker that is away leaves the consumer in its state, with a note in
 * kappa.views.error.  Errors close it; it is opened again after a pause, with
 * everything read afresh from the catalogs.  What belongs to one run lies in
 * one memory context, the reader included.
 *
 * A worker drives many consumers, so nothing here waits for more than a moment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/relation.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "worker/worker_internal.h"

/* Pauses after errors that may pass: 1, 2, 4 .. 60 seconds. */
#define MAX_ERROR_PAUSE_MS 60000

/* ---------------------------------------------------------------- the lock */

/*
 * A lock of the advisory kind, in a class of its own that SQL's advisory locks
 * cannot reach.
 */
static void
consumer_locktag(const Consumer *consumer, LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, (uint32) consumer->id, 0x4b50);
}

bool
consumer_lock(Consumer *consumer)
{
	LOCKTAG		tag;

	if (consumer->locked)
		return true;
	consumer_locktag(consumer, &tag);
	consumer->locked =
		LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
	return consumer->locked;
}

void
consumer_unlock(Consumer *consumer)
{
	LOCKTAG		tag;

	if (!consumer->locked)
		return;
	consumer_locktag(consumer, &tag);
	(void) LockRelease(&tag, ExclusiveLock, true);
	consumer->locked = false;
}

/* ------------------------------------------------------- opening and closing */

/*
 * Everything in the catalogs that the reader, the decoder and the merge statement
 * were made from, as text: options of server, user mapping, stream and columns,
 * columns, owner, names.
 */
static char *
make_signature(const ContinuousView *cv)
{
	StringInfoData text;
	ForeignTable *table = GetForeignTable(cv->stream);
	ForeignServer *server = GetForeignServer(table->serverid);
	Relation	rel = relation_open(cv->stream, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);

	initStringInfo(&text);
	appendStringInfo(&text, "%s %u %u %s %s", view_merge_statement(cv), cv->owner,
					 server->serverid, nodeToString(table->options),
					 nodeToString(server->options));
	if (SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(cv->owner),
							  ObjectIdGetDatum(server->serverid)) ||
		SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
							  ObjectIdGetDatum(server->serverid)))
		appendStringInfoString(&text,
							   nodeToString(GetUserMapping(cv->owner, server->serverid)->options));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		appendStringInfo(&text, " %s %u %d %d %d %s", NameStr(att->attname),
						 att->atttypid, att->atttypmod, att->attnotnull, att->attisdropped,
						 att->attisdropped ? "" :
						 nodeToString(GetForeignColumnOptions(cv->stream, att->attnum)));
	}
	relation_close(rel, AccessShareLock);

	return text.data;
}

/* If not BATCH_DONE: the view is gone, or somebody is just changing it; later, perhaps. */
static BatchResult
read_catalog(Consumer *consumer)
{
	BatchResult locked = BATCH_STALE;

	if (view_catalog_is_free() && view_exists(consumer->view))
	{
		consumer->cv = view_get(consumer->view);
		locked = batch_lock_relations(consumer->cv, AccessShareLock);
	}
	if (locked == BATCH_STALE)
		worker_look_again();
	if (locked != BATCH_DONE)
		return locked;

	consumer->signature = make_signature(consumer->cv);
	consumer->stream = stream_open(consumer->cv->stream);
	consumer->merge = view_merge_statement(consumer->cv);
	consumer->trouble = consumer->cv->error != NULL;
	progress_load(consumer);
	return BATCH_DONE;
}

void
consumer_open(Consumer *consumer, Size memory)
{
	MemoryContext oldcontext;
	BatchResult result;

	Assert(consumer->context == NULL);
	consumer->context = AllocSetContextCreate(TopMemoryContext, "continuous view consumer",
											  ALLOCSET_DEFAULT_SIZES);
	consumer->intake_context = AllocSetContextCreate(consumer->context,
													 "continuous view intake",
													 ALLOCSET_DEFAULT_SIZES);

	worker_begin();
	oldcontext = MemoryContextSwitchTo(consumer->context);

	result = read_catalog(consumer);
	if (result != BATCH_DONE)
	{
		worker_abort();
		consumer_back_off(consumer,
						  result == BATCH_BUSY ? consumer_refused(consumer) : BUSY_PAUSE_MS);
		return;
	}
	consumer->refusals = 0;
	consumer->reader = stream_reader_open(consumer->stream, consumer->cv->owner, memory);
	if (consumer->want_headers)
		stream_reader_want_headers(consumer->reader);
	consumer->reader_memory = memory;
	consumer->told = 0;

	MemoryContextSwitchTo(oldcontext);
	worker_commit();

	consumer->state = CONSUMER_CONTACT;
	consumer->check_index = 0;
	consumer->behind = false;
	consumer->readable = true;
}

void
consumer_close(Consumer *consumer)
{
	if (consumer->context)
		MemoryContextDelete(consumer->context);
	consumer->context = NULL;
	consumer->intake_context = NULL;
	consumer->cv = NULL;
	consumer->signature = NULL;
	consumer->stream = NULL;
	consumer->merge = NULL;
	consumer->reader = NULL;
	consumer->intake = NULL;
	consumer->npartitions = 0;
	consumer->reading = false;
	consumer->state = CONSUMER_CLOSED;
}

bool
consumer_differs_from_catalog(const Consumer *consumer)
{
	ContinuousView *cv = view_get(consumer->view);

	return cv->generation != consumer->generation ||
		cv->stream != consumer->cv->stream ||
		strcmp(make_signature(cv), consumer->signature) != 0;
}

/* Does the catalog still say what the consumer was opened with? */
typedef enum CatalogState
{
	CATALOG_SAME,
	CATALOG_CHANGED,
	CATALOG_BUSY				/* it is just being changed */
} CatalogState;

static CatalogState
compare_with_catalog(const Consumer *consumer)
{
	CatalogState result = CATALOG_CHANGED;

	worker_begin();
	switch (batch_lock_relations(consumer->cv, AccessShareLock))
	{
		case BATCH_DONE:
			if (!consumer_differs_from_catalog(consumer))
				result = CATALOG_SAME;
			break;
		case BATCH_BUSY:
			result = CATALOG_BUSY;
			break;
		default:
			break;
	}
	worker_commit();
	return result;
}

/* After an invalidation: was it about something that we depend on? */
bool
consumer_options_changed(Consumer *consumer)
{
	CatalogState state;

	if (consumer->context == NULL)
		return false;
	state = compare_with_catalog(consumer);
	if (state == CATALOG_BUSY)
		consumer->check_options = true;
	return state == CATALOG_CHANGED;
}

void
consumer_back_off(Consumer *consumer, int64 ms)
{
	consumer_close(consumer);
	consumer->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/* ----------------------------------------------------------------- its lag */

int64
consumer_lag(const StreamPosition *positions, int n)
{
	int64		lag = 0;

	for (int i = 0; i < n; i++)
	{
		if (positions[i].end_offset < 0)
			return -1;
		lag += Max(positions[i].end_offset - positions[i].next_offset, 0);
	}
	return lag;
}

/* ------------------------------------------------------------------ errors */

static bool
is_of_class(int sqlerrcode, const int *classes, int n)
{
	for (int i = 0; i < n; i++)
		if (ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(classes[i]))
			return true;
	return false;
}

/* Errors that may pass without anybody changing the view: those of options, say. */
static bool
may_pass(int sqlerrcode)
{
	static const int classes[] = {
		ERRCODE_CONNECTION_EXCEPTION, ERRCODE_FDW_ERROR, ERRCODE_TRANSACTION_ROLLBACK,
		ERRCODE_INSUFFICIENT_RESOURCES, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		ERRCODE_OPERATOR_INTERVENTION, ERRCODE_SYSTEM_ERROR
	};

	return is_of_class(sqlerrcode, classes, lengthof(classes));
}

/* Is an error of this class about the server and its objects, not about values? */
static bool
is_about_server(int sqlerrcode)
{
	static const int classes[] = {
		ERRCODE_CONNECTION_EXCEPTION, ERRCODE_INVALID_TRANSACTION_STATE,
		ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		ERRCODE_TRANSACTION_ROLLBACK, ERRCODE_INSUFFICIENT_RESOURCES,
		ERRCODE_PROGRAM_LIMIT_EXCEEDED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		ERRCODE_OPERATOR_INTERVENTION, ERRCODE_SYSTEM_ERROR, ERRCODE_FDW_ERROR,
		ERRCODE_INTERNAL_ERROR
	};

	return sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		is_of_class(sqlerrcode, classes, lengthof(classes));
}

/*
 * The words of an error without what was put into them: a value of a message, or
 * a name that was made of one.  NULL if that was all: procedural languages raise
 * what their functions word as "%s".
 */
static char *
fixed_words(const char *format)
{
	StringInfoData words;
	bool		any = false;

	initStringInfo(&words);
	for (const char *next = format ? format : ""; *next != '\0'; next++)
	{
		if (next[0] == '%' && next[1] != '%')
		{
			/* Up to the letter that says what kind of value it is. */
			next += 1 + strspn(next + 1, " #'*+-.0123456789$hlLjqtz");
			appendStringInfoString(&words, "...");
			if (*next == '\0')
				break;
			continue;
		}
		if (next[0] == '%')
			next++;
		appendStringInfoChar(&words, *next);
		any = any || isalpha((unsigned char) *next);
	}
	return any ? words.data : NULL;
}

/*
 * Where it happened.  Inner lines of the context may quote values too, or
 * statements that were put together from them; the outermost one is the batch's.
 */
static const char *
error_context(const ErrorData *error)
{
	const char *last;

	if (error->context == NULL)
		return "continuous view worker";
	last = strrchr(error->context, '\n');
	return last == NULL ? error->context : last + 1;
}

/* What monitoring and the log may show of an error. */
static char *
error_text(const ErrorData *error)
{
	const char *code = unpack_sql_state(error->sqlerrcode);
	char	   *words = fixed_words(error->message_id);

	if (words && is_about_server(error->sqlerrcode))
		return psprintf("%s (SQLSTATE %s)", error->message, code);
	return psprintf("%s (SQLSTATE %s), %s", words ? words : "an expression failed", code,
					error_context(error));
}

/* What is to become of the view. */
static void
note_error(Consumer *consumer, const ErrorData *error, const char *text)
{
	if (error->sqlerrcode == ERRCODE_DATA_CORRUPTED && consumer->reading)
		progress_note_paused(consumer, psprintf("%s; " DROP_AND_CREATE, error->message));
	else if (!may_pass(error->sqlerrcode))
		progress_note_failed(consumer, text);
	else if (consumer->failures > 0)
		(void) progress_note_trouble(consumer, text);
	progress_note_last_error(consumer, text);
}

/*
 * Has what the consumer was made from changed under it?  Then the error may only
 * mean that something has another name now, another owner, or is gone: it is
 * no news, and everything is read afresh.
 */
static bool
changed_meanwhile(Consumer *consumer)
{
	bool		changed;

	if (consumer->signature != NULL)
		changed = compare_with_catalog(consumer) != CATALOG_SAME;
	else
	{
		worker_begin();
		changed = !view_catalog_is_free() || !view_exists(consumer->view);
		worker_commit();
	}
	if (changed)
		worker_look_again();
	return changed;
}

static void
report_error(Consumer *consumer, const ErrorData *error)
{
	char	   *text = error_text(error);

	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("could not apply a batch to continuous view %s: %s",
					consumer->name, text),
			 errcontext("%s", error_context(error))));
	note_error(consumer, error, text);
}

/* Looking and noting may fail in turn: the whole catalog may be gone. */
void
consumer_handle_error(Consumer *consumer, ErrorData *error, bool cancelled)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	volatile bool changed = cancelled;

	PG_TRY();
	{
		changed |= changed_meanwhile(consumer);
		if (!changed)
			report_error(consumer, error);
	}
	PG_CATCH();
	{
		worker_abort();
		FlushErrorState();
		MemoryContextSwitchTo(oldcontext);
		worker_look_again();
	}
	PG_END_TRY();

	if (changed)
	{
		consumer_back_off(consumer, BUSY_PAUSE_MS);
		return;
	}
	consumer->batch_failed |= consumer->state == CONSUMER_RUN;
	consumer_back_off(consumer, Min(1000L << Min(consumer->failures, 6), MAX_ERROR_PAUSE_MS));
	consumer->failures++;
}
