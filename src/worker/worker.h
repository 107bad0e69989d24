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

#endif							/* KAPPA_WORKER_H */
