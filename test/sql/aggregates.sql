-- Partial aggregates: what is kept of an aggregate in pieces gives, combined, what the aggregate gives of all at once.
CREATE EXTENSION pg_kappa;

-- Numbers of every kind: NULL, NaN, infinities, scales, extremes.
CREATE TABLE sample AS
    SELECT g AS id, g % 7 AS batch, g % 5 AS grp,
           CASE WHEN g % 11 > 0 THEN (g * 7919 % 1000 - 500)::smallint END AS i2,
           CASE WHEN g % 13 > 0 THEN (g * 104729 % 1000003 - 500000)::int END AS i4,
           CASE WHEN g % 17 > 0 THEN g * 9223372036854775::bigint - 4611686018427387904 END AS i8,
           CASE WHEN g % 3 > 0 THEN (g * 31 % 997)::numeric / (1 + g % 9) END AS n,
           CASE WHEN g % 5 > 0 THEN (g * 31 % 997)::float8 / 8 END AS f8,
           CASE WHEN g % 5 > 0 THEN (g * 17 % 991)::float4 / 8 END AS f4,
           CASE WHEN g % 4 > 0 THEN make_interval(mins => g, days => g % 3) END AS v
      FROM generate_series(1, 1000) g;
INSERT INTO sample (id, batch, grp) SELECT 2000 + g, g, 90 FROM generate_series(0, 6) g;
INSERT INTO sample (id, batch, grp, n) VALUES (3000, 1, 91, 'NaN'), (3001, 2, 91, 1), (3002, 1, 92, 'Infinity'),
    (3003, 5, 92, '-Infinity'), (3004, 1, 93, 'Infinity'), (3005, 2, 93, 7.5), (3006, 1, 94, 1e-300), (3007, 2, 94, 1e100);

-- For an aggregate with a partial form: its results per group, in one go and by way of batches.
CREATE FUNCTION differing(agg regprocedure, arguments text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    form regprocedure := kappa.partial_aggregate(agg);
    result text := (SELECT format_type(prorettype, NULL) FROM pg_proc WHERE oid = agg);
    sealed bool := (SELECT prorettype = 'kappa.aggregate_state'::regtype FROM pg_proc WHERE oid = form);
    combine text; final text; n bigint;
BEGIN
    SELECT aggcombinefn::regproc, aggfinalfn::regproc INTO combine, final FROM pg_aggregate WHERE aggfnoid = agg;
    EXECUTE format('CREATE TEMP TABLE pieces AS SELECT grp, batch, %s(%s) AS s FROM sample GROUP BY grp, batch', form::regproc, arguments);
    EXECUTE format('CREATE TEMP TABLE whole AS SELECT grp, s FROM pieces WHERE false');
    FOR b IN 0 .. 6 LOOP
        EXECUTE format('UPDATE whole SET s = %s FROM pieces p WHERE p.batch = %s AND p.grp = whole.grp',
                       CASE WHEN sealed THEN format('kappa.aggregate_combine(whole.s, p.s, %L::regprocedure)', agg)
                            ELSE format('%s(whole.s, p.s)', combine) END, b);
        EXECUTE format('INSERT INTO whole SELECT grp, s FROM pieces p WHERE batch = %s AND NOT EXISTS (SELECT FROM whole w WHERE w.grp = p.grp)', b);
    END LOOP;
    EXECUTE format('SELECT count(*) FROM (SELECT grp, %s AS r FROM whole) w FULL JOIN (SELECT grp, %s(%s) AS r FROM sample GROUP BY grp) a USING (grp) WHERE %s',
                   CASE WHEN sealed THEN format('kappa.aggregate_finalize(s, %L::regprocedure, NULL::%s)', agg, result)
                        ELSE format('%s(s)', final) END, agg::regproc, arguments,
                   CASE WHEN result = 'double precision'  -- rounding depends on the order
                        THEN 'CASE WHEN w.r IS NULL OR a.r IS NULL THEN w.r IS DISTINCT FROM a.r ELSE w.r <> a.r AND abs(w.r - a.r) > 1e-9 * abs(a.r) END'
                        ELSE 'w.r::text IS DISTINCT FROM a.r::text' END) INTO n;
    DROP TABLE pieces, whole;
    RETURN n;
END $$;

SELECT p.oid::regprocedure AS aggregate, differing(p.oid, args)
  FROM pg_proc p JOIN pg_aggregate a ON a.aggfnoid = p.oid
  JOIN (VALUES ('int2', 'i2'), ('int4', 'i4'), ('int8', 'i8'), ('numeric', 'n'), ('float4', 'f4'), ('float8', 'f8')) t (type, args)
    ON p.proargtypes[0] = t.type::regtype AND p.pronargs = 1
 WHERE p.proname IN ('stddev', 'stddev_pop', 'stddev_samp', 'var_pop', 'var_samp', 'variance')
 ORDER BY p.proname, p.proargtypes[0];
SELECT p.oid::regprocedure AS aggregate, differing(p.oid, 'f8, f4::float8')
  FROM pg_proc p WHERE p.proname ~ '^(corr|covar_|regr_)' AND p.proname <> 'regr_count' ORDER BY p.proname;

-- Every aggregate of PostgreSQL's that combines has a partial form or is its own.
SELECT a.aggfnoid::regprocedure AS without_form
  FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.aggkind = 'n' AND a.aggcombinefn <> 0
   AND (a.aggfinalfn <> 0 OR a.aggtranstype = 'internal'::regtype)
   AND NOT EXISTS (SELECT FROM pg_proc f WHERE f.pronamespace = 'kappa_state'::regnamespace
                      AND f.proname = 'partial_' || p.proname AND f.proargtypes = p.proargtypes)
   AND p.proname NOT IN ('array_agg', 'string_agg', 'any_value')
   AND a.aggfnoid <> 'sum(interval)'::regprocedure   -- its state is internal from 17 on
 ORDER BY a.aggfnoid::regprocedure::text COLLATE "C";

-- Averages as a continuous view computes them: a sum and a count.
SELECT count(*) FILTER (WHERE a2 IS DISTINCT FROM s2 / c2::numeric) AS int2,
       count(*) FILTER (WHERE a4 IS DISTINCT FROM s4 / c4::numeric) AS int4,
       count(*) FILTER (WHERE a8 IS DISTINCT FROM s8 / c8::numeric) AS int8,
       count(*) FILTER (WHERE an::text IS DISTINCT FROM (sn / cn::numeric)::text) AS numeric,
       count(*) FILTER (WHERE af4 IS DISTINCT FROM sf4 / cf4) AS float4,
       count(*) FILTER (WHERE af8 IS DISTINCT FROM sf8 / cf8) AS float8,
       count(*) FILTER (WHERE av IS DISTINCT FROM sv / cv) AS interval
  FROM (SELECT avg(i2) a2, sum(i2) s2, count(i2) c2, avg(i4) a4, sum(i4) s4, count(i4) c4, avg(i8) a8, sum(i8) s8, count(i8) c8,
               avg(n) an, sum(n) sn, count(n) cn, avg(f4) af4, sum(f4::float8) sf4, count(f4)::float8 cf4,
               avg(f8) af8, sum(f8) sf8, count(f8)::float8 cf8, avg(v) av, sum(v) sv, count(v)::float8 cv
          FROM sample GROUP BY grp) x;

-- States cannot be forged, and are given back to their own aggregate only.
CREATE ROLE regress_kappa_states;
CREATE TABLE states AS
    SELECT kappa_state.partial_stddev(i4) AS i4, kappa_state.partial_stddev(n) AS n FROM sample;
GRANT SELECT ON states, sample TO regress_kappa_states;
SELECT kappa.aggregate_finalize(i4, 'stddev(int)', NULL::numeric) = (SELECT stddev(i4) FROM sample) AS same FROM states;
SET ROLE regress_kappa_states;
SELECT kappa.aggregate_finalize(i4, 'stddev(int)', NULL::numeric) = (SELECT stddev(i4) FROM sample) AS same FROM states;
SELECT '\x00'::kappa.aggregate_state;
SELECT '\x00'::bytea::kappa.aggregate_state;
SELECT jsonb_populate_record(NULL::states, '{"i4": "\\x0011"}');
SELECT kappa.aggregate_finalize(i4, 'stddev(numeric)', NULL::numeric) FROM states;
SELECT kappa.aggregate_combine(i4, n, 'stddev(int)') FROM states;
SELECT kappa.aggregate_finalize(i4, 'variance(int)', NULL::numeric) = (SELECT variance(i4) FROM sample) AS "of the same state" FROM states;
SELECT kappa.aggregate_finalize(i4, 'stddev(int)', NULL::text) FROM states;
SELECT kappa.aggregate_finalize(i4, 'stddev(int)', NULL::numeric, 1::bigint) FROM states;
SELECT kappa.aggregate_finalize(i4, 'stddev(int)', NULL::numeric, 1, 2) FROM states;
SELECT kappa.aggregate_finalize(i4, 'stddev(int)', NULL::numeric, VARIADIC ARRAY[1]) FROM states;
SELECT kappa.aggregate_finalize(i4, 'sum(int)', NULL::bigint) FROM states;
SELECT kappa.aggregate_finalize(i4, 'int4pl(int, int)', NULL::int) FROM states;
SELECT kappa.aggregate_finalize(i4, 0, NULL::int) FROM states;
SELECT kappa.aggregate_finalize(i4, NULL, NULL::int) IS NULL AS nothing FROM states;
SELECT kappa.aggregate_finalize(NULL, 'stddev(int)', NULL::numeric) IS NULL AS nothing;
SELECT kappa.partial_aggregate('stddev(int)');
RESET ROLE;

-- As a superuser in a restore; what is too short, or another version's, is refused.
SELECT kappa.aggregate_finalize('\x00', 'stddev(int)', NULL::numeric);
SELECT kappa.aggregate_finalize('\x000000000000000000000000000000000000000000', 'stddev(int)', NULL::numeric);
SELECT count(*) AS same FROM states WHERE kappa.aggregate_finalize(i4::text::kappa.aggregate_state, 'stddev(int)', NULL::numeric)
    = kappa.aggregate_finalize(i4, 'stddev(int)', NULL::numeric);

DROP TABLE states, sample;
DROP FUNCTION differing(regprocedure, text);
DROP ROLE regress_kappa_states;
DROP EXTENSION pg_kappa;
