/*-------------------------------------------------------------------------
 *
 * state.h
 *	  What the states of our aggregates share: their memory, and writing and
 *	  reading their serialised form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_TYPES_STATE_H
#define KAPPA_TYPES_STATE_H

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "compat.h"

/* The memory of the aggregate's states; an error outside of aggregates. */
extern MemoryContext kappa_aggregate_context(FunctionCallInfo fcinfo);

/* Argument argno of an aggregate, an integer that must lie in a range. */
extern int	kappa_getarg_limit(FunctionCallInfo fcinfo, int argno, const char *name,
							   int min, int max);

/* a + b of counts; an error when it does not fit */
extern int64 kappa_add_counts(int64 a, int64 b);

/*
 * Writing: begin, put, and finish, which gives the bytea.  Numbers are written
 * in 7 bits a byte, lowest first (a varint), or big-endian in 8 bytes.
 */
extern void kappa_state_begin(StringInfo buf, uint8 version);
extern void kappa_state_put_varint(StringInfo buf, uint64 value);
extern void kappa_state_put_fixed(StringInfo buf, uint64 value);
extern void kappa_state_put_float8(StringInfo buf, float8 value);
extern void kappa_state_put_bytes(StringInfo buf, const void *data, size_t len);
extern bytea *kappa_state_finish(StringInfo buf);

/*
 * Reading bytes of unknown origin.  Whatever is wrong with them is reported as
 * error 22P03, "invalid <what>".
 */
typedef struct StateReader
{
	const uint8 *next;
	const uint8 *end;
	const char *what;			/* "state of approx_top_k", ... */
	StringInfoData scratch;		/* a value, for its receive function */
} StateReader;

extern void kappa_state_open(StateReader *reader, const bytea *bytes,
							 const char *what, uint8 version);
extern uint64 kappa_state_get_varint(StateReader *reader);

/* A varint between min and max. */
extern int64 kappa_state_get_int(StateReader *reader, int64 min, int64 max);

/* A number of items that follow, of which each takes at least size bytes. */
extern int	kappa_state_get_count(StateReader *reader, int max, int size);
extern uint64 kappa_state_get_fixed(StateReader *reader);
extern float8 kappa_state_get_float8(StateReader *reader);
extern const uint8 *kappa_state_get_bytes(StateReader *reader, size_t len);
extern void kappa_state_close(StateReader *reader);
pg_noreturn extern void kappa_state_invalid(const StateReader *reader);

#endif							/* KAPPA_TYPES_STATE_H */
