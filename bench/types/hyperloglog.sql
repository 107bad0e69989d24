-- hyperloglog beside postgresql-hll: updates/s, merges/s, size and error.
--
--	psql -X -d DATABASE -f bench/types/hyperloglog.sql
--
-- needs the extensions pg_kappa and hll in the database, a superuser, and
-- Linux: times are CPU time of the backend, as the kernel counts it.  All
-- queries run in five rounds, without parallel workers and JIT; each time is
-- the best of five.  'baseline' is the same query with count() in the
-- aggregate's place, or without the function.
\pset footer off
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET work_mem = '1GB';

CREATE TEMP TABLE v AS SELECT i::bigint AS i, 'customer ' || i AS t FROM generate_series(1, 2000000) i;
-- 1,000 states each of 50, 1,000 and 20,000 values
CREATE TEMP TABLE ours AS
    SELECT n, g, hyperloglog_agg(g * 1000003::bigint + i) AS s
    FROM (VALUES (50), (1000), (20000)) AS sizes(n), generate_series(1, 1000) g, generate_series(1, n) i GROUP BY 1, 2;
CREATE TEMP TABLE theirs AS
    SELECT n, g, hll_add_agg(hll_hash_bigint(g * 1000003::bigint + i), 12) AS s
    FROM (VALUES (50), (1000), (20000)) AS sizes(n), generate_series(1, 1000) g, generate_series(1, n) i GROUP BY 1, 2;
VACUUM ANALYZE v, ours, theirs;

CREATE TEMP TABLE queries (id serial, what text, rows bigint, who text, query text, best double precision);
INSERT INTO queries (what, rows, who, query) VALUES
    ('update: bigint, one group', 2000000, 'baseline', 'SELECT count(i) FROM v'),
    ('update: bigint, one group', 2000000, 'pg_kappa', 'SELECT approx_count_distinct(i) FROM v'),
    ('update: bigint, one group', 2000000, 'hll', 'SELECT hll_cardinality(hll_add_agg(hll_hash_bigint(i), 12)) FROM v'),
    ('update: text, one group', 2000000, 'baseline', 'SELECT count(t) FROM v'),
    ('update: text, one group', 2000000, 'pg_kappa', 'SELECT approx_count_distinct(t) FROM v'),
    ('update: text, one group', 2000000, 'hll', 'SELECT hll_cardinality(hll_add_agg(hll_hash_text(t), 12)) FROM v'),
    ('update: bigint, 10,000 groups', 2000000, 'baseline', 'SELECT count(i) FROM v GROUP BY i % 10000'),
    ('update: bigint, 10,000 groups', 2000000, 'pg_kappa', 'SELECT approx_count_distinct(i) FROM v GROUP BY i % 10000'),
    ('update: bigint, 1,000 groups', 2000000, 'baseline', 'SELECT count(i) FROM v GROUP BY i % 1000'),
    ('update: bigint, 1,000 groups', 2000000, 'pg_kappa', 'SELECT approx_count_distinct(i) FROM v GROUP BY i % 1000'),
    ('update: bigint, 1,000 groups', 2000000, 'hll', 'SELECT hll_cardinality(hll_add_agg(hll_hash_bigint(i), 12)) FROM v GROUP BY i % 1000');
INSERT INTO queries (what, rows, who, query)
    SELECT 'states: reading only', 20000, 'baseline', 'SELECT count(s) FROM ours, generate_series(1, 20) WHERE n = 50';
INSERT INTO queries (what, rows, who, query)
    SELECT format('merge: a || b, %s values each', n), 20000, who,
           format('SELECT count(a.s || b.s) FROM %s a JOIN %1$s b ON a.n = b.n AND a.g = b.g %% 1000 + 1, generate_series(1, 20) WHERE a.n = %s', t, n)
    FROM unnest(ARRAY[50, 1000, 20000]) n, (VALUES ('pg_kappa', 'ours'), ('hll', 'theirs')) AS w(who, t);
INSERT INTO queries (what, rows, who, query)
    SELECT format('union aggregate, %s values each', n), 20000, who, format('SELECT %s(s) FROM %s, generate_series(1, 20) WHERE n = %s', f, t, n)
    FROM unnest(ARRAY[50, 1000, 20000]) n, (VALUES ('pg_kappa', 'ours', 'hyperloglog_union_agg'), ('hll', 'theirs', 'hll_union_agg')) AS w(who, t, f);
INSERT INTO queries (what, rows, who, query)
    SELECT format('cardinality, %s values', n), 20000, who, format('SELECT count(%s(s)) FROM %s, generate_series(1, 20) WHERE n = %s', f, t, n)
    FROM unnest(ARRAY[50, 1000, 20000]) n, (VALUES ('pg_kappa', 'ours', 'cardinality'), ('hll', 'theirs', 'hll_cardinality')) AS w(who, t, f);

DO $$
DECLARE
    q record;
    cpu text := 'SELECT split_part(pg_read_file(''/proc/self/schedstat''), '' '', 1)::float8 / 1e6';
    started double precision;
    ended double precision;
BEGIN
    FOR q IN SELECT * FROM generate_series(1, 5) round, queries ORDER BY round, id LOOP
        EXECUTE cpu INTO started;
        EXECUTE q.query;
        EXECUTE cpu INTO ended;
        UPDATE queries SET best = least(best, ended - started) WHERE id = q.id;
    END LOOP;
END $$;

SELECT what, who, round(best::numeric, 1) AS "CPU ms", round((best * 1000 / rows)::numeric, 3) AS "us each",
       round((rows / best / 1000)::numeric, 3) AS "million/s"
FROM queries ORDER BY id;

SELECT n AS "values", who, round(avg(pg_column_size(s))) AS bytes,
       round((100 * sqrt(avg((c / n - 1) ^ 2)))::numeric, 3) AS "error, %", round((100 * avg(c / n - 1))::numeric, 3) AS "bias, %"
FROM (SELECT 'pg_kappa' AS who, n, s::text::bytea AS s, cardinality(s)::float8 AS c FROM ours
      UNION ALL SELECT 'hll', n, hll_send(s), hll_cardinality(s) FROM theirs) q
GROUP BY 1, 2 ORDER BY 1, 2 DESC;
