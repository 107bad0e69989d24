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
