-- pg_kappa 0.1: made from sql/install/*.sql, in the order of their names.
\echo Use "CREATE EXTENSION pg_kappa" to load this file. \quit

-- kappa: what users and administrators look at and call.  kappa_state: what
-- continuous views are made of.  Both names are fixed; types, aggregates and
-- window functions go to the schema that CREATE EXTENSION names.
CREATE SCHEMA kappa;
CREATE SCHEMA kappa_state;
GRANT USAGE ON SCHEMA kappa, kappa_state TO PUBLIC;
COMMENT ON SCHEMA kappa IS 'pg_kappa: state, progress and control of continuous views';
COMMENT ON SCHEMA kappa_state IS 'pg_kappa: state tables and hidden views of continuous views';
