-- What JSON becomes: doc/json.md, case by case.  A case is a message; a bad one is left out by on_error = 'ignore'.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA json;
SET search_path = json, public;
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN day AS date;
CREATE SERVER json FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');

-- Values.  v: JSON; expected: the column as text; bad: no row.
CREATE TABLE cases (id int GENERATED ALWAYS AS IDENTITY, type text, v text, expected text, bad bool DEFAULT false);
INSERT INTO cases (type, v, expected) VALUES
	('text', '"a"', 'a'), ('text', '""', ''), ('text', '"\u00e9\ud83d\ude00\n\""', E'é😀\n"'), ('text', 'null', NULL),
	('text', '1.50', '1.50'), ('text', '1e400', '1e400'), ('text', 'true', 'true'), ('text', '{"a" : [1]}', '{"a" : [1]}'),
	('varchar(3)', '"abc"', 'abc'), ('varchar(3)', '"abc  "', 'abc'), ('varchar(3)', '"ééé"', 'ééé'),
	('int', '42', '42'), ('int', '-2147483648', '-2147483648'), ('int', '3.0', '3'), ('int', '1e3', '1000'), ('int', '30e-1', '3'),
	('int', '-0', '0'), ('int', '3.00000000000000000000000', '3'), ('int', '"42"', '42'), ('int', '" 42 "', '42'),
	('smallint', '32767', '32767'),
	('bigint', '9223372036854775807', '9223372036854775807'), ('bigint', '-9223372036854775808', '-9223372036854775808'),
	('numeric', '1.50', '1.50'), ('numeric', '-0.1e-3', '-0.0001'), ('numeric', '1.50e3', '1500'), ('numeric', '100000e-2', '1000.00'),
	('numeric', '12345678901234567890.12345678901234567890', '12345678901234567890.12345678901234567890'),
	('numeric', '1e40', '10000000000000000000000000000000000000000'), ('numeric', '"NaN"', 'NaN'), ('numeric', '"007"', '7'),
	('numeric(8,2)', '3.456', '3.46'), ('numeric(8,2)', '-0.005', '-0.01'), ('numeric(8,2)', '999999.994', '999999.99'),
	('numeric(8,2)', '1e-30', '0.00'), ('numeric(8,2)', '"12.5"', '12.50'), ('numeric(8,2)', '5', '5.00'),
	('float8', '0.1', '0.1'), ('float8', '1e22', '1e+22'), ('float8', '1e23', '9.999999999999999e+22'), ('float8', '-0.0', '-0'),
	('float8', '9007199254740993', '9.007199254740992e+15'), ('float8', '1.7976931348623157e308', '1.7976931348623157e+308'),
	('float8', '"Infinity"', 'Infinity'), ('float8', '2.2250738585072011e-308', '2.225073858507201e-308'),
	('real', '0.1', '0.1'), ('real', '16777217', '1.6777216e+07'),
	('boolean', 'true', 'true'), ('boolean', 'false', 'false'), ('boolean', '1', 'true'), ('boolean', '"off"', 'false'),
	('timestamptz', '"2026-11-20T09:15:02.123456+01:00"', '2026-11-20 08:15:02.123456+00'),
	('timestamptz', '"2026-11-20 09:15"', '2026-11-20 09:15:00+00'), ('timestamptz', '"2026-11-20"', '2026-11-20 00:00:00+00'),
	('timestamptz', '"2026-11-20T09:15:02.123456789Z"', '2026-11-20 09:15:02.123457+00'),
	('timestamptz', '"2026-11-20T09:15:02-0330"', '2026-11-20 12:45:02+00'),
	('timestamptz', '"2016-12-31T23:59:60Z"', '2017-01-01 00:00:00+00'),
	('timestamptz', '"2026-01-01T24:00:00Z"', '2026-01-02 00:00:00+00'),
	('timestamptz', '"2024-02-29T00:00:00Z"', '2024-02-29 00:00:00+00'), ('timestamptz', '"infinity"', 'infinity'),
	('timestamptz', '"2026-07-01 00:00 Europe/Rome"', '2026-06-30 22:00:00+00'),
	('timestamptz(3)', '"2026-11-20T09:15:02.1235Z"', '2026-11-20 09:15:02.124+00'),
	('timestamp', '"2026-11-20T09:15:02+05:00"', '2026-11-20 09:15:02'), ('date', '"2026-11-20T23:00:00-05:00"', '2026-11-20'),
	('uuid', '"A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
	('uuid', '"{a0eebc999c0b4ef8bb6d6bb9bd380a11}"', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
	('jsonb', '{"b": 1, "a": [1.50, null]}', '{"a": [1.50, null], "b": 1}'), ('jsonb', '"s\u00e9"', '"sé"'), ('jsonb', '1e2', '100'),
	('jsonb', 'null', NULL), ('jsonb', 'false', 'false'),
	('json', '{"b":  1}', '{"b":  1}'),
	('bytea', '"\\x00ff"', '\x00ff'), ('inet', '"10.0.0.1"', '10.0.0.1/32'), ('interval', '"90 minutes"', '01:30:00'),
	('mood', '"ok"', 'ok'), ('positive', '5', '5'), ('day', '"2026-11-20"', '2026-11-20'),
	('int[]', '[1, 2, null]', '{1,2,NULL}'), ('int[]', '[[1,2],[3,4]]', '{{1,2},{3,4}}'), ('int[]', '[]', '{}'), ('int[]', '"{1,2}"', '{1,2}'),
	('text[]', '["a,b", "q\"\\", "NULL", null, {"x": [1]}, true, 1.50]', '{"a,b","q\"\\","NULL",NULL,"{\"x\": [1]}",true,1.50}'),
	('jsonb[]', '["s", {"a": 1}, 5]', '{"\"s\"","{\"a\": 1}",5}');
INSERT INTO cases (type, v, bad) SELECT type, unnest(v), true FROM (VALUES
	('text', ARRAY['"\u0000"', '"\ud800"', '"\udc00\ud800"', '"\q"', '"\u12g4"', 'tru', 'NaN', '01', '1.', '.5', '+1', '0x1', '1e', '-', '12"x"']),
	('varchar(3)', ARRAY['"abcd"', '"abc d"']),
	('int', ARRAY['3.5', '2147483648', '-2147483649', '1e10', '1e-1', '"3.0"', '"x"', '""', 'true', '{}', '[1]', '1e999999999999', '123456789012345678901']),
	('smallint', ARRAY['32768']), ('bigint', ARRAY['9223372036854775808', '-9223372036854775809', '1e19']),
	('numeric', ARRAY['"x"', 'true', '1e200000', '{}']), ('numeric(8,2)', ARRAY['999999.995', '1e6', '-1000000']),
	('float8', ARRAY['1e400', '1e-400', 'NaN', '"1e400"', 'true']), ('real', ARRAY['1e39', '1e-60']),
	('boolean', ARRAY['2', '"maybe"', '{}']),
	('timestamptz', ARRAY['"now"', '"today 10:00"', '"2026-02-30"', '"2026-13-01"', '"0000-01-01"', '"294277-01-01"', '1700000000', '"1700000000"',
		'"2026-11-20T09:15:02+25:00"', '"2026-11-20T25:00:00Z"', '"2026-11-20T09:15:61Z"', '"2026-11-20T09:15:02ZZ"', '""', 'true']),
	('date', ARRAY['20261120', '"yesterday"', '"2025-02-29"']), ('day', ARRAY['20261120', '"now"']),
	('uuid', ARRAY['"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"', '5']), ('jsonb', ARRAY['"\u0000"', '[1 2]', '{"a" 1}', 'tru', repeat('[', 20000) || repeat(']', 20000)]),
	('mood', ARRAY['"angry"', '5']), ('positive', ARRAY['-5', '"x"']), ('inet', ARRAY['"x"', '5']),
	('int[]', ARRAY['[1, "x"]', '[[1,2],[3]]', '[1 2]', '[1,]', '[,]', '{"a":1}', '5', '[[[[[[[1]]]]]]]']), ('text[]', ARRAY['["\u0000"]', '["\q"]', '[tru]'])
	) AS b (type, v);

\! topic create json 1
\copy (SELECT format('{"type":"%s","id":%s,"v":%s}', type, id, v) FROM cases ORDER BY id) TO PROGRAM 'kcat -P -b $KAPPA_BROKER -t json' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
SELECT DISTINCT format('CREATE FOREIGN TABLE %I (type text, id int, v %s) SERVER json OPTIONS (topic ''json'', format ''json'', on_error ''ignore'')',
					   'as ' || type, type) FROM cases \gexec
SELECT results_eq(format('SELECT id, v::text FROM %I WHERE type = %L ORDER BY id', 'as ' || type, type),
				  format('SELECT id, expected FROM cases WHERE type = %L AND NOT bad ORDER BY id', type), 'values of type ' || type)
	FROM (SELECT DISTINCT type FROM cases) t ORDER BY type;

-- Keys, paths and whole messages: raw lines, known by their offsets.  expected: what the reader of all columns gets, as jsonb;
-- NULL: bad for it.  walks: good for a reader of no column.
CREATE TABLE lines ("offset" bigint, line text, expected jsonb, walks bool DEFAULT true);
INSERT INTO lines VALUES
	(0, '{"price":1,"city":"x"}', '{"price": 1}'),
	(1, '{"Price":1}', '{"price": 1}'),
	(2, '{"PRICE":1,"Price":2,"price":3}', '{"price": 3}'),
	(3, '{"PRICE":1,"Price":2}', NULL),
	(4, '{"PRICE":1,"price":null}', '{}'),
	(5, '{"PRICE":1,"PRICE":2}', '{"price": 2}'),
	(6, '{"PRICE":1,"PR\u0049CE":2}', '{"price": 2}'),
	(7, '{"pr\u0069ce":5}', '{"price": 5}'),
	(8, '{"price":1,"price":2}', '{"price": 2}'),
	(9, '{"price":"x","price":2}', '{"price": 2}'),
	(10, '{"place":{"city":"Rome"},"lines":[{"sku":"a"},{"sku":"b"}]}', '{"city": "Rome", "sku": "b"}'),
	(11, '{"Place":{"CITY":"Rome"}}', '{"city": "Rome"}'),
	(12, '{"place":{"City":"x","CITY":"y"}}', NULL),
	(13, '{"place":{"city":"Rome"},"place":{}}', '{}'),
	(14, '{"place":"Rome","lines":[]}', '{}'),
	(15, '{"place":{"city":"Rome","city":"Oslo"}}', '{"city": "Oslo"}'),
	(16, '{"lines":{"1":{"sku":"k"}}}', '{"sku": "k"}'),
	(17, '{"a/b":{"~":7}}', '{"tilde": 7}'),
	(18, '{"place":{"city":1 2}}', NULL),
	(19, '{"lines":[1 2]}', NULL),
	(20, '{"price":tru}', NULL),
	(21, '{"other":tru,"more":[1 2],"\q":"\q","price":1}', '{"price": 1}'),
	(22, ' { "price" : 1 , "x" : [ ] } ', '{"price": 1}'),
	(23, '{}', '{}'),
	(24, '{"deep":' || repeat('[', 100000) || repeat(']', 100000) || ',"price":1}', '{"price": 1}'),
	(25, '{"long":"' || repeat('x', 900000) || '","price":1}', '{"price": 1}'),
	(26, '{"note":"' || repeat('é', 20000) || '"}', jsonb_build_object('note', repeat('é', 20000))),
	(27, '{"note":"\n' || repeat('y', 20000) || '"}', jsonb_build_object('note', E'\n' || repeat('y', 20000)));
INSERT INTO lines
SELECT 27 + row_number() OVER (), line, NULL, false FROM unnest(ARRAY['[1]', '1', '"x"', 'null', 'x', '{', '}', '{"price":1', '{"price":1}}', '{"price":1} {}',
	'{"price":1}x', '{"price" 1}', '{"price":}', '{"price"}', '{"price":1,}', '{,}', '{price:1}', '{"price":1 "x":2}', '{"x":[1,2}}', '{"x":[}]}', '{"x":"',
	'{"x":"' || E'\t' || '"}', E'\uFEFF{"price":1}', '{"price":1,2}', '{"x":1,"y"}']) AS line;

\! topic create json_lines 1 max.message.bytes=2000000
\copy (SELECT line FROM lines ORDER BY "offset") TO PROGRAM 'kcat -P -b $KAPPA_BROKER -t json_lines -X message.max.bytes=2000000' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
CREATE FOREIGN TABLE lines_read (
	"offset" bigint OPTIONS (metadata 'offset'), price int, city text OPTIONS (path 'place.city'),
	sku text OPTIONS (path '/lines/1/sku'), tilde int OPTIONS (path '/a~1b/~0'), note text
) SERVER json OPTIONS (topic 'json_lines', format 'json', on_error 'ignore');
SELECT results_eq($$SELECT "offset", jsonb_strip_nulls(to_jsonb(r) - 'offset') FROM lines_read r ORDER BY 1$$,
				  $$SELECT "offset", expected FROM lines WHERE expected IS NOT NULL ORDER BY 1$$, 'keys, paths and whole messages');
SELECT results_eq('SELECT "offset" FROM lines_read ORDER BY 1',
				  'SELECT "offset" FROM lines WHERE walks ORDER BY 1', 'what is bad for every reader');

-- Payloads that text cannot spell, by hand: a tombstone, an empty one, Confluent's prefix, bytes that are not UTF-8.
\! topic create json_bytes 1
\! echo 'k:' | kcat -P -b $KAPPA_BROKER -t json_bytes -K: -Z
\! printf '\000\000\000\000\007{"price":7}' | kcat -P -b $KAPPA_BROKER -t json_bytes -k '{"id":9}' -H a=b -H c
\! printf '{"price":1,"x":"\377"}' | kcat -P -b $KAPPA_BROKER -t json_bytes
CREATE FOREIGN TABLE bytes_read (
	"offset" bigint OPTIONS (metadata 'offset'), price int, key text OPTIONS (metadata 'key'), value bytea OPTIONS (metadata 'value'),
	topic text OPTIONS (metadata 'topic'), p int OPTIONS (metadata 'partition'), headers jsonb OPTIONS (metadata 'headers')
) SERVER json OPTIONS (topic 'json_bytes', format 'json', on_error 'ignore');
SELECT results_eq('SELECT "offset", price, key, value, topic, p, headers FROM bytes_read',
	$$VALUES (0::bigint, NULL::int, 'k', NULL::bytea, 'json_bytes', 0, NULL::jsonb),
			 (1, 7, '{"id":9}', '\x00000000077b227072696365223a377d', 'json_bytes', 0, '[{"key": "a", "value": "b"}, {"key": "c", "value": null}]')$$,
	'a tombstone, and a prefix');
ALTER FOREIGN TABLE bytes_read OPTIONS (SET on_error 'stop');
SELECT throws_ok('SELECT price FROM bytes_read', '22021', NULL, 'not UTF-8');
CREATE FOREIGN TABLE key_read (id int OPTIONS (metadata 'key', path 'id')) SERVER json OPTIONS (topic 'json_bytes', on_error 'ignore');
SELECT results_eq('SELECT id FROM key_read', ARRAY[9, NULL], 'a field of a JSON key; a key that is no JSON is bad for its reader');
CREATE FOREIGN TABLE raw_read (value bytea OPTIONS (metadata 'value')) SERVER json OPTIONS (topic 'json_bytes');
SELECT results_eq('SELECT value FROM raw_read', ARRAY[NULL, '\x00000000077b227072696365223a377d', '\x7b227072696365223a312c2278223a22ff227d']::bytea[],
	'payloads as they are');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA json CASCADE;
DROP SERVER json CASCADE;
