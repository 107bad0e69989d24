-- Does a view equal its batch answer?

CREATE FUNCTION kappa.verify(view regclass)
    RETURNS TABLE (side text, "row" jsonb)
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'kappa_verify';
COMMENT ON FUNCTION kappa.verify(regclass) IS
    'compares a continuous view with its query over the same messages of the topic; no rows: they are equal';
