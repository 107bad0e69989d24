/*-------------------------------------------------------------------------
 *
 * json_targets.cc
 *	  A JSON scanner's memory: what is wanted, as a tree, and room for texts.
 *
 * Targets form a tree of nodes, by steps: those that begin alike share their
 * first nodes.  Children are siblings in a list; names that differ in case only are
 * twins, of which the first alone is in that list, since a key that is equal to one of
 * them may, ASCII case ignored, be meant for the others, too.
 *
 *-------------------------------------------------------------------------
 */
#include "source/json_scanner.h"

#include <cstdlib>
#include <new>

using namespace json;

namespace
{

constexpr size_t INITIAL_CAPACITY = 4096;

/* Room beyond this is given back when the scanner has nothing to do. */
constexpr size_t RESTING_CAPACITY = 64 * 1024;

/* The position that a name stands for in an array, or NONE. */
int32_t
array_index(const char *name, uint32_t len)
{
	int32_t		index = 0;

	if (len == 0 || len > 9 || (len > 1 && name[0] == '0'))
		return NONE;
	for (uint32_t i = 0; i < len; i++)
	{
		if (name[i] < '0' || name[i] > '9')
			return NONE;
		index = index * 10 + (name[i] - '0');
	}
	return index;
}

/* The child of parent with this name, made if there is none. */
int32_t
add_node(JsonScanner &s, int32_t parent, const JsonStep &step, char **names)
{
	int32_t		head = find_node(s, parent, step.name, step.len);
	int32_t		i;
	Node	   *node;

	for (i = head; i != NONE; i = s.nodes[i].twin)
		if (memcmp(s.nodes[i].name, step.name, step.len) == 0)
			return i;

	i = s.nnodes++;
	node = &s.nodes[i];
	memcpy(*names, step.name, step.len);
	node->name = *names;
	*names += step.len;
	node->len = step.len;
	node->index = array_index(step.name, step.len);
	node->children = node->next = node->twin = NONE;
	if (head != NONE)
	{
		node->twin = s.nodes[head].twin;
		s.nodes[head].twin = i;
	}
	else
	{
		node->next = s.nodes[parent].children;
		s.nodes[parent].children = i;
	}
	return i;
}

} /* namespace */

bool
json::reserve(JsonScanner &s, size_t len)
{
	size_t		capacity = INITIAL_CAPACITY;

	while (capacity < len)
		capacity *= 2;
	if (capacity > simdjson::SIMDJSON_MAXSIZE_BYTES)
		capacity = simdjson::SIMDJSON_MAXSIZE_BYTES;

	s.parser.reset();
	free(s.brackets);
	s.capacity = 0;

	s.brackets = static_cast<char *>(malloc(capacity));
	if (s.brackets == nullptr)
		return false;
	/* the depth is for simdjson's own second stage, which is not used */
	if (simdjson::get_active_implementation()->
		create_dom_parser_implementation(capacity, 1, s.parser) != simdjson::SUCCESS)
		return false;
	s.capacity = capacity;
	return true;
}

extern "C" JsonScanner *
json_scanner_create(const JsonTarget *targets, int ntargets)
{
	size_t		nnodes = 1, length = 0;
	char	   *names;
	JsonScanner *s = new (std::nothrow) JsonScanner();

	if (s == nullptr)
		return nullptr;

	for (int i = 0; i < ntargets; i++)
		for (int j = 0; j < targets[i].nsteps; j++)
		{
			nnodes++;
			length += targets[i].steps[j].len;
			if (targets[i].steps[j].len > s->longest)
				s->longest = targets[i].steps[j].len;
		}

	s->nodes = static_cast<Node *>(calloc(nnodes, sizeof(Node)));
	s->targets = static_cast<int32_t *>(calloc(size_t(ntargets) + 1, sizeof(int32_t)));
	s->names = names = static_cast<char *>(malloc(length + 1));
	s->scratch = static_cast<char *>(malloc(12 * size_t(s->longest) + 1));
	if (s->nodes == nullptr || s->targets == nullptr || s->names == nullptr ||
		s->scratch == nullptr || !reserve(*s, INITIAL_CAPACITY))
	{
		json_scanner_free(s);
		return nullptr;
	}

	s->nnodes = 1;
	s->nodes[0].children = s->nodes[0].next = s->nodes[0].twin = NONE;
	s->ntargets = ntargets;
	for (int i = 0; i < ntargets; i++)
	{
		int32_t		node = 0;

		for (int j = 0; j < targets[i].nsteps; j++)
			node = add_node(*s, node, targets[i].steps[j], &names);
		s->targets[i] = node;
	}
	return s;
}

extern "C" void
json_scanner_free(JsonScanner *s)
{
	if (s == nullptr)
		return;
	free(s->nodes);
	free(s->targets);
	free(s->names);
	free(s->scratch);
	free(s->brackets);
	delete s;
}

extern "C" void
json_scanner_rest(JsonScanner *s)
{
	/* should there be no memory, the next text will tell */
	if (s->capacity > RESTING_CAPACITY)
		(void) reserve(*s, INITIAL_CAPACITY);
}
