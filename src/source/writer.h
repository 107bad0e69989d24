/*-------------------------------------------------------------------------
 *
 * writer.h
 *	  StreamWriter: appends messages to a stream's log.
 *
 * Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_WRITER_H
#define KAPPA_WRITER_H

#include "source/source.h"

/*
 * Like a reader, a writer belongs to the backend that opened it and to the
 * memory context that was current then, and is closed with it; messages that
 * have not been sent are dropped then.
 */
typedef struct StreamWriter StreamWriter;

/*
 * Opens the stream's log with the rights and the user mapping of userid, and
 * waits, interruptibly, for first contact.  Errors: bad options; the broker is
 * away; the topic does not exist.
 */
extern StreamWriter *stream_writer_open(const Stream *stream, Oid userid);

/*
 * Hands a message over, which is copied; waits, interruptibly, if too many are
 * on their way.  message->partition is one of the topic's, or ANY_PARTITION
 * (encode.h).  Errors, here and below, are those of any message so far.
 */
extern void stream_writer_write(StreamWriter *writer, const StreamMessage *message);

/* Waits, interruptibly, until the broker has acknowledged all messages. */
extern void stream_writer_flush(StreamWriter *writer);

extern void stream_writer_close(StreamWriter *writer);

#endif							/* KAPPA_WRITER_H */
