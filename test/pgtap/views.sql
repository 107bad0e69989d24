-- Definitions that once went wrong, and why.
\ir ../lib/pgtap.psql
SELECT plan(7);
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
SELECT is_empty('SELECT * FROM kappa.dead_letters WHERE stream::text ~ ''points''', 'no dead letters');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA views CASCADE;
DROP SERVER views;
