/*-------------------------------------------------------------------------
 *
 * kafka_link.c
 *	  A handle of librdkafka, a topic, and how things stand between them: what
 *	  readers and writers of Kafka share.
 *
 * librdkafka's main queue brings log lines, errors of connections and
 * acknowledgements, as events that we fetch.  Trouble is noted as the link's
 * state and passes when something arrives.  Calls that wait for a broker cannot
 * be interrupted, so they are made in short slices.  A slice starts a request
 * anew, therefore slices grow while a broker is there but slow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"

#include "source/kafka.h"

/* Slices of calls that wait, in milliseconds. */
#define FIRST_SLICE			100
#define LONGEST_SLICE		1600

/* librdkafka's threads that are no broker's: main, internal, the group's coordinator. */
#define OWN_THREADS			3

/* How often a link in trouble asks whether a broker is back. */
#define PROBE_INTERVAL_MS	1000

/* How long nothing may come, where something should, before it asks, too. */
#define SILENCE_MS			3000

/*
 * How long to wait for librdkafka to put a handle away, and how long once it has
 * failed to in this process, in milliseconds.  A worker closes dozens, one after
 * the other, when the server shuts down.
 */
#define FIRST_DESTROY_MS	2000
#define NEXT_DESTROY_MS		50

/* --------------------------------------------------------- open and close */

void
kafka_link_open(KafkaLink *link, const Stream *stream, Oid userid, KafkaRole role,
				const KafkaProperty *properties, int nproperties)
{
	List	   *user = kafka_properties(stream->relid, stream->serverid, userid, role);
	int			brokers = kafka_bootstrap_servers(user);

	link->ok = true;
	link->rtt_ms = -1;
	INSTR_TIME_SET_CURRENT(link->heard_at);
	connection_expect_brokers(link->connection, brokers);

	/* librdkafka 2.0 waits for ever for a thread that it could not start. */
	connection_expect_threads(brokers + OWN_THREADS);
	link->handle = kafka_open(stream, role, user, properties, nproperties, link);
	link->kafka_topic = rd_kafka_topic_new(link->handle, link->topic, NULL);
	if (link->kafka_topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("could not open topic \"%s\" of stream %s: %s",
						link->topic, stream->name,
						rd_kafka_err2str(rd_kafka_last_error()))));
	link->events = rd_kafka_queue_get_main(link->handle);
}

static void *
destroy_handle(void *handle)
{
	/* The group of a consumer has no members to say goodbye to. */
	rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return NULL;
}

/*
 * Destroys a handle, and waits for that, but not forever: librdkafka waits for a
 * report of offsets that a broker which stands still has not answered, and 2.0
 * may lose count of the references to a broker that restarted meanwhile.  Then
 * threads and memory of that handle stay with the process: better than a session,
 * or a server's shutdown, that hangs.
 */
static void
destroy_patiently(rd_kafka_t *handle)
{
	static int	patience_ms = FIRST_DESTROY_MS;
	pthread_t	thread;
	struct timespec deadline;

	if (connection_start_thread(&thread, destroy_handle, handle) != 0)
	{
		(void) destroy_handle(handle);
		return;
	}

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += patience_ms / 1000;
	deadline.tv_nsec += patience_ms % 1000 * 1000000L;
	if (deadline.tv_nsec >= 1000000000L)
	{
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000L;
	}
	if (pthread_timedjoin_np(thread, NULL, &deadline) != 0)
	{
		pthread_detach(thread);
		patience_ms = NEXT_DESTROY_MS;
		elog(LOG, "a connection to Kafka could not be closed, and is left behind");
	}
}

void
kafka_link_close(KafkaLink *link)
{
	if (link->handle == NULL)
		return;

	/* librdkafka waits for whatever still refers to the handle. */
	if (link->events)
		rd_kafka_queue_destroy(link->events);
	if (link->kafka_topic)
		rd_kafka_topic_destroy(link->kafka_topic);
	destroy_patiently(link->handle);
	link->events = NULL;
	link->kafka_topic = NULL;
	link->handle = NULL;
}

/* ------------------------------------------------------------------ state */

void
kafka_link_note_success(KafkaLink *link)
{
	link->ok = true;
	link->broker_down = false;
	INSTR_TIME_SET_CURRENT(link->heard_at);
}

/*
 * What librdkafka does not say, or not in terms of our options: for an error
 * that has both texts, the first that fits.  The broker's verdict over a client's
 * certificate looks like a lost connection to librdkafka, but is no passing
 * trouble.
 */
static const struct
{
	const char *text;
	const char *and_text;
	bool		rejected;
	const char *note;
}			notes[] = {
	{"certificate verify failed", "", true,
	"; the certificate has expired, or is for another host, or of an authority that ssl_ca_pem does not name"},
	{"alert", "certificate", true,
	"; the broker asks for another client certificate (ssl_certificate_pem and ssl_key_pem)"},
	{"alert", "unknown ca", true,
	"; the broker asks for another client certificate (ssl_certificate_pem and ssl_key_pem)"},
	{"SSL handshake failed", "", false,
	"; does this port of the broker speak TLS (security_protocol)?"},
};

/*
 * librdkafka up to 2.6.0 puts its own nonce before the one that it should send
 * back.  Kafka 3 is content when that is how it ends; Kafka 4 is not, and says
 * that the credentials are wrong.
 */
static bool
nonce_refused(rd_kafka_resp_err_t err, const char *detail)
{
	return err == RD_KAFKA_RESP_ERR__AUTHENTICATION && rd_kafka_version() < 0x02060100 &&
		strstr(detail, "SCRAM") != NULL && strstr(detail, "handshake failed") == NULL;
}

/*
 * A note to the error, or ""; it may know the SQLSTATE better.  That all brokers
 * are down is all we hear if they close connections without a word, as they do
 * when they are spoken to in another protocol: librdkafka 2.8 guesses that itself,
 * 2.14 no longer.
 */
static const char *
find_note(rd_kafka_resp_err_t err, const char *detail, int *sqlerrcode)
{
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		return "; or they close connections, as an SSL listener does when security_protocol says otherwise";
	if (nonce_refused(err, detail))
		return "; librdkafka before 2.6.1 cannot use SCRAM with brokers from Kafka 4.0 on, even with the right password";
	for (int i = 0; i < lengthof(notes); i++)
	{
		if (strstr(detail, notes[i].text) && strstr(detail, notes[i].and_text))
		{
			if (notes[i].rejected)
				*sqlerrcode = ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION;
			return notes[i].note;
		}
	}
	return "";
}

/* Does the broker refuse us? */
static bool
rejected(KafkaLink *link)
{
	return !link->ok &&
		link->sqlerrcode == ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION;
}

/*
 * What librdkafka says may quote names of hosts, and what a broker says: nobody
 * knows in what encoding.
 */
void
kafka_clean_text(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/*
 * Notes trouble.  The first report of it that says something stays: librdkafka
 * goes from the cause ("connection refused", a wrong password) to the general
 * ("all brokers are down").
 */
void
kafka_link_note_trouble(KafkaLink *link, rd_kafka_resp_err_t err, const char *detail)
{
	int			sqlerrcode = kafka_sqlstate(err);
	const char *note = find_note(err, detail, &sqlerrcode);
	bool		vague = err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
		strcmp(detail, rd_kafka_err2str(err)) == 0;

	if (!link->ok && (vague || !link->vague) &&
		(link->sqlerrcode == sqlerrcode || rejected(link)) &&
		(err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
		 err == RD_KAFKA_RESP_ERR__TRANSPORT ||
		 err == RD_KAFKA_RESP_ERR__TIMED_OUT))
		return;

	if (link->ok || link->error != err || (link->vague && !vague))
		link->troubles++;
	link->ok = false;
	link->vague = vague;
	link->error = err;
	link->sqlerrcode = sqlerrcode;
	link->broker_down = sqlerrcode == ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
	if (sqlerrcode == ERRCODE_UNDEFINED_OBJECT)
		snprintf(link->message, sizeof(link->message),
				 "Kafka topic \"%s\" does not exist", link->topic);
	else
		snprintf(link->message, sizeof(link->message),
				 "could not %s Kafka topic \"%s\": %s%s", link->verb, link->topic, detail, note);
	kafka_clean_text(link->message);
}

/*
 * Called by librdkafka, in our thread, so nothing may be raised here.  That the
 * topic is gone is worth knowing at once: it may soon be there again, as another
 * one.  Everything else comes as an event or in place of a message, too.
 */
void
kafka_link_hear(rd_kafka_t *handle, int err, const char *reason, void *link)
{
	const rd_kafka_resp_err_t gone = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;

	if (kafka_sqlstate(err) == ERRCODE_UNDEFINED_OBJECT)
		kafka_link_note_trouble(link, gone, rd_kafka_err2str(gone));
}

void
kafka_link_serve(KafkaLink *link)
{
	rd_kafka_event_t *event;

	while ((event = rd_kafka_queue_poll(link->events, 0)) != NULL)
	{
		rd_kafka_event_type_t type = rd_kafka_event_type(event);
		rd_kafka_resp_err_t err = rd_kafka_event_error(event);
		const char *facility;
		const char *text = "";
		int			level;
		char		line[400];

		if (type == RD_KAFKA_EVENT_DR)
			link->take_deliveries(link, event);
		else if (type == RD_KAFKA_EVENT_LOG)
			rd_kafka_event_log(event, &facility, &text, &level);
		else if (err)
			text = rd_kafka_event_error_string(event);
		strlcpy(line, text ? text : rd_kafka_err2str(err), sizeof(line));
		kafka_clean_text(line);
		rd_kafka_event_destroy(event);
		if (type == RD_KAFKA_EVENT_OFFSET_COMMIT && err && err != RD_KAFKA_RESP_ERR__NO_OFFSET)
			link->report_lost = true;

		/*
		 * Now that the event is gone, an error may be raised.  A user who may
		 * only look at a consumer group learns at a commit that he may not more.
		 */
		if (type == RD_KAFKA_EVENT_ERROR ||
			err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
			link->take_error(link, err, line);
		else if (line[0] != '\0')
			elog(DEBUG1, "Kafka: %s", line);
	}
}

/* Has it been so many milliseconds since start? */
static bool
elapsed(instr_time start, double milliseconds)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now) >= milliseconds;
}

/* -------------------------------------------------- questions to the broker */

void
kafka_patience_start(KafkaPatience *patience, int timeout_ms)
{
	INSTR_TIME_SET_CURRENT(patience->start);
	patience->timeout_ms = timeout_ms;
	patience->slice_ms = Max(Min(FIRST_SLICE, timeout_ms), 1);
}

bool
kafka_link_try_again(KafkaLink *link, KafkaPatience *patience, rd_kafka_resp_err_t err)
{
	kafka_link_serve(link);
	kafka_link_note_trouble(link, err, rd_kafka_err2str(err));

	if (elapsed(patience->start, patience->timeout_ms))
		return false;
	if (err == RD_KAFKA_RESP_ERR__TIMED_OUT)
		patience->slice_ms = Min(2 * patience->slice_ms, LONGEST_SLICE);
	else if (err != RD_KAFKA_RESP_ERR__TRANSPORT)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 50, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	CHECK_FOR_INTERRUPTS();
	return true;
}

void
kafka_link_note_round_trip(KafkaLink *link, instr_time start)
{
	instr_time	taken;
	double		ms;

	INSTR_TIME_SET_CURRENT(taken);
	INSTR_TIME_SUBTRACT(taken, start);
	ms = INSTR_TIME_GET_MILLISEC(taken);
	link->rtt_ms = link->answers > 1 ? (link->rtt_ms + ms) / 2 : ms;
	link->answers++;
}

/* One question for the topic's metadata. */
static rd_kafka_resp_err_t
ask_partitions(KafkaLink *link, int slice_ms, int *count)
{
	const struct rd_kafka_metadata *metadata;
	instr_time	start;
	rd_kafka_resp_err_t err;

	INSTR_TIME_SET_CURRENT(start);
	err = rd_kafka_metadata(link->handle, 0, link->kafka_topic, &metadata, slice_ms);
	if (err)
		return err;
	kafka_link_note_round_trip(link, start);
	link->brokers = metadata->broker_cnt;

	if (metadata->topic_cnt == 1)
	{
		err = metadata->topics[0].err;
		*count = metadata->topics[0].partition_cnt;
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR && *count == 0)
			err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	}
	else
		err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	rd_kafka_metadata_destroy(metadata);
	return err;
}

/* Is it trouble, or may it be, of a kind that a link does not hear of? */
static bool
wants_probe(KafkaLink *link, bool expecting)
{
	if (link->ok)
		return expecting && elapsed(link->heard_at, SILENCE_MS);
	return link->broker_down || link->sqlerrcode == ERRCODE_UNDEFINED_OBJECT ||
		link->error == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
		link->error == RD_KAFKA_RESP_ERR__SSL ||
		link->error == RD_KAFKA_RESP_ERR__TRANSPORT;
}

/*
 * A reader at the end of its partitions hears nothing when a broker comes
 * back, or a topic.  So while they are away, ask.  Nor does a reader in their
 * midst hear that the topic has been deleted.  So while it waits, ask.
 */
void
kafka_link_probe(KafkaLink *link, bool expecting)
{
	rd_kafka_resp_err_t err;
	int			count;

	if (!wants_probe(link, expecting))
		return;
	if (!INSTR_TIME_IS_ZERO(link->probed_at) &&
		!elapsed(link->probed_at, PROBE_INTERVAL_MS))
		return;
	INSTR_TIME_SET_CURRENT(link->probed_at);

	err = ask_partitions(link, FIRST_SLICE, &count);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_link_note_success(link);
	else
		kafka_link_note_trouble(link, err, rd_kafka_err2str(err));
}

int
kafka_link_partitions(KafkaLink *link, int timeout_ms)
{
	KafkaPatience patience;
	rd_kafka_resp_err_t err;
	int			count = 0;

	kafka_patience_start(&patience, timeout_ms);
	do
	{
		err = ask_partitions(link, patience.slice_ms, &count);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			connection_expect_brokers(link->connection, link->brokers);
			kafka_link_note_success(link);
			return count;
		}
		if (kafka_sqlstate(err) == ERRCODE_UNDEFINED_OBJECT ||
			err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
		{
			kafka_link_note_trouble(link, err, rd_kafka_err2str(err));
			return 0;
		}
	} while (kafka_link_try_again(link, &patience, err) && !rejected(link));

	return -1;
}

/* The value of a setting in the answer; belongs to it. */
static const char *
find_setting(rd_kafka_event_t *answer, const char *name)
{
	const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(answer);
	const rd_kafka_ConfigResource_t **resources;
	const rd_kafka_ConfigEntry_t **entries;
	size_t		count;

	if (result == NULL || rd_kafka_event_error(answer))
		return NULL;
	resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
	if (count != 1)
		return NULL;
	entries = rd_kafka_ConfigResource_configs(resources[0], &count);
	for (size_t i = 0; i < count; i++)
	{
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			return rd_kafka_ConfigEntry_value(entries[i]);
	}
	return NULL;
}

char *
kafka_link_topic_setting(KafkaLink *link, const char *name, int timeout_ms)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(link->handle);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(link->handle,
																 RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC,
																	  link->topic);
	rd_kafka_event_t *answer = NULL;
	instr_time	start;
	char		value[256] = "";

	rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
	rd_kafka_DescribeConfigs(link->handle, &resource, 1, options, queue);

	/* Nothing may be raised while these objects are held. */
	INSTR_TIME_SET_CURRENT(start);
	while (answer == NULL && !InterruptPending && !elapsed(start, timeout_ms))
		answer = rd_kafka_queue_poll(queue, FIRST_SLICE);
	if (answer)
	{
		const char *found = find_setting(answer, name);

		strlcpy(value, found ? found : "", sizeof(value));
		rd_kafka_event_destroy(answer);
	}
	rd_kafka_ConfigResource_destroy(resource);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	CHECK_FOR_INTERRUPTS();
	return value[0] != '\0' ? pstrdup(value) : NULL;
}
