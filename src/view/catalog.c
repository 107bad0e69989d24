/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  The rows of schema kappa, and the ContinuousView made of them.
 *
 * The tables are the extension owner's; users read them through views.  So
 * everything here is done with that owner's rights, by SQL with fully qualified
 * names.  Rows are read with the caller's active snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "view/catalog.h"
#include "view/owner.h"

/* ------------------------------------------------------------- existence */

/*
 * Without the extension a schema of that name is somebody else's, and tables in
 * it may be anything.  (The schema first: that look-up is cached.)
 */
Oid
catalog_table(const char *name)
{
	Oid			namespace = get_namespace_oid("kappa", true);

	if (!OidIsValid(namespace) || !OidIsValid(get_extension_oid("pg_kappa", true)))
		return InvalidOid;
	return get_relname_relid(name, namespace);
}

/*
 * By the primary key, whose first column is the view's OID, and without SPI: it is
 * asked for every relation that a statement names.
 */
bool
view_exists(Oid relid)
{
	Oid			table = InvalidOid;
	Relation	views;
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_VIEW)
		table = catalog_table("views");
	if (!OidIsValid(table))
		return false;

	views = table_open(table, AccessShareLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(views, catalog_table("views_pkey"), true, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(views, AccessShareLock);
	return found;
}

bool
view_catalog_is_free(void)
{
	Oid			table = catalog_table("views");

	return OidIsValid(table) && ConditionalLockRelationOid(table, AccessShareLock) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table));
}

/* ----------------------------------------------------------------- reading */

static const char select_views[] =
"SELECT v.view, v.generation, v.kind, c.relowner, v.stream, v.definition, v.delta, v.state,"
" v.consumer, v.start, v.settings, v.columns, v.uses_time, v.paused, v.failed,"
" v.error, v.fingerprint, v.reject_limit, n.nspname, c.relname,"
" v.long_key_index, v.has_long_keys"
" FROM kappa.views v"
" JOIN pg_class c ON c.oid = v.view::oid"
" JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE v.current AND ($1 = 0::oid OR v.view::oid = $1)"
" ORDER BY v.view::oid";

static Datum
column_value(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

static char *
column_text(int row, int column)
{
	bool		isnull;
	Datum		value = column_value(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static int64
column_int64(int row, int column, int64 if_null)
{
	bool		isnull;
	Datum		value = column_value(row, column, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

static Datum
column_datum(int row, int column)
{
	bool		isnull;

	return column_value(row, column, &isnull);
}

static ViewKind
kind_from_name(const char *name)
{
	if (strcmp(name, "grouped") == 0)
		return VIEW_GROUPED;
	return strcmp(name, "single") == 0 ? VIEW_SINGLE : VIEW_ROWS;
}

/* name=value, ... */
static List *
settings_from_array(Datum array)
{
	List	   *result = NIL;
	Datum	   *elements;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *setting = TextDatumGetCString(elements[i]);
		char	   *equals = strchr(setting, '=');

		if (equals == NULL)
			continue;
		*equals = '\0';
		result = lappend(result, makeDefElem(setting, (Node *) makeString(equals + 1), -1));
	}
	return result;
}

static Bitmapset *
columns_from_array(Datum array)
{
	Bitmapset  *result = NULL;
	Datum	   *elements;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), INT4OID, sizeof(int32), true,
					  TYPALIGN_INT, &elements, NULL, &n);
	for (int i = 0; i < n; i++)
		result = bms_add_member(result, DatumGetInt32(elements[i]));
	return result;
}

static ContinuousView *
view_from_row(int row)
{
	ContinuousView *cv = palloc0(sizeof(ContinuousView));

	cv->view = DatumGetObjectId(column_datum(row, 1));
	cv->generation = DatumGetInt32(column_datum(row, 2));
	cv->kind = kind_from_name(column_text(row, 3));
	cv->owner = DatumGetObjectId(column_datum(row, 4));
	cv->stream = DatumGetObjectId(column_datum(row, 5));
	cv->definition = DatumGetObjectId(column_datum(row, 6));
	cv->delta = DatumGetObjectId(column_datum(row, 7));
	cv->state = DatumGetObjectId(column_datum(row, 8));
	cv->consumer = DatumGetInt32(column_datum(row, 9));
	cv->start = column_text(row, 10);
	cv->settings = settings_from_array(column_datum(row, 11));
	cv->columns = columns_from_array(column_datum(row, 12));
	cv->needs_event_time = DatumGetBool(column_datum(row, 13));
	cv->paused = DatumGetBool(column_datum(row, 14));
	cv->failed = DatumGetBool(column_datum(row, 15));
	cv->error = column_text(row, 16);
	cv->foreign_origin = strcmp(column_text(row, 17), view_fingerprint()) != 0;
	cv->reject_limit = column_int64(row, 18, -1);
	cv->name = quote_qualified_identifier(NameStr(*DatumGetName(column_datum(row, 19))),
										  NameStr(*DatumGetName(column_datum(row, 20))));
	cv->long_key_index = column_text(row, 21);
	cv->takes_long_keys = cv->long_key_index == NULL || DatumGetBool(column_datum(row, 22));
	if (!cv->takes_long_keys)
		cv->long_key_index = NULL;
	return cv;
}

/* All views, or one.  The rows come in the caller's memory context. */
static List *
read_views(Oid view)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext spi;
	ViewIdentity save;
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	List	   *result = NIL;

	if (!OidIsValid(catalog_table("views")))
		return NIL;

	extension_enter(&save);
	SPI_connect();
	if (SPI_execute_with_args(select_views, 1, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read kappa.views");
	spi = MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < SPI_processed; i++)
		result = lappend(result, view_from_row(i));
	MemoryContextSwitchTo(spi);
	SPI_finish();
	extension_leave(&save);
	return result;
}

List *
view_list(void)
{
	return read_views(InvalidOid);
}

ContinuousView *
view_get(Oid view)
{
	List	   *found = OidIsValid(view) ? read_views(view) : NIL;
	char	   *name;

	if (found != NIL)
		return linitial(found);

	name = get_rel_name(view);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", view)));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a continuous view", name)));
	return NULL;
}

void
view_check_owner(Oid view)
{
	if (!object_ownercheck(RelationRelationId, view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view));
}

bool
view_lock(Oid view)
{
	LockRelationOid(view, ShareUpdateExclusiveLock);
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(view));
}

/*
 * Rights first: nobody may keep a lock on what is not theirs.  That the view is
 * gone when the lock has come is ours to see: a superuser owns whatever there was,
 * and the catalog may be read as of before the wait.
 */
void
view_lock_own(Oid view)
{
	char	   *name = get_rel_name(view);
	Oid			namespace = get_rel_namespace(view);

	view_check_owner(view);
	if (!view_lock(view))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 name == NULL ? errmsg("relation with OID %u does not exist", view) :
				 errmsg("continuous view %s was dropped",
						quote_qualified_identifier(get_namespace_name(namespace), name))));
	view_check_owner(view);
}

void
view_check_select(Oid view)
{
	AclResult	result = pg_class_aclcheck(view, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_VIEW, get_rel_name(view));
}

/* ---------------------------------------------------------------- positions */

static const char select_position[] =
"SELECT o.partition, o.next_offset, coalesce(o.end_offset, -1), o.last_offset,"
" o.last_timestamp, coalesce(o.last_hash, 0), coalesce(w.start_offset, 0)"
" FROM kappa.offsets o"
" LEFT JOIN kappa.watermarks w ON w.view::oid = $2 AND w.generation = $3"
" AND w.topic = o.topic AND w.partition = o.partition"
" WHERE o.consumer = $1"
" ORDER BY o.partition";

ConsumerPosition *
view_position(const ContinuousView *cv)
{
	ConsumerPosition *result = palloc0(sizeof(ConsumerPosition));
	MemoryContext caller = CurrentMemoryContext;
	ViewIdentity save;
	Oid			types[] = {INT4OID, OIDOID, INT4OID};
	Datum		args[] = {Int32GetDatum(cv->consumer), ObjectIdGetDatum(cv->view),
	Int32GetDatum(cv->generation)};
	int			n;

	extension_enter(&save);
	SPI_connect();
	if (SPI_execute_with_args(select_position, 3, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read kappa.offsets");
	n = result->npositions = (int) SPI_processed;
	result->positions = MemoryContextAllocZero(caller, sizeof(StreamPosition) * Max(n, 1));
	result->start_offsets = MemoryContextAllocZero(caller, sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		StreamPosition *position = &result->positions[i];

		position->partition = DatumGetInt32(column_datum(i, 1));
		position->next_offset = DatumGetInt64(column_datum(i, 2));
		position->end_offset = DatumGetInt64(column_datum(i, 3));
		position->last_offset = DatumGetInt64(column_datum(i, 4));
		position->last_timestamp = column_int64(i, 5, NO_TIMESTAMP);
		position->last_hash = DatumGetInt64(column_datum(i, 6));
		result->start_offsets[i] = DatumGetInt64(column_datum(i, 7));
	}
	SPI_finish();
	extension_leave(&save);
	return result;
}

/* ----------------------------------------------------------------- writing */

/* Executes a command over kappa's tables; returns what it returns, if anything. */
static Datum
run_command(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	ViewIdentity save;
	Datum		result = (Datum) 0;
	bool		isnull;

	extension_enter(&save);
	SPI_connect();
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0) < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", sql);
	if (SPI_tuptable && SPI_processed > 0)
		result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	extension_leave(&save);
	return result;
}

int
catalog_add_consumer(Oid stream)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(stream)};

	return DatumGetInt32(run_command("INSERT INTO kappa.consumers (stream) VALUES ($1) RETURNING id",
									 1, types, values, NULL));
}

static Datum
array_from_settings(List *settings)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(settings), 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, settings)
	{
		DefElem    *setting = lfirst_node(DefElem, lc);

		elements[n++] = CStringGetTextDatum(psprintf("%s=%s", setting->defname,
													 defGetString(setting)));
	}
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
array_from_columns(const Bitmapset *columns)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(bms_num_members(columns), 1));
	int			n = 0;
	int			i = -1;

	while ((i = bms_next_member(columns, i)) >= 0)
		elements[n++] = Int32GetDatum(i);
	return PointerGetDatum(construct_array(elements, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

static Datum
array_from_names(List *names)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(names), 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, names)
		elements[n++] = CStringGetTextDatum(strVal(lfirst(lc)));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

void
catalog_add_view(const ContinuousView *cv, const ViewDerivation *derivation)
{
	static const char *const kinds[] = {"grouped", "single", "rows"};
	Oid			types[] = {OIDOID, INT4OID, TEXTOID, OIDOID, OIDOID, OIDOID, OIDOID, INT4OID,
		INT4ARRAYOID, BOOLOID, TEXTOID, INT8OID, TEXTARRAYOID, TEXTOID, BOOLOID, INT4OID};
	Datum		values[] = {
		ObjectIdGetDatum(cv->view), Int32GetDatum(cv->generation),
		CStringGetTextDatum(kinds[cv->kind]),
		ObjectIdGetDatum(cv->stream), ObjectIdGetDatum(cv->definition),
		ObjectIdGetDatum(cv->delta), ObjectIdGetDatum(cv->state), Int32GetDatum(cv->consumer),
		array_from_columns(cv->columns),
		BoolGetDatum(cv->needs_event_time), CStringGetTextDatum(cv->start),
		Int64GetDatum(cv->reject_limit), array_from_settings(cv->settings),
		CStringGetTextDatum(view_fingerprint()), BoolGetDatum(derivation->version_bound),
	Int32GetDatum(PG_VERSION_NUM / 10000)};

	run_command("INSERT INTO kappa.views (view, generation, kind, stream, definition, delta, state,"
				" consumer, columns, uses_time, start, reject_limit, settings, fingerprint,"
				" version_bound, major)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, nullif($12, -1), $13,"
				" $14, $15, $16)",
				lengthof(types), types, values, NULL);
	run_command("INSERT INTO kappa.stats (view, generation) VALUES ($1, $2)",
				2, types, values, NULL);
}

void
catalog_add_long_keys(const ContinuousView *cv, const char *index, List *digested)
{
	Oid			types[] = {OIDOID, INT4OID, TEXTOID, TEXTARRAYOID};
	Datum		values[] = {ObjectIdGetDatum(cv->view), Int32GetDatum(cv->generation),
	CStringGetTextDatum(index), array_from_names(digested)};

	run_command("UPDATE kappa.views SET long_key_index = $3, long_keys = $4"
				" WHERE view::oid = $1 AND generation = $2",
				lengthof(types), types, values, NULL);
}

void
catalog_set_error(const ContinuousView *cv, const char *error)
{
	Oid			types[] = {OIDOID, INT4OID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(cv->view), Int32GetDatum(cv->generation),
	error ? CStringGetTextDatum(error) : (Datum) 0};

	run_command("UPDATE kappa.views SET error = $3 WHERE view::oid = $1 AND generation = $2"
				" AND error IS DISTINCT FROM $3",
				3, types, values, error ? "   " : "  n");
}

void
catalog_set_reject_limit(Oid view, int64 reject_limit)
{
	Oid			types[] = {OIDOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(view), Int64GetDatum(reject_limit)};

	run_command("UPDATE kappa.views SET reject_limit = nullif($2, -1) WHERE view::oid = $1",
				2, types, values, NULL);
}

/* Consumers that feed no view any more go with their offsets. */
void
catalog_remove_view(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(view)};

	run_command("DELETE FROM kappa.dead_letters WHERE view::oid = $1", 1, types, values, NULL);
	run_command("DELETE FROM kappa.stats WHERE view::oid = $1", 1, types, values, NULL);
	run_command("DELETE FROM kappa.watermarks WHERE view::oid = $1", 1, types, values, NULL);
	run_command("DELETE FROM kappa.views WHERE view::oid = $1", 1, types, values, NULL);
	run_command("DELETE FROM kappa.consumers c"
				" WHERE NOT EXISTS (SELECT FROM kappa.views v WHERE v.consumer = c.id)",
				0, NULL, NULL, NULL);
	run_command("DELETE FROM kappa.offsets o"
				" WHERE NOT EXISTS (SELECT FROM kappa.consumers c WHERE c.id = o.consumer)",
				0, NULL, NULL, NULL);
}

List *
catalog_hidden_relations(Oid view)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext spi;
	ViewIdentity save;
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	List	   *result = NIL;

	extension_enter(&save);
	SPI_connect();
	if (SPI_execute_with_args("SELECT r::oid FROM kappa.views v,"
							  " LATERAL (VALUES (v.definition), (v.delta), (v.state)) AS x (r)"
							  " WHERE v.view::oid = $1",
							  1, types, args, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read kappa.views");
	spi = MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < SPI_processed; i++)
		result = lappend_oid(result, DatumGetObjectId(column_datum(i, 1)));
	MemoryContextSwitchTo(spi);
	SPI_finish();
	extension_leave(&save);
	return result;
}

/* -------------------------------------------------------------- dependants */

Oid
catalog_view_of_hidden(Oid relid)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(relid), CStringGetTextDatum(view_fingerprint())};

	if (!OidIsValid(catalog_table("views")))
		return InvalidOid;
	return DatumGetObjectId(run_command("SELECT view::oid FROM kappa.views"
										" WHERE $1 IN (definition::oid, delta::oid, state::oid)"
										" AND fingerprint = $2",
										2, types, values, NULL));
}

bool
catalog_stream_used(Oid stream, Bitmapset **columns)
{
	ListCell   *lc;
	bool		used = false;

	*columns = NULL;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, view_list())
	{
		ContinuousView *cv = lfirst(lc);

		if (cv->stream != stream)
			continue;
		used = true;
		*columns = bms_add_members(*columns, cv->columns);
	}
	PopActiveSnapshot();
	return used;
}
