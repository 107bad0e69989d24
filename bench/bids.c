/*-------------------------------------------------------------------------
 *
 * bids.c
 *	  Produces Nexmark-like bids to a Kafka topic, as fast as librdkafka takes
 *	  them.
 *
 * usage: bids [-n] [-c codec] [-s seed] [-m messages] broker topic
 *
 * Message i is a function of the seed and of i alone, so that every run with
 * the same arguments writes the same log, and so that the totals printed at
 * the end (messages, bytes, sum and highest of the prices) are an answer
 * computed outside PostgreSQL.  With -n the totals are computed, but nothing
 * is produced: this is also how fast the generator itself is.
 *
 * A bid is about 215 bytes of JSON:
 *
 *	{"auction":..,"bidder":..,"price":..,"channel":"..","url":"..",
 *	 "dateTime":"2025-01-01T00:00:00.000Z","extra":".."}
 *
 * 10,000 auctions, 100,000 bidders and 4 channels, all evenly distributed;
 * the logarithm of the price is evenly distributed from 100 to 100 million,
 * so half of the bids are below 100,000.  Event time starts at 2025-01-01 and
 * advances 10,000 events a second.  The message key is the auction, and the
 * partition is murmur2 of the key, as Java's clients choose it; it is looked
 * up once for each auction.  Messages are handed to librdkafka in batches by
 * partition, which takes its queue's lock once for many messages.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define AUCTIONS		10000
#define BIDDERS			100000
#define FIRST_ID		1000	/* of auctions and bidders, as in Nexmark */
#define EVENTS_PER_SEC	10000
#define FIRST_SECOND	1735689600	/* 2025-01-01 00:00:00 UTC */

#define PRICES			65536
#define EXTRA_POOL		(1 << 20)	/* far more than lz4's window of 64 kB */
#define EXTRA_MIN		25
#define EXTRA_SPAN		32

#define BATCH			500		/* messages handed over at a time */
#define MESSAGE_MAX		320		/* no message is longer */

typedef struct Auction
{
	char		digits[8];
	int			ndigits;
	int			partition;
	char		url[80];		/* with quotes and the name of the next field */
	int			urllen;
} Auction;

typedef struct PartitionBatch
{
	int			n;
	rd_kafka_message_t messages[BATCH];
	char		values[BATCH][MESSAGE_MAX];
} PartitionBatch;

typedef struct Totals
{
	uint64_t	messages;
	uint64_t	bytes;
	uint64_t	price_sum;
	uint64_t	price_max;
} Totals;

static const char *const channels[4] = {"Google", "Facebook", "Baidu", "Apple"};
static Auction auctions[AUCTIONS];
static uint32_t prices[PRICES];
static char extra_pool[EXTRA_POOL + 64];

static rd_kafka_t *producer;
static rd_kafka_topic_t *topic;
static int	npartitions = 1;
static PartitionBatch *batches;
static volatile bool delivery_failed;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bids: %s: %s\n", what, why);
	exit(1);
}

/* One step of the SplitMix64 generator (Steele, Lea, Flood 2014). */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void) rk;
	(void) opaque;
	if (message->err && !delivery_failed)
	{
		fprintf(stderr, "bids: delivery failed: %s\n",
				rd_kafka_err2str(message->err));
		delivery_failed = true;
	}
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		err[256];

	if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) != RD_KAFKA_CONF_OK)
		die(name, err);
}

/*
 * The number of partitions; asking for it creates the topic on a broker that
 * creates topics by itself, which takes it a moment.
 */
static int
count_partitions(void)
{
	for (int attempt = 0; attempt < 100; attempt++)
	{
		const struct rd_kafka_metadata *metadata;
		int			n = 0;

		if (rd_kafka_metadata(producer, 0, topic, &metadata, 10000) ==
			RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			if (metadata->topic_cnt == 1 && !metadata->topics[0].err)
				n = metadata->topics[0].partition_cnt;
			rd_kafka_metadata_destroy(metadata);
		}
		if (n > 0)
			return n;
		usleep(100 * 1000);
	}
	die(rd_kafka_topic_name(topic), "no partitions");
	return 0;
}

static void
connect_producer(const char *broker, const char *topic_name, const char *codec)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char		err[256];

	set(conf, "bootstrap.servers", broker);
	set(conf, "compression.codec", codec);
	set(conf, "enable.idempotence", "true");
	set(conf, "linger.ms", "50");
	set(conf, "batch.num.messages", "100000");
	set(conf, "batch.size", "1000000");
	set(conf, "queue.buffering.max.messages", "1000000");
	set(conf, "queue.buffering.max.kbytes", "262144");
	set(conf, "delivery.report.only.error", "true");
	set(conf, "log_level", "3");	/* an id that comes late is no news */
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);

	producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	if (producer == NULL)
		die("rd_kafka_new", err);
	topic = rd_kafka_topic_new(producer, topic_name, NULL);
	if (topic == NULL)
		die(topic_name, rd_kafka_err2str(rd_kafka_last_error()));
	npartitions = count_partitions();
}

/* Everything that would be costly to compute for each message. */
static void
prepare(uint64_t seed)
{
	for (int i = 0; i < EXTRA_POOL + 64; i++)
		extra_pool[i] = 'a' + mix(seed + i) % 26;

	for (int i = 0; i < PRICES; i++)
		prices[i] = (uint32_t) (100.0 * pow(10.0, 6.0 * i / PRICES));

	for (int i = 0; i < AUCTIONS; i++)
	{
		Auction    *a = &auctions[i];
		const char *path = extra_pool + mix(seed + i) % EXTRA_POOL;

		a->ndigits = snprintf(a->digits, sizeof(a->digits), "%d", FIRST_ID + i);
		a->urllen = snprintf(a->url, sizeof(a->url),
							 "\",\"url\":\"https://www.nexmark.com/%.5s/%.5s/item.htm?query=1",
							 path, path + 5);
		if (topic)
			a->partition = rd_kafka_msg_partitioner_murmur2(topic, a->digits, a->ndigits,
															npartitions, NULL, NULL);
	}

	batches = calloc(npartitions, sizeof(PartitionBatch));
	if (batches == NULL)
		die("calloc", strerror(errno));
}

static char *
put(char *p, const char *s, size_t len)
{
	memcpy(p, s, len);
	return p + len;
}

#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

static char *
put_number(char *p, uint32_t n)
{
	char		digits[10];
	int			i = sizeof(digits);

	do
	{
		digits[--i] = '0' + n % 10;
		n /= 10;
	} while (n > 0);
	return put(p, digits + i, sizeof(digits) - i);
}

/* The event time, as ISO 8601 with milliseconds; the seconds are kept. */
static char *
put_time(char *p, uint64_t i)
{
	static uint64_t last_second = UINT64_MAX;
	static char text[64];
	uint64_t	second = i / EVENTS_PER_SEC;
	unsigned	ms = i % EVENTS_PER_SEC / (EVENTS_PER_SEC / 1000);

	if (second != last_second)
	{
		time_t		t = FIRST_SECOND + second;
		struct tm	tm;

		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", &tm);
		last_second = second;
	}
	p = put(p, text, 20);
	*p++ = '0' + ms / 100;
	*p++ = '0' + ms / 10 % 10;
	*p++ = '0' + ms % 10;
	*p++ = 'Z';
	return p;
}

/* Writes message i to value, returns its length. */
static size_t
write_bid(char *value, uint64_t i, uint64_t random, const Auction *auction,
		  uint32_t price)
{
	char	   *p = value;
	const char *channel = channels[random >> 32 & 3];

	p = PUT(p, "{\"auction\":");
	p = put(p, auction->digits, auction->ndigits);
	p = PUT(p, ",\"bidder\":");
	p = put_number(p, FIRST_ID + mix(random) % BIDDERS);
	p = PUT(p, ",\"price\":");
	p = put_number(p, price);
	p = PUT(p, ",\"channel\":\"");
	p = put(p, channel, strlen(channel));
	p = put(p, auction->url, auction->urllen);
	p = PUT(p, "\",\"dateTime\":\"");
	p = put_time(p, i);
	p = PUT(p, "\",\"extra\":\"");
	p = put(p, extra_pool + (random >> 20) % EXTRA_POOL,
			EXTRA_MIN + (random >> 40) % EXTRA_SPAN);
	p = PUT(p, "\"}");
	return p - value;
}

/* Hands a partition's batch over, waiting while librdkafka's queue is full. */
static void
send_batch(int partition)
{
	PartitionBatch *b = &batches[partition];

	while (b->n > 0 && !delivery_failed)
	{
		int			left = 0;

		rd_kafka_produce_batch(topic, partition, RD_KAFKA_MSG_F_COPY, b->messages, b->n);
		for (int i = 0; i < b->n; i++)
		{
			rd_kafka_message_t *m = &b->messages[i];

			if (m->err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
				b->messages[left++] = *m;
			else if (m->err)
				die("produce", rd_kafka_err2str(m->err));
		}
		b->n = left;
		rd_kafka_poll(producer, left > 0 ? 5 : 0);
	}
}

static void
generate(uint64_t messages, uint64_t seed, Totals *totals)
{
	uint64_t	base = mix(seed);

	for (uint64_t i = 0; i < messages && !delivery_failed; i++)
	{
		uint64_t	random = mix(base + i);
		Auction    *auction = &auctions[(uint32_t) random % AUCTIONS];
		uint32_t	price = prices[random >> 48];
		PartitionBatch *b = &batches[auction->partition];
		rd_kafka_message_t *m = &b->messages[b->n];

		m->payload = b->values[b->n];
		m->len = write_bid(m->payload, i, random, auction, price);
		m->key = auction->digits;
		m->key_len = auction->ndigits;

		totals->messages++;
		totals->bytes += m->len;
		totals->price_sum += price;
		if (price > totals->price_max)
			totals->price_max = price;

		if (++b->n == BATCH)
		{
			if (producer)
				send_batch(auction->partition);
			else
				b->n = 0;
		}
	}
}

static void
finish_producing(void)
{
	for (int partition = 0; partition < npartitions; partition++)
		send_batch(partition);
	while (rd_kafka_outq_len(producer) > 0 && !delivery_failed)
		rd_kafka_flush(producer, 1000);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(producer);
}

int
main(int argc, char **argv)
{
	bool		dry_run = false;
	const char *codec = "none";
	uint64_t	seed = 1;
	uint64_t	messages = 10000000;
	Totals		totals = {0};
	struct timespec start,
				end;
	double		seconds;
	int			opt;

	while ((opt = getopt(argc, argv, "nc:s:m:")) != -1)
	{
		switch (opt)
		{
			case 'n':
				dry_run = true;
				break;
			case 'c':
				codec = optarg;
				break;
			case 's':
				seed = strtoull(optarg, NULL, 10);
				break;
			case 'm':
				messages = strtoull(optarg, NULL, 10);
				break;
			default:
				optind = argc + 1;
		}
	}
	if (argc - optind != (dry_run ? 0 : 2))
	{
		fprintf(stderr, "usage: bids [-n] [-c codec] [-s seed] [-m messages] broker topic\n");
		return 2;
	}

	if (!dry_run)
		connect_producer(argv[optind], argv[optind + 1], codec);
	prepare(seed);

	clock_gettime(CLOCK_MONOTONIC, &start);
	generate(messages, seed, &totals);
	if (producer)
		finish_producing();
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (delivery_failed)
		return 1;

	seconds = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
	printf("messages=%llu bytes=%llu price_sum=%llu price_max=%llu seconds=%.2f per_second=%.0f\n",
		   (unsigned long long) totals.messages, (unsigned long long) totals.bytes,
		   (unsigned long long) totals.price_sum, (unsigned long long) totals.price_max,
		   seconds, totals.messages / seconds);
	return 0;
}
