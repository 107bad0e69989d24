/*-------------------------------------------------------------------------
 *
 * encode.h
 *	  From a row to a message.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_ENCODE_H
#define KAPPA_ENCODE_H

#include "source/source.h"

/* The partition of a message that leaves it to the partitioner. */
#define ANY_PARTITION	(-1)

typedef struct StreamEncoder StreamEncoder;

/* An encoder for whole rows of the stream, in the current memory context. */
extern StreamEncoder *stream_encoder_create(const Stream *stream);

/*
 * The message that a row becomes; its offset means nothing.  Valid until the next
 * call.  Errors: a value that cannot be written, a null in a NOT NULL column.
 */
extern const StreamMessage *stream_encode(StreamEncoder *encoder, TupleTableSlot *slot);

#endif							/* KAPPA_ENCODE_H */
