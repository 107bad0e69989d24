# PostgreSQL::Test::Cluster works here, and pg_kappa loads in such a cluster.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_kappa'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_kappa');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_kappa'"),
	1, 'created');
$node->stop;

done_testing();
