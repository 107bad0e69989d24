/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  Doing what may fail, where failing is no error.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_ATTEMPT_H
#define KAPPA_ATTEMPT_H

/*
 * Calls action(arg) in a subtransaction.  NULL if all went well, else the error's
 * message, in the current memory context.  Cancelling is still an error.  What
 * the action leaves outside its subtransaction is its own affair.
 *
 * Not possible in parallel mode.
 */
extern char *attempt(void (*action) (void *arg), void *arg);

#endif							/* KAPPA_ATTEMPT_H */
