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
 * (estimate.c), which may take a question to the broker.
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
#include "optimizer/planmain.h"
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

static Oid	expected_relid = InvalidOid;
static double expected_rows;

void
stream_feed_expect(Oid relid, double rows)
{
	expected_relid = rows >= 0 ? relid : InvalidOid;
	expected_rows = rows;
}

/* Keeps the conditions that are seeks for get_plan(). */
static void
get_rel_size(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	List	   *terms = seek_find_terms(baserel, relid);

	baserel->fdw_private = terms;
	if (relid == expected_relid)
	{
		baserel->tuples = expected_rows;
		set_baserel_size_estimates(root, baserel);
	}
	else
		estimate_size(root, baserel, relid, terms);
}

static void
get_paths(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	Cost		startup_cost = STARTUP_COST + baserel->baserestrictcost.startup;
	Cost		message_cost = MESSAGE_COST + baserel->baserestrictcost.per_tuple;

	add_path(baserel, (Path *)
			 create_foreignscan_path(root, baserel, NULL, baserel->rows, 0,
									 startup_cost,
									 startup_cost + message_cost * baserel->tuples,
									 NIL,
									 baserel->lateral_relids,
									 NULL, NIL, NIL));
}

/* The columns that the query needs of the stream, as a list of numbers. */
static List *
used_columns(RelOptInfo *baserel, Oid relid)
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
	whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);

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
	List	   *terms = baserel->fdw_private;

	return make_foreignscan(tlist,
							extract_actual_clauses(clauses, false),
							baserel->relid,
							seek_exprs(terms),
							list_make2(used_columns(baserel, relid), seek_private(terms)),
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
