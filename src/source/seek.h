/*-------------------------------------------------------------------------
 *
 * seek.h
 *	  Which stretch of the log a scan of history has to read.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SEEK_H
#define KAPPA_SEEK_H

#include "datatype/timestamp.h"
#include "nodes/pathnodes.h"

#include "compat.h"

/* What conditions on metadata columns say; bounds are inclusive. */
typedef struct SeekBounds
{
	int64		partition_from;
	int64		partition_to;
	int64		offset_from;
	int64		offset_to;
	TimestampTz time_from;		/* DT_NOBEGIN: none */
} SeekBounds;

/*
 * The bounds that follow from a scan's conditions, as a list that may be part
 * of a plan; and back.  The conditions must still be checked for each message.
 */
extern List *seek_plan(RelOptInfo *baserel, Oid relid);
extern SeekBounds seek_bounds(List *plan);

/* A line of EXPLAIN, if there is a bound. */
extern void seek_explain(List *plan, ExplainState *es);

#endif							/* KAPPA_SEEK_H */
