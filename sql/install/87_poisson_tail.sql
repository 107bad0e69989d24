-- poisson_tail: an anomaly score for counts.
CREATE FUNCTION poisson_tail(k bigint, sum double precision, exposure double precision, t double precision)
    RETURNS double precision
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION poisson_tail(bigint, double precision, double precision, double precision) IS 'probability of k or more events in a time of t, when there were sum in a time of exposure';
