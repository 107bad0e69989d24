# pg_dump and restore, and a copy as a template: views arrive with state and offsets, wait
# for kappa.resume, and go on exactly where they stood.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $file = "$ENV{TESTDIR}/sales";
system("sales 2000 > '$file'") == 0 or die;
topic('create', 'dump', 2);
produce('dump', $file);

my $node = kappa_node('origin', 'fsync = off');
stream($node, 'dump');
$node->safe_psql('postgres', q{
	CREATE TABLE machines (machine int PRIMARY KEY, owner text);
	INSERT INTO machines SELECT m, 'owner ' || m % 5 FROM generate_series(0, 39) m;
	CREATE CONTINUOUS VIEW items AS SELECT item, count(*) AS c, avg(price) AS mean, stddev(price) AS spread,
		approx_count_distinct(machine) AS machines FROM dump GROUP BY item;
	CREATE CONTINUOUS VIEW owners AS SELECT owner, count(*) AS c FROM dump JOIN machines USING (machine) GROUP BY owner;
	CREATE CONTINUOUS VIEW tea AS SELECT n FROM dump WHERE item = 'tea';
	CREATE VIEW above AS SELECT * FROM items WHERE c > 10;
	COMMENT ON VIEW items IS 'sold';});
my @views = qw(items owners tea);
wait_for($node, @views);
my $items = sorted_rows($node, 'TABLE items');

# Into a database of another server.
command_ok([ 'pg_dump', '-Fc', '-f', "$ENV{TESTDIR}/dump", $node->connstr('postgres') ], 'pg_dump');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init;
$copy->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_kappa'\nfsync = off");
$copy->start;
command_ok([ 'pg_restore', '--exit-on-error', '-d', $copy->connstr('postgres'), "$ENV{TESTDIR}/dump" ], 'pg_restore');

produce('dump', $file);
wait_for($node, @views);
is(ask($copy, "SELECT string_agg(DISTINCT status, ',') FROM kappa.continuous_views"), 'paused', 'restored views are paused');
is_deeply(sorted_rows($copy, 'TABLE items'), $items, 'with the state of the dump');
is_deeply(sorted_rows($copy, 'TABLE above'), $items, 'also through a view over them');
$copy->safe_psql('postgres', 'SELECT kappa.resume()');
wait_for($copy, @views);
is_deeply(sorted_rows($copy, "TABLE $_"), sorted_rows($node, "TABLE $_"), "$_: as in the original") for @views;
verified($copy, @views);
$copy->safe_psql('postgres', "DROP VIEW items CASCADE; DROP VIEW owners, tea");
is(ask($copy, q{SELECT count(*) FROM pg_class WHERE relnamespace = 'kappa_state'::regnamespace}), 0,
	'restored views are dropped with all that is theirs');
$copy->stop;

# As a template, in the same server.
$node->safe_psql('template1', 'CREATE DATABASE twin TEMPLATE postgres');
is($node->safe_psql('twin', "SELECT string_agg(DISTINCT status, ',') FROM kappa.continuous_views"), 'paused', 'copied views are paused');
produce('dump', $file);
wait_for($node, @views);
$node->safe_psql('twin', 'SELECT kappa.resume()');
$node->safe_psql('twin', "SELECT kappa.wait('$_', '60s')") for @views;
is($node->safe_psql('twin', 'SELECT sum(c) FROM items'), 6000, 'resumed, they go on');
is($node->safe_psql('twin', "SELECT * FROM kappa.verify('items')"), '', 'and are right');
$node->safe_psql('postgres', 'DROP DATABASE twin');
is(ask($node, q{SELECT count(*) FROM pg_database WHERE datname = 'twin'}), 0, 'a database with views can be dropped');
verified($node, @views);

$node->stop;
done_testing();
