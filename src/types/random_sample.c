/*-------------------------------------------------------------------------
 *
 * random_sample.c
 *	  The aggregate random_sample(value, n, id): a uniform sample of rows.
 *
 * Every row has an id, which is hashed to 64 bits; the sample is the n rows
 * with the lowest hashes (a "bottom-n" or KMV sample).  Hashes of different ids
 * are as good as independent and uniform, so every set of n ids is equally
 * likely, and the sample is without replacement.  Because a row is in or out by
 * its hash and those of the others alone, the sample does not depend on order,
 * batches or repetitions: the n lowest of two samples' rows are the sample of
 * both inputs.  The same ids always give the same sample; for another one, hash
 * another id, such as id || 'seed'.
 *
 * Rows with equal ids are one row, which is what makes reading a log again
 * harmless.  If their values differ, the largest is kept (a NULL is less than
 * any value).  Different ids with the same hash would be taken for one too:
 * for a thousand million rows the probability that this happens at all is 3 %.
 *
 * In memory, rows are collected in an array of twice n; when it is full, the
 * n lowest stay and the highest of those bounds what is collected from then on.
 * A row costs a hash and a comparison, and seldom more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "types/element.h"
#include "types/types.h"

PG_FUNCTION_INFO_V1(random_sample_trans);
PG_FUNCTION_INFO_V1(random_sample_combine);
PG_FUNCTION_INFO_V1(random_sample_serial);
PG_FUNCTION_INFO_V1(random_sample_deserial);
PG_FUNCTION_INFO_V1(random_sample_final);

#define SAMPLE_VERSION	1
#define SAMPLE_WHAT		"state of random_sample"
#define SAMPLE_MAX_SIZE	100000

typedef struct SampleRow
{
	uint64		hash;			/* of the id */
	Datum		value;
	bool		isnull;
} SampleRow;

typedef struct Sample
{
	MemoryContext context;
	ElementType *element;
	Oid			collation;		/* InvalidOid until it is known */
	int			size;			/* n */
	uint64		bound;			/* rows with higher hashes are not wanted */
	int			nrows;
	int			capacity;		/* of rows[] */
	SampleRow  *rows;
} Sample;

/* What a call site remembers. */
typedef struct SampleExtra
{
	ElementType *element;
	DatumHasher *hasher;
} SampleExtra;

static SampleExtra *
sample_extra(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
		flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(SampleExtra));
	return flinfo->fn_extra;
}

static Sample *
sample_create(MemoryContext context, ElementType *element, int size, int capacity)
{
	Sample	   *sample = MemoryContextAllocZero(context, sizeof(Sample));

	sample->context = context;
	sample->element = element;
	sample->size = size;
	sample->bound = PG_UINT64_MAX;
	sample->capacity = capacity;
	sample->rows = MemoryContextAlloc(context, sizeof(SampleRow) * capacity);
	return sample;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64		ah = ((const SampleRow *) a)->hash;
	uint64		bh = ((const SampleRow *) b)->hash;

	return ah < bh ? -1 : ah > bh;
}

static void
free_row(Sample *sample, SampleRow *row)
{
	if (!row->isnull)
		kappa_element_free(sample->element, row->value);
}

/*
 * Sorts the rows by hash, keeps one of those with equal hashes, and of these
 * the lowest n.  What the sample is does not change by that.
 */
static void
sample_reduce(Sample *sample)
{
	SampleRow  *rows = sample->rows;
	int			n = 0;

	qsort(rows, sample->nrows, sizeof(SampleRow), compare_hashes);
	for (int i = 0; i < sample->nrows; i++)
	{
		if (n > 0 && rows[n - 1].hash == rows[i].hash)
		{
			SampleRow	row = rows[i];

			if (kappa_element_compare(sample->element, sample->collation, row.value, row.isnull,
									  rows[n - 1].value, rows[n - 1].isnull) > 0)
			{
				row = rows[n - 1];
				rows[n - 1] = rows[i];
			}
			free_row(sample, &row);
		}
		else if (n < sample->size)
			rows[n++] = rows[i];
		else
			free_row(sample, &rows[i]);
	}
	sample->nrows = n;
	if (n == sample->size)
		sample->bound = rows[n - 1].hash;
}

/* Adds a row, whose value is copied. */
static void
sample_add(Sample *sample, uint64 hash, Datum value, bool isnull)
{
	MemoryContext oldcontext;
	SampleRow  *row;

	if (hash > sample->bound)
		return;
	if (sample->nrows == sample->capacity)
	{
		if (sample->capacity < 2 * sample->size)
		{
			sample->capacity = Min(2 * sample->capacity, 2 * sample->size);
			sample->rows = repalloc(sample->rows, sizeof(SampleRow) * sample->capacity);
		}
		else
		{
			sample_reduce(sample);
			if (hash > sample->bound)
				return;
		}
	}

	oldcontext = MemoryContextSwitchTo(sample->context);
	row = &sample->rows[sample->nrows++];
	row->hash = hash;
	row->isnull = isnull;
	row->value = isnull ? (Datum) 0 : kappa_element_copy(sample->element, value);
	MemoryContextSwitchTo(oldcontext);
}

static void
check_size(const Sample *sample, int size)
{
	if (size != sample->size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the size of a random sample must be the same for all rows")));
}

/* (internal, value anyelement, n integer, id anycompatible) */
Datum
random_sample_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	SampleExtra *extra = sample_extra(fcinfo);
	Sample	   *sample = PG_ARGISNULL(0) ? NULL : (Sample *) PG_GETARG_POINTER(0);
	int			size = kappa_getarg_limit(fcinfo, 2, "sample size", 1, SAMPLE_MAX_SIZE);

	if (PG_ARGISNULL(3))
	{
		if (sample == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sample);
	}
	if (unlikely(extra->hasher == NULL))
	{
		extra->element = kappa_element_type(fcinfo, 1, fcinfo->flinfo->fn_mcxt);
		extra->hasher = datum_hasher_create(fcinfo, 3);
	}
	if (sample == NULL)
		sample = sample_create(context, extra->element, size, Min(2 * size, 16));
	else
		check_size(sample, size);
	sample->collation = PG_GET_COLLATION();
	sample_add(sample, datum_hash(extra->hasher, PG_GETARG_DATUM(3)),
			   PG_GETARG_DATUM(1), PG_ARGISNULL(1));
	PG_RETURN_POINTER(sample);
}

Datum
random_sample_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = kappa_aggregate_context(fcinfo);
	Sample	   *sample = PG_ARGISNULL(0) ? NULL : (Sample *) PG_GETARG_POINTER(0);
	Sample	   *other = PG_ARGISNULL(1) ? NULL : (Sample *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (sample == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sample);
	}
	if (sample == NULL)
		sample = sample_create(context, other->element, other->size, Max(other->nrows, 1));
	kappa_element_check_same(sample->element, other->element);
	check_size(sample, other->size);
	sample->collation = PG_GET_COLLATION();
	for (int i = 0; i < other->nrows; i++)
		sample_add(sample, other->rows[i].hash, other->rows[i].value, other->rows[i].isnull);
	PG_RETURN_POINTER(sample);
}

Datum
random_sample_serial(PG_FUNCTION_ARGS)
{
	Sample	   *sample = (Sample *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) kappa_aggregate_context(fcinfo);
	sample_reduce(sample);
	kappa_state_begin(&buf, SAMPLE_VERSION);
	kappa_element_put_type(&buf, sample->element);
	kappa_state_put_varint(&buf, sample->size);
	kappa_state_put_varint(&buf, sample->nrows);
	for (int i = 0; i < sample->nrows; i++)
	{
		kappa_state_put_fixed(&buf, sample->rows[i].hash);
		kappa_element_put(&buf, sample->element, sample->rows[i].value, sample->rows[i].isnull);
	}
	PG_RETURN_BYTEA_P(kappa_state_finish(&buf));
}

Datum
random_sample_deserial(PG_FUNCTION_ARGS)
{
	SampleExtra *extra = sample_extra(fcinfo);
	ElementType *element;
	StateReader reader;
	Sample	   *sample;
	int			size;
	int			nrows;

	(void) kappa_aggregate_context(fcinfo);
	kappa_state_open(&reader, PG_GETARG_BYTEA_PP(0), SAMPLE_WHAT, SAMPLE_VERSION);
	element = kappa_element_get_type(&reader, &extra->element, fcinfo->flinfo->fn_mcxt);
	size = kappa_state_get_int(&reader, 1, SAMPLE_MAX_SIZE);
	nrows = kappa_state_get_count(&reader, size, sizeof(uint64) + 1);

	sample = sample_create(CurrentMemoryContext, element, size, Max(nrows, 1));
	for (int i = 0; i < nrows; i++)
	{
		SampleRow  *row = &sample->rows[i];

		row->hash = kappa_state_get_fixed(&reader);
		if (i > 0 && row->hash <= row[-1].hash)
			kappa_state_invalid(&reader);
		row->value = kappa_element_get(&reader, element, &row->isnull);
		sample->nrows++;
	}
	kappa_state_close(&reader);
	if (nrows == size)
		sample->bound = sample->rows[nrows - 1].hash;
	PG_RETURN_POINTER(sample);
}

/* (internal, anyelement, integer, anycompatible): an array, in order of the hashes */
Datum
random_sample_final(PG_FUNCTION_ARGS)
{
	Sample	   *sample;
	Datum	   *values;
	bool	   *nulls;
	int			lower_bound = 1;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Oid			type;

	(void) kappa_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sample = (Sample *) PG_GETARG_POINTER(0);
	kappa_element_check(sample->element, fcinfo, 1);
	sample_reduce(sample);

	values = palloc(sizeof(Datum) * sample->nrows);
	nulls = palloc(sizeof(bool) * sample->nrows);
	for (int i = 0; i < sample->nrows; i++)
	{
		values[i] = sample->rows[i].value;
		nulls[i] = sample->rows[i].isnull;
	}
	/* of the argument's own type, which may be a domain */
	type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &sample->nrows, &lower_bound,
											 type, typlen, typbyval, typalign));
}
