-- What a continuous view refuses, and what it says to write instead.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
CREATE SERVER refusals FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE USER MAPPING FOR CURRENT_USER SERVER refusals;
CREATE FOREIGN TABLE sales (machine int, item text, price numeric(8,2), sold_at timestamptz, extra json, place point)
    SERVER refusals OPTIONS (topic 'sales', format 'json', event_time 'sold_at');
CREATE FOREIGN TABLE returns (machine int, item text) SERVER refusals OPTIONS (topic 'returns', format 'json');
CREATE TABLE machines (id int PRIMARY KEY, site text);
CREATE TEMPORARY TABLE mine (id int);
CREATE VIEW cheap AS SELECT * FROM sales WHERE price < 1;
CREATE VIEW totals AS SELECT item, sum(price) AS total FROM sales GROUP BY item;
SET client_min_messages = error;
CREATE VIEW other WITH (continuous) AS SELECT item, count(*) FROM sales GROUP BY item;
SET client_min_messages = warning;

-- what belongs to reading
CREATE VIEW v WITH (continuous) AS SELECT item, count(*) FROM sales GROUP BY item ORDER BY upper(item);
CREATE VIEW v WITH (continuous) AS SELECT item, count(*) FROM sales GROUP BY item LIMIT 5;
CREATE VIEW v WITH (continuous) AS SELECT item, count(*) FROM sales GROUP BY item OFFSET 5;
CREATE VIEW v WITH (continuous) AS SELECT DISTINCT item FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item FROM sales FOR UPDATE;

-- what has no place in a table
CREATE VIEW v WITH (continuous) AS SELECT ROW(item, machine) FROM sales;

-- one SELECT, one grouping
CREATE VIEW v WITH (continuous) AS SELECT item FROM sales UNION ALL SELECT item FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item, count(*) FROM sales GROUP BY ROLLUP (item);
CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM sales GROUP BY ();
CREATE VIEW v WITH (continuous) AS SELECT item, GROUPING(item) FROM sales GROUP BY item;
CREATE VIEW v WITH (continuous) AS VALUES (1);
CREATE VIEW v WITH (continuous) AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT machine, n FROM sales, r;

-- one stream, once
CREATE VIEW v WITH (continuous) AS SELECT 1 AS one;
CREATE VIEW v WITH (continuous) AS SELECT site FROM machines;
CREATE VIEW v WITH (continuous) AS SELECT a.item FROM sales a JOIN sales b USING (item);
CREATE VIEW v WITH (continuous) AS SELECT s.item FROM sales s JOIN returns r USING (item);
CREATE VIEW v WITH (continuous) AS SELECT s.item FROM sales s JOIN cheap c USING (item);
CREATE VIEW v WITH (continuous) AS SELECT o.item, count(*) FROM sales s JOIN other o USING (item) GROUP BY 1;
CREATE VIEW v WITH (continuous) AS SELECT item FROM other;

-- the stream is kept whole
CREATE VIEW v WITH (continuous) AS SELECT site, count(*) FROM machines LEFT JOIN sales ON id = machine GROUP BY site;
CREATE VIEW v WITH (continuous) AS SELECT site, count(*) FROM sales RIGHT JOIN machines ON id = machine GROUP BY site;
CREATE VIEW v WITH (continuous) AS SELECT site, count(*) FROM sales FULL JOIN machines ON id = machine GROUP BY site;
CREATE VIEW v WITH (continuous) AS SELECT site, count(*) FROM machines LEFT JOIN (SELECT * FROM cheap) c ON id = machine GROUP BY site;

-- subqueries and views over it only select and filter
CREATE VIEW v WITH (continuous) AS SELECT total FROM totals;
CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM (SELECT item FROM sales LIMIT 10) s;
CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM (SELECT DISTINCT item FROM sales) s;
CREATE VIEW v WITH (continuous) AS WITH s AS (SELECT item, sum(price) AS p FROM sales GROUP BY item) SELECT max(p) FROM s;
CREATE VIEW v WITH (continuous) AS SELECT item FROM machines, LATERAL (SELECT item FROM sales UNION SELECT site) s;
CREATE VIEW v WITH (continuous) AS SELECT item FROM sales WHERE price > (SELECT avg(price) FROM sales);
CREATE VIEW v WITH (continuous) AS SELECT site FROM machines m, returns r WHERE m.id = r.machine AND EXISTS (SELECT FROM cheap WHERE machine = m.id);
CREATE VIEW v WITH (continuous) AS SELECT item, count(*) FROM sales GROUP BY item HAVING count(*) > (SELECT count(*) FROM sales);

-- functions
CREATE VIEW v WITH (continuous) AS SELECT item FROM sales WHERE sold_at > now();
CREATE VIEW v WITH (continuous) AS SELECT item FROM sales WHERE sold_at > CURRENT_TIMESTAMP;
CREATE VIEW v WITH (continuous) AS SELECT item, current_user AS who FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item, current_setting('work_mem') FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item, age(sold_at) FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item, random() FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item, count(*) FROM sales GROUP BY item HAVING max(sold_at) > now() - interval '1 day';
CREATE VIEW v WITH (continuous) AS SELECT sum(price) FILTER (WHERE random() < 0.5) FROM sales;
CREATE VIEW clock AS SELECT clock_timestamp() AS at;
CREATE VIEW v WITH (continuous) AS SELECT item, at FROM sales, clock;
CREATE VIEW v WITH (continuous) AS SELECT unnest(ARRAY[item]) FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item, row_number() OVER () FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT hop(sold_at, '1 minute', '5 minutes'), count(*) FROM sales GROUP BY 1;
CREATE VIEW v WITH (continuous) AS SELECT session(sold_at, '1 minute'), count(*) FROM sales GROUP BY 1;

-- aggregates
CREATE VIEW v WITH (continuous) AS SELECT count(DISTINCT item) FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY price) FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT mode() WITHIN GROUP (ORDER BY item) FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT string_agg(item, ',') FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT array_agg(item) FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT jsonb_agg(item) FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT sum(price ORDER BY item) FROM sales;
CREATE AGGREGATE lonely(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE VIEW v WITH (continuous) AS SELECT lonely(machine) FROM sales;

-- what cannot be a group key
CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM sales GROUP BY machine::text::xid;
CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM sales GROUP BY ROW(machine, item);
CREATE VIEW v WITH (continuous) AS SELECT FROM sales;
SELECT format('CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM sales GROUP BY %s', string_agg('machine + ' || i, ', '))
  FROM generate_series(1, 33) i \gexec

-- other relations
CREATE VIEW v WITH (continuous) AS SELECT item FROM sales JOIN mine ON id = machine;
CREATE VIEW v WITH (continuous) AS SELECT item FROM sales, machines TABLESAMPLE SYSTEM (10);

-- names and columns
CREATE VIEW other WITH (continuous) AS SELECT item FROM sales;
CREATE VIEW machines WITH (continuous) AS SELECT item FROM sales;
CREATE OR REPLACE VIEW other WITH (continuous) AS SELECT item FROM sales;
CREATE OR REPLACE VIEW clock WITH (continuous) AS SELECT item FROM sales;
CREATE OR REPLACE VIEW other AS SELECT 'x'::text AS item, 1::bigint AS count;
CREATE VIEW v (a, b) WITH (continuous) AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT item, item FROM sales;
CREATE VIEW v WITH (continuous) AS SELECT nothing FROM sales;
CREATE TEMPORARY VIEW v WITH (continuous) AS SELECT item FROM sales;

-- options
CREATE VIEW v WITH (continuous, begin = 'latest') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, start = '1 day') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, start = '- 1 fortnight or so') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, start = 'sometime') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, start = '-0 days') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, start = 'latest', start = 'earliest') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, retention = '1 day') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, lateness = '1 minute') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, emit = 'final') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, swap = 'manual') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, history = 'drop') AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, reject_limit = -1) AS SELECT item FROM sales;
CREATE VIEW v WITH (continuous, reject_limit = 'many') AS SELECT item FROM sales;

-- nothing of all this left anything behind, but for the one view
SELECT viewname FROM pg_views WHERE schemaname = 'kappa_state' ORDER BY 1;
SELECT view, generation FROM kappa.views;
SELECT count(*) FROM kappa.consumers;

-- statements that would break a view behind its back
ALTER FOREIGN TABLE sales OPTIONS (SET topic 'else');
ALTER FOREIGN TABLE sales OPTIONS (DROP event_time);
ALTER FOREIGN TABLE sales OPTIONS (ADD watermark_delay '1 minute');
ALTER FOREIGN TABLE sales ALTER COLUMN item OPTIONS (ADD path 'a.b');
ALTER FOREIGN TABLE sales ALTER COLUMN item SET NOT NULL;
ALTER FOREIGN TABLE sales RENAME COLUMN item TO article;
ALTER FOREIGN TABLE sales DROP COLUMN item;
DROP FOREIGN TABLE sales RESTRICT;
ALTER FOREIGN TABLE sales ALTER COLUMN machine SET NOT NULL;
ALTER FOREIGN TABLE sales RENAME COLUMN machine TO automaton;
ALTER FOREIGN TABLE sales RENAME TO sold;
ALTER FOREIGN TABLE sold ADD COLUMN more int;
ALTER VIEW other SET (security_invoker = true);
SELECT state AS hidden_state, delta AS hidden_delta, definition AS hidden_definition FROM kappa.views \gset
ALTER TABLE :hidden_state ADD COLUMN x int;
ALTER TABLE :hidden_state RENAME COLUMN item TO x;
ALTER TABLE :hidden_state SET SCHEMA public;
TRUNCATE :hidden_state;
ALTER TABLE :hidden_state SET (fillfactor = 60);
ALTER VIEW :hidden_delta RENAME TO x;
CREATE OR REPLACE VIEW :hidden_definition AS SELECT 1;
-- no function of a user's runs with the rights of the extension's owner
CREATE FUNCTION positive(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 >= 0';
CREATE DOMAIN tally AS int CHECK (positive(VALUE));
CREATE FUNCTION tally_add(tally, int) RETURNS tally LANGUAGE sql IMMUTABLE AS 'SELECT ($1 + $2)::tally';
CREATE FUNCTION tally_combine(tally, tally) RETURNS tally LANGUAGE sql IMMUTABLE AS 'SELECT ($1 + $2)::tally';
CREATE FUNCTION tally_int(tally) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1::int';
CREATE AGGREGATE tally(int) (SFUNC = tally_add, STYPE = tally, COMBINEFUNC = tally_combine, FINALFUNC = tally_int, INITCOND = '0');
CREATE VIEW v WITH (continuous) AS SELECT item, tally(machine) FROM returns GROUP BY item;
DROP AGGREGATE tally(int);
DROP FUNCTION tally_add, tally_combine, tally_int;
DROP DOMAIN tally;
DROP FUNCTION positive;
-- payloads that nobody looks into do not become JSON
CREATE FOREIGN TABLE whole (value bytea OPTIONS (metadata 'value'), o bigint OPTIONS (metadata 'offset'))
    SERVER refusals OPTIONS (topic 'whole', format 'json');
SET client_min_messages = error;
CREATE VIEW bytes WITH (continuous) AS SELECT sum(length(value)) FROM whole;
SET client_min_messages = warning;
ALTER FOREIGN TABLE whole ADD COLUMN x int;
ALTER FOREIGN TABLE whole ALTER COLUMN o OPTIONS (DROP metadata);
ALTER FOREIGN TABLE whole ADD COLUMN p int OPTIONS (metadata 'partition');
DROP VIEW bytes;
ALTER FOREIGN TABLE whole ADD COLUMN x int;
\set VERBOSITY terse
DROP TABLE :hidden_state;
DROP VIEW :hidden_delta;
DROP VIEW :hidden_definition;

DROP EXTENSION pg_kappa CASCADE;
SELECT relname FROM pg_class WHERE relname LIKE 'other%';
DROP VIEW clock;
DROP TABLE machines;
DROP AGGREGATE lonely(int);
