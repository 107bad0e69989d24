-- What follows when things around a continuous view change, and what is refused.
SET client_min_messages = error;
CREATE EXTENSION pg_kappa;
CREATE ROLE regress_kappa_one;
CREATE ROLE regress_kappa_two;
CREATE SCHEMA changes;
GRANT ALL ON SCHEMA changes TO regress_kappa_one, regress_kappa_two;
CREATE SERVER changes FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
GRANT USAGE ON FOREIGN SERVER changes TO regress_kappa_one;
SET search_path = changes, public;
SET SESSION AUTHORIZATION regress_kappa_one;
CREATE FOREIGN TABLE visits (page text, mood text, at timestamptz, seen timestamptz OPTIONS (path 's'))
    SERVER changes OPTIONS (topic 'visits', event_time 'at');

-- an aggregate of a plain user's, over a type that pg_catalog does not have
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION count_mood(float8, mood) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION half(float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
CREATE AGGREGATE moods("of" mood) (SFUNC = count_mood, STYPE = float8, FINALFUNC = half, COMBINEFUNC = float8pl, INITCOND = '0');
CREATE VIEW happiness WITH (continuous) AS SELECT page, moods(mood::mood) FROM visits GROUP BY page;
SELECT p.oid::regprocedure, p.proowner::regrole FROM pg_proc p WHERE proname = 'partial_moods';

-- the stream's event time counts for all views, used or not
ALTER FOREIGN TABLE visits ALTER COLUMN at TYPE text;
ALTER FOREIGN TABLE visits ALTER COLUMN at SET NOT NULL;
ALTER FOREIGN TABLE visits ALTER COLUMN at OPTIONS (ADD path 'time');
ALTER FOREIGN TABLE visits RENAME COLUMN at TO "when";
ALTER FOREIGN TABLE visits DROP COLUMN at;
ALTER FOREIGN TABLE visits DROP COLUMN seen;

-- plain views between a definition and its stream stay as they are; others may be replaced
CREATE TABLE pages (page text, title text);
CREATE VIEW titles AS SELECT page, title FROM pages;
CREATE VIEW seen_visits AS SELECT page, mood FROM visits WHERE at IS NOT NULL;
CREATE VIEW happy_visits AS SELECT page FROM seen_visits WHERE mood = 'happy';
CREATE VIEW happy WITH (continuous) AS
    WITH v AS (SELECT * FROM happy_visits) SELECT title, count(*) FROM v JOIN titles USING (page) GROUP BY title;
CREATE OR REPLACE VIEW happy_visits AS SELECT page FROM visits;
CREATE OR REPLACE VIEW seen_visits AS SELECT page, mood FROM visits;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO seen_visits DO INSTEAD SELECT page, mood FROM visits;
CREATE OR REPLACE VIEW titles AS SELECT page, upper(title) AS title FROM pages;
DROP VIEW happy;
CREATE OR REPLACE VIEW seen_visits AS SELECT page, mood FROM visits;
DROP VIEW happy_visits, seen_visits;

-- a view's state goes to the user's default tablespace, if that is the user's right
RESET SESSION AUTHORIZATION;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_kappa_space LOCATION '';
SET SESSION AUTHORIZATION regress_kappa_one;
SET default_tablespace = regress_kappa_space;
CREATE VIEW elsewhere WITH (continuous) AS SELECT page, count(*) FROM visits GROUP BY page;
RESET SESSION AUTHORIZATION;
GRANT CREATE ON TABLESPACE regress_kappa_space TO regress_kappa_one;
SET SESSION AUTHORIZATION regress_kappa_one;
SET default_tablespace = regress_kappa_space;
CREATE VIEW elsewhere WITH (continuous) AS SELECT page, count(*) FROM visits GROUP BY page;
SELECT c.relkind, t.spcname FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE relname LIKE 'elsewhere_%' ORDER BY 1;
DROP VIEW elsewhere;

-- hidden relations follow a new owner, however that is said
RESET SESSION AUTHORIZATION;
DROP TABLESPACE regress_kappa_space;
CREATE FUNCTION owners() RETURNS TABLE (owner regrole, relations bigint) LANGUAGE sql AS $$
    SELECT c.relowner::regrole, count(*) FROM kappa.views v JOIN pg_class c ON c.oid IN (v.view, v.definition, v.delta, v.state) GROUP BY 1
$$;
SELECT * FROM owners();
ALTER TABLE happiness ALTER COLUMN page SET DEFAULT '', OWNER TO regress_kappa_two;
SELECT * FROM owners();
ALTER VIEW happiness OWNER TO regress_kappa_one;
SELECT * FROM owners();
REASSIGN OWNED BY regress_kappa_one TO regress_kappa_two;
SELECT * FROM owners();

DROP SCHEMA changes CASCADE;
DROP EXTENSION pg_kappa CASCADE;

-- without the extension, schemas and tables of its names are anybody's
SET search_path = public;
CREATE SCHEMA kappa;
CREATE TABLE kappa.views (view text PRIMARY KEY, stream text);
INSERT INTO kappa.views SELECT 'view ' || i, 'stream' FROM generate_series(1, 1000) i;
CREATE VIEW plain AS SELECT 1 AS one;
ALTER VIEW plain RENAME TO plainer;
ALTER TABLE kappa.views ADD COLUMN state text;
DROP VIEW plainer;
DROP SCHEMA kappa CASCADE;
DROP ROLE regress_kappa_one, regress_kappa_two;
