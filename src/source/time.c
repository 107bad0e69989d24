/*-------------------------------------------------------------------------
 *
 * time.c
 *	  Timestamps and dates out of JSON.
 *
 * Strings in the common form of ISO 8601,
 *
 *		2026-11-20T09:15:02.123456+01:00	(T or a blank, fraction and offset
 *											optional, Z for offset 0)
 *
 * are read here.  Every other form, every rare value (a leap second, the hour
 * 24, a year of five digits, infinity) and every wrong one is left to the type's
 * input function, so no rule of PostgreSQL's is repeated.
 *
 * Numbers are timestamps only if the column's unit says which.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "source/decode.h"

#define EPOCH_DIFFERENCE \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* What a text says. */
typedef struct IsoTime
{
	int			year;
	int			month;
	int			day;
	int64		time;			/* of day, in microseconds */
	bool		has_time;
	bool		has_offset;
	int			offset;			/* east of UTC, in seconds */
} IsoTime;

/* -------------------------------------------------------------------- texts */

/* Reads n digits; -1 if they are not there. */
static int
read_digits(const char **p, const char *end, int n)
{
	int			result = 0;

	if (end - *p < n)
		return -1;
	for (; n > 0; n--, (*p)++)
	{
		if (**p < '0' || **p > '9')
			return -1;
		result = result * 10 + (**p - '0');
	}
	return result;
}

static bool
read_char(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

static bool
read_iso_date(const char **p, const char *end, IsoTime *iso)
{
	iso->year = read_digits(p, end, 4);
	if (iso->year < 1 || !read_char(p, end, '-'))
		return false;
	iso->month = read_digits(p, end, 2);
	if (iso->month < 1 || iso->month > MONTHS_PER_YEAR || !read_char(p, end, '-'))
		return false;
	iso->day = read_digits(p, end, 2);
	return iso->day >= 1 && iso->day <= day_tab[isleap(iso->year)][iso->month - 1];
}

/*
 * The fraction of a second.  More than six digits are rounded as the input
 * functions do it, by way of a double; so many that a double would not hold
 * them are left to them.
 */
static bool
read_fraction(const char **p, const char *end, int64 *usecs)
{
	const char *start = *p;
	int64		n = 0;
	int64		power = 1;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++)
	{
		if (*p - start == 15)
			return false;
		n = n * 10 + (**p - '0');
		power *= 10;
	}
	if (*p == start)
		return false;
	if (power <= USECS_PER_SEC)
		*usecs += n * (USECS_PER_SEC / power);
	else
		*usecs += (int64) rint((double) n / (double) power * 1000000);
	return true;
}

static bool
read_iso_time(const char **p, const char *end, IsoTime *iso)
{
	int			hour,
				minute,
				second = 0;
	bool		has_second;

	hour = read_digits(p, end, 2);
	if (hour < 0 || hour >= HOURS_PER_DAY || !read_char(p, end, ':'))
		return false;
	minute = read_digits(p, end, 2);
	if (minute < 0 || minute >= MINS_PER_HOUR)
		return false;
	has_second = read_char(p, end, ':');
	if (has_second)
	{
		second = read_digits(p, end, 2);
		if (second < 0 || second >= SECS_PER_MINUTE)
			return false;
	}
	iso->time = ((hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second) * USECS_PER_SEC;
	/* 09:15.5 are minutes and seconds to the input functions */
	return !has_second || !read_char(p, end, '.') || read_fraction(p, end, &iso->time);
}

/* Z, +01, +01:30 or +0130 */
static bool
read_iso_offset(const char **p, const char *end, IsoTime *iso)
{
	bool		west = **p == '-';
	int			hour,
				minute = 0;

	iso->has_offset = true;
	iso->offset = 0;
	if (read_char(p, end, 'Z'))
		return true;
	if (!west && **p != '+')
		return false;
	(*p)++;
	hour = read_digits(p, end, 2);
	if (hour < 0 || hour >= MAX_TZDISP_HOUR)
		return false;
	if (*p < end)
	{
		(void) read_char(p, end, ':');
		minute = read_digits(p, end, 2);
	}
	if (minute < 0 || minute >= MINS_PER_HOUR)
		return false;
	iso->offset = (hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE;
	if (west)
		iso->offset = -iso->offset;
	return true;
}

static bool
read_iso(const JsonField *field, IsoTime *iso)
{
	const char *p = field->text;
	const char *end = p + field->len;

	iso->time = 0;
	iso->has_offset = false;
	if (!read_iso_date(&p, end, iso))
		return false;
	iso->has_time = p < end;
	if (p == end)
		return true;
	if (!read_char(&p, end, 'T') && !read_char(&p, end, ' '))
		return false;
	if (!read_iso_time(&p, end, iso))
		return false;
	return p == end || (read_iso_offset(&p, end, iso) && p == end);
}

/*
 * Does the text hold a word that stands for a time of the clock?  A message must
 * mean the same whenever it is read.
 */
bool
reads_clock(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	while (*text != '\0')
	{
		const char *start = text;

		while ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'))
			text++;
		for (int i = 0; i < lengthof(words); i++)
			if (text - start == strlen(words[i]) &&
				pg_strncasecmp(start, words[i], text - start) == 0)
				return true;
		if (text == start)
			text++;
	}
	return false;
}

/* --------------------------------------------------------------- timestamps */

/* Rounds to the column's precision, half away from zero. */
static Timestamp
round_timestamp(Timestamp timestamp, int32 typmod)
{
	int64		unit = 1;

	if (typmod < 0 || typmod >= MAX_TIMESTAMP_PRECISION)
		return timestamp;
	for (; typmod < MAX_TIMESTAMP_PRECISION; typmod++)
		unit *= 10;
	if (timestamp >= 0)
		return (timestamp + unit / 2) / unit * unit;
	return -((-timestamp + unit / 2) / unit * unit);
}

/* Seconds west of UTC of a local time in the session's time zone. */
static int
session_offset(const IsoTime *iso)
{
	struct pg_tm tm = {0};

	tm.tm_year = iso->year;
	tm.tm_mon = iso->month;
	tm.tm_mday = iso->day;
	tm.tm_hour = iso->time / USECS_PER_HOUR;
	tm.tm_min = iso->time / USECS_PER_MINUTE % MINS_PER_HOUR;
	tm.tm_sec = iso->time / USECS_PER_SEC % SECS_PER_MINUTE;
	return DetermineTimeZoneOffset(&tm, session_timezone);
}

static int
number_timestamp(DecodeColumn *column, const JsonField *field, Datum *result)
{
	int32		places = column->unit == USECS_PER_SEC ? 6 : column->unit == 1 ? 0 : 3;
	int64		usecs;

	/* 20261120 may be a date, or seconds */
	if (column->unit == 0)
		return ERRCODE_INVALID_DATETIME_FORMAT;
	if (!number_scaled(field, places, &usecs) ||
		pg_sub_s64_overflow(usecs, EPOCH_DIFFERENCE, &usecs))
		return ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
	usecs = round_timestamp(usecs, column->typmod);
	if (!IS_VALID_TIMESTAMP(usecs))
		return ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
	*result = TimestampGetDatum(usecs);
	return 0;
}

/* What a domain's input function is given; text holds MAXDATELEN + 1 bytes. */
int
number_timestamp_text(DecodeColumn *column, const JsonField *field, char *text)
{
	static const int utc = 0;
	Datum		timestamp;
	int			sqlstate = number_timestamp(column, field, &timestamp);

	if (sqlstate == 0)
		(void) JsonEncodeDateTime(text, timestamp, column->base, &utc);
	return sqlstate;
}

/*
 * timestamp and timestamptz, which differ in whether an offset counts; a
 * timestamp ignores it, as its input function does.
 */
int
convert_timestamp(StreamDecoder *decoder, DecodeColumn *column,
				  const JsonField *field, Datum *result)
{
	IsoTime		iso;
	Timestamp	timestamp;
	int			sqlstate;

	if (field->kind == JSON_FIELD_NUMBER)
		return number_timestamp(column, field, result);
	if (field->kind != JSON_FIELD_STRING || !read_iso(field, &iso))
	{
		/* the input functions round up to a year that they do not read back */
		sqlstate = convert_by_input(decoder, column, field, result);
		if (sqlstate == 0 && !TIMESTAMP_NOT_FINITE(DatumGetTimestamp(*result)) &&
			!IS_VALID_TIMESTAMP(DatumGetTimestamp(*result)))
			sqlstate = ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
		return sqlstate;
	}

	timestamp = (int64) (date2j(iso.year, iso.month, iso.day) - POSTGRES_EPOCH_JDATE) *
		USECS_PER_DAY + iso.time;
	if (column->typid == TIMESTAMPTZOID)
		timestamp += USECS_PER_SEC * (iso.has_offset ? -iso.offset : session_offset(&iso));
	*result = TimestampGetDatum(round_timestamp(timestamp, column->typmod));
	return 0;
}

/* A date, or that of a timestamp, as written. */
int
convert_date(StreamDecoder *decoder, DecodeColumn *column,
			 const JsonField *field, Datum *result)
{
	IsoTime		iso;

	if (field->kind != JSON_FIELD_STRING || !read_iso(field, &iso))
		return convert_by_input(decoder, column, field, result);
	*result = DateADTGetDatum(date2j(iso.year, iso.month, iso.day) - POSTGRES_EPOCH_JDATE);
	return 0;
}
