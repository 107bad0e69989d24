-- approx_percentile: percentiles to a relative error of 0.54 %.
CREATE FUNCTION approx_percentile_trans(internal, double precision, double precision) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_percentile_trans(internal, double precision, double precision[]) RETURNS internal
    AS 'MODULE_PATHNAME', 'approx_percentile_array_trans' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_percentile_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_percentile_serial(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION approx_percentile_deserial(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION approx_percentile_final(internal) RETURNS double precision
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION approx_percentile_array_final(internal) RETURNS double precision[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION approx_percentile_trans(internal, double precision, double precision) IS 'aggregate transition function';
COMMENT ON FUNCTION approx_percentile_trans(internal, double precision, double precision[]) IS 'aggregate transition function';
COMMENT ON FUNCTION approx_percentile_combine(internal, internal) IS 'aggregate combine function';
COMMENT ON FUNCTION approx_percentile_serial(internal) IS 'aggregate serial function';
COMMENT ON FUNCTION approx_percentile_deserial(bytea, internal) IS 'aggregate deserial function';
COMMENT ON FUNCTION approx_percentile_final(internal) IS 'aggregate final function';
COMMENT ON FUNCTION approx_percentile_array_final(internal) IS 'aggregate final function';

CREATE AGGREGATE approx_percentile(value double precision, fraction double precision) (
    SFUNC = approx_percentile_trans, STYPE = internal, SSPACE = 4096,
    FINALFUNC = approx_percentile_final, COMBINEFUNC = approx_percentile_combine,
    SERIALFUNC = approx_percentile_serial, DESERIALFUNC = approx_percentile_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE approx_percentile(value double precision, fractions double precision[]) (
    SFUNC = approx_percentile_trans, STYPE = internal, SSPACE = 4096,
    FINALFUNC = approx_percentile_array_final, COMBINEFUNC = approx_percentile_combine,
    SERIALFUNC = approx_percentile_serial, DESERIALFUNC = approx_percentile_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE approx_percentile(double precision, double precision) IS 'the value that percentile_disc gives, to a relative error of 0.54 %';
COMMENT ON AGGREGATE approx_percentile(double precision, double precision[]) IS 'the values that percentile_disc gives, to a relative error of 0.54 %';
