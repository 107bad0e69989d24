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
 * What a security-restricted operation leaves open, and would outlast the batch
 * in a worker, is closed here: the advisory locks of a session, among which are
 * the worker's own; and messages below ERROR, which may quote what a message
 * holds and would go to the server's log.
 *
 * All three things changed here (user, security context, GUC nest level) are
 * put back by transaction and subtransaction abort, so errors need no care.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "view/identity.h"
#include "view/view.h"

/*
 * Between view_enter and view_leave: a bit of the security context that is none of
 * PostgreSQL's own.  So it holds in whatever functions do, other views' computations
 * included, and aborts put it back.
 */
#define ACTING_FOR_VIEW		(1 << 30)

/* Kept settings come from kappa.views, which only superusers can write. */
static void
apply_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
identity_check_function(Oid function)
{
	static const Oid session_locks[] = {
		F_PG_ADVISORY_LOCK_INT8, F_PG_ADVISORY_LOCK_INT4_INT4,
		F_PG_ADVISORY_LOCK_SHARED_INT8, F_PG_ADVISORY_LOCK_SHARED_INT4_INT4,
		F_PG_TRY_ADVISORY_LOCK_INT8, F_PG_TRY_ADVISORY_LOCK_INT4_INT4,
		F_PG_TRY_ADVISORY_LOCK_SHARED_INT8, F_PG_TRY_ADVISORY_LOCK_SHARED_INT4_INT4,
		F_PG_ADVISORY_UNLOCK_INT8, F_PG_ADVISORY_UNLOCK_INT4_INT4,
		F_PG_ADVISORY_UNLOCK_SHARED_INT8, F_PG_ADVISORY_UNLOCK_SHARED_INT4_INT4,
		F_PG_ADVISORY_UNLOCK_ALL,
	};
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	if (!(sec_context & ACTING_FOR_VIEW))
		return;
	for (int i = 0; i < lengthof(session_locks); i++)
		if (function == session_locks[i])
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("%s() cannot be called by a continuous view",
							get_func_name(function)),
					 errdetail("The lock would outlast the batch.")));
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
	if (MyBgworkerEntry)
		apply_setting("log_min_messages", "fatal");

	SetUserIdAndSecContext(cv->owner,
						   save->sec_context | SECURITY_RESTRICTED_OPERATION | ACTING_FOR_VIEW);
}

void
view_leave(const ViewIdentity *save)
{
	AtEOXact_GUC(false, save->guc_level);
	SetUserIdAndSecContext(save->userid, save->sec_context);
}
