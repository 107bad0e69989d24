/*-------------------------------------------------------------------------
 *
 * connection.h
 *	  What readers and writers of logs have in common: who owns one, how it is
 *	  closed, and waiting for it.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_CONNECTION_H
#define KAPPA_CONNECTION_H

#include <pthread.h>

#include "lib/ilist.h"

/* To be embedded in what it connects. */
typedef struct LogConnection
{
	/* Gives everything but memory back.  Must not raise errors. */
	void		(*close) (struct LogConnection *connection);
	bool		open;
	int			event_fd;		/* readable when something may have happened */
	int			brokers;		/* that files are reserved for */
	int			files;			/* reserved */
	MemoryContextCallback at_reset;
	dlist_node	node;			/* in the backend's list of open connections */
} LogConnection;

/*
 * Makes the connection's event, and binds the connection to the current memory
 * context: from here on it is closed when that is reset.  So everything that
 * may fail comes before, and the log's own resources after.
 */
extern void connection_open(LogConnection *connection,
							void (*close) (LogConnection *connection));

/*
 * There are so many brokers, or may be: an error if there are not enough files for
 * them all.
 */
extern void connection_expect_brokers(LogConnection *connection, int n);

/*
 * So many threads are about to be started: an error if they cannot be.  For
 * libraries that do not survive it.
 */
extern void connection_expect_threads(int n);

/* pthread_create for a thread that leaves signals to PostgreSQL's own. */
extern int	connection_start_thread(pthread_t *thread, void *(*function) (void *), void *arg);

/* Makes event_fd unreadable: to be called before looking what has happened. */
extern void connection_drain(LogConnection *connection);

/* Waits, interruptibly, for event_fd to be readable, or timeout_ms. */
extern void connection_wait(LogConnection *connection, int timeout_ms);

#endif							/* KAPPA_CONNECTION_H */
