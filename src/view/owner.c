/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Acting as the extension's owner: DDL in kappa_state, rows in kappa.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "view/owner.h"

static bool executing = false;

Oid
extension_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACENAME, CStringGetDatum("kappa"));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

int
enter_plain_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"extra_float_digits", "3"},
		{"quote_all_identifiers", "off"},
		{"standard_conforming_strings", "on"},
		{"check_function_bodies", "off"},
		{"default_tablespace", ""},
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_SUSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
extension_enter(ViewIdentity *save)
{
	GetUserIdAndSecContext(&save->userid, &save->sec_context);
	save->guc_level = enter_plain_settings();
	SetUserIdAndSecContext(extension_owner(),
						   save->sec_context | SECURITY_LOCAL_USERID_CHANGE);
}

void
extension_leave(const ViewIdentity *save)
{
	AtEOXact_GUC(false, save->guc_level);
	SetUserIdAndSecContext(save->userid, save->sec_context);
}

bool
extension_is_executing(void)
{
	return executing;
}

void
extension_execute(const char *sql)
{
	ViewIdentity save;

	extension_enter(&save);
	executing = true;
	PG_TRY();
	{
		SPI_connect();
		if (SPI_execute(sql, false, 0) < 0)
			elog(ERROR, "SPI_execute failed: %s", sql);
		SPI_finish();
	}
	PG_FINALLY();
	{
		executing = false;
	}
	PG_END_TRY();
	extension_leave(&save);
}
