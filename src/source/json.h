/*-------------------------------------------------------------------------
 *
 * json.h
 *	  Wanted values out of one JSON object: the shim over libsimdjson.
 *
 * Plain C on both sides; no type of PostgreSQL's or of C++'s crosses it, and
 * neither an error nor an exception does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SOURCE_JSON_H
#define KAPPA_SOURCE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

/* One step of a path: a key or, in an array, a position in decimal digits. */
typedef struct JsonStep
{
	const char *name;			/* UTF-8 */
	uint32_t	len;
} JsonStep;

/* Where a wanted value lies. */
typedef struct JsonTarget
{
	const JsonStep *steps;
	int			nsteps;			/* at least 1 */
} JsonTarget;

typedef enum JsonFieldKind
{
	JSON_FIELD_MISSING,
	JSON_FIELD_NULL,
	JSON_FIELD_FALSE,
	JSON_FIELD_TRUE,
	JSON_FIELD_NUMBER,
	JSON_FIELD_STRING,
	JSON_FIELD_OBJECT,
	JSON_FIELD_ARRAY,
	JSON_FIELD_BROKEN,			/* there, but not JSON */
	JSON_FIELD_AMBIGUOUS		/* under two keys that differ in case only */
} JsonFieldKind;

/*
 * A wanted value.  text points into the scanned text and is not terminated: a
 * string without its quotes and with its escapes; any other kind, as written.
 */
typedef struct JsonField
{
	JsonFieldKind kind;
	bool		escaped;		/* string: holds escapes */
	bool		negative;		/* number */
	bool		exact;			/* number: mantissa and exponent are its value;
								 * else its value lies between this and that of
								 * mantissa + 1 */
	uint32_t	len;
	const char *text;
	uint64_t	mantissa;		/* number = mantissa * 10 ^ exponent */
	int32_t		exponent;
	int32_t		scale;			/* number: decimal places, as written */
} JsonField;

typedef enum JsonScanResult
{
	JSON_SCAN_OK,
	JSON_SCAN_NOT_UTF8,
	JSON_SCAN_NOT_OBJECT,		/* no JSON object at all, or not only one */
	JSON_SCAN_BROKEN,			/* top level cannot be walked to its end */
	JSON_SCAN_NO_MEMORY
} JsonScanResult;

typedef struct JsonScanner JsonScanner;

/*
 * A scanner for these targets, which are copied; from malloc, so it has to be
 * freed.  NULL: out of memory.
 */
extern JsonScanner *json_scanner_create(const JsonTarget *targets, int ntargets);
extern void json_scanner_free(JsonScanner *scanner);

/*
 * Looks for the targets in text: fields[i] becomes the value of target i.  What
 * it returns depends on the text alone, never on the targets.
 */
extern JsonScanResult json_scan(JsonScanner *scanner, const char *text, size_t len,
								JsonField *fields);

/* Gives back what a long text took: for a scanner that may not be used again soon. */
extern void json_scanner_rest(JsonScanner *scanner);

/*
 * What a string with escapes stands for; never longer than the string itself.
 * Returns the length, or -1 if an escape is not JSON's or half a surrogate
 * pair.
 */
extern ptrdiff_t json_unescape(const char *text, size_t len, char *dst);

/*
 * Reads all of text as a JSON number into field; false: it is none.
 */
extern bool json_read_number(const char *text, size_t len, JsonField *field);

#ifdef __cplusplus
}
#endif

#endif							/* KAPPA_SOURCE_JSON_H */
