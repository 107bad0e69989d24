/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  The one statement of a batch: merges what the delta view gives into the
 *	  state.
 *
 *	INSERT INTO state (minute, item, sum_x, count) SELECT minute, item, sum_x, count
 *	FROM delta ORDER BY minute, item ON CONFLICT (minute, item) DO UPDATE SET
 *	sum_x = numeric_add(state.sum_x, excluded.sum_x), count = int8pl(..)
 *
 * It is stored nowhere, but made from the delta view's query tree, which knows
 * functions by their OIDs: whatever was renamed or moved to another schema, or
 * has other OIDs after a restore, is found again.  There, what is grouped by is
 * a key, an aggregate is a partial state, and everything else is carried along.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"

#include "view/derive.h"
#include "view/sealed.h"

PG_FUNCTION_INFO_V1(kappa_merge_statement);

static const char *
function_name(Oid function)
{
	return quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
									  get_func_name(function));
}

/*
 * combine(state.c, excluded.c).  A strict function is not called with NULL, as
 * in nodeAgg.c: the other side is the result then.  (IS NOT DISTINCT FROM NULL
 * because a row of NULLs IS NULL.)
 */
static void
append_combine(StringInfo buf, const char *c, Oid function, bool never_null)
{
	if (never_null || !func_strict(function))
		appendStringInfo(buf, "%s(state.%s, excluded.%s)", function_name(function), c, c);
	else
		appendStringInfo(buf, "CASE WHEN state.%s IS NOT DISTINCT FROM NULL THEN excluded.%s"
						 " WHEN excluded.%s IS NOT DISTINCT FROM NULL THEN state.%s"
						 " ELSE %s(state.%s, excluded.%s) END",
						 c, c, c, c, function_name(function), c, c);
}

/*
 * Where they matter, the types of the aggregate's arguments, and their
 * collation: NULL::type COLLATE c, ...
 */
static void
append_null_arguments(StringInfo buf, const Aggref *aggref)
{
	ListCell   *lc;

	if (!OidIsValid(aggref->inputcollid) && !view_is_polymorphic(aggref->aggfnoid))
		return;
	foreach(lc, aggref->aggargtypes)
	{
		Oid			type = lfirst_oid(lc);
		Oid			collation = get_typcollation(type);

		appendStringInfo(buf, ", NULL::%s",
						 format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY));
		if (OidIsValid(collation) && OidIsValid(aggref->inputcollid) &&
			aggref->inputcollid != collation)
			appendStringInfo(buf, " COLLATE %s", generate_collation_name(aggref->inputcollid));
	}
}

/* A partial form has all that it takes to combine states of the aggregate. */
static void
append_combine_sealed(StringInfo buf, const char *c, const Aggref *aggref)
{
	appendStringInfo(buf, "kappa.aggregate_combine(state.%s, excluded.%s, %s::pg_catalog.regprocedure",
					 c, c, quote_literal_cstr(format_procedure_qualified(aggref->aggfnoid)));
	append_null_arguments(buf, aggref);
	appendStringInfoChar(buf, ')');
}

/*
 * Is the column a group key?  One that is there twice is grouped by once, so the
 * expression decides.
 */
static bool
is_key(const ContinuousView *cv, const Query *delta, const TargetEntry *tle)
{
	ListCell   *lc;

	foreach(lc, delta->groupClause)
		if (equal(get_sortgroupclause_expr(lfirst_node(SortGroupClause, lc), delta->targetList),
				  tle->expr))
			return true;
	return cv->kind == VIEW_SINGLE && tle->resno == 1;
}

/* column = what it becomes when two rows of a group meet */
static void
append_assignment(StringInfo buf, const char *c, Expr *expr)
{
	Aggref	   *aggref = (Aggref *) expr;

	appendStringInfo(buf, "%s%s = ", buf->len > 0 ? ", " : "", c);
	if (!IsA(expr, Aggref))
		appendStringInfo(buf, "excluded.%s", c);
	else if (aggref->aggtype == aggregate_state_type())
		append_combine_sealed(buf, c, aggref);
	else
		append_combine(buf, c, view_combine_function(aggref->aggfnoid),
					   aggref->aggfnoid == F_COUNT_ANY || aggref->aggfnoid == F_COUNT_);
}

static void
append_name(StringInfo buf, const char *name)
{
	appendStringInfo(buf, "%s%s", buf->len > 0 ? ", " : "", name);
}

/*
 * Groups come in the order of their keys: two transactions that merge into one
 * state cannot deadlock, and the index is read in one direction.
 */
char *
view_merge_statement(const ContinuousView *cv)
{
	Relation	delta = try_relation_open(cv->delta, AccessShareLock);
	Query	   *query;
	StringInfoData buf;
	StringInfoData columns;
	StringInfoData keys;
	StringInfoData set;
	ListCell   *lc;

	if (delta == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("delta view of continuous view %s does not exist", cv->name)));
	initStringInfo(&buf);
	initStringInfo(&columns);
	initStringInfo(&keys);
	initStringInfo(&set);
	query = get_view_query(delta);
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		const char *c = quote_identifier(tle->resname);

		append_name(&columns, c);
		if (is_key(cv, query, tle))
			append_name(&keys, c);
		else if (cv->kind != VIEW_ROWS)
			append_assignment(&set, c, tle->expr);
	}
	relation_close(delta, AccessShareLock);

	appendStringInfo(&buf, "INSERT INTO %s AS state (%s) SELECT %s FROM %s",
					 view_relation_name(cv->state), columns.data, columns.data,
					 view_relation_name(cv->delta));
	if (cv->kind == VIEW_ROWS)
		return buf.data;
	appendStringInfo(&buf, " ORDER BY %s ON CONFLICT (%s) DO ", keys.data,
					 cv->long_key_index ? cv->long_key_index : keys.data);
	if (set.len > 0)
		appendStringInfo(&buf, "UPDATE SET %s", set.data);
	else
		appendStringInfoString(&buf, "NOTHING");
	return buf.data;
}

/* merge_statement(regclass) -> text */
Datum
kappa_merge_statement(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(view_merge_statement(view_get(PG_GETARG_OID(0)))));
}
