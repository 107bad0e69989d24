/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: sees to it that each database with continuous views has
 *	  workers.
 *
 * A static background worker without a database, like autovacuum's launcher:
 * it reads pg_database and nothing else.  Whether a database holds continuous
 * views only a worker inside it can tell; so each connectable database gets
 * one worker after the start, which leaves again where there is nothing to do
 * (one at a time: a start must not take all of max_worker_processes).  From
 * then on shared memory knows; see shmem.c.
 *
 * Every database gets its first worker before any gets its second, and a
 * database that has several gives one up for a database that has none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "worker/worker_internal.h"

/* How long a worker may take to come up, before its slot is given up. */
#define START_TIMEOUT_MS 60000

/* How often to look again: while something is pending, and otherwise. */
#define BUSY_NAP_MS 500L
#define IDLE_NAP_MS 60000L

/* Databases that a worker has looked into since the launcher started. */
static HTAB *probed = NULL;

/* Slots are exhausted, and the log says so. */
static bool warned = false;

/* What has to be done for one database. */
typedef struct DatabaseNeed
{
	Oid			dbid;
	int			running;		/* workers, also those that are about to start */
	int			wanted;
	bool		waits;			/* wanted, but not yet */
	bool		probe;			/* nobody has looked into it yet */
	bool		looking;		/* a worker is just finding out */
} DatabaseNeed;

static void launcher_exit(int code, Datum arg);
static bool launch_workers(void);

void
launcher_register(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_kappa", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "kappa_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_kappa launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_kappa launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

void
kappa_launcher_main(Datum arg)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(Oid)};

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	probed = hash_create("pg_kappa probed databases", 64, &ctl, HASH_ELEM | HASH_BLOBS);

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	worker_shared->launcher = MyProc;
	LWLockRelease(worker_shared->lock);
	before_shmem_exit(launcher_exit, (Datum) 0);

	for (;;)
	{
		bool		pending;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		pending = launch_workers();

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 pending ? BUSY_NAP_MS : IDLE_NAP_MS, PG_WAIT_EXTENSION);
	}
}

static void
launcher_exit(int code, Datum arg)
{
	/* An error may have come while we held the lock. */
	LWLockReleaseAll();
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	worker_shared->launcher = NULL;
	LWLockRelease(worker_shared->lock);
}

/* Databases that one can connect to, templates left out, in the given context. */
static List *
list_databases(MemoryContext context)
{
	List	   *result = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();

	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext oldcontext;

		/* A connection limit below -1 marks what a broken DROP DATABASE left. */
		if (!database->datallowconn || database->datistemplate ||
			database->datconnlimit < -1)
			continue;

		oldcontext = MemoryContextSwitchTo(context);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(oldcontext);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);

	CommitTransactionCommand();
	return result;
}

/* Entries of databases that are gone make room.  The caller holds the lock. */
static void
forget_dropped(List *databases)
{
	for (int i = 0; i < MAX_DATABASES; i++)
	{
		DatabaseEntry *entry = &worker_shared->databases[i];

		if (OidIsValid(entry->dbid) && !list_member_oid(databases, entry->dbid))
			memset(entry, 0, sizeof(DatabaseEntry));
	}
}

/* A worker that never came up (fork failed, say) leaves its slot to us. */
static void
free_lost_slots(TimestampTz now)
{
	for (int i = 0; i < worker_shared->nslots; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (OidIsValid(slot->dbid) && slot->proc == NULL &&
			TimestampDifferenceExceeds(slot->launched_at, now, START_TIMEOUT_MS))
			memset(slot, 0, sizeof(WorkerSlot));
	}
}

/* What one database needs.  The caller holds the lock. */
static DatabaseNeed
database_need(Oid dbid, TimestampTz now)
{
	DatabaseNeed need = {.dbid = dbid};
	DatabaseEntry *entry = shmem_find_database(dbid, false);

	for (int i = 0; i < worker_shared->nslots; i++)
		if (worker_shared->slots[i].dbid == dbid && !worker_shared->slots[i].stop)
			need.running++;

	need.probe = hash_search(probed, &dbid, HASH_FIND, NULL) == NULL;
	need.looking = need.running > 0 && (entry == NULL || !entry->has_views);
	need.waits = worker_shared->start_after > now;
	if (need.probe)
		need.wanted = 1;
	if (entry)
	{
		if (entry->changes != entry->looked || entry->failures > 0)
			need.wanted = 1;
		if (entry->has_views)
			need.wanted = Max(1, Min(worker_limit, entry->consumers));
		if (entry->holds > 0 || entry->start_after > now)
			need.waits = true;
	}
	return need;
}

/*
 * Takes a free slot for a worker.  -1 if there is none, or if the database
 * has come to be held meanwhile.
 */
static int
reserve_slot(Oid dbid, TimestampTz now, WorkerStart *start)
{
	int			result = -1;
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(dbid, false);
	if (entry == NULL || entry->holds == 0)
	{
		for (int i = 0; i < worker_shared->nslots && result < 0; i++)
		{
			WorkerSlot *slot = &worker_shared->slots[i];

			if (OidIsValid(slot->dbid))
				continue;
			slot->dbid = start->dbid = dbid;
			slot->serial = start->serial = ++worker_shared->serial;
			slot->launched_at = now;
			result = i;
		}
	}
	LWLockRelease(worker_shared->lock);

	return result;
}

static void
release_slot(int index)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	memset(&worker_shared->slots[index], 0, sizeof(WorkerSlot));
	LWLockRelease(worker_shared->lock);
}

/* Asks the postmaster for a worker; false if it has no room for one. */
static bool
launch_worker(Oid dbid, TimestampTz now)
{
	BackgroundWorker worker = {0};
	WorkerStart start;
	int			slot = reserve_slot(dbid, now, &start);

	if (slot < 0)
		return false;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(slot);
	strlcpy(worker.bgw_library_name, "pg_kappa", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "kappa_worker_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_kappa worker for database %u", dbid);
	strlcpy(worker.bgw_type, "pg_kappa worker", sizeof(worker.bgw_type));
	memcpy(worker.bgw_extra, &start, sizeof(start));

	if (RegisterDynamicBackgroundWorker(&worker, NULL))
		return true;

	release_slot(slot);
	return false;
}

static void
warn_exhausted(void)
{
	if (!warned)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots for continuous views"),
				 errdetail("The workers that are running drive all continuous views of their databases; a database without any waits."),
				 errhint("Increase \"max_worker_processes\".")));
	warned = true;
}

/*
 * A database without any worker goes before the second one of another.  False if
 * none has a second one.
 */
static bool
ask_one_to_leave(List *needs)
{
	ListCell   *lc;
	DatabaseNeed *richest = NULL;

	foreach(lc, needs)
	{
		DatabaseNeed *need = lfirst(lc);

		if (need->running > 1 && (richest == NULL || need->running > richest->running))
			richest = need;
	}
	if (richest == NULL)
		return false;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = worker_shared->nslots - 1; i >= 0; i--)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->dbid == richest->dbid && slot->proc && !slot->stop)
		{
			slot->stop = true;
			SetLatch(&slot->proc->procLatch);
			break;
		}
	}
	LWLockRelease(worker_shared->lock);
	return true;
}

/* Its views say so, until it gets a worker. */
static void
note_shortage(Oid dbid)
{
	DatabaseEntry *entry;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	entry = shmem_find_database(dbid, true);
	if (entry && entry->holds == 0)
		entry->short_of_workers = true;
	LWLockRelease(worker_shared->lock);
}

/* Is a worker just finding out whether a database holds views? */
static bool
probing(List *needs)
{
	ListCell   *lc;

	foreach(lc, needs)
	{
		DatabaseNeed *need = lfirst(lc);

		if (need->looking)
			return true;
	}
	return false;
}

/* The needs of all databases, as of now. */
static List *
collect_needs(List *databases, TimestampTz now)
{
	List	   *needs = NIL;
	ListCell   *lc;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	if (worker_shared->rescan)
	{
		HASH_SEQ_STATUS seq;
		Oid		   *dbid;

		worker_shared->rescan = false;
		hash_seq_init(&seq, probed);
		while ((dbid = hash_seq_search(&seq)) != NULL)
			(void) hash_search(probed, dbid, HASH_REMOVE, NULL);
	}
	forget_dropped(databases);
	free_lost_slots(now);
	foreach(lc, databases)
	{
		DatabaseNeed *need = palloc(sizeof(DatabaseNeed));

		*need = database_need(lfirst_oid(lc), now);
		needs = lappend(needs, need);
	}
	LWLockRelease(worker_shared->lock);

	return needs;
}

/*
 * One pass: starts the workers that are missing, first ones first.  True if
 * something is left to be done soon.
 */
static bool
launch_workers(void)
{
	static MemoryContext context = NULL;
	TimestampTz now = GetCurrentTimestamp();
	bool		pending = false;
	bool		exhausted = false;
	bool		others_leave = false;
	bool		probe_running;
	List	   *databases;
	List	   *needs;
	ListCell   *lc;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "pg_kappa launcher pass",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	databases = list_databases(context);
	MemoryContextSwitchTo(context);
	needs = collect_needs(databases, now);
	probe_running = probing(needs);

	/* the first worker of each database, then the others */
	for (int round = 0; round < 2 && !exhausted; round++)
	{
		foreach(lc, needs)
		{
			DatabaseNeed *need = lfirst(lc);

			if (need->running >= need->wanted)
				continue;
			pending = true;
			if (need->waits || (exhausted && round > 0) ||
				(round == 0) != (need->running == 0) ||
				(need->probe && probe_running))
				continue;

			if (exhausted || !launch_worker(need->dbid, now))
			{
				if (!exhausted)
					others_leave = round == 0 && ask_one_to_leave(needs);
				exhausted = true;
				if (round == 0 && !others_leave)
					note_shortage(need->dbid);
				continue;
			}
			need->running++;
			probe_running = probe_running || need->probe;
			(void) hash_search(probed, &need->dbid, HASH_ENTER, NULL);
		}
	}

	if (exhausted)
		warn_exhausted();
	else if (!pending)
		warned = false;
	MemoryContextSwitchTo(TopMemoryContext);
	return pending;
}
