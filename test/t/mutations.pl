# Thousands of messages, each a good one with something done to its payload, key or headers: whatever a message holds, it is a row or a
# dead letter of each view, exactly once; whoever reads decides alike, in databases of several encodings; nothing crashes, and no error
# shows what is in a message.
#
# In Perl, and not in SQL, since messages are to be written that INSERT never writes.  KAPPA_SEED=n makes other mutants, KAPPA_ROUNDS=n
# n times as many.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($mutants, $state) = (4000 * ($ENV{KAPPA_ROUNDS} // 1), $ENV{KAPPA_SEED} // 20261121);
my $marker = 'Qzx' . 'Wvk';          # in two parts, as in the queries below: the server's log holds those
my ($after_key, $after_message) = ("\x01=\x02", "\x01;\x02");
note("KAPPA_SEED=$state");

# The generator of lib/sales.
sub draw
{
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return ($state >> 8) % shift;
}

sub one_of { return $_[ draw(scalar @_) ] }

# A good message, as a list of [key, value as JSON].
sub good
{
	my $i = draw(100000);
	my @fields = (
		[ flag => one_of('true', 'false', '"yes"', 1) ],
		[ small => draw(60000) - 30000 ], [ whole => one_of($i, "$i.0", qq("$i")) ], [ big => $i * 1000003 ],
		[ near => draw(1000) / 8 ], [ far => one_of("-$i.5e-3", '"Infinity"', 1e300) ],
		[ price => one_of("$i.25", '1.50', '"NaN"') ], [ words => one_of(qq("$marker $i"), '"Łódź \ud83d\ude00 \"\\\\"', 1.50) ],
		[ short => one_of('"abc"', '"東京"', '"abc      "') ], [ at_ms => one_of(1772323200000 + $i, '1772323200000.125', '"2026-03-01T00:00:00Z"') ],
		[ at => one_of('"2026-03-01T12:34:56.789+01:00"', '"infinity"', '"294276-12-31T23:59:59Z"') ],
		[ plain => '"2026-03-01 12:34:56"' ], [ day => one_of('"2026-02-28"', '"-infinity"', '"0044-03-15 BC"') ],
		[ id => sprintf('"%08x-0000-4000-8000-00000000%04x"', $i, draw(65536)) ],
		[ doc => one_of(qq({"a": [1, {"b": "$marker"}], "c": 1.50}), '[[], {}]', '"x"', 12) ],
		[ list => one_of('[1, 2, null]', '"{3,4}"', '[[1], [2]]', '[]') ],
		[ mood => one_of('"glad"', '"sad"', '"so so"') ], [ even => 2 * $i ],
		[ place => one_of(qq({"city": "Oslo $marker", "floor": 3}), '{"floor": 1}', 'null') ],
		[ lines => one_of('[{"sku/no": 5}, {"sku/no": 7}]', '[]') ]);
	splice(@fields, draw(scalar @fields), 1) if draw(3) == 0;
	return @fields;
}

my @edges = (qw(0 -0 3.0 3.5 1e3 30e-1 0.5e1 32767 32768 -32768 -32769 2147483647 2147483648 -2147483648 -2147483649
	9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 99999999.99 99999999.995 1e400 -1e400 1e-400
	1e999999999 3.4028236e38 3.4028235e38 1e-46 1.7976931348623159e308 01 +1 .5 1. 1e NaN Infinity -Infinity 0x10 null true
	tru [] {} [[[[[[1]]]]]] [[[[[[[1]]]]]]] 9223372036854775.807 253402300800000 9224318016000000
	-210866803200001 9224318015999999.9996),
	'[1, [2]]', '[1, "2", 3.0]', '[[1], [2, 3]]', map { qq("$_") } 'NaN', 'infinity', '-Infinity', 'now', 'today', 'epoch', 'allballs', '0000-01-01', '0000-01-01T00:00:00Z', '0001-01-01 BC',
	'4714-11-24 BC', '4715-01-01 BC', '294276-12-31T23:59:59.9999999Z', '294277-01-01T00:00:00Z', '5874898-01-01', '2026-02-30', '2026-03-01T24:00:00Z',
	'2026-03-01T24:00:01Z', '2026-06-30T23:59:60Z', '2026-03-01T00:00:00+99:00', '2026-03-01 00:00 Europe/Berlin', '2026-03-01 00:00 Nowhere/No',
	'', ' ', ' 42 ', '3.0', '1e5', '1_000', '0x1F', 'abcdef', 'abc   x', '\u0000', "$marker\\u0000", '\ud800', '\udc00\ud800', '\ud800x', '\q', '\u12',
	"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\0", "\n", "\t", "\x7f", '{1,2', '{1,{2}}', '[0:1]={1,2}', '{NULL}', 'GLAD', "$marker",
	'{00000000-0000-4000-8000-000000000001}', '00000000000040008000000000000001', '{"a": 1}');

sub nested { my ($open, $close, $depth) = @_; return $open x $depth . '1' . $close x $depth }
sub text { return '{' . join(', ', map { qq("$_->[0]": $_->[1]) } @_) . '}' }

# Does one thing to a list of fields.
sub change_fields
{
	my @fields = @_;
	my ($field, $kind) = (one_of(@fields), draw(10));
	if ($kind < 6) { $field->[1] = one_of(@edges) }
	elsif ($kind == 6) { push @fields, [ $field->[0], one_of(@edges) ] }                      # a duplicate
	elsif ($kind == 7) { push @fields, [ one_of(uc $field->[0], ucfirst $field->[0], sprintf('\u%04x%s', unpack('Ca*', $field->[0]))), one_of(@edges) ] }
	elsif ($kind == 8) { $field->[0] = one_of(uc $field->[0], "$field->[0]\\u0000", '', '\ud800', "\xff", $marker) }
	else { $field->[1] = one_of(nested('[', ']', 5), '{"city": {"city": "x"}}', '{"city": "a", "City": "b"}', '{"City": "b", "CITY": "c"}', qq("$marker")) }
	return @fields;
}

# Does one thing to the bytes of a message.
sub change_bytes
{
	my ($message, $other) = @_;
	my ($place, $kind) = (draw(1 + length $message), draw(8));
	if ($kind == 0) { substr($message, $place, 1) ^= chr(1 << draw(8)) if $place < length $message }
	elsif ($kind == 1) { substr($message, $place, 0) = chr(draw(256)) }
	elsif ($kind == 2) { substr($message, $place, 1 + draw(3)) = '' }
	elsif ($kind == 3) { substr($message, $place) = '' }
	elsif ($kind == 4) { $message = substr($message, 0, $place) . substr($other, draw(length $other)) }
	elsif ($kind == 5) { substr($message, $place, 0) = one_of('"', '\\', '{', '}', '[', ']', ',', ':', "\0", "\xef\xbb\xbf") }
	elsif ($kind == 6) { $message = one_of("\0\0\0\0\1", "\0\0\0", "\xef\xbb\xbf", " \r\n", "\f", '[') . $message }
	else { $message .= one_of(' ', "\n", "\0", '{}', ',', $marker) }
	return $message;
}

# A value of a field that makes the whole message as long as that.
sub of_length
{
	my ($length, $start, $filling, $end) = @_;
	my $message = $start . $filling x (($length - length($start) - length($end)) / length $filling);
	return $message . ' ' x ($length - length($message) - length($end)) . $end;
}

# Messages about as long as the blocks and buffers that they are read into, and up to what the topic allows.
sub long_messages
{
	my @messages;
	for my $length (map({ $_ - 1, $_, $_ + 1 } 64, 128, 4096, 8187, 8192, 16384), 990_000)
	{
		push @messages, of_length($length, '{"words": "', 'x', '"}'), of_length($length, '{"words": "', 'x', '"'),
			of_length($length, '{"words": "', '\u0041', '"}'), of_length($length, '{"list": [1', ', 1', ']}');
		push @messages, of_length($length, '{"doc": ' . '[' x ($length / 3), ']', '}'), of_length($length, '{"price": 1', '0', '}'),
			of_length($length, '{"price": 1.5', '0', '}'), of_length($length, '{"other": {"a": 1', ', "b": 2', '}}'),
			of_length($length, '{"a": 1', ', "aa": 1', '}'), of_length($length, '{"short": "abc', ' ', '"}'), of_length($length, '{"words": "', "\xff", '"}')
			if $length > 5000;
	}
	push @messages, of_length(8 * 1024 * 1024 + 1, '{"words": "', 'x', '"}'), of_length(9_900_000, '{"list": [1', ', 1', ']}'), of_length(9_900_000, '{"words": "', '[', '}');
	return @messages;
}

# Deeper than the stack, nothing at all, good ones, and mutants.
my @messages = ('', '', ' ', '{}', 'null', '[]', $marker, qq("$marker"), "\0\0\0\0\1", "\0\0\0\0\1{}", long_messages(),
	map({ my ($key, $n) = @$_; map { qq({"$key": $_, "big": 1}) } nested('[', ']', $n), nested('{"a":', '}', $n), '[' x $n }
		map { my $key = $_; map { [ $key, $_ ] } 64, 1024, 5000, 20000 } qw(doc list words other place)));
my @bases = map { [ good() ] } 1 .. 15;
push @messages, map { text(@$_) } @bases;
while (@messages < $mutants)
{
	my ($kind, @fields) = (draw(10), map { [@$_] } draw(2) ? good() : @{ one_of(@bases) });
	@fields = change_fields(@fields) if $kind < 6;
	my $message = text(@fields);
	$message = change_bytes($message, text(@{ one_of(@bases) })) if $kind > 4;
	push @messages, $message;
}

# Keys that are numbers, and others that are JSON.
my @keys = ('', map { my $n = draw(10000); my $key = one_of($n, "$n.0", "-$n", qq({"id": $n, "place": {"city": "$marker"}}), qq({"ID": "$n"}));
	$key = change_bytes($key, one_of(@edges)) if draw(3) == 0; $key } 1 .. $mutants / 4);

my @headers = ([], [ "a=$marker", 'a', 'a=' ], [ "\xff\xfe=\xed\xa0\x80", '\x41=\x41', '\xff=\x' ], [ map { "$_=" . 'x' x 2000 } 1 .. 50 ]);

# Writes [key, payload]s, with one kind of headers after the other; what is empty as null every other time.
sub produce_all
{
	my ($topic, @all) = @_;
	my $file = "$ENV{TESTDIR}/messages";
	for my $i (0 .. 7)
	{
		open(my $out, '>:raw', $file) or die "$file: $!";
		print $out $_->[0], $after_key, $_->[1], $after_message for @all[ grep { $_ % 8 == $i } 0 .. $#all ];
		close $out;
		system('kcat', '-P', '-b', $ENV{KAPPA_BROKER}, '-t', $topic, '-K', $after_key, '-D', $after_message, '-l', $file, '-X', 'message.max.bytes=10485760',
			($i % 2 ? '-Z' : ()), map { ('-H', $_) } @{ $headers[$i / 2] }) == 0 or die 'kcat failed';
	}
}

# The same streams and views in a database of each encoding.
my $node = kappa_node('mutations', 'fsync = off', "timezone = 'UTC'", 'pg_kappa.batch_rows = 100');
my $columns = q{flag bool, small int2, whole int4, big int8, near float4, far float8, price numeric(10,2), words text, short varchar(5),
	at_ms timestamptz OPTIONS (unit 'ms'), at timestamptz, plain timestamp, day date, id uuid, doc jsonb, list int[], mood mood, even even,
	city text OPTIONS (path 'place.city'), sku int OPTIONS (path '/lines/0/sku~1no'), headers jsonb OPTIONS (metadata 'headers'),
	key int OPTIONS (metadata 'key'), part int OPTIONS (metadata 'partition'), place bigint OPTIONS (metadata 'offset')};
my $places = q{part int OPTIONS (metadata 'partition'), place bigint OPTIONS (metadata 'offset')};
my %streams = (
	sales => [ 'mutations', $columns ],
	numbers => [ 'mutations_keys', "key bigint OPTIONS (metadata 'key'), $places" ],
	fields => [ 'mutations_keys', "id int OPTIONS (metadata 'key', path 'id'), city text OPTIONS (metadata 'key', path 'place.city'), $places" ],
	texts => [ 'mutations_keys', "key text OPTIONS (metadata 'key'), headers jsonb OPTIONS (metadata 'headers'), $places" ]);
my %databases = (postgres => 'UTF8', latin => 'LATIN1', ascii => 'SQL_ASCII');
my @views = (sort(keys %streams), 'summed');
my %total = (mutations => scalar @messages, mutations_keys => scalar @keys);

sub query { my ($database, $query) = @_; return $node->safe_psql($database, "SET client_encoding = 'SQL_ASCII'; $query") }
sub wait_for_all { for my $database (sort keys %databases) { query($database, qq{SELECT count(kappa.wait('$_', '300s'))}) for @views } }

topic('create', 'mutations', 3, 'max.message.bytes=10485760');
topic('create', 'mutations_keys', 3);
for my $database (sort keys %databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$databases{$database}' LOCALE 'C'") if $database ne 'postgres';
	$node->safe_psql($database, 'CREATE EXTENSION pg_kappa') if $database ne 'postgres';
	$node->safe_psql($database, join "\n", q{
		CREATE TYPE mood AS ENUM ('glad', 'sad', 'so so');
		CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);}, "
		CREATE SERVER mutations FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$ENV{KAPPA_BROKER}');",
		map({ my ($topic, $columns) = @{ $streams{$_} }; qq{
		CREATE FOREIGN TABLE stream_$_ ($columns) SERVER mutations OPTIONS (topic '$topic');
		CREATE FOREIGN TABLE lenient_$_ ($columns) SERVER mutations OPTIONS (topic '$topic', on_error 'ignore');
		CREATE CONTINUOUS VIEW $_ AS SELECT * FROM stream_$_;} } sort keys %streams), q{
		CREATE CONTINUOUS VIEW summed AS SELECT mood, count(*) AS c, sum(price) AS price, sum(big) AS big, max(at) AS at, min(at_ms) AS at_ms,
			max(day) AS day, max(near) AS near, min(far) AS far, bool_or(flag) AS flag, max(list) AS list FROM stream_sales GROUP BY mood});
}
wait_for_all();
produce_all('mutations', map { [ $_, $messages[$_] ] } 0 .. $#messages);
produce_all('mutations_keys', map { [ $_, '{}' ] } @keys);
wait_for_all();

for my $database (sort keys %databases)
{
	for my $view (sort keys %streams)
	{
		my $total = $total{ $streams{$view}[0] };
		my ($rows, $dead) = split /\|/, query($database,
			qq{SELECT (SELECT count(*) FROM $view), (SELECT count(*) FROM kappa.dead_letters WHERE view = '$view'::regclass)});
		note("$database, $view: $rows rows, $dead dead letters");
		is($rows + $dead, $total, "$database, $view: each message is a row or a dead letter");
		ok($rows > $total / 10 && $dead > $total / 40, "$database, $view: there are many of both");
		is(query($database, qq{
			WITH seen AS (SELECT part, place FROM $view UNION ALL
				SELECT message_partition, message_offset FROM kappa.dead_letters WHERE view = '$view'::regclass)
			SELECT count(DISTINCT (part, place)), (SELECT sum(n) FROM (SELECT max(place) + 1 AS n FROM seen GROUP BY part) x) FROM seen}),
			"$total|$total", "$database, $view: each offset is there once");
		is(query($database, qq{SELECT sqlstate, left(error, 200) FROM kappa.dead_letters WHERE sqlstate !~ '^[0-9A-Z]{5}\$'
			OR sqlstate ~ '^(00|XX)' OR error = '' OR error ~ ('Qzx' || 'Wvk') LIMIT 20}), '', "$database, $view: dead letters have a code, and errors without what was in the message");
		is(query($database, qq{(SELECT 'missing', part, place FROM (TABLE lenient_$view EXCEPT ALL TABLE $view) x) UNION ALL
			(SELECT 'unexpected', part, place FROM (TABLE $view EXCEPT ALL TABLE lenient_$view) x) LIMIT 20}), '', "$database, $view: a SELECT that ignores bad messages reads the same rows");
		is(query($database, "SELECT kappa.retry('$view')"), 0, "$database, $view: what was bad is bad again, from the dead letter");
	}
	is(query($database, q{SELECT sum(c) + (SELECT count(*) FROM kappa.dead_letters WHERE view = 'summed'::regclass) FROM summed}),
		$total{mutations}, "$database, summed: counted or a dead letter");
	is(query($database, "SELECT * FROM kappa.verify('$_') LIMIT 20"), '', "$database, $_: verified") for @views;
	view_says($node, $_, qr/^live: $/, "$database, $_: live", $database) for @views;
	is(query($database, q{SELECT count(*) > 100 FROM kappa.dead_letters WHERE position(convert_to('Qzx' || 'Wvk', 'UTF8') IN value) > 0}),
		't', "$database: what no error shows was in many messages");
	note($node->safe_psql($database, q{SELECT sqlstate, count(*) FROM kappa.dead_letters GROUP BY 1 ORDER BY 1}));
}
is($node->safe_psql('postgres', q{
	WITH seen AS (SELECT key FROM sales UNION ALL SELECT convert_from(key, 'UTF8')::int FROM kappa.dead_letters WHERE view = 'sales'::regclass)
	SELECT count(DISTINCT key), min(key), max(key) FROM seen}), join('|', $total{mutations}, 0, $total{mutations} - 1), 'each message is there once');
my $log = slurp_file($node->logfile);
unlike($log, qr/terminated by signal|TRAP:|PANIC/, 'no crash');
unlike($log, qr/background worker "pg_kappa .* exited with exit code/, 'nor a worker that ends, but when it is told to');
ok(index($log, $marker) < 0, 'nothing of a message is in the log');

$node->stop;
done_testing();
