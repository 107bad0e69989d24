/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  Stream: what the catalogs say about a stream.
 *
 * Options were checked one by one when they were set (options.c).  What takes
 * more than the options to know, such as whether event_time names a column, is
 * checked here, at each use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "source/options.h"
#include "source/source.h"

#define DEFAULT_MAX_AHEAD		(INT64CONST(3600) * USECS_PER_SEC)
#define DEFAULT_IDLE_TIMEOUT	(INT64CONST(60) * USECS_PER_SEC)

/* One OID attribute of a row of a system catalog, or InvalidOid. */
static Oid
catalog_oid(int cacheid, Oid key, AttrNumber attribute)
{
	HeapTuple	tuple = SearchSysCache1(cacheid, ObjectIdGetDatum(key));
	bool		isnull;
	Oid			result;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	result = DatumGetObjectId(SysCacheGetAttr(cacheid, tuple, attribute, &isnull));
	ReleaseSysCache(tuple);
	return result;
}

/* The function that makes a wrapper ours. */
static Oid
our_handler(void)
{
	oidvector  *no_arguments = buildoidvector(NULL, 0);
	Oid			schema = get_namespace_oid("kappa", true);

	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum("kafka_fdw_handler"),
						   PointerGetDatum(no_arguments),
						   ObjectIdGetDatum(schema));
}

bool
stream_exists(Oid relid)
{
	Oid			server;
	Oid			wrapper;
	Oid			handler;

	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return false;
	server = catalog_oid(FOREIGNTABLEREL, relid, Anum_pg_foreign_table_ftserver);
	wrapper = catalog_oid(FOREIGNSERVEROID, server, Anum_pg_foreign_server_srvfdw);
	handler = catalog_oid(FOREIGNDATAWRAPPEROID, wrapper,
						  Anum_pg_foreign_data_wrapper_fdwhandler);
	return OidIsValid(handler) && handler == our_handler();
}

/* Resolves event_time to a column. */
static void
set_event_time(Stream *stream, const char *column)
{
	stream->event_time = get_attnum(stream->relid, column);
	if (stream->event_time <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of stream %s does not exist", column, stream->name),
				 errdetail("The option event_time of the stream names it.")));

	stream->event_time_type = getBaseType(get_atttype(stream->relid, stream->event_time));
	if (stream->event_time_type != TIMESTAMPTZOID &&
		stream->event_time_type != TIMESTAMPOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of stream %s is the event time but of type %s",
						column, stream->name,
						format_type_be(get_atttype(stream->relid, stream->event_time))),
				 errhint("An event time is of type timestamp with time zone or timestamp without time zone.")));
}

static void
set_option(Stream *stream, const char *name, char *value)
{
	if (strcmp(name, "topic") == 0)
		stream->topic = value;
	else if (strcmp(name, "group_id") == 0)
		stream->group_id = value;
	else if (strcmp(name, "event_time") == 0)
		set_event_time(stream, value);
	else if (strcmp(name, "watermark_delay") == 0)
		stream->watermark_delay = option_microseconds(name, value);
	else if (strcmp(name, "watermark_max_ahead") == 0)
		stream->watermark_max_ahead = option_microseconds(name, value);
	else if (strcmp(name, "idle_timeout") == 0)
		stream->idle_timeout = option_microseconds(name, value);
	else if (strcmp(name, "on_error") == 0)
		stream->ignore_errors = strcmp(value, "ignore") == 0;
	else if (strcmp(name, "reject_limit") == 0)
		stream->reject_limit = option_count(name, value);
}

/* Does a column take the headers of messages? */
static bool
takes_headers(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int			natts;

	/* The caller may hold no lock. */
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream with OID %u does not exist", relid)));
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);
	for (AttrNumber attno = 1; attno <= natts; attno++)
	{
		ListCell   *lc;

		foreach(lc, GetForeignColumnOptions(relid, attno))
		{
			DefElem    *option = lfirst(lc);

			if (strcmp(option->defname, "metadata") == 0 &&
				strcmp(defGetString(option), "headers") == 0)
				return true;
		}
	}
	return false;
}

Stream *
stream_open(Oid relid)
{
	char	   *relname = get_rel_name(relid);
	ForeignTable *table;
	Stream	   *stream;
	ListCell   *lc;

	if (relname == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream with OID %u does not exist", relid)));
	if (!stream_exists(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a stream", relname),
				 errdetail("A stream is a foreign table of a server of the foreign-data wrapper kafka.")));

	table = GetForeignTable(relid);
	stream = palloc0(sizeof(Stream));
	stream->relid = relid;
	stream->serverid = table->serverid;
	stream->name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
											  relname);
	stream->event_time = EVENT_TIME_KAFKA;
	stream->event_time_type = TIMESTAMPTZOID;
	stream->watermark_max_ahead = DEFAULT_MAX_AHEAD;
	stream->idle_timeout = DEFAULT_IDLE_TIMEOUT;
	stream->reject_limit = -1;
	stream->has_headers = takes_headers(relid);

	foreach(lc, table->options)
	{
		DefElem    *option = lfirst(lc);

		set_option(stream, option->defname, defGetString(option));
	}

	if (stream->topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("stream %s has no topic", stream->name)));
	if (stream->group_id == NULL)
		stream->group_id = psprintf("pg_kappa.%s.%s",
									get_database_name(MyDatabaseId), relname);
	return stream;
}
