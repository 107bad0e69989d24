/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The background worker: drives the consumers of one database.
 *
 * A database has one worker or a few; assignment.c says which consumers are
 * this one's.
 *
 * The main loop never waits for one consumer while another has something to
 * do.  Consumers near the end of their log come first, each with what is there;
 * one that is far behind takes its turn with one large batch, which is gathered
 * in passing, so that a merge pays for many messages.  Two batches are reused:
 * a small one for the former, and one for what is being gathered.  Together
 * with the readers' queues they stay within pg_kappa.memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "worker/worker_loop.h"

/* A batch this large may take a while: others are told first how far the log goes. */
#define LARGE_BATCH 5000

/* A consumer this far from the end of its log is behind. */
#define BEHIND_MESSAGES 20000

/* After a backlog its memory is kept for so long: there may be more to come. */
#define KEEP_MEMORY_MS 2000

/* How long a large batch is gathered at most. */
#define GATHER_MS 1000

/* The largest batch of one that is behind, while others are near their end. */
#define LARGE_BATCH_BESIDE_LIVE 100000

/* Consumers that had messages so lately count as live company. */
#define BUSY_LIVE_MS 2000

/* A consumer near the end makes no more than one batch in this time. */
#define LIVE_INTERVAL_MS 4

/* The same for a position that moves without messages. */
#define GAP_INTERVAL_MS 100

/* A worker that ran so long is fine. */
#define SUCCESS_MS 30000

/* Events of the wait set that belong to no consumer. */
#define FIXED_EVENTS 2

static MessageBatch *live_batch;
static MessageBatch *large_batch;

/* The consumer whose large batch is being gathered, or NULL. */
static Consumer *gathering = NULL;
static TimestampTz gather_until;
static double gather_ms;		/* spent reading */

/* When to give back what large batches took; 0: nothing to give back. */
static TimestampTz give_back_at = 0;

static WaitEventSet *wait_set = NULL;

static bool run_consumers(void);
static void rest(bool busy);

/* ------------------------------------------------------------- entry point */

void
kappa_worker_main(Datum arg)
{
	TimestampTz started = GetCurrentTimestamp();
	bool		proven = false;
	WorkerStart start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	if (!shmem_attach(DatumGetInt32(arg), start.serial, start.dbid))
		proc_exit(0);
	session_start(start.dbid);
	assignment_start();
	live_batch = message_batch_create(TopMemoryContext);
	large_batch = message_batch_create(TopMemoryContext);
	ReserveExternalFD();		/* for the wait set */

	for (;;)
	{
		bool		busy;

		MemoryContextReset(worker_pass_context);
		MemoryContextSwitchTo(worker_pass_context);
		ResetLatch(MyLatch);
		QueryCancelPending = false; /* there is no statement to be cancelled */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			session_take_settings();
			worker_look_again();
		}

		AcceptInvalidationMessages();
		if (!assignment_renew())
			proc_exit(0);
		busy = run_consumers();

		if (!proven && TimestampDifferenceExceeds(started, GetCurrentTimestamp(), SUCCESS_MS))
		{
			shmem_note_success();
			proven = true;
		}
		rest(busy);
	}
}

/* ----------------------------------------------------------- their turns */

/* The file that a wait set takes is kept for the next one: readers take what they get. */
static void
forget_wait_set(void)
{
	if (wait_set)
	{
		FreeWaitEventSet(wait_set);
		ReserveExternalFD();
	}
	wait_set = NULL;
}

void
worker_close_consumer(Consumer *consumer)
{
	if (gathering == consumer)
		gathering = NULL;
	if (consumer->reader)
		forget_wait_set();
	consumer_close(consumer);
}

static Size
large_batch_memory(void)
{
	return (Size) worker_memory * 1024 / 16 * 9;
}

static Size
live_batch_memory(void)
{
	return (Size) worker_memory * 1024 / 16;
}

static bool
is_due(const Consumer *consumer, TimestampTz now)
{
	return consumer->retry_at <= now;
}

static double
read_messages(Consumer *consumer, MessageBatch *batch, int max_messages, Size max_memory)
{
	instr_time	start;
	instr_time	end;
	int			n;

	INSTR_TIME_SET_CURRENT(start);
	stream_reader_drain_fd(consumer->reader);
	consumer->reading = true;
	n = stream_reader_read(consumer->reader, batch, max_messages, max_memory);
	consumer->reading = false;
	consumer->readable = n > 0;
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	return INSTR_TIME_GET_MILLISEC(end);
}

/* Has the position moved, or the end come in sight, without any message? */
static bool
has_gap(Consumer *consumer, const MessageBatch *batch)
{
	for (int i = 0; i < batch->npositions; i++)
	{
		const StreamPosition *after = &batch->positions[i];
		const PartitionProgress *progress = &consumer->partitions[i];

		if (after->next_offset != progress->position.next_offset ||
			(after->at_end && (!progress->live ||
							   progress->position.end_offset != after->end_offset)))
			return true;
	}
	return false;
}

static void
commit_batch(Consumer *consumer, MessageBatch *batch, double read_ms)
{
	int64		lag = consumer_lag(batch->positions, batch->npositions);
	int			count = batch->count;
	BatchResult result;

	pgstat_report_activity(STATE_RUNNING,
						   psprintf("%d messages of topic \"%s\" into %s", batch->count,
									consumer->stream->topic, consumer->cv->name));
	if (count >= LARGE_BATCH)
		progress_note_ends(consumer, batch->positions, batch->npositions);
	shmem_batch_begins(consumer->view);
	result = batch_apply(consumer, batch, read_ms);
	(void) shmem_batch_ends();
	QueryCancelPending = false; /* too late for this batch, and no other's business */
	pgstat_report_activity(STATE_IDLE, NULL);
	message_batch_reset(batch);

	switch (result)
	{
		case BATCH_DONE:
			consumer->behind = lag > BEHIND_MESSAGES;
			if (count > 0)
				consumer->last_batch_at = GetCurrentTimestamp();
			break;
		case BATCH_STALE:
			worker_look_again();
			forget_wait_set();
			consumer_back_off(consumer, BUSY_PAUSE_MS);
			break;
		case BATCH_BUSY:
			consumer_step_back(consumer);
			break;
		case BATCH_REREAD:
			worker_close_consumer(consumer);
			break;
	}
}

/* How many messages any batch may have: the setting may have changed since. */
static int
batch_limit(const Consumer *consumer)
{
	return Min(consumer->batch_limit, worker_batch_rows);
}

/* A consumer near the end of its log: what is there, at once. */
static bool
run_live(Consumer *consumer, TimestampTz now)
{
	double		read_ms;

	if (!consumer->readable || now < consumer->next_batch_at)
		return false;

	message_batch_reset(live_batch);
	read_ms = read_messages(consumer, live_batch, batch_limit(consumer), live_batch_memory());
	if (live_batch->count == 0 && !has_gap(consumer, live_batch))
		return false;
	if (consumer_log_in_doubt(consumer))
		return true;
	if (live_batch->count == 0)
	{
		if (now < consumer->next_gap_at)
		{
			consumer->readable = true;
			consumer->next_batch_at = consumer->next_gap_at;
			return false;
		}
		consumer->next_gap_at = TimestampTzPlusMilliseconds(now, GAP_INTERVAL_MS);
	}
	consumer->next_batch_at = TimestampTzPlusMilliseconds(now, LIVE_INTERVAL_MS);
	commit_batch(consumer, live_batch, read_ms);
	return true;
}

/*
 * How many messages a large batch may have.  Fewer while this worker has live
 * consumers that get messages: they wait while it is being applied.
 */
static int
large_batch_limit(const Consumer *consumer, TimestampTz now)
{
	dlist_iter	iter;

	dlist_foreach(iter, &worker_consumers)
	{
		Consumer   *other = dlist_container(Consumer, node, iter.cur);

		if (other->state == CONSUMER_RUN && !other->behind &&
			now - other->last_batch_at < BUSY_LIVE_MS * INT64CONST(1000))
			return Min(batch_limit(consumer), LARGE_BATCH_BESIDE_LIVE);
	}
	return batch_limit(consumer);
}

/* One step of gathering a large batch; it is applied when it is large enough. */
static bool
run_gathering(Consumer *consumer, TimestampTz now)
{
	int			limit = large_batch_limit(consumer, now);
	int			before;
	int64		lag;

	if (gathering == NULL)
	{
		gathering = consumer;
		gather_until = TimestampTzPlusMilliseconds(now, GATHER_MS);
		gather_ms = 0;
		message_batch_reset(large_batch);

		/* Even if it never gets as far as being applied. */
		give_back_at = TimestampTzPlusMilliseconds(gather_until, KEEP_MEMORY_MS);
	}

	before = large_batch->count;
	gather_ms += read_messages(consumer, large_batch, limit, large_batch_memory());
	if (large_batch->count > before && consumer_log_in_doubt(consumer))
	{
		gathering = NULL;
		return true;
	}
	lag = consumer_lag(large_batch->positions, large_batch->npositions);

	if (large_batch->count < limit &&
		large_batch->memory < large_batch_memory() / 10 * 9 &&
		now < gather_until && lag != 0)
		return large_batch->count > before;

	gathering = NULL;
	if (large_batch->count == 0 && !has_gap(consumer, large_batch))
	{
		consumer->behind = false;
		return false;
	}
	commit_batch(consumer, large_batch, gather_ms);
	give_back_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), KEEP_MEMORY_MS);
	return true;
}

/* Up to where batches can be made. */
static void
bring_up(Consumer *consumer)
{
	if (consumer->state == CONSUMER_CLOSED)
	{
		if (!consumer_lock(consumer))
		{
			consumer->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
															 BUSY_PAUSE_MS);
			return;
		}
		consumer_open(consumer, assignment_reader_memory());
		forget_wait_set();
		if (consumer->state == CONSUMER_CLOSED)
			return;
	}
	consumer_advance(consumer, live_batch);
	if (consumer->state == CONSUMER_CLOSED)
		forget_wait_set();
}

static bool
run_consumer(Consumer *consumer)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!is_due(consumer, now))
		return false;
	if (consumer->check_options)
	{
		consumer->check_options = false;
		if (consumer_options_changed(consumer))
			worker_close_consumer(consumer);
	}
	if (consumer->state != CONSUMER_RUN)
		bring_up(consumer);
	if (consumer->state != CONSUMER_RUN)
		return false;

	if (gathering != consumer)
		consumer_housekeeping(consumer, now);
	if (!consumer->behind)
		return run_live(consumer, now);
	if (gathering == NULL || gathering == consumer)
		return run_gathering(consumer, now);
	return false;
}

/* Whatever goes wrong with one consumer is no other's business. */
static bool
run_consumer_safely(Consumer *consumer)
{
	volatile bool busy = false;

	PG_TRY();
	{
		busy = run_consumer(consumer);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		bool		cancelled;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(worker_pass_context);
		error = CopyErrorData();
		worker_abort();
		LWLockReleaseAll();
		cancelled = shmem_batch_ends();
		QueryCancelPending = false;
		FlushErrorState();
		pgstat_report_activity(STATE_IDLE, NULL);
		RESUME_INTERRUPTS();

		if (gathering == consumer)
			gathering = NULL;
		forget_wait_set();
		consumer_handle_error(consumer, error, cancelled);
	}
	PG_END_TRY();

	return busy;
}

/*
 * Every consumer gets its turn; true if one found something to do.  The order
 * rotates, so that none that is behind gathers twice before another did once.
 */
static bool
run_consumers(void)
{
	bool		busy = false;

	for (int i = 0; i < worker_nconsumers; i++)
	{
		Consumer   *consumer = dlist_container(Consumer, node, dlist_head_node(&worker_consumers));

		busy |= run_consumer_safely(consumer);
		dlist_delete(&consumer->node);
		dlist_push_tail(&worker_consumers, &consumer->node);
	}
	return busy;
}

/* --------------------------------------------------------------- waiting */

static void
make_wait_set(void)
{
	dlist_iter	iter;

	ReleaseExternalFD();
	wait_set = CreateWaitEventSet(NULL, FIXED_EVENTS + worker_nconsumers);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	dlist_foreach(iter, &worker_consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (consumer->reader)
			AddWaitEventToSet(wait_set, WL_SOCKET_READABLE,
							  stream_reader_fd(consumer->reader), NULL, consumer);
	}
}

/* How long until some consumer is due again. */
static long
time_to_rest(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long		result = 1000;
	dlist_iter	iter;

	dlist_foreach(iter, &worker_consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);
		TimestampTz due;

		if (consumer->state != CONSUMER_RUN)
			due = consumer->retry_at;
		else if (gathering == consumer)
			due = gather_until;
		else if (consumer->behind ? gathering == NULL : consumer->readable)
			due = Max(consumer->next_batch_at, consumer->retry_at);
		else
			continue;
		result = Min(result, TimestampDifferenceMilliseconds(now, due));
	}
	return result;
}

/* A backlog is done, and it may be long until the next one. */
static void
give_back_memory(void)
{
	if (give_back_at == 0 || gathering || GetCurrentTimestamp() < give_back_at)
		return;
	give_back_at = 0;
	message_batch_shrink(large_batch);
#ifdef __GLIBC__
	/* What was read ahead is free, but malloc keeps it, thread by thread. */
	(void) malloc_trim(0);
#endif
}

/*
 * Waits for news: from a session, from a reader, or for a time.  A reader's
 * news are taken in at once, also from consumers whose turn has not come.
 */
static void
rest(bool busy)
{
	WaitEvent	events[16];
	int			n;

	if (!busy)
		give_back_memory();
	if (wait_set == NULL)
		make_wait_set();
	n = WaitEventSetWait(wait_set, busy ? 0 : time_to_rest(), events, lengthof(events),
						 PG_WAIT_EXTENSION);
	for (int i = 0; i < n; i++)
	{
		Consumer   *consumer = events[i].user_data;

		if ((events[i].events & WL_SOCKET_READABLE) && consumer)
		{
			stream_reader_drain_fd(consumer->reader);
			consumer->readable = true;
		}
	}
}
