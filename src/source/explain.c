/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  What EXPLAIN says of a scan: what it seeks, and the offsets that leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "source/explain.h"

/* Of so many partitions it lists each. */
#define EXPLAIN_PARTITIONS	16

static const char *
column_name(SeekColumn column)
{
	return column == SEEK_PARTITION ? "partition" :
		column == SEEK_OFFSET ? "offset" : "timestamp";
}

/* Appends one bound to the line. */
static void
append_bound(StringInfo line, SeekColumn column, const char *operator, const char *value)
{
	appendStringInfo(line, "%s%s %s %s", line->len > 0 ? ", " : "",
					 column_name(column), operator, value);
}

/* Appends what a range of integers says. */
static void
append_range(StringInfo line, SeekColumn column, int64 from, int64 to)
{
	if (from == to)
	{
		append_bound(line, column, "=", psprintf(INT64_FORMAT, from));
		return;
	}
	if (from != PG_INT64_MIN)
		append_bound(line, column, ">=", psprintf(INT64_FORMAT, from));
	if (to != PG_INT64_MAX)
		append_bound(line, column, "<=", psprintf(INT64_FORMAT, to));
}

/* Appends a set of partitions, if it is one, and short. */
static bool
append_partitions(StringInfo line, const SeekBounds *bounds)
{
	StringInfoData list;
	int			count = 0;

	initStringInfo(&list);
	for (int i = 0; i < bounds->npartitions; i++)
	{
		if (!seek_includes(bounds, bounds->partitions[i]))
			continue;
		if (++count > EXPLAIN_PARTITIONS)
			return false;
		appendStringInfo(&list, "%s" INT64_FORMAT, count > 1 ? ", " : "", bounds->partitions[i]);
	}
	if (count == 0)
		return false;
	append_bound(line, SEEK_PARTITION, count == 1 ? "=" : "in",
				 count == 1 ? list.data : psprintf("(%s)", list.data));
	return true;
}

/* Appends the terms that have not been evaluated, as they were written. */
static void
append_expressions(StringInfo line, List *terms, Plan *plan, ExplainState *es)
{
	static const char *const operators[] = {NULL, "<", "<=", "=", ">=", ">"};
	List	   *context;
	ListCell   *lc;

	context = set_deparse_context_plan(es->deparse_cxt, plan, NIL);
	foreach(lc, terms)
	{
		SeekTerm   *term = lfirst(lc);
		char	   *value;

		/* An upper bound of the timestamp seeks nothing. */
		if (term->applied ||
			(term->column == SEEK_TIMESTAMP && term->strategy < BTEqualStrategyNumber))
			continue;
		value = deparse_expression((Node *) term->value, context, false, false);
		append_bound(line, term->column,
					 term->column == SEEK_TIMESTAMP && term->strategy == BTEqualStrategyNumber ?
					 ">=" : operators[term->strategy],
					 term->any ? psprintf("ANY (%s)", value) : value);
	}
}

void
explain_seek(List *terms, Plan *plan, const SeekBounds *bounds, ExplainState *es)
{
	StringInfoData line;

	initStringInfo(&line);
	if (bounds->nothing)
		appendStringInfoString(&line, "nothing");
	else
	{
		if (!append_partitions(&line, bounds))
			append_range(&line, SEEK_PARTITION, bounds->partition_from, bounds->partition_to);
		append_range(&line, SEEK_OFFSET, bounds->offset_from, bounds->offset_to);
		if (bounds->time_from != DT_NOBEGIN)
			append_bound(&line, SEEK_TIMESTAMP, ">=", timestamptz_to_str(bounds->time_from));
		append_expressions(&line, terms, plan, es);
	}
	if (line.len > 0)
		ExplainPropertyText("Seek", line.data, es);
}

/* The stretch of the log, partition by partition. */
void
explain_offsets(const LogExtent *part, bool complete, ExplainState *es)
{
	StringInfoData line;
	StringInfoData list;
	int			n = 0;

	initStringInfo(&list);
	for (int i = 0; i < part->npartitions; i++)
	{
		if (part->first[i] >= part->end[i] || ++n > EXPLAIN_PARTITIONS)
			continue;
		appendStringInfo(&list, "%s%d: " INT64_FORMAT " to " INT64_FORMAT,
						 n > 1 ? ", " : "", i, part->first[i], part->end[i] - 1);
	}

	initStringInfo(&line);
	appendStringInfo(&line, "%s" INT64_FORMAT " in %d partitions",
					 complete ? "" : "at most ", extent_messages(part), n);
	if (n > 0 && n <= EXPLAIN_PARTITIONS)
		appendStringInfo(&line, " (%s)", list.data);
	ExplainPropertyText("Offsets", line.data, es);
}
