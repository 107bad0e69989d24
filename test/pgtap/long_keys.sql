-- Group keys that do not fit into a btree index: texts of thousands of bytes.
\ir ../lib/pgtap.psql
SELECT plan(22);
CREATE SCHEMA long_keys;
SET search_path = long_keys, public;
SET TimeZone = 'UTC';

-- Twenty long texts, none of which compresses, in two cases each, and a short one; all of them several times.
\! topic create long_keys 2
\! perl -e 'srand(4); my @k = ((map { my $n = 2000 + 1000 * $_; join "", map { chr(97 + rand 26) } 1 .. $n } 0 .. 19), "short"); for my $i (0 .. 1999) { my $k = $k[$i % 21]; $k = uc $k if $i % 5 == 0; printf qq({"k": "%s", "n": %d, "at": "2026-01-01T00:%02d:00Z"}\n), $k, $i, $i % 3 }' > $KAPPA_TMP/long_keys
\! head -n 5 $KAPPA_TMP/long_keys | jq -c '{k: "plain", n, at}' | kcat -P -b $KAPPA_BROKER -t long_keys
CREATE SERVER long_keys FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FOREIGN TABLE texts (k text, n int, at timestamptz)
	SERVER long_keys OPTIONS (topic 'long_keys', event_time 'at');

CREATE CONTINUOUS VIEW by_text AS SELECT k, count(*), sum(n) FROM texts GROUP BY k;
CREATE CONTINUOUS VIEW by_folded AS SELECT k COLLATE nd AS k, count(*), sum(n) FROM texts GROUP BY 1;
CREATE CONTINUOUS VIEW by_window AS
	SELECT k, n % 2 AS odd, tumble(at, '1 minute') AS minute, count(*), sum(n) FROM texts GROUP BY 1, 2, 3;
CREATE CONTINUOUS VIEW by_several AS
	SELECT nullif(k, upper(k)) AS up, k::bytea AS b, nullif(n, n)::numeric AS x, k::char(9000) AS c, count(*), sum(n) FROM texts GROUP BY 1, 2, 3, 4;
CREATE CONTINUOUS VIEW by_array AS SELECT ARRAY[k] AS ks, count(*), sum(n) FROM texts WHERE n < 42 GROUP BY 1;
CREATE CONTINUOUS VIEW by_length AS SELECT length(k) AS length, count(*), sum(n) FROM texts GROUP BY 1;
SELECT kappa.wait(v::regclass, '60s') FROM unnest(ARRAY['by_text', 'by_folded', 'by_window', 'by_array', 'by_several', 'by_length']) v \g /dev/null

-- The plain index, as long as it does.
SELECT is((SELECT count(*) FROM pg_index WHERE indrelid = (SELECT state FROM kappa.views WHERE view = 'by_text'::regclass)),
	1::bigint, 'one index');
\! kcat -P -b $KAPPA_BROKER -t long_keys -l $KAPPA_TMP/long_keys
SELECT kappa.wait(v::regclass, '60s') FROM unnest(ARRAY['by_text', 'by_folded', 'by_window', 'by_array', 'by_several', 'by_length']) v \g /dev/null

SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', v), v || ': verified')
FROM unnest(ARRAY['by_text', 'by_folded', 'by_window', 'by_array', 'by_several', 'by_length']) v;
SELECT results_eq('SELECT DISTINCT view::text, sqlstate FROM kappa.dead_letters WHERE stream = ''texts''::regclass',
	$$ VALUES ('by_array', '54000') $$, 'dead letters');

CREATE TABLE expected (k text, n int, at timestamptz);
CREATE TABLE lines (line text);
\set file :tmp '/long_keys'
COPY lines FROM :'file';
INSERT INTO expected SELECT substring(line FROM '"k": "(\w+)"'), substring(line FROM '"n": (\d+)')::int,
	substring(line FROM '"at": "(.*)"')::timestamptz FROM lines;
INSERT INTO expected SELECT 'plain', n, at FROM expected ORDER BY n LIMIT 5;
SELECT bag_eq('SELECT * FROM by_text', 'SELECT k, count(*), sum(n) FROM expected GROUP BY k', 'texts');
SELECT bag_eq('SELECT lower(k), count, sum FROM by_folded', 'SELECT lower(k), count(*), sum(n) FROM expected GROUP BY 1', 'texts under a nondeterministic collation');
SELECT bag_eq('SELECT * FROM by_window', $$ SELECT k, n % 2, date_trunc('minute', at), count(*), sum(n) FROM expected GROUP BY 1, 2, 3 $$, 'texts and windows');
SELECT bag_eq('SELECT * FROM by_several', 'SELECT nullif(k, upper(k)) AS a, k::bytea AS b, NULL::numeric AS c, k::char(9000) AS d, count(*), sum(n) FROM expected GROUP BY 1, 2, 3, 4', 'several, and NULL');
SELECT bag_eq('SELECT ks[1], count, sum FROM by_array', 'SELECT k, count(*), sum(n) FROM expected WHERE length(k) < 2600 AND n < 42 GROUP BY k', 'arrays, as far as the index takes them');
SELECT bag_eq('SELECT * FROM by_length', 'SELECT length(k), count(*), sum(n) FROM expected GROUP BY 1', 'lengths');

-- Conditions on group columns and windows still reach an index.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql SET enable_seqscan = off AS
	$$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT matches((SELECT string_agg(p, E'\n') FROM long_keys.plan($$ SELECT * FROM by_text WHERE k = 'short' $$) p),
	'Index Cond: \(k = ''short''::text\)|Recheck Cond: \(k = ''short''::text\)', 'a condition on a text');
SELECT matches((SELECT string_agg(p, E'\n') FROM long_keys.plan($$ SELECT * FROM by_window WHERE minute >= '2026-01-01 00:02Z' AND minute < '2026-01-01 00:03Z' $$) p),
	'Index Cond: \(\(minute >= ', 'a condition on windows');
SELECT results_eq($$ SELECT count, sum FROM by_text WHERE k = 'short' $$, $$ SELECT count(*), sum(n) FROM expected WHERE k = 'short' $$, 'one group');
SELECT is((SELECT min(sum) FROM by_text WHERE k = (SELECT max(k) FROM expected)),
	(SELECT sum(n) FROM expected WHERE k = (SELECT max(k) FROM expected)), 'one group with a long key');

-- Equal values have equal digests, whatever equal means.
SELECT ok(kappa.key_digest('a'::char(3)) = kappa.key_digest('a  '::char(3))
	AND kappa.key_digest('Ab'::text COLLATE nd) = kappa.key_digest('aB'::text COLLATE nd)
	AND kappa.key_digest('Ab'::text) <> kappa.key_digest('aB'::text), 'digests');

-- Long keys that come by way of a dead letter: nothing of its chunk is lost.
CREATE FUNCTION weight(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE EXCEPTION ''not yet''; END';
SET client_min_messages = error;
CREATE CONTINUOUS VIEW by_retry AS SELECT k, sum(weight(n)) AS s FROM texts WHERE n < 42 GROUP BY k;
SELECT kappa.wait('by_retry', '60s') \g /dev/null
CREATE OR REPLACE FUNCTION weight(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n';
SELECT is(kappa.retry('by_retry'), (SELECT count(*) FROM expected WHERE n < 42), 'retried');
SELECT is_empty('SELECT * FROM kappa.verify(''by_retry'')', 'and counted');
SELECT is((SELECT count(*) FROM by_retry), (SELECT count(DISTINCT k) FROM expected WHERE n < 42), 'each group');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA long_keys CASCADE;
DROP SERVER long_keys;
