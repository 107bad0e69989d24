# What happens to a log: transactions, compaction, a topic that is recreated beneath a view at rest; and
# what Kafka's tools see of us.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

broker('start', 'kafka', 'log.cleaner.backoff.ms=100', 'log.retention.check.interval.ms=500', 'log.cleaner.delete.retention.ms=1000');
my $node = kappa_node('log', 'fsync = off');
$node->safe_psql('postgres',
	"CREATE SERVER log FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$ENV{KAPPA_BROKER}')");

# A topic of two partitions with a stream and a view over it; more: configuration of the topic.
sub make
{
	my ($name, @config) = @_;
	topic('create', $name, 2, @config);
	$node->safe_psql('postgres', qq{
		CREATE FOREIGN TABLE $name (n int, key text OPTIONS (metadata 'key'), part int OPTIONS (metadata 'partition'),
			place bigint OPTIONS (metadata 'offset')) SERVER log OPTIONS (topic '$name');
		CREATE CONTINUOUS VIEW ${name}_sum AS SELECT count(*) AS c, sum(n) AS s FROM $name});
}

sub answer
{
	my ($name) = @_;
	wait_for($node, "${name}_sum");
	return $node->safe_psql('postgres', "TABLE ${name}_sum");
}

# put(TOPIC, FIRST, LAST): messages {"n": ...}, to both partitions in turn
sub put
{
	my ($topic, $first, $last) = @_;
	for my $partition (0, 1)
	{
		open(my $kcat, '|-', 'kcat', '-P', '-b', $ENV{KAPPA_BROKER}, '-t', $topic, '-p', $partition) or die;
		print $kcat qq({"n": $_}\n) for grep { $_ % 2 == $partition } $first .. $last;
		close $kcat or die 'kcat failed';
	}
}

# ---- transactions

my $transactions = "$ENV{TESTDIR}/transactions";
my $source = (grep { -e "$_/transactions.c" } split(/:/, $ENV{PERL5LIB}))[0] . '/transactions.c';
system('gcc', '-o', $transactions, $source, '-lrdkafka') == 0 or die 'gcc failed';

sub transact
{
	my ($topic, @steps) = @_;
	system($transactions, $ENV{KAPPA_BROKER}, $topic, @steps) == 0 or die "transactions @_ failed";
}

make('txn');
transact('txn', qw(begin 1-100 commit begin 101-200 abort begin 201-300 commit begin 301-310 abort));
is(answer('txn'), '200|30100', 'what was aborted is not counted');
is($node->safe_psql('postgres', 'SELECT count(*), sum(n) FROM txn'), '200|30100', 'nor read');
$node->poll_query_until('postgres', q{SELECT sum(lag) = 0 FROM kappa.progress WHERE viewname = 'txn_sum'});
is($node->safe_psql('postgres', q{SELECT sum(lag) FROM kappa.progress WHERE viewname = 'txn_sum'}), '0', 'no lag for what is no message');
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW txn_again AS SELECT count(*) AS c FROM txn');
wait_for($node, 'txn_again');
view_says($node, 'txn_again', qr/^live: $/, 'a backfill ends though the log ends in an aborted transaction');
transact('txn', qw(begin 401-410 exit));
put('txn', 501, 510);
is($node->safe_psql('postgres', 'SELECT count(*) FROM txn'), '200', 'an open transaction, and what comes after it, is not read');
is(answer('txn'), '200|30100', 'nor waited for');
is($node->safe_psql('postgres', q{SELECT sum(lag) FROM kappa.progress WHERE viewname = 'txn_sum'}), '0', 'nor lag');
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW txn_open AS SELECT count(*) AS c, sum(n) AS s FROM txn');
wait_for($node, 'txn_open');
view_says($node, 'txn_open', qr/^live: $/, 'a backfill ends at an open transaction');
transact('txn', qw(begin 601-602 commit));       # the same id: fences the open transaction off
is(answer('txn'), '212|36358', 'it was aborted, and the rest is counted');
is(answer('txn'), $node->safe_psql('postgres', 'SELECT count(*), sum(n) FROM txn'), 'as SELECT does');
verified($node, 'txn_sum', 'txn_again', 'txn_open');

# ---- compaction

make('compacted', 'cleanup.policy=compact', 'segment.ms=200', 'min.cleanable.dirty.ratio=0.01', 'max.compaction.lag.ms=500');

# All in one batch of the producer's, thus in one segment: what is to be counted must not be compacted away
# before, and never is in the segment that is written to.
sub put_keys
{
	open(my $kcat, '|-', 'kcat', '-P', '-b', $ENV{KAPPA_BROKER}, '-t', 'compacted', '-K', ':', '-p', '0',
		'-X', 'linger.ms=60000', '-X', 'batch.num.messages=' . 10 * @_) or die;
	print $kcat map { my $n = $_; map { qq(k$_:{"n": $n}\n) } 1 .. 10 } @_;
	close $kcat or die 'kcat failed';
}
put_keys(1 .. 100);
is(answer('compacted'), '1000|50500', 'before compaction');
my $tries = 0;
until ($node->safe_psql('postgres', 'SELECT count(*) < 200 FROM compacted') eq 't')
{
	die 'no compaction' if $tries++ > 300;
	put_keys(1000);
	wait_for($node, 'compacted_sum');
	Time::HiRes::sleep(0.2);
}
$node->safe_psql('postgres', 'CREATE CONTINUOUS VIEW compacted_later AS SELECT n, key, count(*) AS c, max(place) AS place FROM compacted GROUP BY n, key');
wait_for($node, 'compacted_later', 'compacted_sum');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT key), max(n) FROM compacted_later}), '10|1000', 'a compacted log is read to its end');
view_says($node, 'compacted_later', qr/^live: $/, 'and the view is live');
is($node->safe_psql('postgres', 'SELECT c FROM compacted_sum'), 1000 + 10 * ($tries + 0), 'who has counted before has counted all');
my ($stdout, $stderr);
$node->psql('postgres', q{SELECT count(*) FROM kappa.verify('compacted_later')}, stderr => \$stderr);
like($stderr, qr/WARNING:.*compact/, 'verify warns of it');
$node->restart;
put_keys(2000);
wait_for($node, 'compacted_sum');
is($node->safe_psql('postgres', 'SELECT c FROM compacted_sum'), 1000 + 10 * ($tries + 1), 'it goes on after a restart');

# ---- a topic that is recreated beneath a view at rest

make('equal');
put('equal', 1, 100);
is(answer('equal'), '100|5050', 'equal: counted');
topic('delete', 'equal');
$node->poll_query_until('postgres', q{SELECT status = 'waiting' FROM kappa.continuous_views WHERE viewname = 'equal_sum'});
topic('create', 'equal', 2);
put('equal', 1001, 1100);
$node->poll_query_until('postgres', q{SELECT status <> 'waiting' FROM kappa.continuous_views WHERE viewname = 'equal_sum'});
put('equal', 1101, 1110);
$node->poll_query_until('postgres', q{SELECT status = 'paused' FROM kappa.continuous_views WHERE viewname = 'equal_sum'});
like($node->safe_psql('postgres', q{SELECT error FROM kappa.continuous_views WHERE viewname = 'equal_sum'}),
	qr/recreated|not in the log/, 'recreated with as many messages');
is($node->safe_psql('postgres', 'TABLE equal_sum'), '100|5050', 'equal: nothing of it was counted');
like($node->safe_psql('postgres', q{SELECT error FROM kappa.continuous_views WHERE viewname = 'equal_sum'}),
	qr/drop and create the view to count/, 'it says what to do');
$node->safe_psql('postgres', q{
	DROP CONTINUOUS VIEW equal_sum;
	CREATE CONTINUOUS VIEW equal_sum AS SELECT count(*) AS c, sum(n) AS s FROM equal});
is(answer('equal'), '110|116105', 'which counts what is there now');

# ---- a topic that is deleted beneath a SELECT, which does not hear of it

topic('create', 'gone', 1);
$node->safe_psql('postgres', q{
	CREATE FOREIGN TABLE gone (n int, t text) SERVER log OPTIONS (topic 'gone');
	INSERT INTO gone SELECT n, repeat('x', 500) FROM generate_series(1, 100000) n});
$node->psql('postgres', "BEGIN; DECLARE c CURSOR FOR SELECT * FROM gone; FETCH c;\n\\! topic delete gone\nMOVE ALL IN c", stderr => \$stderr);
like($stderr, qr/ERROR:  Kafka topic "gone" does not exist/, 'SELECT does not wait for it forever');

# ---- partitions that are added while nobody is there to see it

make('grown');
put('grown', 1, 100);
is(answer('grown'), '100|5050', 'grown: counted');
$node->stop;
topic('grow', 'grown', 3);
system("seq 101 110 | sed 's/.*/{\"n\": &}/' | kcat -P -b $ENV{KAPPA_BROKER} -t grown -p 2") == 0 or die;
$node->start;
is(answer('grown'), '110|6105', 'partitions added meanwhile are read from their beginning');
is($node->safe_psql('postgres', 'SELECT count(*), sum(n) FROM grown'), '110|6105', 'as SELECT does');
verified($node, 'grown_sum');

# A view whose topic is missing asks for it each second, and gets an answer: no reason to leave the broker alone.
$node->safe_psql('postgres', q{
	CREATE FOREIGN TABLE missing (n int) SERVER log OPTIONS (topic 'missing');
	CREATE CONTINUOUS VIEW missing_count AS SELECT count(*) FROM missing});
$node->poll_query_until('postgres', q{SELECT status = 'waiting' FROM kappa.continuous_views WHERE viewname = 'missing_count'});
topic('grow', 'grown', 4);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 4 FROM kappa.progress WHERE viewname = 'grown_sum'}),
	'partitions are found beside a view whose topic is missing');
$node->safe_psql('postgres', 'DROP FOREIGN TABLE missing CASCADE');

# ---- what Kafka's tools see: the position of a view, as the offsets that its group has committed

make('mirrored');
put('mirrored', 1, 100);
is(answer('mirrored'), '100|5050', 'mirrored: counted');
for my $partition (0, 1)
{
	my $committed = -1;
	for (1 .. 1800)
	{
		chomp($committed = `topic committed mirrored $partition pg_kappa.postgres.mirrored`);
		last if $committed == 50;
		select(undef, undef, undef, 0.1);
	}
	is($committed, 50, "the group has committed the position of partition $partition");
}

$node->stop;
broker('stop', 'kafka');
done_testing();
