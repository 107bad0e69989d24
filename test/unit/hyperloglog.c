/*
 * The core of hyperloglog without a server: its files are compiled with
 * PostgreSQL's headers and linked with the few functions of the server that
 * they call, defined here.  So millions of states can be simulated, and the
 * sanitizers and valgrind see every access.  Prints TAP.
 *
 *	hyperloglog laws SETS		merge laws, formats, hostile bytes
 *	hyperloglog accuracy SETS	bias and error from 1 to 10^9 values
 */
#include "postgres.h"

#include <math.h>
#include <setjmp.h>

#include "compat.h"
#include "types/hyperloglog.h"
#include "types/types.h"

/* libc's, not libpgport's */
#undef printf
#undef vprintf

/* -------------------------------------- what the server would have provided */

MemoryContext CurrentMemoryContext = NULL;
const uint8 pg_leftmost_one_pos[256];
const uint8 pg_rightmost_one_pos[256];
static jmp_buf on_error;
static bool error_expected = false;

void *palloc(Size size) { return malloc(Max(size, 1)); }
void *palloc0(Size size) { return calloc(Max(size, 1), 1); }
void pfree(void *pointer) { free(pointer); }
void *MemoryContextAlloc(MemoryContext context, Size size) { return palloc(size); }
void *MemoryContextAllocZero(MemoryContext context, Size size) { return palloc0(size); }
void *MemoryContextAllocZeroAligned(MemoryContext context, Size size) { return palloc0(size); }
bool errstart(int elevel, const char *domain) { return true; }
bool errstart_cold(int elevel, const char *domain) { return true; }
int errcode(int sqlerrcode) { return 0; }
int errmsg(const char *fmt,...) { return 0; }
int errdetail_internal(const char *fmt,...) { return 0; }
void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (error_expected)
		longjmp(on_error, 1);
	printf("Bail out! unexpected error at %s:%d\n", filename, lineno);
	exit(1);
}

/* ------------------------------------------------------------------- TAP */

static int	tests = 0;
static int	failures = 0;

static void
ok(bool success, const char *fmt,...)
{
	va_list		args;

	printf("%sok %d - ", success ? "" : "not ", ++tests);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	failures += !success;
}

/* ---------------------------------------------------------------- random */

static uint64 random_state;

/* splitmix64 */
static uint64
random64(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static double
random_unit(void)
{
	return ((random64() >> 11) + 0.5) / (UINT64CONST(1) << 53);
}

static double
random_normal(void)
{
	return sqrt(-2 * log(random_unit())) * cos(2 * M_PI * random_unit());
}

/* ---------------------------------------------------------------- states */

static void
release(HyperLogLog *hll)
{
	free(hll->tokens);
	free(hll->registers);
	free(hll);
}

static bool
same_bytes(const bytea *a, const bytea *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

/* Are the stored forms the same?  Frees nothing. */
static bool
same(const HyperLogLog *a, const HyperLogLog *b)
{
	bytea	   *bytes_a = kappa_hll_encode(a);
	bytea	   *bytes_b = kappa_hll_encode(b);
	bool		result = same_bytes(bytes_a, bytes_b);

	free(bytes_a);
	free(bytes_b);
	return result;
}

/* As a stored state comes back. */
static HyperLogLog *
reread(const HyperLogLog *hll)
{
	bytea	   *bytes = kappa_hll_encode(hll);
	HyperLogLog *result = kappa_hll_decode(NULL, (uint8 *) VARDATA(bytes),
										   VARSIZE(bytes) - VARHDRSZ);

	free(bytes);
	return result;
}

/* The state of the hashes from .. to - 1. */
static HyperLogLog *
state_of(const uint64 *hashes, int from, int to, int precision)
{
	HyperLogLog *hll = kappa_hll_create(NULL, precision);

	for (int i = from; i < to; i++)
		kappa_hll_add_hash(hll, hashes[i]);
	return hll;
}

/*
 * Hashes of n values; some share tokens, some have extreme ranks.
 */
static uint64 *
make_hashes(int n)
{
	uint64	   *hashes = palloc(n * sizeof(uint64));

	for (int i = 0; i < n; i++)
	{
		hashes[i] = random64();
		if (random64() % 16 == 0)
			hashes[i] &= ~(UINT64_MAX << (random64() % 64));
		if (i > 0 && random64() % 8 == 0)
			hashes[i] = hashes[random64() % i];
		if (i > 0 && random64() % 32 == 0)
			hashes[i] = (hashes[i] & ~UINT64CONST(0x3FFFFFF)) |
				(hashes[random64() % i] & 0x3FFFFFF);
	}
	return hashes;
}

/*
 * One random set, its parts collected at different precisions, united in
 * different orders and forms: is there ever another state than the one of
 * the whole set at the lowest precision?
 */
static int
broken_laws(void)
{
	int			pa = 4 + random64() % 15;
	int			pb = random64() % 2 ? pa : 4 + random64() % 15;
	int			low = Min(pa, pb);
	int			n = random64() % (random64() % 2 ? 40 : HLL_REGISTERS(low) / 4 + 40);
	int			cut1 = n == 0 ? 0 : random64() % n;
	int			cut2 = cut1 + (n == 0 ? 0 : random64() % (n - cut1));
	uint64	   *hashes = make_hashes(n);
	HyperLogLog *whole = state_of(hashes, 0, n, low);
	HyperLogLog *a = state_of(hashes, 0, cut1, pa);
	HyperLogLog *b = state_of(hashes, cut1, cut2, pb);
	HyperLogLog *c = state_of(hashes, cut2, n, pa);
	HyperLogLog *stored_a = reread(a);
	HyperLogLog *stored_b = reread(b);
	HyperLogLog *stored_c = reread(c);
	HyperLogLog *empty = kappa_hll_create(NULL, low);
	HyperLogLog *bc = kappa_hll_copy(NULL, b);
	HyperLogLog *folded = state_of(hashes, 0, n, pa);
	int			broken = 0;

	kappa_hll_fold(folded, low);
	broken += !same(folded, whole);

	kappa_hll_union(bc, c);			/* a + (b + c), by tables */
	kappa_hll_union(bc, a);
	kappa_hll_fold(bc, low);
	broken += !same(bc, whole);

	kappa_hll_union(stored_a, stored_b);	/* (a + b) + c, by lists */
	kappa_hll_union(stored_a, stored_c);
	kappa_hll_fold(stored_a, low);
	broken += !same(stored_a, whole);

	kappa_hll_union(stored_a, stored_a);	/* once more the same */
	kappa_hll_union(stored_a, b);
	kappa_hll_union(stored_a, empty);
	broken += !same(stored_a, whole);

	kappa_hll_union(empty, whole);
	broken += !same(empty, whole);

	for (int i = n - 1; i >= 0; i--)	/* values added to a list */
		kappa_hll_add_hash(stored_c, hashes[i]);
	kappa_hll_fold(stored_c, low);
	broken += !same(stored_c, whole);

	release(a), release(b), release(c), release(whole), release(empty);
	release(stored_a), release(stored_b), release(stored_c), release(bc);
	release(folded), free(hashes);
	return broken;
}

/*
 * Bytes that a state's were changed into at random: read without fault, and
 * accepted as canonical only if a state is written like that.
 */
static int
accepted_bytes(int *accepted)
{
	int			precision = 4 + random64() % 8;
	int			n = random64() % (HLL_REGISTERS(precision) / 4 + 4);
	uint64	   *hashes = make_hashes(n);
	HyperLogLog *hll = state_of(hashes, 0, n, precision);
	bytea	   *bytes = kappa_hll_encode(hll);
	size_t		size = VARSIZE(bytes) - VARHDRSZ;
	size_t		changed_size = random64() % 4 ? size : random64() % (size + 1);
	uint8	   *changed = malloc(Max(changed_size, 1)); /* exact: see overruns */
	int			wrong = 0;

	memcpy(changed, VARDATA(bytes), changed_size);
	for (int i = random64() % 4; i > 0 && changed_size > 0; i--)
	{
		size_t		among = random64() % 2 ? 8 : changed_size;

		changed[random64() % Min(changed_size, among)] = random64();
	}

	error_expected = true;
	if (setjmp(on_error) == 0)
	{
		HyperLogLog *read;
		bytea	   *again;

		kappa_hll_check_canonical(changed, changed_size);
		(*accepted)++;
		read = kappa_hll_decode(NULL, changed, changed_size);
		again = kappa_hll_encode(read);
		wrong = VARSIZE(again) - VARHDRSZ != changed_size ||
			memcmp(VARDATA(again), changed, changed_size) != 0 ||
			isnan(kappa_hll_estimate(read)) || kappa_hll_cardinality(read) < 0;
		free(again);
		release(read);
	}
	error_expected = false;

	free(changed), free(bytes), free(hashes), release(hll);
	return wrong;
}

static void
laws(int sets)
{
	int			broken = 0;
	int			wrong = 0;
	int			accepted = 0;
	uint64	   *hashes;

	for (int seed = 0; seed < sets; seed++)
	{
		random_state = seed;
		broken += broken_laws();
	}
	ok(broken == 0, "%d random sets: one state, whatever the splits, orders and precisions", sets);

	for (int seed = 0; seed < sets * 20; seed++)
	{
		random_state = seed;
		wrong += accepted_bytes(&accepted);
	}
	ok(wrong == 0, "%d changed states are read without fault (%d of them are states)", sets * 20, accepted);
	ok(accepted < sets * 20, "some are refused");

	/* the switch to dense, by number of tokens alone, at every precision */
	random_state = 1;
	hashes = palloc((HLL_MAX_TOKENS(HLL_MAX_PRECISION) + 1) * sizeof(uint64));
	for (int i = 0; i <= HLL_MAX_TOKENS(HLL_MAX_PRECISION); i++)
		hashes[i] = (random64() << HLL_TOKEN_BITS) | (uint64) i * 977;
	broken = 0;
	for (int p = HLL_MIN_PRECISION; p <= HLL_MAX_PRECISION; p++)
	{
		HyperLogLog *below = state_of(hashes, 0, HLL_MAX_TOKENS(p), p);
		HyperLogLog *above = state_of(hashes, 0, HLL_MAX_TOKENS(p) + 1, p);

		broken += below->form == HLL_DENSE || above->form != HLL_DENSE;
		release(below), release(above);
	}
	ok(broken == 0, "a state is dense with more than m/8 tokens, at every precision");
	free(hashes);
}

/* -------------------------------------------------------------- accuracy */

/* A number with Poisson's distribution; normal with the same moments, if large. */
static double
random_poisson(double mean)
{
	double		product = random_unit();
	double		limit = exp(-mean);
	int			number = 0;

	if (mean > 100)
		return Max(rint(mean + sqrt(mean) * random_normal()), 0);
	for (; product > limit; number++)
		product *= random_unit();
	return number;
}

/*
 * About delta more values, which no one hashes: each register gets a number
 * of them, and of that many ranks the highest, drawn by inverting its
 * distribution (1 - 2^-k)^number.  Gives the number of values.
 */
static double
simulate_values(uint8 *registers, int precision, double delta)
{
	int			m = HLL_REGISTERS(precision);
	double		total = 0;

	for (int i = 0; i < m; i++)
	{
		double		number = random_poisson(delta / m);
		double		highest;

		if (number == 0)
			continue;
		total += number;
		highest = ceil(-log2(-expm1(log(random_unit()) / number)));
		highest = Min(Max(highest, 1), HLL_MAX_RANK(precision));
		registers[i] = Max(registers[i], (uint8) highest);
	}
	return total;
}

#define MAX_POINTS	64

typedef struct Point
{
	double		n;
	double		sum;			/* of relative errors */
	double		squares;
} Point;

static void
record(Point *point, double n, double estimate)
{
	double		error = (estimate - n) / n;

	point->n = n;
	point->sum += error;
	point->squares += error * error;
}

/*
 * One set that grows to 10^9 values: up to 8 m they are added one by one, as
 * hashes; then by simulation.  'registers_only': from 1 on as registers, as
 * in states that were converted from hll.
 */
static int
grow(Point *points, int precision, bool registers_only)
{
	HyperLogLog *hll = kappa_hll_create(NULL, precision);
	double		n = 0;
	double		next = 1;
	int			i = 0;

	if (registers_only)
		kappa_hll_make_dense(hll);
	for (; next <= 8 * HLL_REGISTERS(precision); next = ceil(next * 1.6))
	{
		for (; n < next; n++)
			kappa_hll_add_hash(hll, random64());
		record(&points[i++], n, kappa_hll_estimate(hll));
	}
	for (; next <= 1e9; next *= 4)
	{
		n += simulate_values(hll->registers, precision, next - n);
		record(&points[i++], n, kappa_hll_estimate(hll));
	}
	n += simulate_values(hll->registers, precision, 1e9 - n);
	record(&points[i++], n, kappa_hll_estimate(hll));
	release(hll);
	return i;
}

static void
accuracy(int precision, int sets, bool registers_only)
{
	Point		points[MAX_POINTS] = {{0}};
	double		theory = 1.0389618 / sqrt(HLL_REGISTERS(precision));
	double		worst_bias = 0;
	double		worst_rmse = 0;
	int			biased = 0;
	int			npoints = 0;

	for (int seed = 0; seed < sets; seed++)
	{
		random_state = seed * UINT64CONST(1000003);
		npoints = grow(points, precision, registers_only);
	}
	for (int i = 0; i < npoints; i++)
	{
		double		bias = points[i].sum / sets;
		double		rmse = sqrt(points[i].squares / sets);
		double		se = sqrt((points[i].squares / sets - bias * bias) / sets);

		printf("# p = %d, %.0f values: bias %+.4f %%, standard error %.4f %% (theory %.4f %%)\n",
			   precision, points[i].n, 100 * bias, 100 * rmse, 100 * theory);
		biased += fabs(bias) > 0.001 + 3 * se;
		worst_bias = Max(worst_bias, fabs(bias));
		worst_rmse = Max(worst_rmse, rmse);
	}
	ok(biased == 0, "precision %d%s, %d sets: bias at most 0.1 %% + 3 standard errors (worst: %.3f %%)",
	   precision, registers_only ? ", registers only" : "", sets, 100 * worst_bias);
	ok(worst_rmse <= 1.1 * theory, "precision %d%s: error within 1.1 of theory (worst: %.3f)",
	   precision, registers_only ? ", registers only" : "", worst_rmse / theory);
}

int
main(int argc, char **argv)
{
	int			sets = argc == 3 ? atoi(argv[2]) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sets > 0 && strcmp(argv[1], "laws") == 0)
		laws(sets);
	else if (sets > 0 && strcmp(argv[1], "accuracy") == 0)
	{
		accuracy(12, sets, false);
		accuracy(12, Max(sets / 10, 1), true);
		accuracy(14, Max(sets / 10, 1), true);
		accuracy(10, sets, true);
		accuracy(8, sets, true);
		accuracy(6, sets, true);
	}
	else
	{
		printf("Bail out! usage: %s laws|accuracy SETS\n", argv[0]);
		return 2;
	}
	printf("1..%d\n", tests);
	return failures > 0;
}
