/*-------------------------------------------------------------------------
 *
 * value.h
 *	  From a Datum to JSON.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VALUE_H
#define KAPPA_VALUE_H

#include "lib/stringinfo.h"

typedef struct ValueEncoder ValueEncoder;

/*
 * An encoder for values of a type, in the current memory context.  unit: that of
 * timestamps which become integers, in microseconds; 0: none.
 */
extern ValueEncoder *value_encoder_create(Oid typid, int64 unit);

/*
 * Appends a value that is not null as JSON, or as the text that its JSON stands
 * for (a string without quotes and escapes; an array in PostgreSQL's form).
 */
extern void value_encode_json(ValueEncoder *encoder, Datum value, StringInfo out);
extern void value_encode_text(ValueEncoder *encoder, Datum value, StringInfo out);

/*
 * Between these two, output functions do not depend on the session's settings:
 * what is written must not mean something else to another reader.
 */
extern int	value_settings_begin(void);
extern void value_settings_end(int nestlevel);

#endif							/* KAPPA_VALUE_H */
