/*-------------------------------------------------------------------------
 *
 * forbidden.h
 *	  Built-in functions that read the clock, the session or settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_FORBIDDEN_H
#define KAPPA_VIEW_FORBIDDEN_H

#include "nodes/primnodes.h"

/* Does this function's result depend on the clock, session, user or settings? */
extern bool function_reads_surroundings(Oid funcid);

/* As a user writes it: CURRENT_DATE, ... */
extern const char *sql_value_function_name(const SQLValueFunction *node);

#endif							/* KAPPA_VIEW_FORBIDDEN_H */
