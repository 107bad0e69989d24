-- hyperloglog: what it counts, merge laws, parallel query, precision.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;

-- Small sets are counted exactly (a state is sparse up to m/8 = 512 values).
SELECT n, approx_count_distinct(i) AS exact
FROM unnest(ARRAY[1, 2, 10, 100, 512]) n, generate_series(1, n) i GROUP BY n ORDER BY n;
-- Larger ones to within four standard errors, at every precision.
SELECT p, count(*) FILTER (WHERE abs(c - n) > 4 * 1.04 / sqrt(2 ^ p) * n) AS wrong
FROM generate_series(6, 18, 2) p, unnest(ARRAY[1000, 20000, 100000]) n,
    LATERAL (SELECT approx_count_distinct(i, p) AS c FROM generate_series(1, n) i) s
GROUP BY p ORDER BY p;
SELECT abs(approx_count_distinct(i) - 1000000) < 40000 AS "to 10^6" FROM generate_series(1, 1000000) i;
-- The mean over 200 seeds is right to 3 standard errors + 0.1 %, the error at most 1.1 of theory.
SELECT n, abs(avg(c) / n - 1) < 0.001 + 3 * 0.01624 / sqrt(200) AS unbiased,
       stddev_pop(c) / n < 1.1 * 0.01624 AS accurate
FROM unnest(ARRAY[600, 3000, 10000]) n, LATERAL (
    SELECT seed, approx_count_distinct(seed * 1000000000 + i) AS c
    FROM generate_series(1, 200::bigint) seed, generate_series(1, n) i GROUP BY seed) s
GROUP BY n ORDER BY n;

-- NULLs are not counted; without any value there is no state.
SELECT approx_count_distinct(v), hyperloglog_agg(v) IS NULL AS no_state FROM (VALUES (NULL::int), (NULL)) AS t(v);
SELECT approx_count_distinct(v), cardinality(hyperloglog_agg(v)) FROM (VALUES (1), (NULL), (1), (2)) AS t(v);
SELECT approx_count_distinct(i), hyperloglog_agg(i) IS NULL AS no_state, hyperloglog_union_agg(hyperloglog_empty()) FILTER (WHERE false) IS NULL AS no_union
FROM generate_series(1, 0) i;

-- Equal values are one value, whatever their length or spelling.
SELECT hyperloglog_agg(i::smallint) = hyperloglog_agg(i) AS int2, hyperloglog_agg(i::bigint) = hyperloglog_agg(i) AS int8,
       hyperloglog_agg(i::text) = hyperloglog_agg(i::varchar) AS varchar, hyperloglog_agg(i::text) = hyperloglog_agg(i::text::bytea) AS bytea,
       hyperloglog_agg(i::text) = hyperloglog_agg(i::text::name) AS name, hyperloglog_agg(i::text) = hyperloglog_agg(i::text::char(20)) AS bpchar,
       hyperloglog_agg(i::real) = hyperloglog_agg(i::float8) AS real
FROM generate_series(-100, 100) i;
SELECT approx_count_distinct(v) AS zeros FROM unnest('{0,-0}'::float8[]) v;
SELECT approx_count_distinct(v) AS nans FROM unnest('{NaN,NaN}'::float8[]) v;
SELECT approx_count_distinct(v) AS numerics FROM unnest('{1,1.0,1.00,100e-2}'::numeric[]) v;
SELECT approx_count_distinct(v) AS bpchars FROM (VALUES ('a'::char(3)), ('a '), ('b')) AS t(v);
CREATE DOMAIN small AS smallint;
SELECT hyperloglog_agg(i::small) = hyperloglog_agg(i) AS domain FROM generate_series(1, 9) i;
DROP DOMAIN small;
CREATE TYPE mood AS ENUM ('sad', 'happy');
SELECT hyperloglog_agg(m) = hyperloglog_agg(m::text) AS enum, approx_count_distinct(m) FROM unnest(enum_range(NULL::mood)) m;
DROP TYPE mood;
SELECT approx_count_distinct(i % 2 = 0) AS bool, approx_count_distinct(i::oid) AS oid, approx_count_distinct(chr(i)::"char") AS char,
       approx_count_distinct(date '2026-01-01' + i) AS date, approx_count_distinct(timestamptz '2026-01-01 0:0 UTC' + i * interval '1 s') AS timestamptz,
       approx_count_distinct(timestamp '2026-01-01' + i * interval '1 s') AS timestamp, approx_count_distinct(time '0:0' + i * interval '1 s') AS time,
       approx_count_distinct(lpad(i::text, 32, '0')::uuid) AS uuid, approx_count_distinct(i * interval '1 s') AS interval,
       approx_count_distinct(ARRAY[i, 1]) AS array, approx_count_distinct(ROW(i, 'x'::text)) AS record, approx_count_distinct(to_jsonb(i)) AS jsonb,
       approx_count_distinct(int4range(0, i)) AS range, approx_count_distinct('10.0.0.0'::inet + i) AS inet
FROM generate_series(1, 100) i;
SELECT approx_count_distinct('x'::text), approx_count_distinct(repeat('x', 100000) || i) AS long FROM generate_series(1, 20) i;
SELECT approx_count_distinct(point(1, 2));
SELECT approx_count_distinct((point(1, 2), 3));
-- The bits do not depend on machine or version: murmur3 of 8 bytes, and of bytes.
SELECT hyperloglog_agg(1), hyperloglog_agg('abc'::text), hyperloglog_agg('0123456789abcdefXYZ'::text);
SELECT md5(hyperloglog_agg(i)::bytea) AS dense, md5(hyperloglog_agg(i % 300)::bytea) AS sparse FROM generate_series(1, 10000) i;

-- Merge laws, for 60 fixed seeds and sizes from nothing to dense: in any
-- order, grouping, repetition and split the bytes are the same.
CREATE TEMP TABLE sets AS
    SELECT seed, part, coalesce(hyperloglog_agg(seed * 1000000 + i * 7) FILTER (WHERE i % 3 = part OR i % 5 = part), hyperloglog_empty()) AS h
    FROM generate_series(1, 60) seed, generate_series(0, 2) part, generate_series(1, (1.17 ^ seed)::int) i GROUP BY 1, 2;
CREATE TEMP TABLE wholes AS
    SELECT seed, hyperloglog_agg(seed * 1000000 + i * 7) AS h
    FROM generate_series(1, 60) seed, generate_series(1, (1.17 ^ seed)::int) i GROUP BY 1;
SELECT count(*) AS seeds,
       bool_and(a.h || b.h = b.h || a.h) AS commutative,
       bool_and((a.h || b.h) || c.h = a.h || (b.h || c.h)) AS associative,
       bool_and(a.h || b.h || c.h = w.h) AS split_invariant,
       bool_and(a.h || a.h = a.h AND w.h || a.h = w.h) AS idempotent,
       bool_and(a.h || hyperloglog_empty() = a.h AND hyperloglog_empty() || a.h = a.h) AS empty,
       count(*) FILTER (WHERE cardinality(w.h) > 512) AS dense
FROM wholes w JOIN sets a ON a.seed = w.seed AND a.part = 0
    JOIN sets b ON b.seed = w.seed AND b.part = 1 JOIN sets c ON c.seed = w.seed AND c.part = 2;
SELECT count(*) AS seeds, bool_and(u = w.h) AS union_agg
FROM wholes w JOIN (SELECT seed, hyperloglog_union_agg(h ORDER BY part DESC) AS u FROM sets GROUP BY 1) s USING (seed);
-- Values in another order, and each several times.
SELECT bool_and(w.h = o.h) AS order_and_repetition
FROM wholes w JOIN (
    SELECT seed, hyperloglog_agg(seed * 1000000 + i * 7 ORDER BY md5(i::text)) AS h
    FROM generate_series(1, 60, 7) seed, generate_series(1, (1.17 ^ seed)::int) i, generate_series(1, 2) GROUP BY 1) o USING (seed);

-- Unions take the lower precision, and are what that precision would have given.
SELECT p, q, bool_and(hyperloglog_precision(a || b) = least(p, q)) AS lower, bool_and(a || b = ab) AS same
FROM (VALUES (4, 18), (12, 10), (10, 12), (14, 5)) AS v(p, q), unnest(ARRAY[3, 200, 5000]) n, LATERAL (
    SELECT hyperloglog_agg(i, p) FILTER (WHERE i % 2 = 0) AS a, hyperloglog_agg(i, q) FILTER (WHERE i % 2 = 1) AS b,
           hyperloglog_agg(i, least(p, q)) AS ab
    FROM generate_series(1, n) i) s
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT hyperloglog_precision(hyperloglog_agg(i, 12 - i % 3)) AS varying FROM generate_series(1, 1000) i;
SELECT hyperloglog_agg(1, 3);
SELECT approx_count_distinct(1, 19);
SELECT hyperloglog_agg(1, NULL);
SELECT hyperloglog_empty(2);

-- Equality, hashing, grouping; casts are explicit.
SELECT count(DISTINCT h::text) AS states, (SELECT count(*) FROM (SELECT h FROM sets UNION SELECT h FROM sets) u) AS by_hash FROM sets;
SELECT h::bytea::hyperloglog = h AS cast, h::text::hyperloglog = h AS text, h <> hyperloglog_empty() AS different
FROM wholes WHERE seed IN (1, 60) ORDER BY seed;
SELECT '\x010c'::bytea || hyperloglog_empty();

-- States stay small: in their rows, without TOAST.
SELECT n, max(pg_column_size(h)) < 1950 AS fits FROM unnest(ARRAY[500, 520, 3000, 50000]) n,
    LATERAL (SELECT hyperloglog_agg(i) AS h FROM generate_series(1, n) i) s GROUP BY n ORDER BY n;

-- Parallel query: partial states are sent to the leader and combined.
CREATE TABLE many AS SELECT i, i % 1000 AS k, i % 7 AS g, 'v' || i % 5000 AS t FROM generate_series(1, 60000) i;
ANALYZE many;
CREATE TEMP TABLE serial_answers AS
    SELECT g, hyperloglog_agg(i) AS a, approx_count_distinct(k) AS b, hyperloglog_agg(t, 10) AS c, hyperloglog_agg(k) FILTER (WHERE i < 100) AS d FROM many GROUP BY g;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT approx_count_distinct(k), hyperloglog_agg(i), hyperloglog_agg(t, 10) FROM many;
CREATE TEMP TABLE parallel_answers AS
    SELECT g, hyperloglog_agg(i) AS a, approx_count_distinct(k) AS b, hyperloglog_agg(t, 10) AS c, hyperloglog_agg(k) FILTER (WHERE i < 100) AS d FROM many GROUP BY g;
SELECT count(*) AS groups, bool_and((s.a, s.b, s.c, s.d) IS NOT DISTINCT FROM (p.a, p.b, p.c, p.d)) AS same
FROM serial_answers s JOIN parallel_answers p USING (g);
CREATE TABLE states AS SELECT g, k % 10 AS part, hyperloglog_agg(i) AS h FROM many GROUP BY 1, 2;
ANALYZE states;
EXPLAIN (COSTS OFF) SELECT hyperloglog_union_agg(h) FROM states;
SELECT hyperloglog_union_agg(h) = (SELECT hyperloglog_agg(i) FROM many) AS same FROM states;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
RESET parallel_leader_participation;
DROP TABLE many, states;

-- As a moving aggregate over a window, the state is read many times as it grows.
SELECT bool_and(running = i) AS running FROM (SELECT i, approx_count_distinct(i) OVER (ORDER BY i) AS running FROM generate_series(1, 400) i) s;

-- Everything is documented, parallel safe, and cannot be called as a function where it must not.
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
WHERE p.proname ~ 'hyperloglog|^cardinality|^approx_count_distinct' AND (obj_description(p.oid, 'pg_proc') IS NULL OR p.proparallel <> 's');
DROP EXTENSION pg_kappa CASCADE;
