/*-------------------------------------------------------------------------
 *
 * count_min.c
 *	  The type count_min: how often any given item occurred.
 *
 * A count-min sketch (Cormode and Muthukrishnan, 2005) is a table of counters,
 * depth rows of width each.  An item's hash picks one counter in every row,
 * which counts it, and all other items that happen to pick it too.  So each of
 * an item's counters is at least its frequency, and the least of them is the
 * estimate.  For N values, with e = 2.718...,
 *
 *		frequency <= estimate <= frequency + (e / width) * N
 *
 * where the second holds with probability 1 - exp(-depth) for any one item.  By
 * default the width is 2048 and the depth 4: 0.13 % of N, in 98 % of all cases.
 *
 * Counters are only ever added to: no "conservative update", which would give
 * better estimates, but whose result depends on the order of the values.  So
 * the state is a function of the multiset of values, and adding up two tables
 * of the same shape gives the table of both inputs.
 *
 * The rows' positions are consecutive groups of log2(width) bits of the item's
 * hash from the lowest up (see hash.c: equal values of different integer types,
 * or of different string types, hash alike); when not enough bits are left, of
 * the hash of the hash.
 *
 * Stored form, which is also the serialised state: a version, log2(width), the
 * depth, N, and the counters row by row, as varints; a run of zeros as one
 * zero and the number of zeros that follow it.  Every table has one such form.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "types/state.h"
#include "types/types.h"

PG_FUNCTION_INFO_V1(count_min_in);
PG_FUNCTION_INFO_V1(count_min_recv);
PG_FUNCTION_INFO_V1(count_min_from_text);
PG_FUNCTION_INFO_V1(count_min_union);
PG_FUNCTION_INFO_V1(count_min_frequency);
PG_FUNCTION_INFO_V1(count_min_agg_trans);
PG_FUNCTION_INFO_V1(count_min_union_agg_trans);
PG_FUNCTION_INFO_V1(count_min_agg_combine);
PG_FUNCTION_INFO_V1(count_min_agg_serial);
PG_FUNCTION_INFO_V1(count_min_agg_deserial);
PG_FUNCTION_INFO_V1(count_min_agg_final);

#define CM_VERSION			1
#define CM_WHAT				"count_min"
#define CM_DEFAULT_WIDTH	2048
#define CM_DEFAULT_DEPTH	4
#define CM_MIN_WIDTH		16
#define CM_MAX_WIDTH		65536
#define CM_MAX_DEPTH		16

/* Hashes that wait, so that a state of few values needs no table. */
#define CM_MAX_WAITING		128

typedef struct CountMin
{
	MemoryContext context;
	int			log2_width;
	int			depth;
	int64		total;			/* N */
	int64	   *counters;		/* depth * width; NULL: only hashes wait */
	int			nwaiting;
	uint64		waiting[CM_MAX_WAITING];
} CountMin;

/* ------------------------------------------------------------------ the table */

static inline int
cm_ncounters(const CountMin *cm)
{
	return cm->depth << cm->log2_width;
}

static CountMin *
cm_create(MemoryContext context, int log2_width, int depth)
{
	CountMin   *cm = MemoryContextAllocZero(context, sizeof(CountMin));

	cm->context = context;
	cm->log2_width = log2_width;
	cm->depth = depth;
	return cm;
}

static void
make_counters(CountMin *cm)
{
	if (cm->counters == NULL)
		cm->counters = MemoryContextAllocZero(cm->context,
											  sizeof(int64) * cm_ncounters(cm));
}

/* The numbers of an item's counters, one for each row. */
static inline void
cm_positions(const CountMin *cm, uint64 hash, int *positions)
{
	int			bits = 64;

	for (int row = 0; row < cm->depth; row++)
	{
		if (bits < cm->log2_width)
		{
			hash = murmur3_int64((int64) hash);
			bits = 64;
		}
		/* What is left of the hash keeps its place, so that it is hashed whole. */
		positions[row] = (row << cm->log2_width) +
			((hash >> (64 - bits)) & ((1 << cm->log2_width) - 1));
		bits -= cm->log2_width;
	}
}

static void
settle(CountMin *cm)
{
	int			positions[CM_MAX_DEPTH];

	make_counters(cm);
	for (int i = 0; i < cm->nwaiting; i++)
	{
		cm_positions(cm, cm->waiting[i], positions);
		for (int row = 0; row < cm->depth; row++)
			cm->counters[positions[row]]++;
	}
	cm->nwaiting = 0;
}

static void
cm_add(CountMin *cm, uint64 hash)
{
	cm->total = kappa_add_counts(cm->total, 1);
	if (cm->nwaiting == CM_MAX_WAITING)
		settle(cm);
	cm->waiting[cm->nwaiting++] = hash;
}

static void
cm_union(CountMin *cm, CountMin *other)
{
	if (cm->log2_width != other->log2_width || cm->depth != other->depth)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("count_min values of different shapes cannot be added up"),
				 errdetail("One has width %d and depth %d, the other width %d and depth %d.",
						   1 << cm->log2_width, cm->depth,
						   1 << other->log2_width, other->depth)));
	settle(cm);
	settle(other);
	for (int i = 0; i < cm_ncounters(cm); i++)
		cm->counters[i] = kappa_add_counts(cm->counters[i], other->counters[i]);
	cm->total = kappa_add_counts(cm->total, other->total);
}

/* ---------------------------------------------------------------- stored form */

static bytea *
cm_encode(CountMin *cm)
{
	StringInfoData buf;
	int			n = cm_ncounters(cm);

	settle(cm);
	kappa_state_begin(&buf, CM_VERSION);
	kappa_state_put_varint(&buf, cm->log2_width);
	kappa_state_put_varint(&buf, cm->depth);
	kappa_state_put_varint(&buf, cm->total);
	for (int i = 0; i < n;)
	{
		int			run = 0;

		kappa_state_put_varint(&buf, cm->counters[i]);
		if (cm->counters[i++] != 0)
			continue;
		while (i < n && cm->counters[i] == 0)
		{
			run++;
			i++;
		}
		kappa_state_put_varint(&buf, run);
	}
	return kappa_state_finish(&buf);
}

/*
 * Refuses what cm_encode would not have written.  Every value adds one to a
 * counter of each row, so each row sums up to N.
 */
static CountMin *
cm_decode(MemoryContext context, const bytea *bytes)
{
	StateReader reader;
	CountMin   *cm;
	int64	   *row;
	int			log2_width;
	int			depth;
	int			n;

	kappa_state_open(&reader, bytes, CM_WHAT, CM_VERSION);
	log2_width = kappa_state_get_int(&reader, pg_leftmost_one_pos32(CM_MIN_WIDTH),
									 pg_leftmost_one_pos32(CM_MAX_WIDTH));
	depth = kappa_state_get_int(&reader, 1, CM_MAX_DEPTH);
	cm = cm_create(context, log2_width, depth);
	cm->total = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	make_counters(cm);

	n = cm_ncounters(cm);
	for (int i = 0; i < n; i++)
	{
		cm->counters[i] = kappa_state_get_int(&reader, 0, cm->total);
		/* Two runs of zeros, one after the other, would be one. */
		if (cm->counters[i] == 0 && i > 0 && cm->counters[i - 1] == 0)
			kappa_state_invalid(&reader);
		if (cm->counters[i] == 0)
			i += kappa_state_get_int(&reader, 0, n - 1 - i);
	}
	kappa_state_close(&reader);

	row = cm->counters;
	for (int i = 0; i < depth; i++, row += 1 << log2_width)
	{
		int64		rest = cm->total;

		for (int j = 0; j < 1 << log2_width && rest >= 0; j++)
			rest -= row[j];
		if (rest != 0)
			kappa_state_invalid(&reader);
	}
	return cm;
}

/* ------------------------------------------------------------------- the type */

/* Gives the bytes back, which are then a value of the type. */
static bytea *
checked(bytea *bytes)
{
	(void) cm_decode(CurrentMemoryContext, bytes);
	return bytes;
}

/* As bytea's: also used for the cast from name. */
Datum
count_min_in(PG_FUNCTION_ARGS)
{
	Datum		bytes = DirectFunctionCall1(byteain, PG_GETARG_DATUM(0));

	PG_RETURN_BYTEA_P(checked(DatumGetByteaP(bytes)));
}

Datum
count_min_recv(PG_FUNCTION_ARGS)
{
	Datum		bytes = DirectFunctionCall1(bytearecv, PG_GETARG_DATUM(0));

	PG_RETURN_BYTEA_P(checked(DatumGetByteaP(bytes)));
}

Datum
count_min_from_text(PG_FUNCTION_ARGS)
{
	char	   *input = text_to_cstring(PG_GETARG_TEXT_PP(0));

	return DirectFunctionCall1(count_min_in, CStringGetDatum(input));
}

Datum
count_min_union(PG_FUNCTION_ARGS)
{
	CountMin   *cm = cm_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(0));

	cm_union(cm, cm_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(1)));
	PG_RETURN_BYTEA_P(cm_encode(cm));
}

/* frequency(count_min, anyelement) */
Datum
count_min_frequency(PG_FUNCTION_ARGS)
{
	CountMin   *cm = cm_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(0));
	uint64		hash = datum_hash(datum_hasher_get(fcinfo, 1), PG_GETARG_DATUM(1));
	int			positions[CM_MAX_DEPTH];
	int64		least = cm->total;

	cm_positions(cm, hash, positions);
	for (int row = 0; row < cm->depth; row++)
		least = Min(least, cm->counters[positions[row]]);
	PG_RETURN_INT64(least);
}

/* ------------------------------------------------------------- the aggregates */

/* (internal, anyelement [, width integer, depth integer]) */
Datum
count_min_agg_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	CountMin   *cm = PG_ARGISNULL(0) ? NULL : (CountMin *) PG_GETARG_POINTER(0);
	int			width = CM_DEFAULT_WIDTH;
	int			depth = CM_DEFAULT_DEPTH;

	if (PG_NARGS() > 2)
	{
		width = kappa_getarg_limit(fcinfo, 2, "width", CM_MIN_WIDTH, CM_MAX_WIDTH);
		depth = kappa_getarg_limit(fcinfo, 3, "depth", 1, CM_MAX_DEPTH);
		if ((width & (width - 1)) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("width must be a power of 2")));
	}
	if (PG_ARGISNULL(1))
	{
		if (cm == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(cm);
	}
	if (cm == NULL)
		cm = cm_create(context, pg_leftmost_one_pos32(width), depth);
	else if (width != 1 << cm->log2_width || depth != cm->depth)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("width and depth of count_min must be the same for all rows")));
	cm_add(cm, datum_hash(datum_hasher_get(fcinfo, 1), PG_GETARG_DATUM(1)));
	PG_RETURN_POINTER(cm);
}

/* (internal, count_min) */
Datum
count_min_union_agg_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	CountMin   *cm = PG_ARGISNULL(0) ? NULL : (CountMin *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(1))
	{
		if (cm == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(cm);
	}
	if (cm == NULL)
		PG_RETURN_POINTER(cm_decode(context, PG_GETARG_BYTEA_PP(1)));
	cm_union(cm, cm_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(1)));
	PG_RETURN_POINTER(cm);
}

Datum
count_min_agg_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	CountMin   *cm = PG_ARGISNULL(0) ? NULL : (CountMin *) PG_GETARG_POINTER(0);
	CountMin   *other = PG_ARGISNULL(1) ? NULL : (CountMin *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (cm == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(cm);
	}
	if (cm == NULL)
		cm = cm_create(context, other->log2_width, other->depth);
	cm_union(cm, other);
	PG_RETURN_POINTER(cm);
}

Datum
count_min_agg_serial(PG_FUNCTION_ARGS)
{
	(void) kappa_aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(cm_encode((CountMin *) PG_GETARG_POINTER(0)));
}

Datum
count_min_agg_deserial(PG_FUNCTION_ARGS)
{
	(void) kappa_aggregate_context(fcinfo);
	PG_RETURN_POINTER(cm_decode(CurrentMemoryContext, PG_GETARG_BYTEA_PP(0)));
}

Datum
count_min_agg_final(PG_FUNCTION_ARGS)
{
	(void) kappa_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(cm_encode((CountMin *) PG_GETARG_POINTER(0)));
}
