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

#include "portability/instr_time.h"

#include "source/connection.h"
#include "source/options.h"
#include "source/source.h"

struct KafkaLink;

/* How many brokers the user's properties (see kafka_properties) name. */
extern int	kafka_bootstrap_servers(List *user);

/*
 * A new handle of librdkafka for the stream, with the given properties of ours
 * after those of the user (which cannot name them).  The link hears of errors in
 * its consumer queue.  Errors if librdkafka refuses; nothing is left behind then.
 */
extern rd_kafka_t *kafka_open(const Stream *stream, KafkaRole role, List *user,
							  const KafkaProperty *properties, int nproperties,
							  struct KafkaLink *link);

/*
 * What an error of librdkafka means to PostgreSQL: class 08, or
 * undefined_object for a topic that does not exist.
 */
extern int	kafka_sqlstate(rd_kafka_resp_err_t err);

/* To be embedded in a reader or writer, which fills in the first part. */
typedef struct KafkaLink
{
	LogConnection *connection;	/* whose link it is */
	char	   *topic;
	const char *verb;			/* "read" or "write to", for messages */

	/* an error that came without a topic: of a connection, say */
	void		(*take_error) (struct KafkaLink *link, rd_kafka_resp_err_t err,
							   const char *detail);

	/* delivery reports; must not raise errors */
	void		(*take_deliveries) (struct KafkaLink *link, rd_kafka_event_t *event);

	rd_kafka_t *handle;
	rd_kafka_topic_t *kafka_topic;
	rd_kafka_queue_t *events;	/* the main queue */
	int			brokers;		/* in the cluster, as last heard */

	bool		ok;
	int64		troubles;		/* times that ok became false, or error another */
	bool		broker_down;	/* the trouble is one of connections */
	bool		vague;			/* message does not say more than error */
	bool		report_lost;	/* offsets last reported have not arrived */
	rd_kafka_resp_err_t error;
	int			sqlerrcode;
	char		message[1024];
	int64		answers;		/* to questions that were timed */
	double		rtt_ms;			/* -1: not known */
	instr_time	heard_at;		/* when something came, last */
	instr_time	probed_at;
} KafkaLink;

/*
 * Opens and closes what the link holds.  If opening raises an error, what has
 * been opened is left to kafka_link_close().
 */
extern void kafka_link_open(KafkaLink *link, const Stream *stream, Oid userid,
							KafkaRole role, const KafkaProperty *properties,
							int nproperties);
extern void kafka_link_close(KafkaLink *link);

/* Makes a text of librdkafka's fit for messages and tables: plain ASCII. */
extern void kafka_clean_text(char *text);

/* How things stand: ok, sqlerrcode and message. */
extern void kafka_link_note_success(KafkaLink *link);
extern void kafka_link_note_trouble(KafkaLink *link, rd_kafka_resp_err_t err,
									const char *detail);

/* librdkafka's error_cb, whose argument "link" is a KafkaLink. */
extern void kafka_link_hear(rd_kafka_t *handle, int err, const char *reason, void *link);

/* Takes what the main queue has for us. */
extern void kafka_link_serve(KafkaLink *link);

/*
 * If brokers or the topic are away: asks, now and then, whether they are back.  If
 * one that is expecting messages gets none: whether they are still there.
 */
extern void kafka_link_probe(KafkaLink *link, bool expecting);

/*
 * A question that was asked at "start" has just been answered.  The average is
 * over the last few; the first answer, which waits for the connection, is soon
 * forgotten.
 */
extern void kafka_link_note_round_trip(KafkaLink *link, instr_time start);

/* A call that waits, in slices. */
typedef struct KafkaPatience
{
	instr_time	start;
	int			timeout_ms;
	int			slice_ms;
} KafkaPatience;

extern void kafka_patience_start(KafkaPatience *patience, int timeout_ms);

/*
 * After a try that failed with err: shall we try again?  Notes the trouble.
 * A failure that came at once is followed by a pause.
 */
extern bool kafka_link_try_again(KafkaLink *link, KafkaPatience *patience,
								 rd_kafka_resp_err_t err);

/*
 * How the topic is configured, in the current memory context; NULL if the broker
 * does not say (it may deny it).
 */
extern char *kafka_link_topic_setting(KafkaLink *link, const char *name, int timeout_ms);

/* See stream_reader_partitions(). */
extern int	kafka_link_partitions(KafkaLink *link, int timeout_ms);

/*
 * Copies a message, and its headers if they are wanted, to the end of the batch;
 * false if it would take more than max_memory then.  A first message always fits.
 */
extern bool kafka_message_copy(const rd_kafka_message_t *message, bool with_headers,
							   MessageBatch *batch, Size max_memory);

#endif							/* KAPPA_KAFKA_H */
