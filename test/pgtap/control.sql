-- pause, resume, wait, progress, watermark, continuous_views; and who may what.
\ir ../lib/pgtap.psql
SELECT plan(40);
CREATE SCHEMA control;
SET search_path = control, public;
SET TimeZone = 'UTC';

\! topic create control 2
\! sales 1000 > $KAPPA_TMP/control
\! kcat -P -b $KAPPA_BROKER -t control -K '\t' -l $KAPPA_TMP/control
CREATE SERVER control FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE sales (machine int, item text, sold_at timestamptz, n bigint)
	SERVER control OPTIONS (topic 'control', event_time 'sold_at', watermark_delay '20 seconds', idle_timeout '1 hour');
CREATE CONTINUOUS VIEW minutes AS
	SELECT tumble(sold_at, '1 minute') AS minute, count(*) AS c FROM sales GROUP BY 1;
SELECT kappa.wait('minutes', '60s') \g /dev/null

-- What the monitoring views say.
SELECT results_eq($$SELECT schemaname, viewname, viewowner, stream, generation, error FROM kappa.continuous_views WHERE viewname = 'minutes'$$,
	$$SELECT 'control'::name, 'minutes'::name, current_user::name, 'sales'::regclass, 1, NULL::text$$, 'kappa.continuous_views');
SELECT ok(await($$SELECT status = 'live' FROM kappa.continuous_views WHERE viewname = 'minutes'$$), 'status: live');
SELECT results_eq($$SELECT count(*), sum(next_offset)::bigint, sum(lag)::bigint, count(DISTINCT partition) FROM kappa.progress WHERE view = 'minutes'::regclass$$,
	'VALUES (2::bigint, 1000::bigint, 0::bigint, 2::bigint)', 'kappa.progress: both partitions, nothing left to read');
SELECT results_eq($$SELECT DISTINCT schemaname, viewname, topic, phase, percent::int FROM kappa.progress WHERE view = 'minutes'::regclass$$,
	$$VALUES ('control'::name, 'minutes'::name, 'control', 'live', 100)$$, 'kappa.progress: the phase');

-- The watermark, computed by jq: the lowest of the partitions' highest event times, less the delay.
CREATE TEMP TABLE marks (p int, at timestamptz);
\copy marks FROM PROGRAM 'for p in 0 1; do kcat -C -m 60 -q -e -b $KAPPA_BROKER -t control -p $p | jq -sr "[$p, (map(.sold_at) | max)] | @csv"; done' WITH (FORMAT csv)
SELECT results_eq($$SELECT partition, watermark FROM kappa.progress WHERE view = 'minutes'::regclass ORDER BY 1$$,
	$$SELECT p, at - interval '20 s' FROM marks ORDER BY 1$$, 'kappa.progress: the watermarks of the partitions');
SELECT is(kappa.watermark('minutes'), (SELECT min(at) - interval '20 s' FROM marks), 'kappa.watermark');

-- pause and resume.
SELECT kappa.pause('minutes') \g /dev/null
SELECT is((SELECT status FROM kappa.continuous_views WHERE viewname = 'minutes'), 'paused', 'paused');
SELECT throws_matching($$SELECT kappa.wait('minutes')$$, 'minutes is paused', 'wait does not wait for a paused view');
\! kcat -P -b $KAPPA_BROKER -t control -K '\t' -l $KAPPA_TMP/control
CREATE CONTINUOUS VIEW witness AS SELECT count(*) AS c FROM sales;
SELECT kappa.wait('witness', '60s') \g /dev/null
SELECT is((SELECT c FROM witness), 2000::bigint, 'another view sees what came meanwhile');
SELECT is((SELECT sum(c) FROM minutes), 1000::numeric, 'the paused one does not');
SELECT is_empty($$SELECT * FROM kappa.verify('minutes')$$, 'paused, and verified');
SELECT kappa.resume('minutes') \g /dev/null
SELECT kappa.wait('minutes', '60s') \g /dev/null
SELECT is((SELECT sum(c) FROM minutes), 2000::numeric, 'resumed from the same offsets');
SELECT is_empty($$SELECT * FROM kappa.verify('minutes')$$, 'resumed, and verified');
SELECT kappa.pause() \g /dev/null
SELECT is((SELECT count(*) FROM kappa.continuous_views WHERE schemaname = 'control' AND status = 'paused'), 2::bigint, 'pause all own views');
SELECT kappa.resume() \g /dev/null
SELECT kappa.wait('witness', '60s') \g /dev/null
SELECT is((SELECT count(*) FROM kappa.continuous_views WHERE schemaname = 'control' AND status = 'paused'), 0::bigint, 'resume all');

-- Somebody holds a lock that a batch needs: the status says so, until it is released.
BEGIN;
SELECT format('LOCK TABLE %s IN SHARE MODE', state) FROM kappa.views WHERE view = 'witness'::regclass \gexec
\! kcat -P -b $KAPPA_BROKER -t control -K '\t' -l $KAPPA_TMP/control
SELECT ok(await($$SELECT status = 'waiting' AND error LIKE 'somebody holds a lock%' FROM kappa.continuous_views WHERE viewname = 'witness'$$),
	'status: waiting for a lock');
COMMIT;
SELECT kappa.wait('witness', '60s') \g /dev/null
SELECT ok(await($$SELECT status = 'live' AND error IS NULL FROM kappa.continuous_views WHERE viewname = 'witness'$$), 'and live again');
SELECT is((SELECT c FROM witness), 3000::bigint, 'with all messages');

-- Rights.  The worker acts as the owner; others may read what they are granted.
CREATE ROLE control_owner;
CREATE ROLE control_reader;
CREATE ROLE control_other;
GRANT USAGE, CREATE ON SCHEMA control TO control_owner;
GRANT USAGE ON SCHEMA control TO control_reader, control_other;
SET ROLE control_owner;
SELECT throws_ok('CREATE CONTINUOUS VIEW mine AS SELECT count(*) FROM sales', '42501', NULL, 'creating needs SELECT on the stream');
RESET ROLE;
GRANT SELECT ON sales TO control_owner;
CREATE TABLE secret (machine int PRIMARY KEY, owner text);
SET ROLE control_owner;
SELECT throws_ok('CREATE CONTINUOUS VIEW mine AS SELECT owner, count(*) FROM sales JOIN secret USING (machine) GROUP BY 1', '42501', NULL,
	'and on the tables joined');
CREATE CONTINUOUS VIEW mine AS SELECT count(*) AS c FROM sales;
GRANT SELECT ON mine TO control_reader;
SELECT lives_ok($$SELECT kappa.wait('mine', '60s')$$, 'the owner may wait');
SELECT is((SELECT c FROM mine), 3000::bigint, 'an ordinary user''s view is filled');
SELECT is_empty($$SELECT * FROM kappa.verify('mine')$$, 'the owner may verify');
SELECT throws_ok($$SELECT kappa.pause('minutes')$$, '42501', NULL, 'not pause the views of others');
SET ROLE control_reader;
SELECT is((SELECT c FROM mine), 3000::bigint, 'a reader may read');
SELECT lives_ok($$SELECT kappa.wait('mine', '60s')$$, 'and wait');
SELECT lives_ok($$SELECT kappa.watermark('mine')$$, 'and see the watermark');
SELECT throws_ok($$SELECT kappa.pause('mine')$$, '42501', NULL, 'not pause');
SELECT throws_ok($$SELECT kappa.resume('mine')$$, '42501', NULL, 'not resume');
SELECT throws_ok($$SELECT * FROM kappa.verify('mine')$$, '42501', NULL, 'not verify');
SELECT throws_ok($$DROP CONTINUOUS VIEW mine$$, '42501', NULL, 'not drop');
SET ROLE control_other;
SELECT throws_ok('SELECT * FROM mine', '42501', NULL, 'others may not read');
SELECT throws_ok($$SELECT kappa.wait('mine', '60s')$$, '42501', NULL, 'nor wait');
SELECT throws_ok($$SELECT kappa.watermark('mine')$$, '42501', NULL, 'nor see the watermark');
SELECT throws_ok('UPDATE kappa.offsets SET next_offset = 0', '42501', NULL, 'nor write to the catalog');
SELECT throws_ok(format('SELECT * FROM kappa_state.%I', relname), '42501', NULL, 'nor read states')
FROM pg_class WHERE relnamespace = 'kappa_state'::regnamespace AND relkind = 'r' ORDER BY oid DESC LIMIT 1;
RESET ROLE;

-- An owner who has lost the right to the stream loses the filling.
REVOKE SELECT ON sales FROM control_owner;
\! kcat -P -b $KAPPA_BROKER -t control -K '\t' -l $KAPPA_TMP/control
SELECT ok(await($$SELECT status = 'failed' AND error ~ 'permission denied' FROM kappa.continuous_views WHERE viewname = 'mine'$$),
	'the worker acts with the owner''s rights');
SELECT is((SELECT c FROM mine), 3000::bigint, 'and counts nothing more');

-- A view whose function waits for the view itself fails; it holds up nobody.
CREATE FUNCTION waits(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN PERFORM kappa.wait('control.selfish'); RETURN $1; END $$;
CREATE CONTINUOUS VIEW selfish AS SELECT sum(waits(machine)) FROM sales;
SELECT throws_matching($$SELECT kappa.wait('selfish', '60s')$$, 'selfish has failed', 'a view cannot wait for itself');
SELECT matches(error, 'security-restricted', 'and says why') FROM kappa.continuous_views WHERE viewname = 'selfish';

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA control CASCADE;
DROP SERVER control CASCADE;
DROP ROLE control_owner, control_reader, control_other;
