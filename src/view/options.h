/*-------------------------------------------------------------------------
 *
 * options.h
 *	  WITH (...) of a continuous view.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_OPTIONS_H
#define KAPPA_VIEW_OPTIONS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct ContinuousViewOptions
{
	char	   *start;			/* earliest, latest, a timestamptz (ISO, with zone) or
								 * a negative interval */
	int64		reject_limit;	/* -1: none */
	bool		has_reject_limit;
} ContinuousViewOptions;

/* Errors for options that are unknown, wrong, or (alter) fixed at creation. */
extern ContinuousViewOptions *view_options_parse(List *options, bool with_no_data, bool alter);

/* What a checked option start means. */
typedef enum StartKind
{
	START_EARLIEST,
	START_LATEST,
	START_TIME
} StartKind;

/* *at: for START_TIME; intervals count back from the transaction's start. */
extern StartKind view_start_parse(const char *start, TimestampTz *at);

#endif							/* KAPPA_VIEW_OPTIONS_H */
