/*-------------------------------------------------------------------------
 *
 * options.c
 *	  WITH (...) of a continuous view.
 *
 * Options of later steps are known, and accepted at their defaults, so that a
 * statement that spells everything out works now and means the same then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "view/options.h"

typedef struct OptionSpec
{
	const char *name;
	const char *only_value;		/* all that is supported yet; NULL: handled below */
	bool		alterable;
} OptionSpec;

static const OptionSpec specs[] = {
	{"start", NULL, false},
	{"reject_limit", NULL, true},
	{"lateness", "", false},
	{"retention", "none", true},
	{"emit", "changes", false},
	{"swap", "auto", true},
	{"history", "keep", true},
};

static const OptionSpec *
find_spec(const DefElem *option)
{
	for (int i = 0; i < lengthof(specs); i++)
		if (option->defnamespace == NULL && strcmp(option->defname, specs[i].name) == 0)
			return &specs[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized option \"%s\" of a continuous view", option->defname),
			 errhint("The options are start, reject_limit, lateness, retention, emit, swap and history.")));
	return NULL;
}

static void
check_duplicates(List *options)
{
	ListCell   *lc;
	ListCell   *other;

	foreach(lc, options)
		for_each_cell(other, options, lnext(options, lc))
			if (strcmp(lfirst_node(DefElem, lc)->defname,
					   lfirst_node(DefElem, other)->defname) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_SYNTAX_ERROR),
						 errmsg("conflicting or redundant options"),
						 errdetail("Option \"%s\" is given twice.",
								   lfirst_node(DefElem, lc)->defname)));
}

static TimestampTz
parse_timestamp(const char *value)
{
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
}

static Interval *
parse_interval(const char *value)
{
	return DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(value),
												 ObjectIdGetDatum(InvalidOid),
												 Int32GetDatum(-1)));
}

/* "now" less the interval's length must lie in the past. */
static TimestampTz
before_now(const Interval *interval)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	TimestampTz at = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
															 TimestampTzGetDatum(now),
															 IntervalPGetDatum(interval)));

	if (at >= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the interval of option \"%s\" must be negative", "start"),
				 errhint("Write, for instance, '-1 day'.")));
	return at;
}

StartKind
view_start_parse(const char *start, TimestampTz *at)
{
	if (pg_strcasecmp(start, "earliest") == 0)
		return START_EARLIEST;
	if (pg_strcasecmp(start, "latest") == 0)
		return START_LATEST;

	/* No timestamp begins with a minus. */
	if (start[strspn(start, " \t\n")] == '-')
		*at = before_now(parse_interval(start));
	else
		*at = parse_timestamp(start);
	return START_TIME;
}

static void
start_error_context(void *arg)
{
	errcontext("option \"start\", which is 'earliest', 'latest', a timestamp, or a negative interval");
}

/*
 * Checks the option, and makes timestamps independent of the settings under which
 * they are read again.
 */
static char *
normalize_start(const char *start)
{
	ErrorContextCallback context = {.callback = start_error_context};
	StartKind	kind;
	TimestampTz at;
	int			level;
	char	   *result;

	context.previous = error_context_stack;
	error_context_stack = &context;
	kind = view_start_parse(start, &at);
	error_context_stack = context.previous;

	if (kind == START_EARLIEST)
		return "earliest";
	if (kind == START_LATEST)
		return "latest";
	if (start[strspn(start, " \t\n")] == '-')
		return pstrdup(start);
	if (TIMESTAMP_IS_NOBEGIN(at))
		return "earliest";
	if (TIMESTAMP_IS_NOEND(at))
		return "latest";

	level = NewGUCNestLevel();
	(void) set_config_option("DateStyle", "ISO, YMD", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	result = DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(at)));
	AtEOXact_GUC(false, level);
	return result;
}

static int64
parse_reject_limit(DefElem *option)
{
	int64		limit;

	if (option->arg && pg_strcasecmp(defGetString(option), "none") == 0)
		return -1;
	limit = defGetInt64(option);
	if (limit < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must not be negative", option->defname)));
	return limit;
}

static void
check_supported(const OptionSpec *spec, DefElem *option)
{
	if (option->arg && pg_strcasecmp(defGetString(option), spec->only_value) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("option \"%s\" of a continuous view is not supported yet", spec->name)));
}

ContinuousViewOptions *
view_options_parse(List *options, bool with_no_data, bool alter)
{
	ContinuousViewOptions *result = palloc0(sizeof(ContinuousViewOptions));
	bool		has_start = false;
	ListCell   *lc;

	result->start = with_no_data ? "latest" : "earliest";
	result->reject_limit = -1;
	check_duplicates(options);

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);
		const OptionSpec *spec = find_spec(option);

		if (alter && !spec->alterable)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("option \"%s\" cannot be changed after creation", spec->name),
					 errhint("Drop the continuous view and create it again.")));
		if (spec->only_value)
			check_supported(spec, option);
		else if (strcmp(spec->name, "start") == 0)
		{
			result->start = normalize_start(defGetString(option));
			has_start = true;
		}
		else
		{
			result->reject_limit = parse_reject_limit(option);
			result->has_reject_limit = true;
		}
	}

	if (with_no_data && has_start)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("WITH NO DATA and option \"%s\" exclude each other", "start")));
	return result;
}
