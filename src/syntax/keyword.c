/*-------------------------------------------------------------------------
 *
 * keyword.c
 *	  Makes the stock parser accept CONTINUOUS VIEW.
 *
 * PostgreSQL has no hook before its parser.  But its scanner finds keywords
 * through a small table of data, ScanKeywords (common/kwlookup.h): the
 * keywords' text, and a perfect hash function that gives the number of the
 * only keyword that a word could be.  ScanKeywordLookup() calls the function,
 * compares the word with that keyword's text, and the number selects the
 * grammar's token.
 *
 * We put our own function and our own copy of the offsets into that table, in
 * the postmaster, before any backend exists.  Our function follows the words
 * that go by.  Where CONTINUOUS comes right after
 *
 *		CREATE, DROP, ALTER, REFRESH, COMMENT ON		as MATERIALIZED
 *		CREATE OR REPLACE								as UNLOGGED
 *
 * it answers with the number of that keyword and lets the keyword's offset
 * point to the text "continuous", until the next look-up.  So the grammar sees
 * CREATE MATERIALIZED VIEW, or CREATE OR REPLACE UNLOGGED VIEW (grammatical,
 * but otherwise always refused later).  keyword_written() tells which word it
 * really was.  No code is patched and no executable memory touched; what
 * changes are three pointers.
 *
 * Why this is safe:
 *
 * - Memory.  The function gets a pointer into the scan buffer from the scanner,
 *   but one to any string from quote_identifier().  It therefore reads the
 *   word itself and nothing before or after it, and remembers no pointers:
 *   what it knows of earlier words is one enum.
 *
 * - Meaning.  Not seeing what stands between words (punctuation, strings,
 *   quoted names, the end of a statement or of a buffer, quote_identifier()'s
 *   words), it may take CONTINUOUS for the keyword where it is an ordinary
 *   name: "ALTER TABLE t DROP continuous" or "SELECT x.drop, continuous".
 *   That does no harm: both keywords are unreserved and may be a bare label, so
 *   the grammar accepts them wherever it accepts a name, and as the text of
 *   the keyword is "continuous" just then, that is the name it gets.  The
 *   grammar treats the two apart from other unreserved keywords only in the
 *   places above, in AS MATERIALIZED and in INTO and SET UNLOGGED, which we do
 *   not match.  keyword_table_fits() checks what this rests on.
 *
 * - Time.  Outside of a look-up's result the alias could be seen only by
 *   pg_get_keywords(), so it also ends with the analysis of the statement and
 *   with the (sub)transaction in which the parser failed.
 *
 * PL/pgSQL's own scanner has keyword tables of its own, which we leave alone;
 * the SQL in a function's body is read by the main parser when it is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "access/xact.h"
#include "common/keywords.h"
#include "common/kwlookup.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/scanner.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "syntax/keyword.h"

/* What the words just read may be the beginning of. */
typedef enum Phrase
{
	PHRASE_NONE,
	PHRASE_CREATE,				/* CREATE */
	PHRASE_OR,					/* CREATE OR */
	PHRASE_REPLACE,				/* CREATE OR REPLACE */
	PHRASE_COMMENT,				/* COMMENT */
	PHRASE_VERB,				/* DROP, ALTER, REFRESH, COMMENT ON */
	PHRASE_CONTINUOUS,			/* .. CONTINUOUS */
	PHRASE_REPLACE_CONTINUOUS	/* CREATE OR REPLACE CONTINUOUS */
} Phrase;

/* GUC pg_kappa.syntax */
static bool syntax_enabled = true;

/* The table as the server had it, and our copy of its data. */
static ScanKeywordList server_keywords;
static uint16 *keyword_offsets;
static uint16 continuous_offset;
static int	materialized = -1;
static int	unlogged = -1;

/* The words that went by, and the keyword whose text is "continuous" now. */
static Phrase phrase = PHRASE_NONE;
static int	aliased = -1;

static post_parse_analyze_hook_type prev_post_parse_analyze_hook = NULL;

#define WORD_IS(literal) \
	(len == sizeof(literal) - 1 && pg_strncasecmp(word, literal, len) == 0)

/*
 * What the words are the beginning of when one more has been read.  This runs
 * for every word of every statement: most are told by length and first letter.
 */
static inline Phrase
phrase_next(Phrase before, const char *word, size_t len)
{
	switch (word[0])
	{
		case 'a':
		case 'A':
			return WORD_IS("alter") ? PHRASE_VERB : PHRASE_NONE;
		case 'c':
		case 'C':
			if (WORD_IS("create"))
				return PHRASE_CREATE;
			if (WORD_IS("comment"))
				return PHRASE_COMMENT;
			if (WORD_IS("continuous"))
			{
				if (before == PHRASE_CREATE || before == PHRASE_VERB)
					return PHRASE_CONTINUOUS;
				if (before == PHRASE_REPLACE)
					return PHRASE_REPLACE_CONTINUOUS;
			}
			return PHRASE_NONE;
		case 'd':
		case 'D':
			return WORD_IS("drop") ? PHRASE_VERB : PHRASE_NONE;
		case 'o':
		case 'O':
			if (before == PHRASE_CREATE && WORD_IS("or"))
				return PHRASE_OR;
			if (before == PHRASE_COMMENT && WORD_IS("on"))
				return PHRASE_VERB;
			return PHRASE_NONE;
		case 'r':
		case 'R':
			if (before == PHRASE_OR && WORD_IS("replace"))
				return PHRASE_REPLACE;
			return WORD_IS("refresh") ? PHRASE_VERB : PHRASE_NONE;
		default:
			return PHRASE_NONE;
	}
}

static inline void
keyword_unalias(void)
{
	if (unlikely(aliased >= 0))
	{
		keyword_offsets[aliased] = server_keywords.kw_offsets[aliased];
		aliased = -1;
	}
}

/* Our ScanKeywordHashFunc. */
static int
keyword_hash(const void *key, size_t keylen)
{
	keyword_unalias();

	if (syntax_enabled && keylen > 0)
	{
		phrase = phrase_next(phrase, key, keylen);
		if (unlikely(phrase >= PHRASE_CONTINUOUS))
		{
			aliased = (phrase == PHRASE_CONTINUOUS) ? materialized : unlogged;
			keyword_offsets[aliased] = continuous_offset;
			return aliased;
		}
	}

	else
		phrase = PHRASE_NONE;

	return server_keywords.hash(key, keylen);
}

static void
keyword_post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	keyword_unalias();
	if (prev_post_parse_analyze_hook)
		prev_post_parse_analyze_hook(pstate, query, jstate);
}

static void
keyword_xact_end(XactEvent event, void *arg)
{
	keyword_unalias();
}

static void
keyword_subxact_end(SubXactEvent event, SubTransactionId mySubid,
					SubTransactionId parentSubid, void *arg)
{
	keyword_unalias();
}

/*
 * Is the server's table what this file takes it for?  Finds the two keywords
 * and the size of the keywords' text.
 */
static bool
keyword_table_fits(Size *text_size)
{
	const ScanKeywordList *list = &ScanKeywords;
	Size		size = 0;

	if (list->num_keywords < 100 || list->num_keywords > 2000 ||
		list->max_kw_len < (int) strlen("continuous") ||
		list->max_kw_len >= NAMEDATALEN)
		return false;

	for (int i = 0; i < list->num_keywords; i++)
	{
		const char *word = GetScanKeyword(i, list);
		size_t		len = strnlen(word, NAMEDATALEN);

		if (list->kw_offsets[i] != size || len == 0 || len > list->max_kw_len ||
			list->hash(word, len) != i)
			return false;
		size += len + 1;

		if (strcmp(word, "materialized") == 0)
			materialized = i;
		else if (strcmp(word, "unlogged") == 0)
			unlogged = i;
	}

	*text_size = size;
	return size <= PG_UINT16_MAX &&
		materialized >= 0 && unlogged >= 0 &&
		ScanKeywordCategories[materialized] == UNRESERVED_KEYWORD &&
		ScanKeywordCategories[unlogged] == UNRESERVED_KEYWORD &&
		ScanKeywordBareLabel[materialized] &&
		ScanKeywordBareLabel[unlogged] &&
		ScanKeywordLookup("continuous", list) < 0;
}

/*
 * The protection of the memory that holds the table, from the kernel's list of
 * mappings; -1 if that cannot be learnt, or is not the same for all of it.
 */
static int
keyword_table_protection(void)
{
	uintptr_t	first = (uintptr_t) &ScanKeywords;
	uintptr_t	last = first + sizeof(ScanKeywords) - 1;
	int			protection = -1;
	char		line[MAXPGPATH + 256];
	FILE	   *maps = AllocateFile("/proc/self/maps", "r");

	if (maps == NULL)
		return -1;

	while (protection < 0 && fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long start;
		unsigned long end;
		char		perms[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) == 3 &&
			start <= first && last < end)
			protection = (perms[0] == 'r' ? PROT_READ : 0) |
				(perms[1] == 'w' ? PROT_WRITE : 0) |
				(perms[2] == 'x' ? PROT_EXEC : 0);
	}
	FreeFile(maps);

	return protection;
}

/*
 * Puts new contents into the server's table, whose page the dynamic linker has
 * made read-only after relocation, and leaves the page as it was.
 */
static bool
keyword_table_write(const ScanKeywordList *contents)
{
	uintptr_t	pagesize = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t	first = (uintptr_t) &ScanKeywords & ~(pagesize - 1);
	uintptr_t	end = (uintptr_t) (&ScanKeywords + 1);
	int			protection = keyword_table_protection();
	ScanKeywordList *list = unconstify(ScanKeywordList *, &ScanKeywords);

	if (protection < 0 || (protection & PROT_EXEC) != 0)
		return false;

	if ((protection & PROT_WRITE) != 0)
	{
		*list = *contents;
		return true;
	}

	if (mprotect((void *) first, end - first, PROT_READ | PROT_WRITE) != 0)
		return false;
	*list = *contents;
	if (mprotect((void *) first, end - first, protection) != 0)
		ereport(LOG,
				(errmsg("could not make the table of keywords read-only again: %m")));
	return true;
}

/* What kind of raw statement does the parser make of this? */
static NodeTag
keyword_parse_tag(const char *sql)
{
	List	   *statements = raw_parser(sql, RAW_PARSE_DEFAULT);

	return list_length(statements) == 1 ?
		nodeTag(linitial_node(RawStmt, statements)->stmt) : T_Invalid;
}

/*
 * Does the parser read with our table what it shall, and everything else as
 * before?  A parser that was linked so that it does not use the table at all
 * fails here.
 */
static bool
keyword_table_works(void)
{
	volatile bool works = false;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "pg_kappa keyword test",
												  ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		works =
			keyword_parse_tag("CREATE CONTINUOUS VIEW IF NOT EXISTS v AS SELECT 1") == T_CreateTableAsStmt &&
			keyword_parse_tag("CREATE OR REPLACE /* x */ Continuous VIEW v AS SELECT 1") == T_ViewStmt &&
			keyword_parse_tag("REFRESH CONTINUOUS VIEW v") == T_RefreshMatViewStmt &&
			keyword_parse_tag("COMMENT ON CONTINUOUS VIEW v IS 'x'") == T_CommentStmt &&
			keyword_parse_tag("DROP CONTINUOUS VIEW v") == T_DropStmt &&
			keyword_parse_tag("ALTER TABLE t DROP continuous") == T_AlterTableStmt &&
			keyword_parse_tag("CREATE MATERIALIZED VIEW v AS SELECT 1 continuous") == T_CreateTableAsStmt &&
			keyword_parse_tag("CREATE UNLOGGED TABLE t (continuous int)") == T_CreateStmt;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	keyword_unalias();
	phrase = PHRASE_NONE;
	return works;
}

/* Swaps the table; false, and nothing has changed, if that cannot be. */
static bool
keyword_table_install(void)
{
	ScanKeywordList contents = ScanKeywords;
	Size		offsets_size = contents.num_keywords * sizeof(uint16);
	Size		text_size;
	char	   *text;

	if (!keyword_table_fits(&text_size))
		return false;

	server_keywords = ScanKeywords;
	text = MemoryContextAlloc(TopMemoryContext, text_size + sizeof("continuous"));
	memcpy(text, server_keywords.kw_string, text_size);
	strcpy(text + text_size, "continuous");
	continuous_offset = (uint16) text_size;
	keyword_offsets = MemoryContextAlloc(TopMemoryContext, offsets_size);
	memcpy(keyword_offsets, server_keywords.kw_offsets, offsets_size);

	contents.kw_string = text;
	contents.kw_offsets = keyword_offsets;
	contents.hash = keyword_hash;
	if (!keyword_table_write(&contents))
		return false;
	if (keyword_table_works())
		return true;

	/* If even this fails, our table stays: it answers as the server's does. */
	(void) keyword_table_write(&server_keywords);
	return false;
}

void
keyword_init(void)
{
	bool		installed = keyword_table_install();

	DefineCustomBoolVariable("pg_kappa.syntax",
							 "Reads CREATE, ALTER, DROP and REFRESH CONTINUOUS VIEW.",
							 "When off, only the forms WITH (continuous) are understood.",
							 &syntax_enabled, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	if (!installed)
	{
		ereport(LOG,
				(errmsg("CREATE CONTINUOUS VIEW is not available in this build of PostgreSQL"),
				 errdetail("Its table of keywords is not as expected."),
				 errhint("Use CREATE MATERIALIZED VIEW ... WITH (continuous) instead.")));
		return;
	}

	prev_post_parse_analyze_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = keyword_post_parse_analyze;
	RegisterXactCallback(keyword_xact_end, NULL);
	RegisterSubXactCallback(keyword_subxact_end, NULL);
}

/* May this word stand between CONTINUOUS and the name of the view? */
static bool
precedes_name(const char *word)
{
	static const char *const words[] = {
		"view", "if", "not", "exists", "recursive", "concurrently"
	};

	for (int i = 0; i < lengthof(words); i++)
	{
		if (pg_strcasecmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/*
 * The text of the statement, with blanks for what comes before it, so that
 * locations stay what they are.
 */
static char *
statement_text(const char *text, int location, int len)
{
	int			text_len = strlen(text);
	int			start = Min(Max(location, 0), text_len);
	int			end = (len > 0 && len <= text_len - start) ? start + len : text_len;
	char	   *copy = pnstrdup(text, end);

	memset(copy, ' ', start);
	return copy;
}

bool
keyword_written(const char *text, int location, int len, int name_location)
{
	char	   *copy = statement_text(text, location, len);
	core_yyscan_t scanner;
	core_yy_extra_type extra;
	core_YYSTYPE value;
	YYLTYPE		token_location;
	Phrase		read = PHRASE_NONE;
	bool		written = false;

	scanner = scanner_init(copy, &extra, &ScanKeywords, ScanKeywordTokens);
	extra.escape_string_warning = false;	/* the parser has warned */

	while (core_yylex(&value, &token_location, scanner) != 0)
	{
		/* just after it was read, a token ends with a null byte */
		const char *word = extra.scanbuf + token_location;

		if (name_location >= 0 && token_location >= name_location)
			break;

		read = phrase_next(read, word, strlen(word));
		if (read >= PHRASE_CONTINUOUS)
			written = true;
		else if (name_location < 0 && read == PHRASE_NONE)
			break;
		else if (!precedes_name(word))
			written = false;
	}

	scanner_finish(scanner);
	pfree(copy);
	return written;
}

Node *
keyword_parse(const char *text, int location, int len)
{
	char	   *copy = statement_text(text, location, len);
	bool		save = syntax_enabled;
	List	   *statements;

	/* it was understood once: pg_kappa.syntax may have been set since */
	syntax_enabled = true;
	PG_TRY();
	{
		statements = raw_parser(copy, RAW_PARSE_DEFAULT);
	}
	PG_FINALLY();
	{
		syntax_enabled = save;
	}
	PG_END_TRY();

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot find the text of the statement")));
	return linitial_node(RawStmt, statements)->stmt;
}
