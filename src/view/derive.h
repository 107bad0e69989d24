/*-------------------------------------------------------------------------
 *
 * derive.h
 *	  From the user's SELECT to the parts of a continuous view.
 *
 * Inside this folder only.  The steps, each a file:
 *
 *	normalize.c	the user's Query in one form
 *	analyze.c	the user's Query -> ViewAnalysis, or the reason why it is refused
 *	derive.c	ViewAnalysis -> ViewDerivation: the columns of the state table, the
 *				delta query, V's query
 *	partial.c	one aggregate -> its state columns, how they combine, and the
 *				expression that finalises them
 *	merge.c		the delta view -> the merge statement (view.h)
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_DERIVE_H
#define KAPPA_VIEW_DERIVE_H

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"

#include "view/view.h"

/* ---------------------------------------------------------------- analyze.c */

typedef struct ViewAnalysis
{
	Query	   *query;			/* without WITH, join aliases and RTE_GROUP, so
								 * that equal expressions are equal() */
	ViewKind	kind;
	Oid			stream;
	Bitmapset  *columns;		/* of the stream that the query uses */
	bool		uses_time;		/* a window over the event time */
	const char *source;			/* the statement's text, for error positions */
} ViewAnalysis;

/*
 * Takes the freshly analysed query of a definition; errors, with what to write
 * instead, if it is none that can be kept up to date.
 */
extern ViewAnalysis *view_analyze(Query *query, const char *source);

/* normalize.c: brings the query into the form that the other files take. */
extern void view_normalize(Query *query, const char *source);

/* window.c: does the expression, of this query, compute a window over the event time? */
extern bool view_is_window(Query *query, Node *expr, Oid stream, AttrNumber event_time);

/* For ereport(): where in the statement's text. */
extern int	view_errposition(const char *source, int location);

/* ----------------------------------------------------------------- derive.c */

typedef enum StateColumnRole
{
	STATE_KEY,					/* a group key */
	STATE_CARRIED,				/* depends on the group keys */
	STATE_PARTIAL,				/* part of an aggregate's state */
	STATE_OUTPUT,				/* VIEW_ROWS: a column of the view */
	STATE_SINGLE				/* VIEW_SINGLE: the constant key */
} StateColumnRole;

typedef struct StateColumn
{
	StateColumnRole role;
	AttrNumber	attno;			/* in the state table */
	char	   *name;
	Oid			type;
	int32		typmod;
	Oid			collation;
	Expr	   *expr;			/* what the delta query selects */
	Index		sortgroupref;	/* STATE_KEY: of the query's GROUP BY */
	bool		window;			/* STATE_KEY: a window over the event time */
} StateColumn;

typedef struct ViewDerivation
{
	const ViewAnalysis *analysis;
	List	   *columns;		/* StateColumn, in the state table's order */
	List	   *aggregates;		/* of partial.c */
	bool		version_bound;	/* a state that only this major version reads */
} ViewDerivation;

extern ViewDerivation *view_derive(const ViewAnalysis *analysis);

/* The delta query. */
extern Query *view_delta_query(const ViewDerivation *derivation);

/* V's query over the state table. */
extern Query *view_read_query(const ViewDerivation *derivation, Oid state);

/* SQL for the state table (columns in parentheses) and its unique index. */
extern char *view_state_columns(const ViewDerivation *derivation);
extern char *view_state_index(const ViewDerivation *derivation);

/*
 * The columns of the unique index that takes keys of any length (long_key.c),
 * and the columns that it holds digests of.  NULL if no key can be too long.
 */
extern char *view_long_key_index(const ViewDerivation *derivation, List **digested);
extern bool view_key_has_digest(Oid type);

/* Adds a column to the state; gives it its number and a unique name. */
extern StateColumn *view_add_column(ViewDerivation *derivation, StateColumnRole role,
									const char *name, Expr *expr);

/* ---------------------------------------------------------------- partial.c */

/*
 * Adds the state of an aggregate, unless it is there.  levels_up: of the sublink
 * that the aggregate stands in, if it does.
 */
extern void view_add_aggregate(ViewDerivation *derivation, Aggref *aggref, int levels_up);

/* The expression over the state (range table entry 1) that finalises it. */
extern Expr *view_finalise(const ViewDerivation *derivation, Aggref *aggref,
						   int levels_up);

/*
 * The function that combines two results of an aggregate, or of a partial form
 * whose state is of an SQL type; InvalidOid if there is none.
 */
extern Oid	view_combine_function(Oid aggregate);

/* Does the aggregate leave the types of its arguments to the call? */
extern bool view_is_polymorphic(Oid aggregate);

/* A reference from V's query to a column of the state. */
extern Var *view_state_var(const StateColumn *column, int levels_up);

#endif							/* KAPPA_VIEW_DERIVE_H */
