/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  What may stand in the definition of a continuous view.
 *
 * A definition is one SELECT over one stream, such that the answer over a log
 * can be put together from the answers over its parts: every row of the stream
 * counts for itself, whatever batch it comes in, and aggregates combine.  So
 * we look at a query in two passes:
 *
 * "inspect" walks everything, into subqueries, sublinks and plain views, and
 * refuses what is wrong wherever it stands: volatile functions, functions that
 * read the clock or the session, temporary tables, other continuous views.  It
 * also finds the stream and the columns of it that are used.
 *
 * "follow" goes from the top query along FROM to the stream, and refuses what
 * on this way would make a row's answer depend on other rows: aggregation in a
 * subquery, LIMIT, the nullable side of an outer join.
 *
 * Both see the query normalised (normalize.c), so there are subqueries but no
 * WITH.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "view/derive.h"
#include "view/forbidden.h"
#include "view/time.h"

#define refuse(location, ...) \
	ereport(ERROR, \
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), __VA_ARGS__, \
			 view_errposition(analysis->source, location)))

typedef struct InspectContext
{
	ViewAnalysis *analysis;
	int			nstreams;		/* scans of a stream, anywhere */
	bool		inside_view;	/* positions are not the statement's */
	int			location;		/* of the node whose functions are looked at */
} InspectContext;

static bool inspect_walker(Node *node, InspectContext *context);
static void follow_query(ViewAnalysis *analysis, Query *query, bool top);

int
view_errposition(const char *source, int location)
{
	if (source == NULL || location < 0 || location > strlen(source))
		return 0;
	return errposition(pg_mbstrlen_with_len(source, location) + 1);
}

/* --------------------------------------------------------------- inspection */

/* Range table indexes in FROM (a view's OLD and NEW are not). */
static List *
from_items(Node *jtnode)
{
	List	   *result = NIL;
	ListCell   *lc;

	if (jtnode == NULL)
		return NIL;
	if (IsA(jtnode, RangeTblRef))
		return list_make1_int(((RangeTblRef *) jtnode)->rtindex);
	if (IsA(jtnode, JoinExpr))
		return list_concat(from_items(((JoinExpr *) jtnode)->larg),
						   from_items(((JoinExpr *) jtnode)->rarg));
	foreach(lc, castNode(FromExpr, jtnode)->fromlist)
		result = list_concat(result, from_items(lfirst(lc)));
	return result;
}

/* All attribute numbers of the stream that this scan of it uses. */
static Bitmapset *
used_columns(Query *query, RangeTblEntry *rte)
{
	Bitmapset  *selected = rte_selected_columns(query, rte);
	Bitmapset  *result = NULL;
	int			i = -1;

	while ((i = bms_next_member(selected, i)) >= 0)
	{
		AttrNumber	attno = i + FirstLowInvalidHeapAttributeNumber;

		if (attno > 0)
			result = bms_add_member(result, attno);
		else if (attno == InvalidAttrNumber)	/* the whole row */
		{
			Relation	rel = table_open(rte->relid, AccessShareLock);

			for (attno = 1; attno <= RelationGetNumberOfAttributes(rel); attno++)
				if (!TupleDescAttr(RelationGetDescr(rel), attno - 1)->attisdropped)
					result = bms_add_member(result, attno);
			table_close(rel, NoLock);
		}
	}
	return result;
}

static void
inspect_stream(InspectContext *context, Query *query, RangeTblEntry *rte)
{
	ViewAnalysis *analysis = context->analysis;

	if (OidIsValid(analysis->stream) && analysis->stream != rte->relid)
		refuse(-1,
			   errmsg("a continuous view reads one stream only"),
			   errdetail("It reads \"%s\" and \"%s\".",
						 get_rel_name(analysis->stream), get_rel_name(rte->relid)),
			   errhint("Define one view over each stream, and join the views when reading."));
	context->nstreams++;
	analysis->stream = rte->relid;
	analysis->columns = bms_add_members(analysis->columns, used_columns(query, rte));
}

/* A plain view is looked into, as if its query stood in its place. */
static void
inspect_view(InspectContext *context, RangeTblEntry *rte)
{
	Relation	rel;
	Query	   *query;
	bool		inside = context->inside_view;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	rel = table_open(rte->relid, AccessShareLock);
	query = copyObject(get_view_query(rel));
	table_close(rel, NoLock);

	context->inside_view = true;
	inspect_walker((Node *) query, context);
	context->inside_view = inside;
}

/* A stream that is a partition or child would be read unseen; so would a stream's children. */
static void
check_children(ViewAnalysis *analysis, RangeTblEntry *rte)
{
	ListCell   *lc;

	if (!rte->inh || !has_subclass(rte->relid))
		return;
	foreach(lc, find_all_inheritors(rte->relid, AccessShareLock, NULL))
	{
		Oid			child = lfirst_oid(lc);

		if (child != rte->relid && rte->relkind == RELKIND_FOREIGN_TABLE)
			refuse(-1,
				   errmsg("stream \"%s\" has child tables", get_rel_name(rte->relid)),
				   errhint("Write ONLY before its name."));
		if (child != rte->relid && get_rel_relkind(child) == RELKIND_FOREIGN_TABLE)
			refuse(-1,
				   errmsg("table \"%s\" cannot be used in a continuous view",
						  get_rel_name(rte->relid)),
				   errdetail("Its child \"%s\" is a foreign table.", get_rel_name(child)));
	}
}

static void
inspect_relation(InspectContext *context, Query *query, RangeTblEntry *rte)
{
	ViewAnalysis *analysis = context->analysis;
	const char *name = get_rel_name(rte->relid);

	if (view_exists(rte->relid))
		refuse(-1,
			   errmsg("continuous view \"%s\" cannot be read by a continuous view", name),
			   errhint("Define both views over the stream, or a plain view over \"%s\".", name));
	if (get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP)
		refuse(-1,
			   errmsg("temporary relation \"%s\" cannot be used in a continuous view", name),
			   errdetail("Other sessions, such as the one that keeps the view, cannot see it."));
	check_children(analysis, rte);
	if (rte->relkind == RELKIND_FOREIGN_TABLE)
	{
		if (!stream_exists(rte->relid))
			refuse(-1,
				   errmsg("foreign table \"%s\" cannot be joined in a continuous view", name),
				   errhint("Copy what is needed of it into an ordinary table."));
		inspect_stream(context, query, rte);
	}
	else if (rte->relkind == RELKIND_VIEW)
		inspect_view(context, rte);
}

static void
inspect_query(InspectContext *context, Query *query)
{
	ViewAnalysis *analysis = context->analysis;
	ListCell   *lc;

	if (query->rowMarks != NIL)
		refuse(-1, errmsg("row locks are not allowed in a continuous view"),
			   errhint("Leave FOR UPDATE and FOR SHARE out."));

	foreach(lc, from_items((Node *) query->jointree))
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), query->rtable);

		if (rte->tablesample)
			refuse(-1, errmsg("TABLESAMPLE is not allowed in a continuous view"));
		if (rte->rtekind == RTE_RELATION)
			inspect_relation(context, query, rte);
		else if (rte->rtekind == RTE_SUBQUERY)
			inspect_walker((Node *) rte->subquery, context);
		else
			range_table_entry_walker(rte, inspect_walker, context, 0);
	}
	query_tree_walker(query, inspect_walker, context, QTW_IGNORE_RANGE_TABLE);

	/* Set operations have their arms in the range table only. */
	if (query->setOperations)
		range_table_walker(query->rtable, inspect_walker, context, 0);
}

/* check_functions_in_node() calls this for each function that a node calls. */
static bool
check_function(Oid funcid, void *arg)
{
	InspectContext *context = arg;
	ViewAnalysis *analysis = context->analysis;
	const char *name = get_func_name(funcid);

	if (function_reads_surroundings(funcid))
		refuse(context->location,
			   errmsg("function %s() cannot be used in a continuous view", name),
			   errdetail("It reads the clock, the session, the user or settings, so the answer would depend on when and by whom a message is counted."),
			   errhint("Leave it out of the definition, and compare when reading the view."));
	if (func_volatile(funcid) == PROVOLATILE_VOLATILE)
		refuse(context->location,
			   errmsg("volatile function %s() cannot be used in a continuous view", name),
			   errdetail("Its result may differ at each call, so the view could not be computed from the log again."));
	switch (window_function(funcid))
	{
		case WINDOW_HOP:
		case WINDOW_SESSION:
			refuse(context->location,
				   errmsg("%s() windows are not supported yet", name),
				   errhint("Use tumble() for fixed windows."));
			break;
		case WINDOW_NONE:
		case WINDOW_TUMBLE:
			break;
	}
	return false;
}

static void
inspect_sublink(InspectContext *context, SubLink *sublink)
{
	ViewAnalysis *analysis = context->analysis;
	int			before = context->nstreams;

	expression_tree_walker((Node *) sublink, inspect_walker, context);
	if (context->nstreams > before)
		refuse(context->inside_view ? -1 : sublink->location,
			   errmsg("a subquery expression over a stream is not allowed in a continuous view"),
			   errdetail("Its result would change with each message, for rows already counted too."),
			   errhint("Define a view over the stream for it, and join the two when reading."));
}

static bool
inspect_walker(Node *node, InspectContext *context)
{
	ViewAnalysis *analysis = context->analysis;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		inspect_query(context, (Query *) node);
		return false;
	}
	if (IsA(node, SubLink))
	{
		inspect_sublink(context, (SubLink *) node);
		return false;
	}

	context->location = context->inside_view ? -1 : exprLocation(node);
	if (IsA(node, SQLValueFunction))
		refuse(context->location,
			   errmsg("%s cannot be used in a continuous view",
					  sql_value_function_name((SQLValueFunction *) node)),
			   errdetail("It reads the clock, the session or the user, so the answer would depend on when and by whom a message is counted."),
			   errhint("Leave it out of the definition, and compare when reading the view."));
	if (IsA(node, NextValueExpr))
		refuse(context->location,
			   errmsg("sequences cannot be used in a continuous view"));
	check_functions_in_node(node, check_function, context);

	return expression_tree_walker(node, inspect_walker, context);
}

/* Scans of streams in a query that has been inspected. */
static int
count_streams(ViewAnalysis *analysis, Query *query)
{
	InspectContext context = {.analysis = analysis};

	inspect_query(&context, query);
	return context.nstreams;
}

/* ------------------------------------------------- the way to the stream */

static void
refuse_nullable(ViewAnalysis *analysis)
{
	refuse(-1,
		   errmsg("the stream is on the nullable side of an outer join"),
		   errdetail("A row without a match yet could get one from any later message."),
		   errhint("Write the stream on the other side, or use an inner join."));
}

static void
follow_rte(ViewAnalysis *analysis, RangeTblEntry *rte, bool nullable)
{
	Query	   *query;

	if (rte->rtekind == RTE_SUBQUERY)
		query = rte->subquery;
	else if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_VIEW)
	{
		Relation	rel = table_open(rte->relid, AccessShareLock);

		query = copyObject(get_view_query(rel));
		table_close(rel, NoLock);
	}
	else
	{
		if (rte->rtekind == RTE_RELATION && rte->relid == analysis->stream && nullable)
			refuse_nullable(analysis);
		return;
	}

	if (count_streams(analysis, query) == 0)
		return;					/* as an ordinary table */
	if (nullable)
		refuse_nullable(analysis);
	follow_query(analysis, query, false);
}

static void
follow_from(ViewAnalysis *analysis, Query *query, Node *jtnode, bool nullable)
{
	ListCell   *lc;

	if (jtnode == NULL)
		return;
	if (IsA(jtnode, RangeTblRef))
		follow_rte(analysis, rt_fetch(((RangeTblRef *) jtnode)->rtindex, query->rtable),
				   nullable);
	else if (IsA(jtnode, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) jtnode;

		follow_from(analysis, query, join->larg,
					nullable || join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL);
		follow_from(analysis, query, join->rarg,
					nullable || join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL);
	}
	else
		foreach(lc, castNode(FromExpr, jtnode)->fromlist)
			follow_from(analysis, query, lfirst(lc), nullable);
}

static void
follow_query(ViewAnalysis *analysis, Query *query, bool top)
{
	if (!top &&
		(query->hasAggs || query->groupClause || query->groupingSets ||
		 query->havingQual || query->hasWindowFuncs || query->hasTargetSRFs ||
		 query->distinctClause || query->sortClause || query->limitCount ||
		 query->limitOffset || query->setOperations))
		refuse(-1,
			   errmsg("a subquery or view over a stream can only select columns and filter rows in a continuous view"),
			   errhint("Aggregate in the outermost SELECT; order and limit when reading the view."));
	follow_from(analysis, query, (Node *) query->jointree, false);
}

/* ------------------------------------------------------------ the top query */

static void
check_top(ViewAnalysis *analysis, Query *query)
{
	if (query->commandType != CMD_SELECT || query->utilityStmt)
		refuse(-1, errmsg("a continuous view must be defined by a SELECT"));
	if (query->setOperations)
		refuse(-1, errmsg("UNION, INTERSECT and EXCEPT are not allowed in a continuous view"),
			   errhint("Define a view for each SELECT, and combine them when reading."));
	if (count_nonjunk_tlist_entries(query->targetList) == 0)
		refuse(-1, errmsg("a continuous view must have at least one column"));
	if (query->hasModifyingCTE)
		refuse(-1, errmsg("data-modifying WITH queries are not allowed in a continuous view"));
	if (query->limitCount || query->limitOffset)
		refuse(exprLocation(query->limitCount ? query->limitCount : query->limitOffset),
			   errmsg("LIMIT and OFFSET are not allowed in a continuous view"),
			   errhint("Limit when reading the view."));
	if (query->distinctClause)
		refuse(exprLocation((Node *) query->targetList),
			   errmsg("DISTINCT is not allowed in a continuous view"),
			   errhint("Group by the columns instead."));
	if (query->sortClause)
		refuse(exprLocation(get_sortgroupclause_expr(linitial(query->sortClause),
													 query->targetList)),
			   errmsg("ORDER BY is not allowed in a continuous view"),
			   errhint("Order when reading the view."));
	if (query->groupingSets)
		refuse(exprLocation((Node *) query->groupingSets),
			   errmsg("GROUPING SETS, ROLLUP and CUBE are not allowed in a continuous view"),
			   errhint("Define a view for each grouping."));
}

static void
check_top_expressions(ViewAnalysis *analysis, Query *query)
{
	if (query->hasTargetSRFs)
		refuse(exprLocation((Node *) query->targetList),
			   errmsg("set-returning functions are not allowed in the SELECT list of a continuous view"),
			   errhint("Write them in FROM, as LATERAL."));
	if (query->hasWindowFuncs && analysis->kind == VIEW_ROWS)
		refuse(-1,
			   errmsg("window functions over the rows of a stream are not allowed in a continuous view"),
			   errdetail("The result for a row would change with later messages."),
			   errhint("Use them over aggregates, or when reading the view."));
}

/* ---------------------------------------------------------------- the whole */

static bool
groups_by_window(ViewAnalysis *analysis, Query *query)
{
	AttrNumber	event_time = stream_open(analysis->stream)->event_time;
	ListCell   *lc;

	foreach(lc, query->groupClause)
	{
		Node	   *expr = get_sortgroupclause_expr(lfirst(lc), query->targetList);

		if (view_is_window(query, expr, analysis->stream, event_time))
			return true;
	}
	return false;
}

ViewAnalysis *
view_analyze(Query *query, const char *source)
{
	ViewAnalysis *analysis = palloc0(sizeof(ViewAnalysis));
	InspectContext inspect = {.analysis = analysis};

	analysis->source = source;
	query = copyObject(query);
	query_remove_group_rte(query);
	check_top(analysis, query);

	view_normalize(query, source);
	analysis->query = query;
	if (query->groupClause != NIL)
		analysis->kind = VIEW_GROUPED;
	else if (query->hasAggs || query->havingQual)
		analysis->kind = VIEW_SINGLE;
	else
		analysis->kind = VIEW_ROWS;

	inspect_query(&inspect, query);
	if (inspect.nstreams == 0)
		refuse(-1,
			   errmsg("a continuous view must read a stream"),
			   errdetail("No foreign table of the foreign-data wrapper \"kafka\" is in FROM."));
	if (inspect.nstreams > 1)
		refuse(-1,
			   errmsg("a continuous view can read its stream only once"),
			   errdetail("Stream \"%s\" is read %d times.",
						 get_rel_name(analysis->stream), inspect.nstreams));
	check_top_expressions(analysis, query);
	follow_query(analysis, query, true);
	analysis->uses_time = groups_by_window(analysis, query);

	return analysis;
}
