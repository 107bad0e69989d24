/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Execution of a ForeignScan over a stream: history, or a feed.
 *
 * Between the start of the executor and a scan's first row, somebody may
 * attach a StreamFeed; then the rows are the feed's.  Otherwise the scan
 * reads history: from each partition's first retained message up to the end
 * that the log had at the first row, less what conditions exclude (seek.c).  So starting the executor must cost
 * nothing and touch no broker: everything is made at the first row.
 *
 * What arrives while the scan runs lies behind its end and is passed over,
 * also when it starts again, so a rescan sees the same rows (retention
 * permitting: if a message has gone meanwhile, that is an error).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "source/scan.h"
#include "source/seek.h"
#include "source/source.h"

/* What is read ahead by librdkafka, and what is copied at a time. */
#define READ_AHEAD_BYTES	(64 * 1024 * 1024)
#define BATCH_BYTES			(4 * 1024 * 1024)
#define BATCH_MESSAGES		10000

/* How long a broker may be away before the query fails, and for EXPLAIN. */
#define CONTACT_TIMEOUT_MS	10000
#define EXPLAIN_TIMEOUT_MS	1000

/* EXPLAIN lists the offsets of so many partitions. */
#define EXPLAIN_PARTITIONS	16

typedef struct StreamScan
{
	StreamFeed *feed;			/* if set, nothing below is used */

	MemoryContext context;		/* the query's */
	Stream	   *stream;
	StreamReader *reader;		/* NULL: nothing asked for yet */
	StreamDecoder *decoder;
	MessageBatch *batch;
	int			next;			/* message of the batch */
	int			npartitions;
	StreamPosition *start;		/* of each partition */
	int64	   *end;			/* of each partition, at the start of the scan */
	int64		nbatches;		/* since the start */
	bool		exhausted;		/* the batch is the last one */
	int64		ignored;		/* bad messages since the start */
	int64		messages;		/* read in all, starts counted */

	/* the message being decoded, for error context */
	const StreamMessage *message;
} StreamScan;

void
scan_begin(ForeignScanState *node, int eflags)
{
	StreamScan *scan = palloc0(sizeof(StreamScan));

	scan->context = CurrentMemoryContext;
	node->fdw_state = scan;
}

/* An error that is the reader's trouble. */
static void
raise_trouble(StreamScan *scan)
{
	StreamReaderState state = stream_reader_state(scan->reader);

	ereport(ERROR,
			(errcode(state.ok ? ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION
					 : state.sqlerrcode),
			 state.ok ? errmsg("no answer from the broker of stream %s", scan->stream->name)
			 : errmsg("%s", state.message)));
}

/*
 * Learns the first and end offsets of n partitions, within the bounds; false: not
 * in that time.
 */
static bool
ask_offsets(StreamScan *scan, const SeekBounds *bounds, int n, int64 *first, int timeout_ms)
{
	int64	   *at = palloc(n * sizeof(int64));

	if (!stream_reader_offsets(scan->reader, n, first, scan->end, timeout_ms))
		return false;
	if (bounds->time_from != DT_NOBEGIN &&
		!stream_reader_offsets_at(scan->reader, n, bounds->time_from, at, timeout_ms))
		return false;

	for (int i = 0; i < n; i++)
	{
		first[i] = Max(first[i], bounds->offset_from);
		if (bounds->time_from != DT_NOBEGIN)
			first[i] = Max(first[i], at[i]);
		if (bounds->offset_to < scan->end[i])
			scan->end[i] = Max(bounds->offset_to, -1) + 1;
	}
	return true;
}

/* Learns which stretch of which partitions is to be read; false: not in that time. */
static bool
find_bounds(StreamScan *scan, const SeekBounds *bounds, int timeout_ms)
{
	int64	   *first;
	int			n;

	n = stream_reader_partitions(scan->reader, timeout_ms);
	if (n < 0)
		return false;

	first = palloc(n * sizeof(int64));
	scan->end = palloc(n * sizeof(int64));
	if (!ask_offsets(scan, bounds, n, first, timeout_ms))
		return false;

	scan->start = palloc0(n * sizeof(StreamPosition));
	scan->npartitions = 0;
	for (int i = 0; i < n; i++)
	{
		StreamPosition *position = &scan->start[scan->npartitions];

		if (first[i] >= scan->end[i] ||
			i < bounds->partition_from || i > bounds->partition_to)
			continue;
		position->partition = i;
		position->next_offset = first[i];
		position->end_offset = -1;
		position->last_offset = -1;
		scan->npartitions++;
	}
	return true;
}

/* From the start, again. */
static void
assign_start(StreamScan *scan)
{
	scan->next = 0;
	scan->ignored = 0;

	/* A short history is still there. */
	if (scan->nbatches == 1)
		return;
	stream_reader_assign(scan->reader, scan->start, scan->npartitions);
	message_batch_reset(scan->batch);
	scan->exhausted = scan->npartitions == 0;
	scan->nbatches = 0;
}

static void
open_reader(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;
	Oid			userid = foreign_scan_check_as(node);

	if (!OidIsValid(userid))
		userid = GetUserId();
	scan->reader = stream_reader_open(scan->stream, userid, READ_AHEAD_BYTES);
}

/* Everything that was put off until the first row. */
static void
open_history(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);
	Bitmapset  *columns = NULL;
	SeekBounds	bounds;
	MemoryContext oldcontext = MemoryContextSwitchTo(scan->context);
	ListCell   *lc;

	foreach(lc, (List *) list_nth(plan->fdw_private, SCAN_COLUMNS))
		columns = bms_add_member(columns, lfirst_int(lc));

	scan->stream = stream_open(RelationGetRelid(node->ss.ss_currentRelation));
	scan->decoder = stream_decoder_create(scan->stream, columns, NULL, scan->context);
	scan->batch = message_batch_create(scan->context);
	open_reader(node);
	bounds = seek_bounds(list_nth(plan->fdw_private, SCAN_SEEK));
	if (!find_bounds(scan, &bounds, CONTACT_TIMEOUT_MS))
		raise_trouble(scan);
	assign_start(scan);

	MemoryContextSwitchTo(oldcontext);
}

/* Has every partition been read up to where it ended when the scan began? */
static bool
reached_end(StreamScan *scan)
{
	for (int i = 0; i < scan->batch->npositions; i++)
	{
		StreamPosition *position = &scan->batch->positions[i];

		if (position->next_offset < scan->end[position->partition])
			return false;
	}
	return true;
}

/* Waits for more messages; sets exhausted when none are left to come. */
static void
read_more(StreamScan *scan)
{
	TimestampTz contact = GetCurrentTimestamp();

	message_batch_reset(scan->batch);
	scan->next = 0;
	scan->nbatches++;
	for (;;)
	{
		int			count;

		CHECK_FOR_INTERRUPTS();
		count = stream_reader_read(scan->reader, scan->batch, BATCH_MESSAGES, BATCH_BYTES);
		scan->exhausted = reached_end(scan);
		if (count > 0 || scan->exhausted)
			return;

		if (stream_reader_state(scan->reader).ok)
			contact = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(contact, GetCurrentTimestamp(), CONTACT_TIMEOUT_MS))
			raise_trouble(scan);
		stream_reader_wait(scan->reader, 1000);
	}
}

/* The next message of history, or NULL. */
static const StreamMessage *
next_message(StreamScan *scan)
{
	for (;;)
	{
		const StreamMessage *message;

		if (scan->next == scan->batch->count)
		{
			if (scan->exhausted)
				return NULL;
			read_more(scan);
			continue;
		}

		message = &scan->batch->messages[scan->next++];
		if (message->offset < scan->end[message->partition])
		{
			scan->messages++;
			return message;
		}
	}
}

static void
message_context(void *arg)
{
	StreamScan *scan = arg;

	errcontext("stream %s, topic \"%s\", partition %d, offset %lld",
			   scan->stream->name, scan->stream->topic,
			   scan->message->partition, (long long) scan->message->offset);
}

/* A message that does not convert: ignored, or the end. */
static void
handle_bad(StreamScan *scan, const StreamError *error)
{
	if (!scan->stream->ignore_errors)
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("%s", error->message)));

	scan->ignored++;
	if (scan->stream->reject_limit >= 0 && scan->ignored > scan->stream->reject_limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("skipped more than reject_limit (%lld) messages of stream %s",
						(long long) scan->stream->reject_limit, scan->stream->name),
				 errdetail("The last error was: %s", error->message)));
}

/* Decodes messages until one is good. */
static bool
next_row(StreamScan *scan, TupleTableSlot *slot)
{
	ErrorContextCallback callback;
	StreamError error;
	bool		found = false;

	callback.callback = message_context;
	callback.arg = scan;

	while (!found && (scan->message = next_message(scan)) != NULL)
	{
		callback.previous = error_context_stack;
		error_context_stack = &callback;
		found = stream_decode(scan->decoder, scan->message,
							  slot->tts_values, slot->tts_isnull, &error);
		if (!found)
			handle_bad(scan, &error);
		error_context_stack = callback.previous;
	}
	return found;
}

TupleTableSlot *
scan_next(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (scan->feed)
	{
		scan->feed->next(scan->feed, slot);
		return slot;
	}

	if (scan->reader == NULL)
		open_history(node);
	if (next_row(scan, slot))
		ExecStoreVirtualTuple(slot);
	return slot;
}

void
scan_restart(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;

	if (scan->feed)
		scan->feed->rewind(scan->feed);
	else if (scan->reader)
		assign_start(scan);
}

void
scan_end(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;

	if (scan == NULL || scan->reader == NULL)
		return;
	stream_reader_close(scan->reader);
	scan->reader = NULL;
	if (scan->ignored > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld message of stream %s was ignored because it could not be converted",
							   "%lld messages of stream %s were ignored because they could not be converted",
							   scan->ignored, (long long) scan->ignored, scan->stream->name)));
}

/*
 * For EXPLAIN without ANALYZE: what would be read, if the broker says so soon.
 */
static bool
preview_bounds(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;
	SeekBounds	bounds = seek_bounds(list_nth(castNode(ForeignScan, node->ss.ps.plan)->fdw_private,
											  SCAN_SEEK));
	bool		known;

	scan->stream = stream_open(RelationGetRelid(node->ss.ss_currentRelation));
	open_reader(node);
	known = find_bounds(scan, &bounds, EXPLAIN_TIMEOUT_MS);
	stream_reader_close(scan->reader);
	scan->reader = NULL;
	return known;
}

/* The stretch of the log, partition by partition. */
static void
explain_offsets(StreamScan *scan, ExplainState *es)
{
	StringInfoData line;
	int64		count = 0;

	for (int i = 0; i < scan->npartitions; i++)
		count += scan->end[scan->start[i].partition] - scan->start[i].next_offset;

	initStringInfo(&line);
	appendStringInfo(&line, INT64_FORMAT " in %d partitions", count, scan->npartitions);
	for (int i = 0; i < scan->npartitions && scan->npartitions <= EXPLAIN_PARTITIONS; i++)
		appendStringInfo(&line, "%s%d: " INT64_FORMAT " to " INT64_FORMAT,
						 i == 0 ? " (" : ", ", scan->start[i].partition,
						 scan->start[i].next_offset,
						 scan->end[scan->start[i].partition] - 1);
	if (scan->npartitions > 0 && scan->npartitions <= EXPLAIN_PARTITIONS)
		appendStringInfoChar(&line, ')');
	ExplainPropertyText("Offsets", line.data, es);
}

void
scan_explain(ForeignScanState *node, ExplainState *es)
{
	StreamScan *scan = node->fdw_state;
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);

	ExplainPropertyText("Topic",
						stream_open(RelationGetRelid(node->ss.ss_currentRelation))->topic, es);
	seek_explain(list_nth(plan->fdw_private, SCAN_SEEK), es);
	if (scan->feed)
		return;
	if (scan->reader != NULL || (!es->analyze && preview_bounds(node)))
		explain_offsets(scan, es);
	if (es->analyze)
		ExplainPropertyInteger("Messages Read", NULL, scan->messages, es);
}

/* ------------------------------------------------------------------ feeds */

typedef struct AttachContext
{
	Oid			relid;
	StreamFeed *feed;
	int			count;
} AttachContext;

static bool
attach_walker(PlanState *planstate, void *arg)
{
	AttachContext *context = arg;

	if (IsA(planstate, ForeignScanState))
	{
		ForeignScanState *node = (ForeignScanState *) planstate;

		if (node->ss.ss_currentRelation &&
			RelationGetRelid(node->ss.ss_currentRelation) == context->relid &&
			node->fdwroutine->BeginForeignScan == scan_begin)
		{
			((StreamScan *) node->fdw_state)->feed = context->feed;
			context->count++;
		}
	}
	return planstate_tree_walker(planstate, attach_walker, context);
}

int
stream_feed_attach(PlanState *planstate, Oid relid, StreamFeed *feed)
{
	AttachContext context = {relid, feed, 0};

	attach_walker(planstate, &context);
	return context.count;
}
