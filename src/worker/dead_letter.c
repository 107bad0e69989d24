/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *	  Messages that a view cannot count, and the reason, in kappa.dead_letters.
 *
 * They are written in the transaction of their batch, many with one statement:
 * a topic full of rubbish must not cost more than a topic full of messages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/worker_internal.h"

/* Written with one statement. */
#define LETTERS_PER_STATEMENT 1000

enum
{
	MESSAGE_PARTITION, MESSAGE_OFFSET, MESSAGE_TIMESTAMP, KEY, VALUE, HEADERS, SQLSTATE, ERROR_TEXT,
	COLUMNS
};

static SavedPlan insert_plan = {
	"INSERT INTO kappa.dead_letters (stream, view, generation, topic, message_partition,"
	" message_offset, message_timestamp, key, value, headers, sqlstate, error)"
	" SELECT $1, $2, $3, $4, n.* FROM ROWS FROM (pg_catalog.unnest($5), pg_catalog.unnest($6),"
	"  pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9),"
	"  pg_catalog.unnest($10), pg_catalog.unnest($11), pg_catalog.unnest($12)) AS n"
	" ON CONFLICT DO NOTHING",
	4 + COLUMNS, {REGCLASSOID, REGCLASSOID, INT4OID, TEXTOID, INT4ARRAYOID, INT8ARRAYOID,
		TIMESTAMPTZARRAYOID, BYTEAARRAYOID, BYTEAARRAYOID, JSONBARRAYOID, TEXTARRAYOID,
		TEXTARRAYOID}
};

static SavedPlan count_plan = {
	"SELECT 1 FROM kappa.dead_letters WHERE stream = $1 AND view = $2 AND generation = $3",
	3, {REGCLASSOID, REGCLASSOID, INT4OID}
};

void
dead_letter_add(DeadLetterList *list, const BadMessage *letters, int n)
{
	if (n == 0)
		return;
	if (n > list->capacity - list->count)
	{
		Size		size;

		list->capacity = Max(list->count + n, 2 * list->capacity);
		size = sizeof(BadMessage) * list->capacity;
		list->letters = list->letters ? repalloc_huge(list->letters, size) :
			MemoryContextAllocHuge(CurrentMemoryContext, size);
	}
	memcpy(list->letters + list->count, letters, sizeof(BadMessage) * n);
	list->count += n;
}

static Datum
bytes_datum(const char *data, int32 len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), data, len);
	return PointerGetDatum(result);
}

static void
fill_row(Datum **cells, bool **nulls, int row, const BadMessage *letter,
		 const StreamMessage *message)
{
	cells[MESSAGE_PARTITION][row] = Int32GetDatum(message->partition);
	cells[MESSAGE_OFFSET][row] = Int64GetDatum(message->offset);
	cells[MESSAGE_TIMESTAMP][row] = TimestampTzGetDatum(message->timestamp);
	nulls[MESSAGE_TIMESTAMP][row] = message->timestamp == NO_TIMESTAMP;
	nulls[KEY][row] = message->key == NULL;
	if (message->key)
		cells[KEY][row] = bytes_datum(message->key, message->key_len);
	nulls[VALUE][row] = message->value == NULL;
	if (message->value)
		cells[VALUE][row] = bytes_datum(message->value, message->value_len);
	nulls[HEADERS][row] = message->headers == NULL;
	if (message->headers)
		cells[HEADERS][row] = stream_message_headers(message);
	cells[SQLSTATE][row] = CStringGetTextDatum(unpack_sql_state(letter->sqlerrcode));
	cells[ERROR_TEXT][row] = CStringGetTextDatum(letter->error);
}

static Datum
make_column(Datum *values, bool *nulls, int n, int column)
{
	static const Oid types[COLUMNS] = {
		INT4OID, INT8OID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID, JSONBOID, TEXTOID, TEXTOID
	};
	int			lbound = 1;
	bool		fixed = column <= MESSAGE_TIMESTAMP;
	int			len = column == MESSAGE_PARTITION ? 4 : fixed ? 8 : -1;
	char		align = len == 8 ? TYPALIGN_DOUBLE : TYPALIGN_INT;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lbound, types[column],
											  len, fixed, align));
}

static void
store_some(const Consumer *consumer, const MessageBatch *batch,
		   const BadMessage *letters, int n)
{
	Datum	   *cells[COLUMNS];
	bool	   *nulls[COLUMNS];
	Datum		values[4 + COLUMNS];

	for (int i = 0; i < COLUMNS; i++)
	{
		cells[i] = palloc0(sizeof(Datum) * n);
		nulls[i] = palloc0(sizeof(bool) * n);
	}
	for (int row = 0; row < n; row++)
		fill_row(cells, nulls, row, &letters[row], &batch->messages[letters[row].index]);

	values[0] = ObjectIdGetDatum(consumer->cv->stream);
	values[1] = ObjectIdGetDatum(consumer->view);
	values[2] = Int32GetDatum(consumer->generation);
	values[3] = CStringGetTextDatum(consumer->stream->topic);
	for (int i = 0; i < COLUMNS; i++)
		values[4 + i] = make_column(cells[i], nulls[i], n, i);
	(void) saved_plan_run(&insert_plan, values, NULL, 0);
}

/*
 * How many of the letters to write with one statement, for which payloads are
 * copied several times.
 */
static int
statement_length(const MessageBatch *batch, const BadMessage *letters, int count)
{
	Size		limit = (Size) worker_memory * 1024 / 64;
	Size		bytes = 0;
	int			n;

	for (n = 0; n < Min(count, LETTERS_PER_STATEMENT); n++)
	{
		const StreamMessage *message = &batch->messages[letters[n].index];

		bytes += (Size) message->key_len + message->value_len + message->headers_len;
		if (n > 0 && bytes > limit)
			break;
	}
	return n;
}

void
dead_letter_store(const Consumer *consumer, const MessageBatch *batch,
				  const DeadLetterList *list)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dead letters",
												  ALLOCSET_DEFAULT_SIZES);
	int			n;

	for (int done = 0; done < list->count; done += n)
	{
		MemoryContext oldcontext;

		CHECK_FOR_INTERRUPTS();
		n = statement_length(batch, list->letters + done, list->count - done);
		SPI_connect();
		oldcontext = MemoryContextSwitchTo(context);
		store_some(consumer, batch, list->letters + done, n);
		MemoryContextSwitchTo(oldcontext);
		SPI_finish();
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

/* Has the view as many dead letters as its option reject_limit allows? */
bool
dead_letter_limit_reached(const Consumer *consumer)
{
	int64		limit = consumer->cv->reject_limit;
	Datum		values[3] = {
		ObjectIdGetDatum(consumer->cv->stream), ObjectIdGetDatum(consumer->view),
		Int32GetDatum(consumer->generation)
	};
	uint64		n;

	if (limit < 0)
		return false;
	if (limit == 0)
		return true;

	SPI_connect();
	n = saved_plan_run(&count_plan, values, NULL, (long) limit);
	SPI_finish();
	return n >= (uint64) limit;
}
