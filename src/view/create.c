/*-------------------------------------------------------------------------
 *
 * create.c
 *	  CREATE CONTINUOUS VIEW.
 *
 * One transaction makes, from a definition:
 *
 *	kappa_state.<view>_<id>_<generation>_definition		view: the user's SELECT
 *	kappa_state.<view>_<id>_<generation>_state			table: keys and states
 *	kappa_state.<view>_<id>_<generation>_delta			view: partial aggregates
 *	V													view over the state
 *
 * and the rows of schema kappa.  All four belong to the user.  Users may not
 * create anything in kappa_state, so the relations there are made with the
 * extension owner's rights; but whatever holds expressions of the user's is
 * parsed with the user's own, since reading a constant may already call
 * functions.  Queries go through SQL text: what cannot be written as SQL could
 * not be dumped either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_tablespace.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "commands/view.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "source/source.h"
#include "view/catalog.h"
#include "view/derive.h"
#include "view/options.h"
#include "view/owner.h"

/* How long a creation waits for the broker before it leaves that to the worker. */
#define START_TIMEOUT_MS	5000
#define START_PATIENCE_MS	500
#define START_READ_AHEAD	((Size) 16 * 1024 * 1024)

/*
 * A batch may update every row of a page: only a page that is half empty takes
 * all the new versions (HOT), and the table is no larger for it, since other
 * pages would take them.  Vacuum a table that changes all the time.
 */
#define STATE_TABLE_OPTIONS \
	"fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05," \
	" autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0"

/* ---------------------------------------------------------------- the name */

/*
 * Is there room for the view?  Errors as CREATE VIEW's, or false for IF NOT
 * EXISTS.  Makes stmt->view qualified.
 */
static bool
check_name(CreateContinuousViewStmt *stmt)
{
	RangeVar   *view = stmt->view;
	Oid			existing = InvalidOid;
	Oid			namespace;

	if (view->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("continuous views cannot be temporary")));
	namespace = RangeVarGetAndCheckCreationNamespace(view, NoLock, &existing);
	if (isAnyTempNamespace(namespace))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("continuous views cannot be temporary")));
	view->schemaname = get_namespace_name(namespace);

	if (!OidIsValid(existing))
		return true;
	if (stmt->if_not_exists)
	{
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists, skipping", view->relname)));
		return false;
	}
	if (stmt->replace && view_exists(existing))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("replacing a continuous view is not supported yet"),
				 errhint("Drop the view and create it again.")));
	if (stmt->replace)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous view", view->relname)));
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("relation \"%s\" already exists", view->relname)));
	return false;
}

/* ----------------------------------------------------------- the definition */

static void
apply_aliases(Query *query, List *aliases)
{
	ListCell   *alias = list_head(aliases);
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (alias == NULL)
			return;
		if (tle->resjunk)
			continue;
		tle->resname = pstrdup(strVal(lfirst(alias)));
		alias = lnext(aliases, alias);
	}
	if (alias)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("CREATE CONTINUOUS VIEW specifies more column names than columns")));
}

static Query *
analyse_definition(CreateContinuousViewStmt *stmt, const char *query_string,
				   int stmt_location, int stmt_len)
{
	RawStmt    *raw = makeNode(RawStmt);
	Query	   *query;

	raw->stmt = copyObject(stmt->query);
	raw->stmt_location = stmt_location;
	raw->stmt_len = stmt_len;
	query = parse_analyze_fixedparams(raw, query_string, NULL, 0, NULL);
	if (query->commandType == CMD_UTILITY)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view must be defined by a SELECT")));
	apply_aliases(query, stmt->aliases);
	return query;
}

/* ------------------------------------------------------- what can be shared */

static char *
hidden_name(const RangeVar *view, int id, int generation, const char *what)
{
	return makeObjectName(view->relname, psprintf("%d_%d", id, generation), what);
}

/* SQL of a query, with all names qualified. */
static char *
query_text(Query *query)
{
	int			level = enter_plain_settings();
	char	   *text = pg_get_querydef(copyObject(query), false);

	AtEOXact_GUC(false, level);
	return text;
}

/* --------------------------------------------------- relations in kappa_state */

static List *
column_definitions(Query *query)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Node	   *expr = (Node *) tle->expr;
		ColumnDef  *column;

		if (tle->resjunk)
			continue;
		column = makeColumnDef(tle->resname, exprType(expr), exprTypmod(expr),
							   exprCollation(expr));
		if (type_is_collatable(exprType(expr)) && !OidIsValid(column->collOid))
			ereport(ERROR,
					(errcode(ERRCODE_INDETERMINATE_COLLATION),
					 errmsg("could not determine which collation to use for view column \"%s\"",
							column->colname),
					 errhint("Use the COLLATE clause to set the collation explicitly.")));
		result = lappend(result, column);
	}
	return result;
}

/*
 * A view in kappa_state that belongs to the user: the relation is made with the
 * extension owner's rights, the query is parsed and stored with the user's.
 */
static Oid
create_hidden_view(const char *name, const char *sql)
{
	Oid			user = GetUserId();
	int			level = enter_plain_settings();
	RawStmt    *raw = linitial_node(RawStmt, pg_parse_query(sql));
	Query	   *query = parse_analyze_fixedparams(raw, sql, NULL, 0, NULL);
	CreateStmt *create = makeNode(CreateStmt);
	ViewIdentity save;
	ObjectAddress address;

	create->relation = makeRangeVar("kappa_state", pstrdup(name), -1);
	create->relation->relpersistence = RELPERSISTENCE_PERMANENT;
	create->tableElts = column_definitions(query);
	create->oncommit = ONCOMMIT_NOOP;

	extension_enter(&save);
	address = DefineRelation(create, RELKIND_VIEW, user, NULL, NULL);
	extension_leave(&save);

	CommandCounterIncrement();
	StoreViewQuery(address.objectId, query, false);
	CommandCounterIncrement();
	AtEOXact_GUC(false, level);
	return address.objectId;
}

static Oid
hidden_relation(const char *name)
{
	return get_relname_relid(name, get_namespace_oid("kappa_state", false));
}

/*
 * The clause for the user's default_tablespace.  The extension's owner may use
 * any, so the user's right is checked here.
 */
static char *
tablespace_clause(void)
{
	Oid			tablespace = GetDefaultTablespace(RELPERSISTENCE_PERMANENT, false);
	AclResult	result;

	if (!OidIsValid(tablespace) || tablespace == MyDatabaseTableSpace)
		return "";
	result = object_aclcheck(TableSpaceRelationId, tablespace, GetUserId(), ACL_CREATE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLESPACE, get_tablespace_name(tablespace));
	return psprintf(" TABLESPACE %s", quote_identifier(get_tablespace_name(tablespace)));
}

static Oid
create_state_table(const ViewDerivation *derivation, const RangeVar *view, int id)
{
	char	   *name = hidden_name(view, id, 1, "state");
	char	   *table = quote_qualified_identifier("kappa_state", name);
	char	   *keys = view_state_index(derivation);
	char	   *user = GetUserNameFromId(GetUserId(), false);
	char	   *tablespace = tablespace_clause();
	ViewIdentity save;
	char	   *columns;

	extension_enter(&save);
	columns = view_state_columns(derivation);
	extension_leave(&save);

	extension_execute(psprintf("CREATE TABLE %s (%s) WITH (%s)%s",
							   table, columns, STATE_TABLE_OPTIONS, tablespace));
	if (keys)
		extension_execute(psprintf("CREATE UNIQUE INDEX %s ON %s (%s) NULLS NOT DISTINCT%s",
								   quote_identifier(hidden_name(view, id, 1, "key")), table, keys,
								   tablespace));
	extension_execute(psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", table));
	extension_execute(psprintf("ALTER TABLE %s OWNER TO %s", table, quote_identifier(user)));
	CommandCounterIncrement();
	return hidden_relation(name);
}

/* -------------------------------------------------- a batch without messages */

static bool
no_message(StreamFeed *feed, TupleTableSlot *slot)
{
	return false;
}

static void
rewind_nothing(StreamFeed *feed)
{
}

/* Runs a statement as batches are run, with no messages. */
static void
run_without_messages(const ContinuousView *cv, const char *sql)
{
	StreamFeed	nothing = {.next = no_message,.rewind = rewind_nothing};
	ViewIdentity save;

	view_enter(cv, &save);
	(void) view_run(cv, sql, &nothing, 0, NULL);
	view_leave(&save);
}

/*
 * Reading the definition, if only of nothing, checks every right that the user
 * needs: on the stream, on joined tables, on functions.
 */
static void
check_rights(const ContinuousView *cv)
{
	run_without_messages(cv, psprintf("SELECT FROM %s LIMIT 0",
									  view_relation_name(cv->definition)));
}

/* A view without GROUP BY has one row, before the first message too. */
static void
fill_single_row(const ContinuousView *cv)
{
	run_without_messages(cv, view_merge_statement(cv));
}

/* ------------------------------------------------------------------ V itself */

static ObjectAddress
create_view(RangeVar *view, Query *query)
{
	char	   *text = query_text(query);
	int			level = enter_plain_settings();
	ViewStmt   *create = makeNode(ViewStmt);
	ObjectAddress address;

	create->view = copyObject(view);
	create->query = linitial_node(RawStmt, pg_parse_query(text))->stmt;
	address = DefineView(create, text, 0, 0);
	CommandCounterIncrement();
	AtEOXact_GUC(false, level);
	return address;
}

/* ---------------------------------------------------------------- the start */

/*
 * Waits for the broker, which may be slow, but not for one that has been found to
 * be away: going on trying is the worker's.
 */
static bool
broker_answers(StreamReader *reader)
{
	for (int waited = 0; waited < START_TIMEOUT_MS; waited += START_PATIENCE_MS)
	{
		StreamReaderState state;

		if (stream_reader_partitions(reader, START_PATIENCE_MS) > 0)
			return true;
		state = stream_reader_state(reader);
		if (!state.ok && !state.unexplained)
			return false;
	}
	return false;
}

static void
resolve_start(Oid view)
{
	ContinuousView *cv;
	StreamReader *reader;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	cv = view_get(view);
	reader = stream_reader_open(stream_open(cv->stream), cv->owner, START_READ_AHEAD);
	if (!view_resolve_start(cv, reader, broker_answers(reader) ? START_TIMEOUT_MS : 0))
	{
		StreamReaderState state = stream_reader_state(reader);

		ereport(WARNING,
				(errcode(state.ok ? ERRCODE_CONNECTION_FAILURE : state.sqlerrcode),
				 errmsg("continuous view \"%s\" waits for its stream", get_rel_name(view)),
				 errdetail("%s.", state.ok ? "The broker did not answer in time" : state.message),
				 errhint("The view fills by itself as soon as the stream can be read.")));
	}
	stream_reader_close(reader);
	PopActiveSnapshot();
}

ObjectAddress
view_create(CreateContinuousViewStmt *stmt, const char *query_string,
			int stmt_location, int stmt_len)
{
	ContinuousView cv = {0};
	ContinuousViewOptions *options = view_options_parse(stmt->options, stmt->with_no_data, false);
	ViewAnalysis *analysis;
	ViewDerivation *derivation;
	Query	   *query;
	ObjectAddress address;
	char	   *long_key_index;
	List	   *long_keys;

	if (!check_name(stmt))
		return InvalidObjectAddress;
	query = analyse_definition(stmt, query_string, stmt_location, stmt_len);
	analysis = view_analyze(query, query_string);
	derivation = view_derive(analysis);

	cv.generation = 1;
	cv.kind = analysis->kind;
	cv.owner = GetUserId();
	cv.stream = analysis->stream;
	cv.columns = analysis->columns;
	cv.needs_event_time = analysis->uses_time;
	cv.start = options->start;
	cv.reject_limit = options->reject_limit;
	cv.settings = settings_capture();
	cv.consumer = catalog_add_consumer(cv.stream);

	cv.definition = create_hidden_view(hidden_name(stmt->view, cv.consumer, 1, "definition"),
									   query_text(query));
	check_rights(&cv);
	cv.state = create_state_table(derivation, stmt->view, cv.consumer);
	cv.delta = create_hidden_view(hidden_name(stmt->view, cv.consumer, 1, "delta"),
								  query_text(view_delta_query(derivation)));
	if (cv.kind == VIEW_SINGLE)
		fill_single_row(&cv);
	address = create_view(stmt->view, view_read_query(derivation, cv.state));
	cv.view = address.objectId;
	view_record_dependencies(cv.view, cv.definition, cv.delta);

	catalog_add_view(&cv, derivation);
	long_key_index = view_long_key_index(derivation, &long_keys);
	if (long_key_index)
		catalog_add_long_keys(&cv, long_key_index, long_keys);
	resolve_start(cv.view);
	return address;
}
