-- approx_top_k: bounds, exactness, what items are.  Merge laws: aggregate_states.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
SELECT approx_top_k(v, 2) FROM unnest('{a,b,a,c,NULL,b,a}'::text[]) v;
SELECT approx_top_k(v, 2) IS NULL AS nothing FROM unnest('{NULL,NULL}'::text[]) v;
SELECT approx_top_k(1, 2) FILTER (WHERE false) IS NULL AS nothing;
-- Equal items are one item; of their spellings the same is shown in any order.
SELECT a = b AS same, jsonb_array_length(a) FROM (
    SELECT approx_top_k(v, 9 ORDER BY n) AS a, approx_top_k(v, 9 ORDER BY -n) AS b
    FROM unnest('{1.0,1.00,1,2.5,2.50}'::numeric[]) WITH ORDINALITY u(v, n)) s;
SELECT approx_top_k(v, 1) AS nan, approx_top_k(-v, 1) AS bool FROM unnest('{NaN,NaN,1}'::float8[]) v;
SELECT approx_top_k(v, 1) FROM unnest('{"{\"a\": [1, null]}", "{\"a\": [1,null]}", "2"}'::jsonb[]) v;
SELECT approx_top_k(ARRAY[i % 2, NULL], 1), approx_top_k(date '2026-01-01' + i % 2, 1), approx_top_k('10.0.0.1'::inet + i % 2, 1) FROM generate_series(1, 3) i;
CREATE DOMAIN small AS int CHECK (VALUE < 10);
SELECT approx_top_k((i % 2)::small, 1) FROM generate_series(1, 3) i;
DROP DOMAIN small;

-- Bounds over 40 seeds of Zipf-like and even distributions: always true, also after merging; and the
-- offset (upper - lower at most) is no more than (N - sum of counts) / (capacity + 1).
CREATE TABLE items AS
    SELECT seed, i, CASE WHEN seed % 4 = 0 THEN abs(hashint4(seed * 1000003 + i)) % 400
                         ELSE floor(exp(9 * (abs(hashint4(seed * 1000003 + i)) % 100000) / 100000.0))::int END AS v
    FROM generate_series(1, 40) seed, generate_series(1, 3000) i;
ANALYZE items;
CREATE TABLE truth AS SELECT seed, v, count(*) AS n FROM items GROUP BY 1, 2;
CREATE FUNCTION wrong(k jsonb, s int) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM jsonb_to_recordset(k) AS r(item int, estimate bigint, lower bigint, upper bigint) LEFT JOIN truth t ON t.seed = s AND t.v = r.item
    WHERE t.n IS NULL OR NOT (r.lower <= t.n AND t.n <= r.upper AND r.estimate = r.upper AND r.upper - r.lower <= 3000 / 41)
$$;
SELECT count(*) AS seeds, sum(wrong(k, seed)) AS wrong, min(jsonb_array_length(k)) AS items
FROM (SELECT seed, approx_top_k(v, 10, 40) AS k FROM items GROUP BY seed) s;
-- Each item with a frequency above N / (capacity + 1) is there.
SELECT count(*) FILTER (WHERE NOT k @> jsonb_build_array(jsonb_build_object('item', t.v))) AS missed
FROM (SELECT seed, approx_top_k(v, 40, 40) AS k FROM items GROUP BY seed) s JOIN truth t USING (seed) WHERE t.n > 3000 / 41;
-- In parallel, by combining.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT seed, approx_top_k(v, 10, 40) FROM items GROUP BY seed;
SELECT count(*) AS seeds, sum(wrong(k, seed)) AS wrong, min(jsonb_array_length(k)) AS items
FROM (SELECT seed, approx_top_k(v, 10, 40) AS k FROM items GROUP BY seed) s;
-- Exact, and the same in parallel, as long as there are no more items than the capacity.
CREATE TABLE in_parallel AS SELECT seed, approx_top_k(v, 10, 10000) AS k FROM items GROUP BY seed;
SET max_parallel_workers_per_gather = 0;
SELECT bool_and(p.k = s.k) AS same, bool_and(s.exact) AS exact
FROM in_parallel p JOIN (SELECT seed, approx_top_k(v, 10, 10000) AS k,
    (SELECT bool_and((e->>'lower')::int = t.n AND (e->>'upper')::int = t.n)
     FROM jsonb_array_elements(approx_top_k(v, 10, 10000)) e JOIN truth t ON t.seed = i.seed AND t.v = (e->>'item')::int) AS exact
    FROM items i GROUP BY seed) s USING (seed);
SELECT bool_and(k.n = (SELECT (e->>'estimate')::int FROM jsonb_array_elements(p.k) WITH ORDINALITY x(e, at) WHERE at = k.rank)) AS ranks
FROM in_parallel p JOIN (SELECT seed, n, row_number() OVER (PARTITION BY seed ORDER BY n DESC) AS rank FROM truth) k USING (seed) WHERE rank <= 10;
-- A moving aggregate reads the state while it grows.
SELECT bool_and((k->0->>'upper')::int >= i / 7) AS moving FROM (SELECT i, approx_top_k(i % 7, 1, 2) OVER (ORDER BY i) AS k FROM generate_series(1, 100) i) s;

SELECT approx_top_k(1, 0);
SELECT approx_top_k(1, NULL);
SELECT approx_top_k(1, 5, 4);
SELECT approx_top_k(1, 5, 100001);
SELECT approx_top_k(1, i) FROM generate_series(1, 2) i;
SELECT approx_top_k(point(1, 2), 1);
SELECT approx_top_k(ROW(1, 2), 1);
DROP FUNCTION wrong;
DROP TABLE items, truth, in_parallel;
DROP EXTENSION pg_kappa CASCADE;
