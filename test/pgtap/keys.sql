-- Keys and paths: objects made by chance of keys that are alike, which paths lead where.  The rule of doc/json.md is written down here
-- a second time, upon json_each, which gives the members of an object as they stand, duplicates too.
\ir ../lib/pgtap.psql
SELECT no_plan();
CREATE SCHEMA keys;
SET search_path = keys, public;
SET client_min_messages = warning;
CREATE SERVER keys FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');

-- Columns; a NULL path is the column's name.
CREATE TABLE columns (name text, path text, steps text[]);
INSERT INTO columns VALUES ('a', NULL, '{a}'), ('A', NULL, '{A}'), ('ab', NULL, '{ab}'), ('aB', NULL, '{aB}'), ('a.b', NULL, '{a.b}'), ('é', NULL, '{é}'), ('0', NULL, '{0}'),
	('p1', 'a.a', '{a,a}'), ('p2', 'a.A', '{a,A}'), ('p3', 'A.ab', '{A,ab}'), ('p4', 'a.0', '{a,0}'), ('p5', '/a/1/a', '{a,1,a}'), ('p6', '/a~1b/~0', '{a/b,~}'), ('p7', '/', '{""}'), ('p8', '/a//', '{a,"",""}'),
	('p20', '/a/5000/a', '{a,5000,a}'), ('p9', 'a.00', '{a,00}'), ('p10', '/ab/a.b', '{ab,a.b}'), ('p11', '/~01', '{~1}'), ('p12', 'a.a.a.a', '{a,a,a,a}'), ('p13', 'É', '{É}'), ('p14', '/' || repeat('a', 200), ARRAY[repeat('a', 200)]), ('p15', '/a/ ', '{a," "}'),
	('p16', '/a\u0061', ARRAY['a\u0061']), ('p17', E'/tab\t', ARRAY[E'tab\t']), ('p18', '/a' || repeat('/a', 63), array_fill('a'::text, '{64}')), ('p19', 'a.9999999999', '{a,9999999999}');
CREATE TABLE messages ("offset" bigint PRIMARY KEY, line text);

SELECT setseed(0.20261121);
CREATE FUNCTION draw(list text[]) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT list[1 + floor(random() * cardinality(list))] $$;
CREATE FUNCTION chance(depth int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	keys text[] := ARRAY['a', 'a', 'a', 'a', 'A', 'A', '\u0061', '\u0041', 'ab', 'AB', 'aB', 'Ab', '\u0061b', 'a.b', 'A.B', 'é', 'É', '\u00e9', '0', '1', '00', '\u0030', 'a/b', 'A/b', '~', '~1', '',
		'a ', '\"a\"', '\t', 'tab\t', '\/', 'aa', repeat('a', 200), repeat('a', 199) || '\u0041', repeat('a', 201), ' ', 'a\\u0061'];
	kind int := CASE WHEN depth = 0 THEN 0 WHEN depth > 4 THEN 5 ELSE floor(random() * 6) END;
BEGIN
	IF kind > 3 THEN
		RETURN draw(ARRAY['1', 'null', 'true', '"x"', '1.50', '"\u0061"', '[]', '{}', '""']);
	ELSIF kind = 3 THEN
		RETURN '[' || coalesce((SELECT string_agg(chance(depth + 1), draw(ARRAY[',', ', '])) FROM generate_series(1, floor(random() * 4)::int)), '') || ']';
	END IF;
	RETURN '{' || coalesce((SELECT string_agg('"' || draw(keys) || '"' || draw(ARRAY[':', ' : ']) || chance(depth + 1), draw(ARRAY[',', ', '])) FROM generate_series(1, floor(random() * 7)::int)), '') || '}';
END $$;
INSERT INTO messages SELECT i, chance(0) FROM generate_series(0, 799) AS i;
INSERT INTO messages VALUES (800, repeat('{"a":', 64) || '"deep"' || repeat('}', 64)), (801, repeat('{"A":', 64) || '"deep"' || repeat('}', 64)), (802, repeat('{"a":', 63) || '"deep"' || repeat('}', 63)),
	(803, '{' || (SELECT string_agg(format('"k%s":%s', i, i), ',') FROM generate_series(1, 2000) AS i) || ',"a":"last"}'), (804, '{' || repeat('"a":1,', 2000) || '"A":2}'), (805, '{"a":[' || repeat('0,', 5000) || '{"a":7}]}');

-- The value at steps of j: its text, NULL if there is none, '22030' if two spellings of a key come into question.
CREATE FUNCTION folded(key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT translate(key, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') $$;
CREATE FUNCTION rule(j json, steps text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found json;
	spellings int := 0;
BEGIN
	IF steps = '{}' OR j IS NULL THEN
		RETURN CASE WHEN json_typeof(j) <> 'null' THEN j #>> '{}' END;
	ELSIF json_typeof(j) = 'array' AND steps[1] ~ '^(0|[1-9][0-9]{0,8})$' THEN
		found := j -> steps[1]::int;
	ELSIF json_typeof(j) = 'object' THEN
		SELECT count(DISTINCT key), (array_agg(value ORDER BY i DESC))[1] INTO spellings, found FROM json_each(j) WITH ORDINALITY AS m (key, value, i) WHERE folded(key) = folded(steps[1]);
		IF EXISTS (SELECT FROM json_each(j) AS m (key, value) WHERE key = steps[1]) THEN
			SELECT value INTO found FROM json_each(j) WITH ORDINALITY AS m (key, value, i) WHERE key = steps[1] ORDER BY i DESC LIMIT 1;
		ELSIF spellings > 1 THEN
			RETURN '22030';
		END IF;
	END IF;
	RETURN rule(found, steps[2:]);
END $$;
CREATE TABLE expected AS SELECT name, "offset", rule(line::json, steps) AS value FROM columns, messages;

\! topic create keys 1
\copy (SELECT line FROM messages ORDER BY "offset") TO PROGRAM 'kcat -P -b $KAPPA_BROKER -t keys' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
SELECT format('CREATE FOREIGN TABLE read ("offset" bigint OPTIONS (metadata ''offset''), %s) SERVER keys OPTIONS (topic ''keys'', on_error ''ignore'')',
	string_agg(format('%I text %s', name, 'OPTIONS (path ' || quote_literal(path) || ')'), ', ')) FROM columns \gexec
CREATE TABLE got (name text, "offset" bigint, value text);
SELECT format('INSERT INTO got SELECT %L, "offset", %I FROM read', name, name) FROM columns \gexec
SELECT is_empty(format($$SELECT "offset", line, e.value AS expected, g."offset" IS NULL AS bad, g.value FROM (SELECT * FROM expected WHERE name = %L) AS e JOIN messages USING ("offset")
	LEFT JOIN (SELECT * FROM got WHERE name = %L) AS g USING ("offset") WHERE coalesce(g.value, CASE WHEN g."offset" IS NULL THEN '22030' END) IS DISTINCT FROM e.value
	ORDER BY length(line) LIMIT 10$$, name, name), name || coalesce(' at ' || left(path, 50), '')) FROM columns;
SELECT ok(count(*) FILTER (WHERE value = '22030') > 50 AND count(*) FILTER (WHERE value <> '22030') > 1000, 'there is much of everything') FROM expected;
-- All at once: the columns do not get into each other's way.
SELECT results_eq(format('SELECT "offset", to_jsonb(r) - ''offset'' FROM read AS r ORDER BY 1'),
	$$SELECT "offset", jsonb_object_agg(name, value) FROM expected GROUP BY 1 HAVING count(*) FILTER (WHERE value = '22030') = 0 ORDER BY 1$$, 'all columns at once');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA keys CASCADE;
DROP SERVER keys;
