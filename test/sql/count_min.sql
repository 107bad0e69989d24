-- count_min: bounds, union, input from anywhere.  Merge laws of the aggregate: aggregate_states.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
SELECT frequency(count_min(v), 'a') AS a, frequency(count_min(v), 'b'::varchar) AS b, frequency(count_min(v), 'z') AS z, frequency(count_min(v), NULL::text) AS "null"
FROM unnest('{a,b,a,c,NULL,b,a}'::text[]) v;
SELECT count_min(v) IS NULL AS nothing FROM unnest('{NULL,NULL}'::int[]) v;
-- The name is the type's too: a call with a string is the aggregate nevertheless.
CREATE DOMAIN word AS text;
SELECT frequency(count_min(v), 'x') + frequency(count_min(v::varchar(9)), 'x') + frequency(count_min(v::char(9)), 'x') + frequency(count_min(v::name), 'x') + frequency(count_min(v::word), 'x') AS five FROM (VALUES ('x')) t(v);
DROP DOMAIN word;
-- Equal values of different types are one item.
SELECT frequency(c, 5), frequency(c, 5::smallint), frequency(c, 5::bigint) FROM (SELECT count_min(i % 10) AS c FROM generate_series(1, 100) i) s;

-- Never too low; too high by more than e / width of all in no more than exp(-depth) of the cases.
SELECT width, depth, bool_and(f >= n) AS "not too low", avg((f - n > exp(1.0) / width * 4000)::int) <= exp(-depth) AS "seldom too high"
FROM (VALUES (64, 2), (256, 4), (1024, 1), (16, 16)) s(width, depth), LATERAL (
    SELECT n, frequency(c, v) AS f
    FROM (SELECT seed, count_min(v, width, depth) AS c FROM generate_series(1, 10) seed, LATERAL (SELECT (seed * 100000 + sqrt(i * 37 % 4000)::int * 5 + i % 5) AS v FROM generate_series(1, 4000) i) x GROUP BY seed) a
        JOIN (SELECT seed, v, count(*) AS n FROM generate_series(1, 10) seed, LATERAL (SELECT (seed * 100000 + sqrt(i * 37 % 4000)::int * 5 + i % 5) AS v FROM generate_series(1, 4000) i) x GROUP BY seed, v) b USING (seed)) q
GROUP BY 1, 2 ORDER BY 1;

-- Union: the operator, and the aggregate.
CREATE TABLE parts AS SELECT i % 5 AS g, count_min(i % 300) AS c FROM generate_series(1, 5000) i GROUP BY 1;
SELECT (a.c || b.c)::text = (b.c || a.c)::text AS commutative, ((a.c || b.c) || d.c)::text = (a.c || (b.c || d.c))::text AS associative
FROM parts a, parts b, parts d WHERE a.g = 0 AND b.g = 1 AND d.g = 2;
SELECT count_min_union_agg(c)::text = (SELECT count_min(i % 300)::text FROM generate_series(1, 5000) i) AS whole FROM parts;
SELECT count_min(1) || count_min(1, 64, 4);
SELECT count_min(1, 100, 4);
SELECT count_min(1, 8, 4);
SELECT count_min(1, 64, 17);
SELECT count_min(1, NULL, 4);
SELECT count_min(i, 16 * i, 1) FROM generate_series(1, 2) i;
SELECT count_min(point(1, 2));
-- Small states are small.
SELECT n, max(length(c::text)) / 2 < least(40 * n + 20, 14000) AS small FROM unnest(ARRAY[1, 10, 100, 10000]) n, LATERAL (SELECT count_min(i) AS c FROM generate_series(1, n) i) s GROUP BY n ORDER BY n;

-- Bytes from outside: taken as written, else refused.
SELECT count_min(1, 16, 1);
SELECT c::text::count_min::text = c::text AS text FROM parts WHERE g = 0;
SELECT ''::count_min;
SELECT '\x'::count_min;
SELECT '\x0204010000'::count_min;
SELECT '\x0104010100'::count_min;
SELECT '\x01040100000f'::count_min;
SELECT '\x010401000f'::count_min;
SELECT '\x0104010010'::count_min;
SELECT '\x010401000fff'::count_min;
SELECT '\x01040100000000'::count_min;
SELECT '\x011110000000'::count_min;
SELECT '\x0110ff000000'::count_min;
SELECT '\x010401ffffffffffffffffff7f'::count_min;
SELECT '\xzz'::count_min;
CREATE FUNCTION try(b bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN b::text::count_min::text = b::text AND frequency(b::text::count_min, 1) >= 0 THEN 'taken' ELSE 'wrong' END;
EXCEPTION WHEN invalid_binary_representation THEN
    RETURN 'refused';
END $$;
CREATE TEMP TABLE bytes AS SELECT count_min(i, 32, 3)::text::bytea AS b FROM generate_series(1, 40) i;
SELECT try(set_byte(b, at, value)), count(*) > 0 AS some FROM bytes, generate_series(0, length(b) - 1) at, generate_series(0, 255, 5) value GROUP BY 1 ORDER BY 1;
SELECT try(substr(b, 1, len)), count(*) > 0 AS some FROM bytes, generate_series(0, length(b)) len GROUP BY 1 ORDER BY 1;
-- Binary input is as strict.
\set file `echo ${KAPPA_TMP:-/tmp}/count_min.$$`
\setenv FILE :file
CREATE TEMP TABLE c (v count_min);
INSERT INTO c SELECT count_min(i) FROM generate_series(1, 100) i;
\copy c to program 'cat > "$FILE"' (format binary)
\copy c from program 'cat "$FILE"' (format binary)
SELECT count(*), count(DISTINCT v::text) FROM c;
UPDATE bytes SET b = '\x0104';
\copy bytes to program 'cat > "$FILE"' (format binary)
\copy c from program 'cat "$FILE"' (format binary)
\! rm -f "$FILE"

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET parallel_leader_participation = off;
CREATE TABLE many AS SELECT i, i % 7 AS g, 'v' || i % 999 AS t FROM generate_series(1, 30000) i;
ANALYZE many;
EXPLAIN (COSTS OFF) SELECT g, count_min(t) FROM many GROUP BY g;
CREATE TABLE in_parallel AS SELECT g, count_min(t) AS c FROM many GROUP BY g;
SET max_parallel_workers_per_gather = 0;
SELECT count(*), bool_and(c::text = count_min::text) AS same FROM in_parallel JOIN (SELECT g, count_min(t) FROM many GROUP BY g) x USING (g);
DROP TABLE many, in_parallel, parts;
DROP FUNCTION try;
DROP EXTENSION pg_kappa CASCADE;
