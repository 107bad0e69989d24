/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  From one message to the columns of a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/source.h"

StreamDecoder *
stream_decoder_create(const Stream *stream, const Bitmapset *attrs,
					  const Bitmapset *lenient, MemoryContext context)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("decoding messages is not supported yet")));
	return NULL;
}

bool
stream_decode(StreamDecoder *decoder, const StreamMessage *message,
			  Datum *values, bool *nulls, StreamError *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("decoding messages is not supported yet")));
	return false;
}

Datum
stream_message_headers(const StreamMessage *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("message headers are not supported yet")));
	return (Datum) 0;
}
