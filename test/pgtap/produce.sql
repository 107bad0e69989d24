-- INSERT and COPY FROM: what is written is what is read, by us and by others.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA produce;
SET search_path = produce, public;
\! topic create produce_types 2
\! topic create produce_json 1
\! topic create produce_meta 7
\! topic create produce_many 3
\! topic create produce_copy 3
\! topic create produce_small 1 max.message.bytes=10000
\! topic create produce_compact 1 cleanup.policy=compact
\! topic create produce_part 1
CREATE SERVER produce FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');

-- every type, whatever the settings of who writes
CREATE TYPE mood AS ENUM ('sad', 'o "k"');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE TABLE expected (id int, t text, vc varchar(9), ch char(4), i2 smallint, i4 int, i8 bigint, n numeric, n2 numeric(8,2),
    f4 real, f8 double precision, b boolean, tz timestamptz, ts timestamp, d date, tm time, tmz timetz, iv interval, u uuid, ip inet,
    by bytea, j json, jb jsonb, m mood, p pair, e even, r int4range, ai int[], at text[], an numeric[], az timestamptz[], ab boolean[],
    ap pair[], ae even[], mp tstzmultirange, bi bit varying(9), nm name, ti tid, x "char");
INSERT INTO expected VALUES
    (1, E'q"\\\n\t\b/\u0001é東京 😀', 'nine chrs', 'ab', -32768, -2147483648, -9223372036854775808, 0.1000, -123456.78,
     '-3.4028235e38', 5e-324, true, '2026-01-02 03:04:05.678901+02', '2026-01-02 03:04:05.678901', '2026-01-02', '01:02:03.5',
     '01:02:03.5+05:30', '1 year 2 mons -3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.1.2.3/8', '\x00ff5c', '{"a" : [1.0, "\u00e9"]}',
     '{"a": [1.0, null, {"b": "c"}]}', 'o "k"', '(1,"x, ""y""")', 4, '[1,5)', '{1,NULL,3}', '{{a,"b c"},{NULL,"d\"e\\"}}', '{1.50,NaN}',
     '{2026-01-02 03:04:05+09,infinity}', '{t,f,NULL}', ARRAY[(1, 'a,b')::pair, NULL], '{2,4}', '{[2026-01-01 00:00:00+00,2026-02-01 00:00:00+00)}',
     '10110', 'a name', '(1,2)', 'z'),
    (2, '', '', '', 32767, 2147483647, 9223372036854775807, 'NaN', 0, '3.4028235e38', 1.7976931348623157e308, false, 'infinity', '-infinity',
     'infinity', '24:00:00', '00:00:00-15:59', '-178000000 years', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '::1', '', '[]', '"text"', 'sad', '(,)', 0, 'empty',
     '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '', '', '(0,1)', 'A'),
    (3, 'null', 'true', '1', 0, 0, 0, 'Infinity', 999999.99, 'NaN', 'Infinity', NULL, '294276-12-31 23:59:59.999999+00', '294276-12-31 23:59:59.999999',
     '5874897-12-31', '00:00', '00:00+15:59', '0', NULL, NULL, '\x', '{}', '{}', NULL, NULL, NULL, '(,)', '{{1,2},{3,4}}', '{NULL}', '{-Infinity,1e-20}', NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, '-Infinity', NULL, '-Infinity', '-0', NULL, '4714-11-24 00:00:00+00 BC', '4714-11-24 00:00:00 BC', '4714-11-24 BC', NULL,
     NULL, NULL, NULL, NULL, NULL, '1', '2.50', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{0044-03-15 12:00:00+00 BC}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, repeat('long ', 20000), NULL, NULL, 1, 2, 3, 123456789012345678901234567890.123456789, 0.01, 1e-45, 0.1, true, '1999-12-31 23:59:59.999999+00',
     '1970-01-01', '1970-01-01', '23:59:59.999999', NULL, '1 microsecond', NULL, NULL, NULL, 'true', 'false', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL);
CREATE FOREIGN TABLE types (id int, t text, vc varchar(9), ch char(4), i2 smallint, i4 int, i8 bigint, n numeric, n2 numeric(8,2),
    f4 real, f8 double precision, b boolean, tz timestamptz, ts timestamp, d date, tm time, tmz timetz, iv interval, u uuid, ip inet,
    by bytea, j json, jb jsonb, m mood, p pair, e even, r int4range, ai int[], at text[], an numeric[], az timestamptz[], ab boolean[],
    ap pair[], ae even[], mp tstzmultirange, bi bit varying(9), nm name, ti tid, x "char") SERVER produce OPTIONS (topic 'produce_types');
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Tokyo';
SET IntervalStyle = 'sql_standard';
SET bytea_output = 'escape';
SET extra_float_digits = -10;
INSERT INTO types SELECT * FROM expected;
SELECT is(current_setting('DateStyle') || current_setting('IntervalStyle') || current_setting('bytea_output') || current_setting('extra_float_digits'),
    'SQL, DMYsql_standardescape-10', 'writing leaves settings alone');
RESET DateStyle;
RESET TimeZone;
RESET IntervalStyle;
RESET bytea_output;
RESET extra_float_digits;
SELECT results_eq('SELECT types::text FROM types ORDER BY id', 'SELECT expected::text FROM expected ORDER BY id', 'every type comes back');

-- what others read
CREATE FOREIGN TABLE shapes (id int, n numeric, f float8, price numeric(8,2), at timestamptz, ms timestamptz OPTIONS (unit 'ms'), s timestamp OPTIONS (unit 's'),
    us timestamptz OPTIONS (unit 'us'), city text OPTIONS (path 'place.city'), "floor" int OPTIONS (path 'place.floor'), "a.b" text OPTIONS (path '/x~1y/a.b'),
    "Quo""te" text, ok boolean, lines jsonb, tags text[], place jsonb, sku text OPTIONS (path '/rows/0/sku'), first text OPTIONS (path 'rows.0'))
    SERVER produce OPTIONS (topic 'produce_json');
INSERT INTO shapes (id, n, f, price, at, ms, s, us, city, "floor", "a.b", "Quo""te", ok, lines, tags) VALUES
    (1, 1.50, 0.1, 3, '2026-01-02 03:04:05+02', '2026-01-02 03:04:05.6785Z', '2026-01-02 03:04:05.4', '2026-01-02 03:04:05.678901Z', 'Łódź', 3, 'c', 'd', true,
     '[{"sku": 1.0}]', '{a,"b,c"}');
INSERT INTO shapes (id, "floor") VALUES (2, 4);
INSERT INTO shapes (id, ms, s) VALUES (3, 'infinity', '1969-12-31 23:59:58.5');
INSERT INTO shapes (id, place) VALUES (4, '{"city": "Oslo"}');
INSERT INTO shapes (id) VALUES (NULL);
\! kcat -C -m 60 -e -q -b $KAPPA_BROKER -t produce_json > $KAPPA_TMP/produce_json
\set lines `cat $KAPPA_TMP/produce_json`
SELECT is(E'\n' || :'lines', $$
{"id":1,"n":1.50,"f":0.1,"price":3.00,"at":"2026-01-02T01:04:05+00:00","ms":1767323045679,"s":1767323045,"us":1767323045678901,"place":{"city":"Łódź","floor":3},"x/y":{"a.b":"c"},"Quo\"te":"d","ok":true,"lines":[{"sku": 1.0}],"tags":["a","b,c"]}
{"id":2,"place":{"floor":4}}
{"id":3,"ms":"infinity","s":-2}
{"id":4,"place":{"city": "Oslo"}}
{}$$, 'the messages, byte for byte');
SELECT results_eq('SELECT id, "floor", city FROM shapes WHERE id IN (1, 2, 4) ORDER BY id', $$VALUES (1, 3, 'Łódź'), (2, 4, NULL), (4, NULL, 'Oslo')$$, 'nested values come back');
SELECT throws_ok($$INSERT INTO shapes (id, city, place) VALUES (5, 'Rome', '{}')$$, 'HV000', 'two columns of stream produce.shapes give "place"', 'two columns for one place');
SELECT throws_ok($$INSERT INTO shapes (sku) VALUES ('x')$$, '0A000', 'cannot insert into column "sku" of stream produce.shapes', 'a position in an array');
SELECT throws_ok($$INSERT INTO shapes (first) VALUES ('x')$$, '0A000', NULL, 'also with dots');

-- keys, partitions, headers, timestamps
CREATE FOREIGN TABLE meta (n int, key text OPTIONS (metadata 'key'), part int OPTIONS (metadata 'partition'), headers jsonb OPTIONS (metadata 'headers'),
    at timestamptz OPTIONS (metadata 'timestamp'), topic text OPTIONS (metadata 'topic'), "offset" bigint OPTIONS (metadata 'offset'), whole bytea OPTIONS (metadata 'value'))
    SERVER produce OPTIONS (topic 'produce_meta');
-- org.apache.kafka.common.utils.Utils: toPositive(murmur2(key)) % 7
CREATE TABLE vectors (key text, part int);
INSERT INTO vectors VALUES ('', 2), ('a', 5), ('ab', 0), ('abc', 4), ('abcd', 5), ('key-1', 5), ('key-2', 4), ('machine 17', 0), ('21', 3), ('foobar', 0),
    ('Łódź', 5), ('東京', 2), ('a-little-bit-long-string', 1), ('a-little-bit-longer-string', 0);
INSERT INTO meta (key) SELECT key FROM vectors;
SELECT set_eq('SELECT key, part FROM meta', 'SELECT key, part FROM vectors', 'partitions are those of Java''s clients');
CREATE FOREIGN TABLE byte_keys (n int, key bytea OPTIONS (metadata 'key'), part int OPTIONS (metadata 'partition')) SERVER produce OPTIONS (topic 'produce_meta');
INSERT INTO byte_keys (n, key) VALUES (1, '\xff00800102');
CREATE FOREIGN TABLE number_keys (n int, key bigint OPTIONS (metadata 'key'), part int OPTIONS (metadata 'partition')) SERVER produce OPTIONS (topic 'produce_meta');
INSERT INTO number_keys VALUES (2, 21, NULL), (3, 21, 6), (4, NULL, 5);
SELECT results_eq('SELECT n, key, part FROM byte_keys WHERE n IS NOT NULL ORDER BY n',
    $$VALUES (1, '\xff00800102'::bytea, 4), (2, '21', 3), (3, '21', 6), (4, NULL, 5)$$, 'keys of other types; a partition of one''s own');
CREATE DOMAIN bytes AS bytea;
CREATE DOMAIN doc AS jsonb;
CREATE FOREIGN TABLE domain_keys (n int, key bytes OPTIONS (metadata 'key'), part bigint OPTIONS (metadata 'partition')) SERVER produce OPTIONS (topic 'produce_meta', on_error 'ignore');
CREATE FOREIGN TABLE doc_keys (n int, key doc OPTIONS (metadata 'key')) SERVER produce OPTIONS (topic 'produce_meta', on_error 'ignore');
INSERT INTO domain_keys VALUES (11, '\x00ff5c78'), (12, '\x'), (13, NULL);
INSERT INTO doc_keys VALUES (14, '{"a": [1.50, "\\x"]}'), (15, '"x"');
SELECT results_eq('SELECT n, key::bytea FROM domain_keys WHERE n BETWEEN 11 AND 13 ORDER BY n', $$VALUES (11, '\x00ff5c78'::bytea), (12, '\x'), (13, NULL)$$, 'keys of a domain over bytea');
SELECT results_eq('SELECT n, key::jsonb FROM doc_keys WHERE n IN (14, 15) ORDER BY n', $$VALUES (14, '{"a": [1.50, "\\x"]}'::jsonb), (15, '"x"')$$, 'and over jsonb');
CREATE DOMAIN number AS int;
CREATE FOREIGN TABLE domain_part (n int, part number OPTIONS (metadata 'partition')) SERVER produce OPTIONS (topic 'produce_meta');
SELECT throws_ok(q, 'HV004', 'column "part" must be of type integer to take this metadata', 'no partition of a domain: ' || q)
    FROM unnest(ARRAY['SELECT part FROM domain_part', 'INSERT INTO domain_part (n) VALUES (1)']) q;
SELECT throws_ok('INSERT INTO domain_keys (part) VALUES (4294967296)', '22003', NULL, 'no partition has such a number');
SET TimeZone = 'America/New_York';
CREATE FOREIGN TABLE time_keys (n int, key timestamptz OPTIONS (metadata 'key')) SERVER produce OPTIONS (topic 'produce_meta');
INSERT INTO time_keys VALUES (5, '2026-01-01 00:00:00+00');
RESET TimeZone;
CREATE DOMAIN day AS timestamptz(0) CHECK (VALUE >= '2000-01-01 00:00Z');
CREATE FOREIGN TABLE unit_keys (n int, key timestamptz OPTIONS (metadata 'key', unit 'ms'), at day OPTIONS (unit 'ms'), local timestamp OPTIONS (unit 's'))
    SERVER produce OPTIONS (topic 'produce_meta', on_error 'ignore');
INSERT INTO unit_keys VALUES (16, '2026-01-01 00:00:00.5+00', '2026-01-01 00:00:01.6+00', '2026-01-01 00:00:01'), (17, 'infinity', 'infinity', '-infinity'), (18, NULL, NULL, NULL);
SELECT results_eq('SELECT n, key FROM byte_keys WHERE n IN (16, 17) ORDER BY n', $$VALUES (16, '1767225600500'::bytea), (17, 'infinity')$$, 'a key with a unit');
SELECT results_eq('SELECT n, key, at::timestamptz, local FROM unit_keys WHERE n BETWEEN 16 AND 18 ORDER BY n', $$VALUES (16, '2026-01-01 00:00:00.5+00'::timestamptz, '2026-01-01 00:00:02+00'::timestamptz, '2026-01-01 00:00:01'::timestamp),
    (17, 'infinity', 'infinity', '-infinity'), (18, NULL, NULL, NULL)$$, 'is read back, and so is a domain with one');
SELECT is((SELECT key FROM byte_keys WHERE n = 5), '2026-01-01T00:00:00+00:00', 'a key is the same text for everybody');
CREATE FOREIGN TABLE field_keys (n int, id int OPTIONS (metadata 'key', path 'id'), city text OPTIONS (metadata 'key', path 'place.city'), key text OPTIONS (metadata 'key'))
    SERVER produce OPTIONS (topic 'produce_meta');
INSERT INTO field_keys (n, id, city) VALUES (6, 1, 'Oslo'), (7, NULL, NULL);
SELECT results_eq('SELECT n, key FROM byte_keys WHERE n IN (6, 7) ORDER BY n', $$VALUES (6, '{"id":1,"place":{"city":"Oslo"}}'::bytea), (7, NULL)$$, 'a key made of fields');
SELECT throws_ok($$INSERT INTO field_keys (id, key) VALUES (1, 'k')$$, 'HV000', 'two columns of stream produce.field_keys give the message''s key', 'two keys');
INSERT INTO meta (n, headers, at) VALUES
    (8, '[{"key": "a", "value": "b"}, {"key": "a", "value": null}, {"key": "bin", "value": "\\x00ff"}, {"key": "text", "value": "\\x41"}, {"key": "é", "value": ""}]', '2020-02-02 02:02:02.5678Z'),
    (9, '{"one": 1, "two": {"x": [true]}}', NULL), (10, '[]', '1970-01-01 00:00:00.001Z');
SELECT is((SELECT headers FROM meta WHERE n = 8), '[{"key": "a", "value": "b"}, {"key": "a", "value": null}, {"key": "bin", "value": "\\x00ff"}, {"key": "text", "value": "\\x41"}, {"key": "é", "value": ""}]'::jsonb,
    'headers come back');
SELECT is((SELECT headers FROM meta WHERE n = 9), '[{"key": "one", "value": "1"}, {"key": "two", "value": "{\"x\": [true]}"}]'::jsonb, 'an object as headers');
SELECT results_eq('SELECT at, headers IS NULL FROM meta WHERE n IN (8, 10) ORDER BY n', $$VALUES ('2020-02-02 02:02:02.567Z'::timestamptz, false), ('1970-01-01 00:00:00.001Z', true)$$, 'timestamps come back, in milliseconds');
SELECT ok((SELECT at > now() - interval '1 hour' FROM meta WHERE n = 9), 'without one it is now');
\! topic create produce_future 1 message.timestamp.after.max.ms=9223372036854775807
CREATE FOREIGN TABLE future (n int, at timestamptz OPTIONS (metadata 'timestamp')) SERVER produce OPTIONS (topic 'produce_future');
INSERT INTO future VALUES (1, '294276-12-31 23:59:59.999Z');
SELECT results_eq($$SELECT at FROM future WHERE at >= '294276-12-31 23:59:59.999Z'$$, $$VALUES ('294276-12-31 23:59:59.999Z'::timestamptz)$$, 'the last one');
\! kcat -C -m 60 -e -q -b $KAPPA_BROKER -t produce_meta -f '%h %T %s\n' | grep '"n":8' > $KAPPA_TMP/produce_meta
\set line `cat $KAPPA_TMP/produce_meta`
SELECT matches(:'line'::text, 'a=b,a=NULL,bin=.*,text=\\x41,é= 1580608922567 {"n":8}', 'as others read them');
SELECT throws_ok($$INSERT INTO meta (headers) VALUES ('1')$$, '22023', NULL, 'no headers');
SELECT throws_ok($$INSERT INTO meta (headers) VALUES ('["x"]')$$, '22023', NULL, 'no header');
SELECT throws_ok($$INSERT INTO meta (headers) VALUES ('[{"value": "x"}]')$$, '22023', NULL, 'no name of a header');
SELECT throws_ok($$INSERT INTO meta (headers) VALUES ('{"\\x00ff": 1}')$$, '22023', 'name of a header of a message must not hold a zero byte', 'a name that librdkafka would cut off');
SELECT throws_ok('INSERT INTO meta (part) VALUES (7)', '22003', 'partition 7 of Kafka topic "produce_meta" does not exist', 'no such partition');
SELECT throws_ok('INSERT INTO meta (part) VALUES (-1)', '22003', NULL, 'nor that one');
SELECT throws_ok($$INSERT INTO meta (at) VALUES ('infinity')$$, '22008', NULL, 'no such timestamp');
SELECT throws_ok($$INSERT INTO meta (at) VALUES ('1970-01-01 00:00:00Z')$$, '22008', NULL, 'nor that one');
SELECT throws_ok($$INSERT INTO meta (topic) VALUES ('x')$$, '0A000', 'cannot insert into column "topic" of stream produce.meta', 'the topic');
SELECT throws_ok('INSERT INTO meta ("offset") VALUES (1)', '0A000', 'cannot insert into column "offset" of stream produce.meta', 'the offset');
SELECT throws_ok($$INSERT INTO meta (whole) VALUES ('x')$$, '0A000', 'cannot insert into column "whole" of stream produce.meta', 'the value');
CREATE FOREIGN TABLE compact (key text OPTIONS (metadata 'key'), value text OPTIONS (metadata 'value')) SERVER produce OPTIONS (topic 'produce_compact');
INSERT INTO compact (key) VALUES ('gone');
SELECT results_eq('TABLE compact', $$VALUES ('gone', NULL::text)$$, 'without payload columns a null payload');
SELECT throws_ok('INSERT INTO compact DEFAULT VALUES', '22023', NULL, 'the broker refuses a record');

-- PostgreSQL's side of it
CREATE FOREIGN TABLE sales (id int NOT NULL, price numeric(8,2), tax numeric(8,2) GENERATED ALWAYS AS (price * 0.2) STORED, source text DEFAULT 'insert',
    part int OPTIONS (metadata 'partition') NOT NULL) SERVER produce OPTIONS (topic 'produce_many');
CREATE FUNCTION double() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.id = 3 THEN
        RETURN NULL;
    END IF;
    new.price := new.price * 2;
    RETURN new;
END $$;
CREATE TRIGGER double BEFORE INSERT ON sales FOR EACH ROW EXECUTE FUNCTION double();
SELECT results_eq('INSERT INTO sales (id, price) VALUES (1, 1.234), (2, 5), (3, 6) RETURNING id, price, tax, source',
    $$VALUES (1, 2.46, 0.49, 'insert'), (2, 10.00, 2.00, 'insert')$$, 'triggers, generated columns, defaults, RETURNING');
DROP TRIGGER double ON sales;
SELECT results_eq('SELECT id, price, tax, source FROM sales ORDER BY id', $$VALUES (1, 2.46, 0.49, 'insert'), (2, 10.00, 2.00, 'insert')$$, 'and that is what was written');
SELECT throws_ok('INSERT INTO sales (price) VALUES (1)', '23502', 'null value in column "id" of stream produce.sales violates not-null constraint', 'NOT NULL');
SELECT is((SELECT count(*) FROM sales), 2::bigint, 'nothing was written');
CREATE FOREIGN TABLE full_rows (j jsonb NOT NULL, js json OPTIONS (path 'k') NOT NULL, headers jsonb OPTIONS (metadata 'headers') NOT NULL, key jsonb OPTIONS (metadata 'key') NOT NULL)
    SERVER produce OPTIONS (topic 'produce_json');
SELECT throws_ok(format('INSERT INTO full_rows VALUES (%L, %L, %L, %L)', a, b, c, 'null'), '23502', NULL, concat_ws(', ', 'what would be read as NULL', a, b, c))
    FROM (VALUES ('null', '1', '{"a": 1}'), ('1', E' \tnull', '{"a": 1}'), ('1', '1', '[]')) v (a, b, c);
SELECT lives_ok($$INSERT INTO full_rows VALUES ('[null]', '"null"', '{"a": null}', 'null')$$, 'and what would not');
INSERT INTO sales (id) SELECT 1 WHERE false;
INSERT INTO sales (id, source) SELECT id, 'again' FROM sales;
SELECT is((SELECT count(*) FROM sales WHERE source = 'again'), 2::bigint, 'INSERT .. SELECT from the same stream ends');
WITH new AS (INSERT INTO sales (id, source) VALUES (7, 'with') RETURNING id) INSERT INTO sales (id, source) SELECT id + 1, 'with' FROM new;
SELECT set_eq($$SELECT id FROM sales WHERE source = 'with'$$, 'VALUES (7), (8)', 'INSERT in WITH');
BEGIN;
INSERT INTO sales (id, source) VALUES (9, 'rolled back');
SELECT is((SELECT count(*) FROM sales WHERE source = 'rolled back'), 1::bigint, 'acknowledged when the statement ends');
ROLLBACK;
SELECT is((SELECT count(*) FROM sales WHERE source = 'rolled back'), 1::bigint, 'a rollback does not take messages back');
PREPARE one AS INSERT INTO sales (id, source) VALUES ($1, 'prepared');
EXECUTE one (1);
EXECUTE one (2);
SELECT is((SELECT count(*) FROM sales WHERE source = 'prepared'), 2::bigint, 'prepared');
SELECT lives_ok($$INSERT INTO sales (id, source) VALUES (1, 'conflict') ON CONFLICT DO NOTHING$$, 'nothing conflicts');
SELECT throws_ok('UPDATE sales SET id = 1', '0A000', NULL, 'no UPDATE');
SELECT throws_ok('DELETE FROM sales', '0A000', NULL, 'no DELETE');
SELECT throws_ok('TRUNCATE sales', '0A000', NULL, 'no TRUNCATE');
CREATE VIEW sales_view AS SELECT id, source FROM sales;
INSERT INTO sales_view VALUES (1, 'through a view');
SELECT is((SELECT count(*) FROM sales WHERE source = 'through a view'), 1::bigint, 'through a view');
CREATE VIEW cheap AS SELECT id, price FROM sales WHERE price < 10 WITH CHECK OPTION;
SELECT throws_ok('INSERT INTO cheap SELECT i, 5 + i FROM generate_series(1, 9) i', '44000', NULL, 'a view with a check option');
SELECT lives_ok('INSERT INTO cheap VALUES (1, 9)', 'which this keeps to');

-- rights
CREATE ROLE produce_writer;
GRANT USAGE ON SCHEMA produce TO produce_writer;
SET ROLE produce_writer;
SELECT throws_ok('INSERT INTO produce.sales (id) VALUES (1)', '42501', NULL, 'INSERT needs the right');
RESET ROLE;
GRANT INSERT ON sales TO produce_writer;
SET ROLE produce_writer;
SELECT lives_ok('INSERT INTO produce.sales (id) VALUES (1)', 'and no more');
SELECT throws_ok('SELECT FROM produce.sales', '42501', NULL, 'it is none to read');
RESET ROLE;

-- many; COPY
CREATE FOREIGN TABLE many (n int, t text, key int OPTIONS (metadata 'key'), part int OPTIONS (metadata 'partition'), place bigint OPTIONS (metadata 'offset')) SERVER produce OPTIONS (topic 'produce_copy');
\! seq 1 100000 | awk '{print $1 "\ttext " $1 "\t" $1 % 100}' > $KAPPA_TMP/produce_copy
\set copy '\\copy many (n, t, key) from ' :tmp '/produce_copy'
:copy
SELECT results_eq('SELECT count(*), count(DISTINCT n), sum(n) FROM many', 'VALUES (100000::bigint, 100000::bigint, 5000050000::bigint)', 'COPY: each line once');
\set kcat `kcat -C -m 60 -e -q -b $KAPPA_BROKER -t produce_copy | jq -s 'map(.n) | unique | length'`
SELECT is(:'kcat'::int, 100000, 'as others count');
SELECT is((SELECT count(*) FROM (SELECT key, n, lag(n) OVER (PARTITION BY part ORDER BY place) AS before FROM many) AS m WHERE before > n), 0::bigint, 'in order');
SELECT throws_ok($$COPY many FROM PROGRAM 'echo x'$$, '22P02', NULL, 'COPY fails as it does');
SELECT throws_ok($$COPY many (n) FROM PROGRAM 'seq 200001 250000; echo x; echo 7'$$, '22P02', NULL, 'also in the middle');
SELECT is(count(*), count(DISTINCT n), 'what it had written by then is there once') FROM many WHERE n > 200000;
INSERT INTO many SELECT n, repeat('x', 5000) FROM generate_series(1, 20000) AS n;
SELECT is((SELECT sum(length(t)) FROM many WHERE length(t) = 5000), 100000000::bigint, 'more than fits into the queue');

-- a partition of a table
CREATE TABLE logs (n int, at date) PARTITION BY RANGE (at);
CREATE TABLE logs_old PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE FOREIGN TABLE logs_new PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO (MAXVALUE) SERVER produce OPTIONS (topic 'produce_part');
INSERT INTO logs VALUES (1, '2025-01-01'), (2, '2026-01-01'), (3, '2026-02-01');
SELECT results_eq('SELECT n FROM logs_new ORDER BY n', 'VALUES (2), (3)', 'rows that are routed');
\copy logs from program 'printf "4\t2025-06-06\n5\t2026-06-06\n"'
SELECT set_eq('SELECT n FROM logs_new', 'VALUES (2), (3), (5)', 'COPY routes, too');
ALTER TABLE logs ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON logs USING (true) WITH CHECK (n < 100);
CREATE POLICY visible ON logs FOR SELECT USING (true);
GRANT SELECT, INSERT, UPDATE ON logs TO produce_writer;
SET ROLE produce_writer;
SELECT throws_ok($$UPDATE produce.logs SET n = 101, at = '2026-06-06' WHERE n = 1 AND at < '2026-01-01'$$, '42501', 'new row violates row-level security policy for table "logs"', 'policies hold for rows that move');
SELECT throws_ok($$INSERT INTO produce.logs VALUES (100, '2026-06-06')$$, '42501', 'new row violates row-level security policy for table "logs"', 'policies hold for rows that are routed');
SELECT lives_ok($$INSERT INTO produce.logs VALUES (6, '2026-06-06')$$, 'which this keeps to');
RESET ROLE;
SELECT set_eq('SELECT n FROM logs_new', 'VALUES (2), (3), (5), (6)', 'nothing else was written');

-- what can go wrong
CREATE FOREIGN TABLE small (n int, t text) SERVER produce OPTIONS (topic 'produce_small');
SELECT throws_ok($$INSERT INTO small VALUES (1, repeat('x', 20000))$$, '54000', NULL, 'larger than the topic allows');
ALTER FOREIGN TABLE small OPTIONS (ADD message_max_bytes '2000');
SELECT throws_ok($$INSERT INTO small VALUES (1, repeat('x', 3000))$$, '54000', NULL, 'larger than the stream allows');
SELECT lives_ok($$INSERT INTO small VALUES (1, repeat('x', 1000))$$, 'not too large');
SELECT is((SELECT count(*) FROM small), 1::bigint, 'one of three');
SELECT lives_ok('INSERT INTO small SELECT i, repeat(md5(i::text), i / 50) FROM generate_series(1, 2000) i', 'batches are no larger than the topic allows');
SELECT results_eq('SELECT count(*), count(DISTINCT n), bool_and(t = repeat(md5(n::text), n / 50)) FROM small WHERE t !~ ''^x''', 'VALUES (2000::bigint, 2000::bigint, true)', 'and hold all, once');
CREATE FOREIGN TABLE huge (n int, t text) SERVER produce OPTIONS (topic 'produce_small', message_max_bytes '100000000');
SELECT throws_ok($$INSERT INTO huge VALUES (1, repeat('x', 70000000))$$, '54000', NULL, 'larger than what the producer can queue');
CREATE FOREIGN TABLE missing (n int) SERVER produce OPTIONS (topic 'produce_missing');
SELECT throws_ok('INSERT INTO missing VALUES (1)', '42704', 'Kafka topic "produce_missing" does not exist', 'a missing topic');
SELECT throws_ok('INSERT INTO missing VALUES (1)', '42704', NULL, 'and writing has not created it');
CREATE SERVER produce_away FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:9');
CREATE FOREIGN TABLE away (n int) SERVER produce_away OPTIONS (topic 'produce', message_timeout_ms '500');
CREATE FUNCTION error_of(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
-- what is wrong may not be known yet when the half second is over
SELECT ok(await($$SELECT error_of('INSERT INTO away VALUES (1)') LIKE 'could not write to Kafka topic "produce"%Connection refused%'$$), 'a broker that is away');
SELECT lives_ok('EXPLAIN (COSTS off) INSERT INTO away VALUES (1)', 'EXPLAIN asks no broker');
SELECT lives_ok('INSERT INTO away SELECT 1 WHERE false', 'nor do no rows');
ALTER FOREIGN TABLE away OPTIONS (SET message_timeout_ms '60000');
SET statement_timeout = '2s';
SELECT ok(is_cancelled('INSERT INTO away VALUES (1)'), 'waiting for a broker can be cancelled');
SELECT ok(is_cancelled('INSERT INTO many SELECT n FROM generate_series(1, 100000000) AS n'), 'so can writing');
RESET statement_timeout;
SELECT lives_ok('INSERT INTO many VALUES (-1)', 'and then it goes on');

SELECT * FROM finish();
DROP SCHEMA produce CASCADE;
DROP SERVER produce, produce_away;
DROP ROLE produce_writer;
