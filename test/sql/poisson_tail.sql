-- poisson_tail: reference values, computed with 40 digits by mpmath's betainc(k, sum + 1, 0, t / (t + exposure), regularized=True).
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
SELECT count(*), count(*) FILTER (WHERE NOT abs(poisson_tail(k, sum, exposure, t) / p - 1) < 1e-11) AS wrong FROM (VALUES
    (25, 100000, 10000, 1, 4.7007947480607189e-5::float8),
    (25, 100, 10, 1, 0.00013928630770182424::float8),
    (3, 0, 10, 1, 0.00075131480090157776::float8),
    (8, 3, 10, 1, 5.9798114684419855e-7::float8),
    (1, 0, 1, 1, 0.5::float8),
    (104, 3, 1000, 1, 1.7835849940683907e-307::float8),
    (98, 3, 1000, 1, 1.5065260758021426e-289::float8),
    (110, 100, 100, 100, 0.26733077065635971::float8),
    (2000, 1000, 10, 10, 5.0450743139706703e-76::float8),
    (400, 20.5, 3, 2, 6.6665007908728063e-130::float8),
    (3, 1000, 0.5, 0.25, 1.0::float8),
    (990, 1000, 10, 10, 0.59738142523811433::float8),
    (50, 49, 0.1, 0.1, 0.5::float8)) v(k, sum, exposure, t, p);
SELECT round(1e11 * poisson_tail(25, 100000, 10000, 1)), round(1e10 * poisson_tail(25, 100, 10, 1)), round(1e10 * poisson_tail(3, 0, 10, 1)), round(1e13 * poisson_tail(8, 3, 10, 1));
-- Certain, impossible, too small for a float.
SELECT poisson_tail(0, 5, 1, 1) AS "none or more", poisson_tail(0, 5, 0, 0) AS "no time", poisson_tail(1, 5, 1, 0) AS "some in no time", poisson_tail(5, 0, 0, 1) AS "no past", poisson_tail(100000, 0, 1, 1) AS tiny;
SELECT poisson_tail(NULL, 1, 1, 1) IS NULL AS "null";
-- From k to k + 1 it falls by the negative binomial probability C(k + sum, k) (1-x)^(sum+1) x^k; it does not depend on the unit of time.
SELECT bool_and(abs((poisson_tail(k, 10, 7, 3) - poisson_tail(k + 1, 10, 7, 3)) / ((factorial(k + 10) / factorial(k) / factorial(10))::float8 * 0.7::float8 ^ 11 * 0.3::float8 ^ k) - 1) < 1e-9) AS pmf,
       bool_and(poisson_tail(k, 10, 7, 3) BETWEEN 0 AND 1) AS probability, bool_and(abs(poisson_tail(k, 10, 7e300, 3e300) / poisson_tail(k, 10, 7, 3) - 1) < 1e-12) AS scales
FROM generate_series(0, 30) k;
SELECT poisson_tail(1000000000000, 1e12, 1, 1) BETWEEN 0.49 AND 0.51 AS large;
SELECT poisson_tail(-1, 1, 1, 1);
SELECT poisson_tail(1, -1, 1, 1);
SELECT poisson_tail(1, 1, -1, 1);
SELECT poisson_tail(1, 1, 1, 'Infinity');
SELECT poisson_tail(1, 'NaN', 1, 1);
SELECT poisson_tail(1000000000001, 1, 1, 1);
DROP EXTENSION pg_kappa CASCADE;
