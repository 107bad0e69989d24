# TLS and SASL against a broker that insists on them: who has the right credentials gets in
# without being a superuser, who has wrong ones is told why, a view goes on by itself when they
# are mended, and no secret shows up anywhere.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = "$ENV{TESTDIR}/certificates";
my @listeners = qw(SASL_PLAINTEXT SASL_SSL SSL EXPIRED STRANGER);
my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() } @listeners;
my ($password, $wrong, $key_password, $no_key) =
  ('correct-horse-battery', 'staple-horse-battery', 'horse-key-battery', 'no-horse-in-this-key');

# ---- certificates

sub openssl
{
	my $output = `openssl @_ 2>&1`;
	die "openssl @_: $output" if $?;
}

# certificate(NAME, DAYS, WHOM): of the authority that the clients should trust
sub certificate
{
	my ($name, $days, $whom) = @_;
	append_to_file("$dir/$name.names", "subjectAltName=$whom\n");
	openssl(qq{req -newkey rsa:2048 -nodes -subj /CN=$name -keyout "$dir/$name.key" -out "$dir/$name.csr"});
	openssl(qq{x509 -req -days $days -in "$dir/$name.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial }
		  . qq{-extfile "$dir/$name.names" -out "$dir/$name.pem"});
	append_to_file("$dir/$name.store", slurp_file("$dir/$name.key") . slurp_file("$dir/$name.pem"));
}

mkdir $dir or die;
for my $ca (qw(ca other))
{
	openssl(qq{req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=$ca -keyout "$dir/$ca.key" -out "$dir/$ca.pem"});
}
certificate('broker', 30, 'IP:127.0.0.1,DNS:localhost');
certificate('expired', 0, 'IP:127.0.0.1');
certificate('stranger', 30, 'DNS:elsewhere.example');
certificate('client', 30, 'DNS:client');
openssl(qq{rsa -aes256 -passout pass:$key_password -in "$dir/client.key" -out "$dir/client.locked"});
my %pem = map { $_ => slurp_file("$dir/$_") } qw(ca.pem other.pem other.key client.pem client.key client.locked);

# ---- the broker

$ENV{KAFKA_LISTENERS} = join(',', map { "$_://127.0.0.1:$port{$_}" } @listeners);
my $module = 'org.apache.kafka.common.security';
sub keystore
{
	my ($prefix, $name) = @_;
	return ("${prefix}ssl.keystore.type=PEM", "${prefix}ssl.keystore.location=$dir/$name.store");
}
broker('start', 'kafka',
	'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,'
	  . 'SASL_SSL:SASL_SSL,EXPIRED:SSL,STRANGER:SSL',
	keystore('', 'broker'), keystore('listener.name.expired.', 'expired'), keystore('listener.name.stranger.', 'stranger'),
	'ssl.truststore.type=PEM', "ssl.truststore.location=$dir/ca.pem",
	'listener.name.ssl.ssl.client.auth=required',
	'listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN',
	"listener.name.sasl_plaintext.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_app=\"$password\";",
	'listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
	"listener.name.sasl_ssl.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_app=\"$password\";",
	map { "listener.name.sasl_ssl.scram-sha-$_.sasl.jaas.config=$module.scram.ScramLoginModule required;" } (256, 512));
for my $bits (256, 512)
{
	system('java', '-cp', "$ENV{KAFKA_LIB}/*", 'kafka.admin.ConfigCommand', '--bootstrap-server', $ENV{KAPPA_BROKER},
		'--alter', '--add-config', "SCRAM-SHA-$bits=[password=$password]", '--entity-type', 'users', '--entity-name', 'app') == 0
	  or die 'no user for SCRAM';
}

# librdkafka before 2.6.1 cannot log in with SCRAM at Kafka 4.  kcat has the same one as we.
my ($major, $minor, $patch) = `kcat -V 2>&1` =~ /librdkafka (\d+)\.(\d+)\.(\d+)/ or die 'which librdkafka?';
my $scram = $major * 1_000_000 + $minor * 1000 + $patch >= 2_006_001;
note("librdkafka $major.$minor.$patch");

# ---- who has the right credentials.  All is done by somebody who is no superuser, except what names the servers.

my $node = kappa_node('security', 'fsync = off', 'log_statement = none', 'log_min_messages = debug1',
	'log_error_verbosity = verbose');

my $log_in = "sasl_username 'app', sasl_password '$password'";
my $trust = "ssl_ca_pem '$pem{'ca.pem'}'";
my $certificate = "ssl_certificate_pem '$pem{'client.pem'}'";
my %server = (
	plain => [ 'SASL_PLAINTEXT', "security_protocol 'sasl_plaintext', sasl_mechanism 'PLAIN'" ],
	sasl_tls => [ 'SASL_SSL', "security_protocol 'sasl_ssl', sasl_mechanism 'PLAIN'" ],
	scram_256 => [ 'SASL_SSL', "security_protocol 'sasl_ssl', sasl_mechanism 'SCRAM-SHA-256'" ],
	scram_512 => [ 'SASL_SSL', "security_protocol 'sasl_ssl', sasl_mechanism 'SCRAM-SHA-512'" ],
	tls => [ 'SSL', "security_protocol 'ssl'" ],
	locked => [ 'SSL', "security_protocol 'ssl'" ]);
my %mapping = (
	plain => $log_in,
	(map { $_ => "$log_in, $trust" } qw(sasl_tls scram_256 scram_512)),
	tls => "$trust, $certificate, ssl_key_pem '$pem{'client.key'}'",
	locked => "$trust, $certificate, ssl_key_pem '$pem{'client.locked'}', ssl_key_password '$key_password'");

$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE other LOGIN;
	CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	CREATE SCHEMA app AUTHORIZATION app;
	GRANT USAGE ON SCHEMA app TO PUBLIC});

# make_server(NAME, LISTENER, OPTIONS)
sub make_server
{
	my ($name, $listener, $options) = @_;
	$options = ", $options" if $options ne '';
	$node->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '127.0.0.1:$port{$listener}'$options);
		GRANT USAGE ON FOREIGN SERVER $name TO app, other});
}

# psql as a user: (what it prints, what it says to stderr)
sub as
{
	my ($user, $sql) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err,
		extra_params => [ '-U', $user, '-v', 'VERBOSITY=verbose' ]);
	return ($out, $err);
}

# A statement of app's that must succeed.  (A slow machine may warn.)
sub app
{
	my ($out, $err) = as('app', $_[0]);
	is($err, '', "no error: $_[1]") if $err =~ /ERROR/;
	return $out;
}

for my $name (sort keys %server)
{
	topic('create', $name, 2);
	make_server($name, @{ $server{$name} });
	app("CREATE USER MAPPING FOR app SERVER $name OPTIONS ($mapping{$name});
		CREATE FOREIGN TABLE app.$name (n int) SERVER $name OPTIONS (topic '$name')", $name);
	next if !$scram && $name =~ /scram/;
	app("INSERT INTO app.$name SELECT generate_series(1, 100);
		CREATE CONTINUOUS VIEW app.${name}_sum AS SELECT sum(n) FROM app.$name", $name);
	is(app("SELECT sum(n) FROM app.$name"), '5050', "$name: written and read");
	is(app("SELECT FROM kappa.wait('app.${name}_sum', '120s'); TABLE app.${name}_sum"), '5050', "$name: a view");
}

# ---- who has wrong ones

# What SELECT and INSERT say: an error of this class.
sub statements_fail
{
	my ($name, $pattern, $what, $class) = @_;
	for my $statement ("SELECT count(*) FROM app.$name", "INSERT INTO app.$name VALUES (1)")
	{
		like((as('app', $statement))[1], qr/ERROR:  $class...: .*$pattern/, "$name, $what: $statement");
	}
}

# refused(NAME, OPTIONS, PATTERN, WHAT): the options of the mapping are changed beneath a view that is live
sub refused
{
	my ($name, $options, $pattern, $what, $class) = @_;
	app("ALTER USER MAPPING FOR app SERVER $name OPTIONS ($options)", 'alter');
	statements_fail($name, $pattern, $what, $class // '08');
	view_says($node, "${name}_sum", qr/^waiting: .*$pattern/, "$name, $what: the view waits, and says for what");
}

# mended(NAME, OPTIONS): and back
sub mended
{
	my ($name, $options) = @_;
	app("ALTER USER MAPPING FOR app SERVER $name OPTIONS ($options)", 'alter');
	view_says($node, "${name}_sum", qr/^live: $/, "$name: it goes on when the mapping is right");
	is(app("TABLE app.${name}_sum"), '5050', "$name: all there");
}

# hopeless(NAME, LISTENER, OPTIONS, MAPPING, PATTERN, WHAT): a server of its own, and a view that waits from the start
sub hopeless
{
	my ($name, $listener, $options, $mapping, $pattern, $what) = @_;
	make_server($name, $listener, $options);
	app("CREATE USER MAPPING FOR app SERVER $name OPTIONS ($mapping);
		CREATE FOREIGN TABLE app.$name (n int) SERVER $name OPTIONS (topic 'plain')", $name);
	statements_fail($name, $pattern, $what, '08');
	my (undef, $err) = as('app', "CREATE CONTINUOUS VIEW app.${name}_sum AS SELECT sum(n) FROM app.$name");
	like($err, qr/WARNING: .*waits.*$pattern/s, "$name, $what: a warning at creation");
	view_says($node, "${name}_sum", qr/^waiting: .*$pattern/, "$name, $what: the view waits, and says for what");
}

my $untrusted = 'certificate verify failed.*expired, or is for another host, or of an authority that ssl_ca_pem does not name';
my $unwanted = 'the broker asks for another client certificate';

refused('plain', "SET sasl_password '$wrong'", '(?i:authentication failed)', 'wrong password');
mended('plain', "SET sasl_password '$password'");

# A broker that is busy keeps quiet first: what the view says changes when the reason is known.
broker('freeze', 'kafka');
app("ALTER USER MAPPING FOR app SERVER plain OPTIONS (SET sasl_password '$wrong')", 'alter');
view_says($node, 'plain_sum', qr/^waiting: (?!.*(?i:authentication failed))/, 'no answer: the view waits');
broker('thaw', 'kafka');
view_says($node, 'plain_sum', qr/^waiting: .*(?i:authentication failed)/, 'and says for what when the broker has refused it');
mended('plain', "SET sasl_password '$password'");

refused('plain', "SET sasl_username 'nobody'", '(?i:authentication failed)', 'wrong user');
mended('plain', "SET sasl_username 'app'");
refused('plain', 'DROP sasl_password', '"sasl_username" and "sasl_password" are required', 'no password', 'HV');
mended('plain', "ADD sasl_password '$password'");
refused('sasl_tls', "SET ssl_ca_pem '$pem{'other.pem'}'", $untrusted, 'wrong authority');
mended('sasl_tls', "SET ssl_ca_pem '$pem{'ca.pem'}'");
refused('tls', "SET ssl_ca_pem '$pem{'other.pem'}'", $untrusted, 'wrong authority');
mended('tls', "SET ssl_ca_pem '$pem{'ca.pem'}'");
refused('tls', "SET ssl_ca_pem '$no_key'", 'ssl.ca.pem.*not in PEM format', 'no certificate of an authority', 'HV');
mended('tls', "SET ssl_ca_pem '$pem{'ca.pem'}'");
refused('tls', 'DROP ssl_certificate_pem, DROP ssl_key_pem', $unwanted, 'no certificate of the client');
mended('tls', "ADD ssl_key_pem '$pem{'client.key'}', ADD $certificate");
refused('tls', "SET ssl_key_pem '$pem{'other.key'}', SET ssl_certificate_pem '$pem{'other.pem'}'", $unwanted, 'a certificate of nobody');
mended('tls', "SET ssl_key_pem '$pem{'client.key'}', SET $certificate");
refused('tls', "SET ssl_key_pem '$pem{'other.key'}'", 'ssl.key.pem.*mismatch', "a key that is not the certificate's", 'HV');
refused('tls', "SET ssl_key_pem '$no_key'", 'ssl.key.pem.*not in PEM format', 'no key', 'HV');
mended('tls', "SET ssl_key_pem '$pem{'client.key'}'");
refused('locked', "SET ssl_key_password '$wrong'", 'ssl.key.pem failed', 'wrong password of the key', 'HV');
refused('locked', 'DROP ssl_key_password', 'ssl.key.pem failed', 'no password of the key', 'HV');
mended('locked', "ADD ssl_key_password '$key_password'");
for my $name (qw(scram_256 scram_512))
{
	if ($scram)
	{
		refused($name, "SET sasl_password '$wrong'", '(?i:authentication failed)', 'wrong password');
		mended($name, "SET sasl_password '$password'");
	}
	else
	{
		statements_fail($name, 'librdkafka before 2.6.1 cannot use SCRAM', 'what is wrong', '08');
	}
}

hopeless('expired', 'EXPIRED', "security_protocol 'ssl'", $trust, $untrusted, 'expired');
hopeless('stranger', 'STRANGER', "security_protocol 'ssl'", $trust, $untrusted, "another host's");
$node->safe_psql('postgres', q{ALTER SERVER stranger OPTIONS (ADD ssl_endpoint_identification_algorithm 'none')});
view_says($node, 'stranger_sum', qr/^live: $/, 'the host name is not looked at if it should not be');
hopeless('too_plain', 'SASL_SSL', "security_protocol 'sasl_plaintext', sasl_mechanism 'PLAIN'", $log_in,
	'(?:security.protocol.*SSL listener|SSL listener.*security_protocol)', 'no TLS');
hopeless('too_secret', 'SASL_PLAINTEXT', "security_protocol 'sasl_ssl', sasl_mechanism 'PLAIN'", "$log_in, $trust",
	'SSL handshake failed.*does this port of the broker speak TLS', 'TLS');
hopeless('mechanism', 'SASL_PLAINTEXT', "security_protocol 'sasl_plaintext', sasl_mechanism 'SCRAM-SHA-256'", $log_in,
	q{Unsupported SASL mechanism: broker's supported mechanisms: PLAIN [^;]*$}, 'wrong mechanism');
$node->safe_psql('postgres', q{ALTER SERVER mechanism OPTIONS (SET sasl_mechanism 'PLAIN')});
view_says($node, 'mechanism_sum', qr/^live: $/, 'the server has got the right mechanism');

# A user name without a protocol: no contact is made.
make_server('unprotected', 'SASL_PLAINTEXT', '');
app("CREATE USER MAPPING FOR app SERVER unprotected OPTIONS ($log_in);
	CREATE FOREIGN TABLE app.unprotected (n int) SERVER unprotected OPTIONS (topic 'plain')", 'unprotected');
statements_fail('unprotected', '"sasl_username" needs option "security_protocol"', 'no protocol', 'HV');

# ---- what is for superusers, or nowhere to be put

for my $option (q{ADD ssl_ca_location '/etc/passwd'}, q{ADD sasl_mechanism 'GSSAPI'},
	q{ADD sasl_kerberos_kinit_cmd 'touch /tmp/x'}, q{ADD ssl_keystore_location '/etc/passwd'})
{
	my ($out, $err) = as('app', "ALTER USER MAPPING FOR app SERVER plain OPTIONS ($option)");
	like($err, qr/ERROR:  42501: only superusers/, "for superusers: $option");
}
like((as('postgres', qq{ALTER SERVER plain OPTIONS (ADD sasl_password 'x')}))[1], qr/ERROR:  HV/, 'no secret in a server');
like((as('app', qq{ALTER FOREIGN TABLE app.plain OPTIONS (ADD sasl_password 'x')}))[1], qr/ERROR:  HV/, 'nor in a table');

# Without a mapping of one's own one does not get in.
app('GRANT SELECT ON app.plain TO other', 'grant');
my ($out, $err) = as('other', 'SELECT count(*) FROM app.plain');
like($err, qr/ERROR:  HV002: .*"sasl_username" and "sasl_password" are required/, 'another user, without a mapping');

# ---- secrets: keys and certificates are told by a line in their middle

my @secrets = ($password, $wrong, $key_password, $no_key,
	map { (split /\n/, $pem{$_})[5] } qw(client.key client.locked other.key client.pem ca.pem other.pem));
sub holds_no_secret
{
	my ($text, $what) = @_;
	my $found = grep { index($text, $_) >= 0 } @secrets;
	is($found, 0, "no secret in $what");
}
my $mappings = 'SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL';
is((as('app', $mappings))[0], $node->safe_psql('postgres', $mappings), 'who owns a mapping reads it');
for my $user (qw(other monitor))
{
	is((as($user, $mappings))[0], '0', "$user reads no options of mappings");
	holds_no_secret(join('', as($user, "SELECT * FROM pg_foreign_server; SELECT * FROM pg_foreign_table; SELECT * FROM kappa.continuous_views;
		SELECT * FROM kappa.progress; SELECT * FROM kappa.stat_views; SELECT * FROM pg_stat_activity")), "what $user sees");
}
holds_no_secret(join('', as('app', 'EXPLAIN (ANALYZE, VERBOSE) SELECT count(*) FROM app.tls; EXPLAIN (VERBOSE) INSERT INTO app.plain VALUES (1)')), 'EXPLAIN');
holds_no_secret($node->safe_psql('postgres', q{
	SELECT * FROM pg_stat_activity; SELECT * FROM pg_foreign_server; SELECT * FROM pg_foreign_table; SELECT * FROM pg_attribute;
	SELECT * FROM kappa.continuous_views; SELECT * FROM kappa.stat_views; SELECT * FROM kappa.progress; SELECT * FROM kappa.dead_letters}),
	'what a superuser sees but the mappings');
my $log = slurp_file($node->logfile);
like($log, qr/Kafka: /, 'the log holds what librdkafka says');
holds_no_secret($log, "the server's log");

$node->stop;
broker('stop', 'kafka');
done_testing();
