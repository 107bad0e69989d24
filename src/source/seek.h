/*-------------------------------------------------------------------------
 *
 * seek.h
 *	  Which stretch of the log conditions leave.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SEEK_H
#define KAPPA_SEEK_H

#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

#include "compat.h"

/* What conditions on metadata columns say; bounds are inclusive. */
typedef struct SeekBounds
{
	bool		nothing;		/* no message can meet them */
	int64		partition_from; /* PG_INT64_MIN: none */
	int64		partition_to;
	int64	   *partitions;		/* in order; NULL: all of the range */
	int			npartitions;
	int64		offset_from;
	int64		offset_to;
	TimestampTz time_from;		/* DT_NOBEGIN: none */
	TimestampTz time_to;		/* DT_NOEND: none; for estimates only, since a
								 * later message may be older */
} SeekBounds;

/* Bounds that leave everything. */
extern SeekBounds seek_everything(void);

/* Do the bounds leave messages of this partition? */
extern bool seek_includes(const SeekBounds *bounds, int64 partition);

typedef enum SeekColumn
{
	SEEK_PARTITION,
	SEEK_OFFSET,
	SEEK_TIMESTAMP
} SeekColumn;

/* A condition that bounds the log: column <operator> value. */
typedef struct SeekTerm
{
	SeekColumn	column;
	int			strategy;		/* of the operator, as a btree's */
	bool		any;			/* column = ANY (value) */
	Oid			type;			/* of the value, or of the array's elements */
	Expr	   *value;			/* without columns of the stream; may have
								 * parameters and STABLE functions */
	RestrictInfo *condition;	/* when planning */
	bool		applied;		/* in execution: to the bounds evaluated last */
} SeekTerm;

/* Narrows the bounds by a term whose value is this, and keeps nothing of it. */
extern void seek_narrow(SeekBounds *bounds, const SeekTerm *term, Datum value, bool isnull);

/*
 * Planning: is this a metadata column of the relation that one can seek by?
 */
extern bool seek_column(Node *node, RelOptInfo *baserel, Oid relid, SeekColumn *column);

/*
 * Planning: the terms among conditions (RestrictInfo), as a list of SeekTerm;
 * values may hold columns of the relations in outer.  The conditions must still
 * be checked for each message.
 */
extern List *seek_find_terms(PlannerInfo *root, List *conditions, Relids outer,
							 RelOptInfo *baserel, Oid relid);

/* Planning: narrows the bounds by a term, if its value can be foreseen. */
extern bool seek_foresee(PlannerInfo *root, const SeekTerm *term, SeekBounds *bounds);

/* Terms as a part of a plan, for fdw_private and fdw_exprs. */
extern List *seek_private(List *terms);
extern List *seek_exprs(List *terms);

/* Execution: the terms of a plan. */
typedef struct SeekState SeekState;

extern SeekState *seek_begin(List *private, List *exprs, PlanState *node);

/*
 * The bounds by the terms' present values, in the current memory context; an
 * expression may raise any error.  If not "executing", values that only an
 * execution has are left out.
 */
extern SeekBounds seek_evaluate(SeekState *seek, bool executing);

/* Did the last evaluation leave nothing out? */
extern bool seek_is_complete(SeekState *seek);

/* Have parameters changed that terms use?  For a scan that starts again. */
extern bool seek_changed(SeekState *seek);

/* The terms, as SeekTerms that know whether they were applied. */
extern List *seek_terms(SeekState *seek);

#endif							/* KAPPA_SEEK_H */
