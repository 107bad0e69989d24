-- Scans that start again, with the same or other parameters; cursors; joins of streams; LIMIT.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA scans;
SET search_path = scans, public;
SET client_min_messages = warning;

\! topic create scans 3
\! topic create scans_long 2
\! topic create scans_wide 1
\! seq 1 3000 | awk '{print $1 % 7 ":{\"n\":" $1 "}"}' | kcat -P -b $KAPPA_BROKER -t scans -K :
\! seq 1 15000 | awk '{print "{\"n\":" $1 "}"}' | kcat -P -b $KAPPA_BROKER -t scans_long -p 0
\! seq 15001 30000 | awk '{print "{\"n\":" $1 "}"}' | kcat -P -b $KAPPA_BROKER -t scans_long -p 1
\! for i in 1 2 3 4 5 6 7 8; do head -c 900000 /dev/zero | tr '\0' x | sed "s/.*/{\"n\":$i,\"s\":\"&\"}/"; echo; done | kcat -P -b $KAPPA_BROKER -t scans_wide -X message.max.bytes=2000000
CREATE SERVER scans FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE short (n int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'),
    ts timestamptz OPTIONS (metadata 'timestamp')) SERVER scans OPTIONS (topic 'scans');
CREATE FOREIGN TABLE long (n int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'),
    ts timestamptz OPTIONS (metadata 'timestamp')) SERVER scans OPTIONS (topic 'scans_long');
CREATE FOREIGN TABLE wide (n int, s text, o bigint OPTIONS (metadata 'offset')) SERVER scans OPTIONS (topic 'scans_wide');
CREATE TABLE short_copy AS SELECT * FROM short;
CREATE TABLE long_copy AS SELECT * FROM long;
SELECT is((SELECT sum(n) FROM short_copy), 4501500::bigint, 'the short topic');
SELECT is((SELECT sum(n) FROM long_copy), 450015000::bigint, 'the long one');

CREATE FUNCTION executed(query text, property text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, FORMAT json, COSTS OFF, TIMING OFF) ' || query INTO plan;
    RETURN jsonb_path_query_first(plan::jsonb, ('strict $.**."' || property || '"')::jsonpath) #>> '{}';
END $$;
-- the same rows from a stream as from its copy, which stands in its place
CREATE FUNCTION same(query text, stream text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    result boolean;
    expected text := replace(query, stream, stream || '_copy');
BEGIN
    EXECUTE format('SELECT NOT EXISTS ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s))', query, expected) INTO result;
    RETURN result;
END $$;

-- other parameters each time
SELECT ok(same('SELECT i, (SELECT sum(n) FROM short WHERE p = i) FROM generate_series(-1, 3) i', 'short'), 'a partition each');
SELECT ok(same('SELECT i, (SELECT sum(n) FROM short WHERE o = i) FROM generate_series(0, 300) i', 'short'), 'an offset each');
SELECT ok(same('SELECT i, (SELECT sum(n) FROM short WHERE o < i AND p <> 1) FROM (VALUES (5), (NULL), (70), (5), (5)) v(i)', 'short'),
    'null, and the same again');
SELECT ok(same('SELECT i, (SELECT sum(n) FROM short WHERE p = ANY (i)) FROM (VALUES (''{0,1}''::int[]), (''{2}''), (''{}''), (NULL)) v(i)',
    'short'), 'sets of partitions');
SELECT ok(same('SELECT x.* FROM generate_series(0, 2) i, LATERAL (SELECT * FROM short WHERE p = i ORDER BY o LIMIT 3) x', 'short'),
    'LIMIT, in order');
SELECT is((SELECT count(*) FROM generate_series(0, 50) i, LATERAL (SELECT * FROM short WHERE o = i LIMIT 1) x), 51::bigint, 'LIMIT');
SELECT is((SELECT count(*) FROM generate_series(0, 2) i, LATERAL (SELECT * FROM long WHERE p = i % 2 LIMIT 10) x), 30::bigint,
    'LIMIT in a topic that is longer than a batch');
SELECT is((SELECT array_agg(x.n) FROM (VALUES (0), (14000), (1)) v(i), LATERAL (SELECT n FROM long WHERE p = 0 AND o >= i LIMIT 1) x), '{1,14001,2}',
    'parts of it that are not read to their ends');
SELECT ok(same('SELECT i, (SELECT sum(n) FROM long WHERE o = i) FROM (VALUES (5), (8000), (NULL), (5), (1000000)) v(i)', 'long'),
    'offsets in a longer topic');
SELECT ok(same('SELECT i, (SELECT sum(n) FROM long WHERE o >= i) FROM (VALUES (8000), (2), (8100)) v(i)', 'long'),
    'ends of a longer topic');
SELECT ok(same('SELECT i, (SELECT count(*) FROM long WHERE ts >= now() - i) FROM (VALUES (interval ''1 day''), (''-1 day''), (''1 day'')) v(i)',
    'long'), 'times');
SELECT ok(same('SELECT i, (SELECT sum(n) FROM long WHERE p = i AND o < 100) FROM generate_series(-1, 2) i', 'long'),
    'a part of a longer topic that fits into a batch');
SELECT is((SELECT array_agg((SELECT n + length(s) FROM wide WHERE o = i)) FROM (VALUES (7), (0), (3), (NULL), (7), (0)) v(i)),
    ARRAY[900008, 900001, 900004, NULL, 900008, 900001], 'messages that do not fit into a batch together');
SELECT is(executed('SELECT (SELECT sum(n) FROM long WHERE o = i) FROM generate_series(10, 14) i', 'Messages Read'), '10',
    'no more is read than each time asks for');
SELECT matches(executed('SELECT (SELECT sum(n) FROM long WHERE o = i) FROM generate_series(10, 14) i', 'Seek'), '^offset = ',
    'of many values, the expression');

-- the same each time
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off;
SELECT is((SELECT count(*) FROM generate_series(0, 2) i JOIN short ON o = i AND p < 5), (SELECT count(*) FROM short_copy WHERE o < 3),
    'a nested loop');
SELECT is((SELECT count(*) FROM generate_series(5, 7) i JOIN long ON o + 0 = i), (SELECT count(*) FROM long_copy WHERE o BETWEEN 5 AND 7),
    'over a longer topic');
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_material; RESET enable_memoize;

-- joins of streams
SELECT is((SELECT count(*) FROM short s JOIN long l USING (n)), 3000::bigint, 'two streams');
SELECT is((SELECT sum(a.n) FROM long a JOIN long b USING (p, o) JOIN short c ON c.n = a.n), 4501500::bigint, 'three, two of them one');
SELECT is((SELECT count(*) FROM long l LEFT JOIN short s ON s.n = l.n AND s.p = 0 WHERE l.o < 1000), 2000::bigint, 'an outer join');
SELECT is((SELECT count(*) FROM short WHERE n IN (SELECT n FROM long WHERE p = 1)),
    (SELECT count(*) FROM short_copy WHERE n IN (SELECT n FROM long_copy WHERE p = 1)), 'a semi-join');
SELECT is((SELECT count(*) FROM (SELECT n FROM short UNION ALL SELECT n FROM long) x), 33000::bigint, 'one after the other');
SELECT is((SELECT count(*) FROM (SELECT 1 FROM short_copy c JOIN short s USING (p, o) WHERE c.n = s.n FOR UPDATE OF c) x), 3000::bigint,
    'rows of a table are locked');

-- what PostgreSQL keeps of a stream's row for a statement that changes or locks rows of a table is what the statement uses
\! topic create scans_rows 1
\! printf '{"n":1,"price":1}\n{"n":2,"price":"much"}\n' | kcat -P -b $KAPPA_BROKER -t scans_rows
CREATE FOREIGN TABLE rows (n int, price int, p int OPTIONS (metadata 'partition')) SERVER scans OPTIONS (topic 'scans_rows');
CREATE TABLE target (id int PRIMARY KEY, x int);
INSERT INTO target VALUES (1, 0), (2, 0);
SELECT lives_ok(q, q) FROM unnest(ARRAY['UPDATE target SET x = x + n FROM rows WHERE id = n', 'UPDATE target SET x = x - n FROM rows WHERE id = n RETURNING n',
    'SELECT x FROM target JOIN rows ON id = n FOR UPDATE', 'MERGE INTO target USING rows ON id = n WHEN MATCHED THEN DO NOTHING']) q;
SELECT throws_ok(q, '22P02', 'column "price": invalid value for type integer', q) FROM unnest(ARRAY['UPDATE target SET x = price FROM rows WHERE id = n',
    'UPDATE target SET x = 0 FROM rows WHERE id = n RETURNING rows', 'SELECT rows FROM target JOIN rows ON id = n FOR UPDATE', 'SELECT x FROM target JOIN rows ON id = n ORDER BY rows FOR UPDATE',
    'SELECT x FROM target JOIN rows ON id = n WHERE rows IS NOT NULL FOR UPDATE', 'SELECT x FROM target JOIN rows ON id = n AND target::text <> rows::text FOR UPDATE']) q;
CREATE TABLE tree (n int, price int, p int) PARTITION BY LIST (p);
ALTER TABLE tree ATTACH PARTITION rows FOR VALUES IN (0);
SELECT lives_ok('UPDATE target SET x = 0 FROM tree WHERE id = n', 'a partition');
SELECT throws_ok('UPDATE target SET x = 0 FROM tree WHERE id = n RETURNING tree', '22P02', NULL, 'the whole row of one');
ALTER TABLE tree DETACH PARTITION rows;
BEGIN;
UPDATE target SET x = 1000 WHERE id = 2;
\! PGAPPNAME=scans_other psql -Xqd kappa_test -c 'UPDATE scans.target SET x = x + n FROM scans.rows WHERE id = n' &
SELECT ok(await($$SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE application_name = 'scans_other'$$), 'it waits');
COMMIT;
SELECT ok(await($$SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'scans_other'$$), 'and goes on');
SELECT results_eq('SELECT id, x FROM target ORDER BY id', 'VALUES (1, 1), (2, 1002)', 'one that waited for another to change a row');

-- a join with few rows by metadata columns seeks, again for each row
CREATE TABLE want (p int, o bigint, n int);
INSERT INTO want VALUES (0, 5, 6), (1, 14999, 30000), (0, 70000, 0), (1, NULL, 0), (NULL, 3, 0), (7, 1, 0), (0, 5, 6);
ANALYZE want;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
-- (as soon as the planner knows something of the topic: it does not wait for the broker longer than a second)
SELECT ok(await($$SELECT executed('SELECT * FROM want JOIN long USING (p, o)', 'Seek') ~ '^partition = .*, offset = '$$), 'by two columns');
SELECT cmp_ok(executed('SELECT * FROM want JOIN long USING (p, o)', 'Messages Read')::int, '<=', 3, 'no more is read than they name');
SELECT ok(same('SELECT want.n, long.n, long.p FROM want JOIN long USING (p, o)', 'long'), 'the rows');
SELECT ok(same('SELECT want.n, long.n, long.p FROM want LEFT JOIN long USING (p, o)', 'long'), 'an outer join');
SELECT ok(same('SELECT want.n, l.n FROM want LEFT JOIN long l ON l.p = want.p AND l.o BETWEEN want.o - 2 AND want.o + 2', 'long'),
    'ranges around them');
SELECT ok(same('SELECT n FROM long WHERE (p, o) IN (SELECT p, o FROM want)', 'long'), 'a semi-join');
SELECT ok(same('SELECT n FROM want WHERE NOT EXISTS (SELECT FROM long WHERE long.p = want.p AND long.o = want.o)', 'long'), 'an anti-join');
SELECT ok(same('SELECT w.n, l.n FROM want w JOIN want v USING (o) JOIN long l ON l.o = w.o AND l.p = v.p', 'long'), 'by columns of two tables');
SELECT ok(same('SELECT w.n, l.n FROM want w JOIN long l ON l.ts >= now() - w.n * interval ''1 hour'' AND l.o = w.o AND w.n < 100', 'long'),
    'times');
SELECT is((SELECT count(*) FROM (SELECT 1 FROM want JOIN long USING (p, o) FOR UPDATE OF want) x), 3::bigint, 'rows of the table are locked');
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_material;
CREATE CONTINUOUS VIEW wanted AS SELECT want.o, count(*) AS c FROM long JOIN want ON want.p = long.p AND want.o = long.o GROUP BY 1;
SELECT kappa.wait('wanted', '60s');
SELECT is_empty($$SELECT * FROM kappa.verify('wanted')$$, 'a view with such a join');
SELECT results_eq('SELECT o, c FROM wanted ORDER BY o', 'VALUES (5::bigint, 2::bigint), (14999, 1)', 'its rows');

-- LIMIT ends a scan early
SELECT cmp_ok(executed('SELECT * FROM long LIMIT 7', 'Messages Read')::int, '<=', 7, 'no message too many');
SELECT is((SELECT count(*) FROM (SELECT * FROM long OFFSET 29990 LIMIT 100) x), 10::bigint, 'OFFSET');
SELECT is((SELECT count(*) FROM (SELECT * FROM long LIMIT 0) x), 0::bigint, 'nothing');

-- cursors
BEGIN;
DECLARE forward CURSOR FOR SELECT o FROM short WHERE p = 1 AND o >= (SELECT 2);
FETCH forward \gset a_
MOVE 10 IN forward;
FETCH forward \gset b_
MOVE FORWARD ALL IN forward;
SELECT is(ARRAY[:a_o, :b_o], ARRAY[2, 13], 'forward');
DECLARE scrolled SCROLL CURSOR FOR SELECT o FROM long WHERE p = 0;
MOVE FORWARD 12000 IN scrolled;
FETCH BACKWARD 1 FROM scrolled \gset a_
FETCH ABSOLUTE 5 FROM scrolled \gset b_
FETCH RELATIVE 2 FROM scrolled \gset c_
MOVE LAST IN scrolled;
FETCH PRIOR FROM scrolled \gset d_
FETCH FIRST FROM scrolled \gset e_
SELECT is(ARRAY[:a_o, :b_o, :c_o, :d_o, :e_o],
    ARRAY[11998, 4, 6, 14998, 0], 'in both directions');
DECLARE held CURSOR WITH HOLD FOR SELECT sum(n) OVER (ORDER BY o) AS s FROM short WHERE p = 1;
FETCH held \gset a_
COMMIT;
FETCH held \gset b_
SELECT is(ARRAY[:a_s, :b_s]::int[], (SELECT array_agg(s) FROM (SELECT sum(n) OVER (ORDER BY o)::int AS s FROM short_copy WHERE p = 1 LIMIT 2) x),
    'held beyond its transaction');
CLOSE held;
CREATE ROLE scans_fetcher;
GRANT USAGE ON SCHEMA scans TO scans_fetcher;
CREATE USER MAPPING FOR scans_fetcher SERVER scans OPTIONS (sasl_username 'u', sasl_password 'p');
CREATE FUNCTION opened() RETURNS refcursor LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    result refcursor := 'opened';
BEGIN
    OPEN result FOR SELECT n FROM scans.short WHERE p = 1 AND o = 0;
    RETURN result;
END $$;
SET ROLE scans_fetcher;
BEGIN;
SELECT scans.opened() \g /dev/null
FETCH opened \gset a_
COMMIT;
RESET ROLE;
SELECT is(:a_n, (SELECT n FROM short_copy WHERE p = 1 AND o = 0), 'whoever fetches, the user mapping is that of who opened it');
DROP USER MAPPING FOR scans_fetcher SERVER scans;
CREATE FUNCTION walk() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint := 0;
    r record;
    s bigint;
BEGIN
    FOR r IN SELECT p, max(o) AS o FROM short GROUP BY p LOOP
        SELECT sum(n) INTO s FROM short WHERE p = r.p AND o = r.o;
        result := result + s;
    END LOOP;
    RETURN result;
END $$;
SELECT is(walk(), (SELECT sum(n) FROM short_copy WHERE (p, o) IN (SELECT p, max(o) FROM short_copy GROUP BY p)), 'a loop in PL/pgSQL');

-- the end of a scan is where the log ended when it began
BEGIN;
DECLARE before CURSOR FOR SELECT count(*) OVER () AS c FROM short WHERE o >= 0;
DECLARE during CURSOR FOR SELECT n FROM short;
FETCH during \gset a_
INSERT INTO short (n) SELECT generate_series(3001, 3100);
MOVE FORWARD ALL IN during;
FETCH before \gset b_
SELECT is(:b_c::bigint, 3100::bigint, 'a scan that begins later sees more');
COMMIT;
SELECT is((SELECT count(*) FROM short WHERE n > 3000), 100::bigint, 'as does the next statement');

-- the planner's connection serves the scan, whatever has become of the stream in between
\! topic create scans_headers 1
\! echo '{"n":1}' | kcat -P -b $KAPPA_BROKER -t scans_headers -H from=test
CREATE FOREIGN TABLE changed (n int) SERVER scans OPTIONS (topic 'scans_headers');
BEGIN;
SELECT is_empty('SELECT * FROM changed LIMIT 0', 'planned, and not read');
ALTER FOREIGN TABLE changed ADD COLUMN h jsonb OPTIONS (metadata 'headers');
SELECT results_eq('SELECT n, h::text FROM changed', $$VALUES (1, '[{"key": "from", "value": "test"}]')$$, 'with a column for headers');
SELECT is_empty('SELECT * FROM changed LIMIT 0', 'planned, and not read');
ALTER FOREIGN TABLE changed OPTIONS (SET topic 'scans_wide');
SELECT results_eq('SELECT n, h::text FROM changed WHERE n = 8', 'VALUES (8, NULL::text)', 'with another topic');
ROLLBACK;
SELECT results_eq('SELECT * FROM changed', 'VALUES (1)', 'and as it was');

-- statements end at their time
SET statement_timeout = '2s';
SELECT ok(is_cancelled('SELECT count(*) FROM long a, long b, long c'), 'statement_timeout');
RESET statement_timeout;
SELECT is((SELECT count(*) FROM long), 30000::bigint, 'and the session goes on');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA scans CASCADE;
DROP SERVER scans;
DROP ROLE scans_fetcher;
