/*-------------------------------------------------------------------------
 *
 * fdw.c
 *	  The foreign-data wrapper kafka: its handler, and planning.
 *
 * A scan of a stream returns messages as they come; PostgreSQL filters.  The
 * plan tells the scan which columns the query uses, since the others need not
 * be decoded, and which conditions bound the stretch of the log that is to be
 * read (seek.c).  Whether a scan reads the topic or is fed a batch is not known
 * before it is executed (scan.c); a worker says beforehand how many rows to
 * expect, so that the plan suits the batch.  Otherwise they are estimated
 * (estimate.c), which may take a question to the broker; and if the stream is
 * joined by columns that one can seek by, there is a second path, of scans that
 * begin anew for each row of the other relations.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/prep.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"

#include "compat.h"
#include "source/estimate.h"
#include "source/modify.h"
#include "source/sample.h"
#include "source/scan.h"
#include "source/seek.h"
#include "source/source.h"

PG_FUNCTION_INFO_V1(kafka_fdw_handler);

/* First contact with the broker, and decoding a message, in the planner's unit. */
#define STARTUP_COST		100.0
#define MESSAGE_COST		(4 * cpu_tuple_cost)

/* Letting the broker send from elsewhere takes as long as thousands of messages. */
#define SEEK_COST			1000.0

static Oid	expected_relid = InvalidOid;
static double expected_rows;

void
stream_feed_expect(Oid relid, double rows)
{
	expected_relid = rows >= 0 ? relid : InvalidOid;
	expected_rows = rows;
}

/* Keeps what is known of the log, if anything is, for get_paths(). */
static void
get_rel_size(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	ExtentForecast *forecast = palloc(sizeof(ExtentForecast));
	List	   *terms;

	if (relid == expected_relid)
	{
		baserel->tuples = expected_rows;
		set_baserel_size_estimates(root, baserel);
		return;
	}
	terms = seek_find_terms(root, baserel->baserestrictinfo, NULL, baserel, relid);
	if (estimate_size(root, baserel, relid, terms, forecast))
		baserel->fdw_private = forecast;
}

/* Adds the path of a scan that reads so many messages. */
static void
add_scan_path(PlannerInfo *root, RelOptInfo *baserel, double rows, double messages,
			  Cost seek_cost, Relids outer)
{
	Cost		startup_cost = STARTUP_COST + seek_cost + baserel->baserestrictcost.startup;
	Cost		message_cost = MESSAGE_COST + baserel->baserestrictcost.per_tuple;

	add_path(baserel, (Path *)
			 create_foreignscan_path(root, baserel, NULL, rows, 0,
									 startup_cost, startup_cost + message_cost * messages,
									 NIL, outer, NULL, NIL, NIL));
}

/* For generate_implied_equalities_for_column(): is the member a seek's column? */
static bool
is_seek_column(PlannerInfo *root, RelOptInfo *baserel, EquivalenceClass *ec,
			   EquivalenceMember *member, void *arg)
{
	SeekColumn	column;

	return seek_column((Node *) member->em_expr, baserel, *(Oid *) arg, &column);
}

/*
 * Adds the path of a scan that begins anew for each row of other relations, and
 * seeks by their columns, if such a join condition is among the given ones.
 */
static void
add_join_paths(PlannerInfo *root, RelOptInfo *baserel, Oid relid, List *conditions)
{
	List	   *done = NIL;
	ListCell   *lc;

	foreach(lc, conditions)
	{
		RestrictInfo *condition = lfirst_node(RestrictInfo, lc);
		Relids		outer = bms_union(condition->clause_relids, baserel->lateral_relids);
		ParamPathInfo *params;
		List	   *terms;

		outer = bms_difference(outer, baserel->relids);
		if (bms_is_empty(outer) || !join_clause_is_movable_to(condition, baserel) ||
			seek_find_terms(root, list_make1(condition), outer, baserel, relid) == NIL)
			continue;
		params = get_baserel_parampathinfo(root, baserel, outer);
		if (list_member_ptr(done, params))
			continue;
		done = lappend(done, params);
		terms = seek_find_terms(root, params->ppi_clauses, outer, baserel, relid);
		add_scan_path(root, baserel, params->ppi_rows,
					  baserel->tuples * estimate_share(terms, baserel->fdw_private),
					  SEEK_COST, outer);
	}
}

static void
get_paths(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	add_scan_path(root, baserel, baserel->rows, baserel->tuples, 0, baserel->lateral_relids);

	/* A feed is not there to be searched. */
	if (baserel->fdw_private == NULL)
		return;
	add_join_paths(root, baserel, relid, baserel->joininfo);
	if (baserel->has_eclass_joins)
		add_join_paths(root, baserel, relid,
					   generate_implied_equalities_for_column(root, baserel, is_seek_column, &relid,
															  baserel->lateral_referencers));
}

static bool
has_whole_row(Node *node, Index relid)
{
	Bitmapset  *used = NULL;

	pull_varattnos(node, relid, &used);
	return bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, used);
}

/*
 * Is the whole row there for no other reason than that PostgreSQL keeps it, to
 * evaluate UPDATE .. FROM or SELECT .. FOR UPDATE again if the row of a table has
 * changed meanwhile?  That takes the same columns as evaluating it at first.
 */
static bool
is_row_only_kept(PlannerInfo *root, RelOptInfo *baserel)
{
	PlanRowMark *mark = get_plan_rowmark(root->rowMarks, baserel->relid);
	RelOptInfo *parent;
	Relids		joins;
	char	   *kept;
	ListCell   *lc;

	if (mark == NULL)
		return false;

	/* of a partition, the query names the parent */
	parent = find_base_rel(root, mark->prti);
	joins = parent->attr_needed[InvalidAttrNumber - parent->min_attr];
	if (!bms_is_subset(joins, bms_make_singleton(0)))
		return false;
	foreach(lc, baserel->baserestrictinfo)
	{
		if (has_whole_row((Node *) lfirst_node(RestrictInfo, lc)->clause, baserel->relid))
			return false;
	}
	kept = psprintf("wholerow%u", mark->rowmarkId);
	foreach(lc, root->processed_tlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!(entry->resjunk && entry->resname && strcmp(entry->resname, kept) == 0) &&
			has_whole_row((Node *) entry->expr, mark->prti))
			return false;
	}
	return !has_whole_row((Node *) root->parse->returningList, mark->prti);
}

/* The columns that the query needs of the stream, as a list of numbers. */
static List *
used_columns(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	Bitmapset  *used = NULL;
	List	   *columns = NIL;
	Relation	relation;
	TupleDesc	tupdesc;
	bool		whole_row;
	ListCell   *lc;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	foreach(lc, baserel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause, baserel->relid, &used);
	whole_row = bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, used) &&
		!is_row_only_kept(root, baserel);

	relation = table_open(relid, NoLock);
	tupdesc = RelationGetDescr(relation);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		AttrNumber	attnum = i + 1;

		if (!TupleDescAttr(tupdesc, i)->attisdropped &&
			(whole_row ||
			 bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used)))
			columns = lappend_int(columns, attnum);
	}
	table_close(relation, NoLock);
	return columns;
}

static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *baserel, Oid relid, ForeignPath *path,
		 List *tlist, List *clauses, Plan *outer_plan)
{
	List	   *terms = seek_find_terms(root, clauses, PATH_REQ_OUTER(&path->path), baserel, relid);

	return make_foreignscan(tlist,
							extract_actual_clauses(clauses, false),
							baserel->relid,
							seek_exprs(terms),
							list_make2(used_columns(root, baserel, relid), seek_private(terms)),
							NIL, NIL,
							outer_plan);
}

Datum
kafka_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = get_rel_size;
	routine->GetForeignPaths = get_paths;
	routine->GetForeignPlan = get_plan;
	routine->BeginForeignScan = scan_begin;
	routine->IterateForeignScan = scan_next;
	routine->ReScanForeignScan = scan_restart;
	routine->EndForeignScan = scan_end;
	routine->ExplainForeignScan = scan_explain;
	routine->AnalyzeForeignTable = sample_plan;
	routine->IsForeignRelUpdatable = modify_supported;
	routine->PlanForeignModify = modify_plan;
	routine->BeginForeignModify = modify_begin;
	routine->BeginForeignInsert = modify_begin_copy;
	routine->ExecForeignInsert = modify_insert;
	routine->EndForeignModify = modify_end;
	routine->EndForeignInsert = modify_end;
	routine->ExplainForeignModify = modify_explain;

	PG_RETURN_POINTER(routine);
}
