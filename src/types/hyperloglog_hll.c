/*-------------------------------------------------------------------------
 *
 * hyperloglog_hll.c
 *	  To and from the storage format of the extension hll (postgresql-hll),
 *	  schema version 1 of its storage specification.
 *
 *	byte 0	schema version 1 in the high half; in the low half the kind:
 *			1 empty, 2 explicit, 3 sparse, 4 full
 *	byte 1	register width - 1 in the highest 3 bits, log2(registers) below
 *	byte 2	0x40: sparse is allowed; lowest 6 bits: the explicit threshold,
 *			0 for 0, 63 for "automatic" (-1), else its log2 + 1
 *	then	explicit: the hashes, 8 bytes each, big-endian, ascending as
 *			signed numbers; sparse: (index, register) pairs in ascending
 *			order, as bit fields; full: the registers as bit fields.  Bit
 *			fields run from high to low bits, padded with zeros.
 *
 * hll hashes a bigint with hll_hash_bigint and a text with hll_hash_text as
 * hash.c does (seed 0), and takes index and rank from the same bits as
 * hyperloglog_core.c.  So registers of one are registers of the other:
 *
 * From hll: every kind can be read.  An explicit set becomes a sparse state,
 * the same as if the values had been counted here.  Sparse and full sets are
 * registers, of which no tokens can be made, so they become dense states,
 * even with few registers in use.  Narrow registers may have been cut off at
 * their greatest value; a set in which that could change the estimate by more
 * than 0.1 % is refused.
 *
 * To hll: registers only, since tokens hold 26 bits of a hash and an explicit
 * set needs 64.  What is written is byte for byte what hll itself has for the
 * same values when its explicit threshold is 0.  (But for values of which all
 * 64 - p rank bits are zero, one in 10^15, which hll does not count.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

#include "compat.h"
#include "types/hyperloglog.h"

PG_FUNCTION_INFO_V1(hyperloglog_from_hll);
PG_FUNCTION_INFO_V1(hyperloglog_to_hll);

#define HLL_SCHEMA_VERSION	1
#define HLL_KIND_EMPTY		1
#define HLL_KIND_EXPLICIT	2
#define HLL_KIND_SPARSE		3
#define HLL_KIND_FULL		4

#define HLL_PREFIX_SIZE		3
#define HLL_SPARSE_ALLOWED	0x40
#define HLL_THRESHOLD_AUTO	63

/* the part of an estimate that cut-off registers may account for */
#define MAX_CUTOFF_ERROR	0.001

/* A set in hll's format, and the bit in its data that is read next. */
typedef struct HllSet
{
	int			kind;
	int			width;			/* of a register, in bits */
	int			precision;
	const uint8 *data;
	size_t		size;
	size_t		position;		/* in bits */
} HllSet;

static void
refuse_set(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid or unsupported hll value"),
			 errdetail_internal("%s", detail)));
}

/* The next nbits (at most 26) bits; they must be there. */
static uint32
read_bits(HllSet *set, int nbits)
{
	uint32		result = 0;

	Assert(set->position + nbits <= set->size * 8);
	for (int i = 0; i < nbits; i++, set->position++)
		result = result << 1 |
			((set->data[set->position / 8] >> (7 - set->position % 8)) & 1);
	return result;
}

static size_t
bits_left(const HllSet *set)
{
	return set->size * 8 - set->position;
}

/* Less than a byte is left, and zero. */
static void
expect_padding(HllSet *set)
{
	if (bits_left(set) >= 8 || read_bits(set, bits_left(set)) != 0)
		refuse_set("There are bits after the last register.");
}

static void
set_register(const HllSet *set, uint8 *registers, uint32 index, uint32 rank)
{
	if (rank > HLL_MAX_RANK(set->precision))
		refuse_set("A register is out of range.");
	registers[index] = rank;
}

static void
read_explicit(HllSet *set, HyperLogLog *hll)
{
	int64		previous = 0;

	if (set->size % sizeof(uint64) != 0)
		refuse_set("The size of an explicit set is not a multiple of 8.");
	for (size_t i = 0; i < set->size; i += sizeof(uint64))
	{
		uint64		hash;

		memcpy(&hash, set->data + i, sizeof(hash));
		hash = pg_ntoh64(hash);
		if (i > 0 && (int64) hash <= previous)
			refuse_set("The elements of an explicit set are not in ascending order.");
		previous = (int64) hash;
		kappa_hll_add_hash(hll, hash);
	}
}

static void
read_sparse(HllSet *set, uint8 *registers)
{
	int			pair = set->precision + set->width;
	int64		previous = -1;

	while (bits_left(set) >= pair)
	{
		size_t		start = set->position;
		uint32		index = read_bits(set, set->precision);
		uint32		rank = read_bits(set, set->width);

		/* no pair has rank 0: short pairs can fit into the padding */
		if (rank == 0)
		{
			set->position = start;
			break;
		}
		if (index <= previous)
			refuse_set("The registers of a sparse set are not in ascending order.");
		previous = index;
		set_register(set, registers, index, rank);
	}
	expect_padding(set);
}

static void
read_full(HllSet *set, uint8 *registers)
{
	int			m = HLL_REGISTERS(set->precision);

	if (bits_left(set) < (size_t) m * set->width)
		refuse_set("There are too few registers.");
	for (int i = 0; i < m; i++)
		set_register(set, registers, i, read_bits(set, set->width));
	expect_padding(set);
}

/*
 * A register at the greatest value of its width may stand for any higher
 * rank.  It adds 2^-rank to the sum of which the estimate is the reciprocal.
 */
static void
check_cutoff(const HllSet *set, const uint8 *registers)
{
	int			cutoff = (1 << set->width) - 1;
	double		sum = 0;
	double		in_doubt = 0;

	if (cutoff >= HLL_MAX_RANK(set->precision))
		return;
	for (int i = 0; i < HLL_REGISTERS(set->precision); i++)
	{
		sum += ldexp(1, -registers[i]);
		if (registers[i] == cutoff)
			in_doubt += ldexp(1, -cutoff);
	}
	if (in_doubt > sum * MAX_CUTOFF_ERROR)
		refuse_set("The registers are too narrow for the number of values in the set.");
}

/* hyperloglog_from_hll(bytea) */
Datum
hyperloglog_from_hll(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	const uint8 *prefix = (uint8 *) VARDATA_ANY(bytes);
	HyperLogLog *hll;
	HllSet		set = {0};

	if (VARSIZE_ANY_EXHDR(bytes) < HLL_PREFIX_SIZE)
		refuse_set("The value is shorter than its header.");
	if (prefix[0] >> 4 != HLL_SCHEMA_VERSION)
		refuse_set("The schema version is unknown.");
	set.kind = prefix[0] & 0x0F;
	set.width = (prefix[1] >> 5) + 1;
	set.precision = prefix[1] & 0x1F;
	set.data = prefix + HLL_PREFIX_SIZE;
	set.size = VARSIZE_ANY_EXHDR(bytes) - HLL_PREFIX_SIZE;
	if (set.precision < HLL_MIN_PRECISION || set.precision > HLL_MAX_PRECISION)
		refuse_set("The number of registers is not between 2^4 and 2^18.");

	hll = kappa_hll_create(CurrentMemoryContext, set.precision);
	switch (set.kind)
	{
		case HLL_KIND_EMPTY:
			if (set.size != 0)
				refuse_set("An empty set has data.");
			break;
		case HLL_KIND_EXPLICIT:
			read_explicit(&set, hll);
			break;
		case HLL_KIND_SPARSE:
			read_sparse(&set, kappa_hll_make_dense(hll));
			check_cutoff(&set, hll->registers);
			break;
		case HLL_KIND_FULL:
			read_full(&set, kappa_hll_make_dense(hll));
			check_cutoff(&set, hll->registers);
			break;
		default:
			refuse_set("The set is undefined or of an unknown kind.");
	}
	PG_RETURN_BYTEA_P(kappa_hll_encode(hll));
}

/* Writes the lowest nbits bits of value at a position counted in bits. */
static void
write_bits(uint8 *data, size_t *position, uint32 value, int nbits)
{
	for (int i = nbits - 1; i >= 0; i--, (*position)++)
	{
		if (value & (1U << i))
			data[*position / 8] |= 1 << (7 - *position % 8);
	}
}

/* As hll's type modifier of the same name: -1, 0 or a power of two. */
static uint8
encode_threshold(int64 threshold)
{
	if (threshold == -1)
		return HLL_THRESHOLD_AUTO;
	if (threshold < 0 || threshold > INT64CONST(1) << 30 ||
		(threshold & (threshold - 1)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expthresh must be -1, 0 or a power of two up to 2^30")));
	return threshold == 0 ? 0 : pg_rightmost_one_pos64(threshold) + 1;
}

/* hyperloglog_to_hll(hyperloglog, regwidth int, expthresh bigint, sparseon int) */
Datum
hyperloglog_to_hll(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	int			width = PG_GETARG_INT32(1);
	uint8		threshold = encode_threshold(PG_GETARG_INT64(2));
	int			sparse_allowed = PG_GETARG_INT32(3);
	HyperLogLog *hll;
	int			m;
	int			used = 0;
	int			kind;
	size_t		nbits;
	size_t		position = 0;
	bytea	   *result;
	uint8	   *out;

	if (width < 1 || width > 7)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("regwidth must be between 1 and 7")));
	if (sparse_allowed != 0 && sparse_allowed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sparseon must be 0 or 1")));

	hll = kappa_hll_decode(CurrentMemoryContext, (uint8 *) VARDATA_ANY(bytes),
						   VARSIZE_ANY_EXHDR(bytes));
	kappa_hll_make_dense(hll);
	m = HLL_REGISTERS(hll->precision);
	for (int i = 0; i < m; i++)
		used += hll->registers[i] != 0;

	/* hll's own choice: whichever is smaller */
	kind = HLL_KIND_FULL;
	nbits = (size_t) m * width;
	if (used == 0)
	{
		kind = HLL_KIND_EMPTY;
		nbits = 0;
	}
	else if (sparse_allowed && (size_t) used * (hll->precision + width) < nbits)
	{
		kind = HLL_KIND_SPARSE;
		nbits = (size_t) used * (hll->precision + width);
	}

	result = palloc0(VARHDRSZ + HLL_PREFIX_SIZE + (nbits + 7) / 8);
	SET_VARSIZE(result, VARHDRSZ + HLL_PREFIX_SIZE + (nbits + 7) / 8);
	out = (uint8 *) VARDATA(result);
	*out++ = HLL_SCHEMA_VERSION << 4 | kind;
	*out++ = (width - 1) << 5 | hll->precision;
	*out++ = (sparse_allowed ? HLL_SPARSE_ALLOWED : 0) | threshold;

	for (int i = 0; i < m && kind != HLL_KIND_EMPTY; i++)
	{
		if (kind == HLL_KIND_SPARSE)
		{
			if (hll->registers[i] == 0)
				continue;
			write_bits(out, &position, i, hll->precision);
		}
		write_bits(out, &position, Min(hll->registers[i], (1 << width) - 1),
				   width);
	}
	PG_RETURN_BYTEA_P(result);
}
