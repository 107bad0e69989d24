/*-------------------------------------------------------------------------
 *
 * machines.c
 *	  The vending machines of the demo: they report every sale to a Kafka topic.
 *
 * usage: machines [-b burst] [-m machines] [-r rate] [-s seconds] broker topic
 *
 * A sale is one JSON object, keyed by the machine:
 *
 *	{"machine":17,"place":{"city":"Oslo","country":"NO"},"item":"water",
 *	 "healthy":true,"price":1.20,"sold_at":"2025-01-01T12:00:00.123Z",
 *	 "customer":"c48213","payment":"card","latency_ms":38}
 *
 * The rate rises and falls: a wave with a period of 20 seconds between a tenth
 * of -r and -r messages a second.  After each third of the run a region that
 * was offline comes back, and its machines send a burst of -b sales as fast as
 * the broker takes them: that is where lag can be seen to build up and drain.
 * Without -s it runs until it is stopped, with a burst every minute.
 *
 * Once a second a line is written to standard output: the seconds since the
 * start, the messages that the broker has acknowledged so far, and how many a
 * second since the line before.  The last line is written when there are no
 * others left.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define WAVE_SECONDS	20
#define BURST_SECONDS	60		/* between bursts, when there is no end */
#define TICKS_PER_SEC	50

typedef struct Item
{
	const char *name;
	bool		healthy;
	int			cents;
	int			weight;			/* how often it is bought, out of 100 */
} Item;

typedef struct City
{
	const char *name;
	const char *country;
} City;

static const Item items[] = {
	{"water", true, 120, 24},
	{"apple", true, 90, 11},
	{"nuts", true, 220, 9},
	{"salad", true, 480, 5},
	{"coffee", false, 180, 22},
	{"crisps", false, 160, 10},
	{"chocolate", false, 150, 12},
	{"cola", false, 190, 7},
};

static const City cities[] = {
	{"Oslo", "NO"}, {"Lisbon", "PT"}, {"Nairobi", "KE"}, {"Osaka", "JP"},
	{"Lima", "PE"}, {"Toronto", "CA"}, {"Pune", "IN"},
};

#define NCITIES ((int) (sizeof(cities) / sizeof(cities[0])))

static rd_kafka_t *producer;
static rd_kafka_topic_t *topic;
static int	nmachines = 200;
static uint64_t produced;
static volatile sig_atomic_t stopping;
static volatile bool delivery_failed;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "machines: %s: %s\n", what, why);
	exit(1);
}

static void
stop(int signo)
{
	(void) signo;
	stopping = 1;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		err[256];

	if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) != RD_KAFKA_CONF_OK)
		die(name, err);
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void) rk;
	(void) opaque;
	if (message->err && !delivery_failed)
	{
		fprintf(stderr, "machines: delivery failed: %s\n",
				rd_kafka_err2str(message->err));
		delivery_failed = true;
	}
}

static void
connect_producer(const char *broker, const char *topic_name)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char		err[256];

	set(conf, "bootstrap.servers", broker);
	set(conf, "enable.idempotence", "true");
	set(conf, "compression.codec", "lz4");
	set(conf, "linger.ms", "5");
	set(conf, "batch.num.messages", "100000");
	set(conf, "queue.buffering.max.messages", "1000000");
	set(conf, "partitioner", "murmur2_random");
	set(conf, "delivery.report.only.error", "true");
	set(conf, "log_level", "3");	/* an id that comes late is no news */
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);

	producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	if (producer == NULL)
		die("rd_kafka_new", err);
	topic = rd_kafka_topic_new(producer, topic_name, NULL);
	if (topic == NULL)
		die(topic_name, rd_kafka_err2str(rd_kafka_last_error()));
}

/* xorshift64 (Marsaglia 2003): other numbers in each run would be no better. */
static uint32_t
random_below(uint32_t n)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t) (x >> 32) % n;
}

static const Item *
choose_item(void)
{
	int			n = random_below(100);
	const Item *item = items;

	while (n >= item->weight)
		n -= (item++)->weight;
	return item;
}

/* Some machines stand in better places than others. */
static int
choose_machine(void)
{
	uint32_t	a = random_below(nmachines);
	uint32_t	b = random_below(nmachines);

	return 1 + (a < b ? a : b);
}

/* The current time as ISO 8601 with milliseconds. */
static const char *
timestamp(void)
{
	static char text[64];
	static time_t last = -1;
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (t.tv_sec != last)
	{
		struct tm	tm;

		gmtime_r(&t.tv_sec, &tm);
		strftime(text, 24, "%Y-%m-%dT%H:%M:%S.", &tm);
		last = t.tv_sec;
	}
	snprintf(text + 20, 8, "%03dZ", (int) (t.tv_nsec / 1000000));
	return text;
}

static void
sell(void)
{
	int			machine = choose_machine();
	const City *city = &cities[machine % NCITIES];
	const Item *item = choose_item();
	char		key[16];
	char		value[320];
	int			keylen = snprintf(key, sizeof(key), "%d", machine);
	int			len = snprintf(value, sizeof(value),
							   "{\"machine\":%d,\"place\":{\"city\":\"%s\",\"country\":\"%s\"},"
							   "\"item\":\"%s\",\"healthy\":%s,\"price\":%d.%02d,"
							   "\"sold_at\":\"%s\",\"customer\":\"c%u\",\"payment\":\"%s\","
							   "\"latency_ms\":%u}",
							   machine, city->name, city->country, item->name,
							   item->healthy ? "true" : "false",
							   item->cents / 100, item->cents % 100, timestamp(),
							   random_below(50000), random_below(10) < 7 ? "card" : "cash",
							   20 + random_below(40) + random_below(40));

	while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
							value, len, key, keylen, NULL) == -1)
	{
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce", rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(producer, 5);
	}
	produced++;
}

/* How many messages a second, at this many seconds from the start. */
static double
rate_at(double at, double highest)
{
	double		wave = (1 - cos(2 * M_PI * at / WAVE_SECONDS)) / 2;

	return highest * (0.1 + 0.9 * wave);
}

/* Once a second: how far we are, by what the broker has acknowledged. */
static void
report(double at)
{
	static double last_at;
	static uint64_t last_acknowledged;
	uint64_t	acknowledged;

	if (at - last_at < 1)
		return;
	acknowledged = produced - rd_kafka_outq_len(producer);
	printf("%.0f %llu %.0f\n", at, (unsigned long long) acknowledged,
		   (acknowledged - last_acknowledged) / (at - last_at));
	fflush(stdout);
	last_at = at;
	last_acknowledged = acknowledged;
}

static void
run(double seconds, double rate, uint64_t burst)
{
	double		start = now();
	double		last = 0;
	double		due = 0;		/* messages that the wave still owes */
	double		every = seconds > 0 ? seconds / 3 : BURST_SECONDS;
	double		next_burst = every;

	while (!stopping && !delivery_failed)
	{
		double		at = now() - start;

		if (seconds > 0 && at >= seconds)
			break;
		due += rate_at(at, rate) * (at - last);
		last = at;
		for (; due >= 1; due--)
			sell();

		if (at >= next_burst && (seconds <= 0 || next_burst < seconds * 0.9))
		{
			for (uint64_t i = 0; i < burst && !stopping; i++)
			{
				sell();
				if (i % 1000 == 0)
					report(now() - start);
			}
			next_burst += every;
			last = now() - start;
		}
		report(now() - start);
		rd_kafka_poll(producer, 1000 / TICKS_PER_SEC);
		usleep(1000);
	}

	while (rd_kafka_outq_len(producer) > 0 && !delivery_failed)
	{
		rd_kafka_flush(producer, 200);
		report(now() - start);
	}
	printf("%.0f %llu 0\n", now() - start, (unsigned long long) produced);
}

int
main(int argc, char **argv)
{
	double		seconds = 0;
	double		rate = 20000;
	uint64_t	burst = 1000000;
	int			opt;

	while ((opt = getopt(argc, argv, "b:m:r:s:")) != -1)
	{
		switch (opt)
		{
			case 'b':
				burst = strtoull(optarg, NULL, 10);
				break;
			case 'm':
				nmachines = atoi(optarg);
				break;
			case 'r':
				rate = atof(optarg);
				break;
			case 's':
				seconds = atof(optarg);
				break;
			default:
				optind = argc + 1;
		}
	}
	if (argc - optind != 2 || nmachines < 1)
	{
		fprintf(stderr, "usage: machines [-b burst] [-m machines] [-r rate] [-s seconds] broker topic\n");
		return 2;
	}

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	connect_producer(argv[optind], argv[optind + 1]);
	run(seconds, rate, burst);

	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(producer);
	return delivery_failed ? 1 : 0;
}
