/*-------------------------------------------------------------------------
 *
 * extent.c
 *	  Which offsets a log holds, asked of its broker, and remembered.
 *
 * A scan asks when it starts, and takes nothing from memory.  The planner wants
 * to know, too, how many messages there are to read, but must neither wait long
 * nor fail.  So what is learnt about a stream, as a certain user, is remembered
 * for a few seconds; so is that a broker did not answer, and then older numbers
 * serve.  Whatever goes wrong while the planner asks is forgotten: if it matters
 * the scan will meet it again.
 *
 * The reader that the planner has asked is kept until the end of the transaction
 * (a spare), for the scan that probably follows: to connect is most of what a
 * small SELECT costs.
 *
 * A change of any stream, server or user mapping makes all of that void.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "foreign/fdwapi.h"
#include "lib/ilist.h"
#include "portability/instr_time.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "source/attempt.h"
#include "source/extent.h"
#include "source/reader.h"

/* What a scan's reader reads ahead. */
#define READ_AHEAD_BYTES	(64 * 1024 * 1024)

/* How long the planner waits for a broker, and for how long it remembers. */
#define PLANNER_TIMEOUT_MS	1000
#define MEMORY_USECS		(10 * USECS_PER_SEC)

#define MAX_SPARES			4

typedef struct KnownKey
{
	Oid			relid;
	Oid			userid;
} KnownKey;

/* Where messages from a time on begin. */
typedef struct KnownTime
{
	TimestampTz time;
	TimestampTz learnt;
	int64	   *offsets;		/* of each partition; NULL: not known */
} KnownTime;

typedef struct KnownLog
{
	KnownKey	key;
	Oid			serverid;
	LogExtent	extent;			/* npartitions = -1: not known */
	TimestampTz learnt;
	KnownTime	from;			/* for SeekBounds' time_from, and time_to */
	KnownTime	to;
	TimestampTz failed;			/* the last failure, or 0 */
	bool		away;			/* that was for want of a broker */
	int			patience_ms;	/* for those who would not wait longer than this */
} KnownLog;

static HTAB *known_logs = NULL;
static MemoryContext known_context = NULL;

/* Counts changes of the catalogs; known_logs is of known_generation. */
static uint64 generation = 0;
static uint64 known_generation = 0;

typedef struct SpareReader
{
	dlist_node	node;
	MemoryContext context;		/* holds this, and the reader */
	MemoryContextCallback at_reset;
	StreamReader *reader;
	Oid			relid;
	Oid			userid;
	uint64		generation;
	TimestampTz opened;
} SpareReader;

static dlist_head spares = DLIST_STATIC_INIT(spares);
static int	nspares = 0;

/* ----------------------------------------------------------------- memory */

static void
forget_all(Datum arg, int cacheid, uint32 hashvalue)
{
	generation++;
}

/* The table of what is known, without what is void. */
static void
open_memory(void)
{
	HASHCTL		control = {0};

	if (known_context == NULL)
	{
		known_context = AllocSetContextCreate(TopMemoryContext, "pg_kappa known logs",
											  ALLOCSET_SMALL_SIZES);
		CacheRegisterSyscacheCallback(FOREIGNTABLEREL, forget_all, (Datum) 0);
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, forget_all, (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, forget_all, (Datum) 0);
	}
	if (known_logs && known_generation == generation)
		return;

	known_logs = NULL;
	MemoryContextReset(known_context);
	control.keysize = sizeof(KnownKey);
	control.entrysize = sizeof(KnownLog);
	control.hcxt = known_context;
	known_logs = hash_create("pg_kappa known logs", 16, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	known_generation = generation;
}

/*
 * What is known of a log, or NULL.  Valid until catalogs are read, since then
 * it may turn out to be void.
 */
static KnownLog *
find_log(Oid relid, Oid userid)
{
	KnownKey	key = {relid, userid};

	open_memory();
	return hash_search(known_logs, &key, HASH_FIND, NULL);
}

static KnownLog *
make_log(const Stream *stream, Oid userid)
{
	KnownKey	key = {stream->relid, userid};
	KnownLog   *log;
	bool		found;

	open_memory();
	log = hash_search(known_logs, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) log + sizeof(KnownKey), 0, sizeof(KnownLog) - sizeof(KnownKey));
		log->serverid = stream->serverid;
		log->extent.npartitions = -1;
	}
	return log;
}

static bool
is_recent(TimestampTz at)
{
	TimestampTz now = GetCurrentTimestamp();

	return at != 0 && at <= now && now - at < MEMORY_USECS;
}

/* A copy of offsets, in place of an older one. */
static void
replace_offsets(int64 **place, const int64 *offsets, int n)
{
	int64	   *copy = MemoryContextAlloc(known_context, (n + 1) * sizeof(int64));

	memcpy(copy, offsets, n * sizeof(int64));
	if (*place)
		pfree(*place);
	*place = copy;
}

static void
remember_extent(const Stream *stream, Oid userid, const LogExtent *extent)
{
	KnownLog   *log = make_log(stream, userid);

	/* Offsets of times are for as many partitions. */
	if (extent->npartitions != log->extent.npartitions)
		log->from.learnt = log->to.learnt = 0;
	log->extent.npartitions = -1;
	replace_offsets(&log->extent.first, extent->first, extent->npartitions);
	replace_offsets(&log->extent.end, extent->end, extent->npartitions);
	log->extent.npartitions = extent->npartitions;
	log->learnt = GetCurrentTimestamp();
	log->failed = 0;
}

static void
remember_time(KnownTime *known, TimestampTz time, const int64 *offsets, int n)
{
	replace_offsets(&known->offsets, offsets, n);
	known->time = time;
	known->learnt = GetCurrentTimestamp();
}

/* Is this, or nearly this, time known?  now() moves on. */
static bool
knows_time(const KnownTime *known, TimestampTz time)
{
	if (!is_recent(known->learnt))
		return false;
	if (TIMESTAMP_NOT_FINITE(time) || TIMESTAMP_NOT_FINITE(known->time))
		return time == known->time;
	return time == known->time ||
		(time > known->time ? (uint64) time - (uint64) known->time :
		 (uint64) known->time - (uint64) time) < MEMORY_USECS;
}

/* ---------------------------------------------------------------- readers */

/* The spare's context is about to go. */
static void
unlink_spare(void *arg)
{
	SpareReader *spare = arg;

	dlist_delete(&spare->node);
	nspares--;
}

/* It outlives the subtransaction that asks, but not if opening it fails. */
static SpareReader *
open_spare(const Stream *stream, Oid userid)
{
	MemoryContext context = AllocSetContextCreate(CurTransactionContext, "pg_kappa spare reader",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	SpareReader *spare = palloc0(sizeof(SpareReader));

	spare->context = context;
	spare->relid = stream->relid;
	spare->userid = userid;
	spare->generation = generation;
	spare->opened = GetCurrentTimestamp();
	spare->reader = stream_reader_open(stream, userid, READ_AHEAD_BYTES);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextSetParent(context, TopTransactionContext);

	if (nspares == MAX_SPARES)
		MemoryContextDelete(dlist_head_element(SpareReader, node, &spares)->context);
	dlist_push_tail(&spares, &spare->node);
	nspares++;
	spare->at_reset.func = unlink_spare;
	spare->at_reset.arg = spare;
	MemoryContextRegisterResetCallback(context, &spare->at_reset);
	return spare;
}

/* A spare that is as good as a new reader, or NULL. */
static SpareReader *
find_spare(Oid relid, Oid userid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &spares)
	{
		SpareReader *spare = dlist_container(SpareReader, node, iter.cur);

		if (spare->relid == relid && spare->userid == userid &&
			spare->generation == generation && is_recent(spare->opened))
			return spare;
	}
	return NULL;
}

StreamReader *
extent_reader(const Stream *stream, Oid userid)
{
	SpareReader *spare = find_spare(stream->relid, userid);
	StreamReader *reader;

	if (spare == NULL)
		return stream_reader_open(stream, userid, READ_AHEAD_BYTES);
	reader = spare->reader;

	/* Columns may have changed since. */
	if (stream->has_headers)
		stream_reader_want_headers(reader);
	MemoryContextSetParent(reader->context, CurrentMemoryContext);
	MemoryContextDelete(spare->context);
	return reader;
}

/* ---------------------------------------------------------------- extents */

int64
extent_messages(const LogExtent *extent)
{
	int64		count = 0;

	for (int i = 0; i < extent->npartitions; i++)
		count += Max(extent->end[i] - extent->first[i], 0);
	return count;
}

/* Milliseconds left of a timeout. */
static int
time_left(instr_time start, int timeout_ms)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return Max(timeout_ms - (int) INSTR_TIME_GET_MILLISEC(now), 1);
}

bool
extent_ask(LogExtent *extent, const Stream *stream, Oid userid,
		   StreamReader *reader, int timeout_ms)
{
	instr_time	start;
	int			n;

	INSTR_TIME_SET_CURRENT(start);
	n = stream_reader_partitions(reader, timeout_ms);
	if (n <= 0)
		return false;
	extent->first = palloc((n + 1) * sizeof(int64));
	extent->end = palloc((n + 1) * sizeof(int64));
	if (!stream_reader_offsets(reader, n, extent->first, extent->end,
							   time_left(start, timeout_ms)))
		return false;
	extent->npartitions = n;
	remember_extent(stream, userid, extent);
	return true;
}

/* What the bounds leave, where messages from time_from on begin at "from". */
static void
clip(LogExtent *part, const LogExtent *whole, const SeekBounds *bounds, const int64 *from)
{
	int			n = whole->npartitions;

	part->npartitions = n;
	part->first = palloc((n + 1) * sizeof(int64));
	part->end = palloc((n + 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		part->first[i] = Max(whole->first[i], bounds->offset_from);
		if (from)
			part->first[i] = Max(part->first[i], from[i]);
		part->end[i] = whole->end[i];
		if (bounds->offset_to < part->end[i])
			part->end[i] = Max(bounds->offset_to, -1) + 1;
		if (!seek_includes(bounds, i))
			part->end[i] = part->first[i];
	}
}

bool
extent_narrow(LogExtent *part, const LogExtent *whole, const SeekBounds *bounds,
			  StreamReader *reader, int timeout_ms)
{
	int64	   *from = NULL;

	if (bounds->time_from != DT_NOBEGIN && !bounds->nothing)
	{
		from = palloc((whole->npartitions + 1) * sizeof(int64));
		if (!stream_reader_offsets_at(reader, whole->npartitions, bounds->time_from,
									  from, timeout_ms))
			return false;
	}
	clip(part, whole, bounds, from);
	return true;
}

bool
extent_assign(const LogExtent *part, StreamReader *reader)
{
	StreamPosition *start = palloc0((part->npartitions + 1) * sizeof(StreamPosition));
	int			n = 0;

	for (int i = 0; i < part->npartitions; i++)
	{
		if (part->first[i] >= part->end[i])
			continue;
		start[n].partition = i;
		start[n].next_offset = part->first[i];
		start[n].end_offset = -1;
		start[n].last_offset = -1;
		n++;
	}
	stream_reader_assign(reader, start, n);
	pfree(start);
	return n > 0;
}

/* -------------------------------------------------------------- forecasts */

static bool
has_times(const SeekBounds *bounds)
{
	return !bounds->nothing &&
		(bounds->time_from != DT_NOBEGIN || bounds->time_to != DT_NOEND);
}

/* Are the offsets known for the bounds' times? */
static bool
knows_times(const KnownLog *log, const SeekBounds *bounds)
{
	return (bounds->time_from == DT_NOBEGIN || knows_time(&log->from, bounds->time_from)) &&
		(bounds->time_to == DT_NOEND || knows_time(&log->to, bounds->time_to));
}

/* Learns where messages from time_from on begin, and those after time_to. */
static bool
learn_times(const Stream *stream, Oid userid, StreamReader *reader, int n,
			const SeekBounds *bounds, instr_time start)
{
	int64	   *offsets = palloc((n + 1) * sizeof(int64));

	if (bounds->time_from != DT_NOBEGIN)
	{
		if (!stream_reader_offsets_at(reader, n, bounds->time_from, offsets,
									  time_left(start, PLANNER_TIMEOUT_MS)))
			return false;
		remember_time(&make_log(stream, userid)->from, bounds->time_from, offsets, n);
	}
	if (bounds->time_to != DT_NOEND)
	{
		TimestampTz after = bounds->time_to == DT_NOBEGIN ? DT_NOBEGIN : bounds->time_to + 1;

		if (!stream_reader_offsets_at(reader, n, after, offsets,
									  time_left(start, PLANNER_TIMEOUT_MS)))
			return false;
		remember_time(&make_log(stream, userid)->to, bounds->time_to, offsets, n);
	}
	return true;
}

typedef struct Question
{
	Oid			relid;
	Oid			userid;
	const SeekBounds *bounds;
	int			timeout_ms;
	LogExtent	extent;
	char	   *trouble;		/* the broker's; NULL: it has answered */
} Question;

/* Asks the broker what a forecast needs, and remembers it, or that it did not answer. */
static void
ask(void *arg)
{
	Question   *question = arg;
	Stream	   *stream = stream_open(question->relid);
	Oid			userid = question->userid;
	SpareReader *spare = find_spare(stream->relid, userid);
	StreamReaderState state;
	instr_time	start;
	KnownLog   *log;

	INSTR_TIME_SET_CURRENT(start);
	if (spare == NULL)
		spare = open_spare(stream, userid);
	if (extent_ask(&question->extent, stream, userid, spare->reader, question->timeout_ms) &&
		(!has_times(question->bounds) ||
		 learn_times(stream, userid, spare->reader, question->extent.npartitions,
					 question->bounds, start)))
		return;

	state = stream_reader_state(spare->reader);
	question->trouble = pstrdup(state.ok ? "no answer from the broker" : state.message);
	log = make_log(stream, userid);
	log->failed = GetCurrentTimestamp();
	log->away = !state.ok &&
		state.sqlerrcode == ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;

	/* No answer in a second may mean that the broker is slow: ANALYZE has more time. */
	log->patience_ms = state.unexplained ? question->timeout_ms : PG_INT32_MAX;
}

bool
extent_is_away(Oid relid, Oid userid, int timeout_ms)
{
	Oid			serverid = GetForeignServerIdByRelId(relid);
	bool		away = false;
	HASH_SEQ_STATUS status;
	KnownLog   *log;

	open_memory();
	hash_seq_init(&status, known_logs);
	while ((log = hash_seq_search(&status)) != NULL)
	{
		if (log->serverid == serverid && log->key.userid == userid &&
			log->away && timeout_ms <= log->patience_ms && is_recent(log->failed))
			away = true;
	}
	return away;
}

char *
extent_learn(LogExtent *extent, Oid relid, Oid userid, int timeout_ms)
{
	SeekBounds	everything = seek_everything();
	Question	question = {relid, userid, &everything, timeout_ms};
	char	   *failure;

	if (extent_is_away(relid, userid, timeout_ms))
		failure = pstrdup("the broker did not answer a moment ago");
	else
		failure = attempt(ask, &question);
	*extent = question.extent;
	return failure ? failure : question.trouble;
}

/* Is it worth while to ask the broker? */
static bool
should_ask(Oid relid, Oid userid, const SeekBounds *bounds)
{
	KnownLog   *log = find_log(relid, userid);

	if (log && is_recent(log->failed))
		return false;
	if (log && is_recent(log->learnt) && (!has_times(bounds) || knows_times(log, bounds)))
		return false;

	/* No subtransactions in parallel workers. */
	return !IsInParallelMode() && !extent_is_away(relid, userid, PLANNER_TIMEOUT_MS);
}

bool
extent_foresee(Oid relid, Oid userid, const SeekBounds *bounds, ExtentForecast *forecast)
{
	Question	question = {relid, userid, bounds, PLANNER_TIMEOUT_MS};
	KnownLog   *log;
	LogExtent	part;
	bool		times;

	/* What goes wrong is the scan's affair, and nothing is learnt. */
	if (should_ask(relid, userid, bounds))
		(void) attempt(ask, &question);
	log = find_log(relid, userid);
	if (log == NULL || log->extent.npartitions < 0)
		return false;

	times = has_times(bounds) && knows_times(log, bounds);
	clip(&part, &log->extent, bounds,
		 times && bounds->time_from != DT_NOBEGIN ? log->from.offsets : NULL);
	forecast->npartitions = part.npartitions;
	forecast->times = times || !has_times(bounds);
	forecast->read = extent_messages(&part);
	if (times && bounds->time_to != DT_NOEND)
	{
		for (int i = 0; i < part.npartitions; i++)
			part.end[i] = Min(part.end[i], log->to.offsets[i]);
	}
	forecast->wanted = extent_messages(&part);
	return true;
}
