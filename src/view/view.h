/*-------------------------------------------------------------------------
 *
 * view.h
 *	  Continuous views, as the rest of pg_kappa sees them.
 *
 * From the user's SELECT this room derives the definition view, the delta
 * view, the state table and the view itself, keeps the catalog (schema kappa),
 * and knows how messages become rows of one view (ViewIntake), how a stretch
 * of rows is merged into the state, and what the batch answer is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_H
#define KAPPA_VIEW_H

#include "catalog/objectaddress.h"
#include "nodes/parsenodes.h"
#include "tcop/dest.h"

#include "source/source.h"

extern void view_init(void);

/* ---------------------------------------------------------------- the DDL */

/* CREATE CONTINUOUS VIEW, in whichever spelling. */
typedef struct CreateContinuousViewStmt
{
	RangeVar   *view;
	List	   *aliases;		/* column names (String), or NIL */
	Node	   *query;			/* the raw SELECT */
	List	   *options;		/* DefElem, without "continuous" */
	bool		if_not_exists;
	bool		replace;
	bool		with_no_data;	/* start = 'latest' */
} CreateContinuousViewStmt;

/*
 * Creates the view and all that belongs to it.  InvalidObjectAddress (and a
 * NOTICE) if IF NOT EXISTS found it there.
 */
extern ObjectAddress view_create(CreateContinuousViewStmt *stmt, const char *query_string,
								 int stmt_location, int stmt_len);

/* Is this relation a continuous view?  No error for any OID. */
extern bool view_exists(Oid relid);

/* ALTER CONTINUOUS VIEW .. SET (options). */
extern void view_set_options(Oid view, List *options);

/* After ALTER VIEW .. OWNER TO, REASSIGN OWNED: the hidden objects follow. */
extern void view_follow_owner(Oid view);

/*
 * V's dependencies on its hidden views, which a dump does not keep: made at
 * creation, and again by kappa.resume after a restore.
 */
extern void view_record_dependencies(Oid view, Oid definition, Oid delta);

/*
 * A statement that would touch an object that belongs to a continuous view, or
 * a stream that one depends on, in a way that is refused: raises the
 * error.  Called before every utility statement that names relations.
 */
extern void view_check_utility(Node *parsetree);

/*
 * Removes what belonged to continuous views that were dropped since the last
 * call (object_access_hook notes them).  Called after every utility statement;
 * what is left goes before the transaction commits.  behavior: the statement's,
 * for what users have made over hidden relations.  Returns how many.
 */
extern int	view_finish_drops(DropBehavior behavior);

/* ------------------------------------------------------------ the catalog */

typedef enum ViewKind
{
	VIEW_GROUPED,				/* GROUP BY: state has a unique key */
	VIEW_SINGLE,				/* aggregates without GROUP BY: one row */
	VIEW_ROWS					/* no aggregates: rows are appended */
} ViewKind;

/* One generation of a continuous view: a row of kappa.views. */
typedef struct ContinuousView
{
	Oid			view;			/* the user's view */
	int			generation;
	ViewKind	kind;
	Oid			owner;
	Oid			stream;
	Oid			definition;		/* definition view */
	Oid			delta;			/* delta view */
	Oid			state;			/* state table */
	int			consumer;
	char	   *name;			/* schema.view, for messages */
	char	   *start;			/* option start, as given */
	char	   *long_key_index; /* columns of the state's index, if it takes
								 * long keys; NULL: the keys */
	bool		takes_long_keys;	/* or could not: no need to try */
	List	   *settings;		/* kept settings: DefElem name -> String */
	Bitmapset  *columns;		/* attribute numbers of the stream that the
								 * definition uses: what may make a message bad */
	bool		needs_event_time;	/* window, retention, lateness or emit: the
									 * event time must convert */
	bool		paused;
	bool		failed;
	char	   *error;			/* why failed or waiting; or NULL */
	bool		foreign_origin; /* restored or copied: waits for kappa.resume */
	int64		reject_limit;	/* -1: none */
} ContinuousView;

/*
 * One view by OID, or all of the database (current generations; palloc'd in
 * the current context, read with the active snapshot).  view_get errors if
 * there is none.
 */
extern ContinuousView *view_get(Oid view);
extern List *view_list(void);

/*
 * What kappa.views.fingerprint says in this database: system identifier and
 * OIDs of database and extension, palloc'd.
 */
extern char *view_fingerprint(void);

/*
 * Is the catalog there, and nobody about to drop it?  Then it stays until the end
 * of the transaction.
 */
extern bool view_catalog_is_free(void);

/* Who the caller must be: errors like aclcheck_error unless owner (or member). */
extern void view_check_owner(Oid view);
extern void view_check_select(Oid view);

/*
 * Who controls a view (stops its batches, resumes, retries, drops it) locks the
 * view against all who do the same, and only then what is hidden behind it; until
 * the transaction ends.  Readers and batches go on.  False: it was dropped
 * meanwhile.  view_lock_own() raises an error then, and unless the caller is the
 * owner.
 */
extern bool view_lock(Oid view);
extern void view_lock_own(Oid view);

/*
 * A consumer's position: its rows of kappa.offsets, in partition order.  Empty
 * until the view's start was resolved.
 */
typedef struct ConsumerPosition
{
	int			npositions;
	StreamPosition *positions;
	int64	   *start_offsets;	/* of the view, per partition */
} ConsumerPosition;

extern ConsumerPosition *view_position(const ContinuousView *cv);

/*
 * Resolves the option start to one offset per partition and stores it
 * (kappa.offsets, kappa.watermarks); at creation and, if the broker was away
 * then, by the worker.  False if the broker cannot be asked now: then error is
 * noted in kappa.views and nothing else stored.
 */
extern bool view_resolve_start(const ContinuousView *cv, StreamReader *reader, int timeout_ms);

/*
 * Changes the state's unique index to one that takes group keys of any length.
 * In a transaction that has the state table locked in ACCESS EXCLUSIVE mode.
 */
extern void view_take_long_keys(const ContinuousView *cv);

/* ------------------------------------------------- acting as the view's owner */

/*
 * Between view_enter and view_leave the backend has the owner's rights (as a
 * security-restricted operation), the settings kept at creation, and JIT off.
 * An abort of the (sub)transaction leaves by itself.
 */
typedef struct ViewIdentity
{
	Oid			userid;
	int			sec_context;
	int			guc_level;
} ViewIdentity;

extern void view_enter(const ContinuousView *cv, ViewIdentity *save);
extern void view_leave(const ViewIdentity *save);

/*
 * Plans and runs one statement over the given feed, as the current user.  The
 * rows go to dest.  expected_rows: the feed's, for the planner.
 */
extern uint64 view_run(const ContinuousView *cv, const char *sql, StreamFeed *feed,
					   double expected_rows, DestReceiver *dest);

/*
 * The statement of a batch: INSERT INTO state SELECT .. FROM delta .., with the
 * names that things have now.
 */
extern char *view_merge_statement(const ContinuousView *cv);

/* A relation's name for SQL text: schema-qualified and quoted. */
extern char *view_relation_name(Oid relid);

/* ----------------------------------------- acting as the extension's owner */

/*
 * The extension owner's rights and plain settings.  No expression of a user's
 * may be evaluated, or parsed, in between.  An abort puts them back.
 */
extern void extension_enter(ViewIdentity *save);
extern void extension_leave(const ViewIdentity *save);

/* ---------------------------------------------------------------- intake */

/*
 * How messages become the rows that one view counts: decodes the columns that
 * the definition uses, sets bad messages aside and follows the watermark of
 * each partition.  What it decides about a message depends on the log alone.
 */
typedef struct ViewIntake ViewIntake;

typedef struct BadMessage
{
	int			index;			/* in the batch */
	int			sqlerrcode;
	const char *error;
} BadMessage;

typedef struct PartitionWatermark
{
	int32		partition;
	TimestampTz watermark;		/* DT_NOBEGIN: none yet */
} PartitionWatermark;

extern ViewIntake *view_intake_create(const ContinuousView *cv, const Stream *stream,
									  const PartitionWatermark *watermarks, int n,
									  MemoryContext context);

/*
 * The rows of batch->messages[first .. last - 1] but those whose bit in skip is
 * set, as a feed.  The intake's watermarks are as they were before the
 * stretch until view_intake_finish().
 */
extern StreamFeed *view_intake_feed(ViewIntake *intake, const MessageBatch *batch,
									int first, int last, const Bitmapset *skip);

/*
 * After the statement: looks at what the plan did not read (as the view's
 * owner), so that bad messages and watermarks never depend on the plan.
 */
extern void view_intake_finish(ViewIntake *intake);

/*
 * The message that the statement has asked for last (before view_intake_undo):
 * the first suspect if it failed.
 */
extern int	view_intake_last_fed(const ViewIntake *intake);

/*
 * The bad messages of the stretch last fed, by rising index; their texts live as
 * long as the intake.
 */
extern int	view_intake_bad(const ViewIntake *intake, const BadMessage **bad);
extern const PartitionWatermark *view_intake_watermarks(const ViewIntake *intake, int *n);

/* Good messages so far whose event time is too far ahead to be believed. */
extern int64 view_intake_ahead(const ViewIntake *intake);

/*
 * Forget the stretch since view_intake_feed (it failed and will be fed again,
 * or in parts).
 */
extern void view_intake_undo(ViewIntake *intake);

/* Between batches: gives back what the last one took, if that was much. */
extern void view_intake_rest(ViewIntake *intake);

#endif							/* KAPPA_VIEW_H */
