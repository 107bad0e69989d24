/*-------------------------------------------------------------------------
 *
 * json_scanner.h
 *	  What the files of the JSON scanner share: C++, and only for them.
 *
 * json_targets.cc makes a scanner for what is wanted, json.cc runs it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_JSON_SCANNER_H
#define KAPPA_JSON_SCANNER_H

#include "source/json.h"

#include <simdjson.h>

#include <cstring>
#include <memory>

namespace json
{

/* Keys of the previous message that are remembered, and how long ones. */
constexpr uint32_t GUESSES = 64;
constexpr uint32_t GUESS_LENGTH = 50;

constexpr int32_t NONE = -1;

/* A value in the message: its first and its last token; token 0 is none. */
struct Place
{
	uint32_t	first;
	uint32_t	last;
};

struct Node
{
	/* fixed */
	const char *name;
	uint32_t	len;
	int32_t		index;			/* the name as a position in an array, or NONE */
	int32_t		children;		/* first one, or NONE */
	int32_t		next;			/* next sibling whose name differs in more than
								 * case, or NONE */
	int32_t		twin;			/* next sibling whose name differs in case only,
								 * or NONE */

	/* about the current message */
	Place		exact;			/* value of the key that is the name */
	Place		folded;			/* value of the key that differs in case only */
	const char *spelling;		/* that key ... */
	uint32_t	spelling_len;	/* ... as in the text */
	bool		ambiguous;		/* there are several spellings */
	JsonFieldKind fault;		/* of the value, or of one that it is in;
								 * JSON_FIELD_MISSING: none */
};

/* A key at this place of the previous message, and what it matched. */
struct Guess
{
	uint32_t	len;			/* 0: nothing known */
	int32_t		node;			/* or NONE */
	bool		exact;			/* node's name, and node has no twin */
	char		key[GUESS_LENGTH];
};

} /* namespace json */

struct JsonScanner
{
	json::Node *nodes;			/* node 0 is the root */
	int			nnodes;
	int32_t    *targets;		/* node of each target */
	int			ntargets;
	char	   *names;			/* what the nodes' names point into */
	char	   *scratch;		/* two unescaped keys */
	uint32_t	longest;		/* name, in bytes */

	std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
	char	   *brackets;		/* stack of open ones, capacity bytes */
	size_t		capacity;

	/* the current message */
	const char *text;
	const uint32_t *tokens;		/* followed by the text's length */
	uint32_t	ntokens;

	json::Guess guesses[json::GUESSES];

	char		at(uint32_t token) const { return text[tokens[token]]; }
};

namespace json
{

inline char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c;
}

inline bool
same_folded(const char *a, const char *b, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

/* The first of parent's children that the key is the name of, but for case. */
inline int32_t
find_node(const JsonScanner &s, int32_t parent, const char *key, uint32_t len)
{
	for (int32_t i = s.nodes[parent].children; i != NONE; i = s.nodes[i].next)
		if (s.nodes[i].len == len && same_folded(s.nodes[i].name, key, len))
			return i;
	return NONE;
}

/* Makes room for texts of up to len bytes; false: there is no memory for it. */
extern bool reserve(JsonScanner &s, size_t len);

} /* namespace json */

#endif							/* KAPPA_JSON_SCANNER_H */
