-- approx_top_k: the most frequent items, with bounds of their frequencies.
CREATE FUNCTION approx_top_k_trans(internal, anyelement, integer) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_top_k_trans(internal, anyelement, integer, integer) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_top_k_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_top_k_serial(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION approx_top_k_deserial(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION approx_top_k_final(internal) RETURNS jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION approx_top_k_trans(internal, anyelement, integer) IS 'aggregate transition function';
COMMENT ON FUNCTION approx_top_k_trans(internal, anyelement, integer, integer) IS 'aggregate transition function';
COMMENT ON FUNCTION approx_top_k_combine(internal, internal) IS 'aggregate combine function';
COMMENT ON FUNCTION approx_top_k_serial(internal) IS 'aggregate serial function';
COMMENT ON FUNCTION approx_top_k_deserial(bytea, internal) IS 'aggregate deserial function';
COMMENT ON FUNCTION approx_top_k_final(internal) IS 'aggregate final function';

CREATE AGGREGATE approx_top_k(item anyelement, k integer) (
    SFUNC = approx_top_k_trans, STYPE = internal, SSPACE = 4096,
    FINALFUNC = approx_top_k_final, COMBINEFUNC = approx_top_k_combine,
    SERIALFUNC = approx_top_k_serial, DESERIALFUNC = approx_top_k_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE approx_top_k(item anyelement, k integer, capacity integer) (
    SFUNC = approx_top_k_trans, STYPE = internal, SSPACE = 4096,
    FINALFUNC = approx_top_k_final, COMBINEFUNC = approx_top_k_combine,
    SERIALFUNC = approx_top_k_serial, DESERIALFUNC = approx_top_k_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE approx_top_k(anyelement, integer) IS 'the k most frequent items, as a JSON array of {item, estimate, lower, upper}; capacity 10 * k, at least 1024';
COMMENT ON AGGREGATE approx_top_k(anyelement, integer, integer) IS 'the k most frequent items, as a JSON array of {item, estimate, lower, upper}; exact up to capacity distinct items';
