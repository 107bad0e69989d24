# CONTINUOUS VIEW in the extended protocol, and beside pg_stat_statements, which
# hooks the same places, loaded before and after.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('syntax');
$node->init;
$node->append_conf('postgresql.conf', "pg_stat_statements.track = all");

# Runs statements through pgbench, which speaks every kind of protocol.
sub in_protocol
{
	my ($mode, $name, $out, $err, @statements) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/$name.sql";
	append_to_file($file, join("\n", @statements) . "\n");
	$node->command_checks_all(
		[ 'pgbench', '-n', '-t', 1, '-M', $mode, '-f', $file, 'postgres' ],
		$err eq '' ? 0 : 2, [$out], [ $err eq '' ? qr/^/ : $err ], "$mode protocol: $name");
}

foreach my $libraries ('pg_stat_statements, pg_kappa', 'pg_kappa, pg_stat_statements')
{
	my $suffix = $libraries =~ /^pg_kappa/ ? 'after' : 'before';

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'");
	$node->restart if $suffix eq 'after';
	$node->start if $suffix eq 'before';
	unlike(slurp_file($node->logfile), qr/CREATE CONTINUOUS VIEW is not available/,
		"$libraries: the table of keywords is as expected");

	$node->safe_psql('postgres', q{
		CREATE EXTENSION pg_stat_statements;
		CREATE EXTENSION pg_kappa;
		CREATE VIEW plain AS SELECT 1 AS continuous;
		CREATE SERVER nowhere FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers 'localhost:1');
		CREATE FOREIGN TABLE stream (a int) SERVER nowhere OPTIONS (topic 'syntax');
		SELECT pg_stat_statements_reset();
	});

	foreach my $mode ('simple', 'extended', 'prepared')
	{
		in_protocol($mode, "valid_${mode}_$suffix", qr/processed: 1\/1/, '',
			'CREATE CONTINUOUS VIEW v AS SELECT a, count(*) FROM stream GROUP BY a;',
			'CREATE OR REPLACE CONTINUOUS VIEW w AS SELECT count(*) FROM stream;',
			'DROP CONTINUOUS VIEW v, w;',
			'DROP CONTINUOUS VIEW IF EXISTS nosuch;',
			'ALTER /* CONTINUOUS TABLE */ CONTINUOUS VIEW IF EXISTS nosuch RENAME TO other;',
			'SELECT x.drop continuous FROM (VALUES (1)) AS x (drop);');
		in_protocol($mode, "wrong_${mode}_$suffix", qr/^/, qr/"plain" is not a continuous view/,
			'DROP CONTINUOUS VIEW plain;');
	}

	is( $node->safe_psql('postgres', q{
			SELECT count(*), sum(calls) FROM pg_stat_statements
			WHERE query = 'SELECT x.drop continuous FROM (VALUES ($1)) AS x (drop)'}),
		'1|3', "$libraries: statements are normalised and counted as ever");
	is( $node->safe_psql('postgres', q{
			SELECT count(*) FROM pg_stat_statements
			WHERE query = 'DROP CONTINUOUS VIEW IF EXISTS nosuch'}),
		'1', "$libraries: and so are ours");

	is( $node->safe_psql('postgres', q{
			\set QUIET off
			SET client_min_messages = error;
			CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM stream;
			ALTER CONTINUOUS VIEW v RENAME TO w;
			ALTER CONTINUOUS VIEW w SET (reject_limit = 3);
			COMMENT ON CONTINUOUS VIEW w IS 'x';
			DROP CONTINUOUS VIEW w}),
		join("\n", 'SET', 'CREATE VIEW', 'ALTER VIEW', 'ALTER VIEW', 'COMMENT', 'DROP VIEW'),
		"$libraries: command tags");

	$node->safe_psql('postgres',
		'DROP SERVER nowhere CASCADE; DROP VIEW plain; DROP EXTENSION pg_kappa; DROP EXTENSION pg_stat_statements');
}

$node->stop;
done_testing();
