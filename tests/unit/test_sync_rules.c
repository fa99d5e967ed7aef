/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define S(size, ms)                                                                                \
	&(const struct bl_sync_side)                                                               \
	{                                                                                          \
		size, ms                                                                           \
	}

static void what_a_name_needs(void **state)
{
	static const struct bl_sync_options plain = { 0 }, del = { .delete_extra = true },
					    sum = { .checksum = true };
	const struct {
		const struct bl_sync_side *src, *dst;
		const struct bl_sync_options *options;
		enum bl_sync_act act;
	} cases[] = {
		{ S(5, 1000), NULL, &plain, BL_SYNC_MOVE },
		{ S(5, 1000), NULL, &del, BL_SYNC_MOVE },
		{ S(5, 1000), S(5, 1000), &plain, BL_SYNC_EQUAL },
		{ S(5, 1000), S(5, 99000), &plain, BL_SYNC_EQUAL }, /* never older than SRC */
		{ S(5, 1000), S(6, 99000), &plain, BL_SYNC_MOVE },
		{ S(5, 2000), S(5, 1000), &plain, BL_SYNC_MOVE },
		{ S(5, 1999), S(5, 1000), &plain, BL_SYNC_LOOK }, /* S3 knows no milliseconds */
		{ S(5, 1999), S(5, 1001), &plain, BL_SYNC_MOVE }, /* a file does */
		{ S(5, 2001), S(5, 2000), &plain, BL_SYNC_LOOK },
		{ S(0, 0), S(0, 0), &plain, BL_SYNC_EQUAL },
		{ S(5, 1000), S(5, 99000), &sum, BL_SYNC_LOOK },
		{ S(5, 99000), S(5, 1000), &sum, BL_SYNC_LOOK },
		{ S(5, 1000), S(6, 1000), &sum, BL_SYNC_MOVE },
		{ NULL, S(5, 1000), &plain, BL_SYNC_LEAVE },
		{ NULL, S(5, 1000), &sum, BL_SYNC_LEAVE },
		{ NULL, S(5, 1000), &del, BL_SYNC_DELETE },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		if (bl_sync_decide(cases[i].src, cases[i].dst, cases[i].options) != cases[i].act)
			fail_msg("case %zu", i);
	}
}

static const char *const good_keys[] = {
	"a",        "a/b",   "a b",  "a+b",       "a%2Fb",         "\xc3\xa9",
	"~t",       "a?b#c", "\x01", "new\nline", "(1)*!'",        "...",
	".hidden",  "a/.b",  "..a",  "a..",       ".bl-short.tmp", ".bl-abcdefghijklmnop.tmp.gz",
	"\xff\xfe",
};

static void keys_that_cannot_be_files(void **state)
{
	static char long_part[300], just[300], deep[1025];
	static const struct {
		const char *key, *why;
	} bad[] = {
		{ "..", "'..'" },
		{ "../x", "'..'" },
		{ "a/../b", "'..'" },
		{ "a/..", "'..'" },
		{ "../../root/.ssh/authorized_keys", "'..'" },
		{ "./x", "'.'" },
		{ "a/./b", "'.'" },
		{ ".", "'.'" },
		{ "/etc/passwd", "begins with '/'" },
		{ "/", "begins with '/'" },
		{ "a//b", "empty part" },
		{ "x/", "ends in '/'" },
		{ "", "empty part" },
		{ ".bl-abcdefghijklmnop.tmp", "temporary" },
		{ "d/.bl-syncdefghijklmno.tmp", "temporary" },
		{ long_part, "255" },
	};

	(void)state;
	memset(long_part, 'n', 256);
	memset(just, 'n', 255);
	for (size_t i = 0; i < 1024; i++)
		deep[i] = i % 2 ? '/' : 'd';
	deep[1023] = 'e';
	assert_null(sync_refuse_file(just));
	assert_null(sync_refuse_file(deep));
	for (size_t i = 0; i < BL_COUNT(good_keys); i++) {
		if (sync_refuse_file(good_keys[i]))
			fail_msg("'%s': %s", good_keys[i], sync_refuse_file(good_keys[i]));
	}
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		const char *why = sync_refuse_file(bad[i].key);

		if (!why || !strstr(why, bad[i].why))
			fail_msg("'%s': %s", bad[i].key, why ? why : "accepted");
	}
}

static void files_that_cannot_be_keys(void **state)
{
	char name[1100];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[1024] = '\0';
	assert_null(sync_refuse_key(name, 0));
	assert_non_null(strstr(sync_refuse_key(name, 1), "1,024"));
	name[1000] = '\0';
	assert_null(sync_refuse_key(name, 24));
	assert_non_null(sync_refuse_key(name, 25));
	assert_null(sync_refuse_key("\xc3\xa9\x01\n", 10));
	assert_non_null(strstr(sync_refuse_key("caf\xe9", 0), "UTF-8"));
	assert_non_null(sync_refuse_key("\xed\xa0\x80", 0)); /* a surrogate */
}

static void markers_are_empty_and_end_in_a_slash(void **state)
{
	(void)state;
	assert_true(sync_is_marker("d/", 0));
	assert_true(sync_is_marker("", 0)); /* the prefix itself */
	assert_true(sync_is_marker("", 5));
	assert_false(sync_is_marker("d/", 1));
	assert_false(sync_is_marker("d", 0));
}

static void the_last_rule_that_matches_decides(void **state)
{
	static const struct {
		const char *rules[4], *name;
		bool excluded;
	} cases[] = {
		{ { 0 }, "a", false },
		{ { "-*" }, "a", true },
		{ { "-*" }, "d/e/a", true },
		{ { "-*", "+*.pt" }, "d/e/a.pt", false },
		{ { "-*", "+*.pt" }, "d/e/a.txt", true },
		{ { "+*.pt", "-*" }, "a.pt", true }, /* order counts */
		{ { "-*.tmp" }, "d/x.tmp", true },
		{ { "-*.tmp" }, "d/x.tmp2", false },
		{ { "-cache" }, "cache/a/b", true },
		{ { "-cache" }, "d/cache/a", true },
		{ { "-cache" }, "cached/a", false },
		{ { "-cache/" }, "cache/a", true },
		{ { "-cache/*" }, "cache/a/b", true },  /* all below what matches */
		{ { "-cache/*" }, "d/cache/a", false }, /* with '/': from the top */
		{ { "-**/cache" }, "d/e/cache/x", true },
		{ { "-d/**", "+d/keep" }, "d/keep/x", false },
		{ { "-d/**", "+d/keep" }, "d/x", true },
		{ { "-d/a?c" }, "d/abc", true },
		{ { "-[ab].txt" }, "d/b.txt", true },
		{ { "-[ab].txt" }, "d/c.txt", false },
		{ { "-*", "+*", "-x" }, "x", true },
		{ { "-*", "+*", "-x" }, "y", false },
		{ { "-/" }, "a", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		size_t n = 0;

		while (n < 4 && cases[i].rules[n])
			n++;
		if (sync_is_excluded(cases[i].name, cases[i].rules, n) != cases[i].excluded)
			fail_msg("case %zu: %s", i, cases[i].name);
	}
}

static void a_file_where_a_directory_must_be(void **state)
{
	static const struct {
		const char *name;
		bool clashes;
	} names[] = {
		{ "a", false },      { "a-b", false },  { "a-b/c", true },  { "a/b", true },
		{ "a/b/c", true },   { "ab", false },   { "ab/c/d", true }, { "b/x", false },
		{ "b/x/y", true },   { "b/xx", false }, { "c/d/e", false }, { "c/d/f", false },
		{ "c/d/f/g", true }, { "d", false },    { "e/d", false },
	};
	static struct sync_clash clash;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		if (i)
			assert_true(strcmp(names[i - 1].name, names[i].name) < 0);
		if (sync_clashes(&clash, names[i].name) != names[i].clashes)
			fail_msg("%s", names[i].name);
	}
}

static void temporary_names(void **state)
{
	(void)state;
	assert_true(sync_is_our_temporary(".bl-syncabcdefghij23.tmp"));
	assert_false(sync_is_our_temporary(".bl-abcdefghijklmnop.tmp"));
	assert_true(sync_is_temporary(".bl-abcdefghijklmnop.tmp"));
	assert_false(sync_is_temporary(".bl-abcdefghijklmno1.tmp")); /* 1 is not in it */
	assert_false(sync_is_temporary(".bl-abcdefghijklmnopq.tmp"));
	assert_false(sync_is_temporary("x.bl-abcdefghijklmnop.tmp"));
}

static void the_two_places(void **state)
{
	static const struct {
		const char *src, *dst, *why; /* NULL: fine */
	} cases[] = {
		{ "s3://bucket", "d", NULL },
		{ "s3://bucket/", "d", NULL },
		{ "d", "s3://bucket/a/b", NULL },
		{ "s3://bucket/a", "s3://other/a", NULL },
		{ "s3://bucket/a", "s3://bucket/b", NULL },
		{ "s3://bucket/a", "s3://bucket/ab", NULL },
		{ "s3://bucket/a", "s3://bucket/a", "within each other" },
		{ "s3://bucket/a", "s3://bucket/a/b", "within each other" },
		{ "s3://bucket/a/b/", "s3://bucket/a", "within each other" },
		{ "s3://bucket", "s3://bucket/a", "within each other" },
		{ "d", "e", "neither" },
		{ "", "s3://bucket", "empty" },
		{ "gs://bucket", "d", "neither" },
		{ "s3://B_ad", "d", "" },
		{ "s3://", "d", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct sync_place src = { 0 }, dst = { 0 };
		struct bl_err err = { 0 };
		int rc = sync_place_parse(&src, cases[i].src, &err) ||
		         sync_place_parse(&dst, cases[i].dst, &err) ||
		         sync_places_check(&src, &dst, &err);

		if (!rc != !cases[i].why || (rc && !strstr(err.text, cases[i].why)))
			fail_msg("%s %s: %s", cases[i].src, cases[i].dst, err.text);
		if (rc)
			assert_int_equal(err.code, BL_EINPUT);
	}
}

static void a_prefix_ends_in_a_slash(void **state)
{
	struct sync_place place = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(sync_place_parse(&place, "s3://bucket/a/b", &err), 0);
	assert_string_equal(place.prefix, "a/b/");
	assert_int_equal(sync_place_parse(&place, "s3://bucket/a/b/", &err), 0);
	assert_string_equal(place.prefix, "a/b/");
	assert_int_equal(sync_place_parse(&place, "s3://bucket", &err), 0);
	assert_string_equal(place.prefix, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_name_needs),
		cmocka_unit_test(keys_that_cannot_be_files),
		cmocka_unit_test(files_that_cannot_be_keys),
		cmocka_unit_test(markers_are_empty_and_end_in_a_slash),
		cmocka_unit_test(the_last_rule_that_matches_decides),
		cmocka_unit_test(a_file_where_a_directory_must_be),
		cmocka_unit_test(temporary_names),
		cmocka_unit_test(the_two_places),
		cmocka_unit_test(a_prefix_ends_in_a_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
