/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jsonl.h"

#include "base/buf.h"
#include "codec/jsonl_scan.h"
#include "tests/unit/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int show_member(void *arg, const struct bl_member *member)
{
	static const char *const kinds[] = { "number", "text", "true", "false", "null" };
	struct bl_buf *out = arg;

	bl_buf_addf(out, "%.*s %s", (int)member->key_len, member->key, kinds[member->kind]);
	if (member->kind == BL_SCALAR_NUMBER)
		bl_buf_addf(out, " %.17g", member->number);
	if (member->kind == BL_SCALAR_TEXT)
		bl_buf_addf(out, " %.*s", (int)member->text_len, member->text);
	bl_buf_addc(out, '\n');
	return 0;
}

/* Each line alone: what the strict check says, then the members as the lenient reader sees them. */
static void play(const char *input, size_t len, struct bl_buf *out)
{
	const char *end = input + len;

	while (input < end) {
		const char *stop = memchr(input, '\n', (size_t)(end - input));
		size_t line = (size_t)((stop ? stop : end) - input);
		struct bl_json_fault fault;

		if (!bl_json_check(input, line, &fault))
			bl_buf_adds(out, "good\n");
		else
			bl_buf_addf(out, "bad at %zu: %s\n", fault.offset, fault.reason);
		if (bl_json_members(input, line, true, show_member, out, &fault))
			bl_buf_addf(out, "no object, at %zu: %s\n", fault.offset, fault.reason);
		input += line + (stop != NULL);
	}
}

static void cases_read_as_expected(void **state)
{
	(void)state;
	each_case("jsonl", play);
}

/* A fault at every place of a 40-byte string, so that blocks and tail of the scan all see it. */
static void faults_are_found_at_any_place(void **state)
{
	static const struct {
		const char *bytes, *reason;
		size_t shift;
	} table[] = {
		{ "\x1f", "a control character in a string", 0 },
		{ "\n", "a control character in a string", 0 },
		{ "\xff", "invalid UTF-8", 0 },
		{ "\xc3(", "invalid UTF-8", 0 },
		{ "\xed\xa0\x80", "invalid UTF-8", 0 },
		{ "\xc3\xa9\xc3", "invalid UTF-8", 2 },
		{ "\\x", "not a JSON escape", 0 },
		{ "\\u12g4", "not a JSON escape", 0 },
		{ "\\udc00", "not a JSON escape", 0 },
		{ "\\ud800\\u0041", "not a JSON escape", 0 },
		{ "\\n\\q", "not a JSON escape", 2 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		for (size_t at = 0; at < 40; at++) {
			size_t n = strlen(table[i].bytes);
			struct bl_json_fault fault = { 0 };
			char text[80];

			memset(text, 'x', sizeof(text));
			text[0] = text[60] = '"';
			memcpy(text + 1 + at, table[i].bytes, n);
			assert_int_equal(bl_json_check(text, 61, &fault), -1);
			assert_string_equal(fault.reason, table[i].reason);
			assert_int_equal(fault.offset, 1 + at + table[i].shift);
		}
}

/* Every prefix of a good line is a bad line, and says so at its end or before. */
static void every_cut_is_found(void **state)
{
	static const char line[] =
		"{\"a\": [1.5e-3, -0, true, false, null, \"\\u00e9\\ud83d\\ude00 \xc3\xa9\"],"
		" \"b\": {\"c\": {}, \"d\": []}}";
	struct bl_json_fault fault = { 0 };

	(void)state;
	assert_int_equal(bl_json_check(line, sizeof(line) - 1, &fault), 0);
	for (size_t len = 0; len < sizeof(line) - 1; len++) {
		/* a copy of its own size, so that sanitizers see a byte read past the cut */
		char *cut = malloc(len + 1);

		assert_non_null(cut);
		memcpy(cut + 1, line, len);
		fault.reason = NULL;
		assert_int_equal(bl_json_check(cut + 1, len, &fault), -1);
		assert_non_null(fault.reason);
		assert_true(fault.offset <= len);
		free(cut);
	}
}

static void depth_is_bounded(void **state)
{
	BL_AUTO(bl_buf) deep = BL_BUF(1000);
	BL_AUTO(bl_buf) out = BL_BUF(1000);
	struct bl_json_fault fault = { 0 };
	char list[200];

	(void)state;
	memset(list, '[', 65);
	memset(list + 65, ']', 65);
	assert_int_equal(bl_json_check(list + 1, 128, &fault), 0);
	assert_int_equal(bl_json_check(list, 130, &fault), -1);
	assert_string_equal(fault.reason, "nested deeper than 64");
	assert_int_equal(fault.offset, 64);
	for (int i = 0; i < 65; i++)
		bl_buf_adds(&deep, "{\"k\":");
	bl_buf_adds(&deep, "1");
	for (int i = 0; i < 65; i++)
		bl_buf_adds(&deep, "}");
	assert_int_equal(bl_json_members(bl_buf_text(&deep) + 5, deep.len - 6, false, show_member,
	                                 &out, &fault),
	                 0);
	assert_int_equal(
		bl_json_members(bl_buf_text(&deep), deep.len, false, show_member, &out, &fault),
		-1);
	assert_string_equal(fault.reason, "nested deeper than 64");
}

struct seen {
	char key[300];
	size_t n;
	int stop_with;
};

static int remember_key(void *arg, const struct bl_member *member)
{
	struct seen *seen = arg;

	assert_true(member->key_len < sizeof(seen->key));
	memcpy(seen->key, member->key, member->key_len);
	seen->key[member->key_len] = '\0';
	seen->n++;
	return seen->stop_with;
}

static void long_keys_are_cut_between_characters(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(2000);
	struct bl_json_fault fault = { 0 };
	struct seen seen = { 0 };

	(void)state;
	bl_buf_adds(&text, "{\"x\":{\"");
	for (int i = 0; i < 200; i++)
		bl_buf_adds(&text, i % 2 ? "\\u00e9" : "\xc3\xa9");
	bl_buf_adds(&text, "\":1}}");
	assert_int_equal(
		bl_json_members(bl_buf_text(&text), text.len, false, remember_key, &seen, &fault),
		0);
	assert_int_equal(strlen(seen.key), 256);
	assert_memory_equal(seen.key, "x.\xc3\xa9", 4);
	bl_buf_reset(&text);
	bl_buf_adds(&text, "{\"xy\":{\"");
	for (int i = 0; i < 200; i++)
		bl_buf_adds(&text, "\xc3\xa9");
	bl_buf_adds(&text, "\":1}}");
	assert_int_equal(
		bl_json_members(bl_buf_text(&text), text.len, false, remember_key, &seen, &fault),
		0);
	assert_int_equal(strlen(seen.key), 255);
}

static void the_callback_can_stop(void **state)
{
	static const char text[] = "{\"a\":{\"b\":1,\"c\":2},\"d\":";
	struct bl_json_fault fault = { 5, "old" };
	struct seen seen = { .stop_with = 7 };

	(void)state;
	assert_int_equal(
		bl_json_members(text, sizeof(text) - 1, false, remember_key, &seen, &fault), 7);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.key, "a.b");
	seen.stop_with = -1;
	assert_int_equal(
		bl_json_members(text, sizeof(text) - 1, false, remember_key, &seen, &fault), -1);
	assert_null(fault.reason);
}

static void strict_readers_refuse_nan(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
	} table[] = { { "{\"a\":NaN}", 5 }, { "{\"a\":Infinity}", 5 }, { "{\"a\":-Infinity}", 5 } };
	struct bl_json_fault fault = { 0 };
	struct seen seen = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const char *text = table[i].text;

		assert_int_equal(
			bl_json_members(text, strlen(text), false, remember_key, &seen, &fault),
			-1);
		assert_string_equal(fault.reason, "NaN and Infinity are not JSON");
		assert_int_equal(fault.offset, table[i].offset);
	}
	assert_int_equal(seen.n, 0);
}

static void both_ways_find_the_same_place(void **state)
{
	static const char text[] = "{\"a\":0,\"90}\n\":1}";
	struct bl_json_fault fault = { 0 }, other = { 0 };
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(bl_json_check(text, sizeof(text) - 1, &fault), -1);
	assert_int_equal(
		bl_json_members(text, sizeof(text) - 1, false, remember_key, &seen, &other), -1);
	assert_int_equal(fault.offset, 11);
	assert_int_equal(other.offset, 11);
}

static int show_item(void *arg, const char *item, size_t len)
{
	bl_buf_addf(arg, "<%.*s>", (int)len, item);
	return 0;
}

static void items_are_given_whole(void **state)
{
	static const struct {
		const char *text, *items, *reason;
	} table[] = {
		{ "{\"x\":[0],\"log\":[ {\"a\":NaN} , [1,2],3 ],\"y\":{}}",
		  "<{\"a\":NaN}><[1,2]><3>", NULL },
		{ "{\"log\":[]}", "", NULL },
		{ "{\"log\":1}", "", NULL },
		{ "{\"x\":{\"log\":[1]}}", "", NULL },
		{ "{}", "", NULL },
		{ "{\"log\":[1,]}", "<1>", "not a JSON value" },
		{ "{\"log\":[1 2]}", "<1>", "a comma or a closing bracket is missing" },
		{ "{\"log\":[1", "<1>", "the text ends too early" },
		{ "[1]", "", "not an object" },
		{ "{} x", "", "more text after the value" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(1000);
		struct bl_json_fault fault;
		int rc = bl_json_items(table[i].text, strlen(table[i].text), "log", true, show_item,
		                       &out, &fault);

		assert_int_equal(rc, table[i].reason ? -1 : 0);
		assert_string_equal(bl_buf_text(&out), table[i].items);
		if (table[i].reason)
			assert_string_equal(fault.reason, table[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_read_as_expected),
		cmocka_unit_test(faults_are_found_at_any_place),
		cmocka_unit_test(every_cut_is_found),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(long_keys_are_cut_between_characters),
		cmocka_unit_test(the_callback_can_stop),
		cmocka_unit_test(strict_readers_refuse_nan),
		cmocka_unit_test(both_ways_find_the_same_place),
		cmocka_unit_test(items_are_given_whole),
	};

	return cmocka_run_group_tests_name("jsonl", tests, NULL, NULL);
}
