/*-------------------------------------------------------------------------
 *
 * seek.c
 *	  From conditions to the stretch of the log that a scan reads.
 *
 * Comparisons of a metadata column with a constant bound what has to be read:
 * the partition (one, or a range), the offset (from both sides) and the
 * message's timestamp (from below: messages lie in the order of offsets, and
 * the broker knows the first offset whose timestamp is not below a given one,
 * but a later message may well be older).  Conditions that are not understood
 * bound nothing, and PostgreSQL checks all of them for each row anyway, so a
 * bound only ever has to be wide enough.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "source/seek.h"

#define NO_LOWER	PG_INT64_MIN
#define NO_UPPER	PG_INT64_MAX

/* What the option metadata of a column says, or NULL. */
static char *
column_metadata(Oid relid, AttrNumber attnum)
{
	ListCell   *lc;

	if (attnum <= 0)
		return NULL;
	foreach(lc, GetForeignColumnOptions(relid, attnum))
	{
		DefElem    *option = lfirst(lc);

		if (strcmp(option->defname, "metadata") == 0)
			return defGetString(option);
	}
	return NULL;
}

/* The value of a constant integer. */
static bool
integer_value(const Const *constant, int64 *value)
{
	switch (constant->consttype)
	{
		case INT2OID:
			*value = DatumGetInt16(constant->constvalue);
			return true;
		case INT4OID:
			*value = DatumGetInt32(constant->constvalue);
			return true;
		case INT8OID:
			*value = DatumGetInt64(constant->constvalue);
			return true;
		default:
			return false;
	}
}

/* Narrows an inclusive range by "column <strategy> value". */
static void
narrow(int64 *from, int64 *to, int strategy, int64 value)
{
	if (strategy == BTEqualStrategyNumber ||
		strategy == BTGreaterEqualStrategyNumber)
		*from = Max(*from, value);
	if (strategy == BTGreaterStrategyNumber && value < PG_INT64_MAX)
		*from = Max(*from, value + 1);
	if (strategy == BTEqualStrategyNumber ||
		strategy == BTLessEqualStrategyNumber)
		*to = Min(*to, value);
	if (strategy == BTLessStrategyNumber && value > PG_INT64_MIN)
		*to = Min(*to, value - 1);
}

/* Takes "metadata column <operator> constant" into account. */
static void
apply_comparison(SeekBounds *bounds, const char *metadata, Oid operator, const Const *constant)
{
	int			strategy;
	int64		value;

	if (strcmp(metadata, "timestamp") == 0)
	{
		strategy = get_op_opfamily_strategy(operator,
											lookup_type_cache(TIMESTAMPTZOID,
															  TYPECACHE_BTREE_OPFAMILY)->btree_opf);
		if (constant->consttype == TIMESTAMPTZOID &&
			(strategy == BTEqualStrategyNumber ||
			 strategy == BTGreaterStrategyNumber ||
			 strategy == BTGreaterEqualStrategyNumber))
			bounds->time_from = Max(bounds->time_from,
									DatumGetTimestampTz(constant->constvalue));
		return;
	}

	strategy = get_op_opfamily_strategy(operator, INTEGER_BTREE_FAM_OID);
	if (strategy == 0 || !integer_value(constant, &value))
		return;
	if (strcmp(metadata, "partition") == 0)
		narrow(&bounds->partition_from, &bounds->partition_to, strategy, value);
	else if (strcmp(metadata, "offset") == 0)
		narrow(&bounds->offset_from, &bounds->offset_to, strategy, value);
}

/* Takes one condition into account, if it is a comparison with a constant. */
static void
apply_condition(SeekBounds *bounds, Node *clause, RelOptInfo *baserel, Oid relid)
{
	OpExpr	   *comparison = (OpExpr *) clause;
	Node	   *left;
	Node	   *right;
	Oid			operator;
	char	   *metadata;

	if (!IsA(clause, OpExpr) || list_length(comparison->args) != 2)
		return;
	left = linitial(comparison->args);
	right = lsecond(comparison->args);
	operator = comparison->opno;
	if (IsA(left, Const))
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		operator = get_commutator(operator);
	}
	if (!OidIsValid(operator) || !IsA(left, Var) || !IsA(right, Const) ||
		((Const *) right)->constisnull ||
		((Var *) left)->varno != baserel->relid || ((Var *) left)->varlevelsup != 0)
		return;

	metadata = column_metadata(relid, ((Var *) left)->varattno);
	if (metadata)
		apply_comparison(bounds, metadata, operator, (Const *) right);
}

static Const *
int64_const(int64 value)
{
	return makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(value),
					 false, FLOAT8PASSBYVAL);
}

List *
seek_plan(RelOptInfo *baserel, Oid relid)
{
	SeekBounds	bounds = {NO_LOWER, NO_UPPER, NO_LOWER, NO_UPPER, DT_NOBEGIN};
	ListCell   *lc;

	foreach(lc, baserel->baserestrictinfo)
		apply_condition(&bounds, (Node *) lfirst_node(RestrictInfo, lc)->clause, baserel, relid);

	return list_make5(int64_const(bounds.partition_from), int64_const(bounds.partition_to),
					  int64_const(bounds.offset_from), int64_const(bounds.offset_to),
					  int64_const(bounds.time_from));
}

SeekBounds
seek_bounds(List *plan)
{
	SeekBounds	bounds;

	bounds.partition_from = DatumGetInt64(((Const *) linitial(plan))->constvalue);
	bounds.partition_to = DatumGetInt64(((Const *) lsecond(plan))->constvalue);
	bounds.offset_from = DatumGetInt64(((Const *) lthird(plan))->constvalue);
	bounds.offset_to = DatumGetInt64(((Const *) lfourth(plan))->constvalue);
	bounds.time_from = DatumGetInt64(((Const *) list_nth(plan, 4))->constvalue);
	return bounds;
}

/* Appends one bound to the line. */
static void
append_bound(StringInfo line, const char *what, const char *operator, int64 value)
{
	appendStringInfo(line, "%s%s %s " INT64_FORMAT, line->len > 0 ? ", " : "",
					 what, operator, value);
}

/* Appends what a range of integers says. */
static void
append_range(StringInfo line, const char *what, int64 from, int64 to)
{
	if (from == to)
	{
		append_bound(line, what, "=", from);
		return;
	}
	if (from != NO_LOWER)
		append_bound(line, what, ">=", from);
	if (to != NO_UPPER)
		append_bound(line, what, "<=", to);
}

void
seek_explain(List *plan, ExplainState *es)
{
	SeekBounds	bounds = seek_bounds(plan);
	StringInfoData line;

	initStringInfo(&line);
	append_range(&line, "partition", bounds.partition_from, bounds.partition_to);
	append_range(&line, "offset", bounds.offset_from, bounds.offset_to);
	if (bounds.time_from != DT_NOBEGIN)
		appendStringInfo(&line, "%stimestamp >= %s", line.len > 0 ? ", " : "",
						 timestamptz_to_str(bounds.time_from));
	if (line.len > 0)
		ExplainPropertyText("Seek", line.data, es);
}
