/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Execution of a ForeignScan over a stream.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SCAN_H
#define KAPPA_SCAN_H

#include "foreign/fdwapi.h"

#include "compat.h"

/* ForeignScan.fdw_private, a list of: */
#define SCAN_COLUMNS	0		/* attribute numbers that the query uses (IntList) */
#define SCAN_SEEK		1		/* what fdw_exprs are, see seek.h */

extern void scan_begin(ForeignScanState *node, int eflags);
extern TupleTableSlot *scan_next(ForeignScanState *node);
extern void scan_restart(ForeignScanState *node);
extern void scan_end(ForeignScanState *node);
extern void scan_explain(ForeignScanState *node, ExplainState *es);

#endif							/* KAPPA_SCAN_H */
