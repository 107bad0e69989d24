/*-------------------------------------------------------------------------
 *
 * utility.c
 *	  Hands statements about continuous views to the rooms that carry them out.
 *
 * Before a utility statement runs we look at its tree and, where it could be
 * about a continuous view, at its text:
 *
 *	CREATE					made into a CreateContinuousViewStmt, for the view room
 *							(create.c)
 *	ALTER, DROP, COMMENT	made into ALTER VIEW, DROP VIEW, COMMENT ON VIEW,
 *							which then go their ordinary way; SET (options)
 *							goes to the view room (alter.c)
 *	REFRESH, EXPLAIN, CREATE SCHEMA		refused
 *
 * Workers step aside for commands that want a database for themselves
 * (database.c).
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
#include "commands/extension.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"

#include "syntax/keyword.h"
#include "syntax/syntax.h"
#include "syntax/utility.h"
#include "view/view.h"
#include "worker/worker.h"

static ProcessUtility_hook_type prev_process_utility = NULL;

/* ------------------------------------------- what every statement asks */

bool
utility_installed(void)
{
	Oid			extension;

	/* the schema first: that look-up is cached, the extension's is not */
	if (!OidIsValid(get_namespace_oid("kappa", true)))
		return false;
	extension = get_extension_oid("pg_kappa", true);
	return OidIsValid(extension) &&
		!(creating_extension && CurrentExtensionObject == extension);
}

void
utility_require_installed(const char *command)
{
	if (!utility_installed())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s needs the extension pg_kappa in this database", command),
				 errhint("Run CREATE EXTENSION pg_kappa.")));
}

void
utility_require_writable(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	PreventCommandDuringRecovery(command);
}

bool
utility_written(const Utility *u, const RangeVar *name)
{
	if (name != NULL && name->location < 0)
		return false;
	return keyword_written(u->text, u->pstmt->stmt_location, u->pstmt->stmt_len,
						   name ? name->location : -1);
}

Node *
utility_become(Utility *u, CommandTag tag)
{
	u->pstmt = copyObject(u->pstmt);
	u->read_only_tree = false;
	u->tag = tag;
	return u->pstmt->utilityStmt;
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
			refresh_view(u, (RefreshMatViewStmt *) parsetree);
			break;
		case T_ExplainStmt:
			explain_create(u, (ExplainStmt *) parsetree);
			break;
		case T_DropStmt:
			drop_view(u, (DropStmt *) parsetree);
			break;
		case T_CommentStmt:
			comment_on_view(u, (CommentStmt *) parsetree);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) parsetree)->renameType == OBJECT_DATABASE)
				database_wanted(((RenameStmt *) parsetree)->subname);
			else
				alter_view_rename(u, (RenameStmt *) parsetree);
			break;
		case T_AlterObjectSchemaStmt:
			alter_view_schema(u, (AlterObjectSchemaStmt *) parsetree);
			break;
		case T_AlterTableStmt:
			alter_view(u, (AlterTableStmt *) parsetree);
			break;
		case T_AlterObjectDependsStmt:
			if (((AlterObjectDependsStmt *) parsetree)->objectType == OBJECT_MATVIEW)
				alter_view_refused(u, ((AlterObjectDependsStmt *) parsetree)->relation,
								   "DEPENDS ON EXTENSION");
			break;
		case T_AlterTableMoveAllStmt:
			if (((AlterTableMoveAllStmt *) parsetree)->objtype == OBJECT_MATVIEW)
				alter_view_refused(u, NULL, "ALL IN TABLESPACE");
			break;
		case T_DropdbStmt:
			database_wanted(((DropdbStmt *) parsetree)->dbname);
			break;
		case T_CreatedbStmt:
			database_copied((CreatedbStmt *) parsetree);
			break;
		case T_AlterDatabaseStmt:
			database_altered((AlterDatabaseStmt *) parsetree);
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

static DropBehavior
drop_behavior(Node *parsetree)
{
	if (IsA(parsetree, DropStmt))
		return ((DropStmt *) parsetree)->behavior;
	if (IsA(parsetree, DropOwnedStmt))
		return ((DropOwnedStmt *) parsetree)->behavior;
	return DROP_RESTRICT;
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
	DropBehavior behavior;
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
		behavior = drop_behavior(u.pstmt->utilityStmt);
		if (touches && utility_installed())
			view_check_utility(u.pstmt->utilityStmt);

		/* the statement's tree may be gone when this returns */
		pass(&u);

		if (OidIsValid(u.new_owner_of))
		{
			CommandCounterIncrement();
			view_follow_owner(u.new_owner_of);
			worker_wake_at_commit();
		}
		if (touches && IsTransactionState() && utility_installed() &&
			view_finish_drops(behavior) > 0)
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
