/*-------------------------------------------------------------------------
 *
 * alter.c
 *	  ALTER, DROP, REFRESH and COMMENT ON CONTINUOUS VIEW.
 *
 * The parser reads these as statements about a materialized view.  Once it is
 * certain that CONTINUOUS was written and that the view is one, they become
 * statements about a view and go their ordinary way: PostgreSQL checks rights
 * and takes locks.  Only SET (options) goes to the view room, also as ALTER
 * VIEW (to which PostgreSQL has options of its own, that are not for continuous
 * views), and so does what follows a change of owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "syntax/utility.h"
#include "view/view.h"
#include "worker/worker.h"

/*
 * The continuous view of that name.  If there is no such relation the answer is
 * InvalidOid: what the statement becomes reports that, or skips it.
 */
static Oid
lookup_view(const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);

	/* If it is not one, somebody may just be dropping it: what is there then? */
	if (OidIsValid(relid) && !view_exists(relid))
		relid = RangeVarGetRelid(name, AccessShareLock, true);
	if (OidIsValid(relid) && !view_exists(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous view", name->relname)));
	return relid;
}

/* Batches of views that are to be dropped need not come to their end. */
static void
stop_views(const DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		RangeVar   *name = makeRangeVarFromNameList(lfirst_node(List, lc));
		Oid			relid = RangeVarGetRelid(name, NoLock, true);

		if (OidIsValid(relid) && view_exists(relid) &&
			object_ownercheck(RelationRelationId, relid, GetUserId()) && view_lock(relid))
			worker_stop_batches(relid);
	}
}

static void
drop_continuous_view(Utility *u, DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_MATVIEW || !utility_written(u, NULL))
		return;

	utility_require_installed("DROP CONTINUOUS VIEW");
	foreach(lc, stmt->objects)
		(void) lookup_view(makeRangeVarFromNameList(lfirst_node(List, lc)));

	((DropStmt *) utility_become(u, CMDTAG_DROP_VIEW))->removeType = OBJECT_VIEW;
}

void
drop_view(Utility *u, DropStmt *stmt)
{
	drop_continuous_view(u, stmt);
	stmt = (DropStmt *) u->pstmt->utilityStmt;
	if (stmt->removeType == OBJECT_VIEW && utility_installed())
		stop_views(stmt);
}

void
comment_on_view(Utility *u, CommentStmt *stmt)
{
	if (stmt->objtype != OBJECT_MATVIEW || !utility_written(u, NULL))
		return;

	utility_require_installed("COMMENT ON CONTINUOUS VIEW");
	(void) lookup_view(makeRangeVarFromNameList(castNode(List, stmt->object)));

	((CommentStmt *) utility_become(u, CMDTAG_COMMENT))->objtype = OBJECT_VIEW;
}

/* ALTER CONTINUOUS VIEW .. RENAME TO, RENAME COLUMN */
void
alter_view_rename(Utility *u, RenameStmt *stmt)
{
	bool		column = (stmt->renameType == OBJECT_COLUMN);

	if ((column ? stmt->relationType : stmt->renameType) != OBJECT_MATVIEW ||
		!utility_written(u, stmt->relation))
		return;

	utility_require_installed("ALTER CONTINUOUS VIEW");
	(void) lookup_view(stmt->relation);

	stmt = (RenameStmt *) utility_become(u, CMDTAG_ALTER_VIEW);
	if (column)
		stmt->relationType = OBJECT_VIEW;
	else
		stmt->renameType = OBJECT_VIEW;
}

/* ALTER CONTINUOUS VIEW .. SET SCHEMA */
void
alter_view_schema(Utility *u, AlterObjectSchemaStmt *stmt)
{
	if (stmt->objectType != OBJECT_MATVIEW || !utility_written(u, stmt->relation))
		return;

	utility_require_installed("ALTER CONTINUOUS VIEW");
	(void) lookup_view(stmt->relation);

	((AlterObjectSchemaStmt *) utility_become(u, CMDTAG_ALTER_VIEW))->objectType = OBJECT_VIEW;
}

/* SET (options), alone in its ALTER [CONTINUOUS] VIEW. */
static void
set_options(Utility *u, AlterTableStmt *stmt, List *options)
{
	Oid			view;

	utility_require_writable("ALTER CONTINUOUS VIEW");
	view = RangeVarGetRelidExtended(stmt->relation, ShareUpdateExclusiveLock,
									stmt->missing_ok ? RVR_MISSING_OK : 0,
									RangeVarCallbackOwnsRelation, NULL);
	if (OidIsValid(view))
	{
		view_set_options(view, options);
		worker_wake_at_commit();
	}
	else
		ereport(NOTICE,
				(errmsg("relation \"%s\" does not exist, skipping",
						stmt->relation->relname)));
	u->done = true;
	u->tag = CMDTAG_ALTER_VIEW;
}

static bool
changes_owner(const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
		if (lfirst_node(AlterTableCmd, lc)->subtype == AT_ChangeOwner)
			return true;
	return false;
}

/*
 * ALTER .. with a list of subcommands: as ALTER CONTINUOUS VIEW, or about a
 * continuous view under another name.
 */
void
alter_view(Utility *u, AlterTableStmt *stmt)
{
	bool		continuous = stmt->objtype == OBJECT_MATVIEW && utility_written(u, stmt->relation);
	Oid			view;
	AlterTableCmd *cmd;

	if (continuous)
	{
		utility_require_installed("ALTER CONTINUOUS VIEW");
		view = lookup_view(stmt->relation);
		stmt = (AlterTableStmt *) utility_become(u, CMDTAG_ALTER_VIEW);
		stmt->objtype = OBJECT_VIEW;
	}
	else
	{
		if (!utility_installed())
			return;
		view = RangeVarGetRelid(stmt->relation, NoLock, true);
		if (!OidIsValid(view) || get_rel_relkind(view) != RELKIND_VIEW ||
			!view_exists(view))
			return;
	}

	if (changes_owner(stmt))
		u->new_owner_of = view;
	cmd = linitial_node(AlterTableCmd, stmt->cmds);
	if (list_length(stmt->cmds) == 1 && cmd->subtype == AT_ChangeOwner)
		return;
	if (list_length(stmt->cmds) == 1 && cmd->subtype == AT_SetRelOptions &&
		stmt->objtype == OBJECT_VIEW)
		set_options(u, stmt, castNode(List, cmd->def));
	else if (continuous)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this form of ALTER CONTINUOUS VIEW is not supported"),
				 errhint("Use one of RENAME, SET SCHEMA, OWNER TO and SET (option = value) by itself.")));
}

/* ALTER MATERIALIZED VIEW's forms that have no counterpart */
void
alter_view_refused(Utility *u, const RangeVar *name, const char *clause)
{
	if (utility_written(u, name))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ALTER CONTINUOUS VIEW ... %s is not supported", clause)));
}

void
refresh_view(Utility *u, RefreshMatViewStmt *stmt)
{
	if (!utility_written(u, stmt->relation))
		return;

	utility_require_installed("REFRESH CONTINUOUS VIEW");
	if (!OidIsValid(lookup_view(stmt->relation)))
		(void) RangeVarGetRelid(stmt->relation, NoLock, false);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("REFRESH CONTINUOUS VIEW is not supported yet")));
}
