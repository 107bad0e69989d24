/*-------------------------------------------------------------------------
 *
 * hyperloglog_agg.c
 *	  The aggregates hyperloglog_agg, approx_count_distinct and
 *	  hyperloglog_union_agg.
 *
 * Their transition state is a HyperLogLog in memory, so that a row costs one
 * hash and, mostly, one comparison with a register.  All three share combine
 * and serial functions; the serialised state is the stored form of the type,
 * which no release changes, so a continuous view's state outlives upgrades.
 *
 * NULLs are not counted.  A state exists from the first value on: without
 * one, hyperloglog_agg gives NULL, as sum does, and approx_count_distinct 0,
 * as count does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"
#include "types/hyperloglog.h"
#include "types/state.h"
#include "types/types.h"

PG_FUNCTION_INFO_V1(hyperloglog_agg_trans);
PG_FUNCTION_INFO_V1(hyperloglog_union_agg_trans);
PG_FUNCTION_INFO_V1(hyperloglog_agg_combine);
PG_FUNCTION_INFO_V1(hyperloglog_agg_serial);
PG_FUNCTION_INFO_V1(hyperloglog_agg_deserial);
PG_FUNCTION_INFO_V1(hyperloglog_agg_final);
PG_FUNCTION_INFO_V1(approx_count_distinct_final);

/* The state in argument argno, or NULL: there is none yet. */
static inline HyperLogLog *
getarg_state(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : (HyperLogLog *) PG_GETARG_POINTER(argno);
}

#define RETURN_STATE(state) \
	do { \
		HyperLogLog *state_ = (state); \
		if (state_ == NULL) \
			PG_RETURN_NULL(); \
		PG_RETURN_POINTER(state_); \
	} while (0)

/* The argument precision of this row; all rows should give the same. */
static int
getarg_precision(FunctionCallInfo fcinfo)
{
	if (PG_NARGS() < 3)
		return HLL_DEFAULT_PRECISION;
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("precision must not be null")));
	return kappa_hll_check_precision(PG_GETARG_INT32(2));
}

/* hyperloglog_agg_trans(internal, anyelement [, precision int]) */
Datum
hyperloglog_agg_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	HyperLogLog *state = getarg_state(fcinfo, 0);
	int			precision;

	if (PG_ARGISNULL(1))
		RETURN_STATE(state);

	precision = getarg_precision(fcinfo);
	if (state == NULL)
		state = kappa_hll_create(context, precision);
	else if (unlikely(precision < state->precision))
		kappa_hll_fold(state, precision);

	kappa_hll_add_hash(state, datum_hash(datum_hasher_get(fcinfo, 1),
										 PG_GETARG_DATUM(1)));
	PG_RETURN_POINTER(state);
}

/* hyperloglog_union_agg_trans(internal, hyperloglog) */
Datum
hyperloglog_union_agg_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	HyperLogLog *state = getarg_state(fcinfo, 0);
	HyperLogLog *value;
	bytea	   *bytes;

	if (PG_ARGISNULL(1))
		RETURN_STATE(state);

	bytes = PG_GETARG_BYTEA_PP(1);
	value = kappa_hll_decode(CurrentMemoryContext, (uint8 *) VARDATA_ANY(bytes),
							 VARSIZE_ANY_EXHDR(bytes));
	if (state == NULL)
	{
		state = kappa_hll_create(context, value->precision);
		kappa_hll_expect_more(state);
	}
	kappa_hll_union(state, value);
	PG_RETURN_POINTER(state);
}

Datum
hyperloglog_agg_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	HyperLogLog *state = getarg_state(fcinfo, 0);
	HyperLogLog *other = getarg_state(fcinfo, 1);

	if (other == NULL)
		RETURN_STATE(state);
	if (state == NULL)
		PG_RETURN_POINTER(kappa_hll_copy(context, other));

	kappa_hll_union(state, other);
	PG_RETURN_POINTER(state);
}

Datum
hyperloglog_agg_serial(PG_FUNCTION_ARGS)
{
	(void) kappa_aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(kappa_hll_encode((HyperLogLog *) PG_GETARG_POINTER(0)));
}

Datum
hyperloglog_agg_deserial(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	(void) kappa_aggregate_context(fcinfo);
	PG_RETURN_POINTER(kappa_hll_decode(CurrentMemoryContext,
									   (uint8 *) VARDATA_ANY(bytes),
									   VARSIZE_ANY_EXHDR(bytes)));
}

Datum
hyperloglog_agg_final(PG_FUNCTION_ARGS)
{
	HyperLogLog *state;

	(void) kappa_aggregate_context(fcinfo);
	state = getarg_state(fcinfo, 0);
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(kappa_hll_encode(state));
}

Datum
approx_count_distinct_final(PG_FUNCTION_ARGS)
{
	HyperLogLog *state;

	(void) kappa_aggregate_context(fcinfo);
	state = getarg_state(fcinfo, 0);
	PG_RETURN_INT64(state == NULL ? 0 : kappa_hll_cardinality(state));
}
