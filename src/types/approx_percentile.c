/*-------------------------------------------------------------------------
 *
 * approx_percentile.c
 *	  The aggregate approx_percentile(value, fraction or fractions).
 *
 * The state is a histogram whose buckets grow by a constant factor, 2^(1/64):
 * the idea of DDSketch (Masson, Rim and Lee, 2019) with the bucket boundaries of
 * OpenTelemetry's exponential histogram at scale 6.  Bucket i holds the values
 * of [2^(i/64), 2^((i+1)/64)), and what stands for all of them is the harmonic
 * mean of the bucket's ends, which differs from none of them by more than
 *
 *		(2^(1/64) - 1) / (2^(1/64) + 1) = 0.5416 %.
 *
 * The answer for a fraction f is what stands for the bucket in which the value
 * lies that percentile_disc(f) gives, so it is right to 0.5416 % of that value,
 * whatever the distribution.  Negative values have buckets of their own; zero,
 * both infinities and NaN (the largest of all values, as elsewhere in
 * PostgreSQL) are counted apart and exact.  So are the lowest and the highest
 * finite value, and no answer lies outside of them.
 *
 * Merging adds counts, and all counts are integers: the state is a function of
 * the multiset of values alone.  For that to hold, buckets are never joined to
 * save space.  There need be no rule for it, because floats are finite: 2098
 * binary exponents (subnormals count one each) of 64 buckets each and two signs.
 * What is stored is the buckets in use: values that span three decimal orders
 * of magnitude use at most 638.
 *
 * The bucket is found without a logarithm, whose last bits differ from machine
 * to machine: its exponent is the float's, and its place among 64 is found by
 * comparing the float's fraction with the exact boundaries in a table, after a
 * guess by its first 8 bits (a bucket is wider than 1/256, so the guess is right
 * or one too low).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/float.h"

#include "types/state.h"

PG_FUNCTION_INFO_V1(approx_percentile_trans);
PG_FUNCTION_INFO_V1(approx_percentile_array_trans);
PG_FUNCTION_INFO_V1(approx_percentile_combine);
PG_FUNCTION_INFO_V1(approx_percentile_serial);
PG_FUNCTION_INFO_V1(approx_percentile_deserial);
PG_FUNCTION_INFO_V1(approx_percentile_final);
PG_FUNCTION_INFO_V1(approx_percentile_array_final);

#define PERCENTILE_VERSION	1
#define PERCENTILE_WHAT		"state of approx_percentile"

#define BUCKETS				64	/* of one binary exponent */
#define FRACTION_BITS		52
#define FRACTION_MASK		((UINT64CONST(1) << FRACTION_BITS) - 1)
#define MIN_EXPONENT		(-1074)
#define MAX_EXPONENT		1023
#define EXPONENTS			(MAX_EXPONENT - MIN_EXPONENT + 1)

/* The fraction of 2^(i/64), rounded up: the lowest float in the bucket. */
static const uint64 boundaries[BUCKETS] = {
	UINT64CONST(0x0000000000000), UINT64CONST(0x02c9a3e778061), UINT64CONST(0x059b0d3158575),
	UINT64CONST(0x0874518759bc9), UINT64CONST(0x0b5586cf98910), UINT64CONST(0x0e3ec32d3d1a3),
	UINT64CONST(0x11301d0125b51), UINT64CONST(0x1429aaea92de0), UINT64CONST(0x172b83c7d517b),
	UINT64CONST(0x1a35beb6fcb76), UINT64CONST(0x1d4873168b9ab), UINT64CONST(0x2063b88628cd7),
	UINT64CONST(0x2387a6e756239), UINT64CONST(0x26b4565e27cde), UINT64CONST(0x29e9df51fdee2),
	UINT64CONST(0x2d285a6e4030c), UINT64CONST(0x306fe0a31b716), UINT64CONST(0x33c08b2641700),
	UINT64CONST(0x371a7373aa9cb), UINT64CONST(0x3a7db34e59ff7), UINT64CONST(0x3dea64c123423),
	UINT64CONST(0x4160a21f72e2a), UINT64CONST(0x44e086061892e), UINT64CONST(0x486a2b5c13cd1),
	UINT64CONST(0x4bfdad5362a28), UINT64CONST(0x4f9b2769d2ca7), UINT64CONST(0x5342b569d4f82),
	UINT64CONST(0x56f4736b527db), UINT64CONST(0x5ab07dd48542a), UINT64CONST(0x5e76f15ad2149),
	UINT64CONST(0x6247eb03a5585), UINT64CONST(0x6623882552225), UINT64CONST(0x6a09e667f3bcd),
	UINT64CONST(0x6dfb23c651a2f), UINT64CONST(0x71f75e8ec5f74), UINT64CONST(0x75feb564267c9),
	UINT64CONST(0x7a11473eb0187), UINT64CONST(0x7e2f336cf4e63), UINT64CONST(0x82589994cce13),
	UINT64CONST(0x868d99b4492ed), UINT64CONST(0x8ace5422aa0dc), UINT64CONST(0x8f1ae99157737),
	UINT64CONST(0x93737b0cdc5e5), UINT64CONST(0x97d829fde4e50), UINT64CONST(0x9c49182a3f091),
	UINT64CONST(0xa0c667b5de565), UINT64CONST(0xa5503b23e255d), UINT64CONST(0xa9e6b5579fdc0),
	UINT64CONST(0xae89f995ad3ae), UINT64CONST(0xb33a2b84f15fb), UINT64CONST(0xb7f76f2fb5e47),
	UINT64CONST(0xbcc1e904bc1d3), UINT64CONST(0xc199bdd85529d), UINT64CONST(0xc67f12e57d14c),
	UINT64CONST(0xcb720dcef906a), UINT64CONST(0xd072d4a07897c), UINT64CONST(0xd5818dcfba488),
	UINT64CONST(0xda9e603db3286), UINT64CONST(0xdfc97337b9b5f), UINT64CONST(0xe502ee78b3ff7),
	UINT64CONST(0xea4afa2a490da), UINT64CONST(0xefa1bee615a28), UINT64CONST(0xf50765b6e4541),
	UINT64CONST(0xfa7c1819e90d9),
};

/* by the first 8 bits of a fraction: the bucket of the lowest such fraction */
static uint8 guesses[256];
/* what stands for a bucket at exponent 0 */
static float8 midpoints[BUCKETS];
static bool tables_ready = false;

/*
 * Values wait until there are so many, to be put into their buckets together.
 * With many groups, of which each row is of another, it is most of the work to
 * get at a bucket's cache line.
 */
#define MAX_WAITING			128

/* The counts of one exponent. */
typedef struct BucketPage
{
	int64		counts[BUCKETS];
} BucketPage;

/* The values of one sign: pages from exponent low to low + npages - 1. */
typedef struct Side
{
	int			low;
	int			npages;
	BucketPage **pages;		/* NULL: nothing at that exponent */
} Side;

typedef struct Percentile
{
	MemoryContext context;
	Side		negative;		/* by the value's magnitude */
	Side		positive;
	int64		nfinite;		/* zeros, and what both sides hold */
	int64		nzero;
	int64		nminus;			/* -Infinity */
	int64		nplus;			/* Infinity */
	int64		nnan;
	float8		min;			/* of the finite values */
	float8		max;

	/* the argument: fractions as an array, or one that may be NULL */
	ArrayType  *fractions;
	float8		fraction;
	bool		fraction_null;	/* false with an array */

	int			nwaiting;
	float8		waiting[MAX_WAITING];
} Percentile;

/* ------------------------------------------------------------------- buckets */

static float8
boundary_value(int i)
{
	uint64		bits;
	float8		value;

	if (i == BUCKETS)
		return 2.0;
	bits = ((uint64) 1023 << FRACTION_BITS) | boundaries[i];
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void
make_tables(void)
{
	int			bucket = 0;

	for (int i = 0; i < lengthof(guesses); i++)
	{
		while (bucket + 1 < BUCKETS &&
			   boundaries[bucket + 1] <= (uint64) i << (FRACTION_BITS - 8))
			bucket++;
		guesses[i] = bucket;
	}
	for (int i = 0; i < BUCKETS; i++)
	{
		float8		low = boundary_value(i);
		float8		high = boundary_value(i + 1);

		midpoints[i] = 2.0 * low * high / (low + high);
	}
	tables_ready = true;
}

/* The exponent and place of a positive finite value. */
static inline int
find_bucket(float8 value, int *exponent)
{
	uint64		bits;
	uint64		fraction;
	int			bucket;

	memcpy(&bits, &value, sizeof(bits));
	fraction = bits & FRACTION_MASK;
	*exponent = (int) (bits >> FRACTION_BITS) - 1023;
	if (unlikely(*exponent == -1023))
	{
		/* Subnormal: the highest bit set is the one that others leave out. */
		int			highest = pg_leftmost_one_pos64(fraction);

		*exponent = MIN_EXPONENT + highest;
		fraction = (fraction << (FRACTION_BITS - highest)) & FRACTION_MASK;
	}
	bucket = guesses[fraction >> (FRACTION_BITS - 8)];
	if (bucket + 1 < BUCKETS && fraction >= boundaries[bucket + 1])
		bucket++;
	return bucket;
}

/* Makes the side hold this exponent too. */
static void
extend_side(Percentile *state, Side *side, int exponent)
{
	int			low = side->npages == 0 ? exponent : Min(side->low, exponent);
	int			high = side->npages == 0 ? exponent : Max(side->low + side->npages - 1, exponent);
	BucketPage **pages = MemoryContextAllocZero(state->context, sizeof(BucketPage *) * (high - low + 1));

	if (side->npages > 0)
	{
		memcpy(pages + (side->low - low), side->pages, sizeof(BucketPage *) * side->npages);
		pfree(side->pages);
	}
	side->low = low;
	side->npages = high - low + 1;
	side->pages = pages;
}

static inline BucketPage *
get_page(Percentile *state, Side *side, int exponent)
{
	BucketPage **page;

	if (unlikely(exponent < side->low || exponent >= side->low + side->npages))
		extend_side(state, side, exponent);
	page = &side->pages[exponent - side->low];
	if (unlikely(*page == NULL))
		*page = MemoryContextAllocZero(state->context, sizeof(BucketPage));
	return *page;
}

static inline void
count_value(Percentile *state, float8 value)
{
	int			exponent;
	int			bucket;

	if (unlikely(isnan(value)))
	{
		state->nnan++;
		return;
	}
	if (unlikely(isinf(value)))
	{
		if (value > 0)
			state->nplus++;
		else
			state->nminus++;
		return;
	}

	/* -0 is 0, also as the lowest or highest value */
	if (value == 0)
		value = 0;
	if (state->nfinite == 0 || value < state->min)
		state->min = value;
	if (state->nfinite == 0 || value > state->max)
		state->max = value;
	state->nfinite++;
	if (value == 0)
	{
		state->nzero++;
		return;
	}
	bucket = find_bucket(fabs(value), &exponent);
	get_page(state, value > 0 ? &state->positive : &state->negative, exponent)->counts[bucket]++;
}

static void
settle(Percentile *state)
{
	for (int i = 0; i < state->nwaiting; i++)
		count_value(state, state->waiting[i]);
	state->nwaiting = 0;
}

static inline void
percentile_add(Percentile *state, float8 value)
{
	if (state->nwaiting == MAX_WAITING)
		settle(state);
	state->waiting[state->nwaiting++] = value;
}

static void
merge_side(Percentile *state, Side *to, const Side *from)
{
	for (int i = 0; i < from->npages; i++)
	{
		BucketPage *page;

		if (from->pages[i] == NULL)
			continue;
		page = get_page(state, to, from->low + i);
		for (int j = 0; j < BUCKETS; j++)
			page->counts[j] = kappa_add_counts(page->counts[j], from->pages[i]->counts[j]);
	}
}

/* ------------------------------------------------------------- the argument */

static Percentile *
percentile_create(MemoryContext context)
{
	Percentile *state = MemoryContextAlloc(context, sizeof(Percentile));

	if (!tables_ready)
		make_tables();
	memset(state, 0, offsetof(Percentile, waiting));
	state->context = context;
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
		state->fractions = MemoryContextAlloc(state->context, VARSIZE(fractions));
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
	percentile_add(state, PG_GETARG_FLOAT8(1));
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
	settle(state);
	settle(other);
	merge_side(state, &state->negative, &other->negative);
	merge_side(state, &state->positive, &other->positive);
	if (other->nfinite > 0)
	{
		state->min = state->nfinite == 0 ? other->min : Min(state->min, other->min);
		state->max = state->nfinite == 0 ? other->max : Max(state->max, other->max);
	}
	state->nfinite = kappa_add_counts(state->nfinite, other->nfinite);
	state->nzero = kappa_add_counts(state->nzero, other->nzero);
	state->nminus = kappa_add_counts(state->nminus, other->nminus);
	state->nplus = kappa_add_counts(state->nplus, other->nplus);
	state->nnan = kappa_add_counts(state->nnan, other->nnan);
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

/* Buckets in ascending order, each as the distance from the one before. */
static void
put_side(StringInfo buf, const Side *side)
{
	int			n = 0;
	int			last = -1;

	for (int i = 0; i < side->npages; i++)
		for (int j = 0; side->pages[i] != NULL && j < BUCKETS; j++)
			n += side->pages[i]->counts[j] > 0;

	kappa_state_put_varint(buf, n);
	for (int i = 0; i < side->npages; i++)
		for (int j = 0; side->pages[i] != NULL && j < BUCKETS; j++)
		{
			int			bucket = (side->low + i - MIN_EXPONENT) * BUCKETS + j;

			if (side->pages[i]->counts[j] == 0)
				continue;
			kappa_state_put_varint(buf, bucket - last);
			kappa_state_put_varint(buf, side->pages[i]->counts[j]);
			last = bucket;
		}
}

static void
get_side(StateReader *reader, Percentile *state, Side *side)
{
	int			n = kappa_state_get_count(reader, EXPONENTS * BUCKETS, 2);
	int			bucket = -1;

	for (int i = 0; i < n; i++)
	{
		int64		count;

		bucket += kappa_state_get_int(reader, 1, EXPONENTS * BUCKETS - 1 - bucket);
		count = kappa_state_get_int(reader, 1, PG_INT64_MAX);
		get_page(state, side, bucket / BUCKETS + MIN_EXPONENT)->counts[bucket % BUCKETS] = count;
		state->nfinite = kappa_add_counts(state->nfinite, count);
	}
}

Datum
approx_percentile_serial(PG_FUNCTION_ARGS)
{
	Percentile *state = (Percentile *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) kappa_aggregate_context(fcinfo);
	settle(state);
	kappa_state_begin(&buf, PERCENTILE_VERSION);
	put_argument(&buf, state);
	kappa_state_put_varint(&buf, state->nzero);
	kappa_state_put_varint(&buf, state->nminus);
	kappa_state_put_varint(&buf, state->nplus);
	kappa_state_put_varint(&buf, state->nnan);
	put_side(&buf, &state->negative);
	put_side(&buf, &state->positive);
	if (state->nfinite > 0)
	{
		kappa_state_put_float8(&buf, state->min);
		kappa_state_put_float8(&buf, state->max);
	}
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
	state->nzero = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	state->nminus = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	state->nplus = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	state->nnan = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	state->nfinite = state->nzero;
	get_side(&reader, state, &state->negative);
	get_side(&reader, state, &state->positive);
	if (state->nfinite > 0)
	{
		state->min = kappa_state_get_float8(&reader);
		state->max = kappa_state_get_float8(&reader);
		if (isnan(state->min) || isnan(state->max) || isinf(state->min) ||
			isinf(state->max) || state->min > state->max)
			kappa_state_invalid(&reader);
	}
	kappa_state_close(&reader);
	PG_RETURN_POINTER(state);
}

/* --------------------------------------------------------------------- result */

/* What stands for the bucket with the rank-th value (from 1) of a side. */
static float8
side_value(const Side *side, int64 rank, bool descending)
{
	for (int i = 0; i < side->npages; i++)
	{
		int			p = descending ? side->npages - 1 - i : i;

		if (side->pages[p] == NULL)
			continue;
		for (int j = 0; j < BUCKETS; j++)
		{
			int			b = descending ? BUCKETS - 1 - j : j;

			rank -= side->pages[p]->counts[b];
			if (rank <= 0)
				return ldexp(midpoints[b], side->low + p);
		}
	}
	return 0;
}

static int64
side_total(const Side *side)
{
	int64		total = 0;

	for (int i = 0; i < side->npages; i++)
		for (int j = 0; side->pages[i] != NULL && j < BUCKETS; j++)
			total += side->pages[i]->counts[j];
	return total;
}

/* The rank-th (from 1) of the finite values. */
static float8
finite_value(const Percentile *state, int64 rank)
{
	int64		nnegative = side_total(&state->negative);
	float8		value;

	if (rank <= 1)
		return state->min;
	if (rank >= state->nfinite)
		return state->max;
	if (rank <= nnegative)
		value = -side_value(&state->negative, rank, true);
	else if (rank <= nnegative + state->nzero)
		value = 0;
	else
		value = side_value(&state->positive, rank - nnegative - state->nzero, false);
	return Min(Max(value, state->min), state->max);
}

/* As percentile_disc: the value at rank ceil(fraction * n), or the first. */
static float8
percentile_value(const Percentile *state, float8 fraction)
{
	int64		n = kappa_add_counts(kappa_add_counts(state->nfinite, state->nnan),
									 kappa_add_counts(state->nminus, state->nplus));
	float8		ceiling = ceil(fraction * n);
	int64		rank = ceiling >= n ? n : (int64) Max(ceiling, 1);

	if (rank <= state->nminus)
		return -get_float8_infinity();
	rank -= state->nminus;
	if (rank <= state->nfinite)
		return finite_value(state, rank);
	rank -= state->nfinite;
	return rank <= state->nplus ? get_float8_infinity() : get_float8_nan();
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
	settle(state);
	PG_RETURN_FLOAT8(percentile_value(state, state->fraction));
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

	settle(state);
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			values[i] = Float8GetDatum(percentile_value(state, DatumGetFloat8(values[i])));
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array),
											 ARR_LBOUND(array), FLOAT8OID, sizeof(float8),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
