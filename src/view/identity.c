/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Acting as the owner of a continuous view.
 *
 * What a view computes must not depend on who computes it: a worker, whose
 * session belongs to the bootstrap superuser, or a backend that verifies.
 * So every expression of the view is evaluated with the owner's rights, as a
 * security-restricted operation (a function of a user's must not leave
 * anything behind in the session of somebody mightier), under the settings
 * that were kept when the view was created.
 *
 * All three things changed here (user, security context, GUC nest level) are
 * put back by transaction and subtransaction abort, so errors need no care.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "view/view.h"

/* Kept settings come from kappa.views, which only superusers can write. */
static void
apply_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
view_enter(const ContinuousView *cv, ViewIdentity *save)
{
	ListCell   *lc;

	GetUserIdAndSecContext(&save->userid, &save->sec_context);
	save->guc_level = NewGUCNestLevel();

	foreach(lc, cv->settings)
	{
		DefElem    *setting = lfirst_node(DefElem, lc);

		apply_setting(setting->defname, defGetString(setting));
	}

	/* A batch is one short statement, planned anew: compiling never pays. */
	apply_setting("jit", "off");

	SetUserIdAndSecContext(cv->owner,
						   save->sec_context | SECURITY_RESTRICTED_OPERATION);
}

void
view_leave(const ViewIdentity *save)
{
	AtEOXact_GUC(false, save->guc_level);
	SetUserIdAndSecContext(save->userid, save->sec_context);
}
