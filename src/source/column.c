/*-------------------------------------------------------------------------
 *
 * column.c
 *	  What the options of a stream's column say: where in a message it lies.
 *
 * For decoder and encoder alike.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "source/column.h"
#include "source/decode.h"

ColumnOptions
column_options(Oid relid, AttrNumber attnum)
{
	ColumnOptions options = {0};
	ListCell   *lc;

	foreach(lc, GetForeignColumnOptions(relid, attnum))
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "path") == 0)
			options.path = defGetString(def);
		else if (strcmp(def->defname, "metadata") == 0)
			options.metadata = defGetString(def);
		else if (strcmp(def->defname, "unit") == 0)
			options.unit = defGetString(def);
	}
	return options;
}

ColumnOrigin
column_origin(const ColumnOptions *options)
{
	static const struct
	{
		const char *name;
		ColumnOrigin origin;
	}			origins[] = {
		{"topic", FROM_TOPIC},
		{"partition", FROM_PARTITION},
		{"offset", FROM_OFFSET},
		{"timestamp", FROM_TIMESTAMP},
		{"headers", FROM_HEADERS},
		{"value", FROM_VALUE},
		{"key", FROM_KEY}
	};

	if (options->metadata == NULL)
		return FROM_PAYLOAD;
	for (int i = 0; i < lengthof(origins); i++)
	{
		if (strcmp(options->metadata, origins[i].name) != 0)
			continue;
		if (options->path == NULL)
			return origins[i].origin;
		if (origins[i].origin == FROM_KEY)
			return FROM_KEY_FIELD;
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"path\" cannot be combined with metadata \"%s\"",
						options->metadata)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("unknown metadata \"%s\"", options->metadata)));
}

int64
column_unit(const char *unit, const char *column, Oid typid)
{
	int64		result;

	if (unit == NULL)
		return 0;
	if (strcmp(unit, "s") == 0)
		result = USECS_PER_SEC;
	else if (strcmp(unit, "ms") == 0)
		result = 1000;
	else if (strcmp(unit, "us") == 0)
		result = 1;
	else
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("unknown unit \"%s\" of column \"%s\"", unit, column),
				 errhint("Units are \"s\", \"ms\" and \"us\".")));
	typid = getBaseType(typid);
	if (typid != TIMESTAMPTZOID && typid != TIMESTAMPOID)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" has option \"unit\" but is not a timestamp", column)));
	return result;
}

void
column_check_metadata(const char *column, ColumnOrigin metadata, Oid typid)
{
	static const struct
	{
		ColumnOrigin origin;
		Oid			typid;
	}			types[] = {
		{FROM_TOPIC, TEXTOID},
		{FROM_TOPIC, VARCHAROID},
		{FROM_PARTITION, INT4OID},
		{FROM_PARTITION, INT8OID},
		{FROM_OFFSET, INT8OID},
		{FROM_TIMESTAMP, TIMESTAMPTZOID},
		{FROM_HEADERS, JSONBOID}
	};
	Oid			expected = InvalidOid;

	for (int i = 0; i < lengthof(types); i++)
	{
		if (types[i].origin != metadata)
			continue;
		if (types[i].typid == typid)
			return;
		if (!OidIsValid(expected))
			expected = types[i].typid;
	}
	if (OidIsValid(expected))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" must be of type %s to take this metadata",
						column, format_type_be(expected))));
}

JsonTarget
column_target(const char *name, const char *path)
{
	List	   *names = path != NULL ? column_path_parse(path) : list_make1(makeString(pstrdup(name)));
	JsonStep   *steps = palloc(sizeof(JsonStep) * list_length(names));
	JsonTarget	result = {steps, list_length(names)};
	ListCell   *lc;

	foreach(lc, names)
	{
		char	   *step = strVal(lfirst(lc));

		step = pg_server_to_any(step, strlen(step), PG_UTF8);
		steps->name = step;
		steps->len = strlen(step);
		steps++;
	}
	return result;
}
