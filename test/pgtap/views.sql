-- Definitions that once went wrong, and why.
\ir ../lib/pgtap.psql
SELECT plan(10);
CREATE SCHEMA views;
SET search_path = views, public;

\! topic create views 2
\! topic create views_empty 1
CREATE SERVER views FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE points (k int, r real, f float8) SERVER views OPTIONS (topic 'views');
CREATE FOREIGN TABLE nothing (k int) SERVER views OPTIONS (topic 'views_empty');

-- Sums of reals, and what remains where floats cancel out, depend on the order of the
-- terms, also across batches: kappa.verify must not mind.
CREATE CONTINUOUS VIEW sums AS
	SELECT k, sum(r) AS r, stddev(f) AS spread, sum(f - 1234.56::float8) AS rest FROM points GROUP BY k;
SELECT kappa.wait('sums', '60s') \g /dev/null
\! seq 1 700 | jq -c '{k: (. % 2), r: (. / 10), f: 1234.56}' | split -l 100 --filter="kcat -P -b $KAPPA_BROKER -t views"
SELECT kappa.wait('sums', '60s') \g /dev/null
SELECT is_empty($$ SELECT * FROM kappa.verify('sums') $$, 'sums: verified');
SELECT results_eq($$ SELECT k, round(r::numeric, -1), round(spread::numeric, 6) FROM sums ORDER BY k $$,
	$$ VALUES (0, 12290.0, 0.0), (1, 12250.0, 0.0) $$, 'sums');

-- Without GROUP BY there is one row, aggregates or not.
CREATE CONTINUOUS VIEW one AS SELECT 1 AS one FROM nothing HAVING true;
CREATE CONTINUOUS VIEW none AS SELECT 1 AS one FROM nothing HAVING false;
SELECT kappa.wait(v::regclass, '60s') FROM unnest(ARRAY['one', 'none']) v \g /dev/null
SELECT results_eq('SELECT * FROM one', 'VALUES (1)', 'one row of nothing');
SELECT is_empty('SELECT * FROM none', 'no row of nothing');
SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', v), v || ': verified') FROM unnest(ARRAY['one', 'none']) v;
-- Functions of users find what they name in the search_path of the creation, also where they are
-- inlined or evaluated beforehand, as they are when the view is created.
CREATE TABLE names (k int, name text);
INSERT INTO names VALUES (0, 'even'), (1, 'odd');
CREATE FUNCTION name_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM names WHERE k = $1';
CREATE FUNCTION first_name() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT min(name) FROM names); END $$;
CREATE CONTINUOUS VIEW named AS SELECT name_of(k) AS name, count(*) FROM points WHERE name_of(k) >= first_name() GROUP BY 1;
CREATE CONTINUOUS VIEW longest AS SELECT max(name_of(k)) AS name, max(first_name()) AS first FROM points;
SELECT kappa.wait(v::regclass, '60s') FROM unnest(ARRAY['named', 'longest']) v \g /dev/null
SELECT results_eq('SELECT * FROM named ORDER BY name', $$ VALUES ('even', 350::bigint), ('odd', 350) $$, 'named');
SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', v), v || ': verified') FROM unnest(ARRAY['named', 'longest']) v;

SELECT is_empty('SELECT * FROM kappa.dead_letters WHERE stream::text ~ ''points''', 'no dead letters');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA views CASCADE;
DROP SERVER views;
