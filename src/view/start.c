/*-------------------------------------------------------------------------
 *
 * start.c
 *	  From the option start to one offset per partition.
 *
 * That happens once, at the first contact with the broker: later the same words
 * would mean other offsets.  Times are the messages' Kafka timestamps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "view/catalog.h"
#include "view/options.h"
#include "view/owner.h"

/* Notes why the broker cannot be asked; always returns false. */
static bool
cannot_ask(const ContinuousView *cv, StreamReader *reader)
{
	StreamReaderState state = stream_reader_state(reader);

	catalog_set_error(cv, state.ok ? "the broker did not answer in time" : state.message);
	return false;
}

/* The start offset of each of n partitions, in palloc'd memory; NULL if unknown. */
static int64 *
start_offsets(const ContinuousView *cv, StreamReader *reader, int n, int timeout_ms)
{
	int64	   *first = palloc0(sizeof(int64) * Max(n, 1));
	int64	   *end = palloc0(sizeof(int64) * Max(n, 1));
	TimestampTz at;

	switch (view_start_parse(cv->start, &at))
	{
		case START_EARLIEST:
			return stream_reader_offsets(reader, n, first, end, timeout_ms) ? first : NULL;
		case START_LATEST:
			return stream_reader_offsets(reader, n, first, end, timeout_ms) ? end : NULL;
		case START_TIME:
			return stream_reader_offsets_at(reader, n, at, first, timeout_ms) ? first : NULL;
	}
	return NULL;
}

static void
store_offsets(const ContinuousView *cv, const char *topic, int n, const int64 *offsets)
{
	ViewIdentity save;
	Oid			position_types[] = {INT4OID, TEXTOID, INT4OID, INT8OID};
	Oid			watermark_types[] = {OIDOID, INT4OID, TEXTOID, INT4OID, INT8OID};

	extension_enter(&save);
	SPI_connect();
	for (int i = 0; i < n; i++)
	{
		Datum		position[] = {Int32GetDatum(cv->consumer), CStringGetTextDatum(topic),
		Int32GetDatum(i), Int64GetDatum(offsets[i])};
		Datum		watermark[] = {ObjectIdGetDatum(cv->view), Int32GetDatum(cv->generation),
			CStringGetTextDatum(topic), Int32GetDatum(i), Int64GetDatum(offsets[i])};

		if (SPI_execute_with_args("INSERT INTO kappa.offsets (consumer, topic, partition, next_offset)"
								  " VALUES ($1, $2, $3, $4)",
								  lengthof(position), position_types, position, NULL, false, 0) < 0 ||
			SPI_execute_with_args("INSERT INTO kappa.watermarks (view, generation, topic, partition, start_offset)"
								  " VALUES ($1, $2, $3, $4, $5)",
								  lengthof(watermark), watermark_types, watermark, NULL, false, 0) < 0)
			elog(ERROR, "could not store the start of a continuous view");
	}
	SPI_finish();
	extension_leave(&save);
}

bool
view_resolve_start(const ContinuousView *cv, StreamReader *reader, int timeout_ms)
{
	int			n = stream_reader_partitions(reader, timeout_ms);
	int64	   *offsets = n > 0 ? start_offsets(cv, reader, n, timeout_ms) : NULL;

	if (offsets == NULL)
		return cannot_ask(cv, reader);
	store_offsets(cv, stream_open(cv->stream)->topic, n, offsets);
	catalog_set_error(cv, NULL);
	return true;
}
