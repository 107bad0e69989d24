/*-------------------------------------------------------------------------
 *
 * modify.c
 *	  INSERT into a stream.
 *
 * A log is appended to, never changed: UPDATE, DELETE and TRUNCATE have no
 * methods here, and PostgreSQL refuses them.  INSERT and COPY FROM will
 * produce messages; until they do they are refused when they are planned or
 * begun, so that no row is ever taken and lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/modify.h"

static void
refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("writing to streams is not supported yet")));
}

int
modify_supported(Relation rel)
{
	return 1 << CMD_INSERT;
}

List *
modify_plan(PlannerInfo *root, ModifyTable *plan, Index resultRelation, int subplan_index)
{
	if (plan->operation == CMD_INSERT)
		refuse();
	return NIL;
}

/* COPY FROM, and rows that are routed to a partition. */
void
modify_begin_copy(ModifyTableState *mtstate, ResultRelInfo *resultRelInfo)
{
	refuse();
}

TupleTableSlot *
modify_insert(EState *estate, ResultRelInfo *resultRelInfo,
			  TupleTableSlot *slot, TupleTableSlot *planSlot)
{
	refuse();
	return NULL;
}
