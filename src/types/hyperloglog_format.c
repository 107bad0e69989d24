/*-------------------------------------------------------------------------
 *
 * hyperloglog_format.c
 *	  The stored form of HyperLogLog states, byte by byte.
 *
 * doc/hyperloglog-format.md is the specification; in short:
 *
 *	byte 0	version, 1
 *	byte 1	precision; plus 0x80 if dense
 *
 *	sparse	the tokens in ascending order of their indexes.  For each: the
 *			index less the one before and less 1 (the first: the index), as
 *			a varint; and, if the index is below 2^precision, its rank in one
 *			byte.  (Of larger indexes the rank is never needed.)
 *
 *	dense	byte 2: base.  Then 3 bits for each register, 8 registers in 3
 *			bytes: 0 to 6 stand for base to base + 6, and 7 for a register
 *			outside of that.  Then those registers, one byte each.
 *
 * Nearly all registers of a set lie within seven neighbouring values, so a
 * dense state of precision 12 takes 1.7 kB, with at most 6 % of the registers
 * in the tail: small enough to stay in its row, without TOAST, so that an
 * update of it costs one row version in the WAL and no more.  The fields are
 * packed and unpacked eight at a time in one 64-bit word.
 *
 * A set of values has exactly one stored form.  The base is the one that
 * leaves the fewest registers outside, and the smallest of these.
 *
 * Reading checks all that memory safety needs, on every read: bytes may come
 * from anywhere.  That the form is the canonical one is checked where bytes
 * enter (kappa_hll_decode), by writing the state again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

#include "types/hyperloglog.h"

#define FORMAT_VERSION	1
#define FORMAT_DENSE	0x80

/* a dense field's value for a register outside of base .. base + 6 */
#define FIELD_OUTSIDE	7

/* registers whose outside ones are looked for together: a branch taken less */
#define BLOCK			64

/* the same byte in all eight bytes of a word */
#define EACH_BYTE(b)	(UINT64CONST(0x0101010101010101) * (b))

/* the bytes of all fields of a dense state */
#define FIELDS_SIZE(precision)	(HLL_REGISTERS(precision) / 8 * 3)

/* a varint below 2^26 */
#define MAX_VARINT_SIZE 4

const char *
kappa_hll_format_open(HllStored *stored, const uint8 *bytes, size_t size)
{
	if (size < HLL_HEADER_SIZE)
		return "The value is shorter than its header.";
	if (bytes[0] != FORMAT_VERSION)
		return "The format version is unknown.";

	stored->dense = (bytes[1] & FORMAT_DENSE) != 0;
	stored->precision = bytes[1] & ~FORMAT_DENSE;
	stored->data = bytes + HLL_HEADER_SIZE;
	stored->size = size - HLL_HEADER_SIZE;

	if (stored->precision < HLL_MIN_PRECISION ||
		stored->precision > HLL_MAX_PRECISION)
		return "The precision is out of range.";
	return NULL;
}

size_t
kappa_hll_format_tokens_bound(const HllStored *stored)
{
	return Min(HLL_MAX_TOKENS(stored->precision), stored->size);
}

size_t
kappa_hll_format_size_bound(const HyperLogLog *hll)
{
	if (hll->form == HLL_DENSE)
		return HLL_HEADER_SIZE + 1 + FIELDS_SIZE(hll->precision) +
			HLL_REGISTERS(hll->precision);
	return HLL_HEADER_SIZE + (size_t) hll->ntokens * (MAX_VARINT_SIZE + 1);
}

/* ---------------------------------------------------------------- tokens */

/*
 * Reads a varint; false if it does not end in time, or ends in a superfluous
 * zero byte.
 *
 * All its bytes are taken at once, since their number is hard to predict: the
 * lowest byte without the high bit is the last.
 */
static inline bool
read_varint(const uint8 **p, const uint8 *end, uint32 *value)
{
	uint32		word = 0;
	uint32		last;
	int			size;

	if (end - *p >= MAX_VARINT_SIZE)
		word = (*p)[0] | (*p)[1] << 8 | (*p)[2] << 16 | (uint32) (*p)[3] << 24;
	else
	{
		for (int i = 0; i < MAX_VARINT_SIZE; i++)
			word |= (*p + i < end ? (*p)[i] : 0x80U) << (8 * i);
	}

	last = ~word & 0x80808080;
	if (last == 0)
		return false;
	size = pg_rightmost_one_pos32(last) / 8 + 1;
	word &= UINT32_MAX >> (8 * (MAX_VARINT_SIZE - size));
	*value = (word & 0x7F) | (word & 0x7F00) >> 1 |
		(word & 0x7F0000) >> 2 | (word & 0x7F000000) >> 3;
	*p += size;
	return size == 1 || (word >> (8 * (size - 1))) != 0;
}

static uint8 *
write_varint(uint8 *p, uint32 value)
{
	while (value >= 0x80)
	{
		*p++ = (value & 0x7F) | 0x80;
		value >>= 7;
	}
	*p++ = value;
	return p;
}

const char *
kappa_hll_format_read_tokens(const HllStored *stored, uint32 *tokens, uint32 *ntokens)
{
	const uint8 *p = stored->data;
	const uint8 *end = p + stored->size;
	uint32		index = 0;		/* the lowest that may come */
	uint32		n;

	for (n = 0; p < end; n++)
	{
		uint32		gap;
		uint32		rank = 1;

		if (n == HLL_MAX_TOKENS(stored->precision))
			return "There are too many tokens.";
		if (!read_varint(&p, end, &gap))
			return "A token is not well formed.";
		index += gap;
		if (index >= 1 << HLL_TOKEN_BITS)
			return "A token is out of range.";
		if (index >> stored->precision == 0)
		{
			if (p == end || *p == 0 || *p > HLL_TOKEN_MAX_RANK)
				return "The rank of a token is missing or out of range.";
			rank = *p++;
		}
		tokens[n] = HLL_TOKEN(index, rank);
		index++;
	}
	*ntokens = n;
	return NULL;
}

size_t
kappa_hll_format_write_tokens(uint8 *bytes, int precision,
							  const uint32 *tokens, uint32 ntokens)
{
	uint8	   *p = bytes;
	uint32		lowest = 0;

	*p++ = FORMAT_VERSION;
	*p++ = precision;
	for (uint32 i = 0; i < ntokens; i++)
	{
		uint32		index = HLL_TOKEN_INDEX(tokens[i]);

		p = write_varint(p, index - lowest);
		if (index >> precision == 0)
			*p++ = HLL_TOKEN_RANK(tokens[i]);
		lowest = index + 1;
	}
	return p - bytes;
}

/* ------------------------------------------------------------- registers */

static inline uint64
load_bytes(const uint8 *bytes)
{
	uint64		word;

	memcpy(&word, bytes, sizeof(word));
#ifdef WORDS_BIGENDIAN
	word = pg_bswap64(word);
#endif
	return word;
}

static inline void
store_bytes(uint8 *bytes, uint64 word)
{
#ifdef WORDS_BIGENDIAN
	word = pg_bswap64(word);
#endif
	memcpy(bytes, &word, sizeof(word));
}

/* From 8 fields of 3 bits to 8 bytes, by halving thrice, and back. */
static inline uint64
spread_fields(uint64 x)
{
	x = (x | (x << 20)) & UINT64CONST(0x00000FFF00000FFF);
	x = (x | (x << 10)) & UINT64CONST(0x003F003F003F003F);
	return (x | (x << 5)) & EACH_BYTE(7);
}

static inline uint64
gather_fields(uint64 x)
{
	x = (x | (x >> 5)) & UINT64CONST(0x003F003F003F003F);
	x = (x | (x >> 10)) & UINT64CONST(0x00000FFF00000FFF);
	return (x | (x >> 20)) & 0xFFFFFF;
}

/*
 * Which of the 8 bytes are FIELD_OUTSIDE, as 8 bits: the multiplication takes
 * the lowest bit of byte k to bit 56 + k.
 */
static inline uint64
fields_outside(uint64 fields)
{
	uint64		lowest = fields & (fields >> 1) & (fields >> 2) & EACH_BYTE(1);

	return (lowest * UINT64CONST(0x0102040810204080)) >> 56;
}

const char *
kappa_hll_format_read_registers(const HllStored *stored, uint8 *registers)
{
	int			m = HLL_REGISTERS(stored->precision);
	int			max_rank = HLL_MAX_RANK(stored->precision);
	const uint8 *end = stored->data + stored->size;
	const uint8 *fields;
	const uint8 *tail;
	int			base;

	if (stored->size < 1 + FIELDS_SIZE(stored->precision))
		return "There are too few registers.";
	base = stored->data[0];
	if (base > max_rank - (FIELD_OUTSIDE - 1))
		return "The base of the registers is out of range.";
	fields = stored->data + 1;
	tail = fields + FIELDS_SIZE(stored->precision);

	for (int i = 0; i < m; i += BLOCK)
	{
		uint64		outside = 0;

		for (int j = 0; j < BLOCK && i + j < m; j += 8, fields += 3)
		{
			uint32		packed = fields[0] | fields[1] << 8 | fields[2] << 16;
			uint64		x = spread_fields(packed);

			store_bytes(&registers[i + j], x + EACH_BYTE(base));
			outside |= fields_outside(x) << j;
		}
		for (; outside != 0; outside &= outside - 1)
		{
			if (tail == end || *tail > max_rank)
				return "A register is missing or out of range.";
			registers[i + pg_rightmost_one_pos64(outside)] = *tail++;
		}
	}
	if (tail != end)
		return "There are bytes after the last register.";
	return NULL;
}

/* The smallest base that leaves the fewest registers outside. */
static int
choose_base(const uint8 *registers, int precision)
{
	int			m = HLL_REGISTERS(precision);
	uint32		counts[4][64] = {{0}};
	uint32		inside = 0;
	uint32		best = 0;
	int			base = 0;

	for (int i = 0; i < m; i += 4)
	{
		counts[0][registers[i]]++;
		counts[1][registers[i + 1]]++;
		counts[2][registers[i + 2]]++;
		counts[3][registers[i + 3]]++;
	}
	for (int rank = 0; rank <= HLL_MAX_RANK(precision); rank++)
	{
		counts[0][rank] += counts[1][rank] + counts[2][rank] + counts[3][rank];
		inside += counts[0][rank];
		if (rank >= FIELD_OUTSIDE)
			inside -= counts[0][rank - FIELD_OUTSIDE];
		if (rank >= FIELD_OUTSIDE - 1 && inside > best)
		{
			best = inside;
			base = rank - (FIELD_OUTSIDE - 1);
		}
	}
	return base;
}

/* The fields of 8 registers, one in each byte. */
static inline uint64
fields_of(const uint8 *registers, uint8 base)
{
	uint8		fields[8];

	/* A register below base wraps to a large number, so is outside too. */
	for (int i = 0; i < 8; i++)
	{
		uint8		above = registers[i] - base;

		fields[i] = Min(above, FIELD_OUTSIDE);
	}
	return load_bytes(fields);
}

size_t
kappa_hll_format_write_registers(uint8 *bytes, int precision, const uint8 *registers)
{
	int			m = HLL_REGISTERS(precision);
	uint8		base = choose_base(registers, precision);
	uint8	   *fields = bytes + HLL_HEADER_SIZE + 1;
	uint8	   *tail = fields + FIELDS_SIZE(precision);

	bytes[0] = FORMAT_VERSION;
	bytes[1] = precision | FORMAT_DENSE;
	bytes[2] = base;

	for (int i = 0; i < m; i += BLOCK)
	{
		uint64		outside = 0;

		for (int j = 0; j < BLOCK && i + j < m; j += 8, fields += 3)
		{
			uint64		x = fields_of(&registers[i + j], base);
			uint32		packed = gather_fields(x);

			fields[0] = packed;
			fields[1] = packed >> 8;
			fields[2] = packed >> 16;
			outside |= fields_outside(x) << j;
		}
		for (; outside != 0; outside &= outside - 1)
			*tail++ = registers[i + pg_rightmost_one_pos64(outside)];
	}
	return tail - bytes;
}
