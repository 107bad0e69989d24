# A broker with an authorizer: what somebody may not do is said, what does not matter is not,
# and a view goes on when it is allowed.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $port = PostgreSQL::Test::Cluster::get_free_port();
$ENV{KAFKA_LISTENERS} = "SASL_PLAINTEXT://127.0.0.1:$port";
broker('start', 'kafka',
	'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer', 'super.users=User:ANONYMOUS',
	'listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN',
	'listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_app="s";');

my $node = kappa_node('authorization', 'fsync = off');
$node->safe_psql('postgres', qq{
	CREATE SERVER guarded FOREIGN DATA WRAPPER kafka
		OPTIONS (bootstrap_servers '127.0.0.1:$port', security_protocol 'sasl_plaintext', sasl_mechanism 'PLAIN');
	CREATE USER MAPPING FOR CURRENT_USER SERVER guarded OPTIONS (sasl_username 'app', sasl_password 's')});

# A topic of one partition that holds 1 to 100, with a stream over it.
sub make
{
	my ($topic) = @_;
	topic('create', $topic, 1);
	put($topic, 1 .. 100);
	$node->safe_psql('postgres', "CREATE FOREIGN TABLE $topic (n int) SERVER guarded OPTIONS (topic '$topic')");
}

sub put
{
	my ($topic, @numbers) = @_;
	open(my $kcat, '|-', 'kcat', '-P', '-b', $ENV{KAPPA_BROKER}, '-t', $topic) or die;
	print $kcat qq({"n": $_}\n) for @numbers;
	close $kcat or die 'kcat failed';
}

sub allow { topic('allow', $_[0], 'app', @_[ 1 .. $#_ ]) }
sub forbid { topic('forbid', $_[0], 'app', @_[ 1 .. $#_ ]) }

# psql: (what it prints, what it says to stderr)
sub try
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', $_[0], stdout => \$out, stderr => \$err, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return ($out, $err);
}

sub committed
{
	my $offset = `topic committed readable 0 pg_kappa.postgres.readable 2>&1`;
	return $offset =~ /^(\d+)$/ ? $1 : -1;     # the broker may not even know of offsets yet
}

# ---- the topic may be read, the consumer group not even be looked at

my $denied = qr/WARNING:  offsets of Kafka topic "readable" cannot be reported to its consumer group/;
sub warnings_in_log
{
	my $log = slurp_file($node->logfile);
	return scalar(() = $log =~ /$denied/g);
}

make('readable');
allow('readable', 'read');
my ($out, $err) = try('SELECT count(*), sum(n) FROM readable');
is($out, '100|5050', 'SELECT needs no group');
is($err, '', 'and does not warn of it');
($out, $err) = try('CREATE CONTINUOUS VIEW reading AS SELECT count(*), sum(n) FROM readable');
unlike($err, $denied, 'nor does the creation of a view');
wait_for($node, 'reading');
for my $n (101 .. 105)
{
	put('readable', $n);
	wait_for($node, 'reading');
}
is($node->safe_psql('postgres', 'TABLE reading'), '105|5565', 'a view needs no group');
view_says($node, 'reading', qr/^live: $/, 'it is live');
my $deadline = time + 180;
Time::HiRes::sleep(0.1) until warnings_in_log() > 0 || time > $deadline;
put('readable', 106);
wait_for($node, 'reading');
is(warnings_in_log(), 1, 'one warning says that offsets cannot be reported');
is(committed(), -1, 'none are');

# Who may look at the group only learns at a commit that he may not more.
allow('pg_kappa.postgres.readable', 'describe', 'group');
$node->restart;
put('readable', 107);
wait_for($node, 'reading');
$deadline = time + 180;
Time::HiRes::sleep(0.1) until warnings_in_log() > 1 || time > $deadline;
is(warnings_in_log(), 2, 'one more after a restart, when the group may be looked at');
allow('pg_kappa.postgres.readable', 'read', 'group');
put('readable', 108);
wait_for($node, 'reading');
$deadline = time + 180;
Time::HiRes::sleep(0.1) until committed() == 108 || time > $deadline;
is(committed(), 108, 'offsets are reported as soon as that is allowed');
verified($node, 'reading');

# ---- it may not be written

($out, $err) = try('INSERT INTO readable VALUES (1)');
like($err, qr/ERROR:  08004: could not write to Kafka topic "readable": .*Cluster authorization failed.*HINT:  .*must allow WRITE/s,
	'who may write no topic at all');
make('writable');
allow('writable', 'write');
is(($node->psql('postgres', 'INSERT INTO writable SELECT generate_series(1, 10)'))[0], 0, 'writing takes WRITE, and no right to the cluster');
($out, $err) = try('INSERT INTO readable VALUES (1)');
like($err, qr/ERROR:  08004: could not write to Kafka topic "readable": .*Topic authorization failed/, 'who may write another topic');
($out, $err) = try('SELECT count(*) FROM writable');
like($err, qr/ERROR:  08004: could not read Kafka topic "writable": .*Topic authorization failed/, 'who may write may not read');

# ---- it may not be read: not at all, or only described

make('secret');
($out, $err) = try('SELECT count(*) FROM secret');
like($err, qr/ERROR:  08004: could not read Kafka topic "secret": .*Topic authorization failed/, 'a topic that one may not see');
($out, $err) = try('INSERT INTO secret VALUES (1)');
like($err, qr/ERROR:  08004: could not write to Kafka topic "secret": .*Topic authorization failed/, 'nor write');
($out, $err) = try('CREATE CONTINUOUS VIEW hidden AS SELECT count(*), sum(n) FROM secret');
like($err, qr/WARNING: .*waits.*Topic authorization failed/s, 'a view over it: a warning');
view_says($node, 'hidden', qr/^waiting: .*Topic authorization failed/, 'it waits, and says for what');
allow('secret', 'describe');
($out, $err) = try('SELECT count(*) FROM secret');
like($err, qr/ERROR:  08004: could not read Kafka topic "secret": .*Topic authorization failed/, 'a topic that one may only look at');
view_says($node, 'hidden', qr/^waiting: .*Fetch.*Topic authorization failed/, 'the view still waits');
allow('secret', 'read');
view_says($node, 'hidden', qr/^live: $/, 'it goes on when that is allowed');
wait_for($node, 'hidden');
is($node->safe_psql('postgres', 'TABLE hidden'), '100|5050', 'and holds all');
forbid('secret', 'read');
view_says($node, 'hidden', qr/^waiting: .*Topic authorization failed/, 'forbidden beneath a view that is live');
put('secret', 101);
is($node->safe_psql('postgres', 'TABLE hidden'), '100|5050', 'which still answers');
allow('secret', 'read');
view_says($node, 'hidden', qr/^live: $/, 'allowed again');
wait_for($node, 'hidden');
is($node->safe_psql('postgres', 'TABLE hidden'), '101|5151', 'nothing is lost');
verified($node, 'hidden');

$node->stop;
broker('stop', 'kafka');
done_testing();
