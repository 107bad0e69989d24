/*-------------------------------------------------------------------------
 *
 * latest.c
 *	  The aggregates latest(value, at) and earliest(value, at).
 *
 * The state is one pair of value and time: of all pairs the one with the
 * highest time or, for earliest, the lowest; of several with that time, the
 * one with the largest value (a NULL is less than any value).  That is the
 * maximum of a total order, so it is the same whatever the order, batches and
 * repetitions in which pairs come.
 *
 * A NULL value is a value: latest() answers what is so now, and if that is
 * unknown, the answer is NULL.  Pairs without a time are ignored.
 *
 * Times are of any type with a btree order and compared by it; values that are
 * at the same time by the order of their type or, without one (json, point),
 * as text.  See kappa_element_compare() for what makes the order total.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "fmgr.h"

#include "types/element.h"

PG_FUNCTION_INFO_V1(latest_trans);
PG_FUNCTION_INFO_V1(earliest_trans);
PG_FUNCTION_INFO_V1(latest_combine);
PG_FUNCTION_INFO_V1(latest_serial);
PG_FUNCTION_INFO_V1(latest_deserial);
PG_FUNCTION_INFO_V1(latest_final);

#define LATEST_VERSION	1
#define LATEST_WHAT		"state of latest or earliest"

/* What a call site remembers. */
typedef struct LatestTypes
{
	ElementType *value;
	ElementType *at;
} LatestTypes;

typedef struct Latest
{
	MemoryContext context;		/* of value and at */
	bool		earliest;		/* which of the two aggregates */
	ElementType *value_type;
	ElementType *at_type;
	Datum		value;
	bool		value_null;
	Datum		at;
} Latest;

static LatestTypes *
latest_types(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
		flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(LatestTypes));
	return flinfo->fn_extra;
}

static void
latest_set(Latest *state, Datum value, bool value_null, Datum at)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(state->context);

	state->value_null = value_null;
	state->value = value_null ? (Datum) 0 : kappa_element_copy(state->value_type, value);
	state->at = kappa_element_copy(state->at_type, at);
	MemoryContextSwitchTo(oldcontext);
}

/* Is this pair to be preferred to the one in the state? */
static bool
latest_precedes(Latest *state, Oid collation, Datum value, bool value_null, Datum at)
{
	FmgrInfo   *order = kappa_element_order(state->at_type);
	int			result;

	result = DatumGetInt32(FunctionCall2Coll(order, collation, at, state->at));
	if (result != 0)
		return state->earliest ? result < 0 : result > 0;

	result = kappa_element_compare(state->value_type, collation,
								   value, value_null, state->value, state->value_null);
	if (result != 0)
		return result > 0;

	/* times may be equal and look different (1.0, 1.00) */
	return kappa_element_compare_images(state->at_type, at, state->at) > 0;
}

static void
latest_offer(Latest *state, Oid collation, Datum value, bool value_null, Datum at)
{
	if (!OidIsValid(collation))
		collation = DEFAULT_COLLATION_OID;
	if (!latest_precedes(state, collation, value, value_null, at))
		return;
	if (!state->value_null)
		kappa_element_free(state->value_type, state->value);
	kappa_element_free(state->at_type, state->at);
	latest_set(state, value, value_null, at);
}

static Latest *
latest_create(MemoryContext context, bool earliest, ElementType *value_type, ElementType *at_type)
{
	Latest	   *state = MemoryContextAllocZero(context, sizeof(Latest));

	state->context = context;
	state->earliest = earliest;
	state->value_type = value_type;
	state->at_type = at_type;
	return state;
}

/* (internal, value anyelement, at anycompatible) */
static Datum
latest_add(FunctionCallInfo fcinfo, bool earliest)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	LatestTypes *types = latest_types(fcinfo);
	Latest	   *state = PG_ARGISNULL(0) ? NULL : (Latest *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(2))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (types->value == NULL)
	{
		types->at = kappa_element_type(fcinfo, 2, fcinfo->flinfo->fn_mcxt);
		types->value = kappa_element_type(fcinfo, 1, fcinfo->flinfo->fn_mcxt);
		(void) kappa_element_order(types->at);
	}
	if (state == NULL)
	{
		state = latest_create(context, earliest, types->value, types->at);
		latest_set(state, PG_GETARG_DATUM(1), PG_ARGISNULL(1), PG_GETARG_DATUM(2));
	}
	else
		latest_offer(state, PG_GET_COLLATION(), PG_GETARG_DATUM(1), PG_ARGISNULL(1),
					 PG_GETARG_DATUM(2));
	PG_RETURN_POINTER(state);
}

Datum
latest_trans(PG_FUNCTION_ARGS)
{
	return latest_add(fcinfo, false);
}

Datum
earliest_trans(PG_FUNCTION_ARGS)
{
	return latest_add(fcinfo, true);
}

Datum
latest_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	Latest	   *state = PG_ARGISNULL(0) ? NULL : (Latest *) PG_GETARG_POINTER(0);
	Latest	   *other = PG_ARGISNULL(1) ? NULL : (Latest *) PG_GETARG_POINTER(1);

	if (state == NULL && other == NULL)
		PG_RETURN_NULL();
	if (other == NULL)
		PG_RETURN_POINTER(state);
	if (state == NULL)
	{
		state = latest_create(context, other->earliest, other->value_type, other->at_type);
		latest_set(state, other->value, other->value_null, other->at);
		PG_RETURN_POINTER(state);
	}

	kappa_element_check_same(state->value_type, other->value_type);
	kappa_element_check_same(state->at_type, other->at_type);
	if (state->earliest != other->earliest)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("states of latest and earliest cannot be combined")));
	latest_offer(state, PG_GET_COLLATION(), other->value, other->value_null, other->at);
	PG_RETURN_POINTER(state);
}

Datum
latest_serial(PG_FUNCTION_ARGS)
{
	Latest	   *state = (Latest *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) kappa_aggregate_context(fcinfo);
	kappa_state_begin(&buf, LATEST_VERSION);
	kappa_state_put_varint(&buf, state->earliest ? 1 : 0);
	kappa_element_put_type(&buf, state->value_type);
	kappa_element_put_type(&buf, state->at_type);
	kappa_element_put(&buf, state->value_type, state->value, state->value_null);
	kappa_element_put(&buf, state->at_type, state->at, false);
	PG_RETURN_BYTEA_P(kappa_state_finish(&buf));
}

Datum
latest_deserial(PG_FUNCTION_ARGS)
{
	LatestTypes *types = latest_types(fcinfo);
	StateReader reader;
	Latest	   *state;
	bool		earliest;
	bool		at_null;

	(void) kappa_aggregate_context(fcinfo);
	kappa_state_open(&reader, PG_GETARG_BYTEA_PP(0), LATEST_WHAT, LATEST_VERSION);
	earliest = kappa_state_get_int(&reader, 0, 1) == 1;
	state = latest_create(CurrentMemoryContext, earliest, NULL, NULL);
	state->value_type = kappa_element_get_type(&reader, &types->value, fcinfo->flinfo->fn_mcxt);
	state->at_type = kappa_element_get_type(&reader, &types->at, fcinfo->flinfo->fn_mcxt);
	state->value = kappa_element_get(&reader, state->value_type, &state->value_null);
	state->at = kappa_element_get(&reader, state->at_type, &at_null);
	if (at_null)
		kappa_state_invalid(&reader);
	kappa_state_close(&reader);
	PG_RETURN_POINTER(state);
}

/* (internal, anyelement, anycompatible), the latter two NULL: the types */
Datum
latest_final(PG_FUNCTION_ARGS)
{
	Latest	   *state;

	(void) kappa_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (Latest *) PG_GETARG_POINTER(0);
	kappa_element_check(state->value_type, fcinfo, 1);
	if (state->value_null)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(state->value);
}
