/*-------------------------------------------------------------------------
 *
 * stubs.c
 *	  What of source.h is not written yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"

#include "source/source.h"

#define NOT_YET(what) \
	ereport(ERROR, \
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), \
			 errmsg("%s is not supported yet", what)))

PG_FUNCTION_INFO_V1(kafka_fdw_handler);
PG_FUNCTION_INFO_V1(kafka_fdw_validator);

Datum
kafka_fdw_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(makeNode(FdwRoutine));
}

Datum
kafka_fdw_validator(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}

void
source_init(void)
{
}

bool
stream_exists(Oid relid)
{
	return false;
}

Stream *
stream_open(Oid relid)
{
	NOT_YET("stream_open");
	return NULL;
}

StreamReader *
stream_reader_open(const Stream *stream, Oid userid, Size memory)
{
	NOT_YET("stream_reader_open");
	return NULL;
}

void
stream_reader_close(StreamReader *reader)
{
}

StreamReaderState
stream_reader_state(StreamReader *reader)
{
	StreamReaderState state = {0};

	return state;
}

int
stream_reader_partitions(StreamReader *reader, int timeout_ms)
{
	return -1;
}

bool
stream_reader_offsets(StreamReader *reader, int n, int64 *first,
					  int64 *end, int timeout_ms)
{
	return false;
}

bool
stream_reader_offsets_at(StreamReader *reader, int n, TimestampTz at,
						 int64 *offsets, int timeout_ms)
{
	return false;
}

void
stream_reader_assign(StreamReader *reader, const StreamPosition *positions, int n)
{
}

int
stream_reader_read(StreamReader *reader, MessageBatch *batch,
				   int max_messages, Size max_bytes)
{
	return 0;
}

pgsocket
stream_reader_fd(StreamReader *reader)
{
	return PGINVALID_SOCKET;
}

void
stream_reader_drain_fd(StreamReader *reader)
{
}

void
stream_reader_wait(StreamReader *reader, int timeout_ms)
{
}

void
stream_reader_report_offsets(StreamReader *reader,
							 const StreamPosition *positions, int n)
{
}

int
stream_feed_attach(PlanState *planstate, Oid relid, StreamFeed *feed)
{
	NOT_YET("stream_feed_attach");
	return 0;
}

void
stream_feed_expect(Oid relid, double rows)
{
}
