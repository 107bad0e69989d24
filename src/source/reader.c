/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  StreamReader: opening, closing, asking and waiting, whatever kind of log.
 *
 * What a reader does is up to the kind of log (LogMethods); that none outlives
 * its use is connection.c's affair.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "source/reader.h"

StreamReader *
stream_reader_open(const Stream *stream, Oid userid, Size memory)
{
	MemoryContext context;
	MemoryContext oldcontext;
	StreamReader *reader;

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_kappa reader",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	reader = kafka_log.open(stream, userid, memory);
	reader->headers = stream->has_headers;
	MemoryContextSwitchTo(oldcontext);
	return reader;
}

static void
close_reader(LogConnection *connection)
{
	StreamReader *reader = (StreamReader *) connection;

	reader->methods->close(reader);
}

void
reader_register(StreamReader *reader, const LogMethods *methods)
{
	reader->methods = methods;
	reader->context = CurrentMemoryContext;
	connection_open(&reader->connection, close_reader);
}

void
stream_reader_close(StreamReader *reader)
{
	MemoryContextDelete(reader->context);
}

bool
stream_reader_has_headers(const StreamReader *reader)
{
	return reader->headers;
}

void
stream_reader_want_headers(StreamReader *reader)
{
	reader->headers = true;
}

StreamReaderState
stream_reader_state(StreamReader *reader)
{
	return reader->methods->state(reader, true);
}

StreamReaderState
stream_reader_last_state(StreamReader *reader)
{
	return reader->methods->state(reader, false);
}

int
stream_reader_partitions(StreamReader *reader, int timeout_ms)
{
	return reader->methods->partitions(reader, timeout_ms);
}

/* The same question for each of n partitions. */
static bool
lookup_all(StreamReader *reader, int n, int64 what, int64 *offsets, int timeout_ms)
{
	for (int i = 0; i < n; i++)
		offsets[i] = what;
	return n == 0 || reader->methods->lookup(reader, n, offsets, timeout_ms);
}

bool
stream_reader_offsets(StreamReader *reader, int n, int64 *first,
					  int64 *end, int timeout_ms)
{
	return lookup_all(reader, n, LOG_FIRST, first, timeout_ms) &&
		lookup_all(reader, n, LOG_END, end, timeout_ms);
}

bool
stream_reader_offsets_at(StreamReader *reader, int n, TimestampTz at,
						 int64 *offsets, int timeout_ms)
{
	const TimestampTz epoch =
	(UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
	int64		ms = at / 1000 + (at % 1000 > 0 ? 1 : 0) - epoch / 1000;
	int64	   *end;
	bool		found;

	/* Logs count from 1970, and negative numbers mean something else to them. */
	if (at <= epoch)
		return lookup_all(reader, n, LOG_FIRST, offsets, timeout_ms);
	if (TIMESTAMP_NOT_FINITE(at))
		return lookup_all(reader, n, LOG_END, offsets, timeout_ms);

	/* The end first: a message that arrives in between must not be missed. */
	end = palloc(n * sizeof(int64));
	found = lookup_all(reader, n, LOG_END, end, timeout_ms) &&
		lookup_all(reader, n, ms, offsets, timeout_ms);
	for (int i = 0; found && i < n; i++)
	{
		if (offsets[i] == LOG_END)
			offsets[i] = end[i];
	}
	pfree(end);
	return found;
}

bool
stream_reader_is_compacted(StreamReader *reader, int timeout_ms)
{
	return reader->methods->is_compacted(reader, timeout_ms);
}

void
stream_reader_assign(StreamReader *reader, const StreamPosition *positions, int n)
{
	reader->methods->assign(reader, positions, n);
}

int
stream_reader_read(StreamReader *reader, MessageBatch *batch,
				   int max_messages, Size max_memory)
{
	return reader->methods->read(reader, batch, max_messages, max_memory);
}

pgsocket
stream_reader_fd(StreamReader *reader)
{
	return reader->connection.event_fd;
}

void
stream_reader_drain_fd(StreamReader *reader)
{
	connection_drain(&reader->connection);
}

void
stream_reader_wait(StreamReader *reader, int timeout_ms)
{
	/* The event tells of the step from nothing to something, no more. */
	stream_reader_drain_fd(reader);
	if (reader->methods->pending(reader))
		return;

	connection_wait(&reader->connection, timeout_ms);
}

void
stream_reader_report_offsets(StreamReader *reader,
							 const StreamPosition *positions, int n)
{
	reader->methods->report_offsets(reader, positions, n);
}
