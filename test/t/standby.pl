# A standby shows what the primary has computed; promoted, its views go on; the old primary
# is gone.  In between a switch of the server's timeline the answer stays exact.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $file = "$ENV{TESTDIR}/sales";
system("sales 2000 > '$file'") == 0 or die;
topic('create', 'standby', 2);
produce('standby', $file);

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_kappa'\nfsync = off");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pg_kappa');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

stream($primary, 'standby');
$primary->safe_psql('postgres', q{
	CREATE CONTINUOUS VIEW items AS SELECT item, count(*) AS c, sum(price) AS revenue FROM standby GROUP BY item;
	CREATE CONTINUOUS VIEW tea AS SELECT n FROM standby WHERE item = 'tea'});
wait_for($primary, 'items', 'tea');
my $items = sorted_rows($primary, 'TABLE items');
$primary->safe_psql('postgres', 'CREATE TABLE barrier ()');     # flushes what workers commit asynchronously
$primary->wait_for_catchup($standby);
is_deeply(sorted_rows($standby, 'TABLE items'), $items, 'the standby shows the same');
is(ask($standby, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker'}), 0,
	'no worker runs on a standby');
view_says($standby, 'items', qr/^live: $/, 'nor is the view paused there');

$primary->stop('immediate');
$standby->promote;
produce('standby', $file);
wait_for($standby, 'items', 'tea');
is($standby->safe_psql('postgres', 'SELECT sum(c) FROM items'), 4000, 'promoted, it goes on');
verified($standby, 'items', 'tea');

$standby->stop;
done_testing();
