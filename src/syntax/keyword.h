/*-------------------------------------------------------------------------
 *
 * keyword.h
 *	  The word CONTINUOUS: reading it, and telling that it was written.
 *
 * For the files of this room only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_KEYWORD_H
#define KAPPA_KEYWORD_H

#include "nodes/pg_list.h"

extern void keyword_init(void);

/*
 * Was CONTINUOUS written in the statement that text[location .. location +
 * len - 1] holds (len 0: up to its end, as in PlannedStmt)?  Looked for right
 * before the name at name_location (a location in text); with name_location
 * -1, at the beginning of the statement.
 */
extern bool keyword_written(const char *text, int location, int len, int name_location);

/*
 * The raw parse tree of that statement, freshly made, with locations in text.
 * Understands CONTINUOUS whatever pg_kappa.syntax says.
 */
extern Node *keyword_parse(const char *text, int location, int len);

#endif							/* KAPPA_KEYWORD_H */
