/*-------------------------------------------------------------------------
 *
 * hyperloglog.h
 *	  HyperLogLog: a state in memory, its stored form, its estimate.
 *
 * hyperloglog_core.c explains the algorithm; hyperloglog_format.c the bytes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_HYPERLOGLOG_H
#define KAPPA_HYPERLOGLOG_H

#define HLL_MIN_PRECISION		4
#define HLL_MAX_PRECISION		18
#define HLL_DEFAULT_PRECISION	12

#define HLL_REGISTERS(precision)	(1 << (precision))
/* the highest rank: all remaining bits of the hash are zero */
#define HLL_MAX_RANK(precision)		(64 - (precision) + 1)

/*
 * Tokens, of which a sparse state is a set: the low HLL_TOKEN_BITS bits of a
 * hash as its index, and below them the rank of the hash's remaining bits.
 * Never 0, because ranks start at 1.  Two tokens with the same index are one
 * with the higher rank.  The rank matters only if all bits of the index above
 * the precision are zero; else it is kept as 1.
 */
#define HLL_TOKEN_BITS			26
#define HLL_TOKEN_RANK_BITS		6
#define HLL_TOKEN_MAX_RANK		(64 - HLL_TOKEN_BITS + 1)
#define HLL_TOKEN(index, rank)	(((uint32) (index) << HLL_TOKEN_RANK_BITS) | (rank))
#define HLL_TOKEN_INDEX(token)	((token) >> HLL_TOKEN_RANK_BITS)
#define HLL_TOKEN_RANK(token)	((token) & ((1 << HLL_TOKEN_RANK_BITS) - 1))

/* A state is sparse as long as it has at most so many tokens. */
#define HLL_MAX_TOKENS(precision)	(HLL_REGISTERS(precision) / 8)

/*
 * How a state in memory keeps its content.  Which one is nothing that can be
 * seen from outside: the stored form depends on the content alone.
 */
typedef enum HllForm
{
	HLL_LIST,					/* tokens in ascending order */
	HLL_TABLE,					/* tokens in a hash table, for adding values */
	HLL_DENSE					/* one byte for each register */
} HllForm;

typedef struct HyperLogLog
{
	MemoryContext context;		/* where everything below is allocated */
	HllForm		form;
	int			precision;
	uint32		ntokens;		/* not HLL_DENSE */
	uint32		capacity;		/* of tokens[]; a power of two if HLL_TABLE */
	uint32	   *tokens;			/* HLL_TABLE: 0 is an empty slot */
	uint8	   *registers;		/* HLL_DENSE */
} HyperLogLog;

/* ---- hyperloglog_core.c: registers, tokens and the estimate; allocates nothing */

extern void kappa_hll_registers_add(uint8 *registers, int precision, uint64 hash);
extern void kappa_hll_registers_add_token(uint8 *registers, int precision, uint32 token);

/*
 * target |= source, folding the source if its precision is higher.  They are
 * different registers.
 */
extern void kappa_hll_registers_merge(uint8 *target, int target_precision,
									  const uint8 *source, int source_precision);

extern uint32 kappa_hll_token_from_hash(uint64 hash, int precision);

/* The same token in a state of lower precision may have to keep less. */
extern uint32 kappa_hll_token_fold(uint32 token, int precision);

/* Sorts by radix; scratch has room for n as well. */
extern void kappa_hll_tokens_sort(uint32 *tokens, uint32 *scratch, uint32 n);

/* Merges two ascending lists; result has room for both.  Gives its length. */
extern uint32 kappa_hll_tokens_merge(const uint32 *a, uint32 na,
									 const uint32 *b, uint32 nb, uint32 *result);

/* The estimated number of distinct values. */
extern double kappa_hll_registers_estimate(const uint8 *registers, int precision);
extern double kappa_hll_tokens_estimate(uint32 ntokens);

/* ---- hyperloglog_format.c: the stored form, doc/hyperloglog-format.md */

#define HLL_HEADER_SIZE		2

/*
 * What the header of a stored state says.  kappa_hll_format_open gives NULL, or
 * what is wrong with it.  The pointer is into the caller's bytes.
 */
typedef struct HllStored
{
	int			precision;
	bool		dense;
	const uint8 *data;			/* what follows the header */
	size_t		size;			/* its length in bytes */
} HllStored;

extern const char *kappa_hll_format_open(HllStored *stored, const uint8 *bytes, size_t size);

/* Enough for the tokens of any sparse state, and for any state's bytes. */
extern size_t kappa_hll_format_tokens_bound(const HllStored *stored);
extern size_t kappa_hll_format_size_bound(const HyperLogLog *hll);

/*
 * Decoding never reads outside the bytes and never gives more than the
 * bounds, whatever the bytes are; each gives NULL, or what is wrong.
 */
extern const char *kappa_hll_format_read_tokens(const HllStored *stored,
												uint32 *tokens, uint32 *ntokens);
extern const char *kappa_hll_format_read_registers(const HllStored *stored,
												   uint8 *registers);

/* Writes a state; gives the number of bytes. */
extern size_t kappa_hll_format_write_tokens(uint8 *bytes, int precision,
											const uint32 *tokens, uint32 ntokens);
extern size_t kappa_hll_format_write_registers(uint8 *bytes, int precision,
											   const uint8 *registers);

/* ---- hyperloglog_state.c: states that grow */

/* An empty state, allocated in context. */
extern HyperLogLog *kappa_hll_create(MemoryContext context, int precision);

extern void kappa_hll_add_hash(HyperLogLog *hll, uint64 hash);

/*
 * Many tokens will be added: keep them in a table from now on.  Without it a
 * union of two lists is a list, the quickest way to unite just two.
 */
extern void kappa_hll_expect_more(HyperLogLog *hll);

/* Makes a state dense, whatever its size; gives the registers. */
extern uint8 *kappa_hll_make_dense(HyperLogLog *hll);

/* target |= source, at the lower precision of both; source is not changed. */
extern void kappa_hll_union(HyperLogLog *target, const HyperLogLog *source);

/* Lowers the precision, if it is higher. */
extern void kappa_hll_fold(HyperLogLog *hll, int precision);

extern HyperLogLog *kappa_hll_copy(MemoryContext context, const HyperLogLog *hll);

/* The estimated number of distinct values, and as a whole number. */
extern double kappa_hll_estimate(const HyperLogLog *hll);
extern int64 kappa_hll_cardinality(const HyperLogLog *hll);

/* An error with SQLSTATE 22023 unless a state can have this precision. */
extern int	kappa_hll_check_precision(int precision);

/*
 * From and to the stored form.  Both reading functions raise an error with
 * SQLSTATE 22P03 if the bytes are not a state; the second also if they are
 * not its one canonical form: for bytes from outside.
 */
extern HyperLogLog *kappa_hll_decode(MemoryContext context, const uint8 *bytes, size_t size);
extern void kappa_hll_check_canonical(const uint8 *bytes, size_t size);
extern bytea *kappa_hll_encode(const HyperLogLog *hll);	/* palloc'd */

#endif							/* KAPPA_HYPERLOGLOG_H */
