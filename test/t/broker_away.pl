# A broker that is away is waited for, and a topic that does not exist yet.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = kappa_node('away', 'fsync = off');
my $file = "$ENV{TESTDIR}/sales";
system("sales 1000 > '$file'") == 0 or die;
broker('start', 'kafka');
topic('create', 'away', 2);
produce('away', $file);
stream($node, 'away');

sub await_status
{
	my ($view, $status) = @_;
	view_says($node, $view, qr/^$status: /, "$view: $status");
}

$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW first AS SELECT count(*) AS c, sum(n) AS s FROM away');
wait_for($node, 'first');
is($node->safe_psql('postgres', 'TABLE first'), '1000|499500', 'filled');

$node->safe_psql('postgres', 'ANALYZE away');

broker('stop', 'kafka');
view_says($node, 'first', qr/^waiting: ./, 'first: waiting, and the status says why');
is($node->safe_psql('postgres', 'TABLE first'), '1000|499500', 'the view answers while the broker is away');

# Planning does without the broker, reading does not; neither hangs.
my ($out, $err);
my $guarded = "SET statement_timeout = '120s'";
like($node->safe_psql('postgres', "$guarded; EXPLAIN SELECT * FROM away"), qr/rows=1000 /,
	'EXPLAIN goes by what ANALYZE has found');
like($node->safe_psql('postgres', "$guarded; EXPLAIN SELECT * FROM away a JOIN away b USING (n)"), qr/Topic: away/,
	'EXPLAIN of a join');
isnt($node->psql('postgres', "$guarded; SELECT count(*) FROM away", stderr => \$err), 0, 'SELECT fails');
like($err, qr/could not read Kafka topic "away"/, 'and says why');
is($node->psql('postgres', "$guarded; ANALYZE away", stderr => \$err), 0, 'ANALYZE does not fail');
like($err, qr/WARNING:  could not sample stream "away"/, 'it warns');
is($node->psql('postgres', "$guarded; ANALYZE"), 0, 'nor does that of the database');
is($node->safe_psql('postgres', "SELECT reltuples FROM pg_class WHERE oid = 'away'::regclass"), '1000',
	'and it leaves what was known');

$node->psql('postgres', 'CREATE CONTINUOUS VIEW second AS SELECT machine, count(*) AS c FROM away GROUP BY 1',
	stderr => \$err);
like($err, qr/WARNING/, 'creating a view without the broker warns');
await_status('second', 'waiting');
isnt($node->psql('postgres', q{SELECT kappa.wait('second', '200 ms')}, stderr => \$err), 0, 'kappa.wait does not wait for longer than it is told');
like($err, qr/timeout while waiting.*DETAIL:  could not read/s, 'and says what the view waits for');
is($node->safe_psql('postgres', q{
	CREATE TEMP TABLE caught AS SELECT ''::text AS state;
	DO $$ BEGIN PERFORM kappa.wait('second', '200 ms'); EXCEPTION WHEN OTHERS THEN UPDATE caught SET state = SQLSTATE; END $$;
	TABLE caught}), '55000', 'an error that WHEN OTHERS catches');
$node->safe_psql('postgres', 'SELECT kappa.pause(); SELECT kappa.resume()');
await_status($_, 'waiting') for 'first', 'second';

broker('start', 'kafka');
produce('away', $file);
wait_for($node, 'first', 'second');
is($node->safe_psql('postgres', 'TABLE first'), '2000|999000', 'it goes on by itself');
is($node->safe_psql('postgres', 'SELECT sum(c) FROM second'), '2000', 'and the other begins');
verified($node, 'first', 'second');

broker('kill', 'kafka');
broker('start', 'kafka');
produce('away', $file);
wait_for($node, 'first', 'second');
is($node->safe_psql('postgres', 'TABLE first'), '3000|1498500', 'after kill -9 of the broker');
verified($node, 'first', 'second');

# A topic that comes later.
stream($node, 'later');
$node->psql('postgres', 'CREATE CONTINUOUS VIEW third AS SELECT count(*) AS c FROM later', stderr => \$err);
like($err, qr/WARNING/, 'a missing topic: a warning');
await_status('third', 'waiting');
topic('create', 'later', 3);
produce('later', $file);
await_status('third', 'live');
wait_for($node, 'third');
is($node->safe_psql('postgres', 'TABLE third'), '1000', 'the topic has come');

# Partitions that come later start at their beginning.
topic('grow', 'later', 5);
system("kcat -P -b $ENV{KAPPA_BROKER} -t later -p $_ -K '\\t' -l '$file'") == 0 or die for 3, 4;
$node->poll_query_until('postgres', 'SELECT c = 3000 FROM third');
is($node->safe_psql('postgres', 'TABLE third'), '3000', 'new partitions are found');
verified($node, 'third');

# Many views of a server that is away hold up nobody else's, and each says what is the matter.
$node->psql('postgres', q{
	CREATE SERVER nowhere FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
	CREATE FOREIGN TABLE nowhere (n int) SERVER nowhere OPTIONS (topic 'nowhere');
	SELECT format('CREATE CONTINUOUS VIEW nowhere_%s AS SELECT count(*) FROM nowhere', i) FROM generate_series(1, 8) i \gexec
	SELECT kappa.pause();
	SELECT kappa.resume()});
for my $i (1 .. 3)
{
	$node->safe_psql('postgres', "CREATE CONTINUOUS VIEW beside_$i AS SELECT count(*) AS c FROM later");
	wait_for($node, "beside_$i");
	is($node->safe_psql('postgres', "TABLE beside_$i"), '3000', "a view beside those that wait ($i)");
}
ok($node->poll_query_until('postgres', q{SELECT count(*) = 8 FROM kappa.continuous_views
	WHERE viewname LIKE 'nowhere%' AND status = 'waiting' AND error LIKE 'could not read%'}), 'all of them say why they wait')
	or diag($node->safe_psql('postgres', 'SELECT viewname, status, error FROM kappa.continuous_views'));

$node->stop;
broker('stop', 'kafka');
done_testing();
