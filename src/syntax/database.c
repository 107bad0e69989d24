/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Commands that want a database for themselves.
 *
 * DROP DATABASE, RENAME, SET TABLESPACE and the copying of a template fail, or
 * wait for seconds, while anybody is connected.  Our workers connect without
 * having been asked, so they leave first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "compat.h"
#include "syntax/utility.h"
#include "worker/worker.h"

/*
 * Our workers leave a database that a command wants for itself; not for
 * somebody whose command is going to fail.
 */
void
database_wanted(const char *database)
{
	Oid			dbid = get_database_oid(database, true);

	if (OidIsValid(dbid) && !RecoveryInProgress() &&
		object_ownercheck(DatabaseRelationId, dbid, GetUserId()))
		worker_step_aside(dbid);
}

/* The option of that name, or NULL. */
static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, name) == 0)
			return lfirst_node(DefElem, lc);
	}
	return NULL;
}

void
database_copied(CreatedbStmt *stmt)
{
	DefElem    *option = find_option(stmt->options, "template");

	database_wanted(option != NULL && option->arg != NULL ? defGetString(option) : "template1");
}

void
database_altered(AlterDatabaseStmt *stmt)
{
	if (find_option(stmt->options, "tablespace") != NULL)
		database_wanted(stmt->dbname);
}
