/*-------------------------------------------------------------------------
 *
 * state.c
 *	  Memory and serialised form of aggregate states.
 *
 * A serialised state is stored, dumped, restored and read by later releases:
 * it begins with a version, holds numbers in a fixed byte order, and is read
 * as if an enemy had written it.  No length or count is believed before the
 * bytes for it are seen to be there, so memory is bounded by the input's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "port/pg_bswap.h"

#include "types/state.h"

MemoryContext
kappa_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function called in a context that is not an aggregate")));
	return context;
}

int
kappa_getarg_limit(FunctionCallInfo fcinfo, int argno, const char *name, int min, int max)
{
	int			value;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	value = PG_GETARG_INT32(argno);
	if (value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d", name, min, max)));
	return value;
}

int64
kappa_add_counts(int64 a, int64 b)
{
	int64		sum;

	if (unlikely(pg_add_s64_overflow(a, b, &sum)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range")));
	return sum;
}

/* ------------------------------------------------------------------- writing */

void
kappa_state_begin(StringInfo buf, uint8 version)
{
	initStringInfo(buf);
	/* room for the bytea's header */
	appendStringInfoSpaces(buf, VARHDRSZ);
	appendStringInfoCharMacro(buf, version);
}

void
kappa_state_put_varint(StringInfo buf, uint64 value)
{
	for (; value >= 0x80; value >>= 7)
		appendStringInfoCharMacro(buf, (char) (value | 0x80));
	appendStringInfoCharMacro(buf, (char) value);
}

void
kappa_state_put_fixed(StringInfo buf, uint64 value)
{
	value = pg_hton64(value);
	appendBinaryStringInfo(buf, (char *) &value, sizeof(value));
}

void
kappa_state_put_float8(StringInfo buf, float8 value)
{
	uint64		bits;

	memcpy(&bits, &value, sizeof(bits));
	kappa_state_put_fixed(buf, bits);
}

void
kappa_state_put_bytes(StringInfo buf, const void *data, size_t len)
{
	appendBinaryStringInfo(buf, data, len);
}

bytea *
kappa_state_finish(StringInfo buf)
{
	bytea	   *result = (bytea *) buf->data;

	SET_VARSIZE(result, buf->len);
	return result;
}

/* ------------------------------------------------------------------- reading */

void
kappa_state_invalid(const StateReader *reader)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid %s", reader->what)));
}

const uint8 *
kappa_state_get_bytes(StateReader *reader, size_t len)
{
	const uint8 *bytes = reader->next;

	if (unlikely(len > (size_t) (reader->end - bytes)))
		kappa_state_invalid(reader);
	reader->next += len;
	return bytes;
}

/* The bytes must stay as long as the reader is used. */
void
kappa_state_open(StateReader *reader, const bytea *bytes, const char *what, uint8 version)
{
	reader->next = (const uint8 *) VARDATA_ANY(bytes);
	reader->end = reader->next + VARSIZE_ANY_EXHDR(bytes);
	reader->what = what;
	initStringInfo(&reader->scratch);
	if (*kappa_state_get_bytes(reader, 1) != version)
		kappa_state_invalid(reader);
}

/* Each number has one spelling: the last byte is not 0, but of the number 0. */
uint64
kappa_state_get_varint(StateReader *reader)
{
	uint64		value = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8		byte = *kappa_state_get_bytes(reader, 1);

		value |= (uint64) (byte & 0x7F) << shift;
		if (byte >= 0x80)
			continue;
		if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1))
			break;
		return value;
	}
	kappa_state_invalid(reader);
}

int64
kappa_state_get_int(StateReader *reader, int64 min, int64 max)
{
	uint64		value = kappa_state_get_varint(reader);

	if (value > PG_INT64_MAX || (int64) value < min || (int64) value > max)
		kappa_state_invalid(reader);
	return (int64) value;
}

int
kappa_state_get_count(StateReader *reader, int max, int size)
{
	int64		count = kappa_state_get_int(reader, 0, max);

	if (count > (reader->end - reader->next) / size)
		kappa_state_invalid(reader);
	return (int) count;
}

uint64
kappa_state_get_fixed(StateReader *reader)
{
	uint64		value;

	memcpy(&value, kappa_state_get_bytes(reader, sizeof(value)), sizeof(value));
	return pg_ntoh64(value);
}

float8
kappa_state_get_float8(StateReader *reader)
{
	uint64		bits = kappa_state_get_fixed(reader);
	float8		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

void
kappa_state_close(StateReader *reader)
{
	if (reader->next != reader->end)
		kappa_state_invalid(reader);
	pfree(reader->scratch.data);
}
