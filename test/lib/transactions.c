/*
 * transactions BROKER TOPIC STEP ...: a transactional producer.
 *
 * Steps: begin, commit, abort, or FIRST-LAST, which writes {"n": FIRST} to {"n": LAST}
 * to the partitions in turn and waits until they are in the log; exit goes
 * without ending the transaction.  At the end all that was committed or aborted
 * is known to be so in the partitions, too: the coordinator answers before.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static rd_kafka_t *producer;

static void
check(rd_kafka_error_t *error)
{
	if (error == NULL)
		return;
	fprintf(stderr, "transactions: %s\n", rd_kafka_error_string(error));
	exit(1);
}

/*
 * A producer for the transactional id; waits until what an earlier one has left is ended in
 * all partitions.  A transaction that is left open stays so for a quarter of an hour,
 * the most that brokers allow.
 */
static int
open_producer(const char *broker, const char *id)
{
	char		error[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	if (rd_kafka_conf_set(conf, "bootstrap.servers", broker, error, sizeof(error)) ||
		rd_kafka_conf_set(conf, "transactional.id", id, error, sizeof(error)) ||
		rd_kafka_conf_set(conf, "transaction.timeout.ms", "900000", error, sizeof(error)) ||
		(producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error))) == NULL)
		return 2;
	check(rd_kafka_init_transactions(producer, 180000));
	return 0;
}

static void
write_range(const char *topic, int first, int last, int npartitions)
{
	for (int n = first; n <= last; n++)
	{
		char		value[40];
		rd_kafka_resp_err_t err;

		snprintf(value, sizeof(value), "{\"n\": %d}", n);
		err = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
								RD_KAFKA_V_PARTITION(n % npartitions),
								RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
								RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_END);
		if (err)
		{
			fprintf(stderr, "transactions: %s\n", rd_kafka_err2str(err));
			exit(1);
		}
	}
	if (rd_kafka_flush(producer, 180000))
		exit(1);
}

int
main(int argc, char **argv)
{
	if (argc < 4 || open_producer(argv[1], argv[2]) != 0)
		return 2;

	for (int i = 3; i < argc; i++)
	{
		int			first;
		int			last;

		if (strcmp(argv[i], "begin") == 0)
			check(rd_kafka_begin_transaction(producer));
		else if (strcmp(argv[i], "commit") == 0)
			check(rd_kafka_commit_transaction(producer, 180000));
		else if (strcmp(argv[i], "abort") == 0)
			check(rd_kafka_abort_transaction(producer, 180000));
		else if (strcmp(argv[i], "exit") == 0)
			_exit(0);
		else if (sscanf(argv[i], "%d-%d", &first, &last) == 2)
			write_range(argv[2], first, last, 2);
		else
			return 2;
	}
	rd_kafka_destroy(producer);
	if (open_producer(argv[1], argv[2]) != 0)
		return 2;
	rd_kafka_destroy(producer);
	return 0;
}
