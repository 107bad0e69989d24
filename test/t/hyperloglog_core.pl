# The core of hyperloglog without a server (test/unit/hyperloglog.c): laws and
# hostile bytes under the sanitizers, and under valgrind where it is installed;
# bias and error over 10,000 simulated sets of up to 10^9 values.
use strict;
use warnings;
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(__FILE__) . '/../..';
my $include = `$ENV{PG_CONFIG} --includedir-server`;
chomp $include;
my @sources = ("$root/test/unit/hyperloglog.c",
	map { "$root/src/types/hyperloglog_$_.c" } qw(core format state));

sub build
{
	my ($name, @flags) = @_;
	my $program = "$ENV{TESTDIR}/$name";
	system_or_bail('gcc', '-g', '-Wall', '-D_GNU_SOURCE', @flags, "-I$root/src",
		"-I$include", '-o', $program, @sources, '-lm');
	return $program;
}

# Runs the program; each of its results becomes one of ours.
sub run_program
{
	my ($what, @command) = @_;
	my $output = `@command 2>&1`;
	my $status = $?;
	my $results = 0;
	foreach (split /\n/, $output)
	{
		if (/^(not )?ok \d+ - (.*)/)
		{
			ok(!$1, "$what: $2");
			$results++;
		}
		elsif (/^# /) { note($_) }
		elsif (!/^1\.\./) { diag($_) }
	}
	ok($status == 0 && $results > 0, "$what: ends without complaint");
	return;
}

$ENV{ASAN_OPTIONS} = 'detect_leaks=0';
run_program('sanitizers',
	build('sanitized', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover'),
	'laws', 300);

my $plain = build('plain', '-O2');
SKIP:
{
	skip('valgrind is not installed', 1) if system('valgrind --version >/dev/null 2>&1') != 0;
	run_program('valgrind', 'valgrind', '--quiet', '--error-exitcode=9', $plain, 'laws', 30);
}
run_program('laws', $plain, 'laws', 5000);
run_program('accuracy', $plain, 'accuracy', 10000);

done_testing();
