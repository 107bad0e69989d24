-- latest, earliest: NULLs, ties, types.  Merge laws: aggregate_states.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
SELECT latest(v, at), earliest(v, at) FROM (VALUES ('a', 2), ('b', 3), ('c', 1)) t(v, at);
-- A NULL value is a value, a NULL time no time.
SELECT latest(v, at) IS NULL AS latest, earliest(v, at) IS NULL AS earliest FROM (VALUES (NULL, 1), ('b', 2), (NULL, 3), ('d', NULL)) t(v, at);
SELECT latest(v, NULL::int) IS NULL AS latest, earliest(v, NULL::int) IS NULL AS earliest FROM (VALUES ('a'), ('b')) t(v);
SELECT latest(1, 1) FILTER (WHERE false) IS NULL AS nothing;
-- At one time the larger value, and any value rather than NULL; in all orders.
SELECT o, latest(v, 1 ORDER BY hashint4(o * n::int)), earliest(v, 1 ORDER BY hashint4(o * n::int)) FROM generate_series(1, 6) o, unnest(ARRAY[5, NULL, 9, 7]) WITH ORDINALITY u(v, n) GROUP BY o ORDER BY o;
SELECT latest(v, at ORDER BY n)::text AS forth, latest(v, at ORDER BY -n)::text AS back
FROM (VALUES ('{"a":1}'::json, 1.0, 1), ('{"b":1}', 1.00, 2), ('7', 1.000, 3)) t(v, at, n);
-- Times of any ordered type.
SELECT latest(i, timestamptz '2026-01-01 UTC' + i * interval '1 s'), latest(i, -i), earliest(i, i::text), latest(i, 'NaN'::float8 / i), latest(i, ARRAY[i, 1]), latest(i, i % 2 = 0) FROM generate_series(1, 10) i;
SELECT latest(v, at) FROM (VALUES ('a', 'infinity'::timestamptz), ('b', '-infinity'), ('c', now())) t(v, at);
-- Values of any type.
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, m mood);
CREATE DOMAIN small AS int CHECK (VALUE < 100);
SELECT latest(point(i, 1), i), latest(to_jsonb(i), i), latest(ARRAY['x' || i, NULL], i), latest(ROW(i, 'sad')::pair, i), latest(i::small, i), pg_typeof(latest(i::small, i)),
       latest(repeat('x', 10000) || i, i) = repeat('x', 10000) || 3 AS long, latest(int4range(i, 9), i), latest((enum_range(NULL::mood))[1 + i % 2], i)
FROM generate_series(1, 3) i;
SELECT latest(1, point(1, 2));
SELECT latest(ROW(1, 2), 1);
-- A window reads it while it grows.
SELECT array_agg(l) FROM (SELECT latest('v' || i, i % 3) OVER (ORDER BY i) AS l FROM generate_series(1, 6) i) s;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET parallel_leader_participation = off;
CREATE TABLE many AS SELECT i, i % 7 AS g, 'v' || i AS t, ROW(i, 'sad')::pair AS p, to_json(i) AS j FROM generate_series(1, 30000) i;
ANALYZE many;
EXPLAIN (COSTS OFF) SELECT g, latest(t, i) FROM many GROUP BY g;
CREATE TABLE in_parallel AS SELECT g, latest(t, i) AS a, earliest(p, t) AS b, latest(j, i / 100)::text AS c, latest(t COLLATE "C", g) AS d FROM many GROUP BY g;
SET max_parallel_workers_per_gather = 0;
SELECT count(*), bool_and((x.a, x.b, x.c, x.d) = (y.a, y.b, y.c, y.d)) AS same
FROM in_parallel x JOIN (SELECT g, latest(t, i) AS a, earliest(p, t) AS b, latest(j, i / 100)::text AS c, latest(t COLLATE "C", g) AS d FROM many GROUP BY g) y USING (g);
DROP TABLE many, in_parallel;
DROP TYPE mood, pair CASCADE;
DROP DOMAIN small;
DROP EXTENSION pg_kappa CASCADE;
