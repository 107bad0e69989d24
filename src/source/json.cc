/*-------------------------------------------------------------------------
 *
 * json.cc
 *	  Wanted values out of one JSON object: the shim over libsimdjson.
 *
 * simdjson's first stage does the heavy work: with the best instructions of
 * this CPU it checks UTF-8 and finds the tokens, that is, the positions of all
 * brackets, colons, commas and of the first byte of all strings and scalars;
 * a string that does not end, or that holds a control character, is an error.
 * The walk over these tokens is done here and not by simdjson's on-demand API
 * for three reasons.  An error inside a nested value must not end the walk
 * (the top level decides whether the message is bad for every reader); values
 * come as slices of the text, so that they are copied once, into their datum;
 * and nothing is read behind the text's end, so it needs no padding.
 *
 * A token tells where it starts.  It ends before the next one, less white
 * space, since between a string's closing quote, or a scalar's last byte, and
 * the next token there is nothing else.
 *
 * The walk over the top level checks the order of keys, colons, values and
 * commas, and that brackets inside nested values match.  What else is wrong
 * with a value matters to those who want it only: theirs is checked to its
 * last token, and they get JSON_FIELD_BROKEN.
 * Nesting costs no recursion and has no limit of its own; only paths recurse,
 * as deep as they are long.
 *
 * Targets form a tree of nodes (json_targets.cc).  An object's keys are first all
 * matched with the children of its node, each match replacing an earlier one
 * (of duplicate keys the last counts), and then those children which have
 * children themselves are descended into.  Since most messages of a topic look
 * alike, the key at position p of the top level is compared with the one at p
 * of the message before; only if it differs is it looked up.
 *
 * Compiled without exceptions and RTTI; memory comes from malloc and from
 * new (std::nothrow) within simdjson.
 *
 *-------------------------------------------------------------------------
 */
#include "source/json_scanner.h"

using namespace json;

namespace
{

/* Room beyond this is given back after the message that needed it. */
constexpr size_t KEPT_CAPACITY = 8 * 1024 * 1024;

/* ------------------------------------------------------------- characters */

inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* memcmp() == 0, without a call for the lengths of keys. */
inline bool
same(const char *a, const char *b, uint32_t len)
{
	uint64_t	x, y;
	uint32_t	i = 0;

	for (; i + 8 <= len; i += 8)
	{
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return false;
	}
	for (; i < len; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* Where the text of a token that is no bracket ends (exclusive). */
inline const char *
token_end(const JsonScanner &s, uint32_t token)
{
	const char *end = s.text + s.tokens[token + 1];

	while (is_space(end[-1]))
		end--;
	return end;
}

/* ----------------------------------------------------------------- values */

inline bool
is_literal(const char *text, size_t len, const char *literal, size_t literal_len)
{
	return len == literal_len && memcmp(text, literal, len) == 0;
}

/* Any value but an object or an array.  Escapes in strings are not looked at. */
void
read_scalar(const JsonScanner &s, uint32_t token, JsonField *field)
{
	const char *start = s.text + s.tokens[token];

	field->kind = JSON_FIELD_BROKEN;
	field->text = start;
	field->len = uint32_t(token_end(s, token) - start);
	if (*start == '"')
	{
		field->text++;
		field->len -= 2;
		field->kind = JSON_FIELD_STRING;
		field->escaped = memchr(field->text, '\\', field->len) != nullptr;
	}
	else if (*start == '-' || (*start >= '0' && *start <= '9'))
	{
		if (json_read_number(start, field->len, field))
			field->kind = JSON_FIELD_NUMBER;
	}
	else if (is_literal(start, field->len, "null", 4))
		field->kind = JSON_FIELD_NULL;
	else if (is_literal(start, field->len, "true", 4))
		field->kind = JSON_FIELD_TRUE;
	else if (is_literal(start, field->len, "false", 5))
		field->kind = JSON_FIELD_FALSE;
}

/* Is the token a scalar, with valid escapes if it is a string? */
bool
check_scalar(const JsonScanner &s, uint32_t token, char *scratch)
{
	JsonField	field;

	read_scalar(s, token, &field);
	if (field.kind == JSON_FIELD_STRING && field.escaped)
		return json_unescape(field.text, field.len, scratch) >= 0;
	return field.kind != JSON_FIELD_BROKEN;
}

/*
 * Is the object or array at token JSON to its end?  Its brackets are known to
 * match.  The stack of those that are open has room for a string behind it:
 * there are at most as many of them as bytes before the string.
 */
bool
check_container(const JsonScanner &s, uint32_t token)
{
	size_t		depth = 0;

	for (;;)
	{
		char		c = s.at(token);
		bool		opened = false;

		if (c == '{' || c == '[')
		{
			s.brackets[depth++] = c;
			/* in ASCII, both closing brackets come two after the opening one */
			opened = s.at(token + 1) != c + 2;
		}
		else if (!check_scalar(s, token, s.brackets + depth))
			return false;

		/* from the value's end to the next one */
		while (!opened && (c = s.at(++token)) != ',')
		{
			if (c != '}' && c != ']')
				return false;
			if (--depth == 0)
				return true;
		}
		token++;
		if (s.brackets[depth - 1] == '{')
		{
			if (s.at(token) != '"' || s.at(token + 1) != ':' ||
				!check_scalar(s, token, s.brackets + depth))
				return false;
			token += 2;
		}
	}
}

void
read_field(const JsonScanner &s, Place place, JsonField *field)
{
	char		c = s.at(place.first);

	if (c != '{' && c != '[')
	{
		read_scalar(s, place.first, field);
		return;
	}
	field->kind = !check_container(s, place.first) ? JSON_FIELD_BROKEN :
		c == '{' ? JSON_FIELD_OBJECT : JSON_FIELD_ARRAY;
	field->text = s.text + s.tokens[place.first];
	field->len = s.tokens[place.last] + 1 - s.tokens[place.first];
}

/* ------------------------------------------------------------------- keys */

/*
 * The key in text (without quotes) as it is meant.  False: it cannot be the
 * name of a node.
 */
bool
read_key(const JsonScanner &s, const char *text, uint32_t len, char *scratch,
		 const char **key, uint32_t *key_len)
{
	if (memchr(text, '\\', len) != nullptr)
	{
		ptrdiff_t	n;

		/* what stands for one byte takes at most six: \u0041 */
		if (len > 6 * size_t(s.longest) || (n = json_unescape(text, len, scratch)) < 0)
			return false;
		text = scratch;
		len = uint32_t(n);
	}
	*key = text;
	*key_len = len;
	return len <= s.longest;
}

/* Are two keys in the text the same when escapes are taken for what they mean? */
bool
same_key(const JsonScanner &s, const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	const char *a_key, *b_key;

	return read_key(s, a, a_len, s.scratch, &a_key, &a_len) &&
		read_key(s, b, b_len, s.scratch + 6 * size_t(s.longest), &b_key, &b_len) &&
		a_len == b_len && memcmp(a_key, b_key, a_len) == 0;
}

/* Takes down that the value at place is node's, by a key that differs in case. */
void
match_folded(JsonScanner &s, Node &node, const char *text, uint32_t len, Place place)
{
	if (node.folded.first != 0 && !same_key(s, node.spelling, node.spelling_len, text, len))
		node.ambiguous = true;
	node.folded = place;
	node.spelling = text;
	node.spelling_len = len;
}

/*
 * Takes down that the value at place belongs to the key in text, for node and
 * its twins.  Returns whether the key is node's name, and no one else's
 * business.
 */
bool
match(JsonScanner &s, int32_t node, const char *text, uint32_t len, Place place)
{
	const char *key = nullptr;
	uint32_t	key_len = 0;
	bool		exact = false;

	(void) read_key(s, text, len, s.scratch, &key, &key_len);
	for (int32_t i = node; i != NONE; i = s.nodes[i].twin)
	{
		exact = memcmp(s.nodes[i].name, key, key_len) == 0;
		if (exact)
			s.nodes[i].exact = place;
		else
		{
			match_folded(s, s.nodes[i], text, len, place);
			(void) read_key(s, text, len, s.scratch, &key, &key_len);
		}
	}
	return exact && s.nodes[node].twin == NONE;
}

void
match_key(JsonScanner &s, int32_t parent, const char *text, uint32_t len, Place place)
{
	const char *key;
	uint32_t	key_len;
	int32_t		node;

	if (read_key(s, text, len, s.scratch, &key, &key_len) &&
		(node = find_node(s, parent, key, key_len)) != NONE)
		(void) match(s, node, text, len, place);
}

/* The same for the top level, where the key is the position'th. */
inline void
match_top_key(JsonScanner &s, uint32_t position, const char *text, uint32_t len, Place place)
{
	Guess	   *guess;
	const char *key;
	uint32_t	key_len;

	if (position >= GUESSES || len > GUESS_LENGTH || len == 0)
	{
		match_key(s, 0, text, len, place);
		return;
	}

	guess = &s.guesses[position];
	if (guess->len == len && same(guess->key, text, len))
	{
		if (guess->node == NONE)
			return;
		if (guess->exact)
			s.nodes[guess->node].exact = place;
		else
			(void) match(s, guess->node, text, len, place);
		return;
	}

	guess->len = len;
	memcpy(guess->key, text, len);
	guess->node = NONE;
	guess->exact = false;
	if (read_key(s, text, len, s.scratch, &key, &key_len))
		guess->node = find_node(s, 0, key, key_len);
	if (guess->node != NONE)
		guess->exact = match(s, guess->node, text, len, place);
}

/* ------------------------------------------------------------------- walk */

/*
 * From an opening bracket to the one that closes it; 0 if none does.
 */
uint32_t
skip_container(const JsonScanner &s, uint32_t token)
{
	size_t		depth = 0;

	for (; token < s.ntokens; token++)
	{
		char		c = s.at(token);

		if (c == '{' || c == '[')
			s.brackets[depth++] = c;
		else if (c == '}' || c == ']')
		{
			if (s.brackets[--depth] != c - 2)
				return 0;
			if (depth == 0)
				return token;
		}
	}
	return 0;
}

/* The last token of the value at token; 0 if there is no value. */
inline uint32_t
skip_value(const JsonScanner &s, uint32_t token)
{
	if (token >= s.ntokens)
		return 0;
	switch (s.at(token))
	{
		case '{':
		case '[':
			return skip_container(s, token);
		case '}':
		case ']':
		case ',':
		case ':':
			return 0;
		default:
			return token;
	}
}

/*
 * Walks the object at token, matching its keys with parent's children.  Returns
 * its last token, or 0 if it is broken.
 */
template <bool top>
uint32_t
walk_object(JsonScanner &s, int32_t parent, uint32_t token)
{
	uint32_t	position = 0;

	if (token + 1 < s.ntokens && s.at(token + 1) == '}')
		return token + 1;

	for (;;)
	{
		uint32_t	key = token + 1;
		const char *text, *end;
		Place		place;

		if (key + 1 >= s.ntokens || s.at(key) != '"' || s.at(key + 1) != ':')
			return 0;
		text = s.text + s.tokens[key] + 1;
		end = token_end(s, key) - 1;

		place.first = key + 2;
		place.last = skip_value(s, place.first);
		if (place.last == 0)
			return 0;
		if (top)
			match_top_key(s, position++, text, uint32_t(end - text), place);
		else
			match_key(s, parent, text, uint32_t(end - text), place);

		token = place.last + 1;
		if (token >= s.ntokens)
			return 0;
		if (s.at(token) == '}')
			return token;
		if (s.at(token) != ',')
			return 0;
	}
}

/* The same for an array, whose elements have positions for keys. */
uint32_t
walk_array(JsonScanner &s, int32_t parent, uint32_t token)
{
	if (token + 1 < s.ntokens && s.at(token + 1) == ']')
		return token + 1;

	for (int32_t position = 0;; position++)
	{
		Place		place;

		place.first = token + 1;
		place.last = skip_value(s, place.first);
		if (place.last == 0)
			return 0;
		for (int32_t i = s.nodes[parent].children; i != NONE; i = s.nodes[i].next)
			if (s.nodes[i].index == position)
				s.nodes[i].exact = place;

		token = place.last + 1;
		if (token >= s.ntokens)
			return 0;
		if (s.at(token) == ']')
			return token;
		if (s.at(token) != ',')
			return 0;
	}
}

/* All below this node is missing, and this is why. */
void
set_fault(JsonScanner &s, int32_t parent, JsonFieldKind fault)
{
	for (int32_t i = s.nodes[parent].children; i != NONE; i = s.nodes[i].next)
		for (int32_t j = i; j != NONE; j = s.nodes[j].twin)
		{
			s.nodes[j].fault = fault;
			set_fault(s, j, fault);
		}
}

/*
 * After parent's children have been matched: settles which value is whose, and
 * goes on below.
 */
void
settle_children(JsonScanner &s, int32_t parent)
{
	for (int32_t i = s.nodes[parent].children; i != NONE; i = s.nodes[i].next)
		for (int32_t j = i; j != NONE; j = s.nodes[j].twin)
		{
			Node	   &node = s.nodes[j];
			uint32_t	last = 0;
			char		c;

			if (node.exact.first == 0 && node.ambiguous)
			{
				node.fault = JSON_FIELD_AMBIGUOUS;
				set_fault(s, j, JSON_FIELD_AMBIGUOUS);
				continue;
			}
			if (node.exact.first == 0)
				node.exact = node.folded;
			if (node.exact.first == 0 || node.children == NONE)
				continue;

			c = s.at(node.exact.first);
			if (c != '{' && c != '[')
				continue;
			last = c == '{' ? walk_object<false>(s, j, node.exact.first) :
				walk_array(s, j, node.exact.first);
			if (last == 0)
				set_fault(s, j, JSON_FIELD_BROKEN);
			else
				settle_children(s, j);
		}
}

} /* namespace */

extern "C" JsonScanResult
json_scan(JsonScanner *s, const char *text, size_t len, JsonField *fields)
{
	uint32_t	last;

	if (len == 0)
		return JSON_SCAN_NOT_OBJECT;
	if (len > s->capacity || (s->capacity > KEPT_CAPACITY && len <= KEPT_CAPACITY))
	{
		if (!reserve(*s, len))
			return JSON_SCAN_NO_MEMORY;
	}

	switch (s->parser->stage1(reinterpret_cast<const uint8_t *>(text), len,
							  simdjson::stage1_mode::regular))
	{
		case simdjson::SUCCESS:
			break;
		case simdjson::UTF8_ERROR:
			return JSON_SCAN_NOT_UTF8;
		default:
			/* which error comes first is simdjson's business; UTF-8 is ours */
			return simdjson::validate_utf8(text, len) ? JSON_SCAN_BROKEN : JSON_SCAN_NOT_UTF8;
	}
	s->text = text;
	s->tokens = s->parser->structural_indexes.get();
	s->ntokens = s->parser->n_structural_indexes;
	for (int i = 0; i < s->nnodes; i++)
	{
		Node	   &node = s->nodes[i];

		node.exact = node.folded = Place();
		node.ambiguous = false;
		node.fault = JSON_FIELD_MISSING;
	}

	if (s->at(0) != '{')
		return JSON_SCAN_NOT_OBJECT;
	last = walk_object<true>(*s, 0, 0);
	if (last == 0)
		return JSON_SCAN_BROKEN;
	if (last + 1 != s->ntokens)
		return JSON_SCAN_NOT_OBJECT;
	settle_children(*s, 0);

	for (int i = 0; i < s->ntargets; i++)
	{
		const Node &node = s->nodes[s->targets[i]];

		if (node.fault != JSON_FIELD_MISSING || node.exact.first == 0)
			fields[i].kind = node.fault;
		else
			read_field(*s, node.exact, &fields[i]);
	}
	return JSON_SCAN_OK;
}
