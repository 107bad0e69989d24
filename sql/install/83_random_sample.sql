-- random_sample: a uniform sample of rows, the same for any order and batches.
CREATE FUNCTION random_sample_trans(internal, anyelement, integer, anycompatible) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION random_sample_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION random_sample_serial(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION random_sample_deserial(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION random_sample_final(internal, anyelement, integer, anycompatible) RETURNS anyarray
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION random_sample_trans(internal, anyelement, integer, anycompatible) IS 'aggregate transition function';
COMMENT ON FUNCTION random_sample_combine(internal, internal) IS 'aggregate combine function';
COMMENT ON FUNCTION random_sample_serial(internal) IS 'aggregate serial function';
COMMENT ON FUNCTION random_sample_deserial(bytea, internal) IS 'aggregate deserial function';
COMMENT ON FUNCTION random_sample_final(internal, anyelement, integer, anycompatible) IS 'aggregate final function';

CREATE AGGREGATE random_sample(value anyelement, n integer, id anycompatible) (
    SFUNC = random_sample_trans, STYPE = internal, SSPACE = 1024,
    FINALFUNC = random_sample_final, FINALFUNC_EXTRA,
    COMBINEFUNC = random_sample_combine,
    SERIALFUNC = random_sample_serial, DESERIALFUNC = random_sample_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE random_sample(anyelement, integer, anycompatible) IS 'the values of n rows chosen by the hash of id: a uniform sample, in random order, the same whenever the same rows are aggregated';
