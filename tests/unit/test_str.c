/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void distance_counts_edits(void **state)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} table[] = {
		{ "", "", 0 },         { "abc", "", 3 },           { "", "abc", 3 },
		{ "abc", "abc", 0 },   { "abc", "abd", 1 },        { "abc", "ab", 1 },
		{ "abc", "acb", 1 },   { "kitten", "sitting", 3 }, { "marekt", "market", 1 },
		{ "gpus", "spgu", 3 }, { "ab", "ba", 1 },          { "abcdef", "badcfe", 3 },
	};
	char word[66];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		assert_int_equal(bl_str_distance(table[i].a, table[i].b), table[i].distance);
		assert_int_equal(bl_str_distance(table[i].b, table[i].a), table[i].distance);
	}
	memset(word, 'w', sizeof(word));
	word[65] = '\0';
	assert_true(bl_str_distance(word, "w") == SIZE_MAX);
	word[64] = '\0';
	assert_int_equal(bl_str_distance(word, "w"), 63);
}

static void the_nearest_word_is_one_that_could_be_meant(void **state)
{
	static const char *const words[] = { "gpus", "market", "max_runtime", "retries", "env" };
	static const struct {
		const char *word, *nearest;
	} table[] = {
		{ "gpu", "gpus" },       { "marekt", "market" }, { "max-run-time", "max_runtime" },
		{ "retry", NULL },       { "envs", "env" },      { "completely", NULL },
		{ "x", NULL },           { "", NULL },           { "gpus", "gpus" },
		{ "retrys", "retries" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const char *near = bl_str_nearest(table[i].word, words, BL_COUNT(words));

		if (!table[i].nearest)
			assert_null(near);
		else
			assert_string_equal(near, table[i].nearest);
	}
	assert_null(bl_str_nearest("gpus", words, 0));
}

static void starts_and_ends(void **state)
{
	(void)state;
	assert_true(bl_str_is_sha("0123456789abcdef0123456789abcdef01234567"));
	assert_false(bl_str_is_sha("0123456789abcdef0123456789abcdef0123456"));
	assert_false(bl_str_is_sha("0123456789abcdef0123456789abcdef012345678"));
	assert_false(bl_str_is_sha("0123456789ABCDEF0123456789abcdef01234567"));
	assert_false(bl_str_is_sha("0123456789abcdef0123456789abcdef0123456 "));
	assert_false(bl_str_is_sha(""));
	assert_true(bl_str_starts("refs/heads/x", "refs/heads/"));
	assert_true(bl_str_starts("x", ""));
	assert_false(bl_str_starts("ref", "refs"));
	assert_true(bl_str_ends("a.json", ".json"));
	assert_true(bl_str_ends("", ""));
	assert_false(bl_str_ends("json", ".json"));
}

/* Table 3-7 of the Unicode standard, at its borders. */
static void only_well_formed_utf8_is_taken(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} table[] = {
		{ "a", 1 },
		{ "\x7f", 1 },
		{ "\x80", 0 },
		{ "\xbf", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xc2\x80", 2 },
		{ "\xc2\x7f", 0 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xed\xa0\x80", 0 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xef\xbf", 0 },
		{ "\xe1\x80\xc0", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xf1\x80\x80", 0 },
		{ "\xff", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const char *p = table[i].bytes;

		assert_int_equal(bl_utf8_sequence(p, strlen(p)), table[i].len);
		assert_int_equal(bl_utf8_valid(p, strlen(p)), table[i].len);
	}
	assert_int_equal(bl_utf8_sequence("\0", 1), 1);
	assert_int_equal(bl_utf8_valid("12345678abcdefgh\xc3\xa9xyz\xff", 22), 21);
	assert_int_equal(bl_utf8_valid("1234567\xff", 8), 7);
}

static void bad_bytes_are_replaced(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(100);

	(void)state;
	assert_int_equal(bl_utf8_add(&out, "a\xff\xc3\xa9\xe6\x97", 6), 3);
	assert_string_equal(bl_buf_text(&out), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
	bl_buf_reset(&out);
	assert_int_equal(bl_utf8_add(&out, "good", 4), 0);
	assert_string_equal(bl_buf_text(&out), "good");
}

static void escape_sequences_are_removed(void **state)
{
	static const char *const table[][2] = {
		{ "plain", "plain" },
		{ "\033[31mred\033[0m", "red" },
		{ "\033[38;5;1mx\033[K", "x" },
		{ "a\033]0;title\ab", "ab" },
		{ "a\033]8;;http://x\033\\link\033]8;;\033\\b", "alinkb" },
		{ "a\033Mb", "ab" },
		{ "a\033(Bb", "ab" },
		{ "a\033", "a" },
		{ "a\033[12", "a" },
		{ "a\033]never closed", "a" },
		{ "a\033(", "a" },
		{ "a\033[1\xc3\xa9", "a\xc3\xa9" },
		{ "a\033[31\033[32mb", "ab" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		char text[64];
		size_t len = strlen(table[i][0]);

		memcpy(text, table[i][0], len);
		len = bl_str_strip_ansi(text, len);
		assert_int_equal(len, strlen(table[i][1]));
		assert_memory_equal(text, table[i][1], len);
	}
}

static void globs_know_folders(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} table[] = {
		{ "*.txt", "a.txt", true },
		{ "*.txt", "d/a.txt", false },
		{ "**/*.txt", "d/e/a.txt", true },
		{ "**/*.txt", "a.txt", true },
		{ "d/**", "d/e/f", true },
		{ "d/**", "d", false },
		{ "**", "any/thing", true },
		{ "a**z", "a/b/z", true },
		{ "d/*/f", "d/e/f", true },
		{ "d/*/f", "d/e/e/f", false },
		{ "?", "a", true },
		{ "?", "/", false },
		{ "?", "", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true },
		{ "[^a-c]x", "ax", false },
		{ "[!a]", "/", false },
		{ "[]]", "]", true },
		{ "[a-]", "-", true },
		{ "[", "[", true },
		{ "[ab", "[ab", true },
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "aXbY", false },
	};
	char path[200];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_int_equal(bl_str_glob(table[i].pattern, table[i].path), table[i].matches);
	/* exponential without its budget: must come back */
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(bl_str_glob("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
}

static void random_text_is_from_its_alphabet(void **state)
{
	struct bl_err err = { 0 };
	char a[65], b[65];

	(void)state;
	assert_int_equal(bl_str_random(a, 64, &err), 0);
	assert_int_equal(bl_str_random(b, 64, &err), 0);
	assert_int_equal(strlen(a), 64);
	assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), 64);
	assert_string_not_equal(a, b); /* equal once in 2^320 */
	assert_int_equal(bl_str_random(a, 0, &err), 0);
	assert_string_equal(a, "");
	assert_int_equal(bl_str_random(a, 65, &err), -1);
	assert_int_equal(err.code, BL_EBUG);
}

static int add_texts(struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(100);

	bl_str_add_duration(&out, 5000);
	bl_str_add_bytes(&out, 5000);
	bl_utf8_add(&out, "a\xff", 2);
	return bl_buf_check(&out, "text", err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(add_texts, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_edits),
		cmocka_unit_test(the_nearest_word_is_one_that_could_be_meant),
		cmocka_unit_test(starts_and_ends),
		cmocka_unit_test(only_well_formed_utf8_is_taken),
		cmocka_unit_test(bad_bytes_are_replaced),
		cmocka_unit_test(escape_sequences_are_removed),
		cmocka_unit_test(globs_know_folders),
		cmocka_unit_test(random_text_is_from_its_alphabet),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
