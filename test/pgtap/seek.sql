-- Conditions on partition, offset and timestamp become seeks, and change no answer.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA seek;
SET search_path = seek, public;
SET client_min_messages = warning;
SET timezone = 'UTC';

\! topic create seek 3
\! seq 1 3000 | awk '{print $1 % 3 ":{\"n\":" $1 "}"}' | kcat -P -b $KAPPA_BROKER -t seek -K :
CREATE SERVER seek FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE messages (
    n int,
    p int          OPTIONS (metadata 'partition'),
    o bigint       OPTIONS (metadata 'offset'),
    ts timestamptz OPTIONS (metadata 'timestamp')
) SERVER seek OPTIONS (topic 'seek');
CREATE TABLE copy AS SELECT * FROM messages;
SELECT is((SELECT count(*) FROM copy), 3000::bigint, 'what the answers are compared with');
SELECT max(ts) AS last, max(ts) + interval '1 ms' AS after, min(ts) AS first FROM copy \gset
\! seq 3001 3100 | awk '{print "{\"n\":" $1 "}"}' | kcat -P -b $KAPPA_BROKER -t seek
INSERT INTO copy SELECT * FROM messages WHERE n > 3000;

-- what EXPLAIN says, and EXPLAIN ANALYZE
CREATE FUNCTION explained(query text, options text DEFAULT 'COSTS OFF') RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE format('EXPLAIN (FORMAT json, %s) %s', options, query) INTO plan;
    RETURN plan;
END $$;
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE sql AS $$
    SELECT jsonb_path_query_first(explained(query), 'strict $.**.Seek') #>> '{}'
$$;
-- EXPLAIN does not wait for the broker longer than a second, nor does it ask again for a while then
CREATE FUNCTION offsets(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    FOR i IN 1 .. 600 LOOP
        result := explained(query) #>> '{0,Plan,Offsets}';
        EXIT WHEN result IS NOT NULL;
        PERFORM pg_sleep(0.1);
    END LOOP;
    RETURN result;
END $$;
CREATE FUNCTION executed(query text, property text) RETURNS text LANGUAGE sql AS $$
    SELECT jsonb_path_query_first(explained(query, 'ANALYZE, COSTS OFF, TIMING OFF'), ('strict $.**."' || property || '"')::jsonpath) #>> '{}'
$$;
CREATE FUNCTION same(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    result boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS ((SELECT * FROM copy WHERE %1$s EXCEPT ALL SELECT * FROM messages WHERE %1$s)
        UNION ALL (SELECT * FROM messages WHERE %1$s EXCEPT ALL SELECT * FROM copy WHERE %1$s))', condition) INTO result;
    RETURN result;
END $$;

CREATE FUNCTION five() RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN 5; END';
CREATE FUNCTION nobody() RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION no_numbers() RETURNS int[] STABLE LANGUAGE plpgsql AS $$BEGIN RETURN '{}'; END$$;
SET seek.tenant = 1;

CREATE TABLE cases (condition text, seek text);
INSERT INTO cases VALUES
    ('p = 1', 'partition = 1'),
    ('1 = p', 'partition = 1'),
    ('p > 0', 'partition >= 1'),
    ('p < 2 AND p >= 1', 'partition = 1'),
    ('p = 7', 'partition = 7'),
    ('p > 1 AND p < 1', 'partition >= 2, partition <= 0'),
    ('o >= 10', 'offset >= 10'),
    ('10 > o', 'offset <= 9'),
    ('o = 5 AND p = 0', 'partition = 0, offset = 5'),
    ('o BETWEEN 3 AND 8', 'offset >= 3, offset <= 8'),
    ('o < 0', 'offset <= -1'),
    ('o > -5', 'offset >= -4'),
    ('o > 100000', 'offset >= 100001'),
    ('o > 9223372036854775806', 'offset = 9223372036854775807'),
    ('o < 3 OR p = 1', NULL),
    ('o + 1 = 5', NULL),
    ('n = 5', NULL),
    ('o = n', NULL),
    (format('ts >= %L', :'after'), 'timestamp >= ' || :'after'),
    (format('ts > %L AND o > 2', :'last'), 'offset >= 3, timestamp >= ' || :'last'),
    (format('ts < %L', :'last'), NULL),
    ('ts >= ''1960-01-01''', 'timestamp >= 1960-01-01 00:00:00+00'),
    ('ts >= ''2100-01-01''', 'timestamp >= 2100-01-01 00:00:00+00'),
    -- sets
    ('p IN (0, 2)', 'partition in (0, 2)'),
    ('p = ANY (ARRAY[2, NULL, 0, 2])', 'partition in (0, 2)'),
    ('p IN (0, 1, 2) AND p > 0', 'partition in (1, 2)'),
    ('p IN (1, 2) AND p IN (2, 3)', 'partition = 2'),
    ('p IN (0, 1) AND p IN (2, 3)', 'nothing'),
    ('p IN (0, 2) AND p > 0', 'partition = 2'),
    ('p IN (0, 2000000000, -1)', 'partition in (-1, 0, 2000000000)'),
    ('p = ANY (ARRAY[NULL, NULL]::int[])', 'nothing'),
    ('p = ANY (no_numbers())', 'nothing'),
    ('o IN (5, 9, 7)', 'offset >= 5, offset <= 9'),
    ('o = ANY (''{{5,9},{7,11}}''::int[])', 'offset >= 5, offset <= 11'),
    ('p <> ALL (''{0,2}'')', NULL),
    ('o > ALL (''{0,2}'')', NULL),
    -- other types, and the edges of types
    ('o >= 2::smallint', 'offset >= 2'),
    ('p = 1::bigint AND p::bigint = 1', 'partition = 1'),
    ('o > 9223372036854775807', 'nothing'),
    ('o < (-9223372036854775808)', 'nothing'),
    ('o >= (-9223372036854775808) AND o <= 9223372036854775807', NULL),
    ('o >= 4.5', NULL),
    ('ts > timestamp ''2026-01-01''', 'timestamp >= 2026-01-01 00:00:00+00'),
    ('ts >= date ''2026-01-01''', 'timestamp >= 2026-01-01 00:00:00+00'),
    ('date ''2026-01-01'' < ts', 'timestamp >= 2026-01-01 00:00:00+00'),
    ('ts >= date ''5874897-12-31''', 'timestamp >= infinity'),
    ('ts < date ''5874897-12-31''', NULL),
    ('ts >= ''infinity''', 'timestamp >= infinity'),
    ('ts >= ''-infinity''', NULL),
    ('ts <= ''-infinity''', NULL),
    ('ts >= ''294276-12-31''', 'timestamp >= 294276-12-31 00:00:00+00'),
    ('ts >= ''4713-01-01 BC''', 'timestamp >= 4713-01-01 00:00:00+00 BC'),
    (format('ts = %L', :'last'), 'timestamp >= ' || :'last'),
    (format('ts IN (%L, %L)', :'last', :'after'), 'timestamp >= ' || :'last'),
    (format('ts BETWEEN %L AND %L', :'last', :'after'), 'timestamp >= ' || :'last'),
    -- known when the scan begins
    ('o <= five()', 'offset <= 5'),
    ('o <= five() - 1 AND p = length(''ab'')', 'partition = 2, offset <= 4'),
    ('o >= nobody()', 'nothing'),
    ('p = current_setting(''seek.tenant'')::int', 'partition = 1'),
    -- no seeks
    ('(p, o) > (1, 5)', NULL),
    ('NOT p = 1', NULL),
    ('p IS NOT NULL', NULL),
    ('o >= (random() * 0)::int', NULL),
    ('o IS NOT DISTINCT FROM 5', NULL);
SELECT is(plan('SELECT * FROM messages WHERE ' || condition), seek, 'plan: ' || condition) FROM cases;
SELECT ok(same(condition), 'answer: ' || condition) FROM cases;

-- a function that lies, one that fails, one that must not be called
CREATE FUNCTION lie() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT (random() * 1000)::bigint';
CREATE FUNCTION fail() RETURNS int STABLE LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'KAPPA'; END$$;
CREATE FUNCTION secret() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION secret() FROM PUBLIC;
SELECT lives_ok('SELECT count(*) FROM messages WHERE o > lie()', 'STABLE, it says');
SELECT throws_ok('SELECT * FROM messages WHERE p = fail()', 'KAPPA', 'no', 'a value that cannot be had');
SELECT throws_ok('SELECT * FROM messages WHERE p = (SELECT fail())', 'KAPPA', 'no', 'when the scan begins');
CREATE ROLE seek_reader;
GRANT USAGE ON SCHEMA seek TO seek_reader;
GRANT SELECT ON messages TO seek_reader;
SET ROLE seek_reader;
SELECT throws_ok('SELECT * FROM messages WHERE p = secret()', '42501', NULL, 'a function that is not for everybody');
RESET ROLE;

-- what is read
SELECT is(executed('SELECT * FROM messages', 'Messages Read'), '3100', 'all of it');
SELECT is(executed('SELECT * FROM messages WHERE p IN (0, 2) AND o < 10', 'Messages Read'),
    (SELECT count(*)::text FROM copy WHERE p IN (0, 2) AND o < 10), 'two partitions, ten offsets');
SELECT is(executed('SELECT * FROM messages WHERE ts >= now() + ''1 day''', 'Messages Read'), '0', 'the future');
SELECT is(executed('SELECT * FROM messages WHERE ts >= now() - interval ''1 hour''', 'Messages Read'), '3100', 'the last hour');
SELECT matches(plan('SELECT * FROM messages WHERE ts >= now() - interval ''1 hour'''), '^timestamp >= 20..-..-..',
    'and the plan says since when');
SELECT is(executed(format('SELECT * FROM messages WHERE ts >= %L AND n > 0', :'after'), 'Messages Read'), '100', 'what is new');
SELECT is(offsets('SELECT * FROM messages WHERE o < 10'),
    (SELECT format('%s in %s partitions (%s)', sum(c), count(*), string_agg(format('%s: 0 to 9', p), ', ' ORDER BY p))
        FROM (SELECT p, count(*) AS c FROM copy WHERE o < 10 GROUP BY p) x), 'the offsets to be read');

-- known only when it is executed
SELECT matches(plan('SELECT * FROM messages WHERE p = (SELECT min(p) FROM copy)'), '^partition = [$(]', 'a subquery: its name');
SELECT matches(offsets('SELECT * FROM messages WHERE p = (SELECT min(p) FROM copy)'), '^at most 3100 ',
    'and an upper bound');
SELECT is(executed('SELECT * FROM messages WHERE p = (SELECT min(p) FROM copy)', 'Seek'),
    'partition = ' || (SELECT min(p) FROM copy), 'its value');
SELECT is(executed('SELECT * FROM messages WHERE p = (SELECT min(p) FROM copy)', 'Messages Read'),
    (SELECT count(*)::text FROM copy WHERE p = (SELECT min(p) FROM copy)), 'and no more is read');
SELECT is(executed('SELECT * FROM messages WHERE o > (SELECT n FROM copy WHERE false)', 'Seek'), 'nothing', 'no value');
SELECT ok(same('p = (SELECT max(p) FROM copy) AND o < (SELECT 7)'), 'the rows by subqueries');
SELECT ok(same('CASE WHEN p = (SELECT 1) THEN o < 5 ELSE o = ANY (ARRAY(SELECT generate_series(8, 9))) END'), 'within others');
SELECT ok(same('o = ANY (ARRAY(SELECT generate_series(8, 9)))'), 'an array');
SELECT ok(same('o IN (SELECT generate_series(8, 9))'), 'a set');

-- parameters
SET plan_cache_mode = force_generic_plan;
PREPARE stretch(bigint, int[]) AS SELECT count(*) FROM messages WHERE "o" > $1 AND p = ANY ($2);
SELECT is(plan('EXECUTE stretch(5, ''{1,2}'')'), 'partition in (1, 2), offset >= 6', 'a generic plan, with values');
EXECUTE stretch(5, '{1,2}') \gset a_
EXECUTE stretch(500, '{1}') \gset b_
EXECUTE stretch(NULL, '{1}') \gset c_
EXECUTE stretch(3, NULL) \gset d_
SELECT is(:a_count::bigint, (SELECT count(*) FROM copy WHERE o > 5 AND p IN (1, 2)), 'executed');
SELECT is(:b_count::bigint, (SELECT count(*) FROM copy WHERE o > 500 AND p = 1), 'with others');
SELECT is(ARRAY[:c_count, :d_count]::bigint[], '{0,0}', 'with null');
PREPARE since(interval) AS SELECT count(*) FROM messages WHERE ts >= now() - $1;
EXECUTE since('1 day') \gset a_
EXECUTE since('-1 day') \gset b_
SELECT is(ARRAY[:a_count, :b_count]::bigint[], '{3100,0}', 'a time');
DO $$
DECLARE
    upper bigint := 4;
    counted bigint;
BEGIN
    SELECT count(*) INTO counted FROM messages WHERE o <= upper AND p = upper - 3;
    PERFORM set_config('seek.counted', counted::text, false);
END $$;
SELECT is(current_setting('seek.counted')::bigint, (SELECT count(*) FROM copy WHERE o <= 4 AND p = 1), 'a variable of PL/pgSQL');
RESET plan_cache_mode;

-- through a view with a barrier: its condition is a seek, too, and rows behind it stay there
CREATE TABLE seen (n int);
CREATE FUNCTION peek(int) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES ($1); RETURN true; END';
CREATE VIEW mine WITH (security_barrier) AS SELECT * FROM messages WHERE p = current_setting('seek.tenant')::int;
SELECT is(plan('SELECT * FROM mine WHERE o > five() AND peek(n)'), 'partition = 1, offset >= 6', 'seeks of the view and the query');
SELECT is((SELECT count(*) FROM mine WHERE o > five() AND peek(n)), (SELECT count(*) FROM copy WHERE p = 1 AND o > 5), 'its rows');
SELECT set_eq('SELECT n FROM seen', 'SELECT n FROM copy WHERE p = 1 AND o > 5', 'nothing else was seen');

SELECT * FROM finish();
DROP SCHEMA seek CASCADE;
DROP SERVER seek;
DROP ROLE seek_reader;
