-- From a topic to continuous views, each checked by kappa.verify and by an answer that
-- jq computes from the file that was produced.
\ir ../lib/pgtap.psql
SELECT plan(21);
CREATE SCHEMA spine;
SET search_path = spine, public;
SET TimeZone = 'UTC';

\! topic create spine 3
\! sales 20000 > $KAPPA_TMP/spine
\! head -n 12000 $KAPPA_TMP/spine | kcat -P -b $KAPPA_BROKER -t spine -K '\t'
\! cut -f2 $KAPPA_TMP/spine > $KAPPA_TMP/spine.json

CREATE SERVER spine FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE sales (
	machine int,
	item    text,
	price   numeric(8,2),
	sold_at timestamptz,
	healthy boolean,
	city    text OPTIONS (path 'place.city'),
	floor   int  OPTIONS (path 'place.floor'),
	n       bigint
) SERVER spine OPTIONS (topic 'spine', format 'json', event_time 'sold_at', watermark_delay '20 seconds');
CREATE TABLE machines (machine int PRIMARY KEY, owner text, area text);
INSERT INTO machines SELECT m, 'owner ' || m % 7, CASE WHEN m % 3 = 0 THEN 'north' END FROM generate_series(0, 29) m;

CREATE CONTINUOUS VIEW items_sold AS
	SELECT tumble(sold_at, '1 minute') AS minute, item, count(*) AS sold, count(price) AS priced,
		sum(price) AS revenue, avg(price) AS mean, min(price) AS cheapest, max(price) AS dearest,
		count(*) FILTER (WHERE healthy) AS healthy, bool_and(healthy) AS all_healthy,
		bool_or(healthy) AS any_healthy
	FROM sales GROUP BY 1, 2;
CREATE CONTINUOUS VIEW totals AS
	SELECT count(*) AS sold, sum(n) AS ns, sum(price) / count(price) AS mean, max(sold_at) AS last FROM sales;
CREATE CONTINUOUS VIEW good_items AS
	SELECT item, sum(price) AS revenue FROM sales WHERE healthy AND price > 1
	GROUP BY item HAVING count(*) > 500;
CREATE CONTINUOUS VIEW by_owner AS
	SELECT m.owner, m.area, count(*) AS sold, sum(s.price) AS revenue
	FROM sales s JOIN machines m USING (machine) GROUP BY m.owner, m.area;
CREATE CONTINUOUS VIEW by_area AS
	SELECT coalesce(m.area, 'elsewhere') AS area, count(*) AS sold, count(m.machine) AS known
	FROM sales s LEFT JOIN machines m USING (machine) GROUP BY 1;
CREATE CONTINUOUS VIEW cheap AS
	SELECT n, item, price, city FROM sales WHERE price < 0.60;
CREATE CONTINUOUS VIEW cities AS
	SELECT city, floor, count(*) AS sold, approx_count_distinct(machine) AS machines
	FROM sales GROUP BY city, floor;

-- The rest arrives while the views exist.
\! tail -n +12001 $KAPPA_TMP/spine | kcat -P -b $KAPPA_BROKER -t spine -K '\t'
SELECT kappa.wait(v::regclass, '120s') FROM unnest(ARRAY['items_sold', 'totals', 'good_items',
	'by_owner', 'by_area', 'cheap', 'cities']) v \g /dev/null

SELECT is_empty(format('SELECT * FROM kappa.verify(%L)', v), v || ': verified')
FROM unnest(ARRAY['items_sold', 'totals', 'good_items', 'by_owner', 'by_area', 'cheap', 'cities']) v;

CREATE TEMP TABLE expected (minute timestamptz, item text, sold bigint, priced bigint, cents bigint,
	cheapest int, dearest int, healthy bigint, all_healthy boolean, any_healthy boolean);
\copy expected FROM PROGRAM 'jq -srf $KAPPA_TESTS/pgtap/spine.jq $KAPPA_TMP/spine.json' WITH (FORMAT csv)
SELECT cmp_ok((SELECT count(*) FROM expected), '>', 1000::bigint, 'jq found the groups');
SELECT bag_eq(
	$$SELECT minute, item, sold, priced, (revenue * 100)::bigint AS cents, (cheapest * 100)::int AS cheapest,
		(dearest * 100)::int AS dearest,
		healthy, all_healthy, any_healthy FROM items_sold$$,
	'TABLE expected', 'count, sum, min, max, bool_and, bool_or and FILTER are those of jq');
SELECT is_empty('SELECT * FROM items_sold WHERE round(mean, 12) IS DISTINCT FROM round(revenue / nullif(priced, 0), 12)',
	'avg is sum / count');

CREATE TEMP TABLE one (sold bigint, ns bigint, cents bigint, priced bigint, last timestamptz);
\copy one FROM PROGRAM 'jq -sr "[length, (map(.n) | add), (map(.price // empty | . * 100 | round) | add, length), (map(.sold_at) | max)] | @csv" $KAPPA_TMP/spine.json' WITH (FORMAT csv)
SELECT results_eq('SELECT sold, ns::bigint, round(mean, 10), last FROM totals',
	'SELECT sold, ns, round(cents / 100.0 / priced, 10), last FROM one', 'without GROUP BY: one row, that of jq');

CREATE TEMP TABLE good (item text, cents bigint);
\copy good FROM PROGRAM 'jq -sr "map(select(.healthy and .price > 1)) | group_by(.item)[] | select(length > 500) | [.[0].item, (map(.price * 100 | round) | add)] | @csv" $KAPPA_TMP/spine.json' WITH (FORMAT csv)
SELECT bag_eq('SELECT item, (revenue * 100)::bigint FROM good_items', 'TABLE good', 'WHERE and HAVING are those of jq');

CREATE TEMP TABLE machine (machine int, sold bigint, cents bigint);
\copy machine FROM PROGRAM 'jq -sr "group_by(.machine)[] | [.[0].machine, length, (map(.price // 0 | . * 100 | round) | add)] | @csv" $KAPPA_TMP/spine.json' WITH (FORMAT csv)
SELECT bag_eq('SELECT owner, area, sold, (revenue * 100)::bigint FROM by_owner',
	'SELECT owner, area, sum(sold)::bigint AS sold, sum(cents)::bigint AS cents FROM machine JOIN machines USING (machine) GROUP BY 1, 2',
	'an inner join keeps what joins, NULL is a group');
SELECT bag_eq('TABLE by_area',
	$$SELECT coalesce(area, 'elsewhere'), sum(sold)::bigint AS sold,
		coalesce(sum(sold) FILTER (WHERE machines.machine IS NOT NULL), 0)::bigint AS known
	FROM machine LEFT JOIN machines USING (machine) GROUP BY 1$$, 'a left join keeps everything');

CREATE TEMP TABLE row (n bigint, item text, price numeric, city text);
\copy row FROM PROGRAM 'jq -r "select(.price != null and .price < 0.60) | [.n, .item, .price, .place.city] | @csv" $KAPPA_TMP/spine.json' WITH (FORMAT csv)
SELECT bag_eq('SELECT n, item, price::numeric, city FROM cheap', 'SELECT n, item, price, city FROM "row"', 'a view without aggregates holds the rows');

CREATE TEMP TABLE city (city text, floor int, sold bigint, machines bigint);
\copy city FROM PROGRAM 'jq -sr "group_by([.place.city, .place.floor])[] | [.[0].place.city, .[0].place.floor, length, (map(.machine) | unique | length)] | @csv" $KAPPA_TMP/spine.json' WITH (FORMAT csv)
SELECT bag_eq('SELECT city, floor, sold FROM cities', 'SELECT city, floor, sold FROM city', 'paths, also absent ones');
SELECT is_empty('SELECT * FROM cities c JOIN city e ON (c.city, c.floor) IS NOT DISTINCT FROM (e.city, e.floor) WHERE abs(c.machines - e.machines) > 2',
	'approx_count_distinct of 40 machines is off by 2 at most');

-- The stream itself is history; a view is an ordinary view.
SELECT results_eq('SELECT count(*), sum(n)::bigint FROM sales', 'SELECT sold, ns FROM one', 'SELECT on the stream reads the topic');
SELECT is((SELECT count(*) FROM sales WHERE n < 0), 0::bigint, 'a condition on the stream');
SELECT results_eq($$SELECT revenue FROM items_sold WHERE minute = '2026-03-01 00:10Z' AND item = 'tea'$$,
	$$SELECT cents / 100.0 FROM expected WHERE minute = '2026-03-01 00:10Z' AND item = 'tea'$$, 'a condition on the group columns');
SELECT bag_eq('SELECT sum(sold)::bigint, g.item FROM items_sold g JOIN good USING (item) GROUP BY 2',
	'SELECT sum(sold)::bigint, e.item FROM expected e JOIN good USING (item) GROUP BY 2', 'a continuous view joins with a table');

SELECT * FROM finish();
SET client_min_messages = error;
DROP SCHEMA spine CASCADE;
DROP SERVER spine CASCADE;
