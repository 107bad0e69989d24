/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  From a JSON value to a datum: which way for which type, and the types
 *	  that are text, boolean or JSON themselves.
 *
 * The rule for all types: a string is what the type's input function is given,
 * and so is the JSON text of any other value.  The types that have a function
 * of their own here, in number.c or time.c take a short cut for the values that
 * they know for certain, and leave every other one to the input function, so
 * that they differ in speed only, with these exceptions: integers are taken by
 * value (3.0 is one); jsonb and json take the JSON text of
 * strings too; arrays take JSON arrays (array.c); and types of date and time take
 * no numbers without a unit, and no words that stand for a time of the clock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "source/decode.h"

/* ------------------------------------------------------------------ memory */

/* Memory for a value, aligned for any type, until the next message. */
char *
decoder_alloc(StreamDecoder *decoder, Size size)
{
	Size		start = MAXALIGN(decoder->buffer_used);

	if (size <= VALUE_BUFFER_SIZE - start)
	{
		decoder->buffer_used = start + size;
		return decoder->buffer + start;
	}
	decoder->values_used = true;
	return MemoryContextAllocHuge(decoder->values, size);
}

/*
 * The text that a field stands for, in the database's encoding and terminated,
 * with "header" free bytes before it.  NULL: *sqlstate says what is wrong.
 */
char *
field_text(StreamDecoder *decoder, const JsonField *field, Size header,
		   Size *len, int *sqlstate)
{
	char	   *text = decoder_alloc(decoder, header + field->len + 1) + header;
	ptrdiff_t	n = field->len;

	if (field->kind == JSON_FIELD_STRING && field->escaped)
	{
		n = json_unescape(field->text, field->len, text);
		if (n < 0)
		{
			*sqlstate = ERRCODE_INVALID_JSON_TEXT;
			return NULL;
		}
		if (memchr(text, '\0', n) != NULL)
		{
			*sqlstate = ERRCODE_UNTRANSLATABLE_CHARACTER;
			return NULL;
		}
	}
	else
		memcpy(text, field->text, n);
	text[n] = '\0';

	if (OidIsValid(decoder->conversion))
	{
		char	   *converted = decoder_alloc(decoder, header + ENCODED_SIZE(n)) + header;

		if (!encoding_convert(decoder->conversion, text, n, converted))
		{
			*sqlstate = ERRCODE_UNTRANSLATABLE_CHARACTER;
			return NULL;
		}
		text = converted;
		n = strlen(text);
	}
	*len = n;
	return text;
}

/* ------------------------------------------------------------------- input */

int
convert_by_input(StreamDecoder *decoder, DecodeColumn *column,
				 const JsonField *field, Datum *result)
{
	int			sqlstate = 0;
	Size		len;
	char	   *text;
	char		digits[INTEGER_TEXT_SIZE];

	if (field->kind == JSON_FIELD_NUMBER && column->datetime)
	{
		char		timestamp[MAXDATELEN + 1];

		sqlstate = number_timestamp_text(column, field, timestamp);
		return sqlstate != 0 ? sqlstate : column_input(decoder, column, timestamp, result);
	}
	if (field->kind == JSON_FIELD_NUMBER && is_integer(column->base))
	{
		sqlstate = number_integer_text(field, digits);
		return sqlstate != 0 ? sqlstate : column_input(decoder, column, digits, result);
	}
	text = field_text(decoder, field, 0, &len, &sqlstate);
	if (text == NULL)
		return sqlstate;
	if (len > MaxAllocSize - 1)
		return ERRCODE_PROGRAM_LIMIT_EXCEEDED;	/* input functions copy it */
	return column_input(decoder, column, text, result);
}

/* -------------------------------------------------------------------- text */

/*
 * text, and varchar and bpchar of limited length: the limit is in characters,
 * and what is beyond may be blanks only.
 */
static int
convert_text(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	int			sqlstate = 0;
	Size		len;
	char	   *text = field_text(decoder, field, VARHDRSZ, &len, &sqlstate);
	Size		limit = column->typmod >= VARHDRSZ ? column->typmod - VARHDRSZ : len;

	if (text == NULL)
		return sqlstate;
	if (len > MaxAllocSize - VARHDRSZ)
		return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	if (len > limit)
	{
		limit = pg_mbcharcliplen(text, len, limit);
		for (Size i = limit; i < len; i++)
			if (text[i] != ' ')
				return ERRCODE_STRING_DATA_RIGHT_TRUNCATION;
		len = limit;
	}
	SET_VARSIZE(text - VARHDRSZ, VARHDRSZ + len);
	*result = PointerGetDatum(text - VARHDRSZ);
	return 0;
}

/*
 * The JSON text itself, for jsonb and json: a string with its quotes, which are
 * there on both sides of it.
 */
static int
convert_json(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	JsonField	whole = *field;

	if (field->kind == JSON_FIELD_STRING)
	{
		/* json's input function takes half a surrogate pair */
		if (field->escaped &&
			json_unescape(field->text, field->len, decoder_alloc(decoder, field->len)) < 0)
			return ERRCODE_INVALID_JSON_TEXT;
		whole.text--;
		whole.len += 2;
		whole.kind = JSON_FIELD_OBJECT;
	}
	return convert_by_input(decoder, column, &whole, result);
}

/* ------------------------------------------------------------ short values */

static int
convert_bool(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	if (field->kind != JSON_FIELD_TRUE && field->kind != JSON_FIELD_FALSE)
		return convert_by_input(decoder, column, field, result);
	*result = BoolGetDatum(field->kind == JSON_FIELD_TRUE);
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The usual form, 8-4-4-4-12 digits. */
static int
convert_uuid(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	const char *p = field->text;
	unsigned char *uuid;

	if (field->kind != JSON_FIELD_STRING || field->len != 36)
		return convert_by_input(decoder, column, field, result);

	uuid = (unsigned char *) decoder_alloc(decoder, UUID_LEN);
	for (int i = 0; i < UUID_LEN; i++)
	{
		int			high,
					low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
			return convert_by_input(decoder, column, field, result);
		high = hex_digit(p[0]);
		low = hex_digit(p[1]);
		if (high < 0 || low < 0)
			return convert_by_input(decoder, column, field, result);
		uuid[i] = high << 4 | low;
		p += 2;
	}
	*result = PointerGetDatum(uuid);
	return 0;
}

/* ---------------------------------------------------------- which way to go */

/* Fills in everything of the column that depends on its type. */
void
column_set_type(StreamDecoder *decoder, DecodeColumn *column, Oid typid, int32 typmod)
{
	static const struct
	{
		Oid			typid;
		ConvertFunction convert;
	}			ways[] = {
		{BOOLOID, convert_bool},
		{INT2OID, convert_int2},
		{INT4OID, convert_int4},
		{INT8OID, convert_int8},
		{FLOAT4OID, convert_float4},
		{FLOAT8OID, convert_float8},
		{NUMERICOID, convert_numeric},
		{TEXTOID, convert_text},
		{VARCHAROID, convert_text},
		{TIMESTAMPTZOID, convert_timestamp},
		{TIMESTAMPOID, convert_timestamp},
		{DATEOID, convert_date},
		{UUIDOID, convert_uuid}
	};

	column->typid = typid;
	column->base = getBaseType(typid);
	column->typmod = typmod;
	column->type_name = format_type_with_typemod(typid, typmod);
	column->convert = convert_by_input;
	for (int i = 0; i < lengthof(ways); i++)
		if (ways[i].typid == typid)
			column->convert = ways[i].convert;
	if (column->base == JSONBOID || column->base == JSONOID)
		column->convert = convert_json;
	else if (OidIsValid(get_element_type(column->base)))
		column->convert = convert_array;
	column_set_input(decoder, column);
}
