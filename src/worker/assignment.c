/*-------------------------------------------------------------------------
 *
 * assignment.c
 *	  Which consumers a worker drives.
 *
 * Each worker counts through the database's views, in an order that is the same
 * for all of them, and takes every total'th, beginning at its rank.  So they
 * agree without talking; when workers come or go each renews its assignment,
 * and in between the consumers' locks see to it that none has two drivers.
 *
 * The catalog is looked at only when there is a reason: a commit that says so
 * (shmem.c), a worker that came or went, an invalidation of something that
 * readers are made from, an error that may mean that a view is gone, and now
 * and then just in case.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/extension.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "worker/worker_loop.h"

/* Look at the catalog again even if nobody said that something changed. */
#define LOOK_MS 30000

#define MIN_READER_MEMORY ((Size) 1024 * 1024)

dlist_head	worker_consumers = DLIST_STATIC_INIT(worker_consumers);
int			worker_nconsumers = 0;

static WorkerMembership seen;	/* at the last look */
static TimestampTz next_look = 0;
static bool options_may_have_changed = false;

/* ------------------------------------------------------ reasons for a look */

void
worker_look_again(void)
{
	next_look = 0;
}

bool
worker_options_in_doubt(void)
{
	return options_may_have_changed;
}

static void
options_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	options_may_have_changed = true;
}

static void
relation_callback(Datum arg, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &worker_consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (!OidIsValid(relid) || consumer->view == relid ||
			(consumer->stream && consumer->stream->relid == relid))
			options_may_have_changed = true;
	}
}

void
assignment_start(void)
{
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, options_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, options_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, options_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, options_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, options_callback, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_callback, (Datum) 0);
}

/* ------------------------------------------------- taking up and giving up */

static Consumer *
find_consumer(int id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &worker_consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (consumer->id == id)
			return consumer;
	}
	return NULL;
}

/* Views may be renamed. */
static void
set_name(Consumer *consumer, const char *name)
{
	char	   *copy = MemoryContextStrdup(TopMemoryContext, name);

	if (consumer->name)
		pfree(consumer->name);
	consumer->name = copy;
}

static void
keep_consumer(const ContinuousView *cv)
{
	Consumer   *consumer = find_consumer(cv->consumer);

	if (consumer && (consumer->view != cv->view || consumer->generation != cv->generation))
		return;					/* its number was given anew: next time */
	if (consumer == NULL)
	{
		consumer = MemoryContextAllocZero(TopMemoryContext, sizeof(Consumer));
		consumer->id = cv->consumer;
		consumer->view = cv->view;
		consumer->generation = cv->generation;
		consumer->batch_limit = worker_batch_rows;
		dlist_push_tail(&worker_consumers, &consumer->node);
		worker_nconsumers++;
	}
	set_name(consumer, cv->name);

	/* kappa.resume takes notes away; and one may not have been written at all. */
	consumer->trouble = cv->error != NULL;
	consumer->keep = true;
}

static void
drop_others(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &worker_consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (consumer->keep)
			continue;
		worker_close_consumer(consumer);
		consumer_unlock(consumer);
		dlist_delete(&consumer->node);
		pfree(consumer->name);
		pfree(consumer);
		worker_nconsumers--;
	}
}

Size
assignment_reader_memory(void)
{
	Size		share = (Size) worker_memory * 1024 / 8 * 3;

	return Max(share / Max(worker_nconsumers, 1), MIN_READER_MEMORY);
}

/* Readers that were opened when there were far fewer take too much by now. */
static void
close_greedy_readers(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &worker_consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		if (consumer->reader && consumer->reader_memory / 4 > assignment_reader_memory())
			worker_close_consumer(consumer);
	}
}

/* ------------------------------------------------------------ the division */

static bool
has_something_to_do(const ContinuousView *cv)
{
	return !cv->paused && !cv->failed && !cv->foreign_origin;
}

/*
 * The database's continuous views; NIL also without the extension.  False while
 * somebody is dropping it.
 */
static bool
read_views(List **views)
{
	*views = NIL;
	if (!OidIsValid(get_extension_oid("pg_kappa", true)))
		return true;
	if (!view_catalog_is_free())
		return false;
	*views = view_list();
	return true;
}

/*
 * Takes up, keeps or gives up consumers: every total'th view is ours, those
 * that are paused counted too, so that pausing one moves no other.  False if
 * there is nothing left to do.
 */
static bool
divide_consumers(void)
{
	List	   *views;
	ListCell   *lc;
	dlist_iter	iter;
	int			active = 0;
	int			number = 0;

	dlist_foreach(iter, &worker_consumers)
		dlist_container(Consumer, node, iter.cur)->keep = false;

	worker_begin();
	if (!read_views(&views))
	{
		worker_commit();
		worker_look_again();
		return true;
	}
	foreach(lc, views)
	{
		ContinuousView *cv = lfirst(lc);
		bool		mine = number++ % seen.total == seen.rank;

		if (!has_something_to_do(cv))
			continue;
		active++;
		if (mine)
			keep_consumer(cv);
	}
	drop_others();
	close_greedy_readers();
	worker_commit();

	if (views == NIL || seen.rank >= Max(Min(worker_limit, active), 1))
		return false;
	shmem_note_views(seen.changes, active);
	return true;
}

static void
check_options(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &worker_consumers)
	{
		Consumer   *consumer = dlist_container(Consumer, node, iter.cur);

		consumer->check_options = true;

		/* What it stumbled over may be mended. */
		if (consumer->state == CONSUMER_CLOSED)
			consumer->retry_at = 0;
	}
}

bool
assignment_renew(void)
{
	TimestampTz now = GetCurrentTimestamp();
	WorkerMembership current = shmem_membership();

	if (current.stop)
		return false;

	if (current.changes != seen.changes || current.members != seen.members ||
		now >= next_look || options_may_have_changed)
	{
		seen = current;
		next_look = TimestampTzPlusMilliseconds(now, LOOK_MS);
		if (!divide_consumers())
		{
			if (seen.rank > 0 || shmem_leave_if_idle(seen.changes))
				return false;
			worker_look_again();
		}
	}
	if (options_may_have_changed)
	{
		options_may_have_changed = false;
		check_options();
	}
	return true;
}
