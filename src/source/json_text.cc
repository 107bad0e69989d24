/*-------------------------------------------------------------------------
 *
 * json_text.cc
 *	  What the text of a JSON number or string stands for.
 *
 * A number is read once, into mantissa and exponent, from which number.c makes
 * whatever type is wanted.
 *
 *-------------------------------------------------------------------------
 */
#include "source/json.h"

#include <cstring>

/* As many digits as fit into a uint64, whatever they are. */
static constexpr uint32_t MANTISSA_DIGITS = 19;

/*
 * Exponents beyond are all the same: no message has so many zeros that they
 * would make up for it.
 */
static constexpr int32_t EXPONENT_LIMIT = 100000000;

/* ---------------------------------------------------------------- numbers */

/*
 * Digits before the point.  Returns the number of those that are in the
 * mantissa.
 */
static uint32_t
read_whole(const char **p, const char *end, JsonField *field)
{
	uint32_t	digits = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++)
	{
		if (digits < MANTISSA_DIGITS)
		{
			field->mantissa = field->mantissa * 10 + uint64_t(**p - '0');
			digits++;
			continue;
		}
		field->exponent++;
		if (**p != '0')
			field->exact = false;
	}
	return digits;
}

/*
 * Fills the mantissa with the zeros that come before a digit for which there is
 * no room.
 */
static void
fill_up(uint32_t digits, JsonField *field)
{
	field->exact = false;
	for (; digits < MANTISSA_DIGITS; digits++)
	{
		field->mantissa *= 10;
		field->exponent--;
	}
}

/*
 * Digits after the point.  Trailing zeros do not get into the mantissa, so that
 * 3.0 is 3; digits is the number of those that are in it already.
 */
static const char *
read_fraction(const char *p, const char *end, uint32_t digits, JsonField *field)
{
	static const uint64_t powers[MANTISSA_DIGITS + 1] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
		1000000000, 10000000000, 100000000000, 1000000000000,
		10000000000000, 100000000000000, 1000000000000000,
		10000000000000000, 100000000000000000, 1000000000000000000,
		10000000000000000000u
	};
	const char *start = p;
	uint32_t	zeros = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
	{
		uint32_t	more;

		if (*p == '0')
		{
			zeros++;
			continue;
		}
		more = digits == 0 ? 1 : zeros + 1;
		if (digits + more > MANTISSA_DIGITS)
		{
			fill_up(digits, field);
			digits = MANTISSA_DIGITS;
		}
		else
		{
			field->mantissa = field->mantissa * powers[more] + uint64_t(*p - '0');
			field->exponent -= int32_t(zeros) + 1;
			digits += more;
		}
		zeros = 0;
	}
	field->scale = int32_t(p - start);
	return p == start ? nullptr : p;
}

static const char *
read_exponent(const char *p, const char *end, JsonField *field)
{
	const char *start;
	bool		negative = false;
	int32_t		exponent = 0;

	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
		if (exponent < EXPONENT_LIMIT)
			exponent = exponent * 10 + (*p - '0');
	if (negative)
		exponent = -exponent;
	field->exponent += exponent;
	field->scale -= exponent;
	return p == start ? nullptr : p;
}

extern "C" bool
json_read_number(const char *text, size_t len, JsonField *field)
{
	const char *p = text;
	const char *end = text + len;
	uint32_t	digits = 0;

	field->negative = p < end && *p == '-';
	if (field->negative)
		p++;
	field->exact = true;
	field->mantissa = 0;
	field->exponent = 0;
	field->scale = 0;

	if (p < end && *p == '0')
		p++;
	else
	{
		digits = read_whole(&p, end, field);
		if (digits == 0)
			return false;
	}
	if (p < end && *p == '.')
		p = read_fraction(p + 1, end, digits, field);
	if (p != nullptr && p < end && (*p == 'e' || *p == 'E'))
		p = read_exponent(p + 1, end, field);
	return p == end;
}

/* ---------------------------------------------------------------- strings */

/* The four digits of \uXXXX, or -1. */
static int32_t
read_hex(const char *p, const char *end)
{
	int32_t		result = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];

		if (c >= '0' && c <= '9')
			result = result * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			result = result * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			result = result * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return result;
}

/*
 * What \u stands for, p being behind it; moves p on.  -1: no character.
 */
static int32_t
read_unicode(const char **p, const char *end)
{
	int32_t		high = read_hex(*p, end);
	int32_t		low;

	if (high < 0)
		return -1;
	*p += 4;
	if (high < 0xD800 || high > 0xDFFF)
		return high;
	if (high > 0xDBFF || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return -1;
	low = read_hex(*p + 2, end);
	if (low < 0xDC00 || low > 0xDFFF)
		return -1;
	*p += 6;
	return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

static char *
write_utf8(char *dst, int32_t c)
{
	if (c < 0x80)
		*dst++ = char(c);
	else if (c < 0x800)
	{
		*dst++ = char(0xC0 | (c >> 6));
		*dst++ = char(0x80 | (c & 0x3F));
	}
	else if (c < 0x10000)
	{
		*dst++ = char(0xE0 | (c >> 12));
		*dst++ = char(0x80 | ((c >> 6) & 0x3F));
		*dst++ = char(0x80 | (c & 0x3F));
	}
	else
	{
		*dst++ = char(0xF0 | (c >> 18));
		*dst++ = char(0x80 | ((c >> 12) & 0x3F));
		*dst++ = char(0x80 | ((c >> 6) & 0x3F));
		*dst++ = char(0x80 | (c & 0x3F));
	}
	return dst;
}

extern "C" ptrdiff_t
json_unescape(const char *text, size_t len, char *dst)
{
	static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	const char *end = text + len;
	char	   *start = dst;

	while (text < end)
	{
		const char *slash = static_cast<const char *>(memchr(text, '\\', size_t(end - text)));
		const char *plain_end = slash != nullptr ? slash : end;
		const char *escape = escapes;

		memcpy(dst, text, size_t(plain_end - text));
		dst += plain_end - text;
		if (slash == nullptr)
			break;
		text = slash + 1;
		if (text == end)
			return -1;
		if (*text == 'u')
		{
			int32_t		c;

			text++;
			c = read_unicode(&text, end);
			if (c < 0)
				return -1;
			dst = write_utf8(dst, c);
			continue;
		}
		while (*escape != '\0' && *escape != *text)
			escape += 2;
		if (*escape == '\0')
			return -1;
		*dst++ = escape[1];
		text++;
	}
	return dst - start;
}
