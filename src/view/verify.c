/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  kappa.verify(view): does the view equal its batch answer?
 *
 * Both sides are sorted and merged, so that memory stays bounded whatever
 * their size.  Rows are compared column by column: floats to a relative
 * 1e-9 (real: 1e-5), because their sums depend on the order of the terms, and
 * what is smaller than that tolerance counts as zero, which is what may remain
 * where terms cancel out (stddev of equal values); other types by
 * their own equality, or, where a type has no btree ordering (json, point,
 * ...), by their text.  For the latter a column with the text is added behind
 * the row; sort keys are the exact columns first and the floats last, so that
 * rows which differ in rounding only stand at the same place on both sides.
 *
 * The view, its offsets, and its dead letters are read in one snapshot: the
 * one of the calling statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type_d.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "compat.h"
#include "view/answer.h"

#define FLOAT8_TOLERANCE 1e-9
#define FLOAT4_TOLERANCE 1e-5

/* How one column of the view is compared. */
typedef struct VerifyColumn
{
	bool		is_float;
	AttrNumber	sort_column;	/* itself, or the column with its text */
	FmgrInfo	out;			/* for the text */
} VerifyColumn;

typedef struct VerifyShape
{
	TupleDesc	row;			/* of the view */
	TupleDesc	sorted;			/* row, and the texts behind it */
	VerifyColumn *columns;
	int			nkeys;
	AttrNumber *keys;			/* sort columns: exact ones, then floats */
	Oid		   *operators;
	Oid		   *collations;
	bool	   *nulls_first;
	SortSupport exact;			/* comparison of the exact keys */
	int			nexact;
} VerifyShape;

/* One side: the rows of the view, or of the batch answer. */
typedef struct VerifySide
{
	DestReceiver dest;			/* first */
	const char *name;			/* of rows that stand on this side only */
	const VerifyShape *shape;
	Tuplesortstate *sort;
	TupleTableSlot *filled;		/* on its way into the sort */
	TupleTableSlot *slot;		/* on its way out */
	bool		valid;			/* slot holds a row */
	MemoryContext scratch;
	int64		rows;
} VerifySide;

static bool
is_float(Oid type)
{
	return type == FLOAT4OID || type == FLOAT8OID;
}

/* Decides how each column is compared, and what the sorted rows look like. */
static void
describe_columns(VerifyShape *shape)
{
	int			natts = shape->row->natts;
	int			nsorted = natts;

	shape->columns = palloc0(sizeof(VerifyColumn) * natts);
	for (int i = 0; i < natts; i++)
	{
		Oid			type = TupleDescAttr(shape->row, i)->atttypid;
		VerifyColumn *column = &shape->columns[i];

		column->is_float = is_float(type);
		if (OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr))
			column->sort_column = i + 1;
		else
		{
			Oid			out;
			bool		varlena;

			getTypeOutputInfo(type, &out, &varlena);
			fmgr_info(out, &column->out);
			column->sort_column = ++nsorted;
		}
	}

	shape->sorted = CreateTemplateTupleDesc(nsorted);
	for (int i = 1; i <= nsorted; i++)
		if (i <= natts)
			TupleDescCopyEntry(shape->sorted, i, shape->row, i);
		else
		{
			TupleDescInitEntry(shape->sorted, i, NULL, TEXTOID, -1, 0);
			TupleDescInitEntryCollation(shape->sorted, i, C_COLLATION_OID);
		}
}

static void
add_key(VerifyShape *shape, const VerifyColumn *column)
{
	Form_pg_attribute att = TupleDescAttr(shape->sorted, column->sort_column - 1);
	int			k = shape->nkeys++;

	shape->keys[k] = column->sort_column;
	shape->operators[k] = lookup_type_cache(att->atttypid, TYPECACHE_LT_OPR)->lt_opr;
	shape->collations[k] = att->attcollation;
	shape->nulls_first[k] = false;
}

static VerifyShape *
describe_view(const ContinuousView *cv)
{
	VerifyShape *shape = palloc0(sizeof(VerifyShape));
	Relation	rel = try_relation_open(cv->view, AccessShareLock);
	int			natts;

	/* A DROP that was waited for. */
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("continuous view %s was dropped", cv->name)));
	shape->row = CreateTupleDescCopy(RelationGetDescr(rel));
	relation_close(rel, NoLock);
	natts = shape->row->natts;
	describe_columns(shape);

	shape->keys = palloc(sizeof(AttrNumber) * natts);
	shape->operators = palloc(sizeof(Oid) * natts);
	shape->collations = palloc(sizeof(Oid) * natts);
	shape->nulls_first = palloc(sizeof(bool) * natts);
	for (int i = 0; i < natts; i++)
		if (!shape->columns[i].is_float)
			add_key(shape, &shape->columns[i]);
	shape->nexact = shape->nkeys;
	for (int i = 0; i < natts; i++)
		if (shape->columns[i].is_float)
			add_key(shape, &shape->columns[i]);

	shape->exact = palloc0(sizeof(SortSupportData) * Max(shape->nexact, 1));
	for (int k = 0; k < shape->nexact; k++)
	{
		shape->exact[k].ssup_cxt = CurrentMemoryContext;
		shape->exact[k].ssup_collation = shape->collations[k];
		shape->exact[k].ssup_nulls_first = false;
		shape->exact[k].ssup_attno = shape->keys[k];
		PrepareSortSupportFromOrderingOp(shape->operators[k], &shape->exact[k]);
	}

	return shape;
}

/* ----------------------------------------------------------- collecting rows */

static void
side_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
side_nothing(DestReceiver *self)
{
}

static bool
side_receive(TupleTableSlot *slot, DestReceiver *self)
{
	VerifySide *side = (VerifySide *) self;
	const VerifyShape *shape = side->shape;
	TupleTableSlot *to = side->filled;
	MemoryContext oldcontext;
	int			natts = shape->row->natts;

	MemoryContextReset(side->scratch);
	oldcontext = MemoryContextSwitchTo(side->scratch);
	ExecClearTuple(to);
	slot_getallattrs(slot);
	memcpy(to->tts_values, slot->tts_values, sizeof(Datum) * natts);
	memcpy(to->tts_isnull, slot->tts_isnull, sizeof(bool) * natts);
	for (int i = 0; i < natts; i++)
	{
		VerifyColumn *column = &shape->columns[i];
		int			text = column->sort_column - 1;

		if (text == i)
			continue;
		to->tts_isnull[text] = slot->tts_isnull[i];
		if (!slot->tts_isnull[i])
			to->tts_values[text] =
				CStringGetTextDatum(OutputFunctionCall(&column->out, slot->tts_values[i]));
	}
	ExecStoreVirtualTuple(to);
	MemoryContextSwitchTo(oldcontext);

	tuplesort_puttupleslot(side->sort, to);
	side->rows++;
	return true;
}

static VerifySide *
side_create(const VerifyShape *shape, const char *name)
{
	VerifySide *side = palloc0(sizeof(VerifySide));

	side->dest.receiveSlot = side_receive;
	side->dest.rStartup = side_startup;
	side->dest.rShutdown = side_nothing;
	side->dest.rDestroy = side_nothing;
	side->dest.mydest = DestNone;
	side->name = name;
	side->shape = shape;
	side->scratch = AllocSetContextCreate(CurrentMemoryContext, "kappa.verify row",
										  ALLOCSET_DEFAULT_SIZES);
	side->filled = MakeSingleTupleTableSlot(shape->sorted, &TTSOpsVirtual);
	side->slot = MakeSingleTupleTableSlot(shape->sorted, &TTSOpsMinimalTuple);
	side->sort = tuplesort_begin_heap(shape->sorted, shape->nkeys, shape->keys,
									  shape->operators, shape->collations,
									  shape->nulls_first, work_mem, NULL,
									  TUPLESORT_NONE);
	return side;
}

/* ------------------------------------------------------------------ comparing */

static void
side_advance(VerifySide *side)
{
	CHECK_FOR_INTERRUPTS();
	side->valid = tuplesort_gettupleslot(side->sort, true, false, side->slot, NULL);
}

static int
compare_exact(const VerifyShape *shape, TupleTableSlot *a, TupleTableSlot *b)
{
	for (int k = 0; k < shape->nexact; k++)
	{
		SortSupport key = &shape->exact[k];
		bool		anull;
		bool		bnull;
		Datum		av = slot_getattr(a, key->ssup_attno, &anull);
		Datum		bv = slot_getattr(b, key->ssup_attno, &bnull);
		int			result = ApplySortComparator(av, anull, bv, bnull, key);

		if (result != 0)
			return result;
	}
	return 0;
}

/* <0, 0 or >0 as btree orders floats, with all that is near enough equal. */
static int
compare_float(double a, double b, double tolerance)
{
	if (isnan(a) || isnan(b))
		return (int) isnan(a) - (int) isnan(b);
	if (a == b)
		return 0;
	if (!isinf(a) && !isinf(b) &&
		fabs(a - b) <= tolerance * Max(1.0, Max(fabs(a), fabs(b))))
		return 0;
	return a < b ? -1 : 1;
}

static int
compare_floats(const VerifyShape *shape, TupleTableSlot *a, TupleTableSlot *b)
{
	for (int k = shape->nexact; k < shape->nkeys; k++)
	{
		bool		narrow = TupleDescAttr(shape->sorted, shape->keys[k] - 1)->atttypid == FLOAT4OID;
		bool		anull;
		bool		bnull;
		Datum		av = slot_getattr(a, shape->keys[k], &anull);
		Datum		bv = slot_getattr(b, shape->keys[k], &bnull);
		int			result;

		if (anull || bnull)
			result = (int) anull - (int) bnull;
		else if (narrow)
			result = compare_float(DatumGetFloat4(av), DatumGetFloat4(bv), FLOAT4_TOLERANCE);
		else
			result = compare_float(DatumGetFloat8(av), DatumGetFloat8(bv), FLOAT8_TOLERANCE);
		if (result != 0)
			return result;
	}
	return 0;
}

/* Gives out the row of one side that the other does not have. */
static void
emit_difference(ReturnSetInfo *rsinfo, const VerifySide *side)
{
	const VerifyShape *shape = side->shape;
	MemoryContext oldcontext;
	HeapTuple	row;
	Datum		json;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	MemoryContextReset(side->scratch);
	oldcontext = MemoryContextSwitchTo(side->scratch);
	slot_getallattrs(side->slot);
	row = heap_form_tuple(shape->row, side->slot->tts_values, side->slot->tts_isnull);
	json = DirectFunctionCall1(row_to_json, HeapTupleGetDatum(row));
	values[0] = CStringGetTextDatum(side->name);
	values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(json)));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	MemoryContextSwitchTo(oldcontext);
}

static int64
emit_differences(ReturnSetInfo *rsinfo, VerifySide *answer, VerifySide *view)
{
	const VerifyShape *shape = answer->shape;
	int64		differences = 0;

	tuplesort_performsort(answer->sort);
	tuplesort_performsort(view->sort);
	side_advance(answer);
	side_advance(view);
	while (answer->valid || view->valid)
	{
		int			order;

		if (!answer->valid)
			order = 1;
		else if (!view->valid)
			order = -1;
		else
		{
			order = compare_exact(shape, answer->slot, view->slot);
			if (order == 0)
				order = compare_floats(shape, answer->slot, view->slot);
		}

		if (order != 0)
		{
			emit_difference(rsinfo, order < 0 ? answer : view);
			differences++;
		}
		if (order <= 0)
			side_advance(answer);
		if (order >= 0)
			side_advance(view);
	}
	tuplesort_end(answer->sort);
	tuplesort_end(view->sort);

	return differences;
}

/* ------------------------------------------------------------------- the call */

static char *
describe_offsets(const ConsumerPosition *position)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < position->npositions; i++)
		appendStringInfo(&buf, "%spartition %d: " INT64_FORMAT " to " INT64_FORMAT,
						 i > 0 ? ", " : "", position->positions[i].partition,
						 position->start_offsets[i], position->positions[i].next_offset);
	return buf.data;
}

/* The ordinary tables that the definition reads, as "a, b"; "" if none. */
static void
collect_tables(Query *query, Oid stream, StringInfo buf)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_SUBQUERY)
			collect_tables(rte->subquery, stream, buf);
		else if (rte->rtekind == RTE_RELATION && rte->relid != stream &&
				 rte->inFromCl)
			appendStringInfo(buf, "%s%s", buf->len > 0 ? ", " : "",
							 view_relation_name(rte->relid));
	}
}

static char *
joined_tables(const ContinuousView *cv)
{
	Relation	rel = table_open(cv->definition, AccessShareLock);
	StringInfoData buf;

	initStringInfo(&buf);
	collect_tables(get_view_query(rel), cv->stream, &buf);
	table_close(rel, NoLock);
	return buf.data;
}

static void
report_summary(const ContinuousView *cv, const ConsumerPosition *position,
			   const AnswerSummary *summary, int64 rows, int64 differences)
{
	char	   *joined = joined_tables(cv);

	if (summary->compacted)
		ereport(WARNING,
				(errmsg("topic \"%s\" of continuous view %s is compacted",
						stream_open(cv->stream)->topic, cv->name),
				 errdetail("Messages that the view has counted may have been removed since; differences can come from that alone.")));
	ereport(NOTICE,
			(errmsg("continuous view %s: " INT64_FORMAT " rows from " INT64_FORMAT
					" messages compared, " INT64_FORMAT " differences",
					cv->name, rows, summary->messages, differences),
			 errdetail("Late: 0. Dead letters: " INT64_FORMAT ". Offsets: %s.%s%s%s",
					   summary->dead_letters,
					   position->npositions > 0 ? describe_offsets(position) : "none yet",
					   joined[0] ? " Joined tables, as they are now: " : "",
					   joined, joined[0] ? "." : "")));
}

PG_FUNCTION_INFO_V1(kappa_verify);

/* kappa.verify(view regclass) -> table(side text, "row" jsonb) */
Datum
kappa_verify(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ContinuousView *cv;
	ConsumerPosition *position;
	VerifyShape *shape;
	VerifySide *expected;
	VerifySide *found;
	AnswerSummary summary;
	ViewIdentity save;
	int64		differences;

	view_check_owner(view);
	InitMaterializedSRF(fcinfo, 0);

	cv = view_get(view);
	position = view_position(cv);
	shape = describe_view(cv);
	expected = side_create(shape, "missing");
	found = side_create(shape, "unexpected");

	view_enter(cv, &save);
	view_run(cv, psprintf("SELECT * FROM %s", view_relation_name(view)), NULL, -1,
			 &found->dest);
	view_leave(&save);
	summary = view_batch_answer(cv, position, &expected->dest);

	/* Comparing and printing may call casts and operators of users'. */
	view_enter(cv, &save);
	differences = emit_differences(rsinfo, expected, found);
	view_leave(&save);
	report_summary(cv, position, &summary, found->rows, differences);

	return (Datum) 0;
}
