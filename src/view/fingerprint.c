/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  Which database a continuous view was made (or last resumed) in.
 *
 * The catalog of continuous views is dumped and copied with the database.  A
 * copy must not go on by itself where the original stood, perhaps beside it;
 * what a crash, a restart or a promotion leaves is no copy.
 *
 * The system identifier and the database's OID tell copies in other places.  The
 * extension's OID tells a dump that is restored where it was taken: while that
 * goes on, the catalog may be there without the offsets, and hidden views may be
 * stand-ins yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "view/view.h"

PG_FUNCTION_INFO_V1(kappa_fingerprint);

char *
view_fingerprint(void)
{
	return psprintf(UINT64_FORMAT "/%u/%u", GetSystemIdentifier(), MyDatabaseId,
					get_extension_oid("pg_kappa", true));
}

Datum
kappa_fingerprint(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(view_fingerprint()));
}
