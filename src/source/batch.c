/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  MessageBatch: messages that were read together, and their memory.
 *
 * A batch may hold a million messages, so payloads are not allocated one by
 * one: they are laid end to end into blocks of BLOCK_SIZE.  A vectorised
 * parser may read MESSAGE_PADDING bytes past any of them: so many are left free
 * at the end of each block.  A reset starts
 * again at the first block, so that a worker that goes from batch to batch
 * asks the system for memory once.  A message that is too long for a block
 * has a block of its own, which a reset gives back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "source/message.h"

#define BLOCK_SIZE			(1024 * 1024)
#define INITIAL_MESSAGES	1024

/*
 * Besides its bytes a message takes its place in the batch.  And any of them may
 * turn out bad, or all: then whoever reads the batch takes two notes of 16 bytes.
 */
#define MESSAGE_OVERHEAD	(sizeof(StreamMessage) + 2 * 16)

typedef struct BatchMemory
{
	MessageBatch batch;			/* must be first: what the outside sees */
	MemoryContext long_messages;	/* payloads beyond BLOCK_SIZE */
	char	  **blocks;
	int			nblocks;
	int			block_capacity;
	int			current;		/* block in use */
	Size		used;			/* bytes of it */
	int			position_capacity;
} BatchMemory;

MessageBatch *
message_batch_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_kappa messages",
												  ALLOCSET_DEFAULT_SIZES);
	BatchMemory *memory;

	memory = MemoryContextAllocZero(context, sizeof(BatchMemory));
	memory->batch.context = context;
	memory->long_messages = AllocSetContextCreate(context, "pg_kappa long messages",
												  ALLOCSET_DEFAULT_SIZES);
	memory->batch.capacity = INITIAL_MESSAGES;
	memory->batch.messages = MemoryContextAlloc(context,
												INITIAL_MESSAGES * sizeof(StreamMessage));
	memory->block_capacity = 16;
	memory->blocks = MemoryContextAlloc(context, memory->block_capacity * sizeof(char *));
	memory->blocks[0] = MemoryContextAlloc(context, BLOCK_SIZE);
	memory->nblocks = 1;

	return &memory->batch;
}

void
message_batch_reset(MessageBatch *batch)
{
	BatchMemory *memory = (BatchMemory *) batch;

	batch->count = 0;
	batch->bytes = 0;
	batch->memory = 0;
	memory->current = 0;
	memory->used = 0;
	MemoryContextReset(memory->long_messages);
}

void
message_batch_shrink(MessageBatch *batch)
{
	BatchMemory *memory = (BatchMemory *) batch;

	message_batch_reset(batch);
	while (memory->nblocks > 1)
		pfree(memory->blocks[--memory->nblocks]);
	if (batch->capacity > INITIAL_MESSAGES)
	{
		batch->capacity = INITIAL_MESSAGES;
		batch->messages = repalloc_huge(batch->messages,
										INITIAL_MESSAGES * sizeof(StreamMessage));
	}
}

Size
message_memory(Size bytes)
{
	return bytes + MESSAGE_OVERHEAD;
}

/* Room for size bytes, and MESSAGE_PADDING readable ones after them. */
static char *
batch_alloc(BatchMemory *memory, Size size)
{
	MemoryContext context = memory->batch.context;

	if (size + MESSAGE_PADDING > BLOCK_SIZE)
		return MemoryContextAllocHuge(memory->long_messages, size + MESSAGE_PADDING);

	if (memory->used + size + MESSAGE_PADDING > BLOCK_SIZE)
	{
		if (memory->current + 1 == memory->nblocks)
		{
			if (memory->nblocks == memory->block_capacity)
			{
				memory->blocks = repalloc(memory->blocks,
										  2 * memory->block_capacity * sizeof(char *));
				memory->block_capacity *= 2;
			}
			memory->blocks[memory->nblocks] = MemoryContextAlloc(context, BLOCK_SIZE);
			memory->nblocks++;
		}
		memory->current++;
		memory->used = 0;
	}

	memory->used += size;
	return memory->blocks[memory->current] + memory->used - size;
}

StreamMessage *
message_batch_add(MessageBatch *batch, const void *value, Size value_len,
				  const void *key, Size key_len, Size headers_len)
{
	BatchMemory *memory = (BatchMemory *) batch;
	StreamMessage *message;
	Size		bytes = value_len + key_len + headers_len;
	char	   *place;

	if (batch->count == batch->capacity)
	{
		batch->messages = repalloc_huge(batch->messages,
										2 * (Size) batch->capacity * sizeof(StreamMessage));
		batch->capacity *= 2;
	}

	place = batch_alloc(memory, bytes);

	message = &batch->messages[batch->count++];
	message->key = key ? place : NULL;
	message->key_len = key_len;
	if (key_len > 0)
		memcpy(place, key, key_len);
	place += key_len;
	message->headers = headers_len > 0 ? place : NULL;
	message->headers_len = headers_len;
	place += headers_len;

	message->value = value ? place : NULL;
	message->value_len = value_len;
	if (value_len > 0)
		memcpy(place, value, value_len);

	batch->bytes += bytes;
	batch->memory += message_memory(bytes);
	return message;
}

void
message_batch_restore(MessageBatch *batch, int32 partition, int64 offset,
					  TimestampTz timestamp, const bytea *key, const bytea *value,
					  Datum headers)
{
	int32		headers_len = 0;
	char	   *packed = NULL;
	StreamMessage *message;

	if (headers != (Datum) 0)
		packed = headers_from_jsonb(DatumGetJsonbP(headers), &headers_len);

	message = message_batch_add(batch,
								value ? VARDATA_ANY(value) : NULL,
								value ? VARSIZE_ANY_EXHDR(value) : 0,
								key ? VARDATA_ANY(key) : NULL,
								key ? VARSIZE_ANY_EXHDR(key) : 0,
								headers_len);
	if (headers_len > 0)
		memcpy(unconstify(char *, message->headers), packed, headers_len);
	message->partition = partition;
	message->offset = offset;
	message->timestamp = timestamp;
}

StreamPosition *
message_batch_positions(MessageBatch *batch, int n)
{
	BatchMemory *memory = (BatchMemory *) batch;

	if (n > memory->position_capacity)
	{
		StreamPosition *positions = MemoryContextAlloc(batch->context,
													   n * sizeof(StreamPosition));

		if (batch->positions)
			pfree(batch->positions);
		batch->positions = positions;
		memory->position_capacity = n;
	}
	batch->npositions = n;
	return batch->positions;
}

void
message_identify(const StreamMessage *message, StreamPosition *position)
{
	uint64		hash;

	/* A message without key is not one with an empty key. */
	hash = hash_bytes_extended((const unsigned char *) message->key,
							   message->key_len, message->key ? 1 : 0);
	hash = hash_bytes_extended((const unsigned char *) message->value,
							   message->value_len, hash + (message->value ? 1 : 0));
	position->last_offset = message->offset;
	position->last_timestamp = message->timestamp;
	position->last_hash = (int64) hash;
}
