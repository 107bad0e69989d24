/*-------------------------------------------------------------------------
 *
 * approx_percentile.c
 *	  The aggregate approx_percentile(value, fraction or fractions).
 *
 * The state is a histogram (histogram.c) and the second argument, the fractions
 * for which the values are wanted: the same for all rows, so it stands in the
 * state once, and the final function needs nothing else.  An answer is right to
 * 0.5416 % of the value that percentile_disc() gives.
 *
 * A fraction, or an element of the array of fractions, may be NULL; then so is
 * its answer.  The two forms of the aggregate share all but the first function
 * and the last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"

#include "types/histogram.h"

PG_FUNCTION_INFO_V1(approx_percentile_trans);
PG_FUNCTION_INFO_V1(approx_percentile_array_trans);
PG_FUNCTION_INFO_V1(approx_percentile_combine);
PG_FUNCTION_INFO_V1(approx_percentile_serial);
PG_FUNCTION_INFO_V1(approx_percentile_deserial);
PG_FUNCTION_INFO_V1(approx_percentile_final);
PG_FUNCTION_INFO_V1(approx_percentile_array_final);

#define PERCENTILE_VERSION	1
#define PERCENTILE_WHAT		"state of approx_percentile"

typedef struct Percentile
{
	Histogram	histogram;

	/* the argument: fractions as an array, or one that may be NULL */
	ArrayType  *fractions;
	float8		fraction;
	bool		fraction_null;	/* false with an array */
} Percentile;

static Percentile *
percentile_create(MemoryContext context)
{
	Percentile *state = MemoryContextAlloc(context, sizeof(Percentile));

	kappa_histogram_init(&state->histogram, context);
	state->fractions = NULL;
	state->fraction = 0;
	state->fraction_null = false;
	return state;
}

static void
check_fraction(float8 fraction)
{
	if (isnan(fraction) || fraction < 0 || fraction > 1)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("percentile value %g is not between 0 and 1", fraction)));
}

static void
check_fractions(ArrayType *fractions)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(fractions, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			check_fraction(DatumGetFloat8(values[i]));
	pfree(values);
	pfree(nulls);
}

/* The fraction must not change from row to row. */
static void
set_argument(Percentile *state, bool is_new, ArrayType *fractions,
			 float8 fraction, bool fraction_null)
{
	if (!is_new)
	{
		if (fractions != NULL && state->fractions != NULL ?
			VARSIZE(fractions) == VARSIZE(state->fractions) &&
			memcmp(fractions, state->fractions, VARSIZE(fractions)) == 0 :
			fractions == state->fractions && fraction_null == state->fraction_null &&
			(fraction_null || fraction == state->fraction))
			return;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the fractions of approx_percentile must be the same for all rows")));
	}

	if (fractions != NULL)
	{
		check_fractions(fractions);
		state->fractions = MemoryContextAlloc(state->histogram.context, VARSIZE(fractions));
		memcpy(state->fractions, fractions, VARSIZE(fractions));
	}
	else if (!fraction_null)
		check_fraction(fraction);
	state->fraction = fraction_null ? 0 : fraction;
	state->fraction_null = fraction_null;
}

/* (internal, value, double precision [] ) */
static Datum
percentile_trans(FunctionCallInfo fcinfo, bool is_array)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	bool		is_new = PG_ARGISNULL(0);
	bool		isnull = PG_ARGISNULL(2);
	Percentile *state;

	if (PG_ARGISNULL(1))
	{
		if (is_new)
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	state = is_new ? percentile_create(context) : (Percentile *) PG_GETARG_POINTER(0);
	if (is_array)
		set_argument(state, is_new, isnull ? NULL : PG_GETARG_ARRAYTYPE_P(2), 0, isnull);
	else
		set_argument(state, is_new, NULL, isnull ? 0 : PG_GETARG_FLOAT8(2), isnull);
	kappa_histogram_add(&state->histogram, PG_GETARG_FLOAT8(1));
	PG_RETURN_POINTER(state);
}

Datum
approx_percentile_trans(PG_FUNCTION_ARGS)
{
	return percentile_trans(fcinfo, false);
}

Datum
approx_percentile_array_trans(PG_FUNCTION_ARGS)
{
	return percentile_trans(fcinfo, true);
}

Datum
approx_percentile_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	Percentile *state = PG_ARGISNULL(0) ? NULL : (Percentile *) PG_GETARG_POINTER(0);
	Percentile *other = PG_ARGISNULL(1) ? NULL : (Percentile *) PG_GETARG_POINTER(1);
	bool		is_new = state == NULL;

	if (other == NULL)
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (is_new)
		state = percentile_create(context);
	set_argument(state, is_new, other->fractions, other->fraction, other->fraction_null);
	kappa_histogram_merge(&state->histogram, &other->histogram);
	PG_RETURN_POINTER(state);
}

/* ---------------------------------------------------------------- serialised */

/* What the argument is. */
typedef enum ArgumentKind
{
	ARGUMENT_NULL,
	ARGUMENT_ONE,
	ARGUMENT_ARRAY
} ArgumentKind;

/* A byte, 1 if the fraction is not NULL, and the fraction. */
static void
put_fraction(StringInfo buf, float8 fraction, bool isnull)
{
	kappa_state_put_varint(buf, isnull ? 0 : 1);
	if (!isnull)
		kappa_state_put_float8(buf, fraction);
}

static float8
get_fraction(StateReader *reader, bool *isnull)
{
	float8		fraction = 0;

	*isnull = kappa_state_get_int(reader, 0, 1) == 0;
	if (!*isnull)
	{
		fraction = kappa_state_get_float8(reader);
		if (!(fraction >= 0 && fraction <= 1))
			kappa_state_invalid(reader);
	}
	return fraction;
}

static void
put_argument(StringInfo buf, const Percentile *state)
{
	ArrayType  *array = state->fractions;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	kappa_state_put_varint(buf, array ? ARGUMENT_ARRAY : state->fraction_null ? ARGUMENT_NULL : ARGUMENT_ONE);
	if (array == NULL)
	{
		if (!state->fraction_null)
			put_fraction(buf, state->fraction, false);
		return;
	}
	kappa_state_put_varint(buf, ARR_NDIM(array));
	for (int i = 0; i < ARR_NDIM(array); i++)
	{
		kappa_state_put_varint(buf, ARR_DIMS(array)[i]);
		kappa_state_put_varint(buf, (uint32) ARR_LBOUND(array)[i]);
	}
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		put_fraction(buf, nulls[i] ? 0 : DatumGetFloat8(values[i]), nulls[i]);
	pfree(values);
	pfree(nulls);
}

static ArrayType *
get_fractions(StateReader *reader)
{
	int			dims[MAXDIM];
	int			lower_bounds[MAXDIM];
	int			ndim = kappa_state_get_int(reader, 0, MAXDIM);
	int64		n = ndim > 0 ? 1 : 0;
	Datum	   *values;
	bool	   *nulls;

	for (int i = 0; i < ndim; i++)
	{
		dims[i] = kappa_state_get_int(reader, 1, PG_INT32_MAX);
		lower_bounds[i] = (int32) kappa_state_get_int(reader, 0, PG_UINT32_MAX);
		n *= dims[i];
		/* each takes a byte at least */
		if (n > reader->end - reader->next)
			kappa_state_invalid(reader);
	}
	ArrayCheckBounds(ndim, dims, lower_bounds);
	values = palloc(sizeof(Datum) * Max(n, 1));
	nulls = palloc(sizeof(bool) * Max(n, 1));
	for (int i = 0; i < n; i++)
		values[i] = Float8GetDatum(get_fraction(reader, &nulls[i]));
	return construct_md_array(values, nulls, ndim, dims, lower_bounds, FLOAT8OID,
							  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static void
get_argument(StateReader *reader, Percentile *state)
{
	switch ((ArgumentKind) kappa_state_get_int(reader, ARGUMENT_NULL, ARGUMENT_ARRAY))
	{
		case ARGUMENT_NULL:
			state->fraction_null = true;
			break;
		case ARGUMENT_ONE:
			state->fraction = get_fraction(reader, &state->fraction_null);
			if (state->fraction_null)
				kappa_state_invalid(reader);
			break;
		case ARGUMENT_ARRAY:
			state->fractions = get_fractions(reader);
			break;
	}
}

Datum
approx_percentile_serial(PG_FUNCTION_ARGS)
{
	Percentile *state = (Percentile *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) kappa_aggregate_context(fcinfo);
	kappa_state_begin(&buf, PERCENTILE_VERSION);
	put_argument(&buf, state);
	kappa_histogram_put(&buf, &state->histogram);
	PG_RETURN_BYTEA_P(kappa_state_finish(&buf));
}

Datum
approx_percentile_deserial(PG_FUNCTION_ARGS)
{
	StateReader reader;
	Percentile *state;

	(void) kappa_aggregate_context(fcinfo);
	kappa_state_open(&reader, PG_GETARG_BYTEA_PP(0), PERCENTILE_WHAT, PERCENTILE_VERSION);
	state = percentile_create(CurrentMemoryContext);
	get_argument(&reader, state);
	kappa_histogram_get(&reader, &state->histogram);
	kappa_state_close(&reader);
	PG_RETURN_POINTER(state);
}

Datum
approx_percentile_final(PG_FUNCTION_ARGS)
{
	Percentile *state;

	(void) kappa_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (Percentile *) PG_GETARG_POINTER(0);
	if (state->fraction_null || state->fractions != NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(kappa_histogram_percentile(&state->histogram, state->fraction));
}

/* An array of the same shape; NULL for NULL. */
Datum
approx_percentile_array_final(PG_FUNCTION_ARGS)
{
	Percentile *state;
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	(void) kappa_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (Percentile *) PG_GETARG_POINTER(0);
	array = state->fractions;
	if (array == NULL)
		PG_RETURN_NULL();

	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			values[i] = Float8GetDatum(kappa_histogram_percentile(&state->histogram,
																  DatumGetFloat8(values[i])));
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array),
											 ARR_LBOUND(array), FLOAT8OID, sizeof(float8),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
