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

#include "source/extent.h"

/*
 * Sets the relation's size as set_baserel_size_estimates() does, with what can
 * be known of the log; terms: those of seek.h.  False: nothing is known, and
 * forecast not set.
 */
extern bool estimate_size(PlannerInfo *root, RelOptInfo *baserel, Oid relid, List *terms,
						  ExtentForecast *forecast);

/*
 * The share of a forecast's messages that these terms leave whatever their
 * values will be; 1: no idea.
 */
extern double estimate_share(List *terms, const ExtentForecast *forecast);

#endif							/* KAPPA_ESTIMATE_H */
