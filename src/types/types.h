/*-------------------------------------------------------------------------
 *
 * types.h
 *	  What the mergeable types share: one hash of any value.
 *
 * The types of this room are plain PostgreSQL types and aggregates: the rest
 * of pg_kappa reaches them through SQL only, as any user does.  So nothing
 * here is for other rooms; the files of this room share it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_TYPES_H
#define KAPPA_TYPES_H

#include "fmgr.h"

/*
 * How values of one type are hashed: looked up once for a call site, then
 * used for every value.  Made by datum_hasher_get.
 */
typedef struct DatumHasher DatumHasher;

/*
 * The hasher for values of argument argno of the running function, kept in
 * fcinfo->flinfo->fn_extra (which must serve nothing else).  An error if the
 * type has no hash function.
 */
extern DatumHasher *datum_hasher_get(FunctionCallInfo fcinfo, int argno);

/* The same, newly made in fn_mcxt, for functions with more to keep there. */
extern DatumHasher *datum_hasher_create(FunctionCallInfo fcinfo, int argno);

/*
 * 64 well mixed bits: equal values give equal bits, whatever their length or
 * spelling.  Which types keep their bits over major versions of PostgreSQL,
 * machines and dumps is said at the head of hash.c.
 */
extern uint64 datum_hash(DatumHasher *hasher, Datum value);

/* The first half of MurmurHash3_x64_128 with seed 0; of a number as its 8 bytes. */
extern uint64 murmur3_bytes(const void *data, size_t len);
extern uint64 murmur3_int64(int64 value);

#endif							/* KAPPA_TYPES_H */
