-- CREATE CONTINUOUS VIEW in all its spellings and from everywhere: that each makes
-- a continuous view, and that materialized and plain views stay what they are.
-- How statements are read and refused without a view is in sql/syntax.sql.
\ir ../lib/pgtap.psql
SET client_min_messages = error;
SELECT plan(27);
CREATE SCHEMA syntax;
SET search_path = syntax, public;
\! topic create syntax 1
CREATE SERVER syntax FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE stream (a int, b text) SERVER syntax OPTIONS (topic 'syntax');

-- name, kind, columns and start of each relation whose name matches
CREATE FUNCTION made(pattern text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', c.relname,
               CASE WHEN c.relkind = 'm' THEN 'materialized' WHEN v.view IS NULL THEN 'plain' ELSE 'continuous' END,
               (SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0),
               v.start), '; ' ORDER BY c.relname)
    FROM pg_class c LEFT JOIN kappa.views v ON v.view = c.oid
    WHERE c.relnamespace = 'syntax'::regnamespace AND c.relkind IN ('v', 'm') AND c.relname ~ pattern
$$;

CREATE CONTINUOUS VIEW v1 AS SELECT a, count(*) FROM stream GROUP BY a;
create continuous view if not exists v2 (x, y) as select a, count(*) from stream group by a;
CREATE CONTINUOUS VIEW v3 AS SELECT count(*) FROM stream WITH NO DATA;
CREATE OR REPLACE CONTINUOUS VIEW v4 (x) AS SELECT count(*) FROM stream;
SELECT is(made('^v[1-4]'), 'v1 continuous a,count earliest; v2 continuous x,y earliest; v3 continuous count latest; v4 continuous x earliest',
    'CREATE CONTINUOUS VIEW');
CREATE MATERIALIZED VIEW v5 WITH (continuous) AS SELECT count(*) FROM stream;
CREATE MATERIALIZED VIEW IF NOT EXISTS v6 (x) WITH (continuous = true, start = 'latest') AS SELECT count(*) FROM stream;
SELECT is(made('^v[56]'), 'v5 continuous count earliest; v6 continuous x latest', 'CREATE MATERIALIZED VIEW .. WITH (continuous)');
CREATE VIEW v7 (x) WITH (continuous, start = 'latest') AS SELECT count(*) FROM stream;
CREATE OR REPLACE VIEW v8 WITH (continuous = on) AS SELECT count(*) FROM stream;
SELECT is(made('^v[78]'), 'v7 continuous x latest; v8 continuous count earliest', 'CREATE VIEW .. WITH (continuous)');
CREATE CONTINUOUS VIEW IF NOT EXISTS v1 AS SELECT b FROM stream;
SELECT is(made('^v1$'), 'v1 continuous a,count earliest', 'IF NOT EXISTS leaves what is there');
SELECT throws_ok('CREATE OR REPLACE CONTINUOUS VIEW v1 AS SELECT b FROM stream', '0A000',
    NULL, 'OR REPLACE of a continuous view: not supported yet');
CREATE MATERIALIZED VIEW m1 AS SELECT 1 AS continuous;
CREATE VIEW p1 WITH (continuous = off) AS SELECT 1 AS continuous;
SELECT throws_ok('CREATE OR REPLACE CONTINUOUS VIEW p1 AS SELECT b FROM stream', '42809',
    '"p1" is not a continuous view', 'nor does it replace another view');
SELECT throws_ok('CREATE CONTINUOUS VIEW m1 AS SELECT b FROM stream', '42P07',
    'relation "m1" already exists', 'or another relation');

CREATE/* x */CONTINUOUS/* /* VIEW */ */VIEW c1 AS SELECT count(*) FROM stream;
CREATE -- CONTINUOUS VIEW
CONTINUOUS -- TABLE
VIEW c2 AS SELECT count(*) FROM stream;
/* CREATE */ CREATE /* MATERIALIZED */ OR /**/ REPLACE --
/* VIEW */ CONTINUOUS VIEW c3 AS SELECT count(*) FROM stream;
CREATE /* CONTINUOUS */ MATERIALIZED /* CONTINUOUS */ VIEW c4 AS SELECT 'CREATE CONTINUOUS VIEW' AS x;
SELECT is(made('^c\d'), 'c1 continuous count earliest; c2 continuous count earliest; c3 continuous count earliest; c4 materialized x',
    'between comments');
CREATE CONTINUOUS VIEW "create continuous view" AS SELECT count(*) AS "continuous view" FROM stream;
CREATE MATERIALIZED VIEW "drop continuous view" AS SELECT $$create continuous view x$$::text AS x;
SELECT is(made('continuous'), 'create continuous view continuous continuous view earliest; drop continuous view materialized x',
    'quoted names and strings');

SELECT NULL WHERE false \; CREATE CONTINUOUS VIEW s1 AS SELECT count(*) FROM stream \; CREATE MATERIALIZED VIEW s2 AS SELECT 1 AS a \; CREATE OR REPLACE CONTINUOUS VIEW s3 AS SELECT sum(a) FROM stream \; CREATE MATERIALIZED VIEW s4 AS SELECT 1 AS a;
SELECT is(made('^s\d'), 's1 continuous count earliest; s2 materialized a; s3 continuous sum earliest; s4 materialized a',
    'several statements in one string');
SET pg_kappa.syntax = off \; CREATE CONTINUOUS VIEW s5 AS SELECT count(*) FROM stream \; RESET pg_kappa.syntax;
SELECT is(made('^s5'), 's5 continuous count earliest', 'what was read while pg_kappa.syntax was on keeps its meaning');
SET pg_kappa.syntax = off;
CREATE MATERIALIZED VIEW o1 WITH (continuous) AS SELECT count(*) FROM stream;
CREATE OR REPLACE VIEW o2 WITH (continuous) AS SELECT count(*) FROM stream;
RESET pg_kappa.syntax;
SELECT is(made('^o\d'), 'o1 continuous count earliest; o2 continuous count earliest', 'WITH (continuous) with pg_kappa.syntax off');

BEGIN;
CREATE CONTINUOUS VIEW t1 AS SELECT count(*) FROM stream;
SAVEPOINT s;
CREATE CONTINUOUS VIEW t2 AS SELECT count(*) FROM stream;
DROP CONTINUOUS VIEW t1;
SELECT is(made('^t\d'), 't2 continuous count earliest', 'in a transaction');
ROLLBACK TO s;
SELECT is(made('^t\d'), 't1 continuous count earliest', 'after ROLLBACK TO');
ROLLBACK;
SELECT is(made('^t\d'), NULL, 'after ROLLBACK');

CREATE FUNCTION static() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    continuous int := 1;
    materialized int := 2;
BEGIN
    CREATE CONTINUOUS VIEW f1 AS SELECT count(*) FROM stream;
    CREATE OR REPLACE CONTINUOUS VIEW f2 AS SELECT count(*) FROM stream;
    continuous := continuous + materialized;
    DROP CONTINUOUS VIEW f1;
    RETURN continuous;
END $$;
SELECT is(static(), 3, 'variables named like the keywords');
SELECT is(made('^f\d'), 'f2 continuous count earliest', 'static SQL in PL/pgSQL');
DROP CONTINUOUS VIEW f2;
SELECT lives_ok('SELECT static()', 'and once more from its cached plans');
CREATE FUNCTION plain() RETURNS void LANGUAGE sql AS $$
    CREATE CONTINUOUS VIEW f3 AS SELECT count(*) FROM stream;
    CREATE MATERIALIZED VIEW f4 AS SELECT 1 AS a;
$$;
SELECT plain();
DO $$
BEGIN
    EXECUTE 'create -- hi
             continuous view f5 as select count(*) from stream';
END $$;
SELECT is(made('^f\d'), 'f2 continuous count earliest; f3 continuous count earliest; f4 materialized a; f5 continuous count earliest',
    'SQL functions, and EXECUTE in DO');

-- ALTER, COMMENT, DROP
CREATE SCHEMA syntax2;
ALTER CONTINUOUS VIEW v1 RENAME TO w1;
ALTER CONTINUOUS VIEW w1 RENAME COLUMN count TO n;
SELECT is(made('^w1'), 'w1 continuous a,n earliest', 'RENAME');
ALTER CONTINUOUS VIEW w1 SET SCHEMA syntax2;
SELECT is(to_regclass('syntax2.w1') IS NOT NULL AND to_regclass('syntax.w1') IS NULL, true, 'SET SCHEMA');
ALTER CONTINUOUS VIEW syntax2.w1 SET SCHEMA syntax;
ALTER CONTINUOUS VIEW w1 SET (reject_limit = 10);
SELECT is(reject_limit, 10::bigint, 'SET (option)') FROM kappa.views WHERE view = 'w1'::regclass;
ALTER VIEW w1 SET (reject_limit = 20);
SELECT is(reject_limit, 20::bigint, 'ALTER VIEW .. SET (option) does the same') FROM kappa.views WHERE view = 'w1'::regclass;
COMMENT ON CONTINUOUS VIEW w1 IS 'told';
SELECT is(obj_description('w1'::regclass, 'pg_class'), 'told', 'COMMENT');

-- Event triggers see one CREATE VIEW, and what lies behind it.
CREATE TABLE seen (tag text, identity text);
CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syntax.seen SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands()
    WHERE schema_name = 'syntax';
END $$;
CREATE EVENT TRIGGER syntax_see ON ddl_command_end EXECUTE FUNCTION see();
CREATE CONTINUOUS VIEW e1 AS SELECT count(*) FROM stream;
DROP EVENT TRIGGER syntax_see;
SELECT is((SELECT string_agg(tag || ' ' || identity, '; ') FROM seen), 'CREATE VIEW syntax.e1', 'ddl_command_end');

CREATE VIEW on_w1 AS SELECT * FROM w1;
SELECT throws_ok('DROP CONTINUOUS VIEW w1', '2BP01', NULL, 'RESTRICT');
DROP CONTINUOUS VIEW w1, v2 CASCADE;
DROP VIEW v3;
SELECT is(made('^(w1|on_w1|v[1-4])$'), 'v4 continuous x earliest', 'DROP');
SELECT * FROM finish();
DROP SCHEMA syntax, syntax2 CASCADE;
DROP SERVER syntax;
