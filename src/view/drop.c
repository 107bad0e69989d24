/*-------------------------------------------------------------------------
 *
 * drop.c
 *	  When a continuous view goes, everything that belongs to it goes.
 *
 * A view may be dropped by DROP VIEW, by CASCADE from whatever it depends on, by
 * DROP OWNED, and from inside functions: object_access_hook sees all of them, but
 * in the middle of a deletion, when nothing else may be deleted.  So it takes
 * notes, and view_finish_drops() does the rest after the statement, or, if
 * nobody called it, before the transaction commits.
 *
 * Notes belong to the subtransaction that made them and vanish if it aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "view/catalog.h"
#include "view/identity.h"
#include "view/readonly.h"
#include "view/view.h"

typedef struct DroppedView
{
	Oid			view;
	SubTransactionId subxact;
} DroppedView;

static List *dropped_views = NIL;	/* in TopTransactionContext */

static object_access_hook_type previous_hook = NULL;

/* ------------------------------------------------------------------- notes */

static void
note_drop(Oid view)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	DroppedView *note = palloc(sizeof(DroppedView));

	note->view = view;
	note->subxact = GetCurrentSubTransactionId();
	dropped_views = lappend(dropped_views, note);
	MemoryContextSwitchTo(oldcontext);
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (previous_hook)
		previous_hook(access, class, object, sub, arg);

	if (access == OAT_FUNCTION_EXECUTE)
		identity_check_function(object);
	else if (access == OAT_DROP && class == RelationRelationId && sub == 0 && view_exists(object))
		note_drop(object);
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			view_finish_drops(DROP_RESTRICT);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			dropped_views = NIL;
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	ListCell   *lc;

	foreach(lc, dropped_views)
	{
		DroppedView *note = lfirst(lc);

		if (note->subxact != mine)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			note->subxact = parent;
		else if (event == SUBXACT_EVENT_ABORT_SUB)
			dropped_views = foreach_delete_current(dropped_views, lc);
	}
}

/* ---------------------------------------------------------------- the rest */

/* What of a view's hidden relations is still there (CASCADE may have taken some). */
static void
drop_hidden_relations(Oid view, DropBehavior behavior)
{
	ObjectAddresses *objects = new_object_addresses();
	ListCell   *lc;

	foreach(lc, catalog_hidden_relations(view))
	{
		ObjectAddress address;

		if (get_rel_relkind(lfirst_oid(lc)) == '\0')
			continue;
		ObjectAddressSet(address, RelationRelationId, lfirst_oid(lc));
		add_exact_object_address(&address, objects);
	}
	performMultipleDeletions(objects, behavior, PERFORM_DELETION_INTERNAL);
	free_object_addresses(objects);
}

int
view_finish_drops(DropBehavior behavior)
{
	int			n = 0;

	if (dropped_views == NIL)
		return 0;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	while (dropped_views != NIL)
	{
		Oid			view = ((DroppedView *) linitial(dropped_views))->view;

		dropped_views = list_delete_first(dropped_views);

		/* DROP EXTENSION takes the tables of schema kappa itself. */
		if (!OidIsValid(catalog_table("views")))
			continue;
		drop_hidden_relations(view, behavior);
		catalog_remove_view(view);
		n++;
	}
	PopActiveSnapshot();
	CommandCounterIncrement();
	return n;
}

void
view_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = object_access;
	readonly_init();
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
