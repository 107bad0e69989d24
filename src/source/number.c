/*-------------------------------------------------------------------------
 *
 * number.c
 *	  JSON numbers to PostgreSQL's numeric types, by value and exactly.
 *
 * The scanner gives a number as mantissa * 10 ^ exponent, which is its value
 * if it has up to 19 digits.  If it has more, its value is between that and
 * (mantissa + 1) * 10 ^ exponent, which is enough to know where places are to be
 * rounded away, and that no integer in the range of bigint is there.  Everything
 * else, and strings, go by text, to the types' input functions in the end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "source/decode.h"

/* The largest power of ten in an uint64, and those below. */
#define MAX_POWER 19

static const uint64 powers_of_ten[MAX_POWER + 1] = {
	UINT64CONST(1), UINT64CONST(10), UINT64CONST(100), UINT64CONST(1000),
	UINT64CONST(10000), UINT64CONST(100000), UINT64CONST(1000000),
	UINT64CONST(10000000), UINT64CONST(100000000), UINT64CONST(1000000000),
	UINT64CONST(10000000000), UINT64CONST(100000000000),
	UINT64CONST(1000000000000), UINT64CONST(10000000000000),
	UINT64CONST(100000000000000), UINT64CONST(1000000000000000),
	UINT64CONST(10000000000000000), UINT64CONST(100000000000000000),
	UINT64CONST(1000000000000000000), UINT64CONST(10000000000000000000)
};

/*
 * mantissa * 10 ^ exponent for an exponent of at least 0; false: too large.
 */
static bool
multiply(uint64 mantissa, int32 exponent, uint64 *result)
{
	*result = mantissa;
	if (mantissa == 0 || exponent == 0)
		return true;
	return exponent <= MAX_POWER &&
		!pg_mul_u64_overflow(mantissa, powers_of_ten[exponent], result);
}

/*
 * The number as a multiple of 10 ^ -places, rounded half away from zero; false:
 * too large, or not known exactly.
 */
bool
number_scaled(const JsonField *field, int32 places, int64 *result)
{
	int32		exponent = field->exponent + places;
	uint64		n;

	if (exponent >= 0)
	{
		if (!field->exact || !multiply(field->mantissa, exponent, &n))
			return false;
	}
	else if (exponent < -MAX_POWER)
		n = 0;
	else
	{
		uint64		power = powers_of_ten[-exponent];
		uint64		rest = field->mantissa % power;

		/* digits beyond the mantissa do not lift the rest to a half */
		n = field->mantissa / power + (rest >= power - rest ? 1 : 0);
	}
	if (n > PG_INT64_MAX)
		return false;
	*result = field->negative ? -(int64) n : (int64) n;
	return true;
}


/* ---------------------------------------------------------------- integers */

/* Digits and nothing else, few enough not to overflow. */
static bool
read_digits(const char *p, int len, int64 *result)
{
	bool		negative = len > 0 && *p == '-';
	int64		n = 0;

	p += negative;
	len -= negative;
	if (len < 1 || len >= MAX_POWER)
		return false;
	for (; len > 0; len--, p++)
	{
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (*p - '0');
	}
	*result = negative ? -n : n;
	return true;
}

/*
 * A number that is an integer by value.  One that is not known exactly is either
 * too large or has a fraction, since it has more than 19 digits between its first
 * and its last that is not zero.
 */
static int
number_integer(const JsonField *field, int64 *result)
{
	uint64		n = field->mantissa;

	if (n == 0)
	{
		*result = 0;
		return 0;
	}
	if (field->exponent > 0 && !multiply(n, field->exponent, &n))
		return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
	if (field->exponent < 0)
	{
		uint64		power;

		if (field->exponent < -MAX_POWER)
			return ERRCODE_INVALID_TEXT_REPRESENTATION;
		power = powers_of_ten[-field->exponent];
		if (field->exact && n % power != 0)
			return ERRCODE_INVALID_TEXT_REPRESENTATION;
		n /= power;
	}
	if (n > (uint64) PG_INT64_MAX + (field->negative ? 1 : 0))
		return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
	if (!field->exact)
		return ERRCODE_INVALID_TEXT_REPRESENTATION;
	*result = field->negative ? (int64) (0 - n) : (int64) n;
	return 0;
}

bool
is_integer(Oid typid)
{
	return typid == INT2OID || typid == INT4OID || typid == INT8OID;
}

/* The number in digits, for the input function of a domain or an array. */
int
number_integer_text(const JsonField *field, char *buffer)
{
	int64		n;
	int			sqlstate = number_integer(field, &n);

	if (sqlstate == 0)
		(void) pg_lltoa(n, buffer);
	return sqlstate;
}

/* Sets *done if the value is settled, one way (0) or the other. */
static int
read_integer(const JsonField *field, int64 min, int64 max, int64 *result, bool *done)
{
	int			sqlstate = 0;

	if (field->kind == JSON_FIELD_NUMBER)
	{
		*done = true;
		sqlstate = number_integer(field, result);
	}
	else
		*done = field->kind == JSON_FIELD_STRING && read_digits(field->text, field->len, result);

	if (*done && sqlstate == 0 && (*result < min || *result > max))
		sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
	return sqlstate;
}

int
convert_int2(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	int64		n;
	bool		done;
	int			sqlstate = read_integer(field, PG_INT16_MIN, PG_INT16_MAX, &n, &done);

	if (!done)
		return convert_by_input(decoder, column, field, result);
	*result = Int16GetDatum((int16) n);
	return sqlstate;
}

int
convert_int4(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	int64		n;
	bool		done;
	int			sqlstate = read_integer(field, PG_INT32_MIN, PG_INT32_MAX, &n, &done);

	if (!done)
		return convert_by_input(decoder, column, field, result);
	*result = Int32GetDatum((int32) n);
	return sqlstate;
}

int
convert_int8(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	int64		n;
	bool		done;
	int			sqlstate = read_integer(field, PG_INT64_MIN, PG_INT64_MAX, &n, &done);

	if (!done)
		return convert_by_input(decoder, column, field, result);
	*result = Int64GetDatum(n);
	return sqlstate;
}

/* ------------------------------------------------------------------ decimals */

/*
 * The field as a number: a JSON number, or a string which reads as one.  NULL if
 * it is none.
 */
static const JsonField *
as_number(const JsonField *field, JsonField *space)
{
	if (field->kind == JSON_FIELD_NUMBER)
		return field;
	if (field->kind == JSON_FIELD_STRING && json_read_number(field->text, field->len, space))
		return space;
	return NULL;
}

/*
 * Where mantissa and power of ten are both exact as floating-point numbers, one
 * operation gives the number that is nearest to their product, which is what
 * the input functions are to find.  (W. D. Clinger, How to read floating point
 * numbers accurately, 1990.)
 */
int
convert_float8(StreamDecoder *decoder, DecodeColumn *column,
			   const JsonField *field, Datum *result)
{
	static const double powers[] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
		1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
	};
	JsonField	space;
	const JsonField *number = as_number(field, &space);
	int			power;
	double		x;

	power = number != NULL ? abs(number->exponent) : 0;
	if (number == NULL || !number->exact || power >= lengthof(powers) ||
		number->mantissa > (UINT64CONST(1) << 53))
		return convert_by_input(decoder, column, field, result);
	x = (double) number->mantissa;
	x = number->exponent < 0 ? x / powers[power] : x * powers[power];
	*result = Float8GetDatum(number->negative ? -x : x);
	return 0;
}

int
convert_float4(StreamDecoder *decoder, DecodeColumn *column,
			   const JsonField *field, Datum *result)
{
	static const float powers[] = {
		1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f
	};
	JsonField	space;
	const JsonField *number = as_number(field, &space);
	int			power;
	float		x;

	power = number != NULL ? abs(number->exponent) : 0;
	if (number == NULL || !number->exact || power >= lengthof(powers) ||
		number->mantissa > (UINT64CONST(1) << 24))
		return convert_by_input(decoder, column, field, result);
	x = (float) number->mantissa;
	x = number->exponent < 0 ? x / powers[power] : x * powers[power];
	*result = Float4GetDatum(number->negative ? -x : x);
	return 0;
}

/*
 * numeric, by way of an int64 that counts units of the last decimal place.
 * Without a typmod the places are those written, as with numeric's input
 * function.
 */
int
convert_numeric(StreamDecoder *decoder, DecodeColumn *column,
				const JsonField *field, Datum *result)
{
	JsonField	space;
	const JsonField *number = as_number(field, &space);
	bool		limited = column->typmod >= VARHDRSZ;
	int			precision = 0;
	int			scale;
	int64		n;
	MemoryContext old;

	if (number == NULL)
		return convert_by_input(decoder, column, field, result);
	if (limited)
	{
		/* as in numeric.c: an 11-bit signed scale below a 16-bit precision */
		precision = ((column->typmod - VARHDRSZ) >> 16) & 0xffff;
		scale = (((column->typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
	}
	else
		scale = Max(number->scale, 0);

	if (scale < 0 || scale > NUMERIC_MAX_RESULT_SCALE || !number_scaled(number, scale, &n))
		return convert_by_input(decoder, column, field, result);
	if (limited && precision < MAX_POWER &&
		(uint64) (n < 0 ? -n : n) >= powers_of_ten[precision])
		return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;

	old = MemoryContextSwitchTo(decoder->values);
	decoder->values_used = true;
	*result = NumericGetDatum(int64_div_fast_to_numeric(n, scale));
	MemoryContextSwitchTo(old);
	return 0;
}
