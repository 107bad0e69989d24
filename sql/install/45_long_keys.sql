-- Group keys that are too long for a btree index are indexed by digests.
CREATE FUNCTION kappa.key_digest(key anyelement) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_key_digest';
COMMENT ON FUNCTION kappa.key_digest(anyelement) IS 'of a text or bytea: short bytes that are the same for equal values, and else not';
