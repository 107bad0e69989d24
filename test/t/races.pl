# Sessions that create, drop and alter the same views at the same time, under running workers; and
# transactions that are prepared, rolled back, or fail.  No error but the expected ones, and nothing
# remains.  Publications and logical decoding of what workers write; what the log must not say.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kappa_node('races', 'fsync = off', 'wal_level = logical', 'max_prepared_transactions = 5',
	'max_worker_processes = 12', 'log_statement = none');
my $file = "$ENV{TESTDIR}/sales";
system("sales 500 > '$file'") == 0 or die;
topic('create', 'races', 8);
produce('races', $file);
stream($node, 'races');

# What there is of continuous views.
my $remains = q{SELECT concat_ws(' ', (SELECT count(*) FROM kappa.views), (SELECT count(*) FROM kappa.consumers),
	(SELECT count(*) FROM kappa.offsets), (SELECT count(*) FROM kappa.watermarks), (SELECT count(*) FROM kappa.stats),
	(SELECT count(*) FROM pg_class WHERE relnamespace = 'kappa_state'::regnamespace))};

sub fails
{
	my ($sql, $pattern, $name) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err);
	like($err, $pattern, $name);
}

# ---- transactions

my $create = 'CREATE CONTINUOUS VIEW v AS SELECT item, count(*) AS c FROM races GROUP BY item';
$node->safe_psql('postgres', "BEGIN; $create; DROP VIEW v; COMMIT");
is(ask($node, $remains), '0 0 0 0 0 0', 'created and dropped in one transaction');
$node->safe_psql('postgres', "BEGIN; SAVEPOINT a; $create; ROLLBACK TO a; $create; SAVEPOINT b; DROP VIEW v; $create; ROLLBACK TO b; COMMIT");
wait_for($node, 'v');
verified($node, 'v');
is(ask($node, 'SELECT count(*) FROM kappa.views'), 1, 'savepoints');
fails("BEGIN; DROP VIEW v; CREATE CONTINUOUS VIEW w AS SELECT 1/0, count(*) FROM races GROUP BY 1; SELECT 1/0; COMMIT", qr/division by zero/, 'a transaction that fails');
is(ask($node, q{SELECT string_agg(viewname, ',') FROM kappa.continuous_views}), 'v', 'leaves everything as it was');
$node->safe_psql('postgres', q{DO $$ BEGIN
	BEGIN
		CREATE CONTINUOUS VIEW w AS SELECT count(*) FROM races;
		PERFORM 1/0;
	EXCEPTION WHEN division_by_zero THEN
		CREATE CONTINUOUS VIEW x AS SELECT count(*) AS c FROM races;
		CREATE CONTINUOUS VIEW y AS SELECT sum(n) AS s FROM races;
	END;
	DROP VIEW v;
END $$});
wait_for($node, 'x', 'y');
is(ask($node, q{SELECT string_agg(viewname, ',' ORDER BY 1) FROM kappa.continuous_views}), 'x,y', 'two views in a DO block, after one that failed');
verified($node, 'x', 'y');

# ---- prepared transactions: the worker finds what another session commits

$node->safe_psql('postgres', "BEGIN; $create; DROP VIEW x; PREPARE TRANSACTION 'p'");
fails("SELECT kappa.wait('v', '1s')", qr/does not exist/, 'prepared: not there yet');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
wait_for($node, 'v', 'y');
verified($node, 'v', 'y');
$node->safe_psql('postgres', "BEGIN; DROP VIEW v; PREPARE TRANSACTION 'q'");
produce('races', $file);
wait_for($node, 'y');
is(ask($node, 'SELECT s FROM y'), 2 * 124750, 'a view that is prepared to be dropped holds up no other');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'q'");
wait_for($node, 'v');
verified($node, 'v');
$node->safe_psql('postgres', 'DROP VIEW v, y');
is(ask($node, $remains), '0 0 0 0 0 0', 'nothing remains');

# ---- many sessions, the same names

my $script = "$ENV{TESTDIR}/race.sql";
append_to_file($script, q{
\set i random(1, 3)
\set what random(1, 9)
SET client_min_messages = error;
\if :what <= 3
DO $$ BEGIN CREATE CONTINUOUS VIEW r:i AS SELECT item, count(*) AS c FROM races GROUP BY item;
EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN NULL; END $$;
\elif :what <= 5
DO $$ BEGIN DROP CONTINUOUS VIEW r:i; EXCEPTION WHEN undefined_table OR internal_error THEN NULL; END $$;
\elif :what = 6
DO $$ BEGIN PERFORM kappa.pause('r:i'); PERFORM kappa.resume('r:i');
EXCEPTION WHEN undefined_table OR wrong_object_type OR internal_error THEN NULL; END $$;
\elif :what = 7
DO $$ BEGIN ALTER VIEW r:i RENAME TO s:i; EXCEPTION WHEN undefined_table OR duplicate_table OR duplicate_object OR unique_violation THEN NULL; END $$;
\elif :what = 8
DO $$ BEGIN DROP VIEW IF EXISTS s:i; EXCEPTION WHEN internal_error OR undefined_table THEN NULL; END $$;
\else
DO $$ BEGIN PERFORM count(*) FROM kappa.progress; PERFORM count(*) FROM r:i; EXCEPTION WHEN undefined_table THEN NULL; END $$;
\endif
});
my $log = -s $node->logfile;
$node->command_ok([ 'pgbench', '-n', '-c', 6, '-t', 300, '-f', $script, 'postgres' ], 'sessions that create, alter and drop at the same time');
produce('races', $file);
my @left = split /,/, ask($node, q{SELECT string_agg(viewname, ',') FROM kappa.continuous_views});
wait_for($node, @left);
verified($node, @left);
is(ask($node, q{SELECT count(*) FROM pg_class c WHERE relnamespace = 'kappa_state'::regnamespace AND relkind IN ('r', 'v')
	AND NOT EXISTS (SELECT FROM kappa.views WHERE c.oid IN (definition, delta, state))}), 0, 'no orphans in kappa_state');
is(ask($node, q{SELECT count(*) FROM kappa.consumers WHERE id NOT IN (SELECT consumer FROM kappa.views)}), 0, 'nor in the catalog');
$node->safe_psql('postgres', "DROP VIEW $_") for @left;
is(ask($node, $remains), '0 0 0 0 0 0', 'and nothing at the end');
my $said = substr(slurp_file($node->logfile), $log);
unlike($said, qr/deadlock detected/, 'no deadlock');
unlike($said, qr/pg_kappa worker.*(ERROR|LOG:  could not apply)/, 'workers do not complain about views that go');

# ---- kappa.wait, while others do something to the view

$node->safe_psql('postgres', q{
	CREATE SERVER nowhere FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
	CREATE FOREIGN TABLE silent (n int) SERVER nowhere OPTIONS (topic 'silent')});

# while_waiting(SQL, PATTERN, NAME): what a session that waits is told when another one runs SQL
sub while_waiting
{
	my ($sql, $pattern, $name) = @_;
	$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW IF NOT EXISTS idle AS SELECT count(*) FROM silent');
	open(my $waiter, '-|', 'sh', '-c', 'exec psql -XAtq -d "$0" -c "$1" 2>&1', $node->connstr('postgres'), "SELECT kappa.wait('idle')")
	  or die "psql: $!";
	# Not only begun, but waiting: now and then, between two questions to the broker.
	await($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^SELECT kappa.wait' AND wait_event_type = 'Extension'});
	$node->safe_psql('postgres', $sql);
	like(join('', <$waiter>), $pattern, $name);
	close $waiter;
}
while_waiting("SELECT kappa.pause('idle')", qr/idle is paused/, 'paused meanwhile');
$node->safe_psql('postgres', "SELECT kappa.resume('idle')");
while_waiting('DROP VIEW idle', qr/idle was dropped/, 'dropped meanwhile');
while_waiting(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT kappa.wait' AND state = 'active'},
	qr/canceling statement due to user request/, 'cancelled');
while_waiting(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query ~ '^SELECT kappa.wait' AND state = 'active'},
	qr/terminating connection/, 'terminated');
fails("SELECT kappa.wait('idle', '200 ms')", qr/timeout while waiting for continuous view public.idle/, 'timeout');
fails("SELECT kappa.wait(NULL)", qr/must not be null/, 'NULL');
fails("SELECT kappa.wait('silent')", qr/not a continuous view|permission/, 'not a view');
fails("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT kappa.wait('idle')", qr/READ COMMITTED/, 'a snapshot that never sees it');
fails("SET statement_timeout = '300ms'; SELECT kappa.wait('idle')", qr/statement timeout/, 'statement_timeout');

# ---- a stream is altered, while a view over it is created

sub while_creating
{
	my ($sql, $pattern, $name) = @_;
	$node->safe_psql('postgres', q{BEGIN; CREATE CONTINUOUS VIEW created AS SELECT sum(n) FROM silent; PREPARE TRANSACTION 'create'});
	open(my $waiter, '-|', 'sh', '-c', 'exec psql -XAtq -d "$0" -c "$1" 2>&1', $node->connstr('postgres'), $sql) or die "psql: $!";
	await($node, q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'silent'::regclass AND NOT granted});
	$node->safe_psql('postgres', "COMMIT PREPARED 'create'");
	like(join('', <$waiter>), $pattern, $name);
	close $waiter;
	$node->safe_psql('postgres', 'DROP VIEW created');
}
while_creating("ALTER FOREIGN TABLE silent OPTIONS (SET topic 'loud')", qr/cannot change option "topic"/, 'an option of the stream');
while_creating("ALTER FOREIGN TABLE silent ALTER n OPTIONS (path 'm')", qr/cannot change column "n"/, 'a column');
while_creating('ALTER FOREIGN TABLE silent RENAME n TO m', qr/cannot rename column "n"/, 'its name');

$node->safe_psql('postgres', 'SET client_min_messages = error; DROP SERVER nowhere CASCADE');
is(ask($node, $remains), '0 0 0 0 0 0', 'DROP SERVER CASCADE leaves nothing');

# ---- publications and decoding

$node->safe_psql('postgres', q{
	CREATE PUBLICATION everything FOR ALL TABLES;
	CREATE PUBLICATION states FOR TABLES IN SCHEMA kappa_state});
is($node->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('races', 'test_decoding') IS NOT NULL}), 't', 'a slot');
$node->safe_psql('postgres', "$create; CREATE CONTINUOUS VIEW one AS SELECT count(*) AS c FROM races");
wait_for($node, 'v', 'one');
produce('races', $file);
wait_for($node, 'v', 'one');
verified($node, 'v', 'one');
is(ask($node, q{SELECT c FROM one}), 2000, 'states are written although they are published');
$node->safe_psql('postgres', 'CREATE TABLE flushed ()');        # and with it what workers have committed asynchronously
cmp_ok(ask($node, q{SELECT count(*) FROM pg_logical_slot_peek_changes('races', NULL, NULL) WHERE data ~ 'table kappa_state.*: (INSERT|UPDATE)'}),
	'>', 0, 'and their changes can be decoded');
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('races'); DROP PUBLICATION everything, states});

# ---- event triggers

$node->safe_psql('postgres', q{
	CREATE TABLE seen (event text, tag text, type text, identity text);
	CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		IF tg_event = 'sql_drop' THEN
			INSERT INTO seen SELECT tg_event, tg_tag, object_type, object_identity FROM pg_event_trigger_dropped_objects() WHERE original;
		ELSE
			INSERT INTO seen SELECT tg_event, command_tag, object_type, object_identity FROM pg_event_trigger_ddl_commands();
		END IF;
	END $$;
	CREATE EVENT TRIGGER see_drop ON sql_drop EXECUTE FUNCTION see();
	CREATE EVENT TRIGGER see_end ON ddl_command_end EXECUTE FUNCTION see();
	ALTER CONTINUOUS VIEW one RENAME TO two;
	DROP CONTINUOUS VIEW two;
	DROP EVENT TRIGGER see_drop;
	DROP EVENT TRIGGER see_end});
is(ask($node, q{SELECT string_agg(concat_ws(' ', event, tag, type, identity), '; ') FROM seen}),
	'ddl_command_end ALTER VIEW view public.two; sql_drop DROP VIEW view public.two', 'event triggers see a view');

# ---- the extension goes, and comes back

fails('DROP EXTENSION pg_kappa', qr/other objects depend on it/, 'views depend on the extension');
$log = -s $node->logfile;
$node->safe_psql('postgres', 'DROP EXTENSION pg_kappa CASCADE');
is(ask($node, q{SELECT count(*) FROM pg_class WHERE relname ~ '^v(_|$)' OR relname = 'races'}), 0, 'CASCADE takes all of it');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_kappa');
stream($node, 'races');
$node->safe_psql('postgres', $create);
wait_for($node, 'v');
is(ask($node, 'SELECT sum(c) FROM v'), 2000, 'created anew, it works');
unlike(substr(slurp_file($node->logfile), $log), qr/pg_kappa worker.*(ERROR|LOG:  could not apply)/, 'and no worker complained');

# ---- words of users

$log = -s $node->logfile;
$node->safe_psql('postgres', q{
	CREATE FUNCTION talks(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
		RAISE WARNING 'palaver %', $1; RAISE LOG 'palaver %', $1;
		RAISE 'palaver %', $1 USING ERRCODE = 'XX000'; END $$;
	CREATE CONTINUOUS VIEW talking AS SELECT sum(talks(machine)) FROM races});
view_says($node, 'talking', qr/^failed: /, 'a function that fails for no message in particular');
unlike(join('', grep { /pg_kappa worker/ } split(/^/, substr(slurp_file($node->logfile), $log))), qr/palaver \d/,
	'what functions raise in a worker is not logged');

$node->stop;
done_testing();
