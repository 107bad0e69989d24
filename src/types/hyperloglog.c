/*-------------------------------------------------------------------------
 *
 * hyperloglog.c
 *	  The type hyperloglog: input and output, union, cardinality.
 *
 * A value is a varlena that holds the stored form of hyperloglog_format.c;
 * as text it is that in hexadecimal, as bytea's.  Because a set of values has
 * one stored form only, two states are equal when their bytes are: equality
 * and hashing are bytea's own functions, under our type's name (see
 * 80_hyperloglog.sql).
 *
 * What comes from outside, by the input or receive function or by the cast
 * from bytea, is checked to be canonical, and refused otherwise.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "compat.h"
#include "types/hyperloglog.h"

PG_FUNCTION_INFO_V1(hyperloglog_in);
PG_FUNCTION_INFO_V1(hyperloglog_recv);
PG_FUNCTION_INFO_V1(hyperloglog_from_bytea);
PG_FUNCTION_INFO_V1(hyperloglog_empty);
PG_FUNCTION_INFO_V1(hyperloglog_union);
PG_FUNCTION_INFO_V1(hyperloglog_cardinality);
PG_FUNCTION_INFO_V1(hyperloglog_precision);

/* Gives the bytes back, which are then a value of the type. */
static bytea *
checked(bytea *bytes)
{
	kappa_hll_check_canonical((uint8 *) VARDATA_ANY(bytes),
							  VARSIZE_ANY_EXHDR(bytes));
	return bytes;
}

Datum
hyperloglog_in(PG_FUNCTION_ARGS)
{
	Datum		bytes = DirectFunctionCall1(byteain, PG_GETARG_DATUM(0));

	PG_RETURN_BYTEA_P(checked(DatumGetByteaP(bytes)));
}

Datum
hyperloglog_recv(PG_FUNCTION_ARGS)
{
	Datum		bytes = DirectFunctionCall1(bytearecv, PG_GETARG_DATUM(0));

	PG_RETURN_BYTEA_P(checked(DatumGetByteaP(bytes)));
}

Datum
hyperloglog_from_bytea(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(checked(PG_GETARG_BYTEA_PP(0)));
}

Datum
hyperloglog_empty(PG_FUNCTION_ARGS)
{
	int			precision = kappa_hll_check_precision(PG_GETARG_INT32(0));

	PG_RETURN_BYTEA_P(kappa_hll_encode(kappa_hll_create(CurrentMemoryContext, precision)));
}

static HyperLogLog *
getarg_hyperloglog(FunctionCallInfo fcinfo, int argno)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(argno);

	return kappa_hll_decode(CurrentMemoryContext, (uint8 *) VARDATA_ANY(bytes),
							VARSIZE_ANY_EXHDR(bytes));
}

Datum
hyperloglog_union(PG_FUNCTION_ARGS)
{
	HyperLogLog *result = getarg_hyperloglog(fcinfo, 0);

	kappa_hll_union(result, getarg_hyperloglog(fcinfo, 1));
	PG_RETURN_BYTEA_P(kappa_hll_encode(result));
}

Datum
hyperloglog_cardinality(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(kappa_hll_cardinality(getarg_hyperloglog(fcinfo, 0)));
}

Datum
hyperloglog_precision(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(getarg_hyperloglog(fcinfo, 0)->precision);
}
