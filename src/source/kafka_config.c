/*-------------------------------------------------------------------------
 *
 * kafka_config.c
 *	  From options to a handle of librdkafka.
 *
 * The user's properties (options.c) are set first, then those that pg_kappa
 * must control.  librdkafka's memory is not PostgreSQL's: between the creation
 * of a configuration and its end nothing here may raise an error, so all that
 * reads catalogs comes before, and all that reports comes after.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/kafka.h"

#define ERROR_SIZE 512

/* Sets one property; false and the reason in error if it is refused. */
static bool
set_property(rd_kafka_conf_t *conf, const KafkaProperty *property, char *error)
{
	return rd_kafka_conf_set(conf, property->name, property->value,
							 error, ERROR_SIZE) == RD_KAFKA_CONF_OK;
}

rd_kafka_t *
kafka_open(const Stream *stream, Oid userid, KafkaRole role,
		   const KafkaProperty *properties, int nproperties)
{
	List	   *user = kafka_properties(stream->relid, stream->serverid, userid, role);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *handle = NULL;
	const char *refused = NULL;
	char		error[ERROR_SIZE] = "";
	ListCell   *lc;

	foreach(lc, user)
	{
		KafkaProperty *property = lfirst(lc);

		if (refused == NULL && !set_property(conf, property, error))
			refused = property->name;
	}
	for (int i = 0; i < nproperties && refused == NULL; i++)
	{
		if (!set_property(conf, &properties[i], error))
			refused = properties[i].name;
	}

	if (refused == NULL)
	{
		/*
		 * What librdkafka has to say is fetched by us as events: its threads
		 * must not run code of PostgreSQL's.
		 */
		rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
								 RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_DR);
		handle = rd_kafka_new(role == KAFKA_CONSUMER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER,
							  conf, error, sizeof(error));
	}
	if (handle == NULL)
	{
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
