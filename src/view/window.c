/*-------------------------------------------------------------------------
 *
 * window.c
 *	  Which expressions are windows over the event time.
 *
 * tumble(sold_at, '1 minute'), wherever it is written: in GROUP BY, or in a
 * subquery or view from which the grouped column comes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

#include "view/derive.h"
#include "view/time.h"

typedef struct WindowContext
{
	Query	   *query;
	Oid			stream;
	AttrNumber	event_time;
	bool		inside;			/* the arguments of a window function */
} WindowContext;

static bool window_walker(Node *node, WindowContext *context);

/* What a column of a subquery or view in FROM stands for. */
static bool
window_in_source(Var *var, WindowContext *context)
{
	RangeTblEntry *rte = rt_fetch(var->varno, context->query->rtable);
	WindowContext inner = *context;
	TargetEntry *tle;

	if (rte->rtekind == RTE_RELATION && rte->relid == context->stream)
		return context->inside && var->varattno == context->event_time;
	if (rte->rtekind == RTE_JOIN && var->varattno > 0)
		return window_walker(list_nth(rte->joinaliasvars, var->varattno - 1), context);
	if (rte->rtekind == RTE_SUBQUERY)
		inner.query = rte->subquery;
	else if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_VIEW)
	{
		Relation	rel = table_open(rte->relid, AccessShareLock);

		inner.query = copyObject(get_view_query(rel));
		table_close(rel, NoLock);
	}
	else
		return false;

	tle = get_tle_by_resno(inner.query->targetList, var->varattno);
	return tle && window_walker((Node *) tle->expr, &inner);
}

static bool
window_walker(Node *node, WindowContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varlevelsup == 0 && window_in_source((Var *) node, context);
	if (IsA(node, FuncExpr) &&
		window_function(((FuncExpr *) node)->funcid) != WINDOW_NONE)
	{
		WindowContext inside = *context;

		inside.inside = true;
		return expression_tree_walker(node, window_walker, &inside);
	}
	return expression_tree_walker(node, window_walker, context);
}

bool
view_is_window(Query *query, Node *expr, Oid stream, AttrNumber event_time)
{
	WindowContext context = {.query = query,.stream = stream,.event_time = event_time};

	return event_time != EVENT_TIME_KAFKA && window_walker(expr, &context);
}
