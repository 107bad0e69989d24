/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  From one message to the columns of a row.
 *
 * A decoder is made for a set of columns.  Those that are fields of the JSON
 * payload become the targets of a scanner (json.cc), which walks each payload
 * once; then each column's convert function (convert.c, number.c, time.c, or
 * the type's input function, input.c) makes a datum of what was found.  Fields
 * of a JSON key have a scanner of their own.
 *
 * The scanner's verdict on the payload does not depend on its targets, and it is
 * asked even if there are none: so all readers of a stream agree about which
 * messages are bad for everyone.  Only where no column of the table (asked for
 * or not) is a field of the payload, payloads are not JSON and not looked at.
 *
 * Nothing is thrown because of a message: a column's trouble is a SQLSTATE, and
 * from that a reason is made here, with the names of column and type and never
 * with the value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "source/decode.h"

/* A payload in Confluent's format: byte 0, id of the schema, JSON. */
#define SCHEMA_PREFIX_LENGTH 5

/* ---------------------------------------------------------------- creation */

static void
free_scanners(void *arg)
{
	StreamDecoder *decoder = arg;

	json_scanner_free(decoder->payload_scanner);
	json_scanner_free(decoder->key_scanner);
}

static JsonScanner *
create_scanner(const JsonTarget *targets, int ntargets)
{
	JsonScanner *result = json_scanner_create(targets, ntargets);

	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return result;
}

/*
 * Adds a column that is wanted; its target, if it has one, to the right list.
 */
static void
add_column(StreamDecoder *decoder, Form_pg_attribute attr, const ColumnOptions *options,
		   ColumnOrigin origin, bool lenient, JsonTarget *payload, int *npayload,
		   JsonTarget *key, int *nkey)
{
	DecodeColumn *column = &decoder->columns[decoder->ncolumns++];

	column->index = attr->attnum - 1;
	column->origin = origin;
	column->not_null = attr->attnotnull && !lenient;
	column->lenient = lenient;
	column->name = pstrdup(NameStr(attr->attname));
	column->unit = column_unit(options->unit, column->name, attr->atttypid);
	column_set_type(decoder, column, attr->atttypid, attr->atttypmod);
	column_check_metadata(column->name, origin, column->typid);

	if (origin == FROM_PAYLOAD)
	{
		column->field = *npayload;
		payload[(*npayload)++] = column_target(column->name, options->path);
	}
	else if (origin == FROM_KEY_FIELD)
	{
		column->field = *nkey;
		key[(*nkey)++] = column_target(column->name, options->path);
	}
}

StreamDecoder *
stream_decoder_create(const Stream *stream, const Bitmapset *attrs,
					  const Bitmapset *lenient, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Relation	rel = table_open(stream->relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	StreamDecoder *decoder = palloc0(sizeof(StreamDecoder));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	JsonTarget *payload = palloc(sizeof(JsonTarget) * desc->natts);
	JsonTarget *key = palloc(sizeof(JsonTarget) * desc->natts);
	int			npayload = 0;
	int			nkey = 0;
	bool		is_json = false;

	decoder->context = context;
	decoder->natts = desc->natts;
	decoder->columns = palloc0(sizeof(DecodeColumn) * desc->natts);
	decoder->topic = pstrdup(stream->topic);
	decoder->conversion = encoding_conversion();
	decoder->buffer = palloc(VALUE_BUFFER_SIZE);
	decoder->values = AllocSetContextCreate(context, "decoded values", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		ColumnOptions options;
		ColumnOrigin origin;

		if (attr->attisdropped)
			continue;
		options = column_options(stream->relid, attr->attnum);
		origin = column_origin(&options);
		if (origin == FROM_PAYLOAD)
			is_json = true;
		if (bms_is_member(attr->attnum, attrs))
			add_column(decoder, attr, &options, origin, bms_is_member(attr->attnum, lenient),
					   payload, &npayload, key, &nkey);
	}
	table_close(rel, AccessShareLock);

	callback->func = free_scanners;
	callback->arg = decoder;
	MemoryContextRegisterResetCallback(context, callback);
	decoder->payload_fields = palloc0(sizeof(JsonField) * (npayload + 1));
	decoder->key_fields = palloc0(sizeof(JsonField) * (nkey + 1));
	if (is_json)
		decoder->payload_scanner = create_scanner(payload, npayload);
	if (nkey > 0)
		decoder->key_scanner = create_scanner(key, nkey);

	MemoryContextSwitchTo(old);
	return decoder;
}

/* ------------------------------------------------------------------ errors */

/* What may be wrong with a column; the last is for all that is not listed. */
static const struct
{
	int			sqlstate;
	const char *format;
}			column_faults[] = {
	{ERRCODE_NOT_NULL_VIOLATION, "null value in column \"%s\" violates not-null constraint"},
	{ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "column \"%s\": value out of range for type %s"},
	{ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "column \"%s\": value out of range for type %s"},
	{ERRCODE_STRING_DATA_RIGHT_TRUNCATION, "column \"%s\": value too long for type %s"},
	{ERRCODE_CHECK_VIOLATION, "column \"%s\": value violates a check constraint of type %s"},
	{ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE,
	"column \"%s\" of type %s: keys that differ in case only"},
	{ERRCODE_INVALID_JSON_TEXT, "column \"%s\" of type %s: not valid JSON"},
	{ERRCODE_UNTRANSLATABLE_CHARACTER,
	"column \"%s\" of type %s: character that the database's encoding does not have"},
	{ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "column \"%s\" of type %s: not valid UTF-8"},
	{0, "column \"%s\": invalid value for type %s"}
};

static bool
message_is_bad(StreamError *error, int sqlstate, const char *reason)
{
	error->sqlerrcode = sqlstate;
	error->message = reason;
	return false;
}

/* A text is made once and then kept: a topic may hold a million of the kind. */
static bool
column_is_bad(StreamDecoder *decoder, StreamError *error, DecodeColumn *column, int sqlstate)
{
	int			i = 0;

	while (column_faults[i].sqlstate != sqlstate && column_faults[i].sqlstate != 0)
		i++;

	if (column->faults == NULL)
		column->faults = MemoryContextAllocZero(decoder->context,
												lengthof(column_faults) * sizeof(char *));
	if (column->faults[i] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(decoder->context);

		column->faults[i] = psprintf(column_faults[i].format, column->name, column->type_name);
		MemoryContextSwitchTo(old);
	}
	return message_is_bad(error, sqlstate, column->faults[i]);
}

/* -------------------------------------------------------------- one message */

/* Scans JSON that may have a schema's prefix. */
static JsonScanResult
scan_message(JsonScanner *scanner, const char *text, int32 len, JsonField *fields)
{
	JsonScanResult result;

	if (len > SCHEMA_PREFIX_LENGTH && text[0] == '\0')
	{
		text += SCHEMA_PREFIX_LENGTH;
		len -= SCHEMA_PREFIX_LENGTH;
	}
	result = json_scan(scanner, text, len, fields);
	if (result == JSON_SCAN_NO_MEMORY)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed on a message of %d bytes.", len)));
	return result;
}

static bool
scan_payload(StreamDecoder *decoder, const StreamMessage *message, StreamError *error)
{
	switch (scan_message(decoder->payload_scanner, message->value, message->value_len,
						 decoder->payload_fields))
	{
		case JSON_SCAN_NOT_UTF8:
			return message_is_bad(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
								  "payload is not valid UTF-8");
		case JSON_SCAN_NOT_OBJECT:
			return message_is_bad(error, ERRCODE_INVALID_JSON_TEXT,
								  "payload is not one JSON object");
		case JSON_SCAN_BROKEN:
			return message_is_bad(error, ERRCODE_INVALID_JSON_TEXT,
								  "payload is not valid JSON");
		default:
			return true;
	}
}

/* Bytes as they are; a domain's constraints are its input function's business. */
static int
convert_bytea(StreamDecoder *decoder, DecodeColumn *column, const char *bytes, int32 len,
			  Datum *result)
{
	char	   *datum;

	if (column->typid != BYTEAOID)
	{
		datum = decoder_alloc(decoder, 2 + 2 * (Size) len + 1);
		datum[0] = '\\';
		datum[1] = 'x';
		datum[2 + hex_encode(bytes, len, datum + 2)] = '\0';
		return column_input(decoder, column, datum, result);
	}
	if (len > MaxAllocSize - VARHDRSZ)
		return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	datum = decoder_alloc(decoder, VARHDRSZ + len);
	SET_VARSIZE(datum, VARHDRSZ + len);
	memcpy(VARDATA(datum), bytes, len);
	*result = PointerGetDatum(datum);
	return 0;
}

/*
 * A whole payload or key as a field; JSON types take it as it is, and what has a
 * unit may be a number.
 */
static int
convert_bytes(StreamDecoder *decoder, DecodeColumn *column, const char *bytes, int32 len,
			  Datum *result)
{
	JsonField	field = {JSON_FIELD_STRING};
	bool		is_json = column->base == JSONBOID || column->base == JSONOID;

	if (column->base == BYTEAOID)
		return convert_bytea(decoder, column, bytes, len, result);
	if ((column->origin == FROM_VALUE || is_json) &&
		len > SCHEMA_PREFIX_LENGTH && bytes[0] == '\0')
	{
		bytes += SCHEMA_PREFIX_LENGTH;
		len -= SCHEMA_PREFIX_LENGTH;
	}
	if (!pg_verify_mbstr(PG_UTF8, bytes, len, true))
		return ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
	if (is_json)
		field.kind = JSON_FIELD_OBJECT;
	else if (column->unit != 0 && json_read_number(bytes, len, &field))
		field.kind = JSON_FIELD_NUMBER;
	field.text = bytes;
	field.len = len;
	return column->convert(decoder, column, &field, result);
}

static int
convert_field(StreamDecoder *decoder, DecodeColumn *column, const JsonField *field,
			  Datum *result, bool *isnull)
{
	switch (field->kind)
	{
		case JSON_FIELD_MISSING:
		case JSON_FIELD_NULL:
			*isnull = true;
			return 0;
		case JSON_FIELD_BROKEN:
			return ERRCODE_INVALID_JSON_TEXT;
		case JSON_FIELD_AMBIGUOUS:
			return ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE;
		default:
			return column->convert(decoder, column, field, result);
	}
}

static int
convert_metadata(StreamDecoder *decoder, DecodeColumn *column, const StreamMessage *message,
				 Datum *result, bool *isnull)
{
	JsonField	field = {JSON_FIELD_STRING};
	MemoryContext old;

	switch (column->origin)
	{
		case FROM_KEY:
			*isnull = message->key == NULL;
			return *isnull ? 0 : convert_bytes(decoder, column, message->key,
											   message->key_len, result);
		case FROM_VALUE:
			*isnull = message->value == NULL || message->value_len == 0;
			return *isnull ? 0 : convert_bytes(decoder, column, message->value,
											   message->value_len, result);
		case FROM_TOPIC:
			field.text = decoder->topic;
			field.len = strlen(decoder->topic);
			return column->convert(decoder, column, &field, result);
		case FROM_PARTITION:
			*result = column->typid == INT8OID ? Int64GetDatum((int64) message->partition) :
				Int32GetDatum(message->partition);
			return 0;
		case FROM_OFFSET:
			*result = Int64GetDatum(message->offset);
			return 0;
		case FROM_TIMESTAMP:
			*isnull = message->timestamp == NO_TIMESTAMP;
			*result = TimestampTzGetDatum(message->timestamp);
			return 0;
		case FROM_HEADERS:
			*isnull = message->headers == NULL;
			if (*isnull)
				return 0;
			old = MemoryContextSwitchTo(decoder->values);
			decoder->values_used = true;
			*result = stream_message_headers(message);
			MemoryContextSwitchTo(old);
			return 0;
		default:
			elog(ERROR, "unexpected origin of column \"%s\"", column->name);
	}
}

/*
 * One column; key_scan is what the scan of the key gave, for its fields.  Returns
 * 0, or the SQLSTATE of what is wrong.
 */
static int
decode_column(StreamDecoder *decoder, DecodeColumn *column, const StreamMessage *message,
			  bool has_payload, JsonScanResult key_scan, Datum *result, bool *isnull)
{
	int			sqlstate;

	*isnull = false;
	if (column->origin == FROM_PAYLOAD)
	{
		*isnull = !has_payload;
		sqlstate = *isnull ? 0 : convert_field(decoder, column,
											   &decoder->payload_fields[column->field],
											   result, isnull);
	}
	else if (column->origin == FROM_KEY_FIELD)
	{
		*isnull = message->key == NULL || message->key_len == 0;
		if (*isnull)
			sqlstate = 0;
		else if (key_scan != JSON_SCAN_OK)
			sqlstate = key_scan == JSON_SCAN_NOT_UTF8 ?
				ERRCODE_CHARACTER_NOT_IN_REPERTOIRE : ERRCODE_INVALID_JSON_TEXT;
		else
			sqlstate = convert_field(decoder, column, &decoder->key_fields[column->field],
									 result, isnull);
	}
	else
		sqlstate = convert_metadata(decoder, column, message, result, isnull);

	if (sqlstate == 0 && *isnull)
	{
		if (column->not_null)
			sqlstate = ERRCODE_NOT_NULL_VIOLATION;
		else if (column->null_checked)
			sqlstate = column_input(decoder, column, NULL, result);
	}
	return sqlstate;
}

bool
stream_decode(StreamDecoder *decoder, const StreamMessage *message,
			  Datum *values, bool *nulls, StreamError *error)
{
	bool		has_payload = message->value != NULL && message->value_len > 0;
	JsonScanResult key_scan = JSON_SCAN_OK;

	decoder->buffer_used = 0;
	if (decoder->values_used)
	{
		MemoryContextReset(decoder->values);
		decoder->values_used = false;
	}
	memset(nulls, true, decoder->natts * sizeof(bool));

	if (decoder->payload_scanner != NULL && has_payload &&
		!scan_payload(decoder, message, error))
		return false;
	if (decoder->key_scanner != NULL && message->key != NULL && message->key_len > 0)
		key_scan = scan_message(decoder->key_scanner, message->key, message->key_len,
								decoder->key_fields);

	for (int i = 0; i < decoder->ncolumns; i++)
	{
		DecodeColumn *column = &decoder->columns[i];
		int			sqlstate;

		sqlstate = decode_column(decoder, column, message, has_payload, key_scan,
								 &values[column->index], &nulls[column->index]);
		if (sqlstate == 0)
			continue;
		if (!column->lenient)
			return column_is_bad(decoder, error, column, sqlstate);
		nulls[column->index] = true;
	}
	return true;
}

void
stream_decoder_rest(StreamDecoder *decoder)
{
	if (decoder->values_used)
		MemoryContextReset(decoder->values);
	decoder->values_used = false;
	if (decoder->payload_scanner)
		json_scanner_rest(decoder->payload_scanner);
	if (decoder->key_scanner)
		json_scanner_rest(decoder->key_scanner);
}
