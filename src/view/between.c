/*-------------------------------------------------------------------------
 *
 * between.c
 *	  The plain views between a definition and its stream.
 *
 * Their queries are part of the definition: analysis looked into them, and what
 * columns of the stream are decoded was learnt from them.  Views over ordinary
 * tables are none of these: they are read as they are, like the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "view/between.h"
#include "view/view.h"

static bool reads(Oid view, Oid relid);

static bool
reads_walker(Node *node, Oid *relid)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		/* not a view's OLD and NEW, which are the view itself */
		if (rte->rtekind != RTE_RELATION || !rte->inFromCl)
			return false;
		return rte->relid == *relid ||
			(rte->relkind == RELKIND_VIEW && reads(rte->relid, *relid));
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, reads_walker, relid,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, reads_walker, relid);
}

/* Does the view read that relation, itself or through other views? */
static bool
reads(Oid view, Oid relid)
{
	Relation	rel;
	Query	   *query;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	rel = table_open(view, AccessShareLock);
	query = copyObject(get_view_query(rel));
	table_close(rel, NoLock);
	return reads_walker((Node *) query, &relid);
}

/* A definition reads its stream once, so a view that reads it, too, lies between. */
Oid
between_find(Oid relid)
{
	Oid			result = InvalidOid;
	ListCell   *lc;

	if (get_rel_relkind(relid) != RELKIND_VIEW)
		return InvalidOid;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, view_list())
	{
		ContinuousView *cv = lfirst(lc);

		if (!cv->foreign_origin && reads(relid, cv->stream) && reads(cv->definition, relid))
			result = cv->view;
	}
	PopActiveSnapshot();
	return result;
}
