/*-------------------------------------------------------------------------
 *
 * connection.c
 *	  Who owns a reader or writer of a log, how it is closed, and waiting for it.
 *
 * A connection has threads and sockets that no memory context knows of, so its
 * context's reset callback closes it: an ERROR, a cancelled query or a rolled
 * back subtransaction takes it along.  At the end of the backend those that
 * are left are closed before shared memory is given up, while errors of
 * libraries can still be reported.
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

#include "source/connection.h"

/*
 * File descriptors to reserve for a connection: the event's, and those of the
 * sockets and wake-up pipes to a few brokers.
 */
#define CONNECTION_FDS 8

static dlist_head open_connections = DLIST_STATIC_INIT(open_connections);

static void
release_files(int n)
{
	for (int i = 0; i < n; i++)
		ReleaseExternalFD();
}

/* All that a connection needs of the system, or nothing: others need files, too. */
static void
acquire_files(void)
{
	for (int i = 0; i < CONNECTION_FDS; i++)
	{
		if (AcquireExternalFD())
			continue;
		release_files(i);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open stream: too many files are open"),
				 errdetail("Connections may take a third of max_files_per_process, and one takes %d files.",
						   CONNECTION_FDS),
				 errhint("Raise max_files_per_process.")));
	}
}

static void
close_connection(void *arg)
{
	LogConnection *connection = arg;

	if (!connection->open)
		return;
	connection->open = false;
	dlist_delete(&connection->node);

	connection->close(connection);
	close(connection->event_fd);
	release_files(CONNECTION_FDS);
}

static void
close_all_connections(int code, Datum arg)
{
	while (!dlist_is_empty(&open_connections))
		close_connection(dlist_container(LogConnection, node,
										 dlist_head_node(&open_connections)));
}

static int
open_event(void)
{
	int			fd;

	acquire_files();
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
	{
		release_files(CONNECTION_FDS);
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open stream: %m")));
	}
	return fd;
}

void
connection_open(LogConnection *connection, void (*close) (LogConnection *connection))
{
	static bool exit_registered = false;

	/* Threads of a postmaster would be lost in its children. */
	Assert(IsUnderPostmaster || !IsPostmasterEnvironment);

	if (!exit_registered)
	{
		before_shmem_exit(close_all_connections, (Datum) 0);
		exit_registered = true;
	}

	connection->event_fd = open_event();
	connection->close = close;
	connection->open = true;
	dlist_push_tail(&open_connections, &connection->node);
	connection->at_reset.func = close_connection;
	connection->at_reset.arg = connection;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &connection->at_reset);
}

void
connection_drain(LogConnection *connection)
{
	uint64		count;

	/* EAGAIN says that it was clear. */
	if (read(connection->event_fd, &count, sizeof(count)) < 0 &&
		errno != EAGAIN && errno != EINTR)
		elog(ERROR, "could not read from event of stream: %m");
}

void
connection_wait(LogConnection *connection, int timeout_ms)
{
	int			events;

	events = WaitLatchOrSocket(MyLatch,
							   WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							   connection->event_fd, timeout_ms, PG_WAIT_EXTENSION);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}
