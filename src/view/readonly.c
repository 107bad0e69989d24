/*-------------------------------------------------------------------------
 *
 * readonly.c
 *	  Only batches write to the rows of a continuous view.
 *
 * V is a view over one table, so PostgreSQL takes it for one that passes INSERT,
 * UPDATE and DELETE on; and the state belongs to V's owner, who may write to what
 * is his.  Either way rows would be there that the log does not know of.  The
 * check of rights at the start of an execution sees all of it, whatever view,
 * function or COPY leads there.
 *
 * Superusers may still write to a state table itself, as to any catalog: what
 * they make of it is theirs to answer for, and kappa.verify finds it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "view/catalog.h"
#include "view/readonly.h"

/* The statement that is just being started is a batch's. */
static bool started_by_batch = false;

static ExecutorCheckPerms_hook_type previous_hook = NULL;

static void
refuse_write(Oid view)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot change or lock rows of continuous view \"%s\"", get_rel_name(view)),
			 errdetail("They are what its query gives over the messages of its stream.")));
}

static void
check_write(Oid relid)
{
	Oid			view;

	if (get_rel_relkind(relid) == RELKIND_VIEW)
	{
		if (view_exists(relid))
			refuse_write(relid);
		return;
	}
	if (superuser() || get_rel_namespace(relid) != get_namespace_oid("kappa_state", true))
		return;
	view = catalog_view_of_hidden(relid);
	if (OidIsValid(view))
		refuse_write(view);
}

static bool
check_permissions(CHECK_PERMISSIONS_PARAMETERS)
{
	bool		by_batch = started_by_batch;
	ListCell   *lc;

	/* What functions execute while the statement is being started is not the batch's. */
	started_by_batch = false;
	if (!by_batch)
		foreach(lc, permissions)
		{
			RTEPermissionInfo *info = lfirst(lc);

			if (OidIsValid(info->relid) &&
				(info->requiredPerms & (ACL_INSERT | ACL_UPDATE | ACL_DELETE)) != 0)
				check_write(info->relid);
		}
	return previous_hook == NULL || previous_hook(CHECK_PERMISSIONS_ARGUMENTS);
}

void
readonly_start_batch(QueryDesc *desc)
{
	started_by_batch = true;
	PG_TRY();
	{
		ExecutorStart(desc, 0);
	}
	PG_FINALLY();
	{
		started_by_batch = false;
	}
	PG_END_TRY();
}

void
readonly_init(void)
{
	previous_hook = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
}
