/*-------------------------------------------------------------------------
 *
 * pg_kappa.c
 *	  Loading of the library: each room sets itself up, in the order in which
 *	  they may call each other.
 *
 * The library must be in shared_preload_libraries: it needs shared memory, a
 * launcher and, for CREATE CONTINUOUS VIEW, a place before the parser.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "syntax/syntax.h"
#include "view/view.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_kappa must be loaded via \"shared_preload_libraries\""),
				 errhint("Add \"pg_kappa\" to shared_preload_libraries in postgresql.conf and restart the server.")));

	view_init();
	worker_init();
	syntax_init();

	MarkGUCPrefixReserved("pg_kappa");
}
