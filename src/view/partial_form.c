/*-------------------------------------------------------------------------
 *
 * partial_form.c
 *	  Aggregates that give the state of other aggregates.
 *
 * The partial form of agg(x) is kappa_state.partial_agg(x): the same transition
 * function, combine function, transition type and initial value, and no final
 * function, or, for an internal state, kappa.aggregate_serialize().  Those of PostgreSQL's own
 * aggregates come with the extension; those of others are made when a view
 * first needs them, and belong to the aggregate's owner, with whose rights the
 * executor checks the component functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "nodes/value.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "view/owner.h"
#include "view/sealed.h"

PG_FUNCTION_INFO_V1(kappa_partial_aggregate);

Oid
aggregate_state_type(void)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum("aggregate_state"),
									   ObjectIdGetDatum(get_namespace_oid("kappa", false)));

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type \"%s\" does not exist", "kappa.aggregate_state")));
	return type;
}

Oid
aggregate_finalize_function(bool with_arguments)
{
	List	   *name = list_make2(makeString("kappa"), makeString("aggregate_finalize"));
	Oid			argtypes[] = {aggregate_state_type(), REGPROCEDUREOID, ANYELEMENTOID, ANYOID};

	return LookupFuncName(name, with_arguments ? 4 : 3, argtypes, false);
}

/* The whole row of pg_aggregate that matters, of two aggregates. */
static bool
is_partial_form(Form_pg_aggregate partial, HeapTuple partial_tuple,
				Form_pg_aggregate original, HeapTuple original_tuple)
{
	Datum		init[2];
	bool		isnull[2];

	init[0] = SysCacheGetAttr(AGGFNOID, partial_tuple, Anum_pg_aggregate_agginitval, &isnull[0]);
	init[1] = SysCacheGetAttr(AGGFNOID, original_tuple, Anum_pg_aggregate_agginitval, &isnull[1]);

	return partial->aggtransfn == original->aggtransfn &&
		partial->aggcombinefn == original->aggcombinefn &&
		partial->aggtranstype == original->aggtranstype &&
		partial->aggserialfn == original->aggserialfn &&
		partial->aggdeserialfn == original->aggdeserialfn &&
		OidIsValid(partial->aggfinalfn) == (original->aggtranstype == INTERNALOID) &&
		isnull[0] == isnull[1] &&
		(isnull[0] || strcmp(TextDatumGetCString(init[0]), TextDatumGetCString(init[1])) == 0);
}

/* An aggregate of that name in kappa_state, with the original's argument types. */
static Oid
find_form(const char *name, Oid original)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(original));
	Oid			result = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		Datum		argtypes = SysCacheGetAttrNotNull(PROCOID, tuple, Anum_pg_proc_proargtypes);

		result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
								 CStringGetDatum(name), argtypes,
								 ObjectIdGetDatum(get_namespace_oid("kappa_state", false)));
		ReleaseSysCache(tuple);
	}
	return result;
}

static bool
form_matches(Oid form, Oid original)
{
	HeapTuple	form_tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(form));
	HeapTuple	original_tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(original));
	bool		result = false;

	if (HeapTupleIsValid(form_tuple) && HeapTupleIsValid(original_tuple))
		result = is_partial_form((Form_pg_aggregate) GETSTRUCT(form_tuple), form_tuple,
								 (Form_pg_aggregate) GETSTRUCT(original_tuple), original_tuple);
	if (HeapTupleIsValid(form_tuple))
		ReleaseSysCache(form_tuple);
	if (HeapTupleIsValid(original_tuple))
		ReleaseSysCache(original_tuple);
	return result;
}

static const char *
qualified_function(Oid function)
{
	return quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
									  get_func_name(function));
}

/* name(argument types) of the form, as DDL wants it: with all names qualified. */
static char *
form_signature(const char *name, Oid original)
{
	int			level = enter_plain_settings();
	Datum		arguments = DirectFunctionCall1(pg_get_function_identity_arguments,
												ObjectIdGetDatum(original));

	AtEOXact_GUC(false, level);
	return psprintf("kappa_state.%s(%s)", quote_identifier(name),
					TextDatumGetCString(arguments));
}

/*
 * May the type's input function call functions of users?  Checks of domains do,
 * wherever in the type they are.
 */
static bool
input_calls_users(Oid type)
{
	Oid			element = get_element_type(type);
	TupleDesc	desc;
	bool		result = false;

	if (OidIsValid(element))
		return input_calls_users(element);
	switch (get_typtype(type))
	{
		case TYPTYPE_BASE:
		case TYPTYPE_ENUM:
			return false;
		case TYPTYPE_RANGE:
			return input_calls_users(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return input_calls_users(get_multirange_range(type));
		case TYPTYPE_COMPOSITE:
			desc = lookup_rowtype_tupdesc(type, -1);
			for (int i = 0; i < desc->natts && !result; i++)
				result = !TupleDescAttr(desc, i)->attisdropped &&
					input_calls_users(TupleDescAttr(desc, i)->atttypid);
			ReleaseTupleDesc(desc);
			return result;
		default:
			return true;
	}
}

/*
 * CREATE AGGREGATE reads the initial value, unless it is of a pseudo-type, and we
 * run it with great rights.
 */
static void
check_initial_value(Oid original, Oid transition_type)
{
	if (get_typtype(transition_type) != TYPTYPE_PSEUDO && input_calls_users(transition_type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("aggregate %s cannot be kept in a continuous view",
						format_procedure(original)),
				 errdetail("Its transition type %s has a domain in it, and it has an initial value.",
						   format_type_be(transition_type)),
				 errhint("Use the type that the domain is based on.")));
}

static char *
create_statement(const char *name, Oid original)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(original));
	Form_pg_aggregate form;
	StringInfoData sql;
	Datum		init;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", original);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE AGGREGATE %s (SFUNC = %s, STYPE = %s, SSPACE = %d",
					 form_signature(name, original),
					 qualified_function(form->aggtransfn),
					 format_type_be_qualified(form->aggtranstype), form->aggtransspace);
	if (OidIsValid(form->aggcombinefn))
		appendStringInfo(&sql, ", COMBINEFUNC = %s", qualified_function(form->aggcombinefn));
	if (form->aggtranstype == INTERNALOID)
		appendStringInfo(&sql, ", SERIALFUNC = %s, DESERIALFUNC = %s,"
						 " FINALFUNC = kappa.aggregate_serialize, FINALFUNC_MODIFY = READ_WRITE",
						 qualified_function(form->aggserialfn),
						 qualified_function(form->aggdeserialfn));
	init = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &isnull);
	if (!isnull)
	{
		check_initial_value(original, form->aggtranstype);
		appendStringInfo(&sql, ", INITCOND = %s",
						 quote_literal_cstr(TextDatumGetCString(init)));
	}
	appendStringInfoChar(&sql, ')');
	ReleaseSysCache(tuple);
	return sql.data;
}

static Oid
function_owner(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* The form belongs to whom the original belongs. */
static void
give_to_owner(const char *name, Oid form, Oid original)
{
	Oid			owner = function_owner(original);

	if (owner == function_owner(form))
		return;
	extension_execute(psprintf("ALTER AGGREGATE %s OWNER TO %s",
							   form_signature(name, original),
							   quote_identifier(GetUserNameFromId(owner, false))));
}

/* The form is dropped with the original, unless a view needs it. */
static void
go_with_original(Oid form, Oid original)
{
	ObjectAddress dependent;
	ObjectAddress referenced;

	ObjectAddressSet(dependent, ProcedureRelationId, form);
	ObjectAddressSet(referenced, ProcedureRelationId, original);
	recordDependencyOn(&dependent, &referenced, DEPENDENCY_AUTO);
}

static Oid
create_form(const char *name, Oid original)
{
	Oid			form;

	extension_execute(create_statement(name, original));
	CommandCounterIncrement();

	form = find_form(name, original);
	if (!creating_extension)
	{
		give_to_owner(name, form, original);
		go_with_original(form, original);
	}
	return form;
}

Oid
partial_aggregate_get(Oid aggregate)
{
	char		label[32] = "";

	/* An aggregate of the same name may be there, of another schema's. */
	for (int i = 2;; i++)
	{
		char	   *name = makeObjectName("partial", get_func_name(aggregate),
										  label[0] ? label : NULL);
		Oid			form = find_form(name, aggregate);

		if (!OidIsValid(form))
			return create_form(name, aggregate);
		if (form_matches(form, aggregate))
			return form;
		snprintf(label, sizeof(label), "%d", i);
	}
}

/* partial_aggregate(regprocedure): for the extension's script. */
Datum
kappa_partial_aggregate(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(partial_aggregate_get(PG_GETARG_OID(0)));
}
