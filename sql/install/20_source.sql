-- Streams: foreign tables over Kafka.
--
-- The wrapper is for superusers (and whom they grant USAGE): who may create
-- servers chooses which hosts the database server connects to.
CREATE FUNCTION kappa.kafka_fdw_handler() RETURNS fdw_handler
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION kappa.kafka_fdw_handler() IS 'pg_kappa: reads and writes Kafka topics as foreign tables';
CREATE FUNCTION kappa.kafka_fdw_validator(text[], oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION kappa.kafka_fdw_validator(text[], oid) IS 'pg_kappa: checks the options of Kafka servers, user mappings and foreign tables';

CREATE FOREIGN DATA WRAPPER kafka
    HANDLER kappa.kafka_fdw_handler VALIDATOR kappa.kafka_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER kafka IS 'pg_kappa: Kafka topics as streams';
