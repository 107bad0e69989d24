/*-------------------------------------------------------------------------
 *
 * value.c
 *	  From a Datum to JSON: what the decoder reads, the other way round.
 *
 * Numbers, booleans, JSON and arrays become what they are in JSON; everything
 * else a string, which is what the type's output function gives, except that
 * timestamps and dates follow ISO 8601, those with time zone in UTC.  So the
 * same value always gives the same text, also as a key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "source/value.h"

typedef enum ValueKind
{
	VALUE_BOOL,
	VALUE_NUMBER,				/* its text is JSON's, but for NaN and infinity */
	VALUE_JSON,					/* its text is JSON */
	VALUE_DATETIME,				/* date, timestamp, timestamptz */
	VALUE_UNITS,				/* a timestamp as an integer */
	VALUE_ARRAY,
	VALUE_STRING
} ValueKind;

struct ValueEncoder
{
	ValueKind	kind;
	Oid			typid;			/* domains looked through */
	int64		unit;
	FmgrInfo	output;
	ValueEncoder *element;		/* of an array */
	int16		elmlen;
	bool		elmbyval;
	char		elmalign;
};

static ValueKind
value_kind(Oid typid, int64 unit)
{
	switch (typid)
	{
		case BOOLOID:
			return VALUE_BOOL;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return VALUE_NUMBER;
		case JSONOID:
		case JSONBOID:
			return VALUE_JSON;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return unit > 0 ? VALUE_UNITS : VALUE_DATETIME;
		case DATEOID:
			return VALUE_DATETIME;
		case INT2VECTOROID:
		case OIDVECTOROID:

			/* arrays inside, but not to their input functions */
			return VALUE_STRING;
		default:
			return OidIsValid(get_element_type(typid)) ? VALUE_ARRAY : VALUE_STRING;
	}
}

ValueEncoder *
value_encoder_create(Oid typid, int64 unit)
{
	ValueEncoder *encoder = palloc0(sizeof(ValueEncoder));
	Oid			output;
	bool		isvarlena;

	encoder->typid = getBaseType(typid);
	encoder->unit = unit;
	encoder->kind = value_kind(encoder->typid, unit);
	getTypeOutputInfo(encoder->typid, &output, &isvarlena);
	fmgr_info(output, &encoder->output);
	if (encoder->kind == VALUE_ARRAY)
	{
		Oid			element = get_element_type(encoder->typid);

		encoder->element = value_encoder_create(element, 0);
		get_typlenbyvalalign(element, &encoder->elmlen, &encoder->elmbyval,
							 &encoder->elmalign);
	}
	return encoder;
}

/* ------------------------------------------------------------------ scalars */

/*
 * A timestamp as a number of units since 1970, rounded as the type's own
 * precision would.
 */
static char *
units_text(int64 timestamp, int64 unit)
{
	const int64 epoch =
	(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	int64		count = timestamp / unit;
	int64		rest = timestamp % unit;

	if (2 * rest >= unit && unit > 1)
		count++;
	else if (2 * rest <= -unit && unit > 1)
		count--;
	if (pg_add_s64_overflow(count, epoch / unit, &count))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return psprintf(INT64_FORMAT, count);
}

static char *
datetime_text(Datum value, Oid typid)
{
	static const int utc = 0;
	char	   *text = palloc(MAXDATELEN + 1);

	return JsonEncodeDateTime(text, value, typid, &utc);
}

/* Its text; *quoted: in JSON it is a string. */
static char *
scalar_text(ValueEncoder *encoder, Datum value, bool *quoted)
{
	char	   *text;

	*quoted = true;
	switch (encoder->kind)
	{
		case VALUE_BOOL:
			*quoted = false;
			return DatumGetBool(value) ? "true" : "false";
		case VALUE_NUMBER:
			text = OutputFunctionCall(&encoder->output, value);
			/* JSON has no NaN and no infinity, which begin with a letter */
			*quoted = !(isdigit((unsigned char) text[0]) ||
						(text[0] == '-' && isdigit((unsigned char) text[1])));
			return text;
		case VALUE_JSON:
			*quoted = false;
			return OutputFunctionCall(&encoder->output, value);
		case VALUE_DATETIME:
			return datetime_text(value, encoder->typid);
		case VALUE_UNITS:
			if (TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value)))
				return datetime_text(value, encoder->typid);
			*quoted = false;
			return units_text(DatumGetTimestamp(value), encoder->unit);
		default:
			return OutputFunctionCall(&encoder->output, value);
	}
}

void
value_encode_text(ValueEncoder *encoder, Datum value, StringInfo out)
{
	bool		quoted;

	appendStringInfoString(out, scalar_text(encoder, value, &quoted));
}

/* ------------------------------------------------------------------- arrays */

/* What is left of the elements of an array. */
typedef struct ArrayElements
{
	const Datum *values;
	const bool *nulls;
	int			next;
} ArrayElements;

/* One dimension, and those within it. */
static void
encode_dimension(ValueEncoder *encoder, const int *sizes, int ndims,
				 ArrayElements *elements, StringInfo out)
{
	appendStringInfoChar(out, '[');
	for (int i = 0; i < sizes[0]; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (ndims > 1)
		{
			encode_dimension(encoder, sizes + 1, ndims - 1, elements, out);
			continue;
		}
		if (elements->nulls[elements->next])
			appendStringInfoString(out, "null");
		else
			value_encode_json(encoder->element, elements->values[elements->next], out);
		elements->next++;
	}
	appendStringInfoChar(out, ']');
}

static void
encode_array(ValueEncoder *encoder, ArrayType *array, StringInfo out)
{
	ArrayElements elements = {0};
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(array) == 0)
	{
		appendStringInfoString(out, "[]");
		return;
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), encoder->elmlen, encoder->elmbyval,
					  encoder->elmalign, &values, &nulls, &count);
	elements.values = values;
	elements.nulls = nulls;
	encode_dimension(encoder, ARR_DIMS(array), ARR_NDIM(array), &elements, out);
}

void
value_encode_json(ValueEncoder *encoder, Datum value, StringInfo out)
{
	char	   *text;
	bool		quoted;

	if (encoder->kind == VALUE_ARRAY)
	{
		encode_array(encoder, DatumGetArrayTypeP(value), out);
		return;
	}
	text = scalar_text(encoder, value, &quoted);
	if (quoted)
		escape_json(out, text);
	else
		appendStringInfoString(out, text);
}

/* ----------------------------------------------------------------- settings */

static void
set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

int
value_settings_begin(void)
{
	int			nestlevel = NewGUCNestLevel();

	if (DateStyle != USE_ISO_DATES)
		set_locally("datestyle", "ISO");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		set_locally("intervalstyle", "postgres");
	if (extra_float_digits < 1)
		set_locally("extra_float_digits", "1");
	if (bytea_output != BYTEA_OUTPUT_HEX)
		set_locally("bytea_output", "hex");
	return nestlevel;
}

void
value_settings_end(int nestlevel)
{
	AtEOXact_GUC(true, nestlevel);
}
