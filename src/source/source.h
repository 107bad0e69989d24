/*-------------------------------------------------------------------------
 *
 * source.h
 *	  Streams, as the rest of pg_kappa sees them.
 *
 * A stream is a foreign table whose server's wrapper is "kafka".  This room
 * reads (and writes) its log and turns messages into rows; it knows nothing
 * of views.  Three things leave it:
 *
 *	Stream			what a stream's options say
 *	StreamReader	a position in every partition of the log, and what comes
 *					after it, a MessageBatch at a time
 *	StreamDecoder	from one message to the columns of a row
 *
 * and one way in: whoever executes a plan over a stream may attach a
 * StreamFeed to its ForeignScan, which then returns the feed's rows instead
 * of reading the topic.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SOURCE_H
#define KAPPA_SOURCE_H

#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"

/* ---------------------------------------------------------------- streams */

/* The event time of a stream without the option event_time. */
#define EVENT_TIME_KAFKA	InvalidAttrNumber

/* For StreamMessage.timestamp and Stream.watermark_max_ahead. */
#define NO_TIMESTAMP		DT_NOBEGIN
#define NO_MAX_AHEAD		PG_INT64_MAX

typedef struct Stream
{
	Oid			relid;
	Oid			serverid;
	char	   *name;			/* as in messages to users: schema.table */
	char	   *topic;
	char	   *group_id;
	AttrNumber	event_time;		/* column, or EVENT_TIME_KAFKA */
	Oid			event_time_type;	/* timestamptz or timestamp; timestamptz if
									 * EVENT_TIME_KAFKA */
	int64		watermark_delay;	/* microseconds */
	int64		watermark_max_ahead;	/* microseconds, or NO_MAX_AHEAD */
	int64		idle_timeout;	/* microseconds */
	bool		has_headers;	/* a column takes the headers */
	bool		ignore_errors;	/* on_error = 'ignore' */
	int64		reject_limit;	/* plain SELECT with on_error 'ignore'; -1: none */
} Stream;

/* Is this relation a stream?  No error for any OID. */
extern bool stream_exists(Oid relid);

/*
 * The stream's options, read from the catalogs, in the current memory
 * context.  Errors if relid is not a stream.
 */
extern Stream *stream_open(Oid relid);

/* --------------------------------------------------------------- messages */

typedef struct StreamMessage
{
	const char *value;			/* NULL: null payload */
	const char *key;			/* NULL: no key */
	const char *headers;		/* laid out as message.h says; NULL: none, or not
								 * wanted of the reader */
	int32		value_len;
	int32		key_len;
	int32		headers_len;
	int32		partition;
	int64		offset;
	TimestampTz timestamp;		/* the message's Kafka timestamp, or
								 * NO_TIMESTAMP */
} StreamMessage;

/* Where a reader (or a batch) stands in one partition. */
typedef struct StreamPosition
{
	int32		partition;
	int64		next_offset;	/* of the next message to be read */
	int64		end_offset;		/* last stable end of the log, as last learnt;
								 * -1: not yet */
	bool		at_end;			/* everything up to end_offset has been read */

	/* log identity: the last message before next_offset, if any was read */
	int64		last_offset;	/* -1: none */
	TimestampTz last_timestamp;
	int64		last_hash;		/* of key and value */
} StreamPosition;

/*
 * Messages that were read together, in the order of the log per partition.
 * Payloads lie in the batch's own memory, each followed by at least
 * MESSAGE_PADDING readable bytes.
 */
#define MESSAGE_PADDING 64

typedef struct MessageBatch
{
	MemoryContext context;		/* holds all of it */
	StreamMessage *messages;
	int			count;
	int			capacity;
	Size		bytes;			/* of keys, values and headers */
	Size		memory;			/* that it stands for: these, and what is kept for
								 * each message, be it good or bad */
	StreamPosition *positions;	/* after the batch: one per partition of the
								 * reader, in its order */
	int			npositions;
} MessageBatch;

extern MessageBatch *message_batch_create(MemoryContext parent);
extern void message_batch_reset(MessageBatch *batch);	/* keeps memory for reuse */
extern void message_batch_shrink(MessageBatch *batch);	/* a reset that keeps next to none */

/*
 * Adds a copy of a message that was kept elsewhere, a dead letter, say; key and
 * value may be NULL, headers is jsonb as stream_message_headers() gives it, or 0.
 */
extern void message_batch_restore(MessageBatch *batch, int32 partition, int64 offset,
								  TimestampTz timestamp, const bytea *key,
								  const bytea *value, Datum headers);

/* The headers of a message as a jsonb datum: [{"key": k, "value": v}, ...]. */
extern Datum stream_message_headers(const StreamMessage *message);

/* ---------------------------------------------------------------- readers */

/*
 * A reader belongs to the backend that opened it and to the memory context
 * that was current then: it is closed when that context is reset or deleted,
 * so an error or abort cannot leak one.
 */
typedef struct StreamReader StreamReader;

/*
 * Where a reader stands with its broker.  Trouble that may pass (a broker that
 * is away, a topic that does not exist yet) is no error but a state; the reader
 * goes on by itself when it can.
 */
typedef struct StreamReaderState
{
	bool		ok;
	bool		unexplained;	/* not ok, but all that is known is that no answer
								 * has come in time */
	int			sqlerrcode;		/* if not ok: class 08, or undefined_object */
	const char *message;		/* in the style of a PostgreSQL error; belongs to
								 * the reader */
	double		rtt_ms;			/* how long the broker takes to answer, average of
								 * the last few questions; -1: unknown */
	int64		queued_messages;	/* read ahead and waiting in the reader, of all
								 * partitions */
	int64		troubles;		/* counts when it ceases to be ok, or is so for
								 * another reason: the log may be another one since */
	bool		report_lost;	/* offsets should be reported again */
} StreamReaderState;

/*
 * Opens the stream's log with the rights and the user mapping of userid.
 * Returns at once; contact is made in the background.  "memory" bounds, in
 * bytes, what is read ahead.  Errors: bad options, no user mapping right.
 */
extern StreamReader *stream_reader_open(const Stream *stream, Oid userid, Size memory);
extern void stream_reader_close(StreamReader *reader);

/*
 * Do messages come with their headers?  Only if a column of the stream takes
 * them, or once they are asked for: to look whether a message has any costs
 * librdkafka half as much again as to read it.
 */
extern bool stream_reader_has_headers(const StreamReader *reader);
extern void stream_reader_want_headers(StreamReader *reader);
extern StreamReaderState stream_reader_state(StreamReader *reader);

/*
 * The same without asking: stream_reader_state() asks a broker that was away,
 * now and then, whether it is back, which takes a moment.
 */
extern StreamReaderState stream_reader_last_state(StreamReader *reader);

/*
 * The number of partitions of the topic; waits, interruptibly, up to timeout_ms
 * for the broker.  0 if there is no such topic, or none that the user may see, -1 if
 * the broker did not answer: see stream_reader_state().
 */
extern int	stream_reader_partitions(StreamReader *reader, int timeout_ms);

/*
 * First retained offset and (last stable) end offset of each of n partitions.
 * False if they could not be learnt within timeout_ms.
 */
extern bool stream_reader_offsets(StreamReader *reader, int n, int64 *first,
								  int64 *end, int timeout_ms);

/*
 * For each of n partitions the offset of the first message with a Kafka
 * timestamp at or after "at" (the end offset where there is none).
 */
extern bool stream_reader_offsets_at(StreamReader *reader, int n, TimestampTz at,
									 int64 *offsets, int timeout_ms);

/*
 * Does the log remove messages that have a successor with the same key?  False,
 * too, if the broker does not say so within timeout_ms.
 */
extern bool stream_reader_is_compacted(StreamReader *reader, int timeout_ms);

/*
 * From now on read these partitions, and no others, from next_offset.  Fills in
 * nothing; positions is copied.  May be called again at any time.
 */
extern void stream_reader_assign(StreamReader *reader, const StreamPosition *positions, int n);

/*
 * Adds what is there to the batch, up to max_messages and max_memory in all (but
 * a first message always), without waiting, and brings batch->positions up to date (gaps left by
 * compaction and transactions are passed over by position and end of
 * partition, never guessed).  Returns the number of messages added.
 *
 * Errors: ERRCODE_DATA_CORRUPTED if a position is no longer, or not yet, in
 * the log (topic deleted, recreated, truncated); never for a broker that is away.
 */
extern int	stream_reader_read(StreamReader *reader, MessageBatch *batch,
							   int max_messages, Size max_memory);

/*
 * Readable when something may have arrived since stream_reader_read last
 * returned 0: for a WaitEventSet.  stream_reader_drain_fd() clears it: to be
 * called before stream_reader_read.
 */
extern pgsocket stream_reader_fd(StreamReader *reader);
extern void stream_reader_drain_fd(StreamReader *reader);

/* Waits, interruptibly, until something may have arrived, or timeout_ms. */
extern void stream_reader_wait(StreamReader *reader, int timeout_ms);

/*
 * Tells the broker's group that these offsets are done, for Kafka's own tools.
 * Asynchronous; failure is reported at DEBUG1 only.
 */
extern void stream_reader_report_offsets(StreamReader *reader,
										 const StreamPosition *positions, int n);

/* --------------------------------------------------------------- decoding */

/* Why a message is bad for a reader. */
typedef struct StreamError
{
	int			sqlerrcode;
	const char *message;		/* quotes the column, never values; lives as long
								 * as the decoder */
} StreamError;

typedef struct StreamDecoder StreamDecoder;

/*
 * A decoder for those columns of the stream whose attribute numbers are in
 * attrs (plain attribute numbers, not offset); other columns come out as NULL
 * and make no message bad.  lenient (a subset of attrs, may be NULL): columns
 * that come out as NULL when they do not convert.
 */
extern StreamDecoder *stream_decoder_create(const Stream *stream, const Bitmapset *attrs,
											const Bitmapset *lenient, MemoryContext context);

/*
 * Decodes one message into values and nulls, arrays of the relation's natts.
 * By-reference values are valid until the next call.  False: the message is
 * bad, and *error says why; nothing was thrown.  (Columns whose types have no
 * straight decoding go through their input functions, in a subtransaction when
 * "careful" or when the input function is not known to be harmless.)
 */
extern bool stream_decode(StreamDecoder *decoder, const StreamMessage *message,
						  Datum *values, bool *nulls, StreamError *error);

/*
 * Gives back what the last message took, if that was much: for a decoder that
 * may not see another one soon.
 */
extern void stream_decoder_rest(StreamDecoder *decoder);

/* ------------------------------------------------------------------ scans */

/*
 * Rows for a ForeignScan in place of the topic's.  next() fills the (cleared)
 * slot with a virtual tuple and returns true, or returns false at the end;
 * rewind() starts over.  Embed it in a struct of your own.
 */
typedef struct StreamFeed
{
	bool		(*next) (struct StreamFeed *feed, TupleTableSlot *slot);
	void		(*rewind) (struct StreamFeed *feed);
} StreamFeed;

/*
 * Attaches the feed to every ForeignScan of stream relid in a plan tree that
 * ExecutorStart has just initialised; returns how many there were.  Scans
 * without a feed contact the broker at their first row, not before.
 */
extern int	stream_feed_attach(PlanState *planstate, Oid relid, StreamFeed *feed);

/*
 * Scans of relid that are planned until the next call expect so many rows, and
 * planning asks no broker; a negative number takes that back.
 */
extern void stream_feed_expect(Oid relid, double rows);

#endif							/* KAPPA_SOURCE_H */
