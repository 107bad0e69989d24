-- The test's own tools: a topic with known messages, read back.
\ir ../lib/pgtap.psql
SELECT plan(2);

\! topic create broker_t 3
\! seq 1 1000 | kcat -P -b $KAPPA_BROKER -t broker_t -p 1
SELECT is(:'broker' ~ ':[0-9]+$', true, 'the broker has an address');
CREATE TEMP TABLE got (n int);
\copy got FROM PROGRAM 'kcat -C -m 60 -q -e -b $KAPPA_BROKER -t broker_t'
SELECT results_eq('SELECT count(*), sum(n) FROM got', 'VALUES (1000::bigint, 500500::bigint)',
	'what was produced can be consumed');

SELECT * FROM finish();
