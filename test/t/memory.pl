# What a worker takes of the machine's memory depends on pg_kappa.memory and on the largest message, and on nothing else that a topic
# may hold: a flood of bad messages, large messages, small ones that a fetch brings by the hundred thousand.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs the /proc of Linux' unless -r "/proc/$$/status";

# work_mem of the merge is a quarter of pg_kappa.memory on top; a worker that does nothing has some 10 MB.
my ($memory, $beside) = (64, 16 + 20);

my $node = kappa_node('memory', "pg_kappa.memory = '${memory}MB'", 'pg_kappa.workers = 1', 'shared_buffers = 8MB');
broker('start', 'memory');
$node->safe_psql('postgres', qq{
	CREATE SERVER memory FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$ENV{KAPPA_BROKER}')});

# produce_to(TOPIC, PARTITIONS, ARGUMENT OF kcat, ...): evenly, to a new topic.
sub produce_to
{
	my ($topic, $partitions, @arguments) = @_;
	topic('create', $topic, $partitions, 'max.message.bytes=30000000');
	system('kcat', '-P', '-b', $ENV{KAPPA_BROKER}, '-t', $topic,
		map({ ('-X', $_) } 'partitioner=random', 'linger.ms=50', 'queue.buffering.max.messages=1000000', 'message.max.bytes=30000000'),
		@arguments) == 0 or die 'kcat failed';
}

# file(NAME, TEXT, ...): where these texts are now.
sub file
{
	my ($name, @texts) = @_;
	my $path = "$ENV{KAPPA_TMP}/$name";
	open(my $handle, '>', $path) or die "$path: $!";
	print $handle @texts;
	close $handle or die "$path: $!";
	return $path;
}

# A line of /proc/PID/status of the one worker, in MB.
sub worker_mb
{
	my $name = shift;
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker'});
	open(my $status, '<', "/proc/$pid/status") or die "worker $pid: $!";
	my ($kb) = join('', <$status>) =~ /^$name:\s+(\d+) kB/m;
	return $kb / 1024;
}

# The most that the worker has taken so far, without the pages that it shares with others or has mapped from files.
sub most_mb { return worker_mb('VmHWM') - worker_mb('RssShmem') - worker_mb('RssFile') }

# Everything in TOPIC goes into a view, by a new worker that takes so many MB at most.
sub measured
{
	my ($topic, $columns, $select, $limit, $expected) = @_;
	$node->safe_psql('postgres', qq{
		CREATE FOREIGN TABLE $topic ($columns) SERVER memory OPTIONS (topic '$topic');
		CREATE CONTINUOUS VIEW ${topic}_view AS $select FROM $topic});
	wait_for($node, "${topic}_view");
	cmp_ok(most_mb(), '<', $limit, "$topic: no more than $limit MB");
	is($node->safe_psql('postgres', qq{
		SELECT (SELECT count(*) FROM kappa.dead_letters WHERE view = '${topic}_view'::regclass), v.* FROM ${topic}_view v}),
		$expected, "$topic: every message is counted or a dead letter");
	verified($node, "${topic}_view");

	$node->safe_psql('postgres', "DROP VIEW ${topic}_view");
	$node->poll_query_until('postgres', q{
		SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker'}) or die 'the worker stays';
}

# Good messages first, so that large batches are under way when the rubbish comes.
produce_to('flood', 2, '-l', file('flood', map { ($_ <= 300000 ? qq({"n":$_}) : '{"n":') . "\n" } 1 .. 600000));
measured('flood', 'n int', 'SELECT count(*), sum(n)', $memory + $beside, '300000|300000|45000150000');

# Ten bytes each, and far less in the log; the more partitions, the more could come with one fetch.
produce_to('small', 40, '-z', 'zstd', '-l', file('small', map { '{"n":' . $_ % 10 . "}\n" } 1 .. 1000000));
measured('small', 'n int', 'SELECT count(*), sum(n)', $memory + $beside, '0|1000000|4500000');

# Some 300 MB; each file is one message.
my @large = map { file("large$_", '{"t":"', 'x' x 999000 . $_, '"}') } 0 .. 9;
produce_to('large', 2, (@large) x 30);
measured('large', 't text', 'SELECT count(*), sum(length(t))', $memory + $beside, '0|300|299700300');

# Beyond the default limits, good and bad; each is copied some times.
my ($size, $copies) = (20, 7);
my $huge = 'y' x ($size * 1000000);
my $good = file('good', qq({"t":"$huge"}));
produce_to('huge', 1, $good, file('bad', qq(["t":"$huge"])), $good);
measured('huge', 't text', 'SELECT count(*), sum(length(t))', $memory + $beside + $copies * $size, '1|2|40000000');

# What a large message took is given back with its batch, not with the next message: jsonb is made of 40 times as much.
produce_to('documents', 1, file('documents', '{"d":[', join(',', map { qq({"k":$_}) } 1 .. 200000), ']}'));
$node->safe_psql('postgres', q{
	CREATE FOREIGN TABLE documents (d jsonb) SERVER memory OPTIONS (topic 'documents');
	CREATE CONTINUOUS VIEW documents_view AS SELECT count(*), sum(jsonb_array_length(d)) FROM documents});
wait_for($node, 'documents_view');
is($node->safe_psql('postgres', 'SELECT * FROM documents_view'), '1|200000', 'documents: counted');
# The worker may still be at it: what is committed can be seen before it is done.
my $deadline = time + 180;
Time::HiRes::sleep(0.1) until worker_mb('RssAnon') < 50 || time > $deadline;
cmp_ok(worker_mb('RssAnon'), '<', 50, 'documents: nothing of it is kept');

done_testing();
