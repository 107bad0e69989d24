-- To and from postgresql-hll, where that extension is installed.
SELECT NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hll') AS no_hll \gset
\if :no_hll
\echo 'the extension hll is not installed'
\quit
\endif
SET client_min_messages = warning;
CREATE EXTENSION pg_kappa;
CREATE EXTENSION hll;

-- What hll builds of the same values, byte for byte: every precision that it
-- can hold, sets from one value to many, bigint and text.
CREATE TEMP TABLE sizes AS
    SELECT p, n FROM generate_series(4, 16, 3) p, unnest(ARRAY[1, 5, 100, 3000, 40000]) n;
SELECT count(*) AS sets,
       count(*) FILTER (WHERE theirs <> ours) AS different
FROM sizes, LATERAL (
    SELECT hll_send(hll_add_agg(hll_hash_bigint(i), p, 5, 0, 1)) AS theirs,
           hyperloglog_to_hll(hyperloglog_agg(i, p), 5, 0, 1) AS ours
    FROM generate_series(1, n::bigint) i) s;
SELECT count(*) AS sets,
       count(*) FILTER (WHERE theirs <> ours) AS different
FROM sizes, LATERAL (
    SELECT hll_send(hll_add_agg(hll_hash_text('item ' || i), p, 6, 0, 0)) AS theirs,
           hyperloglog_to_hll(hyperloglog_agg('item ' || i, p), 6, 0, 0) AS ours
    FROM generate_series(1, n) i) s;
SELECT hll_send(hll_empty(12, 5, -1, 1)) = hyperloglog_to_hll(hyperloglog_empty()) AS empty;

-- integers and smallints too: here they are all hashed as bigint
SELECT hyperloglog_to_hll(hyperloglog_agg(i::smallint), 5, 0, 1) =
       hll_send(hll_add_agg(hll_hash_bigint(i), 12, 5, 0, 1)) AS same
FROM generate_series(1, 1000) i;

-- And back.  Explicit sets become the state of the values themselves.
SELECT count(*) AS sets,
       count(*) FILTER (WHERE hyperloglog_from_hll(theirs) <> ours) AS different
FROM (VALUES (4), (12), (16)) AS precisions(p), unnest(ARRAY[0, 1, 2, 50, 128]) n, LATERAL (
    SELECT hll_send(coalesce(hll_add_agg(hll_hash_bigint(i), p, 5, 128, 1), hll_empty(p, 5, 128, 1))) AS theirs,
           coalesce(hyperloglog_agg(i, p), hyperloglog_empty(p)) AS ours
    FROM generate_series(1, n::bigint) i) s;
-- Registers become a dense state: the same as ours when that is dense.
SELECT count(*) AS sets,
       count(*) FILTER (WHERE hyperloglog_from_hll(theirs) <> ours) AS different
FROM generate_series(4, 16, 3) p, unnest(ARRAY[1, 0]) sparse, LATERAL (
    SELECT hll_send(hll_add_agg(hll_hash_bigint(i), p, 6, 0, sparse)) AS theirs,
           hyperloglog_agg(i, p) AS ours
    FROM generate_series(1, 20000::bigint) i) s;
-- Of few values it is another state, with the same registers.
SELECT hyperloglog_from_hll(theirs) <> ours AS another,
       hyperloglog_to_hll(hyperloglog_from_hll(theirs), 5, 0, 1) = theirs AS same_registers,
       cardinality(hyperloglog_from_hll(theirs)) BETWEEN 97 AND 103 AS estimate,
       hyperloglog_from_hll(theirs) || ours = hyperloglog_from_hll(theirs) AS united
FROM (SELECT hll_send(hll_add_agg(hll_hash_bigint(i), 12, 5, 0, 1)) AS theirs,
             hyperloglog_agg(i) AS ours
      FROM generate_series(1, 100::bigint) i) s;

-- hll takes what we give: unions, and its own estimate.
SELECT round(hll_cardinality(a || b)) AS theirs_united, a || b = ab AS same
FROM (SELECT hyperloglog_to_hll(hyperloglog_agg(i) FILTER (WHERE i <= 6000), 5, 0, 1)::hll AS a,
             hll_add_agg(hll_hash_bigint(i), 12, 5, 0, 1) FILTER (WHERE i > 4000) AS b,
             hll_add_agg(hll_hash_bigint(i), 12, 5, 0, 1) AS ab
      FROM generate_series(1, 10000::bigint) i) s;
DROP EXTENSION hll CASCADE;
DROP EXTENSION pg_kappa CASCADE;
