/*-------------------------------------------------------------------------
 *
 * sealed.c
 *	  kappa.aggregate_state: serialised states of aggregates.
 *
 * Deserialisation functions trust their input: the executor gives them only what
 * their own serialisation functions made.  We store it in tables that belong to
 * users, and the functions that combine and finalise it must be executable by
 * whoever reads a view.  So a state is a type of its own, made to be
 * unforgeable: there is no cast to it, its input function is for superusers
 * only (a restore), and values come from three places: kappa.aggregate_serialize(),
 * which as a function of an internal argument only an aggregate can call, and
 * which only a superuser can build into one; kappa.aggregate_combine(); and
 * copies of those.  A value also carries what it belongs to (the serialisation
 * functions and argument types), and is refused where that differs.
 *
 * Layout: version of the server that wrote it, identity, the serialised state.
 *
 * The functions are called as nodeAgg.c calls them, with an AggState for
 * context, since most of them insist on it and allocate in its memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/nodeAgg.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "view/sealed.h"

PG_FUNCTION_INFO_V1(kappa_aggregate_state_in);
PG_FUNCTION_INFO_V1(kappa_aggregate_state_out);
PG_FUNCTION_INFO_V1(kappa_aggregate_serialize);
PG_FUNCTION_INFO_V1(kappa_aggregate_combine);
PG_FUNCTION_INFO_V1(kappa_aggregate_finalize);

typedef struct SealedHeader
{
	uint64		identity;
	uint32		major;			/* PG_VERSION_NUM / 10000 */
	uint32		unused;
} SealedHeader;

/* What is known of an aggregate at one place where it is called. */
typedef struct SealedAggregate
{
	Oid			aggregate;
	uint64		identity;
	Oid			result_type;
	int16		result_len;
	bool		result_byval;

	FmgrInfo	serialize;
	FmgrInfo	deserialize;
	FmgrInfo	combine;
	FmgrInfo	finalize;
	bool		has_final;
	int			final_nargs;

	/* what the functions see of an executor */
	ExprContext *econtext;
	AggState   *aggstate;
} SealedAggregate;

/* ------------------------------------------------------------------ identity */

/* Depends on names, not OIDs, to survive dump and restore. */
static uint64
state_identity(Form_pg_aggregate form, const Oid *argtypes, int nargs)
{
	StringInfoData text;
	uint64		result;

	initStringInfo(&text);
	appendStringInfo(&text, "%s|%s",
					 format_procedure_qualified(form->aggserialfn),
					 format_procedure_qualified(form->aggdeserialfn));
	for (int i = 0; i < nargs; i++)
		appendStringInfo(&text, "|%s", format_type_be_qualified(argtypes[i]));
	result = hash_bytes_extended((unsigned char *) text.data, text.len, 0);
	pfree(text.data);
	return result;
}

static bytea *
seal(uint64 identity, const bytea *state)
{
	SealedHeader header = {identity, PG_VERSION_NUM / 10000, 0};
	Size		len = VARSIZE_ANY_EXHDR(state);
	bytea	   *result = palloc(VARHDRSZ + sizeof(header) + len);

	SET_VARSIZE(result, VARHDRSZ + sizeof(header) + len);
	memcpy(VARDATA(result), &header, sizeof(header));
	memcpy(VARDATA(result) + sizeof(header), VARDATA_ANY(state), len);
	return result;
}

static bytea *
unseal(uint64 identity, const bytea *sealed)
{
	SealedHeader header;
	Size		len = VARSIZE_ANY_EXHDR(sealed);
	bytea	   *result;

	if (len < sizeof(header))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid aggregate state")));
	memcpy(&header, VARDATA_ANY(sealed), sizeof(header));
	if (header.major != PG_VERSION_NUM / 10000)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("aggregate state was written by PostgreSQL %u", header.major),
				 errdetail("Such states are bound to the major version that wrote them."),
				 errhint("Drop the continuous view and create it again, to compute it from the log.")));
	if (header.identity != identity)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate state belongs to another aggregate")));

	len -= sizeof(header);
	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), VARDATA_ANY(sealed) + sizeof(header), len);
	return result;
}

/* ---------------------------------------------------------------------- type */

Datum
kappa_aggregate_state_in(PG_FUNCTION_ARGS)
{
	/* Forged states could crash the server: see above. */
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may write values of type %s", "kappa.aggregate_state"),
				 errdetail("They are made by aggregates only.")));
	return DirectFunctionCall1(byteain, PG_GETARG_DATUM(0));
}

Datum
kappa_aggregate_state_out(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(byteaout, PG_GETARG_DATUM(0));
}

/* ----------------------------------------------------- calling the functions */

/* An executor's state around the calls: just what they can ask for. */
static void
make_aggstate(SealedAggregate *sealed, const Oid *argtypes, int nargs, Oid collation)
{
	AggState   *aggstate = makeNode(AggState);
	AggStatePerAgg peragg = palloc0(sizeof(AggStatePerAggData));
	AggStatePerTrans pertrans = palloc0(sizeof(AggStatePerTransData));
	Aggref	   *aggref = makeNode(Aggref);

	aggref->aggfnoid = sealed->aggregate;
	aggref->aggtype = sealed->result_type;
	aggref->inputcollid = collation;
	aggref->aggtranstype = INTERNALOID;
	aggref->aggkind = AGGKIND_NORMAL;
	for (int i = 0; i < nargs; i++)
	{
		aggref->aggargtypes = lappend_oid(aggref->aggargtypes, argtypes[i]);
		aggref->args = lappend(aggref->args,
							   makeTargetEntry((Expr *) makeNullConst(argtypes[i], -1, InvalidOid),
											   i + 1, NULL, false));
	}

	peragg->aggref = aggref;
	pertrans->aggref = aggref;
	sealed->econtext = CreateStandaloneExprContext();
	aggstate->curaggcontext = sealed->econtext;
	aggstate->tmpcontext = sealed->econtext;
	aggstate->peragg = aggstate->curperagg = peragg;
	aggstate->pertrans = pertrans;
	aggstate->numaggs = aggstate->numtrans = 1;
	sealed->aggstate = aggstate;
}

static Datum
call_function(SealedAggregate *sealed, FmgrInfo *function, Oid collation,
			  NullableDatum first, NullableDatum second, int nargs, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	Datum		result;

	*isnull = true;
	InitFunctionCallInfoData(*fcinfo, function, nargs, collation,
							 (Node *) sealed->aggstate, NULL);
	for (int i = 0; i < nargs; i++)
	{
		fcinfo->args[i].value = 0;
		fcinfo->args[i].isnull = true;
	}
	fcinfo->args[0] = first;
	if (nargs > 1)
		fcinfo->args[1] = second;
	if (function->fn_strict)
		for (int i = 0; i < nargs; i++)
			if (fcinfo->args[i].isnull)
				return (Datum) 0;

	result = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return result;
}

static NullableDatum
deserialize(SealedAggregate *sealed, Oid collation, const bytea *value)
{
	NullableDatum state = {PointerGetDatum(unseal(sealed->identity, value)), false};
	NullableDatum nothing = {(Datum) 0, false};
	NullableDatum result;

	result.value = call_function(sealed, &sealed->deserialize, collation,
								 state, nothing, 2, &result.isnull);
	return result;
}

/* ------------------------------------------------ looking an aggregate up */

/* The aggregate's own argument types, as this call says or as it declares. */
static int
argument_types(FunctionCallInfo fcinfo, int first, Oid aggregate, Oid *argtypes)
{
	Oid		   *declared;
	int			nargs;
	bool		given = PG_NARGS() > first;

	(void) get_func_signature(aggregate, &declared, &nargs);
	if (given && (get_fn_expr_variadic(fcinfo->flinfo) || PG_NARGS() - first != nargs))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wrong number of arguments for aggregate %s",
						format_procedure(aggregate))));
	for (int i = 0; i < nargs; i++)
	{
		argtypes[i] = given ? get_fn_expr_argtype(fcinfo->flinfo, first + i) : declared[i];
		if (!OidIsValid(argtypes[i]) || IsPolymorphicType(argtypes[i]) ||
			(!IsPolymorphicType(declared[i]) && argtypes[i] != declared[i]))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("wrong types of arguments for aggregate %s",
							format_procedure(aggregate))));
	}
	return nargs;
}

static void
set_final_function(SealedAggregate *sealed, Form_pg_aggregate form,
				   Oid *argtypes, int nargs, Oid collation)
{
	Expr	   *expr;

	sealed->has_final = OidIsValid(form->aggfinalfn);
	if (!sealed->has_final)
		return;
	sealed->final_nargs = form->aggfinalextra ? nargs + 1 : 1;
	fmgr_info(form->aggfinalfn, &sealed->finalize);
	build_aggregate_finalfn_expr(argtypes, sealed->final_nargs, INTERNALOID,
								 sealed->result_type, collation, form->aggfinalfn, &expr);
	fmgr_info_set_expr((Node *) expr, &sealed->finalize);
}

/* What the aggregate's result is, given its arguments' types. */
static Oid
result_type(Oid aggregate, Oid *argtypes, int nargs)
{
	Oid		   *declared;
	int			declared_nargs;
	Oid			type = get_func_signature(aggregate, &declared, &declared_nargs);

	return enforce_generic_type_consistency(argtypes, declared, nargs, type, false);
}

static SealedAggregate *
lookup_aggregate(FunctionCallInfo fcinfo, Oid aggregate, int first_argument)
{
	SealedAggregate *sealed = fcinfo->flinfo->fn_extra;
	Oid			argtypes[FUNC_MAX_ARGS];
	int			nargs;
	HeapTuple	tuple;
	Form_pg_aggregate form;
	MemoryContext oldcontext;

	if (sealed && sealed->aggregate == aggregate)
		return sealed;

	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u is not an aggregate", aggregate)));
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	if (form->aggtranstype != INTERNALOID || !OidIsValid(form->aggcombinefn) ||
		!OidIsValid(form->aggserialfn) || !OidIsValid(form->aggdeserialfn) ||
		AGGKIND_IS_ORDERED_SET(form->aggkind))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("aggregate %s has no serialized states",
						format_procedure(aggregate))));

	oldcontext = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	nargs = argument_types(fcinfo, first_argument, aggregate, argtypes);
	sealed = palloc0(sizeof(SealedAggregate));
	sealed->aggregate = aggregate;
	sealed->identity = state_identity(form, argtypes, nargs);
	sealed->result_type = result_type(aggregate, argtypes, nargs);
	get_typlenbyval(sealed->result_type, &sealed->result_len, &sealed->result_byval);
	fmgr_info(form->aggserialfn, &sealed->serialize);
	fmgr_info(form->aggdeserialfn, &sealed->deserialize);
	fmgr_info(form->aggcombinefn, &sealed->combine);
	set_final_function(sealed, form, argtypes, nargs, PG_GET_COLLATION());
	make_aggstate(sealed, argtypes, nargs, PG_GET_COLLATION());
	MemoryContextSwitchTo(oldcontext);
	ReleaseSysCache(tuple);

	fcinfo->flinfo->fn_extra = sealed;
	return sealed;
}

/* -------------------------------------------------------------- the functions */

/*
 * aggregate_serialize(internal) -> aggregate_state: final function of partial
 * forms, which name the serialisation function of the aggregate as their own.
 */
Datum
kappa_aggregate_serialize(PG_FUNCTION_ARGS)
{
	Aggref	   *aggref = AggGetAggref(fcinfo);
	SealedAggregate *sealed = fcinfo->flinfo->fn_extra;
	LOCAL_FCINFO(call, 1);
	Datum		state;

	if (aggref == NULL)
		elog(ERROR, "aggregate_serialize called in non-aggregate context");
	if (sealed == NULL)
	{
		HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
		Form_pg_aggregate form = (Form_pg_aggregate) GETSTRUCT(tuple);
		Oid			argtypes[FUNC_MAX_ARGS];
		int			nargs = get_aggregate_argtypes(aggref, argtypes);

		sealed = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(SealedAggregate));
		fmgr_info_cxt(form->aggserialfn, &sealed->serialize, fcinfo->flinfo->fn_mcxt);
		sealed->identity = state_identity(form, argtypes, nargs);
		ReleaseSysCache(tuple);
		fcinfo->flinfo->fn_extra = sealed;
	}

	InitFunctionCallInfoData(*call, &sealed->serialize, 1, InvalidOid,
							 fcinfo->context, NULL);
	call->args[0].value = PG_GETARG_DATUM(0);
	call->args[0].isnull = false;
	state = FunctionCallInvoke(call);
	if (call->isnull)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(seal(sealed->identity, DatumGetByteaPP(state)));
}

/*
 * aggregate_combine(aggregate_state, aggregate_state, aggregate regprocedure
 * [, arguments of the aggregate: their types and collation count])
 */
Datum
kappa_aggregate_combine(PG_FUNCTION_ARGS)
{
	SealedAggregate *sealed;
	MemoryContext oldcontext;
	NullableDatum states[2];
	NullableDatum nothing = {(Datum) 0, true};
	NullableDatum combined;
	NullableDatum bytes;
	bytea	   *result = NULL;

	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
	{
		int			other = PG_ARGISNULL(0) ? 1 : 0;

		if (PG_ARGISNULL(other))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(other));
	}

	sealed = lookup_aggregate(fcinfo, PG_GETARG_OID(2), 3);
	oldcontext = MemoryContextSwitchTo(sealed->econtext->ecxt_per_tuple_memory);
	for (int i = 0; i < 2; i++)
		states[i] = deserialize(sealed, PG_GET_COLLATION(), PG_GETARG_BYTEA_PP(i));
	combined.value = call_function(sealed, &sealed->combine, PG_GET_COLLATION(),
								   states[0], states[1], 2, &combined.isnull);
	bytes.isnull = true;
	if (!combined.isnull)
		bytes.value = call_function(sealed, &sealed->serialize, PG_GET_COLLATION(),
									combined, nothing, 1, &bytes.isnull);
	MemoryContextSwitchTo(oldcontext);

	if (!bytes.isnull)
		result = seal(sealed->identity, DatumGetByteaPP(bytes.value));
	ReScanExprContext(sealed->econtext);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(result);
}

/*
 * aggregate_finalize(aggregate_state, aggregate regprocedure, result anyelement
 * [, arguments of the aggregate])
 */
Datum
kappa_aggregate_finalize(PG_FUNCTION_ARGS)
{
	SealedAggregate *sealed;
	MemoryContext oldcontext;
	NullableDatum state = {(Datum) 0, true};
	NullableDatum nothing = {(Datum) 0, true};
	NullableDatum result;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	sealed = lookup_aggregate(fcinfo, PG_GETARG_OID(1), 3);
	if (get_fn_expr_rettype(fcinfo->flinfo) != sealed->result_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate %s returns type %s",
						format_procedure(sealed->aggregate),
						format_type_be(sealed->result_type))));
	if (!sealed->has_final)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("aggregate %s has no final function",
						format_procedure(sealed->aggregate))));

	oldcontext = MemoryContextSwitchTo(sealed->econtext->ecxt_per_tuple_memory);
	if (!PG_ARGISNULL(0))
		state = deserialize(sealed, PG_GET_COLLATION(), PG_GETARG_BYTEA_PP(0));
	result.value = call_function(sealed, &sealed->finalize, PG_GET_COLLATION(),
								 state, nothing, sealed->final_nargs, &result.isnull);
	MemoryContextSwitchTo(oldcontext);

	if (!result.isnull)
		result.value = datumCopy(result.value, sealed->result_byval, sealed->result_len);
	ReScanExprContext(sealed->econtext);
	if (result.isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result.value);
}
