/*-------------------------------------------------------------------------
 *
 * create.c
 *	  CREATE CONTINUOUS VIEW, in all its spellings.
 *
 *	as the parser gives it						was written as
 *	CREATE MATERIALIZED VIEW					CREATE CONTINUOUS VIEW
 *	CREATE MATERIALIZED VIEW WITH (continuous)	the same
 *	CREATE OR REPLACE UNLOGGED VIEW				CREATE OR REPLACE CONTINUOUS VIEW
 *	CREATE [OR REPLACE] VIEW WITH (continuous)	the same
 *
 * Each becomes a CreateContinuousViewStmt, which the view room carries out.
 * "continuous" is taken out of the options, whatever its value: with false the
 * statement goes its ordinary way without it.  Where there is no continuous
 * view to be made (in CREATE SCHEMA, by EXPLAIN) the statement is refused before
 * any part of it runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "tcop/utility.h"

#include "syntax/keyword.h"
#include "syntax/utility.h"
#include "view/view.h"

/*
 * Takes the option "continuous" out of the list.  True if it is there and not
 * switched off.
 */
static bool
take_continuous(List **options, bool *found)
{
	bool		continuous = false;
	List	   *rest = NIL;
	ListCell   *lc;

	*found = false;
	foreach(lc, *options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (option->defnamespace == NULL && strcmp(option->defname, "continuous") == 0)
		{
			if (*found)
				ereport(ERROR,
						(errcode(ERRCODE_SYNTAX_ERROR),
						 errmsg("option \"%s\" given more than once", "continuous")));
			*found = true;
			continuous = defGetBoolean(option);
		}
		else
			rest = lappend(rest, option);
	}
	*options = rest;
	return continuous;
}

static void
refuse(bool asked, const char *message)
{
	if (asked)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg_internal("%s", message)));
}

/*
 * What event triggers are told: the view room makes relations directly, so this
 * does for the statement what ProcessUtilitySlow() does for CREATE VIEW.
 */
static void
create_for_event_triggers(Utility *u, CreateContinuousViewStmt *stmt)
{
	ViewStmt   *command = makeNode(ViewStmt);
	bool		complete = (u->context != PROCESS_UTILITY_SUBCOMMAND);
	bool		cleanup = complete && EventTriggerBeginCompleteQuery();

	command->view = copyObject(stmt->view);
	command->aliases = stmt->aliases;
	command->query = stmt->query;
	command->options = stmt->options;
	command->replace = stmt->replace;

	PG_TRY();
	{
		ObjectAddress address;

		if (complete)
			EventTriggerDDLCommandStart((Node *) command);
		address = view_create(stmt, u->text, u->pstmt->stmt_location, u->pstmt->stmt_len);
		EventTriggerCollectSimpleCommand(address, InvalidObjectAddress, (Node *) command);
		if (complete)
		{
			EventTriggerSQLDrop((Node *) command);
			EventTriggerDDLCommandEnd((Node *) command);
		}
	}
	PG_FINALLY();
	{
		if (cleanup)
			EventTriggerEndCompleteQuery();
	}
	PG_END_TRY();
}

static void
create(Utility *u, CreateContinuousViewStmt *stmt)
{
	utility_require_installed("CREATE CONTINUOUS VIEW");
	utility_require_writable("CREATE CONTINUOUS VIEW");

	refuse(stmt->view->relpersistence == RELPERSISTENCE_TEMP ||
		   isAnyTempNamespace(RangeVarGetCreationNamespace(stmt->view)),
		   "continuous views cannot be temporary");
	stmt->view->relpersistence = RELPERSISTENCE_PERMANENT;

	create_for_event_triggers(u, stmt);
	u->done = true;
	u->tag = CMDTAG_CREATE_VIEW;
}

/* CREATE MATERIALIZED VIEW: ours if CONTINUOUS was written, or is an option. */
void
create_materialized_view(Utility *u, CreateTableAsStmt *ctas)
{
	CreateContinuousViewStmt *stmt;
	List	   *options = ctas->into->options;
	bool		found;
	bool		continuous;
	Node	   *raw;

	if (ctas->objtype != OBJECT_MATVIEW)
		return;

	continuous = take_continuous(&options, &found);
	if (utility_written(u, ctas->into->rel))
		continuous = true;
	if (!continuous)
	{
		if (found)
			((CreateTableAsStmt *) utility_become(u, CMDTAG_UNKNOWN))->into->options = options;
		return;
	}

	refuse(ctas->into->accessMethod != NULL,
		   "continuous views do not support USING");
	refuse(ctas->into->tableSpaceName != NULL,
		   "continuous views do not support TABLESPACE");

	/* analysis has replaced the SELECT: take it from the text once more */
	raw = keyword_parse(u->text, u->pstmt->stmt_location, u->pstmt->stmt_len);
	if (!IsA(raw, CreateTableAsStmt))
		elog(ERROR, "unexpected statement: %d", (int) nodeTag(raw));

	stmt = palloc0(sizeof(CreateContinuousViewStmt));
	stmt->view = copyObject(ctas->into->rel);
	stmt->aliases = copyObject(ctas->into->colNames);
	stmt->query = ((CreateTableAsStmt *) raw)->query;
	stmt->options = copyObject(options);
	stmt->if_not_exists = ctas->if_not_exists;
	stmt->with_no_data = ctas->into->skipData;
	create(u, stmt);
}

/*
 * CREATE VIEW: ours if "continuous" is an option, or if CONTINUOUS was written,
 * which reads as UNLOGGED.
 */
void
create_view(Utility *u, ViewStmt *view)
{
	CreateContinuousViewStmt *stmt;
	List	   *options = view->options;
	bool		found;
	bool		continuous = take_continuous(&options, &found);

	if (view->view->relpersistence == RELPERSISTENCE_UNLOGGED)
	{
		/* if it was UNLOGGED, PostgreSQL refuses that, options or not */
		if (!utility_written(u, view->view))
			return;
		continuous = true;
	}
	if (!continuous)
	{
		if (found)
			((ViewStmt *) utility_become(u, CMDTAG_UNKNOWN))->options = options;
		return;
	}

	refuse(view->withCheckOption != NO_CHECK_OPTION,
		   "continuous views do not support WITH CHECK OPTION");

	stmt = palloc0(sizeof(CreateContinuousViewStmt));
	stmt->view = copyObject(view->view);
	stmt->aliases = copyObject(view->aliases);
	stmt->query = copyObject(view->query);
	stmt->options = copyObject(options);
	stmt->replace = view->replace;
	create(u, stmt);
}

/*
 * The elements of CREATE SCHEMA run one by one: refuse a continuous view before
 * the first of them.
 */
void
create_schema(Utility *u, CreateSchemaStmt *schema)
{
	ListCell   *lc;

	foreach(lc, schema->schemaElts)
	{
		ViewStmt   *view = (ViewStmt *) lfirst(lc);
		List	   *options;
		bool		found;

		if (!IsA(view, ViewStmt))
			continue;
		options = view->options;
		refuse(view->view->relpersistence == RELPERSISTENCE_UNLOGGED ?
			   utility_written(u, view->view) : take_continuous(&options, &found),
			   "continuous views cannot be created by CREATE SCHEMA");
	}
}

void
explain_create(Utility *u, ExplainStmt *stmt)
{
	Query	   *query = (Query *) stmt->query;
	Node	   *explained = NULL;
	bool		continuous = false;

	if (IsA(query, Query))
		explained = query->utilityStmt;

	if (explained != NULL && IsA(explained, CreateTableAsStmt))
	{
		IntoClause *into = ((CreateTableAsStmt *) explained)->into;
		List	   *options = into->options;
		bool		found;

		continuous = ((CreateTableAsStmt *) explained)->objtype == OBJECT_MATVIEW &&
			(take_continuous(&options, &found) || utility_written(u, into->rel));
	}
	else if (explained != NULL && IsA(explained, RefreshMatViewStmt))
		continuous = utility_written(u, ((RefreshMatViewStmt *) explained)->relation);

	refuse(continuous, "continuous views cannot be explained while they are created or refreshed");
}
