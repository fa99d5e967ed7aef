/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_ignore.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What git itself is asked about: FOLDER/r, untracked. */
static const char *const paths[] = {
	"!bang",
	"#hash",
	"a*b",
	"a-b",
	"a.b",
	"a/b/c/d.py",
	"a/b/x",
	"a/x/b",
	"a1",
	"a]b",
	"aXb",
	"back\\slash",
	"bb/a",
	"build/out.o",
	"docs/a.txt",
	"docs/b.md",
	"docs/d/a.txt",
	"dir\xc3\xa9/f",
	"foo/bar",
	"foo/q/bar",
	"foo/q/r/bar",
	"foobar",
	"keep/.git_keep",
	"src/build/x",
	"src/foo/bar",
	"tab\t",
	"trail ",
	"x y",
	"[a]",
	"\xc3\xa9.py",
};

static const char *const files[] = {
	"",
	"\n\n   \n# all\n",
	"build\n",
	"build/\n",
	"/build\n",
	"/build/\n",
	"bar/\n",
	"build/out.o\n",
	"b/x\n",
	"a/b\n",
	"/a/b/\n",
	"a/\n!a/b/x\n",
	"a/*\n!a/b\na/b/*\n!a/b/x\n",
	"*\n!*/\n!*.py\n",
	"*\n!foo/\n",
	"*.txt\n!docs/a.txt\n",
	"!docs/a.txt\n*.txt\n",
	"docs/*.txt\n",
	"docs/**/*.txt\n",
	"**/a.txt\n",
	"/**/a.txt\n",
	"**/foo\n",
	"**/foo/bar\n",
	"foo/**\n",
	"foo/**/\n",
	"foo/**/bar\n",
	"foo/**/**/bar\n",
	"foo/***/bar\n",
	"foo/*/bar\n",
	"f**r\n",
	"/f**r\n",
	"**\n",
	"**/\n",
	"/**\n",
	"/*\n",
	"/*/\n",
	"*/\n",
	"*/*/\n",
	"a?b\n",
	"a[*]b\n",
	"a[-]b\n",
	"a[]]b\n",
	"a[]*-]b\n",
	"a[!a-z]b\n",
	"a[^[:alnum:]]b\n",
	"a[[:upper:]]b\n",
	"a[[:digit:]]\n",
	"a[[:nothing:]1]\n",
	"a[0-9]\n",
	"a[1\n",
	"a[1\\]]\n",
	"a[\\*]b\n",
	"a[+--]b\n",
	"a[X-]b\n",
	"a[z-a]b\n",
	"foo[/]bar\n",
	"foo/[a-c]a?\n",
	"foo?bar\n",
	"\\#hash\n",
	"#hash\n",
	"\\!bang\n",
	"a\\*b\n",
	"a\\\\b\n",
	"back\\slash\n",
	"back\\\\slash\n",
	"[a]\n",
	"\\[a]\n",
	"\\[a\\]\n",
	"x y\n",
	"x\\ y\n",
	"trail \n",
	"trail\\ \n",
	"trail\\  \n",
	"trail\\\\ \n",
	"tab\t\n",
	"tab\n",
	"x y   \n",
	"  x y\n",
	"a1\r\nfoobar\r\n",
	"a1\nfoobar",
	"\xef\xbb\xbf"
	"a1\n",
	"\xc3\xa9.py\n",
	"?.py\n",
	"??.py\n",
	"dir?\?/\n",
	"/\n",
	"//\n",
	"!\n",
	"!/\n",
	"a//\n",
	"//a\n",
	"a//b\n",
	"\\\n",
	"a\\\n",
	"\\/a\n",
	"foo\\/bar\n",
	"./a\n",
	"../a\n",
	"*.\n",
	".*\n",
	"*a*a*\n",
	"*b*/\n",
};

static int set_up(void **state)
{
	char path[64];

	if (folder_make(state))
		return -1;
	for (size_t i = 0; i < BL_COUNT(paths); i++) {
		snprintf(path, sizeof(path), "r/%s", paths[i]);
		put_text(path, "");
	}
	REPO_GIT(folder_path("r"), "init", "-q");
	return 0;
}

static struct bl_ignore *parse(const char *text)
{
	struct bl_ignore *ignore = NULL;
	struct bl_err err = { 0 };

	if (bl_ignore_parse(text, strlen(text), "f", &ignore, &err))
		fail_msg("%s: %s", text, err.text);
	return ignore;
}

/* As a walk asks: what lies in a directory that is left out is never asked about. */
static bool is_left_out(const struct bl_ignore *ignore, const char *path)
{
	char dir[64];

	for (const char *at = path; (at = strchr(at, '/')); at++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(at - path), path);
		if (bl_ignore_matches(ignore, dir, true))
			return true;
	}
	return bl_ignore_matches(ignore, path, false);
}

static bool is_listed(const struct bl_buf *list, const char *path)
{
	const char *end = list->data + list->len;

	for (const char *at = list->data; at && at < end; at += strlen(at) + 1)
		if (!strcmp(at, path))
			return true;
	return false;
}

static void compare_with_git(const char *text)
{
	BL_AUTO(bl_buf) list = BL_BUF(65536);
	char rules[128];
	struct bl_ignore *ignore = parse(text);
	const char *const ask[] = { "ls-files", "-o", "-i", "-z", rules, NULL };

	put_text("rules", text);
	snprintf(rules, sizeof(rules), "--exclude-from=%s", folder_path("rules"));
	assert_int_equal(repo_run(folder_path("r"), ask, &list), 0);
	for (size_t i = 0; i < BL_COUNT(paths); i++)
		if (is_left_out(ignore, paths[i]) != is_listed(&list, paths[i]))
			fail_msg("'%s' of '%s': git %s", paths[i], text,
			         is_listed(&list, paths[i]) ? "leaves it out" : "takes it");
	bl_ignore_free(ignore);
}

static void patterns_mean_what_git_means(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(files); i++)
		compare_with_git(files[i]);
}

/*
 * git 2.39 takes "a**" + "/b" for "a" and "**" + "/b", against its own manual ("Other consecutive
 * asterisks are considered regular asterisks").
 */
static bool has_glued_stars(const char *text)
{
	for (const char *at = text; (at = strstr(at, "**")); at++)
		if (at > text && !strchr("/\n*", at[-1]))
			return true;
	return false;
}

/* Files of random patterns, the same on every run. */
static void random_patterns_mean_what_git_means(void **state)
{
	static const char *const parts[] = {
		"a", "b", "*",  "**", "?", "/",    "/",   "[a-f]", "[!b]", "foo", "bar", "q", "\\",
		"x", "!", "\n", "\n", ".", "/**/", "**/", "build", "docs", "*.",  "[",   "]", " ",
	};
	unsigned rounds = getenv("SOAK") ? 10000 : 100;
	uint32_t seed = 20261125;

	(void)state;
	while (rounds--) {
		BL_AUTO(bl_buf) text = BL_BUF(1024);

		for (int i = 0; i < 12; i++) {
			seed = seed * 1664525u + 1013904223u;
			bl_buf_adds(&text, parts[(seed >> 16) % BL_COUNT(parts)]);
		}
		if (!has_glued_stars(bl_buf_text(&text)))
			compare_with_git(bl_buf_text(&text));
	}
}

static void without_a_file_nothing_is_left_out(void **state)
{
	(void)state;
	assert_false(bl_ignore_matches(NULL, "a", false));
	assert_false(bl_ignore_matches(NULL, "a", true));
}

static void the_manual_is_followed_where_git_is_not(void **state)
{
	struct bl_ignore *ignore = parse("docs**/a.txt\n");

	(void)state;
	assert_false(bl_ignore_matches(ignore, "docs/d/a.txt", false));
	assert_true(bl_ignore_matches(ignore, "docs2/a.txt", false));
	bl_ignore_free(ignore);
}

/* Beyond a bound or no text: the line is named. */
static void what_is_no_list_is_refused(void **state)
{
	struct bl_buf bytes[4] = { BL_BUF(65536), BL_BUF(65536), BL_BUF(65536), BL_BUF(65536) };
	static const char *const why[] = {
		"f:2: a NUL byte: this is no text",
		"f:3: a pattern of over 1024 bytes",
		"f:4098: over 4096 patterns",
		NULL,
	};

	(void)state;
	bl_buf_add(&bytes[0], "a\nb\0c\n", 6);
	bl_buf_adds(&bytes[1], "a\n#\n");
	for (int i = 0; i < 1025; i++)
		bl_buf_addc(&bytes[1], 'a');
	bl_buf_adds(&bytes[2], "# comments do not count\n");
	for (int i = 0; i < 4097; i++)
		bl_buf_adds(&bytes[2], "a\n");
	bl_buf_add(&bytes[3], bytes[2].data, bytes[2].len - 2);
	for (size_t i = 0; i < BL_COUNT(why); i++) {
		struct bl_ignore *ignore = NULL;
		struct bl_err err = { 0 };
		int rc = bl_ignore_parse(bytes[i].data, bytes[i].len, "f", &ignore, &err);

		assert_int_equal(rc, why[i] ? -1 : 0);
		assert_string_equal(err.text, why[i] ? why[i] : "");
		assert_int_equal(err.code, why[i] ? BL_EINPUT : BL_OK);
		assert_int_equal(ignore != NULL, !why[i]);
		bl_ignore_free(ignore);
	}
	for (size_t i = 0; i < BL_COUNT(bytes); i++)
		bl_buf_done(&bytes[i]);
}

/* 2^500 ways for a matcher that tries them all. */
static void many_stars_end_soon(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	BL_AUTO(bl_buf) path = BL_BUF(8192);
	struct bl_ignore *ignore;

	(void)state;
	for (int i = 0; i < 200; i++)
		bl_buf_adds(&text, "*a");
	bl_buf_adds(&text, "b\n");
	for (int i = 0; i < 150; i++)
		bl_buf_adds(&text, "**/a/");
	bl_buf_adds(&text, "b\n");
	for (int i = 0; i < 2000; i++)
		bl_buf_adds(&path, i % 2 ? "aaaa/" : "a");
	bl_buf_adds(&path, "c");
	ignore = parse(bl_buf_text(&text));
	assert_false(bl_ignore_matches(ignore, bl_buf_text(&path), false));
	bl_ignore_free(ignore);
}

static int story(struct bl_err *err)
{
	static const char text[] = "build/\n!build/keep\n";
	struct bl_ignore *ignore = NULL;
	int rc = bl_ignore_parse(text, strlen(text), "f", &ignore, err);

	if (!rc)
		assert_true(bl_ignore_matches(ignore, "build", true));
	bl_ignore_free(ignore);
	return rc;
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(patterns_mean_what_git_means, set_up, folder_drop),
		cmocka_unit_test_setup_teardown(random_patterns_mean_what_git_means, set_up,
		                                folder_drop),
		cmocka_unit_test(without_a_file_nothing_is_left_out),
		cmocka_unit_test(the_manual_is_followed_where_git_is_not),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(many_stars_end_soon),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
