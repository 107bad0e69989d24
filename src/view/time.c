/*-------------------------------------------------------------------------
 *
 * time.c
 *	  Windows: tumble, hop and session.
 *
 * tumble(ts, size [, origin]) is the start of the window [start, start + size)
 * that holds ts, where windows lie side by side from the origin in both
 * directions.  Sizes are exact lengths: a day is 24 hours, and months have no
 * length.  Both kinds of timestamp are microseconds in an int64, so one
 * function computes both; without an origin, timestamptz windows begin at
 * Monday 2000-01-03 00:00 UTC, and timestamp windows at that local time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "view/time.h"

/* PostgreSQL's epoch, 2000-01-01, was a Saturday. */
#define DEFAULT_ORIGIN		(INT64CONST(2) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(kappa_tumble);
PG_FUNCTION_INFO_V1(kappa_hop);
PG_FUNCTION_INFO_V1(kappa_session);

/* The length of an interval in microseconds. */
static int64
window_size(const Interval *size)
{
	int64		days;
	int64		result;

	if (size->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the size of a window cannot have months or years"),
				 errdetail("Months differ in length."),
				 errhint("Use date_trunc(field, timestamp, zone), which follows the calendar.")));
	if (pg_mul_s64_overflow(size->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, size->time, &result))
		ereport(ERROR,
				(errcode(ERRCODE_INTERVAL_FIELD_OVERFLOW),
				 errmsg("the size of a window is out of range")));
	if (result <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the size of a window must be greater than zero")));
	return result;
}

static Timestamp
window_start(Timestamp at, int64 size, Timestamp origin)
{
	int64		distance;
	int64		rest;
	Timestamp	start;

	if (TIMESTAMP_NOT_FINITE(at))
		return at;
	if (TIMESTAMP_NOT_FINITE(origin))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("the origin of windows must be finite")));

	if (pg_sub_s64_overflow(at, origin, &distance))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	rest = distance % size;
	if (rest < 0)
		rest += size;
	if (pg_sub_s64_overflow(at, rest, &start) || !IS_VALID_TIMESTAMP(start))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return start;
}

/* tumble(timestamptz | timestamp, size interval [, origin]) */
Datum
kappa_tumble(PG_FUNCTION_ARGS)
{
	Timestamp	at = PG_GETARG_TIMESTAMP(0);
	Interval   *size = PG_GETARG_INTERVAL_P(1);
	Timestamp	origin = PG_NARGS() > 2 ? PG_GETARG_TIMESTAMP(2) : DEFAULT_ORIGIN;

	PG_RETURN_TIMESTAMP(window_start(at, window_size(size), origin));
}

Datum
kappa_hop(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("hop() is not supported yet"),
			 errhint("Use tumble() for fixed windows.")));
	PG_RETURN_NULL();
}

Datum
kappa_session(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("session() can be used only to group in the definition of a continuous view")));
	PG_RETURN_NULL();
}

WindowFunction
window_function(Oid funcid)
{
	FmgrInfo	function;

	switch (funcid)
	{
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
		case F_DATE_BIN_INTERVAL_TIMESTAMPTZ_TIMESTAMPTZ:
		case F_DATE_BIN_INTERVAL_TIMESTAMP_TIMESTAMP:
			return WINDOW_TUMBLE;
	}
	if (funcid < FirstNormalObjectId || get_func_prokind(funcid) != PROKIND_FUNCTION)
		return WINDOW_NONE;

	/* Ours, under whatever name and in whatever schema. */
	fmgr_info(funcid, &function);
	if (function.fn_addr == kappa_tumble)
		return WINDOW_TUMBLE;
	if (function.fn_addr == kappa_hop)
		return WINDOW_HOP;
	if (function.fn_addr == kappa_session)
		return WINDOW_SESSION;
	return WINDOW_NONE;
}
