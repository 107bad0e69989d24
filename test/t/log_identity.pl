# The position of a view belongs to one log: what is counted never comes from
# another one that was put in its place, and nothing is skipped in silence.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = kappa_node('identity', 'fsync = off');
my ($few, $many) = map { "$ENV{TESTDIR}/$_" } qw(few many);
system("sales 100 > '$few' && sales 3000 > '$many'") == 0 or die;

sub status
{
	return $node->safe_psql('postgres',
		"SELECT status FROM kappa.continuous_views WHERE viewname = '$_[0]'");
}

sub error_of
{
	return $node->safe_psql('postgres',
		"SELECT error FROM kappa.continuous_views WHERE viewname = '$_[0]'");
}

# A topic created anew while the server is down, with more messages than before.
topic('create', 'identity_down', 1);
stream($node, 'identity_down');
produce('identity_down', $few);
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW down AS SELECT count(*) FROM identity_down');
wait_for($node, 'down');
$node->stop;
topic('delete', 'identity_down');
topic('create', 'identity_down', 1);
produce('identity_down', $many);
$node->start;
await($node, "SELECT status = 'paused' FROM kappa.continuous_views WHERE viewname = 'down'");
like(error_of('down'), qr/offset 99 of partition 0 .* is not the one that was counted/,
	'another message at the last offset: paused');
is($node->safe_psql('postgres', 'TABLE down'), 100, 'nothing of the new log is counted');
my ($out, $err);
$node->psql('postgres', q{SELECT kappa.wait('down', '60s')}, stderr => \$err);
like($err, qr/is paused/, 'and kappa.wait says so');
unlike($err, qr/kappa\.resume/, 'without a hint that would not help');

# The same while a worker is reading.
topic('create', 'identity_live', 1);
stream($node, 'identity_live');
produce('identity_live', $few);
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW live AS SELECT count(*) FROM identity_live');
wait_for($node, 'live');
topic('delete', 'identity_live');
await($node, "SELECT status IN ('waiting', 'paused') FROM kappa.continuous_views WHERE viewname = 'live'");
topic('create', 'identity_live', 1);
produce('identity_live', $many);
await($node, "SELECT status = 'paused' FROM kappa.continuous_views WHERE viewname = 'live'");
is($node->safe_psql('postgres', 'TABLE live'), 100, 'recreated under a running worker: nothing is counted');

# A log that is shorter than the position.
topic('create', 'identity_short', 1);
stream($node, 'identity_short');
produce('identity_short', $many);
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW short AS SELECT count(*) FROM identity_short');
wait_for($node, 'short');
$node->stop;
topic('delete', 'identity_short');
topic('create', 'identity_short', 1);
produce('identity_short', $few);
$node->start;
await($node, "SELECT status = 'paused' FROM kappa.continuous_views WHERE viewname = 'short'");
like(error_of('short'), qr/holds offsets 0 to 99, but the view has to go on at 3000/, 'a shorter log: paused');

# Messages that expired before they were read; those that were read may expire.
topic('create', 'identity_trim', 1);
stream($node, 'identity_trim');
produce('identity_trim', $few);
$node->safe_psql('postgres', q{
	CREATE CONTINUOUS VIEW read AS SELECT count(*) FROM identity_trim;
	CREATE CONTINUOUS VIEW unread AS SELECT count(*) FROM identity_trim});
wait_for($node, 'read', 'unread');
$node->safe_psql('postgres', q{SELECT kappa.pause('unread')});
produce('identity_trim', $few);
wait_for($node, 'read');
$node->safe_psql('postgres', q{SELECT kappa.pause('read')});
topic('trim', 'identity_trim', 0, 200);
$node->safe_psql('postgres', q{SELECT kappa.resume('read')});
produce('identity_trim', $few);
wait_for($node, 'read');
is($node->safe_psql('postgres', 'TABLE read'), 300, 'messages that were counted may expire');
$node->safe_psql('postgres', q{SELECT kappa.resume('unread')});
await($node, "SELECT status = 'paused' FROM kappa.continuous_views WHERE viewname = 'unread'");
like(error_of('unread'), qr/has to go on at 100/, 'messages that were not: paused');
is($node->safe_psql('postgres', 'TABLE unread'), 100, 'and none is skipped');

# A position that was moved by hand is not believed.
topic('create', 'identity_fence', 1);
stream($node, 'identity_fence');
produce('identity_fence', $few);
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW fenced AS SELECT count(*) FROM identity_fence');
wait_for($node, 'fenced');
my $log_before = -s $node->logfile;
my ($tries, $aborted) = (0, 0);
while (!$aborted && $tries < 10)
{
	# A worker that opens the view anew just now (caches were invalidated, say) takes the
	# position as it finds it, and has nothing to abort: then once more.
	$tries++;
	$node->safe_psql('postgres', q{
		UPDATE kappa.offsets SET next_offset = next_offset - 50 WHERE topic = 'identity_fence'});
	produce('identity_fence', $few);
	await($node, 'SELECT next_offset = 100 + 100 * ' . $tries . " FROM kappa.progress WHERE viewname = 'fenced'");
	$aborted = PostgreSQL::Test::Utils::slurp_file($node->logfile, $log_before) =~
	  /offsets of continuous view public.fenced are not where they were left/;
}
ok($aborted, 'a batch whose offsets were changed meanwhile is aborted');
is($node->safe_psql('postgres', 'TABLE fenced'), 100 + 150 * $tries, 'and done again from where they are');

$node->stop;
topic('delete', "identity_$_") for qw(down live short trim fence);
done_testing();
