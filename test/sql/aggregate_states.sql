-- States of the mergeable aggregates, as continuous views keep and combine them:
-- merge laws over fixed seeds, and states from an enemy.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, m mood);

-- Aggregate, its arguments, their types as NULLs, and its result's type.
CREATE TEMP TABLE aggs (id serial, signature text, args text, nulls text, result text);
INSERT INTO aggs (signature, args, nulls, result) VALUES
    ('approx_top_k(anyelement,int)', 't, 5', 'NULL::text, NULL::int', 'jsonb'),
    ('approx_top_k(anyelement,int,int)', 'n, 5, 64', 'NULL::numeric, NULL::int, NULL::int', 'jsonb'),
    ('approx_top_k(anyelement,int)', 'm, 2', 'NULL::mood, NULL::int', 'jsonb'),
    ('approx_percentile(float8,float8)', 'f, 0.3', '', 'float8'),
    ('approx_percentile(float8,float8[])', 'f, ARRAY[[0, 0.1], [NULL, 1]]', '', 'float8[]'),
    ('random_sample(anyelement,int,anycompatible)', 't, 7, i', 'NULL::text, NULL::int, NULL::int', 'text[]'),
    ('random_sample(anyelement,int,anycompatible)', 'p, 3, t', 'NULL::pair, NULL::int, NULL::text', 'pair[]'),
    ('count_min(anyelement)', 't', 'NULL::text', 'count_min'),
    ('count_min(anyelement,int,int)', 'i, 16, 5', 'NULL::int, NULL::int, NULL::int', 'count_min'),
    ('latest(anyelement,anycompatible)', 't, n', 'NULL::text, NULL::numeric', 'text'),
    ('earliest(anyelement,anycompatible)', 'arr, ts', 'NULL::mood[], NULL::timestamptz', 'mood[]'),
    ('latest(anyelement,anycompatible)', 'j, ts', 'NULL::json, NULL::timestamptz', 'json'),
    ('linear_fit(float8,float8)', 'f, i', '', 'linear_fit');
SELECT count(kappa.partial_aggregate(signature::regprocedure)) FROM (SELECT DISTINCT signature FROM aggs) a;

-- 30 seeds; three parts of different sizes, of which one may be empty, and NULLs.
CREATE TEMP TABLE data AS
    SELECT seed, CASE WHEN h % 7 = 0 THEN 'c' WHEN h % 3 = 0 THEN 'b' ELSE 'a' END AS part, i,
           nullif('v' || h % 50, 'v7') AS t, (h % 40) / 4.0 + CASE WHEN i % 2 = 0 THEN 0.00 ELSE 0 END AS n,
           (enum_range(NULL::mood))[1 + h % 3] AS m,
           CASE WHEN h % 97 = 0 THEN 'NaN' WHEN h % 89 = 0 THEN '-Infinity' WHEN h % 11 = 0 THEN 0 ELSE (h - 500) * 0.37 END::float8 AS f,
           timestamptz '2026-01-01 UTC' + h % 20 * interval '1 s' AS ts, ROW(i, 'ok')::pair AS p,
           ARRAY['sad', NULL]::mood[] || (enum_range(NULL::mood))[1 + h % 3] AS arr, to_json(h % 20) AS j
    FROM generate_series(1, 30) seed, LATERAL (SELECT i, abs(hashint4(seed * 100003 + i)) % 1000 AS h FROM generate_series(1, seed * seed / 3) i) s;

-- The value of each law for one aggregate.
CREATE FUNCTION laws(signature text, args text, nulls text, result text,
    OUT seeds bigint, OUT commutative bool, OUT associative bool, OUT whole bool, OUT "order" bool, OUT empty bool, OUT final bool) LANGUAGE plpgsql AS $$
DECLARE
    name text := split_part(signature, '(', 1);
    partial text := kappa.partial_aggregate(signature::regprocedure)::regproc::text;
    more text := format('%L::regprocedure%s', signature, CASE WHEN nulls = '' THEN '' ELSE ', ' || nulls END);
BEGIN
    EXECUTE format($q$
        CREATE TEMP TABLE parts AS
            SELECT seed, %1$s(%2$s) FILTER (WHERE part = 'a') AS a, %1$s(%2$s) FILTER (WHERE part = 'b') AS b,
                   %1$s(%2$s) FILTER (WHERE part = 'c') AS c, %1$s(%2$s) AS whole, %1$s(%2$s ORDER BY t DESC, i) AS other_order,
                   %3$s(%2$s)::text AS direct
            FROM data GROUP BY seed$q$, partial, args, name);
    EXECUTE format($q$
        SELECT count(*), bool_and(ab::text IS NOT DISTINCT FROM ba::text), bool_and(ab_c::text IS NOT DISTINCT FROM a_bc::text),
               bool_and(ab_c::text IS NOT DISTINCT FROM whole::text),
               bool_and(other_order::text IS NOT DISTINCT FROM whole::text),
               bool_and(kappa.aggregate_combine(a, NULL, %1$s)::text IS NOT DISTINCT FROM a::text),
               bool_and(kappa.aggregate_finalize(ab_c, %2$L::regprocedure, NULL::%3$s%4$s)::text IS NOT DISTINCT FROM direct)
        FROM parts, LATERAL (SELECT kappa.aggregate_combine(a, b, %1$s) AS ab, kappa.aggregate_combine(b, a, %1$s) AS ba,
                                    kappa.aggregate_combine(b, c, %1$s) AS bc) x,
             LATERAL (SELECT kappa.aggregate_combine(ab, c, %1$s) AS ab_c, kappa.aggregate_combine(a, bc, %1$s) AS a_bc) y$q$,
        more, signature, result, CASE WHEN nulls = '' THEN '' ELSE ', ' || nulls END)
        INTO seeds, commutative, associative, whole, "order", empty, final;
    DROP TABLE parts;
END $$;
SELECT signature, args, l.* FROM aggs, LATERAL laws(signature, args, nulls, result) l ORDER BY id;

-- A state from an enemy: every byte changed to every 15th value, every length.
-- Superusers can make one up; the worst that may come of it is an error.
CREATE FUNCTION try(state bytea, signature text, nulls text, result text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    more text := CASE WHEN nulls = '' THEN '' ELSE ', ' || nulls END;
BEGIN
    EXECUTE format('SELECT kappa.aggregate_combine($1::text::kappa.aggregate_state, $1::text::kappa.aggregate_state, %L::regprocedure%s)',
                   signature, more) USING state;
    EXECUTE format('SELECT kappa.aggregate_finalize($1::text::kappa.aggregate_state, %L::regprocedure, NULL::%s%s)',
                   signature, result, more) USING state;
    RETURN 'taken';
EXCEPTION
    WHEN invalid_binary_representation THEN RETURN 'refused';
    WHEN OTHERS THEN
        -- what a type's own input function says, a type that is not there or is another, a sum too large
        IF sqlstate IN ('42704', '42804', '22003', '22P02', '22P03', '22021', '08P01', '22007', '22008', '22023', '0A000', '42883') THEN
            RETURN 'refused';
        END IF;
        RETURN sqlstate || ' ' || sqlerrm;
END $$;
CREATE FUNCTION state_of(signature text, args text) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    form text := kappa.partial_aggregate(signature::regprocedure)::regproc::text;
    state text;
BEGIN
    EXECUTE format('SELECT %s(%s)::text FROM data WHERE seed = 5 AND t IS NOT NULL', form, args) INTO state;
    RETURN state::bytea;
END $$;
CREATE TEMP TABLE states AS SELECT id, signature, nulls, result, state_of(signature, args) AS b FROM aggs WHERE signature NOT LIKE 'count_min(anyelement)';
-- The first 16 bytes are not the state's: they name the aggregate.
SELECT id, signature, array_agg(DISTINCT try(set_byte(b, at, value), signature, nulls, result)) AS changed
FROM states, generate_series(16, least(length(b), 160) - 1) at, generate_series(0, 255, 15) value
GROUP BY 1, 2 ORDER BY 1;
SELECT id, signature, array_agg(DISTINCT try(substr(b, 1, len), signature, nulls, result)) AS shortened,
       try(b || '\x00', signature, nulls, result) AS lengthened, try(b, signature, nulls, result) AS unchanged
FROM states, generate_series(16, length(b) - 1) len GROUP BY id, signature, nulls, result, b ORDER BY 1;
-- No count is believed that the bytes are not there for.
SELECT signature, try(substr(b, 1, 17) || decode(repeat('ff', 9) || '01', 'hex'), signature, nulls, result) FROM states ORDER BY id;

-- Only superusers can do that, and nobody can call the functions underneath.
CREATE ROLE kappa_types_user;
SET ROLE kappa_types_user;
SELECT '\x00'::kappa.aggregate_state;
RESET ROLE;
DROP ROLE kappa_types_user;

-- Everything is documented, and safe in parallel queries.
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
WHERE p.proname ~ 'top_k|percentile|sample|latest|earliest|count_min|frequency|linear_fit|slope|intercept|^r2|predict|poisson'
    AND p.pronamespace <> 'kappa_state'::regnamespace
    AND (obj_description(p.oid, 'pg_proc') IS NULL OR p.proparallel <> 's');
DROP FUNCTION laws, try, state_of;
DROP EXTENSION pg_kappa CASCADE;
DROP TABLE data, aggs, states;
DROP TYPE pair, mood;
