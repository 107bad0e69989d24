/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The background worker: drives the consumers of one database.
 *
 * A database has one worker or a few, and its consumers are divided among them
 * in turn.  When workers come or go the division changes; the lock that each
 * consumer has makes the handover clean.
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

#include "access/xact.h"
#include "commands/extension.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "worker/worker_internal.h"

/* A consumer this far from the end of its log is behind. */
#define BEHIND_MESSAGES 20000

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

/* Look at the catalog again even if nobody said that something changed. */
#define LOOK_MS 30000

/* Another worker still has the consumer's lock, or its view is just going. */
#define BUSY_PAUSE_MS 50

/* A worker that ran so long is fine. */
#define SUCCESS_MS 30000

#define MIN_READER_MEMORY ((Size) 1024 * 1024)

/* Events of the wait set that belong to no consumer. */
#define FIXED_EVENTS 2

static dlist_head consumers = DLIST_STATIC_INIT(consumers);
static int	nconsumers = 0;

static MemoryContext pass_context = NULL;

static WorkerMembership seen;	/* at the last look */
static TimestampTz next_look = 0;
static bool options_may_have_changed = false;

static MessageBatch *live_batch;
static MessageBatch *large_batch;

/* The consumer whose large batch is being gathered, or NULL. */
static Consumer *gathering = NULL;
static TimestampTz gather_until;
static double gather_ms;		/* spent reading */

static WaitEventSet *wait_set = NULL;

static void start_session(Oid dbid);
static bool look_at_catalog(void);
static bool run_consumers(void);
static void rest(bool busy);

/* ------------------------------------------------------------ transactions */

void
worker_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
worker_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(pass_context);
}

void
worker_abort(void)
{
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(pass_context);
}

void
worker_look_again(void)
{
	next_look = 0;
}

bool
worker_options_in_doubt(void)
{
	return options_may_have_changed;
}

/* ------------------------------------------------------------- entry point */

static void
options_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	options_may_have_changed = true;
}

static void
relation_callback(Datum arg, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (!OidIsValid(relid) ||
			(consumer->stream && consumer->stream->relid == relid))
			options_may_have_changed = true;
	}
}

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
	start_session(start.dbid);

	for (;;)
	{
		bool		busy;

		MemoryContextReset(pass_context);
		MemoryContextSwitchTo(pass_context);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			worker_look_again();
		}

		AcceptInvalidationMessages();
		if (!look_at_catalog())
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

static void
set_option(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * The session belongs to the bootstrap superuser; what views compute, it
 * computes as their owners.  A lock_timeout below deadlock_timeout sees to it
 * that in a deadlock with a user's statement it is the worker that gives way.
 */
static void
start_session(Oid dbid)
{
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);

	set_option("application_name", "pg_kappa worker");
	set_option("search_path", "pg_catalog, pg_temp");
	set_option("default_transaction_isolation", "read committed");
	set_option("default_transaction_read_only", "off");
	set_option("default_transaction_deferrable", "off");
	set_option("statement_timeout", "0");
	set_option("idle_in_transaction_session_timeout", "0");
	set_option("lock_timeout", psprintf("%d", Max(DeadlockTimeout / 2, 10)));
	set_option("row_security", "on");
	set_option("jit", "off");
	set_option("work_mem", psprintf("%d", Max(worker_memory / 4, 4096)));
	set_option("session_replication_role", "origin");

	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, options_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, options_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, options_callback, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_callback, (Datum) 0);

	pass_context = AllocSetContextCreate(TopMemoryContext, "pg_kappa worker pass",
										 ALLOCSET_DEFAULT_SIZES);
	live_batch = message_batch_create(TopMemoryContext);
	large_batch = message_batch_create(TopMemoryContext);
}

/* ------------------------------------------------------ which consumers */

static void
forget_wait_set(void)
{
	if (wait_set)
		FreeWaitEventSet(wait_set);
	wait_set = NULL;
}

static void
close_consumer(Consumer *consumer)
{
	if (gathering == consumer)
		gathering = NULL;
	if (consumer->reader)
		forget_wait_set();
	consumer_close(consumer);
}

static Consumer *
find_consumer(int id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (consumer->id == id)
			return consumer;
	}
	return NULL;
}

static void
keep_consumer(const ContinuousView *cv)
{
	Consumer   *consumer = find_consumer(cv->consumer);

	if (consumer && (consumer->view != cv->view || consumer->generation != cv->generation))
		return;					/* its number was given anew: next time */
	if (consumer == NULL)
	{
		consumer = MemoryContextAllocZero(TopMemoryContext, sizeof(Consumer));
		consumer->id = cv->consumer;
		consumer->view = cv->view;
		consumer->generation = cv->generation;
		consumer->name = MemoryContextStrdup(TopMemoryContext, cv->name);
		consumer->batch_limit = worker_batch_rows;
		dlist_push_tail(&consumers, &consumer->node);
		nconsumers++;
	}
	consumer->keep = true;
}

static void
drop_others(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (consumer->keep)
			continue;
		close_consumer(consumer);
		consumer_unlock(consumer);
		dlist_delete(&consumer->node);
		pfree(consumer->name);
		pfree(consumer);
		nconsumers--;
	}
}

/* What one reader may read ahead. */
static Size
reader_memory(void)
{
	Size		share = (Size) worker_memory * 1024 / 8 * 3;

	return Max(share / Max(nconsumers, 1), MIN_READER_MEMORY);
}

/* Readers that were opened when there were far fewer take too much by now. */
static void
close_greedy_readers(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (consumer->reader && consumer->reader_memory / 4 > reader_memory())
			close_consumer(consumer);
	}
}

static bool
has_something_to_do(const ContinuousView *cv)
{
	return !cv->paused && !cv->failed && !cv->foreign_origin;
}

/* The database's continuous views; NIL also without the extension. */
static List *
read_views(void)
{
	if (!OidIsValid(get_extension_oid("pg_kappa", true)))
		return NIL;
	return view_list();
}

/*
 * Takes up, keeps or gives up consumers: every total'th view is ours, those
 * that are paused counted too, so that pausing one moves no other.  False if
 * there is nothing left to do.
 */
static bool
divide_consumers(void)
{
	List	   *views;
	ListCell   *lc;
	dlist_iter	iter;
	int			active = 0;
	int			number = 0;

	dlist_foreach(iter, &consumers)
		dlist_container(Consumer, node, iter.cur)->keep = false;

	worker_begin();
	views = read_views();
	foreach(lc, views)
	{
		ContinuousView *cv = lfirst(lc);
		bool		mine = number++ % seen.total == seen.rank;

		if (!has_something_to_do(cv))
			continue;
		active++;
		if (mine)
			keep_consumer(cv);
	}
	drop_others();
	close_greedy_readers();
	worker_commit();

	if (views == NIL || seen.rank >= Max(Min(worker_limit, active), 1))
		return false;
	shmem_note_views(seen.changes, active);
	return true;
}

static void
check_options(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		consumer->check_options = true;
	}
}

/*
 * Looks at the catalog if there is a reason to.  False if this worker is not
 * needed any more, and has signed off.
 */
static bool
look_at_catalog(void)
{
	TimestampTz now = GetCurrentTimestamp();
	WorkerMembership current = shmem_membership();

	if (current.stop)
		return false;

	if (current.changes != seen.changes || current.members != seen.members ||
		now >= next_look || options_may_have_changed)
	{
		seen = current;
		next_look = TimestampTzPlusMilliseconds(now, LOOK_MS);
		if (!divide_consumers())
		{
			if (seen.rank > 0 || shmem_leave_if_idle(seen.changes))
				return false;
			worker_look_again();
		}
	}
	if (options_may_have_changed)
	{
		options_may_have_changed = false;
		check_options();
	}
	return true;
}

/* ----------------------------------------------------------- their turns */

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
read_messages(Consumer *consumer, MessageBatch *batch, int max_messages, Size max_bytes)
{
	instr_time	start;
	instr_time	end;
	int			n;

	INSTR_TIME_SET_CURRENT(start);
	stream_reader_drain_fd(consumer->reader);
	consumer->reading = true;
	n = stream_reader_read(consumer->reader, batch, max_messages, max_bytes);
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
	result = batch_apply(consumer, batch, read_ms);
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
			close_consumer(consumer);
			break;
	}
}

/* A consumer near the end of its log: what is there, at once. */
static bool
run_live(Consumer *consumer, TimestampTz now)
{
	double		read_ms;

	if (!consumer->readable || now < consumer->next_batch_at)
		return false;

	message_batch_reset(live_batch);
	read_ms = read_messages(consumer, live_batch, consumer->batch_limit, live_batch_memory());
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

	dlist_foreach(iter, &consumers)
	{
		Consumer   *other = dlist_container(Consumer, node, iter.cur);

		if (other->state == CONSUMER_RUN && !other->behind &&
			now - other->last_batch_at < BUSY_LIVE_MS * INT64CONST(1000))
			return Min(consumer->batch_limit, LARGE_BATCH_BESIDE_LIVE);
	}
	return consumer->batch_limit;
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
		large_batch->bytes < large_batch_memory() / 10 * 9 &&
		now < gather_until && lag != 0)
		return large_batch->count > before;

	gathering = NULL;
	if (large_batch->count == 0 && !has_gap(consumer, large_batch))
	{
		consumer->behind = false;
		return false;
	}
	commit_batch(consumer, large_batch, gather_ms);
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
		consumer_open(consumer, reader_memory());
		forget_wait_set();
	}
	consumer_advance(consumer, live_batch);
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
			close_consumer(consumer);
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

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(pass_context);
		error = CopyErrorData();
		worker_abort();
		LWLockReleaseAll();
		FlushErrorState();
		pgstat_report_activity(STATE_IDLE, NULL);
		RESUME_INTERRUPTS();

		if (gathering == consumer)
			gathering = NULL;
		forget_wait_set();
		consumer_handle_error(consumer, error);
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

	for (int i = 0; i < nconsumers; i++)
	{
		Consumer   *consumer = dlist_container(Consumer, node, dlist_head_node(&consumers));

		busy |= run_consumer_safely(consumer);
		dlist_delete(&consumer->node);
		dlist_push_tail(&consumers, &consumer->node);
	}
	return busy;
}

/* --------------------------------------------------------------- waiting */

static void
make_wait_set(void)
{
	dlist_iter	iter;

	wait_set = CreateWaitEventSet(NULL, FIXED_EVENTS + nconsumers);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	dlist_foreach(iter, &consumers)
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

	dlist_foreach(iter, &consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);
		TimestampTz due;

		if (consumer->state != CONSUMER_RUN)
			due = consumer->retry_at;
		else if (gathering == consumer)
			due = gather_until;
		else if (consumer->behind ? gathering == NULL : consumer->readable)
			due = consumer->next_batch_at;
		else
			continue;
		result = Min(result, TimestampDifferenceMilliseconds(now, due));
	}
	return result;
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
