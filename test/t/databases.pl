# Workers and databases: who has workers, who has none, and commands that want a
# database for themselves.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = kappa_node('databases', 'fsync = off', 'max_worker_processes = 6');
my $file = "$ENV{TESTDIR}/sales";
system("sales 500 > '$file'") == 0 or die;
topic('create', 'databases', 2);
produce('databases', $file);

# SQL in a database
sub in
{
	my ($database, $sql) = @_;
	return $node->safe_psql($database, $sql);
}

sub fill
{
	my ($database, @views) = @_;
	in($database, qq{
		CREATE EXTENSION IF NOT EXISTS pg_kappa;
		CREATE SERVER b FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$ENV{KAPPA_BROKER}');
		CREATE FOREIGN TABLE s (n bigint) SERVER b OPTIONS (topic 'databases')});
	in($database, "CREATE CONTINUOUS VIEW $_ AS SELECT count(*) FROM s") for @views;
}

sub workers_of
{
	return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker' AND datname = '$_[0]'";
}

# Slots for four workers: the first database takes them all, and gives them up for others.
in('postgres', "CREATE DATABASE $_") for qw(one two three);
fill('one', qw(a b c d));
in('one', "SELECT kappa.wait('$_', '60s')") for qw(a b c d);
is(in('one', 'TABLE d'), 500, 'four views');
ok($node->poll_query_until('postgres', 'SELECT (' . workers_of('one') . ') = 4'), 'have four workers');
fill('two', 'a');
in('two', q{SELECT kappa.wait('a', '60s')});
fill('three', 'a');
in('three', q{SELECT kappa.wait('a', '60s')});
is(in('three', 'TABLE a'), 500, 'each database has a worker');
in('one', "SELECT kappa.wait('$_', '60s')") for qw(a b c d);
like(PostgreSQL::Test::Utils::slurp_file($node->logfile),
	qr/WARNING:  out of background worker slots .*Increase "max_worker_processes"/s,
	'the log tells what to raise');

# One database too many: its views say what they wait for, until there is room.
in('postgres', "CREATE DATABASE $_") for qw(four five);
fill('four', 'a');
in('four', q{SELECT kappa.wait('a', '60s')});
fill('five', 'a');
$node->poll_query_until('five', q{SELECT status = 'waiting' AND error ~ 'max_worker_processes' FROM kappa.continuous_views})
	or die;
like(($node->psql('five', q{SELECT kappa.wait('a', '100ms')}))[2], qr/DETAIL:  .*max_worker_processes/, 'wait says it, too');
view_says($node, 'a', qr/^live: $/, 'no other', 'four');
in('postgres', 'DROP DATABASE four');
in('five', q{SELECT kappa.wait('a', '60s')});
view_says($node, 'a', qr/^live: $/, 'when another database makes room it goes on', 'five');
in('postgres', 'DROP DATABASE five');

# A worker that is terminated is replaced.
my $pid = in('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker' AND datname = 'two'});
in('postgres', "SELECT pg_terminate_backend($pid)");
produce('databases', $file);
in('two', q{SELECT kappa.wait('a', '60s')});
is(in('two', 'TABLE a'), 1000, 'after pg_terminate_backend another worker goes on');

# Commands that want the database for themselves.
in('postgres', 'ALTER DATABASE two RENAME TO zwei');
in('zwei', q{SELECT kappa.wait('a', '60s')});
pass('renamed, and the worker is back');
in('postgres', 'CREATE DATABASE copy TEMPLATE zwei');
is(in('copy', q{SELECT status FROM kappa.continuous_views}), 'paused', 'the views of a copy wait');
produce('databases', $file);
in('zwei', q{SELECT kappa.wait('a', '60s')});
is(in('zwei', 'TABLE a'), 1500, 'those of the original go on');
is(in('copy', 'TABLE a'), 1000, 'the copy is as it was');
in('copy', q{SELECT kappa.resume('a')});
in('copy', q{SELECT kappa.wait('a', '60s')});
is(in('copy', 'TABLE a'), 1500, 'until kappa.resume');
in('postgres', "DROP DATABASE $_") for qw(one zwei three);
pass('dropped under their workers');

# Workers commit as pg_kappa.synchronous_commit says, and not as synchronous_commit does; also when it changes.
in('copy', q{CREATE FUNCTION committed(n bigint) RETURNS text IMMUTABLE LANGUAGE plpgsql
	AS $$BEGIN RETURN current_setting('synchronous_commit'); END$$});
in('copy', 'CREATE CONTINUOUS VIEW c AS SELECT committed(n), count(*) FROM s GROUP BY 1');
in('copy', q{SELECT kappa.wait('c', '60s')});
is(in('copy', 'TABLE c'), 'off|1500', 'workers do not wait for the disk');
in('postgres', q{ALTER SYSTEM SET pg_kappa.synchronous_commit = local});
in('postgres', 'SELECT pg_reload_conf()');
my $committed = '';
for (1 .. 100)
{
	produce('databases', $file);
	in('copy', q{SELECT kappa.wait('c', '60s')});
	$committed = in('copy', q{SELECT string_agg(committed, ' ' ORDER BY committed COLLATE "C") FROM c});
	last if $committed ne 'off';
}
is($committed, 'local off', 'unless they are told to');

# Without views, without the extension: no worker.
in('copy', 'DROP EXTENSION pg_kappa CASCADE');
ok($node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker'}), 'no worker without views');

$node->stop;
topic('delete', 'databases');
done_testing();
