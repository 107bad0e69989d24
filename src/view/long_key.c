/*-------------------------------------------------------------------------
 *
 * long_key.c
 *	  Group keys that are too long for an index.
 *
 * A btree takes no more than a third of a page, 2.7 kB, of all keys together.
 * Nearly no view ever has such keys, and it is the plain index on the keys that
 * gives readers short plans.  So a view starts with that one, and when the
 * first key comes that does not fit, the worker changes the index, and with it
 * the merge statement, once and for all:
 *
 *	before	UNIQUE (minute, item)					ON CONFLICT (minute, item)
 *	after	UNIQUE (minute, key_digest(item))		ON CONFLICT (minute, key_digest(item))
 *			and a hash index on item, for WHERE item = '...'
 *
 * The columns were derived at creation (kappa.views.long_key_index).
 *
 * The index tells groups apart by digests alone, so keys must have the same digest
 * if, and practically only if, they are equal.  For text and bytea it is SHA-256
 * of the bytes, or, where the collation makes different bytes equal, 128 bits of
 * the hash of what it compares.  The hash functions of other types do not do:
 * NaN and Infinity share one, so do arrays of different dimensions, and [[[1]]]
 * and [1] as jsonb.  So keys of other types stay in the index as they are, and
 * a message whose keys are too long even so is a dead letter.
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

#include "compat.h"
#include "view/derive.h"
#include "view/owner.h"

#define DIGEST_SEED_1	INT64CONST(0)
#define DIGEST_SEED_2	INT64CONST(0x6b61707061)

PG_FUNCTION_INFO_V1(kappa_key_digest);

bool
view_key_has_digest(Oid type)
{
	switch (getBaseType(type))
	{
		case BYTEAOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return true;
		default:
			return false;
	}
}

/* The collation's own idea of equality, and bpchar's: blanks at the end do not count. */
static Datum
digest_by_hash(Datum value, bool is_bpchar, Oid collation)
{
	PGFunction	hash = is_bpchar ? hashbpcharextended : hashtextextended;
	bytea	   *result = palloc(VARHDRSZ + 2 * sizeof(uint64));
	uint64		halves[2];

	halves[0] = DatumGetUInt64(DirectFunctionCall2Coll(hash, collation, value,
													   Int64GetDatum(DIGEST_SEED_1)));
	halves[1] = DatumGetUInt64(DirectFunctionCall2Coll(hash, collation, value,
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
	Oid			collation = PG_GET_COLLATION();
	bool		is_bpchar = OidIsValid(type) && getBaseType(type) == BPCHAROID;

	if (!OidIsValid(type) || !view_key_has_digest(type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no digest of type %s",
						OidIsValid(type) ? format_type_be(type) : "unknown")));
	if (is_bpchar ||
		(OidIsValid(collation) && !get_collation_isdeterministic(collation)))
		return digest_by_hash(PG_GETARG_DATUM(0), is_bpchar, collation);
	return DirectFunctionCall1(sha256_bytea, PG_GETARG_DATUM(0));
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
	columns = query_texts("UPDATE kappa.views SET has_long_keys = true"
						  " WHERE view::oid = $1 AND generation = $2"
						  " AND long_key_index IS NOT NULL AND NOT has_long_keys"
						  " RETURNING long_key_index", cv);
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
