/*-------------------------------------------------------------------------
 *
 * histogram.h
 *	  A histogram of floats, in buckets that grow by a constant factor.
 *
 * What approx_percentile is made of; histogram.c explains it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_TYPES_HISTOGRAM_H
#define KAPPA_TYPES_HISTOGRAM_H

#include "types/state.h"

#define HISTOGRAM_BUCKETS	64	/* of one binary exponent */

/*
 * Values wait until there are so many, to be put into their buckets together.
 * With many groups, of which each row is of another, it is most of the work to
 * get at a bucket's cache line.
 */
#define HISTOGRAM_MAX_WAITING	128

/* The counts of one exponent. */
typedef struct HistogramPage
{
	int64		counts[HISTOGRAM_BUCKETS];
} HistogramPage;

/* The values of one sign, by magnitude: pages from exponent low to low + npages - 1. */
typedef struct HistogramSide
{
	int			low;
	int			npages;
	HistogramPage **pages;		/* NULL: nothing at that exponent */
} HistogramSide;

typedef struct Histogram
{
	MemoryContext context;
	HistogramSide negative;
	HistogramSide positive;
	int64		nfinite;		/* zeros, and what both sides hold */
	int64		nzero;
	int64		nminus;			/* -Infinity */
	int64		nplus;			/* Infinity */
	int64		nnan;
	float8		min;			/* of the finite values */
	float8		max;

	int			nwaiting;
	float8		waiting[HISTOGRAM_MAX_WAITING];
} Histogram;

/* An empty one; all that it will hold is allocated in context. */
extern void kappa_histogram_init(Histogram *hist, MemoryContext context);

/*
 * Puts the values that wait into their buckets.  The other functions do this
 * themselves.
 */
extern void kappa_histogram_settle(Histogram *hist);

static inline void
kappa_histogram_add(Histogram *hist, float8 value)
{
	if (hist->nwaiting == HISTOGRAM_MAX_WAITING)
		kappa_histogram_settle(hist);
	hist->waiting[hist->nwaiting++] = value;
}

/* hist += other, whose values settle but do not change. */
extern void kappa_histogram_merge(Histogram *hist, Histogram *other);

/*
 * As percentile_disc: what stands for the value at rank ceil(fraction * n), or
 * for the first.  There is at least one value.
 */
extern float8 kappa_histogram_percentile(Histogram *hist, float8 fraction);

/* Writes; and reads what an enemy may have written, into an empty one. */
extern void kappa_histogram_put(StringInfo buf, Histogram *hist);
extern void kappa_histogram_get(StateReader *reader, Histogram *hist);

#endif							/* KAPPA_TYPES_HISTOGRAM_H */
