-- linear_fit: a least squares line, from a mergeable state of exact sums.
CREATE TYPE linear_fit;
CREATE FUNCTION linear_fit_in(cstring) RETURNS linear_fit
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION linear_fit_recv(internal) RETURNS linear_fit
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
-- A value is stored as a bytea, so bytea's own functions do for these.
CREATE FUNCTION linear_fit_out(linear_fit) RETURNS cstring
    AS 'byteaout' LANGUAGE internal STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION linear_fit_send(linear_fit) RETURNS bytea
    AS 'byteasend' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE linear_fit (
    INPUT = linear_fit_in, OUTPUT = linear_fit_out,
    RECEIVE = linear_fit_recv, SEND = linear_fit_send,
    STORAGE = extended
);
COMMENT ON TYPE linear_fit IS 'points to which a straight line is fitted: their number and exact sums';
COMMENT ON FUNCTION linear_fit_in(cstring) IS 'I/O';
COMMENT ON FUNCTION linear_fit_out(linear_fit) IS 'I/O';
COMMENT ON FUNCTION linear_fit_recv(internal) IS 'I/O';
COMMENT ON FUNCTION linear_fit_send(linear_fit) IS 'I/O';

CREATE FUNCTION linear_fit_union(linear_fit, linear_fit) RETURNS linear_fit
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION linear_fit_union(linear_fit, linear_fit) IS 'implementation of || operator';
CREATE OPERATOR || (
    LEFTARG = linear_fit, RIGHTARG = linear_fit, FUNCTION = linear_fit_union,
    COMMUTATOR = ||
);
COMMENT ON OPERATOR || (linear_fit, linear_fit) IS 'the points of both';

CREATE FUNCTION slope(linear_fit) RETURNS double precision
    AS 'MODULE_PATHNAME', 'linear_fit_slope' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION intercept(linear_fit) RETURNS double precision
    AS 'MODULE_PATHNAME', 'linear_fit_intercept' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION r2(linear_fit) RETURNS double precision
    AS 'MODULE_PATHNAME', 'linear_fit_r2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION predict(linear_fit, x double precision) RETURNS double precision
    AS 'MODULE_PATHNAME', 'linear_fit_predict' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION slope(linear_fit) IS 'slope of the line; NULL if all x are equal';
COMMENT ON FUNCTION intercept(linear_fit) IS 'y of the line at x = 0; NULL if all x are equal';
COMMENT ON FUNCTION r2(linear_fit) IS 'square of the correlation coefficient; NULL if all x are equal';
COMMENT ON FUNCTION predict(linear_fit, double precision) IS 'y of the line at x; NULL if all x are equal';

CREATE FUNCTION linear_fit_agg_trans(internal, double precision, double precision) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION linear_fit_union_agg_trans(internal, linear_fit) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION linear_fit_agg_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION linear_fit_agg_serial(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION linear_fit_agg_deserial(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION linear_fit_agg_final(internal) RETURNS linear_fit
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION linear_fit_agg_trans(internal, double precision, double precision) IS 'aggregate transition function';
COMMENT ON FUNCTION linear_fit_union_agg_trans(internal, linear_fit) IS 'aggregate transition function';
COMMENT ON FUNCTION linear_fit_agg_combine(internal, internal) IS 'aggregate combine function';
COMMENT ON FUNCTION linear_fit_agg_serial(internal) IS 'aggregate serial function';
COMMENT ON FUNCTION linear_fit_agg_deserial(bytea, internal) IS 'aggregate deserial function';
COMMENT ON FUNCTION linear_fit_agg_final(internal) IS 'aggregate final function';

CREATE AGGREGATE linear_fit(y double precision, x double precision) (
    SFUNC = linear_fit_agg_trans, STYPE = internal, SSPACE = 5600,
    FINALFUNC = linear_fit_agg_final, COMBINEFUNC = linear_fit_agg_combine,
    SERIALFUNC = linear_fit_agg_serial, DESERIALFUNC = linear_fit_agg_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE linear_fit_union_agg(linear_fit) (
    SFUNC = linear_fit_union_agg_trans, STYPE = internal, SSPACE = 5600,
    FINALFUNC = linear_fit_agg_final, COMBINEFUNC = linear_fit_agg_combine,
    SERIALFUNC = linear_fit_agg_serial, DESERIALFUNC = linear_fit_agg_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE linear_fit(double precision, double precision) IS 'the points (x, y), to fit a line y = intercept + slope * x';
COMMENT ON AGGREGATE linear_fit_union_agg(linear_fit) IS 'the points of all inputs';
