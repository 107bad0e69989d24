/*-------------------------------------------------------------------------
 *
 * exact.c
 *	  Exact sums of floats and of their products.
 *
 * A float is an integer of 53 bits times a power of two, and the powers are
 * limited, so any sum of floats, and any of products of two, fits in a fixed
 * number of bits (an idea of Kulisch's).  Such a sum is exact, so it does not
 * depend on the order of its terms, and parts of it can be added up in any way:
 * which is why linear_fit uses it.
 *
 * A sum is kept in digits of 32 bits, each in 64 bits, so that carries can wait:
 * adding a float changes three digits and does not ripple.  With all carries
 * done the digits are 0 to 2^32 - 1, but for the highest, which has the sign.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "port/pg_bswap.h"

#include "types/exact.h"

/* An addition changes a digit by less than 3 * 2^32: int64 holds 2^29 of them. */
#define EXACT_MAX_WAITING	(1 << 28)

/* ------------------------------------------------------------------------ sums */

static void
carry(ExactSum *sum)
{
	int64		carry = 0;

	for (int i = 0; i < EXACT_DIGITS; i++)
	{
		int64		digit = sum->digits[i] + carry;

		if (i == EXACT_DIGITS - 1)
		{
			sum->digits[i] = digit;
			break;
		}
		sum->digits[i] = digit & 0xFFFFFFFF;
		carry = digit >> 32;
	}
	sum->waiting = 0;
}

/* sum += or -= bits * 2^exponent */
static inline void
add_bits(ExactSum *sum, uint64 bits, int exponent, bool negative)
{
	int			position = exponent + 32 * EXACT_POINT;
	int			shift = position % 32;
	int64	   *digit = &sum->digits[position / 32];
	uint64		low = (bits & 0xFFFFFFFF) << shift;
	uint64		high = (bits >> 32) << shift;
	int64		part0 = low & 0xFFFFFFFF;
	int64		part1 = (low >> 32) + (high & 0xFFFFFFFF);
	int64		part2 = high >> 32;

	if (negative)
	{
		digit[0] -= part0;
		digit[1] -= part1;
		digit[2] -= part2;
	}
	else
	{
		digit[0] += part0;
		digit[1] += part1;
		digit[2] += part2;
	}
}

/* A finite float as an integer of up to 53 bits, times 2^exponent. */
static inline uint64
take_apart(float8 x, int *exponent, bool *negative)
{
	uint64		bits;
	uint64		fraction;
	int			biased;

	memcpy(&bits, &x, sizeof(bits));
	fraction = bits & ((UINT64CONST(1) << 52) - 1);
	biased = (bits >> 52) & 0x7FF;
	*negative = bits >> 63;
	*exponent = Max(biased, 1) - 1075;
	return biased == 0 ? fraction : fraction | UINT64CONST(1) << 52;
}

void
kappa_exact_add(ExactSum *sum, float8 x)
{
	int			exponent;
	bool		negative;
	uint64		bits = take_apart(x, &exponent, &negative);

	add_bits(sum, bits, exponent, negative);
	if (++sum->waiting >= EXACT_MAX_WAITING)
		carry(sum);
}

/* By halves of 32 bits, the product of which fits in 64. */
void
kappa_exact_add_product(ExactSum *sum, float8 x, float8 y)
{
	int			x_exponent;
	int			y_exponent;
	bool		x_negative;
	bool		y_negative;
	uint64		a = take_apart(x, &x_exponent, &x_negative);
	uint64		b = take_apart(y, &y_exponent, &y_negative);
	uint64		a0 = a & 0xFFFFFFFF;
	uint64		a1 = a >> 32;
	uint64		b0 = b & 0xFFFFFFFF;
	uint64		b1 = b >> 32;
	int			exponent = x_exponent + y_exponent;
	bool		negative = x_negative != y_negative;

	add_bits(sum, a0 * b0, exponent, negative);
	add_bits(sum, a0 * b1 + a1 * b0, exponent + 32, negative);
	add_bits(sum, a1 * b1, exponent + 64, negative);
	if (++sum->waiting >= EXACT_MAX_WAITING)
		carry(sum);
}

void
kappa_exact_merge(ExactSum *sum, ExactSum *other)
{
	carry(sum);
	carry(other);
	for (int i = 0; i < EXACT_DIGITS; i++)
		sum->digits[i] += other->digits[i];
	carry(sum);
}

/* --------------------------------------------------------------------- numbers */

static void
trim(ExactNumber *number)
{
	int			zeros = 0;

	while (number->n > 0 && number->digits[number->n - 1] == 0)
		number->n--;
	while (zeros < number->n && number->digits[zeros] == 0)
		zeros++;
	if (zeros > 0)
		memmove(number->digits, number->digits + zeros, sizeof(uint32) * (number->n - zeros));
	number->n -= zeros;
	number->low = number->n > 0 ? number->low + zeros : 0;
	number->negative = number->negative && number->n > 0;
}

void
kappa_exact_number(ExactNumber *result, ExactSum *sum)
{
	carry(sum);
	result->negative = sum->digits[EXACT_DIGITS - 1] < 0;
	result->n = EXACT_DIGITS;
	result->low = -EXACT_POINT;
	if (result->negative)
	{
		ExactSum	magnitude = {{0}};

		for (int i = 0; i < EXACT_DIGITS; i++)
			magnitude.digits[i] = -sum->digits[i];
		carry(&magnitude);
		for (int i = 0; i < EXACT_DIGITS; i++)
			result->digits[i] = (uint32) magnitude.digits[i];
	}
	else
		for (int i = 0; i < EXACT_DIGITS; i++)
			result->digits[i] = (uint32) sum->digits[i];
	trim(result);
}

void
kappa_exact_from_int64(ExactNumber *result, int64 value)
{
	uint64		magnitude = value < 0 ? -(uint64) value : (uint64) value;

	result->negative = value < 0;
	result->n = 2;
	result->low = 0;
	result->digits[0] = (uint32) magnitude;
	result->digits[1] = (uint32) (magnitude >> 32);
	trim(result);
}

/* The digits of sums and of products of two or three of them fit; see linear_fit.c. */
static void
check_digits(int n)
{
	if (n > EXACT_NUMBER_DIGITS)
		elog(ERROR, "exact number has %d digits", n);
}

void
kappa_exact_multiply(ExactNumber *result, const ExactNumber *a, const ExactNumber *b)
{
	check_digits(a->n + b->n);
	result->negative = a->negative != b->negative;
	result->n = a->n + b->n;
	result->low = a->low + b->low;
	memset(result->digits, 0, sizeof(uint32) * result->n);
	for (int i = 0; i < a->n; i++)
	{
		uint64		carry = 0;

		for (int j = 0; j < b->n; j++)
		{
			carry += (uint64) a->digits[i] * b->digits[j] + result->digits[i + j];
			result->digits[i + j] = (uint32) carry;
			carry >>= 32;
		}
		result->digits[i + b->n] = (uint32) carry;
	}
	trim(result);
}

/* The digit that counts 2^(32 * place). */
static inline int64
digit_at(const ExactNumber *number, int place)
{
	int			i = place - number->low;

	return i >= 0 && i < number->n ? number->digits[i] : 0;
}

void
kappa_exact_subtract(ExactNumber *result, const ExactNumber *a, const ExactNumber *b)
{
	int			low = a->n == 0 ? b->low : b->n == 0 ? a->low : Min(a->low, b->low);
	int			high = Max(a->low + a->n, b->low + b->n) + 1;
	int			a_sign = a->negative ? -1 : 1;
	int			b_sign = b->negative ? 1 : -1;
	int64		carry = 0;

	if (a->n == 0 && b->n == 0)
	{
		memset(result, 0, offsetof(ExactNumber, digits));
		return;
	}
	check_digits(high - low);
	result->n = high - low;
	result->low = low;
	for (int i = 0; i < result->n; i++)
	{
		carry += a_sign * digit_at(a, low + i) + b_sign * digit_at(b, low + i);
		result->digits[i] = (uint32) carry;
		carry >>= 32;
	}

	/* Negative: the digits are the complement of the magnitude's. */
	result->negative = carry < 0;
	if (result->negative)
	{
		carry = 1;
		for (int i = 0; i < result->n; i++)
		{
			carry += (uint32) ~result->digits[i];
			result->digits[i] = (uint32) carry;
			carry >>= 32;
		}
	}
	trim(result);
}

/* The three highest digits have 65 bits at least. */
float8
kappa_exact_float8(const ExactNumber *number, int *exponent)
{
	float8		value = 0;

	for (int i = 1; i <= 3; i++)
		value = value * 4294967296.0 + (i <= number->n ? number->digits[number->n - i] : 0);
	*exponent = 32 * (number->low + number->n - 3);
	return number->negative ? -value : value;
}

/* ----------------------------------------------------------------- serialised */

/* Twice the number of digits and the sign; then the lowest place, and the digits. */
void
kappa_exact_put(StringInfo buf, ExactSum *sum)
{
	ExactNumber number;

	kappa_exact_number(&number, sum);
	kappa_state_put_varint(buf, 2 * number.n + (number.negative ? 1 : 0));
	if (number.n == 0)
		return;
	kappa_state_put_varint(buf, number.low + EXACT_POINT);
	for (int i = 0; i < number.n; i++)
	{
		uint32		digit = pg_hton32(number.digits[i]);

		kappa_state_put_bytes(buf, &digit, sizeof(digit));
	}
}

void
kappa_exact_get(StateReader *reader, ExactSum *sum)
{
	int			header = kappa_state_get_int(reader, 0, 2 * (EXACT_DIGITS - 1) + 1);
	int			n = header / 2;
	int			low;

	memset(sum, 0, sizeof(*sum));
	if (n == 0)
	{
		if (header != 0)
			kappa_state_invalid(reader);
		return;
	}
	/* The highest digit is for the sign. */
	low = kappa_state_get_int(reader, 0, EXACT_DIGITS - 1 - n);
	for (int i = 0; i < n; i++)
	{
		uint32		digit;

		memcpy(&digit, kappa_state_get_bytes(reader, sizeof(digit)), sizeof(digit));
		digit = pg_ntoh32(digit);
		if (digit == 0 && (i == 0 || i == n - 1))
			kappa_state_invalid(reader);
		sum->digits[low + i] = header % 2 == 1 ? -(int64) digit : (int64) digit;
	}
}
