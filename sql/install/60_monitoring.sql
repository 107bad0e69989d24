-- What users and monitoring read about continuous views.

CREATE FUNCTION kappa.fingerprint() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_fingerprint';
COMMENT ON FUNCTION kappa.fingerprint() IS
    'identity of this database: views that were made in another one wait for kappa.resume';

CREATE FUNCTION kappa.worker_shortage() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_worker_shortage';
COMMENT ON FUNCTION kappa.worker_shortage() IS
    'why this database has no worker, when there is no room for one; else null';

-- Everyone may read it, like pg_views.
CREATE VIEW kappa.continuous_views AS
SELECT n.nspname AS schemaname,
       c.relname AS viewname,
       pg_catalog.pg_get_userbyid(c.relowner) AS viewowner,
       v.stream,
       pg_catalog.pg_get_viewdef(v.definition) AS definition,
       pg_catalog.array_remove(ARRAY[
           'start=' || v.start,
           'reject_limit=' || v.reject_limit::text,
           'lateness=' || v.lateness::text,
           'retention=' || v.retention::text,
           'emit=' || v.emit,
           'swap=' || v.swap,
           'history=' || v.history], NULL) AS options,
       v.generation,
       CASE WHEN v.failed THEN 'failed'
            WHEN v.paused OR here.copied THEN 'paused'
            WHEN here.trouble IS NOT NULL THEN 'waiting'
            WHEN here.live THEN 'live'
            ELSE 'backfilling' END AS status,
       CASE WHEN here.copied AND NOT v.failed THEN 'restored or copied: call kappa.resume'
            WHEN v.paused OR v.failed THEN v.error
            ELSE here.trouble END AS error
  FROM kappa.views v
  JOIN pg_catalog.pg_class c ON c.oid = v.view
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN (SELECT kappa.worker_shortage() AS reason) shortage
 CROSS JOIN LATERAL (
       SELECT v.fingerprint <> kappa.fingerprint() AS copied,
              -- Without a worker nobody brings up to date what it waited for before.
              COALESCE(shortage.reason, v.error) AS trouble,
              (SELECT pg_catalog.bool_and(o.live) FROM kappa.offsets o
                WHERE o.consumer = v.consumer) AS live) here
 WHERE v.current;
COMMENT ON VIEW kappa.continuous_views IS 'the continuous views of this database, and how they are';
GRANT SELECT ON kappa.continuous_views TO PUBLIC;

-- For those who may read the view, its owner, and pg_monitor.  Where the log ends is
-- what any view over it has learnt last: one that is held up has not looked lately.
CREATE VIEW kappa.progress WITH (security_barrier) AS
SELECT v.view,
       n.nspname AS schemaname,
       c.relname AS viewname,
       v.generation,
       o.topic,
       o.partition,
       CASE WHEN o.live THEN 'live' ELSE 'backfill' END AS phase,
       o.next_offset,
       known.end_offset,
       far.lag,
       CASE WHEN far.lag = 0 THEN interval '0'
            ELSE pg_catalog.clock_timestamp() - o.last_timestamp END AS lag_time,
       far.rate AS rows_per_second,
       w.watermark,
       known.seen_at,
       CASE WHEN far.lag = 0 THEN 100
            WHEN known.end_offset > w.start_offset
            THEN 100.0 * (o.next_offset - w.start_offset) / (known.end_offset - w.start_offset)
            END::double precision AS percent,
       CASE WHEN far.lag = 0 THEN interval '0'
            WHEN far.rate > 0.001
            THEN far.lag / far.rate * interval '1 second' END AS remaining,
       r.rtt_ms * interval '1 millisecond' AS broker_rtt,
       LEAST(r.queued, far.lag) AS queued
  FROM kappa.views v
  JOIN pg_catalog.pg_class c ON c.oid = v.view
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN kappa.consumers r ON r.id = v.consumer
  JOIN kappa.offsets o ON o.consumer = r.id
  JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = v.stream
  LEFT JOIN kappa.watermarks w ON w.view = v.view AND w.generation = v.generation
                              AND w.topic = o.topic AND w.partition = o.partition
  LEFT JOIN (SELECT DISTINCT ON (ef.ftserver, eo.topic, eo.partition)
                    ef.ftserver, eo.topic, eo.partition, eo.end_offset, eo.seen_at
               FROM kappa.offsets eo
               JOIN kappa.consumers ec ON ec.id = eo.consumer
               JOIN pg_catalog.pg_foreign_table ef ON ef.ftrelid = ec.stream
              WHERE eo.end_offset IS NOT NULL
              ORDER BY ef.ftserver, eo.topic, eo.partition, eo.seen_at DESC NULLS LAST) known
         ON known.ftserver = f.ftserver AND known.topic = o.topic AND known.partition = o.partition
 CROSS JOIN LATERAL (
       -- The rate is that of the last batches.  No batch for so long: nothing comes.
       SELECT CASE WHEN known.end_offset IS NOT NULL
                   THEN GREATEST(known.end_offset - o.next_offset, 0) END AS lag,
              CASE WHEN o.seen_at < pg_catalog.clock_timestamp()
                        - CASE WHEN known.end_offset > o.next_offset THEN interval '1 minute'
                               ELSE interval '5 seconds' END THEN 0
                   ELSE o.rows_per_second END AS rate) far
 WHERE pg_catalog.has_table_privilege(v.view, 'SELECT')
    OR pg_catalog.pg_has_role(c.relowner, 'USAGE')
    OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW kappa.progress IS 'how far each continuous view has read each partition of its topic';
GRANT SELECT ON kappa.progress TO PUBLIC;

CREATE VIEW kappa.stat_views WITH (security_barrier) AS
SELECT v.view,
       n.nspname AS schemaname,
       c.relname AS viewname,
       COALESCE(s.batches, 0) AS batches,
       COALESCE(s.rows_read, 0) AS rows_read,
       COALESCE(s.rows_late, 0) AS rows_late,
       COALESCE(s.rows_ahead, 0) AS rows_ahead,
       COALESCE(s.rows_bad, 0) AS rows_bad,
       COALESCE(s.bytes_read, 0) AS bytes_read,
       COALESCE(s.groups_written, 0) AS groups_written,
       COALESCE(s.read_time, 0) AS read_time,
       COALESCE(s.aggregate_time, 0) AS aggregate_time,
       COALESCE(s.merge_time, 0) AS merge_time,
       COALESCE(s.commit_time, 0) AS commit_time,
       s.last_batch_at,
       s.last_error,
       s.stats_reset
  FROM kappa.views v
  JOIN pg_catalog.pg_class c ON c.oid = v.view
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN kappa.stats s ON s.view = v.view AND s.generation = v.generation
 WHERE v.current
   AND (pg_catalog.has_table_privilege(v.view, 'SELECT')
        OR pg_catalog.pg_has_role(c.relowner, 'USAGE')
        OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW kappa.stat_views IS 'what the batches of each continuous view have done and cost; times in milliseconds';
GRANT SELECT ON kappa.stat_views TO PUBLIC;
