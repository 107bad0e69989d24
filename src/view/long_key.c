/*-------------------------------------------------------------------------
 *
 * long_key.c
 *	  Group keys that are too long for an index.
 *
 * A btree takes no more than a third of a page, 2.7 kB, of all keys together.
 * Nearly no view ever has such keys, and it is the plain index on the keys that
 * gives readers short plans.  So a view starts with that one, and when the
 * first key comes that does not fit, the worker changes the index and the merge
 * statement, once and for all:
 *
 *	before	UNIQUE (minute, item)					ON CONFLICT (minute, item)
 *	after	UNIQUE (minute, key_digest(item))		ON CONFLICT (minute, key_digest(item))
 *			and a hash index on item, for WHERE item = '...'
 *
 * Both statements were derived at creation (kappa.views.long_key_merge).
 *
 * Equal keys have equal digests, whatever equal means to type and collation:
 * 128 bits by the type's own extended hash function with two seeds.  Those are
 * no cryptographic hashes, and whoever writes messages may wish two keys of his
 * to meet; so where equal means the same bytes (text, varchar and bytea under
 * deterministic collations) it is SHA-256.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "view/owner.h"

#define DIGEST_SEED_1	INT64CONST(0)
#define DIGEST_SEED_2	INT64CONST(0x6b61707061)

PG_FUNCTION_INFO_V1(kappa_key_digest);

/* Is equality of this type equality of its bytes? */
static bool
equal_by_bytes(Oid type, Oid collation)
{
	switch (getBaseType(type))
	{
		case BYTEAOID:
			return true;
		case TEXTOID:
		case VARCHAROID:
			return OidIsValid(collation) && get_collation_isdeterministic(collation);
		default:
			return false;
	}
}

static Datum
digest_by_type(FunctionCallInfo fcinfo, Oid type, Datum value)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC_FINFO);
	bytea	   *result = palloc(VARHDRSZ + 2 * sizeof(uint64));
	uint64		halves[2];

	if (!OidIsValid(entry->hash_extended_proc))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify an extended hash function for type %s",
						format_type_be(type))));
	halves[0] = DatumGetUInt64(FunctionCall2Coll(&entry->hash_extended_proc_finfo,
												 PG_GET_COLLATION(), value,
												 Int64GetDatum(DIGEST_SEED_1)));
	halves[1] = DatumGetUInt64(FunctionCall2Coll(&entry->hash_extended_proc_finfo,
												 PG_GET_COLLATION(), value,
												 Int64GetDatum(DIGEST_SEED_2)));
	SET_VARSIZE(result, VARHDRSZ + sizeof(halves));
	memcpy(VARDATA(result), halves, sizeof(halves));
	return PointerGetDatum(result);
}

/* kappa.key_digest(anyelement) -> bytea */
Datum
kappa_key_digest(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);

	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of a group key");
	if (equal_by_bytes(type, PG_GET_COLLATION()))
		return DirectFunctionCall1(sha256_bytea, PG_GETARG_DATUM(0));
	return digest_by_type(fcinfo, type, PG_GETARG_DATUM(0));
}

/* ------------------------------------------------------- changing the index */

/* The state's only unique index, qualified and quoted. */
static char *
unique_index_name(Oid state)
{
	Relation	rel = table_open(state, NoLock);
	char	   *result = NULL;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indisunique)
			result = pstrdup(RelationGetRelationName(index));
		index_close(index, AccessShareLock);
	}
	table_close(rel, NoLock);
	if (result == NULL)
		elog(ERROR, "state table %u has no unique index", state);
	return result;
}

/* Runs a query over kappa's tables that returns texts; NULL for none. */
static List *
query_texts(const char *sql, const ContinuousView *cv)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {OIDOID, INT4OID};
	Datum		values[] = {ObjectIdGetDatum(cv->view), Int32GetDatum(cv->generation)};
	ViewIdentity save;
	List	   *result = NIL;

	extension_enter(&save);
	SPI_connect();
	if (SPI_execute_with_args(sql, 2, types, values, NULL, false, 0) < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", sql);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *text = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		result = lappend(result, pstrdup(text));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	extension_leave(&save);
	return result;
}

void
view_take_long_keys(const ContinuousView *cv)
{
	char	   *state = view_relation_name(cv->state);
	char	   *name = unique_index_name(cv->state);
	List	   *columns;
	List	   *keys;
	ListCell   *lc;

	keys = query_texts("SELECT unnest(long_keys) FROM kappa.views"
					   " WHERE view::oid = $1 AND generation = $2", cv);
	columns = query_texts("UPDATE kappa.views SET merge = long_key_merge, long_key_merge = NULL"
						  " WHERE view::oid = $1 AND generation = $2"
						  " AND long_key_merge IS NOT NULL RETURNING long_key_index", cv);
	if (columns == NIL)
		return;

	extension_execute(psprintf("DROP INDEX %s", quote_qualified_identifier("kappa_state", name)));
	extension_execute(psprintf("CREATE UNIQUE INDEX %s ON %s (%s) NULLS NOT DISTINCT",
							   quote_identifier(name), state, (char *) linitial(columns)));
	foreach(lc, keys)
		extension_execute(psprintf("CREATE INDEX ON %s USING hash (%s)",
								   state, quote_identifier(lfirst(lc))));
	CommandCounterIncrement();
}
