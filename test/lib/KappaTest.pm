# What the Perl tests share: clusters with pg_kappa, brokers of their own, producing,
# and the one oracle of every view, kappa.verify.
package KappaTest;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

our @EXPORT = qw(kappa_node broker topic produce stream ask await wait_for view_says verified sorted_rows);

# kappa_node(NAME, LINE OF postgresql.conf, ...): a started cluster that holds the extension.
sub kappa_node
{
	my ($name, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', join("\n", "shared_preload_libraries = 'pg_kappa'", @conf));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_kappa');
	return $node;
}

# broker(VERB, NAME, PROPERTY=VALUE, ...): start (then it is the one of topic, produce
# and stream), stop, kill, freeze, thaw a broker of this test.  See lib/broker.
sub broker
{
	my ($verb, $name, @properties) = @_;
	open(my $broker, '-|', 'broker', $verb, "$ENV{TESTDIR}/$name", @properties) or die "broker: $!";
	my $answer = join('', <$broker>);
	close $broker or die "broker $verb $name failed";
	chomp $answer;
	$ENV{KAPPA_BROKER} = $answer if $verb eq 'start';
	return $answer;
}

# topic(VERB, NAME, ...): see lib/topic.
sub topic
{
	system('topic', @_) == 0 or die "topic @_ failed";
}

# produce(TOPIC, FILE): each line a message, "key TAB value".
sub produce
{
	my ($topic, $file) = @_;
	system('kcat', '-P', '-b', $ENV{KAPPA_BROKER}, '-t', $topic, '-K', '\t', '-l', $file) == 0
	  or die "kcat failed";
}

# stream(NODE, NAME): a foreign table NAME over the topic NAME with the messages of
# lib/sales, on a server of the same name.
sub stream
{
	my ($node, $name) = @_;
	$node->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$ENV{KAPPA_BROKER}');
		CREATE FOREIGN TABLE $name (machine int, item text, price numeric(8,2), sold_at timestamptz,
			healthy boolean, city text OPTIONS (path 'place.city'), n bigint)
		SERVER $name OPTIONS (topic '$name', event_time 'sold_at', watermark_delay '20 seconds')});
}

# ask(NODE, QUERY): what psql prints, '' if the server is not there.
sub ask
{
	my ($node, $query) = @_;
	open(my $psql, '-|', 'sh', '-c', 'exec psql -XAtq -d "$0" -c "$1" 2>/dev/null',
		$node->connstr('postgres'), $query) or die "psql: $!";
	my $answer = join('', <$psql>);
	close $psql;
	chomp $answer;
	return $answer;
}

# await(NODE, QUERY): until QUERY answers 't'.  Unlike poll_query_until it does not mind
# a server that goes away and comes back.
sub await
{
	my ($node, $query) = @_;
	my $deadline = time + 180;
	until (ask($node, $query) eq 't')
	{
		die "waited in vain for: $query" if time > $deadline;
		Time::HiRes::sleep(0.05);
	}
}

# wait_for(NODE, VIEW, ...): until each view holds what the topic holds now.
sub wait_for
{
	my ($node, @views) = @_;
	$node->safe_psql('postgres', "SELECT kappa.wait('$_', '300s')") for @views;
}

# view_says(NODE, VIEW, PATTERN, WHAT [, DATABASE]): waits until a view says of itself what it should,
# as "status: error", and is a test of that.  A view that holds everything may still have
# to hear from its broker; and it may say something else first, until it knows better.
sub view_says
{
	my ($node, $view, $pattern, $what, $database) = @_;
	my $deadline = time + 180;
	my $answer;
	until (($answer = $node->safe_psql($database // 'postgres',
		"SELECT status || ': ' || coalesce(error, '') FROM kappa.continuous_views WHERE viewname = '$view'")) =~ $pattern
		|| time > $deadline)
	{
		Time::HiRes::sleep(0.1);
	}
	like($answer, $pattern, $what);
}

# verified(NODE, VIEW, ...): a test for each view.
sub verified
{
	my ($node, @views) = @_;
	is($node->safe_psql('postgres', "SELECT * FROM kappa.verify('$_') LIMIT 20"), '', "$_: verified")
	  for @views;
}

# sorted_rows(NODE, QUERY): its rows as psql prints them, sorted as bytes.
sub sorted_rows
{
	my ($node, $query) = @_;
	return [ sort split /\n/, $node->safe_psql('postgres', $query) ];
}

1;
