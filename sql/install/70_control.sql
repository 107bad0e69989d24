-- Controlling continuous views.  Who may call what is checked inside: owners
-- for what changes a view, readers for wait and watermark.

CREATE FUNCTION kappa.pause(view regclass) RETURNS void
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_pause';
COMMENT ON FUNCTION kappa.pause(regclass) IS
    'stops a continuous view: no batch is applied any more when the transaction has committed';
CREATE FUNCTION kappa.pause() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_pause_all';
COMMENT ON FUNCTION kappa.pause() IS 'stops all continuous views of the current user';

CREATE FUNCTION kappa.resume(view regclass) RETURNS void
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_resume';
COMMENT ON FUNCTION kappa.resume(regclass) IS
    'lets a continuous view that is paused, failed, restored or copied go on from where it stands';
CREATE FUNCTION kappa.resume() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_resume_all';
COMMENT ON FUNCTION kappa.resume() IS 'lets all continuous views of the current user go on';

CREATE FUNCTION kappa.wait(view regclass, timeout interval DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_wait';
COMMENT ON FUNCTION kappa.wait(regclass, interval) IS
    'returns when a continuous view holds all that was in its topic at the call';

CREATE FUNCTION kappa.watermark(view regclass) RETURNS timestamptz
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_watermark';
COMMENT ON FUNCTION kappa.watermark(regclass) IS
    'event time up to which a continuous view is taken to be complete: the lowest of its partitions, idle ones left out';

CREATE FUNCTION kappa.reset_stats(view regclass) RETURNS void
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_reset_stats';
COMMENT ON FUNCTION kappa.reset_stats(regclass) IS 'sets the statistics of a continuous view to zero';
CREATE FUNCTION kappa.reset_stats() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_reset_stats_all';
COMMENT ON FUNCTION kappa.reset_stats() IS 'sets the statistics of all continuous views of the current user to zero';

CREATE FUNCTION kappa.retry(view regclass) RETURNS bigint
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_retry';
COMMENT ON FUNCTION kappa.retry(regclass) IS
    'applies the dead letters of a continuous view again and removes those that succeed; returns how many did';
CREATE FUNCTION kappa.discard(view regclass) RETURNS bigint
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'kappa_discard';
COMMENT ON FUNCTION kappa.discard(regclass) IS
    'erases the payload of the dead letters of a continuous view and keeps the rows; returns how many';
