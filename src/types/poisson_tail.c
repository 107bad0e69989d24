/*-------------------------------------------------------------------------
 *
 * poisson_tail.c
 *	  poisson_tail(k, sum, exposure, t): how odd is a count?
 *
 * Events come at an unknown, constant rate.  In the past there were sum of them
 * in a time of exposure; now there are k in a time of t.  With a flat prior the
 * rate has a Gamma(sum + 1, exposure) distribution, and the number of events in
 * t, whatever the rate, a negative binomial one (Gelman and others, Bayesian
 * Data Analysis, section 2.6), of which the upper tail is a regularised
 * incomplete beta function:
 *
 *		P(Y >= k) = I_x(k, sum + 1)		with x = t / (t + exposure)
 *
 * Small values mean: that many were not to be expected.  That the rate is known
 * the less the shorter the past is accounted for, which a z-score does not do.
 *
 * I_x(a, b) is x^a (1-x)^b / (a B(a, b)) times a continued fraction (NIST's
 * Digital Library of Mathematical Functions, 8.17.22), which converges fast for
 * x < (a + 1) / (a + b + 2); otherwise I_x(a, b) = 1 - I_{1-x}(b, a).  It is
 * evaluated by Lentz's method in the form of Thompson and Barnett (1986).
 *
 * The factor in front is not computed from logarithms of gamma functions: they
 * are large and nearly cancel, and what is lost is lost for the result.
 * Instead it is written as a binomial probability and computed by Loader's
 * saddle-point expansion ("Fast and accurate computation of binomial
 * probabilities", 2000), each part of which is small when the result is not.
 * So results are right to about 12 digits down to the smallest floats.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "fmgr.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(poisson_tail);

/* The fraction takes about sqrt(k + sum) steps. */
#define MAX_COUNT	1e12

/*
 * log(z!) - (log(sqrt(2 pi z)) + z log(z) - z), the error of Stirling's formula.
 * Its series is good to the last digit from 16 on.
 */
static double
stirling_error(double z)
{
	double		zz = z * z;

	if (z < 16)
		return lgamma(z + 1) - (z + 0.5) * log(z) + z - 0.5 * log(2 * M_PI);
	return (1 / 12.0 - (1 / 360.0 - (1 / 1260.0 - (1 / 1680.0 - 1 / 1188.0 / zz) / zz) / zz) / zz) / z;
}

/* x log(x / m) + m - x, for x near m too */
static double
deviance(double x, double m)
{
	double		v = (x - m) / (x + m);
	double		sum;
	double		term;

	if (fabs(v) > 0.1)
		return x * log(x / m) + m - x;

	/* x log((1 + v) / (1 - v)) as a series; its first term makes v (x - m) */
	sum = (x - m) * v;
	term = 2 * x * v;
	for (int j = 1; j < 1000; j++)
	{
		double		last = sum;

		term *= v * v;
		sum += term / (2 * j + 1);
		if (sum == last)
			break;
	}
	return sum;
}

/* x^a y^b / (a B(a, b)), with y = 1 - x */
static double
front_factor(double a, double b, double x, double y)
{
	double		n = a + b;
	double		exponent = stirling_error(n) - stirling_error(a) - stirling_error(b) -
	deviance(a, n * x) - deviance(b, n * y);

	/* The binomial probability of a in n, times b / n. */
	return exp(exponent) * sqrt(n / (2 * M_PI * a * b)) * (b / n);
}

/* The continued fraction of I_x(a, b). */
static double
beta_fraction(double a, double b, double x)
{
	const double tiny = DBL_MIN / DBL_EPSILON;
	double		c = 1;
	double		d = 1 - (a + b) * x / (a + 1);
	double		result;

	if (fabs(d) < tiny)
		d = tiny;
	d = 1 / d;
	result = d;
	for (double m = 1; m < 1e8; m++)
	{
		double		even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double		odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double		step;

		CHECK_FOR_INTERRUPTS();
		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		result *= d * c;

		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		step = d * c;
		result *= step;
		if (fabs(step - 1) < 4 * DBL_EPSILON)
			break;
	}
	return result;
}

/* I_x(a, b), with y = 1 - x */
static double
incomplete_beta(double a, double b, double x, double y)
{
	if (x <= 0)
		return 0;
	if (y <= 0)
		return 1;
	if (x < (a + 1) / (a + b + 2))
		return front_factor(a, b, x, y) * beta_fraction(a, b, x);
	return 1 - front_factor(b, a, y, x) * beta_fraction(b, a, y);
}

static float8
getarg_amount(FunctionCallInfo fcinfo, int argno, const char *name)
{
	float8		value = PG_GETARG_FLOAT8(argno);

	if (isnan(value) || isinf(value) || value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s must be a finite number that is not negative", name)));
	return value;
}

/* poisson_tail(k bigint, sum, exposure, t double precision) */
Datum
poisson_tail(PG_FUNCTION_ARGS)
{
	int64		k = PG_GETARG_INT64(0);
	float8		sum = getarg_amount(fcinfo, 1, "sum");
	float8		exposure = getarg_amount(fcinfo, 2, "exposure");
	float8		t = getarg_amount(fcinfo, 3, "t");
	float8		scale = Max(exposure, t);
	float8		total;

	if (k < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("k must not be negative")));
	if (k > MAX_COUNT || sum > MAX_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("k and sum must not be larger than %g", MAX_COUNT)));
	if (k == 0)
		PG_RETURN_FLOAT8(1);
	/* No event can be in no time. */
	if (t == 0)
		PG_RETURN_FLOAT8(0);

	/* in units of the longer one, so that the sum does not overflow */
	total = exposure / scale + t / scale;
	PG_RETURN_FLOAT8(incomplete_beta((double) k, sum + 1,
									 t / scale / total, exposure / scale / total));
}
