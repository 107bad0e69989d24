/*-------------------------------------------------------------------------
 *
 * worker_internal.h
 *	  What the files of this room share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_WORKER_INTERNAL_H
#define KAPPA_WORKER_INTERNAL_H

#include "datatype/timestamp.h"
#include "lib/ilist.h"
#include "postmaster/bgworker.h"
#include "source/source.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "view/view.h"
#include "worker/worker.h"

/* ------------------------------------------------------------- settings */

extern int	worker_memory;		/* pg_kappa.memory, kB */
extern int	worker_batch_rows;	/* pg_kappa.batch_rows */
extern int	worker_limit;		/* pg_kappa.workers, per database */

/* ---------------------------------------------- shmem.c: the shared state */

/* Databases that have continuous views, or had changes, at one time. */
#define MAX_DATABASES 256

/* What launcher, workers and sessions tell each other about one database. */
typedef struct DatabaseEntry
{
	Oid			dbid;			/* InvalidOid: free */
	bool		has_views;		/* as a worker last saw it */
	int			consumers;		/* that have something to do, as last seen */
	uint32		changes;		/* bumped by each commit that changes kappa.views */
	uint32		looked;			/* value of changes when a worker last looked */
	uint32		members;		/* bumped when a worker comes or goes */
	int			failures;		/* workers that died in a row */
	TimestampTz start_after;	/* no new worker before then */
	int			holds;			/* sessions that keep workers away */
	bool		short_of_workers;	/* wants one, and there is no room for it */
} DatabaseEntry;

/* A worker, from the moment when the launcher asks for it. */
typedef struct WorkerSlot
{
	Oid			dbid;			/* InvalidOid: free */
	uint32		serial;			/* of this use of the slot */
	TimestampTz launched_at;
	PGPROC	   *proc;			/* NULL: not attached yet */
	bool		stop;			/* somebody asked it to go */
	Oid			applying;		/* view whose batch it is applying */
	bool		cancelled;		/* somebody wants that batch to end */
} WorkerSlot;

typedef struct WorkerShared
{
	LWLock	   *lock;			/* protects everything below */
	PGPROC	   *launcher;		/* NULL: not running */
	bool		rescan;			/* look into every database again */
	uint32		serial;			/* last one given */
	TimestampTz start_after;	/* no workers before then, after a crash */
	ConditionVariable progress; /* some consumer has committed a batch */
	DatabaseEntry databases[MAX_DATABASES];
	int			nslots;
	WorkerSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} WorkerShared;

extern WorkerShared *worker_shared;

extern void shmem_init(void);

/* All but shmem_find_database and shmem_wake_launcher take the lock. */
extern DatabaseEntry *shmem_find_database(Oid dbid, bool create);
extern void shmem_wake_launcher(void);
extern void shmem_wake_database(Oid dbid);

/* A worker's own slot. */
extern bool shmem_attach(int slot, uint32 serial, Oid dbid);
extern bool shmem_leave_if_idle(uint32 seen);
extern void shmem_note_views(uint32 seen, int consumers);
extern void shmem_note_success(void);
extern void shmem_batch_begins(Oid view);
extern bool shmem_batch_ends(void);

/* Cancels the batch of a view that a worker is just applying, if there is one. */
extern void shmem_cancel_batch(Oid view);

/* How a worker stands among its database's. */
typedef struct WorkerMembership
{
	int			rank;			/* 0 .. total - 1 */
	int			total;
	uint32		changes;
	uint32		members;
	bool		stop;
} WorkerMembership;

extern WorkerMembership shmem_membership(void);

/* ------------------------------------------------------------ entry points */

extern PGDLLEXPORT void kappa_launcher_main(Datum arg);
extern PGDLLEXPORT void kappa_worker_main(Datum arg);

extern void launcher_register(void);

/* What a worker is started with, in bgw_extra. */
typedef struct WorkerStart
{
	Oid			dbid;
	uint32		serial;
} WorkerStart;

/* -------------------------------------- session.c: a worker's transactions */

/*
 * A worker's transactions begin and end with these: memory that is allocated
 * between them belongs to the current pass of the main loop.
 */
extern void worker_begin(void);
extern void worker_commit(void);
extern void worker_abort(void);

/* ----------------------------------- assignment.c: reasons for a new look */

/* Asks for another look at the catalog, soon. */
extern void worker_look_again(void);

/* Has an invalidation come that consumers have not been compared with yet? */
extern bool worker_options_in_doubt(void);

/* ------------------------------------------------ consumer.c: one consumer */

typedef enum ConsumerState
{
	CONSUMER_CLOSED,			/* no reader; waits for its lock, or a pause */
	CONSUMER_CONTACT,			/* reader opened; asking the broker */
	CONSUMER_CHECK,				/* comparing its position with the log */
	CONSUMER_RUN
} ConsumerState;

/* Where a consumer stands in one partition, as committed. */
typedef struct PartitionProgress
{
	StreamPosition position;
	bool		live;
	double		rate;			/* messages a second, smoothed; -1: unknown */
	double		next_rate;		/* the same when this batch will have committed */
	TimestampTz rate_at;		/* when rate was computed */
} PartitionProgress;

typedef struct Consumer
{
	dlist_node	node;
	int			id;
	Oid			view;
	int			generation;
	char	   *name;			/* the view's, for messages */
	bool		keep;			/* still ours, at the last look */
	bool		check_options;	/* after an invalidation */
	bool		locked;			/* nobody else drives it */

	ConsumerState state;
	TimestampTz retry_at;		/* do nothing before then */
	int			failures;		/* in a row */
	bool		batch_failed;	/* among them one of a batch */
	int			refusals;		/* locks not to be had, in a row */
	int			unanswered;		/* questions to the broker, in a row */
	bool		trouble;		/* kappa.views.error says what we wait for */

	/* one run, from open to close */
	MemoryContext context;		/* NULL: closed */
	ContinuousView *cv;
	Stream	   *stream;
	char	   *merge;			/* the statement of its batches */
	char	   *signature;		/* of everything that the reader and merge depend on */
	Size		reader_memory;
	StreamReader *reader;
	int64		troubles;		/* the reader's, when the log was last compared */
	int64		told;			/* the reader's troubles, when that was last written */
	int			check_index;	/* CONSUMER_CHECK: partition in question */
	int			npartitions;
	PartitionProgress *partitions;
	PartitionWatermark *watermarks;
	MemoryContext intake_context;
	ViewIntake *intake;			/* NULL: to be made from watermarks */

	int64		ahead;			/* view_intake_ahead() at the last commit */

	bool		readable;		/* a read may give something */
	bool		reading;		/* an error comes from the reader */
	bool		behind;			/* worth large batches */
	int			batch_limit;	/* messages; small after evaluation errors */
	bool		want_headers;	/* dead letters need them */
	TimestampTz next_batch_at;	/* no batch before then */
	TimestampTz last_batch_at;	/* of its last messages */
	TimestampTz next_poll_at;	/* of the number of partitions */
	TimestampTz next_report_at; /* of offsets to the broker */
	TimestampTz next_gap_at;	/* of a position that moved without messages */
	bool		report_due;
	double		last_commit_ms; /* goes to the statistics with the next batch */
} Consumer;

/* The lock that makes a worker the only one to drive a consumer. */
extern bool consumer_lock(Consumer *consumer);
extern void consumer_unlock(Consumer *consumer);

extern void consumer_open(Consumer *consumer, Size memory);
extern void consumer_close(Consumer *consumer);
extern bool consumer_options_changed(Consumer *consumer);

/* The same within the caller's transaction. */
extern bool consumer_differs_from_catalog(const Consumer *consumer);

/* What to do when the log is not the one that the position belongs to. */
#define DROP_AND_CREATE "drop and create the view to count what the topic holds now"

/* Messages that are known to be waiting in the log; -1: unknown. */
extern int64 consumer_lag(const StreamPosition *positions, int n);

/*
 * An error while working for the consumer, after the transaction was aborted:
 * it goes on later, or is failed.  Was its batch cancelled, by who stops the view,
 * then it is no news.
 */
extern void consumer_handle_error(Consumer *consumer, ErrorData *error, bool cancelled);

/* Close, and try again after so many milliseconds. */
extern void consumer_back_off(Consumer *consumer, int64 ms);

/* If another worker still has the consumer's lock, or the view is being changed or dropped. */
#define BUSY_PAUSE_MS 50

/* ------------------------------------ contact.c: a consumer and its broker */

/*
 * Does what the consumer's state asks for, up to CONSUMER_RUN; scratch is used
 * to read back single messages.  Never waits long.
 */
extern void consumer_advance(Consumer *consumer, MessageBatch *scratch);

/*
 * After a read: was there trouble since the log was last compared?  Then what
 * was read may belong to another log.  The consumer goes back and compares.
 */
extern bool consumer_log_in_doubt(Consumer *consumer);

/* Partitions added, broker away or back, offsets reported: now and then. */
extern void consumer_housekeeping(Consumer *consumer, TimestampTz now);

/*
 * A lock was not to be had: so many milliseconds later it may be tried again.
 * That grows, and some time is told as trouble.
 */
extern int64 consumer_refused(Consumer *consumer);

/*
 * A batch could not be applied because somebody holds a lock: read it again
 * after a pause, which grows while that goes on.
 */
extern void consumer_step_back(Consumer *consumer);

/* ------------------------------------------ dead_letter.c: bad messages */

/* What a batch sets aside; lives in the transaction's memory, but for texts. */
typedef struct DeadLetterList
{
	BadMessage *letters;
	int			count;
	int			capacity;
} DeadLetterList;

/* Adds them to the list; texts are not copied. */
extern void dead_letter_add(DeadLetterList *list, const BadMessage *letters, int n);
extern void dead_letter_store(const Consumer *consumer, const MessageBatch *batch,
							  const DeadLetterList *list);
extern bool dead_letter_limit_reached(const Consumer *consumer);

/* ----------------------------------- batch.c: one batch is one transaction */

typedef enum BatchResult
{
	BATCH_DONE,
	BATCH_STALE,				/* the view is gone, paused or failed */
	BATCH_BUSY,					/* somebody holds a lock that we need */
	BATCH_REREAD				/* with fewer messages, or with their headers */
} BatchResult;

/* What one batch has cost: goes to kappa.stats. */
typedef struct BatchStats
{
	int64		rows_read;
	int64		rows_ahead;
	int64		rows_bad;
	int64		bytes_read;
	int64		groups_written;
	double		read_time;		/* ms, as all times here */
	double		aggregate_time;
	double		merge_time;
	double		commit_time;
} BatchStats;

/*
 * Locks what a batch needs, if it is free: BATCH_DONE, BATCH_BUSY, or BATCH_STALE
 * when it is gone.  state_mode: RowExclusiveLock, or AccessShareLock to look only.
 */
extern BatchResult batch_lock_relations(const ContinuousView *cv, LOCKMODE state_mode);

/* Commits the batch; a batch without messages only moves the position. */
extern BatchResult batch_apply(Consumer *consumer, MessageBatch *batch, double read_time);

/*
 * Merges messages that were set aside before, in the caller's transaction; the
 * list tells which of them are bad still.  False: nothing was merged, since
 * there are keys too long for the state's index (view_take_long_keys).
 */
extern bool batch_merge_letters(Consumer *consumer, MessageBatch *batch,
								DeadLetterList *still_bad);

/* Batches that had errors are made small for a while. */
#define SPLIT_MESSAGES 5000

/* ------------------------------- progress.c: what batches write in kappa.* */

typedef enum ViewRow
{
	VIEW_ROW_ACTIVE,
	VIEW_ROW_STOPPED			/* gone, paused, failed, or another generation's */
} ViewRow;

/* All but the last group run inside the caller's transaction. */
extern void progress_load(Consumer *consumer);
extern ViewRow progress_view_row(const Consumer *consumer);
extern void progress_store(Consumer *consumer, const StreamPosition *after, int n);
extern void progress_store_watermarks(const Consumer *consumer,
									  const PartitionWatermark *watermarks, int n);
extern void progress_add_partitions(Consumer *consumer, const int64 *first, int n);
extern void progress_store_stats(const Consumer *consumer, const BatchStats *stats);
extern void progress_pause(const Consumer *consumer, const char *error);

/*
 * True if the view's row now says that it waits for nothing; consumer->trouble is
 * to follow when that has committed.
 */
extern bool progress_end_trouble(const Consumer *consumer);

/* The batch's transaction has committed: "after" is where we stand. */
extern void progress_committed(Consumer *consumer, const StreamPosition *after, int n);

/*
 * In a transaction of its own: where the log ends, before a batch that takes a
 * while is applied.
 */
extern void progress_note_ends(const Consumer *consumer, const StreamPosition *after, int n);

/*
 * A transaction of their own; skipped if somebody else holds the view's row, in
 * which case noting trouble returns false.
 */
extern bool progress_note_trouble(Consumer *consumer, const char *error);
extern void progress_clear_trouble(Consumer *consumer);
extern void progress_note_paused(Consumer *consumer, const char *error);
extern void progress_note_failed(Consumer *consumer, const char *error);
extern void progress_note_last_error(Consumer *consumer, const char *error);

/* --------------------------------------------------- plans.c: saved plans */

/* A statement that is prepared once per session. */
typedef struct SavedPlan
{
	const char *sql;
	int			nargs;
	Oid			types[13];
	struct _SPI_plan *plan;
} SavedPlan;

extern uint64 saved_plan_run(SavedPlan *plan, Datum *values, const char *nulls, long limit);

#endif							/* KAPPA_WORKER_INTERNAL_H */
