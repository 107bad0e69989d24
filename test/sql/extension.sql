-- The extension can be created, dropped, and created again in another schema.
CREATE EXTENSION pg_kappa;
DROP EXTENSION pg_kappa;
CREATE SCHEMA elsewhere;
CREATE EXTENSION pg_kappa SCHEMA elsewhere;
SELECT extname, extversion, extnamespace::regnamespace FROM pg_extension WHERE extname = 'pg_kappa';
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kappa%' ORDER BY 1;
DROP EXTENSION pg_kappa;
DROP SCHEMA elsewhere;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kappa%' ORDER BY 1;

-- What others have put into its schema is not taken for pg_catalog's.
CREATE FUNCTION trap(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION trap(oid, regtype) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION trap(oid, regnamespace) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION has_table_privilege(regclass, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = trap);
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = regtype, FUNCTION = trap);
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = regnamespace, FUNCTION = trap);
CREATE EXTENSION pg_kappa;
SELECT pg_describe_object(classid, objid, 0) FROM pg_depend
WHERE refobjid IN (SELECT oid FROM pg_operator WHERE oprcode::text LIKE 'trap%'
    UNION SELECT 'has_table_privilege(regclass, text)'::regprocedure::oid);
SELECT DISTINCT pronamespace::regnamespace FROM pg_proc WHERE proname IN ('tumble', 'hyperloglog_agg', 'poisson_tail');
DROP EXTENSION pg_kappa;
DROP OPERATOR = (oid, regclass);
DROP OPERATOR = (oid, regtype);
DROP OPERATOR = (oid, regnamespace);
DROP FUNCTION trap(oid, regclass), trap(oid, regtype), trap(oid, regnamespace), has_table_privilege(regclass, text);
