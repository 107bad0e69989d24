/*-------------------------------------------------------------------------
 *
 * control.c
 *	  The SQL functions that stop continuous views and let them go on.
 *
 * They change rows of kappa.* as the extension's owner, after checking that the
 * caller owns the view.  The state table is locked against batches before the
 * view's row is written: a batch holds its table while it may write that row,
 * never the other way round.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "worker/control.h"
#include "worker/worker_internal.h"

/* How long a batch is waited for before it is cancelled. */
#define BATCH_PATIENCE_MS	2000
#define LOCK_POLL_MS		10

PG_FUNCTION_INFO_V1(kappa_pause);
PG_FUNCTION_INFO_V1(kappa_pause_all);
PG_FUNCTION_INFO_V1(kappa_resume);
PG_FUNCTION_INFO_V1(kappa_resume_all);
PG_FUNCTION_INFO_V1(kappa_reset_stats);
PG_FUNCTION_INFO_V1(kappa_reset_stats_all);

static SavedPlan pause_plan = {
	"UPDATE kappa.views SET paused = true WHERE view = $1 AND NOT paused",
	1, {REGCLASSOID}
};

static SavedPlan check_major_plan = {
	"SELECT major FROM kappa.views WHERE view = $1 AND version_bound AND major <> $2",
	2, {REGCLASSOID, INT4OID}
};

static SavedPlan resume_plan = {
	"UPDATE kappa.views SET paused = false, failed = false, error = NULL, fingerprint = $2"
	" WHERE view = $1",
	2, {REGCLASSOID, TEXTOID}
};

static SavedPlan reset_plan = {
	"UPDATE kappa.stats SET batches = 0, rows_read = 0, rows_late = 0, rows_ahead = 0,"
	" rows_bad = 0, bytes_read = 0, groups_written = 0, read_time = 0, aggregate_time = 0,"
	" merge_time = 0, commit_time = 0, last_batch_at = NULL, last_error = NULL,"
	" stats_reset = pg_catalog.now() WHERE view = $1",
	1, {REGCLASSOID}
};

uint64
control_run(SavedPlan *plan, Datum *values, const char *nulls)
{
	ViewIdentity save;
	uint64		n;

	extension_enter(&save);
	n = saved_plan_run(plan, values, nulls, 0);
	extension_leave(&save);
	return n;
}

/* The caller's own views, in an order that all sessions lock in. */
static List *
own_views(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, view_list())
	{
		ContinuousView *cv = lfirst(lc);

		if (cv->owner == GetUserId())
			result = list_append_unique_oid(result, cv->view);
	}
	list_sort(result, list_oid_cmp);
	return result;
}

static void
for_own_views(void (*action) (Oid view))
{
	ListCell   *lc;

	foreach(lc, own_views())
		if (view_lock(lfirst_oid(lc)))
			action(lfirst_oid(lc));
}

/* ------------------------------------------------------ pause and resume */

void
worker_stop_batches(Oid view)
{
	Oid			state;

	PushActiveSnapshot(GetTransactionSnapshot());
	state = view_get(view)->state;
	PopActiveSnapshot();
	for (int waited = 0; waited < BATCH_PATIENCE_MS; waited += LOCK_POLL_MS)
	{
		if (ConditionalLockRelationOid(state, ShareRowExclusiveLock))
			return;
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOCK_POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	shmem_cancel_batch(view);
	LockRelationOid(state, ShareRowExclusiveLock);
}

static void
pause_view(Oid view)
{
	Datum		value = ObjectIdGetDatum(view);

	view_lock_own(view);
	worker_stop_batches(view);
	SPI_connect();
	(void) control_run(&pause_plan, &value, NULL);
	SPI_finish();
	worker_wake_at_commit();
}

Datum
kappa_pause(PG_FUNCTION_ARGS)
{
	pause_view(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

Datum
kappa_pause_all(PG_FUNCTION_ARGS)
{
	for_own_views(pause_view);
	PG_RETURN_VOID();
}

/* States that only another major version can read must not be added to. */
static void
check_major(const ContinuousView *cv)
{
	Datum		values[2] = {
		ObjectIdGetDatum(cv->view), Int32GetDatum(PG_VERSION_NUM / 10000)
	};

	if (control_run(&check_major_plan, values, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view %s holds aggregate states of another major version of PostgreSQL",
						cv->name),
				 errhint("Drop the view and create it again: it is computed anew from the topic.")));
}

static void
resume_view(Oid view)
{
	ContinuousView *cv;
	Datum		values[2];

	view_lock_own(view);
	cv = view_get(view);
	LockRelationOid(cv->state, ShareRowExclusiveLock);
	values[0] = ObjectIdGetDatum(view);
	values[1] = CStringGetTextDatum(view_fingerprint());
	SPI_connect();
	check_major(cv);
	(void) control_run(&resume_plan, values, NULL);
	SPI_finish();
	view_record_dependencies(view, cv->definition, cv->delta);
	worker_wake_at_commit();
}

Datum
kappa_resume(PG_FUNCTION_ARGS)
{
	resume_view(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

Datum
kappa_resume_all(PG_FUNCTION_ARGS)
{
	for_own_views(resume_view);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------- statistics */

static void
reset_stats(Oid view)
{
	Datum		value = ObjectIdGetDatum(view);

	view_check_owner(view);
	SPI_connect();
	(void) control_run(&reset_plan, &value, NULL);
	SPI_finish();
}

Datum
kappa_reset_stats(PG_FUNCTION_ARGS)
{
	reset_stats(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

Datum
kappa_reset_stats_all(PG_FUNCTION_ARGS)
{
	for_own_views(reset_stats);
	PG_RETURN_VOID();
}
