/*-------------------------------------------------------------------------
 *
 * alter.c
 *	  Changes of a continuous view after its creation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "commands/tablecmds.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "view/catalog.h"
#include "view/options.h"

void
view_set_options(Oid view, List *options)
{
	ContinuousViewOptions *parsed;

	view_check_owner(view);
	parsed = view_options_parse(options, false, true);
	if (parsed->has_reject_limit)
		catalog_set_reject_limit(view, parsed->reject_limit);
}

static Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* The right to change V's owner was checked when that was done. */
void
view_follow_owner(Oid view)
{
	Oid			owner = relation_owner(view);
	ListCell   *lc;

	if (!view_exists(view))
		return;
	foreach(lc, catalog_hidden_relations(view))
		if (relation_owner(lfirst_oid(lc)) != owner)
			ATExecChangeOwner(lfirst_oid(lc), owner, true, AccessExclusiveLock);
	CommandCounterIncrement();
}

/*
 * DROP .. CASCADE of what the definition uses takes V, and none of the hidden
 * relations can be dropped under it.  (On the state V depends by its query.)
 */
void
view_record_dependencies(Oid view, Oid definition, Oid delta)
{
	Oid			hidden[] = {definition, delta};
	ObjectAddress dependent;
	ObjectAddress referenced;

	ObjectAddressSet(dependent, RelationRelationId, view);
	for (int i = 0; i < lengthof(hidden); i++)
	{
		ObjectAddressSet(referenced, RelationRelationId, hidden[i]);
		deleteDependencyRecordsForSpecific(RelationRelationId, view, DEPENDENCY_NORMAL,
										   RelationRelationId, hidden[i]);
		recordDependencyOn(&dependent, &referenced, DEPENDENCY_NORMAL);
	}
}
