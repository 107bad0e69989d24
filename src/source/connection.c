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
 * Files and threads may run out.  Libraries stand that badly, so both are asked
 * for beforehand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
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
 * File descriptors to reserve for a connection: the event's, and those by which
 * threads are woken, one thread for each broker that is known.  The sockets of
 * those that have something for us are few: a third of all files is for
 * connections, which leaves room for them.
 */
#define CONNECTION_FDS 6
#define BROKER_FDS 2

static dlist_head open_connections = DLIST_STATIC_INIT(open_connections);

static void
release_files(int n)
{
	for (int i = 0; i < n; i++)
		ReleaseExternalFD();
}

/* So many more for a connection, or none: others need files, too. */
static void
acquire_files(LogConnection *connection, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (AcquireExternalFD())
			continue;
		release_files(i);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open stream: too many files are open"),
				 errdetail("Connections may take a third of max_files_per_process, and this one takes %d files.",
						   connection->files + n),
				 errhint("Raise max_files_per_process.")));
	}
	connection->files += n;
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
	release_files(connection->files);
}

static void
close_all_connections(int code, Datum arg)
{
	while (!dlist_is_empty(&open_connections))
		close_connection(dlist_container(LogConnection, node,
										 dlist_head_node(&open_connections)));
}

static void
open_event(LogConnection *connection)
{
	connection->files = 0;
	acquire_files(connection, CONNECTION_FDS + BROKER_FDS);
	connection->brokers = 1;
	connection->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (connection->event_fd < 0)
	{
		release_files(connection->files);
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open stream: %m")));
	}
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

	open_event(connection);
	connection->close = close;
	connection->open = true;
	dlist_push_tail(&open_connections, &connection->node);
	connection->at_reset.func = close_connection;
	connection->at_reset.arg = connection;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &connection->at_reset);
}

void
connection_expect_brokers(LogConnection *connection, int n)
{
	if (n <= connection->brokers)
		return;
	acquire_files(connection, (n - connection->brokers) * BROKER_FDS);
	connection->brokers = n;
}

static void *
pass_gate(void *gate)
{
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return NULL;
}

int
connection_start_thread(pthread_t *thread, void *(*function) (void *), void *arg)
{
	sigset_t	all;
	sigset_t	saved;
	int			rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	rc = pthread_create(thread, NULL, function, arg);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return rc;
}

/* Starts so many threads that are there all at the same time, and ends them. */
static int
try_threads(int n)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_t  *threads = palloc(sizeof(pthread_t) * n);
	int			started = 0;
	int			rc = 0;

	pthread_mutex_lock(&gate);
	while (started < n &&
		   (rc = connection_start_thread(&threads[started], pass_gate, &gate)) == 0)
		started++;
	pthread_mutex_unlock(&gate);
	while (started > 0)
		pthread_join(threads[--started], NULL);

	pfree(threads);
	return rc;
}

void
connection_expect_threads(int n)
{
	/* Ended ones may count for a moment, and others start some, too. */
	int			rc = try_threads(2 * n);

	if (rc == 0)
		return;
	errno = rc;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("could not open stream: no more threads can be started: %m"),
			 errhint("Raise the operating system's limit of processes and threads, or of memory.")));
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
