/*-------------------------------------------------------------------------
 *
 * consumer.c
 *	  One consumer: its reader, its position, and what it waits for.
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

#include "access/relation.h"
#include "access/xact.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "worker/worker_internal.h"

/* How long one question may take to a broker that has just answered another. */
#define ASK_TIMEOUT_MS 1000

/* The same for the first one: 100, 200 .. 800 ms. */
#define FIRST_ASK_TIMEOUT_MS 100
#define MAX_ASK_SHIFT 3

/* So many questions without an answer are trouble. */
#define TROUBLE_AFTER 3

/* How often to ask for what is not there yet. */
#define CONTACT_PAUSE_MS 20
#define TROUBLE_PAUSE_MS 1000

/*
 * Questions to brokers that are away block the worker.  After one that took so
 * long, none is asked for so many times as long.
 */
#define SILENCE_FACTOR 9

/* Pauses after errors that may pass: 1, 2, 4 .. 60 seconds. */
#define MAX_ERROR_PAUSE_MS 60000

/* Pauses while somebody holds a lock: 20, 40 .. 1280 ms. */
#define FIRST_LOCK_PAUSE_MS 20
#define MAX_LOCK_PAUSE_SHIFT 6

/* What to do when the log is not the one that the position belongs to. */
#define DROP_AND_CREATE "drop and create the view to count what the topic holds now"

#define PARTITIONS_POLL_MS 5000
#define REPORT_MS 1000

static TimestampTz silent_until = 0;

static void consumer_contact(Consumer *consumer);
static void consumer_check(Consumer *consumer, MessageBatch *scratch);
static void start_running(Consumer *consumer);

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
 * Everything in the catalogs that the reader and the decoder were made from, as
 * text: options of server, user mapping, stream and columns, columns, owner.
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
	appendStringInfo(&text, "%u %u %s %s", cv->owner, server->serverid,
					 nodeToString(table->options), nodeToString(server->options));
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

void
consumer_open(Consumer *consumer, Size memory)
{
	MemoryContext oldcontext;

	Assert(consumer->context == NULL);
	consumer->context = AllocSetContextCreate(TopMemoryContext, "continuous view consumer",
											  ALLOCSET_DEFAULT_SIZES);
	consumer->intake_context = AllocSetContextCreate(consumer->context,
													 "continuous view intake",
													 ALLOCSET_DEFAULT_SIZES);

	worker_begin();
	oldcontext = MemoryContextSwitchTo(consumer->context);

	consumer->cv = view_get(consumer->view);
	consumer->stream = stream_open(consumer->cv->stream);
	consumer->signature = make_signature(consumer->cv);
	consumer->trouble = consumer->cv->error != NULL;
	progress_load(consumer);
	consumer->reader = stream_reader_open(consumer->stream, consumer->cv->owner, memory);
	if (consumer->want_headers)
		stream_reader_want_headers(consumer->reader);
	consumer->reader_memory = memory;

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
	consumer->stream = NULL;
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

/* After an invalidation: was it about something that we depend on? */
bool
consumer_options_changed(Consumer *consumer)
{
	bool		changed;

	if (consumer->context == NULL)
		return false;

	worker_begin();
	changed = consumer_differs_from_catalog(consumer);
	worker_commit();

	return changed;
}

void
consumer_back_off(Consumer *consumer, int64 ms)
{
	consumer_close(consumer);
	consumer->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/* -------------------------------------------------------------- its states */

void
consumer_advance(Consumer *consumer, MessageBatch *scratch)
{
	if (consumer->state == CONSUMER_CONTACT)
		consumer_contact(consumer);
	if (consumer->state == CONSUMER_CHECK)
		consumer_check(consumer, scratch);
}

static void
wait_a_moment(Consumer *consumer, int64 ms)
{
	consumer->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/*
 * Is it worth telling?  A question without an answer may only mean that the
 * connection is not up yet.
 */
static bool
is_trouble(const Consumer *consumer, const StreamReaderState *state)
{
	return !state->ok && (consumer->unanswered >= TROUBLE_AFTER ||
						  state->sqlerrcode == ERRCODE_UNDEFINED_OBJECT);
}

/* The broker does not answer, or does not know the topic. */
static void
note_reader_trouble(Consumer *consumer)
{
	StreamReaderState state = stream_reader_state(consumer->reader);

	consumer->unanswered++;
	if (is_trouble(consumer, &state))
	{
		if (!consumer->trouble)
			progress_note_trouble(consumer, state.message);
		wait_a_moment(consumer, TROUBLE_PAUSE_MS);
	}
	else
		wait_a_moment(consumer, CONTACT_PAUSE_MS);
}

/*
 * How many partitions the topic has; -1 if the broker cannot be asked now.  A
 * worker with many consumers of a broker that is away must still serve others.
 */
static int
ask_partitions(Consumer *consumer, int timeout_ms)
{
	TimestampTz start = GetCurrentTimestamp();
	int			n;

	if (start < silent_until)
		return -1;

	n = stream_reader_partitions(consumer->reader, timeout_ms);
	if (n <= 0)
	{
		TimestampTz now = GetCurrentTimestamp();

		silent_until = now + SILENCE_FACTOR * (now - start);
	}
	return n;
}

/* It cannot go on by itself. */
static void
pause_view(Consumer *consumer, const char *error)
{
	progress_note_paused(consumer, error);
	consumer_back_off(consumer, TROUBLE_PAUSE_MS);
}

/* First contact of a new view.  False if the broker could not answer. */
static bool
resolve_start(Consumer *consumer)
{
	bool		resolved;

	worker_begin();
	resolved = view_resolve_start(consumer->cv, consumer->reader, ASK_TIMEOUT_MS);
	CommandCounterIncrement();
	if (resolved)
		progress_load(consumer);
	else
		consumer->trouble = true;
	worker_commit();

	return resolved;
}

static bool
ask_offsets(Consumer *consumer, int n, int64 **first, int64 **end)
{
	*first = palloc(sizeof(int64) * n);
	*end = palloc(sizeof(int64) * n);
	return stream_reader_offsets(consumer->reader, n, *first, *end, ASK_TIMEOUT_MS);
}

/* Partitions that are new in the topic.  False if the broker did not answer. */
static bool
add_partitions(Consumer *consumer, int n)
{
	int64	   *first;
	int64	   *end;

	if (!ask_offsets(consumer, n, &first, &end))
		return false;

	worker_begin();
	progress_add_partitions(consumer, first, n);
	CommandCounterIncrement();
	progress_load(consumer);
	worker_commit();
	return true;
}

/*
 * Does the log still hold what we are about to read?  Returns what is wrong, or
 * NULL.
 */
static char *
compare_bounds(Consumer *consumer, const int64 *first, const int64 *end)
{
	for (int i = 0; i < consumer->npartitions; i++)
	{
		StreamPosition *position = &consumer->partitions[i].position;

		if (position->next_offset >= first[i] && position->next_offset <= end[i])
			continue;
		return psprintf("partition %d of topic \"%s\" holds offsets " INT64_FORMAT " to "
						INT64_FORMAT ", but the view has to go on at " INT64_FORMAT
						" (topic deleted, recreated or truncated, or messages expired); "
						DROP_AND_CREATE,
						position->partition, consumer->stream->topic,
						first[i], end[i], position->next_offset);
	}
	return NULL;
}

static void
consumer_contact(Consumer *consumer)
{
	int			n;
	int64	   *first;
	int64	   *end;
	char	   *wrong;

	if (GetCurrentTimestamp() < silent_until)
	{
		wait_a_moment(consumer, CONTACT_PAUSE_MS);
		return;
	}

	n = ask_partitions(consumer,
					   FIRST_ASK_TIMEOUT_MS << Min(consumer->unanswered, MAX_ASK_SHIFT));
	if (n <= 0 ||
		(consumer->npartitions == 0 && !resolve_start(consumer)) ||
		(consumer->npartitions < n && !add_partitions(consumer, n)) ||
		!ask_offsets(consumer, n, &first, &end))
	{
		note_reader_trouble(consumer);
		return;
	}

	if (consumer->npartitions > n)
		wrong = psprintf("topic \"%s\" has %d partitions, but the view has read %d (topic recreated); "
						 DROP_AND_CREATE,
						 consumer->stream->topic, n, consumer->npartitions);
	else
		wrong = compare_bounds(consumer, first, end);
	if (wrong)
	{
		pause_view(consumer, wrong);
		return;
	}

	/* What has expired cannot be compared, and need not be. */
	for (int i = 0; i < n; i++)
		if (consumer->partitions[i].position.last_offset < first[i])
			consumer->partitions[i].position.last_offset = -1;
	consumer->check_index = -1;
	consumer->state = CONSUMER_CHECK;
}

/* Goes to the next partition whose last message can be read back. */
static void
check_next(Consumer *consumer)
{
	for (int i = consumer->check_index + 1; i < consumer->npartitions; i++)
	{
		StreamPosition position = consumer->partitions[i].position;

		if (position.last_offset < 0)
			continue;
		position.next_offset = position.last_offset;
		position.at_end = false;
		stream_reader_assign(consumer->reader, &position, 1);
		consumer->check_index = i;
		return;
	}
	start_running(consumer);
}

/*
 * Reads back the last message of one partition.  If it is gone (compacted away,
 * say), the next one or the end of the log comes instead, which proves nothing.
 */
static void
consumer_check(Consumer *consumer, MessageBatch *scratch)
{
	while (consumer->state == CONSUMER_CHECK)
	{
		StreamPosition *known;
		StreamPosition *found;

		if (consumer->check_index < 0)
		{
			check_next(consumer);
			continue;
		}

		known = &consumer->partitions[consumer->check_index].position;
		message_batch_reset(scratch);
		stream_reader_drain_fd(consumer->reader);
		consumer->reading = true;
		(void) stream_reader_read(consumer->reader, scratch, 1, PG_INT32_MAX);
		consumer->reading = false;
		if (scratch->npositions != 1)
			break;
		found = &scratch->positions[0];
		if (scratch->count == 0 && !found->at_end)
			break;

		if (scratch->count > 0 && found->last_offset == known->last_offset &&
			(found->last_hash != known->last_hash ||
			 found->last_timestamp != known->last_timestamp))
		{
			pause_view(consumer,
					   psprintf("the message at offset " INT64_FORMAT " of partition %d of topic"
								" \"%s\" is not the one that was counted (topic recreated); "
								DROP_AND_CREATE,
								known->last_offset, known->partition, consumer->stream->topic));
			return;
		}
		check_next(consumer);
	}
	if (consumer->state == CONSUMER_CHECK)
		note_reader_trouble(consumer);
}

/* Reads on from the position that is committed. */
static void
assign_position(Consumer *consumer)
{
	StreamPosition *positions = palloc(sizeof(StreamPosition) * consumer->npartitions);

	for (int i = 0; i < consumer->npartitions; i++)
	{
		positions[i] = consumer->partitions[i].position;
		positions[i].at_end = false;
	}
	stream_reader_assign(consumer->reader, positions, consumer->npartitions);
	pfree(positions);
	consumer->readable = true;
}

void
consumer_step_back(Consumer *consumer)
{
	assign_position(consumer);
	wait_a_moment(consumer,
				  FIRST_LOCK_PAUSE_MS << Min(consumer->refusals, MAX_LOCK_PAUSE_SHIFT));
	consumer->refusals++;
}

static void
start_running(Consumer *consumer)
{
	assign_position(consumer);
	if (consumer->trouble && consumer->failures == 0)
		progress_clear_trouble(consumer);
	consumer->unanswered = 0;
	consumer->troubles = stream_reader_state(consumer->reader).troubles;
	consumer->next_poll_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 PARTITIONS_POLL_MS);
	consumer->state = CONSUMER_RUN;
}

bool
consumer_log_in_doubt(Consumer *consumer)
{
	if (stream_reader_state(consumer->reader).troubles == consumer->troubles)
		return false;

	consumer->unanswered = 0;
	consumer->state = CONSUMER_CONTACT;
	return true;
}

/* ------------------------------------------------------------ now and then */

/* New partitions are read from their beginning, along with the others. */
static void
poll_partitions(Consumer *consumer)
{
	int			n = ask_partitions(consumer, ASK_TIMEOUT_MS);

	if (n > consumer->npartitions && add_partitions(consumer, n))
		start_running(consumer);
}

/* The broker may go away, and come back, while we run. */
static void
follow_reader_state(Consumer *consumer)
{
	StreamReaderState state;

	if (consumer->unanswered > 0 && GetCurrentTimestamp() < silent_until)
		return;

	state = stream_reader_state(consumer->reader);
	consumer->unanswered = state.ok ? 0 : consumer->unanswered + 1;
	if (is_trouble(consumer, &state) && !consumer->trouble)
		progress_note_trouble(consumer, state.message);
	else if (state.ok && consumer->trouble && consumer->failures == 0)
		progress_clear_trouble(consumer);
}

static void
report_offsets(Consumer *consumer)
{
	StreamPosition *positions = palloc(sizeof(StreamPosition) * consumer->npartitions);

	for (int i = 0; i < consumer->npartitions; i++)
		positions[i] = consumer->partitions[i].position;
	stream_reader_report_offsets(consumer->reader, positions, consumer->npartitions);
	pfree(positions);
	consumer->report_due = false;
}

void
consumer_housekeeping(Consumer *consumer, TimestampTz now)
{
	if (consumer->state != CONSUMER_RUN)
		return;

	if (now >= consumer->next_report_at)
	{
		consumer->next_report_at = TimestampTzPlusMilliseconds(now, REPORT_MS);
		if (consumer->report_due)
			report_offsets(consumer);
		follow_reader_state(consumer);
	}
	if (now >= consumer->next_poll_at && consumer->unanswered == 0)
	{
		consumer->next_poll_at = TimestampTzPlusMilliseconds(now, PARTITIONS_POLL_MS);
		poll_partitions(consumer);
	}
}

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

/* Errors that may pass without anybody changing the view. */
static bool
may_pass(int sqlerrcode)
{
	static const int classes[] = {
		ERRCODE_CONNECTION_EXCEPTION, ERRCODE_TRANSACTION_ROLLBACK,
		ERRCODE_INSUFFICIENT_RESOURCES, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		ERRCODE_OPERATOR_INTERVENTION, ERRCODE_SYSTEM_ERROR
	};

	for (int i = 0; i < lengthof(classes); i++)
		if (ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(classes[i]))
			return true;
	return false;
}

/* Errors whose message may quote what a message of the topic holds. */
static bool
may_quote_values(int sqlerrcode)
{
	static const int classes[] = {
		ERRCODE_DATA_EXCEPTION, ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION,
		ERRCODE_PLPGSQL_ERROR
	};

	for (int i = 0; i < lengthof(classes); i++)
		if (ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(classes[i]))
			return true;
	return false;
}

/*
 * Where it happened.  Inner lines of the context may quote values too; the
 * outermost one is the batch's.
 */
static const char *
error_context(const ErrorData *error)
{
	const char *last;

	if (error->context == NULL)
		return "continuous view worker";
	last = strrchr(error->context, '\n');
	if (last == NULL || !may_quote_values(error->sqlerrcode))
		return error->context;
	return last + 1;
}

/* What monitoring and the log may show of an error. */
static char *
error_text(const ErrorData *error)
{
	const char *code = unpack_sql_state(error->sqlerrcode);

	if (may_quote_values(error->sqlerrcode))
		return psprintf("an expression failed with SQLSTATE %s, %s", code, error_context(error));
	return psprintf("%s (SQLSTATE %s)", error->message, code);
}

/* What is to become of the view.  Its row may be gone, or the whole catalog. */
static void
note_error(Consumer *consumer, const ErrorData *error, const char *text)
{
	MemoryContext oldcontext = CurrentMemoryContext;

	PG_TRY();
	{
		if (error->sqlerrcode == ERRCODE_DATA_CORRUPTED && consumer->reading)
			progress_note_paused(consumer, psprintf("%s; " DROP_AND_CREATE, error->message));
		else if (!may_pass(error->sqlerrcode))
			progress_note_failed(consumer, text);
		else if (consumer->failures > 0)
			progress_note_trouble(consumer, text);
		progress_note_last_error(consumer, text);
	}
	PG_CATCH();
	{
		worker_abort();
		FlushErrorState();
		MemoryContextSwitchTo(oldcontext);
		worker_look_again();
	}
	PG_END_TRY();
}

void
consumer_handle_error(Consumer *consumer, ErrorData *error)
{
	char	   *text = error_text(error);

	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("could not apply a batch to continuous view %s: %s",
					consumer->name, text),
			 errcontext("%s", error_context(error))));

	note_error(consumer, error, text);
	consumer_back_off(consumer, Min(1000L << Min(consumer->failures, 6), MAX_ERROR_PAUSE_MS));
	consumer->failures++;
}
