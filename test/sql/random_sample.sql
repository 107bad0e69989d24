-- random_sample: uniform, repeatable, without duplicates.  Merge laws: aggregate_states.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
SELECT random_sample(i, 5, i) AS "the same for ever", random_sample(i, 5, i::bigint ORDER BY -i) AS "in any order" FROM generate_series(1, 1000) i;
SELECT random_sample(i, 5, i::text) AS text, random_sample(i, 5, i::text::varchar) AS varchar FROM generate_series(1, 1000) i;
SELECT random_sample(v, 5, v) IS NULL AS nothing FROM unnest('{NULL,NULL}'::int[]) v;
-- NULLs are values; rows without id are no rows.
SELECT array_agg(x ORDER BY x) AS few FROM unnest((SELECT random_sample(v, 10, i) FROM (VALUES ('a', 1), (NULL, 2), ('c', NULL), ('d', 4)) t(v, i))) x;
-- Rows with one id are one row; the largest value stays, and is more than NULL.
SELECT random_sample(v, 10, 1 ORDER BY n) = '{c}' AND random_sample(v, 10, 1 ORDER BY -n) = '{c}' AS largest
FROM unnest('{b,NULL,c,a}'::text[]) WITH ORDINALITY u(v, n);
SELECT random_sample(i % 100, 100, i % 100) = random_sample(i % 100, 100, i % 100) FILTER (WHERE i <= 100) AS repeated FROM generate_series(1, 5000) i;
SELECT pg_typeof(random_sample(i::numeric, 1, i)), pg_typeof(random_sample(to_json(i), 1, i)), random_sample(point(i, i), 2, i) FROM generate_series(1, 3) i;
CREATE DOMAIN small AS int CHECK (VALUE < 10);
SELECT pg_typeof(random_sample(1::small, 1, 1::small));
DROP DOMAIN small;

-- Uniform: over 2000 samples of 10 out of 50 rows each row is drawn 400 times on average, and chi squared
-- (of 49 degrees of freedom, variance of a draw without replacement) is no outlier.
SELECT count(*) AS rows, sum(n) AS drawn, sum((n - 400) ^ 2 / (400 * 0.8)) BETWEEN 24 AND 86 AS uniform
FROM (SELECT x, count(*) AS n FROM generate_series(1, 2000) seed, LATERAL (SELECT random_sample(i, 10, seed * 1000 + i) AS s FROM generate_series(1, 50) i) t, unnest(s) x GROUP BY x) c;
-- So is every pair: 1225 of them, 73.5 times each.
SELECT count(*) AS pairs, sum((n - 90.0 / 2450 * 2000) ^ 2 / (90.0 / 2450 * 2000)) BETWEEN 1025 AND 1425 AS independent
FROM (SELECT x, y, count(*) AS n FROM generate_series(1, 2000) seed, LATERAL (SELECT random_sample(i, 10, seed * 1000 + i) AS s FROM generate_series(1, 50) i) t, unnest(s) x, unnest(s) y WHERE x < y GROUP BY x, y) c;
-- The first half of a sample is the smaller sample.
SELECT (random_sample(i, 100, i))[1:50] = random_sample(i, 50, i) AS prefix FROM generate_series(1, 3000) i;

SELECT random_sample(1, 0, 1);
SELECT random_sample(1, NULL, 1);
SELECT random_sample(1, 100001, 1);
SELECT random_sample(1, i, i) FROM generate_series(1, 2) i;
SELECT random_sample(1, 1, point(1, 2));
SELECT random_sample(ROW(1, 2), 1, 1);
SELECT random_sample(ARRAY[1, 2], 1, 1);

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET parallel_leader_participation = off;
CREATE TABLE many AS SELECT i, i % 7 AS g, 'v' || i AS t FROM generate_series(1, 30000) i;
ANALYZE many;
EXPLAIN (COSTS OFF) SELECT g, random_sample(t, 100, i) FROM many GROUP BY g;
CREATE TABLE in_parallel AS SELECT g, random_sample(t, 100, i) AS s, random_sample(i, 9, t) AS u FROM many GROUP BY g;
SET max_parallel_workers_per_gather = 0;
SELECT count(*), bool_and(s = random_sample AND u = other) AS same
FROM in_parallel JOIN (SELECT g, random_sample(t, 100, i), random_sample(i, 9, t) AS other FROM many GROUP BY g) x USING (g);
DROP TABLE many, in_parallel;
DROP EXTENSION pg_kappa CASCADE;
