/*-------------------------------------------------------------------------
 *
 * histogram.c
 *	  A histogram of floats, in buckets that grow by a constant factor.
 *
 * The factor is 2^(1/64): the idea of DDSketch (Masson, Rim and Lee, 2019) with
 * the bucket boundaries of OpenTelemetry's exponential histogram at scale 6.
 * Bucket i holds the values of [2^(i/64), 2^((i+1)/64)), and what stands for all
 * of them is the harmonic mean of the bucket's ends, which differs from none of
 * them by more than
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

#include "port/pg_bitutils.h"
#include "utils/float.h"

#include "types/histogram.h"

#define FRACTION_BITS		52
#define FRACTION_MASK		((UINT64CONST(1) << FRACTION_BITS) - 1)
#define MIN_EXPONENT		(-1074)
#define MAX_EXPONENT		1023
#define EXPONENTS			(MAX_EXPONENT - MIN_EXPONENT + 1)

/* The fraction of 2^(i/64), rounded up: the lowest float in the bucket. */
static const uint64 boundaries[HISTOGRAM_BUCKETS] = {
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
static float8 midpoints[HISTOGRAM_BUCKETS];
static bool tables_ready = false;

/* ------------------------------------------------------------------- buckets */

static float8
boundary_value(int i)
{
	uint64		bits;
	float8		value;

	if (i == HISTOGRAM_BUCKETS)
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
		while (bucket + 1 < HISTOGRAM_BUCKETS &&
			   boundaries[bucket + 1] <= (uint64) i << (FRACTION_BITS - 8))
			bucket++;
		guesses[i] = bucket;
	}
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
	{
		float8		low = boundary_value(i);
		float8		high = boundary_value(i + 1);

		midpoints[i] = 2.0 * low * high / (low + high);
	}
	tables_ready = true;
}

void
kappa_histogram_init(Histogram *hist, MemoryContext context)
{
	if (!tables_ready)
		make_tables();
	memset(hist, 0, offsetof(Histogram, waiting));
	hist->context = context;
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
	if (bucket + 1 < HISTOGRAM_BUCKETS && fraction >= boundaries[bucket + 1])
		bucket++;
	return bucket;
}

/* Makes the side hold this exponent too. */
static void
extend_side(Histogram *hist, HistogramSide *side, int exponent)
{
	int			low = side->npages == 0 ? exponent : Min(side->low, exponent);
	int			high = side->npages == 0 ? exponent : Max(side->low + side->npages - 1, exponent);
	HistogramPage **pages = MemoryContextAllocZero(hist->context,
													 sizeof(HistogramPage *) * (high - low + 1));

	if (side->npages > 0)
	{
		memcpy(pages + (side->low - low), side->pages, sizeof(HistogramPage *) * side->npages);
		pfree(side->pages);
	}
	side->low = low;
	side->npages = high - low + 1;
	side->pages = pages;
}

static inline HistogramPage *
get_page(Histogram *hist, HistogramSide *side, int exponent)
{
	HistogramPage **page;

	if (unlikely(exponent < side->low || exponent >= side->low + side->npages))
		extend_side(hist, side, exponent);
	page = &side->pages[exponent - side->low];
	if (unlikely(*page == NULL))
		*page = MemoryContextAllocZero(hist->context, sizeof(HistogramPage));
	return *page;
}

static inline void
count_value(Histogram *hist, float8 value)
{
	int			exponent;
	int			bucket;

	if (unlikely(isnan(value)))
	{
		hist->nnan++;
		return;
	}
	if (unlikely(isinf(value)))
	{
		if (value > 0)
			hist->nplus++;
		else
			hist->nminus++;
		return;
	}

	/* -0 is 0, also as the lowest or highest value */
	if (value == 0)
		value = 0;
	if (hist->nfinite == 0 || value < hist->min)
		hist->min = value;
	if (hist->nfinite == 0 || value > hist->max)
		hist->max = value;
	hist->nfinite++;
	if (value == 0)
	{
		hist->nzero++;
		return;
	}
	bucket = find_bucket(fabs(value), &exponent);
	get_page(hist, value > 0 ? &hist->positive : &hist->negative, exponent)->counts[bucket]++;
}

void
kappa_histogram_settle(Histogram *hist)
{
	for (int i = 0; i < hist->nwaiting; i++)
		count_value(hist, hist->waiting[i]);
	hist->nwaiting = 0;
}

static void
merge_side(Histogram *hist, HistogramSide *to, const HistogramSide *from)
{
	for (int i = 0; i < from->npages; i++)
	{
		HistogramPage *page;

		if (from->pages[i] == NULL)
			continue;
		page = get_page(hist, to, from->low + i);
		for (int j = 0; j < HISTOGRAM_BUCKETS; j++)
			page->counts[j] = kappa_add_counts(page->counts[j], from->pages[i]->counts[j]);
	}
}

void
kappa_histogram_merge(Histogram *hist, Histogram *other)
{
	kappa_histogram_settle(hist);
	kappa_histogram_settle(other);
	merge_side(hist, &hist->negative, &other->negative);
	merge_side(hist, &hist->positive, &other->positive);
	if (other->nfinite > 0)
	{
		hist->min = hist->nfinite == 0 ? other->min : Min(hist->min, other->min);
		hist->max = hist->nfinite == 0 ? other->max : Max(hist->max, other->max);
	}
	hist->nfinite = kappa_add_counts(hist->nfinite, other->nfinite);
	hist->nzero = kappa_add_counts(hist->nzero, other->nzero);
	hist->nminus = kappa_add_counts(hist->nminus, other->nminus);
	hist->nplus = kappa_add_counts(hist->nplus, other->nplus);
	hist->nnan = kappa_add_counts(hist->nnan, other->nnan);
}

/* ---------------------------------------------------------------- serialised */

/* Buckets in ascending order, each as the distance from the one before. */
static void
put_side(StringInfo buf, const HistogramSide *side)
{
	int			n = 0;
	int			last = -1;

	for (int i = 0; i < side->npages; i++)
		for (int j = 0; side->pages[i] != NULL && j < HISTOGRAM_BUCKETS; j++)
			n += side->pages[i]->counts[j] > 0;

	kappa_state_put_varint(buf, n);
	for (int i = 0; i < side->npages; i++)
		for (int j = 0; side->pages[i] != NULL && j < HISTOGRAM_BUCKETS; j++)
		{
			int			bucket = (side->low + i - MIN_EXPONENT) * HISTOGRAM_BUCKETS + j;

			if (side->pages[i]->counts[j] == 0)
				continue;
			kappa_state_put_varint(buf, bucket - last);
			kappa_state_put_varint(buf, side->pages[i]->counts[j]);
			last = bucket;
		}
}

void
kappa_histogram_put(StringInfo buf, Histogram *hist)
{
	kappa_histogram_settle(hist);
	kappa_state_put_varint(buf, hist->nzero);
	kappa_state_put_varint(buf, hist->nminus);
	kappa_state_put_varint(buf, hist->nplus);
	kappa_state_put_varint(buf, hist->nnan);
	put_side(buf, &hist->negative);
	put_side(buf, &hist->positive);
	if (hist->nfinite > 0)
	{
		kappa_state_put_float8(buf, hist->min);
		kappa_state_put_float8(buf, hist->max);
	}
}

static void
get_side(StateReader *reader, Histogram *hist, HistogramSide *side)
{
	int			n = kappa_state_get_count(reader, EXPONENTS * HISTOGRAM_BUCKETS, 2);
	int			bucket = -1;

	for (int i = 0; i < n; i++)
	{
		int64		count;
		HistogramPage *page;

		bucket += kappa_state_get_int(reader, 1, EXPONENTS * HISTOGRAM_BUCKETS - 1 - bucket);
		count = kappa_state_get_int(reader, 1, PG_INT64_MAX);
		page = get_page(hist, side, bucket / HISTOGRAM_BUCKETS + MIN_EXPONENT);
		page->counts[bucket % HISTOGRAM_BUCKETS] = count;
		hist->nfinite = kappa_add_counts(hist->nfinite, count);
	}
}

void
kappa_histogram_get(StateReader *reader, Histogram *hist)
{
	hist->nzero = kappa_state_get_int(reader, 0, PG_INT64_MAX);
	hist->nminus = kappa_state_get_int(reader, 0, PG_INT64_MAX);
	hist->nplus = kappa_state_get_int(reader, 0, PG_INT64_MAX);
	hist->nnan = kappa_state_get_int(reader, 0, PG_INT64_MAX);
	hist->nfinite = hist->nzero;
	get_side(reader, hist, &hist->negative);
	get_side(reader, hist, &hist->positive);
	if (hist->nfinite > 0)
	{
		hist->min = kappa_state_get_float8(reader);
		hist->max = kappa_state_get_float8(reader);
		if (isnan(hist->min) || isnan(hist->max) || isinf(hist->min) ||
			isinf(hist->max) || hist->min > hist->max)
			kappa_state_invalid(reader);
	}
}

/* --------------------------------------------------------------------- result */

/* What stands for the bucket with the rank-th value (from 1) of a side. */
static float8
side_value(const HistogramSide *side, int64 rank, bool descending)
{
	for (int i = 0; i < side->npages; i++)
	{
		int			p = descending ? side->npages - 1 - i : i;

		if (side->pages[p] == NULL)
			continue;
		for (int j = 0; j < HISTOGRAM_BUCKETS; j++)
		{
			int			b = descending ? HISTOGRAM_BUCKETS - 1 - j : j;

			rank -= side->pages[p]->counts[b];
			if (rank <= 0)
				return ldexp(midpoints[b], side->low + p);
		}
	}
	return 0;
}

static int64
side_total(const HistogramSide *side)
{
	int64		total = 0;

	for (int i = 0; i < side->npages; i++)
		for (int j = 0; side->pages[i] != NULL && j < HISTOGRAM_BUCKETS; j++)
			total += side->pages[i]->counts[j];
	return total;
}

/* The rank-th (from 1) of the finite values. */
static float8
finite_value(const Histogram *hist, int64 rank)
{
	int64		nnegative = side_total(&hist->negative);
	float8		value;

	if (rank <= 1)
		return hist->min;
	if (rank >= hist->nfinite)
		return hist->max;
	if (rank <= nnegative)
		value = -side_value(&hist->negative, rank, true);
	else if (rank <= nnegative + hist->nzero)
		value = 0;
	else
		value = side_value(&hist->positive, rank - nnegative - hist->nzero, false);
	return Min(Max(value, hist->min), hist->max);
}

float8
kappa_histogram_percentile(Histogram *hist, float8 fraction)
{
	int64		n;
	float8		ceiling;
	int64		rank;

	kappa_histogram_settle(hist);
	n = kappa_add_counts(kappa_add_counts(hist->nfinite, hist->nnan),
						 kappa_add_counts(hist->nminus, hist->nplus));
	ceiling = ceil(fraction * n);
	rank = ceiling >= n ? n : (int64) Max(ceiling, 1);

	if (rank <= hist->nminus)
		return -get_float8_infinity();
	rank -= hist->nminus;
	if (rank <= hist->nfinite)
		return finite_value(hist, rank);
	rank -= hist->nfinite;
	return rank <= hist->nplus ? get_float8_infinity() : get_float8_nan();
}
