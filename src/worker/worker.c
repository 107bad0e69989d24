/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The background worker: drives the consumers of one database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/worker.h"

void
worker_init(void)
{
}

void
worker_wake_at_commit(void)
{
}
