-- What follows goes to the schema of the extension again.
SET LOCAL search_path = @extschema@, pg_temp;

-- hyperloglog: how many distinct values, approximately, in a mergeable state.
-- Objects for users: in the schema that CREATE EXTENSION names.

CREATE TYPE hyperloglog;

CREATE FUNCTION hyperloglog_in(cstring) RETURNS hyperloglog
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION hyperloglog_recv(internal) RETURNS hyperloglog
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
-- A value is stored as a bytea, so bytea's own functions do for these.
CREATE FUNCTION hyperloglog_out(hyperloglog) RETURNS cstring
    AS 'byteaout' LANGUAGE internal STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION hyperloglog_send(hyperloglog) RETURNS bytea
    AS 'byteasend' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE hyperloglog (
    INPUT = hyperloglog_in, OUTPUT = hyperloglog_out,
    RECEIVE = hyperloglog_recv, SEND = hyperloglog_send,
    STORAGE = external          -- random bits: compression would find nothing
);
COMMENT ON TYPE hyperloglog IS 'a set of which the number of distinct members can be estimated (HyperLogLog)';
COMMENT ON FUNCTION hyperloglog_in(cstring) IS 'I/O';
COMMENT ON FUNCTION hyperloglog_out(hyperloglog) IS 'I/O';
COMMENT ON FUNCTION hyperloglog_recv(internal) IS 'I/O';
COMMENT ON FUNCTION hyperloglog_send(hyperloglog) IS 'I/O';

-- Casts, explicit only: from bytea checks that the bytes are a state.
CREATE FUNCTION hyperloglog_from_bytea(bytea) RETURNS hyperloglog
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hyperloglog_from_bytea(bytea) IS 'checks the bytes of a stored hyperloglog; used by the cast';
CREATE CAST (bytea AS hyperloglog) WITH FUNCTION hyperloglog_from_bytea(bytea);
CREATE CAST (hyperloglog AS bytea) WITHOUT FUNCTION;

-- Equality: one set of values has exactly one stored form.
CREATE FUNCTION hyperloglog_eq(hyperloglog, hyperloglog) RETURNS boolean
    AS 'byteaeq' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION hyperloglog_ne(hyperloglog, hyperloglog) RETURNS boolean
    AS 'byteane' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION hyperloglog_hash(hyperloglog) RETURNS integer
    AS 'hashvarlena' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION hyperloglog_hash_extended(hyperloglog, bigint) RETURNS bigint
    AS 'hashvarlenaextended' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hyperloglog_eq(hyperloglog, hyperloglog) IS 'implementation of = operator';
COMMENT ON FUNCTION hyperloglog_ne(hyperloglog, hyperloglog) IS 'implementation of <> operator';
COMMENT ON FUNCTION hyperloglog_hash(hyperloglog) IS 'hash';
COMMENT ON FUNCTION hyperloglog_hash_extended(hyperloglog, bigint) IS 'hash';

CREATE OPERATOR = (
    LEFTARG = hyperloglog, RIGHTARG = hyperloglog, FUNCTION = hyperloglog_eq,
    COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
CREATE OPERATOR <> (
    LEFTARG = hyperloglog, RIGHTARG = hyperloglog, FUNCTION = hyperloglog_ne,
    COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR = (hyperloglog, hyperloglog) IS 'same state';
COMMENT ON OPERATOR <> (hyperloglog, hyperloglog) IS 'different states';

CREATE OPERATOR CLASS hyperloglog_ops DEFAULT FOR TYPE hyperloglog USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 hyperloglog_hash(hyperloglog),
    FUNCTION 2 hyperloglog_hash_extended(hyperloglog, bigint);

-- What a user does with states.
CREATE FUNCTION hyperloglog_empty("precision" integer DEFAULT 12) RETURNS hyperloglog
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hyperloglog_empty(integer) IS 'the state of no values';

CREATE FUNCTION hyperloglog_union(hyperloglog, hyperloglog) RETURNS hyperloglog
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION hyperloglog_union(hyperloglog, hyperloglog) IS 'implementation of || operator';
CREATE OPERATOR || (
    LEFTARG = hyperloglog, RIGHTARG = hyperloglog, FUNCTION = hyperloglog_union,
    COMMUTATOR = ||
);
COMMENT ON OPERATOR || (hyperloglog, hyperloglog) IS 'the state of both sets of values, at the lower precision';

CREATE FUNCTION cardinality(hyperloglog) RETURNS bigint
    AS 'MODULE_PATHNAME', 'hyperloglog_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cardinality(hyperloglog) IS 'estimated number of distinct values';

CREATE FUNCTION hyperloglog_precision(hyperloglog) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hyperloglog_precision(hyperloglog) IS 'the precision: the state has 2^precision registers';

-- Aggregates.
CREATE FUNCTION hyperloglog_agg_trans(internal, anyelement) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION hyperloglog_agg_trans(internal, anyelement, integer) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION hyperloglog_union_agg_trans(internal, hyperloglog) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION hyperloglog_agg_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION hyperloglog_agg_serial(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION hyperloglog_agg_deserial(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION hyperloglog_agg_final(internal) RETURNS hyperloglog
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_count_distinct_final(internal) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hyperloglog_agg_trans(internal, anyelement) IS 'aggregate transition function';
COMMENT ON FUNCTION hyperloglog_agg_trans(internal, anyelement, integer) IS 'aggregate transition function';
COMMENT ON FUNCTION hyperloglog_union_agg_trans(internal, hyperloglog) IS 'aggregate transition function';
COMMENT ON FUNCTION hyperloglog_agg_combine(internal, internal) IS 'aggregate combine function';
COMMENT ON FUNCTION hyperloglog_agg_serial(internal) IS 'aggregate serial function';
COMMENT ON FUNCTION hyperloglog_agg_deserial(bytea, internal) IS 'aggregate deserial function';
COMMENT ON FUNCTION hyperloglog_agg_final(internal) IS 'aggregate final function';
COMMENT ON FUNCTION approx_count_distinct_final(internal) IS 'aggregate final function';

CREATE AGGREGATE hyperloglog_agg(anyelement) (
    SFUNC = hyperloglog_agg_trans, STYPE = internal, SSPACE = 1024,
    FINALFUNC = hyperloglog_agg_final, COMBINEFUNC = hyperloglog_agg_combine,
    SERIALFUNC = hyperloglog_agg_serial, DESERIALFUNC = hyperloglog_agg_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE hyperloglog_agg(anyelement, "precision" integer) (
    SFUNC = hyperloglog_agg_trans, STYPE = internal, SSPACE = 1024,
    FINALFUNC = hyperloglog_agg_final, COMBINEFUNC = hyperloglog_agg_combine,
    SERIALFUNC = hyperloglog_agg_serial, DESERIALFUNC = hyperloglog_agg_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE hyperloglog_union_agg(hyperloglog) (
    SFUNC = hyperloglog_union_agg_trans, STYPE = internal, SSPACE = 1024,
    FINALFUNC = hyperloglog_agg_final, COMBINEFUNC = hyperloglog_agg_combine,
    SERIALFUNC = hyperloglog_agg_serial, DESERIALFUNC = hyperloglog_agg_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE approx_count_distinct(anyelement) (
    SFUNC = hyperloglog_agg_trans, STYPE = internal, SSPACE = 1024,
    FINALFUNC = approx_count_distinct_final, COMBINEFUNC = hyperloglog_agg_combine,
    SERIALFUNC = hyperloglog_agg_serial, DESERIALFUNC = hyperloglog_agg_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE approx_count_distinct(anyelement, "precision" integer) (
    SFUNC = hyperloglog_agg_trans, STYPE = internal, SSPACE = 1024,
    FINALFUNC = approx_count_distinct_final, COMBINEFUNC = hyperloglog_agg_combine,
    SERIALFUNC = hyperloglog_agg_serial, DESERIALFUNC = hyperloglog_agg_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE hyperloglog_agg(anyelement) IS 'the set of the distinct values, as a hyperloglog of precision 12';
COMMENT ON AGGREGATE hyperloglog_agg(anyelement, integer) IS 'the set of the distinct values, as a hyperloglog of the given precision';
COMMENT ON AGGREGATE hyperloglog_union_agg(hyperloglog) IS 'the union of all states, at their lowest precision';
COMMENT ON AGGREGATE approx_count_distinct(anyelement) IS 'estimated number of distinct values, standard error 1.6 %';
COMMENT ON AGGREGATE approx_count_distinct(anyelement, integer) IS 'estimated number of distinct values, standard error 1.04 / sqrt(2^precision)';

-- The storage format of the extension hll (postgresql-hll).
CREATE FUNCTION hyperloglog_to_hll(hyperloglog, regwidth integer DEFAULT 5, expthresh bigint DEFAULT -1, sparseon integer DEFAULT 1) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hyperloglog_to_hll(hyperloglog, integer, bigint, integer) IS 'in the storage format of postgresql-hll, for its cast from bytea; the parameters are those of its type';
CREATE FUNCTION hyperloglog_from_hll(bytea) RETURNS hyperloglog
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hyperloglog_from_hll(bytea) IS 'from the storage format of postgresql-hll, as given by its function hll_send';
