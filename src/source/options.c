/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Options of servers, user mappings, streams and their columns.
 *
 * Most options are librdkafka's own properties, spelt with "_" for ".".  Which
 * of them may be given, and where, is an allow-list: librdkafka has properties
 * that load code, run commands or read files with the rights of the server's
 * operating system user, and such that would break what pg_kappa relies on.
 * Those of the first kind that are of use are for superusers; the others are
 * refused, with the reason where a user may well have tried them.
 *
 * Kerberos is for superusers as a whole: librdkafka puts its settings
 * into a shell command.  For the same reason sasl_mechanism must always be
 * given with SASL, as the default is Kerberos.
 *
 * Secrets are kept out of servers and tables, whose options everybody can
 * read.  A value that librdkafka would refuse is refused here, by asking it;
 * the values of other options are checked in option_values.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "source/kafka.h"
#include "source/source.h"

PG_FUNCTION_INFO_V1(kafka_fdw_validator);

/* Where an option may be given. */
#define SERVER			0x0001
#define MAPPING			0x0002
#define TABLE			0x0004
#define COLUMN			0x0008

/* What else there is to say about it. */
#define SUPERUSER		0x0010	/* names a file, or runs something */
#define SECRET			0x0020	/* not to be quoted */
#define OURS			0x0040	/* no property of librdkafka's */
#define CONSUMER		0x0080	/* means nothing to producers */
#define PRODUCER		0x0100	/* means nothing to consumers */
#define PEM				0x0200	/* holds a key, or many certificates */

/*
 * How long a value may be, in bytes: what Kafka's protocol gives to a string, and
 * what certificates may need.  librdkafka copies some values onto the stack,
 * and takes a longer string for another one.
 */
#define MAX_LENGTH		32767
#define MAX_PEM_LENGTH	1048576

typedef void (*CheckValue) (const char *name, const char *value);

typedef struct OptionRule
{
	const char *name;
	int			flags;
	CheckValue	check;			/* for what librdkafka does not check; or NULL */
} OptionRule;

static const OptionRule rules[] = {
	/* connections */
	{"bootstrap_servers", SERVER, option_check_not_empty},
	{"client_id", SERVER | TABLE, NULL},
	{"client_rack", SERVER | TABLE | CONSUMER, NULL},
	{"broker_address_family", SERVER, NULL},
	{"broker_address_ttl", SERVER, NULL},
	{"connections_max_idle_ms", SERVER, NULL},
	{"reconnect_backoff_ms", SERVER, NULL},
	{"reconnect_backoff_max_ms", SERVER, NULL},
	{"retry_backoff_ms", SERVER, NULL},
	{"socket_timeout_ms", SERVER, NULL},
	{"socket_connection_setup_timeout_ms", SERVER, NULL},
	{"socket_keepalive_enable", SERVER, NULL},
	{"socket_nagle_disable", SERVER, NULL},
	{"socket_send_buffer_bytes", SERVER, NULL},
	{"socket_receive_buffer_bytes", SERVER, NULL},
	{"socket_max_fails", SERVER, NULL},
	{"metadata_max_age_ms", SERVER, NULL},
	{"topic_metadata_refresh_interval_ms", SERVER, NULL},
	{"api_version_request_timeout_ms", SERVER, NULL},
	{"receive_message_max_bytes", SERVER, NULL},

	/* security */
	{"security_protocol", SERVER | MAPPING, NULL},
	{"enable_ssl_certificate_verification", SERVER, NULL},
	{"ssl_endpoint_identification_algorithm", SERVER, NULL},
	{"ssl_cipher_suites", SERVER, NULL},
	{"ssl_curves_list", SERVER, NULL},
	{"ssl_sigalgs_list", SERVER, NULL},
	{"ssl_ca_location", SERVER | MAPPING | SUPERUSER, NULL},
	{"ssl_crl_location", SERVER | MAPPING | SUPERUSER, NULL},
	{"ssl_certificate_location", SERVER | MAPPING | SUPERUSER, NULL},
	{"ssl_key_location", SERVER | MAPPING | SUPERUSER, NULL},
	{"ssl_keystore_location", SERVER | MAPPING | SUPERUSER, NULL},
	{"ssl_ca_pem", MAPPING | PEM, NULL},
	{"ssl_certificate_pem", MAPPING | PEM, NULL},
	{"ssl_key_pem", MAPPING | PEM | SECRET, NULL},
	{"ssl_key_password", MAPPING | SECRET, NULL},
	{"ssl_keystore_password", MAPPING | SECRET, NULL},
	{"sasl_mechanism", SERVER | MAPPING, option_check_mechanism},
	{"sasl_mechanisms", SERVER | MAPPING, option_check_mechanism},
	{"sasl_username", SERVER | MAPPING, option_check_not_empty},
	{"sasl_password", MAPPING | SECRET, NULL},
	{"sasl_kerberos_service_name", SERVER | MAPPING | SUPERUSER, NULL},
	{"sasl_kerberos_principal", SERVER | MAPPING | SUPERUSER, NULL},
	{"sasl_kerberos_keytab", SERVER | MAPPING | SUPERUSER, NULL},
	{"sasl_kerberos_kinit_cmd", SERVER | MAPPING | SUPERUSER, NULL},
	{"sasl_kerberos_min_time_before_relogin", SERVER | MAPPING | SUPERUSER, NULL},

	/* reading */
	{"check_crcs", SERVER | TABLE | CONSUMER, NULL},
	{"fetch_wait_max_ms", SERVER | TABLE | CONSUMER, NULL},
	{"fetch_min_bytes", SERVER | TABLE | CONSUMER, NULL},
	{"fetch_error_backoff_ms", SERVER | TABLE | CONSUMER, NULL},

	/* writing */
	{"message_max_bytes", SERVER | TABLE | PRODUCER, NULL},
	{"message_timeout_ms", SERVER | TABLE | PRODUCER, NULL},
	{"request_timeout_ms", SERVER | TABLE | PRODUCER, NULL},
	{"compression_type", SERVER | TABLE | PRODUCER, NULL},
	{"compression_level", SERVER | TABLE | PRODUCER, NULL},
	{"linger_ms", SERVER | TABLE | PRODUCER, NULL},
	{"batch_size", SERVER | TABLE | PRODUCER, NULL},
	{"batch_num_messages", SERVER | TABLE | PRODUCER, NULL},

	/* streams */
	{"topic", TABLE | OURS, option_check_topic},
	{"format", TABLE | OURS, option_check_format},
	{"event_time", TABLE | OURS, option_check_not_empty},
	{"watermark_delay", TABLE | OURS, option_check_time},
	{"watermark_max_ahead", TABLE | OURS, option_check_time},
	{"idle_timeout", TABLE | OURS, option_check_time},
	{"on_error", TABLE | OURS, option_check_on_error},
	{"reject_limit", TABLE | OURS, option_check_count},
	{"group_id", TABLE | OURS, option_check_not_empty},

	/* columns */
	{"path", COLUMN | OURS, option_check_path},
	{"unit", COLUMN | OURS, option_check_unit},
	{"metadata", COLUMN | OURS, option_check_metadata},
};

#define OLD_PROTOCOL "Protocols that are older than transactions bring messages that were rolled back."

/* Properties that users know from other consumers, and that are refused. */
static const struct
{
	const char *name;
	const char *reason;
}			refusals[] = {
	{"acks", "Messages are acknowledged by all in-sync replicas."},
	{"request_required_acks", "Messages are acknowledged by all in-sync replicas."},
	{"enable_idempotence", "pg_kappa always produces idempotently."},
	{"partitioner", "Messages are partitioned as Java's clients do."},
	{"auto_offset_reset", "A position that the log does not have is an error; where a view starts is its option start."},
	{"enable_auto_commit", "Offsets are kept in PostgreSQL, and committed with the rows."},
	{"auto_commit_interval_ms", "Offsets are kept in PostgreSQL, and committed with the rows."},
	{"enable_auto_offset_store", "Offsets are kept in PostgreSQL, and committed with the rows."},
	{"isolation_level", "Streams are always read with isolation.level = read_committed."},
	{"api_version_request", OLD_PROTOCOL},
	{"api_version_fallback_ms", OLD_PROTOCOL},
	{"broker_version_fallback", OLD_PROTOCOL},
	{"enable_partition_eof", "pg_kappa needs to know the end of a partition."},
	{"group_instance_id", "Partitions are assigned by pg_kappa, not by a consumer group."},
	{"partition_assignment_strategy", "Partitions are assigned by pg_kappa, not by a consumer group."},
	{"session_timeout_ms", "Partitions are assigned by pg_kappa, not by a consumer group."},
	{"max_poll_interval_ms", "Partitions are assigned by pg_kappa, not by a consumer group."},
	{"queued_min_messages", "The depth of queues follows from the setting pg_kappa.memory."},
	{"queued_max_messages_kbytes", "The depth of queues follows from the setting pg_kappa.memory."},
	{"fetch_message_max_bytes", "The size of fetches follows from the setting pg_kappa.memory."},
	{"max_partition_fetch_bytes", "The size of fetches follows from the setting pg_kappa.memory."},
	{"fetch_max_bytes", "The size of fetches follows from the setting pg_kappa.memory."},
	{"allow_auto_create_topics", "Reading a topic must not create it."},
	{"debug", "It would write secrets and payloads to the server's log."},
	{"log_level", "Use log_min_messages instead."},
	{"plugin_library_paths", "It would load code into the server."},
	{"ssl_engine_location", "It would load code into the server."},
	{"ssl_providers", "It would load code into the server."},
	{"transactional_id", "pg_kappa does not produce in transactions."},
};

/* --------------------------------------------------------------- the rules */

static const OptionRule *
find_rule(const char *name)
{
	for (int i = 0; i < lengthof(rules); i++)
	{
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	}
	return NULL;
}

/* The kind of object whose options are in a catalog: 0 for a wrapper. */
static int
catalog_place(Oid catalog)
{
	switch (catalog)
	{
		case ForeignServerRelationId:
			return SERVER;
		case UserMappingRelationId:
			return MAPPING;
		case ForeignTableRelationId:
			return TABLE;
		case AttributeRelationId:
			return COLUMN;
		default:
			return 0;
	}
}

static const char *
place_name(int place)
{
	switch (place)
	{
		case SERVER:
			return "servers";
		case MAPPING:
			return "user mappings";
		case TABLE:
			return "foreign tables";
		case COLUMN:
			return "columns";
		default:
			return "foreign-data wrappers";
	}
}

/* Is the name the last words of the other one? */
static bool
ends_with(const char *whole, const char *name)
{
	size_t		start = strlen(whole) - strlen(name);

	return strlen(whole) > strlen(name) && whole[start - 1] == '_' &&
		strcmp(whole + start, name) == 0;
}

/*
 * The option of place whose name is most like the given one, if one is; else the
 * shortest one whose last words it is, such as sasl_password for password.
 */
static const char *
closest_name(int place, const char *name)
{
	const char *closest = NULL;
	int			len = strlen(name);
	int			best = Max(len / 2, 1);

	if (len > 255)
		return NULL;
	for (int i = 0; i < lengthof(rules); i++)
	{
		int			distance;

		if ((rules[i].flags & place) == 0)
			continue;
		distance = varstr_levenshtein_less_equal(name, len, rules[i].name,
												 strlen(rules[i].name), 1, 1, 1,
												 best, true);
		if (distance < best || (distance == best && closest == NULL))
		{
			best = distance;
			closest = rules[i].name;
		}
	}
	if (closest != NULL)
		return closest;
	for (int i = 0; i < lengthof(rules); i++)
	{
		if ((rules[i].flags & place) && ends_with(rules[i].name, name) &&
			(closest == NULL || strlen(rules[i].name) < strlen(closest)))
			closest = rules[i].name;
	}
	return closest;
}

static void
raise_unknown(int place, const char *name)
{
	const char *closest;

	for (int i = 0; i < lengthof(refusals); i++)
	{
		if (strcmp(refusals[i].name, name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" cannot be set", name),
					 errdetail_internal("%s", refusals[i].reason)));
	}

	closest = closest_name(place, name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 closest ? errhint("Perhaps you meant the option \"%s\".", closest) : 0));
}

/* A known option at the wrong kind of object. */
static void
raise_misplaced(const OptionRule *rule, int place)
{
	static const int places[] = {SERVER, MAPPING, TABLE, COLUMN};
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(places); i++)
	{
		if (rule->flags & places[i])
			appendStringInfo(&list, "%s%s", list.len > 0 ? " and of " : "", place_name(places[i]));
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("option \"%s\" is not an option of %s", rule->name, place_name(place)),
			 rule->flags & SECRET
			 ? errdetail("It is a secret, and these options can be read by everybody.") : 0,
			 errhint("It is an option of %s.", list.data)));
}

static char *
property_name(const char *option)
{
	char	   *name = pstrdup(option);

	for (char *c = name; *c; c++)
	{
		if (*c == '_')
			*c = '.';
	}
	return name;
}

/* Asks librdkafka whether it takes the value. */
static void
check_property(const OptionRule *rule, const char *value)
{
	char	   *name = property_name(rule->name);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char		error[512] = "";
	rd_kafka_conf_res_t result;

	result = rd_kafka_conf_set(conf, name, value, error, sizeof(error));
	rd_kafka_conf_destroy(conf);
	kafka_clean_text(error);
	if (result != RD_KAFKA_CONF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\"", rule->name),
				 rule->flags & SECRET ? 0 : errdetail("librdkafka says: %s", error)));
}

static void
check_length(const OptionRule *rule, const char *value)
{
	size_t		limit = (rule->flags & PEM) ? MAX_PEM_LENGTH : MAX_LENGTH;

	if (strlen(value) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("value for option \"%s\" is too long", rule->name),
				 errdetail("It has %zu bytes; the limit is %zu.", strlen(value), limit)));
}

static void
check_option(int place, const char *name, const char *value)
{
	const OptionRule *rule = find_rule(name);

	if (rule == NULL)
		raise_unknown(place, name);
	if ((rule->flags & place) == 0)
		raise_misplaced(rule, place);
	if ((rule->flags & SUPERUSER) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may set option \"%s\"", name),
				 errdetail("It names a file or has a part in running a command on the database server.")));
	check_length(rule, value);
	if (rule->check)
		rule->check(name, value);
	if ((rule->flags & OURS) == 0)
		check_property(rule, value);
}

/* ------------------------------------------------- options that go together */

/* The value of an option in a list of DefElem, or NULL. */
static const char *
get_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst(lc);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

static void
require_option(List *options, const char *name, const char *what)
{
	if (get_option(options, name) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"%s\" is required for %s", name, what)));
}

static bool
is_kerberos(List *options)
{
	const char *mechanism = get_option(options, "sasl_mechanism");

	if (mechanism == NULL)
		mechanism = get_option(options, "sasl_mechanisms");
	return mechanism && strcmp(mechanism, "GSSAPI") == 0;
}

/*
 * What belongs together for authentication.  complete: these are all options
 * that there are, so what is missing is missing.
 */
static void
check_security(List *options, bool complete)
{
	const char *protocol = get_option(options, "security_protocol");
	bool		sasl = protocol && pg_strncasecmp(protocol, "sasl", 4) == 0;

	if (get_option(options, "sasl_username") && !sasl && (protocol || complete))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"sasl_username\" needs option \"security_protocol\""),
				 errhint("Set security_protocol to \"sasl_ssl\", or to \"sasl_plaintext\" where the network is trusted.")));
	if (complete && sasl &&
		get_option(options, "sasl_mechanism") == NULL &&
		get_option(options, "sasl_mechanisms") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"sasl_mechanism\" is required with security_protocol \"%s\"",
						protocol),
				 errhint("Mechanisms are \"PLAIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\" and, for superusers, \"GSSAPI\".")));
	if (complete && sasl && !is_kerberos(options) &&
		(get_option(options, "sasl_username") == NULL || get_option(options, "sasl_password") == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("options \"sasl_username\" and \"sasl_password\" are required with security_protocol \"%s\"",
						protocol),
				 errhint("Set them in a user mapping for the user who reads or writes the stream.")));
}

static void
check_together(int place, List *options)
{
	const char *on_error = get_option(options, "on_error");
	const char *metadata = get_option(options, "metadata");

	switch (place)
	{
		case SERVER:
			require_option(options, "bootstrap_servers", "servers of Kafka");
			check_security(options, get_option(options, "sasl_username") != NULL &&
						   get_option(options, "security_protocol") == NULL);
			break;
		case MAPPING:
			check_security(options, false);
			break;
		case TABLE:
			require_option(options, "topic", "streams");
			if (get_option(options, "reject_limit") &&
				(on_error == NULL || strcmp(on_error, "ignore") != 0))
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("option \"reject_limit\" requires on_error \"ignore\"")));
			break;
		case COLUMN:
			if (metadata && strcmp(metadata, "key") != 0 &&
				(get_option(options, "path") || get_option(options, "unit")))
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("options \"path\" and \"unit\" are not for a column with metadata \"%s\"",
								metadata)));
			break;
	}
}

Datum
kafka_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	int			place = catalog_place(PG_GETARG_OID(1));
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst(lc);

		check_option(place, option->defname, defGetString(option));
	}
	check_together(place, options);

	PG_RETURN_VOID();
}

/* -------------------------------------------------------- for a connection */

/* The options of the user's mapping, or of PUBLIC's; NIL without one. */
static List *
mapping_options(Oid serverid, Oid userid)
{
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
							   ObjectIdGetDatum(serverid)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
							   ObjectIdGetDatum(serverid)))
		return NIL;
	return GetUserMapping(userid, serverid)->options;
}

List *
kafka_properties(Oid relid, Oid serverid, Oid userid, KafkaRole role)
{
	List	   *options = NIL;
	List	   *properties = NIL;
	ListCell   *lc;

	/* The mapping is asked first when options belong together. */
	options = list_concat_copy(mapping_options(serverid, userid),
							   GetForeignServer(serverid)->options);
	check_security(options, true);

	options = list_concat_copy(GetForeignServer(serverid)->options,
							   GetForeignTable(relid)->options);
	options = list_concat(options, mapping_options(serverid, userid));
	foreach(lc, options)
	{
		DefElem    *option = lfirst(lc);
		const OptionRule *rule = find_rule(option->defname);
		KafkaProperty *property;

		if (rule == NULL || (rule->flags & OURS) ||
			(rule->flags & (role == KAFKA_CONSUMER ? PRODUCER : CONSUMER)))
			continue;
		property = palloc(sizeof(KafkaProperty));
		property->name = property_name(option->defname);
		property->value = defGetString(option);
		properties = lappend(properties, property);
	}
	return properties;
}
