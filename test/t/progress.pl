# What kappa.progress and kappa.stat_views say while a backlog is consumed, and afterwards.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $messages = 50000;
my $node = kappa_node('progress', 'fsync = off', 'pg_kappa.batch_rows = 1000');
my $file = "$ENV{TESTDIR}/sales";
system("sales $messages > '$file'") == 0 or die;
broker('start', 'kafka');
topic('create', 'progress', 2);
produce('progress', $file);
stream($node, 'progress');

# A function that takes its time makes PostgreSQL the slower side: a second for a thousand messages,
# so that the backlog lasts as long as it is looked at; and a tenth of that when there is a file "hurry".
$node->safe_psql('postgres', q{
	CREATE FUNCTION slowly(n bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS
	$$ BEGIN
		IF n % 1000 = 0 THEN
			FOR i IN 1 .. 10 LOOP
				PERFORM pg_sleep(0.1);
				EXIT WHEN (pg_stat_file('hurry', true)).size IS NOT NULL;
			END LOOP;
		END IF;
		RETURN n;
	END $$;
	CREATE CONTINUOUS VIEW slow AS SELECT machine, count(*) AS c, sum(slowly(n)) AS s FROM progress GROUP BY 1});

# Of the row of a partition that is being read, always:
my $row = q{FROM kappa.progress WHERE viewname = 'slow' AND phase = 'backfill' AND lag > 0 AND next_offset > 0};
my %behind = (
	'no more are read ahead than there are' => "queued <= $messages",
	'the broker answers'                    => q{broker_rtt > '0' AND broker_rtt < '1 minute'},
	'the rate'                              => 'rows_per_second > 0',
	'the part that is done'                 => 'percent > 0 AND percent < 100',
	'the rest'                              => q{remaining > '0'},
	'how old the last message is'           => q{lag_time > '0'},
	'the end of the log'                    => 'end_offset = next_offset + lag',
	'when it was learnt'                    => 'seen_at <= clock_timestamp()');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 $row AND $behind{$_}"), "behind: $_") for sort keys %behind;

# and, unless the broker is the slower side for a moment:
my $waiting = 'queued > 0';
my $all = join(' AND ', values %behind);
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 $row AND $all AND $waiting"),
	'behind: all of that in one row, and messages are waiting for PostgreSQL');
is($node->safe_psql('postgres', "SELECT count(*) > 0, count(*) FILTER (WHERE NOT ($all)) $row"), 't|0', 'behind: all of that in each row');

append_to_file($node->data_dir . '/hurry', '');
wait_for($node, 'slow');
is($node->safe_psql('postgres', q{SELECT DISTINCT phase, lag, lag_time, percent, remaining, queued, broker_rtt > '0'
	FROM kappa.progress WHERE viewname = 'slow'}), 'live|0|00:00:00|100|00:00:00|0|t', 'at the end');
ok($node->poll_query_until('postgres', q{SELECT bool_and(rows_per_second = 0) FROM kappa.progress WHERE viewname = 'slow'}),
	'no rate when nothing comes');
is($node->safe_psql('postgres', qq{SELECT rows_read, rows_bad, rows_late, rows_ahead, batches >= $messages / 1000,
	bytes_read > 50 * $messages, groups_written >= batches, aggregate_time > 2000, merge_time > 0, read_time > 0,
	commit_time > 0, last_batch_at < now(), last_error IS NULL FROM kappa.stat_views WHERE viewname = 'slow'}),
	"$messages|0|0|0|" . join('|', ('t') x 9), 'kappa.stat_views: what it was, and where the time went');
verified($node, 'slow');

# Settings take effect at a reload, also for a view that is running: batches of one message.
$node->append_conf('postgresql.conf', 'pg_kappa.batch_rows = 1');
$node->reload;
my $batches = '';
for (1 .. 60)
{
	$node->safe_psql('postgres', q{SELECT kappa.reset_stats('slow')});
	system("head -50 '$file' | kcat -P -b $ENV{KAPPA_BROKER} -t progress -K '\\t'") == 0 or die 'kcat failed';
	wait_for($node, 'slow');
	$batches = $node->safe_psql('postgres', q{SELECT batches = rows_read AND batches > 0 FROM kappa.stat_views WHERE viewname = 'slow'});
	last if $batches eq 't';
}
is($batches, 't', 'pg_kappa.batch_rows, changed by a reload');
$node->append_conf('postgresql.conf', 'pg_kappa.synchronous_commit = yes');
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT current_setting('pg_kappa.synchronous_commit') = 'on'}),
	'pg_kappa.synchronous_commit takes what synchronous_commit takes');
verified($node, 'slow');

$node->stop;
broker('stop', 'kafka');
done_testing();
