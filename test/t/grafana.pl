# Every query of the demo's dashboard, with Grafana's macros expanded, runs on the demo's
# views and gives rows.
use strict;
use warnings;
use JSON::PP;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX qw(strftime);

my $demo = "$ENV{KAPPA_TESTS}/../demo";

# The macros of Grafana's PostgreSQL data source, for the last hour.
my ($from, $to) = map { strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($_)) } time - 3600, time + 60;
my %seconds = (s => 1, m => 60, h => 3600, d => 86400);
sub every { my $i = shift; $i =~ /(\d+)([smhd])/ or die "interval $i"; return $1 * $seconds{$2} }
sub group { my ($column, $interval) = @_; my $s = every($interval); "floor(extract(epoch from $column)/$s)*$s" }

sub expand
{
	my $sql = shift;
	$sql =~ s/\$\{?__interval_ms\}?/60000/g;
	$sql =~ s/\$\{?__interval\}?/1m/g;
	$sql =~ s/\$__timeFilter\(([^()]*)\)/$1 BETWEEN '$from' AND '$to'/g;
	$sql =~ s/\$__timeFrom\(\)/'$from'/g;
	$sql =~ s/\$__timeTo\(\)/'$to'/g;
	$sql =~ s/\$__timeGroupAlias\(([^(),]*),([^(),]*)[^()]*\)/group($1, $2) . ' AS "time"'/ge;
	$sql =~ s/\$__timeGroup\(([^(),]*),([^(),]*)[^()]*\)/group($1, $2)/ge;
	$sql =~ s/\$__timeEpoch\(([^()]*)\)/extract(epoch from $1) as "time"/g;
	$sql =~ s/\$__time\(([^()]*)\)/$1 AS "time"/g;
	return $sql;
}

my $node = kappa_node('grafana', 'fsync = off');
broker('start', 'kafka');
topic('create', 'sales', 2);
my $sales = "$ENV{TESTDIR}/sales";
{
	# The demo's messages, sold in the last three minutes.
	open(my $out, '>', $sales) or die;
	my $now = time;
	for my $i (0 .. 1799)
	{
		my $at = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($now - 180 + $i / 10));
		printf $out qq(%d\t{"machine":%d,"place":{"city":"Oslo","country":"NO"},"item":"%s","healthy":%s,)
		  . qq("price":1.%02d,"sold_at":"%s","customer":"c%d","payment":"card","latency_ms":%d}\n),
		  $i % 20, $i % 20, qw(water coffee chips) [ $i % 3 ], $i % 3 ? 'false' : 'true', $i % 100, $at,
		  $i % 500, $i % 90;
	}
}
produce('sales', $sales);
command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-v', "broker=$ENV{KAPPA_BROKER}", '-d',
	$node->connstr('postgres'), '-f', "$demo/demo.sql" ], 'demo.sql runs');
my @views = split /\n/, $node->safe_psql('postgres', 'SELECT viewname FROM kappa.continuous_views ORDER BY 1');
cmp_ok(scalar @views, '>=', 3, 'the demo has views');
wait_for($node, @views);
verified($node, @views);

my $queries = 0;
for my $file (glob "$demo/grafana/dashboards/*.json")
{
	my $dashboard = decode_json(slurp_file($file));
	for my $panel (@{ $dashboard->{panels} })
	{
		for my $target (@{ $panel->{targets} // [] })
		{
			my $sql = expand($target->{rawSql});
			unlike($sql, qr/\$/, "$panel->{title}: every macro is known");
			my ($out, $err);
			my $code = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err);
			is($code, 0, "$panel->{title}: runs") or diag($err);
			isnt($out, '', "$panel->{title}: gives rows");
			$queries++;
		}
	}
}
cmp_ok($queries, '>', 5, 'the dashboard has queries');

$node->stop;
broker('stop', 'kafka');
done_testing();
