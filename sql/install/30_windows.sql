-- Windows over time.
CREATE FUNCTION tumble(ts timestamptz, size interval) RETURNS timestamptz
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_tumble';
CREATE FUNCTION tumble(ts timestamptz, size interval, origin timestamptz) RETURNS timestamptz
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_tumble';
CREATE FUNCTION tumble(ts timestamp, size interval) RETURNS timestamp
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_tumble';
CREATE FUNCTION tumble(ts timestamp, size interval, origin timestamp) RETURNS timestamp
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_tumble';
COMMENT ON FUNCTION tumble(timestamptz, interval) IS 'start of the window of that size that holds ts; windows lie side by side from Monday 2000-01-03 00:00 UTC';
COMMENT ON FUNCTION tumble(timestamptz, interval, timestamptz) IS 'start of the window of that size that holds ts; windows lie side by side from origin';
COMMENT ON FUNCTION tumble(timestamp, interval) IS 'start of the window of that size that holds ts; windows lie side by side from Monday 2000-01-03 00:00';
COMMENT ON FUNCTION tumble(timestamp, interval, timestamp) IS 'start of the window of that size that holds ts; windows lie side by side from origin';

CREATE FUNCTION hop(ts timestamptz, slide interval, size interval) RETURNS SETOF timestamptz
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_hop';
CREATE FUNCTION hop(ts timestamptz, slide interval, size interval, origin timestamptz) RETURNS SETOF timestamptz
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_hop';
CREATE FUNCTION hop(ts timestamp, slide interval, size interval) RETURNS SETOF timestamp
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_hop';
CREATE FUNCTION hop(ts timestamp, slide interval, size interval, origin timestamp) RETURNS SETOF timestamp
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_hop';
COMMENT ON FUNCTION hop(timestamptz, interval, interval) IS 'starts of the hopping windows that hold ts (not supported yet)';
COMMENT ON FUNCTION hop(timestamptz, interval, interval, timestamptz) IS 'starts of the hopping windows that hold ts (not supported yet)';
COMMENT ON FUNCTION hop(timestamp, interval, interval) IS 'starts of the hopping windows that hold ts (not supported yet)';
COMMENT ON FUNCTION hop(timestamp, interval, interval, timestamp) IS 'starts of the hopping windows that hold ts (not supported yet)';

CREATE FUNCTION session(ts timestamptz, gap interval) RETURNS timestamptz
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_session';
CREATE FUNCTION session(ts timestamp, gap interval) RETURNS timestamp
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kappa_session';
COMMENT ON FUNCTION session(timestamptz, interval) IS 'start of the session that holds ts, in definitions of continuous views (not supported yet)';
COMMENT ON FUNCTION session(timestamp, interval) IS 'start of the session that holds ts, in definitions of continuous views (not supported yet)';
