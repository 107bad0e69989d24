# kill -9 of the worker twenty times and immediate stops of the server ten times, in
# mid-stream, with synchronous_commit off, while a producer goes on: each message is
# counted exactly once.
use strict;
use warnings;
use POSIX ();
use Time::HiRes;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($kills, $stops) = (20, 10);
my $node = kappa_node('crash', 'synchronous_commit = off', 'fsync = off', 'restart_after_crash = on', "timezone = 'UTC'");
topic('create', 'crash', 2);
stream($node, 'crash');
$node->safe_psql('postgres', q{
	CREATE CONTINUOUS VIEW items AS
		SELECT tumble(sold_at, '1 hour') AS hour, item, count(*) AS sold, sum(price) AS revenue,
			min(price) AS lowest, max(n) AS last
		FROM crash GROUP BY 1, 2;
	CREATE CONTINUOUS VIEW total AS SELECT count(*) AS sold, sum(n) AS ns FROM crash;
	CREATE CONTINUOUS VIEW waters AS SELECT n FROM crash WHERE item = 'water' AND machine = 7;});

# The producer: about 10,000 sales a second into the topic and into a file, until told to stop.
my ($file, $stop) = ("$ENV{TESTDIR}/sales", "$ENV{TESTDIR}/stop");
my $parent = $$;
my $producer = fork() // die "fork: $!";
if ($producer == 0)
{
	open(my $sales, '-|', 'sales', 100_000_000) or die;
	open(my $out, '>', $file) or die;
	open(my $kafka, '|-', 'kcat', '-P', '-b', $ENV{KAPPA_BROKER}, '-t', 'crash', '-K', '\t') or die;
	$kafka->autoflush(0);
	until (-e $stop || getppid() != $parent)
	{
		for (1 .. 250)
		{
			my $line = <$sales>;
			print $out $line;
			print $kafka $line;
		}
		$kafka->flush;
		Time::HiRes::sleep(0.025);
	}
	close $kafka or POSIX::_exit(1);
	close $out;
	POSIX::_exit(0);
}

# Lets the views go some way on, a way that differs each time.
my $at = 0;
sub progress
{
	my $further = $at + 1 + int(rand(20_000));
	await($node, "SELECT sum(next_offset) >= $further FROM kappa.offsets");
	$at = ask($node, 'SELECT sum(next_offset) FROM kappa.offsets') || $at;
}

my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_kappa worker' LIMIT 1";
my ($killed, $stopped) = (0, 0);
while ($killed < $kills || $stopped < $stops)
{
	progress();
	if ($killed < 2 * $stopped + 2 && $killed < $kills)
	{
		my $pid = ask($node, $worker) or next;
		kill('KILL', $pid) or next;
		$killed++;
		await($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
	}
	else
	{
		$node->stop('immediate');
		$node->start;
		$stopped++;
	}
}
is("$killed $stopped", "$kills $stops", 'the worker was killed and the server stopped');
append_to_file($stop, '');
waitpid($producer, 0);
is($?, 0, 'all sales were produced');

wait_for($node, 'items', 'total', 'waters');
verified($node, 'items', 'total', 'waters');

# The answer, without PostgreSQL.
my (%items, @waters, $sold, $ns);
open(my $in, '<', $file) or die;
while (<$in>)
{
	my ($machine, $item, $hour, $n, $price) =
	  /^(\d+)\t.*"item": "((?:[^"\\]|\\.)*)", "sold_at": "(.{13})[^"]*", "n": (\d+), "price": ([\d.]+|null)/
	  or die "not understood: $_";
	$item =~ s/\\//g;
	my $group = $items{"$hour|$item"} //= { sold => 0, last => 0 };
	$group->{sold}++;
	$group->{last} = $n if $n > $group->{last};
	if ($price ne 'null')
	{
		my $cents = 0 + ($price =~ s/\.//r);
		$group->{cents} += $cents;
		$group->{lowest} = $cents if !defined $group->{lowest} || $cents < $group->{lowest};
	}
	push @waters, $n if $item eq 'water' && $machine == 7;
	$sold++;
	$ns += $n;
}
note("$sold sales");
my @expected = map {
	my $g = $items{$_};
	join('|', $_, $g->{sold}, $g->{cents} // '', $g->{lowest} // '', $g->{last})
} keys %items;
is_deeply(
	sorted_rows($node, q{SELECT to_char(hour, 'YYYY-MM-DD"T"HH24'), item, sold,
		(revenue * 100)::bigint, (lowest * 100)::int, last FROM items}),
	[ sort @expected ], 'groups: the answer computed outside');
is($node->safe_psql('postgres', 'SELECT sold, ns FROM total'), "$sold|$ns", 'total: the answer computed outside');
is_deeply(sorted_rows($node, 'SELECT n FROM waters'), [ sort @waters ], 'rows: the answer computed outside');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kappa.dead_letters'), 0, 'no dead letters');

$node->stop;
done_testing();
