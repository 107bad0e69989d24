/*-------------------------------------------------------------------------
 *
 * consume.c
 *	  Raw consumption of a topic by librdkafka's batch interface: what every
 *	  consumer in C has to pay before it does anything with the messages.
 *
 * usage: consume broker topic
 *
 * All partitions are assigned from their beginning and read up to the ends
 * they had at the start.  Messages and bytes are counted, payloads are not
 * looked at.  The clock and the CPU time (all threads of the process) run from
 * the assignment to the last message; connecting is left out.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#define BATCH	10000

typedef struct Counts
{
	uint64_t	messages;
	uint64_t	bytes;
} Counts;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "consume: %s: %s\n", what, why);
	exit(1);
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		err[256];

	if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) != RD_KAFKA_CONF_OK)
		die(name, err);
}

static rd_kafka_t *
connect_consumer(const char *broker)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *consumer;
	char		err[256];

	set(conf, "bootstrap.servers", broker);
	set(conf, "group.id", "bench_consume");
	set(conf, "enable.auto.commit", "false");
	set(conf, "queued.min.messages", "1000000");
	set(conf, "queued.max.messages.kbytes", "262144");

	consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
	if (consumer == NULL)
		die("rd_kafka_new", err);
	rd_kafka_poll_set_consumer(consumer);
	return consumer;
}

/*
 * All partitions of the topic, to be read from their beginning, and how many
 * messages they hold (bench topics have no gaps in their offsets).
 */
static rd_kafka_topic_partition_list_t *
list_partitions(rd_kafka_t *consumer, const char *topic_name, uint64_t *messages)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, topic_name, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t err;
	int			n;

	err = rd_kafka_metadata(consumer, 0, topic, &metadata, 10000);
	if (!err)
		err = metadata->topics[0].err;
	if (err)
		die(topic_name, rd_kafka_err2str(err));
	n = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(topic);

	*messages = 0;
	list = rd_kafka_topic_partition_list_new(n);
	for (int partition = 0; partition < n; partition++)
	{
		int64_t		low,
					high;

		err = rd_kafka_query_watermark_offsets(consumer, topic_name, partition,
											   &low, &high, 10000);
		if (err)
			die(topic_name, rd_kafka_err2str(err));
		*messages += high - low;
		rd_kafka_topic_partition_list_add(list, topic_name, partition)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	}
	return list;
}

static void
consume(rd_kafka_t *consumer, uint64_t messages, Counts *counts)
{
	static rd_kafka_message_t *batch[BATCH];
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);

	while (counts->messages < messages)
	{
		ssize_t		n = rd_kafka_consume_batch_queue(queue, 1000, batch, BATCH);

		if (n < 0)
			die("consume", rd_kafka_err2str(rd_kafka_last_error()));
		for (ssize_t i = 0; i < n; i++)
		{
			if (batch[i]->err)
				die("consume", rd_kafka_message_errstr(batch[i]));
			counts->messages++;
			counts->bytes += batch[i]->len;
			rd_kafka_message_destroy(batch[i]);
		}
	}
	rd_kafka_queue_destroy(queue);
}

static double
cpu_seconds(const struct rusage *r)
{
	return r->ru_utime.tv_sec + r->ru_stime.tv_sec +
		(r->ru_utime.tv_usec + r->ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	rd_kafka_t *consumer;
	rd_kafka_topic_partition_list_t *partitions;
	uint64_t	messages;
	Counts		counts = {0};
	struct timespec start,
				end;
	struct rusage before,
				after;
	double		seconds,
				cpu;

	if (argc != 3)
	{
		fprintf(stderr, "usage: consume broker topic\n");
		return 2;
	}
	consumer = connect_consumer(argv[1]);
	partitions = list_partitions(consumer, argv[2], &messages);

	clock_gettime(CLOCK_MONOTONIC, &start);
	getrusage(RUSAGE_SELF, &before);
	rd_kafka_assign(consumer, partitions);
	consume(consumer, messages, &counts);
	getrusage(RUSAGE_SELF, &after);
	clock_gettime(CLOCK_MONOTONIC, &end);

	seconds = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
	cpu = cpu_seconds(&after) - cpu_seconds(&before);
	printf("messages=%llu bytes=%llu seconds=%.3f cpu_seconds=%.3f per_second=%.0f per_cpu_second=%.0f peak_kb=%ld\n",
		   (unsigned long long) counts.messages, (unsigned long long) counts.bytes,
		   seconds, cpu, counts.messages / seconds, counts.messages / cpu,
		   after.ru_maxrss);

	rd_kafka_topic_partition_list_destroy(partitions);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
	return 0;
}
