-- Bytes from outside that are no state: an error, never a crash.
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
-- accepted: empty, one token, two; sparse ranks; and dense
SELECT v, cardinality(v)
FROM unnest(ARRAY['\x010c', '\x0104808020', '\x010405010003']::hyperloglog[]) v;
SELECT cardinality('\x018400010000000000'::hyperloglog);

-- headers
SELECT ''::hyperloglog;
SELECT '\x01'::hyperloglog;
SELECT '\x020c'::hyperloglog;
SELECT '\x0103'::hyperloglog;
SELECT '\x0113'::hyperloglog;
SELECT '\x014c'::hyperloglog;
-- tokens: unfinished, superfluous zero, too large, too large together, rank missing, 0, too large, too many
SELECT '\x010c80'::hyperloglog;
SELECT '\x010c808000'::hyperloglog;
SELECT '\x010c8080808001'::hyperloglog;
SELECT '\x010c80808020'::hyperloglog;
SELECT '\x010cffffff1f00'::hyperloglog;
SELECT '\x010c05'::hyperloglog;
SELECT '\x010c0500'::hyperloglog;
SELECT '\x010c0528'::hyperloglog;
SELECT '\x0104808020000000'::hyperloglog;
-- registers: none, too few, base too large, no outside byte, outside byte too large, bytes left over
SELECT '\x0184'::hyperloglog;
SELECT '\x0184000100000000'::hyperloglog;
SELECT '\x018438010000000000'::hyperloglog;
SELECT '\x018400070000000000'::hyperloglog;
SELECT '\x0184000700000000003e'::hyperloglog;
SELECT '\x01840001000000000000'::hyperloglog;
-- not canonical: all registers 0, an outside byte that is not, another base
SELECT '\x018400000000000000'::hyperloglog;
SELECT '\x01840007000000000003'::hyperloglog;
SELECT '\x018401010000000000'::hyperloglog;
-- text that is no bytea
SELECT '\x0'::hyperloglog;
SELECT '\xzz'::hyperloglog;
-- the cast and the receive function are as strict
SELECT '\x0184'::bytea::hyperloglog;
SELECT hyperloglog_from_hll('\x');
SELECT hyperloglog_from_hll('\x228b7f');
SELECT hyperloglog_from_hll('\x108b7f');
SELECT hyperloglog_from_hll('\x158b7f');
SELECT hyperloglog_from_hll('\x11837f');
SELECT hyperloglog_from_hll('\x11937f');
SELECT hyperloglog_from_hll('\x118b7f00');
SELECT hyperloglog_from_hll('\x128b7f00');
SELECT hyperloglog_from_hll('\x128b7f00000000000000010000000000000001');
SELECT hyperloglog_from_hll('\x138b7f002100200001');
SELECT hyperloglog_from_hll('\x138b7f00210021');
SELECT hyperloglog_from_hll('\x148b7f00');
SELECT hyperloglog_from_hll('\x14c47fffffffffffffffffffffffffffff');
-- 16 registers of 2 bits, all at their end: any number of values
SELECT hyperloglog_from_hll('\x14247fffffffff');
SELECT hyperloglog_to_hll(hyperloglog_empty(), 0);
SELECT hyperloglog_to_hll(hyperloglog_empty(), 5, 3);
SELECT hyperloglog_to_hll(hyperloglog_empty(), 5, 0, 2);

-- Every byte of three states changed to every 17th value, every length: a
-- state or error 22P03, and what is taken comes out as it went in.
CREATE FUNCTION try(b bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF b::hyperloglog::bytea <> b OR cardinality(b::hyperloglog) < 0 THEN
        RETURN 'wrong';
    END IF;
    RETURN 'state';
EXCEPTION WHEN invalid_binary_representation THEN
    RETURN 'refused';
END $$;
CREATE TEMP TABLE states AS
    SELECT p, n, hyperloglog_agg(i, p)::bytea AS b
    FROM (VALUES (4, 2), (4, 1000), (7, 15), (7, 200)) AS v(p, n), generate_series(1, n) i GROUP BY 1, 2;
SELECT p, n, try(set_byte(b, at, value)), count(*) > 0 AS some
FROM states, generate_series(0, length(b) - 1) at, generate_series(0, 255, 17) value
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT p, n, try(substr(b, 1, len)), count(*) > 0 AS some
FROM states, generate_series(0, length(b)) len GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
DROP FUNCTION try;

-- Binary input, by COPY: accepted as written, refused when changed.
\set file `echo ${KAPPA_TMP:-/tmp}/hyperloglog_hostile.$$`
\setenv FILE :file
CREATE TEMP TABLE h (v hyperloglog);
CREATE TEMP TABLE raw (v bytea);
INSERT INTO h SELECT hyperloglog_agg(i) FROM generate_series(1, 2000) i;
\copy h to program 'cat > "$FILE"' (format binary)
\copy h from program 'cat "$FILE"' (format binary)
SELECT count(*), count(DISTINCT v::text), min(cardinality(v)) BETWEEN 1900 AND 2100 AS "right" FROM h;
INSERT INTO raw VALUES ('\x018c');
\copy raw to program 'cat > "$FILE"' (format binary)
\copy h from program 'cat "$FILE"' (format binary)
\! rm -f "$FILE"
DROP EXTENSION pg_kappa CASCADE;
