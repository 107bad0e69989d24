/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Launcher and workers, as the rest of pg_kappa sees them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_WORKER_H
#define KAPPA_WORKER_H

extern void worker_init(void);

/*
 * When the current transaction commits, this database's workers (started if
 * need be) look at the catalog again.  To be called by whatever changes
 * kappa.views: creation, removal, pause, resume, a new owner.
 */
extern void worker_wake_at_commit(void);

/*
 * Keeps batches of a view, which the caller has locked by view_lock(), away until
 * the transaction ends.  One that is just being applied is waited for, but
 * cancelled if it takes long: a function of a user's may never return.
 */
extern void worker_stop_batches(Oid view);

/*
 * Before a command that wants a database for itself (DROP DATABASE, ALTER
 * DATABASE RENAME or SET TABLESPACE, CREATE DATABASE of a template): stops the
 * database's workers, waits until they are gone (a few seconds at most; the
 * command then says what it thinks of that), and keeps new ones away until the
 * transaction ends.
 */
extern void worker_step_aside(Oid dbid);

#endif							/* KAPPA_WORKER_H */
