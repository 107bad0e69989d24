# Thirty views on max_worker_processes = 8: few workers drive them all; and more views than there are files for.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kappa_node('many', 'max_worker_processes = 8', 'fsync = off');
my ($file, $n) = ("$ENV{TESTDIR}/sales", 3000);
system("sales $n > '$file'") == 0 or die;
for my $topic (qw(many_a many_b many_c))
{
	topic('create', $topic, 2);
	stream($node, $topic);
	produce($topic, $file);
}

my @views = map { "v$_" } 0 .. 29;
for my $i (0 .. 29)
{
	my $stream = (qw(many_a many_b many_c))[$i % 3];
	my $query = (
		"SELECT machine % @{[ $i + 2 ]} AS k, count(*) AS c, sum(n) AS s FROM $stream GROUP BY 1",
		"SELECT count(*) AS c, sum(n) AS s, max(sold_at) FROM $stream",
		"SELECT n, 1 AS c, n AS s FROM $stream")[ $i / 10 ];
	$node->safe_psql('postgres', "CREATE CONTINUOUS VIEW v$i AS $query");
}
produce($_, $file) for qw(many_a many_b many_c);
wait_for($node, @views);

my $expected = 2 * $n . '|' . $n * ($n - 1);
is($node->safe_psql('postgres', "SELECT sum(c), sum(s) FROM $_"), $expected, "$_: count and sum") for @views;
verified($node, @views[ 0, 9, 10, 19, 20, 29 ]);
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker'}),
	'<=', 4, 'no more workers than pg_kappa.workers');
ok($node->poll_query_until('postgres', q{SELECT bool_and(status = 'live') FROM kappa.continuous_views}), 'all are live');

# All of them come back with the server, and go away with DROP.
$node->restart;
produce('many_a', $file);
wait_for($node, @views);
is($node->safe_psql('postgres', 'SELECT sum(c) FROM v0'), 3 * $n, 'after a restart it goes on');
$node->safe_psql('postgres', "DROP VIEW $_") for @views;
is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM kappa.continuous_views)
	+ (SELECT count(*) FROM kappa.offsets) + (SELECT count(*) FROM kappa.consumers)
	+ (SELECT count(*) FROM pg_class WHERE relnamespace = 'kappa_state'::regnamespace)}), 0, 'nothing remains');
ok($node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker'}),
	'the worker ends when there is nothing left to do');

# More views than a worker has files for: some wait, and say why, and hold up no other.
my $brokers = join ',', $ENV{KAPPA_BROKER}, map { "127.0.0.$_:9" } 2 .. 60;
$node->safe_psql('postgres', $_) for "CREATE SERVER large FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$brokers')",
	q{CREATE FOREIGN TABLE large (n int) SERVER large OPTIONS (topic 'many_a')},
	'CREATE CONTINUOUS VIEW of_many AS SELECT count(*) AS c FROM large';
$node->append_conf('postgresql.conf', "pg_kappa.workers = 1\nmax_files_per_process = 200");
$node->restart;
my $log = -s $node->logfile;
$node->safe_psql('postgres', "CREATE CONTINUOUS VIEW w$_ AS SELECT count(*) AS c FROM many_a") for 1 .. 15;
produce('many_a', $file);
my $counts = join ' UNION ALL ', map { "SELECT 'w$_' AS viewname, c FROM w$_" } 1 .. 15;
ok($node->poll_query_until('postgres', qq{SELECT bool_or(c = 4 * $n) AND bool_or(error ~ 'too many files') AND bool_and(c = 4 * $n OR error ~ 'too many files')
	FROM ($counts) x JOIN kappa.continuous_views USING (viewname)}), 'some views go on, and the others say why they do not');
unlike(substr(slurp_file($node->logfile), $log), qr/exited with exit code 1/, 'the worker goes on');
# Brokers cost files, too: a view whose server names more of them than there are files for takes none from others.
like(($node->psql('postgres', 'SELECT count(*) FROM large'))[2], qr/too many files are open\n.*takes 126 files/, 'too many brokers for a session');
$node->poll_query_until('postgres', q{SELECT error ~ 'too many files' FROM kappa.continuous_views WHERE viewname = 'of_many'})
	or die;
$node->safe_psql('postgres', 'DROP VIEW of_many');

$node->append_conf('postgresql.conf', 'max_files_per_process = 1000');
$node->restart;
wait_for($node, map { "w$_" } 1 .. 15);
is($node->safe_psql('postgres', "SELECT sum(c) FROM (@{[ join ' UNION ALL ', map { \"SELECT c FROM w$_\" } 1 .. 15 ]}) x"), 15 * 4 * $n,
	'with more files, all of them');

# What a view has opened is closed with it, if its topic was deleted meanwhile, too: threads and files of a connection that
# librdkafka cannot close would stay with the worker.
my $threads = q{(SELECT count(*) FROM pg_stat_activity, pg_ls_dir('/proc/' || pid || '/task', true, false) WHERE backend_type = 'pg_kappa worker')};
my $before = $node->safe_psql('postgres', "SELECT $threads");
topic('create', 'many_gone', 4);
stream($node, 'many_gone');
produce('many_gone', $file);
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW gone AS SELECT count(*) AS c FROM many_gone');
wait_for($node, 'gone');
cmp_ok($node->safe_psql('postgres', "SELECT $threads"), '>', $before, 'a view has threads of its own');
topic('delete', 'many_gone');
await($node, q{SELECT status = 'waiting' FROM kappa.continuous_views WHERE viewname = 'gone'});
$node->safe_psql('postgres', 'DROP VIEW gone');
ok($node->poll_query_until('postgres', "SELECT $threads <= $before"), 'none remains of a view whose topic was deleted');

$node->stop;
done_testing();
