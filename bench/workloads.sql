-- The continuous views that are measured, each over the whole log.  bench/run.sh
-- takes the statement that follows the line "-- NAME:" and puts the stream's name
-- in the place of "bids".

-- W1: a window and 10,000 keys
CREATE CONTINUOUS VIEW w1 AS
SELECT tumble("dateTime", '1 minute') AS minute, auction,
       count(*) AS bids, sum(price) AS volume, max(price) AS highest
FROM bids GROUP BY 1, 2;

-- W2: W1 and a sketch in each group
CREATE CONTINUOUS VIEW w2 AS
SELECT tumble("dateTime", '1 minute') AS minute, auction,
       count(*) AS bids, sum(price) AS volume, max(price) AS highest,
       approx_count_distinct(bidder) AS bidders
FROM bids GROUP BY 1, 2;

-- W3: a window and 4 keys
CREATE CONTINUOUS VIEW w3 AS
SELECT tumble("dateTime", '1 minute') AS minute, channel,
       count(*) AS bids, sum(price) AS volume, avg(price) AS average,
       min(price) AS lowest, max(price) AS highest
FROM bids GROUP BY 1, 2;

-- W4: joined with a table of 1,000 rows, half of the messages filtered out
CREATE CONTINUOUS VIEW w4 AS
SELECT tumble("dateTime", '1 minute') AS minute, category,
       count(*) AS bids, avg(price) AS average
FROM bids JOIN categories ON categories.id = auction % 1000
WHERE price >= 100000 GROUP BY 1, 2;
