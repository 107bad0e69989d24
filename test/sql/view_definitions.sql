-- What CREATE CONTINUOUS VIEW makes, and what DROP leaves.
SET client_min_messages = error;  -- the broker is away
CREATE EXTENSION pg_kappa;
CREATE SERVER definitions FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE USER MAPPING FOR PUBLIC SERVER definitions;
CREATE FOREIGN TABLE sales (machine int, item text, price numeric(8,2), sold_at timestamptz, qty bigint, weight float8, span interval)
    SERVER definitions OPTIONS (topic 'sales', format 'json', event_time 'sold_at');
CREATE TABLE machines (id int PRIMARY KEY, site text, extra json);

-- each kind
CREATE CONTINUOUS VIEW grouped AS
    SELECT item, tumble(sold_at, '1 minute') AS minute, count(*) AS sold, sum(price) AS revenue, avg(price), avg(weight) AS w,
           stddev(price) AS deviation, sum(price) FILTER (WHERE machine > 3) + 1 AS some
      FROM sales WHERE price > 0 GROUP BY 1, 2, machine % 2 HAVING count(*) > 1;
CREATE CONTINUOUS VIEW single (n, total, longest) AS SELECT count(*), sum(qty), max(span) FROM sales;
CREATE CONTINUOUS VIEW selected AS SELECT item, price * 2 AS double, sold_at AS ctid FROM sales WHERE price > 90;
CREATE CONTINUOUS VIEW distinct_items AS SELECT upper(item) COLLATE "C" FROM sales GROUP BY 1;
CREATE CONTINUOUS VIEW joined AS
    SELECT m.site, m.id, m.extra->>'a' AS a, sum(s.qty), rank() OVER (PARTITION BY m.site ORDER BY sum(s.qty) DESC) AS place
      FROM sales s JOIN machines m ON m.id = s.machine GROUP BY m.id;
CREATE VIEW cheap AS SELECT *, price < 1 AS very FROM sales WHERE price < 10;
CREATE CONTINUOUS VIEW inlined AS
    WITH c AS (SELECT c.item, c.sold_at, tag FROM cheap c, LATERAL unnest(string_to_array(c.item, ' ')) tag)
    SELECT date_trunc('hour', sold_at) AS hour, tag, count(*) FROM c WHERE tag IN (SELECT site FROM machines) GROUP BY hour, tag;
CREATE CONTINUOUS VIEW named AS
    SELECT j.machine AS "Odd ""name", count(*) AS "group", count(*) + count(j.item) AS "state"
      FROM (sales JOIN machines AS m (machine, s, e) USING (machine)) AS j GROUP BY j.machine;

SELECT view, kind, stream, columns, uses_time, start, version_bound, generation FROM kappa.views ORDER BY view::text COLLATE "C";
-- (from 16 on, columns of a single relation are written without its name)
\pset format unaligned
SELECT relname, regexp_replace(pg_get_viewdef(oid), '\m(sales|state|c)\.', '', 'g') AS query FROM pg_class
 WHERE oid IN (SELECT view FROM kappa.views UNION ALL SELECT delta FROM kappa.views) ORDER BY relname;
SELECT view, kappa.merge_statement(view) AS merge FROM kappa.views ORDER BY view::text COLLATE "C";
\pset format aligned
SELECT state, indexrelid::regclass, indnullsnotdistinct, pg_get_indexdef(indexrelid)
  FROM kappa.views JOIN pg_index ON indrelid = state ORDER BY state::text COLLATE "C";
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) AS type, attcollation::regcollation
  FROM kappa.views JOIN pg_attribute ON attrelid = state WHERE attnum > 0 ORDER BY attrelid::regclass::text COLLATE "C", attnum;

-- nothing was read yet: no groups, but the one row of a view without GROUP BY
SELECT * FROM single;
SELECT count(*) FROM grouped;

-- conditions on group columns and windows reach the state's index
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM grouped WHERE minute >= '2026-01-01 00:00+00' AND minute < '2026-01-02 00:00+00';
EXPLAIN (COSTS OFF) SELECT revenue FROM grouped WHERE minute = '2026-01-01 00:00+00' AND item = 'a';
RESET enable_seqscan;
RESET enable_bitmapscan;

-- kept settings
SET search_path = pg_temp, public;
SET timezone = 'Europe/Vienna';
SET datestyle = 'German';
CREATE CONTINUOUS VIEW public.kept WITH (start = '31.12.2025 12:00', reject_limit = 5) AS
    SELECT count(*) AS n FROM sales WHERE sold_at::text > '1.1.2026' AND weight > 0.1::float8;
RESET search_path;
RESET timezone;
RESET datestyle;
SELECT start, reject_limit, s FROM kappa.views, unnest(settings) s WHERE view = 'kept'::regclass AND s ~ '^(search_path|TimeZone|DateStyle)';

-- IF NOT EXISTS, WITH NO DATA, ALTER
SET client_min_messages = notice;
CREATE CONTINUOUS VIEW IF NOT EXISTS kept AS SELECT 1;
SET client_min_messages = error;
CREATE CONTINUOUS VIEW later AS SELECT count(*) FROM sales WITH NO DATA;
CREATE CONTINUOUS VIEW past WITH (start = '-1 hour') AS SELECT count(*) FROM sales;
ALTER CONTINUOUS VIEW past SET (reject_limit = 7);
ALTER CONTINUOUS VIEW past SET (start = 'latest');
SELECT view, start, reject_limit FROM kappa.views WHERE view IN ('later'::regclass, 'past'::regclass) ORDER BY view::text;
ALTER CONTINUOUS VIEW kept SET (reject_limit = none);
SELECT reject_limit FROM kappa.views WHERE view = 'kept'::regclass;

-- an owner without rights to kappa_state, and what he may not do
CREATE ROLE regress_kappa_owner;
CREATE ROLE regress_kappa_other;
CREATE SCHEMA owned AUTHORIZATION regress_kappa_owner;
SET ROLE regress_kappa_owner;
CREATE CONTINUOUS VIEW owned.v AS SELECT item, count(*) FROM sales GROUP BY item;
RESET ROLE;
GRANT SELECT ON sales TO regress_kappa_owner;
SET ROLE regress_kappa_owner;
CREATE CONTINUOUS VIEW v AS SELECT item, count(*) FROM sales GROUP BY item;
CREATE CONTINUOUS VIEW owned.v AS SELECT count(*) FROM sales JOIN machines ON id = machine;
CREATE CONTINUOUS VIEW owned.v AS SELECT item, count(*) FROM sales GROUP BY item;
CREATE TABLE kappa_state.mine (i int);
SELECT count(*) FROM owned.v;
RESET ROLE;
SELECT relname, relowner::regrole FROM pg_class WHERE relname ~ '^v_' ORDER BY 1;
GRANT regress_kappa_other TO regress_kappa_owner;
GRANT CREATE ON SCHEMA owned TO regress_kappa_other;
SET ROLE regress_kappa_owner;
ALTER CONTINUOUS VIEW owned.v OWNER TO regress_kappa_other;
RESET ROLE;
SELECT relname, relowner::regrole FROM pg_class WHERE relname ~ '^v_' ORDER BY 1;

-- expressions are parsed and evaluated with the creator's rights only
SET ROLE regress_kappa_owner;
CREATE FUNCTION owned.who(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_user <> 'regress_kappa_owner' THEN RAISE EXCEPTION 'called as %', current_user; END IF;
    RETURN true;
END $$;
CREATE DOMAIN owned.checked AS int CHECK (owned.who(value));
CREATE TYPE owned.pair AS (a owned.checked);
CREATE CONTINUOUS VIEW owned.pairs AS
    SELECT '(1)'::owned.pair AS p, count(*), max('(2)'::owned.pair::text) FROM sales WHERE owned.who(2) GROUP BY 1;
CREATE CONTINUOUS VIEW owned.single AS SELECT count(*) FILTER (WHERE '(3)'::owned.pair IS NOT NULL), bool_and(owned.who(4)) FROM sales;
SELECT * FROM owned.single;
RESET ROLE;
SELECT '(1)'::owned.pair;

-- DROP in every way
CREATE FUNCTION remains() RETURNS TABLE (kind text, name text) LANGUAGE sql AS $$
    SELECT * FROM (
        SELECT 'view', view::text FROM kappa.views UNION ALL
        SELECT 'relation', relname FROM pg_class WHERE relnamespace = 'kappa_state'::regnamespace AND relname !~ '^pg_' UNION ALL
        SELECT 'consumer', id::text FROM kappa.consumers UNION ALL
        SELECT 'stats', view::text FROM kappa.stats) x (kind, name)
     ORDER BY kind COLLATE "C", name COLLATE "C" $$;
BEGIN;
DROP CONTINUOUS VIEW single;
SELECT * FROM remains() WHERE name ~ 'single';
ROLLBACK;
SELECT * FROM remains() WHERE name ~ 'single';
BEGIN;
SAVEPOINT s;
DROP VIEW grouped;
ROLLBACK TO s;
SAVEPOINT s;
DROP VIEW selected;
RELEASE s;
COMMIT;
SELECT * FROM remains() WHERE name ~ 'grouped|selected';
DO $$ BEGIN
    DROP VIEW single;
    BEGIN DROP VIEW named; RAISE EXCEPTION 'no'; EXCEPTION WHEN raise_exception THEN NULL; END;
END $$;
SELECT * FROM remains() WHERE name ~ 'single|named';
DROP TABLE machines;
DROP TABLE machines CASCADE;
SELECT * FROM remains() WHERE kind = 'view';
DROP OWNED BY regress_kappa_other;
SELECT * FROM remains() WHERE kind = 'view';
DROP SCHEMA owned CASCADE;
SELECT * FROM remains() WHERE kind = 'view';
DROP FOREIGN TABLE sales CASCADE;
SELECT * FROM remains();
SELECT count(*) FROM kappa.offsets;

-- with the extension everything goes
CREATE FOREIGN TABLE sales (item text) SERVER definitions OPTIONS (topic 'sales', format 'json');
CREATE CONTINUOUS VIEW last AS SELECT item, count(*) FROM sales GROUP BY item;
DROP EXTENSION pg_kappa;
DROP EXTENSION pg_kappa CASCADE;
SELECT relname FROM pg_class WHERE relname ~ '^last';

DROP FUNCTION remains();
DROP OWNED BY regress_kappa_owner, regress_kappa_other;
DROP ROLE regress_kappa_owner, regress_kappa_other;
