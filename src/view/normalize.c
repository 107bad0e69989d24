/*-------------------------------------------------------------------------
 *
 * normalize.c
 *	  One form for the queries that are analysed and derived from.
 *
 * Later steps compare expressions, and put them into other queries.  So what can
 * be written in several ways is brought into one, without changing what it
 * means:
 *
 *	queries of WITH			stand where they are used, as subqueries
 *	columns of a join		are those of what is joined; a name given to a join,
 *							which would hide the names inside, goes
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"

#include "compat.h"
#include "view/derive.h"

#define refuse(source, location, ...) \
	ereport(ERROR, \
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), __VA_ARGS__, \
			 view_errposition(source, location)))

/* ------------------------------------------------------------ WITH queries */

static CommonTableExpr *
find_cte(Query *query, const char *name)
{
	ListCell   *lc;

	foreach(lc, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

		if (strcmp(cte->ctename, name) == 0)
			return cte;
	}
	elog(ERROR, "could not find WITH query \"%s\"", name);
	return NULL;
}

typedef struct InlineContext
{
	const char *source;
	List	   *queries;		/* those we are in, innermost first */
} InlineContext;

static void
inline_rte(RangeTblEntry *rte, List *queries)
{
	Query	   *home = list_nth(queries, rte->ctelevelsup);
	CommonTableExpr *cte = find_cte(home, rte->ctename);
	Query	   *subquery;

	/* Used twice, each in the next one, a few queries become very many. */
	CHECK_FOR_INTERRUPTS();
	subquery = copyObject(castNode(Query, cte->ctequery));

	/* It now stands that many levels deeper than it was written. */
	if (rte->ctelevelsup > 0)
		IncrementVarSublevelsUp((Node *) subquery, rte->ctelevelsup, 1);

	if (rte->alias == NULL)
		rte->alias = makeAlias(rte->ctename, NIL);
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = subquery;
	rte->security_barrier = false;
	rte->ctename = NULL;
	rte->ctelevelsup = 0;
	rte->self_reference = false;
	rte->coltypes = NIL;
	rte->coltypmods = NIL;
	rte->colcollations = NIL;
}

static bool
inline_walker(Node *node, InlineContext *context)
{
	Query	   *query;
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, inline_walker, context);

	query = (Query *) node;
	context->queries = lcons(query, context->queries);

	foreach(lc, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

		if (cte->cterecursive)
			refuse(context->source, cte->location,
				   errmsg("WITH RECURSIVE is not allowed in a continuous view"));
		if (!IsA(cte->ctequery, Query) ||
			castNode(Query, cte->ctequery)->commandType != CMD_SELECT)
			refuse(context->source, cte->location,
				   errmsg("data-modifying WITH queries are not allowed in a continuous view"));
		inline_walker(cte->ctequery, context);
	}
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_CTE)
			inline_rte(rte, context->queries);
		else if (rte->rtekind == RTE_SUBQUERY)
			inline_walker((Node *) rte->subquery, context);
	}
	query_tree_walker(query, inline_walker, context,
					  QTW_IGNORE_CTE_SUBQUERIES | QTW_IGNORE_RT_SUBQUERIES);

	query->cteList = NIL;
	context->queries = list_delete_first(context->queries);
	return false;
}

/* -------------------------------------------------------------------- joins */

/*
 * References to columns of joins become references to what is joined, and names
 * given to joins go, since they would hide the names of what is joined.
 */
static bool
unname_joins(Node *node, Query *query)
{
	if (node == NULL)
		return false;
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		join->alias = NULL;
		if (join->rtindex > 0)
			rt_fetch(join->rtindex, query->rtable)->alias = NULL;
	}
	return expression_tree_walker(node, unname_joins, query);
}

static void
flatten_joins(Query *query)
{
	query->targetList = (List *)
		flatten_join_alias_vars(NULL, query, (Node *) query->targetList);
	query->havingQual = flatten_join_alias_vars(NULL, query, query->havingQual);
	unname_joins((Node *) query->jointree, query);
}

void
view_normalize(Query *query, const char *source)
{
	InlineContext inlining = {.source = source};

	inline_walker((Node *) query, &inlining);
	flatten_joins(query);
}
