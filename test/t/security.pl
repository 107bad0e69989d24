# TLS and SASL against a broker that insists on them: who has the right credentials gets in
# without being a superuser, who has wrong ones is told why, and no secret shows up anywhere.
use strict;
use warnings;
use KappaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = "$ENV{TESTDIR}/certificates";
my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() } qw(SASL_PLAINTEXT SASL_SSL SSL);
my ($password, $wrong) = ('correct-horse-battery', 'staple-horse-battery');

sub openssl
{
	my $output = `openssl @_ 2>&1`;
	die "openssl @_: $output" if $?;
}

# Two authorities, of which the broker's clients should trust the first, and certificates of it.
mkdir $dir or die;
append_to_file("$dir/san", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
for my $ca (qw(ca other))
{
	openssl(qq{req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=$ca -keyout "$dir/$ca.key" -out "$dir/$ca.pem"});
}
for my $name (qw(broker client))
{
	openssl(qq{req -newkey rsa:2048 -nodes -subj /CN=$name -keyout "$dir/$name.key" -out "$dir/$name.csr"});
	openssl(qq{x509 -req -days 30 -in "$dir/$name.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial }
		  . qq{-extfile "$dir/san" -out "$dir/$name.pem"});
}
append_to_file("$dir/keystore.pem", slurp_file("$dir/broker.key") . slurp_file("$dir/broker.pem"));
my %pem = map { $_ => slurp_file("$dir/$_") } qw(ca.pem other.pem client.pem client.key);

$ENV{KAFKA_LISTENERS} = join(',', map { "$_://127.0.0.1:$port{$_}" } sort keys %port);
my $module = 'org.apache.kafka.common.security';
broker('start', 'kafka',
	'ssl.keystore.type=PEM', "ssl.keystore.location=$dir/keystore.pem",
	'ssl.truststore.type=PEM', "ssl.truststore.location=$dir/ca.pem",
	'listener.name.ssl.ssl.client.auth=required',
	'listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN',
	"listener.name.sasl_plaintext.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_app=\"$password\";",
	'listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256',
	"listener.name.sasl_ssl.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_app=\"$password\";",
	"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=$module.scram.ScramLoginModule required;");
system('java', '-cp', "$ENV{KAFKA_LIB}/*", 'kafka.admin.ConfigCommand', '--bootstrap-server', $ENV{KAPPA_BROKER},
	'--alter', '--add-config', "SCRAM-SHA-256=[password=$password]", '--entity-type', 'users', '--entity-name', 'app') == 0
  or die 'no user for SCRAM';

my $node = kappa_node('security', 'fsync = off', 'log_statement = none', 'log_min_messages = debug1',
	'log_error_verbosity = verbose');

# All that follows is done by somebody who is no superuser, except what names the servers.
my %server = (
	plain => "127.0.0.1:$port{SASL_PLAINTEXT}', security_protocol 'sasl_plaintext', sasl_mechanism 'PLAIN",
	sasl_tls => "127.0.0.1:$port{SASL_SSL}', security_protocol 'sasl_ssl', sasl_mechanism 'PLAIN",
	scram => "127.0.0.1:$port{SASL_SSL}', security_protocol 'sasl_ssl', sasl_mechanism 'SCRAM-SHA-256",
	tls => "127.0.0.1:$port{SSL}', security_protocol 'ssl");
my %mapping = (
	plain => "sasl_username 'app', sasl_password '$password'",
	sasl_tls => "sasl_username 'app', sasl_password '$password', ssl_ca_pem '$pem{'ca.pem'}'",
	tls => "ssl_ca_pem '$pem{'ca.pem'}', ssl_certificate_pem '$pem{'client.pem'}', ssl_key_pem '$pem{'client.key'}'");
$mapping{scram} = $mapping{sasl_tls};

# librdkafka before 2.6.1 cannot log in with SCRAM at Kafka 4: ask another client of it.
my $scram = system('kcat', '-Lqm', '10', '-b', "127.0.0.1:$port{SASL_SSL}", map { ('-X', $_) }
	  ('security.protocol=sasl_ssl', 'sasl.mechanism=SCRAM-SHA-256', 'sasl.username=app',
		"sasl.password=$password", "ssl.ca.location=$dir/ca.pem")) == 0;

$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE other LOGIN;
	CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	CREATE SCHEMA app AUTHORIZATION app;
	GRANT USAGE ON SCHEMA app TO PUBLIC});
for my $name (sort keys %server)
{
	topic('create', $name, 2);
	$node->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '$server{$name}');
		GRANT USAGE ON FOREIGN SERVER $name TO app, other});
}

# psql as app: (what it prints, what it says to stderr)
sub as
{
	my ($user, $sql) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err,
		extra_params => [ '-U', $user, '-v', 'VERBOSITY=verbose' ]);
	return ($out, $err);
}

# A statement of app's that must succeed.
sub app
{
	my ($out, $err) = as('app', $_[0]);
	is($err, '', "no error: $_[1]") if $err ne '';
	return $out;
}

for my $name (grep { $scram || $_ ne 'scram' } sort keys %server)
{
	app(qq{CREATE USER MAPPING FOR app SERVER $name OPTIONS ($mapping{$name});
		CREATE FOREIGN TABLE app.$name (n int) SERVER $name OPTIONS (topic '$name');
		INSERT INTO app.$name SELECT generate_series(1, 100);
		CREATE CONTINUOUS VIEW app.${name}_sum AS SELECT sum(n) FROM app.$name}, $name);
	is(app("SELECT sum(n) FROM app.$name"), '5050', "$name: written and read");
	is(app("SELECT FROM kappa.wait('app.${name}_sum', '120s'); TABLE app.${name}_sum"), '5050', "$name: a view");
}

# Whoever asks the view about its state until it is $status.
sub await_status
{
	my ($view, $status) = @_;
	$node->poll_query_until('postgres',
		"SELECT status = '$status' FROM kappa.continuous_views WHERE viewname = '$view'");
	return $node->safe_psql('postgres', "SELECT status || ': ' || coalesce(error, '') FROM kappa.continuous_views WHERE viewname = '$view'");
}

# refused(NAME, OPTIONS, PATTERN): with these options of the mapping instead
sub refused
{
	my ($name, $options, $pattern, $what) = @_;
	my ($out, $err);

	app("DROP CONTINUOUS VIEW app.${name}_sum; ALTER USER MAPPING FOR app SERVER $name OPTIONS ($options)", 'alter');
	for my $statement ("SELECT count(*) FROM app.$name", "INSERT INTO app.$name VALUES (1)")
	{
		($out, $err) = as('app', $statement);
		like($err, qr/ERROR:  08004: .*$pattern/, "$name, $what: $statement");
	}
	($out, $err) = as('app', "CREATE CONTINUOUS VIEW app.${name}_sum AS SELECT sum(n) FROM app.$name");
	like($err, qr/WARNING/, "$name, $what: a warning at creation");
	like(await_status("${name}_sum", 'waiting'), qr/^waiting: .*$pattern/, "$name, $what: the view waits, and says for what");
	return;
}

# mended(NAME, OPTIONS): and back
sub mended
{
	my ($name, $options) = @_;
	app("ALTER USER MAPPING FOR app SERVER $name OPTIONS ($options)", 'alter');
	like(await_status("${name}_sum", 'live'), qr/^live: $/, "$name: it goes on when the mapping is right");
	is(app("TABLE app.${name}_sum"), '5050', "$name: all there");
}

refused('plain', "SET sasl_password '$wrong'", '(?i:authentication failed)', 'wrong password');
mended('plain', "SET sasl_password '$password'");
refused('sasl_tls', "SET ssl_ca_pem '$pem{'other.pem'}'", '(?i:certificate)', 'wrong authority');
mended('sasl_tls', "SET ssl_ca_pem '$pem{'ca.pem'}'");
if ($scram)
{
	refused('scram', "SET sasl_password '$wrong'", '(?i:authentication failed)', 'wrong password');
	mended('scram', "SET sasl_password '$password'");
}
else
{
	app("CREATE USER MAPPING FOR app SERVER scram OPTIONS ($mapping{scram}); CREATE FOREIGN TABLE app.scram (n int) SERVER scram OPTIONS (topic 'scram')");
	like((as('app', 'SELECT count(*) FROM app.scram'))[1], qr/ERROR:  08004: .*librdkafka before 2.6.1/, 'SCRAM: what is wrong');
}
refused('tls', "SET ssl_ca_pem '$pem{'other.pem'}'", '(?i:certificate)', 'wrong authority');
mended('tls', "SET ssl_ca_pem '$pem{'ca.pem'}'");

# What is for superusers, or nowhere to be put.
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
like($err, qr/ERROR:  HV00L: .*sasl.password must be set/, 'another user, without a mapping');

# Secrets: the key is told by a line in its middle.
my $key_line = (split /\n/, $pem{'client.key'})[5];
my @secrets = ($password, $wrong, $key_line);
sub holds_no_secret
{
	my ($text, $what) = @_;
	my $found = grep { index($text, $_) >= 0 } @secrets;
	is($found, 0, "no secret in $what");
}
is((as('app', 'SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL'))[0], '4', 'who owns a mapping reads it');
for my $user (qw(other monitor))
{
	is((as($user, 'SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL'))[0], '0', "$user reads no options of mappings");
	holds_no_secret(join('', as($user, "SELECT * FROM pg_foreign_server; SELECT * FROM pg_foreign_table; SELECT * FROM kappa.continuous_views;
		SELECT * FROM kappa.progress; SELECT * FROM kappa.stat_views; SELECT * FROM pg_stat_activity")), "what $user sees");
}
holds_no_secret(join('', as('app', 'EXPLAIN (ANALYZE, VERBOSE) SELECT count(*) FROM app.tls; EXPLAIN (VERBOSE) INSERT INTO app.plain VALUES (1)')), 'EXPLAIN');
holds_no_secret($node->safe_psql('postgres', 'SELECT * FROM pg_stat_activity; SELECT * FROM kappa.continuous_views; SELECT * FROM kappa.stat_views'),
	'the activity');
holds_no_secret(slurp_file($node->logfile), "the server's log");

$node->stop;
broker('stop', 'kafka');
done_testing();
