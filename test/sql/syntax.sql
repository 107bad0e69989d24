-- CONTINUOUS VIEW on the stock parser: how statements are read, and what is
-- refused before a view comes into being.
\set VERBOSITY terse
SET client_min_messages = warning;

-- A database without the extension.
CREATE CONTINUOUS VIEW v AS SELECT 1;
CREATE OR REPLACE CONTINUOUS VIEW v AS SELECT 1;
DROP CONTINUOUS VIEW IF EXISTS v;
ALTER CONTINUOUS VIEW v RENAME TO w;
REFRESH CONTINUOUS VIEW v;
COMMENT ON CONTINUOUS VIEW v IS 'x';
\set VERBOSITY default
CREATE VIEW v WITH (continuous) AS SELECT 1;
\set VERBOSITY terse

CREATE EXTENSION pg_kappa;

-- Materialized and plain views stay what they are.
CREATE MATERIALIZED VIEW m1 AS SELECT 1 AS continuous;
CREATE MATERIALIZED VIEW m2 WITH (continuous = false, fillfactor = 50) AS SELECT 1 AS continuous;
CREATE VIEW p1 WITH (continuous = off, security_barrier) AS SELECT 1 AS continuous;
CREATE VIEW p2 AS SELECT 1 AS continuous;
-- CREATE CONTINUOUS VIEW
CREATE MATERIALIZED VIEW m3 AS SELECT '/* CREATE CONTINUOUS VIEW */' AS x /* CREATE CONTINUOUS VIEW */;
CREATE /* CONTINUOUS */ MATERIALIZED /* CONTINUOUS */ VIEW m4 AS SELECT 'CREATE CONTINUOUS VIEW' AS "CREATE CONTINUOUS VIEW";
CREATE MATERIALIZED VIEW "create continuous view" AS SELECT $$create continuous view x$$::text AS x;
CREATE MATERIALIZED VIEW m5 AS SELECT x.drop continuous, view FROM (VALUES (1, 2)) AS x (drop, view);
SELECT 1 AS create \; CREATE MATERIALIZED VIEW m6 AS SELECT 1 \; SELECT 2 AS drop;
CREATE TABLE t AS SELECT 1 AS continuous;
CREATE TABLE t2 WITH (continuous) AS SELECT 1 AS continuous;
SELECT relname, relkind, reloptions FROM pg_class
WHERE relname ~ '^([mp]\d|create continuous view)$' ORDER BY 1;
REFRESH MATERIALIZED VIEW m1;
ALTER MATERIALIZED VIEW m1 SET (fillfactor = 10);
ALTER MATERIALIZED VIEW m1 RENAME TO m9;
COMMENT ON MATERIALIZED VIEW m9 IS 'x';
DROP MATERIALIZED VIEW m9;

-- Not even read.
CREATE "continuous" VIEW x AS SELECT 1;
CREATE 'continuous' VIEW x AS SELECT 1;
CREATE CONTINUOUS TABLE x (a int);
CREATE CONTINUOUS x;
CREATE;
CONTINUOUS VIEW x AS SELECT 1;
CREATE OR REPLACE;
SELECT continuous view FROM (VALUES (1)) AS t(continuous);
DROP /* unfinished;
*/;
(SELECT continuous FROM (VALUES (1)) AS t(continuous));

-- Refused: what the grammar or the dispatch cannot take.
CREATE TEMP CONTINUOUS VIEW x AS SELECT 1;
CREATE TEMP VIEW x WITH (continuous) AS SELECT 1;
CREATE CONTINUOUS VIEW pg_temp.x AS SELECT 1;
CREATE UNLOGGED CONTINUOUS VIEW x AS SELECT 1;
CREATE UNLOGGED VIEW x AS SELECT 1;
CREATE OR REPLACE UNLOGGED VIEW x AS SELECT 1;
CREATE OR REPLACE UNLOGGED VIEW x WITH (continuous) AS SELECT 1;
CREATE UNLOGGED MATERIALIZED VIEW x WITH (continuous) AS SELECT 1;
CREATE OR REPLACE CONTINUOUS VIEW IF NOT EXISTS x AS SELECT 1;
CREATE OR REPLACE CONTINUOUS VIEW x AS SELECT 1 WITH NO DATA;
CREATE OR REPLACE CONTINUOUS VIEW x AS SELECT 1 WITH CHECK OPTION;
CREATE CONTINUOUS VIEW x USING heap AS SELECT 1;
CREATE CONTINUOUS VIEW x TABLESPACE pg_default AS SELECT 1;
CREATE CONTINUOUS VIEW x WITH (continuous, continuous) AS SELECT 1;
CREATE MATERIALIZED VIEW x WITH (continuous = 3.5) AS SELECT 1;
EXPLAIN CREATE CONTINUOUS VIEW x AS SELECT 1;
EXPLAIN (COSTS off) CREATE MATERIALIZED VIEW x WITH (continuous) AS SELECT 1;
EXPLAIN (COSTS off) CREATE MATERIALIZED VIEW x AS SELECT 1;
EXPLAIN REFRESH CONTINUOUS VIEW p1;
CREATE SCHEMA sch CREATE CONTINUOUS VIEW x AS SELECT 1;
CREATE SCHEMA sch CREATE OR REPLACE CONTINUOUS VIEW x AS SELECT 1;
CREATE SCHEMA sch CREATE VIEW x WITH (continuous) AS SELECT 1;
CREATE SCHEMA sch CREATE UNLOGGED VIEW x AS SELECT 1;
BEGIN READ ONLY;
CREATE CONTINUOUS VIEW x AS SELECT 1;
ROLLBACK;
REFRESH CONTINUOUS VIEW m2;
REFRESH CONTINUOUS VIEW CONCURRENTLY m2 WITH NO DATA;

-- Other relations are no continuous views; missing ones are missing.
SET client_min_messages = notice;
ALTER CONTINUOUS VIEW m2 RENAME TO x;
ALTER CONTINUOUS VIEW m2 RENAME COLUMN continuous TO x;
ALTER CONTINUOUS VIEW p1 SET SCHEMA pg_catalog;
ALTER CONTINUOUS VIEW p1 OWNER TO CURRENT_USER;
ALTER CONTINUOUS VIEW t SET (reject_limit = 10);
ALTER CONTINUOUS VIEW m2 DEPENDS ON EXTENSION plpgsql;
ALTER CONTINUOUS VIEW ALL IN TABLESPACE pg_default SET TABLESPACE pg_default;
COMMENT ON CONTINUOUS VIEW m2 IS 'x';
DROP CONTINUOUS VIEW m2;
DROP CONTINUOUS VIEW IF EXISTS nosuch, p1;
DROP CONTINUOUS VIEW t CASCADE;
DROP CONTINUOUS VIEW nosuch;
DROP CONTINUOUS VIEW IF EXISTS nosuch, nosuch.nosuch;
ALTER CONTINUOUS VIEW nosuch RENAME TO x;
ALTER CONTINUOUS VIEW IF EXISTS nosuch RENAME TO x;
ALTER CONTINUOUS VIEW nosuch SET (reject_limit = 10);
ALTER CONTINUOUS VIEW IF EXISTS nosuch SET (reject_limit = 10);
COMMENT ON CONTINUOUS VIEW nosuch IS 'x';

-- A failed parse leaves no trace, not even inside of a function.
DO $$
BEGIN
    FOR i IN 1..2 LOOP
        BEGIN
            EXECUTE 'drop continuous';
        EXCEPTION WHEN syntax_error THEN
            RAISE NOTICE '%', (SELECT string_agg(word, ' ') FROM pg_get_keywords() WHERE word IN ('continuous', 'materialized'));
        END;
    END LOOP;
END $$;
SET client_min_messages = warning;

-- "continuous" is a name like any other, also right after the words that make
-- it a keyword.
CREATE TABLE continuous (continuous int, view int, "drop" int);
INSERT INTO continuous (continuous, view) VALUES (1, 2);
SELECT continuous, continuous.view, continuous view, continuous.drop continuous FROM continuous;
SELECT continuous.drop, continuous FROM continuous;
ALTER TABLE continuous ALTER continuous TYPE bigint;
ALTER TABLE continuous ALTER continuous SET NOT NULL, ALTER continuous SET DEFAULT 3;
CREATE INDEX comment ON continuous (continuous);
SELECT 1 FROM (VALUES (1)) AS c JOIN (VALUES (true)) AS comment (continuous) ON continuous;
ALTER TABLE continuous DROP continuous;
ALTER TABLE continuous ADD continuous text;
CREATE FUNCTION continuous(continuous int) RETURNS int LANGUAGE sql AS 'SELECT continuous';
SELECT continuous(continuous => 5) AS continuous;
CREATE TYPE continuous_t AS (drop int, continuous int);
SELECT (x).drop continuous FROM (SELECT ROW(1, 2)::continuous_t AS x) AS x;
SELECT quote_ident('create'), quote_ident('continuous'), quote_ident('or'), quote_ident('replace'), quote_ident('continuous');
SELECT word FROM pg_get_keywords() WHERE word IN ('continuous', 'materialized', 'unlogged') ORDER BY 1;
DO $$
DECLARE
    continuous int := 1;
    view int := continuous;
BEGIN
    continuous := continuous + view;
    SELECT c.continuous INTO continuous FROM (VALUES (continuous)) AS c (continuous);
    RAISE WARNING '%', continuous;
END $$;
PREPARE continuous AS SELECT 1 AS continuous;
EXECUTE continuous;
DROP TABLE continuous;
DROP FUNCTION continuous;
DROP TYPE continuous_t;

-- Switched off.
SET pg_kappa.syntax = off;
CREATE CONTINUOUS VIEW x AS SELECT 1;
CREATE OR REPLACE CONTINUOUS VIEW x AS SELECT 1;
DROP CONTINUOUS VIEW m2;
CREATE MATERIALIZED VIEW x USING heap WITH (continuous) AS SELECT 1;
CREATE TEMP VIEW x WITH (continuous) AS SELECT 1;
SELECT x.drop continuous FROM (VALUES (1)) AS x (drop);
-- what was read before keeps its meaning
SET pg_kappa.syntax = off \; CREATE CONTINUOUS VIEW x TABLESPACE pg_default AS SELECT 1;
SET pg_kappa.syntax = on \; CREATE CONTINUOUS VIEW x TABLESPACE pg_default AS SELECT 1;
SHOW pg_kappa.syntax;
RESET pg_kappa.syntax;
SET pg_kappa.syntax = off \; CREATE CONTINUOUS VIEW x TABLESPACE pg_default AS SELECT 1;

DROP EXTENSION pg_kappa;
DROP MATERIALIZED VIEW m2, m3, m4, m5, m6, "create continuous view";
DROP VIEW p1, p2;
DROP TABLE t;
