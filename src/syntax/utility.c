/*-------------------------------------------------------------------------
 *
 * utility.c
 *	  Hands statements about continuous views to the rooms that carry them out.
 *
 * The parser reads CREATE CONTINUOUS VIEW as CREATE MATERIALIZED VIEW, and
 * CREATE OR REPLACE CONTINUOUS VIEW as CREATE OR REPLACE UNLOGGED VIEW (see
 * keyword.c); tools that parse SQL themselves write CREATE [MATERIALIZED] VIEW
 * .. WITH (continuous).  Before a utility statement runs we look at its tree
 * and, where it could be about a continuous view, at its text:
 *
 *	CREATE					made into a CreateContinuousViewStmt, for the view room
 *	ALTER, DROP, COMMENT	made into ALTER VIEW, DROP VIEW, COMMENT ON VIEW,
 *							which then go their ordinary way; SET (options)
 *							goes to the view room
 *	REFRESH, EXPLAIN, CREATE SCHEMA		refused
 *
 * Workers step aside for commands that want a database for themselves.
 *
 * The command tags are those of what the statements become (CREATE VIEW, DROP
 * VIEW, ...): a continuous view is a view to every tool.
 *
 * Every other statement that defines something passes view_check_utility()
 * before and view_finish_drops() after.  Nothing is decided here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "tcop/cmdtag.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "syntax/keyword.h"
#include "syntax/syntax.h"
#include "view/view.h"
#include "worker/worker.h"

/* A call of ProcessUtility, and what becomes of it. */
typedef struct Utility
{
	PlannedStmt *pstmt;
	const char *text;
	bool		read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *environment;
	DestReceiver *dest;
	QueryCompletion *qc;

	bool		done;			/* carried out: nothing left to be passed on */
	CommandTag	tag;			/* if the statement became another one */
	Oid			new_owner_of;	/* a continuous view that gets another owner */
} Utility;

static ProcessUtility_hook_type prev_process_utility = NULL;

/* ---------------------------------------------------------------- helpers */

/* Is there something of ours in this database that a statement could touch? */
static bool
kappa_installed(void)
{
	Oid			extension;

	/* the schema first: that look-up is cached, the extension's is not */
	if (!OidIsValid(get_namespace_oid("kappa", true)))
		return false;
	extension = get_extension_oid("pg_kappa", true);
	return OidIsValid(extension) &&
		!(creating_extension && CurrentExtensionObject == extension);
}

static void
require_kappa(const char *command)
{
	if (!kappa_installed())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s needs the extension pg_kappa in this database", command),
				 errhint("Run CREATE EXTENSION pg_kappa.")));
}

/* What PostgreSQL asks before statements that write. */
static void
require_writable(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	PreventCommandDuringRecovery(command);
}

/* Was CONTINUOUS written before this name, or (NULL) as second word? */
static bool
written(const Utility *u, const RangeVar *name)
{
	if (name != NULL && name->location < 0)
		return false;
	return keyword_written(u->text, u->pstmt->stmt_location, u->pstmt->stmt_len,
						   name ? name->location : -1);
}

/*
 * The statement as a copy of our own, to be changed and passed on under
 * another tag.
 */
static Node *
become(Utility *u, CommandTag tag)
{
	u->pstmt = copyObject(u->pstmt);
	u->read_only_tree = false;
	u->tag = tag;
	return u->pstmt->utilityStmt;
}

/*
 * The continuous view of that name.  If there is no such relation the answer is
 * InvalidOid: what the statement becomes reports that, or skips it.
 */
static Oid
lookup_view(const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);

	if (OidIsValid(relid) && !view_exists(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous view", name->relname)));
	return relid;
}

/* ----------------------------------------------------------------- CREATE */

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
	require_kappa("CREATE CONTINUOUS VIEW");
	require_writable("CREATE CONTINUOUS VIEW");

	refuse(stmt->view->relpersistence == RELPERSISTENCE_TEMP ||
		   isAnyTempNamespace(RangeVarGetCreationNamespace(stmt->view)),
		   "continuous views cannot be temporary");
	stmt->view->relpersistence = RELPERSISTENCE_PERMANENT;

	create_for_event_triggers(u, stmt);
	u->done = true;
	u->tag = CMDTAG_CREATE_VIEW;
}

/* CREATE MATERIALIZED VIEW: ours if CONTINUOUS was written, or is an option. */
static void
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
	if (written(u, ctas->into->rel))
		continuous = true;
	if (!continuous)
	{
		if (found)
			((CreateTableAsStmt *) become(u, CMDTAG_UNKNOWN))->into->options = options;
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
static void
create_view(Utility *u, ViewStmt *view)
{
	CreateContinuousViewStmt *stmt;
	List	   *options = view->options;
	bool		found;
	bool		continuous = take_continuous(&options, &found);

	if (view->view->relpersistence == RELPERSISTENCE_UNLOGGED)
	{
		/* if it was UNLOGGED, PostgreSQL refuses that, options or not */
		if (!written(u, view->view))
			return;
		continuous = true;
	}
	if (!continuous)
	{
		if (found)
			((ViewStmt *) become(u, CMDTAG_UNKNOWN))->options = options;
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
static void
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
			   written(u, view->view) : take_continuous(&options, &found),
			   "continuous views cannot be created by CREATE SCHEMA");
	}
}

static void
refresh(Utility *u, RefreshMatViewStmt *stmt)
{
	if (!written(u, stmt->relation))
		return;

	require_kappa("REFRESH CONTINUOUS VIEW");
	(void) lookup_view(stmt->relation);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("REFRESH CONTINUOUS VIEW is not supported yet")));
}

static void
explain(Utility *u, ExplainStmt *stmt)
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
			(take_continuous(&options, &found) || written(u, into->rel));
	}
	else if (explained != NULL && IsA(explained, RefreshMatViewStmt))
		continuous = written(u, ((RefreshMatViewStmt *) explained)->relation);

	refuse(continuous, "continuous views cannot be explained while they are created or refreshed");
}

/* -------------------------------------------------- ALTER, DROP, COMMENT */

static void
drop(Utility *u, DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_MATVIEW || !written(u, NULL))
		return;

	require_kappa("DROP CONTINUOUS VIEW");
	foreach(lc, stmt->objects)
		(void) lookup_view(makeRangeVarFromNameList(lfirst_node(List, lc)));

	((DropStmt *) become(u, CMDTAG_DROP_VIEW))->removeType = OBJECT_VIEW;
}

static void
comment(Utility *u, CommentStmt *stmt)
{
	if (stmt->objtype != OBJECT_MATVIEW || !written(u, NULL))
		return;

	require_kappa("COMMENT ON CONTINUOUS VIEW");
	(void) lookup_view(makeRangeVarFromNameList(castNode(List, stmt->object)));

	((CommentStmt *) become(u, CMDTAG_COMMENT))->objtype = OBJECT_VIEW;
}

/* ALTER CONTINUOUS VIEW .. RENAME TO, RENAME COLUMN */
static void
rename_view(Utility *u, RenameStmt *stmt)
{
	bool		column = (stmt->renameType == OBJECT_COLUMN);

	if ((column ? stmt->relationType : stmt->renameType) != OBJECT_MATVIEW ||
		!written(u, stmt->relation))
		return;

	require_kappa("ALTER CONTINUOUS VIEW");
	(void) lookup_view(stmt->relation);

	stmt = (RenameStmt *) become(u, CMDTAG_ALTER_VIEW);
	if (column)
		stmt->relationType = OBJECT_VIEW;
	else
		stmt->renameType = OBJECT_VIEW;
}

/* ALTER CONTINUOUS VIEW .. SET SCHEMA */
static void
set_schema(Utility *u, AlterObjectSchemaStmt *stmt)
{
	if (stmt->objectType != OBJECT_MATVIEW || !written(u, stmt->relation))
		return;

	require_kappa("ALTER CONTINUOUS VIEW");
	(void) lookup_view(stmt->relation);

	((AlterObjectSchemaStmt *) become(u, CMDTAG_ALTER_VIEW))->objectType = OBJECT_VIEW;
}

/* SET (options), alone in its ALTER [CONTINUOUS] VIEW. */
static void
set_options(Utility *u, AlterTableStmt *stmt, List *options)
{
	Oid			view;

	require_writable("ALTER CONTINUOUS VIEW");
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

/*
 * ALTER .. with a list of subcommands: as ALTER CONTINUOUS VIEW, or about a
 * continuous view under another name.
 */
static void
alter(Utility *u, AlterTableStmt *stmt)
{
	bool		continuous = stmt->objtype == OBJECT_MATVIEW && written(u, stmt->relation);
	Oid			view;
	AlterTableCmd *cmd;

	if (continuous)
	{
		require_kappa("ALTER CONTINUOUS VIEW");
		view = lookup_view(stmt->relation);
		stmt = (AlterTableStmt *) become(u, CMDTAG_ALTER_VIEW);
		stmt->objtype = OBJECT_VIEW;
	}
	else
	{
		if (!kappa_installed())
			return;
		view = RangeVarGetRelid(stmt->relation, NoLock, true);
		if (!OidIsValid(view) || get_rel_relkind(view) != RELKIND_VIEW ||
			!view_exists(view))
			return;
	}

	cmd = linitial_node(AlterTableCmd, stmt->cmds);
	if (list_length(stmt->cmds) == 1 && cmd->subtype == AT_ChangeOwner)
		u->new_owner_of = view;
	else if (list_length(stmt->cmds) == 1 && cmd->subtype == AT_SetRelOptions &&
			 stmt->objtype == OBJECT_VIEW)
		set_options(u, stmt, castNode(List, cmd->def));
	else if (continuous)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this form of ALTER CONTINUOUS VIEW is not supported"),
				 errhint("Use one of RENAME, SET SCHEMA, OWNER TO and SET (option = value) by itself.")));
}

/* ALTER MATERIALIZED VIEW's forms that have no counterpart */
static void
refuse_alter(Utility *u, const RangeVar *name, const char *clause)
{
	if (written(u, name))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ALTER CONTINUOUS VIEW ... %s is not supported", clause)));
}

/* -------------------------------------------------------------- databases */

/*
 * Our workers leave a database that a command wants for itself; not for
 * somebody whose command is going to fail.
 */
static void
step_aside(const char *database)
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

static void
create_database(CreatedbStmt *stmt)
{
	DefElem    *option = find_option(stmt->options, "template");

	step_aside(option != NULL && option->arg != NULL ? defGetString(option) : "template1");
}

static void
alter_database(AlterDatabaseStmt *stmt)
{
	if (find_option(stmt->options, "tablespace") != NULL)
		step_aside(stmt->dbname);
}

/* --------------------------------------------------------------- the hook */

/* Statements that are, or may be, about continuous views, or need our workers' place. */
static void
dispatch(Utility *u)
{
	Node	   *parsetree = u->pstmt->utilityStmt;

	switch (nodeTag(parsetree))
	{
		case T_CreateTableAsStmt:
			create_materialized_view(u, (CreateTableAsStmt *) parsetree);
			break;
		case T_ViewStmt:
			create_view(u, (ViewStmt *) parsetree);
			break;
		case T_CreateSchemaStmt:
			create_schema(u, (CreateSchemaStmt *) parsetree);
			break;
		case T_RefreshMatViewStmt:
			refresh(u, (RefreshMatViewStmt *) parsetree);
			break;
		case T_ExplainStmt:
			explain(u, (ExplainStmt *) parsetree);
			break;
		case T_DropStmt:
			drop(u, (DropStmt *) parsetree);
			break;
		case T_CommentStmt:
			comment(u, (CommentStmt *) parsetree);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) parsetree)->renameType == OBJECT_DATABASE)
				step_aside(((RenameStmt *) parsetree)->subname);
			else
				rename_view(u, (RenameStmt *) parsetree);
			break;
		case T_AlterObjectSchemaStmt:
			set_schema(u, (AlterObjectSchemaStmt *) parsetree);
			break;
		case T_AlterTableStmt:
			alter(u, (AlterTableStmt *) parsetree);
			break;
		case T_AlterObjectDependsStmt:
			if (((AlterObjectDependsStmt *) parsetree)->objectType == OBJECT_MATVIEW)
				refuse_alter(u, ((AlterObjectDependsStmt *) parsetree)->relation,
							 "DEPENDS ON EXTENSION");
			break;
		case T_AlterTableMoveAllStmt:
			if (((AlterTableMoveAllStmt *) parsetree)->objtype == OBJECT_MATVIEW)
				refuse_alter(u, NULL, "ALL IN TABLESPACE");
			break;
		case T_DropdbStmt:
			step_aside(((DropdbStmt *) parsetree)->dbname);
			break;
		case T_CreatedbStmt:
			create_database((CreatedbStmt *) parsetree);
			break;
		case T_AlterDatabaseStmt:
			alter_database((AlterDatabaseStmt *) parsetree);
			break;
		default:
			break;
	}
}

/* Passes the statement on, as if we were not there. */
static void
pass(Utility *u)
{
	ProcessUtility_hook_type next =
		prev_process_utility ? prev_process_utility : standard_ProcessUtility;

	next(u->pstmt, u->text, u->read_only_tree, u->context, u->params,
		 u->environment, u->dest, u->qc);
}

/* Does the statement define, change or remove objects, or empty tables? */
static bool
touches_objects(Node *parsetree)
{
	return IsA(parsetree, TruncateStmt) ||
		GetCommandLogLevel(parsetree) == LOGSTMT_DDL;
}

static void
syntax_process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
					   ProcessUtilityContext context, ParamListInfo params,
					   QueryEnvironment *queryEnv, DestReceiver *dest,
					   QueryCompletion *qc)
{
	Utility		u = {
		.pstmt = pstmt,
		.text = queryString,
		.read_only_tree = readOnlyTree,
		.context = context,
		.params = params,
		.environment = queryEnv,
		.dest = dest,
		.qc = qc,
		.tag = CMDTAG_UNKNOWN,
		.new_owner_of = InvalidOid
	};
	bool		touches;

	/*
	 * BEGIN, COMMIT, ROLLBACK and the like: there may be no transaction, or an
	 * aborted one, so catalogs are out of bounds.
	 */
	if (IsA(pstmt->utilityStmt, TransactionStmt) || !IsTransactionState())
	{
		pass(&u);
		return;
	}

	dispatch(&u);

	if (!u.done)
	{
		touches = touches_objects(u.pstmt->utilityStmt);
		if (touches && kappa_installed())
			view_check_utility(u.pstmt->utilityStmt);

		/* the statement's tree may be gone when this returns */
		pass(&u);

		if (OidIsValid(u.new_owner_of))
		{
			CommandCounterIncrement();
			view_follow_owner(u.new_owner_of);
			worker_wake_at_commit();
		}
		if (touches && IsTransactionState() && kappa_installed() &&
			view_finish_drops() > 0)
			worker_wake_at_commit();
	}
	else
		worker_wake_at_commit();

	if (u.tag != CMDTAG_UNKNOWN && qc != NULL)
		SetQueryCompletion(qc, u.tag, 0);
}

void
syntax_init(void)
{
	keyword_init();

	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = syntax_process_utility;
}
