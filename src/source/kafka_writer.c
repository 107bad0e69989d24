/*-------------------------------------------------------------------------
 *
 * kafka_writer.c
 *	  StreamWriter for Kafka.
 *
 * librdkafka's threads collect messages into batches and send them; we hand
 * messages over and fetch delivery reports as events.  The producer is
 * idempotent, which implies acks=all: a message that librdkafka sends again is
 * in the log once, and in order.
 *
 * A message that fails is an error of the statement, raised when its report is
 * fetched.  What the broker has acknowledged by then stays in the topic: a log
 * is only appended to, so neither an error nor a rollback takes messages back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "source/connection.h"
#include "source/encode.h"
#include "source/kafka.h"
#include "source/message.h"
#include "source/writer.h"

/* What may be on its way; a message must fit into it. */
#define QUEUE_KBYTES		"65536"
#define QUEUE_MESSAGES		"100000"

/* Reports are fetched after so many messages, as they hold memory. */
#define SERVE_INTERVAL		1000

/* How long a broker may be away before the first message fails. */
#define CONTACT_TIMEOUT_MS	10000

/* How long it may take to say how the topic is configured. */
#define SETTING_TIMEOUT_MS	1000

struct StreamWriter
{
	LogConnection connection;	/* must be first */
	KafkaLink	link;
	MemoryContext context;		/* the writer's own */
	const Stream *stream;
	Oid			userid;
	int			npartitions;
	int64		written;		/* messages handed over */
	int64		acknowledged;
	int64		failed;
	rd_kafka_resp_err_t error;	/* of the first that failed */
};

/* --------------------------------------------------------- open and close */

static void
close_writer(LogConnection *connection)
{
	StreamWriter *writer = (StreamWriter *) connection;

	if (writer->link.events)
		rd_kafka_queue_io_event_enable(writer->link.events, -1, NULL, 0);
	kafka_link_close(&writer->link);
}

static void
take_deliveries(KafkaLink *link, rd_kafka_event_t *event)
{
	StreamWriter *writer = (StreamWriter *) ((char *) link - offsetof(StreamWriter, link));
	const rd_kafka_message_t *message;

	while ((message = rd_kafka_event_message_next(event)) != NULL)
	{
		if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			writer->acknowledged++;
		else if (writer->failed++ == 0)
			writer->error = message->err;
	}
}

/* The number that a property of the producer has; 0: none. */
static int64
property_number(StreamWriter *writer, const char *name)
{
	char		value[32];
	size_t		size = sizeof(value);

	if (rd_kafka_conf_get(rd_kafka_conf(writer->link.handle), name, value, &size) !=
		RD_KAFKA_CONF_OK)
		return 0;
	return strtoll(value, NULL, 10);
}

/* Waits for first contact, and learns the number of partitions. */
static void
learn_partitions(StreamWriter *writer)
{
	int64		message_timeout_ms = property_number(writer, "message.timeout.ms");
	int			timeout_ms = CONTACT_TIMEOUT_MS;

	/* A user who does not want to wait does not want to wait for this either. */
	if (message_timeout_ms > 0)
		timeout_ms = Min(timeout_ms, message_timeout_ms);

	writer->npartitions = kafka_link_partitions(&writer->link, timeout_ms);
	if (writer->npartitions <= 0)
		ereport(ERROR,
				(errcode(writer->link.sqlerrcode),
				 errmsg("%s", writer->link.message)));
}

/* Opens the producer; batch_size NULL: as the options say. */
static void
open_producer(StreamWriter *writer, const char *batch_size)
{
	const KafkaProperty properties[] = {
		{"batch.size", batch_size},
		{"enable.idempotence", "true"},
		{"partitioner", "murmur2_random"},
		{"allow.auto.create.topics", "false"},
		{"topic.metadata.propagation.max.ms", "1000"},
		{"queue.buffering.max.kbytes", QUEUE_KBYTES},
		{"queue.buffering.max.messages", QUEUE_MESSAGES},
		{"log.queue", "true"},
		{"log_level", "4"},
	};
	int			skipped = batch_size == NULL ? 1 : 0;
	uint64		one = 1;

	kafka_link_open(&writer->link, writer->stream, writer->userid, KAFKA_PRODUCER,
					properties + skipped, lengthof(properties) - skipped);
	rd_kafka_queue_io_event_enable(writer->link.events, writer->connection.event_fd,
								   &one, sizeof(one));
}

StreamWriter *
stream_writer_open(const Stream *stream, Oid userid)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_kappa writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	StreamWriter *writer = palloc0(sizeof(StreamWriter));

	writer->context = context;
	writer->stream = stream;
	writer->userid = userid;
	writer->link.topic = pstrdup(stream->topic);
	writer->link.connection = &writer->connection;
	writer->link.verb = "write to";
	writer->link.take_error = kafka_link_note_trouble;
	writer->link.take_deliveries = take_deliveries;
	connection_open(&writer->connection, close_writer);
	open_producer(writer, NULL);
	learn_partitions(writer);

	MemoryContextSwitchTo(old);
	return writer;
}

void
stream_writer_close(StreamWriter *writer)
{
	MemoryContextDelete(writer->context);
}

/* ------------------------------------------------------------------ errors */

static int
writing_sqlstate(rd_kafka_resp_err_t err)
{
	switch (err)
	{
		case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
		case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
			return ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
		case RD_KAFKA_RESP_ERR_INVALID_RECORD:
		case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
			return ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
		default:
			return kafka_sqlstate(err);
	}
}

/* For errdetail: what a rollback does not take back. */
static int
detail_acknowledged(StreamWriter *writer)
{
	if (writer->acknowledged == 0)
		return 0;
	return errdetail_plural("The broker has acknowledged %lld message of the statement; it stays in the topic.",
							"The broker has acknowledged %lld messages of the statement; they stay in the topic.",
							writer->acknowledged, (long long) writer->acknowledged);
}

/* What the user can do about it; for errhint. */
static int
hint_failure(rd_kafka_resp_err_t err)
{
	switch (err)
	{
		case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
			return errhint("The limits are the topic's max.message.bytes, for a batch of messages too (option batch_size), and the stream's option message_max_bytes.");
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
			return errhint("The broker's authorizer must allow WRITE on the topic; before Kafka 2.8 also IDEMPOTENT_WRITE on the cluster.");
		default:
			return 0;
	}
}

static void
raise_failure(StreamWriter *writer, rd_kafka_resp_err_t err)
{
	KafkaLink  *link = &writer->link;
	rd_kafka_resp_err_t fatal;
	char		reason[400];

	/* A fatal error of the producer purges what is queued. */
	fatal = rd_kafka_fatal_error(link->handle, reason, sizeof(reason));
	if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR)
		err = fatal;
	else
		strlcpy(reason, rd_kafka_err2str(err), sizeof(reason));
	kafka_clean_text(reason);

	/* That time is up is less than what is known of the connection. */
	if (err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && !link->ok)
		ereport(ERROR,
				(errcode(link->sqlerrcode),
				 errmsg("%s", link->message),
				 detail_acknowledged(writer)));
	ereport(ERROR,
			(errcode(writing_sqlstate(err)),
			 errmsg("could not write to Kafka topic \"%s\": %s", link->topic, reason),
			 detail_acknowledged(writer),
			 hint_failure(err)));
}

/* Fetches reports, and raises what they say. */
static void
serve(StreamWriter *writer)
{
	connection_drain(&writer->connection);
	kafka_link_serve(&writer->link);
	if (writer->failed > 0)
		raise_failure(writer, writer->error);
}

/* ----------------------------------------------------------------- writing */

/* librdkafka's form of a message's headers, or NULL; belongs to the caller. */
static rd_kafka_headers_t *
make_headers(const StreamMessage *message)
{
	const char *next = message->headers;
	const char *end = message->headers + message->headers_len;
	rd_kafka_headers_t *headers;

	if (message->headers_len == 0)
		return NULL;
	headers = rd_kafka_headers_new(8);
	while (next < end)
	{
		const char *name = NULL;
		const char *value = NULL;
		int32		name_len;
		int32		value_len;

		(void) headers_read_bytes(&next, end, &name, &name_len);
		if (!headers_read_bytes(&next, end, &value, &value_len))
			value_len = 0;
		rd_kafka_header_add(headers, name, name_len, value, value_len);
	}
	return headers;
}

/* Hands a message over to librdkafka. */
static rd_kafka_resp_err_t
produce(StreamWriter *writer, const StreamMessage *message)
{
	rd_kafka_headers_t *headers = make_headers(message);
	int64		timestamp = 0;
	rd_kafka_resp_err_t err;

	if (message->timestamp != NO_TIMESTAMP)
		timestamp = message->timestamp / 1000 -
			(UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * INT64CONST(86400000);

	err = rd_kafka_producev(writer->link.handle,
							RD_KAFKA_V_RKT(writer->link.kafka_topic),
							RD_KAFKA_V_PARTITION(message->partition == ANY_PARTITION ?
												 RD_KAFKA_PARTITION_UA : message->partition),
							RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
							RD_KAFKA_V_VALUE(unconstify(char *, message->value), message->value_len),
							RD_KAFKA_V_KEY(message->key, message->key_len),
							RD_KAFKA_V_TIMESTAMP(timestamp),
							RD_KAFKA_V_HEADERS(headers),
							RD_KAFKA_V_END);
	if (err && headers)
		rd_kafka_headers_destroy(headers);
	return err;
}

/* Partitions may have been added since they were counted. */
static void
check_partition(StreamWriter *writer, int32 partition)
{
	if (partition < writer->npartitions)
		return;
	learn_partitions(writer);
	if (partition >= writer->npartitions)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("partition %d of Kafka topic \"%s\" does not exist",
						partition, writer->link.topic),
				 errdetail("The topic has %d partitions, numbered from 0.",
						   writer->npartitions)));
}

/*
 * A topic's max.message.bytes holds for batches: the broker refuses a larger one
 * with all of its messages, however small.  So before there can be a batch, the
 * limit is asked for; where it is below the size of batches, the producer is
 * opened again, with smaller ones.
 */
static void
fit_batches(StreamWriter *writer)
{
	const char *limit = kafka_link_topic_setting(&writer->link, "max.message.bytes",
												 SETTING_TIMEOUT_MS);

	if (limit == NULL || strtoll(limit, NULL, 10) >= property_number(writer, "batch.size"))
		return;
	stream_writer_flush(writer);
	close_writer(&writer->connection);
	open_producer(writer, limit);
}

void
stream_writer_write(StreamWriter *writer, const StreamMessage *message)
{
	rd_kafka_resp_err_t err;

	if (writer->written == 1)
		fit_batches(writer);
	check_partition(writer, message->partition);
	if (writer->written % SERVE_INTERVAL == 0)
	{
		serve(writer);
		CHECK_FOR_INTERRUPTS();
	}

	for (;;)
	{
		bool		alone = writer->acknowledged == writer->written;

		err = produce(writer, message);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		if (alone)
		{
			err = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
			break;
		}
		serve(writer);
		if (writer->acknowledged < writer->written)
			connection_wait(&writer->connection, 100);
	}
	if (err)
		raise_failure(writer, err);
	writer->written++;
}

void
stream_writer_flush(StreamWriter *writer)
{
	for (;;)
	{
		serve(writer);
		if (writer->acknowledged == writer->written)
			return;
		connection_wait(&writer->connection, 1000);
	}
}
