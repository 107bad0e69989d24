/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  What workers read and write in the catalog of continuous views.
 *
 * The position of a consumer moves in the transaction of the batch that moves
 * it, and only from where this worker believes it to be: an UPDATE that does
 * not hit exactly the rows it means (another worker, a restored copy, a row
 * edited by hand) is an error, so nothing is ever counted twice.
 *
 * Trouble is written when it begins or becomes another, and cleared when it is over.
 * Such notes skip a row that somebody else has locked: the worker has other
 * consumers to serve, and will come back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "worker/worker_internal.h"

/* Rates are smoothed over about so many seconds. */
#define RATE_WINDOW 2.0

static SavedPlan load_plan = {
	"SELECT o.partition, o.next_offset, o.last_offset, o.last_timestamp, o.last_hash,"
	" o.live, o.end_offset, w.watermark"
	" FROM kappa.offsets o LEFT JOIN kappa.watermarks w"
	"  ON w.view = $3 AND w.generation = $4 AND w.topic = o.topic AND w.partition = o.partition"
	" WHERE o.consumer = $1 AND o.topic = $2 ORDER BY o.partition",
	4, {INT4OID, TEXTOID, REGCLASSOID, INT4OID}
};

static SavedPlan view_row_plan = {
	"SELECT 1 FROM kappa.views WHERE view = $1 AND generation = $2 AND consumer = $3"
	" AND NOT paused AND NOT failed",
	3, {REGCLASSOID, INT4OID, INT4OID}
};

static SavedPlan store_plan = {
	"WITH reader AS (UPDATE kappa.consumers SET rtt_ms = $12, queued = $13 WHERE id = $1)"
	" UPDATE kappa.offsets o SET next_offset = n.next_offset, last_offset = n.last_offset,"
	" last_timestamp = n.last_timestamp, last_hash = n.last_hash, live = n.live,"
	" end_offset = n.end_offset, seen_at = pg_catalog.clock_timestamp(),"
	" rows_per_second = n.rate"
	" FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5),"
	"  pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8),"
	"  pg_catalog.unnest($9), pg_catalog.unnest($10), pg_catalog.unnest($11))"
	"  AS n(partition, expected, next_offset, last_offset, last_timestamp, last_hash,"
	"       live, end_offset, rate)"
	" WHERE o.consumer = $1 AND o.topic = $2 AND o.partition = n.partition"
	"  AND o.next_offset = n.expected",
	13, {INT4OID, TEXTOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
		TIMESTAMPTZARRAYOID, INT8ARRAYOID, BOOLARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID,
		FLOAT8OID, INT8OID}
};

/* Rows that somebody has locked are left for the batch itself. */
static SavedPlan ends_plan = {
	"UPDATE kappa.offsets o SET end_offset = n.end_offset, seen_at = pg_catalog.clock_timestamp()"
	" FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS n(partition, end_offset)"
	" WHERE o.consumer = $1 AND o.topic = $2 AND o.partition = n.partition"
	"  AND o.partition IN (SELECT partition FROM kappa.offsets WHERE consumer = $1 AND topic = $2"
	"   FOR NO KEY UPDATE SKIP LOCKED)",
	4, {INT4OID, TEXTOID, INT4ARRAYOID, INT8ARRAYOID}
};

static SavedPlan watermarks_plan = {
	"UPDATE kappa.watermarks w SET watermark = GREATEST(w.watermark, n.watermark)"
	" FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5)) AS n(partition, watermark)"
	" WHERE w.view = $1 AND w.generation = $2 AND w.topic = $3 AND w.partition = n.partition",
	5, {REGCLASSOID, INT4OID, TEXTOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID}
};

static SavedPlan add_offset_plan = {
	"INSERT INTO kappa.offsets (consumer, topic, partition, next_offset)"
	" VALUES ($1, $2, $3, $4)",
	4, {INT4OID, TEXTOID, INT4OID, INT8OID}
};

static SavedPlan add_watermark_plan = {
	"INSERT INTO kappa.watermarks (view, generation, topic, partition, start_offset)"
	" VALUES ($1, $2, $3, $4, $5)",
	5, {REGCLASSOID, INT4OID, TEXTOID, INT4OID, INT8OID}
};

static SavedPlan stats_plan = {
	"INSERT INTO kappa.stats AS s (view, generation, batches, rows_read, rows_ahead, rows_bad,"
	" bytes_read, groups_written, read_time, aggregate_time, merge_time, commit_time,"
	" last_batch_at)"
	" VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, pg_catalog.clock_timestamp())"
	" ON CONFLICT (view, generation) DO UPDATE SET batches = s.batches + 1,"
	" rows_read = s.rows_read + excluded.rows_read,"
	" rows_ahead = s.rows_ahead + excluded.rows_ahead,"
	" rows_bad = s.rows_bad + excluded.rows_bad,"
	" bytes_read = s.bytes_read + excluded.bytes_read,"
	" groups_written = s.groups_written + excluded.groups_written,"
	" read_time = s.read_time + excluded.read_time,"
	" aggregate_time = s.aggregate_time + excluded.aggregate_time,"
	" merge_time = s.merge_time + excluded.merge_time,"
	" commit_time = s.commit_time + excluded.commit_time,"
	" last_batch_at = excluded.last_batch_at",
	11, {REGCLASSOID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
		FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID}
};

/* Notes about a view: one that is not to be had at once is left for later. */
#define NOTE_WHERE \
	" WHERE (view, generation) IN" \
	" (SELECT view, generation FROM kappa.views WHERE view = $1 AND generation = $2" \
	"  FOR NO KEY UPDATE SKIP LOCKED)"

static SavedPlan trouble_plan = {
	"UPDATE kappa.views SET error = $3" NOTE_WHERE
	" AND NOT paused AND NOT failed",
	3, {REGCLASSOID, INT4OID, TEXTOID}
};

static SavedPlan clear_plan = {
	"UPDATE kappa.views SET error = NULL" NOTE_WHERE " AND NOT paused AND NOT failed",
	2, {REGCLASSOID, INT4OID}
};

static SavedPlan pause_plan = {
	"UPDATE kappa.views SET paused = true, error = $3" NOTE_WHERE " AND NOT failed",
	3, {REGCLASSOID, INT4OID, TEXTOID}
};

static SavedPlan fail_plan = {
	"UPDATE kappa.views SET failed = true, error = $3" NOTE_WHERE,
	3, {REGCLASSOID, INT4OID, TEXTOID}
};

/* The row is there from the creation to the drop; a view that is gone gets no new one. */
static SavedPlan last_error_plan = {
	"UPDATE kappa.stats SET last_error = $3 WHERE view = $1 AND generation = $2",
	3, {REGCLASSOID, INT4OID, TEXTOID}
};

/* ---------------------------------------------------------------- reading */

static Datum
column(int row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static int64
bigint_column(int row, int number, int64 if_null)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

static void
load_partition(Consumer *consumer, int row)
{
	PartitionProgress *progress = &consumer->partitions[row];
	StreamPosition *position = &progress->position;
	PartitionWatermark *mark = &consumer->watermarks[row];
	bool		isnull;

	memset(progress, 0, sizeof(PartitionProgress));
	position->partition = DatumGetInt32(column(row, 1, &isnull));
	position->next_offset = bigint_column(row, 2, 0);
	position->last_offset = bigint_column(row, 3, -1);
	position->last_timestamp = bigint_column(row, 4, NO_TIMESTAMP);
	position->last_hash = bigint_column(row, 5, 0);
	position->end_offset = bigint_column(row, 7, -1);
	progress->live = DatumGetBool(column(row, 6, &isnull));
	progress->rate = -1;
	progress->rate_at = GetCurrentTimestamp();

	mark->partition = position->partition;
	mark->watermark = bigint_column(row, 8, DT_NOBEGIN);
}

/* The consumer's position and watermarks, as committed. */
void
progress_load(Consumer *consumer)
{
	Datum		values[4] = {
		Int32GetDatum(consumer->id), CStringGetTextDatum(consumer->stream->topic),
		ObjectIdGetDatum(consumer->view), Int32GetDatum(consumer->generation)
	};
	int			n;

	SPI_connect();
	n = (int) saved_plan_run(&load_plan, values, NULL, 0);
	consumer->npartitions = n;
	consumer->partitions = MemoryContextAlloc(consumer->context,
											  sizeof(PartitionProgress) * Max(n, 1));
	consumer->watermarks = MemoryContextAlloc(consumer->context,
											  sizeof(PartitionWatermark) * Max(n, 1));
	for (int row = 0; row < n; row++)
		load_partition(consumer, row);
	SPI_finish();

	if (consumer->intake_context)
		MemoryContextReset(consumer->intake_context);
	consumer->intake = NULL;
}

ViewRow
progress_view_row(const Consumer *consumer)
{
	Datum		values[3] = {
		ObjectIdGetDatum(consumer->view), Int32GetDatum(consumer->generation),
		Int32GetDatum(consumer->id)
	};
	uint64		n;

	SPI_connect();
	n = saved_plan_run(&view_row_plan, values, NULL, 1);
	SPI_finish();
	return n == 1 ? VIEW_ROW_ACTIVE : VIEW_ROW_STOPPED;
}

/* ---------------------------------------------------------------- writing */

static Datum
make_array(Datum *values, bool *nulls, int n, Oid type)
{
	int			lbound = 1;
	bool		is_int4 = type == INT4OID;
	bool		is_bool = type == BOOLOID;
	int			len = is_bool ? 1 : is_int4 ? 4 : 8;
	char		align = is_bool ? TYPALIGN_CHAR : is_int4 ? TYPALIGN_INT : TYPALIGN_DOUBLE;
	bool		byval = len < 8 || FLOAT8PASSBYVAL;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lbound,
											  type, len, byval, align));
}

/* The smoothed rate of a partition that moves to "after" now. */
static double
next_rate(const PartitionProgress *progress, const StreamPosition *after, TimestampTz now)
{
	double		seconds = Max(now - progress->rate_at, 1) / 1000000.0;
	double		rate = (after->next_offset - progress->position.next_offset) / seconds;
	double		weight = 1 - exp(-seconds / RATE_WINDOW);

	return progress->rate < 0 ? rate : progress->rate + weight * (rate - progress->rate);
}

/* Has it all been read that was in the partition, as far as is known? */
static bool
is_at_end(const StreamPosition *position)
{
	return position->at_end ||
		(position->end_offset >= 0 && position->next_offset >= position->end_offset);
}

/* Is there something to write about a partition? */
static bool
has_moved(const PartitionProgress *progress, const StreamPosition *after)
{
	return progress->position.next_offset != after->next_offset ||
		progress->position.end_offset != after->end_offset ||
		(is_at_end(after) && !progress->live);
}

/*
 * Moves the consumer from where it is to "after", in the order of its
 * partitions.  With the position goes how fast the broker answers, and how much
 * has been read ahead while the batch was applied: does PostgreSQL wait for
 * messages, or do they wait for PostgreSQL?
 */
void
progress_store(Consumer *consumer, const StreamPosition *after, int n)
{
	enum
	{
		PARTITION, EXPECTED, NEXT, LAST, LAST_TIMESTAMP, LAST_HASH, LIVE, END, RATE, COLUMNS
	};
	static const Oid types[COLUMNS] = {
		INT4OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, BOOLOID, INT8OID, FLOAT8OID
	};
	Datum	   *cells[COLUMNS];
	bool	   *nulls[COLUMNS];
	Datum		values[2 + COLUMNS + 2];
	char		value_nulls[2 + COLUMNS + 2];
	StreamReaderState reader = stream_reader_last_state(consumer->reader);
	TimestampTz now = GetCurrentTimestamp();
	int			moved = 0;

	Assert(n == consumer->npartitions);
	SPI_connect();
	for (int i = 0; i < COLUMNS; i++)
	{
		cells[i] = palloc(sizeof(Datum) * n);
		nulls[i] = palloc0(sizeof(bool) * n);
	}

	for (int i = 0; i < n; i++)
	{
		PartitionProgress *from = &consumer->partitions[i];
		const StreamPosition *to = &after[i];

		from->next_rate = next_rate(from, to, now);
		if (!has_moved(from, to))
			continue;
		cells[PARTITION][moved] = Int32GetDatum(to->partition);
		cells[EXPECTED][moved] = Int64GetDatum(from->position.next_offset);
		cells[NEXT][moved] = Int64GetDatum(to->next_offset);
		cells[LAST][moved] = Int64GetDatum(to->last_offset);
		cells[LAST_TIMESTAMP][moved] = TimestampTzGetDatum(to->last_timestamp);
		nulls[LAST_TIMESTAMP][moved] = to->last_timestamp == NO_TIMESTAMP;
		cells[LAST_HASH][moved] = Int64GetDatum(to->last_hash);
		nulls[LAST_HASH][moved] = to->last_offset < 0;
		cells[LIVE][moved] = BoolGetDatum(from->live || is_at_end(to));
		cells[END][moved] = Int64GetDatum(to->end_offset);
		nulls[END][moved] = to->end_offset < 0;
		cells[RATE][moved] = Float8GetDatum(from->next_rate);
		moved++;
	}

	values[0] = Int32GetDatum(consumer->id);
	values[1] = CStringGetTextDatum(consumer->stream->topic);
	for (int i = 0; i < COLUMNS; i++)
		values[2 + i] = make_array(cells[i], nulls[i], moved, types[i]);
	values[2 + COLUMNS] = Float8GetDatum(reader.rtt_ms);
	values[2 + COLUMNS + 1] = Int64GetDatum(reader.queued_messages);
	memset(value_nulls, ' ', sizeof(value_nulls));
	if (reader.rtt_ms < 0)
		value_nulls[2 + COLUMNS] = 'n';

	if (moved > 0 && saved_plan_run(&store_plan, values, value_nulls, 0) != (uint64) moved)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("offsets of continuous view %s are not where they were left",
						consumer->cv->name),
				 errdetail("Another worker, or somebody by hand, has changed kappa.offsets.")));
	SPI_finish();
}

void
progress_store_watermarks(const Consumer *consumer, const PartitionWatermark *watermarks, int n)
{
	Datum	   *partitions;
	Datum	   *marks;
	Datum		values[5];
	int			moved = 0;

	SPI_connect();
	partitions = palloc(sizeof(Datum) * n);
	marks = palloc(sizeof(Datum) * n);
	for (int i = 0; i < n; i++)
	{
		bool		known = false;

		if (TIMESTAMP_NOT_FINITE(watermarks[i].watermark))
			continue;
		for (int j = 0; j < consumer->npartitions && !known; j++)
			known = consumer->watermarks[j].partition == watermarks[i].partition &&
				consumer->watermarks[j].watermark == watermarks[i].watermark;
		if (known)
			continue;
		partitions[moved] = Int32GetDatum(watermarks[i].partition);
		marks[moved++] = TimestampTzGetDatum(watermarks[i].watermark);
	}

	values[0] = ObjectIdGetDatum(consumer->view);
	values[1] = Int32GetDatum(consumer->generation);
	values[2] = CStringGetTextDatum(consumer->stream->topic);
	values[3] = make_array(partitions, NULL, moved, INT4OID);
	values[4] = make_array(marks, NULL, moved, TIMESTAMPTZOID);
	if (moved > 0)
		(void) saved_plan_run(&watermarks_plan, values, NULL, 0);
	SPI_finish();
}

/*
 * Partitions that appeared since: n in all now.  They start at the beginning of
 * their log, of which first[] tells.
 */
void
progress_add_partitions(Consumer *consumer, const int64 *first, int n)
{
	Datum		topic;

	SPI_connect();
	topic = CStringGetTextDatum(consumer->stream->topic);
	for (int i = consumer->npartitions; i < n; i++)
	{
		Datum		offset[4] = {
			Int32GetDatum(consumer->id), topic, Int32GetDatum(i), Int64GetDatum(first[i])
		};
		Datum		mark[5] = {
			ObjectIdGetDatum(consumer->view), Int32GetDatum(consumer->generation), topic,
			Int32GetDatum(i), Int64GetDatum(first[i])
		};

		(void) saved_plan_run(&add_offset_plan, offset, NULL, 0);
		(void) saved_plan_run(&add_watermark_plan, mark, NULL, 0);
	}
	SPI_finish();
}

void
progress_store_stats(const Consumer *consumer, const BatchStats *stats)
{
	Datum		values[11] = {
		ObjectIdGetDatum(consumer->view), Int32GetDatum(consumer->generation),
		Int64GetDatum(stats->rows_read), Int64GetDatum(stats->rows_ahead),
		Int64GetDatum(stats->rows_bad), Int64GetDatum(stats->bytes_read),
		Int64GetDatum(stats->groups_written), Float8GetDatum(stats->read_time),
		Float8GetDatum(stats->aggregate_time), Float8GetDatum(stats->merge_time),
		Float8GetDatum(stats->commit_time)
	};

	SPI_connect();
	(void) saved_plan_run(&stats_plan, values, NULL, 0);
	SPI_finish();
}

void
progress_committed(Consumer *consumer, const StreamPosition *after, int n)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < n; i++)
	{
		PartitionProgress *progress = &consumer->partitions[i];

		progress->live = progress->live || is_at_end(&after[i]);
		progress->position = after[i];
		progress->rate = progress->next_rate;
		progress->rate_at = now;
	}
}

/* ------------------------------------------------------------------ notes */

void
progress_note_ends(const Consumer *consumer, const StreamPosition *after, int n)
{
	Datum	   *partitions;
	Datum	   *ends;
	Datum		values[4];
	int			moved = 0;

	worker_begin();
	SPI_connect();
	partitions = palloc(sizeof(Datum) * n);
	ends = palloc(sizeof(Datum) * n);
	for (int i = 0; i < n; i++)
	{
		if (after[i].end_offset < 0 ||
			after[i].end_offset == consumer->partitions[i].position.end_offset)
			continue;
		partitions[moved] = Int32GetDatum(after[i].partition);
		ends[moved++] = Int64GetDatum(after[i].end_offset);
	}
	values[0] = Int32GetDatum(consumer->id);
	values[1] = CStringGetTextDatum(consumer->stream->topic);
	values[2] = make_array(partitions, NULL, moved, INT4OID);
	values[3] = make_array(ends, NULL, moved, INT8OID);
	if (moved > 0)
		(void) saved_plan_run(&ends_plan, values, NULL, 0);
	SPI_finish();
	worker_commit();
}

static uint64
run_note(SavedPlan *plan, const Consumer *consumer, const char *error)
{
	Datum		values[3] = {
		ObjectIdGetDatum(consumer->view), Int32GetDatum(consumer->generation), (Datum) 0
	};
	uint64		n;

	SPI_connect();
	if (error)
		values[2] = CStringGetTextDatum(error);
	n = saved_plan_run(plan, values, NULL, 0);
	SPI_finish();
	return n;
}

/* A note in a transaction of its own.  True if a row was changed. */
static bool
note(SavedPlan *plan, const Consumer *consumer, const char *error)
{
	uint64		n;

	worker_begin();
	n = run_note(plan, consumer, error);
	worker_commit();
	pgstat_report_stat(false);
	return n > 0;
}

bool
progress_note_trouble(Consumer *consumer, const char *error)
{
	bool		written = note(&trouble_plan, consumer, error);

	consumer->trouble = consumer->trouble || written;
	return written;
}

void
progress_clear_trouble(Consumer *consumer)
{
	if (note(&clear_plan, consumer, NULL))
		consumer->trouble = false;
}

/* These two within the transaction of a batch. */
bool
progress_end_trouble(const Consumer *consumer)
{
	return run_note(&clear_plan, consumer, NULL) > 0;
}

void
progress_pause(const Consumer *consumer, const char *error)
{
	(void) run_note(&pause_plan, consumer, error);
}

void
progress_note_paused(Consumer *consumer, const char *error)
{
	if (note(&pause_plan, consumer, error))
		ereport(LOG,
				(errmsg("continuous view %s is paused: %s", consumer->name, error)));
	worker_look_again();
}

void
progress_note_failed(Consumer *consumer, const char *error)
{
	(void) note(&fail_plan, consumer, error);
	worker_look_again();
}

void
progress_note_last_error(Consumer *consumer, const char *error)
{
	(void) note(&last_error_plan, consumer, error);
}
