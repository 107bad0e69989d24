-- The approximate and mergeable aggregates as columns of continuous views: over
-- many batches a view equals its batch answer, to the last byte of each state.
\ir ../lib/pgtap.psql
SET client_min_messages = error;
SELECT plan(7);
CREATE SCHEMA types;
SET search_path = types, public;
\! topic create types 3
\! awk 'BEGIN { for (i = 1; i <= 9000; i++) printf "%d\t{\"i\":%d,\"t\":\"v%d\",\"f\":%.3f,\"g\":%d,\"m\":\"%s\"}\n", i % 3, i, i * i % 97, (i * 37 % 1009) * 1.37 - 200, i % 5, i % 7 ? "ok" : "sad" }' > "$KAPPA_TMP/types.json"
\! for p in 0 1 2; do head -4000 "$KAPPA_TMP/types.json" | awk -F '\t' -v p=$p '$1 == p { print $2 }' | kcat -P -b $KAPPA_BROKER -t types -p $p; done
CREATE SERVER types FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE FOREIGN TABLE stream (i int, t text, f float8, g int, m mood) SERVER types OPTIONS (topic 'types');

CREATE CONTINUOUS VIEW sketches AS
    SELECT g, count(*) AS n, approx_top_k(t, 3) AS top, approx_top_k(m, 1, 2) AS mood, approx_percentile(f, 0.5) AS median,
           approx_percentile(f, ARRAY[0.1, 0.9]) AS percentiles, random_sample(t, 10, i) AS sample, count_min(t) AS frequencies,
           frequency(count_min(i, 64, 2), 7) AS seven, latest(t, i) AS latest, earliest(m, f) AS earliest,
           linear_fit(f, i) AS fit, slope(linear_fit(f, i)) AS slope, r2(linear_fit(f, i)) AS r2, poisson_tail(count(*), 100, 10, 1) AS tail
    FROM stream GROUP BY g;
CREATE CONTINUOUS VIEW latest_only AS SELECT latest(t, i) AS latest, latest(nullif(t, 'v1'), g) IS NULL AS unknown FROM stream;
SELECT kappa.wait('sketches', '60s'), kappa.wait('latest_only', '60s');
SELECT is_empty($$ SELECT * FROM kappa.verify('sketches') $$, 'the first batches');
\! for p in 0 1 2; do tail -n +4001 "$KAPPA_TMP/types.json" | awk -F '\t' -v p=$p '$1 == p { print $2 }' | kcat -P -b $KAPPA_BROKER -t types -p $p; done
SELECT kappa.wait('sketches', '60s'), kappa.wait('latest_only', '60s');
SELECT is_empty($$ SELECT * FROM kappa.verify('sketches') $$, 'and the next');
SELECT is_empty($$ SELECT * FROM kappa.verify('latest_only') $$, 'without groups');

CREATE TEMP TABLE file (p int, message jsonb);
\copy file FROM PROGRAM 'cat "$KAPPA_TMP/types.json"'
CREATE TEMP TABLE message AS SELECT r.* FROM file, jsonb_to_record(message) AS r(i int, t text, f float8, g int);
SELECT results_eq('SELECT g, n, latest::text FROM sketches ORDER BY g',
    'SELECT DISTINCT ON (g) g, count(*) OVER (PARTITION BY g), t FROM message ORDER BY g, i DESC', 'the latest values');
SELECT is_empty($$ SELECT g, t FROM (SELECT g, t, count(*) AS n FROM message GROUP BY 1, 2) m JOIN sketches s USING (g)
    WHERE frequency(s.frequencies, t) < m.n $$, 'frequencies are not too low');
SELECT is_empty($$ SELECT g FROM sketches s JOIN (SELECT g, percentile_disc(0.5) WITHIN GROUP (ORDER BY f) AS median, regr_slope(f, i) AS slope FROM message GROUP BY g) m USING (g)
    WHERE abs(s.median - m.median) > 0.0054156 * abs(m.median) OR abs(s.slope - m.slope) > 1e-9 * abs(m.slope) $$, 'medians and slopes');
SELECT is_empty($$ SELECT g, e FROM sketches, jsonb_array_elements(top) e
    WHERE (e->>'estimate')::int <> (SELECT count(*) FROM message m WHERE m.g = sketches.g AND m.t = e->>'item') $$, 'the most frequent values');

SELECT * FROM finish();
DROP SCHEMA types CASCADE;
DROP SERVER types;
