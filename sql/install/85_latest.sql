-- latest, earliest: the value at the highest and the lowest time.
CREATE FUNCTION latest_trans(internal, anyelement, anycompatible) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION earliest_trans(internal, anyelement, anycompatible) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION latest_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION latest_serial(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION latest_deserial(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION latest_final(internal, anyelement, anycompatible) RETURNS anyelement
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION latest_trans(internal, anyelement, anycompatible) IS 'aggregate transition function';
COMMENT ON FUNCTION earliest_trans(internal, anyelement, anycompatible) IS 'aggregate transition function';
COMMENT ON FUNCTION latest_combine(internal, internal) IS 'aggregate combine function';
COMMENT ON FUNCTION latest_serial(internal) IS 'aggregate serial function';
COMMENT ON FUNCTION latest_deserial(bytea, internal) IS 'aggregate deserial function';
COMMENT ON FUNCTION latest_final(internal, anyelement, anycompatible) IS 'aggregate final function';

CREATE AGGREGATE latest(value anyelement, "at" anycompatible) (
    SFUNC = latest_trans, STYPE = internal, SSPACE = 128,
    FINALFUNC = latest_final, FINALFUNC_EXTRA,
    COMBINEFUNC = latest_combine,
    SERIALFUNC = latest_serial, DESERIALFUNC = latest_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE earliest(value anyelement, "at" anycompatible) (
    SFUNC = earliest_trans, STYPE = internal, SSPACE = 128,
    FINALFUNC = latest_final, FINALFUNC_EXTRA,
    COMBINEFUNC = latest_combine,
    SERIALFUNC = latest_serial, DESERIALFUNC = latest_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE latest(anyelement, anycompatible) IS 'the value with the highest "at", which may be NULL; of several the largest';
COMMENT ON AGGREGATE earliest(anyelement, anycompatible) IS 'the value with the lowest "at", which may be NULL; of several the largest';
