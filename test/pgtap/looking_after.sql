-- Dead letters tried again and discarded, reject_limit, statistics set back, all own views at once, lag;
-- and what becomes of a view whose owner loses a right, a server that moves, roles that go.
\ir ../lib/pgtap.psql
SELECT plan(35);
CREATE SCHEMA looking;
SET search_path = looking, public;
\! topic create looking 1
\! sales 100 | cut -f2 | kcat -P -b $KAPPA_BROKER -t looking
\! printf '%s\n' '{"n": 500, "machine": "none"}' 'no json' '{"n": 501, "machine": 3}' '{"n": 502, "machine": 7}' | kcat -P -b $KAPPA_BROKER -t looking
CREATE SERVER looking FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE sales (machine int, n bigint) SERVER looking OPTIONS (topic 'looking');
CREATE ROLE lo_owner;
CREATE ROLE lo_heir;
GRANT ALL ON SCHEMA looking TO lo_owner, lo_heir;
GRANT SELECT ON sales TO lo_owner, lo_heir;
CREATE TABLE allowed (least int);
INSERT INTO allowed VALUES (600);
CREATE FUNCTION picky(bigint) RETURNS bigint STABLE LANGUAGE plpgsql AS $$ BEGIN
	IF $1 >= 500 AND $1 < (SELECT min(least) FROM looking.allowed) THEN RAISE 'no'; END IF; RETURN $1; END $$;
GRANT ALL ON allowed TO lo_owner, lo_heir;
CREATE CONTINUOUS VIEW ints AS SELECT count(*) AS c, count(machine) AS m FROM sales;
GRANT SELECT ON ints TO lo_owner;
SET ROLE lo_owner;
CREATE CONTINUOUS VIEW own AS SELECT count(*) AS c, sum(picky(n)) AS s FROM sales;
SELECT kappa.wait(v::regclass, '60s') FROM unnest('{ints,own}'::text[]) v \g /dev/null
SELECT results_eq($$SELECT message_offset, sqlstate FROM kappa.dead_letters WHERE view = 'own'::regclass ORDER BY 1$$,
	$$VALUES (100::bigint, 'P0001'), (101, '22032'), (102, 'P0001'), (103, 'P0001')$$, 'dead letters');
SELECT is((SELECT c FROM own), 100::bigint, 'and what is counted');

-- retry
SELECT is(kappa.retry('own'), 0::bigint, 'what is still bad stays');
UPDATE allowed SET least = 502;
BEGIN;
SELECT is(kappa.retry('own'), 1::bigint, 'one is good now');
SELECT is((SELECT c FROM own), 101::bigint, 'and counted at once');
ROLLBACK;
SELECT is((SELECT c FROM own), 100::bigint, 'all of it in one transaction');
SELECT is(kappa.retry('own'), 1::bigint, 'again');
SELECT results_eq('SELECT c, s::bigint FROM own', 'VALUES (101::bigint, 4950::bigint + 502)', 'the answer');
SELECT is_empty($$SELECT * FROM kappa.verify('own')$$, 'own: verified');

-- discard
SELECT is(kappa.discard('own'), 3::bigint, 'discard');
SELECT is(kappa.discard('own'), 0::bigint, 'once');
SELECT is((SELECT count(*) FROM kappa.dead_letters WHERE view = 'own'::regclass AND key IS NULL AND value IS NULL), 3::bigint, 'rows without payload remain');
UPDATE allowed SET least = 0;
SELECT is(kappa.retry('own'), 0::bigint, 'and are not tried again');
SELECT is_empty($$SELECT * FROM kappa.verify('own')$$, 'own: verified without them');

-- statistics
SELECT is((SELECT rows_read FROM kappa.stat_views WHERE view = 'own'::regclass), 104::bigint, 'rows read');
SELECT kappa.reset_stats() \g /dev/null
SELECT is((SELECT rows_read FROM kappa.stat_views WHERE view = 'own'::regclass), 0::bigint, 'set back');
RESET ROLE;
SELECT is((SELECT rows_read FROM kappa.stat_views WHERE view = 'ints'::regclass), 104::bigint, 'those of others are not');
SET ROLE lo_owner;

-- all own views
SELECT kappa.pause() \g /dev/null
SELECT is((SELECT string_agg(viewname || ' ' || status, ', ' ORDER BY viewname) FROM kappa.continuous_views WHERE schemaname = 'looking'),
	'ints live, own paused', 'pause of all own views is of no others');
\! printf '%s\n' '{"n": 1, "machine": 3}' '{"n": 2, "machine": 7}' | kcat -P -b $KAPPA_BROKER -t looking
SELECT kappa.wait('ints', '60s') \g /dev/null
SELECT is((SELECT lag FROM kappa.progress WHERE view = 'own'::regclass), 2::bigint, 'lag of a paused view, as others know the log');
SELECT kappa.resume() \g /dev/null
SELECT kappa.wait('own', '60s') \g /dev/null
SELECT is((SELECT lag FROM kappa.progress WHERE view = 'own'::regclass), 0::bigint, 'no lag');

-- reject_limit
ALTER CONTINUOUS VIEW own SET (reject_limit = 5);
\! printf '%s\n' 'no' 'no' 'no' | kcat -P -b $KAPPA_BROKER -t looking
SELECT ok(await($$SELECT status = 'paused' AND error ~ 'reject_limit' FROM kappa.continuous_views WHERE viewname = 'own'$$), 'reject_limit pauses the view');
SELECT throws_matching($$SELECT kappa.wait('own')$$, 'paused', 'and wait says so');
ALTER CONTINUOUS VIEW own SET (reject_limit = none);
SELECT kappa.resume('own') \g /dev/null
SELECT lives_ok($$SELECT kappa.wait('own', '60s')$$, 'without limit it goes on');
SELECT is_empty($$SELECT * FROM kappa.verify('own')$$, 'own: verified after all');
RESET ROLE;

-- rights, owners and servers that change while messages come
REVOKE SELECT ON sales FROM lo_owner;
\! echo '{"n": 3, "machine": 3}' | kcat -P -b $KAPPA_BROKER -t looking
SELECT ok(await($$SELECT status = 'failed' AND error ~ 'permission denied' FROM kappa.continuous_views WHERE viewname = 'own'$$), 'a right that is lost fails the view');
GRANT SELECT ON sales TO lo_owner;
SELECT kappa.resume('own') \g /dev/null
SELECT lives_ok($$SELECT kappa.wait('own', '60s')$$, 'given back, it goes on');
ALTER VIEW own OWNER TO lo_heir;
\! echo '{"n": 4, "machine": 3}' | kcat -P -b $KAPPA_BROKER -t looking
SELECT lives_ok($$SELECT kappa.wait('own', '60s')$$, 'a new owner while messages come');
REASSIGN OWNED BY lo_heir TO lo_owner;
\! echo '{"n": 5, "machine": 3}' | kcat -P -b $KAPPA_BROKER -t looking
SELECT lives_ok($$SELECT kappa.wait('own', '60s')$$, 'REASSIGN OWNED');
ALTER SERVER looking OPTIONS (SET bootstrap_servers '127.0.0.1:1');
SELECT ok(await($$SELECT status = 'waiting' FROM kappa.continuous_views WHERE viewname = 'own'$$), 'a server that has moved is waited for');
SELECT format('ALTER SERVER looking OPTIONS (SET bootstrap_servers %L)', :'broker') \gexec
SELECT lives_ok($$SELECT kappa.wait('own', '60s')$$, 'and found again');
ALTER SERVER looking RENAME TO found;
CREATE USER MAPPING FOR lo_owner SERVER found;
DROP USER MAPPING FOR lo_owner SERVER found;
\! echo '{"n": 6, "machine": 3}' | kcat -P -b $KAPPA_BROKER -t looking
SELECT lives_ok($$SELECT kappa.wait('own', '60s')$$, 'mappings that come and go');
SELECT is_empty($$SELECT * FROM kappa.verify('own')$$, 'own: verified at the end');
SELECT throws_ok('DROP ROLE lo_owner', '2BP01', NULL, 'a role that owns a view');
DROP OWNED BY lo_owner, lo_heir;
SELECT is_empty($$SELECT relname FROM pg_class WHERE relnamespace = 'kappa_state'::regnamespace AND relname ~ '^own_'$$, 'DROP OWNED takes all of it');
SELECT is((SELECT string_agg(viewname, ',') FROM kappa.continuous_views WHERE schemaname = 'looking'), 'ints', 'and no more');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA looking CASCADE;
DROP SERVER found CASCADE;
DROP ROLE lo_owner, lo_heir;
