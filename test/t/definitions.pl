# Hundreds of random definitions, and some particular ones, each compared with the answer that PostgreSQL gives for
# the same SELECT over a plain table with the same rows, loaded by COPY.
#
# Views are created a round at a time: some before there are messages, some between; and
# batches of seven messages from three partitions make sure that states are combined.
# KAPPA_SEED=n takes other definitions and rows, KAPPA_ROUNDS=n more or fewer.
use strict;
use warnings;
use Definitions;
use KappaTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $seed = $ENV{KAPPA_SEED} // 20261121;
my $rounds = $ENV{KAPPA_ROUNDS} // 9;
my ($views, $rows) = (40, 120);
my ($accepted, $refused) = (0, 0);
diag("KAPPA_SEED=$seed");

my $node = kappa_node('definitions', 'pg_kappa.batch_rows = 7', 'fsync = off', "timezone = 'UTC'");
$node->safe_psql('postgres', Definitions::schema() . <<'SQL' . 'CREATE TABLE t (' . Definitions::column_list() . ')');
-- Eight digits; the factor keeps values such as 459.765625 off the middle between two of them.
CREATE FUNCTION near(float8) RETURNS text LANGUAGE sql SET extra_float_digits = -7 AS
	$$ SELECT CASE WHEN abs($1) < 1e-9 THEN 0 WHEN abs($1) < 1e300 THEN $1 * 1.00000123456789::float8 ELSE $1 END::text $$;

-- An error, or NULL.
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- Where two views do not have the same columns (names, types, collations) or rows.
CREATE FUNCTION differences(view regclass, expected regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	outputs text[];
	output text;
	answer text;
BEGIN
	RETURN QUERY SELECT format('column %s %s %s', attname, format_type(atttypid, atttypmod), attcollation::regcollation)
		FROM pg_attribute WHERE attrelid IN (view, expected)
		GROUP BY attnum, attname, atttypid, atttypmod, attcollation HAVING count(*) <> 2;
	SELECT array_agg(format(CASE
			WHEN atttypid IN ('float4'::regtype, 'float8'::regtype) THEN 'near(%I)'
			WHEN atttypid IN ('json'::regtype, 'point'::regtype, 'hyperloglog'::regtype) THEN '%I::text'
			ELSE '%I' END, attname) ORDER BY attnum)
		INTO outputs FROM pg_attribute WHERE attrelid = view AND attnum > 0;
	FOREACH output IN ARRAY array_to_string(outputs, ', ') || outputs LOOP
		EXECUTE format('WITH v AS MATERIALIZED (SELECT %1$s FROM %2$s), e AS MATERIALIZED (SELECT %1$s FROM %3$s)
			SELECT string_agg(x, E''\n'') FROM (
				(SELECT ''  missing: '' || x::text FROM (SELECT * FROM e EXCEPT ALL SELECT * FROM v) x LIMIT 2) UNION ALL
				(SELECT ''  unexpected: '' || x::text FROM (SELECT * FROM v EXCEPT ALL SELECT * FROM e) x LIMIT 2)) x(x)',
			output, view, expected) INTO answer;
		EXIT WHEN answer IS NULL AND output = array_to_string(outputs, ', ');
		IF answer IS NOT NULL THEN
			RETURN NEXT left(output, 50) || E'\n' || left(answer, 1000);
		END IF;
	END LOOP;
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT 'error: ' || SQLERRM;
END $$;

CREATE FUNCTION verified(view regclass) RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT 'verify: ' || side || ' ' || "row" FROM kappa.verify(view) $$;
SQL
$node->safe_psql('postgres', Definitions::plain_views('t', 't'));
$node->safe_psql('postgres', "CREATE SERVER broker FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$ENV{KAPPA_BROKER}')");

# Runs "SELECT QUERY" for each of many, in one session; their answers.
sub each_of
{
	my ($list, $query) = @_;
	my $file = "$ENV{TESTDIR}/script";
	open(my $script, '>', $file) or die "$file: $!";
	print $script "SET client_min_messages = error;\n";
	print $script "SELECT string_agg(x, E'\\n') FROM (SELECT @{[ $query->($_) ]} AS x LIMIT 10) x;\n\\echo --next--\n"
	  for @$list;
	close $script;
	my ($ignored, $out, $err) = $node->psql('postgres', "\\i $file\n");
	die $err if $err;
	my @answers = split /\n?--next--\n?/, $out, -1;
	return @answers[ 0 .. $#$list ];
}

sub literal { my $s = shift; $s =~ s{'}{''}g; return "'$s'" }

# As UTF-8: answers of psql are bytes too.
sub bytes { my $s = shift; utf8::encode($s); return $s }

sub write_lines
{
	my ($name, @lines) = @_;
	open(my $file, '>:encoding(UTF-8)', "$ENV{TESTDIR}/$name") or die "$name: $!";
	print $file "$_\n" for @lines;
	close $file;
	return "$ENV{TESTDIR}/$name";
}

# Creates a view for each definition; those that are there.
sub create_views
{
	my (@definitions) = @_;
	my @all = map { { name => "v$_", sql => bytes($definitions[$_]) } } 0 .. $#definitions;
	my @plain = each_of(\@all, sub {
		'try(' . literal("CREATE VIEW expected_$_[0]{name} AS " . Definitions::over($_[0]{sql}, 't')) . ')' });
	is(join("\n", grep { $_ } @plain), '', 'every definition is one that PostgreSQL takes');
	my @created = each_of(\@all, sub {
		'try(' . literal("CREATE CONTINUOUS VIEW $_[0]{name} AS " . Definitions::over($_[0]{sql}, 's')) . ')' });
	my @there;
	for my $i (0 .. $#all)
	{
		push @there, $all[$i] unless $created[$i];
		next unless $created[$i];
		$refused++;
		like($created[$i], qr/^0A000 /, 'refused for a reason') or diag($all[$i]{sql});
	}
	$accepted += @there;
	return @there;
}

# All that is produced is in the views, and nothing else.
sub compare
{
	my ($when, @views) = @_;
	my @waited = each_of(\@views, sub { "try('SELECT kappa.wait(''$_[0]{name}'', ''120s'')')" });
	my @different = each_of(\@views, sub { "differences('$_[0]{name}', 'expected_$_[0]{name}')" });
	my @verified = each_of(\@views, sub { "verified('$_[0]{name}')" });
	for my $i (0 .. $#views)
	{
		is("$waited[$i]$different[$i]$verified[$i]", '', "$views[$i]{name}, $when") or diag($views[$i]{sql});
	}
}

srand($seed);
for my $round (1 .. $rounds)
{
	my $topic = "definitions_$$"."_$round";
	topic('create', $topic, 3);
	$node->safe_psql('postgres', qq{
		SET client_min_messages = warning;
		DROP FOREIGN TABLE IF EXISTS s CASCADE;
		TRUNCATE t;
		CREATE FOREIGN TABLE s (@{[ Definitions::column_list() ]}) SERVER broker OPTIONS (topic '$topic', event_time 'tz')}
		. ';' . Definitions::plain_views('s', 's'));

	my @portions = map { [ Definitions::rows($_ * $rows / 3, $rows / 3) ] } 0 .. 2;
	my $early = $round % 2;
	my $add = sub {
		my ($messages, $copy) = @{ shift @portions };
		produce($topic, write_lines('messages', @$messages));
		$node->safe_psql('postgres', '\copy t FROM ' . write_lines('copy', @$copy));
	};
	$add->() unless $early;
	my @there = create_views($round == 1 ? Definitions::particular() : map { Definitions::definition() } 1 .. $views);
	compare("round $round, nothing", @there) if $early;
	$add->() while @portions;
	compare("round $round", @there);
	is($node->safe_psql('postgres', q{SELECT count(*), min(left(error, 200)) FROM kappa.dead_letters}), '0|', 'no dead letters');
	$node->safe_psql('postgres', "DROP VIEW $_->{name}, expected_$_->{name}") for @there;
	topic('delete', $topic);
}

note("$accepted definitions, and $refused refused");
cmp_ok($refused, '<=', 0.05 * ($accepted + $refused), 'few definitions are refused');
$node->stop;
done_testing();
