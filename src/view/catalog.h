/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  The tables of schema kappa, as this folder writes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_CATALOG_H
#define KAPPA_VIEW_CATALOG_H

#include "view/derive.h"

/* A new row of kappa.consumers; returns its id. */
extern int	catalog_add_consumer(Oid stream);

/* The rows of a new view, generation 1. */
extern void catalog_add_view(const ContinuousView *cv, const ViewDerivation *derivation);

/* Notes at creation what view_take_long_keys() will need. */
extern void catalog_add_long_keys(const ContinuousView *cv, const char *index, List *digested);

/* Notes why a view waits; NULL: it does not. */
extern void catalog_set_error(const ContinuousView *cv, const char *error);

/* The relations that belong to a view, all generations; NIL if not registered. */
extern List *catalog_hidden_relations(Oid view);

/*
 * The view to which a hidden relation belongs; InvalidOid if to none, or to one
 * that is being restored.
 */
extern Oid	catalog_view_of_hidden(Oid relid);

/*
 * Do views depend on this stream?  Then also which of its columns they use (may
 * be none).
 */
extern bool catalog_stream_used(Oid stream, Bitmapset **columns);

/* Removes every row about a view; no error if there are none. */
extern void catalog_remove_view(Oid view);

/* Sets reject_limit; -1: none. */
extern void catalog_set_reject_limit(Oid view, int64 reject_limit);

/* A table or index of schema kappa; InvalidOid if there is none. */
extern Oid	catalog_table(const char *name);

/* The settings that are kept with a view, as DefElem name -> String. */
extern List *settings_capture(void);

#endif							/* KAPPA_VIEW_CATALOG_H */
