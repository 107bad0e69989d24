-- tumble: the start of a fixed window.
CREATE EXTENSION pg_kappa;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- Monday 2000-01-03 is the default origin, before it as after it.
SELECT ts, tumble(ts, '1 week') AS week, tumble(ts, '1 minute') AS minute, tumble(ts, '7 seconds') AS seven
  FROM unnest(ARRAY['2000-01-03 00:00+00', '2000-01-02 23:59:59.999999+00', '2000-01-01 00:00+00',
                    '1999-12-27 00:00+00', '2026-11-21 12:34:56.789+00', '1969-07-20 20:17:40+00']::timestamptz[]) ts;

-- An origin shifts the windows, whichever side it lies on.
SELECT tumble('2026-01-01 00:07+00'::timestamptz, '5 minutes', '2026-01-01 00:01+00'),
       tumble('2026-01-01 00:00+00'::timestamptz, '5 minutes', '2026-01-01 00:01+00'),
       tumble('2026-01-01 00:07'::timestamp, '5 minutes', '2030-01-01 00:01');

-- As PostgreSQL's own date_bin with the same origin, over many instants.
SELECT count(*) FILTER (WHERE tumble(ts, size) IS DISTINCT FROM date_bin(size, ts, '2000-01-03 00:00+00')
                           OR tumble(ts AT TIME ZONE 'UTC', size)
                              IS DISTINCT FROM date_bin(size, ts AT TIME ZONE 'UTC', '2000-01-03')) AS different,
       count(*) AS compared
  FROM generate_series(0, 400) g,
       LATERAL (VALUES ('1970-01-01 00:00+00'::timestamptz + g * interval '97 days 1 hour 13 minutes 7.123457 seconds')) x (ts),
       unnest(ARRAY['1 microsecond', '1 second', '90 seconds', '1 hour', '1 day 6 hours', '10 days']::interval[]) size;

-- Time zones: a day is 24 hours from the origin in UTC.
SET timezone = 'Europe/Vienna';
SELECT tumble('2026-03-29 12:00'::timestamptz, '1 day');
SET timezone = 'UTC';

-- What has no window stays as it is.
SELECT tumble('infinity'::timestamptz, '1 day'), tumble('-infinity'::timestamp, '1 day');
SELECT tumble(NULL::timestamptz, '1 day') IS NULL AND tumble(now(), NULL) IS NULL AS strict;

-- Sizes.
SELECT tumble(now(), '1 month');
SELECT tumble(now(), '1 year 1 day');
SELECT tumble(now(), '0');
SELECT tumble(now(), '-1 minute');
SELECT tumble('2026-01-01 00:00+00'::timestamptz, '1 day -23 hours');
SELECT tumble(now(), make_interval(days => 2147483647));
SELECT tumble(now(), '1 day', 'infinity'::timestamptz);

-- The edges of time: an error, never a wrong window.
SELECT tumble('4714-11-24 00:00:00+00 BC'::timestamptz, '1 day');
SELECT tumble('4714-11-24 00:00:00+00 BC'::timestamptz, '100000000 days');
SELECT tumble('294276-12-31 23:59:59.999999+00'::timestamptz, '1 day');
SELECT tumble('294276-12-31 23:59:59.999999+00'::timestamptz, '1 day', '4714-11-24 00:00:00+00 BC');
SELECT tumble('294276-12-31 23:59:59.999999'::timestamp, '100000000 days', '4714-11-24 00:00:00 BC');

-- Declared as the planner wants it.
SELECT oid::regprocedure, provolatile, proisstrict, proparallel FROM pg_proc WHERE proname = 'tumble' ORDER BY 1::text;

-- Not there yet.
SELECT * FROM hop(now(), '1 minute', '5 minutes');
SELECT session(now(), '1 minute');

DROP EXTENSION pg_kappa;
