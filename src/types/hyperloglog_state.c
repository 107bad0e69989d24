/*-------------------------------------------------------------------------
 *
 * hyperloglog_state.c
 *	  HyperLogLog states in memory: from empty through sparse to dense.
 *
 * Values are added to a hash table of tokens, which grows by doubling; with
 * more than m/8 tokens it gives way to registers.  Decoded and merged states
 * are sorted lists, since merging lists and writing them down again takes no
 * look-ups; a list becomes a table only when values are added to it.
 *
 * A state is freed with the memory context that it was made in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "compat.h"
#include "types/hyperloglog.h"

#define SMALLEST_TABLE	8

static void add_token(HyperLogLog *hll, uint32 token);
static void make_table(HyperLogLog *hll, uint32 capacity);
static uint32 *sorted_tokens(const HyperLogLog *hll, MemoryContext context);
static void union_lists(HyperLogLog *target, const HyperLogLog *source);
static void union_registers(HyperLogLog *target, const HyperLogLog *source);
static bool is_empty(const HyperLogLog *hll);
pg_noreturn static void invalid_state(const char *detail);

int
kappa_hll_check_precision(int precision)
{
	if (precision < HLL_MIN_PRECISION || precision > HLL_MAX_PRECISION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("precision must be between %d and %d",
						HLL_MIN_PRECISION, HLL_MAX_PRECISION)));
	return precision;
}

HyperLogLog *
kappa_hll_create(MemoryContext context, int precision)
{
	HyperLogLog *hll = MemoryContextAllocZero(context, sizeof(HyperLogLog));

	Assert(precision >= HLL_MIN_PRECISION && precision <= HLL_MAX_PRECISION);
	hll->context = context;
	hll->precision = precision;
	hll->form = HLL_LIST;
	return hll;
}

void
kappa_hll_add_hash(HyperLogLog *hll, uint64 hash)
{
	if (likely(hll->form == HLL_DENSE))
		kappa_hll_registers_add(hll->registers, hll->precision, hash);
	else
		add_token(hll, kappa_hll_token_from_hash(hash, hll->precision));
}

/*
 * The slot of a token, or where it belongs.  Indexes are bits of a hash, but
 * stored states come from anywhere: the multiplication scatters those that
 * were made up to collide in the simplest way.
 */
static uint32 *
find_slot(const HyperLogLog *hll, uint32 token)
{
	uint32		mask = hll->capacity - 1;
	uint32		i = (HLL_TOKEN_INDEX(token) * 0x9E3779B1U) >> 12;

	while (hll->tokens[i & mask] != 0 &&
		   HLL_TOKEN_INDEX(hll->tokens[i & mask]) != HLL_TOKEN_INDEX(token))
		i++;
	return &hll->tokens[i & mask];
}

/* Adds to a sparse state, which may become dense. */
static void
add_token(HyperLogLog *hll, uint32 token)
{
	uint32	   *slot;

	if (hll->form == HLL_LIST)
		kappa_hll_expect_more(hll);

	slot = find_slot(hll, token);
	if (*slot != 0)
	{
		*slot = Max(*slot, token);
		return;
	}

	*slot = token;
	hll->ntokens++;
	if (hll->ntokens > HLL_MAX_TOKENS(hll->precision))
		kappa_hll_make_dense(hll);
	else if (hll->ntokens * 4 > hll->capacity * 3)
		make_table(hll, hll->capacity * 2);
}

void
kappa_hll_expect_more(HyperLogLog *hll)
{
	if (hll->form == HLL_LIST)
		make_table(hll, Max(SMALLEST_TABLE,
							pg_nextpower2_32(hll->ntokens * 2 + 1)));
}

/* The tokens, whatever the form, as a table with room for more. */
static void
make_table(HyperLogLog *hll, uint32 capacity)
{
	uint32	   *old = hll->tokens;
	uint32		nold = hll->form == HLL_LIST ? hll->ntokens : hll->capacity;

	hll->tokens = MemoryContextAllocZero(hll->context,
										 capacity * sizeof(uint32));
	hll->capacity = capacity;
	hll->form = HLL_TABLE;
	for (uint32 i = 0; i < nold; i++)
	{
		if (old[i] != 0)
			*find_slot(hll, old[i]) = old[i];
	}
	if (old != NULL)
		pfree(old);
}

uint8 *
kappa_hll_make_dense(HyperLogLog *hll)
{
	uint32		n = hll->form == HLL_LIST ? hll->ntokens : hll->capacity;

	if (hll->form == HLL_DENSE)
		return hll->registers;

	hll->registers = MemoryContextAllocZero(hll->context,
											HLL_REGISTERS(hll->precision));
	for (uint32 i = 0; i < n; i++)
	{
		if (hll->tokens[i] != 0)
			kappa_hll_registers_add_token(hll->registers, hll->precision,
										  hll->tokens[i]);
	}
	if (hll->tokens != NULL)
		pfree(hll->tokens);
	hll->tokens = NULL;
	hll->ntokens = hll->capacity = 0;
	hll->form = HLL_DENSE;
	return hll->registers;
}

void
kappa_hll_fold(HyperLogLog *hll, int precision)
{
	int			from = hll->precision;

	if (precision >= from)
		return;
	hll->precision = precision;

	if (hll->form == HLL_DENSE)
	{
		uint8	   *registers = MemoryContextAllocZero(hll->context,
													   HLL_REGISTERS(precision));

		kappa_hll_registers_merge(registers, precision, hll->registers, from);
		pfree(hll->registers);
		hll->registers = registers;
	}
	else if (hll->ntokens > HLL_MAX_TOKENS(precision))
		kappa_hll_make_dense(hll);
	else
	{
		uint32		n = hll->form == HLL_LIST ? hll->ntokens : hll->capacity;

		for (uint32 i = 0; i < n; i++)
		{
			if (hll->tokens[i] != 0)
				hll->tokens[i] = kappa_hll_token_fold(hll->tokens[i], precision);
		}
	}
}

/* ----------------------------------------------------------------- unions */

void
kappa_hll_union(HyperLogLog *target, const HyperLogLog *source)
{
	if (target == source)
		return;
	kappa_hll_fold(target, source->precision);

	if (source->form == HLL_DENSE)
		union_registers(target, source);
	else if (target->form == HLL_LIST && source->form == HLL_LIST)
		union_lists(target, source);
	else
	{
		uint32		n = source->form == HLL_LIST ? source->ntokens : source->capacity;

		for (uint32 i = 0; i < n; i++)
		{
			uint32		token = source->tokens[i];

			if (token == 0)
				continue;
			if (target->form == HLL_DENSE)
				kappa_hll_registers_add_token(target->registers, target->precision,
											  token);
			else
				add_token(target, kappa_hll_token_fold(token, target->precision));
		}
	}
}

static void
union_registers(HyperLogLog *target, const HyperLogLog *source)
{
	kappa_hll_registers_merge(kappa_hll_make_dense(target), target->precision,
							  source->registers, source->precision);
}

static void
union_lists(HyperLogLog *target, const HyperLogLog *source)
{
	uint32	   *merged;

	if (source->ntokens == 0)
		return;

	merged = MemoryContextAlloc(target->context,
								(target->ntokens + source->ntokens) * sizeof(uint32));
	target->ntokens = kappa_hll_tokens_merge(target->tokens, target->ntokens,
											 source->tokens, source->ntokens,
											 merged);
	if (target->tokens != NULL)
		pfree(target->tokens);
	target->tokens = merged;

	if (target->ntokens > HLL_MAX_TOKENS(target->precision))
		kappa_hll_make_dense(target);
	else if (source->precision > target->precision)
	{
		for (uint32 i = 0; i < target->ntokens; i++)
			merged[i] = kappa_hll_token_fold(merged[i], target->precision);
	}
}

HyperLogLog *
kappa_hll_copy(MemoryContext context, const HyperLogLog *hll)
{
	HyperLogLog *copy = MemoryContextAlloc(context, sizeof(HyperLogLog));

	*copy = *hll;
	copy->context = context;
	if (hll->registers != NULL)
	{
		copy->registers = MemoryContextAlloc(context,
											 HLL_REGISTERS(hll->precision));
		memcpy(copy->registers, hll->registers, HLL_REGISTERS(hll->precision));
	}
	if (hll->tokens != NULL)
	{
		copy->tokens = sorted_tokens(hll, context);
		copy->form = HLL_LIST;
	}
	return copy;
}

double
kappa_hll_estimate(const HyperLogLog *hll)
{
	if (hll->form == HLL_DENSE)
		return kappa_hll_registers_estimate(hll->registers, hll->precision);
	return kappa_hll_tokens_estimate(hll->ntokens);
}

int64
kappa_hll_cardinality(const HyperLogLog *hll)
{
	double		estimate = rint(kappa_hll_estimate(hll));

	return FLOAT8_FITS_IN_INT64(estimate) ? (int64) estimate : PG_INT64_MAX;
}

/* ------------------------------------------------------------ stored form */

HyperLogLog *
kappa_hll_decode(MemoryContext context, const uint8 *bytes, size_t size)
{
	HyperLogLog *hll;
	HllStored	stored;
	const char *wrong;

	wrong = kappa_hll_format_open(&stored, bytes, size);
	if (wrong != NULL)
		invalid_state(wrong);

	hll = kappa_hll_create(context, stored.precision);
	if (stored.dense)
	{
		hll->form = HLL_DENSE;
		hll->registers = MemoryContextAlloc(context,
											HLL_REGISTERS(stored.precision));
		wrong = kappa_hll_format_read_registers(&stored, hll->registers);
	}
	else if (stored.size > 0)
	{
		hll->tokens = MemoryContextAlloc(context,
										 kappa_hll_format_tokens_bound(&stored) * sizeof(uint32));
		wrong = kappa_hll_format_read_tokens(&stored, hll->tokens, &hll->ntokens);
	}
	if (wrong != NULL)
		invalid_state(wrong);
	return hll;
}

static void
invalid_state(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid hyperloglog value"),
			 errdetail_internal("%s", detail)));
}

void
kappa_hll_check_canonical(const uint8 *bytes, size_t size)
{
	bytea	   *canonical;

	canonical = kappa_hll_encode(kappa_hll_decode(CurrentMemoryContext, bytes, size));
	if (VARSIZE(canonical) - VARHDRSZ != size ||
		memcmp(VARDATA(canonical), bytes, size) != 0)
		invalid_state("The value is not in its canonical form.");
}

bytea *
kappa_hll_encode(const HyperLogLog *hll)
{
	bytea	   *result = palloc(VARHDRSZ + kappa_hll_format_size_bound(hll));
	uint8	   *bytes = (uint8 *) VARDATA(result);
	size_t		size;

	if (hll->form == HLL_DENSE && !is_empty(hll))
		size = kappa_hll_format_write_registers(bytes, hll->precision, hll->registers);
	else if (hll->form == HLL_TABLE)
	{
		uint32	   *tokens = sorted_tokens(hll, CurrentMemoryContext);

		size = kappa_hll_format_write_tokens(bytes, hll->precision, tokens, hll->ntokens);
		pfree(tokens);
	}
	else
		size = kappa_hll_format_write_tokens(bytes, hll->precision, hll->tokens,
											 hll->ntokens);

	SET_VARSIZE(result, VARHDRSZ + size);
	return result;
}

/*
 * A converted state may be dense without any value in it: it is written as
 * the one empty state.
 */
static bool
is_empty(const HyperLogLog *hll)
{
	if (hll->form != HLL_DENSE)
		return hll->ntokens == 0;
	for (int i = 0; i < HLL_REGISTERS(hll->precision); i++)
	{
		if (hll->registers[i] != 0)
			return false;
	}
	return true;
}

/* A sparse state's tokens in ascending order, newly allocated. */
static uint32 *
sorted_tokens(const HyperLogLog *hll, MemoryContext context)
{
	uint32	   *tokens = MemoryContextAlloc(context,
											Max(hll->ntokens, 1) * sizeof(uint32));

	if (hll->form == HLL_LIST)
		memcpy(tokens, hll->tokens, hll->ntokens * sizeof(uint32));
	else
	{
		uint32	   *scratch = palloc(hll->ntokens * sizeof(uint32));
		uint32		n = 0;

		for (uint32 i = 0; i < hll->capacity; i++)
		{
			if (hll->tokens[i] != 0)
				tokens[n++] = hll->tokens[i];
		}
		Assert(n == hll->ntokens);
		kappa_hll_tokens_sort(tokens, scratch, n);
		pfree(scratch);
	}
	return tokens;
}
