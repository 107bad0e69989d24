/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Statements that would break a continuous view behind its back.
 *
 * Three kinds of relations are looked after: the views themselves, which must
 * stay what was derived; what belongs to them in kappa_state; and streams that
 * they read, whose log and columns must go on meaning what they meant when the
 * messages so far were counted (guard_stream.c).
 *
 * All of it concerns the owners of these things, who are allowed much: nobody
 * else gets as far.  A restore replaces views, when a dump had to break a loop of
 * dependencies; so views that come from elsewhere are let alone until they are
 * resumed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/tablecmds.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "view/between.h"
#include "view/catalog.h"
#include "view/guard.h"
#include "view/owner.h"
#include "view/view.h"

static Oid
find_relation(const RangeVar *name)
{
	return name ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;
}

/* ------------------------------------------------------------ hidden relations */

static void
refuse_hidden(Oid relid, const char *action)
{
	Oid			view;

	if (get_rel_namespace(relid) != get_namespace_oid("kappa_state", true))
		return;
	view = catalog_view_of_hidden(relid);
	if (!OidIsValid(view))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot %s \"%s\"", action, get_rel_name(relid)),
			 errdetail("It belongs to continuous view \"%s\".", get_rel_name(view)),
			 errhint("Alter or drop the continuous view.")));
}

/* What may be changed about a state table: where and how it is stored. */
static bool
concerns_storage_only(Oid relid, const AlterTableStmt *stmt)
{
	ListCell   *lc;

	if (get_rel_relkind(relid) == RELKIND_VIEW)
		return false;
	foreach(lc, stmt->cmds)
	{
		switch (lfirst_node(AlterTableCmd, lc)->subtype)
		{
			case AT_SetRelOptions:
			case AT_ResetRelOptions:
			case AT_SetTableSpace:
			case AT_SetStatistics:
			case AT_SetStorage:
			case AT_SetCompression:
			case AT_ClusterOn:
			case AT_DropCluster:
				break;
			default:
				return false;
		}
	}
	return true;
}

static bool
is_unique_index(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_index) GETSTRUCT(tuple))->indisunique;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* The merge needs the unique index of its state table, and no other one. */
static void
check_drop(const DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_INDEX)
		return;
	foreach(lc, stmt->objects)
	{
		Oid			index = find_relation(makeRangeVarFromNameList(lfirst_node(List, lc)));

		if (OidIsValid(index) && is_unique_index(index))
			refuse_hidden(IndexGetRelation(index, false), "drop the unique index of");
	}
}

static void
check_create_index(const IndexStmt *stmt)
{
	Oid			relid = stmt->unique ? find_relation(stmt->relation) : InvalidOid;

	if (OidIsValid(relid))
		refuse_hidden(relid, "create a unique index on");
}

/* ---------------------------------------------------- children and references */

/* Rows of a child would be taken for rows of what it inherits from. */
static void
check_parent(const RangeVar *name)
{
	Oid			relid = find_relation(name);
	Bitmapset  *columns;

	if (!OidIsValid(relid))
		return;
	refuse_hidden(relid, "inherit from");
	if (stream_exists(relid) && catalog_stream_used(relid, &columns))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot inherit from stream \"%s\"", name->relname),
				 errdetail("Continuous views depend on it, and would count the rows of its children.")));
}

/* A foreign key would stand in the way of whatever removes groups. */
static void
check_constraint(const Node *node)
{
	const Constraint *constraint = (const Constraint *) node;
	Oid			relid;

	if (node == NULL || !IsA(node, Constraint) || constraint->contype != CONSTR_FOREIGN)
		return;
	relid = find_relation(constraint->pktable);
	if (OidIsValid(relid))
		refuse_hidden(relid, "reference");
}

static void
check_constraints(List *constraints)
{
	ListCell   *lc;

	foreach(lc, constraints)
		check_constraint(lfirst(lc));
}

static void
check_create_table(const CreateStmt *stmt)
{
	ListCell   *lc;

	if (stmt->partbound == NULL)
		foreach(lc, stmt->inhRelations)
			check_parent(lfirst_node(RangeVar, lc));
	check_constraints(stmt->constraints);
	check_constraints(stmt->tableElts);
	foreach(lc, stmt->tableElts)
		if (IsA(lfirst(lc), ColumnDef))
			check_constraints(lfirst_node(ColumnDef, lc)->constraints);
}

/* What ALTER TABLE of any relation may do to another one. */
static void
check_other_relations(const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, lc);

		if (command->subtype == AT_AddInherit)
			check_parent(castNode(RangeVar, command->def));
		else if (command->subtype == AT_AddConstraint)
			check_constraint(command->def);
		else if (command->subtype == AT_AddColumn)
			check_constraints(castNode(ColumnDef, command->def)->constraints);
	}
}

/* ------------------------------------------------------------ the views */

static void
check_view_command(const AlterTableCmd *command)
{
	ListCell   *lc;

	if (command->subtype != AT_SetRelOptions && command->subtype != AT_ReplaceRelOptions)
		return;
	foreach(lc, castNode(List, command->def))
		if (strcmp(lfirst_node(DefElem, lc)->defname, "security_invoker") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("continuous views do not support option \"%s\"", "security_invoker"),
					 errdetail("A continuous view is read with its owner's rights.")));
}

static void
check_alter_table(const AlterTableStmt *stmt)
{
	Oid			relid = find_relation(stmt->relation);
	ListCell   *lc;

	if (!OidIsValid(relid))
		return;
	check_other_relations(stmt);
	if (!concerns_storage_only(relid, stmt))
		refuse_hidden(relid, "alter");
	if (stream_exists(relid))
	{
		/* Whoever is just creating a view over it is waited for. */
		relid = AlterTableLookupRelation(unconstify(AlterTableStmt *, stmt),
										 AlterTableGetLockLevel(stmt->cmds));
		guard_alter_stream(relid, stmt);
	}
	if (view_exists(relid))
		foreach(lc, stmt->cmds)
			check_view_command(lfirst_node(AlterTableCmd, lc));
}

static void
check_rename(const RenameStmt *stmt)
{
	Oid			relid = find_relation(stmt->relation);

	if (!OidIsValid(relid))
		return;
	refuse_hidden(relid, "rename");
	if (stmt->renameType == OBJECT_COLUMN && stream_exists(relid))
	{
		relid = RangeVarGetRelidExtended(stmt->relation, AccessExclusiveLock, 0,
										 RangeVarCallbackOwnsRelation, NULL);
		guard_rename_column(relid, stmt->subname);
	}
}

/* What a plain view gives to a continuous one must not become something else. */
static void
check_between(Oid relid)
{
	Oid			view = between_find(relid);

	if (OidIsValid(view))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot replace view \"%s\"", get_rel_name(relid)),
				 errdetail("Continuous view \"%s\" reads its stream through it, and has been computed with it as it is.",
						   get_rel_name(view)),
				 errhint("Create another view, or drop the continuous view.")));
}

static void
check_replace_view(const ViewStmt *stmt)
{
	Oid			relid = stmt->replace ? find_relation(stmt->view) : InvalidOid;

	if (!OidIsValid(relid))
		return;
	refuse_hidden(relid, "replace");
	/* Whoever is just creating a view over it is waited for. */
	relid = RangeVarGetRelidExtended(stmt->view, AccessExclusiveLock, 0,
									 RangeVarCallbackOwnsRelation, NULL);
	check_between(relid);
	if (view_exists(relid) && !view_get(relid)->foreign_origin)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a continuous view", stmt->view->relname),
				 errhint("Use CREATE OR REPLACE CONTINUOUS VIEW.")));
}

static void
check_truncate(const TruncateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		Oid			relid = find_relation(lfirst_node(RangeVar, lc));

		if (OidIsValid(relid))
			refuse_hidden(relid, "truncate");
	}
}

static void
check_rule(const RangeVar *name)
{
	Oid			relid = find_relation(name);

	if (!OidIsValid(relid))
		return;
	refuse_hidden(relid, "create a rule or trigger on");
	if (view_exists(relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("continuous views do not support rules and triggers")));
	check_between(relid);
}

void
view_check_utility(Node *parsetree)
{
	if (extension_is_executing())
		return;
	switch (nodeTag(parsetree))
	{
		case T_AlterTableStmt:
			check_alter_table((AlterTableStmt *) parsetree);
			break;
		case T_CreateStmt:
			check_create_table((CreateStmt *) parsetree);
			break;
		case T_CreateForeignTableStmt:
			check_create_table(&((CreateForeignTableStmt *) parsetree)->base);
			break;
		case T_IndexStmt:
			check_create_index((IndexStmt *) parsetree);
			break;
		case T_DropStmt:
			check_drop((DropStmt *) parsetree);
			break;
		case T_RenameStmt:
			check_rename((RenameStmt *) parsetree);
			break;
		case T_AlterObjectSchemaStmt:
			{
				Oid			relid = find_relation(((AlterObjectSchemaStmt *) parsetree)->relation);

				if (OidIsValid(relid))
					refuse_hidden(relid, "move");
			}
			break;
		case T_ViewStmt:
			check_replace_view((ViewStmt *) parsetree);
			break;
		case T_TruncateStmt:
			check_truncate((TruncateStmt *) parsetree);
			break;
		case T_RuleStmt:
			check_rule(((RuleStmt *) parsetree)->relation);
			break;
		case T_CreateTrigStmt:
			check_rule(((CreateTrigStmt *) parsetree)->relation);
			break;
		default:
			break;
	}
}
