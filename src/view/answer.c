/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  The batch answer: what a view would hold had it been computed in one go.
 *
 * The definition view is executed over the log from the view's start offsets
 * to its next offsets, less its dead letters.  The messages are read through
 * a reader of their own, batch by batch within a fixed amount of memory, and
 * pass through the same intake as they do in a worker; aggregation, though, is
 * PostgreSQL's own of the user's own query, with no partial forms, no state and
 * no merging.  That is what makes comparing the two worth something.
 *
 * Within a partition messages come in the order of the log, so whatever the
 * intake decides by watermark is decided as it was when they came live.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "view/answer.h"

#define ANSWER_READ_AHEAD	((Size) 32 * 1024 * 1024)
#define ANSWER_BATCH_BYTES	((Size) 16 * 1024 * 1024)
#define ANSWER_BATCH_ROWS	100000
#define BROKER_TIMEOUT_MS	10000

/* Dead letters that are fetched from the table at a time. */
#define DEAD_LETTERS_FETCHED 10000

/* The dead letters of one partition. */
typedef struct DeadOffsets
{
	int64	   *offsets;		/* rising */
	int64		count;
	int64		capacity;
	int64		next;			/* the first that no message has passed yet */
} DeadOffsets;

typedef struct AnswerFeed
{
	StreamFeed	feed;			/* first */

	const ContinuousView *cv;
	const Stream *stream;
	const ConsumerPosition *position;	/* start_offsets .. next_offset */
	MemoryContext context;
	DeadOffsets *dead;			/* by index in position */

	StreamReader *reader;
	MessageBatch *batch;
	MemoryContext intake_context;	/* of one pass over the messages */
	ViewIntake *intake;
	StreamFeed *rows;			/* of the batch, through the intake */
	AnswerSummary summary;
} AnswerFeed;

static bool answer_next(StreamFeed *feed, TupleTableSlot *slot);
static void answer_rewind(StreamFeed *feed);

/* The index of a partition in the position, or -1. */
static int
find_partition(const ConsumerPosition *position, int32 partition)
{
	/* Partitions are numbered from 0, so this finds it at once, nearly always. */
	if (partition >= 0 && partition < position->npositions &&
		position->positions[partition].partition == partition)
		return partition;
	for (int i = 0; i < position->npositions; i++)
		if (position->positions[i].partition == partition)
			return i;
	return -1;
}

static void
add_dead_letter(AnswerFeed *answer, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	int32		partition = DatumGetInt32(SPI_getbinval(row, desc, 1, &isnull));
	int			index = find_partition(answer->position, partition);
	DeadOffsets *dead;

	if (index < 0)
		return;
	dead = &answer->dead[index];
	if (dead->count == dead->capacity)
	{
		dead->capacity = Max(64, dead->capacity * 2);
		dead->offsets = dead->offsets ?
			repalloc_huge(dead->offsets, sizeof(int64) * dead->capacity) :
			MemoryContextAllocHuge(answer->context, sizeof(int64) * dead->capacity);
	}
	dead->offsets[dead->count++] = DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
}

/* The messages that the view set aside, as the active snapshot sees them. */
static void
load_dead_letters(AnswerFeed *answer)
{
	const ContinuousView *cv = answer->cv;
	Oid			types[] = {REGCLASSOID, REGCLASSOID, INT4OID};
	Datum		args[] = {
		ObjectIdGetDatum(cv->stream), ObjectIdGetDatum(cv->view), Int32GetDatum(cv->generation)
	};
	ViewIdentity save;
	Portal		portal;

	answer->dead = palloc0(sizeof(DeadOffsets) * Max(answer->position->npositions, 1));

	/* All of them, whatever row security lets the caller see. */
	extension_enter(&save);
	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL,
									   "SELECT message_partition, message_offset"
									   " FROM kappa.dead_letters"
									   " WHERE stream = $1 AND view = $2 AND generation = $3"
									   " ORDER BY message_partition, message_offset",
									   3, types, args, NULL, true, 0);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, DEAD_LETTERS_FETCHED);
		for (uint64 i = 0; i < SPI_processed; i++)
			add_dead_letter(answer, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	extension_leave(&save);
}

/* Was the message set aside?  To be asked of each message of a partition in turn. */
static bool
is_dead_letter(DeadOffsets *dead, int64 offset)
{
	while (dead->next < dead->count && dead->offsets[dead->next] < offset)
		dead->next++;
	return dead->next < dead->count && dead->offsets[dead->next] == offset;
}

/* Says in what way the reader could not get at its broker. */
static void
report_reader(const AnswerFeed *answer)
{
	StreamReaderState state = stream_reader_state(answer->reader);

	ereport(ERROR,
			(errcode(state.ok ? ERRCODE_CONNECTION_FAILURE : state.sqlerrcode),
			 errmsg("could not read topic \"%s\" of stream %s",
					answer->stream->topic, answer->stream->name),
			 errdetail("%s.", state.ok ? "The broker did not answer in time" : state.message)));
}

/* Is the whole stretch still in the log? */
static void
check_retained(AnswerFeed *answer)
{
	int			n = stream_reader_partitions(answer->reader, BROKER_TIMEOUT_MS);
	int64	   *first;
	int64	   *end;

	if (n <= 0)
		report_reader(answer);
	first = palloc(sizeof(int64) * n);
	end = palloc(sizeof(int64) * n);
	if (!stream_reader_offsets(answer->reader, n, first, end, BROKER_TIMEOUT_MS))
		report_reader(answer);

	for (int i = 0; i < answer->position->npositions; i++)
	{
		const StreamPosition *p = &answer->position->positions[i];
		int64		start = answer->position->start_offsets[i];

		if (p->next_offset <= start)
			continue;
		if (p->partition >= n || first[p->partition] > start ||
			end[p->partition] < p->next_offset)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("topic \"%s\" no longer holds all messages that continuous view %s was computed from",
							answer->stream->topic, answer->cv->name),
					 p->partition >= n ?
					 errdetail("Partition %d is missing.", p->partition) :
					 first[p->partition] == end[p->partition] ?
					 errdetail("The view was computed from offsets " INT64_FORMAT " to " INT64_FORMAT
							   " of partition %d, the topic holds none there now.",
							   start, p->next_offset - 1, p->partition) :
					 errdetail("The view was computed from offsets " INT64_FORMAT " to " INT64_FORMAT
							   " of partition %d, the topic holds offsets " INT64_FORMAT " to " INT64_FORMAT ".",
							   start, p->next_offset - 1, p->partition,
							   first[p->partition], end[p->partition] - 1)));
	}
}

/* Read from the start, in every partition where there is something to read. */
static void
assign_start(AnswerFeed *answer)
{
	const ConsumerPosition *to = answer->position;
	StreamPosition *from = palloc0(sizeof(StreamPosition) * Max(to->npositions, 1));
	PartitionWatermark *marks = palloc0(sizeof(PartitionWatermark) * Max(to->npositions, 1));
	int			n = 0;

	for (int i = 0; i < to->npositions; i++)
	{
		answer->dead[i].next = 0;
		marks[i].partition = to->positions[i].partition;
		marks[i].watermark = DT_NOBEGIN;
		if (to->start_offsets[i] >= to->positions[i].next_offset)
			continue;
		from[n].partition = to->positions[i].partition;
		from[n].next_offset = to->start_offsets[i];
		from[n].end_offset = -1;
		from[n].last_offset = -1;
		n++;
	}

	stream_reader_assign(answer->reader, from, n);
	MemoryContextReset(answer->intake_context);
	answer->intake = view_intake_create(answer->cv, answer->stream, marks,
										to->npositions, answer->intake_context);
	pfree(from);
	pfree(marks);
	answer->rows = NULL;
	memset(&answer->summary, 0, sizeof(answer->summary));
}

/* Leaves in the batch what belongs to the answer. */
static void
select_messages(AnswerFeed *answer)
{
	MessageBatch *batch = answer->batch;
	int			kept = 0;

	for (int i = 0; i < batch->count; i++)
	{
		StreamMessage *message = &batch->messages[i];
		int			index = find_partition(answer->position, message->partition);

		if (message->offset >= answer->position->positions[index].next_offset)
			continue;
		answer->summary.messages++;
		if (is_dead_letter(&answer->dead[index], message->offset))
			answer->summary.dead_letters++;
		else
			batch->messages[kept++] = *message;
	}
	batch->count = kept;
}

static bool
at_end(const AnswerFeed *answer)
{
	const MessageBatch *batch = answer->batch;

	for (int i = 0; i < batch->npositions; i++)
	{
		int			index = find_partition(answer->position, batch->positions[i].partition);

		if (batch->positions[i].next_offset < answer->position->positions[index].next_offset)
			return false;
	}
	return true;
}

/*
 * Brings the next messages, if there are more; waits for them, but not for a
 * broker or topic that stays away.
 */
static bool
next_batch(AnswerFeed *answer)
{
	TimestampTz contact;

	if (answer->rows)
	{
		view_intake_finish(answer->intake);
		if (at_end(answer))
			return false;
	}

	contact = GetCurrentTimestamp();
	for (;;)
	{
		int			n;

		CHECK_FOR_INTERRUPTS();
		message_batch_reset(answer->batch);
		stream_reader_drain_fd(answer->reader);
		n = stream_reader_read(answer->reader, answer->batch,
							   ANSWER_BATCH_ROWS, ANSWER_BATCH_BYTES);
		select_messages(answer);
		if (n > 0)
			break;
		if (at_end(answer))
			return false;
		if (stream_reader_state(answer->reader).ok)
			contact = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(contact, GetCurrentTimestamp(), BROKER_TIMEOUT_MS))
			report_reader(answer);
		stream_reader_wait(answer->reader, 1000);
	}

	answer->rows = view_intake_feed(answer->intake, answer->batch,
									0, answer->batch->count, NULL);
	return true;
}

static bool
answer_next(StreamFeed *feed, TupleTableSlot *slot)
{
	AnswerFeed *answer = (AnswerFeed *) feed;

	if (answer->position->npositions == 0)
		return false;
	for (;;)
	{
		if (answer->rows && answer->rows->next(answer->rows, slot))
			return true;
		if (!next_batch(answer))
			return false;
	}
}

static void
answer_rewind(StreamFeed *feed)
{
	assign_start((AnswerFeed *) feed);
}

static int64
stretch_length(const ConsumerPosition *position)
{
	int64		length = 0;

	for (int i = 0; i < position->npositions; i++)
		length += position->positions[i].next_offset - position->start_offsets[i];
	return length;
}

AnswerSummary
view_batch_answer(const ContinuousView *cv, const ConsumerPosition *position,
				  DestReceiver *dest)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "batch answer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	AnswerFeed	answer = {.feed = {.next = answer_next,.rewind = answer_rewind}};
	ViewIdentity save;
	bool		compacted;

	answer.cv = cv;
	answer.position = position;
	answer.context = context;
	answer.stream = stream_open(cv->stream);
	load_dead_letters(&answer);
	answer.batch = message_batch_create(context);
	answer.intake_context = AllocSetContextCreate(context, "batch answer intake",
												  ALLOCSET_DEFAULT_SIZES);
	answer.reader = stream_reader_open(answer.stream, cv->owner, ANSWER_READ_AHEAD);
	check_retained(&answer);
	compacted = stream_reader_is_compacted(answer.reader, BROKER_TIMEOUT_MS);
	assign_start(&answer);

	view_enter(cv, &save);
	view_run(cv, psprintf("SELECT * FROM %s", view_relation_name(cv->definition)),
			 &answer.feed, (double) stretch_length(position), dest);
	view_leave(&save);

	answer.summary.compacted = compacted;
	stream_reader_close(answer.reader);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	return answer.summary;
}
