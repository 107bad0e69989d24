-- count_min: estimated frequency of any item, in a mergeable state.
CREATE TYPE count_min;
CREATE FUNCTION count_min_in(cstring) RETURNS count_min
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION count_min_recv(internal) RETURNS count_min
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
-- A value is stored as a bytea, so bytea's own functions do for these.
CREATE FUNCTION count_min_out(count_min) RETURNS cstring
    AS 'byteaout' LANGUAGE internal STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION count_min_send(count_min) RETURNS bytea
    AS 'byteasend' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE count_min (
    INPUT = count_min_in, OUTPUT = count_min_out,
    RECEIVE = count_min_recv, SEND = count_min_send,
    STORAGE = extended
);
COMMENT ON TYPE count_min IS 'estimated frequencies of items (count-min sketch)';
COMMENT ON FUNCTION count_min_in(cstring) IS 'I/O';
COMMENT ON FUNCTION count_min_out(count_min) IS 'I/O';
COMMENT ON FUNCTION count_min_recv(internal) IS 'I/O';
COMMENT ON FUNCTION count_min_send(count_min) IS 'I/O';

-- The aggregate has the type's name, and PostgreSQL would take a call with one
-- string for a cast to the type, by its input function.  Where a cast by a
-- function of another name exists, it does not.
CREATE FUNCTION count_min_from_text(text) RETURNS count_min
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION count_min_from_text(character) RETURNS count_min
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION count_min_from_text(name) RETURNS count_min
    AS 'MODULE_PATHNAME', 'count_min_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION count_min_from_text(text) IS 'as count_min''s input; used by the cast';
COMMENT ON FUNCTION count_min_from_text(character) IS 'as count_min''s input; used by the cast';
COMMENT ON FUNCTION count_min_from_text(name) IS 'as count_min''s input; used by the cast';
CREATE CAST (text AS count_min) WITH FUNCTION count_min_from_text(text);
CREATE CAST (varchar AS count_min) WITH FUNCTION count_min_from_text(text);
CREATE CAST (character AS count_min) WITH FUNCTION count_min_from_text(character);
CREATE CAST (name AS count_min) WITH FUNCTION count_min_from_text(name);

CREATE FUNCTION count_min_union(count_min, count_min) RETURNS count_min
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION count_min_union(count_min, count_min) IS 'implementation of || operator';
CREATE OPERATOR || (
    LEFTARG = count_min, RIGHTARG = count_min, FUNCTION = count_min_union,
    COMMUTATOR = ||
);
COMMENT ON OPERATOR || (count_min, count_min) IS 'the frequencies in both inputs together';

CREATE FUNCTION frequency(count_min, anyelement) RETURNS bigint
    AS 'MODULE_PATHNAME', 'count_min_frequency' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
-- for literals, which have no type
CREATE FUNCTION frequency(count_min, text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'count_min_frequency' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION frequency(count_min, anyelement) IS 'estimated frequency of an item: at least the true one';
COMMENT ON FUNCTION frequency(count_min, text) IS 'estimated frequency of an item: at least the true one';

CREATE FUNCTION count_min_agg_trans(internal, anyelement) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION count_min_agg_trans(internal, anyelement, integer, integer) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION count_min_union_agg_trans(internal, count_min) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION count_min_agg_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION count_min_agg_serial(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION count_min_agg_deserial(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION count_min_agg_final(internal) RETURNS count_min
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION count_min_agg_trans(internal, anyelement) IS 'aggregate transition function';
COMMENT ON FUNCTION count_min_agg_trans(internal, anyelement, integer, integer) IS 'aggregate transition function';
COMMENT ON FUNCTION count_min_union_agg_trans(internal, count_min) IS 'aggregate transition function';
COMMENT ON FUNCTION count_min_agg_combine(internal, internal) IS 'aggregate combine function';
COMMENT ON FUNCTION count_min_agg_serial(internal) IS 'aggregate serial function';
COMMENT ON FUNCTION count_min_agg_deserial(bytea, internal) IS 'aggregate deserial function';
COMMENT ON FUNCTION count_min_agg_final(internal) IS 'aggregate final function';

CREATE AGGREGATE count_min(anyelement) (
    SFUNC = count_min_agg_trans, STYPE = internal, SSPACE = 4096,
    FINALFUNC = count_min_agg_final, COMBINEFUNC = count_min_agg_combine,
    SERIALFUNC = count_min_agg_serial, DESERIALFUNC = count_min_agg_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE count_min(anyelement, width integer, depth integer) (
    SFUNC = count_min_agg_trans, STYPE = internal, SSPACE = 4096,
    FINALFUNC = count_min_agg_final, COMBINEFUNC = count_min_agg_combine,
    SERIALFUNC = count_min_agg_serial, DESERIALFUNC = count_min_agg_deserial,
    PARALLEL = SAFE
);
CREATE AGGREGATE count_min_union_agg(count_min) (
    SFUNC = count_min_union_agg_trans, STYPE = internal, SSPACE = 65536,
    FINALFUNC = count_min_agg_final, COMBINEFUNC = count_min_agg_combine,
    SERIALFUNC = count_min_agg_serial, DESERIALFUNC = count_min_agg_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE count_min(anyelement) IS 'frequencies of all items, of width 2048 and depth 4: too high by at most 0.13 % of all values, in 98 % of all cases';
COMMENT ON AGGREGATE count_min(anyelement, integer, integer) IS 'frequencies of all items: too high by at most e / width of all values, with probability 1 - exp(-depth)';
COMMENT ON AGGREGATE count_min_union_agg(count_min) IS 'the frequencies in all inputs together';
