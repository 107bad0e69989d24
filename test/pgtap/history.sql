-- A plain SELECT reads the topic as a batch: from the first retained message to the last stable end.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA history;
SET search_path = history, public;
SET client_min_messages = warning;

\! topic create history 3
\! topic create history_empty 2
\! topic create history_bad 1
\! seq 1 20000 | awk '{print $1 % 7 ":{\"n\":" $1 ",\"s\":\"s" $1 % 10 "\"}"}' | kcat -P -b $KAPPA_BROKER -t history -K : -H origin=test
\! printf '{"n":1}\n{"n":"two"}\n{"n":3}\nno json\n{"n":5}\n' | kcat -P -b $KAPPA_BROKER -t history_bad

CREATE SERVER history FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE numbers (
    n int, s text,
    k int             OPTIONS (metadata 'key'),
    p int             OPTIONS (metadata 'partition'),
    o bigint          OPTIONS (metadata 'offset'),
    t text            OPTIONS (metadata 'topic'),
    ts timestamptz    OPTIONS (metadata 'timestamp'),
    h jsonb           OPTIONS (metadata 'headers')
) SERVER history OPTIONS (topic 'history');

-- the whole of it, and what metadata says
SELECT results_eq('SELECT count(*), sum(n), min(n), max(n) FROM numbers',
    'VALUES (20000::bigint, 200010000::bigint, 1, 20000)', 'every message, once');
SELECT results_eq('SELECT s, count(*) FROM numbers GROUP BY s ORDER BY s',
    $$SELECT 's' || i, 2000::bigint FROM generate_series(0, 9) i$$, 'grouped');
SELECT is_empty('SELECT * FROM numbers WHERE k <> n % 7 OR t <> ''history'' OR h <> ''[{"key": "origin", "value": "test"}]''
    OR ts NOT BETWEEN now() - interval ''1 hour'' AND now()', 'key, topic, headers and timestamp');
SELECT is_empty('SELECT p FROM numbers GROUP BY p HAVING min(o) <> 0 OR max(o) + 1 <> count(*)', 'offsets without gaps');
SELECT is_empty('SELECT 1 FROM (SELECT n, lag(n) OVER (PARTITION BY p ORDER BY o) AS before FROM numbers) x WHERE before > n',
    'the order of each partition');

-- parts of it
SELECT is((SELECT count(*) FROM (SELECT * FROM numbers LIMIT 7) x), 7::bigint, 'LIMIT');
SELECT is((SELECT count(*) FROM numbers a JOIN numbers b USING (n)), 20000::bigint, 'joined with itself');
BEGIN;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off; SET LOCAL enable_memoize = off;
SELECT is((SELECT count(*) FROM generate_series(1, 3) i, LATERAL (SELECT n FROM numbers WHERE n % 1000 = i OFFSET 0) x),
    60::bigint, 'scanned again');
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM numbers WHERE p = 0;
MOVE 10 FROM c;
SAVEPOINT s;
DECLARE d CURSOR FOR SELECT n FROM numbers;
MOVE 1 FROM d;
ROLLBACK TO s;
MOVE 10 FROM c;
SELECT is((SELECT count(*) FROM numbers), 20000::bigint, 'beside cursors, one of them rolled back');
COMMIT;

-- nothing there
CREATE FOREIGN TABLE nothing (n int) SERVER history OPTIONS (topic 'history_empty');
SELECT is((SELECT count(*) FROM nothing), 0::bigint, 'an empty topic');
CREATE FOREIGN TABLE missing (n int) SERVER history OPTIONS (topic 'history_missing');
SELECT throws_ok('SELECT * FROM missing', '42704', 'Kafka topic "history_missing" does not exist', 'a missing topic');
SELECT throws_ok('SELECT * FROM missing', '42704', NULL, 'and asking has not created it');
CREATE SERVER history_away FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:9');
CREATE FOREIGN TABLE away (n int) SERVER history_away OPTIONS (topic 'history');
SELECT lives_ok('EXPLAIN SELECT * FROM away', 'EXPLAIN does without a broker');
SET statement_timeout = '2s';
SELECT ok(is_cancelled('SELECT * FROM away'), 'waiting for a broker can be cancelled');
RESET statement_timeout;
SELECT throws_like('SELECT * FROM away', '%could not read Kafka topic "history"%', 'a broker that is away');

-- bad messages
CREATE FOREIGN TABLE bad (n int) SERVER history OPTIONS (topic 'history_bad');
CREATE FUNCTION error_context(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    context text;
BEGIN
    EXECUTE query;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN context;
END $$;
SELECT matches(error_context('SELECT sum(n) FROM bad'),
    'stream history.bad, topic "history_bad", partition 0, offset 1', 'an error says where');
SELECT is((SELECT n FROM bad LIMIT 1), 1, 'what comes before is good');
ALTER FOREIGN TABLE bad OPTIONS (ADD on_error 'ignore');
SELECT is((SELECT sum(n) FROM bad), 9::bigint, 'ignored');
ALTER FOREIGN TABLE bad OPTIONS (ADD reject_limit '2');
SELECT is((SELECT sum(n) FROM bad), 9::bigint, 'as many as reject_limit');
ALTER FOREIGN TABLE bad OPTIONS (SET reject_limit '1');
SELECT throws_like('SELECT sum(n) FROM bad', '%more than reject_limit (1)%', 'more than reject_limit');
CREATE FOREIGN TABLE again (n int, o bigint OPTIONS (metadata 'offset')) SERVER history OPTIONS (topic 'history_bad', on_error 'ignore', reject_limit '1');
SELECT throws_like(format('SELECT (SELECT n FROM again WHERE o = i) FROM generate_series(%s) i', series), '%more than reject_limit (1)%',
    'also when a scan meets them one by one: ' || series) FROM unnest(ARRAY['0, 4', '4, 0, -1']) series;
SELECT lives_ok('SELECT (SELECT count(n) FROM again WHERE o <= i AND o < 2) FROM generate_series(0, 4) i', 'one that it meets again is no other one');
ALTER FOREIGN TABLE again OPTIONS (SET reject_limit '2');
\set notice `psql -Xqd kappa_test -c 'SELECT (SELECT count(n) FROM history.again WHERE o <= i) FROM generate_series(0, 9) i' 2>&1 >$KAPPA_TMP/history`
SELECT is(:'notice'::text, 'NOTICE:  2 messages of stream history.again were ignored because they could not be converted', 'a NOTICE says how many');
CREATE FOREIGN TABLE raw (v bytea OPTIONS (metadata 'value')) SERVER history OPTIONS (topic 'history_bad');
SELECT is((SELECT string_agg(convert_from(v, 'UTF8'), ';') FROM raw), '{"n":1};{"n":"two"};{"n":3};no json;{"n":5}',
    'the value alone is not decoded');

-- a value that takes a subtransaction to convert, while another table is read in parallel
CREATE DOMAIN small AS int CHECK (VALUE < 4);
CREATE FOREIGN TABLE checked (n small, o bigint OPTIONS (metadata 'offset')) SERVER history OPTIONS (topic 'history_bad');
CREATE TABLE filler AS SELECT i AS n FROM generate_series(1, 20000) i;
ANALYZE filler;
SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
CREATE FUNCTION gathers(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan::text LIKE '%"Gather"%';
END $$;
SELECT ok(gathers('SELECT count(*) FROM checked c JOIN filler f ON f.n = c.n::int WHERE c.o = 0'), 'a plan in parallel');
SELECT count(*) AS checked FROM checked c JOIN filler f ON f.n = c.n::int WHERE c.o = 0 \gset
SELECT is(:checked, 1, 'a domain beside it');
RESET max_parallel_workers_per_gather; RESET min_parallel_table_scan_size; RESET parallel_setup_cost; RESET parallel_tuple_cost;

-- retention
\! topic trim history_bad 0 4
SELECT results_eq('SELECT n FROM bad', 'VALUES (5)', 'from the first retained message');

-- what a stream is not
SELECT throws_ok('UPDATE numbers SET n = 1', '0A000', NULL, 'no UPDATE');
SELECT throws_ok('DELETE FROM numbers', '0A000', NULL, 'no DELETE');
SELECT throws_ok('TRUNCATE numbers', '0A000', NULL, 'no TRUNCATE');

SELECT * FROM finish();
DROP SCHEMA history CASCADE;
DROP SERVER history, history_away;
