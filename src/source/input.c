/*-------------------------------------------------------------------------
 *
 * input.c
 *	  Calls of input functions, which may throw because of what a message holds.
 *
 * What they throw is caught.  If it is the value's fault (see is_value_error)
 * its SQLSTATE is returned; anything else is thrown on.
 *
 * An error may leave things behind, such as locks, pins and open files, which
 * only aborting a (sub)transaction clears up, so in general the call runs in a
 * subtransaction of its own.  That costs about a microsecond.  The input
 * functions of most built-in types, though, do nothing but look at the text,
 * allocate memory, and at most read a system cache, which holds nothing when it
 * returns: they are "harmless", and nothing but memory is left behind, in a
 * context that is reset soon.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/typcache.h"

#include "compat.h"
#include "source/decode.h"

/* ----------------------------------------------------------- what is thrown */

/*
 * May a value cause this error?  The same errors as in the evaluation of a
 * view's query, and those that input functions have besides: of not-null domains,
 * of types with a syntax of their own (tsquery, jsonpath, ltree), and of names of
 * objects that are not there.
 */
static bool
is_value_error(const DecodeColumn *column, int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_INVALID_SCHEMA_NAME:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			if (column->names)
				return true;
	}
	switch (sqlstate)
	{
		case ERRCODE_CHECK_VIOLATION:
		case ERRCODE_NOT_NULL_VIOLATION:
		case ERRCODE_RAISE_EXCEPTION:
		case ERRCODE_SYNTAX_ERROR:
		case ERRCODE_INVALID_NAME:
		case ERRCODE_NAME_TOO_LONG:
			return true;
		default:
			return false;
	}
}

/*
 * In PG_CATCH: takes the error away and returns its SQLSTATE, or 0 if it is not
 * the value's fault; then *edata is to be thrown on.
 */
static int
take_error(const DecodeColumn *column, MemoryContext context, ErrorData **edata)
{
	int			sqlstate;

	MemoryContextSwitchTo(context);
	*edata = CopyErrorData();
	FlushErrorState();
	sqlstate = (*edata)->sqlerrcode;
	/* extensions may not care for codes: hstore did not before PostgreSQL 16 */
	if (sqlstate == ERRCODE_INTERNAL_ERROR && column->foreign)
		return ERRCODE_INVALID_TEXT_REPRESENTATION;
	return is_value_error(column, sqlstate) ? sqlstate : 0;
}

/* ----------------------------------------------------------------- the call */

static int
call_harmless(StreamDecoder *decoder, DecodeColumn *column, char *text, Datum *result)
{
	MemoryContext old = MemoryContextSwitchTo(decoder->values);
	ErrorData  *edata = NULL;
	volatile int sqlstate = 0;

	decoder->values_used = true;
	PG_TRY();
	{
		*result = InputFunctionCall(&column->input, text, column->ioparam, column->typmod);
	}
	PG_CATCH();
	{
		sqlstate = take_error(column, decoder->values, &edata);
		if (sqlstate == 0)
		{
			MemoryContextSwitchTo(old);
			ReThrowError(edata);
		}
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return sqlstate;
}

static int
call_in_subtransaction(StreamDecoder *decoder, DecodeColumn *column, char *text, Datum *result)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *edata = NULL;
	volatile int sqlstate = 0;

	decoder->values_used = true;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(decoder->values);
	PG_TRY();
	{
		*result = InputFunctionCall(&column->input, text, column->ioparam, column->typmod);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		sqlstate = take_error(column, decoder->values, &edata);
		RollbackAndReleaseCurrentSubTransaction();
		if (sqlstate == 0)
		{
			MemoryContextSwitchTo(old);
			CurrentResourceOwner = owner;
			ReThrowError(edata);
		}
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
	return sqlstate;
}

/*
 * Where no subtransaction can be had: what a value does wrong ends the
 * statement, even if it was to be ignored.
 */
static void
call_unprotected(StreamDecoder *decoder, DecodeColumn *column, char *text, Datum *result)
{
	int			sqlstate = call_harmless(decoder, column, text, result);

	if (sqlstate != 0)
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("column \"%s\": invalid value for type %s",
						column->name, column->type_name),
				 errdetail("A message cannot be ignored while other parts of the query run in parallel."),
				 errhint("Set max_parallel_workers_per_gather to 0.")));
}

/*
 * The column's input function on a text, or on NULL.
 */
int
column_input(StreamDecoder *decoder, DecodeColumn *column, char *text, Datum *result)
{
	if (column->datetime && text != NULL && reads_clock(text))
		return ERRCODE_INVALID_DATETIME_FORMAT;
	if (column->harmless)
		return call_harmless(decoder, column, text, result);
	if (subtransaction_is_possible())
		return call_in_subtransaction(decoder, column, text, result);
	call_unprotected(decoder, column, text, result);
	return 0;
}

/* ------------------------------------------------------------------ creation */

/* Types whose values are names of objects, looked up in the catalogs. */
static bool
names_objects(Oid typid)
{
	switch (typid)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case ACLITEMOID:
			return true;
		default:
			return false;
	}
}

static bool
is_datetime(Oid typid)
{
	switch (typid)
	{
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
			return true;
		default:
			return false;
	}
}

/* Is its input function not PostgreSQL's own? */
static bool
is_foreign(Oid typid)
{
	Oid			input,
				ioparam;

	getTypeInputInfo(typid, &input, &ioparam);
	return input >= FirstNormalObjectId;
}

static bool consists_of(Oid typid, bool (*is_such) (Oid));

/* The same for any column of a row type. */
static bool
row_consists_of(Oid typid, bool (*is_such) (Oid))
{
	TupleDesc	desc = lookup_rowtype_tupdesc(typid, -1);
	bool		result = false;

	for (int i = 0; i < desc->natts && !result; i++)
		result = !TupleDescAttr(desc, i)->attisdropped &&
			consists_of(TupleDescAttr(desc, i)->atttypid, is_such);
	ReleaseTupleDesc(desc);
	return result;
}

/*
 * Is there such a type in what values of this one consist of, as far as input
 * goes: elements of arrays, bounds of ranges, columns of rows?
 */
static bool
consists_of(Oid typid, bool (*is_such) (Oid))
{
	Oid			part;

	typid = getBaseType(typid);
	if (is_such(typid))
		return true;
	part = get_element_type(typid);
	if (!OidIsValid(part))
		part = get_range_subtype(typid);
	if (!OidIsValid(part))
		part = get_multirange_range(typid);
	if (OidIsValid(part))
		return consists_of(part, is_such);
	return get_typtype(typid) == TYPTYPE_COMPOSITE && row_consists_of(typid, is_such);
}

static bool
is_harmless(Oid input)
{
	switch (input)
	{
		case F_BOOLIN:
		case F_INT2IN:
		case F_INT4IN:
		case F_INT8IN:
		case F_FLOAT4IN:
		case F_FLOAT8IN:
		case F_NUMERIC_IN:
		case F_CASH_IN:
		case F_TEXTIN:
		case F_VARCHARIN:
		case F_BPCHARIN:
		case F_CHARIN:
		case F_NAMEIN:
		case F_BYTEAIN:
		case F_BIT_IN:
		case F_VARBIT_IN:
		case F_UUID_IN:
		case F_JSON_IN:
		case F_JSONB_IN:
		case F_JSONPATH_IN:
		case F_TIMESTAMPTZ_IN:
		case F_TIMESTAMP_IN:
		case F_DATE_IN:
		case F_TIME_IN:
		case F_TIMETZ_IN:
		case F_INTERVAL_IN:
		case F_INET_IN:
		case F_CIDR_IN:
		case F_MACADDR_IN:
		case F_MACADDR8_IN:
		case F_POINT_IN:
		case F_LINE_IN:
		case F_LSEG_IN:
		case F_BOX_IN:
		case F_PATH_IN:
		case F_POLY_IN:
		case F_CIRCLE_IN:
		case F_OIDIN:
		case F_PG_LSN_IN:
		case F_ENUM_IN:
			return true;
		default:
			return false;
	}
}

void
column_set_input(StreamDecoder *decoder, DecodeColumn *column)
{
	Oid			element = get_element_type(column->typid);
	Oid			input,
				element_input,
				ioparam;

	getTypeInputInfo(column->typid, &input, &column->ioparam);
	fmgr_info_cxt(input, &column->input, decoder->context);

	if (input == F_ARRAY_IN && OidIsValid(element))
	{
		getTypeInputInfo(element, &element_input, &ioparam);
		column->harmless = is_harmless(element_input);
	}
	else
		column->harmless = is_harmless(input);

	column->datetime = consists_of(column->typid, is_datetime);
	column->names = consists_of(column->typid, names_objects);
	column->foreign = consists_of(column->typid, is_foreign);
	column->null_checked = get_typtype(column->typid) == TYPTYPE_DOMAIN &&
		DomainHasConstraints(column->typid);
}
