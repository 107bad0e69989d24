/*-------------------------------------------------------------------------
 *
 * hash.c
 *	  One 64-bit hash of a value of any type, the same for equal values.
 *
 * Sketches live long: they are stored in tables, dumped, restored, carried
 * to the next major version, and merged with sketches that were made there.
 * So for the common types the bits hashed are defined here and not by
 * PostgreSQL, which promises no stability for its own hash functions:
 *
 *	smallint, integer, bigint		murmur3 of the value as 8 bytes, so equal
 *									numbers of different widths are alike
 *	oid, "char", boolean, date, time, timestamp, timestamptz
 *									their number, likewise
 *	real, double precision			the bits of the double precision value;
 *									-0 counts as 0, all NaNs are alike
 *	text, varchar, name, bytea
 *									murmur3 of the bytes
 *	character(n)					the bytes without trailing blanks
 *	uuid							murmur3 of its 16 bytes
 *	enums							the bytes of the label (OIDs of labels do
 *									not survive a dump)
 *
 * The bits of these are stable over versions, machines and dumps (of text,
 * in databases of the same encoding).  Domains are hashed as their base type.
 *
 * Every other type is hashed by its own extended hash function, the one that
 * hash partitioning uses, with seed 0, mixed once more because it need not
 * mix well.  PostgreSQL keeps these functions as they are as far as hash
 * partitions must survive pg_upgrade; numeric (1.0 = 1.00), interval, timetz,
 * inet, macaddr, arrays, ranges, rows and jsonb are in this group.  So is
 * text under a nondeterministic collation, where equal values have different
 * bytes: its bits are those of the collation's library and change with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "types/types.h"

typedef enum HashedAs
{
	HASHED_AS_INT2,
	HASHED_AS_INT4,
	HASHED_AS_INT8,
	HASHED_AS_OID,
	HASHED_AS_CHAR,
	HASHED_AS_BOOL,
	HASHED_AS_FLOAT4,
	HASHED_AS_FLOAT8,
	HASHED_AS_VARLENA,
	HASHED_AS_BPCHAR,
	HASHED_AS_NAME,
	HASHED_AS_UUID,
	HASHED_AS_ENUM,
	HASHED_BY_TYPE				/* by the type's own function */
} HashedAs;

struct DatumHasher
{
	HashedAs	hashed_as;
	Oid			collation;
	FmgrInfo	function;		/* HASHED_BY_TYPE: the type's function */
};

static Oid	extended_hash_function(Oid type);
static HashedAs choose_hash(Oid type, Oid collation);
static uint64 hash_float8(float8 value);
static uint64 hash_varlena(Datum value, bool strip_blanks);
static uint64 hash_enum(Oid label);

DatumHasher *
datum_hasher_get(FunctionCallInfo fcinfo, int argno)
{
	if (unlikely(fcinfo->flinfo->fn_extra == NULL))
		fcinfo->flinfo->fn_extra = datum_hasher_create(fcinfo, argno);
	return fcinfo->flinfo->fn_extra;
}

DatumHasher *
datum_hasher_create(FunctionCallInfo fcinfo, int argno)
{
	DatumHasher *hasher;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argno);

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE),
				 errmsg("could not determine the data type of the values to hash")));
	type = getBaseType(type);

	hasher = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
									sizeof(DatumHasher));
	hasher->collation = PG_GET_COLLATION();
	hasher->hashed_as = choose_hash(type, hasher->collation);
	if (hasher->hashed_as == HASHED_BY_TYPE)
		fmgr_info_cxt(extended_hash_function(type), &hasher->function,
					  fcinfo->flinfo->fn_mcxt);
	return hasher;
}

/*
 * The type cache knows none for anonymous rows, since it cannot see whether
 * their columns have one; that is found out when the first is hashed.
 */
static Oid
extended_hash_function(Oid type)
{
	Oid			function;

	if (type == RECORDOID)
		return F_HASH_RECORD_EXTENDED;

	function = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC)->hash_extended_proc;
	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify an extended hash function for type %s",
						format_type_be(type)),
				 errhint("Cast the value to a type that can be hashed, such as text.")));
	return function;
}

static HashedAs
choose_hash(Oid type, Oid collation)
{
	switch (type)
	{
		case INT2OID:
			return HASHED_AS_INT2;
		case INT4OID:
		case DATEOID:
			return HASHED_AS_INT4;
		case INT8OID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return HASHED_AS_INT8;
		case OIDOID:
			return HASHED_AS_OID;
		case CHAROID:
			return HASHED_AS_CHAR;
		case BOOLOID:
			return HASHED_AS_BOOL;
		case FLOAT4OID:
			return HASHED_AS_FLOAT4;
		case FLOAT8OID:
			return HASHED_AS_FLOAT8;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			if (OidIsValid(collation) &&
				!get_collation_isdeterministic(collation))
				return HASHED_BY_TYPE;
			return type == BPCHAROID ? HASHED_AS_BPCHAR : HASHED_AS_VARLENA;
		case BYTEAOID:
			return HASHED_AS_VARLENA;
		case NAMEOID:
			return HASHED_AS_NAME;
		case UUIDOID:
			return HASHED_AS_UUID;
		default:
			return type_is_enum(type) ? HASHED_AS_ENUM : HASHED_BY_TYPE;
	}
}

uint64
datum_hash(DatumHasher *hasher, Datum value)
{
	switch (hasher->hashed_as)
	{
		case HASHED_AS_INT2:
			return murmur3_int64(DatumGetInt16(value));
		case HASHED_AS_INT4:
			return murmur3_int64(DatumGetInt32(value));
		case HASHED_AS_INT8:
			return murmur3_int64(DatumGetInt64(value));
		case HASHED_AS_OID:
			return murmur3_int64(DatumGetObjectId(value));
		case HASHED_AS_CHAR:
			return murmur3_int64((uint8) DatumGetChar(value));
		case HASHED_AS_BOOL:
			return murmur3_int64(DatumGetBool(value) ? 1 : 0);
		case HASHED_AS_FLOAT4:
			return hash_float8(DatumGetFloat4(value));
		case HASHED_AS_FLOAT8:
			return hash_float8(DatumGetFloat8(value));
		case HASHED_AS_VARLENA:
			return hash_varlena(value, false);
		case HASHED_AS_BPCHAR:
			return hash_varlena(value, true);
		case HASHED_AS_NAME:
			return murmur3_bytes(NameStr(*DatumGetName(value)),
								 strlen(NameStr(*DatumGetName(value))));
		case HASHED_AS_UUID:
			return murmur3_bytes(DatumGetUUIDP(value)->data, UUID_LEN);
		case HASHED_AS_ENUM:
			return hash_enum(DatumGetObjectId(value));
		case HASHED_BY_TYPE:
			break;
	}
	return murmur3_int64(DatumGetInt64(FunctionCall2Coll(&hasher->function,
														 hasher->collation,
														 value,
														 Int64GetDatum(0))));
}

static uint64
hash_float8(float8 value)
{
	int64		bits;

	/* == is true of -0 and 0, whose bits differ. */
	if (value == 0)
		value = 0;
	if (isnan(value))
		return murmur3_int64(INT64CONST(0x7FF8000000000000));
	memcpy(&bits, &value, sizeof(bits));
	return murmur3_int64(bits);
}

static uint64
hash_varlena(Datum value, bool strip_blanks)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	const char *data = VARDATA_ANY(bytes);
	size_t		len = VARSIZE_ANY_EXHDR(bytes);

	while (strip_blanks && len > 0 && data[len - 1] == ' ')
		len--;
	return murmur3_bytes(data, len);
}

static uint64
hash_enum(Oid label)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(label));
	const char *name;
	uint64		hash;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid internal value for enum: %u", label)));
	name = NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel);
	hash = murmur3_bytes(name, strlen(name));
	ReleaseSysCache(tuple);
	return hash;
}
