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
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "view/answer.h"

#define ANSWER_READ_AHEAD	((Size) 32 * 1024 * 1024)
#define ANSWER_BATCH_BYTES	((Size) 16 * 1024 * 1024)
#define ANSWER_BATCH_ROWS	100000
#define BROKER_TIMEOUT_MS	10000

typedef struct MessageId
{
	int64		offset;
	int64		partition;		/* as wide as offset: no padding in the key */
} MessageId;

typedef struct AnswerFeed
{
	StreamFeed	feed;			/* first */

	const ContinuousView *cv;
	const Stream *stream;
	const ConsumerPosition *position;	/* start_offsets .. next_offset */
	HTAB	   *dead_letters;	/* of MessageId */
	MemoryContext context;

	StreamReader *reader;
	MessageBatch *batch;
	ViewIntake *intake;
	StreamFeed *rows;			/* of the batch, through the intake */
	AnswerSummary summary;
} AnswerFeed;

static bool answer_next(StreamFeed *feed, TupleTableSlot *slot);
static void answer_rewind(StreamFeed *feed);

/* The messages that the view set aside, as the active snapshot sees them. */
static HTAB *
load_dead_letters(const ContinuousView *cv)
{
	HASHCTL		ctl = {.keysize = sizeof(MessageId),.entrysize = sizeof(MessageId),
	.hcxt = CurrentMemoryContext};
	HTAB	   *dead = hash_create("dead letters", 256, &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	Oid			types[] = {REGCLASSOID, INT4OID};
	Datum		args[] = {ObjectIdGetDatum(cv->view), Int32GetDatum(cv->generation)};
	ViewIdentity save;

	/* All of them, whatever row security lets the caller see. */
	extension_enter(&save);
	SPI_connect();
	if (SPI_execute_with_args("SELECT message_partition, message_offset"
							  " FROM kappa.dead_letters"
							  " WHERE view = $1 AND generation = $2",
							  2, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read dead letters");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		MessageId	id;

		id.partition = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		id.offset = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
		hash_search(dead, &id, HASH_ENTER, NULL);
	}
	SPI_finish();
	extension_leave(&save);

	return dead;
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

	if (n < 0)
		report_reader(answer);
	first = palloc(sizeof(int64) * Max(n, 1));
	end = palloc(sizeof(int64) * Max(n, 1));
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
	answer->intake = view_intake_create(answer->cv, answer->stream, marks,
										to->npositions, answer->context);
	answer->rows = NULL;
	memset(&answer->summary, 0, sizeof(answer->summary));
}

/* The offset where the stretch ends in a partition. */
static int64
end_of(const AnswerFeed *answer, int32 partition)
{
	for (int i = 0; i < answer->position->npositions; i++)
		if (answer->position->positions[i].partition == partition)
			return answer->position->positions[i].next_offset;
	return 0;
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
		MessageId	id = {message->offset, message->partition};

		if (message->offset >= end_of(answer, message->partition))
			continue;
		answer->summary.messages++;
		if (hash_search(answer->dead_letters, &id, HASH_FIND, NULL))
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
		if (batch->positions[i].next_offset < end_of(answer, batch->positions[i].partition))
			return false;
	return true;
}

/* Brings the next messages, if there are more; waits for them. */
static bool
next_batch(AnswerFeed *answer)
{
	if (answer->rows)
	{
		view_intake_finish(answer->intake);
		if (at_end(answer))
			return false;
	}

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
	answer.dead_letters = load_dead_letters(cv);
	answer.batch = message_batch_create(context);
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
