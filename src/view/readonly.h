/*-------------------------------------------------------------------------
 *
 * readonly.h
 *	  Who may write to the rows of a continuous view.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_READONLY_H
#define KAPPA_VIEW_READONLY_H

#include "executor/execdesc.h"

extern void readonly_init(void);

/* ExecutorStart for a statement that may write to a state table. */
extern void readonly_start_batch(QueryDesc *desc);

#endif							/* KAPPA_VIEW_READONLY_H */
