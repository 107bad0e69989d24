/*-------------------------------------------------------------------------
 *
 * kafka_config.c
 *	  From options to a handle of librdkafka.
 *
 * Defaults of ours are set first, then the user's properties (options.c), then
 * those that pg_kappa must control.  librdkafka's memory is not PostgreSQL's:
 * between the creation of a configuration and its end nothing here may raise an
 * error, so all that reads catalogs comes before, and all that reports comes
 * after.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/kafka.h"

#define ERROR_SIZE 512

/*
 * Where librdkafka's own defaults do not suit.  A fetch that waits holds up the
 * partitions that were assigned after it was sent; a broker that is back should
 * be found soon; and a message that the broker has taken must not be too large to
 * be read.
 */
static const KafkaProperty defaults[] = {
	{"client.id", "pg_kappa"},
	{"reconnect.backoff.max.ms", "2000"},
};
static const KafkaProperty consumer_defaults[] = {
	{"fetch.wait.max.ms", "100"},
	{"receive.message.max.bytes", "1100000000"},
};

/*
 * A statement must not wait for minutes for a broker that went away.  The limit
 * of a message's size is the topic's affair; ours is that of the queue.
 */
static const KafkaProperty producer_defaults[] = {
	{"message.timeout.ms", "30000"},
	{"message.max.bytes", "64000000"},
};

/*
 * librdkafka 2.4.0 to 2.8.0 corrupts its memory when a topic that is in its cache
 * turns out to be deleted, or another one of that name (its issues 4778 and 4964,
 * mended in 2.10.0).  So there nothing stays in the cache for longer than it takes
 * to look at an answer, whatever the user says.
 */
#define CACHE_CORRUPTED_FROM	0x02040000
#define CACHE_CORRUPTED_BEFORE	0x020a0000

static const KafkaProperty brief_cache[] = {
	{"metadata.max.age.ms", "100"},
};

/*
 * Sets properties.  The name of the first that is refused, and the reason in
 * error, or NULL.
 */
static const char *
set_properties(rd_kafka_conf_t *conf, const KafkaProperty *properties, int n, char *error)
{
	for (int i = 0; i < n; i++)
	{
		if (rd_kafka_conf_set(conf, properties[i].name, properties[i].value,
							  error, ERROR_SIZE) != RD_KAFKA_CONF_OK)
			return properties[i].name;
	}
	return NULL;
}

int
kafka_bootstrap_servers(List *user)
{
	ListCell   *lc;
	int			n = 1;

	foreach(lc, user)
	{
		const KafkaProperty *property = lfirst(lc);

		if (strcmp(property->name, "bootstrap.servers") != 0)
			continue;
		for (const char *next = property->value; *next != '\0'; next++)
			n += *next == ',';
	}
	return n;
}

rd_kafka_t *
kafka_open(const Stream *stream, KafkaRole role, List *user,
		   const KafkaProperty *properties, int nproperties, KafkaLink *link)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *handle = NULL;
	const char *refused = NULL;
	char		error[ERROR_SIZE] = "";
	ListCell   *lc;

	refused = set_properties(conf, defaults, lengthof(defaults), error);
	if (refused == NULL && role == KAFKA_CONSUMER)
		refused = set_properties(conf, consumer_defaults, lengthof(consumer_defaults), error);
	if (refused == NULL && role == KAFKA_PRODUCER)
		refused = set_properties(conf, producer_defaults, lengthof(producer_defaults), error);
	foreach(lc, user)
	{
		if (refused == NULL)
			refused = set_properties(conf, lfirst(lc), 1, error);
	}
	if (refused == NULL)
		refused = set_properties(conf, properties, nproperties, error);
	if (refused == NULL && rd_kafka_version() >= CACHE_CORRUPTED_FROM &&
		rd_kafka_version() < CACHE_CORRUPTED_BEFORE)
		refused = set_properties(conf, brief_cache, lengthof(brief_cache), error);

	if (refused == NULL)
	{
		/*
		 * What librdkafka has to say is fetched by us as events: its threads
		 * must not run code of PostgreSQL's.  Only of a topic that has gone it puts
		 * notes between the messages of a consumer, which is no event; the callback
		 * runs when we take messages.
		 */
		rd_kafka_conf_set_opaque(conf, link);
		rd_kafka_conf_set_error_cb(conf, kafka_link_hear);
		rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
								 RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_DR);
		handle = rd_kafka_new(role == KAFKA_CONSUMER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER,
							  conf, error, sizeof(error));
	}
	if (handle == NULL)
	{
		kafka_clean_text(error);
		/* A configuration belongs to the handle, if there is one. */
		rd_kafka_conf_destroy(conf);
		if (refused)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for Kafka property \"%s\" of stream %s",
							refused, stream->name)));
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
				 errmsg("could not open stream %s: %s", stream->name, error)));
	}

	rd_kafka_set_log_queue(handle, NULL);
	return handle;
}

int
kafka_sqlstate(rd_kafka_resp_err_t err)
{
	switch (err)
	{
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			return ERRCODE_UNDEFINED_OBJECT;

		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR__SSL:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
			return ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION;

		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__RESOLVE:
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
			return ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;

		default:
			return ERRCODE_CONNECTION_EXCEPTION;
	}
}
