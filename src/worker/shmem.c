/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  What launcher, workers and sessions know of each other.
 *
 * No shared catalog says which databases hold continuous views, so shared
 * memory does: a DatabaseEntry for each database that has some, or whose
 * sessions changed some since a worker last looked there.  A WorkerSlot is
 * taken by the launcher when it asks for a worker and given back by the worker
 * when it ends, however it ends (the launcher does it for one that never came
 * up).  One LWLock protects it all; nothing waits while holding it.
 *
 * A session that changes kappa.views bumps the database's counter of changes
 * when it commits, and wakes launcher and workers.  A worker that finds
 * nothing to do leaves only if the counter still is what it was when it
 * looked: no change is ever missed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "worker/worker_internal.h"

/* Pauses before a worker is started again: 1, 2, 4 .. 60 seconds. */
#define MAX_RESTART_PAUSE 60

/* A server that ran so long had no crash to speak of. */
#define QUIET_AFTER_CRASH_MS 600000

/* How long a command waits for workers to step aside. */
#define STEP_ASIDE_MS 10000

PG_FUNCTION_INFO_V1(kappa_worker_shortage);

WorkerShared *worker_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static WorkerSlot *my_slot = NULL;

/* What the current transaction does to workers when it ends. */
static bool wake_at_commit = false;
static Oid	held_database = InvalidOid;

static void shmem_request(void);
static void shmem_startup(void);
static void at_transaction_end(XactEvent event, void *arg);
static void release_database(Oid dbid);
static void detach(int code, Datum arg);

void
shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	RegisterXactCallback(at_transaction_end, NULL);
}

static int64
restart_pause_ms(int failures)
{
	return Min(1 << Min(failures, 10), MAX_RESTART_PAUSE) * (int64) 1000;
}

static Size
shmem_size(void)
{
	return add_size(offsetof(WorkerShared, slots),
					mul_size(max_worker_processes, sizeof(WorkerSlot)));
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(shmem_size());
	RequestNamedLWLockTranche("pg_kappa", 1);
}

/*
 * When workers may start.  Shared memory is made anew after a crash, but this
 * runs in the postmaster, which remembers: a view that brings the server down
 * must not do so without a pause.
 */
static TimestampTz
pause_after_crash(void)
{
	static TimestampTz last = 0;
	static int	crashes = -1;
	TimestampTz now = GetCurrentTimestamp();

	if (TimestampDifferenceExceeds(last, now, QUIET_AFTER_CRASH_MS))
		crashes = -1;
	last = now;
	if (++crashes == 0)
		return 0;
	return TimestampTzPlusMilliseconds(now, restart_pause_ms(crashes - 1));
}

static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	worker_shared = ShmemInitStruct("pg_kappa", shmem_size(), &found);
	if (!found)
	{
		memset(worker_shared, 0, shmem_size());
		worker_shared->start_after = pause_after_crash();
		worker_shared->lock = &GetNamedLWLockTranche("pg_kappa")->lock;
		worker_shared->nslots = max_worker_processes;
		ConditionVariableInit(&worker_shared->progress);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * The entry of a database; NULL if there is none (and none free, if create).
 * The caller holds the lock, exclusively if create.
 */
DatabaseEntry *
shmem_find_database(Oid dbid, bool create)
{
	DatabaseEntry *unused = NULL;

	for (int i = 0; i < MAX_DATABASES; i++)
	{
		DatabaseEntry *entry = &worker_shared->databases[i];

		if (entry->dbid == dbid)
			return entry;
		if (unused == NULL && !OidIsValid(entry->dbid))
			unused = entry;
	}

	if (!create || unused == NULL)
		return NULL;
	memset(unused, 0, sizeof(DatabaseEntry));
	unused->dbid = dbid;
	return unused;
}

/* The caller holds the lock. */
void
shmem_wake_launcher(void)
{
	if (worker_shared->launcher)
		SetLatch(&worker_shared->launcher->procLatch);
}

/* The caller holds the lock. */
static void
wake_workers(Oid dbid)
{
	for (int i = 0; i < worker_shared->nslots; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->dbid == dbid && slot->proc)
			SetLatch(&slot->proc->procLatch);
	}
}

/* Something changed in kappa.views of this database. */
void
shmem_wake_database(Oid dbid)
{
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(dbid, true);
	if (entry)
		entry->changes++;
	else
		worker_shared->rescan = true;
	shmem_wake_launcher();
	wake_workers(dbid);
	LWLockRelease(worker_shared->lock);
}

void
worker_wake_at_commit(void)
{
	wake_at_commit = true;
}

/*
 * A transaction that only was prepared wakes nobody: whoever commits it may
 * sit in another session.  Workers look again now and then in any case.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (wake_at_commit)
				shmem_wake_database(MyDatabaseId);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	wake_at_commit = false;
	if (OidIsValid(held_database))
		release_database(held_database);
	held_database = InvalidOid;
}

/* ------------------------------------------------------- a database alone */

/* Tells a database's workers to go; returns how many there still are. */
static int
send_workers_away(Oid dbid)
{
	int			n = 0;

	for (int i = 0; i < worker_shared->nslots; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->dbid != dbid)
			continue;
		n++;
		if (slot->proc && !slot->stop)
			kill(slot->proc->pid, SIGTERM);
		slot->stop = true;
	}
	return n;
}

static void
release_database(Oid dbid)
{
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(dbid, false);
	if (entry && entry->holds > 0)
		entry->holds--;
	shmem_wake_launcher();
	LWLockRelease(worker_shared->lock);
}

void
worker_step_aside(Oid dbid)
{
	TimestampTz start = GetCurrentTimestamp();
	DatabaseEntry *entry;
	int			n;

	if (OidIsValid(held_database))
		return;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(dbid, true);
	if (entry)
	{
		entry->holds++;
		held_database = dbid;
	}
	n = send_workers_away(dbid);
	LWLockRelease(worker_shared->lock);

	while (n > 0 && !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), STEP_ASIDE_MS))
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 10L, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
		n = send_workers_away(dbid);
		LWLockRelease(worker_shared->lock);
	}
}

/* ------------------------------------------------------- a worker's slot */

/*
 * Takes the slot that the launcher has set apart for this worker.  False if it
 * was given up meanwhile.
 */
bool
shmem_attach(int slot, uint32 serial, Oid dbid)
{
	bool		mine;
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	my_slot = &worker_shared->slots[slot];
	mine = my_slot->dbid == dbid && my_slot->serial == serial;
	if (mine && my_slot->stop)
	{
		memset(my_slot, 0, sizeof(WorkerSlot));
		mine = false;
	}
	if (mine)
	{
		my_slot->proc = MyProc;
		entry = shmem_find_database(dbid, true);
		if (entry)
		{
			entry->members++;
			entry->short_of_workers = false;
		}
		wake_workers(dbid);
	}
	LWLockRelease(worker_shared->lock);

	if (mine)
		before_shmem_exit(detach, (Datum) 0);
	else
		my_slot = NULL;
	return mine;
}

/* Frees the worker's slot.  The caller holds the lock. */
static void
free_slot(void)
{
	Oid			dbid = my_slot->dbid;
	DatabaseEntry *entry = shmem_find_database(dbid, false);

	if (entry)
		entry->members++;
	memset(my_slot, 0, sizeof(WorkerSlot));
	my_slot = NULL;
	wake_workers(dbid);
	shmem_wake_launcher();
}

/*
 * A worker ends, for whatever reason.  One that fails is followed by another
 * after a pause, which grows while that goes on.
 */
static void
detach(int code, Datum arg)
{
	DatabaseEntry *entry;

	if (my_slot == NULL)
		return;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(my_slot->dbid, false);
	if (entry && code != 0 && !my_slot->stop)
	{
		entry->start_after =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										restart_pause_ms(entry->failures));
		entry->failures++;
	}
	free_slot();
	LWLockRelease(worker_shared->lock);
}

/*
 * Called by a worker that found no continuous views when the counter of changes
 * was "seen".  If that still holds the worker is signed off, and must exit.
 */
bool
shmem_leave_if_idle(uint32 seen)
{
	DatabaseEntry *entry;
	bool		leave;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(MyDatabaseId, false);
	leave = entry == NULL || entry->changes == seen;
	if (leave)
	{
		free_slot();
		/* There may be more databases than entries; those without views need none. */
		if (entry && entry->holds == 0)
			memset(entry, 0, sizeof(DatabaseEntry));
		else if (entry)
		{
			entry->has_views = false;
			entry->looked = seen;
			entry->consumers = 0;
			entry->failures = 0;
		}
	}
	LWLockRelease(worker_shared->lock);

	return leave;
}

/* What a worker found when the counter of changes was "seen". */
void
shmem_note_views(uint32 seen, int consumers)
{
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(MyDatabaseId, true);
	if (entry)
	{
		entry->has_views = true;
		entry->looked = seen;
		if (entry->consumers != consumers)
			shmem_wake_launcher();
		entry->consumers = consumers;
	}
	LWLockRelease(worker_shared->lock);
}

/* A worker has worked for a while. */
void
shmem_note_success(void)
{
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(MyDatabaseId, false);
	if (entry)
		entry->failures = 0;
	LWLockRelease(worker_shared->lock);
}

void
shmem_batch_begins(Oid view)
{
	LWLockAcquire(worker_shared->lock, LW_SHARED);
	my_slot->applying = view;
	my_slot->cancelled = false;
	LWLockRelease(worker_shared->lock);
}

/* With the lock, so that no signal is sent later.  True if one was. */
bool
shmem_batch_ends(void)
{
	bool		cancelled;

	LWLockAcquire(worker_shared->lock, LW_SHARED);
	cancelled = OidIsValid(my_slot->applying) && my_slot->cancelled;
	my_slot->applying = InvalidOid;
	LWLockRelease(worker_shared->lock);
	return cancelled;
}

void
shmem_cancel_batch(Oid view)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < worker_shared->nslots; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->dbid != MyDatabaseId || slot->proc == NULL || slot->applying != view)
			continue;
		slot->cancelled = true;
		kill(slot->proc->pid, SIGINT);
	}
	LWLockRelease(worker_shared->lock);
}

WorkerMembership
shmem_membership(void)
{
	WorkerMembership result = {0};
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_SHARED);
	entry = shmem_find_database(MyDatabaseId, false);
	if (entry)
	{
		result.changes = entry->changes;
		result.members = entry->members;
	}
	result.stop = my_slot->stop;
	for (int i = 0; i < worker_shared->nslots; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->dbid != MyDatabaseId || slot->proc == NULL || slot->stop)
			continue;
		if (slot < my_slot)
			result.rank++;
		result.total++;
	}
	LWLockRelease(worker_shared->lock);

	return result;
}

/* ---------------------------------------------------------- what users see */

Datum
kappa_worker_shortage(PG_FUNCTION_ARGS)
{
	DatabaseEntry *entry;
	bool		shortage;

	LWLockAcquire(worker_shared->lock, LW_SHARED);
	entry = shmem_find_database(MyDatabaseId, false);
	shortage = entry && entry->short_of_workers;
	LWLockRelease(worker_shared->lock);

	if (!shortage)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text("there is no worker for this database: all of max_worker_processes are in use"));
}
