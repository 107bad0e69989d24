-- Whole payloads and keys, byte by byte: which are bad for every reader, for some, for none.  The rule of doc/json.md is written down
-- here a second time, upon PostgreSQL's own convert_from and jsonb.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA payloads;
SET search_path = payloads, public;
SET client_min_messages = warning;
CREATE SERVER payloads FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE DOMAIN doc AS jsonb CHECK (VALUE <> '{"v": 3}');
CREATE DOMAIN bytes AS bytea CHECK (length(VALUE) <> 8);

CREATE TABLE messages ("offset" bigint GENERATED ALWAYS AS IDENTITY (START 0 MINVALUE 0), bytes bytea);
-- characters: in a value, in a key, in no column's value, at the top, after the object
CREATE TABLE characters (c bytea);
INSERT INTO characters SELECT decode(c, 'hex') FROM unnest(ARRAY['7f', 'c280', 'dfbf', 'e0a080', 'ed9fbf', 'ee8080', 'efbfbe', 'efbfbf', 'f0908080', 'f48fbfbf', 'e280a8', 'c2a0', 'efbbbf',
	'80', 'bf', 'c0', 'c080', 'c1bf', 'c2', 'c22e', 'e08080', 'e09fbf', 'e282', 'e2822e', 'eda080', 'edbfbf', 'eda0bdedb880', 'f0808080', 'f08fbfbf', 'f09f98', 'f09f982e', 'f4908080', 'f5808080', 'f880808080', 'fc8080808080', 'fe', 'ff', 'fffe',
	'00', '01', '08', '0b', '0c', '1f', '20', '09', '0a', '0d', '0d0a', '22', '2c', '3a', '5c', '7b', '7d', '5b', '5d', '2f', '2f2a2a2f', '232020', '27']) AS c;
INSERT INTO messages (bytes) SELECT replace_bytes FROM characters, LATERAL (VALUES
	('{"v":"'::bytea || c || '"}'::bytea), ('{"'::bytea || c || '":1,"v":2}'::bytea), ('{"x":"'::bytea || c || '","v":2}'::bytea),
	(c || '{"v":2}'::bytea), ('{"v":2}'::bytea || c), ('{"v"'::bytea || c || ':2}'::bytea), ('{"v":2'::bytea || c), (c)) AS m (replace_bytes);
-- one object, and what is none
INSERT INTO messages (bytes) SELECT convert_to(m, 'UTF8') FROM unnest(ARRAY['{}', '{"v":3}', '{"v":[]}', '[{"v":1}]', '1', '"v"', 'null', 'true', '{}{}', '{} {}', '{},{}', '[]{}', '{}[]', '{}null', '{', '}', '{{}}', '{"v"}', '{"v":}', '{:1}', '{"v":1,}', '{,"v":1}', '{"v":1 "x":2}', '{"v" 1}',
	'{"v":1;"x":2}', '{"v":1}//', '{v:1}', '{''v'':1}', '{"v":1', '{"v":"1', '{"v":[1}', '{"v":[1}]', '{"v":{]}', '({"v":1})', '{"v":1}x', E'\t\r\n {"v":1}\t\r\n ', ' ', '"', '{"v', '{"', '{"v":1,"v":2}', '{"V":1}', '{"V":1,"v":2}', '{"\u0076":4}']) AS m;
-- bytes before it: Confluent's prefix, marks, other encodings
INSERT INTO messages (bytes) SELECT decode(h, 'hex') || m::bytea FROM unnest(ARRAY['', '{"v":1}', ' {"v":1} ', '{"v":1}x', '[1]', 'x', E'{"v":"\\303"}']) AS m,
	unnest(ARRAY['0000000007', '00ffffffff', '007b227622', '00', '0000', '000000', '00000000', '000000000000', '00000000070000000007', '0100000007', 'efbbbf', '0000000007efbbbf', 'feff', 'fffe']) AS h;
INSERT INTO messages (bytes) SELECT decode(regexp_replace(encode('{"v":1}'::bytea, 'hex'), '(..)', r, 'g'), 'hex') FROM unnest(ARRAY['\100', '00\1', '\1000000', '000000\1']) AS r;


-- As text, U+0000 made U+0001, which convert_from takes and JSON does not take either; NULL: it is not UTF-8.
CREATE FUNCTION as_text(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN convert_from(decode(replace(regexp_replace(encode(bytes, 'hex'), '(..)', '\1 ', 'g'), '00 ', '01 '), 'hex'), 'UTF8');
EXCEPTION WHEN character_not_in_repertoire THEN
	RETURN NULL;
END $$;
CREATE FUNCTION without_prefix(bytes bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT CASE WHEN length(bytes) > 5 AND get_byte(bytes, 0) = 0 THEN substr(bytes, 6) ELSE bytes END $$;
CREATE FUNCTION as_jsonb(text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN $1::jsonb;
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END $$;
-- What a column makes of bytes: of the whole as its type, or of its field v.
CREATE FUNCTION rule(column_type text, field bool, bytes bytea, OUT value text, OUT code text) LANGUAGE plpgsql AS $$
DECLARE
	t text := as_text(bytes);
	j jsonb := as_jsonb(t);
BEGIN
	IF field THEN
		IF length(bytes) = 0 THEN
			NULL;
		ELSIF t IS NULL THEN
			code := '22021';
		ELSIF jsonb_typeof(j) IS DISTINCT FROM 'object' THEN
			code := '22032';
		ELSIF column_type <> 'no column' THEN
			value := coalesce(j ->> 'v', j ->> 'V');
		END IF;
	ELSIF column_type IN ('bytea', 'bytes') THEN
		value := bytes;
	ELSIF t IS NULL OR position('\x00' IN bytes) > 0 THEN
		code := '22021';
	ELSIF column_type = 'text' THEN
		value := t;
	ELSIF j IS NULL THEN
		code := '22P02';
	ELSE
		value := j;
	END IF;
	IF column_type = 'bytes' AND length(bytes) = 8 OR column_type = 'doc' AND j = '{"v": 3}' THEN
		code := '23514';
	END IF;
	value := CASE WHEN code IS NULL THEN value END;
END $$;

\! topic create payloads 1
\! topic create payloads_keys 1
\copy (SELECT encode(bytes, 'hex') FROM messages ORDER BY "offset") TO PROGRAM 'perl -ne ''chomp; print pack("H*", $_), "\1;\2"'' | kcat -P -b $KAPPA_BROKER -t payloads -D "$(printf "\001;\002")"'
\copy (SELECT encode(bytes, 'hex') FROM messages ORDER BY "offset") TO PROGRAM 'perl -ne ''chomp; print pack("H*", $_), "\1=\2{}\1;\2"'' | kcat -P -b $KAPPA_BROKER -t payloads_keys -K "$(printf "\001=\002")" -D "$(printf "\001;\002")"'
CREATE TABLE readers AS SELECT topic, type, field, format('%s %s as %s', topic, CASE WHEN field THEN 'field' ELSE 'whole' END, type) AS name
	FROM (VALUES ('payloads'), ('payloads_keys')) AS t (topic), (VALUES ('no column', true), ('text', true), ('text', false), ('bytea', false), ('bytes', false), ('jsonb', false), ('doc', false)) AS c (type, field)
	WHERE topic = 'payloads' OR type <> 'no column';
SELECT format('CREATE FOREIGN TABLE %I ("offset" bigint OPTIONS (metadata ''offset''), v %s %s) SERVER payloads OPTIONS (topic %L, on_error ''ignore'')', name, replace(type, 'no column', 'text'),
	CASE WHEN topic = 'payloads_keys' AND field THEN 'OPTIONS (metadata ''key'', path ''v'')' WHEN topic = 'payloads_keys' THEN 'OPTIONS (metadata ''key'')' WHEN NOT field THEN 'OPTIONS (metadata ''value'')' END, topic) FROM readers \gexec
SELECT format('CREATE CONTINUOUS VIEW %I AS SELECT "offset", %s AS v FROM %I', 'view of ' || name, CASE type WHEN 'no column' THEN 'NULL::text' ELSE 'v' END, name) FROM readers \gexec
CREATE TABLE got (reader text, name text, "offset" bigint, value text, code text);
SELECT format('INSERT INTO got SELECT ''SELECT'', %L, "offset", %s::text FROM %I', name, CASE type WHEN 'no column' THEN 'NULL' ELSE 'v' END, name) FROM readers \gexec
SELECT count(kappa.wait(format('%I', 'view of ' || name)::regclass, '60s')) FROM readers \g /dev/null
SELECT format('INSERT INTO got SELECT ''view'', %L, "offset", v::text FROM %I', name, 'view of ' || name) FROM readers \gexec
INSERT INTO got SELECT 'view', name, message_offset, NULL, sqlstate FROM readers JOIN kappa.dead_letters ON view = format('%I', 'view of ' || name)::regclass;
CREATE TABLE differ AS
	SELECT r.reader, name, "offset", e.bytes, e.value AS expected, e.code AS expected_code, g.value, g.code
		FROM (SELECT * FROM readers, messages, rule(type, field, CASE WHEN type IN ('bytea', 'bytes') OR topic = 'payloads_keys' AND NOT field AND type = 'text' THEN bytes ELSE without_prefix(bytes) END)) AS e
		CROSS JOIN (VALUES ('SELECT'), ('view')) AS r (reader) FULL JOIN got AS g USING (reader, name, "offset")
		WHERE e.value IS DISTINCT FROM g.value OR CASE reader WHEN 'view' THEN e.code IS DISTINCT FROM g.code ELSE (e.code IS NULL) = (g.name IS NULL) END;
SELECT is_empty(format('SELECT * FROM differ WHERE name = %L ORDER BY reader, "offset" LIMIT 20', name), name) FROM readers;

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA payloads CASCADE;
DROP SERVER payloads;
