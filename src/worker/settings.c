/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings of launcher and workers, and the set-up of this room.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "worker/worker_internal.h"

int			worker_memory = 256 * 1024;
int			worker_batch_rows = 1000000;
int			worker_limit = 4;

/* session_take_settings() takes it by name. */
static int	worker_synchronous_commit = SYNCHRONOUS_COMMIT_OFF;

/* As for PostgreSQL's own synchronous_commit. */
static const struct config_enum_entry synchronous_commit_options[] = {
	{"local", SYNCHRONOUS_COMMIT_LOCAL_FLUSH, false},
	{"remote_write", SYNCHRONOUS_COMMIT_REMOTE_WRITE, false},
	{"remote_apply", SYNCHRONOUS_COMMIT_REMOTE_APPLY, false},
	{"on", SYNCHRONOUS_COMMIT_ON, false},
	{"off", SYNCHRONOUS_COMMIT_OFF, false},
	{"true", SYNCHRONOUS_COMMIT_ON, true},
	{"false", SYNCHRONOUS_COMMIT_OFF, true},
	{"yes", SYNCHRONOUS_COMMIT_ON, true},
	{"no", SYNCHRONOUS_COMMIT_OFF, true},
	{"1", SYNCHRONOUS_COMMIT_ON, true},
	{"0", SYNCHRONOUS_COMMIT_OFF, true},
	{NULL, 0, false}
};

void
worker_init(void)
{
	DefineCustomIntVariable("pg_kappa.memory",
							"Bound for the messages that a worker holds in flight.",
							"It is divided between reading ahead and the batch being applied.",
							&worker_memory, 256 * 1024, 16 * 1024, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_kappa.batch_rows",
							"Largest number of messages that a worker applies in one transaction.",
							NULL,
							&worker_batch_rows, 1000000, 1, 100000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_kappa.workers",
							"Largest number of workers for one database.",
							"A worker drives any number of continuous views.",
							&worker_limit, 4, 1, 1024,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("pg_kappa.synchronous_commit",
							 "The workers' synchronous_commit.",
							 "A crash loses no more than batches that are read from the log again.",
							 &worker_synchronous_commit, SYNCHRONOUS_COMMIT_OFF,
							 synchronous_commit_options,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	shmem_init();
	launcher_register();
}
