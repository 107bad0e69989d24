-- Every form of a JSON value in a column of every type: what a SELECT, a continuous view and its dead letters make of it is what
-- doc/json.md says.  The rule is written down here a second time, in SQL, upon PostgreSQL's own JSON parser and input functions.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA conversions;
SET search_path = conversions, public;
SET client_min_messages = warning;
SET timezone = 'Europe/Rome';
CREATE SERVER conversions FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');

CREATE EXTENSION hstore SCHEMA conversions;
CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE stay AS (guest text, nights daterange);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN required AS text NOT NULL;
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN day AS date;
CREATE DOMAIN doc AS jsonb CHECK (VALUE <> '{}');
CREATE DOMAIN numbers AS int[];
CREATE DOMAIN relation AS regclass;
-- a type of somebody's own, whose input function is not PostgreSQL's
CREATE TYPE weight;
CREATE FUNCTION weight_in(cstring) RETURNS weight LANGUAGE internal IMMUTABLE STRICT AS 'float8in';
CREATE FUNCTION weight_out(weight) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'float8out';
CREATE TYPE weight (INPUT = weight_in, OUTPUT = weight_out, LIKE = float8);

-- what: how its numbers and words are to be taken
CREATE TABLE types (type text PRIMARY KEY, what text, unit text DEFAULT '');
INSERT INTO types SELECT unnest(types), what FROM (VALUES
	('integer', '{smallint, int, bigint, positive, int[], smallint[], bigint[], positive[], numbers}'::text[]),
	('time', '{date, time, time(3), timetz, timestamp, timestamp(2), timestamptz, timestamptz(0), day, date[], timestamptz[], time[], day[],
		daterange, tstzrange, tstzmultirange, daterange[], stay, stay[]}'),
	('json', '{json, jsonb, doc, json[], jsonb[], doc[]}'),
	('text', '{real, double precision, numeric, "numeric(8,2)", "numeric(3,5)", "numeric(2,-3)", text, varchar(5), char(5), "\"char\"", name, boolean,
		interval, interval second(1), uuid, bytea, inet, cidr, macaddr, money, bit(4), varbit(6), int4range, nummultirange, oid, regclass, regtype[],
		mood, pair, required, short, weight, point, pg_lsn, tsvector, tsquery, jsonpath, xid8, hstore, hstore[], relation, real[], "numeric(8,2)[]", text[], varchar(3)[], boolean[],
		uuid[], mood[], pair[], weight[], required[]}')) AS t (what, types);
INSERT INTO types SELECT type || ' in ' || unit, 'time', unit FROM unnest('{timestamptz, timestamp, timestamptz(1)}'::text[]) AS type, unnest('{s, ms, us}'::text[]) AS unit;

-- The forms, as JSON text.  NULL: the key is absent.
CREATE TABLE forms (id bigint GENERATED ALWAYS AS IDENTITY (START 0 MINVALUE 0), v text);
CREATE TEMP TABLE parts AS SELECT ARRAY['0', '-0', '0e0', '0.0', '1', '-1', '1.0', '3.0', '3.5', '-3.5', '1e3', '1E+3', '1e+05', '30e-1', '30e-2', '1.50', '150e-2', '1.50e3', '-0.1e-3', '2',
	'32767', '32768', '-32768', '-32769', '32767.0', '2147483647', '2147483648', '-2147483648', '-2147483649', '4294967295', '4294967296',
	'9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809', '9223372036854775807.0', '9223372036854775807.5', '922337203685477580.7',
	'92233720368547758070e-1', '1000000000000000000000e-20', '1e18', '1e19', '123456789012345678901234567890', '1.000000000000000000000000000001',
	'0.99999999999999999999', '12345678901234567890.5', '0.00000000000000000000000000000001e32', '18446744073709551615', '18446744073709551616',
	'9007199254740992', '9007199254740993', '16777217', '0.1', '0.30000000000000004', '1e22', '1e23', '5e-324', '2e-324', '2.2250738585072011e-308', '1.7976931348623157e308',
	'1.7976931348623159e308', '3.4028235e38', '3.4028236e38', '1e-45', '1e-46', '1e400', '-1e400', '1e-400', '1e-2000', '1e-2001', '0e400', '0e-400', '1e131071', '1e131072', '1e-16383', '1e-16384',
	'1e999999999', '1e-999999999', '0e999999999', '1e99999999999', repeat('9', 10000), '0.' || repeat('3', 10000), '1' || repeat('0', 10000) || 'e-10000', '0.' || repeat('0', 9999) || '1e10000',
	'999999.994', '999999.995', '-999999.995', '999999.99499999999999999999999', '0.005', '0.0049999999999999999999', '-0.005', '0.000004', '0.009994', '499', '500', '99499', '99500', '0.5e-2',
	'1772323200', '1772323200.5', '1772323200000', '1772323200000.125', '1772323200.12345678901234567890', '1772323200000000', '-62135596800', '-0.0000005', '-0.0000004', '0.0005', '1e12',
	'9224318015999', '9224318015999.999999', '9224318015999.9999996', '9224318016000', '9224318015999999', '9224318016000000', '9223372036854775.807', '-210866803200', '-210866803200.0000001', '-210866803201', '-210866803200000',
	'-9222425352054775808', '-9222425352054775809', '20261120', '20261120.093000', '12', '2026'] AS numbers,
	ARRAY['', ' ', '9007199254740993.00000000001', 'a', 'abc', 'abc  ', 'abcd', 'abcde', 'abcdef', 'abcde   ', 'abc d  x', 'ééééé', 'éééééé', '東京', ' 42 ', '42x', '٣', '+1', '.5', '1.', '00', '007', '-0x1', '0x1F', '0b1', '1_000', '1e5', 'NaN', 'nan', '-NaN', 'inf', 'Infinity', '-infinity', '+infinity', 'infinity ',
	'true', 't', 'yes', 'on', 'offf', 'of', 'TRUE', 'n', 'epoch', 'allballs', 'now', 'NOW', ' today ', 'tomorrow 10:00', 'yesterday', 'nowhere', 'todays', 'now()', '[today,tomorrow)', '{[now,)}', '{now}', '(x,"[today,)")',
	'2026-11-20', '20261120', '2026-324', '2026324', '2026-W47-5', '2026W475', '--11-20', '2026-11', '2026', '2026-1-2', '2026/11/20', '20/11/2026', '11/20/2026', 'Nov 20, 2026', '20 November 2026', 'J2461000', '26-11-20', '2026-11-31', '2026-02-29', '2024-02-29', '1900-02-29', '2000-02-29', '2026-00-01', '2026-01-00', '2026-13-01',
	'0000-01-01', '0000-12-31T00:00:00Z', '0001-01-01', '0001-01-01 BC', '0044-03-15 12:00 BC', '4713-01-01 BC', '4714-11-24 BC', '4714-11-24 00:00:00+00 BC', '4714-11-23 BC', '-0001-01-01', '+2026-11-20', '9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.9999999Z', '10000-01-01T00:00:00Z',
	'294276-12-31T23:59:59.999999Z', '294276-12-31T23:59:59.9999999Z', '294277-01-01T00:00:00Z', '5874897-12-31', '5874898-01-01', '99999999-01-01',
	'2026-11-20T09:15', '2026-11-20T09', '2026-11-20T0915', '2026-11-20T091502', '20261120T091502Z', '20261120T091502.5+0100', '20261120 09:15:02', '2026-11-20T09:15.5', '2026-11-20T09:15:02', '2026-11-20 09:15:02', '2026-11-20t09:15:02z', '2026-11-20_09:15:02', '2026-11-20  09:15:02', ' 2026-11-20 09:15:02 ', '2026-11-20T 09:15:02', '2026-11-20T09:15:02 +01', '2026-11-20T9:5:2', '2026-11-20T09:15:',
	'2026-11-20T09:15:02.', '2026-11-20T09:15:02,5', '2026-11-20T09:15:02Z', '2026-11-20T09:15:02z', '2026-11-20T09:15:02ZZ', '2026-11-20T09:15:02+01', '2026-11-20T09:15:02+0130', '2026-11-20T09:15:02+01:30', '2026-11-20T09:15:02-00:00', '2026-11-20T09:15:02+01:30:15', '2026-11-20T09:15:02+1', '2026-11-20T09:15:02+013', '2026-11-20T09:15:02+15:59', '2026-11-20T09:15:02-15:59:59', '2026-11-20T09:15:02+16:00', '2026-11-20T09:15:02+01:60', '2026-11-20T09:15:02+01:', '2026-11-20T09:15:02+', '2026-11-20T09:15+05', '2026-11-20+05',
	'2026-11-20T24:00:00Z', '2026-11-20T24:00:01Z', '2026-11-20T24:00', '2026-11-20T23:60:00Z', '2026-11-20T25:00', '2016-12-31T23:59:60Z', '2016-12-31T23:59:60.5Z', '2016-12-31T23:59:61Z', '2026-03-29T02:30:00', '2026-10-25T02:30:00', '1883-11-18T12:00:00', '2026-07-01 00:00 Europe/London', '2026-07-01 00:00 PST', '2026-07-01 00:00 Nowhere/No', '2026-07-01 00:00 EST5EDT',
	'09:15', '09:15:02.5', '09:15:02+05:30', '091502', '24:00:00', '23:59:60', '9am', '09:15 PM', 'T09:15', '1 day', 'P1DT2H', 'P1Y2M3DT4H5M6.7S', '90', '1.5', '1 year -2 mons', '1 fortnight', '-178000001 years', '@ 1 hour ago',
	'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{a0eebc999c0b4ef8bb6d6bb9bd380a11}', 'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g', 'a0eebc99-9c0b-4ef8-bb6d_6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1',
	'\x00ff', '\x0', '\xzz', '\\', '\001', '10.0.0.1', '10.0.0.1/8', '10.1.0.0/16', '::1', '300.0.0.1', '08:00:2b:01:02:03', '08002b010203', '$1,234.56', '1010', 'xF', '10102', '[1,5)', '[5,1]', '(,)', 'empty', '{[1,2),(3,)}', '[2026-01-01,2026-02-01)',
	'{1,2}', '{1,NULL}', '{}', '{{1,2},{3,4}}', '{{1,2},{3}}', '{1', '{1,}', '[0:1]={1,2}', '[0:99999999999]={1}', '{{{{{{{1}}}}}}}', '{"a b",c}', '(1,x)', '(1,"x, ""y""")', '(1)', '(1,2,3)', '(x,y)', '("a","[2026-01-01,)")', 'ok', 'OK', 'pg_class', 'nosuch', 'no.such.thing', 'a.b.c.d', '{int,text}', '{int,nosuch}', '(1,2)', '1.5,2', '0/1A', '''', 'a:1', 'a & b', '& |', '$.a', '$.', '[1, {"a": 2}]', '{"a": 1}', '{"a" 1}', 'null', 'NULL', '"x"',
	repeat('x', 70), repeat('y', 10000), repeat('[', 50000), repeat('1', 20000), E'tab\there', E'line\nbreak', 'quote"', 'back\slash', '😀', E'\u0001'] AS strings;
INSERT INTO forms (v) SELECT unnest(numbers) FROM parts;
INSERT INTO forms (v) SELECT to_json(s)::text FROM parts, unnest(strings || numbers) AS s;
INSERT INTO forms (v) VALUES (NULL), ('null'), ('true'), ('false'), ('{}'), ('[]'), ('{"a" : 1}'), ('{"a":1,"a":2}'), ('[1, 2]'), ('[ 1 , null , 3.0 ]'), ('["1"]'), ('["x"]'), ('[3.5]'), ('[1e3]'), ('[40000]'), ('[9223372036854775808]'),
	('[true]'), ('[[1,2],[3,4]]'), ('[[1,2],[3]]'), ('[[],[]]'), ('[1,[2]]'), ('[[[[[[1]]]]]]'), ('[[[[[[[1]]]]]]]'), ('[{"a": [1, "x"]}, {"b": "]"}]'), ('["a,b","q\"\\\\","NULL",null,"\u00e9",1.50]'), ('["abcd"]'), ('["abc "]'),
	('["2026-11-20"]'), ('["2026-11-20", 5]'), ('["now"]'), ('["[today,)"]'), ('["(x,\"[now,)\")"]'), ('["\u0000"]'), ('["\ud800"]'), ('["\q"]'), ('[""]'), ('[{}]'), ('["{1,2}"]'), ('["ok","sad"]'), ('["(1,x)"]'), ('["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]'),
	('["int"]'), ('["nosuch"]'), ('{"a":"\u0000"}'), ('{"a":"\ud800"}'), ('{"\udc00":1}'), ('{"a":"\q"}'), ('{"a":tru}'), ('{"a" 1}'), ('{"a":}'), ('{"a":1,}'), ('{1:2}'), ('{"a":{"b":[01]}}'), ('[1 2]'), ('[1,]'), ('[,]'), ('[,1]'), ('[1:2]'), ('[nul]'), ('[.5]'), ('[[1]'||',[2],]'),
	(repeat('[', 1000) || repeat(']', 1000)), (repeat('{"a":', 1000) || '1' || repeat('}', 1000)), (repeat('[', 100000) || repeat(']', 100000)),
	('"\u0000"'), ('"a\u0000b"'), ('"\ud800"'), ('"\udc00"'), ('"\ud800\ud800"'), ('"\ud83d\ude00"'), ('"\uD83D\uDE00x"'), ('"\u0061"'), ('"\u12"'), ('"\u12g4"'), ('"\q"'), ('"\/\b\f\n\r\t"'), ('"\u0032\u0030\u0032\u0036-11-20"'), ('"\u006eow"'), ('"\u0034\u0032"'),
	('tru'), ('nul'), ('falsee'), ('True'), ('NaN'), ('Infinity'), ('-'), ('+1'), ('.5'), ('1.'), ('1.e3'), ('1e'), ('1e+'), ('01'), ('-01'), ('00'), ('0x1F'), ('1_000'), ('--1'), ('1-'), ('1"x"'), ('''a'''), ('undefined');

-- doc/json.md's rule.  "as NAME" has one column v of the type, whose input function json_populate_record calls.
CREATE FUNCTION taken(type text, v json, OUT value text, OUT code text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT (json_populate_record(NULL::%I, json_build_object(''v'', $1))).v::text', 'row of ' || type) INTO value USING v;
	IF value IN ('294277-01-01 00:00:00', '294277-01-01 01:00:00+01') THEN		-- rounded up to what cannot be read again
		value := NULL;
		code := '22008';
	END IF;
EXCEPTION
	WHEN internal_error THEN	-- hstore before PostgreSQL 16
		code := '22P02';
	WHEN OTHERS THEN
		code := SQLSTATE;
END $$;
CREATE FUNCTION number(what text, n text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF what = 'time' THEN
		RAISE invalid_datetime_format;
	ELSIF what <> 'integer' THEN
		RETURN n;
	ELSIF n ~ '^-?0(\.0*)?([eE].*)?$' THEN
		RETURN 0;
	ELSIF n ~ '^.{1,9}[eE]-[0-9]{5}' THEN
		RAISE invalid_text_representation;
	ELSIF abs(n::numeric) >= 1e19 THEN
		RAISE numeric_value_out_of_range;
	ELSIF n::numeric <> trunc(n::numeric) THEN
		RAISE invalid_text_representation;
	END IF;
	RETURN trunc(n::numeric);
END $$;
CREATE FUNCTION array_text(what text, v json) RETURNS text LANGUAGE sql AS $$
	SELECT '{' || coalesce(string_agg(CASE json_typeof(e)
			WHEN 'array' THEN array_text(what, e)
			WHEN 'null' THEN 'NULL'
			ELSE '"' || replace(replace(CASE
				WHEN what = 'json' OR json_typeof(e) = 'object' THEN e::text
				WHEN json_typeof(e) = 'number' THEN number(what, e::text)
				WHEN json_typeof(e) = 'boolean' AND what = 'time' THEN number(what, '')
				ELSE e #>> '{}' END, '\', '\\'), '"', '\"') || '"' END, ',' ORDER BY i), '') || '}'
		FROM json_array_elements(v) WITH ORDINALITY AS a (e, i) $$;
CREATE FUNCTION units(type text, unit text, n text, OUT value text, OUT code text) LANGUAGE plpgsql AS $$
DECLARE
	us numeric;
	days numeric;
BEGIN
	us := CASE WHEN n ~ '^.{1,9}[eE]-[0-9]{5}' THEN 0 ELSE round(n::numeric * CASE unit WHEN 's' THEN 1000000 WHEN 'ms' THEN 1000 ELSE 1 END) END;
	days := div(us, 86400000000);
	IF abs(us) >= 9223372036854775808 THEN
		RAISE datetime_field_overflow;
	END IF;
	SELECT * INTO value, code FROM taken(type, to_json((timestamp '1970-01-01' + days::int * interval '1 day' + (us - days * 86400000000)::bigint * interval '1 microsecond')::text || '+00'));
EXCEPTION WHEN OTHERS THEN
	code := '22008';
END $$;
CREATE FUNCTION is_json(v text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	PERFORM v::jsonb;
	RETURN true;
EXCEPTION
	WHEN invalid_text_representation THEN
		RETURN false;
	WHEN OTHERS THEN
		RETURN true;		-- but none for jsonb: a number too large, U+0000, too deep
END $$;
ALTER TABLE forms ADD is_json bool;
UPDATE forms SET is_json = is_json(v);
CREATE FUNCTION rule(type text, what text, unit text, v text, is_json bool, OUT value text, OUT code text) LANGUAGE plpgsql AS $$
DECLARE
	input text;
BEGIN
	IF NOT is_json THEN
		code := '22032';
		RETURN;
	ELSIF v IS NULL OR v = 'null' THEN
		SELECT * INTO value, code FROM taken(type, NULL);
		RETURN;
	ELSIF unit <> '' AND v ~ '^[-0-9]' THEN
		SELECT * INTO value, code FROM units(type, unit, v);
		RETURN;
	ELSIF v ~ '^\[' AND type ~ '\[]$|^numbers$' THEN
		input := CASE WHEN v ~ '^\[{7}' THEN '{{{{{{{1}}}}}}}' ELSE array_text(what, v::json) END;
	ELSIF type = 'json' THEN
		value := v::json;
		RETURN;
	ELSIF what = 'json' AND type !~ '\[]$' THEN
		SELECT * INTO value, code FROM taken(type, v::json);
		RETURN;
	ELSIF v ~ '^[-0-9]' AND (what = 'time' OR type !~ '\[]$|^numbers$') THEN
		input := number(what, v);
	ELSE
		input := CASE WHEN v ~ '^"' THEN v::json #>> '{}' ELSE v END;
	END IF;
	IF what = 'time' AND input ~* '(?<![a-z])(now|today|tomorrow|yesterday)(?![a-z])' THEN
		RAISE invalid_datetime_format;
	END IF;
	SELECT * INTO value, code FROM taken(type, to_json(input));
EXCEPTION WHEN OTHERS THEN
	code := SQLSTATE;
END $$;


\! topic create conversions 1 max.message.bytes=2000000
\copy (SELECT coalesce('{"v":' || v || '}', '{}') FROM forms ORDER BY id) TO PROGRAM 'kcat -P -b $KAPPA_BROKER -t conversions -X message.max.bytes=2000000' WITH (FORMAT csv, DELIMITER E'\x03', QUOTE E'\x02')
SELECT format('CREATE TABLE %I (v %s)', 'row of ' || type, split_part(type, ' in ', 1)) FROM types \gexec
SELECT format('CREATE FOREIGN TABLE %I (id bigint OPTIONS (metadata ''offset''), v %s %s) SERVER conversions OPTIONS (topic ''conversions'', on_error ''ignore'')',
	'as ' || type, split_part(type, ' in ', 1), CASE WHEN unit <> '' THEN format('OPTIONS (unit %L)', unit) END) FROM types \gexec
SELECT format('CREATE CONTINUOUS VIEW %I AS SELECT id, v FROM %I', 'view of ' || type, 'as ' || type) FROM types \gexec
CREATE TABLE expected AS SELECT type, id, v, value, code FROM types, forms, rule(type, what, unit, v, is_json);
CREATE TABLE got (reader text, type text, id bigint, value text, code text);
SELECT format('INSERT INTO got SELECT ''SELECT'', %L, id, v::text FROM %I', type, 'as ' || type) FROM types \gexec
SELECT count(kappa.wait(format('%I', 'view of ' || type)::regclass, '120s')) FROM types \g /dev/null
SELECT format('INSERT INTO got SELECT ''view'', %L, id, v::text FROM %I', type, 'view of ' || type) FROM types \gexec
INSERT INTO got SELECT 'view', type, message_offset, NULL, sqlstate FROM types JOIN kappa.dead_letters ON view = format('%I', 'view of ' || type)::regclass;
CREATE TABLE differ AS
	SELECT r.reader, type, id, left(e.v, 50) AS form, left(e.value, 50) AS expected, e.code AS expected_code, left(g.value, 50) AS value, g.code
		FROM expected AS e CROSS JOIN (VALUES ('SELECT'), ('view')) AS r (reader) FULL JOIN got AS g USING (reader, type, id)
		WHERE e.value IS DISTINCT FROM g.value OR CASE reader WHEN 'view' THEN e.code IS DISTINCT FROM g.code ELSE (e.code IS NULL) = (g.type IS NULL) END;
SELECT is_empty(format('SELECT * FROM differ WHERE type = %L ORDER BY reader, id LIMIT 20', type), type || ': by the rule, for a SELECT and a view') FROM types;
SELECT ok(count(*) > 10000 AND count(*) FILTER (WHERE code IS NULL) > 5000, 'there is much of both') FROM expected;

-- What can be read can be written, and is read again: each type under a path of its own.  Not what doc/json.md excepts: a unit's fractions,
-- the lower bounds of arrays.
\! topic create conversions_back 1
SELECT format('CREATE FOREIGN TABLE %I (id bigint OPTIONS (path %L), v %s OPTIONS (path %L %s)) SERVER conversions OPTIONS (topic ''conversions_back'', on_error ''ignore'')',
	'back ' || type, format('/%s/id', type), split_part(type, ' in ', 1), format('/%s/v', type), CASE WHEN unit <> '' THEN format(', unit %L', unit) END) FROM types \gexec
CREATE TABLE written AS SELECT g.type, id, value FROM got AS g JOIN types USING (type)
	WHERE reader = 'SELECT' AND value NOT LIKE '[%:%]={%' AND (unit = '' OR unit = 'us' AND value < '2' AND value !~ '.{6}-');
SELECT format('INSERT INTO %I SELECT id, v FROM %I WHERE id IN (SELECT id FROM written WHERE type = %L)', 'back ' || type, 'as ' || type, type) FROM types \gexec
CREATE TABLE read (type text, id bigint, value text);
SELECT format('INSERT INTO read SELECT %L, id, v::text FROM %I WHERE id IS NOT NULL', type, 'back ' || type) FROM types \gexec
SELECT is_empty(format('(TABLE written EXCEPT ALL TABLE read) UNION ALL (TABLE read EXCEPT ALL TABLE written)'), 'what was read can be written and read again');

-- One of each kind of bad value stops a SELECT that is to stop, and so says what a dead letter says.
SELECT format('ALTER FOREIGN TABLE %I OPTIONS (SET on_error ''stop'')', 'as ' || type) FROM types \gexec
CREATE FUNCTION stopped_by(type text, id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT v FROM %I WHERE id = %s', 'as ' || type, id);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT is_empty($$SELECT type, bad.id, stopped_by(type, bad.id), code, error FROM
	(SELECT DISTINCT ON (type, code) type, id, code FROM expected WHERE code IS NOT NULL ORDER BY type, code, id DESC) AS bad
	LEFT JOIN kappa.dead_letters AS d ON d.view = format('%I', 'view of ' || type)::regclass AND d.message_offset = bad.id
	WHERE stopped_by(type, bad.id) IS DISTINCT FROM d.sqlstate || ' ' || replace(d.error, 'conversions.', '')$$, 'on_error = stop: with the error of the dead letter');
SELECT is((SELECT count(*) FROM types, kappa.verify(format('%I', 'view of ' || type)::regclass)), 0::bigint, 'the views are verified');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA conversions CASCADE;
DROP SERVER conversions;
