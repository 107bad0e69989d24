/*-------------------------------------------------------------------------
 *
 * headers.c
 *	  The headers of a message as jsonb.
 *
 * Names and values of headers are bytes.  Those that are text in UTF-8, and
 * can be text in this database, become strings; others become what bytea's
 * hexadecimal output would be, such as \x00ff.
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

/*
 * Reads a length and so many bytes.  False: null.  The layout is our own, so
 * that it does not fit is our own fault.
 */
static bool
read_bytes(HeaderBytes *headers, const char **bytes, int32 *len)
{
	if (headers->end - headers->next < sizeof(int32))
		elog(ERROR, "malformed headers");
	memcpy(len, headers->next, sizeof(int32));
	headers->next += sizeof(int32);
	if (*len < 0)
		return false;
	if (headers->end - headers->next < *len)
		elog(ERROR, "malformed headers");
	*bytes = headers->next;
	headers->next += *len;
	return true;
}

static char *
bytes_to_string(HeaderBytes *headers, const char *bytes, int32 len)
{
	char	   *result;

	if (pg_verify_mbstr(PG_UTF8, bytes, len, true))
	{
		if (!OidIsValid(headers->conversion))
			return pnstrdup(bytes, len);
		result = palloc(ENCODED_SIZE(len));
		if (encoding_convert(headers->conversion, bytes, len, result))
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
	if (!read_bytes(headers, &bytes, &len))
		elog(ERROR, "malformed headers");
	push_string(state, WJB_VALUE, bytes_to_string(headers, bytes, len));
	push_string(state, WJB_KEY, "value");
	if (read_bytes(headers, &bytes, &len))
		push_string(state, WJB_VALUE, bytes_to_string(headers, bytes, len));
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
