/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  kappa.retry and kappa.discard: what becomes of dead letters.
 *
 * Retrying merges the messages as they were kept, in the caller's transaction
 * and a chunk at a time, while batches are kept out by a lock on the state
 * table.  A dead letter that succeeds is counted and removed at once, so the
 * view equals its batch answer before and after.
 *
 * Discarding erases key, value and headers.  The row stays, and marks an offset
 * that is not counted; that its payload is gone is said by headers which are
 * JSON's null (a message's own are an array, or SQL's null).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "worker/control.h"
#include "worker/worker_internal.h"

/* Dead letters that are merged with one statement, and the memory that they may take. */
#define LETTERS_PER_CHUNK 1000
#define CHUNK_MEMORY ((Size) 8 * 1024 * 1024)

PG_FUNCTION_INFO_V1(kappa_retry);
PG_FUNCTION_INFO_V1(kappa_discard);

static SavedPlan select_plan = {
	"SELECT d.id, d.message_partition, d.message_offset, d.message_timestamp, d.key, d.value,"
	" d.headers FROM kappa.dead_letters d"
	" JOIN kappa.offsets o ON o.consumer = $1 AND o.topic = d.topic"
	"  AND o.partition = d.message_partition"
	" WHERE d.stream = $2 AND d.view = $3 AND d.generation = $4 AND d.id > $5"
	"  AND d.headers IS DISTINCT FROM 'null'"
	" ORDER BY d.id LIMIT $6 FOR UPDATE OF d",
	6, {INT4OID, REGCLASSOID, REGCLASSOID, INT4OID, INT8OID, INT4OID}
};

static SavedPlan delete_plan = {
	"DELETE FROM kappa.dead_letters WHERE id = ANY ($1)",
	1, {INT8ARRAYOID}
};

static SavedPlan discard_plan = {
	"UPDATE kappa.dead_letters SET key = NULL, value = NULL, headers = 'null'"
	" WHERE stream = $1 AND view = $2 AND generation = $3 AND headers IS DISTINCT FROM 'null'",
	3, {REGCLASSOID, REGCLASSOID, INT4OID}
};

/* One call of kappa.retry. */
typedef struct Retry
{
	Consumer	consumer;		/* only to hold what a batch needs */
	MessageBatch *batch;
	int64	   *ids;			/* of the batch's messages */
	int64		last_id;
} Retry;

static Datum
column(int row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static bytea *
bytea_column(int row, int number)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);

	return isnull ? NULL : DatumGetByteaPP(value);
}

/* The view as it is now, not as it was when the calling statement began. */
static ContinuousView *
current_view(Oid view)
{
	ContinuousView *cv;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	cv = view_get(view);
	PopActiveSnapshot();
	return cv;
}

/* Locks out batches, in their order of locks, and reads the view's position. */
static void
start_retry(Retry *retry, Oid view)
{
	Consumer   *consumer = &retry->consumer;
	ContinuousView *cv = view_get(view);
	ViewIdentity save;

	LockRelationOid(cv->stream, AccessShareLock);
	LockRelationOid(cv->delta, AccessShareLock);
	LockRelationOid(cv->state, ShareRowExclusiveLock);
	cv = current_view(view);

	consumer->id = cv->consumer;
	consumer->view = view;
	consumer->generation = cv->generation;
	consumer->cv = cv;
	consumer->merge = view_merge_statement(cv);
	consumer->stream = stream_open(cv->stream);
	consumer->context = AllocSetContextCreate(CurrentMemoryContext, "kappa.retry",
											  ALLOCSET_DEFAULT_SIZES);
	consumer->intake_context = AllocSetContextCreate(consumer->context, "kappa.retry intake",
													 ALLOCSET_DEFAULT_SIZES);
	retry->ids = MemoryContextAlloc(consumer->context, sizeof(int64) * LETTERS_PER_CHUNK);
	retry->batch = message_batch_create(consumer->context);
	retry->last_id = 0;

	extension_enter(&save);
	progress_load(consumer);
	extension_leave(&save);

	retry->batch->npositions = consumer->npartitions;
	retry->batch->positions = MemoryContextAlloc(retry->batch->context,
												 sizeof(StreamPosition) * Max(consumer->npartitions, 1));
	for (int i = 0; i < consumer->npartitions; i++)
		retry->batch->positions[i] = consumer->partitions[i].position;
}

static void
restore_message(Retry *retry, int row)
{
	bool		isnull;
	Datum		timestamp;
	Datum		headers;

	retry->ids[row] = retry->last_id = DatumGetInt64(column(row, 1, &isnull));
	timestamp = column(row, 4, &isnull);
	if (isnull)
		timestamp = TimestampTzGetDatum(NO_TIMESTAMP);
	headers = column(row, 7, &isnull);
	message_batch_restore(retry->batch,
						  DatumGetInt32(column(row, 2, &isnull)),
						  DatumGetInt64(column(row, 3, &isnull)),
						  DatumGetTimestampTz(timestamp),
						  bytea_column(row, 5), bytea_column(row, 6),
						  headers);
}

/* Fills the batch with the next dead letters; false if there are none left. */
static bool
next_chunk(Retry *retry)
{
	Consumer   *consumer = &retry->consumer;
	Datum		values[6] = {
		Int32GetDatum(consumer->id), ObjectIdGetDatum(consumer->cv->stream),
		ObjectIdGetDatum(consumer->view), Int32GetDatum(consumer->generation),
		Int64GetDatum(retry->last_id), Int32GetDatum(LETTERS_PER_CHUNK)
	};
	uint64		n;

	message_batch_reset(retry->batch);
	SPI_connect();
	n = control_run(&select_plan, values, NULL);
	/* What does not fit is read again for the next chunk. */
	for (uint64 row = 0; row < n && retry->batch->memory < CHUNK_MEMORY; row++)
		restore_message(retry, (int) row);
	SPI_finish();
	return n > 0;
}

/* Merges the batch; the list tells which messages are bad still. */
static void
merge_chunk(Retry *retry, DeadLetterList *still_bad)
{
	Consumer   *consumer = &retry->consumer;

	if (batch_merge_letters(consumer, retry->batch, still_bad))
		return;

	LockRelationOid(consumer->cv->state, AccessExclusiveLock);
	view_take_long_keys(consumer->cv);
	consumer->cv = current_view(consumer->view);
	consumer->merge = view_merge_statement(consumer->cv);
	if (!batch_merge_letters(consumer, retry->batch, still_bad))
		elog(ERROR, "keys of continuous view %s are still too long", consumer->cv->name);
}

/* Removes the letters of the batch that are not in the list; returns how many. */
static int64
remove_merged(Retry *retry, const DeadLetterList *still_bad)
{
	int			count = retry->batch->count;
	bool	   *bad = palloc0(sizeof(bool) * count);
	Datum	   *merged = palloc(sizeof(Datum) * count);
	int			n = 0;
	Datum		ids;

	for (int i = 0; i < still_bad->count; i++)
		bad[still_bad->letters[i].index] = true;
	for (int i = 0; i < count; i++)
		if (!bad[i])
			merged[n++] = Int64GetDatum(retry->ids[i]);

	ids = PointerGetDatum(construct_array(merged, n, INT8OID, 8, FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
	SPI_connect();
	(void) control_run(&delete_plan, &ids, NULL);
	SPI_finish();
	return n;
}

/* Good messages move the watermark, late as they come. */
static void
store_watermarks(Retry *retry)
{
	const PartitionWatermark *watermarks;
	ViewIdentity save;
	int			n;

	if (retry->consumer.intake == NULL)
		return;
	watermarks = view_intake_watermarks(retry->consumer.intake, &n);
	extension_enter(&save);
	progress_store_watermarks(&retry->consumer, watermarks, n);
	extension_leave(&save);
}

Datum
kappa_retry(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	Retry	   *retry = palloc0(sizeof(Retry));
	int64		merged = 0;

	view_lock_own(view);
	start_retry(retry, view);
	while (next_chunk(retry))
	{
		DeadLetterList still_bad;

		CHECK_FOR_INTERRUPTS();
		merge_chunk(retry, &still_bad);
		merged += remove_merged(retry, &still_bad);
	}
	store_watermarks(retry);
	MemoryContextDelete(retry->consumer.context);

	PG_RETURN_INT64(merged);
}

Datum
kappa_discard(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	ContinuousView *cv;
	Datum		values[3];
	uint64		n;

	view_check_owner(view);
	cv = view_get(view);
	values[0] = ObjectIdGetDatum(cv->stream);
	values[1] = ObjectIdGetDatum(view);
	values[2] = Int32GetDatum(cv->generation);
	SPI_connect();
	n = control_run(&discard_plan, values, NULL);
	SPI_finish();

	PG_RETURN_INT64((int64) n);
}
