/*-------------------------------------------------------------------------
 *
 * estimate.h
 *	  How many messages a plain SELECT will read, and how many rows that gives.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_ESTIMATE_H
#define KAPPA_ESTIMATE_H

#include "nodes/pathnodes.h"

/*
 * Sets the relation's size as set_baserel_size_estimates() does, with what can
 * be known of the log; terms: those of seek.h.
 */
extern void estimate_size(PlannerInfo *root, RelOptInfo *baserel, Oid relid, List *terms);

#endif							/* KAPPA_ESTIMATE_H */
