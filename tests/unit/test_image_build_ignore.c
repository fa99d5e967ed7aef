/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_build_parts.h"

#include "tests/unit/failalloc.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *file, *path;
	bool out;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		BUILD_IGNORE ignore = NULL;
		struct bl_err err = { 0 };

		if (build_ignore_parse(rows[i].file, strlen(rows[i].file), ".dockerignore", &ignore,
		                       &err))
			fail_msg("'%s': %s", rows[i].file, err.text);
		if (build_ignore_matches(ignore, rows[i].path) != rows[i].out)
			fail_msg("'%s' with '%s': not %s", rows[i].path, rows[i].file,
			         rows[i].out ? "left out" : "kept");
	}
}

static void patterns_are_tied_to_the_root(void **state)
{
	static const struct row rows[] = {
		{ "", "a", false },
		{ "a", "a", true },
		{ "a", "b/a", false }, /* .gitignore would */
		{ "/a", "a", true },
		{ "./a", "a", true },
		{ "a/", "a", true },
		{ "a//b/./c/../d", "a/b/d", true },
		{ "a", "a/b/c", true }, /* what lies in it */
		{ "a", "ab", false },
		{ "a/b", "a/b/c", true },
		{ "a/b", "a", false },
		{ ".", "a", false },
		{ "../a", "a", false },
		{ "../x/../a", "a", false },
		{ "/../a", "a", true },
		{ "../a", "a", false }, /* outside of the context */
		{ "b/../../a", "a", false },
		{ "/../a", "a", true }, /* there is nothing above the root */
		{ "b/../a", "a", true },
	};

	(void)state;
	check(rows, BL_COUNT(rows));
}

static void wildcards_know_directories(void **state)
{
	static const struct row rows[] = {
		{ "*.log", "a.log", true },
		{ "*.log", "b/a.log", false },
		{ "*/*.log", "b/a.log", true },
		{ "*", "b/a.log", true },
		{ "*b*", "abc", true },
		{ "a?c", "abc", true },
		{ "a?c", "a/c", false },
		{ "a?c", "ac", false },
		{ "**/*.log", "a.log", true },
		{ "**/*.log", "b/c/a.log", true },
		{ "**/*.log", "b/c/a.logs", false },
		{ "**", "b/c", true },
		{ "a/**", "a/b/c", true },
		{ "a/**", "a", false },
		{ "a/**/z", "a/z", true },
		{ "a/**/z", "a/b/c/z", true },
		{ "a/**/z", "a/bz", false },
		{ "a/**/z", "a/b/z/under", true },
		{ "**/a/**/b", "x/a/y/b", true },
		{ "**.pyc", "a/b.pyc", true }, /* first, and all plain after it: any end */
		{ "**.pyc", "b.pyc", true },
		{ "**.pyc", "b.pyo", false },
		{ "**.py?", "b.pyc", false },
		{ "**.py?", "a/.pyc", true },
		{ "a**b", "axb", false }, /* "**" ends at a '/' */
		{ "a**b", "ax/b", true },
		{ "**.pyc", "a/b.pyc", true }, /* but not there */
		{ "**.pyc", "a/b.pycs", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[^a-c]x", "dx", true },
		{ "[^a-c]x", "ax", false },
		{ "[]]", "]", true },
		{ "[a\\-c]", "-", true },
		{ "[a\\-c]", "b", false },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "a.b", "axb", false },
		{ "a$", "a$", true },
	};

	(void)state;
	check(rows, BL_COUNT(rows));
}

static void the_last_that_matches_decides(void **state)
{
	static const struct row rows[] = {
		{ "*\n!keep", "keep", false },
		{ "*\n!keep", "keep/in/it", false },
		{ "*\n!keep", "other", true },
		{ "dir\n!dir/keep", "dir/keep", false }, /* .gitignore would not */
		{ "dir\n!dir/keep", "dir/other", true },
		{ "!keep\n*", "keep", true },
		{ "*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true },
		{ "*.md\n!README*.md\nREADME-secret.md", "README.md", false },
		{ "a\n! a", "a", false },
	};

	(void)state;
	check(rows, BL_COUNT(rows));
}

static void lines_are_read_as_builders_do(void **state)
{
	static const struct row rows[] = {
		{ "# a\n\n  \na", "a", true },
		{ "#a", "#a", false },
		{ " #a", "#a", true }, /* a comment begins its line */
		{ "  a  \r\n", "a", true },
		{ "\xef\xbb\xbf"
		  "a",
		  "a", true },
		{ "!", "!", false },
		{ "a", "A", false },
	};

	(void)state;
	check(rows, BL_COUNT(rows));
}

static void bad_patterns_are_named(void **state)
{
	char longer[600], many[5000 * 2];
	BUILD_IGNORE ignore = NULL;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(build_ignore_parse("ok\n[a\n", 6, "ig", &ignore, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(err.text, "ig:2: a '[' without its ']'");
	bl_err_clear(&err);
	memset(longer, 'a', sizeof(longer));
	assert_int_equal(build_ignore_parse(longer, sizeof(longer), "ig", &ignore, &err), -1);
	assert_non_null(strstr(err.text, "over 512 bytes"));
	bl_err_clear(&err);
	for (size_t i = 0; i < sizeof(many); i += 2)
		memcpy(many + i, "a\n", 2);
	assert_int_equal(build_ignore_parse(many, sizeof(many), "ig", &ignore, &err), -1);
	assert_non_null(strstr(err.text, "ig:4097: over 4,096 patterns"));
	assert_null(ignore);
}

/* Where a matcher that tries all ways would not come to an end. */
static void no_pattern_is_slow(void **state)
{
	char pattern[PATH_MAX] = "", path[PATH_MAX] = "";
	BUILD_IGNORE ignore = NULL;
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < 100; i++)
		strncat(pattern, "**/*a", sizeof(pattern) - strlen(pattern) - 1);
	for (size_t i = 0; i < 1000; i++)
		strncat(path, "aa/", sizeof(path) - strlen(path) - 1);
	strncat(pattern, "b", sizeof(pattern) - strlen(pattern) - 1);
	strncat(path, "c", sizeof(path) - strlen(path) - 1);
	assert_int_equal(build_ignore_parse(pattern, strlen(pattern), "ig", &ignore, &err), 0);
	assert_false(build_ignore_matches(ignore, path));
}

static int reading(struct bl_err *err)
{
	static const char text[] = "*\n!**/a[b]\n# end\n";
	BUILD_IGNORE ignore = NULL;

	if (build_ignore_parse(text, strlen(text), "ig", &ignore, err))
		return -1;
	assert_false(build_ignore_matches(ignore, "x/ab"));
	return 0;
}

static void memory_may_end(void **state)
{
	(void)state;
	each_allocation_fails(reading, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_are_tied_to_the_root),
		cmocka_unit_test(wildcards_know_directories),
		cmocka_unit_test(the_last_that_matches_decides),
		cmocka_unit_test(lines_are_read_as_builders_do),
		cmocka_unit_test(bad_patterns_are_named),
		cmocka_unit_test(no_pattern_is_slow),
		cmocka_unit_test(memory_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
