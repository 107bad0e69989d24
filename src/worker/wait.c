/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  kappa.wait and kappa.watermark: what a view has got to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/control.h"
#include "worker/worker_internal.h"

/* Look again this often, though workers tell of each batch. */
#define WAIT_SLICE_MS 500

/* Before the next question to a broker that has no answer: a missing topic is told at once. */
#define ASK_AGAIN_MS 200

/* A reader that only asks where the log ends needs next to no memory. */
#define WAIT_READER_MEMORY ((Size) 1024 * 1024)

PG_FUNCTION_INFO_V1(kappa_wait);
PG_FUNCTION_INFO_V1(kappa_watermark);

static SavedPlan status_plan = {
	"SELECT paused, failed,"
	" CASE WHEN paused OR failed THEN error ELSE COALESCE(kappa.worker_shortage(), error) END,"
	" fingerprint <> $2, xmin FROM kappa.views"
	" WHERE view = $1 AND current",
	2, {REGCLASSOID, TEXTOID}
};

/*
 * Partitions that are behind their target.  At the target a partition is also
 * waited for to be known as live, so that what is seen after the wait agrees.
 */
static SavedPlan reached_plan = {
	"SELECT 1 FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS e(partition, target)"
	" LEFT JOIN kappa.offsets o ON o.consumer = $1 AND o.topic = $2 AND o.partition = e.partition"
	" WHERE o.next_offset IS NULL OR o.next_offset < e.target"
	"  OR (o.next_offset = e.target AND NOT o.live)",
	4, {INT4OID, TEXTOID, INT4ARRAYOID, INT8ARRAYOID}
};

/*
 * A partition is idle when it is at its end and nothing came for idle_timeout
 * ($5), or ever.
 */
static SavedPlan watermark_plan = {
	"SELECT CASE WHEN pg_catalog.bool_or(NOT idle AND watermark IS NULL) THEN NULL"
	" ELSE COALESCE(pg_catalog.min(watermark) FILTER (WHERE NOT idle),"
	"  pg_catalog.max(watermark)) END"
	" FROM (SELECT w.watermark, o.live AND o.next_offset >= o.end_offset"
	"   AND (o.seen_at < pg_catalog.clock_timestamp() - $5 OR o.next_offset = w.start_offset)"
	"   AS idle"
	"  FROM kappa.watermarks w JOIN kappa.offsets o"
	"   ON o.topic = w.topic AND o.partition = w.partition"
	"  WHERE w.view = $1 AND w.generation = $2 AND o.consumer = $3 AND w.topic = $4) p",
	5, {REGCLASSOID, INT4OID, INT4OID, TEXTOID, INTERVALOID}
};

/* One call of kappa.wait. */
typedef struct Wait
{
	ContinuousView *cv;
	Stream	   *stream;
	TimestampTz deadline;		/* DT_NOEND: none */
	Datum		fingerprint;
	Datum		topic;			/* text */
	Datum		partitions;		/* int[] */
	Datum		targets;		/* bigint[] */
	char	   *trouble;		/* what the view waits for, or NULL */
} Wait;

static bool
spi_bool(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
									  column, &isnull);

	return !isnull && DatumGetBool(value);
}

/*
 * Can the view get on at all?  Errors if not.  Each call sees what has been
 * committed until now.
 */
static void
check_status(Wait *wait)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[2] = {ObjectIdGetDatum(wait->cv->view), wait->fingerprint};
	TransactionId xmin;
	bool		isnull;
	char	   *error;

	SPI_connect();
	if (control_run(&status_plan, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("continuous view %s was dropped", wait->cv->name)));

	error = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3);
	xmin = DatumGetTransactionId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
											   5, &isnull));
	if (spi_bool(2))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view %s has failed", wait->cv->name),
				 error ? errdetail("%s", error) : 0));
	if (spi_bool(1))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view %s is paused", wait->cv->name),
				 error ? errdetail("%s", error) : 0,
				 error && strstr(error, DROP_AND_CREATE) ? 0 : errhint("Call kappa.resume.")));
	if (spi_bool(4))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view %s was restored or copied, and is paused", wait->cv->name),
				 errhint("Call kappa.resume.")));
	if (TransactionIdIsCurrentTransactionId(xmin))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view %s was created or changed in this transaction",
						wait->cv->name),
				 errdetail("It begins to fill when the transaction has committed.")));
	if (wait->trouble)
		pfree(wait->trouble);
	wait->trouble = error ? MemoryContextStrdup(caller, error) : NULL;
	SPI_finish();
}

/* Milliseconds until the deadline, a slice at most; errors when it has passed. */
static int
next_slice(const Wait *wait)
{
	TimestampTz now;

	CHECK_FOR_INTERRUPTS();
	if (wait->deadline == DT_NOEND)
		return WAIT_SLICE_MS;

	now = GetCurrentTimestamp();
	if (now >= wait->deadline)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeout while waiting for continuous view %s", wait->cv->name),
				 wait->trouble ? errdetail("%s", wait->trouble) : 0,
				 errhint("kappa.progress shows how far the view is behind.")));
	return Min(TimestampDifferenceMilliseconds(now, wait->deadline), WAIT_SLICE_MS);
}

static Datum
make_targets(const int64 *end, int n, Datum *partitions)
{
	Datum	   *offsets = palloc(sizeof(Datum) * n);
	Datum	   *numbers = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
	{
		numbers[i] = Int32GetDatum(i);
		offsets[i] = Int64GetDatum(end[i]);
	}
	*partitions = PointerGetDatum(construct_array(numbers, n, INT4OID, 4, true, TYPALIGN_INT));
	return PointerGetDatum(construct_array(offsets, n, INT8OID, 8, FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* Where the log ends now.  Waits for a broker that is away. */
static void
learn_targets(Wait *wait)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kappa.wait reader",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	StreamReader *reader = stream_reader_open(wait->stream, wait->cv->owner,
											  WAIT_READER_MEMORY);
	bool		known = false;

	while (!known)
	{
		int			n = stream_reader_partitions(reader, next_slice(wait));

		if (n > 0)
		{
			int64	   *first = palloc(sizeof(int64) * n);
			int64	   *end = palloc(sizeof(int64) * n);

			known = stream_reader_offsets(reader, n, first, end, next_slice(wait));
			MemoryContextSwitchTo(oldcontext);
			if (known)
				wait->targets = make_targets(end, n, &wait->partitions);
			MemoryContextSwitchTo(context);
			pfree(first);
			pfree(end);
		}
		MemoryContextSwitchTo(oldcontext);
		check_status(wait);
		MemoryContextSwitchTo(context);
		if (!known)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min(next_slice(wait), ASK_AGAIN_MS), PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
}

static bool
reached_targets(const Wait *wait)
{
	Datum		values[4] = {
		Int32GetDatum(wait->cv->consumer), wait->topic, wait->partitions, wait->targets
	};
	uint64		behind;

	SPI_connect();
	behind = control_run(&reached_plan, values, NULL);
	SPI_finish();
	return behind == 0;
}

static void
start_wait(Wait *wait, Oid view)
{
	/* A view's own function would wait for the batch that it is part of. */
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot call kappa.wait within a security-restricted operation")));

	view_check_select(view);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("kappa.wait needs isolation level READ COMMITTED"),
				 errdetail("This transaction's snapshot never sees what the view is waited for.")));
	wait->cv = view_get(view);
	wait->stream = stream_open(wait->cv->stream);
	wait->fingerprint = CStringGetTextDatum(view_fingerprint());
	wait->topic = CStringGetTextDatum(wait->stream->topic);
	check_status(wait);
}

Datum
kappa_wait(PG_FUNCTION_ARGS)
{
	Wait		wait = {.deadline = DT_NOEND};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the view to wait for must not be null")));
	if (!PG_ARGISNULL(1))
		wait.deadline = DatumGetTimestampTz(
											DirectFunctionCall2(timestamptz_pl_interval,
																TimestampTzGetDatum(GetCurrentTimestamp()),
																PG_GETARG_DATUM(1)));

	start_wait(&wait, PG_GETARG_OID(0));
	learn_targets(&wait);

	ConditionVariablePrepareToSleep(&worker_shared->progress);
	while (!reached_targets(&wait))
	{
		check_status(&wait);
		(void) ConditionVariableTimedSleep(&worker_shared->progress, next_slice(&wait),
										   PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();

	PG_RETURN_VOID();
}

Datum
kappa_watermark(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	Interval	idle_timeout = {0};
	ContinuousView *cv;
	Stream	   *stream;
	Datum		values[5];
	Datum		result;
	bool		isnull;

	view_check_select(view);
	cv = view_get(view);
	stream = stream_open(cv->stream);
	idle_timeout.time = stream->idle_timeout;

	values[0] = ObjectIdGetDatum(view);
	values[1] = Int32GetDatum(cv->generation);
	values[2] = Int32GetDatum(cv->consumer);
	values[3] = CStringGetTextDatum(stream->topic);
	values[4] = IntervalPGetDatum(&idle_timeout);
	SPI_connect();
	(void) control_run(&watermark_plan, values, NULL);
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();

	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
