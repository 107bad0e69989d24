/*-------------------------------------------------------------------------
 *
 * worker_loop.h
 *	  What the files of a worker's main loop share: session.c, assignment.c
 *	  and worker.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_WORKER_LOOP_H
#define KAPPA_WORKER_LOOP_H

#include "worker/worker_internal.h"

/* ------------------------------------------------ session.c: the session */

/* Reset at each pass of the main loop. */
extern MemoryContext worker_pass_context;

/* Connects to the database. */
extern void session_start(Oid dbid);

/* At the start, and after the configuration files have been read again. */
extern void session_take_settings(void);

/* ------------------------------- assignment.c: which consumers are driven */

/* The consumers of this worker, of type Consumer, in the order of their turns. */
extern dlist_head worker_consumers;
extern int	worker_nconsumers;

/* Once, in the session: asks to be told of what readers are made from. */
extern void assignment_start(void);

/*
 * Looks at the catalog if there is a reason to.  False if this worker is not
 * needed any more, and has signed off.
 */
extern bool assignment_renew(void);

/* What one reader may read ahead. */
extern Size assignment_reader_memory(void);

/* --------------------------------------------- worker.c: the main loop */

/* Closes it, and forgets what the main loop remembers of it. */
extern void worker_close_consumer(Consumer *consumer);

#endif							/* KAPPA_WORKER_LOOP_H */
