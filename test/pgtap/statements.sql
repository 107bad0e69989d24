-- Statements about views, what belongs to them, and streams beneath them, one by one: what each
-- answers, and that the view is right after all of them.
\ir ../lib/pgtap.psql
SELECT plan(187);
CREATE SCHEMA statements;
CREATE SCHEMA elsewhere;
SET search_path = statements, public;
\! topic create statements 2
\! sales 300 > $KAPPA_TMP/statements
\! kcat -P -b $KAPPA_BROKER -t statements -K '\t' -l $KAPPA_TMP/statements
CREATE SERVER statements FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE ROLE st_owner;
CREATE ROLE st_other;
CREATE ROLE st_stranger;
GRANT st_other TO st_owner;
GRANT ALL ON SCHEMA statements, elsewhere TO st_owner, st_other;
GRANT USAGE ON SCHEMA statements, elsewhere TO st_stranger;
GRANT USAGE ON FOREIGN SERVER statements TO st_owner, st_other;

-- What a statement answers: ok, or SQLSTATE message / hint.
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN concat(SQLSTATE, ' ', message, ' / ' || nullif(hint, ''));
END $$;

SET ROLE st_owner;
CREATE FOREIGN TABLE sales (machine int, item text NOT NULL, price numeric(8,2), sold_at timestamptz, n bigint,
	city text OPTIONS (path 'place.city'), floor int OPTIONS (path 'place.floor'), o bigint OPTIONS (metadata 'offset'))
	SERVER statements OPTIONS (topic 'statements', event_time 'sold_at');
CREATE CONTINUOUS VIEW v AS SELECT item, city, count(*) AS c, sum(price) AS p, max(o) AS o FROM sales GROUP BY item, city;
CREATE CONTINUOUS VIEW other AS SELECT count(*) AS c FROM sales;
CREATE TABLE plain (a int);
CREATE MATERIALIZED VIEW mat AS SELECT 1 AS a;
CREATE VIEW aview AS SELECT 1 AS a;
CREATE SEQUENCE seq;
CREATE TYPE composite AS (a int);
SELECT kappa.wait(x::regclass, '60s') FROM unnest('{v,other}'::text[]) x \g /dev/null
SELECT format('kappa_state.%I', relname) AS state, format('kappa_state.%I', replace(relname, '_state', '_delta')) AS delta,
	format('kappa_state.%I', replace(relname, '_state', '_definition')) AS definition, replace(relname, '_state', '_key') AS key
FROM pg_class WHERE relname ~ '^v_\d+_1_state$' AND relowner = 'st_owner'::regrole \gset

CREATE TEMP TABLE attempts (id serial, answer text, statement text);
INSERT INTO attempts (answer, statement) VALUES
-- the table of spellings: three forms, three clauses
('ok',     'CREATE CONTINUOUS VIEW a1 AS SELECT count(*) FROM sales'),
('ok',     'CREATE CONTINUOUS VIEW IF NOT EXISTS a2 AS SELECT count(*) FROM sales'),
('ok',     'CREATE CONTINUOUS VIEW a3 AS SELECT count(*) FROM sales WITH NO DATA'),
('ok',     'CREATE CONTINUOUS VIEW IF NOT EXISTS a4 AS SELECT count(*) FROM sales WITH NO DATA'),
('ok',     'CREATE OR REPLACE CONTINUOUS VIEW a5 AS SELECT count(*) FROM sales'),
('42601 ', 'CREATE OR REPLACE CONTINUOUS VIEW x AS SELECT count(*) FROM sales WITH NO DATA'),
('42601 ', 'CREATE OR REPLACE CONTINUOUS VIEW IF NOT EXISTS x AS SELECT count(*) FROM sales'),
('ok',     'CREATE MATERIALIZED VIEW a6 WITH (continuous) AS SELECT count(*) FROM sales'),
('ok',     'CREATE MATERIALIZED VIEW IF NOT EXISTS a7 WITH (continuous) AS SELECT count(*) FROM sales'),
('ok',     'CREATE MATERIALIZED VIEW a8 WITH (continuous) AS SELECT count(*) FROM sales WITH NO DATA'),
('42601 ', 'CREATE OR REPLACE MATERIALIZED VIEW x WITH (continuous) AS SELECT count(*) FROM sales'),
('ok',     'CREATE VIEW a9 WITH (continuous) AS SELECT count(*) FROM sales'),
('ok',     'CREATE OR REPLACE VIEW a10 WITH (continuous) AS SELECT count(*) FROM sales'),
('42601 ', 'CREATE VIEW IF NOT EXISTS x WITH (continuous) AS SELECT count(*) FROM sales'),
('42601 ', 'CREATE VIEW x WITH (continuous) AS SELECT count(*) FROM sales WITH NO DATA'),
-- what is refused in any spelling
('0A000 .*explained', 'EXPLAIN CREATE CONTINUOUS VIEW x AS SELECT count(*) FROM sales'),
('0A000 .*explained', 'EXPLAIN CREATE MATERIALIZED VIEW x WITH (continuous) AS SELECT count(*) FROM sales'),
('0A000 .*CREATE SCHEMA', 'CREATE SCHEMA x CREATE VIEW x WITH (continuous) AS SELECT count(*) FROM sales'),
('42601 ', 'CREATE SCHEMA x CREATE CONTINUOUS VIEW x AS SELECT count(*) FROM sales'),
('42601 ', 'CREATE TEMP CONTINUOUS VIEW x AS SELECT count(*) FROM sales'),
('0A000 .*temporary', 'CREATE TEMP VIEW x WITH (continuous) AS SELECT count(*) FROM sales'),
('0A000 .*temporary', 'CREATE CONTINUOUS VIEW pg_temp.x AS SELECT count(*) FROM sales'),
('0A000 .*temporary', 'CREATE MATERIALIZED VIEW pg_temp.x WITH (continuous) AS SELECT count(*) FROM sales'),
('0A000 .*CHECK OPTION', 'CREATE VIEW x WITH (continuous) AS SELECT item FROM sales WITH CHECK OPTION'),
('0A000 .*TABLESPACE', 'CREATE CONTINUOUS VIEW x TABLESPACE pg_default AS SELECT item FROM sales'),
('42601 .*more than once', 'CREATE VIEW x WITH (continuous, continuous) AS SELECT item FROM sales'),
('22023 .*Boolean|42601 .*Boolean', 'CREATE VIEW x WITH (continuous = maybe) AS SELECT item FROM sales'),
('22023 .*security_invoker.* / The options are', 'CREATE VIEW x WITH (continuous, security_invoker) AS SELECT item FROM sales'),
('3F000 ', 'CREATE CONTINUOUS VIEW nosuch.x AS SELECT item FROM sales'),
('42501 ', 'CREATE CONTINUOUS VIEW kappa.x AS SELECT item FROM sales'),
('42501 ', 'CREATE CONTINUOUS VIEW kappa_state.x AS SELECT item FROM sales'),
('42P02 ', 'CREATE CONTINUOUS VIEW x AS SELECT $1 FROM sales'),
-- steps to come
('0A000 .*not supported yet / Drop', 'CREATE OR REPLACE CONTINUOUS VIEW v AS SELECT item FROM sales'),
('0A000 .*not supported yet / Drop', 'CREATE OR REPLACE VIEW v WITH (continuous) AS SELECT item FROM sales'),
('0A000 .*not supported yet', 'REFRESH CONTINUOUS VIEW v'),
('42P01 .*does not exist', 'REFRESH CONTINUOUS VIEW nosuch'),
('42809 .*not a continuous view', 'REFRESH CONTINUOUS VIEW mat'),
('0A000 .*not supported yet', $$CREATE CONTINUOUS VIEW x WITH (retention = '1 day') AS SELECT item FROM sales$$),
('0A000 .*not supported yet', $$CREATE CONTINUOUS VIEW x WITH (lateness = '1 day') AS SELECT item FROM sales$$),
('0A000 .*not supported yet', $$CREATE CONTINUOUS VIEW x WITH (emit = 'final') AS SELECT item FROM sales$$),
('0A000 .*not supported yet', $$CREATE CONTINUOUS VIEW x WITH (swap = 'manual') AS SELECT item FROM sales$$),
('0A000 .*not supported yet / Use tumble', $$CREATE CONTINUOUS VIEW x AS SELECT hop(sold_at, '1 minute', '5 minutes'), count(*) FROM sales GROUP BY 1$$),
('0A000 .*not supported yet / Use tumble', $$CREATE CONTINUOUS VIEW x AS SELECT session(sold_at, '1 minute'), count(*) FROM sales GROUP BY 1$$),
('0A000 .*not supported yet', $$ALTER CONTINUOUS VIEW v SET (retention = '1 day')$$),
('0A000 .*not supported yet', $$ALTER CONTINUOUS VIEW v SET (swap = 'manual')$$),
-- names that are taken
('42P07 ', 'CREATE CONTINUOUS VIEW v AS SELECT item FROM sales'),
('42P07 ', 'CREATE CONTINUOUS VIEW plain AS SELECT item FROM sales'),
('42P07 ', 'CREATE CONTINUOUS VIEW seq AS SELECT item FROM sales'),
('42P07 ', 'CREATE CONTINUOUS VIEW composite AS SELECT item FROM sales'),
('ok',     'CREATE CONTINUOUS VIEW IF NOT EXISTS plain AS SELECT item FROM sales'),
('ok',     'CREATE CONTINUOUS VIEW IF NOT EXISTS v AS SELECT item FROM sales'),
('42809 .*not a continuous view', 'CREATE OR REPLACE CONTINUOUS VIEW plain AS SELECT item FROM sales'),
('42809 .*not a continuous view', 'CREATE OR REPLACE CONTINUOUS VIEW mat AS SELECT item FROM sales'),
('42809 .*not a continuous view', 'CREATE OR REPLACE VIEW aview WITH (continuous) AS SELECT item FROM sales'),
-- built-ins that read what is not in the log
('0A000 .*pg_client_encoding.* / Leave it out', 'CREATE CONTINUOUS VIEW x AS SELECT pg_client_encoding() FROM sales'),
('0A000 .*pg_stat_get_numscans', $$CREATE CONTINUOUS VIEW x AS SELECT pg_stat_get_numscans('plain'::regclass) FROM sales$$),
('0A000 .*age', 'CREATE CONTINUOUS VIEW x AS SELECT age(n::text::xid) FROM sales'),
('0A000 .*pg_timezone_names', 'CREATE CONTINUOUS VIEW x AS SELECT name FROM sales, pg_timezone_names() WHERE name = item'),
-- altering a view, also under other names
('ok',     'ALTER VIEW v RENAME TO w'),
('ok',     'ALTER TABLE w RENAME TO v'),
('42809 ', 'ALTER MATERIALIZED VIEW v RENAME TO w'),
('ok',     'ALTER CONTINUOUS VIEW v SET SCHEMA elsewhere'),
('ok',     'ALTER TABLE elsewhere.v SET SCHEMA statements'),
('ok',     'ALTER VIEW v OWNER TO st_other'),
('ok',     'ALTER TABLE v OWNER TO st_owner'),
('ok',     'ALTER CONTINUOUS VIEW v OWNER TO st_other'),
('ok',     'REASSIGN OWNED BY st_other TO st_owner'),
('42501 ', 'ALTER VIEW v OWNER TO st_stranger'),
('ok',     'ALTER CONTINUOUS VIEW v RENAME COLUMN p TO q'),
('ok',     'ALTER TABLE v RENAME COLUMN q TO p'),
('ok',     'ALTER VIEW v ALTER COLUMN c SET DEFAULT 3'),
('ok',     'ALTER VIEW v ALTER COLUMN c DROP DEFAULT'),
('0A000 .* / Use one of RENAME', 'ALTER CONTINUOUS VIEW v ALTER COLUMN c SET DEFAULT 3'),
('0A000 ', 'ALTER TABLE v SET (security_invoker = true)'),
('22023 .*security_invoker', 'ALTER VIEW v SET (security_invoker = true)'),
('ok',     'ALTER CONTINUOUS VIEW v SET (reject_limit = 100000)'),
('ok',     'ALTER VIEW v SET (reject_limit = none)'),
('22023 ', 'ALTER CONTINUOUS VIEW v SET (reject_limit = -1)'),
('22023 .*nosuch.* / The options are', 'ALTER CONTINUOUS VIEW v SET (nosuch = 1)'),
('0A000 .*start.* / Drop', $$ALTER CONTINUOUS VIEW v SET (start = 'latest')$$),
('0A000 .*lateness', $$ALTER CONTINUOUS VIEW v SET (lateness = '1 day')$$),
('42P01 ', 'ALTER CONTINUOUS VIEW nosuch SET (reject_limit = 1)'),
('ok',     'ALTER CONTINUOUS VIEW IF EXISTS nosuch SET (reject_limit = 1)'),
('ok',     $$COMMENT ON CONTINUOUS VIEW v IS 'told'$$),
('ok',     $$COMMENT ON COLUMN v.c IS 'told'$$),
('ok',     'GRANT SELECT ON v TO st_stranger'),
('ok',     'GRANT INSERT, UPDATE, DELETE ON v TO st_stranger'),
('42809 .*continuous view.* / Use CREATE OR REPLACE CONTINUOUS', 'CREATE OR REPLACE VIEW v AS SELECT NULL::text AS item, NULL::text AS city, 1::bigint AS c, 2::numeric AS p, 1::bigint AS o'),
('0A000 .*rules and triggers', 'CREATE RULE r AS ON INSERT TO v DO INSTEAD NOTHING'),
('0A000 .*rules and triggers', 'CREATE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'),
('2BP01 ', 'DROP RULE "_RETURN" ON v'),
-- writing to a view
('0A000 cannot change', $$INSERT INTO v VALUES ('x', 'y', 1, 2, 3)$$),
('0A000 cannot change', 'UPDATE v SET c = 1'),
('0A000 cannot change', 'DELETE FROM v'),
('0A000 cannot change', 'SELECT * FROM v FOR UPDATE'),
('0A000 cannot change', 'WITH d AS (DELETE FROM v RETURNING *) SELECT * FROM d'),
('42809 ', 'TRUNCATE v'),
('ok',     'CREATE VIEW over AS SELECT * FROM v'),
('0A000 cannot change', 'DELETE FROM over'),
('ok',     'DROP VIEW over'),
-- the state and the hidden views, by their owner
('2BP01 ', 'DROP TABLE :state'), ('2BP01 ', 'DROP VIEW :delta'), ('2BP01 ', 'DROP VIEW :definition'),
('2BP01 cannot truncate', 'TRUNCATE :state'),
('0A000 cannot change', 'DELETE FROM :state'), ('0A000 cannot change', 'INSERT INTO :state DEFAULT VALUES'),
('0A000 cannot change', 'UPDATE :state SET count = 1'),
('0A000 cannot change', 'SELECT FROM :state FOR SHARE'),
('2BP01 cannot alter', 'ALTER TABLE :state ADD COLUMN x int'), ('2BP01 cannot alter', 'ALTER TABLE :state DROP COLUMN count'),
('2BP01 cannot alter', 'ALTER TABLE :state ALTER COLUMN count TYPE numeric'), ('2BP01 cannot alter', 'ALTER TABLE :state SET UNLOGGED'),
('2BP01 cannot alter', 'ALTER TABLE :state SET LOGGED'), ('2BP01 cannot alter', 'ALTER TABLE :state REPLICA IDENTITY DEFAULT'),
('2BP01 cannot alter', 'ALTER TABLE :state ENABLE ROW LEVEL SECURITY'), ('2BP01 cannot alter', 'ALTER TABLE :state OWNER TO st_other'),
('2BP01 cannot rename', 'ALTER TABLE :state RENAME TO x'), ('2BP01 cannot rename', 'ALTER TABLE :state RENAME COLUMN count TO x'),
('2BP01 cannot move', 'ALTER TABLE :state SET SCHEMA elsewhere'),
('2BP01 cannot create a rule', 'CREATE TRIGGER t BEFORE INSERT ON :state FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'),
('2BP01 cannot create a rule', 'CREATE RULE r AS ON INSERT TO :state DO INSTEAD NOTHING'),
('2BP01 cannot drop the unique', 'DROP INDEX :key'), ('2BP01 cannot create a unique', 'CREATE UNIQUE INDEX ON :state (count)'),
('2BP01 cannot inherit', 'CREATE TABLE x () INHERITS (:state)'), ('2BP01 cannot inherit', 'ALTER TABLE plain INHERIT :state'),
('2BP01 cannot reference', 'CREATE TABLE x (a text, b text, FOREIGN KEY (a, b) REFERENCES :state (item, city))'),
('2BP01 cannot reference', 'CREATE TABLE x (a text REFERENCES :state (item))'),
('2BP01 cannot reference', 'ALTER TABLE plain ADD FOREIGN KEY (a) REFERENCES :state (count)'),
('ok',     'ALTER TABLE :state SET (fillfactor = 60)'), ('ok', 'ALTER TABLE :state SET TABLESPACE pg_default'),
('ok',     'ALTER TABLE :state ALTER COLUMN item SET STATISTICS 10'), ('ok', 'ANALYZE :state'), ('ok', 'REINDEX TABLE :state'),
('ok',     'ALTER TABLE :state CLUSTER ON :bare_key'), ('ok', 'CLUSTER :state'),
('ok',     $$COMMENT ON TABLE :state IS 'told'$$), ('ok', 'SELECT count(*) FROM :state'),
('2BP01 cannot rename', 'ALTER VIEW :delta RENAME TO x'), ('2BP01 cannot alter', 'ALTER VIEW :delta SET (security_invoker = true)'),
('2BP01 cannot replace', 'CREATE OR REPLACE VIEW :definition AS SELECT 1 AS x'), ('2BP01 cannot move', 'ALTER VIEW :definition SET SCHEMA elsewhere'),
('42501 ', 'CREATE TABLE kappa_state.x (a int)'), ('42501 ', 'CREATE TABLE kappa.x (a int)'),
-- the stream
('2BP01 .*option "topic"', $$ALTER FOREIGN TABLE sales OPTIONS (SET topic 'else')$$),
('2BP01 .*option "format"', $$ALTER FOREIGN TABLE sales OPTIONS (ADD format 'json')$$),
('2BP01 .*option "event_time"', 'ALTER FOREIGN TABLE sales OPTIONS (DROP event_time)'),
('2BP01 .*option "watermark_delay"', $$ALTER FOREIGN TABLE sales OPTIONS (ADD watermark_delay '1 s')$$),
('2BP01 .*option "watermark_max_ahead"', $$ALTER FOREIGN TABLE sales OPTIONS (ADD watermark_max_ahead 'none')$$),
('ok',     $$ALTER FOREIGN TABLE sales OPTIONS (ADD idle_timeout '3 min', ADD on_error 'ignore', ADD group_id 'gg', ADD fetch_wait_max_ms '50')$$),
('2BP01 .*column "city"', $$ALTER FOREIGN TABLE sales ALTER city OPTIONS (SET path 'x')$$),
('2BP01 .*column "city"', 'ALTER FOREIGN TABLE sales ALTER city OPTIONS (DROP path)'),
('2BP01 .*column "o"', $$ALTER FOREIGN TABLE sales ALTER o OPTIONS (SET metadata 'partition')$$),
('2BP01 .*column "sold_at"', $$ALTER FOREIGN TABLE sales ALTER sold_at OPTIONS (ADD unit 'ms')$$),
('2BP01 .*column "item"', 'ALTER FOREIGN TABLE sales ALTER item TYPE varchar'),
('2BP01 .*column "item"', 'ALTER FOREIGN TABLE sales ALTER item SET NOT NULL'),
('2BP01 .*column "item"', 'ALTER FOREIGN TABLE sales ALTER item DROP NOT NULL'),
(CASE WHEN :SERVER_VERSION_NUM < 180000 THEN '42601 ' ELSE '2BP01 .*column "item"' END, 'ALTER FOREIGN TABLE sales ADD CONSTRAINT x NOT NULL item'),
(CASE WHEN :SERVER_VERSION_NUM < 180000 THEN '42704 ' ELSE '2BP01 .*column "item"' END, 'ALTER FOREIGN TABLE sales DROP CONSTRAINT sales_item_not_null'),
('ok',     'ALTER FOREIGN TABLE sales ADD CONSTRAINT x CHECK (price > 0)'), ('ok', 'ALTER FOREIGN TABLE sales DROP CONSTRAINT x'),
('2BP01 .*column "item"', 'ALTER FOREIGN TABLE sales RENAME item TO x'),
('2BP01 .*column "sold_at"', 'ALTER FOREIGN TABLE sales RENAME sold_at TO x'),
('ok',     'ALTER FOREIGN TABLE sales RENAME city TO town'), ('ok', 'ALTER FOREIGN TABLE sales RENAME o TO off'),
('ok',     'ALTER FOREIGN TABLE sales RENAME machine TO m'),
('ok',     $$ALTER FOREIGN TABLE sales ALTER floor OPTIONS (SET path 'other.floor')$$), ('ok', 'ALTER FOREIGN TABLE sales ALTER n TYPE int'),
('ok',     'ALTER FOREIGN TABLE sales DROP COLUMN n'), ('ok', 'ALTER FOREIGN TABLE sales ADD COLUMN extra jsonb'),
('2BP01 ', 'ALTER FOREIGN TABLE sales DROP COLUMN item'), ('2BP01 ', 'ALTER FOREIGN TABLE sales DROP COLUMN sold_at'),
('2BP01 ', 'DROP FOREIGN TABLE sales'),
('2BP01 cannot inherit from stream', 'CREATE TABLE x () INHERITS (sales)'),
('ok',     'ALTER FOREIGN TABLE sales RENAME TO sold'), ('ok', 'ALTER FOREIGN TABLE sold SET SCHEMA elsewhere'),
('ok',     'ALTER FOREIGN TABLE elsewhere.sold SET SCHEMA statements'), ('ok', 'ALTER FOREIGN TABLE sold RENAME TO sales');

SELECT matches(try(replace(replace(replace(replace(replace(statement, ':state', :'state'), ':delta', :'delta'),
	':definition', :'definition'), ':bare_key', :'key'), ':key', 'kappa_state.' || :'key')),
	'^' || CASE answer WHEN 'ok' THEN 'ok$' ELSE answer END, statement)
FROM attempts ORDER BY id;

-- After all that the views are right, and go on.
\! kcat -P -b $KAPPA_BROKER -t statements -K '\t' -l $KAPPA_TMP/statements
SELECT kappa.wait(x::regclass, '60s') FROM unnest('{v,other}'::text[]) x \g /dev/null
SELECT is((SELECT sum(c) FROM v), 600::numeric, 'v goes on');
SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', x), x || ': verified') FROM unnest('{v,other}'::text[]) x;
SELECT is((SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',') FROM pg_class
	WHERE relnamespace = 'kappa_state'::regnamespace AND relname ~ '^v_'), 'st_owner', 'what belongs to a view has its owner');
RESET ROLE;
SET ROLE st_stranger;
SELECT matches(try('DELETE FROM v'), '^0A000 cannot change', 'nor does a granted DELETE write to a view');
SELECT matches(try(s), '^42501 ', s) FROM unnest(ARRAY['ALTER CONTINUOUS VIEW v RENAME TO x', 'ALTER CONTINUOUS VIEW v SET (reject_limit = 1)',
	'DROP CONTINUOUS VIEW v', 'COMMENT ON CONTINUOUS VIEW v IS NULL', 'ALTER CONTINUOUS VIEW v SET SCHEMA elsewhere']) s;
RESET ROLE;

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA statements, elsewhere CASCADE;
DROP SERVER statements CASCADE;
DROP OWNED BY st_owner, st_other, st_stranger;
DROP ROLE st_owner, st_other, st_stranger;
