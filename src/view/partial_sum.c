/*-------------------------------------------------------------------------
 *
 * partial_sum.c
 *	  kappa_state.partial_sum(bigint): what sum(bigint) gives, with less memory.
 *
 * sum(bigint) keeps a struct for each group.  A batch of thousands of groups,
 * whose states do not fit into the processor's caches, waits for that struct at
 * nearly every row.  Here the state is the sum itself, in the place where the
 * executor would keep the pointer to a struct: shifted left by one, with the
 * lowest bit set, which no pointer has.  Only a sum that does not fit there is
 * a struct in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(kappa_sum_accumulate);
PG_FUNCTION_INFO_V1(kappa_sum_result);

/* A sum of any size: sum, if it is there, and rest. */
typedef struct WideSum
{
	Numeric		sum;
	int64		rest;
} WideSum;

static inline bool
is_wide(Datum state)
{
	return (state & 1) == 0;
}

static inline bool
fits_in_state(int64 sum)
{
	return sum >= INTPTR_MIN / 2 && sum <= INTPTR_MAX / 2;
}

static inline Datum
make_state(int64 sum)
{
	return (Datum) (((uintptr_t) sum << 1) | 1);
}

static inline int64
state_sum(Datum state)
{
	return (intptr_t) state >> 1;
}

static Numeric
add_rest(const WideSum *wide)
{
	Numeric		rest = int64_to_numeric(wide->rest);

	if (wide->sum == NULL)
		return rest;
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(wide->sum),
											   NumericGetDatum(rest)));
}

/* The state in memory, made if need be, and value added to it. */
static Datum
add_to_wide(FunctionCallInfo fcinfo, Datum state, int64 value)
{
	MemoryContext context;
	MemoryContext oldcontext;
	WideSum    *wide;
	int64		rest;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "sum_accumulate called in non-aggregate context");

	oldcontext = MemoryContextSwitchTo(context);
	if (is_wide(state))
		wide = (WideSum *) DatumGetPointer(state);
	else
	{
		wide = palloc0(sizeof(WideSum));
		wide->rest = state_sum(state);
	}
	if (pg_add_s64_overflow(wide->rest, value, &rest))
	{
		Numeric		sum = add_rest(wide);

		if (wide->sum != NULL)
			pfree(wide->sum);
		wide->sum = sum;
		rest = value;
	}
	wide->rest = rest;
	MemoryContextSwitchTo(oldcontext);
	return PointerGetDatum(wide);
}

/* sum_accumulate(internal, bigint) -> internal */
Datum
kappa_sum_accumulate(PG_FUNCTION_ARGS)
{
	Datum		state = PG_ARGISNULL(0) ? make_state(0) : PG_GETARG_DATUM(0);
	int64		sum;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(state);
	}
	if (is_wide(state) ||
		pg_add_s64_overflow(state_sum(state), PG_GETARG_INT64(1), &sum) ||
		!fits_in_state(sum))
		PG_RETURN_DATUM(add_to_wide(fcinfo, state, PG_GETARG_INT64(1)));
	PG_RETURN_DATUM(make_state(sum));
}

/* sum_result(internal) -> numeric */
Datum
kappa_sum_result(PG_FUNCTION_ARGS)
{
	Datum		state;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "sum_result called in non-aggregate context");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = PG_GETARG_DATUM(0);
	if (is_wide(state))
		PG_RETURN_NUMERIC(add_rest((WideSum *) DatumGetPointer(state)));
	PG_RETURN_NUMERIC(int64_to_numeric(state_sum(state)));
}
