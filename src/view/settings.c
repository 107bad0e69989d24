/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings on which expressions may depend, kept from creation on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "view/catalog.h"

static const char *const kept_settings[] = {
	"TimeZone", "DateStyle", "IntervalStyle", "lc_messages", "lc_monetary", "lc_numeric",
	"lc_time", "extra_float_digits", "bytea_output", "default_text_search_config",
};

/*
 * The schemas that are in the path now, by name: "$user" would be another one
 * for another user.  pg_temp comes last, so that nobody's temporary table or
 * function can stand in for a permanent one.
 */
static char *
resolved_search_path(void)
{
	StringInfoData path;
	ListCell   *lc;

	initStringInfo(&path);
	foreach(lc, fetch_search_path(false))
	{
		char	   *name = get_namespace_name(lfirst_oid(lc));

		if (name && !isAnyTempNamespace(lfirst_oid(lc)))
			appendStringInfo(&path, "%s, ", quote_identifier(name));
	}
	appendStringInfoString(&path, "pg_temp");
	return path.data;
}

List *
settings_capture(void)
{
	List	   *result = list_make1(makeDefElem("search_path",
												(Node *) makeString(resolved_search_path()), -1));

	for (int i = 0; i < lengthof(kept_settings); i++)
	{
		char	   *value = GetConfigOptionByName(kept_settings[i], NULL, false);

		result = lappend(result, makeDefElem(pstrdup(kept_settings[i]),
											 (Node *) makeString(pstrdup(value)), -1));
	}
	return result;
}
