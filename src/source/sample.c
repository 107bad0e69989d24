/*-------------------------------------------------------------------------
 *
 * sample.c
 *	  A sample of a stream, for ANALYZE.
 *
 * To read all of a log would take too long, and to ask for single messages, too:
 * a broker sends what lies together.  So the sample consists of stretches, each
 * at a random place of an equal section of its partition.  There are as many
 * sections as rounds; in a round one stretch of each partition is read.  A log
 * with no more messages than rows are wanted is read as a whole.
 *
 * A round ends early when it has read its share of maintenance_work_mem.  The
 * number of rows in all follows from the offsets that were passed over and
 * the rows found there, so it is also right where a log has holes.
 *
 * A bad message gives no row, and a column that does not convert is null: other
 * columns are worth knowing.  Trouble ends the sample with a warning.  Statistics
 * are made as the stream's owner, whose user mapping counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "source/attempt.h"
#include "source/extent.h"
#include "source/sample.h"
#include "source/source.h"

#define ROUNDS				16

/* What is copied at a time. */
#define BATCH_BYTES			(1024 * 1024)
#define BATCH_MESSAGES		1000

/* How long a broker may be away. */
#define CONTACT_TIMEOUT_MS	10000

/* What ANALYZE is told of a message's size: it weighs children by pages. */
#define MESSAGES_PER_PAGE	50

typedef struct Sample
{
	Relation	relation;
	HeapTuple  *rows;			/* to be filled, in this context */
	MemoryContext context;
	int			wanted;
	int			count;

	Stream	   *stream;
	StreamReader *reader;
	StreamDecoder *decoder;
	MessageBatch *batch;
	LogExtent	log;			/* all there is */
	LogExtent	stretch;		/* of this round */
	Size		bytes;			/* read in this round */
	double		passed;			/* offsets */
	double		found;			/* rows there, even if there were too many */
} Sample;

/* Chooses this round's stretch of each partition. */
static void
choose_stretches(Sample *sample, int round)
{
	double		share = Min(1.0, sample->wanted / (double) Max(extent_messages(&sample->log), 1));

	for (int i = 0; i < sample->log.npartitions; i++)
	{
		int64		first = sample->log.first[i];
		int64		messages = Max(sample->log.end[i] - first, 0);
		int64		section = messages / ROUNDS;
		int64		length = (int64) ceil(section * share);

		sample->stretch.first[i] = sample->stretch.end[i] = first;
		if (share == 1.0)
		{
			if (round == 0)
				sample->stretch.end[i] = sample->log.end[i];
			continue;
		}

		/* What does not divide evenly belongs to the last section. */
		first += round * section;
		if (round == ROUNDS - 1)
		{
			section = sample->log.end[i] - first;
			length = (int64) ceil(section * share);
		}
		if (section == 0)
			continue;
		first += pg_prng_uint64_range(&pg_global_prng_state, 0, section - length);
		sample->stretch.first[i] = first;
		sample->stretch.end[i] = first + length;
	}
}

/* Adds a message's row, if it belongs to the stretch and gives one. */
static void
take_message(Sample *sample, const StreamMessage *message, Datum *values, bool *nulls)
{
	MemoryContext oldcontext;
	StreamError error;

	if (message->offset < sample->stretch.first[message->partition] ||
		message->offset >= sample->stretch.end[message->partition])
		return;
	sample->bytes += message->value_len + message->key_len;
	if (!stream_decode(sample->decoder, message, values, nulls, &error))
		return;
	sample->found++;
	if (sample->count >= sample->wanted)
		return;

	oldcontext = MemoryContextSwitchTo(sample->context);
	sample->rows[sample->count++] = heap_form_tuple(RelationGetDescr(sample->relation),
													values, nulls);
	MemoryContextSwitchTo(oldcontext);
}

/* Adds the batch's rows. */
static void
take_batch(Sample *sample)
{
	int			natts = RelationGetDescr(sample->relation)->natts;
	Datum	   *values = palloc0(natts * sizeof(Datum));
	bool	   *nulls = palloc(natts * sizeof(bool));

	memset(nulls, true, natts * sizeof(bool));
	for (int i = 0; i < sample->batch->count; i++)
		take_message(sample, &sample->batch->messages[i], values, nulls);
	pfree(values);
	pfree(nulls);
}

/* Offsets of the stretches that have been passed over; sets whether that is all. */
static double
count_passed(Sample *sample, bool *complete)
{
	double		passed = 0;

	*complete = true;
	for (int i = 0; i < sample->batch->npositions; i++)
	{
		StreamPosition *position = &sample->batch->positions[i];
		int64		end = sample->stretch.end[position->partition];

		passed += Min(position->next_offset, end) - sample->stretch.first[position->partition];
		if (position->next_offset < end)
			*complete = false;
	}
	return passed;
}

/* Reads this round's stretches, or as much of them as a round may. */
static void
read_stretches(Sample *sample, Size max_bytes)
{
	TimestampTz contact = GetCurrentTimestamp();
	double		passed = 0;
	bool		complete = false;

	sample->bytes = 0;
	while (!complete && sample->bytes < max_bytes)
	{
		double		before = passed;

		CHECK_FOR_INTERRUPTS();
		message_batch_reset(sample->batch);
		(void) stream_reader_read(sample->reader, sample->batch, BATCH_MESSAGES, BATCH_BYTES);
		take_batch(sample);
		passed = count_passed(sample, &complete);

		/* What comes after the stretches, perhaps without end, does not count. */
		if (passed > before)
			contact = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(contact, GetCurrentTimestamp(), CONTACT_TIMEOUT_MS))
			ereport(ERROR,
					(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
					 errmsg("no answer from the broker")));
		if (sample->batch->count == 0 && !complete)
			stream_reader_wait(sample->reader, 1000);
	}
	sample->passed += passed;
}

/* All columns; none makes a message bad. */
static void
open_decoder(Sample *sample)
{
	TupleDesc	tupdesc = RelationGetDescr(sample->relation);
	Bitmapset  *columns = NULL;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (!TupleDescAttr(tupdesc, i)->attisdropped)
			columns = bms_add_member(columns, i + 1);
	}
	sample->decoder = stream_decoder_create(sample->stream, columns, columns,
											CurrentMemoryContext);
}

/* Fills the sample. */
static void
read_sample(void *arg)
{
	Sample	   *sample = arg;
	Size		max_bytes = (Size) maintenance_work_mem * 1024 / ROUNDS;

	sample->stream = stream_open(RelationGetRelid(sample->relation));
	open_decoder(sample);
	sample->batch = message_batch_create(CurrentMemoryContext);
	sample->reader = extent_reader(sample->stream, GetUserId());
	sample->stretch.npartitions = sample->log.npartitions;
	sample->stretch.first = palloc((sample->log.npartitions + 1) * sizeof(int64));
	sample->stretch.end = palloc((sample->log.npartitions + 1) * sizeof(int64));

	for (int round = 0; round < ROUNDS; round++)
	{
		choose_stretches(sample, round);
		if (extent_assign(&sample->stretch, sample->reader))
			read_stretches(sample, max_bytes);
	}
	stream_reader_close(sample->reader);
}

static int
acquire_sample(Relation relation, int elevel, HeapTuple *rows, int targrows,
			   double *totalrows, double *totaldeadrows)
{
	Sample		sample = {relation, rows, CurrentMemoryContext, targrows};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_kappa sample",
												  ALLOCSET_DEFAULT_SIZES);
	char	   *failure;

	MemoryContextSwitchTo(context);
	failure = extent_learn(&sample.log, RelationGetRelid(relation), GetUserId(),
						   CONTACT_TIMEOUT_MS);
	if (failure == NULL)
		failure = attempt(read_sample, &sample);
	if (failure)
		ereport(WARNING,
				(errmsg("sample of \"%s\" is not complete", RelationGetRelationName(relation)),
				 errdetail("%s", failure)));

	/* If the broker has gone since sample_plan(), what was known stays. */
	*totalrows = sample.log.npartitions > 0 ? extent_messages(&sample.log) :
		Max(relation->rd_rel->reltuples, 0);
	if (sample.passed > 0)
		*totalrows *= Min(sample.found / sample.passed, 1.0);
	*totaldeadrows = 0;
	ereport(elevel,
			(errmsg("\"%s\": %d rows in sample, %.0f estimated total rows",
					RelationGetRelationName(relation), sample.count, *totalrows)));

	MemoryContextSwitchTo(sample.context);
	MemoryContextDelete(context);
	return sample.count;
}

bool
sample_plan(Relation relation, AcquireSampleRowsFunc *acquire, BlockNumber *pages)
{
	LogExtent	log;
	char	   *failure = extent_learn(&log, RelationGetRelid(relation), GetUserId(),
									   CONTACT_TIMEOUT_MS);

	if (failure)
	{
		ereport(WARNING,
				(errmsg("could not sample stream \"%s\"", RelationGetRelationName(relation)),
				 errdetail("%s", failure)));
		return false;
	}
	*acquire = acquire_sample;
	*pages = 1 + Min(extent_messages(&log) / MESSAGES_PER_PAGE, MaxBlockNumber - 1);
	return true;
}
