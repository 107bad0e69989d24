/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  What functions of users may not do while they act for a view.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_IDENTITY_H
#define KAPPA_VIEW_IDENTITY_H

/* Called before any function is executed: errors if it must not be. */
extern void identity_check_function(Oid function);

#endif							/* KAPPA_VIEW_IDENTITY_H */
