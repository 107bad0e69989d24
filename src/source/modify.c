/*-------------------------------------------------------------------------
 *
 * modify.c
 *	  INSERT and COPY into a stream: each row is a message.
 *
 * A log is appended to, never changed: UPDATE, DELETE and TRUNCATE have no
 * methods here, and PostgreSQL refuses them.
 *
 * Rows are encoded and handed to a writer one by one; the writer makes batches
 * of them, and the end of the statement waits until all are acknowledged.  The
 * writer is opened at the first row, so an INSERT of no rows and EXPLAIN touch
 * no broker.  All of it lives in the executor's memory: if the statement fails
 * or is cancelled, the writer goes with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/rel.h"

#include "source/encode.h"
#include "source/modify.h"
#include "source/writer.h"

typedef struct StreamModify
{
	MemoryContext context;		/* the query's */
	Stream	   *stream;
	StreamEncoder *encoder;
	StreamWriter *writer;		/* NULL: no row yet */
} StreamModify;

int
modify_supported(Relation rel)
{
	return 1 << CMD_INSERT;
}

List *
modify_plan(PlannerInfo *root, ModifyTable *plan, Index resultRelation, int subplan_index)
{
	/* DO NOTHING has nothing to do: no message conflicts with another. */
	if (plan->onConflictAction == ONCONFLICT_UPDATE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ON CONFLICT DO UPDATE is not supported for streams")));
	return NIL;
}

/* COPY FROM, and rows that are routed to a partition; also the rest of modify_begin. */
void
modify_begin_copy(ModifyTableState *mtstate, ResultRelInfo *target)
{
	EState	   *estate = mtstate->ps.state;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	StreamModify *modify = palloc0(sizeof(StreamModify));

	modify->context = estate->es_query_cxt;
	modify->stream = stream_open(RelationGetRelid(target->ri_RelationDesc));
	modify->encoder = stream_encoder_create(modify->stream);
	target->ri_FdwState = modify;
	MemoryContextSwitchTo(old);
}

void
modify_begin(ModifyTableState *mtstate, ResultRelInfo *target,
			 List *fdw_private, int subplan_index, int eflags)
{
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		modify_begin_copy(mtstate, target);
}

/*
 * Refuses a row that a view's check option or a policy of the partitioned table
 * forbids.  The executor checks the former after the insertion, when a message
 * may be out already, and the latter not at all for foreign tables.
 */
static void
check_options(ResultRelInfo *target, TupleTableSlot *slot, EState *estate)
{
	if (target->ri_WithCheckOptions == NIL)
		return;
	ExecWithCheckOptions(WCO_RLS_INSERT_CHECK, target, slot, estate);
	/* an UPDATE that moves the row to this partition */
	ExecWithCheckOptions(WCO_RLS_UPDATE_CHECK, target, slot, estate);
	ExecWithCheckOptions(WCO_VIEW_CHECK, target, slot, estate);
}

TupleTableSlot *
modify_insert(EState *estate, ResultRelInfo *target,
			  TupleTableSlot *slot, TupleTableSlot *planSlot)
{
	StreamModify *modify = target->ri_FdwState;
	const StreamMessage *message;

	check_options(target, slot, estate);
	message = stream_encode(modify->encoder, slot);
	if (modify->writer == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(modify->context);

		modify->writer = stream_writer_open(modify->stream,
											ExecGetResultRelCheckAsUser(target, estate));
		MemoryContextSwitchTo(old);
	}
	stream_writer_write(modify->writer, message);
	return slot;
}

void
modify_end(EState *estate, ResultRelInfo *target)
{
	StreamModify *modify = target->ri_FdwState;

	if (modify == NULL || modify->writer == NULL)
		return;
	stream_writer_flush(modify->writer);
	stream_writer_close(modify->writer);
	modify->writer = NULL;
}

void
modify_explain(ModifyTableState *mtstate, ResultRelInfo *target,
			   List *fdw_private, int subplan_index, ExplainState *es)
{
	ExplainPropertyText("Topic", stream_open(RelationGetRelid(target->ri_RelationDesc))->topic, es);
}
