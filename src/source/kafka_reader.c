/*-------------------------------------------------------------------------
 *
 * kafka_reader.c
 *	  The Kafka kind of StreamReader.
 *
 * librdkafka's threads fetch ahead into its consumer queue; we take what is
 * there, a chunk of messages at a time, copy each once into the memory of the
 * batch and give librdkafka's copy back at once.  So what a batch holds is
 * bounded by the batch, and what is read ahead by queued.min.messages and
 * queued.max.messages.kbytes, which come from the reader's share of memory.
 *
 * Where we stand is ours to know: partitions are assigned by us, at our
 * offsets, and nothing is ever reset by itself.  The log has holes (messages
 * that were compacted away or rolled back, and the markers of transactions),
 * so a partition's position is one past the last message, or, when librdkafka
 * reports the end of a partition, the offset it has reached.  With
 * isolation.level = read_committed that end is the last stable offset.
 *
 * Two queues: the consumer's, with messages and what happens to partitions;
 * and the main one, with log lines, errors of connections and acknowledged
 * commits, as events (kafka_link.c).
 *
 * The one error is a position that the log does not have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "source/kafka.h"
#include "source/message.h"
#include "source/reader.h"

/* Messages that are taken from librdkafka in one call. */
#define CHUNK_SIZE			1024

/*
 * librdkafka counts neither its bookkeeping for a message that is queued nor
 * malloc's: about so many bytes.
 */
#define QUEUED_OVERHEAD		400

/*
 * What one fetch brings comes on top of what is queued, and it may be much more
 * than its bytes: small messages, compressed, take 4 bytes each in the log.  A
 * fetch grows by no more than this, nearly always.  (The broker gives at least one
 * batch of its producer's, however small the fetch.)
 */
#define FETCH_EXPANSION		128

typedef struct KafkaPartition
{
	StreamPosition position;
	int			last_index;		/* in the batch being read; -1: none */
	bool		started;		/* messages of this assignment have come */
	bool		lost;			/* position is not in the log */
} KafkaPartition;

typedef struct KafkaReader
{
	StreamReader reader;		/* must be first */
	KafkaLink	link;
	rd_kafka_queue_t *messages; /* the consumer queue */

	MemoryContext assignment;	/* holds the next three */
	KafkaPartition *partitions;
	int			npartitions;
	int		   *index_of;		/* by partition number: index, or -1 */
	int			index_size;
	char	   *lost_reason;

	/* librdkafka's, one of each partition; closing needs the array */
	rd_kafka_queue_t **queues;
	int			nqueues;

	/* what was taken from librdkafka and not copied yet */
	rd_kafka_message_t *chunk[CHUNK_SIZE];
	int			chunk_next;
	int			chunk_count;

	/* depth of the queue, and what was taken since the last nudge() */
	int64		queue_messages;
	int64		queue_bytes;
	int64		taken_messages;
	int64		taken_bytes;

	/* of the consumer group, which only those who report offsets need */
	bool		group_used;
	bool		group_denied;
	bool		group_warned;
} KafkaReader;

static void take_link_error(KafkaLink *link, rd_kafka_resp_err_t err, const char *detail);

/* --------------------------------------------------------- open and close */

static StreamReader *
kafka_reader_open(const Stream *stream, Oid userid, Size memory)
{
	KafkaReader *kafka = palloc0(sizeof(KafkaReader));
	Size		fetch_bytes = Min(Max(memory / FETCH_EXPANSION, 32 * 1024), 1024 * 1024);
	int64		queue_bytes = Min(Max(memory / 2, 1024), INT64CONST(2097151) * 1024);
	int64		queue_messages = Min(Max(memory / 2 / QUEUED_OVERHEAD, 1), 1000000);
	uint64		one = 1;

	/* Half of the memory is for payloads, half for librdkafka's bookkeeping. */
	KafkaProperty properties[] = {
		{"group.id", stream->group_id},

		/*
		 * The group has no members: this only is how long a report of offsets
		 * waits for the group's coordinator, and so long an assignment waits
		 * for the report.
		 */
		{"session.timeout.ms", "1000"},
		{"heartbeat.interval.ms", "300"},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},
		{"isolation.level", "read_committed"},
		{"enable.partition.eof", "true"},
		{"allow.auto.create.topics", "false"},
		{"topic.metadata.propagation.max.ms", "1000"},
		{"log.queue", "true"},
		{"log_level", "4"},
		{"queued.max.messages.kbytes", psprintf(INT64_FORMAT, queue_bytes / 1024)},
		{"queued.min.messages", psprintf(INT64_FORMAT, queue_messages)},
		{"fetch.max.bytes", psprintf("%zu", fetch_bytes)},
		{"fetch.message.max.bytes", psprintf("%zu", fetch_bytes / 2)},

		/* Of no meaning to a consumer, but fetch.max.bytes may not be less. */
		{"message.max.bytes", "1000"},
	};

	kafka->link.topic = pstrdup(stream->topic);
	kafka->link.connection = &kafka->reader.connection;
	kafka->link.verb = "read";
	kafka->link.take_error = take_link_error;
	kafka->queue_messages = queue_messages;
	kafka->queue_bytes = queue_bytes;
	kafka->assignment = AllocSetContextCreate(CurrentMemoryContext, "pg_kappa assignment",
											  ALLOCSET_SMALL_SIZES);
	kafka->queues = palloc(sizeof(rd_kafka_queue_t *));
	reader_register(&kafka->reader, &kafka_log);

	kafka_link_open(&kafka->link, stream, userid, KAFKA_CONSUMER,
					properties, lengthof(properties));
	kafka->messages = rd_kafka_queue_get_consumer(kafka->link.handle);
	rd_kafka_queue_io_event_enable(kafka->messages, kafka->reader.connection.event_fd, &one, sizeof(one));

	return &kafka->reader;
}

static void
drop_chunk(KafkaReader *kafka)
{
	while (kafka->chunk_next < kafka->chunk_count)
		rd_kafka_message_destroy(kafka->chunk[kafka->chunk_next++]);
}

/*
 * Waits until partitions that were taken away have stopped, which is a matter of
 * librdkafka's main thread alone.  The thread takes its tasks in their order: at
 * the first answer it has dealt with the orders to stop, at the second with what
 * they reported.
 */
static void
await_stop(KafkaReader *kafka)
{
	for (int i = 0; i < 2; i++)
	{
		rd_kafka_topic_partition_list_t *assigned;

		if (rd_kafka_assignment(kafka->link.handle, &assigned) == RD_KAFKA_RESP_ERR_NO_ERROR)
			rd_kafka_topic_partition_list_destroy(assigned);
	}
}

/*
 * Takes the partitions of the assignment away, and leaves nothing of them.
 *
 * To take one away a second time before it has stopped (by another assignment, or
 * by closing) aborts the process (librdkafka issue 5573, in every version up to
 * 2.15.0).  And in the queue of a partition that has stopped lies a mark, which
 * holds the partition; if its topic was deleted, librdkafka before 2.6.1 knows of
 * the partition by that mark only, and waits for its end forever when the handle
 * is to be destroyed (issues 4362 and 4674 there).  So these queues are emptied,
 * while nothing comes into them.  Raises no error: it is for closing, too.
 */
static void
drop_assignment(KafkaReader *kafka)
{
	drop_chunk(kafka);
	if (kafka->nqueues > 0)
	{
		(void) rd_kafka_assign(kafka->link.handle, NULL);
		await_stop(kafka);
	}
	while (kafka->nqueues > 0)
	{
		rd_kafka_queue_t *queue = kafka->queues[--kafka->nqueues];

		do
		{
			kafka->chunk_next = 0;
			kafka->chunk_count = Max(rd_kafka_consume_batch_queue(queue, 0, kafka->chunk, CHUNK_SIZE), 0);
			drop_chunk(kafka);
		} while (kafka->chunk_count > 0);
		rd_kafka_queue_destroy(queue);
	}
}

static void
kafka_reader_close(StreamReader *reader)
{
	KafkaReader *kafka = (KafkaReader *) reader;

	drop_assignment(kafka);
	if (kafka->messages)
	{
		rd_kafka_queue_io_event_enable(kafka->messages, -1, NULL, 0);
		rd_kafka_queue_destroy(kafka->messages);
	}
	kafka_link_close(&kafka->link);
}

/* ------------------------------------------------------------------ state */

/*
 * That the broker denies access to the group is of no consequence to reading.
 * Who reports offsets is told once; it may be known before the first report.
 */
static void
warn_of_group(KafkaReader *kafka)
{
	if (!kafka->group_used || !kafka->group_denied || kafka->group_warned)
		return;
	kafka->group_warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("offsets of Kafka topic \"%s\" cannot be reported to its consumer group",
					kafka->link.topic),
			 errdetail("The broker denies access to the group."),
			 errhint("Only Kafka's own tools look at these offsets; continuous views do not need them.")));
}

/* An error that came without a topic: of a connection, or of the group. */
static void
take_link_error(KafkaLink *link, rd_kafka_resp_err_t err, const char *detail)
{
	KafkaReader *kafka = (KafkaReader *) ((char *) link - offsetof(KafkaReader, link));

	switch (err)
	{
		case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
			kafka->group_denied = true;
			warn_of_group(kafka);
			break;
		case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
		case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
			elog(DEBUG1, "Kafka: %s", detail);
			break;
		default:
			kafka_link_note_trouble(link, err, detail);
	}
}

/* Are there messages to come? */
static bool
is_expecting(KafkaReader *kafka)
{
	for (int i = 0; i < kafka->npartitions; i++)
	{
		if (!kafka->partitions[i].position.at_end)
			return true;
	}
	return false;
}

static StreamReaderState
kafka_reader_state(StreamReader *reader, bool probe)
{
	KafkaReader *kafka = (KafkaReader *) reader;
	StreamReaderState state;

	kafka_link_serve(&kafka->link);
	if (probe)
		kafka_link_probe(&kafka->link, is_expecting(kafka));

	state.ok = kafka->link.ok;
	state.unexplained = !state.ok && kafka->link.vague &&
		(kafka->link.error == RD_KAFKA_RESP_ERR__TIMED_OUT ||
		 kafka->link.error == RD_KAFKA_RESP_ERR__TRANSPORT);
	state.sqlerrcode = state.ok ? 0 : kafka->link.sqlerrcode;
	state.message = state.ok ? NULL : kafka->link.message;
	state.rtt_ms = kafka->link.rtt_ms;
	state.troubles = kafka->link.troubles;
	state.report_lost = kafka->link.report_lost && !kafka->group_denied;
	state.queued_messages = rd_kafka_queue_length(kafka->messages) +
		kafka->chunk_count - kafka->chunk_next;
	return state;
}

/* -------------------------------------------------- questions to the broker */

static int
kafka_reader_partitions(StreamReader *reader, int timeout_ms)
{
	return kafka_link_partitions(&((KafkaReader *) reader)->link, timeout_ms);
}

/* One question for offsets: offsets[i] is the answer where there was no error. */
static rd_kafka_resp_err_t
ask_offsets(KafkaReader *kafka, int n, int64 *offsets, int slice_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	instr_time	start;
	rd_kafka_resp_err_t err;

	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, kafka->link.topic, i)->offset = offsets[i];
	INSTR_TIME_SET_CURRENT(start);
	err = rd_kafka_offsets_for_times(kafka->link.handle, list, slice_ms);
	if (!err)
		kafka_link_note_round_trip(&kafka->link, start);
	for (int i = 0; i < n && !err; i++)
		err = list->elems[i].err;
	for (int i = 0; i < n && !err; i++)
	{
		int64		offset = list->elems[i].offset;

		offsets[list->elems[i].partition] = offset < 0 ? LOG_END : offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return err;
}

static bool
kafka_reader_lookup(StreamReader *reader, int n, int64 *offsets, int timeout_ms)
{
	KafkaReader *kafka = (KafkaReader *) reader;
	KafkaPatience patience;
	rd_kafka_resp_err_t err;

	kafka_patience_start(&patience, timeout_ms);
	do
	{
		err = ask_offsets(kafka, n, offsets, patience.slice_ms);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			kafka_link_note_success(&kafka->link);
			return true;
		}
	} while (kafka_link_try_again(&kafka->link, &patience, err));

	return false;
}

static bool
kafka_reader_is_compacted(StreamReader *reader, int timeout_ms)
{
	char	   *policy = kafka_link_topic_setting(&((KafkaReader *) reader)->link,
												  "cleanup.policy", timeout_ms);

	return policy != NULL && strstr(policy, "compact") != NULL;
}

/* ---------------------------------------------------------------- reading */

static void
kafka_reader_assign(StreamReader *reader, const StreamPosition *positions, int n)
{
	KafkaReader *kafka = (KafkaReader *) reader;
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t err;
	MemoryContext oldcontext;

	drop_assignment(kafka);
	kafka->npartitions = 0;
	kafka->index_size = 0;
	kafka->lost_reason = NULL;
	MemoryContextReset(kafka->assignment);

	oldcontext = MemoryContextSwitchTo(kafka->assignment);
	for (int i = 0; i < n; i++)
		kafka->index_size = Max(kafka->index_size, positions[i].partition + 1);
	kafka->index_of = palloc((kafka->index_size + 1) * sizeof(int));
	for (int i = 0; i < kafka->index_size; i++)
		kafka->index_of[i] = -1;
	kafka->partitions = palloc0((n + 1) * sizeof(KafkaPartition));
	MemoryContextSwitchTo(oldcontext);
	kafka->queues = repalloc(kafka->queues, (n + 1) * sizeof(rd_kafka_queue_t *));

	list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
	{
		kafka->partitions[i].position = positions[i];
		kafka->partitions[i].position.at_end = false;
		kafka->index_of[positions[i].partition] = i;
		rd_kafka_topic_partition_list_add(list, kafka->link.topic, positions[i].partition)->offset =
			positions[i].next_offset;
	}
	kafka->npartitions = n;

	/* Nothing of an earlier assignment comes after this. */
	err = rd_kafka_assign(kafka->link.handle, n > 0 ? list : NULL);
	rd_kafka_topic_partition_list_destroy(list);
	for (int i = 0; i < n && !err; i++)
	{
		rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(kafka->link.handle, kafka->link.topic,
															   positions[i].partition);

		if (queue)
			kafka->queues[kafka->nqueues++] = queue;
	}
	if (err)
		ereport(ERROR,
				(errcode(kafka_sqlstate(err)),
				 errmsg("could not assign partitions of Kafka topic \"%s\": %s",
						kafka->link.topic, rd_kafka_err2str(err))));
}

/* The partition of a message or of its error; NULL if it is none of ours. */
static KafkaPartition *
find_partition(KafkaReader *kafka, int32 partition)
{
	if (partition < 0 || partition >= kafka->index_size ||
		kafka->index_of[partition] < 0)
		return NULL;
	return &kafka->partitions[kafka->index_of[partition]];
}

/* What librdkafka has to say about a partition in place of a message. */
static void
take_error(KafkaReader *kafka, const rd_kafka_message_t *message)
{
	KafkaPartition *partition = NULL;

	/* An error that is about no topic has none. */
	if (message->rkt)
		partition = find_partition(kafka, message->partition);
	if (partition == NULL)
	{
		take_link_error(&kafka->link, message->err, rd_kafka_message_errstr(message));
		return;
	}

	switch (message->err)
	{
		case RD_KAFKA_RESP_ERR__PARTITION_EOF:
			if (message->offset >= partition->position.next_offset)
				partition->position.next_offset = message->offset;
			partition->position.end_offset = partition->position.next_offset;
			partition->position.at_end = true;
			kafka_link_note_success(&kafka->link);
			break;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
			partition->lost = true;
			if (kafka->lost_reason == NULL)
			{
				kafka->lost_reason =
					MemoryContextStrdup(kafka->assignment, rd_kafka_message_errstr(message));
				kafka_clean_text(kafka->lost_reason);
			}
			break;
		default:
			kafka_link_note_trouble(&kafka->link, message->err, rd_kafka_message_errstr(message));
	}
}

/* Copies a message into the batch; false if it does not fit any more. */
static bool
take_message(KafkaReader *kafka, const rd_kafka_message_t *message,
			 MessageBatch *batch, Size max_memory)
{
	KafkaPartition *partition = find_partition(kafka, message->partition);

	if (partition == NULL || message->offset < partition->position.next_offset)
		return true;
	if (!kafka_message_copy(message, kafka->reader.headers, batch, max_memory))
		return false;

	partition->position.next_offset = message->offset + 1;
	partition->position.at_end = false;
	partition->started = true;
	partition->last_index = batch->count - 1;
	kafka->taken_bytes += message->len + message->key_len;
	return true;
}

/*
 * Wakes the threads that fetch.  librdkafka up to 2.1 stops fetching when its
 * queue is full and looks at it again a second later, unless it has something
 * else to do; so give it something: any request to the partitions' leaders.
 * Without this a queue of n messages means n messages a second.
 */
static void
nudge(KafkaReader *kafka)
{
	rd_kafka_topic_partition_list_t *list;

	list = rd_kafka_topic_partition_list_new(kafka->npartitions);
	for (int i = 0; i < kafka->npartitions; i++)
		rd_kafka_topic_partition_list_add(list, kafka->link.topic,
										  kafka->partitions[i].position.partition)->offset = LOG_END;
	/* Nobody waits for the answer. */
	(void) rd_kafka_offsets_for_times(kafka->link.handle, list, 1);
	rd_kafka_topic_partition_list_destroy(list);

	kafka->taken_messages = 0;
	kafka->taken_bytes = 0;
}

/* Takes more messages from librdkafka; false if there are none now. */
static bool
fill_chunk(KafkaReader *kafka, int wanted)
{
	ssize_t		count;

	CHECK_FOR_INTERRUPTS();
	if (kafka->taken_messages > kafka->queue_messages / 4 ||
		kafka->taken_bytes > kafka->queue_bytes / 4)
		nudge(kafka);
	kafka->chunk_next = kafka->chunk_count = 0;
	count = rd_kafka_consume_batch_queue(kafka->messages, 0, kafka->chunk,
										 Min(wanted, CHUNK_SIZE));
	kafka->chunk_count = Max(count, 0);
	kafka->taken_messages += kafka->chunk_count;
	return count > 0;
}

/*
 * Passes over what lies between the last message and librdkafka's position:
 * the marker of a transaction, say.  That position counts whatever was taken
 * from the queue, so it is ours only when the chunk has been used up; and it
 * is one of this assignment only when a message of it has come.  Newer versions
 * of librdkafka take the report of an end for a message and are then one too
 * far; but an end that was reported needs no correction.
 */
static void
pass_over_gaps(KafkaReader *kafka)
{
	rd_kafka_topic_partition_list_t *list;

	if (kafka->chunk_next < kafka->chunk_count)
		return;

	list = rd_kafka_topic_partition_list_new(kafka->npartitions);
	for (int i = 0; i < kafka->npartitions; i++)
		rd_kafka_topic_partition_list_add(list, kafka->link.topic,
										  kafka->partitions[i].position.partition);
	if (rd_kafka_position(kafka->link.handle, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		for (int i = 0; i < kafka->npartitions; i++)
		{
			KafkaPartition *partition = &kafka->partitions[i];

			if (partition->started && !partition->position.at_end &&
				!list->elems[i].err)
				partition->position.next_offset = Max(partition->position.next_offset,
													  list->elems[i].offset);
		}
	}
	rd_kafka_topic_partition_list_destroy(list);
}

/*
 * Where the log ends: what librdkafka has heard last.  Between two ends of the
 * partition that is how far the broker has got, which may be more than what
 * is stable.
 */
static void
update_end(KafkaReader *kafka, StreamPosition *position)
{
	int64		low;
	int64		high;

	if (position->at_end)
		return;
	if (rd_kafka_get_watermark_offsets(kafka->link.handle, kafka->link.topic, position->partition,
									   &low, &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
		high > position->end_offset)
		position->end_offset = high;
	if (position->end_offset >= 0 && position->next_offset >= position->end_offset)
	{
		position->end_offset = position->next_offset;
		position->at_end = true;
	}
}

/* Brings the positions up to date and gives them to the batch. */
static void
finish_read(KafkaReader *kafka, MessageBatch *batch)
{
	StreamPosition *result = message_batch_positions(batch, kafka->npartitions);

	pass_over_gaps(kafka);
	for (int i = 0; i < kafka->npartitions; i++)
	{
		KafkaPartition *partition = &kafka->partitions[i];

		if (partition->last_index >= 0)
			message_identify(&batch->messages[partition->last_index], &partition->position);
		update_end(kafka, &partition->position);
		result[i] = partition->position;
	}
}

static void
check_lost(KafkaReader *kafka)
{
	for (int i = 0; i < kafka->npartitions; i++)
	{
		StreamPosition *position = &kafka->partitions[i].position;

		if (kafka->partitions[i].lost)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("offset %lld of Kafka topic \"%s\", partition %d, is not in the log",
							(long long) position->next_offset, kafka->link.topic,
							position->partition),
					 errdetail("The broker says: %s", kafka->lost_reason),
					 errhint("The topic was truncated, deleted or created anew, or its retention has removed the message.")));
	}
}

static int
kafka_reader_read(StreamReader *reader, MessageBatch *batch,
				  int max_messages, Size max_memory)
{
	KafkaReader *kafka = (KafkaReader *) reader;
	int			before = batch->count;

	/*
	 * What came before a gap was handed out by the last call.  Other
	 * partitions must not hide it, however busy they are.
	 */
	check_lost(kafka);

	kafka_link_serve(&kafka->link);
	for (int i = 0; i < kafka->npartitions; i++)
		kafka->partitions[i].last_index = -1;

	while (batch->count < max_messages)
	{
		rd_kafka_message_t *message;

		if (kafka->chunk_next == kafka->chunk_count &&
			!fill_chunk(kafka, max_messages - batch->count))
			break;

		message = kafka->chunk[kafka->chunk_next];
		if (message->err)
			take_error(kafka, message);
		else if (!take_message(kafka, message, batch, max_memory))
			break;
		kafka->chunk_next++;
		rd_kafka_message_destroy(message);
	}

	if (batch->count > before)
		kafka_link_note_success(&kafka->link);
	finish_read(kafka, batch);

	/* What came before the gap is good, and handed out first. */
	if (batch->count == before)
		check_lost(kafka);
	return batch->count - before;
}

static bool
kafka_reader_pending(StreamReader *reader)
{
	KafkaReader *kafka = (KafkaReader *) reader;

	return kafka->chunk_next < kafka->chunk_count ||
		rd_kafka_queue_length(kafka->messages) > 0;
}

static void
kafka_reader_report_offsets(StreamReader *reader, const StreamPosition *positions, int n)
{
	KafkaReader *kafka = (KafkaReader *) reader;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	rd_kafka_resp_err_t err;

	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, kafka->link.topic, positions[i].partition)->offset =
			positions[i].next_offset;
	/* The answer comes as an event. */
	kafka->link.report_lost = false;
	err = rd_kafka_commit_queue(kafka->link.handle, list, kafka->link.events, NULL, NULL);
	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		elog(DEBUG1, "Kafka: could not report offsets: %s", rd_kafka_err2str(err));
	kafka->group_used = true;
	warn_of_group(kafka);
}

const LogMethods kafka_log = {
	.open = kafka_reader_open,
	.close = kafka_reader_close,
	.state = kafka_reader_state,
	.partitions = kafka_reader_partitions,
	.lookup = kafka_reader_lookup,
	.is_compacted = kafka_reader_is_compacted,
	.assign = kafka_reader_assign,
	.read = kafka_reader_read,
	.pending = kafka_reader_pending,
	.report_offsets = kafka_reader_report_offsets
};
