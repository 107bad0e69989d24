/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  From a row to a message: what decode.c does, the other way round.
 *
 * The paths of the columns make a tree of JSON objects, whose leaves are
 * columns; it is walked for each row, and what holds no value is left out.  A
 * second tree makes a JSON key, if columns are fields of the key.  Some columns
 * can be read but not written (the offset, a position in an array); a row may
 * hold nothing but NULL in them.
 *
 * Text is put together in the database's encoding and converted once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "source/decode.h"
#include "source/encode.h"
#include "source/message.h"
#include "source/value.h"

typedef struct EncodeColumn
{
	int			index;			/* attribute number - 1 */
	ColumnOrigin place;			/* where it comes from, and so where it goes */
	bool		not_null;		/* and nobody but the row gives it */
	bool		array_position; /* its path goes through an array */
	Oid			typid;			/* domains looked through */
	ValueEncoder *value;
	char	   *name;
} EncodeColumn;

/* A member of a JSON object. */
typedef struct EncodeNode
{
	char	   *name;
	char	   *label;			/* "name": as in JSON */
	List	   *columns;		/* whose path ends here */
	List	   *members;		/* whose path goes on */
} EncodeNode;

struct StreamEncoder
{
	char	   *stream;			/* for messages */
	List	   *columns;
	EncodeNode *payload;		/* NULL: no column is a field of the payload */
	EncodeNode *key_object;		/* NULL: none is a field of the key */
	MemoryContext row;			/* reset for each row */
	TupleTableSlot *slot;
	StreamMessage message;
};

/* ---------------------------------------------------------------- creation */

/* The member of that name, which is made if it is not there. */
static EncodeNode *
find_member(EncodeNode *node, char *name)
{
	StringInfoData label;
	EncodeNode *member;
	ListCell   *lc;

	foreach(lc, node->members)
	{
		member = lfirst(lc);
		if (strcmp(member->name, name) == 0)
			return member;
	}

	initStringInfo(&label);
	escape_json(&label, name);
	appendStringInfoChar(&label, ':');
	member = palloc0(sizeof(EncodeNode));
	member->name = name;
	member->label = label.data;
	node->members = lappend(node->members, member);
	return member;
}

/* Puts a column into the tree, making its root if need be. */
static void
add_to_tree(EncodeNode **root, EncodeColumn *column, const char *path)
{
	List	   *steps = path ? column_path_parse(path) : list_make1(makeString(column->name));
	EncodeNode *node;
	ListCell   *lc;

	if (*root == NULL)
		*root = palloc0(sizeof(EncodeNode));
	node = *root;
	foreach(lc, steps)
	{
		char	   *step = strVal(lfirst(lc));

		if (path && step[0] != '\0' && strspn(step, "0123456789") == strlen(step))
			column->array_position = true;
		node = find_member(node, step);
	}
	node->columns = lappend(node->columns, column);
}

static void
add_column(StreamEncoder *encoder, Oid relid, Form_pg_attribute attr)
{
	ColumnOptions options = column_options(relid, attr->attnum);
	EncodeColumn *column = palloc0(sizeof(EncodeColumn));

	column->index = attr->attnum - 1;
	column->name = pstrdup(NameStr(attr->attname));
	column->place = column_origin(&options);
	column->typid = getBaseType(attr->atttypid);
	column->value = value_encoder_create(attr->atttypid,
										 column_unit(options.unit, column->name, attr->atttypid));
	column_check_metadata(column->name, column->place, attr->atttypid);
	column->not_null = attr->attnotnull &&
		(column->place == FROM_PAYLOAD || column->place == FROM_KEY_FIELD ||
		 column->place == FROM_KEY || column->place == FROM_HEADERS);

	if (column->place == FROM_PAYLOAD)
		add_to_tree(&encoder->payload, column, options.path);
	else if (column->place == FROM_KEY_FIELD)
		add_to_tree(&encoder->key_object, column, options.path);
	encoder->columns = lappend(encoder->columns, column);
}

StreamEncoder *
stream_encoder_create(const Stream *stream)
{
	StreamEncoder *encoder = palloc0(sizeof(StreamEncoder));
	Relation	rel = table_open(stream->relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);

	encoder->stream = pstrdup(stream->name);
	encoder->row = AllocSetContextCreate(CurrentMemoryContext, "pg_kappa encoded row",
										 ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			add_column(encoder, stream->relid, TupleDescAttr(desc, i));
	}
	table_close(rel, AccessShareLock);
	return encoder;
}

/* ------------------------------------------------------------------ errors */

static void
refuse_value(StreamEncoder *encoder, const EncodeColumn *column, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot insert into column \"%s\" of stream %s",
					column->name, encoder->stream),
			 errdetail("%s", reason),
			 errhint("Leave the column out, or insert NULL into it.")));
}

static void
refuse_null(StreamEncoder *encoder, const EncodeColumn *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of stream %s violates not-null constraint",
					column->name, encoder->stream)));
}

/* Its name as in JSON: the label without the colon. */
static char *
member_name(const EncodeNode *node)
{
	return pnstrdup(node->label, strlen(node->label) - 1);
}

static void
refuse_both(StreamEncoder *encoder, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("two columns of stream %s give %s", encoder->stream, what),
			 errdetail("One of them has to be NULL.")));
}

/* ------------------------------------------------------------------ objects */

static bool encode_members(StreamEncoder *encoder, EncodeNode *node, StringInfo out);

static void
truncate_to(StringInfo out, int len)
{
	out->len = len;
	out->data[len] = '\0';
}

/* JSON's null would be read back as NULL. */
static bool
is_json_null(const char *json)
{
	return json[strspn(json, " \t\n\r")] == 'n';
}

/* Appends the value of a member; false: it has none. */
static bool
encode_member(StreamEncoder *encoder, EncodeNode *node, StringInfo out)
{
	bool		found = false;
	int			start = out->len;
	ListCell   *lc;

	foreach(lc, node->columns)
	{
		EncodeColumn *column = lfirst(lc);

		if (encoder->slot->tts_isnull[column->index])
			continue;
		if (found)
			refuse_both(encoder, member_name(node));
		value_encode_json(column->value, encoder->slot->tts_values[column->index], out);
		if (column->not_null && is_json_null(out->data + start))
			refuse_null(encoder, column);
		found = true;
	}
	if (node->members == NIL)
		return found;

	start = out->len;
	if (!encode_members(encoder, node, out))
	{
		truncate_to(out, start);
		return found;
	}
	if (found)
		refuse_both(encoder, member_name(node));
	return true;
}

/* Appends an object; false: none of its members has a value. */
static bool
encode_members(StreamEncoder *encoder, EncodeNode *node, StringInfo out)
{
	bool		found = false;
	ListCell   *lc;

	appendStringInfoChar(out, '{');
	foreach(lc, node->members)
	{
		EncodeNode *member = lfirst(lc);
		int			start = out->len;

		if (found)
			appendStringInfoChar(out, ',');
		appendStringInfoString(out, member->label);
		if (encode_member(encoder, member, out))
			found = true;
		else
			truncate_to(out, start);
	}
	appendStringInfoChar(out, '}');
	return found;
}

/* ---------------------------------------------------------------- metadata */

/* Text as it goes into a message. */
static void
to_utf8(StringInfo text, const char **bytes, int32 *len)
{
	*bytes = pg_server_to_any(text->data, text->len, PG_UTF8);
	*len = *bytes == text->data ? text->len : strlen(*bytes);
}

static void
set_key(StreamEncoder *encoder, EncodeColumn *column, Datum value)
{
	StreamMessage *message = &encoder->message;
	StringInfoData text;

	if (message->key != NULL)
		refuse_both(encoder, "the message's key");
	if (column->typid == BYTEAOID)
	{
		bytea	   *bytes = DatumGetByteaPP(value);

		message->key = VARDATA_ANY(bytes);
		message->key_len = VARSIZE_ANY_EXHDR(bytes);
		return;
	}
	initStringInfo(&text);
	value_encode_text(column->value, value, &text);
	to_utf8(&text, &message->key, &message->key_len);
}

static void
set_partition(StreamEncoder *encoder, EncodeColumn *column, Datum value)
{
	int64		partition = column->typid == INT8OID ? DatumGetInt64(value) : DatumGetInt32(value);

	if (partition < 0 || partition > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("partition %lld of stream %s does not exist",
						(long long) partition, encoder->stream),
				 errdetail("Partitions are numbered from 0.")));
	encoder->message.partition = partition;
}

/* Kafka counts milliseconds since 1970, and to librdkafka 0 means now. */
static void
set_timestamp(StreamEncoder *encoder, Datum value)
{
	const TimestampTz first =
	(UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY + 1000;

	encoder->message.timestamp = DatumGetTimestampTz(value);
	if (TIMESTAMP_NOT_FINITE(encoder->message.timestamp) || encoder->message.timestamp < first)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range for a message of stream %s", encoder->stream),
				 errdetail("Kafka counts from 1970-01-01 00:00:00 UTC, which itself stands for no timestamp.")));
}

static void
set_metadata(StreamEncoder *encoder, EncodeColumn *column, Datum value)
{
	switch (column->place)
	{
		case FROM_KEY:
			set_key(encoder, column, value);
			break;
		case FROM_PARTITION:
			set_partition(encoder, column, value);
			break;
		case FROM_TIMESTAMP:
			set_timestamp(encoder, value);
			break;
		case FROM_HEADERS:
			encoder->message.headers = headers_from_jsonb(DatumGetJsonbP(value),
														  &encoder->message.headers_len);
			if (column->not_null && encoder->message.headers_len == 0)
				refuse_null(encoder, column);
			break;
		case FROM_TOPIC:
			refuse_value(encoder, column, "It is the topic, which the stream's options name.");
			break;
		case FROM_OFFSET:
			refuse_value(encoder, column, "It is the offset, which the broker assigns.");
			break;
		case FROM_VALUE:
			refuse_value(encoder, column, "It is the whole payload, which is made of the other columns.");
			break;
		default:
			break;				/* part of an object */
	}
}

/* ------------------------------------------------------------------ one row */

static void
encode_columns(StreamEncoder *encoder)
{
	ListCell   *lc;

	foreach(lc, encoder->columns)
	{
		EncodeColumn *column = lfirst(lc);

		if (!encoder->slot->tts_isnull[column->index])
		{
			if (column->array_position)
				refuse_value(encoder, column, "Its path leads to a position in an array.");
			set_metadata(encoder, column, encoder->slot->tts_values[column->index]);
		}
		else if (column->not_null)
			refuse_null(encoder, column);
	}
}

/* The payload, and the key if it is an object. */
static void
encode_objects(StreamEncoder *encoder)
{
	StreamMessage *message = &encoder->message;
	StringInfoData text;

	if (encoder->payload)
	{
		initStringInfo(&text);
		(void) encode_members(encoder, encoder->payload, &text);
		to_utf8(&text, &message->value, &message->value_len);
	}
	if (encoder->key_object)
	{
		initStringInfo(&text);
		if (!encode_members(encoder, encoder->key_object, &text))
			return;
		if (message->key != NULL)
			refuse_both(encoder, "the message's key");
		to_utf8(&text, &message->key, &message->key_len);
	}
}

const StreamMessage *
stream_encode(StreamEncoder *encoder, TupleTableSlot *slot)
{
	MemoryContext old;
	int			settings;

	MemoryContextReset(encoder->row);
	old = MemoryContextSwitchTo(encoder->row);
	slot_getallattrs(slot);
	encoder->slot = slot;
	memset(&encoder->message, 0, sizeof(StreamMessage));
	encoder->message.partition = ANY_PARTITION;
	encoder->message.timestamp = NO_TIMESTAMP;

	settings = value_settings_begin();
	encode_columns(encoder);
	encode_objects(encoder);
	value_settings_end(settings);

	MemoryContextSwitchTo(old);
	return &encoder->message;
}
