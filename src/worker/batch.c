/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  One batch of messages is one transaction.
 *
 * The transaction runs the view's merge statement over the batch, then writes
 * dead letters, watermarks, statistics and the next offsets.  Whatever is
 * killed at whatever moment, all of it is there or nothing.
 *
 * Locks.  Stream, delta view and state table are locked before anything is
 * done, and only if they are free: a worker that waited here while it holds
 * other locks could deadlock with DDL, and would keep its other views waiting.
 * With the state table locked the view's row is read again: kappa.pause and
 * DROP lock that table too, so what is seen then holds for the transaction.
 *
 * Evaluation errors.  Normally the statement runs without a subtransaction.  If
 * it fails with an error that one message may be the cause of, the transaction
 * is aborted and done again with care.  First the delta query alone, which
 * writes nothing, tells which messages fail whatever the state holds: these
 * become dead letters.  Rows are evaluated as they are read, nearly always, so
 * the message read last is the first suspect; where it is innocent the stretch
 * is halved.  Then the others are merged.  If that fails because a message's
 * own row is too large to be stored, stretches are merged and halved in
 * subtransactions to find it (which is slow: each writes to the same rows).
 * What fails only together with the state fails the view.  Group keys that are too
 * long for the state's index are no errors: it is changed, and the batch read again.
 *
 * Headers.  Dead letters keep them, but to read them is costly and nearly all
 * messages are good.  So a consumer reads without them until its first dead
 * letter; then that batch is read again, and from there on all come with them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "worker/worker_internal.h"

/* With more errors than this in one transaction, make smaller ones. */
#define MAX_ERRORS_PER_TRANSACTION 1000

/*
 * A dead letter takes as long as some dozen messages, and others wait meanwhile:
 * after more than this in one batch make no larger ones, until there are few.
 */
#define MANY_LETTERS 50000
#define FEW_LETTERS 100

/* What is kept of an error that an expression raises, in bytes: it may be as long as a value. */
#define ERROR_LENGTH 1000

/* Partitions named in the context of an error. */
#define MAX_PARTITIONS_SHOWN 4

/* Notes when the plan has read everything: what follows is the merge. */
typedef struct TimedFeed
{
	StreamFeed	feed;			/* first */
	StreamFeed *inner;
	bool	   *fed_all;
	instr_time	exhausted;
} TimedFeed;

typedef struct BatchWork
{
	Consumer   *consumer;
	MessageBatch *batch;
	bool		careful;
	DeadLetterList letters;
	Bitmapset  *skip;			/* messages that are dead letters already */
	int			evaluation_errors;
	bool		whole;			/* never to be split */
	bool		split;			/* gave up: too many of them */
	bool		long_keys;		/* gave up: keys too long for the state's index */
	const char *delta_query;	/* without the merge */
	bool		fed_all;		/* the statement has read its whole stretch */
	bool		trouble_over;	/* as the view's row says from now on */
	BatchStats	stats;
	instr_time	statement_time;
	instr_time	aggregate_time;
} BatchWork;

static BatchResult apply_in_transaction(BatchWork *work);
static BatchResult take_long_keys(Consumer *consumer);
static void prepare_intake(Consumer *consumer);
static void run_stretch(BatchWork *work, int first, int last);
static void run_carefully(BatchWork *work);
static void store_results(BatchWork *work);
static void after_commit(BatchWork *work);
static void batch_error_context(void *arg);

/* May one message be the cause of such an error?  Too deep for the stack (54001), say. */
static bool
is_evaluation_error(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED) ||
		sqlerrcode == ERRCODE_CHECK_VIOLATION ||
		sqlerrcode == ERRCODE_RAISE_EXCEPTION;
}

static double
elapsed_ms(instr_time since)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, since);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* First try; false if it has to be done again with care. */
static bool
apply_at_once(BatchWork *work, BatchResult *result)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	bool		careful = false;

	PG_TRY();
	{
		*result = apply_in_transaction(work);
	}
	PG_CATCH();
	{
		if (!is_evaluation_error(geterrcode()))
			PG_RE_THROW();
		careful = true;
		worker_abort();
		FlushErrorState();
		MemoryContextSwitchTo(oldcontext);
	}
	PG_END_TRY();

	return !careful;
}

BatchResult
batch_apply(Consumer *consumer, MessageBatch *batch, double read_time)
{
	BatchWork	work = {.consumer = consumer,.batch = batch};
	BatchResult result;
	ErrorContextCallback callback = {
		.callback = batch_error_context,.arg = &work,.previous = error_context_stack
	};

	error_context_stack = &callback;
	work.stats.read_time = read_time;
	if (!apply_at_once(&work, &result))
	{
		memset(&work, 0, sizeof(work));
		work.consumer = consumer;
		work.batch = batch;
		work.stats.read_time = read_time;
		work.careful = true;
		MemoryContextReset(consumer->intake_context);
		consumer->intake = NULL;
		result = apply_in_transaction(&work);
	}
	error_context_stack = callback.previous;
	return result;
}

static BatchResult
apply_in_transaction(BatchWork *work)
{
	Consumer   *consumer = work->consumer;
	MessageBatch *batch = work->batch;
	instr_time	commit_start;
	BatchResult result;

	worker_begin();
	result = batch_lock_relations(consumer->cv, RowExclusiveLock);
	if (result == BATCH_DONE && progress_view_row(consumer) != VIEW_ROW_ACTIVE)
		result = BATCH_STALE;

	/*
	 * The stream may have changed before it was locked, and after this pass
	 * of the main loop looked, or could not look: a decoder for other columns
	 * must not be used.
	 */
	if (result == BATCH_DONE && (worker_options_in_doubt() || consumer->check_options) &&
		consumer_differs_from_catalog(consumer))
		result = BATCH_REREAD;
	if (result != BATCH_DONE)
	{
		worker_abort();
		return result;
	}

	if (batch->count > 0)
	{
		prepare_intake(consumer);
		if (work->careful)
			run_carefully(work);
		else
			run_stretch(work, 0, batch->count);
		if (work->long_keys)
		{
			worker_abort();
			return take_long_keys(consumer);
		}
		if (work->split)
		{
			worker_abort();
			consumer->batch_limit = SPLIT_MESSAGES;
			return BATCH_REREAD;
		}
		if (work->letters.count > 0 && !stream_reader_has_headers(consumer->reader))
		{
			worker_abort();
			consumer->want_headers = true;
			return BATCH_REREAD;
		}
	}
	store_results(work);

	INSTR_TIME_SET_CURRENT(commit_start);
	worker_commit();
	consumer->last_commit_ms = elapsed_ms(commit_start);
	after_commit(work);
	return BATCH_DONE;
}

/* In a transaction of its own; the batch is read again then. */
static BatchResult
take_long_keys(Consumer *consumer)
{
	const ContinuousView *cv = consumer->cv;
	BatchResult result = BATCH_BUSY;

	worker_begin();
	if (ConditionalLockRelationOid(cv->state, AccessExclusiveLock))
		result = progress_view_row(consumer) == VIEW_ROW_ACTIVE ? BATCH_REREAD : BATCH_STALE;
	if (result == BATCH_REREAD)
	{
		view_take_long_keys(cv);
		worker_commit();
	}
	else
		worker_abort();
	return result;
}

BatchResult
batch_lock_relations(const ContinuousView *cv, LOCKMODE state_mode)
{
	const struct
	{
		Oid			relid;
		LOCKMODE	mode;
	}			locks[] = {
		{cv->stream, AccessShareLock},
		{cv->delta, AccessShareLock},
		{cv->state, state_mode}
	};

	for (int i = 0; i < lengthof(locks); i++)
	{
		if (!ConditionalLockRelationOid(locks[i].relid, locks[i].mode))
			return BATCH_BUSY;
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(locks[i].relid)))
			return BATCH_STALE;
	}
	return BATCH_DONE;
}

/* Decoder and watermarks serve until the consumer is closed or a batch fails. */
static void
prepare_intake(Consumer *consumer)
{
	if (consumer->intake)
		return;
	consumer->intake = view_intake_create(consumer->cv, consumer->stream,
										  consumer->watermarks, consumer->npartitions,
										  consumer->intake_context);
	consumer->ahead = 0;
}

/* --------------------------------------------------------------- statements */

static bool
timed_next(StreamFeed *feed, TupleTableSlot *slot)
{
	TimedFeed  *timed = (TimedFeed *) feed;

	if (timed->inner->next(timed->inner, slot))
		return true;
	INSTR_TIME_SET_CURRENT(timed->exhausted);
	*timed->fed_all = true;
	return false;
}

static void
timed_rewind(StreamFeed *feed)
{
	TimedFeed  *timed = (TimedFeed *) feed;

	timed->inner->rewind(timed->inner);
}

/* Runs one statement over messages first .. last - 1, as the view's owner. */
static uint64
run_statement(BatchWork *work, const char *sql, int first, int last)
{
	Consumer   *consumer = work->consumer;
	TimedFeed	timed = {.feed = {timed_next, timed_rewind},.fed_all = &work->fed_all};
	ViewIdentity save;
	instr_time	start;
	instr_time	end;
	uint64		processed;

	INSTR_TIME_SET_CURRENT(start);
	timed.exhausted = start;
	timed.inner = view_intake_feed(consumer->intake, work->batch, first, last, work->skip);
	work->fed_all = false;

	view_enter(consumer->cv, &save);
	processed = view_run(consumer->cv, sql, &timed.feed, last - first, NULL);
	view_leave(&save);

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_ACCUM_DIFF(work->statement_time, end, start);
	INSTR_TIME_ACCUM_DIFF(work->aggregate_time, timed.exhausted, start);
	return processed;
}

static void
run_stretch(BatchWork *work, int first, int last)
{
	Consumer   *consumer = work->consumer;
	const BadMessage *bad;
	int			nbad;

	work->stats.groups_written += run_statement(work, consumer->merge, first, last);
	view_intake_finish(consumer->intake);

	nbad = view_intake_bad(consumer->intake, &bad);
	dead_letter_add(&work->letters, bad, nbad);
}

/* How a stretch was tried, and what came of it. */
typedef struct Trial
{
	ErrorData  *error;			/* NULL: none */
	int			suspect;		/* message that was read last; -1: no telling */
} Trial;

/*
 * Runs a stretch in a subtransaction: its merge, or its delta query alone,
 * whose rows are thrown away.  Errors that no message can be the cause of are
 * thrown on.
 */
static Trial
try_stretch(BatchWork *work, int first, int last, bool merge)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	ViewIntake *intake = work->consumer->intake;
	Trial		trial = {.suspect = -1};

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcontext);
	work->fed_all = false;
	PG_TRY();
	{
		if (merge)
			run_stretch(work, first, last);
		else
			(void) run_statement(work, work->delta_query, first, last);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcontext);
		trial.error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (!work->fed_all)
			trial.suspect = view_intake_last_fed(intake);
		view_intake_undo(intake);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;

	if (trial.error && !is_evaluation_error(trial.error->sqlerrcode))
		ReThrowError(trial.error);
	return trial;
}

static void
set_aside(BatchWork *work, int index, ErrorData *error)
{
	BadMessage	letter = {index, error->sqlerrcode};

	letter.error = pnstrdup(error->message,
							pg_mbcliplen(error->message, strlen(error->message), ERROR_LENGTH));
	dead_letter_add(&work->letters, &letter, 1);
	work->skip = bms_add_member(work->skip, index);
	work->evaluation_errors++;
	if (!work->whole && work->evaluation_errors > MAX_ERRORS_PER_TRANSACTION &&
		work->batch->count > SPLIT_MESSAGES)
		work->split = true;
}

/*
 * Sets aside the messages of a stretch that fail in the delta query.  With
 * suspects, whatever was read before one that is guilty is taken to be good.
 */
static void
find_bad_messages(BatchWork *work, int first, int last, bool suspects)
{
	while (first < last && !work->split)
	{
		Trial		all = try_stretch(work, first, last, false);
		Trial		alone = {0};
		int			middle = first + (last - first) / 2;

		CHECK_FOR_INTERRUPTS();
		if (all.error == NULL)
			return;
		if (last - first == 1)
		{
			set_aside(work, first, all.error);
			return;
		}

		if (suspects && all.suspect >= first && all.suspect < last)
			alone = try_stretch(work, all.suspect, all.suspect + 1, false);
		if (alone.error)
		{
			set_aside(work, all.suspect, alone.error);
			FreeErrorData(alone.error);
			first = all.suspect + 1;
		}
		else
		{
			find_bad_messages(work, first, middle, suspects);
			first = middle;
		}
		FreeErrorData(all.error);
	}
}

/*
 * Merges a stretch whose delta query is good, and sets aside single messages
 * that are too large.  But if that may be their keys', and something can be done
 * about it, everything starts again when it is done.
 */
static void
merge_by_halves(BatchWork *work, int first, int last)
{
	Trial		trial = try_stretch(work, first, last, true);
	int			middle = first + (last - first) / 2;

	CHECK_FOR_INTERRUPTS();
	if (trial.error == NULL)
		return;
	if (trial.error->sqlerrcode != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		ReThrowError(trial.error);

	if (!work->consumer->cv->takes_long_keys)
		work->long_keys = true;
	else if (last - first == 1)
		set_aside(work, first, trial.error);
	else
	{
		merge_by_halves(work, first, middle);
		merge_by_halves(work, middle, last);
	}
	FreeErrorData(trial.error);
}

static void
run_carefully(BatchWork *work)
{
	const char *delta = view_relation_name(work->consumer->cv->delta);

	work->delta_query = psprintf("SELECT * FROM %s", delta);
	find_bad_messages(work, 0, work->batch->count, true);
	find_bad_messages(work, 0, work->batch->count, false);
	if (!work->split)
		merge_by_halves(work, 0, work->batch->count);
}

bool
batch_merge_letters(Consumer *consumer, MessageBatch *batch, DeadLetterList *still_bad)
{
	BatchWork	work = {.consumer = consumer,.batch = batch,.whole = true};

	prepare_intake(consumer);
	run_carefully(&work);
	*still_bad = work.letters;
	return !work.long_keys;
}

/* ------------------------------------------------------------------ results */

static void
fill_stats(BatchWork *work)
{
	BatchStats *stats = &work->stats;
	int64		ahead = view_intake_ahead(work->consumer->intake);

	stats->rows_read = work->batch->count;
	stats->bytes_read = work->batch->bytes;
	stats->rows_bad = work->letters.count;
	stats->rows_ahead = ahead - work->consumer->ahead;
	stats->aggregate_time = INSTR_TIME_GET_MILLISEC(work->aggregate_time);
	stats->merge_time = INSTR_TIME_GET_MILLISEC(work->statement_time) - stats->aggregate_time;
	stats->commit_time = work->consumer->last_commit_ms;
}

/* All that goes with the merge into the same transaction. */
static void
store_results(BatchWork *work)
{
	Consumer   *consumer = work->consumer;

	if (work->batch->count > 0)
	{
		const PartitionWatermark *watermarks;
		int			n;

		if (work->letters.count > 0)
		{
			dead_letter_store(consumer, work->batch, &work->letters);
			if (dead_letter_limit_reached(consumer))
			{
				progress_pause(consumer,
							   psprintf("as many dead letters as reject_limit allows (" INT64_FORMAT ")",
										consumer->cv->reject_limit));
				worker_look_again();
			}
		}
		watermarks = view_intake_watermarks(consumer->intake, &n);
		progress_store_watermarks(consumer, watermarks, n);
		fill_stats(work);
		progress_store_stats(consumer, &work->stats);
	}
	progress_store(consumer, work->batch->positions, work->batch->npositions);

	/* Whatever it waited for, unless the broker is away meanwhile. */
	if (consumer->trouble && stream_reader_last_state(consumer->reader).ok)
		work->trouble_over = progress_end_trouble(consumer);
}

static void
remember_watermarks(Consumer *consumer)
{
	const PartitionWatermark *watermarks;
	int			n;

	watermarks = view_intake_watermarks(consumer->intake, &n);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < consumer->npartitions; j++)
			if (consumer->watermarks[j].partition == watermarks[i].partition)
				consumer->watermarks[j] = watermarks[i];
	consumer->ahead = view_intake_ahead(consumer->intake);
}

static void
after_commit(BatchWork *work)
{
	Consumer   *consumer = work->consumer;

	progress_committed(consumer, work->batch->positions, work->batch->npositions);
	if (work->trouble_over)
		consumer->trouble = false;
	if (work->batch->count > 0)
	{
		remember_watermarks(consumer);
		view_intake_rest(consumer->intake);
	}
	ConditionVariableBroadcast(&worker_shared->progress);
	pgstat_report_stat(false);

	consumer->report_due = true;
	consumer->failures = 0;
	consumer->batch_failed = false;
	consumer->refusals = 0;
	if (work->letters.count > MANY_LETTERS)
		consumer->batch_limit = Min(consumer->batch_limit, MANY_LETTERS);
	else if (work->letters.count < FEW_LETTERS && consumer->batch_limit < worker_batch_rows)
		consumer->batch_limit = Min(consumer->batch_limit * 2L, worker_batch_rows);
}

/* Which messages were being applied to which view. */
static void
batch_error_context(void *arg)
{
	BatchWork  *work = arg;
	Consumer   *consumer = work->consumer;
	StringInfoData text;
	int			shown = 0;

	if (consumer->cv == NULL)
		return;

	initStringInfo(&text);
	for (int i = 0; i < work->batch->npositions && i < consumer->npartitions; i++)
	{
		int64		from = consumer->partitions[i].position.next_offset;
		int64		to = work->batch->positions[i].next_offset;

		if (from >= to)
			continue;
		if (shown++ == MAX_PARTITIONS_SHOWN)
		{
			appendStringInfoString(&text, ", ...");
			break;
		}
		appendStringInfo(&text, "%s partition %d offsets " INT64_FORMAT " to " INT64_FORMAT,
						 shown > 1 ? "," : "", work->batch->positions[i].partition,
						 from, to - 1);
	}
	errcontext("applying topic \"%s\",%s to continuous view %s",
			   consumer->stream->topic, text.data, consumer->cv->name);
	pfree(text.data);
}
