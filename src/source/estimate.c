/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  How many messages a plain SELECT will read, and how many rows that gives.
 *
 * Offsets count messages (holes left by compaction and transactions aside), and
 * a broker knows where times begin.  So conditions that are seeks need no
 * guess: what they leave is counted, and only the other conditions' selectivity
 * is estimated.  A parameter's value that is not known yet counts as any one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/selfuncs.h"

#include "source/estimate.h"
#include "source/extent.h"
#include "source/seek.h"

/* What is expected of a topic about which nothing is known. */
#define DEFAULT_ROWS		1000000

/*
 * Permissions are checked when a plan is executed.  But nobody shall make us
 * log in to a broker for a stream that he may not read.  The right on a parent
 * is enough for its partitions, as it will be then.
 */
static bool
may_read(PlannerInfo *root, RelOptInfo *baserel, Oid relid, Oid userid)
{
	if (baserel->top_parent_relids)
	{
		RangeTblEntry *parent =
		planner_rt_fetch(bms_singleton_member(baserel->top_parent_relids), root);

		/* That of UNION ALL is a subquery. */
		if (parent->rtekind == RTE_RELATION)
			relid = parent->relid;
	}
	return pg_class_aclcheck(relid, userid, ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck_all(relid, userid, ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK;
}

/* The bounds by what can be foreseen; the terms of which it cannot. */
static SeekBounds
foresee_bounds(PlannerInfo *root, List *terms, List **unforeseen)
{
	SeekBounds	bounds = seek_everything();
	ListCell   *lc;

	foreach(lc, terms)
	{
		if (!seek_foresee(root, lfirst(lc), &bounds))
			*unforeseen = lappend(*unforeseen, lfirst(lc));
	}
	return bounds;
}

/* The share of messages that a term leaves when its value may be any; 1: no idea. */
static double
unforeseen_share(const SeekTerm *term, const ExtentForecast *forecast)
{
	if (term->any)
		return 1;
	if (term->strategy != BTEqualStrategyNumber)
		return term->column == SEEK_TIMESTAMP && term->strategy < BTEqualStrategyNumber ?
			1 : DEFAULT_INEQ_SEL;
	if (term->column == SEEK_PARTITION)
		return 1.0 / Max(forecast->npartitions, 1);
	if (term->column == SEEK_OFFSET)
		return forecast->npartitions / Max(forecast->read, forecast->npartitions);
	return 1;
}

/* Is the term's effect counted in the forecast? */
static bool
is_counted(const SeekTerm *term, const ExtentForecast *forecast, List *unforeseen)
{
	if (list_member_ptr(unforeseen, term))
		return unforeseen_share(term, forecast) < 1;
	return term->column != SEEK_TIMESTAMP || forecast->times;
}

/* The conditions whose effect has to be guessed. */
static List *
other_conditions(RelOptInfo *baserel, List *terms, const ExtentForecast *forecast,
				 List *unforeseen)
{
	List	   *others = list_copy(baserel->baserestrictinfo);
	ListCell   *lc;

	foreach(lc, terms)
	{
		SeekTerm   *term = lfirst(lc);

		if (is_counted(term, forecast, unforeseen))
			others = list_delete_ptr(others, term->condition);
	}
	return others;
}

double
estimate_share(List *terms, const ExtentForecast *forecast)
{
	double		share = 1;
	ListCell   *lc;

	foreach(lc, terms)
		share *= unforeseen_share(lfirst(lc), forecast);
	return share;
}

bool
estimate_size(PlannerInfo *root, RelOptInfo *baserel, Oid relid, List *terms,
			  ExtentForecast *forecast)
{
	Oid			userid = OidIsValid(baserel->userid) ? baserel->userid : GetUserId();
	List	   *unforeseen = NIL;
	SeekBounds	bounds = foresee_bounds(root, terms, &unforeseen);
	double		share;

	if (!may_read(root, baserel, relid, userid) ||
		!extent_foresee(relid, userid, &bounds, forecast))
	{
		/* What ANALYZE has found, if it was ever run. */
		if (baserel->tuples < 0)
			baserel->tuples = DEFAULT_ROWS;
		set_baserel_size_estimates(root, baserel);
		return false;
	}

	share = estimate_share(unforeseen, forecast);
	baserel->tuples = forecast->read * share;
	set_baserel_size_estimates(root, baserel);
	baserel->rows =
		clamp_row_est(forecast->wanted * share *
					  clauselist_selectivity(root,
											 other_conditions(baserel, terms, forecast, unforeseen),
											 0, JOIN_INNER, NULL));
	return true;
}
