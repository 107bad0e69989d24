-- Functions for pgTAP files, made once in the database that they share.

-- Waits until the query's one value is true, for up to a minute.
CREATE FUNCTION await(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	ok boolean;
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXECUTE query INTO ok;
		EXIT WHEN ok;
		PERFORM pg_stat_clear_snapshot(), pg_sleep(0.1);
	END LOOP;
	RETURN ok;
END $$;

-- Does the statement end because it is cancelled?  The caller has set statement_timeout, and that
-- long enough for the statement to have begun.
CREATE FUNCTION is_cancelled(query text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN false;
EXCEPTION WHEN query_canceled THEN
	RETURN true;
END $$;
