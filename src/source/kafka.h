/*-------------------------------------------------------------------------
 *
 * kafka.h
 *	  What the files that call librdkafka share.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_KAFKA_H
#define KAPPA_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "source/options.h"
#include "source/source.h"

/*
 * A new handle of librdkafka for the stream, with the given properties of ours
 * after those of the user (which cannot name them).  Errors if librdkafka
 * refuses; nothing is left behind then.
 */
extern rd_kafka_t *kafka_open(const Stream *stream, Oid userid, KafkaRole role,
							  const KafkaProperty *properties, int nproperties);

/*
 * What an error of librdkafka means to PostgreSQL: class 08, or
 * undefined_object for a topic that does not exist.
 */
extern int	kafka_sqlstate(rd_kafka_resp_err_t err);

#endif							/* KAPPA_KAFKA_H */
