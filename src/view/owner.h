/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  Acting as the extension's owner: DDL in kappa_state, rows in kappa.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_OWNER_H
#define KAPPA_VIEW_OWNER_H

#include "view/view.h"

/* Who owns the schema kappa; InvalidOid without the extension. */
extern Oid	extension_owner(void);

/*
 * The settings under which queries are written as SQL and read again: nothing
 * is lost, and every name outside pg_catalog is qualified.  Put back by
 * AtEOXact_GUC(false, result).
 */
extern int	enter_plain_settings(void);

/* Runs one command, as the extension's owner, through SPI. */
extern void extension_execute(const char *sql);

/* Is such a command just running? */
extern bool extension_is_executing(void);

#endif							/* KAPPA_VIEW_OWNER_H */
