/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  Lines of EXPLAIN about a scan.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_EXPLAIN_H
#define KAPPA_EXPLAIN_H

#include "compat.h"

#include "source/extent.h"
#include "source/seek.h"

/*
 * "Seek", if there is something to say: the bounds, and those terms of the plan
 * (SeekTerm) that did not go into them, as they were written.
 */
extern void explain_seek(List *terms, Plan *plan, const SeekBounds *bounds, ExplainState *es);

/*
 * "Offsets": a part of a log, partition by partition.  If not complete, a scan
 * may read less of it.
 */
extern void explain_offsets(const LogExtent *part, bool complete, ExplainState *es);

#endif							/* KAPPA_EXPLAIN_H */
