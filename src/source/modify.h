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

extern int	modify_supported(Relation rel);
extern List *modify_plan(PlannerInfo *root, ModifyTable *plan,
						 Index resultRelation, int subplan_index);
extern void modify_begin_copy(ModifyTableState *mtstate, ResultRelInfo *resultRelInfo);
extern TupleTableSlot *modify_insert(EState *estate, ResultRelInfo *resultRelInfo,
									 TupleTableSlot *slot, TupleTableSlot *planSlot);

#endif							/* KAPPA_MODIFY_H */
