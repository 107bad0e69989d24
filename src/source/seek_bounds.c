/*-------------------------------------------------------------------------
 *
 * seek_bounds.c
 *	  What the values of a scan's terms make of its bounds.
 *
 * All that a column may be compared with becomes an int64: a partition, an
 * offset, or a time.  Terms are combined by AND, so each narrows what the ones
 * before have left; a set of partitions is kept as it is, of other sets only
 * their ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "source/seek.h"

SeekBounds
seek_everything(void)
{
	SeekBounds	bounds = {
		.partition_from = PG_INT64_MIN,
		.partition_to = PG_INT64_MAX,
		.offset_from = PG_INT64_MIN,
		.offset_to = PG_INT64_MAX,
		.time_from = DT_NOBEGIN,
		.time_to = DT_NOEND
	};

	return bounds;
}

static int
compare_int64(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

bool
seek_includes(const SeekBounds *bounds, int64 partition)
{
	if (bounds->nothing ||
		partition < bounds->partition_from || partition > bounds->partition_to)
		return false;
	return bounds->partitions == NULL ||
		bsearch(&partition, bounds->partitions, bounds->npartitions,
				sizeof(int64), compare_int64) != NULL;
}

/* Narrows an inclusive range by "column <strategy> value"; false: nothing is left. */
static bool
narrow(int64 *from, int64 *to, int strategy, int64 value)
{
	switch (strategy)
	{
		case BTGreaterStrategyNumber:
			if (value == PG_INT64_MAX)
				return false;
			*from = Max(*from, value + 1);
			break;
		case BTGreaterEqualStrategyNumber:
			*from = Max(*from, value);
			break;
		case BTEqualStrategyNumber:
			*from = Max(*from, value);
			*to = Min(*to, value);
			break;
		case BTLessEqualStrategyNumber:
			*to = Min(*to, value);
			break;
		case BTLessStrategyNumber:
			if (value == PG_INT64_MIN)
				return false;
			*to = Min(*to, value - 1);
			break;
	}
	return true;
}

/*
 * Narrows a range of timestamps.  Kafka counts milliseconds, we microseconds,
 * and infinity has no neighbours: so < and > count as <= and >=.
 */
static void
narrow_time(SeekBounds *bounds, int strategy, TimestampTz value)
{
	if (strategy >= BTEqualStrategyNumber)
		bounds->time_from = Max(bounds->time_from, value);
	if (strategy <= BTEqualStrategyNumber)
		bounds->time_to = Min(bounds->time_to, value);
}

/*
 * A value as a number, or as a timestamp: what btree's operators make of one
 * of another type in the same family.
 */
static int64
comparable_value(Oid type, Datum value)
{
	int			overflow;

	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return DatumGetInt64(value);
		case TIMESTAMPTZOID:
			return DatumGetTimestampTz(value);
		case TIMESTAMPOID:
			return timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow);
		case DATEOID:
			return date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
		default:
			elog(ERROR, "unexpected type %u of a seek", type);
			return 0;
	}
}

/* Narrows the bounds by "column <strategy> value". */
static void
apply_value(SeekBounds *bounds, SeekColumn column, int strategy, int64 value)
{
	bool		left = true;

	switch (column)
	{
		case SEEK_PARTITION:
			left = narrow(&bounds->partition_from, &bounds->partition_to, strategy, value);
			break;
		case SEEK_OFFSET:
			left = narrow(&bounds->offset_from, &bounds->offset_to, strategy, value);
			break;
		case SEEK_TIMESTAMP:
			narrow_time(bounds, strategy, value);
			break;
	}
	if (!left)
		bounds->nothing = true;
}

/* Leaves those of the partitions that are in the bounds. */
static void
apply_partitions(SeekBounds *bounds, int64 *partitions, int count)
{
	int			left = 0;

	for (int i = 0; i < count; i++)
	{
		if ((left == 0 || partitions[i] != partitions[left - 1]) &&
			seek_includes(bounds, partitions[i]))
			partitions[left++] = partitions[i];
	}
	bounds->partitions = partitions;
	bounds->npartitions = left;
	if (left == 0)
		bounds->nothing = true;
}

/* Narrows the bounds by "column = ANY (array)". */
static void
apply_array(SeekBounds *bounds, const SeekTerm *term, ArrayType *array)
{
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int64	   *numbers;
	int			found = 0;

	get_typlenbyvalalign(term->type, &typlen, &typbyval, &typalign);
	deconstruct_array(array, term->type, typlen, typbyval, typalign,
					  &values, &nulls, &count);
	numbers = palloc((count + 1) * sizeof(int64));
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			numbers[found++] = comparable_value(term->type, values[i]);
	}
	if (found == 0)
	{
		bounds->nothing = true;
		return;
	}

	qsort(numbers, found, sizeof(int64), compare_int64);
	apply_value(bounds, term->column, BTGreaterEqualStrategyNumber, numbers[0]);
	apply_value(bounds, term->column, BTLessEqualStrategyNumber, numbers[found - 1]);
	if (term->column == SEEK_PARTITION)
		apply_partitions(bounds, numbers, found);
}

void
seek_narrow(SeekBounds *bounds, const SeekTerm *term, Datum value, bool isnull)
{
	if (isnull)
		bounds->nothing = true;
	else if (term->any)
		apply_array(bounds, term, DatumGetArrayTypeP(value));
	else
		apply_value(bounds, term->column, term->strategy,
					comparable_value(term->type, value));
}
