/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Executes one statement over a feed in place of the stream.
 *
 * Statements are planned each time: that costs 17-100 us, and a batch's size
 * decides which plan is good.  The feed is attached between ExecutorStart and
 * ExecutorRun, to the ForeignScans of this plan and no other, so a function
 * that the statement calls and that reads the same stream reads the topic.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "nodes/parsenodes.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "view/readonly.h"
#include "view/view.h"

/*
 * A SELECT sees what the caller's active snapshot sees, so that several of them
 * agree; anything else sees what is committed now.
 */
static void
push_snapshot(const RawStmt *parsed)
{
	if (IsA(parsed->stmt, SelectStmt) && ActiveSnapshotSet())
		PushActiveSnapshot(GetActiveSnapshot());
	else
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
}

static PlannedStmt *
plan_statement(const ContinuousView *cv, RawStmt *parsed, const char *sql,
			   double expected_rows)
{
	PlannedStmt *plan;

	stream_feed_expect(cv->stream, expected_rows);
	PG_TRY();
	{
		List	   *rewritten = pg_analyze_and_rewrite_fixedparams(parsed, sql,
																   NULL, 0, NULL);

		/* No CURSOR_OPT_PARALLEL_OK: the feed lives in this process. */
		plan = pg_plan_query(linitial_node(Query, rewritten), sql, 0, NULL);
	}
	PG_FINALLY();
	{
		stream_feed_expect(cv->stream, -1);
	}
	PG_END_TRY();

	return plan;
}

/*
 * feed may be NULL for a statement that does not read the stream.  dest may be
 * NULL for one that gives no rows.  Returns the number of rows processed.
 */
uint64
view_run(const ContinuousView *cv, const char *sql, StreamFeed *feed,
		 double expected_rows, DestReceiver *dest)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "continuous view statement",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	RawStmt    *parsed = linitial_node(RawStmt, pg_parse_query(sql));
	PlannedStmt *plan;
	QueryDesc  *desc;
	uint64		processed;

	push_snapshot(parsed);
	plan = plan_statement(cv, parsed, sql, expected_rows);
	desc = CreateQueryDesc(plan, sql, GetActiveSnapshot(), InvalidSnapshot,
						   dest ? dest : None_Receiver, NULL, NULL, 0);
	readonly_start_batch(desc);
	if (feed)
		stream_feed_attach(desc->planstate, cv->stream, feed);
	ExecutorRun(desc, ForwardScanDirection, 0);
	processed = desc->estate->es_processed;
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	PopActiveSnapshot();

	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	return processed;
}

char *
view_relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}
