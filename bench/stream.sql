-- The stream of the benchmark, and the table that W4 joins.  Variables of psql:
-- broker, stream (its name), topic.
CREATE SERVER IF NOT EXISTS bench FOREIGN DATA WRAPPER kafka OPTIONS (bootstrap_servers :'broker');

CREATE FOREIGN TABLE :"stream" (
    auction    bigint,
    bidder     bigint,
    price      bigint,
    channel    text,
    url        text,
    "dateTime" timestamptz,
    extra      text
) SERVER bench OPTIONS (topic :'topic', format 'json', event_time 'dateTime');

CREATE TABLE IF NOT EXISTS categories (id bigint PRIMARY KEY, category text NOT NULL);
INSERT INTO categories
SELECT i, 'category ' || i % 20 FROM generate_series(0, 999) i
ON CONFLICT DO NOTHING;
ANALYZE categories;
