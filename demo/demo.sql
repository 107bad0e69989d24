-- Vending machines report their sales to the Kafka topic "sales":
--
--     {"machine":17,"place":{"city":"Oslo","country":"NO"},"item":"water","healthy":true,
--      "price":1.20,"sold_at":"2025-01-01T12:00:00.123Z","customer":"c48213",
--      "payment":"card","latency_ms":38}
--
-- Here PostgreSQL keeps what is asked most often, up to date and exactly once.
-- To try it by hand against a broker of yours:
--
--     psql -v broker=localhost:9092 -f demo/demo.sql

CREATE EXTENSION IF NOT EXISTS pg_kappa;

CREATE SERVER broker FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');

-- A stream: the topic as a table.  Fields that are not named here are skipped.
CREATE FOREIGN TABLE sales (
    machine    int,
    city       text          OPTIONS (path 'place.city'),
    item       text,
    healthy    boolean,
    price      numeric(8,2),
    sold_at    timestamptz,
    customer   text,
    latency_ms int
) SERVER broker OPTIONS (topic 'sales', format 'json', event_time 'sold_at',
                         watermark_delay '5 seconds');

-- Items sold of each type, in total.
CREATE CONTINUOUS VIEW items_sold AS
SELECT item, count(*) AS sold, sum(price) AS revenue
FROM sales GROUP BY item;

-- Items and revenue per minute and type.
CREATE CONTINUOUS VIEW sales_per_minute AS
SELECT tumble(sold_at, '1 minute') AS minute, item,
       count(*) AS sold, sum(price) AS revenue
FROM sales GROUP BY 1, 2;

-- Which machines earn most, and when each was heard of last.
CREATE CONTINUOUS VIEW machine_revenue AS
SELECT machine, city, count(*) AS sold, sum(price) AS revenue, max(sold_at) AS last_sale
FROM sales GROUP BY machine, city;

-- Is the healthy food bought?  And by how many people?
CREATE CONTINUOUS VIEW healthy_per_minute AS
SELECT tumble(sold_at, '1 minute') AS minute,
       count(*) FILTER (WHERE healthy) AS healthy,
       count(*) FILTER (WHERE NOT healthy) AS unhealthy,
       approx_count_distinct(customer) AS customers
FROM sales GROUP BY 1;

-- The traffic of each second, and how long the machines took to report: the median,
-- and what one sale in twenty and one in a hundred exceed.
CREATE CONTINUOUS VIEW traffic AS
SELECT tumble(sold_at, '1 second') AS second, count(*) AS sales,
       approx_percentile(latency_ms, ARRAY[0.5, 0.95, 0.99]) AS latency, max(latency_ms) AS latency_max
FROM sales GROUP BY 1;

-- The best-selling items of each minute, with bounds: [{"item": .., "estimate": .., ..}, ..]
CREATE CONTINUOUS VIEW top_items AS
SELECT tumble(sold_at, '1 minute') AS minute, approx_top_k(item, 5) AS top
FROM sales GROUP BY 1;

-- Each machine's sales per minute, and above it an ordinary view with a score: how
-- probable so many sales, or more, are for this machine, given its share of
-- all sales in the minutes before and all sales in this one.  Shares, not rates: when
-- everybody buys more, nobody stands out.  A score near 0 is an anomaly.
CREATE CONTINUOUS VIEW machine_minutes AS
SELECT tumble(sold_at, '1 minute') AS minute, machine, count(*) AS sold
FROM sales GROUP BY 1, 2;

CREATE VIEW machine_anomalies AS
SELECT minute, machine, sold, sold_before::float8 / all_before * all_sold AS expected,
       poisson_tail(sold, sold_before::float8, all_before::float8, all_sold::float8) AS score
FROM (SELECT minute, machine, sold, all_sold,
             sum(sold) OVER before AS sold_before, sum(all_sold) OVER before AS all_before
      FROM (SELECT minute, machine, sold, sum(sold) OVER (PARTITION BY minute) AS all_sold
            FROM machine_minutes) m
      WINDOW before AS (PARTITION BY machine ORDER BY minute
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) h
WHERE all_before > 0;

-- The same question to the topic itself: the SELECT of items_sold in an ordinary
-- view reads every message anew.  Both must agree: kappa.verify compares them
-- at exactly the same offsets.
CREATE VIEW items_sold_validation AS
SELECT item, count(*) AS sold, sum(price) AS revenue
FROM sales GROUP BY item;
