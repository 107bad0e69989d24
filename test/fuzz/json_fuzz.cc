/*-------------------------------------------------------------------------
 *
 * json_fuzz.cc
 *	  libFuzzer target: whatever the text, the JSON scanner stays within it, says
 *	  the same whatever is asked for and however often, and agrees with
 *	  simdjson's DOM, which is a parser of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "source/json.h"

#include <simdjson.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace
{

constexpr int TARGETS = 8;

void
require(bool condition, const char *what)
{
	if (!condition)
	{
		fprintf(stderr, "violated: %s\n", what);
		abort();
	}
}

JsonScanner *
create_scanner(std::initializer_list<std::initializer_list<const char *>> paths)
{
	std::vector<std::vector<JsonStep>> steps;
	std::vector<JsonTarget> targets;
	JsonScanner *result;

	for (const auto &path : paths)
	{
		steps.emplace_back();
		for (const char *name : path)
			steps.back().push_back({name, uint32_t(strlen(name))});
	}
	for (const auto &list : steps)
		targets.push_back({list.data(), int(list.size())});
	result = json_scanner_create(targets.data(), int(targets.size()));
	require(result != nullptr, "a scanner is created");
	return result;
}

/* An object or array that is wanted is JSON to its end, but for what the DOM alone does not take. */
void
check_container(const JsonField &field)
{
	static simdjson::dom::parser parser;

	switch (parser.parse(field.text, field.len).error())
	{
		case simdjson::SUCCESS:
		case simdjson::NUMBER_ERROR:	/* too large */
		case simdjson::DEPTH_ERROR:
			break;
		default:
			require(false, "what is given as JSON is JSON");
	}
}

/* A field says where it lies, and it does lie there. */
void
check_field(const JsonField &field, const char *text, size_t len)
{
	if (field.kind == JSON_FIELD_MISSING || field.kind == JSON_FIELD_AMBIGUOUS)
		return;
	if (field.kind == JSON_FIELD_BROKEN && field.text == nullptr)
		return;
	require(field.text >= text && field.text + field.len <= text + len, "a field lies in the text");
	if (field.kind == JSON_FIELD_STRING)
	{
		std::unique_ptr<char[]> dst(new char[field.len]);

		require(field.text[-1] == '"' && field.text[field.len] == '"', "a string is quoted");
		require(json_unescape(field.text, field.len, dst.get()) <= ptrdiff_t(field.len),
				"unescaping does not lengthen");
	}
	else if (field.kind == JSON_FIELD_OBJECT || field.kind == JSON_FIELD_ARRAY)
		check_container(field);
}

void
check_same(const JsonField &a, const JsonField &b)
{
	require(a.kind == b.kind, "the same kind again");
	if (a.kind == JSON_FIELD_MISSING || a.kind == JSON_FIELD_AMBIGUOUS || a.text == nullptr)
		return;
	require(a.text == b.text && a.len == b.len, "the same place again");
}

/* The last value of key "a" of a valid object, against what the DOM has. */
void
check_value(const JsonField &field, simdjson::dom::element value)
{
	int64_t		n;
	double		x;
	std::string_view s;

	switch (value.type())
	{
		case simdjson::dom::element_type::NULL_VALUE:
			require(field.kind == JSON_FIELD_NULL, "null");
			break;
		case simdjson::dom::element_type::BOOL:
			require(field.kind == (bool(value.get_bool().value_unsafe()) ?
								   JSON_FIELD_TRUE : JSON_FIELD_FALSE), "boolean");
			break;
		case simdjson::dom::element_type::STRING:
			{
				std::string dst(field.len, '\0');
				ptrdiff_t	length;

				require(field.kind == JSON_FIELD_STRING && !value.get(s), "string");
				length = json_unescape(field.text, field.len, &dst[0]);
				require(length >= 0 && std::string_view(dst.data(), size_t(length)) == s,
						"the string's contents");
			}
			break;
		case simdjson::dom::element_type::INT64:
			require(field.kind == JSON_FIELD_NUMBER && !value.get(n), "integer");
			if (field.exact && field.exponent == 0)
				require((field.negative ? -field.mantissa : field.mantissa) == uint64_t(n),
						"the integer's value");
			break;
		case simdjson::dom::element_type::DOUBLE:
			require(field.kind == JSON_FIELD_NUMBER && !value.get(x), "number");
			if (field.exact && field.exponent > -400 && field.exponent < 400)
			{
				char		buffer[64];

				snprintf(buffer, sizeof(buffer), "%s%llue%d", field.negative ? "-" : "",
						 (unsigned long long) field.mantissa, field.exponent);
				require(strtod(buffer, nullptr) == x, "the number's value");
			}
			break;
		case simdjson::dom::element_type::UINT64:
			require(field.kind == JSON_FIELD_NUMBER, "unsigned integer");
			break;
		case simdjson::dom::element_type::OBJECT:
			require(field.kind == JSON_FIELD_OBJECT, "object");
			break;
		case simdjson::dom::element_type::ARRAY:
			require(field.kind == JSON_FIELD_ARRAY, "array");
			break;
	}
}

} /* namespace */

extern "C" int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static JsonScanner *all = create_scanner({{"a"}, {"b"}, {"A"}, {"place", "city"}, {"place"},
											  {"lines", "0", "sku"}, {"lines", "1"}, {""}});
	static JsonScanner *none = create_scanner({});
	static simdjson::dom::parser parser;
	JsonField	fields[TARGETS] = {};
	JsonField	again[TARGETS] = {};
	simdjson::dom::object object;
	JsonScanResult result;

	/* a block of exactly this size, for the sanitizer to watch its ends */
	std::unique_ptr<char[]> text(new char[len]);

	memcpy(text.get(), data, len);
	result = json_scan(all, text.get(), len, fields);
	require(json_scan(none, text.get(), len, nullptr) == result, "independent of targets");
	require(json_scan(all, text.get(), len, again) == result, "the same result again");
	require((result == JSON_SCAN_NOT_UTF8) == !simdjson::validate_utf8(text.get(), len),
			"UTF-8 comes first");
	if (result == JSON_SCAN_OK)
	{
		for (int i = 0; i < TARGETS; i++)
		{
			check_field(fields[i], text.get(), len);
			check_same(fields[i], again[i]);
		}
	}

	if (parser.parse(text.get(), len).get(object) == simdjson::SUCCESS)
	{
		simdjson::dom::element value;
		bool		found = false;

		require(result == JSON_SCAN_OK, "what is a valid object is one here");
		for (auto member : object)
			if (member.key == "a")
			{
				value = member.value;
				found = true;
			}
		if (found)
			check_value(fields[0], value);
	}
	return 0;
}
