/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Options of servers, user mappings, streams and their columns.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_OPTIONS_H
#define KAPPA_OPTIONS_H

#include "nodes/pg_list.h"

/* One of librdkafka's properties, by its own name. */
typedef struct KafkaProperty
{
	const char *name;
	const char *value;
} KafkaProperty;

typedef enum KafkaRole
{
	KAFKA_CONSUMER,
	KAFKA_PRODUCER
} KafkaRole;

/*
 * What the options of a stream, its server and the user mapping of userid (or
 * that of PUBLIC, or none) say about the connection: a list of KafkaProperty,
 * the more special option after the more general.  Errors if they contradict
 * each other.
 */
extern List *kafka_properties(Oid relid, Oid serverid, Oid userid, KafkaRole role);

/* ---- option_values.c */

/*
 * The value of a table option that is a time: in microseconds, "none" as
 * NO_MAX_AHEAD.  Errors if it is no time, negative, or has months.
 */
extern int64 option_microseconds(const char *name, const char *value);

/* The value of reject_limit.  Errors if it is no positive integer. */
extern int64 option_count(const char *name, const char *value);

/* Checks: an error that names the option if the value will not do. */
extern void option_check_not_empty(const char *name, const char *value);
extern void option_check_mechanism(const char *name, const char *value);
extern void option_check_topic(const char *name, const char *value);
extern void option_check_format(const char *name, const char *value);
extern void option_check_time(const char *name, const char *value);
extern void option_check_on_error(const char *name, const char *value);
extern void option_check_count(const char *name, const char *value);
extern void option_check_path(const char *name, const char *value);
extern void option_check_unit(const char *name, const char *value);
extern void option_check_metadata(const char *name, const char *value);

#endif							/* KAPPA_OPTIONS_H */
