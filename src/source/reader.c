/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  StreamReader: who owns one, how it is closed, and waiting for it.
 *
 * What a reader does is up to the kind of log (LogMethods); this file sees to
 * it that none outlives its use.  A reader has threads and sockets that no
 * memory context knows of, so its context's reset callback closes it: an
 * ERROR, a cancelled query or a rolled back subtransaction takes it along.  At
 * the end of the backend those that are left are closed before shared memory
 * is given up, while errors of libraries can still be reported.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "source/reader.h"

/*
 * File descriptors to reserve for a reader: the event's, and those of the
 * sockets and wake-up pipes to a few brokers.
 */
#define READER_FDS 8

static dlist_head open_readers = DLIST_STATIC_INIT(open_readers);

static void
close_reader(void *arg)
{
	StreamReader *reader = arg;

	if (!reader->open)
		return;
	reader->open = false;
	dlist_delete(&reader->node);

	reader->methods->close(reader);
	close(reader->event_fd);
	for (int i = 0; i < READER_FDS; i++)
		ReleaseExternalFD();
}

static void
close_all_readers(int code, Datum arg)
{
	while (!dlist_is_empty(&open_readers))
		close_reader(dlist_container(StreamReader, node, dlist_head_node(&open_readers)));
}

/* Makes the reader's event, and reserves what it needs of the system. */
static int
open_event(void)
{
	int			fd;

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open stream"),
				 errdetail("There are too many open files.")));
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open stream: %m")));
	}
	for (int i = 1; i < READER_FDS; i++)
		ReserveExternalFD();
	return fd;
}

StreamReader *
stream_reader_open(const Stream *stream, Oid userid, Size memory)
{
	static bool exit_registered = false;
	MemoryContext context;
	MemoryContext oldcontext;
	StreamReader *reader;

	/* Threads of a postmaster would be lost in its children. */
	Assert(IsUnderPostmaster || !IsPostmasterEnvironment);

	if (!exit_registered)
	{
		before_shmem_exit(close_all_readers, (Datum) 0);
		exit_registered = true;
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_kappa reader",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	reader = kafka_log.open(stream, userid, memory);
	reader->headers = stream->has_headers;
	MemoryContextSwitchTo(oldcontext);
	return reader;
}

/*
 * Called by a kind's open when everything that may fail has been prepared and
 * only the log's own resources are missing: from here on close will be called.
 */
void
reader_register(StreamReader *reader, const LogMethods *methods)
{
	reader->methods = methods;
	reader->context = CurrentMemoryContext;
	reader->event_fd = open_event();
	reader->open = true;
	dlist_push_tail(&open_readers, &reader->node);
	reader->at_reset.func = close_reader;
	reader->at_reset.arg = reader;
	MemoryContextRegisterResetCallback(reader->context, &reader->at_reset);
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
	return reader->methods->state(reader);
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
		lookup_all(reader, n, (at - epoch + 999) / 1000, offsets, timeout_ms);
	for (int i = 0; found && i < n; i++)
	{
		if (offsets[i] == LOG_END)
			offsets[i] = end[i];
	}
	pfree(end);
	return found;
}

void
stream_reader_assign(StreamReader *reader, const StreamPosition *positions, int n)
{
	reader->methods->assign(reader, positions, n);
}

int
stream_reader_read(StreamReader *reader, MessageBatch *batch,
				   int max_messages, Size max_bytes)
{
	return reader->methods->read(reader, batch, max_messages, max_bytes);
}

pgsocket
stream_reader_fd(StreamReader *reader)
{
	return reader->event_fd;
}

void
stream_reader_drain_fd(StreamReader *reader)
{
	uint64		count;

	/* EAGAIN says that it was clear. */
	if (read(reader->event_fd, &count, sizeof(count)) < 0 &&
		errno != EAGAIN && errno != EINTR)
		elog(ERROR, "could not read from event of stream: %m");
}

void
stream_reader_wait(StreamReader *reader, int timeout_ms)
{
	int			events;

	/* The event tells of the step from nothing to something, no more. */
	stream_reader_drain_fd(reader);
	if (reader->methods->pending(reader))
		return;

	events = WaitLatchOrSocket(MyLatch,
							   WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							   reader->event_fd, timeout_ms, PG_WAIT_EXTENSION);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
stream_reader_report_offsets(StreamReader *reader,
							 const StreamPosition *positions, int n)
{
	reader->methods->report_offsets(reader, positions, n);
}
