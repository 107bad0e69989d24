/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  Which database a continuous view was made (or last resumed) in.
 *
 * The catalog of continuous views is dumped and copied with the database.  A
 * copy must not go on by itself where the original stood, perhaps beside it;
 * what a crash, a restart or a promotion leaves is no copy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "view/view.h"

PG_FUNCTION_INFO_V1(kappa_fingerprint);

char *
view_fingerprint(void)
{
	return psprintf(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
}

Datum
kappa_fingerprint(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(view_fingerprint()));
}
