/*-------------------------------------------------------------------------
 *
 * guard_stream.c
 *	  Changes of a stream that would change what its messages mean.
 *
 * Messages that were counted are not looked at again, so the next ones must be
 * read as they were: the same log, rows and watermarks, from the same places.
 * What no view uses may change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_constraint.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "view/catalog.h"
#include "view/guard.h"

/* Options of a stream that decide what its log, rows and watermarks are. */
static const char *const fixed_stream_options[] = {
	"topic", "format", "event_time", "watermark_delay", "watermark_max_ahead",
};

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

void
guard_alter_stream(Oid stream, const AlterTableStmt *stmt)
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

void
guard_rename_column(Oid stream, const char *name)
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
