/*-------------------------------------------------------------------------
 *
 * contact.c
 *	  A consumer and its broker: first contact, and comparing the log.
 *
 * The states CONTACT and CHECK (see consumer.c) come before a consumer may run:
 *
 *	CONTACT asks for the number of partitions and the bounds of the log.  A new
 *			view's start is resolved, partitions that are new are added, and a
 *			position outside the bounds pauses the view.
 *	CHECK	assigns one partition after the other to the reader, at the offset
 *			of the last message that was counted.  Another message there means
 *			another log, and pauses the view.
 *
 * The comparison holds as long as the reader sees no trouble; after any,
 * consumer_log_in_doubt sends the consumer back.  While it runs, partitions and
 * the broker's health are looked at now and then.
 *
 * An answer that does not come is asked for again later: the first question
 * waits longer each time, and all consumers of the same server share a period of
 * silence after one that was not answered.  What librdkafka says by itself is
 * heard meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "worker/worker_internal.h"

/* How long one question may take to a broker that has just answered another. */
#define ASK_TIMEOUT_MS 1000

/* The same for the first one: 100, 200 .. 800 ms. */
#define FIRST_ASK_TIMEOUT_MS 100
#define MAX_ASK_SHIFT 3

/* So many questions without an answer are trouble. */
#define TROUBLE_AFTER 3

/* How often to ask for what is not there yet. */
#define CONTACT_PAUSE_MS 20
#define TROUBLE_PAUSE_MS 1000

/*
 * Questions to brokers that are away block the worker.  After one that took so
 * long, that server is asked none for so many times as long.
 */
#define SILENCE_FACTOR 9

/* Pauses while somebody holds a lock: 20, 40 .. 1280 ms. */
#define FIRST_LOCK_PAUSE_MS 20
#define MAX_LOCK_PAUSE_SHIFT 6

/* A lock that was not to be had so many times, in about four seconds, is trouble. */
#define LOCK_TROUBLE_AFTER 8

#define PARTITIONS_POLL_MS 5000
#define REPORT_MS 1000

/* A server that did not answer. */
typedef struct Silence
{
	Oid			serverid;		/* key */
	TimestampTz until;
} Silence;

static HTAB *silences = NULL;

static void consumer_contact(Consumer *consumer);
static void consumer_check(Consumer *consumer, MessageBatch *scratch);
static void start_running(Consumer *consumer);

/* -------------------------------------------------------------- its states */

void
consumer_advance(Consumer *consumer, MessageBatch *scratch)
{
	if (consumer->state == CONSUMER_CONTACT)
		consumer_contact(consumer);
	if (consumer->state == CONSUMER_CHECK)
		consumer_check(consumer, scratch);
}

static void
wait_a_moment(Consumer *consumer, int64 ms)
{
	consumer->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/*
 * Is it worth telling?  A question without an answer may only mean that the
 * connection is not up yet.
 */
static bool
is_trouble(const Consumer *consumer, const StreamReaderState *state)
{
	return !state->ok && (consumer->unanswered >= TROUBLE_AFTER ||
						  state->sqlerrcode == ERRCODE_UNDEFINED_OBJECT);
}

/*
 * Writes what the reader waits for, and again when that turns out to be something
 * else: no answer within a time, first, then a password that is wrong.
 */
static void
tell_trouble(Consumer *consumer, const StreamReaderState *state)
{
	if (consumer->trouble && consumer->told == state->troubles)
		return;
	if (progress_note_trouble(consumer, state->message))
		consumer->told = state->troubles;
}

/* The broker does not answer, or does not know the topic. */
static void
note_reader_trouble(Consumer *consumer)
{
	StreamReaderState state = stream_reader_state(consumer->reader);

	consumer->unanswered++;
	if (is_trouble(consumer, &state))
	{
		tell_trouble(consumer, &state);
		wait_a_moment(consumer, TROUBLE_PAUSE_MS);
	}
	else
		wait_a_moment(consumer, CONTACT_PAUSE_MS);
}

static bool
is_silent(const Consumer *consumer, TimestampTz now)
{
	Silence    *silence = NULL;

	if (silences)
		silence = hash_search(silences, &consumer->stream->serverid, HASH_FIND, NULL);
	return silence && now < silence->until;
}

/* After a question that was asked at "start", and has not been answered. */
static void
keep_silence(const Consumer *consumer, TimestampTz start)
{
	TimestampTz now = GetCurrentTimestamp();
	Silence    *silence;

	if (silences == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(Silence)};

		silences = hash_create("silent Kafka servers", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	silence = hash_search(silences, &consumer->stream->serverid, HASH_ENTER, NULL);
	silence->until = now + SILENCE_FACTOR * (now - start);
}

/* Not to be asked now: has its reader heard of trouble by itself? */
static void
listen_for_trouble(Consumer *consumer)
{
	StreamReaderState state = stream_reader_last_state(consumer->reader);

	if (!state.ok)
		tell_trouble(consumer, &state);
}

/*
 * How many partitions the topic has; 0 if there is none, -1 if the broker cannot
 * be asked now.  A worker with many consumers of a broker that is away must still
 * serve others.
 */
static int
ask_partitions(Consumer *consumer, int timeout_ms)
{
	TimestampTz start = GetCurrentTimestamp();
	int			n;

	if (is_silent(consumer, start))
		return -1;

	n = stream_reader_partitions(consumer->reader, timeout_ms);
	if (n < 0)
		keep_silence(consumer, start);
	return n;
}

/* It cannot go on by itself. */
static void
pause_view(Consumer *consumer, const char *error)
{
	progress_note_paused(consumer, error);
	consumer_back_off(consumer, TROUBLE_PAUSE_MS);
}

/*
 * A transaction that adds rows for a view, which must not be dropped meanwhile.
 * False, and none, if somebody is just changing it: later, or never more.
 */
static bool
begin_adding(Consumer *consumer)
{
	worker_begin();
	if (batch_lock_relations(consumer->cv, AccessShareLock) == BATCH_DONE)
		return true;
	worker_abort();
	worker_look_again();
	return false;
}

/* First contact of a new view.  False if the broker could not answer, or it has to wait. */
static bool
resolve_start(Consumer *consumer)
{
	bool		resolved;

	if (!begin_adding(consumer))
		return false;
	resolved = view_resolve_start(consumer->cv, consumer->reader, ASK_TIMEOUT_MS);
	CommandCounterIncrement();
	if (resolved)
		progress_load(consumer);
	else
		consumer->trouble = true;
	worker_commit();

	return resolved;
}

static bool
ask_offsets(Consumer *consumer, int n, int64 **first, int64 **end)
{
	*first = palloc(sizeof(int64) * n);
	*end = palloc(sizeof(int64) * n);
	return stream_reader_offsets(consumer->reader, n, *first, *end, ASK_TIMEOUT_MS);
}

/* Partitions that are new in the topic.  False if the broker did not answer, or they have to wait. */
static bool
add_partitions(Consumer *consumer, int n)
{
	int64	   *first;
	int64	   *end;

	if (!ask_offsets(consumer, n, &first, &end) || !begin_adding(consumer))
		return false;
	progress_add_partitions(consumer, first, n);
	CommandCounterIncrement();
	progress_load(consumer);
	worker_commit();
	return true;
}

/*
 * Does the log still hold what we are about to read?  Returns what is wrong, or
 * NULL.
 */
static char *
compare_bounds(Consumer *consumer, const int64 *first, const int64 *end)
{
	for (int i = 0; i < consumer->npartitions; i++)
	{
		StreamPosition *position = &consumer->partitions[i].position;

		if (position->next_offset >= first[i] && position->next_offset <= end[i])
			continue;
		return psprintf("partition %d of topic \"%s\" holds %s, but the view has to go on at " INT64_FORMAT
						" (topic deleted, recreated or truncated, or messages expired); "
						DROP_AND_CREATE,
						position->partition, consumer->stream->topic,
						first[i] == end[i] ? psprintf("no messages and ends at " INT64_FORMAT, end[i]) :
						psprintf("offsets " INT64_FORMAT " to " INT64_FORMAT, first[i], end[i] - 1),
						position->next_offset);
	}
	return NULL;
}

static void
consumer_contact(Consumer *consumer)
{
	int			n;
	int64	   *first;
	int64	   *end;
	char	   *wrong;

	if (is_silent(consumer, GetCurrentTimestamp()))
	{
		listen_for_trouble(consumer);
		wait_a_moment(consumer, CONTACT_PAUSE_MS);
		return;
	}

	n = ask_partitions(consumer,
					   FIRST_ASK_TIMEOUT_MS << Min(consumer->unanswered, MAX_ASK_SHIFT));
	if (n <= 0 ||
		(consumer->npartitions == 0 && !resolve_start(consumer)) ||
		(consumer->npartitions < n && !add_partitions(consumer, n)) ||
		!ask_offsets(consumer, n, &first, &end))
	{
		note_reader_trouble(consumer);
		return;
	}

	if (consumer->npartitions > n)
		wrong = psprintf("topic \"%s\" has %d partitions, but the view has read %d (topic recreated); "
						 DROP_AND_CREATE,
						 consumer->stream->topic, n, consumer->npartitions);
	else
		wrong = compare_bounds(consumer, first, end);
	if (wrong)
	{
		pause_view(consumer, wrong);
		return;
	}

	/* What has expired cannot be compared, and need not be. */
	for (int i = 0; i < n; i++)
		if (consumer->partitions[i].position.last_offset < first[i])
			consumer->partitions[i].position.last_offset = -1;
	consumer->check_index = -1;
	consumer->state = CONSUMER_CHECK;
}

/* Goes to the next partition whose last message can be read back. */
static void
check_next(Consumer *consumer)
{
	for (int i = consumer->check_index + 1; i < consumer->npartitions; i++)
	{
		StreamPosition position = consumer->partitions[i].position;

		if (position.last_offset < 0)
			continue;
		position.next_offset = position.last_offset;
		position.at_end = false;
		stream_reader_assign(consumer->reader, &position, 1);
		consumer->check_index = i;
		return;
	}
	start_running(consumer);
}

/*
 * Reads back the last message of one partition.  If it is gone (compacted away,
 * say), the next one or the end of the log comes instead, which proves nothing.
 */
static void
consumer_check(Consumer *consumer, MessageBatch *scratch)
{
	while (consumer->state == CONSUMER_CHECK)
	{
		StreamPosition *known;
		StreamPosition *found;

		if (consumer->check_index < 0)
		{
			check_next(consumer);
			continue;
		}

		known = &consumer->partitions[consumer->check_index].position;
		message_batch_reset(scratch);
		stream_reader_drain_fd(consumer->reader);
		consumer->reading = true;
		(void) stream_reader_read(consumer->reader, scratch, 1, PG_INT32_MAX);
		consumer->reading = false;
		if (scratch->npositions != 1)
			break;
		found = &scratch->positions[0];
		if (scratch->count == 0 && !found->at_end)
			break;

		if (scratch->count > 0 && found->last_offset == known->last_offset &&
			(found->last_hash != known->last_hash ||
			 found->last_timestamp != known->last_timestamp))
		{
			pause_view(consumer,
					   psprintf("the message at offset " INT64_FORMAT " of partition %d of topic"
								" \"%s\" is not the one that was counted (topic recreated); "
								DROP_AND_CREATE,
								known->last_offset, known->partition, consumer->stream->topic));
			return;
		}
		check_next(consumer);
	}
	if (consumer->state == CONSUMER_CHECK)
		note_reader_trouble(consumer);
}

/* Reads on from the position that is committed. */
static void
assign_position(Consumer *consumer)
{
	StreamPosition *positions = palloc(sizeof(StreamPosition) * consumer->npartitions);

	for (int i = 0; i < consumer->npartitions; i++)
	{
		positions[i] = consumer->partitions[i].position;
		positions[i].at_end = false;
	}
	stream_reader_assign(consumer->reader, positions, consumer->npartitions);
	pfree(positions);
	consumer->readable = true;
}

int64
consumer_refused(Consumer *consumer)
{
	int			before = consumer->refusals++;

	/* Whatever else it was that we waited for: now it is this. */
	if (consumer->refusals == LOCK_TROUBLE_AFTER ||
		(consumer->refusals > LOCK_TROUBLE_AFTER && !consumer->trouble))
		(void) progress_note_trouble(consumer,
									 "somebody holds a lock on the view's stream or state (see pg_locks)");
	return FIRST_LOCK_PAUSE_MS << Min(before, MAX_LOCK_PAUSE_SHIFT);
}

void
consumer_step_back(Consumer *consumer)
{
	assign_position(consumer);
	wait_a_moment(consumer, consumer_refused(consumer));
}

static void
start_running(Consumer *consumer)
{
	assign_position(consumer);

	/* What kept it from running is over; what a batch failed at, perhaps not. */
	if (!consumer->batch_failed)
		consumer->failures = 0;
	if (consumer->trouble && consumer->failures == 0)
		progress_clear_trouble(consumer);
	consumer->unanswered = 0;
	consumer->troubles = stream_reader_state(consumer->reader).troubles;
	consumer->next_poll_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 PARTITIONS_POLL_MS);
	consumer->state = CONSUMER_RUN;
}

bool
consumer_log_in_doubt(Consumer *consumer)
{
	if (stream_reader_state(consumer->reader).troubles == consumer->troubles)
		return false;

	consumer->unanswered = 0;
	consumer->state = CONSUMER_CONTACT;
	return true;
}

/* ------------------------------------------------------------ now and then */

/* New partitions are read from their beginning, along with the others. */
static void
poll_partitions(Consumer *consumer)
{
	int			n = ask_partitions(consumer, ASK_TIMEOUT_MS);

	if (n > consumer->npartitions && add_partitions(consumer, n))
		start_running(consumer);
}

/* How the reader is.  Of those whose broker is away, one at a time asks whether it is back. */
static StreamReaderState
ask_state(Consumer *consumer)
{
	TimestampTz start = GetCurrentTimestamp();
	StreamReaderState state;

	if (is_silent(consumer, start))
		return stream_reader_last_state(consumer->reader);

	state = stream_reader_state(consumer->reader);
	if (!state.ok)
		keep_silence(consumer, start);
	return state;
}

/* The broker may go away, and come back, while we run. */
static void
follow_reader_state(Consumer *consumer)
{
	StreamReaderState state = ask_state(consumer);

	consumer->report_due |= state.report_lost;
	consumer->unanswered = state.ok ? 0 : consumer->unanswered + 1;
	if (is_trouble(consumer, &state))
		tell_trouble(consumer, &state);
	else if (state.ok && consumer->trouble && consumer->failures == 0 &&
			 consumer->refusals == 0)
		progress_clear_trouble(consumer);
}

static void
report_offsets(Consumer *consumer)
{
	StreamPosition *positions = palloc(sizeof(StreamPosition) * consumer->npartitions);

	for (int i = 0; i < consumer->npartitions; i++)
		positions[i] = consumer->partitions[i].position;
	stream_reader_report_offsets(consumer->reader, positions, consumer->npartitions);
	pfree(positions);
	consumer->report_due = false;
}

void
consumer_housekeeping(Consumer *consumer, TimestampTz now)
{
	if (consumer->state != CONSUMER_RUN)
		return;

	if (now >= consumer->next_report_at)
	{
		consumer->next_report_at = TimestampTzPlusMilliseconds(now, REPORT_MS);
		if (consumer->report_due && consumer->unanswered == 0)
			report_offsets(consumer);
		follow_reader_state(consumer);
	}
	if (now >= consumer->next_poll_at && consumer->unanswered == 0)
	{
		consumer->next_poll_at = TimestampTzPlusMilliseconds(now, PARTITIONS_POLL_MS);
		poll_partitions(consumer);
	}
}
