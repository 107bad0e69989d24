/*-------------------------------------------------------------------------
 *
 * option_values.c
 *	  What values our own options may have.
 *
 * A check gets an option's name and its value, and raises an error that names
 * the option if the value will not do.  Where the value has to be understood
 * later too, check and use call the same function, so that they cannot differ:
 * option_microseconds(), option_count(), column_path_parse().
 *
 * The options of librdkafka have their checks there; only what it takes and we
 * do not is checked here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "source/decode.h"
#include "source/options.h"
#include "source/source.h"

/* An option that must be one of a few words. */
static void
check_word(const char *name, const char *value, const char *const *words, int nwords)
{
	StringInfoData list;

	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(words[i], value) == 0)
			return;
	}

	initStringInfo(&list);
	for (int i = 0; i < nwords; i++)
		appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
			 errhint("Valid values are: %s.", list.data)));
}

void
option_check_not_empty(const char *name, const char *value)
{
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" must not be empty", name)));
}

void
option_check_mechanism(const char *name, const char *value)
{
	static const char *const words[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"};

	check_word(name, value, words, lengthof(words));
	if (strcmp(value, "GSSAPI") == 0 && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may set option \"%s\" to \"%s\"", name, value),
				 errdetail("Kerberos runs a command on the database server.")));
}

void
option_check_topic(const char *name, const char *value)
{
	size_t		len = strlen(value);

	if (len == 0 || len > 249 || strcmp(value, ".") == 0 || strcmp(value, "..") == 0 ||
		strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != len)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid name of a Kafka topic: \"%s\"", value),
				 errdetail("A topic's name has 1 to 249 letters, digits, dots, underscores and hyphens.")));
}

void
option_check_format(const char *name, const char *value)
{
	if (strcmp(value, "json") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("format \"%s\" is not supported yet", value),
				 errhint("The format of streams is \"json\".")));
}

static void
option_context(void *arg)
{
	errcontext("option \"%s\"", (char *) arg);
}

/* What a type's input function makes of the value. */
static Datum
read_value(PGFunction input, const char *name, const char *value)
{
	ErrorContextCallback callback;
	Datum		result;

	callback.callback = option_context;
	callback.arg = unconstify(char *, name);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	result = DirectFunctionCall3(input, CStringGetDatum(value),
								 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	error_context_stack = callback.previous;
	return result;
}

int64
option_microseconds(const char *name, const char *value)
{
	Interval   *interval;
	int64		days;
	int64		result;

	if (strcmp(name, "watermark_max_ahead") == 0 && pg_strcasecmp(value, "none") == 0)
		return NO_MAX_AHEAD;

	interval = DatumGetIntervalP(read_value(interval_in, name, value));
	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" must not have months or years: \"%s\"", name, value),
				 errdetail("Their length depends on the calendar.")));
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, interval->time, &result) ||
		result >= NO_MAX_AHEAD)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("option \"%s\" is out of range: \"%s\"", name, value)));
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" must not be negative: \"%s\"", name, value)));
	return result;
}

void
option_check_time(const char *name, const char *value)
{
	(void) option_microseconds(name, value);
}

void
option_check_on_error(const char *name, const char *value)
{
	static const char *const words[] = {"stop", "ignore"};

	check_word(name, value, words, lengthof(words));
}

int64
option_count(const char *name, const char *value)
{
	int64		count = DatumGetInt64(read_value(int8in, name, value));

	if (count <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" must be greater than zero: \"%s\"", name, value)));
	return count;
}

void
option_check_count(const char *name, const char *value)
{
	(void) option_count(name, value);
}

void
option_check_path(const char *name, const char *value)
{
	option_check_not_empty(name, value);
	(void) column_path_parse(value);
}

void
option_check_unit(const char *name, const char *value)
{
	static const char *const words[] = {"s", "ms", "us"};

	check_word(name, value, words, lengthof(words));
}

void
option_check_metadata(const char *name, const char *value)
{
	static const char *const words[] = {
		"topic", "partition", "offset", "timestamp", "headers", "key", "value"
	};

	check_word(name, value, words, lengthof(words));
}
