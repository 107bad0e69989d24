/*-------------------------------------------------------------------------
 *
 * hyperloglog_core.c
 *	  HyperLogLog: registers, tokens and the estimate.
 *
 * HyperLogLog tells how many distinct values it has seen, to within a percent
 * or two, in a kilobyte or two, however many they were.
 *
 * Hash every value to 64 random-looking bits.  Of all hashes, one in two ends
 * in 1, one in four in 10, one in 2^k in a 1 and k - 1 zeros: call k the rank.
 * Among n distinct values the highest rank seen is about log2(n), and seeing
 * a value again changes nothing.  One such maximum is a very rough guess, so
 * the low p bits of the hash (the precision) choose one of m = 2^p registers,
 * each of which keeps the highest rank of the remaining 64 - p bits among the
 * values that chose it.  The estimate is, in essence, m times the harmonic
 * mean of 2^register; its standard error is 1.04 / sqrt(m).  Two sets are
 * united by taking the larger of each pair of registers, which gives exactly
 * the registers of the union: in any order, any grouping and however often.
 *
 *	hash:	r r r r ... r r r r r r r r 1 0 0 0   i i i i i i i i i i i i
 *			rank = 4 (the fourth bit is the       index of the register
 *			first that is set)                    (p = 12 bits)
 *
 * Which bits serve as index and which as rank is a convention; this one is
 * postgresql-hll's, so that its registers are ours (hyperloglog_hll.c).
 *
 * While a set is small, m registers are both large and less exact than could
 * be.  So a small set is kept sparse: as the tokens of its hashes, 26 bits
 * each instead of registers, that is, as the registers that are not zero of a
 * HyperLogLog of precision 26, whose error for so few values is next to none
 * (of 500 values, two share a token in one case of 540).  A token tells
 * register and rank at every lower precision, so that the dense form can be
 * made of tokens at any time.  When there are more than m/8 tokens the set
 * becomes dense, and stays so.  The number of distinct tokens depends only on
 * which values were added: so does the form, hence the bytes.
 *
 * A set of higher precision can be folded to a lower one, as if it had been
 * collected there: the index bits that are no longer index become the lowest
 * rank bits.
 *
 * The estimate.  The original estimator (Flajolet et al., 2007) is badly off
 * near 2.5 m values and is patched with linear counting below, leaving a hump
 * where they meet; HyperLogLog++ (Heule et al., 2013) mends this with tables
 * of measured corrections.  We use Otmar Ertl's improved raw estimator
 * ("New cardinality estimation algorithms for HyperLogLog sketches",
 * arXiv:1702.01284, section 4, algorithm 6), which corrects for registers at
 * both ends of their range in closed form (functions sigma and tau below) and
 * needs neither switch nor table.  What it leaves is a bias of about 1/m,
 * since the reciprocal of a mean is on average too large; it is taken off.
 *
 * Nothing here allocates memory or raises errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "port/pg_bitutils.h"

#include "types/hyperloglog.h"

static inline void
raise_register(uint8 *reg, uint8 rank)
{
	if (*reg < rank)
		*reg = rank;
}

/* 16 at once: the compiler makes one vector instruction of it. */
static inline void
raise_registers(uint8 *pg_restrict regs, const uint8 *pg_restrict ranks)
{
	for (int i = 0; i < 16; i++)
		regs[i] = Max(regs[i], ranks[i]);
}

/* 1 + the number of zeros below the lowest 1 of bits, at most max */
static inline int
rank_of(uint64 bits, int max)
{
	return bits == 0 ? max : pg_rightmost_one_pos64(bits) + 1;
}

void
kappa_hll_registers_add(uint8 *registers, int precision, uint64 hash)
{
	raise_register(&registers[hash & (HLL_REGISTERS(precision) - 1)],
				   rank_of(hash >> precision, HLL_MAX_RANK(precision)));
}

void
kappa_hll_registers_add_token(uint8 *registers, int precision, uint32 token)
{
	uint32		index = HLL_TOKEN_INDEX(token);
	uint32		rest = index >> precision;

	raise_register(&registers[index & (HLL_REGISTERS(precision) - 1)],
				   rank_of(rest, HLL_TOKEN_BITS - precision + HLL_TOKEN_RANK(token)));
}

void
kappa_hll_registers_merge(uint8 *target, int target_precision,
						  const uint8 *source, int source_precision)
{
	int			n = HLL_REGISTERS(source_precision);
	int			dropped = source_precision - target_precision;

	if (dropped == 0)
	{
		for (int i = 0; i < n; i += 16)
			raise_registers(&target[i], &source[i]);
		return;
	}

	for (int i = 0; i < n; i++)
	{
		if (source[i] != 0)
			raise_register(&target[i & (HLL_REGISTERS(target_precision) - 1)],
						   rank_of(i >> target_precision, dropped + source[i]));
	}
}

/* ---------------------------------------------------------------- tokens */

uint32
kappa_hll_token_fold(uint32 token, int precision)
{
	uint32		index = HLL_TOKEN_INDEX(token);

	return (index >> precision) == 0 ? token : HLL_TOKEN(index, 1);
}

uint32
kappa_hll_token_from_hash(uint64 hash, int precision)
{
	uint32		index = hash & ((1 << HLL_TOKEN_BITS) - 1);

	return kappa_hll_token_fold(HLL_TOKEN(index,
										  rank_of(hash >> HLL_TOKEN_BITS,
												  HLL_TOKEN_MAX_RANK)),
								precision);
}

static void
insertion_sort(uint32 *tokens, uint32 n)
{
	for (uint32 i = 1; i < n; i++)
	{
		uint32		token = tokens[i];
		uint32		j = i;

		for (; j > 0 && tokens[j - 1] > token; j--)
			tokens[j] = tokens[j - 1];
		tokens[j] = token;
	}
}

/*
 * Indexes are distinct, so it is enough to sort by index: 26 bits in passes
 * of 9, 9 and 8 bits.
 */
void
kappa_hll_tokens_sort(uint32 *tokens, uint32 *scratch, uint32 n)
{
	static const int shifts[] = {HLL_TOKEN_RANK_BITS, HLL_TOKEN_RANK_BITS + 9,
	HLL_TOKEN_RANK_BITS + 18};
	uint32	   *from = tokens;
	uint32	   *to = scratch;

	if (n < 48)
	{
		insertion_sort(tokens, n);
		return;
	}

	for (int pass = 0; pass < lengthof(shifts); pass++)
	{
		uint32		ends[512] = {0};
		uint32		sum = 0;
		uint32	   *swap;

		for (uint32 i = 0; i < n; i++)
			ends[(from[i] >> shifts[pass]) & 511]++;
		for (int digit = 0; digit < 512; digit++)
		{
			uint32		start = sum;

			sum += ends[digit];
			ends[digit] = start;
		}
		for (uint32 i = 0; i < n; i++)
			to[ends[(from[i] >> shifts[pass]) & 511]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	memcpy(tokens, from, n * sizeof(uint32));
}

uint32
kappa_hll_tokens_merge(const uint32 *a, uint32 na, const uint32 *b, uint32 nb,
					   uint32 *result)
{
	uint32		i = 0;
	uint32		j = 0;
	uint32		n = 0;

	while (i < na && j < nb)
	{
		uint32		index_a = HLL_TOKEN_INDEX(a[i]);
		uint32		index_b = HLL_TOKEN_INDEX(b[j]);

		/* of two tokens with the same index, the larger has the higher rank */
		result[n++] = index_a == index_b ? Max(a[i], b[j]) : Min(a[i], b[j]);
		i += (index_a <= index_b);
		j += (index_b <= index_a);
	}
	while (i < na)
		result[n++] = a[i++];
	while (j < nb)
		result[n++] = b[j++];
	return n;
}

/* -------------------------------------------------------------- estimates */

/*
 * sigma(x) = x + sum over k >= 1 of x^(2^k) 2^(k-1), for 0 <= x < 1: what the
 * registers that are still 0 stand for (Ertl, equation 20 and algorithm 6).
 */
static double
sigma(double x)
{
	double		y = 1;
	double		sum = x;
	double		before;

	do
	{
		x *= x;
		before = sum;
		sum += x * y;
		y += y;
	} while (sum != before);
	return sum;
}

/*
 * tau(x) = 1/3 (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 2^-k), for
 * 0 <= x <= 1: what the registers at the highest rank stand for (Ertl,
 * equation 19 and algorithm 6).
 */
static double
tau(double x)
{
	double		y = 1;
	double		sum = 1 - x;
	double		before;

	if (x == 0 || x == 1)
		return 0;
	do
	{
		x = sqrt(x);
		before = sum;
		y *= 0.5;
		sum -= (1 - x) * (1 - x) * y;
	} while (sum != before);
	return sum / 3;
}

/*
 * The relative bias of the estimator, times m, at lambda values a register.
 * It is 1/2 for a single value, whose estimate is m log(m / (m - 1)), and
 * 1.079 for many (Flajolet et al., 2007: the term of alpha_m in 1/m).  The
 * curve between is fitted to simulations of 100,000 sets at m = 256.
 */
static double
bias(double lambda)
{
	return 1.079 - 0.579 * exp(-lambda / 2);
}

double
kappa_hll_registers_estimate(const uint8 *registers, int precision)
{
	int			m = HLL_REGISTERS(precision);
	int			max_rank = HLL_MAX_RANK(precision);
	uint32		counts[4][64] = {{0}};
	double		z;
	double		estimate;

	/* Four histograms, so that equal neighbours do not wait for each other. */
	for (int i = 0; i < m; i += 4)
	{
		counts[0][registers[i]]++;
		counts[1][registers[i + 1]]++;
		counts[2][registers[i + 2]]++;
		counts[3][registers[i + 3]]++;
	}
	for (int rank = 0; rank <= max_rank; rank++)
		counts[0][rank] += counts[1][rank] + counts[2][rank] + counts[3][rank];

	if (counts[0][0] == m)
		return 0;

	z = m * tau(1 - (double) counts[0][max_rank] / m);
	for (int rank = max_rank - 1; rank >= 1; rank--)
		z = 0.5 * (z + counts[0][rank]);
	z += m * sigma((double) counts[0][0] / m);
	if (z == 0)
		return HUGE_VAL;

	estimate = (double) m * m / (2 * M_LN2 * z);
	return estimate / (1 + bias(estimate / m) / m);
}

/*
 * Linear counting (Whang et al., 1990) over the 2^26 possible tokens: exact,
 * after rounding, for the first few thousand.
 */
double
kappa_hll_tokens_estimate(uint32 ntokens)
{
	double		possible = 1 << HLL_TOKEN_BITS;

	return -possible * log1p(-(double) ntokens / possible);
}
