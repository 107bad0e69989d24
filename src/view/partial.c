/*-------------------------------------------------------------------------
 *
 * partial.c
 *	  Aggregates: what is stored of them, how it combines, and their result.
 *
 * Each aggregate of a definition becomes one or two columns of the state. There
 * are three kinds:
 *
 * PARTIAL_SELF: aggregates whose result is their state: count, sum of small
 * integers and floats, min, max, bool_and, bit_or, ... found in pg_aggregate by
 * having no final function.  The partial form is the aggregate itself, and two
 * partial results combine by its combine function.  A few built-in ones have an
 * internal state but results that combine all the same: sum(bigint),
 * sum(numeric), ... (see the table self_combining), and avg is a sum and a count.
 * Such columns mean the same to every version of PostgreSQL.
 *
 * PARTIAL_STATE: the state is of an SQL type.  The partial form is an aggregate
 * of our own, with the same transition function and no final function; the
 * final function is called when the view is read.
 *
 * PARTIAL_SEALED: the state is internal.  The partial form's final function
 * serialises it to an aggregate_state (see sealed.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "view/derive.h"
#include "view/sealed.h"

typedef enum PartialKind
{
	PARTIAL_SELF,
	PARTIAL_AVERAGE,
	PARTIAL_STATE,
	PARTIAL_SEALED
} PartialKind;

typedef struct PartialAggregate
{
	Aggref	   *aggref;			/* as in the definition */
	PartialKind kind;
	StateColumn *column;		/* the state; of an average, the sum */
	StateColumn *count;			/* of an average */
	Oid			finalfn;
	bool		finalextra;
} PartialAggregate;

/* Aggregates whose results combine by another function than their states. */
static const struct
{
	Oid			aggregate;
	Oid			combine;
}			self_combining[] = {
	{F_SUM_INT8, F_NUMERIC_ADD},
	{F_SUM_NUMERIC, F_NUMERIC_ADD},
	{F_SUM_INTERVAL, F_INTERVAL_PL},
	{F_RANGE_INTERSECT_AGG_ANYRANGE, F_RANGE_INTERSECT},
	{F_RANGE_INTERSECT_AGG_ANYMULTIRANGE, F_MULTIRANGE_INTERSECT},
};

/*
 * avg(x) = divide(to_dividend(sum(to_summand(x))), to_divisor(count(x))), which
 * is what the built-in final functions compute.
 */
static const struct Average
{
	Oid			aggregate;
	Oid			to_summand;
	Oid			sum;
	Oid			sum_type;
	Oid			to_dividend;
	Oid			to_divisor;
	Oid			divisor_type;
	Oid			divide;
	Oid			result_type;
}			averages[] = {
	{F_AVG_INT2, InvalidOid, F_SUM_INT2, INT8OID,
	F_NUMERIC_INT8, F_NUMERIC_INT8, NUMERICOID, F_NUMERIC_DIV, NUMERICOID},
	{F_AVG_INT4, InvalidOid, F_SUM_INT4, INT8OID,
	F_NUMERIC_INT8, F_NUMERIC_INT8, NUMERICOID, F_NUMERIC_DIV, NUMERICOID},
	{F_AVG_INT8, InvalidOid, F_SUM_INT8, NUMERICOID,
	InvalidOid, F_NUMERIC_INT8, NUMERICOID, F_NUMERIC_DIV, NUMERICOID},
	{F_AVG_NUMERIC, InvalidOid, F_SUM_NUMERIC, NUMERICOID,
	InvalidOid, F_NUMERIC_INT8, NUMERICOID, F_NUMERIC_DIV, NUMERICOID},
	{F_AVG_FLOAT4, F_FLOAT8_FLOAT4, F_SUM_FLOAT8, FLOAT8OID,
	InvalidOid, F_FLOAT8_INT8, FLOAT8OID, F_FLOAT8DIV, FLOAT8OID},
	{F_AVG_FLOAT8, InvalidOid, F_SUM_FLOAT8, FLOAT8OID,
	InvalidOid, F_FLOAT8_INT8, FLOAT8OID, F_FLOAT8DIV, FLOAT8OID},
	{F_AVG_INTERVAL, InvalidOid, F_SUM_INTERVAL, INTERVALOID,
	InvalidOid, F_FLOAT8_INT8, FLOAT8OID, F_INTERVAL_DIV, INTERVALOID},
};

/* ---------------------------------------------------------------- refusals */

/* Built-in aggregates whose result depends on the order of the rows. */
static bool
depends_on_order(Oid aggregate)
{
	static const char *const names[] = {
		"any_value", "array_agg", "json_agg", "json_agg_strict", "json_arrayagg",
		"json_object_agg", "json_object_agg_strict", "json_object_agg_unique",
		"json_object_agg_unique_strict", "jsonb_agg", "jsonb_agg_strict",
		"jsonb_object_agg", "jsonb_object_agg_strict", "jsonb_object_agg_unique",
		"jsonb_object_agg_unique_strict", "string_agg", "xmlagg"
	};
	const char *name = get_func_name(aggregate);

	if (get_func_namespace(aggregate) != PG_CATALOG_NAMESPACE)
		return false;
	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

#define refuse(...) \
	ereport(ERROR, \
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), __VA_ARGS__, \
			 view_errposition(source, aggref->location)))

static void
check_aggref(const char *source, const Aggref *aggref)
{
	const char *name = get_func_name(aggref->aggfnoid);

	if (AGGKIND_IS_ORDERED_SET(aggref->aggkind))
		refuse(errmsg("ordered-set aggregate %s() cannot be kept in a continuous view", name),
			   errdetail("It needs all rows at once."),
			   strncmp(name, "percentile", 10) == 0 ?
			   errhint("Use approx_percentile().") : 0);
	if (aggref->aggdistinct)
		refuse(errmsg("DISTINCT in an aggregate is not allowed in a continuous view"),
			   errdetail("It would have to keep every value."),
			   errhint("Use approx_count_distinct(), or group by the column."));
	if (aggref->aggorder)
		refuse(errmsg("ORDER BY in an aggregate is not allowed in a continuous view"),
			   errdetail("Messages of different partitions have no order."));
	if (depends_on_order(aggref->aggfnoid))
		refuse(errmsg("aggregate %s() depends on the order of the rows and cannot be kept in a continuous view",
					  name),
			   errdetail("Messages of different partitions have no order."),
			   errhint("Leave the aggregate out to keep the rows themselves, and aggregate when reading."));
}

static void
check_combines(const char *source, const Aggref *aggref, Form_pg_aggregate form)
{
	if (!OidIsValid(form->aggcombinefn))
		refuse(errmsg("aggregate %s cannot be kept in a continuous view",
					  format_procedure(aggref->aggfnoid)),
			   errdetail("It has no combine function."),
			   errhint("Give it one: CREATE AGGREGATE ... (COMBINEFUNC = ...)."));
	if (form->aggtranstype == INTERNALOID &&
		(!OidIsValid(form->aggserialfn) || !OidIsValid(form->aggdeserialfn)))
		refuse(errmsg("aggregate %s cannot be kept in a continuous view",
					  format_procedure(aggref->aggfnoid)),
			   errdetail("Its state is internal, and it has no serialization function."));
}

/* ------------------------------------------------------------ state columns */

/* sum_price for sum(price); sum for sum of an expression. */
static char *
column_name(const ViewDerivation *derivation, const Aggref *aggref, const char *function)
{
	Node	   *arg;
	Var		   *var;

	if (aggref->args == NIL)
		return pstrdup(function);
	arg = (Node *) linitial_node(TargetEntry, aggref->args)->expr;
	if (!IsA(arg, Var) || ((Var *) arg)->varlevelsup > 0)
		return pstrdup(function);

	var = (Var *) arg;
	return psprintf("%s_%s", function,
					get_rte_attribute_name(rt_fetch(var->varno, derivation->analysis->query->rtable),
										   var->varattno));
}

/* The same aggregation by another aggregate. */
static Aggref *
substitute(const Aggref *aggref, Oid aggregate, Oid type)
{
	Aggref	   *result = copyObjectImpl(aggref);

	result->aggfnoid = aggregate;
	if (type != result->aggtype)
	{
		result->aggtype = type;
		result->aggcollid = get_typcollation(type);
	}
	return result;
}

/* The column that holds this partial result; identical ones share it. */
static StateColumn *
partial_column(ViewDerivation *derivation, Aggref *partial, const char *name)
{
	ListCell   *lc;

	foreach(lc, derivation->columns)
	{
		StateColumn *column = lfirst(lc);

		if (column->role == STATE_PARTIAL && equal(column->expr, partial))
			return column;
	}
	return view_add_column(derivation, STATE_PARTIAL,
						   column_name(derivation, partial, name), (Expr *) partial);
}

/* ---------------------------------------------------------------- averages */

static const struct Average *
find_average(Oid aggregate)
{
	for (int i = 0; i < lengthof(averages); i++)
		if (averages[i].aggregate == aggregate)
			return &averages[i];
	return NULL;
}

static Expr *
call(Oid function, Oid type, List *args)
{
	if (!OidIsValid(function))
		return linitial(args);
	return (Expr *) makeFuncExpr(function, type, args, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

static void
add_average(ViewDerivation *derivation, PartialAggregate *partial, const struct Average *average)
{
	Aggref	   *sum = substitute(partial->aggref, average->sum, average->sum_type);
	Aggref	   *count = substitute(partial->aggref, F_COUNT_ANY, INT8OID);

	if (OidIsValid(average->to_summand))
	{
		TargetEntry *arg = linitial_node(TargetEntry, sum->args);

		arg->expr = call(average->to_summand, average->sum_type, list_make1(arg->expr));
		sum->aggargtypes = list_make1_oid(average->sum_type);
	}
	partial->kind = PARTIAL_AVERAGE;
	partial->column = partial_column(derivation, sum, get_func_name(sum->aggfnoid));
	partial->count = partial_column(derivation, count, get_func_name(count->aggfnoid));
}

static Expr *
finalise_average(const PartialAggregate *partial, int levels_up)
{
	const struct Average *average = find_average(partial->aggref->aggfnoid);
	Expr	   *sum = (Expr *) view_state_var(partial->column, levels_up);
	Expr	   *count = (Expr *) view_state_var(partial->count, levels_up);

	/* Without values the sum is NULL, and so is the average: divide is strict. */
	return call(average->divide, average->result_type,
				list_make2(call(average->to_dividend, average->divisor_type, list_make1(sum)),
						   call(average->to_divisor, average->divisor_type, list_make1(count))));
}

/* -------------------------------------------------- states and sealed states */

static void
add_state(ViewDerivation *derivation, PartialAggregate *partial, Form_pg_aggregate form)
{
	Aggref	   *aggref = partial->aggref;
	Oid			argtypes[FUNC_MAX_ARGS];
	int			nargs = get_aggregate_argtypes(aggref, argtypes);
	Oid			type = resolve_aggregate_transtype(aggref->aggfnoid, form->aggtranstype,
												   argtypes, nargs);
	Aggref	   *stored = substitute(aggref, partial_aggregate_get(aggref->aggfnoid), type);

	partial->kind = PARTIAL_STATE;
	partial->column = partial_column(derivation, stored, get_func_name(aggref->aggfnoid));
	derivation->version_bound = true;
}

/* NULLs of the types (and the collation) of the aggregate's arguments. */
static List *
null_arguments(const Aggref *aggref)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, aggref->aggargtypes)
	{
		Const	   *null = makeNullConst(lfirst_oid(lc), -1, InvalidOid);

		if (OidIsValid(get_typcollation(null->consttype)))
			null->constcollid = aggref->inputcollid;
		result = lappend(result, null);
	}
	return result;
}

bool
view_is_polymorphic(Oid aggregate)
{
	Oid		   *declared;
	int			nargs;

	(void) get_func_signature(aggregate, &declared, &nargs);
	for (int i = 0; i < nargs; i++)
		if (IsPolymorphicType(declared[i]))
			return true;
	return false;
}

/* Does the final function look at the types of the aggregate's arguments? */
static bool
needs_arguments(const PartialAggregate *partial)
{
	return partial->finalextra || OidIsValid(partial->aggref->inputcollid) ||
		view_is_polymorphic(partial->aggref->aggfnoid);
}

static void
add_sealed(ViewDerivation *derivation, PartialAggregate *partial)
{
	Aggref	   *aggref = partial->aggref;
	Aggref	   *stored = substitute(aggref, partial_aggregate_get(aggref->aggfnoid),
									aggregate_state_type());

	partial->kind = PARTIAL_SEALED;
	partial->column = partial_column(derivation, stored, get_func_name(aggref->aggfnoid));
	derivation->version_bound = true;
}

static Expr *
finalise_state(const PartialAggregate *partial, int levels_up)
{
	const Aggref *aggref = partial->aggref;
	List	   *args = list_make1(view_state_var(partial->column, levels_up));

	if (!OidIsValid(partial->finalfn))
		return linitial(args);
	if (partial->finalextra)
		args = list_concat(args, null_arguments(aggref));
	return (Expr *) makeFuncExpr(partial->finalfn, aggref->aggtype, args,
								 aggref->aggcollid, aggref->inputcollid,
								 COERCE_EXPLICIT_CALL);
}

static Expr *
finalise_sealed(const PartialAggregate *partial, int levels_up)
{
	const Aggref *aggref = partial->aggref;
	Const	   *aggregate = makeConst(REGPROCEDUREOID, -1, InvalidOid, sizeof(Oid),
									  ObjectIdGetDatum(aggref->aggfnoid), false, true);
	Const	   *result = makeNullConst(aggref->aggtype, -1, InvalidOid);
	List	   *args;
	bool		variadic = needs_arguments(partial);

	if (OidIsValid(get_typcollation(aggref->aggtype)))
		result->constcollid = aggref->aggcollid;
	args = list_make3(view_state_var(partial->column, levels_up), aggregate, result);
	if (variadic)
		args = list_concat(args, null_arguments(aggref));
	return (Expr *) makeFuncExpr(aggregate_finalize_function(variadic), aggref->aggtype, args,
								 aggref->aggcollid, aggref->inputcollid,
								 COERCE_EXPLICIT_CALL);
}

/* ------------------------------------------------------------- the interface */

static PartialAggregate *
find_partial(const ViewDerivation *derivation, const Aggref *aggref)
{
	ListCell   *lc;

	foreach(lc, derivation->aggregates)
	{
		PartialAggregate *partial = lfirst(lc);

		if (equal(partial->aggref, aggref))
			return partial;
	}
	return NULL;
}

/* The same for an aggregate whose row is at hand; InvalidOid: not its results. */
static Oid
self_combine_function(Oid aggregate, Form_pg_aggregate form)
{
	for (int i = 0; i < lengthof(self_combining); i++)
		if (self_combining[i].aggregate == aggregate)
			return self_combining[i].combine;
	if (!OidIsValid(form->aggfinalfn) && form->aggtranstype != INTERNALOID)
		return form->aggcombinefn;
	return InvalidOid;
}

Oid
view_combine_function(Oid aggregate)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Oid			result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate);
	result = self_combine_function(aggregate, (Form_pg_aggregate) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	if (!OidIsValid(result))
		elog(ERROR, "aggregate %u has no combine function", aggregate);
	return result;
}

/* Aggregates inside sublinks of ours come with their own level. */
static Aggref *
at_level_zero(const Aggref *aggref, int levels_up)
{
	Aggref	   *result = copyObjectImpl(aggref);

	if (levels_up > 0)
		IncrementVarSublevelsUp((Node *) result, -levels_up, levels_up);
	return result;
}

void
view_add_aggregate(ViewDerivation *derivation, Aggref *original, int levels_up)
{
	const char *source = derivation->analysis->source;
	Aggref	   *aggref = at_level_zero(original, levels_up);
	const struct Average *average = find_average(aggref->aggfnoid);
	PartialAggregate *partial;
	HeapTuple	tuple;
	Form_pg_aggregate form;
	Oid			combine;

	if (find_partial(derivation, aggref))
		return;
	check_aggref(source, aggref);

	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggref->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	check_combines(source, aggref, form);

	partial = palloc0(sizeof(PartialAggregate));
	partial->aggref = aggref;
	partial->finalfn = form->aggfinalfn;
	partial->finalextra = form->aggfinalextra;
	combine = self_combine_function(aggref->aggfnoid, form);
	if (average)
		add_average(derivation, partial, average);
	else if (OidIsValid(combine))
	{
		partial->kind = PARTIAL_SELF;
		partial->column = partial_column(derivation, copyObjectImpl(aggref),
										 get_func_name(aggref->aggfnoid));
	}
	else if (form->aggtranstype != INTERNALOID)
		add_state(derivation, partial, form);
	else
		add_sealed(derivation, partial);
	ReleaseSysCache(tuple);

	derivation->aggregates = lappend(derivation->aggregates, partial);
}

Expr *
view_finalise(const ViewDerivation *derivation, Aggref *aggref, int levels_up)
{
	PartialAggregate *partial = find_partial(derivation, at_level_zero(aggref, levels_up));

	switch (partial->kind)
	{
		case PARTIAL_SELF:
			return (Expr *) view_state_var(partial->column, levels_up);
		case PARTIAL_AVERAGE:
			return finalise_average(partial, levels_up);
		case PARTIAL_STATE:
			return finalise_state(partial, levels_up);
		case PARTIAL_SEALED:
			return finalise_sealed(partial, levels_up);
	}
	return NULL;
}

Var *
view_state_var(const StateColumn *column, int levels_up)
{
	return makeVar(1, column->attno, column->type, column->typmod,
				   column->collation, levels_up);
}
