/*-------------------------------------------------------------------------
 *
 * intake.c
 *	  From messages to the rows that one view counts.
 *
 * A batch's messages pass through here on their way into the delta query: the
 * columns that the definition uses are decoded, bad messages are set aside,
 * and each good one may raise the watermark of its partition.
 *
 * What is decided about a message must be a function of the log, never of the
 * plan: a hash join with an empty table reads no row of the stream at all, a
 * nested loop reads them several times.  So each message is judged once, when
 * it is first reached ("judged" counts them); later passes repeat the verdict;
 * and view_intake_finish() judges those that the plan never asked for.
 *
 * Watermarks are worked on in a copy, and counted only when the stretch is
 * finished: a statement that failed is fed again, whole or in parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "view/view.h"

/* Room for so many bad messages is kept from batch to batch. */
#define KEPT_BAD 64

struct ViewIntake
{
	StreamFeed	feed;			/* first: the feed's functions get a pointer to it */

	const ContinuousView *cv;
	const Stream *stream;
	StreamDecoder *decoder;
	MemoryContext context;
	int			natts;
	Datum	   *values;			/* scratch, for messages that the plan skips */
	bool	   *nulls;

	/* the stretch */
	const MessageBatch *batch;
	const Bitmapset *skip;
	int			last;			/* one past its end */
	int			first;
	int			pos;			/* of the current pass */
	int			judged;			/* all before this one were judged */
	int			next_bad;		/* for the current pass: index into bad[] */

	BadMessage *bad;			/* of this stretch, by rising index */
	int			nbad;
	int			maxbad;

	PartitionWatermark *watermarks; /* up to the last finished stretch */
	PartitionWatermark *pending;	/* with this one's */
	int			npartitions;
	int64		ahead;
	int64		pending_ahead;
};

static bool intake_next(StreamFeed *feed, TupleTableSlot *slot);
static void intake_rewind(StreamFeed *feed);

/*
 * The columns to decode: those that the definition uses, and the event time.
 * The latter makes a message bad only where the definition uses it, be it as a
 * column or as time.
 */
static StreamDecoder *
create_decoder(ViewIntake *intake)
{
	const ContinuousView *cv = intake->cv;
	Bitmapset  *columns = bms_copy(cv->columns);
	Bitmapset  *lenient = NULL;
	AttrNumber	time = intake->stream->event_time;

	if (time != EVENT_TIME_KAFKA)
	{
		if (!bms_is_member(time, columns) && !cv->needs_event_time)
			lenient = bms_make_singleton(time);
		columns = bms_add_member(columns, time);
	}

	return stream_decoder_create(intake->stream, columns, lenient, intake->context);
}

/* cv and stream must live as long as the intake. */
ViewIntake *
view_intake_create(const ContinuousView *cv, const Stream *stream,
				   const PartitionWatermark *watermarks, int n,
				   MemoryContext context)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	ViewIntake *intake = palloc0(sizeof(ViewIntake));
	Relation	rel = RelationIdGetRelation(stream->relid);

	if (!RelationIsValid(rel))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream with OID %u does not exist", stream->relid)));
	intake->natts = RelationGetNumberOfAttributes(rel);
	RelationClose(rel);

	intake->feed.next = intake_next;
	intake->feed.rewind = intake_rewind;
	intake->cv = cv;
	intake->stream = stream;
	intake->context = context;
	intake->values = palloc0(sizeof(Datum) * intake->natts);
	intake->nulls = palloc0(sizeof(bool) * intake->natts);
	intake->decoder = create_decoder(intake);

	intake->npartitions = n;
	intake->watermarks = palloc0(sizeof(PartitionWatermark) * Max(n, 1));
	intake->pending = palloc0(sizeof(PartitionWatermark) * Max(n, 1));
	if (n > 0)
		memcpy(intake->watermarks, watermarks, sizeof(PartitionWatermark) * n);

	MemoryContextSwitchTo(oldcontext);
	return intake;
}

/* Partitions may have been added to the topic since the last stretch. */
static void
add_partition(ViewIntake *intake, int32 partition)
{
	PartitionWatermark *added;
	Size		size = sizeof(PartitionWatermark) * (intake->npartitions + 1);

	for (int i = 0; i < intake->npartitions; i++)
		if (intake->watermarks[i].partition == partition)
			return;

	intake->watermarks = repalloc(intake->watermarks, size);
	intake->pending = repalloc(intake->pending, size);
	added = &intake->watermarks[intake->npartitions++];
	added->partition = partition;
	added->watermark = DT_NOBEGIN;
}

StreamFeed *
view_intake_feed(ViewIntake *intake, const MessageBatch *batch,
				 int first, int last, const Bitmapset *skip)
{
	for (int i = 0; i < batch->npositions; i++)
		add_partition(intake, batch->positions[i].partition);

	intake->batch = batch;
	intake->skip = skip;
	intake->first = first;
	intake->last = last;
	intake->judged = first;
	view_intake_undo(intake);

	return &intake->feed;
}

void
view_intake_undo(ViewIntake *intake)
{
	intake->judged = intake->first;
	intake->nbad = 0;
	intake->pending_ahead = 0;
	memcpy(intake->pending, intake->watermarks,
		   sizeof(PartitionWatermark) * intake->npartitions);
	intake_rewind(&intake->feed);
}

static void
intake_rewind(StreamFeed *feed)
{
	ViewIntake *intake = (ViewIntake *) feed;

	intake->pos = intake->first;
	intake->next_bad = 0;
}

/* Sets a message aside. */
static void
note_bad(ViewIntake *intake, int index, const StreamError *error)
{
	if (intake->nbad == intake->maxbad)
	{
		intake->maxbad = Max(KEPT_BAD, intake->maxbad * 2);
		if (intake->bad == NULL)
			intake->bad = MemoryContextAllocHuge(intake->context,
												 sizeof(BadMessage) * intake->maxbad);
		else
			intake->bad = repalloc_huge(intake->bad,
										sizeof(BadMessage) * intake->maxbad);
	}
	intake->bad[intake->nbad].index = index;
	intake->bad[intake->nbad].sqlerrcode = error->sqlerrcode;
	intake->bad[intake->nbad].error = error->message;
	intake->nbad++;
	intake->next_bad = intake->nbad;
}

/* The event time of a decoded message; false where it has none to go by. */
static bool
event_time(const ViewIntake *intake, const StreamMessage *message,
		   const Datum *values, const bool *nulls, TimestampTz *time)
{
	AttrNumber	att = intake->stream->event_time;

	if (att == EVENT_TIME_KAFKA)
		*time = message->timestamp;
	else if (nulls[att - 1])
		return false;
	else
		*time = DatumGetTimestampTz(values[att - 1]);

	return !TIMESTAMP_NOT_FINITE(*time);
}

/*
 * A good message raises its partition's watermark to its event time less the
 * delay; but not if that time lies too far past the message's own Kafka
 * timestamp: one fast clock must not drop a fleet.
 */
static void
raise_watermark(ViewIntake *intake, const StreamMessage *message,
				const Datum *values, const bool *nulls)
{
	const Stream *stream = intake->stream;
	PartitionWatermark *mark = intake->pending;
	TimestampTz time;
	int64		watermark;

	if (!event_time(intake, message, values, nulls, &time))
		return;

	if (stream->watermark_max_ahead != NO_MAX_AHEAD &&
		!TIMESTAMP_NOT_FINITE(message->timestamp) &&
		time > message->timestamp &&
		time - message->timestamp > stream->watermark_max_ahead)
	{
		intake->pending_ahead++;
		return;
	}

	/* Partitions are numbered from 0, so this finds it at once, nearly always. */
	if (message->partition < intake->npartitions &&
		mark[message->partition].partition == message->partition)
		mark += message->partition;
	else
		while (mark->partition != message->partition)
			mark++;

	if (!pg_sub_s64_overflow(time, stream->watermark_delay, &watermark) &&
		watermark > mark->watermark)
		mark->watermark = watermark;
}

/* First look at a message: true if it is good, and then values are filled. */
static bool
judge(ViewIntake *intake, int index, Datum *values, bool *nulls)
{
	const StreamMessage *message = &intake->batch->messages[index];
	StreamError error;

	intake->judged = index + 1;
	if (!stream_decode(intake->decoder, message, values, nulls, &error))
	{
		note_bad(intake, index, &error);
		return false;
	}
	raise_watermark(intake, message, values, nulls);
	return true;
}

/* A further pass: the verdict stands, the values are decoded again. */
static bool
decode_again(ViewIntake *intake, int index, Datum *values, bool *nulls)
{
	StreamError error;

	if (intake->next_bad < intake->nbad &&
		intake->bad[intake->next_bad].index == index)
	{
		intake->next_bad++;
		return false;
	}
	return stream_decode(intake->decoder, &intake->batch->messages[index],
						 values, nulls, &error);
}

static bool
intake_next(StreamFeed *feed, TupleTableSlot *slot)
{
	ViewIntake *intake = (ViewIntake *) feed;

	/* The decoder fills in the columns that the stream had when it was made. */
	if (unlikely(slot->tts_tupleDescriptor->natts != intake->natts))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns of stream %s have changed while it is being read",
						intake->stream->name)));

	while (intake->pos < intake->last)
	{
		int			index = intake->pos++;
		bool		good;

		if (intake->skip && bms_is_member(index, intake->skip))
			continue;

		CHECK_FOR_INTERRUPTS();

		if (index < intake->judged)
			good = decode_again(intake, index, slot->tts_values, slot->tts_isnull);
		else
			good = judge(intake, index, slot->tts_values, slot->tts_isnull);

		if (good)
		{
			ExecStoreVirtualTuple(slot);
			return true;
		}
	}
	return false;
}

void
view_intake_finish(ViewIntake *intake)
{
	PartitionWatermark *finished = intake->pending;
	ViewIdentity save;

	/* Decoding may call input functions, and checks of domains, of users'. */
	view_enter(intake->cv, &save);
	for (int index = intake->judged; index < intake->last; index++)
	{
		CHECK_FOR_INTERRUPTS();
		if (intake->skip == NULL || !bms_is_member(index, intake->skip))
			(void) judge(intake, index, intake->values, intake->nulls);
	}
	view_leave(&save);

	intake->pending = intake->watermarks;
	intake->watermarks = finished;
	intake->ahead += intake->pending_ahead;
	intake->pending_ahead = 0;
	intake->judged = intake->last;
}

void
view_intake_rest(ViewIntake *intake)
{
	stream_decoder_rest(intake->decoder);
	if (intake->maxbad > KEPT_BAD)
	{
		pfree(intake->bad);
		intake->bad = NULL;
		intake->maxbad = 0;
	}
	intake->nbad = 0;
}

int
view_intake_last_fed(const ViewIntake *intake)
{
	return intake->pos - 1;
}

int
view_intake_bad(const ViewIntake *intake, const BadMessage **bad)
{
	*bad = intake->bad;
	return intake->nbad;
}

const PartitionWatermark *
view_intake_watermarks(const ViewIntake *intake, int *n)
{
	*n = intake->npartitions;
	return intake->watermarks;
}

int64
view_intake_ahead(const ViewIntake *intake)
{
	return intake->ahead;
}
