-- approx_percentile: error, special values, argument.  Merge laws: aggregate_states.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
SELECT approx_percentile(v, 0.5) AS one, approx_percentile(v, ARRAY[0, 0.5, 1]) AS many FROM unnest('{7.25,NULL}'::float8[]) v;
SELECT approx_percentile(v, 0.5) IS NULL AS nothing FROM unnest('{NULL,NULL}'::float8[]) v;
SELECT approx_percentile(1, 0.5) FILTER (WHERE false) IS NULL AS nothing;
-- As percentile_disc, to 0.5416 %, for 60 seeds of six distributions, negative and subnormal ones too.
CREATE TABLE samples AS
    SELECT seed, CASE seed % 6 WHEN 0 THEN u WHEN 1 THEN exp(20 * u - 10) WHEN 2 THEN -exp(5 * u) WHEN 3 THEN exp(-u * 740)
                 WHEN 4 THEN (u - 0.3) * 1e300 ELSE round((u * 100)::numeric)::float8 - 20 END AS v
    FROM generate_series(1, 60) seed, LATERAL (SELECT (abs(hashint4(seed * 1000003 + i)) + 1) / 2147483649.0::float8 AS u FROM generate_series(1, 500 + seed) i) s;
ANALYZE samples;
CREATE TABLE exact AS
    SELECT seed, array_agg(v ORDER BY v) AS v, percentile_disc('{0,0.001,0.01,0.1,0.25,0.3,0.5,0.75,0.9,0.99,0.999,1}'::float8[]) WITHIN GROUP (ORDER BY v) AS p
    FROM samples GROUP BY seed;
SELECT count(*) AS answers, count(*) FILTER (WHERE NOT abs(a - e) <= 0.0054156 * abs(e)) AS wrong
FROM (SELECT seed, approx_percentile(v, '{0,0.001,0.01,0.1,0.25,0.3,0.5,0.75,0.9,0.99,0.999,1}'::float8[]) AS p FROM samples GROUP BY seed) s
    JOIN exact x USING (seed), LATERAL unnest(s.p, x.p) u(a, e);
SELECT bool_and(s.p[1] = v[1] AND s.p[2] = v[array_length(v, 1)]) AS "extremes are exact"
FROM (SELECT seed, approx_percentile(v, '{0,1}'::float8[]) AS p FROM samples GROUP BY seed) s JOIN exact USING (seed);
-- Every boundary between buckets, and the floats next to it.
SELECT count(*) AS "values", count(*) FILTER (WHERE NOT abs(p - v) <= 0.0054156 * v) AS wrong
FROM (SELECT v, approx_percentile(w, 0.5) AS p
      FROM (SELECT v, unnest(ARRAY[v / 3, v, v * 3]) AS w FROM generate_series(-640, 640) i, unnest(ARRAY[0.9999999999999999, 1, 1.0000000000000002]) f, LATERAL (SELECT 2.0::float8 ^ (i / 64.0) * f AS v) s) s
      GROUP BY v) q;

-- Zero, infinities and NaN are exact; NaN is the largest.
SELECT approx_percentile(v, f) AS approx, percentile_disc(f) WITHIN GROUP (ORDER BY v) AS exact
FROM unnest('{NaN,-Infinity,Infinity,0,-0,-0.5,1.7976931348623157e308,5e-324,-5e-324,-1.7976931348623157e308}'::float8[]) v,
    unnest('{0,0.15,0.25,0.35,0.45,0.55,0.65,0.75,0.85,0.95,1}'::float8[]) f GROUP BY f ORDER BY f;
SELECT approx_percentile(v, 1) FROM unnest('{-Infinity,-Infinity}'::float8[]) v;

-- Arrays keep their shape; a NULL fraction gives NULL.
SELECT approx_percentile(i, '[0:1][3:4]={{0,NULL},{1,1}}'::float8[]), approx_percentile(i, '{}'::float8[]), approx_percentile(i, NULL::float8), approx_percentile(i, NULL::float8[]) FROM generate_series(1, 5) i;
SELECT approx_percentile(1, 1.5);
SELECT approx_percentile(1, 'NaN');
SELECT approx_percentile(1, ARRAY[0.5, -0.1]);
SELECT approx_percentile(i, i / 3.0) FROM generate_series(1, 2) i;
SELECT approx_percentile(i, ARRAY[i / 3.0]) FROM generate_series(1, 2) i;

-- In parallel: the very same.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT seed, approx_percentile(v, 0.3), approx_percentile(v, '{0.1,0.9}'::float8[]) FROM samples GROUP BY seed;
CREATE TABLE in_parallel AS SELECT seed, approx_percentile(v, 0.3) AS a, approx_percentile(v, '{0.1,0.9}'::float8[]) AS b FROM samples GROUP BY seed;
SET max_parallel_workers_per_gather = 0;
SELECT count(*), bool_and(a = approx AND b = approxes) AS same
FROM in_parallel JOIN (SELECT seed, approx_percentile(v, 0.3) AS approx, approx_percentile(v, '{0.1,0.9}'::float8[]) AS approxes FROM samples GROUP BY seed) s USING (seed);
-- A moving aggregate reads the state while it grows.
SELECT bool_and(abs(p - ceil(i / 2.0)) <= 0.0055 * p) AS moving FROM (SELECT i, approx_percentile(i, 0.5) OVER (ORDER BY i) AS p FROM generate_series(1, 200) i) s;
DROP TABLE samples, exact, in_parallel;
DROP EXTENSION pg_kappa CASCADE;
