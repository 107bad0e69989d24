/*-------------------------------------------------------------------------
 *
 * exact.h
 *	  Exact sums of floats and of their products.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_TYPES_EXACT_H
#define KAPPA_TYPES_EXACT_H

#include "types/state.h"

/*
 * A sum in fixed point: digit i counts 2^(32 * (i - EXACT_POINT)).  The range
 * holds 2^63 products of any two finite floats.
 */
#define EXACT_DIGITS	136
#define EXACT_POINT		68

typedef struct ExactSum
{
	int64		digits[EXACT_DIGITS];	/* carries wait in the upper halves */
	int			waiting;		/* additions since they were last carried */
} ExactSum;

/* x must be finite; so must y. */
extern void kappa_exact_add(ExactSum *sum, float8 x);
extern void kappa_exact_add_product(ExactSum *sum, float8 x, float8 y);
extern void kappa_exact_merge(ExactSum *sum, ExactSum *other);

/* Each value is written in one way only. */
extern void kappa_exact_put(StringInfo buf, ExactSum *sum);
extern void kappa_exact_get(StateReader *reader, ExactSum *sum);

/*
 * Numbers to calculate with: sign, and digits[0 .. n - 1] of 32 bits from the
 * lowest to the highest, which is not 0; digit i counts 2^(32 * (i + low)).
 */
#define EXACT_NUMBER_DIGITS	448

typedef struct ExactNumber
{
	bool		negative;
	int			n;				/* 0: the number is 0 */
	int			low;
	uint32		digits[EXACT_NUMBER_DIGITS];
} ExactNumber;

extern void kappa_exact_number(ExactNumber *result, ExactSum *sum);
extern void kappa_exact_from_int64(ExactNumber *result, int64 value);
extern void kappa_exact_multiply(ExactNumber *result, const ExactNumber *a, const ExactNumber *b);
extern void kappa_exact_subtract(ExactNumber *result, const ExactNumber *a, const ExactNumber *b);

/* The value is the result times 2^exponent, to about the precision of a float. */
extern float8 kappa_exact_float8(const ExactNumber *number, int *exponent);

#endif							/* KAPPA_TYPES_EXACT_H */
