/*-------------------------------------------------------------------------
 *
 * forbidden.c
 *	  Built-in functions that read the clock, the session or settings.
 *
 * They are declared STABLE: within one statement they do not change.  A
 * continuous view, though, is computed by many statements over a long time, in
 * other sessions than its creator's, and must come out the same when it is
 * computed again.  Other STABLE functions (to_char, casts that depend on the
 * time zone, functions of users that read tables) are accepted: the settings
 * that they read are kept with the view.
 *
 * The list is documented in README.md of this folder.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_namespace_d.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "view/forbidden.h"

/* Functions in pg_catalog, by name, sorted. */
static const char *const surroundings[] = {
	"clock_timestamp",
	"current_database",
	"current_query",
	"current_role",
	"current_schema",
	"current_schemas",
	"current_setting",
	"current_user",
	"getpgusername",
	"has_any_column_privilege",
	"has_column_privilege",
	"has_database_privilege",
	"has_foreign_data_wrapper_privilege",
	"has_function_privilege",
	"has_language_privilege",
	"has_parameter_privilege",
	"has_schema_privilege",
	"has_sequence_privilege",
	"has_server_privilege",
	"has_table_privilege",
	"has_tablespace_privilege",
	"has_type_privilege",
	"inet_client_addr",
	"inet_client_port",
	"inet_server_addr",
	"inet_server_port",
	"mxid_age",
	"now",
	"pg_backend_pid",
	"pg_client_encoding",
	"pg_conf_load_time",
	"pg_current_snapshot",
	"pg_current_xact_id",
	"pg_current_xact_id_if_assigned",
	"pg_cursor",
	"pg_has_role",
	"pg_is_in_recovery",
	"pg_is_other_temp_schema",
	"pg_my_temp_schema",
	"pg_postmaster_start_time",
	"pg_prepared_statement",
	"pg_show_all_settings",
	"pg_timezone_abbrevs",
	"pg_timezone_names",
	"pg_trigger_depth",
	"row_security_active",
	"session_user",
	"statement_timestamp",
	"timeofday",
	"transaction_timestamp",
	"txid_current",
	"txid_current_if_assigned",
	"txid_current_snapshot",
	"user",
	"version",
};

static int
compare_names(const void *name, const void *element)
{
	return strcmp(name, *(const char *const *) element);
}

bool
function_reads_surroundings(Oid funcid)
{
	char	   *name;

	/* age of one argument is the age as of now. */
	if (funcid == F_AGE_TIMESTAMPTZ || funcid == F_AGE_TIMESTAMP || funcid == F_AGE_XID)
		return true;
	if (get_func_namespace(funcid) != PG_CATALOG_NAMESPACE)
		return false;
	name = get_func_name(funcid);
	return name != NULL &&
		(strncmp(name, "pg_stat_get_", strlen("pg_stat_get_")) == 0 ||
		 bsearch(name, surroundings, lengthof(surroundings), sizeof(char *),
				 compare_names) != NULL);
}

const char *
sql_value_function_name(const SQLValueFunction *node)
{
	switch (node->op)
	{
		case SVFOP_CURRENT_DATE:
			return "CURRENT_DATE";
		case SVFOP_CURRENT_TIME:
		case SVFOP_CURRENT_TIME_N:
			return "CURRENT_TIME";
		case SVFOP_CURRENT_TIMESTAMP:
		case SVFOP_CURRENT_TIMESTAMP_N:
			return "CURRENT_TIMESTAMP";
		case SVFOP_LOCALTIME:
		case SVFOP_LOCALTIME_N:
			return "LOCALTIME";
		case SVFOP_LOCALTIMESTAMP:
		case SVFOP_LOCALTIMESTAMP_N:
			return "LOCALTIMESTAMP";
		case SVFOP_CURRENT_ROLE:
			return "CURRENT_ROLE";
		case SVFOP_CURRENT_USER:
			return "CURRENT_USER";
		case SVFOP_USER:
			return "USER";
		case SVFOP_SESSION_USER:
			return "SESSION_USER";
		case SVFOP_CURRENT_CATALOG:
			return "CURRENT_CATALOG";
		case SVFOP_CURRENT_SCHEMA:
			return "CURRENT_SCHEMA";
	}
	return "this function";
}
