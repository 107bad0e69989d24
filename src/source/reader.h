/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  What a kind of log does for a StreamReader.
 *
 * Kafka is the one kind so far.  Only for the files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_READER_H
#define KAPPA_READER_H

#include "source/connection.h"
#include "source/source.h"

typedef struct LogMethods
{
	/* A reader in the current context; resources are its own to free. */
	StreamReader *(*open) (const Stream *stream, Oid userid, Size memory);

	/* Gives everything but memory back.  Must not raise errors. */
	void		(*close) (StreamReader *reader);

	/* If probe: may ask a broker that was away whether it is back. */
	StreamReaderState (*state) (StreamReader *reader, bool probe);
	int			(*partitions) (StreamReader *reader, int timeout_ms);

	/*
	 * For each of n partitions, asks for the offset in offsets[i]:
	 * LOG_FIRST, LOG_END or a Unix time in milliseconds.  A time beyond the
	 * last message gives LOG_END.
	 */
	bool		(*lookup) (StreamReader *reader, int n, int64 *offsets, int timeout_ms);

	bool		(*is_compacted) (StreamReader *reader, int timeout_ms);
	void		(*assign) (StreamReader *reader, const StreamPosition *positions, int n);
	int			(*read) (StreamReader *reader, MessageBatch *batch,
						 int max_messages, Size max_memory);

	/* Would read find something without waiting? */
	bool		(*pending) (StreamReader *reader);
	void		(*report_offsets) (StreamReader *reader,
								   const StreamPosition *positions, int n);
} LogMethods;

#define LOG_END		INT64CONST(-1)
#define LOG_FIRST	INT64CONST(-2)

/* The head of every kind's reader. */
struct StreamReader
{
	LogConnection connection;	/* must be first */
	const LogMethods *methods;
	MemoryContext context;		/* the reader's own */
	bool		headers;		/* messages bring them */
};

/*
 * Called by a kind's open when everything that may fail has been prepared and
 * only the log's own resources are missing: from here on close will be called.
 */
extern void reader_register(StreamReader *reader, const LogMethods *methods);

extern const LogMethods kafka_log;

#endif							/* KAPPA_READER_H */
