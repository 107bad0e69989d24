/*-------------------------------------------------------------------------
 *
 * headers.c
 *	  The headers of a message as jsonb.
 *
 * Names and values of headers are bytes.  Those that are text in UTF-8, and
 * can be text in this database, become strings; others become what bytea's
 * hexadecimal output would be, such as \x00ff.  The way back is exact: what
 * looks like such output is taken for bytes only if those bytes would be shown
 * like that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "source/decode.h"
#include "source/message.h"

/* What is left of the headers of a message. */
typedef struct HeaderBytes
{
	const char *next;
	const char *end;
	Oid			conversion;
} HeaderBytes;

/* The layout is our own, so that it does not fit is our own fault. */
bool
headers_read_bytes(const char **next, const char *end, const char **bytes, int32 *len)
{
	if (end - *next < sizeof(int32))
		elog(ERROR, "malformed headers");
	memcpy(len, *next, sizeof(int32));
	*next += sizeof(int32);
	if (*len < 0)
		return false;
	if (end - *next < *len)
		elog(ERROR, "malformed headers");
	*bytes = *next;
	*next += *len;
	return true;
}

static char *
bytes_to_string(Oid conversion, const char *bytes, int32 len)
{
	char	   *result;

	if (pg_verify_mbstr(PG_UTF8, bytes, len, true))
	{
		if (!OidIsValid(conversion))
			return pnstrdup(bytes, len);
		result = palloc(ENCODED_SIZE(len));
		if (encoding_convert(conversion, bytes, len, result))
			return result;
	}
	result = palloc(2 + 2 * (Size) len + 1);
	result[0] = '\\';
	result[1] = 'x';
	result[2 + hex_encode(bytes, len, result + 2)] = '\0';
	return result;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = string;
	value.val.string.len = strlen(string);
	pushJsonbValue(state, token, &value);
}

/* One header: {"key": name, "value": value} */
static void
push_header(JsonbParseState **state, HeaderBytes *headers)
{
	const char *bytes = "";
	int32		len;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_string(state, WJB_KEY, "key");
	if (!headers_read_bytes(&headers->next, headers->end, &bytes, &len))
		elog(ERROR, "malformed headers");
	push_string(state, WJB_VALUE, bytes_to_string(headers->conversion, bytes, len));
	push_string(state, WJB_KEY, "value");
	if (headers_read_bytes(&headers->next, headers->end, &bytes, &len))
		push_string(state, WJB_VALUE, bytes_to_string(headers->conversion, bytes, len));
	else
	{
		JsonbValue	null = {.type = jbvNull};

		pushJsonbValue(state, WJB_VALUE, &null);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

Datum
stream_message_headers(const StreamMessage *message)
{
	HeaderBytes headers = {message->headers};
	JsonbParseState *state = NULL;

	headers.end = headers.next + message->headers_len;
	headers.conversion = encoding_conversion();
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while (headers.next < headers.end)
		push_header(&state, &headers);
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

/* ----------------------------------------------------------------- the way back */

static void
refuse_headers(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("headers of a message must be an array of objects with \"key\" and \"value\", or an object")));
}

/* Appends a length and so many bytes. */
static void
append_bytes(StringInfo out, const char *bytes, int32 len)
{
	appendBinaryStringInfo(out, (char *) &len, sizeof(int32));
	appendBinaryStringInfo(out, bytes, len);
}

static void
append_string(StringInfo out, Oid conversion, char *string)
{
	Size		len = strlen(string);
	Size		half = len / 2 - 1;

	if (len >= 2 && len % 2 == 0 && string[0] == '\\' && string[1] == 'x' &&
		strspn(string + 2, "0123456789abcdef") == len - 2)
	{
		char	   *bytes = palloc(half + 1);

		hex_decode(string + 2, len - 2, bytes);
		if (strcmp(bytes_to_string(conversion, bytes, half), string) == 0)
		{
			append_bytes(out, bytes, half);
			return;
		}
	}
	string = pg_server_to_any(string, len, PG_UTF8);
	append_bytes(out, string, strlen(string));
}

/* A name is bytes, too, but to librdkafka ends at a zero byte. */
static void
append_name(StringInfo out, Oid conversion, const JsonbValue *name)
{
	int			start = out->len + sizeof(int32);

	if (name == NULL || name->type != jbvString)
		refuse_headers();
	append_string(out, conversion, pnstrdup(name->val.string.val, name->val.string.len));
	if (memchr(out->data + start, '\0', out->len - start) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a header of a message must not hold a zero byte")));
}

static void
append_header(StringInfo out, Oid conversion, const JsonbValue *name, const JsonbValue *value)
{
	const int32 null_length = -1;

	append_name(out, conversion, name);
	if (value == NULL || value->type == jbvNull)
		appendBinaryStringInfo(out, (const char *) &null_length, sizeof(int32));
	else if (value->type == jbvString)
		append_string(out, conversion, pnstrdup(value->val.string.val, value->val.string.len));
	else
	{
		/* a number, say: its JSON text */
		JsonbValue	copy = *value;

		append_string(out, conversion,
					  JsonbToCString(NULL, &JsonbValueToJsonb(&copy)->root, 0));
	}
}

/* An object's members are headers. */
static void
append_members(StringInfo out, Oid conversion, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &value, true);
	while ((token = JsonbIteratorNext(&iterator, &name, true)) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		append_header(out, conversion, &name, &value);
	}
}

char *
headers_from_jsonb(Jsonb *jsonb, int32 *len)
{
	Oid			conversion = encoding_conversion();
	StringInfoData out;

	initStringInfo(&out);
	if (JB_ROOT_IS_OBJECT(jsonb))
		append_members(&out, conversion, &jsonb->root);
	else if (JB_ROOT_IS_SCALAR(jsonb))
		refuse_headers();
	else
	{
		for (uint32 i = 0; i < JB_ROOT_COUNT(jsonb); i++)
		{
			JsonbValue *item = getIthJsonbValueFromContainer(&jsonb->root, i);
			JsonbContainer *object;

			if (item->type != jbvBinary || !JsonContainerIsObject(item->val.binary.data))
				refuse_headers();
			object = item->val.binary.data;
			append_header(&out, conversion,
						  getKeyJsonValueFromContainer(object, "key", 3, NULL),
						  getKeyJsonValueFromContainer(object, "value", 5, NULL));
		}
	}
	*len = out.len;
	return out.data;
}
