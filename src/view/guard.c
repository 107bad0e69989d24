/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Statements that would break a continuous view behind its back.
 *
 * Three kinds of relations are looked after: the views themselves, which must
 * stay what was derived; what belongs to them in kappa_state; and streams that
 * they read, whose log and columns must go on meaning what they meant when the
 * messages so far were counted.
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
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "view/between.h"
#include "view/catalog.h"
#include "view/owner.h"
#include "view/view.h"

/* Options of a stream that decide what its log, rows and watermarks are. */
static const char *const fixed_stream_options[] = {
	"topic", "format", "event_time", "watermark_delay", "watermark_max_ahead",
};

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

/* ------------------------------------------------------------------- streams */

static void
refuse_stream_change(Oid stream, const char *what, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot change %s \"%s\" of stream \"%s\"", what, name, get_rel_name(stream)),
			 errdetail("Continuous views have been computed with it as it is."),
			 errhint("Create another foreign table over the topic, or drop the continuous views.")));
}

static void
check_stream_options(Oid stream, List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		for (int i = 0; i < lengthof(fixed_stream_options); i++)
			if (strcmp(option->defname, fixed_stream_options[i]) == 0)
				refuse_stream_change(stream, "option", option->defname);
	}
}

static void
check_stream_column(Oid stream, const Bitmapset *columns, const char *name)
{
	AttrNumber	attno = get_attnum(stream, name);

	if (attno > 0 && bms_is_member(attno, columns))
		refuse_stream_change(stream, "column", name);
}

static bool
has_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
		if (strcmp(lfirst_node(DefElem, lc)->defname, name) == 0)
			return true;
	return false;
}

/*
 * Payloads are JSON once some column of the stream is a field of them, and then
 * those that are not are bad for every view, though they may have been counted.
 */
static void
check_first_field(Oid stream, const char *column)
{
	Relation	rel = table_open(stream, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	bool		found = false;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped &&
			!has_option(GetForeignColumnOptions(stream, att->attnum), "metadata"))
			found = true;
	}
	table_close(rel, AccessShareLock);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot make column \"%s\" of stream \"%s\" the first that is a field of the payload",
						column, get_rel_name(stream)),
				 errdetail("Payloads that are not JSON would be bad, and continuous views may have counted some."),
				 errhint("Create another foreign table over the topic, or drop the continuous views.")));
}

/* Does this change of a column's options take its metadata away? */
static bool
drops_metadata(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "metadata") == 0 && option->defaction == DEFELEM_DROP)
			return true;
	}
	return false;
}

/*
 * From PostgreSQL 18 on, NOT NULL is a constraint as others are: it may be added
 * and dropped by its name.
 */
static void
check_add_constraint(Oid stream, const Bitmapset *columns, const Constraint *constraint)
{
	ListCell   *lc;

	if (constraint->contype != CONSTR_NOTNULL)
		return;
	foreach(lc, constraint->keys)
		check_stream_column(stream, columns, strVal(lfirst(lc)));
}

static void
check_drop_constraint(Oid stream, const Bitmapset *columns, const char *name)
{
	Oid			constraint = get_relation_constraint_oid(stream, name, true);
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Bitmapset  *attnos;
	int			attno = -1;
	bool		not_null;

	if (!HeapTupleIsValid(tuple))
		return;
	not_null = ((Form_pg_constraint) GETSTRUCT(tuple))->contype == CONSTRAINT_NOTNULL;
	ReleaseSysCache(tuple);
	if (!not_null)
		return;
	attnos = get_relation_constraint_attnos(stream, name, false, &constraint);
	while ((attno = bms_next_member(attnos, attno)) >= 0)
		check_stream_column(stream, columns,
							get_attname(stream, attno + FirstLowInvalidHeapAttributeNumber, false));
}

/* The column that the option event_time names: 0 for none. */
static AttrNumber
event_time_column(Oid stream)
{
	ListCell   *lc;

	foreach(lc, GetForeignTable(stream)->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "event_time") == 0)
			return get_attnum(stream, defGetString(option));
	}
	return InvalidAttrNumber;
}

static void
check_stream_command(Oid stream, const Bitmapset *columns, const AlterTableCmd *command)
{
	switch (command->subtype)
	{
		case AT_GenericOptions:
			check_stream_options(stream, castNode(List, command->def));
			break;
		case AT_AddColumn:
			if (!has_option(castNode(ColumnDef, command->def)->fdwoptions, "metadata"))
				check_first_field(stream, castNode(ColumnDef, command->def)->colname);
			break;
		case AT_AlterColumnGenericOptions:
			check_stream_column(stream, columns, command->name);
			if (drops_metadata(castNode(List, command->def)))
				check_first_field(stream, command->name);
			break;
		case AT_DropColumn:
			/* Of those that views use, PostgreSQL knows. */
			if (get_attnum(stream, command->name) == event_time_column(stream))
				check_stream_column(stream, columns, command->name);
			break;
		case AT_AlterColumnType:
		case AT_SetNotNull:
		case AT_DropNotNull:
			check_stream_column(stream, columns, command->name);
			break;
		case AT_AddConstraint:
			check_add_constraint(stream, columns, castNode(Constraint, command->def));
			break;
		case AT_DropConstraint:
			check_drop_constraint(stream, columns, command->name);
			break;
		default:
			break;
	}
}

static void
check_alter_stream(Oid stream, const AlterTableStmt *stmt)
{
	Bitmapset  *columns;
	AttrNumber	event_time = event_time_column(stream);
	ListCell   *lc;

	if (!catalog_stream_used(stream, &columns))
		return;
	/* All views take their watermarks from it, whether they select it or not. */
	if (event_time > 0)
		columns = bms_add_member(columns, event_time);
	foreach(lc, stmt->cmds)
		check_stream_command(stream, columns, lfirst_node(AlterTableCmd, lc));
}

/* A column without a path, and not of metadata, is found by its name. */
static bool
is_found_by_name(Oid stream, AttrNumber attno)
{
	ListCell   *lc;

	foreach(lc, GetForeignColumnOptions(stream, attno))
	{
		const char *name = lfirst_node(DefElem, lc)->defname;

		if (strcmp(name, "path") == 0 || strcmp(name, "metadata") == 0)
			return false;
	}
	return true;
}

static void
check_rename_column(Oid stream, const char *name)
{
	AttrNumber	attno = get_attnum(stream, name);
	bool		is_event_time = attno > 0 && attno == event_time_column(stream);
	Bitmapset  *columns;

	if (attno > 0 && catalog_stream_used(stream, &columns) &&
		(is_event_time ||
		 (bms_is_member(attno, columns) && is_found_by_name(stream, attno))))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot rename column \"%s\" of stream \"%s\"", name, get_rel_name(stream)),
				 is_event_time ?
				 errdetail("The stream's option event_time names it, and continuous views use that.") :
				 errdetail("Continuous views use it, and its values are found by its name."),
				 errhint("Create another foreign table over the topic, or drop the continuous views.")));
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
		check_alter_stream(relid, stmt);
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
		check_rename_column(relid, stmt->subname);
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
