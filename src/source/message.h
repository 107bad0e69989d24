/*-------------------------------------------------------------------------
 *
 * message.h
 *	  How messages lie in the memory of a MessageBatch.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_MESSAGE_H
#define KAPPA_MESSAGE_H

#include "utils/jsonb.h"

#include "source/source.h"

/*
 * StreamMessage.headers holds, for each header and without alignment: the
 * length of its name (int32), the name, the length of its value (int32, -1 for
 * a null value), the value.  Integers are in the machine's own byte order;
 * names and values are whatever the producer sent, so they may be no text.
 */

/*
 * Adds a message to the batch and copies the len bytes at each pointer (NULL
 * gives NULL); room for headers_len bytes of headers is left for the caller to
 * fill in.  The result is valid until the next call.
 */
extern StreamMessage *message_batch_add(MessageBatch *batch,
										const void *value, Size value_len,
										const void *key, Size key_len,
										Size headers_len);

/*
 * Headers laid out in that way, in the current memory context, from jsonb as
 * stream_message_headers() gives it; an object of names and values will do,
 * too.  Errors if it is neither.
 */
extern char *headers_from_jsonb(Jsonb *jsonb, int32 *len);

/*
 * Takes a length and so many bytes from *next; false: a null value.
 */
extern bool headers_read_bytes(const char **next, const char *end,
							   const char **bytes, int32 *len);

/* What a message with so many bytes of key, value and headers adds to batch->memory. */
extern Size message_memory(Size bytes);

/* Notes a message as the last one before a position: its log identity. */
extern void message_identify(const StreamMessage *message, StreamPosition *position);

/* Makes room for n positions; they are filled in by the caller. */
extern StreamPosition *message_batch_positions(MessageBatch *batch, int n);

#endif							/* KAPPA_MESSAGE_H */
