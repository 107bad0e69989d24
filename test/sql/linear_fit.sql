-- linear_fit: reference data, ill-conditioned data, special values.  Merge laws of the aggregate: aggregate_states.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
-- NIST's reference data set Norris, with its certified values.
CREATE TABLE norris (y float8, x float8);
INSERT INTO norris VALUES
    (0.1, 0.2), (338.8, 337.4), (118.1, 118.2), (888.0, 884.6), (9.2, 10.1), (228.1, 226.5), (668.5, 666.3), (998.5, 996.3), (449.1, 448.6),
    (778.9, 777.0), (559.2, 558.2), (0.3, 0.4), (0.1, 0.6), (778.1, 775.5), (668.8, 666.9), (339.3, 338.0), (448.9, 447.5), (10.8, 11.6),
    (557.7, 556.0), (228.3, 228.1), (998.0, 995.8), (888.8, 887.6), (119.6, 120.2), (0.3, 0.3), (0.6, 0.3), (557.6, 556.8), (339.3, 339.1),
    (888.0, 887.2), (998.5, 999.0), (778.9, 779.0), (10.2, 11.1), (117.6, 118.3), (228.9, 229.2), (668.4, 669.1), (449.2, 448.9), (0.2, 0.5);
SELECT abs(slope(f) / 1.00211681802045 - 1) < 1e-14 AS slope, abs(intercept(f) / -0.262323073774029 - 1) < 1e-14 AS intercept,
       abs(r2(f) / 0.999993745883712 - 1) < 1e-14 AS r2, predict(f, 500) FROM (SELECT linear_fit(y, x) AS f FROM norris) s;
-- Longley's data have six regressors; employment on each of three of them, against exact rational arithmetic.
CREATE TABLE longley (y float8, deflator float8, gnp float8, year float8);
INSERT INTO longley VALUES
    (60323, 83.0, 234289, 1947), (61122, 88.5, 259426, 1948), (60171, 88.2, 258054, 1949), (61187, 89.5, 284599, 1950),
    (63221, 96.2, 328975, 1951), (63639, 98.1, 346999, 1952), (64989, 99.0, 365385, 1953), (63761, 100.0, 363112, 1954),
    (66019, 101.2, 397469, 1955), (67857, 104.6, 419180, 1956), (68169, 108.4, 442769, 1957), (66513, 110.8, 444546, 1958),
    (68655, 112.6, 482704, 1959), (69564, 114.2, 502601, 1960), (69331, 115.7, 518173, 1961), (70551, 116.9, 554894, 1962);
SELECT what, abs(slope(f) / slope - 1) < 1e-14 AS slope, abs(intercept(f) / intercept - 1) < 1e-14 AS intercept, abs(r2(f) / r2 - 1) < 1e-14 AS r2
FROM (SELECT linear_fit(y, deflator) AS d, linear_fit(y, gnp) AS g, linear_fit(y, year) AS t FROM longley) l, LATERAL (VALUES
    ('deflator', d, 315.9660863769118, 33189.17337958764, 0.9426439459657336),
    ('gnp', g, 0.03475229434762905, 51843.58978188414, 0.9673737718541234),
    ('year', t, 716.5117647058823, -1335105.244117647, 0.9434809182944538)) v(what, f, slope, intercept, r2);
-- As regr_slope() and the others, for 100 seeds.
SELECT count(*) AS seeds, bool_and(abs(slope(f) - rs) <= 1e-9 * abs(rs)) AS slope, bool_and(abs(intercept(f) - ri) <= 1e-9 * abs(ri)) AS intercept,
       bool_and(abs(r2(f) - rr) <= 1e-9) AS r2, bool_and(abs(predict(f, 3) - (ri + 3 * rs)) <= 1e-9 * (abs(ri) + 3 * abs(rs))) AS predict
FROM (SELECT seed, linear_fit(y, x) AS f, regr_slope(y, x) AS rs, regr_intercept(y, x) AS ri, regr_r2(y, x) AS rr
      FROM generate_series(1, 100) seed, LATERAL (SELECT hashint4(seed * 1009 + i) / 1e6::float8 AS x, hashint4(seed * 2003 - i) * seed::float8 AS y FROM generate_series(1, 20 + seed) i) p GROUP BY seed) s;
-- The line is found where its points are far away and close together, or of all magnitudes.
SELECT slope(f), intercept(f), r2(f), predict(f, 1e15 + 4) FROM (SELECT linear_fit(2 * i, 1e15 + i) AS f FROM generate_series(1, 1000) i) s;
SELECT slope(f), intercept(f), r2(f) FROM (SELECT linear_fit(x, x) AS f FROM unnest('{1e-320,-1e-300,1,1e300,-1e308}'::float8[]) x) s;
SELECT slope(linear_fit(x, y)) FROM (VALUES (1e308, 0), (0, 1e-308::float8)) t(x, y);
-- As regr_slope() and the others where there is no line, or a level one.
SELECT slope(f), intercept(f), r2(f), predict(f, 1) FROM (SELECT linear_fit(1, 2) AS f) s;
SELECT slope(f), intercept(f), r2(f), predict(f, 1) FROM (SELECT linear_fit(i, 2) AS f FROM generate_series(1, 3) i) s;
SELECT slope(f), intercept(f), r2(f), predict(f, 1) FROM (SELECT linear_fit(2, i) AS f FROM generate_series(1, 3) i) s;
SELECT linear_fit(y, x) IS NULL AS nothing FROM (VALUES (NULL, 1), (1, NULL)) t(y, x);
SELECT slope(linear_fit(y, x)) FROM (VALUES (NULL, 1), (1, 1), (3, 2), (9, NULL)) t(y, x);
SELECT slope(f), intercept(f), r2(f), predict(f, 1) FROM (SELECT linear_fit(y, x) AS f FROM (VALUES (1, 1), (3, 2), (9, 'Infinity'::float8)) t(y, x)) s;
SELECT predict(linear_fit(i, i), 'NaN') AS nan, predict(linear_fit(i, i), NULL) AS "null" FROM generate_series(1, 2) i;

-- Union: the operator, and the aggregate.
CREATE TABLE parts AS SELECT i % 5 AS g, linear_fit(sin(i) * 10 ^ (i % 30), i / 7.0) AS f FROM generate_series(1, 5000) i GROUP BY 1;
SELECT (a.f || b.f)::text = (b.f || a.f)::text AS commutative, ((a.f || b.f) || d.f)::text = (a.f || (b.f || d.f))::text AS associative
FROM parts a, parts b, parts d WHERE a.g = 0 AND b.g = 1 AND d.g = 2;
SELECT linear_fit_union_agg(f)::text = (SELECT linear_fit(sin(i) * 10 ^ (i % 30), i / 7.0)::text FROM generate_series(1, 5000) i) AS whole FROM parts;

-- Bytes from outside: taken as written, else refused.
SELECT linear_fit(2, 1);
SELECT f::text::linear_fit::text = f::text AS text FROM parts WHERE g = 0;
SELECT ''::linear_fit;
SELECT '\x01'::linear_fit;
SELECT '\x02000000000000'::linear_fit;
SELECT '\x0100000100000000'::linear_fit;
SELECT '\x01000000000000'::linear_fit;
SELECT '\x0100000000000000'::linear_fit;
SELECT slope('\x0100000000000000'::linear_fit);
SELECT '\x010100024400000000000000'::linear_fit;
SELECT '\x01010002ff0100000001000000'::linear_fit;
SELECT '\x0101009002ff0100000001000000'::linear_fit;
CREATE FUNCTION try(b bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM slope(f), intercept(f), r2(f), predict(f, 1e300), f || f FROM (SELECT b::text::linear_fit AS f) s;
    RETURN CASE WHEN b::text::linear_fit::text = b::text THEN 'taken' ELSE 'wrong' END;
EXCEPTION WHEN invalid_binary_representation THEN
    RETURN 'refused';
WHEN numeric_value_out_of_range THEN
    RETURN 'taken';
END $$;
CREATE TEMP TABLE bytes AS SELECT f::text::bytea AS b FROM parts WHERE g = 0;
SELECT try(set_byte(b, at, value)), count(*) > 0 AS some FROM bytes, generate_series(0, length(b) - 1) at, generate_series(0, 255, 5) value GROUP BY 1 ORDER BY 1;
SELECT try(substr(b, 1, len)), count(*) > 0 AS some FROM bytes, generate_series(0, length(b)) len GROUP BY 1 ORDER BY 1;
\set file `echo ${KAPPA_TMP:-/tmp}/linear_fit.$$`
\setenv FILE :file
CREATE TEMP TABLE c (v linear_fit);
INSERT INTO c SELECT f FROM parts WHERE g = 0;
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
CREATE TABLE many AS SELECT i % 7 AS g, (sin(i) * 10 ^ (i % 300 - 150))::float8 AS y, i / 7.0::float8 AS x FROM generate_series(1, 30000) i;
ANALYZE many;
EXPLAIN (COSTS OFF) SELECT g, linear_fit(y, x) FROM many GROUP BY g;
CREATE TABLE in_parallel AS SELECT g, linear_fit(y, x) AS f FROM many GROUP BY g;
SET max_parallel_workers_per_gather = 0;
SELECT count(*), bool_and(f::text = linear_fit::text) AS same FROM in_parallel JOIN (SELECT g, linear_fit(y, x) FROM many GROUP BY g) x USING (g);
DROP TABLE norris, longley, parts, many, in_parallel;
DROP FUNCTION try;
DROP EXTENSION pg_kappa CASCADE;
