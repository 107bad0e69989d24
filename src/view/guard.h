/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Changes of streams that continuous views read.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_GUARD_H
#define KAPPA_VIEW_GUARD_H

#include "nodes/parsenodes.h"

/* Raise an error if the statement, on a stream that the caller has locked, must not be. */
extern void guard_alter_stream(Oid stream, const AlterTableStmt *stmt);
extern void guard_rename_column(Oid stream, const char *name);

#endif							/* KAPPA_VIEW_GUARD_H */
