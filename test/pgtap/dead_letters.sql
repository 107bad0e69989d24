-- Messages that cannot be counted become dead letters, once, with the reason, and only for
-- the views that cannot count them.
\ir ../lib/pgtap.psql
SELECT plan(22);
CREATE SCHEMA letters;
SET search_path = letters, public;

\! topic create letters 1
\! sales 200 | cut -f2 > $KAPPA_TMP/letters
\! (sed -n 1,50p $KAPPA_TMP/letters; echo '{"n": 1001, "machine": "no number", "item": "x", "price": 1}'; echo 'no json'; sed -n 51,120p $KAPPA_TMP/letters; echo '{"n": 1002, "machine": 1, "price": "1e400000"}'; echo '[1]'; echo '{"n": 1003, "machine": 0, "item": "zero", "price": 1}'; sed -n 121,200p $KAPPA_TMP/letters) > $KAPPA_TMP/letters.all
\! kcat -P -b $KAPPA_BROKER -t letters -p 0 -H sent_by=till -l $KAPPA_TMP/letters.all
CREATE SERVER letters FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE sales (machine int, item text, price numeric(8,2), n bigint) SERVER letters OPTIONS (topic 'letters');

CREATE CONTINUOUS VIEW items AS SELECT item, count(*) AS c FROM sales GROUP BY item;
CREATE CONTINUOUS VIEW machines AS SELECT machine, count(*) AS c, sum(price) AS revenue FROM sales GROUP BY machine;
CREATE CONTINUOUS VIEW shares AS SELECT count(*) AS c, sum(n / (machine - 0)) AS s FROM sales WHERE item = 'zero' OR item = 'tea';
SELECT kappa.wait(v::regclass, '60s') FROM unnest('{items,machines,shares}'::text[]) v \g /dev/null

SELECT results_eq($$SELECT message_offset FROM kappa.dead_letters WHERE view = 'items'::regclass ORDER BY 1$$,
	'VALUES (51::bigint), (123)', 'items: only what is no JSON object');
SELECT is((SELECT count(*) FROM kappa.dead_letters WHERE view = 'items'::regclass), 2::bigint, 'items: two of them');
SELECT is((SELECT sum(c) FROM items), 203::numeric, 'items: all others are counted');
SELECT results_eq($$SELECT message_offset FROM kappa.dead_letters WHERE view = 'machines'::regclass ORDER BY 1$$,
	'VALUES (50::bigint), (51), (122), (123)', 'machines: also what does not convert');
SELECT is((SELECT sum(c) FROM machines), 201::numeric, 'machines: all others are counted');
SELECT results_eq($$SELECT message_offset, sqlstate FROM kappa.dead_letters WHERE view = 'shares'::regclass AND message_offset = 124$$,
	$$VALUES (124::bigint, '22012')$$, 'shares: an error of the query itself');
SELECT is((SELECT count(*) FROM kappa.dead_letters WHERE view = 'machines'::regclass AND (left(sqlstate, 2) <> '22' OR error = '')),
	0::bigint, 'each has an SQLSTATE of class 22 and a reason');
SELECT is(convert_from(value, 'UTF8'), 'no json', 'the payload is kept')
FROM kappa.dead_letters WHERE view = 'items'::regclass AND message_offset = 51;
SELECT is(headers, '[{"key": "sent_by", "value": "till"}]', 'and the headers, that the views have no column for')
FROM kappa.dead_letters WHERE view = 'items'::regclass AND message_offset = 51;
SELECT is((SELECT count(*) FROM kappa.dead_letters WHERE error ~ 'no number|no json'), 0::bigint, 'no value is quoted in the error');
SELECT results_eq($$SELECT DISTINCT stream, topic, message_partition, generation, message_timestamp IS NOT NULL FROM kappa.dead_letters
	WHERE stream = 'sales'::regclass$$, $$VALUES ('sales'::regclass, 'letters', 0, 1, true)$$, 'where they come from');
SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', v), v || ': verified') FROM unnest('{items,machines,shares}'::text[]) v;

-- After a pause and more of them: each once.
\! kcat -P -b $KAPPA_BROKER -t letters -p 0 -l $KAPPA_TMP/letters.all
SELECT kappa.wait(v::regclass, '60s') FROM unnest('{items,machines,shares}'::text[]) v \g /dev/null
SELECT results_eq($$SELECT view::text, count(*) FROM kappa.dead_letters WHERE stream = 'sales'::regclass AND view IN ('items'::regclass, 'machines') GROUP BY 1 ORDER BY 1$$,
	$$VALUES ('items', 4::bigint), ('machines', 8)$$, 'those of the second delivery are messages of their own');
SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', v), v || ': verified again') FROM unnest('{items,machines,shares}'::text[]) v;

-- One message that is too deep for an expression is a dead letter, too.
\! topic create letters_deep 1
CREATE FOREIGN TABLE deep (n int, words text) SERVER letters OPTIONS (topic 'letters_deep');
CREATE CONTINUOUS VIEW words AS SELECT n, words::jsonb AS words FROM deep;
INSERT INTO deep VALUES (1, '[1]'), (2, repeat('[', 50000)), (3, '[3]');
SELECT kappa.wait('words', '60s') \g /dev/null
SELECT results_eq('SELECT n FROM words ORDER BY n', 'VALUES (1), (3)', 'the others are counted');
SELECT results_eq($$SELECT message_offset, sqlstate FROM kappa.dead_letters WHERE view = 'words'::regclass$$, $$VALUES (1::bigint, '54001')$$, 'too deep for the stack');

-- An error under a code of the user's own fails the view; what it says may quote a message, and stays out of monitoring.
CREATE FUNCTION refuse(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE EXCEPTION 'refused: %', $1 USING ERRCODE = 'KA001';
END $$;
CREATE CONTINUOUS VIEW refused AS SELECT refuse(item) AS item, count(*) AS c FROM sales GROUP BY 1;
SELECT throws_matching($$SELECT kappa.wait('refused', '60s')$$, 'refused has failed', 'the view has failed');
SELECT results_eq($$SELECT status, error ~ 'KA001', error ~ 'tea|refused:' FROM kappa.continuous_views WHERE viewname = 'refused'$$,
	$$VALUES ('failed', true, false)$$, 'its error quotes the code, and no value');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA letters CASCADE;
DROP SERVER letters CASCADE;
