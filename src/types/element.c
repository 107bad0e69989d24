/*-------------------------------------------------------------------------
 *
 * element.c
 *	  Values of any type in the states of polymorphic aggregates.
 *
 * A serialised state outlives sessions and, in a dump, databases.  So it names
 * the type of its values by schema and name, not by OID (an array type by its
 * element type, because PostgreSQL makes up the names of array types), and its
 * values must not depend on who writes or reads them.  That rules the send
 * functions out in general: those of text, enum, jsonb and all that contain
 * them convert to the encoding of the client that happens to be connected, and
 * those of arrays and rows write OIDs.  So
 *
 *	strings (text, varchar, char(n))	are their bytes,
 *	the built-in scalar types below		what their send function gives,
 *	all others							the text of their output function.
 *
 * The text of a few types depends on settings (dates in a row, floats in an
 * array); continuous views keep theirs, and a parallel worker has its
 * leader's.
 *
 * Domains count as their base types: the values were checked when they became
 * values of the domain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "types/element.h"

static ElementType *make_element_type(Oid type, MemoryContext context);
static ElementForm choose_form(Oid type);
static void name_type(ElementType *element);

/* ---------------------------------------------------------------------- types */

static Oid
argument_type(FunctionCallInfo fcinfo, int argno)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argno);

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE),
				 errmsg("could not determine the data type of the values")));
	return getBaseType(type);
}

ElementType *
kappa_element_type(FunctionCallInfo fcinfo, int argno, MemoryContext context)
{
	return make_element_type(argument_type(fcinfo, argno), context);
}

void
kappa_element_check(const ElementType *element, FunctionCallInfo fcinfo, int argno)
{
	if (element->type != argument_type(fcinfo, argno))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate state holds values of another type")));
}

void
kappa_element_check_same(const ElementType *a, const ElementType *b)
{
	if (a->type != b->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate states hold values of different types")));
}

static ElementType *
make_element_type(Oid type, MemoryContext context)
{
	ElementType *element;
	Oid			function;
	bool		varlena;

	/* An anonymous row has nothing that a state could name. */
	if (get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("values of type %s cannot be kept in an aggregate state",
						format_type_be(type)),
				 errhint("Cast the value to a named type.")));

	element = MemoryContextAllocZero(context, sizeof(ElementType));
	element->type = type;
	get_typlenbyval(type, &element->typlen, &element->typbyval);
	element->form = choose_form(type);
	if (element->form == ELEMENT_BINARY)
	{
		getTypeBinaryOutputInfo(type, &function, &varlena);
		fmgr_info_cxt(function, &element->write, context);
		getTypeBinaryInputInfo(type, &function, &element->ioparam);
		fmgr_info_cxt(function, &element->read, context);
	}
	else if (element->form == ELEMENT_TEXT)
	{
		getTypeOutputInfo(type, &function, &varlena);
		fmgr_info_cxt(function, &element->write, context);
		getTypeInputInfo(type, &function, &element->ioparam);
		fmgr_info_cxt(function, &element->read, context);
	}
	element->cache = lookup_type_cache(type, TYPECACHE_EQ_OPR_FINFO | TYPECACHE_CMP_PROC_FINFO);
	name_type(element);
	return element;
}

static ElementForm
choose_form(Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return ELEMENT_STRING;
		case BOOLOID:
		case BYTEAOID:
		case CHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case UUIDOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case POINTOID:
			return ELEMENT_BINARY;
		default:
			return ELEMENT_TEXT;
	}
}

static void
name_type(ElementType *element)
{
	Oid			element_type = get_element_type(element->type);
	Oid			named = OidIsValid(element_type) ? element_type : element->type;
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(named));
	Form_pg_type form;
	char	   *schema;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", named);
	form = (Form_pg_type) GETSTRUCT(tuple);
	schema = get_namespace_name(form->typnamespace);
	if (schema == NULL)
		elog(ERROR, "cache lookup failed for namespace %u", form->typnamespace);
	element->is_array = OidIsValid(element_type);
	strlcpy(element->schema, schema, NAMEDATALEN);
	strlcpy(element->name, NameStr(form->typname), NAMEDATALEN);
	ReleaseSysCache(tuple);
}

static void
put_name(StringInfo buf, const char *name)
{
	size_t		len = strlen(name);

	kappa_state_put_varint(buf, len);
	kappa_state_put_bytes(buf, name, len);
}

static void
get_name(StateReader *reader, char *name)
{
	int			len = kappa_state_get_int(reader, 1, NAMEDATALEN - 1);

	memcpy(name, kappa_state_get_bytes(reader, len), len);
	name[len] = '\0';
	if (strlen(name) != len)
		kappa_state_invalid(reader);
}

void
kappa_element_put_type(StringInfo buf, const ElementType *element)
{
	kappa_state_put_varint(buf, element->is_array ? 1 : 0);
	put_name(buf, element->schema);
	put_name(buf, element->name);
}

ElementType *
kappa_element_get_type(StateReader *reader, ElementType **cache, MemoryContext context)
{
	bool		is_array = kappa_state_get_int(reader, 0, 1) == 1;
	char		schema[NAMEDATALEN];
	char		name[NAMEDATALEN];
	Oid			namespace;
	Oid			type = InvalidOid;

	get_name(reader, schema);
	get_name(reader, name);
	if (*cache != NULL && (*cache)->is_array == is_array &&
		strcmp((*cache)->schema, schema) == 0 && strcmp((*cache)->name, name) == 0)
		return *cache;

	namespace = get_namespace_oid(schema, true);
	if (OidIsValid(namespace))
		type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
							   CStringGetDatum(name), ObjectIdGetDatum(namespace));
	if (OidIsValid(type) && is_array)
		type = get_array_type(type);
	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the type of the values in a %s does not exist", reader->what)));
	if (get_typtype(type) == TYPTYPE_DOMAIN)
		kappa_state_invalid(reader);
	*cache = make_element_type(type, context);
	return *cache;
}

/* --------------------------------------------------------------------- values */

/* As the length and 1, and the bytes; NULL is 0. */
void
kappa_element_put(StringInfo buf, ElementType *element, Datum value, bool isnull)
{
	struct varlena *bytes;
	char	   *text;
	size_t		len;

	if (isnull)
	{
		kappa_state_put_varint(buf, 0);
		return;
	}
	switch (element->form)
	{
		case ELEMENT_STRING:
		case ELEMENT_BINARY:
			if (element->form == ELEMENT_STRING)
				bytes = PG_DETOAST_DATUM_PACKED(value);
			else
				bytes = SendFunctionCall(&element->write, value);
			len = VARSIZE_ANY_EXHDR(bytes);
			kappa_state_put_varint(buf, (uint64) len + 1);
			kappa_state_put_bytes(buf, VARDATA_ANY(bytes), len);
			if ((Pointer) bytes != DatumGetPointer(value))
				pfree(bytes);
			break;
		case ELEMENT_TEXT:
			text = OutputFunctionCall(&element->write, value);
			len = strlen(text);
			kappa_state_put_varint(buf, (uint64) len + 1);
			kappa_state_put_bytes(buf, text, len);
			pfree(text);
			break;
	}
}

Datum
kappa_element_get(StateReader *reader, ElementType *element, bool *isnull)
{
	uint64		len = kappa_state_get_varint(reader);
	const char *bytes;
	Datum		value;

	*isnull = len == 0;
	if (*isnull)
		return (Datum) 0;
	bytes = (const char *) kappa_state_get_bytes(reader, --len);
	if (element->form != ELEMENT_BINARY)
		pg_verifymbstr(bytes, len, false);
	if (element->form == ELEMENT_STRING)
		return PointerGetDatum(cstring_to_text_with_len(bytes, len));

	/* Receive and input functions want a terminated copy of their own. */
	resetStringInfo(&reader->scratch);
	appendBinaryStringInfo(&reader->scratch, bytes, len);
	if (element->form == ELEMENT_TEXT)
		return InputFunctionCall(&element->read, reader->scratch.data,
								 element->ioparam, -1);
	value = ReceiveFunctionCall(&element->read, &reader->scratch,
								element->ioparam, -1);
	if (reader->scratch.cursor != reader->scratch.len)
		kappa_state_invalid(reader);
	return value;
}

Datum
kappa_element_copy(const ElementType *element, Datum value)
{
	struct varlena *plain;

	if (element->typbyval)
		return value;
	if (element->typlen != -1)
		return datumCopy(value, false, element->typlen);

	plain = PG_DETOAST_DATUM_PACKED(value);
	if ((Pointer) plain != DatumGetPointer(value))
		return PointerGetDatum(plain);
	return datumCopy(value, false, -1);
}

void
kappa_element_free(const ElementType *element, Datum value)
{
	if (!element->typbyval && DatumGetPointer(value) != NULL)
		pfree(DatumGetPointer(value));
}

/* ---------------------------------------------------------------- comparisons */

int
kappa_element_compare_images(const ElementType *element, Datum a, Datum b)
{
	struct varlena *av;
	struct varlena *bv;
	size_t		alen;
	size_t		blen;
	int			result;

	if (element->typbyval)
		return a < b ? -1 : a > b;
	if (element->typlen > 0)
		return memcmp(DatumGetPointer(a), DatumGetPointer(b), element->typlen);
	if (element->typlen == -2)
		return strcmp(DatumGetCString(a), DatumGetCString(b));

	av = PG_DETOAST_DATUM_PACKED(a);
	bv = PG_DETOAST_DATUM_PACKED(b);
	alen = VARSIZE_ANY_EXHDR(av);
	blen = VARSIZE_ANY_EXHDR(bv);
	result = memcmp(VARDATA_ANY(av), VARDATA_ANY(bv), Min(alen, blen));
	if (result == 0)
		result = alen < blen ? -1 : alen > blen;
	if ((Pointer) av != DatumGetPointer(a))
		pfree(av);
	if ((Pointer) bv != DatumGetPointer(b))
		pfree(bv);
	return result;
}

/* Aggregates whose arguments have no collation, or several, still compare. */
static inline Oid
usable_collation(Oid collation)
{
	return OidIsValid(collation) ? collation : DEFAULT_COLLATION_OID;
}

bool
kappa_element_equal(const ElementType *element, Oid collation, Datum a, Datum b)
{
	/* Identical values are equal, NaNs too, and that is the common case. */
	if (kappa_element_compare_images(element, a, b) == 0)
		return true;
	if (!OidIsValid(element->cache->eq_opr_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify an equality operator for type %s",
						format_type_be(element->type))));
	return DatumGetBool(FunctionCall2Coll(&element->cache->eq_opr_finfo,
										  usable_collation(collation), a, b));
}

FmgrInfo *
kappa_element_order(const ElementType *element)
{
	if (!OidIsValid(element->cache->cmp_proc_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify a comparison function for type %s",
						format_type_be(element->type))));
	return &element->cache->cmp_proc_finfo;
}

static int
compare_texts(const ElementType *element, Datum a, Datum b)
{
	FmgrInfo	out;
	Oid			function;
	bool		varlena;
	char	   *a_text;
	char	   *b_text;
	int			result;

	getTypeOutputInfo(element->type, &function, &varlena);
	fmgr_info(function, &out);
	a_text = OutputFunctionCall(&out, a);
	b_text = OutputFunctionCall(&out, b);
	result = strcmp(a_text, b_text);
	pfree(a_text);
	pfree(b_text);
	return result;
}

int
kappa_element_compare(ElementType *element, Oid collation,
					  Datum a, bool a_null, Datum b, bool b_null)
{
	int			result;

	if (a_null || b_null)
		return (int) b_null - (int) a_null;
	if (OidIsValid(element->cache->cmp_proc_finfo.fn_oid))
		result = DatumGetInt32(FunctionCall2Coll(&element->cache->cmp_proc_finfo,
												 usable_collation(collation), a, b));
	else
		result = compare_texts(element, a, b);
	return result != 0 ? result : kappa_element_compare_images(element, a, b);
}
