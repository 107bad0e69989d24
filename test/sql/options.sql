-- What options of servers, user mappings, streams and columns may say.
-- Needs no broker: nothing here makes contact.
CREATE EXTENSION pg_kappa;

-- the wrapper itself has none, and not everybody may use it
ALTER FOREIGN DATA WRAPPER kafka OPTIONS (ADD topic 'x');
SELECT has_foreign_data_wrapper_privilege('public', 'kafka', 'USAGE');

-- servers
CREATE SERVER options_broker FOREIGN DATA WRAPPER kafka;
CREATE SERVER options_broker FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_server 'localhost:9092');
CREATE SERVER options_broker FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers '');
CREATE SERVER options_broker FOREIGN DATA WRAPPER kafka
    OPTIONS (bootstrap_servers 'localhost:9092', client_id 'kappa', socket_keepalive_enable 'true');
ALTER SERVER options_broker OPTIONS (ADD socket_timeout_ms 'soon');
ALTER SERVER options_broker OPTIONS (ADD security_protocol 'telepathy');
ALTER SERVER options_broker OPTIONS (ADD sasl_password 's');
ALTER SERVER options_broker OPTIONS (ADD ssl_key_pem 's');
ALTER SERVER options_broker OPTIONS (ADD topic 'x');
ALTER SERVER options_broker OPTIONS (ADD sasl_username 'u');
ALTER SERVER options_broker OPTIONS (ADD sasl_username 'u', ADD security_protocol 'ssl');
ALTER SERVER options_broker OPTIONS (ADD sasl_mechanism 'OAUTHBEARER');

-- what pg_kappa controls, and what nobody may set
ALTER SERVER options_broker OPTIONS (ADD enable_auto_commit 'true');
ALTER SERVER options_broker OPTIONS (ADD auto_offset_reset 'latest');
ALTER SERVER options_broker OPTIONS (ADD isolation_level 'read_uncommitted');
ALTER SERVER options_broker OPTIONS (ADD plugin_library_paths '/tmp/x.so');
ALTER SERVER options_broker OPTIONS (ADD ssl_engine_location '/tmp/x.so');
ALTER SERVER options_broker OPTIONS (ADD debug 'all');
ALTER SERVER options_broker OPTIONS (ADD log_cb 'x');
ALTER SERVER options_broker OPTIONS (ADD broker_version_fallback '0.9.0');

-- librdkafka's properties that load code, name files, run commands, speak to others than brokers, or tell secrets
CREATE FUNCTION options_taken(options text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    option text;
BEGIN
    FOREACH option IN ARRAY options LOOP
        BEGIN
            EXECUTE format('ALTER SERVER options_broker OPTIONS (ADD %I %L)', option, '/etc/passwd');
            RETURN NEXT option;
        EXCEPTION WHEN fdw_invalid_option_name OR insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT options_taken('{builtin_features, debug, enabled_events, https_ca_location, https_ca_pem, interceptors,
    internal_termination_signal, log_level, log_queue, offset_store_method, offset_store_path, opaque, open_cb, plugin_library_paths,
    sasl_oauthbearer_assertion_file, sasl_oauthbearer_assertion_jwt_template_file, sasl_oauthbearer_assertion_private_key_file,
    sasl_oauthbearer_client_secret, sasl_oauthbearer_config, sasl_oauthbearer_method, sasl_oauthbearer_token_endpoint_url,
    enable_sasl_oauthbearer_unsecure_jwt, socket_cb, ssl_ca_certificate_stores, ssl_engine_id, ssl_engine_location, ssl_providers,
    statistics_interval_ms, topic_blacklist, transactional_id}');

-- files and commands are for superusers
ALTER SERVER options_broker OPTIONS (ADD ssl_ca_location '/etc/ssl/ca.pem');
ALTER SERVER options_broker OPTIONS (DROP ssl_ca_location);
CREATE ROLE regress_options_user;
GRANT USAGE ON FOREIGN DATA WRAPPER kafka TO regress_options_user;
ALTER SERVER options_broker OWNER TO regress_options_user;
SET ROLE regress_options_user;
ALTER SERVER options_broker OPTIONS (ADD ssl_ca_location '/etc/passwd');
ALTER SERVER options_broker OPTIONS (ADD sasl_kerberos_kinit_cmd 'id');
ALTER SERVER options_broker OPTIONS (ADD sasl_kerberos_principal '$(id)');
ALTER SERVER options_broker OPTIONS (ADD sasl_mechanism 'GSSAPI');
SELECT options_taken('{ssl_ca_location, ssl_crl_location, ssl_certificate_location, ssl_key_location, ssl_keystore_location,
    sasl_kerberos_service_name, sasl_kerberos_principal, sasl_kerberos_keytab, sasl_kerberos_kinit_cmd,
    sasl_kerberos_min_time_before_relogin}');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (ssl_key_location '/etc/passwd');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (sasl_kerberos_keytab '/etc/krb5.keytab');

-- user mappings
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (sasl_usename 'u');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (username 'u', password 'secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (password 'secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (bootstrap_servers 'elsewhere:9092');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (sasl_username 'u', security_protocol 'ssl');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (sasl_username 'u', sasl_password 'secret');
RESET ROLE;

-- tables
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker;
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'no spaces');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', format 'avro');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', watermark_dealy '1 s');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', watermark_delay 'a while');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', watermark_delay '-1 second');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', watermark_delay '1 month');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', watermark_delay 'none');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', on_error 'panic');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', reject_limit '10');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', on_error 'ignore', reject_limit '0');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', on_error 'ignore', reject_limit 'none');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', sasl_username 'u');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker OPTIONS (topic 'x', fetch_max_bytes '1');
CREATE FOREIGN TABLE options_stream (n int) SERVER options_broker
    OPTIONS (topic 'x', format 'json', event_time 'sold_at', watermark_delay '10 seconds', watermark_max_ahead 'none',
             idle_timeout '1 minute', on_error 'ignore', reject_limit '10', group_id 'g');
ALTER FOREIGN TABLE options_stream OPTIONS (DROP topic);

-- columns
ALTER FOREIGN TABLE options_stream ADD COLUMN c text OPTIONS (pth 'a.b');
ALTER FOREIGN TABLE options_stream ADD COLUMN c text OPTIONS (path '');
ALTER FOREIGN TABLE options_stream ADD COLUMN c text OPTIONS (path 'a..b');
ALTER FOREIGN TABLE options_stream ADD COLUMN c text OPTIONS (path '/a~b');
DO $$ BEGIN
    EXECUTE format('ALTER FOREIGN TABLE options_stream ADD COLUMN c text OPTIONS (path %L)', repeat('/a', 65));
END $$;
ALTER FOREIGN TABLE options_stream ADD COLUMN c text OPTIONS (metadata 'offsets');
ALTER FOREIGN TABLE options_stream ADD COLUMN c text OPTIONS (metadata 'offset', path 'a');
ALTER FOREIGN TABLE options_stream ADD COLUMN c timestamptz OPTIONS (unit 'minutes');
ALTER FOREIGN TABLE options_stream ADD COLUMN c timestamptz OPTIONS (unit 'ms', path '/lines/0/at');

-- values that are too long for Kafka's protocol, or for librdkafka's stack
CREATE FUNCTION options_error(statement text, value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(statement, value);
    RETURN 'taken';
EXCEPTION WHEN fdw_invalid_attribute_value THEN
    RETURN SQLERRM;
END $$;
SELECT options_error('ALTER SERVER options_broker OPTIONS (SET bootstrap_servers %L)', repeat('x', 20000000));
SELECT options_error('ALTER SERVER options_broker OPTIONS (SET client_id %L)', repeat('x', 32768));
SELECT options_error('ALTER SERVER options_broker OPTIONS (SET client_id %L)', repeat('x', 32767));
SELECT options_error('ALTER FOREIGN TABLE options_stream OPTIONS (SET group_id %L)', repeat('x', 32768));
SELECT options_error('CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (sasl_password %L)', repeat('x', 20000000));
SELECT options_error('CREATE USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (ssl_key_pem %L)', repeat('x', 1048577));

-- what options alone do not show
SELECT * FROM options_stream;
ALTER FOREIGN TABLE options_stream OPTIONS (SET event_time 'n');
SELECT * FROM options_stream;
ALTER FOREIGN TABLE options_stream OPTIONS (SET event_time 'c');
EXPLAIN (COSTS OFF) SELECT n FROM options_stream WHERE n > 0;

-- credentials without a protocol are refused before contact is made
GRANT SELECT ON options_stream TO regress_options_user;
SET ROLE regress_options_user;
SELECT * FROM options_stream;
ALTER SERVER options_broker OPTIONS (ADD security_protocol 'sasl_plaintext');
SELECT * FROM options_stream;
ALTER SERVER options_broker OPTIONS (ADD sasl_mechanism 'PLAIN');
ALTER USER MAPPING FOR CURRENT_USER SERVER options_broker OPTIONS (DROP sasl_password);
SELECT * FROM options_stream;
RESET ROLE;

SET client_min_messages = warning;
DROP SERVER options_broker CASCADE;
DROP FUNCTION options_taken, options_error;
REVOKE USAGE ON FOREIGN DATA WRAPPER kafka FROM regress_options_user;
DROP ROLE regress_options_user;
DROP EXTENSION pg_kappa;
