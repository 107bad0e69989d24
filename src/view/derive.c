/*-------------------------------------------------------------------------
 *
 * derive.c
 *	  From a definition to its delta query, state table and reading query.
 *
 *	definition	SELECT key AS a, agg(x) + 1 AS b FROM stream .. GROUP BY key HAVING h
 *	delta		SELECT key AS a, partial(x) AS p FROM stream .. GROUP BY key
 *	state		a, p; unique in a
 *	V			SELECT a, final(p) + 1 AS b FROM state WHERE h'
 *
 * FROM, WHERE and GROUP BY are the delta query's.  Everything that is evaluated
 * after aggregation (HAVING, expressions over aggregates, window functions) is
 * V's, where each group expression is a column of the state and each aggregate
 * the expression that finalises its state.  V stays a plain scan of one table,
 * so that conditions on its group columns reach the state's index.
 *
 * A column that depends on the group keys without being one (it belongs to a
 * joined table whose primary key is grouped by) is carried along in the state:
 * the batch last applied decides its value, and there stays one row per group.
 *
 * Without aggregates the delta query is the definition, and V reads the state.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/heap.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

#include "view/derive.h"

#define SINGLE_KEY	"single"

/* ------------------------------------------------------------ state columns */

static bool
name_is_taken(ViewDerivation *derivation, const char *name)
{
	ListCell   *lc;

	foreach(lc, derivation->columns)
		if (strcmp(((StateColumn *) lfirst(lc))->name, name) == 0)
			return true;
	return false;
}

/* Tables, unlike views, cannot have columns that are called ctid or xmin. */
static bool
is_system_name(const char *name)
{
	return SystemAttributeByName(name) != NULL;
}

/* The name itself, or with a number, within the length of a name. */
static char *
unique_name(ViewDerivation *derivation, const char *name)
{
	char		result[NAMEDATALEN];

	strlcpy(result, name, NAMEDATALEN);
	for (int i = 2; is_system_name(result) || name_is_taken(derivation, result); i++)
	{
		char		suffix[16];
		int			len;

		snprintf(suffix, sizeof(suffix), "_%d", i);
		len = pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1 - strlen(suffix));
		snprintf(result, NAMEDATALEN, "%.*s%s", len, name, suffix);
	}
	return pstrdup(result);
}

StateColumn *
view_add_column(ViewDerivation *derivation, StateColumnRole role,
				const char *name, Expr *expr)
{
	StateColumn *column = palloc0(sizeof(StateColumn));

	column->role = role;
	column->name = unique_name(derivation, name);
	column->expr = expr;
	column->type = exprType((Node *) expr);
	column->typmod = exprTypmod((Node *) expr);
	column->collation = exprCollation((Node *) expr);
	column->attno = list_length(derivation->columns) + 1;
	if (get_typtype(column->type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot keep a value of type %s",
						format_type_be(column->type)),
				 errhint("Cast it to a composite type, or keep its fields."),
				 view_errposition(derivation->analysis->source, exprLocation((Node *) expr))));
	derivation->columns = lappend(derivation->columns, column);
	return column;
}

/* Group keys must have an order: the state is unique in them by a btree. */
static void
check_key(const ViewAnalysis *analysis, SortGroupClause *clause, TargetEntry *tle)
{
	TypeCacheEntry *type = lookup_type_cache(exprType((Node *) tle->expr),
											 TYPECACHE_BTREE_OPFAMILY | TYPECACHE_CMP_PROC);

	if (get_typtype(exprType((Node *) tle->expr)) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot group by type %s",
						format_type_be(exprType((Node *) tle->expr))),
				 errdetail("A value of this type cannot be stored."),
				 errhint("Cast it to a composite type, or group by its fields."),
				 view_errposition(analysis->source, exprLocation((Node *) tle->expr))));
	if (!OidIsValid(clause->sortop) || !OidIsValid(type->btree_opf) ||
		!OidIsValid(type->cmp_proc))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot group by type %s",
						format_type_be(exprType((Node *) tle->expr))),
				 errdetail("The type has no btree operator class."),
				 view_errposition(analysis->source, exprLocation((Node *) tle->expr))));
}

static void
add_key(ViewDerivation *derivation, SortGroupClause *clause, bool window, int number)
{
	const ViewAnalysis *analysis = derivation->analysis;
	TargetEntry *tle = get_sortgroupclause_tle(clause, analysis->query->targetList);
	StateColumn *column;
	const char *name;

	check_key(analysis, clause, tle);
	name = !tle->resjunk && tle->resname && strcmp(tle->resname, "?column?") != 0 ?
		tle->resname : psprintf("key_%d", number);

	column = view_add_column(derivation, STATE_KEY, name, tle->expr);
	column->sortgroupref = clause->tleSortGroupRef;
	column->window = window;
}

/*
 * Windows come first: batches then write to one end of the index, and so does
 * removal at the other; readers nearly always name a window or a range of them.
 */
static void
add_keys(ViewDerivation *derivation)
{
	const ViewAnalysis *analysis = derivation->analysis;
	AttrNumber	event_time = stream_open(analysis->stream)->event_time;
	ListCell   *lc;

	if (list_length(analysis->query->groupClause) > INDEX_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot group by more than %d columns",
						INDEX_MAX_KEYS),
				 errdetail("Its groups are told apart by a unique index.")));
	for (int windows = 1; windows >= 0; windows--)
	{
		int			number = 0;

		foreach(lc, analysis->query->groupClause)
		{
			SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
			Node	   *expr = get_sortgroupclause_expr(clause, analysis->query->targetList);
			bool		window = view_is_window(analysis->query, expr,
												analysis->stream, event_time);

			number++;
			if (window == (windows == 1))
				add_key(derivation, clause, window, number);
		}
	}
}

/* ----------------------------------------- expressions after aggregation */

typedef struct AfterContext
{
	ViewDerivation *derivation;
	int			levels_up;		/* sublinks that we are in */
} AfterContext;

/* The state's column that holds this expression's value, if there is one. */
static StateColumn *
find_column(ViewDerivation *derivation, Node *node, int levels_up)
{
	ListCell   *lc;

	foreach(lc, derivation->columns)
	{
		StateColumn *column = lfirst(lc);
		Node	   *expr = (Node *) column->expr;

		if (column->role != STATE_KEY && column->role != STATE_CARRIED)
			continue;
		if (levels_up > 0)
		{
			expr = copyObject(expr);
			IncrementVarSublevelsUp(expr, levels_up, 0);
		}
		if (equal(expr, node))
			return column;
	}
	return NULL;
}

static bool
is_var_of_query(Node *node, int levels_up)
{
	return IsA(node, Var) && ((Var *) node)->varlevelsup == levels_up;
}

/* Adds the columns that an expression after aggregation needs in the state. */
static bool
collect_walker(Node *node, AfterContext *context)
{
	ViewDerivation *derivation = context->derivation;

	if (node == NULL || find_column(derivation, node, context->levels_up))
		return false;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == context->levels_up)
	{
		view_add_aggregate(derivation, (Aggref *) node, context->levels_up);
		return false;
	}
	if (IsA(node, GroupingFunc))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("GROUPING is not allowed in a continuous view")));
	if (is_var_of_query(node, context->levels_up))
	{
		Var		   *var = copyObject((Var *) node);
		RangeTblEntry *rte = rt_fetch(var->varno, derivation->analysis->query->rtable);

		var->varlevelsup = 0;
		view_add_column(derivation, STATE_CARRIED,
						get_rte_attribute_name(rte, var->varattno), (Expr *) var);
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		context->levels_up++;
		result = query_tree_walker((Query *) node, collect_walker, context, 0);
		context->levels_up--;
		return result;
	}
	return expression_tree_walker(node, collect_walker, context);
}

static Node *
read_mutator(Node *node, AfterContext *context)
{
	StateColumn *column;

	if (node == NULL)
		return NULL;
	column = find_column(context->derivation, node, context->levels_up);
	if (column)
		return (Node *) view_state_var(column, context->levels_up);
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == context->levels_up)
		return (Node *) view_finalise(context->derivation, (Aggref *) node,
									  context->levels_up);
	if (IsA(node, Query))
	{
		Query	   *result;

		context->levels_up++;
		result = query_tree_mutator((Query *) node, read_mutator, context, 0);
		context->levels_up--;
		return (Node *) result;
	}
	return expression_tree_mutator(node, read_mutator, context);
}

ViewDerivation *
view_derive(const ViewAnalysis *analysis)
{
	ViewDerivation *derivation = palloc0(sizeof(ViewDerivation));
	Query	   *query = analysis->query;
	AfterContext context = {.derivation = derivation};
	ListCell   *lc;

	derivation->analysis = analysis;
	switch (analysis->kind)
	{
		case VIEW_ROWS:
			foreach(lc, query->targetList)
			{
				TargetEntry *tle = lfirst_node(TargetEntry, lc);

				view_add_column(derivation, STATE_OUTPUT, tle->resname, tle->expr);
			}
			return derivation;
		case VIEW_GROUPED:
			add_keys(derivation);
			break;
		case VIEW_SINGLE:
			view_add_column(derivation, STATE_SINGLE, SINGLE_KEY,
							(Expr *) makeBoolConst(true, false));
			break;
	}

	collect_walker((Node *) query->targetList, &context);
	collect_walker(query->havingQual, &context);
	return derivation;
}

/* --------------------------------------------------------------- the queries */

Query *
view_delta_query(const ViewDerivation *derivation)
{
	Query	   *delta = copyObject(derivation->analysis->query);
	ListCell   *lc;

	delta->targetList = NIL;
	foreach(lc, derivation->columns)
	{
		StateColumn *column = lfirst(lc);
		TargetEntry *tle = makeTargetEntry(copyObject(column->expr), column->attno,
										   column->name, false);

		tle->ressortgroupref = column->sortgroupref;
		delta->targetList = lappend(delta->targetList, tle);
	}
	delta->hasAggs = contain_aggs_of_level((Node *) delta->targetList, 0);
	/* HAVING is V's; but without aggregates it alone says that there is one row. */
	delta->havingQual = derivation->analysis->kind == VIEW_SINGLE && !delta->hasAggs ?
		makeBoolConst(true, false) : NULL;
	delta->windowClause = NIL;
	delta->hasWindowFuncs = false;
	return delta;
}

static RangeTblEntry *
state_rte(const ViewDerivation *derivation, Oid state)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, derivation->columns)
		names = lappend(names, makeString(((StateColumn *) lfirst(lc))->name));

	rte->rtekind = RTE_RELATION;
	rte->relid = state;
	rte->relkind = RELKIND_RELATION;
	rte->rellockmode = AccessShareLock;
	rte->alias = makeAlias("state", NIL);
	rte->eref = makeAlias("state", names);
	rte->inh = true;
	rte->inFromCl = true;
	return rte;
}

/* Is this column of V's there for a window function to partition or order by? */
static bool
window_needs(Query *read, TargetEntry *tle)
{
	ListCell   *lc;
	ListCell   *clause;

	foreach(lc, read->windowClause)
	{
		WindowClause *window = lfirst_node(WindowClause, lc);

		foreach(clause, window->partitionClause)
			if (lfirst_node(SortGroupClause, clause)->tleSortGroupRef == tle->ressortgroupref)
				return true;
		foreach(clause, window->orderClause)
			if (lfirst_node(SortGroupClause, clause)->tleSortGroupRef == tle->ressortgroupref)
				return true;
	}
	return false;
}

Query *
view_read_query(const ViewDerivation *derivation, Oid state)
{
	const ViewAnalysis *analysis = derivation->analysis;
	Query	   *read = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	AfterContext context = {.derivation = (ViewDerivation *) derivation};
	Node	   *having = NULL;
	ListCell   *lc;
	ListCell   *output;

	read->commandType = CMD_SELECT;
	read->canSetTag = true;
	read->rtable = list_make1(state_rte(derivation, state));
	ref->rtindex = 1;

	if (analysis->kind == VIEW_ROWS)
	{
		forboth(lc, derivation->columns, output, analysis->query->targetList)
		{
			StateColumn *column = lfirst(lc);
			Expr	   *var = (Expr *) view_state_var(column, 0);
			char	   *name = lfirst_node(TargetEntry, output)->resname;

			read->targetList = lappend(read->targetList,
									   makeTargetEntry(var, column->attno, name, false));
		}
	}
	else
	{
		read->targetList = (List *)
			read_mutator((Node *) analysis->query->targetList, &context);
		having = read_mutator(analysis->query->havingQual, &context);
		read->windowClause = copyObject(analysis->query->windowClause);
		read->hasWindowFuncs = analysis->query->hasWindowFuncs;
		read->hasSubLinks = analysis->query->hasSubLinks;
	}
	read->jointree = makeFromExpr(list_make1(ref), having);

	/* Group keys that only GROUP BY names are of no use here. */
	foreach(lc, read->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->resjunk && !window_needs(read, tle))
			read->targetList = foreach_delete_current(read->targetList, lc);
	}
	return read;
}

/* ------------------------------------------------------------------ as SQL */

static char *
column_list(const ViewDerivation *derivation, StateColumnRole role, bool all)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, derivation->columns)
	{
		StateColumn *column = lfirst(lc);

		if (all || column->role == role)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
							 quote_identifier(column->name));
	}
	return buf.data;
}

char *
view_state_columns(const ViewDerivation *derivation)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, derivation->columns)
	{
		StateColumn *column = lfirst(lc);

		appendStringInfo(&buf, "%s%s %s", buf.len > 0 ? ", " : "",
						 quote_identifier(column->name),
						 format_type_extended(column->type, column->typmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
		if (OidIsValid(column->collation) &&
			column->collation != get_typcollation(column->type))
			appendStringInfo(&buf, " COLLATE %s", generate_collation_name(column->collation));
		if (column->role == STATE_SINGLE)
			appendStringInfo(&buf, " NOT NULL CHECK (%s)",
							 quote_identifier(column->name));
	}
	return buf.data;
}

static StateColumnRole
key_role(const ViewDerivation *derivation)
{
	return derivation->analysis->kind == VIEW_SINGLE ? STATE_SINGLE : STATE_KEY;
}

/* The columns of the unique index; NULL if the state has none. */
char *
view_state_index(const ViewDerivation *derivation)
{
	if (derivation->analysis->kind == VIEW_ROWS)
		return NULL;
	return column_list(derivation, key_role(derivation), false);
}

/*
 * Texts as digests, behind the other keys, so that windows still are found by ranges.
 */
char *
view_long_key_index(const ViewDerivation *derivation, List **digested)
{
	StringInfoData whole;
	StringInfoData digests;
	ListCell   *lc;

	initStringInfo(&whole);
	initStringInfo(&digests);
	*digested = NIL;
	foreach(lc, derivation->columns)
	{
		StateColumn *column = lfirst(lc);
		const char *name = quote_identifier(column->name);

		if (column->role != STATE_KEY)
			continue;
		if (view_key_has_digest(column->type))
		{
			appendStringInfo(&digests, ", kappa.key_digest(%s)", name);
			*digested = lappend(*digested, makeString(column->name));
		}
		else
			appendStringInfo(&whole, ", %s", name);
	}
	if (*digested == NIL)
		return NULL;
	appendStringInfoString(&whole, digests.data);
	return whole.data + strlen(", ");
}
