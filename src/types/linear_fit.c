/*-------------------------------------------------------------------------
 *
 * linear_fit.c
 *	  The type linear_fit: what is needed to fit a straight line.
 *
 * The least squares fit y = intercept + slope * x depends on the number of
 * points and five sums: of x, y, x^2, y^2 and x * y.  They are what merges, but
 * in floating point they are of little use, since the results are differences
 * of numbers that nearly cancel.  The usual way out is to keep sums of products
 * of deviations from the means (Youngs and Cramer, 1971, as regr_slope() does),
 * which are well conditioned, but whose last bits depend on how the points were
 * grouped.  Here the sums are exact (see exact.c), and so are the differences
 *
 *		sxx = n * sum(x^2) - sum(x)^2
 *		syy = n * sum(y^2) - sum(y)^2
 *		sxy = n * sum(x * y) - sum(x) * sum(y)
 *		s0  = sum(y) * sum(x^2) - sum(x) * sum(x * y)
 *
 *		slope = sxy / sxx		intercept = s0 / sxx
 *		r2 = sxy^2 / (sxx * syy)
 *		predict(x) = (s0 + sxy * x) / sxx
 *
 * which are rounded once, at their end: the results are right to the last bit
 * or two, however ill-conditioned the points, and the state is a function of the
 * multiset of points alone.
 *
 * Points with a NULL coordinate are ignored, as regr_slope() ignores them.  Ones
 * with an infinity or NaN are counted apart; with any, all results are NaN.
 *
 * Stored form, which is also the serialised state: a version, the numbers of
 * points that are finite and that are not, and the sums.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

#include "types/exact.h"

PG_FUNCTION_INFO_V1(linear_fit_in);
PG_FUNCTION_INFO_V1(linear_fit_recv);
PG_FUNCTION_INFO_V1(linear_fit_union);
PG_FUNCTION_INFO_V1(linear_fit_slope);
PG_FUNCTION_INFO_V1(linear_fit_intercept);
PG_FUNCTION_INFO_V1(linear_fit_r2);
PG_FUNCTION_INFO_V1(linear_fit_predict);
PG_FUNCTION_INFO_V1(linear_fit_agg_trans);
PG_FUNCTION_INFO_V1(linear_fit_union_agg_trans);
PG_FUNCTION_INFO_V1(linear_fit_agg_combine);
PG_FUNCTION_INFO_V1(linear_fit_agg_serial);
PG_FUNCTION_INFO_V1(linear_fit_agg_deserial);
PG_FUNCTION_INFO_V1(linear_fit_agg_final);

#define FIT_VERSION	1
#define FIT_WHAT	"linear_fit"

typedef struct LinearFit
{
	int64		n;				/* finite points */
	int64		nspecial;		/* points with an infinity or NaN */
	ExactSum	x;
	ExactSum	y;
	ExactSum	xx;
	ExactSum	yy;
	ExactSum	xy;
} LinearFit;

static bytea *
fit_encode(LinearFit *fit)
{
	StringInfoData buf;

	kappa_state_begin(&buf, FIT_VERSION);
	kappa_state_put_varint(&buf, fit->n);
	kappa_state_put_varint(&buf, fit->nspecial);
	kappa_exact_put(&buf, &fit->x);
	kappa_exact_put(&buf, &fit->y);
	kappa_exact_put(&buf, &fit->xx);
	kappa_exact_put(&buf, &fit->yy);
	kappa_exact_put(&buf, &fit->xy);
	return kappa_state_finish(&buf);
}

/* Sums that no points have are taken as they are: they only give odd lines. */
static LinearFit *
fit_decode(MemoryContext context, const bytea *bytes)
{
	LinearFit  *fit = MemoryContextAllocZero(context, sizeof(LinearFit));
	StateReader reader;

	kappa_state_open(&reader, bytes, FIT_WHAT, FIT_VERSION);
	fit->n = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	fit->nspecial = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	kappa_exact_get(&reader, &fit->x);
	kappa_exact_get(&reader, &fit->y);
	kappa_exact_get(&reader, &fit->xx);
	kappa_exact_get(&reader, &fit->yy);
	kappa_exact_get(&reader, &fit->xy);
	kappa_state_close(&reader);
	return fit;
}

static void
fit_merge(LinearFit *fit, LinearFit *other)
{
	fit->n = kappa_add_counts(fit->n, other->n);
	fit->nspecial = kappa_add_counts(fit->nspecial, other->nspecial);
	kappa_exact_merge(&fit->x, &other->x);
	kappa_exact_merge(&fit->y, &other->y);
	kappa_exact_merge(&fit->xx, &other->xx);
	kappa_exact_merge(&fit->yy, &other->yy);
	kappa_exact_merge(&fit->xy, &other->xy);
}

/* ------------------------------------------------------------------- the type */

/* Gives the bytes back, which are then a value of the type. */
static bytea *
checked(bytea *bytes)
{
	(void) fit_decode(CurrentMemoryContext, bytes);
	return bytes;
}

Datum
linear_fit_in(PG_FUNCTION_ARGS)
{
	Datum		bytes = DirectFunctionCall1(byteain, PG_GETARG_DATUM(0));

	PG_RETURN_BYTEA_P(checked(DatumGetByteaP(bytes)));
}

Datum
linear_fit_recv(PG_FUNCTION_ARGS)
{
	Datum		bytes = DirectFunctionCall1(bytearecv, PG_GETARG_DATUM(0));

	PG_RETURN_BYTEA_P(checked(DatumGetByteaP(bytes)));
}

Datum
linear_fit_union(PG_FUNCTION_ARGS)
{
	LinearFit  *fit = fit_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(0));

	fit_merge(fit, fit_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(1)));
	PG_RETURN_BYTEA_P(fit_encode(fit));
}

/* -------------------------------------------------------------------- results */

/* a * b - c * d */
static void
determinant(ExactNumber *result, const ExactNumber *a, const ExactNumber *b,
			const ExactNumber *c, const ExactNumber *d)
{
	ExactNumber left;
	ExactNumber right;

	kappa_exact_multiply(&left, a, b);
	kappa_exact_multiply(&right, c, d);
	kappa_exact_subtract(result, &left, &right);
}

/* n * sum(a * b) - sum(a) * sum(b) */
static void
codeviation(ExactNumber *result, int64 n, ExactSum *product, ExactSum *a, ExactSum *b)
{
	ExactNumber n_;
	ExactNumber product_;
	ExactNumber a_;
	ExactNumber b_;

	kappa_exact_from_int64(&n_, n);
	kappa_exact_number(&product_, product);
	kappa_exact_number(&a_, a);
	kappa_exact_number(&b_, b);
	determinant(result, &n_, &product_, &a_, &b_);
}

/* sum(y) * sum(x^2) - sum(x) * sum(x * y) */
static void
intercept_numerator(ExactNumber *result, LinearFit *fit)
{
	ExactNumber x;
	ExactNumber y;
	ExactNumber xx;
	ExactNumber xy;

	kappa_exact_number(&x, &fit->x);
	kappa_exact_number(&y, &fit->y);
	kappa_exact_number(&xx, &fit->xx);
	kappa_exact_number(&xy, &fit->xy);
	determinant(result, &y, &xx, &x, &xy);
}

static float8
quotient(const ExactNumber *a, const ExactNumber *b)
{
	int			a_exponent;
	int			b_exponent;
	float8		a_value = kappa_exact_float8(a, &a_exponent);
	float8		b_value = kappa_exact_float8(b, &b_exponent);
	float8		result = ldexp(a_value / b_value, a_exponent - b_exponent);

	if (isinf(result))
		float_overflow_error();
	return result;
}

/* The state of argument 0 and its sxx, which is 0 if there is no one line. */
static LinearFit *
getarg_line(FunctionCallInfo fcinfo, ExactNumber *sxx)
{
	LinearFit  *fit = fit_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(0));

	codeviation(sxx, fit->n, &fit->xx, &fit->x, &fit->x);
	return fit;
}

Datum
linear_fit_slope(PG_FUNCTION_ARGS)
{
	ExactNumber sxx;
	ExactNumber sxy;
	LinearFit  *fit = getarg_line(fcinfo, &sxx);

	if (fit->nspecial > 0)
		PG_RETURN_FLOAT8(get_float8_nan());
	if (sxx.n == 0)
		PG_RETURN_NULL();
	codeviation(&sxy, fit->n, &fit->xy, &fit->x, &fit->y);
	PG_RETURN_FLOAT8(quotient(&sxy, &sxx));
}

Datum
linear_fit_intercept(PG_FUNCTION_ARGS)
{
	ExactNumber sxx;
	ExactNumber s0;
	LinearFit  *fit = getarg_line(fcinfo, &sxx);

	if (fit->nspecial > 0)
		PG_RETURN_FLOAT8(get_float8_nan());
	if (sxx.n == 0)
		PG_RETURN_NULL();
	intercept_numerator(&s0, fit);
	PG_RETURN_FLOAT8(quotient(&s0, &sxx));
}

Datum
linear_fit_predict(PG_FUNCTION_ARGS)
{
	float8		at = PG_GETARG_FLOAT8(1);
	ExactSum	at_sum = {{0}};
	ExactNumber sxx;
	ExactNumber sxy;
	ExactNumber s0;
	ExactNumber minus_at;
	ExactNumber product;
	ExactNumber numerator;
	LinearFit  *fit = getarg_line(fcinfo, &sxx);

	if (fit->nspecial > 0 || isnan(at) || isinf(at))
		PG_RETURN_FLOAT8(get_float8_nan());
	if (sxx.n == 0)
		PG_RETURN_NULL();

	kappa_exact_add(&at_sum, -at);
	kappa_exact_number(&minus_at, &at_sum);
	codeviation(&sxy, fit->n, &fit->xy, &fit->x, &fit->y);
	intercept_numerator(&s0, fit);
	kappa_exact_multiply(&product, &sxy, &minus_at);
	kappa_exact_subtract(&numerator, &s0, &product);
	PG_RETURN_FLOAT8(quotient(&numerator, &sxx));
}

/* As regr_r2(): all y equal, on a line that is level, is a perfect fit. */
Datum
linear_fit_r2(PG_FUNCTION_ARGS)
{
	ExactNumber sxx;
	ExactNumber syy;
	ExactNumber sxy;
	LinearFit  *fit = getarg_line(fcinfo, &sxx);
	float8		x_value;
	float8		y_value;
	float8		xy_value;
	int			x_exponent;
	int			y_exponent;
	int			xy_exponent;

	if (fit->nspecial > 0)
		PG_RETURN_FLOAT8(get_float8_nan());
	if (sxx.n == 0)
		PG_RETURN_NULL();
	codeviation(&syy, fit->n, &fit->yy, &fit->y, &fit->y);
	if (syy.n == 0)
		PG_RETURN_FLOAT8(1);

	codeviation(&sxy, fit->n, &fit->xy, &fit->x, &fit->y);
	x_value = kappa_exact_float8(&sxx, &x_exponent);
	y_value = kappa_exact_float8(&syy, &y_exponent);
	xy_value = kappa_exact_float8(&sxy, &xy_exponent);
	PG_RETURN_FLOAT8(Min(ldexp((xy_value / x_value) * (xy_value / y_value),
							   2 * xy_exponent - x_exponent - y_exponent), 1));
}

/* ------------------------------------------------------------- the aggregates */

/* (internal, y double precision, x double precision) */
Datum
linear_fit_agg_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	LinearFit  *fit = PG_ARGISNULL(0) ? NULL : (LinearFit *) PG_GETARG_POINTER(0);
	float8		x;
	float8		y;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (fit == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(fit);
	}
	if (fit == NULL)
		fit = MemoryContextAllocZero(context, sizeof(LinearFit));

	y = PG_GETARG_FLOAT8(1);
	x = PG_GETARG_FLOAT8(2);
	if (isnan(x) || isnan(y) || isinf(x) || isinf(y))
	{
		fit->nspecial++;
		PG_RETURN_POINTER(fit);
	}
	fit->n++;
	kappa_exact_add(&fit->x, x);
	kappa_exact_add(&fit->y, y);
	kappa_exact_add_product(&fit->xx, x, x);
	kappa_exact_add_product(&fit->yy, y, y);
	kappa_exact_add_product(&fit->xy, x, y);
	PG_RETURN_POINTER(fit);
}

/* (internal, linear_fit) */
Datum
linear_fit_union_agg_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	LinearFit  *fit = PG_ARGISNULL(0) ? NULL : (LinearFit *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(1))
	{
		if (fit == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(fit);
	}
	if (fit == NULL)
		PG_RETURN_POINTER(fit_decode(context, PG_GETARG_BYTEA_PP(1)));
	fit_merge(fit, fit_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(1)));
	PG_RETURN_POINTER(fit);
}

Datum
linear_fit_agg_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	LinearFit  *fit = PG_ARGISNULL(0) ? NULL : (LinearFit *) PG_GETARG_POINTER(0);
	LinearFit  *other = PG_ARGISNULL(1) ? NULL : (LinearFit *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (fit == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(fit);
	}
	if (fit == NULL)
		fit = MemoryContextAllocZero(context, sizeof(LinearFit));
	fit_merge(fit, other);
	PG_RETURN_POINTER(fit);
}

Datum
linear_fit_agg_serial(PG_FUNCTION_ARGS)
{
	(void) kappa_aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(fit_encode((LinearFit *) PG_GETARG_POINTER(0)));
}

Datum
linear_fit_agg_deserial(PG_FUNCTION_ARGS)
{
	(void) kappa_aggregate_context(fcinfo);
	PG_RETURN_POINTER(fit_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(0)));
}

Datum
linear_fit_agg_final(PG_FUNCTION_ARGS)
{
	(void) kappa_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(fit_encode((LinearFit *) PG_GETARG_POINTER(0)));
}
