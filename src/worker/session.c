/*-------------------------------------------------------------------------
 *
 * session.c
 *	  A worker's session, and its transactions.
 *
 * Settings that a worker depends on are overridden at the start, above what the
 * database or the configuration file say.  A transaction returns to the memory
 * of the pass of the main loop that it ran in: what is allocated there can be
 * used after the commit, and goes away all at once when the next pass begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "worker/worker_loop.h"

MemoryContext worker_pass_context = NULL;

/* -------------------------------------------------------------- the session */

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
void
session_start(Oid dbid)
{
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);

	set_option("application_name", "pg_kappa worker");
	set_option("search_path", "pg_catalog, pg_temp");
	set_option("default_transaction_isolation", "read committed");
	set_option("default_transaction_read_only", "off");
	set_option("default_transaction_deferrable", "off");
	set_option("statement_timeout", "0");
	set_option("idle_in_transaction_session_timeout", "0");
	if (GetConfigOption("transaction_timeout", true, false) != NULL)	/* 17 */
		set_option("transaction_timeout", "0");
	set_option("lock_timeout", psprintf("%d", Max(DeadlockTimeout / 2, 10)));
	set_option("row_security", "on");
	set_option("jit", "off");
	set_option("session_replication_role", "origin");
	session_take_settings();

	worker_pass_context = AllocSetContextCreate(TopMemoryContext, "pg_kappa worker pass",
												ALLOCSET_DEFAULT_SIZES);
}

/* What the session owes to pg_kappa's own settings. */
void
session_take_settings(void)
{
	set_option("work_mem", psprintf("%d", Max(worker_memory / 4, 4096)));
	set_option("synchronous_commit",
			   GetConfigOption("pg_kappa.synchronous_commit", false, false));
}

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
	MemoryContextSwitchTo(worker_pass_context);
}

void
worker_abort(void)
{
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(worker_pass_context);
}
