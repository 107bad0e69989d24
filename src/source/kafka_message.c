/*-------------------------------------------------------------------------
 *
 * kafka_message.c
 *	  From a message of librdkafka's to one of a batch.
 *
 * Everything is copied once, so that librdkafka's memory can be given back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "source/kafka.h"
#include "source/message.h"

/* Bytes that pack_headers() will write. */
static Size
headers_size(const rd_kafka_headers_t *headers)
{
	Size		size = 0;
	const char *name;
	const void *value;
	size_t		value_len;

	for (size_t i = 0;
		 rd_kafka_header_get_all(headers, i, &name, &value, &value_len) == RD_KAFKA_RESP_ERR_NO_ERROR;
		 i++)
		size += 2 * sizeof(int32) + strlen(name) + (value ? value_len : 0);
	return size;
}

/* Lays headers out as message.h says. */
static void
pack_headers(const rd_kafka_headers_t *headers, char *place)
{
	const char *name;
	const void *value;
	size_t		value_len;

	for (size_t i = 0;
		 rd_kafka_header_get_all(headers, i, &name, &value, &value_len) == RD_KAFKA_RESP_ERR_NO_ERROR;
		 i++)
	{
		int32		name_len = strlen(name);
		int32		len = value ? (int32) value_len : -1;

		memcpy(place, &name_len, sizeof(int32));
		place += sizeof(int32);
		memcpy(place, name, name_len);
		place += name_len;
		memcpy(place, &len, sizeof(int32));
		place += sizeof(int32);
		if (len > 0)
		{
			memcpy(place, value, len);
			place += len;
		}
	}
}

/* Kafka's milliseconds since 1970, if they are a timestamp to PostgreSQL. */
static TimestampTz
message_timestamp(const rd_kafka_message_t *message)
{
	const int64 epoch_ms =
	(UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * INT64CONST(86400000);
	rd_kafka_timestamp_type_t type;
	int64		ms = rd_kafka_message_timestamp(message, &type);
	TimestampTz timestamp;

	if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 ||
		ms + epoch_ms > PG_INT64_MAX / 1000)
		return NO_TIMESTAMP;
	timestamp = (ms + epoch_ms) * 1000;
	return IS_VALID_TIMESTAMP(timestamp) ? timestamp : NO_TIMESTAMP;
}

bool
kafka_message_copy(const rd_kafka_message_t *message, bool with_headers,
				   MessageBatch *batch, Size max_memory)
{
	rd_kafka_headers_t *headers = NULL;
	Size		headers_len = 0;
	StreamMessage *copy;

	if (with_headers &&
		rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
		headers_len = headers_size(headers);
	if (batch->count > 0 &&
		batch->memory + message_memory(message->len + message->key_len + headers_len) > max_memory)
		return false;

	copy = message_batch_add(batch, message->payload, message->len,
							 message->key, message->key_len, headers_len);
	copy->partition = message->partition;
	copy->offset = message->offset;
	copy->timestamp = message_timestamp(message);
	if (headers_len > 0)
		pack_headers(headers, unconstify(char *, copy->headers));
	return true;
}
