/*-------------------------------------------------------------------------
 *
 * array.c
 *	  A JSON array in the spelling of PostgreSQL's arrays.
 *
 * [1, "a,b", null, [2]] becomes {"1","a,b",NULL,{"2"}}: what an element's
 * input function is to be given is a string's contents, or any other value's
 * JSON text (for an array of json or jsonb, a string's JSON text too).  Whether
 * dimensions match is left to the array's input function.  That the array is
 * JSON, the scanner has checked.
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
	char	   *dst;
	bool		json;			/* elements are json or jsonb */
	bool		datetime;		/* elements take no numbers: see convert.c */
	bool		integers;		/* elements take numbers by value */
	StreamDecoder *decoder;
} ArrayText;

static int	read_array(ArrayText *array, int depth);

static char
next_char(ArrayText *array)
{
	while (strchr(" \t\r\n", *array->p) != NULL)
		array->p++;
	return *array->p;
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

/* Past the closing quote of the string at p. */
static const char *
string_end(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

/* Past the closing bracket of the object at p. */
static const char *
object_end(const char *p)
{
	int			depth = 0;

	for (;;)
	{
		if (*p == '"')
		{
			p = string_end(p);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		p++;
	}
}

/* The string at p that ends before end.  Returns 0 or an SQLSTATE. */
static int
read_string(ArrayText *array, const char *end)
{
	Size		len = end - array->p - 2;
	char	   *scratch;
	ptrdiff_t	n;

	if (array->json)
	{
		write_quoted(array, array->p, len + 2);
		return 0;
	}
	if (memchr(array->p, '\\', len + 1) == NULL)
	{
		write_quoted(array, array->p + 1, len);
		return 0;
	}
	scratch = decoder_alloc(array->decoder, len);
	n = json_unescape(array->p + 1, len, scratch);
	if (n < 0)
		return ERRCODE_INVALID_JSON_TEXT;
	if (memchr(scratch, '\0', n) != NULL)
		return ERRCODE_UNTRANSLATABLE_CHARACTER;
	write_quoted(array, scratch, n);
	return 0;
}

/* The number, true or false at p that ends before end. */
static int
read_scalar(ArrayText *array, const char *end)
{
	Size		len = end - array->p;
	char		digits[INTEGER_TEXT_SIZE];
	JsonField	number;
	int			sqlstate;

	if (array->datetime)
		return ERRCODE_INVALID_DATETIME_FORMAT;
	if (!array->integers || !json_read_number(array->p, len, &number))
	{
		write_quoted(array, array->p, len);
		return 0;
	}
	sqlstate = number_integer_text(&number, digits);
	if (sqlstate == 0)
		write_quoted(array, digits, strlen(digits));
	return sqlstate;
}

static int
read_element(ArrayText *array, int depth)
{
	const char *end;
	int			sqlstate = 0;

	switch (next_char(array))
	{
		case '[':
			return read_array(array, depth + 1);
		case '{':
			end = object_end(array->p);
			write_quoted(array, array->p, end - array->p);
			break;
		case '"':
			end = string_end(array->p);
			sqlstate = read_string(array, end);
			break;
		case 'n':
			end = array->p + strlen("null");
			memcpy(array->dst, "NULL", 4);
			array->dst += 4;
			break;
		default:
			for (end = array->p; strchr(" \t\r\n,]", *end) == NULL; end++)
				 /* go on */ ;
			sqlstate = read_scalar(array, end);
	}
	array->p = end;
	return sqlstate;
}

static int
read_array(ArrayText *array, int depth)
{
	if (depth > MAXDIM)
		return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	array->p++;
	*array->dst++ = '{';
	while (next_char(array) != ']')
	{
		int			sqlstate = read_element(array, depth);

		if (sqlstate != 0)
			return sqlstate;
		if (next_char(array) == ',')
		{
			array->p++;
			*array->dst++ = ',';
		}
	}
	array->p++;
	*array->dst++ = '}';
	return 0;
}

int
convert_array(StreamDecoder *decoder, DecodeColumn *column,
			  const JsonField *field, Datum *result)
{
	Oid			element = getBaseType(get_base_element_type(column->typid));
	JsonField	literal = {JSON_FIELD_OBJECT};
	ArrayText	array = {field->text};
	int			sqlstate;

	if (field->kind != JSON_FIELD_ARRAY)
		return convert_by_input(decoder, column, field, result);

	/* two for each byte, if it is a quote; quotes around each element; 1e18 */
	literal.text = array.dst = decoder_alloc(decoder, 8 * (Size) field->len);
	array.decoder = decoder;
	array.datetime = column->datetime;
	array.integers = is_integer(element);
	array.json = element == JSONOID || element == JSONBOID;
	sqlstate = read_array(&array, 1);
	if (sqlstate != 0)
		return sqlstate;
	literal.len = array.dst - literal.text;
	return convert_by_input(decoder, column, &literal, result);
}
