/*-------------------------------------------------------------------------
 *
 * sample.h
 *	  A sample of a stream, for ANALYZE.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SAMPLE_H
#define KAPPA_SAMPLE_H

#include "foreign/fdwapi.h"

/*
 * AnalyzeForeignTable: can the stream be sampled now?  A warning says why not.
 */
extern bool sample_plan(Relation relation, AcquireSampleRowsFunc *acquire,
						BlockNumber *pages);

#endif							/* KAPPA_SAMPLE_H */
