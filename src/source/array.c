/*-------------------------------------------------------------------------
 *
 * array.c
 *	  A JSON array in the spelling of PostgreSQL's arrays.
 *
 * [1, "a,b", null, [2]] becomes {"1","a,b",NULL,{"2"}}: what an element's
 * input function is to be given is a string's contents, or any other value's
 * JSON text (for an array of json or jsonb, a string's JSON text too).  Whether
 * dimensions match is left to the array's input function.  The array's own
 * syntax is checked on the way, since the scanner has seen to its brackets and
 * quotes only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "source/decode.h"

/* A JSON array while it is read, and what has been written. */
typedef struct ArrayText
{
	const char *p;
	const char *end;
	char	   *dst;
	bool		json;			/* elements are json or jsonb */
	bool		datetime;		/* elements take no numbers: see convert.c */
	StreamDecoder *decoder;
} ArrayText;

static bool read_array(ArrayText *array, int depth);

static char
next_char(ArrayText *array)
{
	while (array->p < array->end && strchr(" \t\r\n", *array->p) != NULL)
		array->p++;
	return array->p < array->end ? *array->p : '\0';
}

/* Writes an element between quotes. */
static void
write_quoted(ArrayText *array, const char *text, Size len)
{
	*array->dst++ = '"';
	for (; len > 0; len--, text++)
	{
		if (*text == '"' || *text == '\\')
			*array->dst++ = '\\';
		*array->dst++ = *text;
	}
	*array->dst++ = '"';
}

/* Past the closing quote of the string at p; NULL if there is none. */
static const char *
string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : NULL;
}

/* Past the closing bracket of the object at p; NULL if there is none. */
static const char *
object_end(const char *p, const char *end)
{
	int			depth = 0;

	while (p != NULL && p < end)
	{
		if (*p == '"')
		{
			p = string_end(p, end);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		p++;
	}
	return NULL;
}

/* Past the literal or number at p. */
static const char *
scalar_end(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r\n,]}:", *p) == NULL)
		p++;
	return p;
}

static bool
read_string(ArrayText *array, const char *end)
{
	Size		len = end - array->p - 2;
	char	   *scratch;
	ptrdiff_t	n;

	if (array->json)
	{
		write_quoted(array, array->p, len + 2);
		return true;
	}
	if (memchr(array->p, '\\', len + 1) == NULL)
	{
		write_quoted(array, array->p + 1, len);
		return true;
	}
	scratch = decoder_alloc(array->decoder, len);
	n = json_unescape(array->p + 1, len, scratch);
	if (n < 0 || memchr(scratch, '\0', n) != NULL)
		return false;
	write_quoted(array, scratch, n);
	return true;
}

static bool
is_scalar(const char *text, Size len)
{
	JsonField	number;

	return (len == 4 && memcmp(text, "true", 4) == 0) ||
		(len == 5 && memcmp(text, "false", 5) == 0) ||
		json_read_number(text, len, &number);
}

static bool
read_element(ArrayText *array, int depth)
{
	const char *end;

	switch (next_char(array))
	{
		case '[':
			return read_array(array, depth + 1);
		case '{':
			end = object_end(array->p, array->end);
			if (end == NULL)
				return false;
			write_quoted(array, array->p, end - array->p);
			break;
		case '"':
			end = string_end(array->p, array->end);
			if (end == NULL || !read_string(array, end))
				return false;
			break;
		default:
			end = scalar_end(array->p, array->end);
			if (end - array->p == 4 && memcmp(array->p, "null", 4) == 0)
			{
				memcpy(array->dst, "NULL", 4);
				array->dst += 4;
			}
			else if (!array->datetime && is_scalar(array->p, end - array->p))
				write_quoted(array, array->p, end - array->p);
			else
				return false;
	}
	array->p = end;
	return true;
}

static bool
read_array(ArrayText *array, int depth)
{
	if (depth > MAXDIM)
		return false;
	array->p++;
	*array->dst++ = '{';
	if (next_char(array) != ']')
	{
		for (;;)
		{
			if (!read_element(array, depth))
				return false;
			if (next_char(array) != ',')
				break;
			array->p++;
			*array->dst++ = ',';
		}
	}
	if (next_char(array) != ']')
		return false;
	array->p++;
	*array->dst++ = '}';
	return true;
}

int
convert_array(StreamDecoder *decoder, DecodeColumn *column,
			  const JsonField *field, Datum *result)
{
	Oid			element = getBaseType(get_base_element_type(column->typid));
	JsonField	literal = {JSON_FIELD_OBJECT};
	ArrayText	array = {field->text, field->text + field->len};

	if (field->kind != JSON_FIELD_ARRAY)
		return convert_by_input(decoder, column, field, result);

	/* two for each byte, if it is a quote; and quotes around each element */
	literal.text = array.dst = decoder_alloc(decoder, 4 * (Size) field->len);
	array.decoder = decoder;
	array.datetime = column->datetime;
	array.json = element == JSONOID || element == JSONBOID;
	if (!read_array(&array, 1))
		return array.datetime ? ERRCODE_INVALID_DATETIME_FORMAT : ERRCODE_INVALID_JSON_TEXT;
	literal.len = array.dst - literal.text;
	return convert_by_input(decoder, column, &literal, result);
}
