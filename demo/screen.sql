-- What `make demo` shows once a second on a terminal.  Variables of psql: the
-- producer's seconds, produced and rate.
\pset footer off
\pset null ''

-- The lag of the slowest view: what the broker holds and the view does not.
SELECT to_char(:produced, '999G999G999') AS produced,
       to_char(:rate, '9G999G999') || '/s ' || rpad(repeat('#', :rate / 2000), 20) AS "produce rate",
       to_char(lag, '99G999G999') || ' ' || rpad(repeat('#', (lag / 30000)::int), 40) AS lag
FROM (SELECT greatest(:produced - min(done), 0) AS lag
      FROM (SELECT sum(next_offset) AS done FROM kappa.progress GROUP BY viewname) v) slowest;

-- Items sold, in total and in this minute, beside the machines that earn most.
WITH items AS (
    SELECT row_number() OVER (ORDER BY item) AS line, item, t.sold, t.revenue, m.sold AS this_minute
    FROM items_sold t
    LEFT JOIN sales_per_minute m USING (item)
    WHERE m.minute = (SELECT max(minute) FROM sales_per_minute)
), machines AS (
    SELECT row_number() OVER (ORDER BY revenue DESC, machine) AS line, machine, city, revenue
    FROM machine_revenue ORDER BY revenue DESC, machine LIMIT 8
)
SELECT item, to_char(sold, '99G999G999') AS sold, to_char(i.revenue, '99G999G990D99') AS revenue,
       to_char(this_minute, '9G999G999') AS "this minute", ' ' AS " ",
       machine AS "top machine", city, to_char(m.revenue, '9G999G990D99') AS "revenue "
FROM items i FULL JOIN machines m USING (line) ORDER BY line;

SELECT viewname AS view, status, to_char(sum(next_offset), '99G999G999') AS messages,
       to_char(sum(lag), '99G999G999') AS lag,
       to_char(sum(rows_per_second), '9G999G999') AS "messages/s", max(watermark) AS watermark
FROM kappa.progress JOIN kappa.continuous_views USING (schemaname, viewname)
GROUP BY viewname, status ORDER BY viewname;
