/*-------------------------------------------------------------------------
 *
 * modify.h
 *	  INSERT into a stream.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_MODIFY_H
#define KAPPA_MODIFY_H

#include "foreign/fdwapi.h"

#include "compat.h"

extern int	modify_supported(Relation rel);
extern List *modify_plan(PlannerInfo *root, ModifyTable *plan,
						 Index resultRelation, int subplan_index);
extern void modify_begin(ModifyTableState *mtstate, ResultRelInfo *target,
						 List *fdw_private, int subplan_index, int eflags);
extern void modify_begin_copy(ModifyTableState *mtstate, ResultRelInfo *target);
extern TupleTableSlot *modify_insert(EState *estate, ResultRelInfo *target,
									 TupleTableSlot *slot, TupleTableSlot *planSlot);
extern void modify_end(EState *estate, ResultRelInfo *target);
extern void modify_explain(ModifyTableState *mtstate, ResultRelInfo *target,
						   List *fdw_private, int subplan_index, ExplainState *es);

#endif							/* KAPPA_MODIFY_H */
