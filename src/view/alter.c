/*-------------------------------------------------------------------------
 *
 * alter.c
 *	  Changes of a continuous view, and statements that it does not allow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "view/catalog.h"
#include "view/options.h"
#include "view/owner.h"
#include "view/view.h"

void
view_set_options(Oid view, List *options)
{
	ContinuousViewOptions *parsed;

	view_check_owner(view);
	parsed = view_options_parse(options, false, true);
	if (parsed->has_reject_limit)
		catalog_set_reject_limit(view, parsed->reject_limit);
}

void
view_follow_owner(Oid view)
{
}

void
view_check_utility(Node *parsetree)
{
}
