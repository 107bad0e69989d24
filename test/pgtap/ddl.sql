-- Creating and dropping: three spellings, IF NOT EXISTS, OR REPLACE and WITH NO DATA,
-- options, transactions, CASCADE.
\ir ../lib/pgtap.psql
SELECT plan(32);
CREATE SCHEMA ddl;
SET search_path = ddl, public;

\! topic create ddl 2
\! sales 500 | kcat -P -b $KAPPA_BROKER -t ddl -K '\t'
CREATE SERVER ddl FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE sales (machine int, item text, price numeric(8,2), n bigint) SERVER ddl OPTIONS (topic 'ddl');

-- What there is of continuous views in the database.
CREATE FUNCTION remains() RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM kappa.views) + (SELECT count(*) FROM kappa.consumers)
		+ (SELECT count(*) FROM kappa.offsets) + (SELECT count(*) FROM kappa.watermarks)
		+ (SELECT count(*) FROM kappa.stats)
		+ (SELECT count(*) FROM pg_class WHERE relnamespace = 'kappa_state'::regnamespace) $$;
SELECT is(remains(), 0::bigint, 'nothing at the start');

-- Three spellings of one thing.
CREATE CONTINUOUS VIEW one AS SELECT count(*) AS c, sum(n) AS s FROM sales;
CREATE MATERIALIZED VIEW two WITH (continuous) AS SELECT count(*) AS c, sum(n) AS s FROM sales;
CREATE VIEW three WITH (continuous) AS SELECT count(*) AS c, sum(n) AS s FROM sales;
SELECT kappa.wait(v::regclass, '60s') FROM unnest('{one,two,three}'::text[]) v \g /dev/null
SELECT is((SELECT relkind FROM pg_class WHERE oid = v::regclass), 'v', v || ': an ordinary view')
FROM unnest('{one,two,three}'::text[]) v;
SELECT results_eq(format('SELECT c, s::bigint FROM %I', v), 'VALUES (500::bigint, 124750::bigint)', v || ': filled')
FROM unnest('{one,two,three}'::text[]) v;
SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', v), v || ': verified')
FROM unnest('{one,two,three}'::text[]) v;

-- IF NOT EXISTS.
SELECT throws_ok('CREATE CONTINUOUS VIEW one AS SELECT count(*) FROM sales', '42P07', NULL, 'the name is taken');
SELECT lives_ok('CREATE CONTINUOUS VIEW IF NOT EXISTS one AS SELECT machine, count(*) FROM sales GROUP BY 1', 'IF NOT EXISTS');
SELECT lives_ok('CREATE MATERIALIZED VIEW IF NOT EXISTS two WITH (continuous) AS SELECT count(*) FROM sales',
	'IF NOT EXISTS of the second spelling');
SELECT columns_are('one', ARRAY['c', 's'], 'which leaves the view as it was');

-- Start options.  Messages after the creation are seen by all.
CREATE CONTINUOUS VIEW latest WITH (start = 'latest') AS SELECT count(*) AS c FROM sales;
CREATE CONTINUOUS VIEW no_data AS SELECT count(*) AS c FROM sales WITH NO DATA;
CREATE CONTINUOUS VIEW future WITH (start = '2100-01-01 00:00 UTC') AS SELECT count(*) AS c FROM sales;
CREATE CONTINUOUS VIEW past WITH (start = '-1 day') AS SELECT count(*) AS c FROM sales;
CREATE CONTINUOUS VIEW earliest WITH (start = 'earliest') AS SELECT count(*) AS c FROM sales;
SELECT kappa.wait(v::regclass, '60s') FROM unnest('{latest,no_data,future,past,earliest}'::text[]) v \g /dev/null
\! sales 7 | kcat -P -b $KAPPA_BROKER -t ddl -K '\t'
SELECT kappa.wait(v::regclass, '60s') FROM unnest('{latest,no_data,future,past,earliest}'::text[]) v \g /dev/null
SELECT is((SELECT c FROM latest), 7::bigint, 'start = latest');
SELECT is((SELECT c FROM no_data), 7::bigint, 'WITH NO DATA');
SELECT is((SELECT c FROM future), 7::bigint, 'start in the future: the end of the log');
SELECT is((SELECT c FROM past), 507::bigint, 'start a day ago');
SELECT is((SELECT c FROM earliest), 507::bigint, 'start = earliest');
SELECT throws_ok($$CREATE CONTINUOUS VIEW bad WITH (start = 'yesterdayish') AS SELECT count(*) FROM sales$$,
	'22007', NULL, 'a start that is none');
SELECT throws_ok($$CREATE CONTINUOUS VIEW bad WITH (strat = 'latest') AS SELECT count(*) FROM sales$$,
	'22023', NULL, 'an unknown option');

-- A rollback leaves nothing.
SELECT remains() AS before \gset
BEGIN;
CREATE CONTINUOUS VIEW gone AS SELECT item, count(*) FROM sales GROUP BY item;
SELECT throws_matching($$SELECT kappa.wait('gone')$$, 'created or changed in this transaction', 'wait in the transaction of the creation cannot end');
ROLLBACK;
SELECT is(remains(), :before::bigint, 'a rolled back creation leaves nothing');
SELECT hasnt_view('gone');
BEGIN;
DROP CONTINUOUS VIEW one;
ROLLBACK;
\! sales 3 | kcat -P -b $KAPPA_BROKER -t ddl -K '\t'
SELECT kappa.wait('one', '60s') \g /dev/null
SELECT is((SELECT c FROM one), 510::bigint, 'a rolled back DROP changes nothing');

-- DROP takes everything along, CASCADE also what somebody has made over a state table.
CREATE CONTINUOUS VIEW under AS SELECT machine, count(*) AS c FROM sales GROUP BY machine;
SELECT format('CREATE VIEW over AS SELECT * FROM %s', oid::regclass) FROM pg_class WHERE relname ~ '^under_.*_state$' \gexec
SELECT throws_ok('DROP CONTINUOUS VIEW under', '2BP01', NULL, 'a view over the state table');
SELECT lives_ok('DROP CONTINUOUS VIEW under CASCADE', 'goes with CASCADE');
SELECT hasnt_view('over');
SELECT throws_ok('DROP FOREIGN TABLE sales', '2BP01', NULL, 'the stream is needed');

-- A view that is dropped while its worker makes first contact.
CREATE FOREIGN TABLE later (n int) SERVER ddl OPTIONS (topic 'ddl_later');
SET client_min_messages = error;
CREATE CONTINUOUS VIEW met AS SELECT count(*) FROM later;
BEGIN;
LOCK TABLE kappa.offsets IN SHARE MODE;
\! topic create ddl_later 1
SELECT ok(await($$SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker' AND wait_event_type = 'Lock'$$),
	'the topic is found');
DROP CONTINUOUS VIEW met;
COMMIT;
DROP FOREIGN TABLE later;
SET client_min_messages = warning;
DROP CONTINUOUS VIEW one;
DROP VIEW two;
DROP CONTINUOUS VIEW IF EXISTS three, nosuch;
SELECT hasnt_view('three');
SET client_min_messages = error;
DROP FOREIGN TABLE sales CASCADE;
SELECT is(remains(), 0::bigint, 'nothing remains');

SELECT * FROM finish();
DROP SCHEMA ddl CASCADE;
DROP SERVER ddl CASCADE;
