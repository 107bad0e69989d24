# Random rows, and random definitions of continuous views over them.
#
# A definition is written over two names at a time: "<s>" and what else stands in angle
# brackets is replaced by the stream (s), or by the plain table that holds the same rows
# (t), so that PostgreSQL itself gives the expected answer.
#
# Everything comes from Perl's rand(), which is the same everywhere for the same seed.
package Definitions;

use strict;
use warnings;
use utf8;

sub pick { return $_[ rand @_ ] }
sub maybe { my $p = shift; return rand() < $p }
sub between { my ($low, $high) = @_; return $low + int rand($high - $low + 1) }

# Some different ones, N at most.
sub some
{
	my ($n, @from) = @_;
	my @result;
	push @result, splice(@from, rand @from, 1) while @from && $n-- > 0;
	return @result;
}

# ---------------------------------------------------------------------------- rows

sub quoted
{
	my $s = shift;
	$s =~ s/(["\\])/\\$1/g;
	$s =~ s/([\x00-\x1f])/sprintf('\\u%04x', ord $1)/ge;
	return qq{"$s"};
}

# A value is [JSON, as the type's input function wants it].
sub string { my $s = shift; return [ quoted($s), $s ] }
sub number { my $n = shift; return [ $n, $n ] }
sub number_or_string { my $n = shift; return maybe(0.3) ? string($n) : number($n) }

my @words = ('', 'a', 'b', 'B', 'ä', 'Ä', 'œuvre', '日本', '🙂', "it's", 'say "so"', 'back\\slash',
	"tab\tbed", "two\nlines", ' blanks ', '%_', 'x' x 300, '{}', 'NULL', 'null');
my @long_words;
my @numbers = qw(0 0.0 -0.00 1 1.0 1.50 1.5 -7 0.1 -0.001 12345678901234567890.123456789 1e50 1e-20 99.995);
# Too long for an index, and does not compress; two of them.
sub long_word
{
	@long_words = map { join('', map { chr(97 + rand 26) } 1 .. 5000) } 1 .. 2 unless @long_words;
	return pick(@long_words);
}

sub instant
{
	return sprintf '2026-01-%02d %02d:%02d:%02d%s', between(1, 2), pick(0, 11, 23), between(0, 59), between(0, 59),
	  pick('', '', '.5', '.123456');
}

sub jsonb
{
	my @list = map { my $q = pick('null', between(0, 3)); my $w = quoted(pick(@words[ 0 .. 5 ])); qq({"q": $q, "w": $w}) }
	  1 .. between(0, 3);
	return pick(
		'[1, 2.50, "x"]', '7', '"text"', 'true', '{}',
		map { '{"k": ' . quoted(pick(@words)) . ', "n": ' . pick(1, 2, '3.0', -4) . ', "l": [' . join(', ', @list) . ']}' } 1 .. 5);
}

sub list
{
	my @elements = map { $_[0]->() } 1 .. between(0, 3);
	return [ '[' . join(', ', map { $_->[0] } @elements) . ']',
		'{' . join(',', map { my $e = $_->[1]; $e =~ s/(["\\])/\\$1/g; qq("$e") } @elements) . '}' ];
}

# name, type, how often NULL, value
my @columns = (
	[ b   => 'boolean', 0.2, sub { my $b = pick(0, 1); [ $b ? 'true' : 'false', $b ? 't' : 'f' ] } ],
	[ i2  => 'smallint', 0.2, sub { number_or_string(pick(-32768, 32767, between(-3, 3), 0)) } ],
	[ i4  => 'integer', 0.1, sub { number_or_string(pick(-2147483648, 2147483647, map { between(0, 20) } 1 .. 8)) } ],
	[ i8  => 'bigint', 0.1, sub { number_or_string(pick('9223372036854775807', '-9223372036854775808', between(-5, 5), 0)) } ],
	[ f4  => 'real', 0.1, sub { number(between(-20, 20) / 2) } ],
	[ f8  => 'double precision', 0.1, sub { number(between(-200, 200) / 4) } ],
	[ fp  => 'double precision', 0.1, sub { number(pick(map { $_ / 10 } 1 .. 30)) } ],
	[ fx  => 'double precision', 0.2, sub { pick(string('NaN'), string('Infinity'), string('-Infinity'), number('-0.0'),
		number(0), number('1e300'), number('0.1')) } ],
	[ n   => 'numeric', 0.1, sub { number_or_string(pick(@numbers)) } ],
	[ n2  => 'numeric(10,2)', 0.1, sub { number(between(-999, 99999) / 100) } ],
	[ nx  => 'numeric', 0.2, sub { pick(string('NaN'), string('Infinity'), map { number_or_string(pick(@numbers)) } 1 .. 5) } ],
	[ tx  => 'text', 0.15, sub { string(maybe(0.03) ? long_word() : pick(@words)) } ],
	[ vc  => 'varchar(5)', 0.2, sub { string(pick('a', 'b', 'ab   ', 'äöüßx')) } ],
	[ ch  => 'char(5)', 0.2, sub { string(pick('a', 'a ', 'b', 'äöüßx')) } ],
	[ nd  => 'text COLLATE nd', 0.2, sub { string(pick(qw(ab aB Ab AB c C d e))) } ],
	[ tz  => 'timestamptz', 0.1, sub { string(instant() . pick('+00', 'Z', '+01:30')) } ],
	[ ts  => 'timestamp', 0.1, sub { string(instant()) } ],
	[ d   => 'date', 0.2, sub { string(sprintf '2026-%02d-%02d', between(1, 2), between(1, 3)) } ],
	[ tm  => 'time', 0.2, sub { string(sprintf '%02d:30', between(0, 3)) } ],
	[ iv  => 'interval', 0.2, sub { string(pick('1 day', '24 hours', '1 month', '30 days', '-00:00:01.5', '2 years 3 hours')) } ],
	[ u   => 'uuid', 0.2, sub { string(sprintf '00000000-0000-0000-0000-00000000000%d', between(0, 3)) } ],
	[ jb  => 'jsonb', 0.1, sub { my $j = jsonb(); [ $j, $j ] } ],
	[ js  => 'json', 0.2, sub { my $j = jsonb(); [ $j, $j ] } ],
	[ ia  => 'integer[]', 0.1, sub { list(sub { number(between(0, 2)) }) } ],
	[ ta  => 'text[]', 0.2, sub { list(sub { string(pick(@words[ 1 .. 12 ])) }) } ],
	[ en  => 'mood', 0.2, sub { string(pick('sad', 'ok', 'very happy')) } ],
	[ dm  => 'positive', 0.2, sub { number(between(1, 4)) } ],
	[ cp  => 'pair', 0.2, sub { string('(' . pick(1, 2, '') . ',' . pick('x', '"y z"', '') . ')') } ],
	[ by  => 'bytea', 0.2, sub { string(pick('\\x', '\\x00', '\\x00ff', '\\xab')) } ],
	[ r   => 'int4range', 0.2, sub { string(pick('empty', '[1,5)', '[3,9]', '(,4)', '[4,4]')) } ],
	[ ip  => 'inet', 0.2, sub { string(pick('10.0.0.1', '10.0.0.0/8', '::1')) } ],
	[ pt  => 'point', 0.3, sub { string(pick('(1,2)', '(0,0)')) } ],
);

sub column_list { return join(', ', 'id bigint', map { "$_->[0] $_->[1]" } @columns) }

# What the columns, aggregates and queries need; over both the stream and the table.
sub schema
{
	return <<'SQL';
CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE dim (id int PRIMARY KEY, name text, w numeric, tags text[], UNIQUE (name));
INSERT INTO dim SELECT i, CASE WHEN i <> 4 THEN 'n' || i END, i / 4.0, ARRAY['t' || i % 2, 'u'] FROM generate_series(0, 7) i;
CREATE TABLE ranges (low int, high int, label text);
INSERT INTO ranges VALUES (-10, 3, 'low'), (2, 9, 'middle'), (9, 30, NULL), (9, 30, 'high');

-- the three kinds of state, by users' aggregates
CREATE AGGREGATE total(bigint) (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl);
CREATE AGGREGATE mean(float8) (SFUNC = float8_accum, STYPE = float8[], FINALFUNC = float8_avg,
	COMBINEFUNC = float8_combine, INITCOND = '{0,0,0}');
CREATE AGGREGATE spread(numeric) (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_var_pop,
	COMBINEFUNC = numeric_combine, SERIALFUNC = numeric_serialize, DESERIALFUNC = numeric_deserialize);
CREATE FUNCTION members_add(anycompatiblearray, anycompatible) RETURNS anycompatiblearray LANGUAGE sql IMMUTABLE AS
	$$ SELECT CASE WHEN array_position($1, $2) IS NOT NULL THEN $1 ELSE array_append($1, $2) END $$;
CREATE FUNCTION members_union(anycompatiblearray, anycompatiblearray) RETURNS anycompatiblearray LANGUAGE sql IMMUTABLE AS
	$$ SELECT array(SELECT DISTINCT e FROM unnest($1 || $2) e) $$;
CREATE FUNCTION members_sorted(anycompatiblearray) RETURNS anycompatiblearray LANGUAGE sql IMMUTABLE AS
	$$ SELECT array(SELECT e FROM unnest($1) e ORDER BY e) $$;
CREATE AGGREGATE members(anycompatible) (SFUNC = members_add, STYPE = anycompatiblearray, FINALFUNC = members_sorted,
	COMBINEFUNC = members_union, INITCOND = '{}');
CREATE FUNCTION larger(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS
	$$ SELECT greatest($1, $2) $$;
CREATE AGGREGATE largest(anyelement) (SFUNC = larger, STYPE = anyelement, COMBINEFUNC = larger);
CREATE FUNCTION weigh(pair, int, text) RETURNS pair LANGUAGE sql IMMUTABLE AS
	$$ SELECT ROW(coalesce(($1).a, 0) + coalesce($2 % 1000, 1), greatest(($1).b, $3))::pair $$;
CREATE FUNCTION weigh_both(pair, pair) RETURNS pair LANGUAGE sql IMMUTABLE AS
	$$ SELECT CASE WHEN $1 IS NULL THEN $2 WHEN $2 IS NULL THEN $1
		ELSE ROW(($1).a + ($2).a, greatest(($1).b, ($2).b))::pair END $$;
CREATE FUNCTION weighed(pair) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1::text $$;
CREATE DOMAIN present AS int NOT NULL;
CREATE TYPE nested AS (p pair, q int[]);
CREATE AGGREGATE "Odd Name (x)"(int) (SFUNC = int4larger, STYPE = int, COMBINEFUNC = int4larger);
CREATE FUNCTION add_all(bigint, VARIADIC int[]) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$ SELECT coalesce($1, 0) + coalesce((SELECT sum(x) FROM unnest($2) x), 0)::bigint $$;
CREATE FUNCTION add_two(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce($1 + $2, $1, $2) $$;
CREATE AGGREGATE all_of(VARIADIC int[]) (SFUNC = add_all, STYPE = bigint, COMBINEFUNC = add_two);
CREATE FUNCTION extra_add(float8[], float8) RETURNS float8[] LANGUAGE sql STRICT IMMUTABLE AS $$ SELECT ARRAY[$1[1] + $2] $$;
CREATE FUNCTION extra_both(float8[], float8[]) RETURNS float8[] LANGUAGE sql STRICT IMMUTABLE AS $$ SELECT ARRAY[$1[1] + $2[1]] $$;
CREATE FUNCTION extra_final(float8[], float8) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT round($1[1]::numeric, 3) || coalesce('!' || $2, '') $$;
CREATE AGGREGATE extra(float8) (SFUNC = extra_add, STYPE = float8[], INITCOND = '{0}', COMBINEFUNC = extra_both,
	FINALFUNC = extra_final, FINALFUNC_EXTRA);
CREATE AGGREGATE weight(int, text) (SFUNC = weigh, STYPE = pair, FINALFUNC = weighed, COMBINEFUNC = weigh_both);
SQL
}

# Views over the stream and over the table.
sub plain_views
{
	my ($suffix, $base) = @_;
	return <<SQL;
CREATE VIEW all_$suffix AS SELECT * FROM $base;
CREATE VIEW some_$suffix AS SELECT id, b, i2, i4, i8, f4, f8, fp, fx, n, n2, nx, upper(tx) AS tx, vc, ch, nd, tz, ts, d,
	tm, iv, u, jb, js, ia, ta, en, dm, cp, by, r, ip, pt FROM all_$suffix WHERE b IS NOT FALSE;
CREATE VIEW few_$suffix WITH (security_barrier) AS
	SELECT id, i4 % 5 AS a, i2 % 3 AS b, f8, left(tx, 300) AS tx, ts, d, ia, i4 % 2 AS "Odd ""column" FROM $base;
SQL
}

# N rows: those of the topic, "key TAB JSON", and those for COPY.
sub rows
{
	my ($from, $n) = @_;
	my (@messages, @copy);
	for my $id ($from .. $from + $n - 1)
	{
		my (@json, @text);
		for my $column ([ id => 'bigint', 0, sub { number($id) } ], @columns)
		{
			my ($name, undef, $null, $value) = @$column;
			my $v = maybe($null) ? undef : $value->();
			my $text = $v ? $v->[1] : undef;
			if (defined $text) { $text =~ s/\\/\\\\/g; $text =~ s/\t/\\t/g; $text =~ s/\n/\\n/g; }
			push @text, $text // '\\N';
			push @json, qq("$name": ) . ($v ? $v->[0] : 'null') if $v || maybe(0.5);
		}
		push @messages, between(0, 99) . "\t{" . join(', ', @json) . '}';
		push @copy, join("\t", @text);
	}
	return (\@messages, \@copy);
}

# --------------------------------------------------------------------- expressions

# What can be said about a row: lists of SQL by kind.  Keys whose equal values can look
# different ("loose") must not be used in further expressions.
sub vocabulary
{
	my %v = (
		int   => [ qw(s.i2 s.i4 s.i8), 's.i4 % 5', 'abs(s.i2::int)', 'coalesce(s.i4, 0)', 'length(s.tx)', 'cardinality(s.ia)',
			's.dm', 'CASE WHEN s.b THEN s.i2 ELSE s.i4 END', 'extract(hour FROM s.ts)::int', 's.i4::bigint * 2' ],
		num   => [ qw(s.n s.n2 s.nx), 's.n2 * 1.5', 'round(s.n, 1)', 's.n2 + s.i4', '(s.i4 % 10)::numeric / 4' ],
		flt   => [ qw(s.f8 s.f4), 's.f8 * 2', '(s.i4 % 100)::float8' ],
		txt   => [ qw(s.tx s.vc s.ch), 'upper(s.tx)', 'left(s.tx, 1)', q(s.jb->>'k'), q(s.tx || 'x'), 's.en::text',
			's.tx COLLATE "C"', q(coalesce(s.vc, 'none')), 's.js::text', 's.ip::text', q(s.js->>'n') ],
		time  => [ qw(s.tz s.ts s.d) ],
		bool  => [ 's.b', 's.i4 > 5', 's.tx IS NULL', q(s.en = 'sad'), 's.f8 < 0', q(s.ta && ARRAY['a', 'b']), 's.n2 > 10',
			's.d >= date \'2026-02-01\'', 's.nd = \'AB\'', 's.id % 3 = 0', 's.cp IS NULL', q(s.jb ? 'k'), 's.tx LIKE \'%a%\'',
			's.i4 IN (1, 2, 3)', 's.fx = \'NaN\'', 's.r @> 4' ],
		other => [ qw(s.en s.dm s.u s.ia s.ta s.d s.by s.r s.ip s.tm) ],
		loose => [ qw(s.nd s.n s.nx s.fx s.iv s.cp s.jb), '(s.cp).b', 's.tx COLLATE nd', 's.jb->\'n\'', 's.jb->\'l\'', 's.ch' ],
	);
	return \%v;
}

my @windows = (
	q(tumble(s.tz, '1 hour')), q(tumble(s.ts, '10 seconds')), q(tumble(s.tz, '7 minutes', '2026-01-01 00:03+00')),
	q(date_trunc('hour', s.tz)), q(date_trunc('day', s.ts)), q(date_bin('15 minutes', s.tz, '2020-01-01 00:00+00')),
	q(date_trunc('day', s.tz, 'Europe/Vienna')), q(tumble(s.ts, '1 day') + interval '1 hour'));

sub any_of { my ($v, @kinds) = @_; return pick(map { @{ $v->{$_} } } @kinds) }

sub condition
{
	my $v = shift;
	my $c = any_of($v, 'bool');
	$c = "NOT ($c)" if maybe(0.2);
	$c = "($c " . pick('AND', 'OR') . ' ' . any_of($v, 'bool') . ')' if maybe(0.2);
	return $c;
}

# An aggregate: [SQL, kind of the result].  Of floats only what is well-conditioned.
sub aggregate
{
	my $v = shift;
	my ($int, $num, $flt, $txt) = map { any_of($v, $_) } qw(int num flt txt);
	my $any = any_of($v, qw(int num flt txt time bool other loose));
	my $ordered = any_of($v, qw(int num flt txt time other));
	my $ordered_kind = 'other';
	$ordered = 's.n2' if $ordered =~ /^s\.(by|u|r|dm)$/;
	my @choices = (
		[ 'count(*)', 'int' ], [ 'count(*)', 'int' ], [ "count($any)", 'int' ], [ 'count(s)', 'int' ],
		[ "sum($int)", 'num' ], [ "sum($num)", 'loose' ], [ "sum($flt)", 'flt' ], [ 'sum(s.fp)', 'flt' ], [ 'sum(s.iv)', 'loose' ],
		[ "avg($int)", 'num' ], [ "avg($num)", 'loose' ], [ "avg($flt)", 'flt' ], [ 'avg(s.iv)', 'loose' ],
		[ "min($ordered)", 'loose' ], [ "max($ordered)", 'loose' ], [ "max($txt)", 'loose' ], [ "min($num)", 'loose' ],
		[ 'max(s.nd)', 'loose' ], [ 'min(s.fx)', 'flt' ], [ 'max(s.iv)', 'loose' ], [ "min($int)", 'int' ], [ "max(s.d)", 'time' ],
		[ 'bool_and(' . condition($v) . ')', 'bool' ], [ 'bool_or(' . condition($v) . ')', 'bool' ], [ 'every(s.b)', 'bool' ],
		[ "bit_and(s.i4)", 'int' ], [ 'bit_or(s.i2)', 'int' ], [ 'bit_xor(s.i8)', 'int' ],
		(map { [ "$_($int)", 'loose' ], [ "$_(s.n2)", 'loose' ], [ "$_(s.f8)", 'flt' ], [ "$_($num)", 'loose' ] }
			pick(qw(stddev stddev_pop stddev_samp)), pick(qw(variance var_pop var_samp))),
		(map { [ "round($_(s.f8, s.fp)::numeric, 6)", 'loose' ] }
			pick(qw(corr covar_pop covar_samp)), pick(qw(regr_slope regr_intercept regr_r2 regr_sxx regr_sxy regr_syy regr_avgx))),
		[ 'regr_count(s.f8, s.i4)', 'int' ],
		[ "total($int)", 'int' ], [ "mean($flt)", 'flt' ], [ "spread($num)", 'loose' ], [ "members($int)", 'other' ],
		[ 'members(s.tx)', 'other' ], [ 'members(s.en)', 'other' ], [ 'largest(s.d)', 'time' ], [ 'largest(s.tx COLLATE "C")', 'txt' ],
		[ 'largest(s.en)', 'other' ], [ 'weight(s.i4, s.tx)', 'txt' ], [ 'range_intersect_agg(s.r)', 'other' ],
		[ "approx_count_distinct($any)", 'int' ], [ "hyperloglog_agg(s.tx)", 'opaque' ],
	);
	my $choice = pick(@choices);
	$choice = [ $choice->[0], $choice->[1] ];
	# of users' first int argument: bigint
	$choice->[0] =~ s/^total\((.*)\)$/total(($1) % 1000)/;
	$choice->[0] =~ s/^(round\()?(\w+\(.*?\))(::numeric, 6\))?$/($1 \/\/ '') . "$2 FILTER (WHERE @{[ condition($v) ]})" . ($3 \/\/ '')/e
	  if maybe(0.25);
	return $choice;
}

# An expression over keys and aggregates.
sub beyond
{
	my @parts = @_;
	my ($x, $kind) = @{ pick(@parts) };
	return (
		  $kind eq 'int'  ? pick("($x)::numeric + 1", "coalesce($x, -1)", "($x) IS NULL", "CASE WHEN $x > 2 THEN 'many' ELSE 'few' END",
			"round(($x)::numeric / 3, 4)", "($x)::text", "($x) BETWEEN 1 AND 5", "nullif($x, 0)")
		: $kind eq 'num'  ? pick("coalesce($x, 0)", "round($x, 3)", "$x > 5", "abs($x)")
		: $kind eq 'bool' ? pick("NOT $x", "coalesce($x, true)", "($x)::text")
		: $kind eq 'txt'  ? pick("lower($x)", "$x || '!'", "length($x)", "coalesce($x, 'nothing')", "$x IS NULL")
		: $kind eq 'time' ? pick("($x)::date", "$x + interval '1 hour'", "extract(year FROM $x)", "to_char($x, 'DD.MM.')")
		: $kind eq 'flt'  ? pick("$x IS NULL", "abs($x)")
		: $kind eq 'opaque' ? "cardinality($x)"
		: $kind eq 'other' ? pick("$x IS NOT NULL", "($x)::text", "coalesce($x, NULL)")
		: pick("$x IS NULL", "($x IS DISTINCT FROM NULL)::int"));
}

# A window function over aggregates; its answer must not depend on the order of peers.
sub window_function
{
	my ($aggregates, $keys) = @_;
	my @exact = grep { $_->[1] =~ /^(int|num|time|bool)$/ } @$aggregates;
	my $over = @exact ? pick(@exact)->[0] : 'count(*)';
	my ($number) = map { $_->[0] } grep { $_->[1] =~ /^(int|num)$/ } @exact, [ 'count(*)', 'int' ];
	my $partition = @$keys && maybe(0.5) ? 'PARTITION BY ' . pick(@$keys)->[0] . ' ' : '';
	my $order = "ORDER BY $over" . pick('', ' DESC', ' NULLS FIRST', @$keys ? ', ' . pick(@$keys)->[0] : '');
	my $frame = pick('', '', 'RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE NO OTHERS',
		'GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING');
	return pick(
		"rank() OVER ($partition$order)", "dense_rank() OVER ($partition$order)", "sum(count(*)) OVER ($partition)",
		"count(*) OVER ()", "sum(count(*)) OVER ($partition$order $frame)", "max($number) OVER ($partition)",
		"round(100 * count(*) / nullif(sum(count(*)) OVER ($partition), 0), 2)", "ntile(1) OVER ($partition)",
		"first_value(count(*)) OVER (${partition}ORDER BY count(*))");
}

# ---------------------------------------------------------------------------- FROM

# FROM, with the stream (or something over it) as "s"; adds to the vocabulary what else it brings.
sub from
{
	my $v = shift;
	my $from = pick('<s> AS s', '<s> AS s', '<s> s', '<all_s> AS s', '<some_s> AS s', '(SELECT * FROM <s>) AS s',
		"(SELECT * FROM <some_s> WHERE i4 > 1 OR id % 2 = 0) s",
		'(SELECT x.*, x.id AS again FROM (SELECT * FROM <s> WHERE tx IS DISTINCT FROM \'a\') x) s');
	my $number = between(0, 20);
	return $from if $number < 8;
	if ($number < 12)
	{
		push @{ $v->{int} }, 'd.id', 'd.id';
		push @{ $v->{txt} }, 'd.name', 'coalesce(d.name, s.tx)';
		push @{ $v->{num} }, 'd.w';
		push @{ $v->{bool} }, 'd.id IS NULL', 'd.w > 1', 's.i4 > d.id';
		push @{ $v->{depends} }, 'd.name', 'd.w', 'd.tags', 'upper(d.name)' if $number < 10;
		my $on = pick('d.id = s.i4', 'd.id = s.i4 % 10', 's.i8 = d.id', 'd.id = s.dm AND d.w < 2');
		return $from . pick(" JOIN dim d ON $on", " LEFT JOIN dim d ON $on", ", dim d WHERE $on",
			$v->{depends} ? () : " LEFT JOIN (SELECT * FROM dim) d ON $on");
	}
	if ($number < 14)
	{
		push @{ $v->{txt} }, 'g.label';
		push @{ $v->{int} }, 'g.low', 'g.n';
		return $from . pick(' JOIN', ' LEFT JOIN', ' CROSS JOIN LATERAL', ' LEFT JOIN LATERAL')
		  =~ s/^(.*LATERAL)$/$1 (SELECT label, low, 1 AS n FROM ranges WHERE s.i4 BETWEEN low AND high) g/r
		  =~ s/^( LEFT JOIN LATERAL .*)$/$1 ON true/r
		  =~ s/^( (?:LEFT )?JOIN)$/$1 (SELECT label, min(low) AS low, max(high) AS high, count(*)::int AS n FROM ranges GROUP BY label) g ON s.i4 BETWEEN g.low AND g.high/r;
	}
	if ($number < 15)
	{
		push @{ $v->{int} }, 'd2.id';
		push @{ $v->{txt} }, 'd1.name', 'd2.name';
		return "$from LEFT JOIN dim d1 ON d1.id = s.i4 LEFT JOIN dim d2 ON d2.name = d1.name AND d2.id = s.dm + 1";
	}
	if ($number < 16)
	{
		push @{ $v->{int} }, 'e.v', 'e.o::int';
		return $from . pick(', unnest(s.ia) WITH ORDINALITY e(v, o)', ' LEFT JOIN LATERAL unnest(s.ia) WITH ORDINALITY e(v, o) ON true',
			' CROSS JOIN LATERAL unnest(s.ia) WITH ORDINALITY AS e(v, o)');
	}
	if ($number < 17)
	{
		push @{ $v->{int} }, 'l.q';
		push @{ $v->{txt} }, 'l.w';
		my $array = q((CASE WHEN jsonb_typeof(s.jb->'l') = 'array' THEN s.jb->'l' END));
		return $from . pick(", jsonb_to_recordset($array) AS l(q int, w text)",
			" LEFT JOIN LATERAL jsonb_to_recordset($array) AS l(q int, w text) ON l.q > 0",
			" LEFT JOIN jsonb_to_recordset($array) AS l(q int, w text) ON true");
	}
	if ($number < 18)
	{
		push @{ $v->{int} }, 'x.i';
		push @{ $v->{txt} }, 'x.t';
		return $from . pick(", LATERAL (VALUES (s.i4, s.tx), (s.i2, 'second'), (NULL, s.vc)) AS x(i, t)",
			" CROSS JOIN LATERAL (VALUES (s.i4, s.tx), (0, 'zero')) x(i, t)",
			", LATERAL (SELECT s.i2 % 2 AS i, s.tx || s.vc AS t) x");
	}
	if ($number < 19)
	{
		push @{ $v->{int} }, 'x.g';
		return "$from, generate_series(1, least(abs(s.i2 % 3), 3)) AS x(g)";
	}
	push @{ $v->{bool} }, 's.i4 IN (SELECT id FROM dim WHERE w > 0.5)', 'EXISTS (SELECT FROM ranges WHERE s.i4 BETWEEN low AND high)';
	push @{ $v->{txt} }, '(SELECT name FROM dim WHERE id = s.i4)';
	push @{ $v->{int} }, '(SELECT count(*) FROM ranges WHERE low < s.i4)';
	return $from;
}

# ------------------------------------------------------------------------ a definition

sub where
{
	my ($from, $v) = @_;
	return $from unless maybe(0.4);
	return $from . ($from =~ / WHERE (?!.*\))/ ? ' AND ' : ' WHERE ') . condition($v);
}

sub kept_rows
{
	my ($from, $v) = @_;
	my @items = map { any_of($v, qw(int num flt txt time bool other loose)) } 1 .. between(1, 6);
	push @items, some(between(0, 2), 's.js', 's.pt', 's.id', 's.cp', 's.jb');
	return query($from, \@items);
}

sub query
{
	my ($from, $items, $rest, $with) = @_;
	my $number = 0;
	return 'SELECT ' . join(', ', map { $_ . ' AS c' . ++$number } @$items) . " FROM $from" . ($rest // '');
}

sub having
{
	my @aggregates = @_;
	my @conditions = ('count(*) > ' . between(0, 4), 'bool_or(s.b)', 'max(s.i4) IS NOT NULL', 'sum(s.n2) > 5', 'avg(s.f8) < 10',
		'NOT bool_and(s.b)', 'count(*) IN (SELECT id FROM dim)', 'max(s.d) > date \'2026-01-02\'');
	push @conditions, map { "$_->[0] IS NOT NULL" } @aggregates;
	return '' unless maybe(0.25);
	return ' HAVING ' . join(pick(' AND ', ' OR '), some(between(1, 2), @conditions));
}

sub aggregated
{
	my ($from, $v, $grouped, $naggregates) = @_;
	my (@keys, @items, @group);
	if ($grouped)
	{
		my @pool = ((map { my $k = $_; map { [ $_, $k ] } @{ $v->{$k} } } qw(int num flt txt bool other loose time)),
			(map { [ $_, 'time' ] } @windows) x 2);
		@keys = some(between(1, 4), @pool);
		@keys = ([ 'd.id', 'int' ], @keys[ 0 .. int rand @keys ]) if $v->{depends} && maybe(0.7);
		push @keys, [ pick("'constant'::text", '1 + 1', 'NULL::int'), 'loose' ] if maybe(0.05);
		$_->[1] = 'loose' for grep { $_->[1] eq 'num' || $_->[0] =~ /\.(ch|nx|n|n2)\b|COLLATE nd/ } @keys;
	}
	my %seen;
	@keys = grep { !$seen{ $_->[0] }++ } @keys;

	my @aggregates = map { aggregate($v) } 1 .. $naggregates;
	for my $key (@keys)
	{
		if (maybe(0.85))
		{
			push @items, $key->[0];
			push @group, pick($key->[0], scalar(@items), 'c' . @items);
			$group[-1] = scalar(@items) if $key->[0] =~ /^('|NULL|1 \+)/;
		}
		else
		{
			push @group, $key->[0];
		}
	}
	@group = map { /^('|NULL)/ ? "($_)" : $_ } @group;
	push @items, map { $_->[0] } @aggregates;
	push @items, some(between(0, 2), @{ $v->{depends} }) if $v->{depends} && grep { $_->[0] eq 'd.id' } @keys;
	push @items, beyond(@keys, @aggregates) for 1 .. (maybe(0.4) ? between(1, 3) : 0);
	push @items, window_function(\@aggregates, \@keys) for 1 .. (maybe(0.25) ? between(1, 2) : 0);
	push @items, 'count(*)' unless @items;
	return query($from, \@items, (@group ? ' GROUP BY ' . join(', ', @group) : '') . having(@aggregates));
}

sub definition
{
	my $v = vocabulary();
	my $from = where(from($v), $v);
	my $kind = rand;
	my $definition = $kind < 0.12 ? kept_rows($from, $v)
	  : $kind < 0.24 ? aggregated($from, $v, 0, between(1, 6))
	  : $kind < 0.26 ? aggregated($from, $v, 1, 100)
	  : aggregated($from, $v, 1, between(0, 5));
	# the stream by way of WITH
	$definition =~ s/^/WITH w AS (SELECT * FROM <s> WHERE id > 2) / && $definition =~ s/(FROM )<s>( AS s|(?= s\b))/$1w$2/
	  if $definition =~ /FROM <s>( AS s| s\b)/ && maybe(0.1);
	return $definition;
}

# Definitions with particularities that chance does not find.
sub particular
{
	my $few = '<few_s> s';
	return map { query($_->[0], $_->[1], $_->[2] ? " $_->[2]" : '') } (
		[ $few, ['1'], 'HAVING true' ],
		[ $few, ['1'], 'HAVING count(*) > 5' ],
		[ $few, [ 's.a', 's.a', 'count(*)' ], 'GROUP BY s.a, s.a, 1, 2' ],
		[ $few, [ '"Odd ""column"', 'count(*)', '"Odd Name (x)"(s.a::int)' ], 'GROUP BY "Odd ""column"' ],
		[ $few, [ 's.a::present', 'count(*)' ], 'WHERE s.a IS NOT NULL GROUP BY 1' ],
		[ $few, [ 's.a', 'sum(count(*)) OVER w', 'rank() OVER (w ORDER BY count(*))',
			'sum(sum(s.b)) OVER (ORDER BY s.a RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING)' ],
			'GROUP BY s.a, s.b WINDOW w AS (PARTITION BY s.b)' ],
		[ $few, [ "date_trunc('day', s.ts)", "sum(count(*)) OVER (ORDER BY date_trunc('day', s.ts)
			RANGE BETWEEN interval '1 day' PRECEDING AND CURRENT ROW)" ], 'GROUP BY 1' ],
		[ "$few JOIN dim d ON d.id = s.a", [ 'd.id', 'd', 'd.name', 'count(*)' ], 'GROUP BY d.id, d' ],
		[ $few, [ 's.a', '(SELECT max(name) || count(*) FROM dim WHERE id = s.a)' ],
			'GROUP BY s.a HAVING EXISTS (SELECT FROM dim WHERE id <= s.a) OR sum(s.b) > 3' ],
		[ $few, [ '(SELECT name FROM dim WHERE id = s.a)', 'count(*)' ], 'GROUP BY 1' ],
		[ $few, [ '(SELECT name FROM dim WHERE id = s.a)', 'count(*)' ], 'GROUP BY (SELECT name FROM dim WHERE id = s.a)' ],
		[ $few, [ 'ARRAY(SELECT name FROM dim WHERE id <= s.a ORDER BY id)', 'count(*)' ], 'GROUP BY 1' ],
		[ $few, [ 'all_of(s.a, s.b)', 'all_of(VARIADIC s.ia)', 'all_of(s.b)', 'extra(s.f8)' ] ],
		[ $few, [ 's.b', 'all_of(s.a, s.b)', 'extra(s.f8)', '(largest(ROW(s.a, s.tx)::pair)).b IS NULL' ], 'GROUP BY 1' ],
		[ $few, [ 'ROW(ROW(s.a, s.tx)::pair, s.ia)::nested', 'count(*)' ], 'GROUP BY 1' ],
		[ $few, [ "ARRAY[ROW(s.a, nullif(s.tx, 'b'))::pair, NULL]", 'count(*)', 'ROW(nullif(s.b, 1), NULL)::pair' ], 'GROUP BY 1, 3' ],
		[ $few, [ 'max(s.tx COLLATE "C")', 'min(s.tx COLLATE nd) COLLATE "C" IS NULL', 'approx_count_distinct(s.tx COLLATE nd)',
			'max(upper(s.tx) COLLATE "C")', 'max(ARRAY[s.tx COLLATE "C"])' ] ],
		[ $few, [ 'sum(s.a) FILTER (WHERE s.a IN (SELECT id FROM dim))', 'count(*) FILTER (WHERE EXISTS (SELECT FROM dim WHERE id = s.b))' ] ],
		[ '(SELECT a AS id, b FROM <few_s>) s JOIN dim USING (id)', [ 'id', 'name', 's.id', 'dim.id', 'count(*)' ], 'GROUP BY id, name, s.id, dim.id' ],
		[ '(SELECT a AS id, b, tx FROM <few_s>) s NATURAL JOIN dim', [ 'id', 'b', 'tx', 'name' ] ],
		[ '((SELECT a AS id, b FROM <few_s>) s LEFT JOIN dim USING (id)) j', [ 'j.id', 'j.name', 'count(*)' ], 'GROUP BY j.id, j.name' ],
		[ '(<few_s> s LEFT JOIN (dim x FULL JOIN dim y ON x.id = y.id + 3) ON x.id = s.a)', [ 's.a', 'x.name', 'y.name', 'count(*)' ], 'GROUP BY 1, 2, 3' ],
		[ "$few LEFT JOIN LATERAL (SELECT name FROM dim WHERE id <= s.a ORDER BY id DESC LIMIT 1) x ON true", [ 's.a', 'x.name', 'count(*)' ], 'GROUP BY 1, 2' ],
		[ "$few CROSS JOIN (SELECT id AS n FROM dim UNION ALL SELECT 7 UNION SELECT 8) x", [ 's.a', 'x.n', 'sum(x.n)' ], 'WHERE x.n > s.a GROUP BY 1, 2' ],
		[ "$few, ROWS FROM (unnest(s.ia), generate_series(1, 2)) AS u(x, y)", [ 'u.x', 'u.y', 'count(*)' ], 'GROUP BY 1, 2' ],
		[ "$few, LATERAL regexp_split_to_table(s.tx, 'b') w", [ 'w', 'count(*)' ], 'GROUP BY w' ],
		[ "$few, jsonb_each_text(jsonb_build_object('p', s.a, 'q', s.b)) x", [ 's.a', 'x.key', 'x.value' ] ],
		[ "$few, dim d", ['count(*)'] ],
		[ "$few LEFT JOIN dim d ON d.id = s.a", [ 'count(s)', 'count(d)', 'count(s.*)', 'count(d.*)', "coalesce(d.name, '?')" ], 'GROUP BY d.name' ],
		[ '(SELECT ROW(a, tx)::pair AS x FROM <few_s>) q', [ '(x).b', 'count(*)' ], 'GROUP BY (x).b' ],
		[ '(SELECT ROW(a, tx)::pair AS x FROM <few_s>) q', [ 'x', 'count(*)' ], 'GROUP BY x HAVING (x).a = 1' ],
		[ $few, [ "max('x')", "count('x')", 'min(1.5)', 'sum(1)' ] ],
		[ $few, [ "'x'", 'NULL', '1', 'count(*)' ], 'GROUP BY 1, 2, 3' ],
		[ $few, [ 's.a::bit(4)', 's.a::text::money', 'abs(s.b)::int::oid', 's.tx::name', 's.tx::"char"', "to_tsvector('simple', s.tx)",
			's.tx::bpchar', 's.tx::varchar(2)', 's.tx::char(3)', 'count(*)' ], 'GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9' ],
		[ $few, [ 'int4range(s.a, s.a + 2)', 'int4multirange(int4range(s.a, s.a + 1))', 'ARRAY[[s.a, s.b], [s.b, s.a]]', 'count(*)' ], 'GROUP BY 1, 2, 3' ],
		[ $few, [ 'bit_and(s.a::bit(8))', 'bit_or(s.a::bit(8))', 'bit_xor(s.a::bit(8))', 'max(s.a::text::money)', 'sum(s.a::text::money)',
			'min(s.tx::name)', 'max(abs(s.b)::int::oid)', 'max(s.ia)', "max('10.0.0.1'::inet + s.a)" ] ],
		[ $few, [ 's.a', 's.b', 'array_agg(count(*)) OVER (PARTITION BY s.a ORDER BY s.b)' ], 'GROUP BY 1, 2' ],
		[ $few, [ 'lag(count(*), 1, 0::bigint) OVER (ORDER BY s.a)', 'nth_value(s.a, 2) OVER (ORDER BY s.a ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)' ], 'GROUP BY s.a' ],
		[ $few, [ "json_build_object('c', count(*), 'm', max(s.a))", 's.b' ], 'GROUP BY 2' ],
		[ $few, [ 's.a + s.b', '(s.a + s.b) * 2', 's.a + s.b + count(*)' ], 'GROUP BY s.a + s.b' ],
		[ $few, [ 's.a', 'count(*)' ], 'GROUP BY s.a HAVING false' ],
		[ $few, [ 'nullif(count(*), 0)', 'count(*) * 2 + count(s.a) - count(*)', '-count(*)', "count(*)::text || 'x'" ], 'WHERE false' ],
		[ '(WITH c AS MATERIALIZED (SELECT * FROM <few_s> WHERE a > 1), d AS (SELECT c.*, 1 AS one FROM c WHERE b > 0) SELECT * FROM d) q',
			[ 'one', 'count(*)' ], 'GROUP BY one' ],
	);
}

# The definition over the stream, or over the table.
sub over
{
	my ($definition, $suffix) = @_;
	return $definition =~ s/<(\w+_)?s>/($1 \/\/ '') . $suffix/ger;
}

1;
