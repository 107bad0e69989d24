/*-------------------------------------------------------------------------
 *
 * murmur3.c
 *	  MurmurHash3_x64_128 with seed 0, of which the first 64 bits are used.
 *
 * The function is Austin Appleby's, who put it into the public domain; it is
 * the hash of postgresql-hll and of the HyperLogLog storage specification,
 * so sets counted there and here can be converted into each other.  Its bits
 * are part of our formats: it must never change.
 *
 * Input is read as little-endian words, so that all machines agree.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/types.h"

#define MURMUR3_C1	UINT64CONST(0x87c37b91114253d5)
#define MURMUR3_C2	UINT64CONST(0x4cf5ad432745937f)

static inline uint64
rotate_left(uint64 x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static inline uint64
mix_k1(uint64 k1)
{
	return rotate_left(k1 * MURMUR3_C1, 31) * MURMUR3_C2;
}

static inline uint64
mix_k2(uint64 k2)
{
	return rotate_left(k2 * MURMUR3_C2, 33) * MURMUR3_C1;
}

/* Spreads every bit of the input over all bits of the output. */
static inline uint64
avalanche(uint64 h)
{
	h ^= h >> 33;
	h *= UINT64CONST(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64CONST(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h;
}

static inline uint64
finish(uint64 h1, uint64 h2, size_t len)
{
	h1 ^= len;
	h2 ^= len;
	h1 += h2;
	h2 += h1;
	return avalanche(h1) + avalanche(h2);
}

/* len (1 to 8) bytes as a little-endian number */
static inline uint64
read_word(const uint8 *data, size_t len)
{
	uint64		word = 0;

#ifndef WORDS_BIGENDIAN
	/* In two overlapping reads, rather than byte by byte. */
	if (len == 8)
	{
		memcpy(&word, data, 8);
		return word;
	}
	if (len >= 4)
	{
		uint32		first;
		uint32		last;

		memcpy(&first, data, 4);
		memcpy(&last, data + len - 4, 4);
		return first | (uint64) last << (8 * (len - 4));
	}
#endif
	for (size_t i = 0; i < len; i++)
		word |= (uint64) data[i] << (8 * i);
	return word;
}

uint64
murmur3_bytes(const void *data, size_t len)
{
	const uint8 *p = data;
	size_t		rest = len;
	uint64		h1 = 0;
	uint64		h2 = 0;

	for (; rest >= 16; rest -= 16, p += 16)
	{
		h1 ^= mix_k1(read_word(p, 8));
		h1 = (rotate_left(h1, 27) + h2) * 5 + 0x52dce729;
		h2 ^= mix_k2(read_word(p + 8, 8));
		h2 = (rotate_left(h2, 31) + h1) * 5 + 0x38495ab5;
	}
	if (rest > 8)
		h2 ^= mix_k2(read_word(p + 8, rest - 8));
	if (rest > 0)
		h1 ^= mix_k1(read_word(p, Min(rest, 8)));

	return finish(h1, h2, len);
}

uint64
murmur3_int64(int64 value)
{
	return finish(mix_k1((uint64) value), 0, 8);
}
