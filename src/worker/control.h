/*-------------------------------------------------------------------------
 *
 * control.h
 *	  What the SQL functions of this room share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_WORKER_CONTROL_H
#define KAPPA_WORKER_CONTROL_H

#include "worker/worker_internal.h"

/*
 * Runs a statement on kappa.* as the extension's owner, inside SPI_connect.
 * The caller has checked what the user may do.
 */
extern uint64 control_run(SavedPlan *plan, Datum *values, const char *nulls);

#endif							/* KAPPA_WORKER_CONTROL_H */
