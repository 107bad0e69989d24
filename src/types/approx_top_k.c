/*-------------------------------------------------------------------------
 *
 * approx_top_k.c
 *	  The aggregate approx_top_k(item, k [, capacity]): most frequent items.
 *
 * The algorithm is Misra and Gries's ("Finding repeated elements", 1982) as
 * made mergeable by Agarwal and others ("Mergeable summaries", 2012): counters
 * of items; when there are too many of them, the (capacity + 1)-th largest
 * count is taken off all counters, and all but the first capacity go, whose
 * counts would not be above 0.  The sum of what was taken off is the offset:
 *
 *		count <= true frequency <= count + offset
 *
 * and the true frequency of an item without counter is at most the offset.
 * Each time at least (capacity + 1) * d are taken off the counters together
 * when d is added to the offset, so
 *
 *		offset <= (N - sum of counts) / (capacity + 1)
 *
 * where N is the number of values.  As long as there are no more than capacity
 * distinct items the offset is 0 and all counts are exact.  Adding up the
 * counters of two states by item, and their offsets, and then reducing, gives a
 * state for which the same holds.
 *
 * A counter also knows how often its item was seen since it last got the
 * counter ("seen", Space-Saving's idea: Metwally and others, 2005): a better
 * lower bound than the count, and the exact frequency of an item that was never
 * without counter.  The estimate is the upper bound, which is what items that
 * came early deserve, and all frequent ones come early.
 *
 * Reducing costs time in the number of counters, so states in memory let them
 * grow to twice the capacity first; that makes it O(1) for a value.  The
 * result, and the serialised state, are always of a reduced state.
 *
 * Items are equal as their type's operator = has it; of equal items that look
 * different (1.0 and 1.00) the one with the lowest bytes is shown.  Everything
 * is ordered by count, hash and bytes, never by position: up to the capacity
 * the serialised state is a function of the set of values alone, beyond it of
 * the way in which they were cut into batches, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "types/element.h"
#include "types/types.h"

PG_FUNCTION_INFO_V1(approx_top_k_trans);
PG_FUNCTION_INFO_V1(approx_top_k_combine);
PG_FUNCTION_INFO_V1(approx_top_k_serial);
PG_FUNCTION_INFO_V1(approx_top_k_deserial);
PG_FUNCTION_INFO_V1(approx_top_k_final);

#define TOPK_VERSION			1
#define TOPK_WHAT				"state of approx_top_k"
#define TOPK_MAX_CAPACITY		100000
#define TOPK_MAX_K				10000

/* the capacity for k when none is given */
#define TOPK_MIN_DEFAULT		1024
#define TOPK_DEFAULT_PER_K		10

typedef struct TopKCounter
{
	uint64		hash;
	Datum		item;
	int64		count;
	int64		seen;			/* >= count */
} TopKCounter;

typedef struct TopK
{
	MemoryContext context;
	ElementType *element;
	Oid			collation;		/* InvalidOid until it is known */
	int			k;
	int			capacity;
	int64		offset;
	int			ncounters;
	int			room;			/* of counters[] */
	TopKCounter *counters;

	/* where counters are, by hash: number + 1, 0 is free; NULL: not yet built */
	uint32	   *slots;
	uint32		nslots;			/* a power of 2, at least 2 * room */
} TopK;

/* What a call site remembers. */
typedef struct TopKExtra
{
	ElementType *element;
	DatumHasher *hasher;
} TopKExtra;

static TopKExtra *
topk_extra(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
		flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(TopKExtra));
	return flinfo->fn_extra;
}

static TopK *
topk_create(MemoryContext context, ElementType *element, int k, int capacity, int room)
{
	TopK	   *state = MemoryContextAllocZero(context, sizeof(TopK));

	state->context = context;
	state->element = element;
	state->k = k;
	state->capacity = capacity;
	state->room = room;
	state->counters = MemoryContextAllocHuge(context, sizeof(TopKCounter) * room);
	return state;
}

/* ---------------------------------------------------------------- the counters */

static void
build_slots(TopK *state)
{
	if (state->slots != NULL)
		pfree(state->slots);
	state->nslots = pg_nextpower2_32(2 * state->room);
	state->slots = MemoryContextAllocZero(state->context, sizeof(uint32) * state->nslots);
	for (int i = 0; i < state->ncounters; i++)
	{
		uint32		slot = state->counters[i].hash & (state->nslots - 1);

		while (state->slots[slot] != 0)
			slot = (slot + 1) & (state->nslots - 1);
		state->slots[slot] = i + 1;
	}
}

static void
make_room(TopK *state)
{
	state->room *= 2;
	state->counters = repalloc_huge(state->counters, sizeof(TopKCounter) * state->room);
	build_slots(state);
}

/* The lowest image of equal items is the one to be shown. */
static void
prefer_lower_image(TopK *state, TopKCounter *counter, Datum item)
{
	MemoryContext oldcontext;

	if (kappa_element_compare_images(state->element, item, counter->item) >= 0)
		return;
	oldcontext = MemoryContextSwitchTo(state->context);
	kappa_element_free(state->element, counter->item);
	counter->item = kappa_element_copy(state->element, item);
	MemoryContextSwitchTo(oldcontext);
}

/* Adds to an item's counter, which is made if need be, however many there are. */
static void
topk_add(TopK *state, uint64 hash, Datum item, int64 count, int64 seen)
{
	MemoryContext oldcontext;
	TopKCounter *counter;
	uint32		slot;

	if (state->slots == NULL)
		build_slots(state);
	slot = hash & (state->nslots - 1);
	for (; state->slots[slot] != 0; slot = (slot + 1) & (state->nslots - 1))
	{
		counter = &state->counters[state->slots[slot] - 1];
		if (counter->hash == hash &&
			kappa_element_equal(state->element, state->collation, counter->item, item))
		{
			counter->count = kappa_add_counts(counter->count, count);
			counter->seen = kappa_add_counts(counter->seen, seen);
			prefer_lower_image(state, counter, item);
			return;
		}
	}

	if (state->ncounters == state->room)
	{
		make_room(state);
		topk_add(state, hash, item, count, seen);
		return;
	}
	state->slots[slot] = state->ncounters + 1;
	counter = &state->counters[state->ncounters];
	oldcontext = MemoryContextSwitchTo(state->context);
	counter->item = kappa_element_copy(state->element, item);
	MemoryContextSwitchTo(oldcontext);
	counter->hash = hash;
	counter->count = count;
	counter->seen = seen;
	state->ncounters++;
}

static int
compare_hashes(const void *a, const void *b, void *element)
{
	const TopKCounter *ac = a;
	const TopKCounter *bc = b;

	if (ac->hash != bc->hash)
		return ac->hash < bc->hash ? -1 : 1;
	return kappa_element_compare_images(element, ac->item, bc->item);
}

/* The most frequent first. */
static int
compare_ranks(const void *a, const void *b, void *element)
{
	const TopKCounter *ac = a;
	const TopKCounter *bc = b;

	if (ac->count != bc->count)
		return ac->count > bc->count ? -1 : 1;
	if (ac->seen != bc->seen)
		return ac->seen > bc->seen ? -1 : 1;
	return compare_hashes(a, b, element);
}

/*
 * Ranks the counters; if there are more than capacity, takes off what is to be
 * taken off, and gives it.  Only the first capacity counters count from then on.
 */
static int64
rank_counters(const TopK *state, TopKCounter *counters)
{
	int64		taken;

	qsort_arg(counters, state->ncounters, sizeof(TopKCounter), compare_ranks, state->element);
	if (state->ncounters <= state->capacity)
		return 0;
	taken = counters[state->capacity].count;
	for (int i = 0; i < state->capacity; i++)
		counters[i].count -= taken;
	return taken;
}

static void
topk_reduce(TopK *state)
{
	int64		taken = rank_counters(state, state->counters);

	for (int i = state->capacity; i < state->ncounters; i++)
		kappa_element_free(state->element, state->counters[i].item);
	state->ncounters = Min(state->ncounters, state->capacity);
	state->offset = kappa_add_counts(state->offset, taken);
	build_slots(state);
}

/* ------------------------------------------------------------------ aggregation */

static void
check_same(const TopK *state, int k, int capacity)
{
	if (k != state->k || capacity != state->capacity)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k and capacity of approx_top_k must be the same for all rows")));
}

/* (internal, anyelement, k integer [, capacity integer]) */
Datum
approx_top_k_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	TopKExtra  *extra = topk_extra(fcinfo);
	TopK	   *state = PG_ARGISNULL(0) ? NULL : (TopK *) PG_GETARG_POINTER(0);
	int			k = kappa_getarg_limit(fcinfo, 2, "k", 1, TOPK_MAX_K);
	int			capacity;

	capacity = PG_NARGS() > 3 ?
		kappa_getarg_limit(fcinfo, 3, "capacity", k, TOPK_MAX_CAPACITY) :
		Max(TOPK_DEFAULT_PER_K * k, TOPK_MIN_DEFAULT);
	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (unlikely(extra->hasher == NULL))
	{
		extra->element = kappa_element_type(fcinfo, 1, fcinfo->flinfo->fn_mcxt);
		extra->hasher = datum_hasher_create(fcinfo, 1);
	}
	if (state == NULL)
	{
		state = topk_create(context, extra->element, k, capacity, 8);
		state->collation = PG_GET_COLLATION();
	}
	check_same(state, k, capacity);

	topk_add(state, datum_hash(extra->hasher, PG_GETARG_DATUM(1)), PG_GETARG_DATUM(1), 1, 1);
	if (state->ncounters > 2 * state->capacity)
		topk_reduce(state);
	PG_RETURN_POINTER(state);
}

Datum
approx_top_k_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	TopK	   *state = PG_ARGISNULL(0) ? NULL : (TopK *) PG_GETARG_POINTER(0);
	TopK	   *other = PG_ARGISNULL(1) ? NULL : (TopK *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (state == NULL)
		state = topk_create(context, other->element, other->k, other->capacity,
							Max(other->ncounters, 1));
	state->collation = PG_GET_COLLATION();
	kappa_element_check_same(state->element, other->element);
	check_same(state, other->k, other->capacity);
	for (int i = 0; i < other->ncounters; i++)
	{
		const TopKCounter *counter = &other->counters[i];

		topk_add(state, counter->hash, counter->item, counter->count, counter->seen);
	}
	state->offset = kappa_add_counts(state->offset, other->offset);
	if (state->ncounters > 2 * state->capacity)
		topk_reduce(state);
	PG_RETURN_POINTER(state);
}

/* ---------------------------------------------------------------- serialised */

/* The counters of the reduced state, by rank; the state is not changed. */
static TopKCounter *
reduced_counters(const TopK *state, int *ncounters, int64 *offset)
{
	Size		size = sizeof(TopKCounter) * state->ncounters;
	TopKCounter *counters = palloc_extended(size, MCXT_ALLOC_HUGE);

	memcpy(counters, state->counters, size);
	*offset = kappa_add_counts(state->offset, rank_counters(state, counters));
	*ncounters = Min(state->ncounters, state->capacity);
	return counters;
}

Datum
approx_top_k_serial(PG_FUNCTION_ARGS)
{
	TopK	   *state = (TopK *) PG_GETARG_POINTER(0);
	TopKCounter *counters;
	StringInfoData buf;
	int			n;
	int64		offset;

	(void) kappa_aggregate_context(fcinfo);
	counters = reduced_counters(state, &n, &offset);
	qsort_arg(counters, n, sizeof(TopKCounter), compare_hashes, state->element);
	kappa_state_begin(&buf, TOPK_VERSION);
	kappa_element_put_type(&buf, state->element);
	kappa_state_put_varint(&buf, state->k);
	kappa_state_put_varint(&buf, state->capacity);
	kappa_state_put_varint(&buf, offset);
	kappa_state_put_varint(&buf, n);
	for (int i = 0; i < n; i++)
	{
		kappa_state_put_fixed(&buf, counters[i].hash);
		kappa_state_put_varint(&buf, counters[i].count);
		kappa_state_put_varint(&buf, counters[i].seen - counters[i].count);
		kappa_element_put(&buf, state->element, counters[i].item, false);
	}
	pfree(counters);
	PG_RETURN_BYTEA_P(kappa_state_finish(&buf));
}

/* The hashes are believed: wrong ones could only make two counters of one item. */
Datum
approx_top_k_deserial(PG_FUNCTION_ARGS)
{
	TopKExtra  *extra = topk_extra(fcinfo);
	ElementType *element;
	StateReader reader;
	TopK	   *state;
	int			k;
	int			capacity;
	int			n;
	int64		offset;

	(void) kappa_aggregate_context(fcinfo);
	kappa_state_open(&reader, PG_GETARG_BYTEA_PP(0), TOPK_WHAT, TOPK_VERSION);
	element = kappa_element_get_type(&reader, &extra->element, fcinfo->flinfo->fn_mcxt);
	k = kappa_state_get_int(&reader, 1, TOPK_MAX_K);
	capacity = kappa_state_get_int(&reader, k, TOPK_MAX_CAPACITY);
	offset = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
	n = kappa_state_get_count(&reader, capacity, sizeof(uint64) + 3);

	state = topk_create(CurrentMemoryContext, element, k, capacity, Max(n, 1));
	state->offset = offset;
	for (int i = 0; i < n; i++)
	{
		TopKCounter *counter = &state->counters[i];
		bool		isnull;

		counter->hash = kappa_state_get_fixed(&reader);
		if (i > 0 && counter->hash < counter[-1].hash)
			kappa_state_invalid(&reader);
		counter->count = kappa_state_get_int(&reader, 0, PG_INT64_MAX);
		counter->seen = kappa_add_counts(counter->count,
										 kappa_state_get_int(&reader, 0, PG_INT64_MAX));
		counter->item = kappa_element_get(&reader, element, &isnull);
		if (isnull)
			kappa_state_invalid(&reader);
		state->ncounters++;
	}
	kappa_state_close(&reader);
	PG_RETURN_POINTER(state);
}

/* --------------------------------------------------------------------- result */

static void
push_key(JsonbParseState **parse, const char *key)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, key);
	value.val.string.len = strlen(key);
	pushJsonbValue(parse, WJB_KEY, &value);
}

static void
push_count(JsonbParseState **parse, const char *key, int64 count)
{
	JsonbValue	value;

	push_key(parse, key);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(count);
	pushJsonbValue(parse, WJB_VALUE, &value);
}

static void
push_item(JsonbParseState **parse, FmgrInfo *to_jsonb, Datum item)
{
	Jsonb	   *jsonb = DatumGetJsonbP(FunctionCall1(to_jsonb, item));
	JsonbValue	value;

	push_key(parse, "item");
	value.type = jbvBinary;
	value.val.binary.data = &jsonb->root;
	value.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	pushJsonbValue(parse, WJB_VALUE, &value);
}

/* to_jsonb() for values of this type. */
static void
lookup_to_jsonb(Oid type, FmgrInfo *to_jsonb)
{
	Const	   *argument = makeNullConst(type, -1, InvalidOid);

	fmgr_info(F_TO_JSONB, to_jsonb);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   to_jsonb);
}

Datum
approx_top_k_final(PG_FUNCTION_ARGS)
{
	JsonbParseState *parse = NULL;
	JsonbValue *result;
	TopKCounter *counters;
	FmgrInfo	to_jsonb;
	TopK	   *state;
	int			n;
	int64		offset;

	(void) kappa_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (TopK *) PG_GETARG_POINTER(0);
	counters = reduced_counters(state, &n, &offset);
	lookup_to_jsonb(state->element->type, &to_jsonb);

	pushJsonbValue(&parse, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < Min(n, state->k); i++)
	{
		int64		upper = kappa_add_counts(counters[i].count, offset);

		pushJsonbValue(&parse, WJB_BEGIN_OBJECT, NULL);
		push_item(&parse, &to_jsonb, counters[i].item);
		push_count(&parse, "estimate", upper);
		push_count(&parse, "lower", counters[i].seen);
		push_count(&parse, "upper", upper);
		pushJsonbValue(&parse, WJB_END_OBJECT, NULL);
	}
	result = pushJsonbValue(&parse, WJB_END_ARRAY, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result));
}
