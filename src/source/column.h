/*-------------------------------------------------------------------------
 *
 * column.h
 *	  What the options of a stream's column say: where in a message it lies.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_COLUMN_H
#define KAPPA_COLUMN_H

#include "access/attnum.h"

#include "source/json.h"

typedef enum ColumnOrigin
{
	FROM_PAYLOAD,				/* a field of the payload */
	FROM_KEY_FIELD,				/* a field of the key */
	FROM_KEY,
	FROM_VALUE,
	FROM_TOPIC,
	FROM_PARTITION,
	FROM_OFFSET,
	FROM_TIMESTAMP,
	FROM_HEADERS
} ColumnOrigin;

typedef struct ColumnOptions
{
	char	   *path;
	char	   *metadata;
	char	   *unit;
} ColumnOptions;

extern ColumnOptions column_options(Oid relid, AttrNumber attnum);
extern ColumnOrigin column_origin(const ColumnOptions *options);

/* An integer's unit, in microseconds; 0: none is given. */
extern int64 column_unit(const char *unit, const char *column, Oid typid);

/* Errors if metadata that comes in a type of its own goes to another. */
extern void column_check_metadata(const char *column, ColumnOrigin metadata, Oid typid);

/* The steps of a column's path, its name if it has none, in UTF-8. */
extern JsonTarget column_target(const char *name, const char *path);

#endif							/* KAPPA_COLUMN_H */
