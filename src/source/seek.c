/*-------------------------------------------------------------------------
 *
 * seek.c
 *	  From conditions to the stretch of the log that a scan reads.
 *
 * Comparisons of a metadata column with a value bound what has to be read: the
 * partition (a range, or a set by IN), the offset (from both sides) and the
 * message's timestamp (from below: messages lie in the order of offsets, and
 * the broker knows the first offset whose timestamp is not below a given one,
 * but a later message may well be older).  The value is any expression that is
 * the same for all messages: no column of the stream, nothing VOLATILE.  The
 * planner keeps these terms in the plan (fdw_exprs); when the scan starts, and
 * again when parameters have changed, they are evaluated.
 *
 * Conditions that are not understood bound nothing, and PostgreSQL checks all
 * of them for each row anyway, so a bound only ever has to be wide enough.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "source/seek.h"

struct SeekState
{
	PlanState  *node;
	ExprContext *econtext;
	List	   *terms;
	List	   *values;			/* of each term: its ExprState */
	Bitmapset  *params;			/* parameters of the executor that terms use */
};

/* --------------------------------------------------------------- planning */

bool
seek_column(Node *node, RelOptInfo *baserel, Oid relid, SeekColumn *column)
{
	ListCell   *lc;
	Var		   *var;

	/* Casts that keep the value. */
	for (;;)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == F_INT8_INT4)
			node = linitial(((FuncExpr *) node)->args);
		else
			break;
	}
	var = (Var *) node;
	if (!IsA(node, Var) || var->varno != baserel->relid || var->varlevelsup != 0 ||
		var->varattno <= 0)
		return false;

	foreach(lc, GetForeignColumnOptions(relid, var->varattno))
	{
		DefElem    *option = lfirst(lc);
		char	   *name;

		if (strcmp(option->defname, "metadata") != 0)
			continue;
		name = defGetString(option);
		*column = strcmp(name, "partition") == 0 ? SEEK_PARTITION :
			strcmp(name, "offset") == 0 ? SEEK_OFFSET : SEEK_TIMESTAMP;
		return *column != SEEK_TIMESTAMP || strcmp(name, "timestamp") == 0;
	}
	return false;
}

/*
 * Is the expression's value the same for all messages, and known before the
 * first, when a row of the relations in outer is?
 */
static bool
is_fixed(PlannerInfo *root, Node *value, Relids outer)
{
	return bms_is_subset(pull_varnos(root, value), outer) &&
		!contain_volatile_functions(value) && !contain_subplans(value);
}

/*
 * Fills in what the operator says, if it compares as the btree family of the
 * column's type does.
 */
static bool
find_operator(SeekTerm *term, Oid operator)
{
	Oid			family = term->column == SEEK_TIMESTAMP ?
	lookup_type_cache(TIMESTAMPTZOID, TYPECACHE_BTREE_OPFAMILY)->btree_opf :
	INTEGER_BTREE_FAM_OID;
	Oid			left;

	if (!OidIsValid(operator) || !op_in_opfamily(operator, family))
		return false;
	get_op_opfamily_properties(operator, family, false, &term->strategy, &left, &term->type);
	if (term->column == SEEK_TIMESTAMP)
		return left == TIMESTAMPTZOID &&
			(term->type == TIMESTAMPTZOID || term->type == TIMESTAMPOID || term->type == DATEOID);
	return (left == INT4OID || left == INT8OID) &&
		(term->type == INT2OID || term->type == INT4OID || term->type == INT8OID);
}

/* The term that a condition is; NULL if it is none. */
static SeekTerm *
find_term(PlannerInfo *root, RestrictInfo *condition, Relids outer,
		  RelOptInfo *baserel, Oid relid)
{
	Node	   *clause = (Node *) condition->clause;
	SeekTerm   *term = palloc0(sizeof(SeekTerm));
	List	   *args;
	Oid			operator;

	if (IsA(clause, OpExpr))
	{
		args = ((OpExpr *) clause)->args;
		operator = ((OpExpr *) clause)->opno;
	}
	else if (IsA(clause, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) clause)->useOr)
	{
		args = ((ScalarArrayOpExpr *) clause)->args;
		operator = ((ScalarArrayOpExpr *) clause)->opno;
		term->any = true;
	}
	else
		return NULL;

	if (list_length(args) != 2)
		return NULL;
	if (!term->any && !seek_column(linitial(args), baserel, relid, &term->column))
	{
		args = list_make2(lsecond(args), linitial(args));
		operator = get_commutator(operator);
	}
	if (!seek_column(linitial(args), baserel, relid, &term->column) ||
		!is_fixed(root, lsecond(args), outer) || !find_operator(term, operator) ||
		(term->any && term->strategy != BTEqualStrategyNumber))
		return NULL;
	term->value = lsecond(args);
	term->condition = condition;
	return term;
}

List *
seek_find_terms(PlannerInfo *root, List *conditions, Relids outer,
				RelOptInfo *baserel, Oid relid)
{
	List	   *terms = NIL;
	ListCell   *lc;

	foreach(lc, conditions)
	{
		SeekTerm   *term = find_term(root, lfirst_node(RestrictInfo, lc), outer, baserel, relid);

		if (term)
			terms = lappend(terms, term);
	}
	return terms;
}

bool
seek_foresee(PlannerInfo *root, const SeekTerm *term, SeekBounds *bounds)
{
	Const	   *value = (Const *) estimate_expression_value(root, (Node *) term->value);

	if (!IsA(value, Const))
		return false;
	seek_narrow(bounds, term, value->constvalue, value->constisnull);
	return true;
}

/* Four numbers for each term. */
List *
seek_private(List *terms)
{
	List	   *private = NIL;
	ListCell   *lc;

	foreach(lc, terms)
	{
		SeekTerm   *term = lfirst(lc);

		private = lappend_int(private, term->column);
		private = lappend_int(private, term->strategy);
		private = lappend_int(private, term->any);
		private = lappend_int(private, term->type);
	}
	return private;
}

List *
seek_exprs(List *terms)
{
	List	   *exprs = NIL;
	ListCell   *lc;

	foreach(lc, terms)
		exprs = lappend(exprs, ((SeekTerm *) lfirst(lc))->value);
	return exprs;
}

/* -------------------------------------------------------------- execution */

/* Collects the parameters of the executor in an expression. */
static bool
params_walker(Node *node, Bitmapset **params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		*params = bms_add_member(*params, ((Param *) node)->paramid);
	return expression_tree_walker(node, params_walker, params);
}

SeekState *
seek_begin(List *private, List *exprs, PlanState *node)
{
	SeekState  *seek = palloc0(sizeof(SeekState));
	int			i = 0;
	ListCell   *lc;

	seek->node = node;
	seek->econtext = CreateExprContext(node->state);
	foreach(lc, exprs)
	{
		SeekTerm   *term = palloc0(sizeof(SeekTerm));

		term->column = list_nth_int(private, i++);
		term->strategy = list_nth_int(private, i++);
		term->any = list_nth_int(private, i++);
		term->type = list_nth_int(private, i++);
		term->value = lfirst(lc);
		seek->terms = lappend(seek->terms, term);
		params_walker((Node *) term->value, &seek->params);
	}
	seek->values = ExecInitExprList(exprs, node);
	return seek;
}

/* Does an expression need what only an execution has? */
static bool
execution_walker(Node *node, ParamListInfo params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind != PARAM_EXTERN || params == NULL;
	return expression_tree_walker(node, execution_walker, params);
}

/*
 * Can the term be evaluated although its plan is not being executed?  Functions
 * may want a snapshot, which EXPLAIN has, and auto_explain may not.
 */
static bool
is_known(SeekState *seek, SeekTerm *term)
{
	return ActiveSnapshotSet() &&
		!execution_walker((Node *) term->value, seek->node->state->es_param_list_info);
}

SeekBounds
seek_evaluate(SeekState *seek, bool executing)
{
	SeekBounds	bounds = seek_everything();
	ListCell   *lc;
	ListCell   *value_lc;

	forboth(lc, seek->terms, value_lc, seek->values)
	{
		SeekTerm   *term = lfirst(lc);
		Datum		value;
		bool		isnull;

		term->applied = executing || is_known(seek, term);
		if (!term->applied)
			continue;
		value = ExecEvalExprSwitchContext(lfirst(value_lc), seek->econtext, &isnull);
		seek_narrow(&bounds, term, value, isnull);
	}
	ResetExprContext(seek->econtext);
	return bounds;
}

List *
seek_terms(SeekState *seek)
{
	return seek->terms;
}

bool
seek_is_complete(SeekState *seek)
{
	ListCell   *lc;

	foreach(lc, seek->terms)
	{
		if (!((SeekTerm *) lfirst(lc))->applied)
			return false;
	}
	return true;
}

bool
seek_changed(SeekState *seek)
{
	return bms_overlap(seek->node->chgParam, seek->params);
}
