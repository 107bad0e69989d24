/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Execution of a ForeignScan over a stream: history, or a feed.
 *
 * Between the start of the executor and a scan's first row, somebody may
 * attach a StreamFeed; then the rows are the feed's.  Otherwise the scan
 * reads history: from each partition's first retained message up to the end
 * that the log had at the first row, less what conditions exclude (seek.c).  So
 * starting the executor must cost nothing and touch no broker: everything is
 * made at the first row.
 *
 * What arrives while the scan runs lies behind its end and is passed over,
 * also when it starts again, so a rescan sees the same log (retention
 * permitting: if a message has gone meanwhile, that is an error), if perhaps
 * another stretch of it: with other parameters, conditions exclude other parts.
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
#include "source/explain.h"
#include "source/extent.h"
#include "source/scan.h"
#include "source/seek.h"
#include "source/source.h"

/* What is copied at a time. */
#define BATCH_BYTES			(4 * 1024 * 1024)
#define BATCH_MESSAGES		10000

/* How long a broker may be away before the query fails, and for EXPLAIN. */
#define CONTACT_TIMEOUT_MS	10000
#define EXPLAIN_TIMEOUT_MS	1000

typedef struct StreamScan
{
	StreamFeed *feed;			/* if set, nothing below is used */

	MemoryContext context;		/* the query's */
	Oid			userid;			/* whose user mapping it has; a cursor's rows may be
								 * fetched by others */
	Stream	   *stream;
	StreamReader *reader;		/* NULL: nothing asked for yet */
	StreamDecoder *decoder;
	MessageBatch *batch;
	int			next;			/* message of the batch */
	SeekState  *seek;
	bool		stale;			/* parameters have changed since */
	MemoryContext stretch;		/* holds bounds and part */
	int			nstretches;		/* so far */
	SeekBounds	bounds;

	LogExtent	log;			/* what there was at the first row */
	LogExtent	part;			/* what is to be read of it */
	LogExtent	assigned;		/* what the reader reads: that, or more */
	bool		all_tried;		/* change_stretch() */
	bool		all_assigned;	/* all that any parameters can ask for */

	int64		nbatches;		/* since the start */
	bool		exhausted;		/* the batch is the last one */
	int64		ignored;		/* bad messages: count_ignored() */
	LogExtent	counted;		/* what holds them */
	int64		messages;		/* read in all, starts counted */

	/* the message being decoded, for error context */
	const StreamMessage *message;
} StreamScan;

void
scan_begin(ForeignScanState *node, int eflags)
{
	StreamScan *scan = palloc0(sizeof(StreamScan));

	scan->context = CurrentMemoryContext;
	scan->userid = foreign_scan_check_as(node);
	if (!OidIsValid(scan->userid))
		scan->userid = GetUserId();
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

/* What the conditions' values make of the bounds now. */
static void
find_bounds(StreamScan *scan, bool executing)
{
	MemoryContext oldcontext;

	MemoryContextReset(scan->stretch);
	oldcontext = MemoryContextSwitchTo(scan->stretch);
	scan->bounds = seek_evaluate(scan->seek, executing);
	MemoryContextSwitchTo(oldcontext);
}

/* Learns which part of the log bounds leave.  False: not in that time. */
static bool
find_part(StreamScan *scan, const SeekBounds *bounds, int timeout_ms)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(scan->stretch);
	bool		found;

	found = extent_narrow(&scan->part, &scan->log, bounds, scan->reader, timeout_ms);
	MemoryContextSwitchTo(oldcontext);
	return found;
}

/* Lets the reader read this part of the log, from its start. */
static void
assign(StreamScan *scan, const LogExtent *part)
{
	scan->assigned.npartitions = part->npartitions;
	memcpy(scan->assigned.first, part->first, part->npartitions * sizeof(int64));
	memcpy(scan->assigned.end, part->end, part->npartitions * sizeof(int64));
	scan->exhausted = !extent_assign(part, scan->reader);
	scan->all_assigned = false;
	message_batch_reset(scan->batch);
	scan->nbatches = 0;
}

/*
 * Does the batch hold what is to be read, or will it, together with whatever
 * else has been assigned?
 */
static bool
is_held(StreamScan *scan)
{
	if (scan->nbatches > 1 ||
		(!scan->exhausted && extent_messages(&scan->assigned) > BATCH_MESSAGES))
		return false;
	if (scan->all_assigned)
		return true;
	for (int i = 0; i < scan->part.npartitions; i++)
	{
		if (scan->part.first[i] < scan->part.end[i] &&
			(scan->part.first[i] < scan->assigned.first[i] ||
			 scan->part.end[i] > scan->assigned.end[i]))
			return false;
	}
	return true;
}

/* Where the conditions' values are. */
static void
prepare_seek(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);
	MemoryContext oldcontext;

	if (scan->seek)
		return;
	oldcontext = MemoryContextSwitchTo(scan->context);
	scan->stretch = AllocSetContextCreate(scan->context, "pg_kappa stretch",
										  ALLOCSET_SMALL_SIZES);
	scan->seek = seek_begin(list_nth(plan->fdw_private, SCAN_SEEK), plan->fdw_exprs,
							&node->ss.ps);
	MemoryContextSwitchTo(oldcontext);
}

/* Learns what there is to read, as far as that can be known.  False: not in that time. */
static bool
open_log(ForeignScanState *node, bool executing, int timeout_ms)
{
	StreamScan *scan = node->fdw_state;

	prepare_seek(node);
	scan->stream = stream_open(RelationGetRelid(node->ss.ss_currentRelation));
	scan->reader = extent_reader(scan->stream, scan->userid);
	if (!extent_ask(&scan->log, scan->stream, scan->userid, scan->reader, timeout_ms))
		return false;
	find_bounds(scan, executing);
	return find_part(scan, &scan->bounds, timeout_ms);
}

/* Everything that was put off until the first row. */
static void
open_history(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);
	Bitmapset  *columns = NULL;
	MemoryContext oldcontext = MemoryContextSwitchTo(scan->context);
	ListCell   *lc;

	if (!open_log(node, true, CONTACT_TIMEOUT_MS))
		raise_trouble(scan);

	foreach(lc, (List *) list_nth(plan->fdw_private, SCAN_COLUMNS))
		columns = bms_add_member(columns, lfirst_int(lc));
	scan->decoder = stream_decoder_create(scan->stream, columns, NULL, scan->context);
	scan->batch = message_batch_create(scan->context);
	scan->assigned.first = palloc((scan->log.npartitions + 1) * sizeof(int64));
	scan->assigned.end = palloc((scan->log.npartitions + 1) * sizeof(int64));
	scan->counted.first = palloc0((scan->log.npartitions + 1) * sizeof(int64));
	scan->counted.end = palloc0((scan->log.npartitions + 1) * sizeof(int64));
	scan->nstretches = 1;
	assign(scan, &scan->part);

	MemoryContextSwitchTo(oldcontext);
}

/*
 * Lets the reader read everything that any parameters can ask for, if that may fit
 * into one batch.
 */
static bool
assign_all(StreamScan *scan)
{
	SeekBounds	bounds = seek_evaluate(scan->seek, false);
	LogExtent	all;

	if (!extent_narrow(&all, &scan->log, &bounds, scan->reader, CONTACT_TIMEOUT_MS))
		raise_trouble(scan);
	if (extent_messages(&all) > BATCH_MESSAGES)
		return false;
	assign(scan, &all);
	scan->all_assigned = true;
	return true;
}

/*
 * Parameters have changed: another stretch of the same log.  To ask the broker
 * where a time begins takes a reader, which is waiting for messages, a tenth of a
 * second; to fetch from elsewhere, tens of milliseconds.  So both come last.
 */
static void
change_stretch(StreamScan *scan)
{
	SeekBounds	timeless;

	find_bounds(scan, true);
	scan->stale = false;
	scan->nstretches++;
	scan->next = 0;

	timeless = scan->bounds;
	timeless.time_from = DT_NOBEGIN;
	(void) find_part(scan, &timeless, 0);
	if (is_held(scan))
		return;
	if (!scan->all_tried)
	{
		scan->all_tried = true;
		if (assign_all(scan))
			return;
	}

	if (!find_part(scan, &scan->bounds, CONTACT_TIMEOUT_MS))
		raise_trouble(scan);
	if (!is_held(scan))
		assign(scan, &scan->part);
}

/* From the start, again. */
static void
restart(StreamScan *scan)
{
	scan->next = 0;

	/* A short history is still there, or its beginning. */
	if (scan->nbatches > 1)
		assign(scan, &scan->part);
}

/* Has every partition been read up to where it ended when the scan began? */
static bool
reached_end(StreamScan *scan)
{
	for (int i = 0; i < scan->batch->npositions; i++)
	{
		StreamPosition *position = &scan->batch->positions[i];

		if (position->next_offset < scan->assigned.end[position->partition])
			return false;
	}
	return true;
}

/* Makes room. */
static void
next_batch(StreamScan *scan)
{
	message_batch_reset(scan->batch);
	scan->next = 0;
	scan->nbatches++;
}

/*
 * Waits for more messages; sets exhausted when none are left to come.  The first
 * batch is filled, as often as something comes, so that a short history stays
 * in memory; each later one takes the place of the one before.
 */
static void
read_more(StreamScan *scan)
{
	TimestampTz contact = GetCurrentTimestamp();

	if (scan->nbatches != 1 || scan->batch->count >= BATCH_MESSAGES ||
		scan->batch->bytes >= BATCH_BYTES)
		next_batch(scan);
	for (;;)
	{
		StreamReaderState state;
		int			count;

		CHECK_FOR_INTERRUPTS();
		count = stream_reader_read(scan->reader, scan->batch, BATCH_MESSAGES,
								   scan->batch->bytes + BATCH_BYTES);
		scan->exhausted = reached_end(scan);
		if (count > 0 || scan->exhausted)
			return;

		state = stream_reader_state(scan->reader);
		if (state.ok)
			contact = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(contact, GetCurrentTimestamp(), CONTACT_TIMEOUT_MS))
			raise_trouble(scan);

		/* A message that does not fit any more? */
		if (state.queued_messages > 0 && scan->batch->count > 0)
			next_batch(scan);
		else
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
		if (message->offset >= scan->part.first[message->partition] &&
			message->offset < scan->part.end[message->partition])
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

/*
 * A scan that starts again meets the same bad messages, which are not to be
 * counted twice.  So only what lies outside of all that have been counted counts
 * as another one: exact if the stretches that the scan reads lie in order.
 */
static void
count_ignored(StreamScan *scan)
{
	int64		offset = scan->message->offset;
	int64	   *first = &scan->counted.first[scan->message->partition];
	int64	   *end = &scan->counted.end[scan->message->partition];

	if (offset >= *first && offset < *end)
		return;
	if (*first == *end || offset < *first)
		*first = offset;
	if (offset >= *end)
		*end = offset + 1;
	scan->ignored++;
}

/* A message that does not convert: ignored, or the end. */
static void
handle_bad(StreamScan *scan, const StreamError *error)
{
	if (!scan->stream->ignore_errors)
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("%s", error->message)));

	count_ignored(scan);
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
	else if (scan->stale)
		change_stretch(scan);
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
	else if (scan->reader && seek_changed(scan->seek))
		scan->stale = true;
	else if (scan->reader && !scan->stale)
		restart(scan);
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
 * For EXPLAIN without ANALYZE: what would be read, if the broker says so soon,
 * and did not fail to do so a moment ago, while planning.
 */
static bool
preview_stretch(ForeignScanState *node)
{
	StreamScan *scan = node->fdw_state;
	bool		known;

	if (extent_is_away(RelationGetRelid(node->ss.ss_currentRelation), scan->userid,
					   EXPLAIN_TIMEOUT_MS))
		return false;
	known = open_log(node, false, EXPLAIN_TIMEOUT_MS);
	stream_reader_close(scan->reader);
	scan->reader = NULL;
	return known;
}

void
scan_explain(ForeignScanState *node, ExplainState *es)
{
	StreamScan *scan = node->fdw_state;
	bool		known;

	ExplainPropertyText("Topic",
						stream_open(RelationGetRelid(node->ss.ss_currentRelation))->topic, es);
	prepare_seek(node);
	if (scan->reader != NULL)
		known = scan->nstretches == 1;
	else
		known = !scan->feed && (node->ss.ps.state->es_top_eflags & EXEC_FLAG_EXPLAIN_ONLY) &&
			preview_stretch(node);

	/* Of several stretches, what they have in common. */
	if (!known)
		scan->bounds = seek_evaluate(scan->seek, false);
	explain_seek(seek_terms(scan->seek), node->ss.ps.plan, &scan->bounds, es);
	if (known)
		explain_offsets(&scan->part, seek_is_complete(scan->seek), es);
	if (es->analyze && !scan->feed)
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
