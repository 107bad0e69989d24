/*-------------------------------------------------------------------------
 *
 * element.h
 *	  Values of any type in the states of polymorphic aggregates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_TYPES_ELEMENT_H
#define KAPPA_TYPES_ELEMENT_H

#include "types/state.h"
#include "utils/typcache.h"

/* How a value is written: see element.c. */
typedef enum ElementForm
{
	ELEMENT_STRING,				/* the bytes of a string */
	ELEMENT_BINARY,				/* what the type's send function gives */
	ELEMENT_TEXT				/* what its output function gives */
} ElementForm;

typedef struct ElementType
{
	Oid			type;			/* never a domain: its base type */
	int16		typlen;
	bool		typbyval;
	ElementForm form;
	Oid			ioparam;
	FmgrInfo	write;			/* unused for ELEMENT_STRING */
	FmgrInfo	read;
	TypeCacheEntry *cache;		/* its equality and comparison */

	/* the type's name as states carry it */
	bool		is_array;
	char		schema[NAMEDATALEN];
	char		name[NAMEDATALEN];
} ElementType;

/* The type of argument argno of the running function. */
extern ElementType *kappa_element_type(FunctionCallInfo fcinfo, int argno,
									   MemoryContext context);

/* Is it the type of that argument?  An error if not. */
extern void kappa_element_check(const ElementType *element, FunctionCallInfo fcinfo,
								int argno);

/* Two states that are to be combined must be of one type. */
extern void kappa_element_check_same(const ElementType *a, const ElementType *b);

extern void kappa_element_put_type(StringInfo buf, const ElementType *element);

/* Looks the type up if it is not the one in *cache, which it becomes. */
extern ElementType *kappa_element_get_type(StateReader *reader, ElementType **cache,
										   MemoryContext context);

extern void kappa_element_put(StringInfo buf, ElementType *element, Datum value, bool isnull);

/* The value is allocated in the current memory context. */
extern Datum kappa_element_get(StateReader *reader, ElementType *element, bool *isnull);

/* A copy, not toasted or expanded, in the current memory context. */
extern Datum kappa_element_copy(const ElementType *element, Datum value);
extern void kappa_element_free(const ElementType *element, Datum value);

/* Equal as the type's operator = has it. */
extern bool kappa_element_equal(const ElementType *element, Oid collation,
								Datum a, Datum b);

/*
 * A total order, in which only identical values are equal: by the type's
 * btree order, if it has one, else by the text of the values; then by their
 * bytes.  NULL is lowest.
 */
extern int	kappa_element_compare(ElementType *element, Oid collation,
								  Datum a, bool a_null, Datum b, bool b_null);

/* By their bytes alone. */
extern int	kappa_element_compare_images(const ElementType *element, Datum a, Datum b);

/* The type's btree comparison; an error if it has none. */
extern FmgrInfo *kappa_element_order(const ElementType *element);

#endif							/* KAPPA_TYPES_ELEMENT_H */
