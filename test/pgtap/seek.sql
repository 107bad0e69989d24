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

CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json, COSTS OFF) ' || query INTO plan;
    RETURN plan #>> '{0,Plan,Seek}';
END $$;
CREATE FUNCTION same(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    result boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS ((SELECT * FROM copy WHERE %1$s EXCEPT ALL SELECT * FROM messages WHERE %1$s)
        UNION ALL (SELECT * FROM messages WHERE %1$s EXCEPT ALL SELECT * FROM copy WHERE %1$s))', condition) INTO result;
    RETURN result;
END $$;

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
    ('ts >= ''2100-01-01''', 'timestamp >= 2100-01-01 00:00:00+00');
SELECT is(plan('SELECT * FROM messages WHERE ' || condition), seek, 'plan: ' || condition) FROM cases;
SELECT ok(same(condition), 'answer: ' || condition) FROM cases;

SELECT * FROM finish();
DROP SCHEMA seek CASCADE;
DROP SERVER seek;
