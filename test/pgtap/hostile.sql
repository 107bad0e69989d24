-- Functions of a view's owner that try what they must not: with the worker's rights, its session,
-- its locks, other people's time, or the server's log.  What becomes of the view, and that others go on.
\ir ../lib/pgtap.psql
SELECT plan(92);
CREATE SCHEMA hostile;
SET search_path = hostile, public;
\! topic create hostile 2
\! sales 200 | kcat -P -b $KAPPA_BROKER -t hostile -K '\t'
CREATE SERVER hostile FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE sales (machine int, item text, n bigint) SERVER hostile OPTIONS (topic 'hostile');
CREATE FOREIGN TABLE target (n bigint) SERVER hostile OPTIONS (topic 'hostile_target');
CREATE TABLE written (who text);
CREATE ROLE ho_owner;
CREATE ROLE ho_reader;
CREATE ROLE ho_monitor IN ROLE pg_monitor;
GRANT ALL ON SCHEMA hostile TO ho_owner;
GRANT USAGE ON SCHEMA hostile TO ho_reader, ho_monitor;
GRANT ALL ON sales, target, written TO ho_owner;
CREATE CONTINUOUS VIEW bystander AS SELECT count(*) AS c FROM sales;

-- A view over a function with that body; the function lies about being immutable.
CREATE FUNCTION view_over(name text, body text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FUNCTION hostile.%I(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS %L', 'f_' || name, body);
	EXECUTE format('CREATE CONTINUOUS VIEW hostile.%I AS SELECT count(hostile.%I(machine)) AS c FROM hostile.sales', name, 'f_' || name);
END $$;

CREATE TEMP TABLE tries (id serial, name text, status text, error text, body text);
GRANT ALL ON tries, tries_id_seq TO ho_owner;
INSERT INTO tries (name, status, error, body) VALUES
('set_role', 'failed', '0A000', 'SET ROLE postgres'),
('config_role', 'failed', 'security-restricted operation .*42501', $$PERFORM set_config('role', 'postgres', false)$$),
('session', 'failed', '0A000', 'SET SESSION AUTHORIZATION postgres'),
('config_session', 'failed', 'security-restricted operation .*42501', $$PERFORM set_config('session_authorization', 'postgres', false)$$),
('reset', 'failed', '0A000', 'RESET SESSION AUTHORIZATION'),
('listen', 'failed', '0A000', 'LISTEN hostile'),
('drops', 'failed', '0A000', 'DROP VIEW hostile.drops'),
('commits', 'failed', '2D000', 'COMMIT'),
('writes', 'failed', '0A000', $$INSERT INTO hostile.written VALUES (current_user)$$),
('produces', 'failed', '0A000', $$INSERT INTO hostile.target VALUES (1)$$),
('catalog', 'failed', '0A000|42501', 'UPDATE kappa.views SET paused = true'),
('locks', 'failed', '0A000', 'LOCK TABLE hostile.written'),
('temporary', 'failed', '0A000', 'CREATE TEMP TABLE t (a int)'),
('deallocates', 'failed', '0A000', 'DEALLOCATE ALL'),
('discards', 'failed', '0A000', 'DISCARD ALL'),
('cursor', 'failed', '0A000', 'EXECUTE ''DECLARE c CURSOR WITH HOLD FOR SELECT 1'''),
('program', 'failed', '0A000', 'COPY (SELECT 1) TO PROGRAM ''true'''),
('advisory', 'failed', 'pg_advisory_lock.*42501', 'PERFORM pg_advisory_lock(4711)'),
('try_advisory', 'failed', 'pg_try_advisory_lock.*42501', 'PERFORM pg_try_advisory_lock(47, 11)'),
('unlocks', 'failed', 'pg_advisory_unlock_all.*42501', 'PERFORM pg_advisory_unlock_all()'),
('verifies_first', 'failed', 'pg_advisory_unlock_all.*42501', $$PERFORM count(*) FROM kappa.verify('hostile.plain'); PERFORM pg_advisory_unlock_all()$$),
('terminates', 'failed', '42501', 'PERFORM pg_terminate_backend(pg_backend_pid())'),
('cancels', 'failed', '42501', 'PERFORM pg_cancel_backend(pg_backend_pid())'),
('recurses', 'live', NULL, 'RETURN hostile.f_recurses($1)'),
('waits', 'failed', 'security-restricted.*42501', $$PERFORM kappa.wait('hostile.bystander')$$),
('pauses', 'failed', '42501', $$PERFORM kappa.pause('hostile.bystander')$$),
('raises', 'failed', 'an expression failed .SQLSTATE XX000', $$RAISE 'palaver %', $1 USING ERRCODE = 'XX000'$$),
('puts_together', 'failed', 'column "\.\.\." does not exist .SQLSTATE 42703', $$EXECUTE 'SELECT palaver' || $1$$),
('makes_a_name', 'failed', 'relation "\.\.\." does not exist .SQLSTATE 42P01', $$PERFORM ('palaver' || $1)::regclass$$),
('settings', 'live', NULL, $$PERFORM set_config('statement_timeout', '1', false), set_config('search_path', 'hostile', false),
	set_config('application_name', 'hacked', false), set_config('TimeZone', 'Asia/Tokyo', false), set_config('work_mem', '64kB', false)$$),
('talks', 'live', NULL, $$RAISE WARNING 'palaver %', $1; RAISE LOG 'palaver %', $1; RAISE NOTICE 'palaver %', $1$$),
('transaction_lock', 'live', NULL, 'PERFORM pg_advisory_xact_lock(4712)');
SET ROLE ho_owner;
CREATE CONTINUOUS VIEW plain AS SELECT count(*) AS c FROM sales;
SELECT view_over(name, 'BEGIN ' || body || '; RETURN 1; END') FROM tries ORDER BY id \g /dev/null
CREATE CONTINUOUS VIEW names AS SELECT count(('palaver ' || item)::regclass) AS c FROM sales;
CREATE CONTINUOUS VIEW elsewhere AS SELECT count(('palaver.a.' || item)::regclass) AS c FROM sales;
CREATE CONTINUOUS VIEW parses AS SELECT count(to_tsquery('palaver ' || item)) AS c FROM sales;
INSERT INTO tries (name, status, error) VALUES
('names', 'failed', 'invalid name syntax .SQLSTATE 42602'),
('elsewhere', 'failed', 'cross-database references are not implemented: .*0A000'),
('parses', 'failed', 'syntax error in tsquery: "\.\.\." .SQLSTATE 42601');
RESET ROLE;
SELECT ok(await(format('SELECT status = %L FROM kappa.continuous_views WHERE schemaname = ''hostile'' AND viewname = %L', status, name)), name || ': ' || status)
FROM tries ORDER BY id;
SELECT matches(v.error, t.error, t.name || ': why') FROM tries t JOIN kappa.continuous_views v ON v.schemaname = 'hostile' AND v.viewname = t.name
WHERE t.error IS NOT NULL ORDER BY t.id;
SELECT is_empty($$SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND (objid = 4711 OR classid = 47)$$, 'no lock is left behind');
SELECT is_empty('SELECT * FROM written', 'nothing was written');
SELECT is_empty($$SELECT application_name FROM pg_stat_activity WHERE application_name = 'hacked'$$, 'no setting sticks');
SELECT is_empty($$SELECT error FROM kappa.continuous_views WHERE error ~ 'palaver' UNION ALL SELECT last_error FROM kappa.stat_views WHERE last_error ~ 'palaver'$$,
	'words of functions are quoted nowhere');

-- What is forbidden to a view's functions is so no longer when one of them has failed.
SELECT kappa.wait('settings', '60s') \g /dev/null
CREATE OR REPLACE FUNCTION f_settings(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE 'not now'; END$$;
SELECT throws_ok($$SELECT kappa.verify('settings')$$, 'P0001', 'not now', 'a function that fails in kappa.verify');
SELECT lives_ok('CREATE MATERIALIZED VIEW locked AS SELECT pg_try_advisory_lock(4713), pg_advisory_unlock(4713)',
	'a security-restricted operation of somebody else''s after it');

-- A function that never returns: pause and DROP do not wait for it.
SET ROLE ho_owner;
SELECT view_over('sleeps', 'BEGIN PERFORM pg_sleep(100000); RETURN 1; END') \g /dev/null
RESET ROLE;
SELECT ok(await($$SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker' AND wait_event = 'PgSleep'$$), 'a batch that never ends');
SET ROLE ho_owner;
SELECT lives_ok($$SELECT kappa.pause('sleeps')$$, 'kappa.pause does not wait for it');
SELECT kappa.resume('sleeps') \g /dev/null
RESET ROLE;
SELECT ok(await($$SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker' AND wait_event = 'PgSleep'$$), 'again');
SELECT is((SELECT concat_ws('; ', error, (SELECT last_error FROM kappa.stat_views WHERE viewname = 'sleeps')) FROM kappa.continuous_views
	WHERE viewname = 'sleeps'), '', 'that it was cancelled is no error of the view');
SET ROLE ho_owner;
SELECT lives_ok('DROP CONTINUOUS VIEW sleeps', 'nor does DROP');
RESET ROLE;

-- Names of pg_temp and public do not stand in for others.
SET ROLE ho_owner;
CREATE FUNCTION pg_temp.count(text) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1000::bigint';
CREATE TEMP TABLE sales (machine int, item text, n bigint);
CREATE CONTINUOUS VIEW named AS SELECT count(*) AS c FROM hostile.sales;
RESET ROLE;
SELECT kappa.wait('named', '60s') \g /dev/null
SELECT is((SELECT c FROM named), 200::bigint, 'neither temporary tables nor functions get in between');

-- Who sees what of whom.
SELECT kappa.wait('bystander', '60s') \g /dev/null
SELECT is((SELECT c FROM bystander), 200::bigint, 'others go on');
SET ROLE ho_monitor;
SELECT is((SELECT count(*) FROM kappa.progress WHERE view = 'bystander'::regclass), 2::bigint, 'pg_monitor sees progress');
SELECT is((SELECT count(*) FROM kappa.stat_views WHERE view = 'bystander'::regclass), 1::bigint, 'and statistics');
SET ROLE ho_reader;
SELECT is_empty($$SELECT * FROM kappa.progress WHERE schemaname = 'hostile'$$, 'a stranger sees no progress');
SELECT is_empty($$SELECT * FROM kappa.stat_views WHERE schemaname = 'hostile'$$, 'and no statistics');
SELECT throws_ok(format('SELECT kappa.%s(''hostile.bystander'')', f), '42501', NULL, f || ' is not for strangers')
FROM unnest('{pause,resume,wait,watermark,verify,retry,discard,reset_stats}'::text[]) f;
RESET ROLE;

-- What is evaluated while a batch's statement is being started may write to no view either.
SET ROLE ho_owner;
CREATE TABLE parts (k int) PARTITION BY LIST (k);
CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
INSERT INTO parts VALUES (1);
CREATE FUNCTION prune() RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION tamper() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT format('UPDATE %s SET count = 0', oid::regclass) FROM pg_class WHERE relname LIKE 'pruned%state');
END $$;
CREATE CONTINUOUS VIEW pruned AS SELECT count(*) AS c FROM hostile.sales JOIN parts ON k = prune();
SELECT kappa.wait('pruned', '60s') \g /dev/null
CREATE OR REPLACE FUNCTION prune() RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM tamper();
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	RETURN 1;
END $$;
RESET ROLE;
\! echo '{"machine": 1}' | kcat -P -b $KAPPA_BROKER -t hostile
SELECT kappa.wait('pruned', '60s') \g /dev/null
SELECT is((SELECT c FROM pruned), 201::bigint, 'a partition is chosen by a function that writes to the view''s rows');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA hostile CASCADE;
DROP SERVER hostile CASCADE;
DROP TABLE pg_temp.sales;
DROP OWNED BY ho_owner, ho_reader, ho_monitor;
DROP ROLE ho_owner, ho_reader, ho_monitor;
