-- The approximate aggregates: updates/s, size, error; approx_percentile beside tdigest.
--
--	psql -X -d DATABASE -f bench/types/aggregates.sql
--
-- needs the extensions pg_kappa and tdigest in the database.  All queries run in
-- five rounds, without parallel workers and JIT; each time is the best of five.
-- 'baseline' is the same query with count() in the aggregate's place.
\pset footer off
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET work_mem = '1GB';

-- log-normal latencies; Zipf-like words
CREATE TEMP TABLE v AS
    SELECT i, (i * 2654435761 % 4294967296 / 4294967296.0)::float8 AS u, exp(sqrt(-2 * ln((i * 2654435761 % 4294967296 + 1) / 4294967297.0)) * cos(i * 0.618))::float8 AS f,
           'word ' || floor(exp(12 * (i * 2654435761 % 4294967296) / 4294967296.0))::int AS t
    FROM generate_series(1, 1000000::bigint) i;
VACUUM ANALYZE v;

CREATE TEMP TABLE queries (id serial, what text, who text, query text, best double precision);
INSERT INTO queries (what, who, query) VALUES
    ('percentile, one group', 'baseline', 'SELECT count(f) FROM v'),
    ('percentile, one group', 'approx_percentile', 'SELECT approx_percentile(f, 0.99) FROM v'),
    ('percentile, one group', 'tdigest, 100', 'SELECT tdigest_percentile(f, 100, 0.99) FROM v'),
    ('percentile, one group', 'tdigest, 1000', 'SELECT tdigest_percentile(f, 1000, 0.99) FROM v'),
    ('percentile, one group', 'percentile_disc', 'SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY f) FROM v'),
    ('percentile, 10,000 groups', 'baseline', 'SELECT count(f) FROM v GROUP BY i % 10000'),
    ('percentile, 10,000 groups', 'approx_percentile', 'SELECT approx_percentile(f, 0.99) FROM v GROUP BY i % 10000'),
    ('percentile, 10,000 groups', 'tdigest, 100', 'SELECT tdigest_percentile(f, 100, 0.99) FROM v GROUP BY i % 10000'),
    ('text, one group', 'baseline', 'SELECT count(t) FROM v'),
    ('text, one group', 'approx_top_k', 'SELECT approx_top_k(t, 10) FROM v'),
    ('text, one group', 'count_min', 'SELECT count_min(t) FROM v'),
    ('text, one group', 'random_sample', 'SELECT random_sample(t, 100, i) FROM v'),
    ('text, one group', 'latest', 'SELECT latest(t, i) FROM v'),
    ('two floats, one group', 'baseline', 'SELECT count(f) FROM v'),
    ('two floats, one group', 'linear_fit', 'SELECT linear_fit(f, u) FROM v'),
    ('two floats, one group', 'regr_slope', 'SELECT regr_slope(f, u) FROM v'),
    ('scores', 'poisson_tail', 'SELECT sum(poisson_tail(i % 1000, 100000, 1000, 1 + u)) FROM v');
DO $$
DECLARE
    q record;
    started timestamptz;
BEGIN
    FOR q IN SELECT * FROM generate_series(1, 5) round, queries ORDER BY round, id LOOP
        started := clock_timestamp();
        EXECUTE q.query;
        UPDATE queries SET best = least(best, extract(epoch FROM clock_timestamp() - started) * 1000) WHERE id = q.id;
    END LOOP;
END $$;
SELECT what, who, round(best::numeric, 1) AS ms, round((1000 / best)::numeric, 2) AS "million rows/s" FROM queries ORDER BY id;

-- The largest relative error over 50 samples of 20,000 values, by fraction.
SELECT fraction, round(100 * max(abs(x.a / x.e - 1))::numeric, 3) AS "approx_percentile, %", round(100 * max(abs(x.t / x.e - 1))::numeric, 3) AS "tdigest 100, %", round(100 * max(abs(x.u / x.e - 1))::numeric, 3) AS "tdigest 1000, %"
FROM (SELECT i % 50 AS seed, approx_percentile(f, p) AS a, tdigest_percentile(f, 100, p) AS t, tdigest_percentile(f, 1000, p) AS u, percentile_disc(p) WITHIN GROUP (ORDER BY f) AS e
      FROM v, (SELECT '{0.01,0.1,0.5,0.9,0.99,0.999}'::float8[] AS p) p GROUP BY i % 50, p) s,
    LATERAL unnest('{0.01,0.1,0.5,0.9,0.99,0.999}'::float8[], s.a, s.t, s.u, s.e) x(fraction, a, t, u, e)
GROUP BY fraction ORDER BY fraction;

-- What a continuous view keeps of a group of a million rows, in bytes.
SELECT kappa.partial_aggregate(a::regprocedure) FROM unnest('{"approx_percentile(float8,float8)","approx_top_k(anyelement,int)","random_sample(anyelement,int,anycompatible)","latest(anyelement,anycompatible)"}'::text[]) a;
SELECT pg_column_size(kappa_state.partial_approx_percentile(f, 0.99)) AS approx_percentile, (SELECT octet_length(tdigest_send(tdigest(f, 100))) FROM v) AS "tdigest 100",
       pg_column_size(kappa_state.partial_approx_top_k(t, 10)) AS approx_top_k, pg_column_size(kappa_state.partial_random_sample(t, 100, i)) AS random_sample,
       pg_column_size(count_min(t)) AS count_min, pg_column_size(kappa_state.partial_latest(t, i)) AS latest, pg_column_size(linear_fit(f, u)) AS linear_fit FROM v;
