-- States of aggregates whose transition type is internal, serialised.
CREATE TYPE kappa.aggregate_state;
CREATE FUNCTION kappa.aggregate_state_in(cstring) RETURNS kappa.aggregate_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_aggregate_state_in';
CREATE FUNCTION kappa.aggregate_state_out(kappa.aggregate_state) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_aggregate_state_out';
CREATE TYPE kappa.aggregate_state (
    INPUT = kappa.aggregate_state_in, OUTPUT = kappa.aggregate_state_out,
    INTERNALLENGTH = VARIABLE, STORAGE = external
);
COMMENT ON TYPE kappa.aggregate_state IS 'state of an aggregate in a continuous view';

CREATE FUNCTION kappa.aggregate_serialize(internal) RETURNS kappa.aggregate_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_aggregate_serialize';
CREATE FUNCTION kappa.aggregate_combine(kappa.aggregate_state, kappa.aggregate_state, aggregate regprocedure)
    RETURNS kappa.aggregate_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_aggregate_combine';
CREATE FUNCTION kappa.aggregate_combine(kappa.aggregate_state, kappa.aggregate_state, aggregate regprocedure, VARIADIC arguments "any")
    RETURNS kappa.aggregate_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_aggregate_combine';
CREATE FUNCTION kappa.aggregate_finalize(kappa.aggregate_state, aggregate regprocedure, result anyelement)
    RETURNS anyelement
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_aggregate_finalize';
CREATE FUNCTION kappa.aggregate_finalize(kappa.aggregate_state, aggregate regprocedure, result anyelement, VARIADIC arguments "any")
    RETURNS anyelement
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_aggregate_finalize';
COMMENT ON FUNCTION kappa.aggregate_serialize(internal) IS 'final function of partial aggregates';
COMMENT ON FUNCTION kappa.aggregate_combine(kappa.aggregate_state, kappa.aggregate_state, regprocedure) IS 'combines two states of an aggregate';
COMMENT ON FUNCTION kappa.aggregate_combine(kappa.aggregate_state, kappa.aggregate_state, regprocedure, "any") IS 'combines two states of an aggregate with arguments of these types and collation';
COMMENT ON FUNCTION kappa.aggregate_finalize(kappa.aggregate_state, regprocedure, anyelement) IS 'result of an aggregate from its state';
COMMENT ON FUNCTION kappa.aggregate_finalize(kappa.aggregate_state, regprocedure, anyelement, "any") IS 'result of an aggregate from its state, with arguments of these types and collation';

CREATE FUNCTION kappa.partial_aggregate(aggregate regprocedure) RETURNS regprocedure
    LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'kappa_partial_aggregate';
REVOKE EXECUTE ON FUNCTION kappa.partial_aggregate(regprocedure) FROM PUBLIC;
COMMENT ON FUNCTION kappa.partial_aggregate(regprocedure) IS 'the aggregate in kappa_state that gives the state of this one; makes it if need be';

-- The partial forms of PostgreSQL's own aggregates: of all that combine and
-- are not their own partial form.
DO $$
DECLARE
    a regprocedure;
BEGIN
    FOR a IN
        SELECT aggfnoid FROM pg_aggregate JOIN pg_proc p ON p.oid = aggfnoid
         WHERE pronamespace = 'pg_catalog'::regnamespace AND aggkind = 'n' AND aggcombinefn <> 0
           AND CASE WHEN aggtranstype = 'internal'::regtype THEN aggserialfn <> 0 ELSE aggfinalfn <> 0 END
           AND proname NOT IN ('sum', 'avg', 'array_agg', 'string_agg')
         ORDER BY aggfnoid
    LOOP
        PERFORM kappa.partial_aggregate(a);
    END LOOP;
END $$;
