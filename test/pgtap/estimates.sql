-- How many rows the planner expects of a stream, and ANALYZE.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA estimates;
SET search_path = estimates, public;
SET client_min_messages = warning;

\! topic create estimates 2
\! topic create estimates_empty 2
\! topic create estimates_holes 1
\! seq 1 4000 | awk '{print "{\"n\":" $1 ",\"g\":" $1 % 40 "}"}' | kcat -P -b $KAPPA_BROKER -t estimates -p 0
\! seq 4001 5000 | awk '{print "{\"n\":" $1 ",\"g\":" $1 % 40 "}"}' | kcat -P -b $KAPPA_BROKER -t estimates -p 1
CREATE SERVER estimates FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE messages (n int, g int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'),
    ts timestamptz OPTIONS (metadata 'timestamp')) SERVER estimates OPTIONS (topic 'estimates');
CREATE FOREIGN TABLE nothing (n int) SERVER estimates OPTIONS (topic 'estimates_empty');
CREATE FOREIGN TABLE missing (n int) SERVER estimates OPTIONS (topic 'estimates_missing');
SELECT max(ts) + interval '1 ms' AS after FROM messages \gset
\! seq 5001 5500 | awk '{print "{\"n\":" $1 ",\"g\":" $1 % 40 "}"}' | kcat -P -b $KAPPA_BROKER -t estimates -p 1

CREATE FUNCTION explained(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan;
END $$;
-- what the planner has learnt is good for some seconds, or until options change
ALTER SERVER estimates OPTIONS (ADD client_id 'estimates');
CREATE FUNCTION forget() RETURNS void SECURITY DEFINER LANGUAGE sql AS $$ ALTER SERVER estimates OPTIONS (SET client_id 'estimates') $$;
-- so is that the broker did not answer, for which it does not wait longer than a second
CREATE FUNCTION expected(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    asked timestamptz;
    plan jsonb;
BEGIN
    LOOP
        asked := clock_timestamp();
        plan := explained(query);
        EXIT WHEN clock_timestamp() < asked + interval '1 second';
        PERFORM forget();
    END LOOP;
    RETURN (plan #>> '{0,Plan,Plan Rows}')::int;
END $$;
CREATE TABLE cases (condition text, low int, high int);
INSERT INTO cases VALUES
    ('true', 5500, 5500),
    ('p = 0', 4000, 4000),
    ('p = 1', 1500, 1500),
    ('p = 7', 1, 1),
    ('p IN (1, 5)', 1500, 1500),
    ('o < 100', 200, 200),
    ('o BETWEEN 1400 AND 1599', 300, 300),
    ('p = 0 AND o >= 3990', 10, 10),
    ('o = 3', 2, 2),
    ('p = 1 AND o = 3', 1, 1),
    (format('ts >= %L', :'after'), 500, 500),
    (format('ts < %L', :'after'), 5000, 5000),
    (format('ts BETWEEN now() - interval ''1 hour'' AND %L', :'after'), 5000, 5000),
    ('ts >= now() - interval ''1 hour''', 5500, 5500),
    ('ts >= now() + interval ''1 hour''', 1, 1),
    ('ts < ''2000-01-01''', 1, 1),
    ('ts >= ''1960-01-01'' AND p = 1', 1500, 1500),
    ('ts < ''infinity''', 5500, 5500),
    -- when values are not known, a share
    ('p = (SELECT 1)', 2750, 2750),
    ('o = (SELECT 1)', 2, 2),
    ('o >= (SELECT 1)', 1000, 4000),
    -- the other conditions are guessed
    ('n = 5 AND p = 0', 1, 400);
SELECT is(expected('SELECT * FROM messages WHERE ' || condition) BETWEEN low AND high, true,
    format('%s: %s rows', condition, expected('SELECT * FROM messages WHERE ' || condition))) FROM cases;
SELECT is(expected('SELECT * FROM nothing'), 1, 'an empty topic');
SELECT lives_ok('EXPLAIN SELECT * FROM missing', 'a topic that does not exist can be planned for');
SELECT throws_ok('SELECT * FROM missing', '42704', NULL, 'not read');
SET plan_cache_mode = force_generic_plan;
PREPARE one(int) AS SELECT * FROM messages WHERE p = $1;
SELECT is(expected('EXECUTE one(0)'), 2750, 'a generic plan');
SET plan_cache_mode = force_custom_plan;
SELECT is(expected('EXECUTE one(0)'), 4000, 'a custom plan');
RESET plan_cache_mode;

-- what a change of options does to what is remembered
SELECT is(expected('SELECT n FROM messages'), 5500, 'before');
ALTER FOREIGN TABLE messages OPTIONS (SET topic 'estimates_empty');
SELECT is(expected('SELECT n FROM messages'), 1, 'another topic');
ALTER FOREIGN TABLE messages OPTIONS (SET topic 'estimates');
SELECT is(expected('SELECT n FROM messages'), 5500, 'and back');

-- planning does not fail for what execution would not meet
CREATE SERVER estimates_refused FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker', receive_message_max_bytes '1000');
CREATE FOREIGN TABLE refused (n int) SERVER estimates_refused OPTIONS (topic 'estimates');
CREATE FUNCTION refusals(tries int) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. tries LOOP
        BEGIN
            EXECUTE 'SELECT * FROM refused';
        EXCEPTION WHEN OTHERS THEN
            RETURN NEXT SQLSTATE;
        END;
    END LOOP;
END $$;
SELECT results_eq('SELECT DISTINCT refusals(100)', $$VALUES ('HV00L')$$, 'many that librdkafka refuses to open, in one transaction');
CREATE FOREIGN TABLE odd (n int) SERVER estimates OPTIONS (topic 'estimates', event_time 'm');
SELECT is_empty('SELECT * FROM odd LIMIT 0', 'never opened');
SELECT throws_ok('SELECT * FROM odd', '42703', NULL, 'opened');

-- rights
CREATE ROLE estimates_reader;
GRANT USAGE ON SCHEMA estimates TO estimates_reader;
SET ROLE estimates_reader;
SELECT throws_ok('SELECT * FROM messages', '42501', NULL, 'no right to read');
RESET ROLE;
GRANT SELECT (n) ON messages TO estimates_reader;
SET ROLE estimates_reader;
SELECT is(expected('SELECT n FROM messages'), 5500, 'the right to read a column');
RESET ROLE;

-- partitions of a table
CREATE TABLE parent (n int, g int) PARTITION BY RANGE (n);
CREATE FOREIGN TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (100000) SERVER estimates OPTIONS (topic 'estimates');
GRANT SELECT ON parent TO estimates_reader;
SET ROLE estimates_reader;
SELECT is(expected('SELECT * FROM parent'), 5500, 'a partition that is a stream');
SELECT is((SELECT count(*) FROM parent), 5500::bigint, 'is read');
RESET ROLE;

-- ANALYZE
SELECT is(expected('SELECT g, count(*) FROM messages GROUP BY g'), 200, 'groups, when nothing is known of them');
ANALYZE messages;
SELECT is(expected('SELECT g, count(*) FROM messages GROUP BY g'), 40, 'after ANALYZE');
SELECT is(expected('SELECT n, count(*) FROM messages GROUP BY n'), 5500, 'as many as messages');
SELECT cmp_ok(expected('SELECT * FROM messages WHERE g = 7 AND p = 0'), '=', 100, 'a condition that is no seek');
SELECT is((SELECT reltuples::int FROM pg_class WHERE oid = 'messages'::regclass), 5500, 'messages');
SELECT is((SELECT string_agg(attname || null_frac, ' ' ORDER BY attname) FROM pg_stats WHERE schemaname = 'estimates' AND tablename = 'messages'),
    'g0 n0 o0 p0 ts0', 'statistics of each column');
ANALYZE parent;
SELECT is((SELECT n_distinct::int FROM pg_stats WHERE schemaname = 'estimates' AND tablename = 'parent' AND attname = 'g' AND inherited), 40,
    'of a table with a stream as its partition');
ANALYZE nothing;
SELECT is((SELECT reltuples::int FROM pg_class WHERE oid = 'nothing'::regclass), 0, 'of an empty topic');
ANALYZE missing;
SELECT is((SELECT reltuples::int FROM pg_class WHERE oid = 'missing'::regclass), -1, 'a missing topic is left out');
ANALYZE odd;
SELECT is((SELECT reltuples::int FROM pg_class WHERE oid = 'odd'::regclass), -1, 'and a stream that cannot be opened');

-- a sample of a longer topic, with holes and bad messages
\! seq 1 20000 | awk '{print $1 % 3 == 0 ? "no json" : "{\"n\":" $1 ",\"g\":" ($1 % 5 == 0 ? "\"x\"" : $1 % 10) "}"}' | kcat -P -b $KAPPA_BROKER -t estimates_holes
\! topic trim estimates_holes 0 2000
CREATE FOREIGN TABLE holes (n int, g int) SERVER estimates OPTIONS (topic 'estimates_holes');
SET default_statistics_target = 10;
ANALYZE holes;
SELECT is((SELECT reltuples::int BETWEEN 11000 AND 13000 FROM pg_class WHERE oid = 'holes'::regclass), true, 'rows are good messages');
SELECT is((SELECT null_frac::numeric BETWEEN 0.1 AND 0.3 FROM pg_stats WHERE schemaname = 'estimates' AND tablename = 'holes' AND attname = 'g'), true,
    'a value that does not convert is null');
SELECT is((SELECT n_distinct::int FROM pg_stats WHERE schemaname = 'estimates' AND tablename = 'holes' AND attname = 'g'), 8, 'of a sample');
SELECT is((SELECT histogram_bounds::text::int[] @> ARRAY[-1] OR (histogram_bounds::text::int[])[1] NOT BETWEEN 2001 AND 6000
    OR (histogram_bounds::text::int[])[11] NOT BETWEEN 16000 AND 20000
    FROM pg_stats WHERE schemaname = 'estimates' AND tablename = 'holes' AND attname = 'n'), false, 'from all over the log');

-- a view's worker says itself what it expects
CREATE CONTINUOUS VIEW groups AS SELECT g, count(*) AS c FROM messages GROUP BY g;
SELECT kappa.wait('groups', '60s');
SELECT is_empty($$SELECT * FROM kappa.verify('groups')$$, 'a view over an analysed stream');
SELECT is((SELECT sum(c)::int FROM groups), 5500, 'its rows');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA estimates CASCADE;
DROP SERVER estimates, estimates_refused;
DROP ROLE estimates_reader;
