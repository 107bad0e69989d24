/*-------------------------------------------------------------------------
 *
 * extent.h
 *	  Which offsets a log holds, asked of its broker, and remembered.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_EXTENT_H
#define KAPPA_EXTENT_H

#include "source/seek.h"
#include "source/source.h"

/* Messages of a log, partition by partition: all of them, or a part. */
typedef struct LogExtent
{
	int			npartitions;
	int64	   *first;			/* offset */
	int64	   *end;			/* one past the last; not above first: nothing */
} LogExtent;

/* How many messages lie there, at most: logs have holes. */
extern int64 extent_messages(const LogExtent *extent);

/*
 * A reader for a scan or a sample, with the rights of userid: one that this
 * transaction has opened for a question and that nobody has used since, or a new
 * one.  It belongs to the current memory context.
 */
extern StreamReader *extent_reader(const Stream *stream, Oid userid);

/*
 * Asks for everything that the log holds.  False: not within timeout_ms, see
 * stream_reader_state(), and npartitions is left alone.  The answer is remembered
 * for estimates.
 */
extern bool extent_ask(LogExtent *extent, const Stream *stream, Oid userid,
					   StreamReader *reader, int timeout_ms);

/*
 * The part of "whole" that the bounds leave to be read; asks the reader where a
 * time begins, if there is one.  False: not within timeout_ms.
 */
extern bool extent_narrow(LogExtent *part, const LogExtent *whole, const SeekBounds *bounds,
						  StreamReader *reader, int timeout_ms);

/*
 * Lets the reader read this part of the log, and whatever comes after it.  False:
 * there is nothing to be read.
 */
extern bool extent_assign(const LogExtent *part, StreamReader *reader);

/* What is foreseen of a scan. */
typedef struct ExtentForecast
{
	int			npartitions;	/* of the log */
	double		read;			/* messages to be read */
	double		wanted;			/* messages within the bounds, time_to too */
	bool		times;			/* are the bounds' times accounted for? */
} ExtentForecast;

/*
 * For the planner: what the bounds leave, as far as it is known or can be learnt
 * soon.  False: nothing is known.  Raises no errors but for interrupts.
 */
extern bool extent_foresee(Oid relid, Oid userid, const SeekBounds *bounds,
						   ExtentForecast *forecast);

/*
 * Asks for everything that the log holds.  NULL, or why it could not be learnt,
 * and then there are no partitions; no errors but for interrupts.
 */
extern char *extent_learn(LogExtent *extent, Oid relid, Oid userid, int timeout_ms);

/* Did the stream's broker not answer a moment ago, within that time at least? */
extern bool extent_is_away(Oid relid, Oid userid, int timeout_ms);

#endif							/* KAPPA_EXTENT_H */
