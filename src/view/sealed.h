/*-------------------------------------------------------------------------
 *
 * sealed.h
 *	  Partial forms of aggregates, and the type of serialised states.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_SEALED_H
#define KAPPA_VIEW_SEALED_H

/* The type kappa.aggregate_state. */
extern Oid	aggregate_state_type(void);

/* kappa.aggregate_finalize(), with or without the aggregate's arguments. */
extern Oid	aggregate_finalize_function(bool with_arguments);

/*
 * The partial form of an aggregate whose state is not its result: found among
 * those in kappa_state, or made there.
 */
extern Oid	partial_aggregate_get(Oid aggregate);

#endif							/* KAPPA_VIEW_SEALED_H */
