/*-------------------------------------------------------------------------
 *
 * decode.h
 *	  What the files of the decoder share; for this room only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SOURCE_DECODE_H
#define KAPPA_SOURCE_DECODE_H

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "source/column.h"
#include "source/json.h"
#include "source/source.h"

typedef struct DecodeColumn DecodeColumn;

/*
 * Converts a value that is there (not missing, null, broken or ambiguous) to the
 * column's type.  Returns 0, or the SQLSTATE of what is wrong with it.
 */
typedef int (*ConvertFunction) (StreamDecoder *decoder, DecodeColumn *column,
								const JsonField *field, Datum *result);

/* A column that is to be decoded. */
struct DecodeColumn
{
	int			index;			/* attribute number - 1 */
	ColumnOrigin origin;
	int			field;			/* FROM_PAYLOAD, FROM_KEY_FIELD: which target */
	bool		not_null;
	bool		lenient;
	Oid			typid;
	Oid			base;			/* typid, domains looked through */
	int32		typmod;
	ConvertFunction convert;
	int64		unit;			/* an integer's, in microseconds; 0: none given */

	/* for the type's input function */
	FmgrInfo	input;
	Oid			ioparam;
	bool		harmless;		/* an error leaves nothing behind: see input.c */
	bool		datetime;		/* made of dates or times: takes no bare numbers,
								 * and no words for the clock */
	bool		names;			/* made of names of objects: that there is no such
								 * object is the value's fault */
	bool		foreign;		/* made of a type that is not PostgreSQL's own */
	bool		null_checked;	/* a domain that may refuse NULL */

	char	   *name;			/* for messages */
	char	   *type_name;
	char	  **faults;			/* texts of errors that have come up, or NULL */
};

/*
 * Memory of the current message's values: small ones come out of a buffer that
 * is there once and for all, others out of a memory context.
 */
#define VALUE_BUFFER_SIZE	8192

struct StreamDecoder
{
	MemoryContext context;
	int			natts;
	DecodeColumn *columns;
	int			ncolumns;

	JsonScanner *payload_scanner;	/* NULL: payloads are not JSON to this table */
	JsonField  *payload_fields;
	JsonScanner *key_scanner;	/* NULL: no column wants a field of the key */
	JsonField  *key_fields;
	char	   *topic;
	Oid			conversion;		/* from UTF-8 to the database's encoding; invalid:
								 * text needs none */

	MemoryContext values;		/* reset before each message, if used */
	bool		values_used;
	char	   *buffer;
	Size		buffer_used;
};

/* path.c */
extern List *column_path_parse(const char *path);

/* convert.c */
extern void column_set_type(StreamDecoder *decoder, DecodeColumn *column,
							Oid typid, int32 typmod);
extern char *decoder_alloc(StreamDecoder *decoder, Size size);
extern char *field_text(StreamDecoder *decoder, const JsonField *field, Size header,
						Size *len, int *sqlstate);
extern int	convert_by_input(StreamDecoder *decoder, DecodeColumn *column,
							 const JsonField *field, Datum *result);

/* array.c */
extern int	convert_array(StreamDecoder *decoder, DecodeColumn *column,
						  const JsonField *field, Datum *result);

/* number.c */

/* An integer's digits, sign and terminator. */
#define INTEGER_TEXT_SIZE	32

extern int	convert_int2(StreamDecoder *decoder, DecodeColumn *column,
						 const JsonField *field, Datum *result);
extern int	convert_int4(StreamDecoder *decoder, DecodeColumn *column,
						 const JsonField *field, Datum *result);
extern int	convert_int8(StreamDecoder *decoder, DecodeColumn *column,
						 const JsonField *field, Datum *result);
extern int	convert_float4(StreamDecoder *decoder, DecodeColumn *column,
						   const JsonField *field, Datum *result);
extern int	convert_float8(StreamDecoder *decoder, DecodeColumn *column,
						   const JsonField *field, Datum *result);
extern int	convert_numeric(StreamDecoder *decoder, DecodeColumn *column,
							const JsonField *field, Datum *result);
extern bool is_integer(Oid typid);
extern int	number_integer_text(const JsonField *field, char *buffer);
extern bool number_scaled(const JsonField *field, int32 places, int64 *result);

/* time.c */
extern int	convert_timestamp(StreamDecoder *decoder, DecodeColumn *column,
							  const JsonField *field, Datum *result);
extern int	convert_date(StreamDecoder *decoder, DecodeColumn *column,
						 const JsonField *field, Datum *result);
extern int	number_timestamp_text(DecodeColumn *column, const JsonField *field, char *text);
extern bool reads_clock(const char *text);

/* input.c */
extern void column_set_input(StreamDecoder *decoder, DecodeColumn *column);
extern int	column_input(StreamDecoder *decoder, DecodeColumn *column,
						 char *text, Datum *result);

/* encoding.c */

/* Room for what len bytes of UTF-8 become, terminated. */
#define ENCODED_SIZE(len)	((Size) (len) * MAX_CONVERSION_GROWTH + 1)

extern Oid	encoding_conversion(void);
extern bool encoding_convert(Oid conversion, const char *text, Size len, char *dst);

#endif							/* KAPPA_SOURCE_DECODE_H */
