/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_walk.h"

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

/*
 * main: c0 c1 (side merged) m c2; topic leaves main at m: t1 t2.
 */
static char c0[41], c1[41], side[41], m[41], c2[41], t2[41];

static void commit(const char *subject)
{
	REPO_GIT(folder, "commit", "-q", "--allow-empty", "-m", subject);
}

static int make_history(void **state)
{
	if (folder_make(state))
		return -1;
	REPO_GIT(folder, "init", "-q", "-b", "main");
	put_text("a", "a");
	REPO_GIT(folder, "add", "-A");
	commit("c0");
	REPO_ASK(c0, folder, "rev-parse", "HEAD");
	REPO_GIT(folder, "checkout", "-q", "-b", "side");
	commit("s1");
	REPO_ASK(side, folder, "rev-parse", "HEAD");
	REPO_GIT(folder, "checkout", "-q", "main");
	commit("c1");
	REPO_ASK(c1, folder, "rev-parse", "HEAD");
	REPO_GIT(folder, "merge", "-q", "--no-ff", "-m", "m", "side");
	REPO_ASK(m, folder, "rev-parse", "HEAD");
	REPO_GIT(folder, "checkout", "-q", "-b", "topic");
	commit("t1");
	commit("t2");
	REPO_ASK(t2, folder, "rev-parse", "HEAD");
	REPO_GIT(folder, "checkout", "-q", "main");
	put_text("b", "b");
	REPO_GIT(folder, "add", "-A");
	commit("c2");
	REPO_ASK(c2, folder, "rev-parse", "HEAD");
	return 0;
}

#define IN_HISTORY(test) cmocka_unit_test_setup_teardown(test, make_history, folder_drop)

struct told {
	char shas[8][41], trees[8][41];
	size_t n, stop_at;
};

static int note(void *arg, const char *sha, const char *tree, struct bl_err *err)
{
	struct told *told = arg;

	assert_int_equal(err->code, BL_OK);
	assert_true(told->n < 8);
	snprintf(told->shas[told->n], 41, "%s", sha);
	snprintf(told->trees[told->n++], 41, "%s", tree);
	return told->n == told->stop_at ? 7 : 0;
}

static void the_first_parents_are_told_newest_first(void **state)
{
	const char *const expected[] = { c2, m, c1, c0 };
	struct told told = { .n = 0 };
	struct bl_err err = { 0 };
	char tree[41];

	(void)state;
	assert_int_equal(bl_git_first_parents(folder, c2, 500, note, &told, &err), 0);
	assert_int_equal(told.n, BL_COUNT(expected));
	for (size_t i = 0; i < told.n; i++)
		assert_string_equal(told.shas[i], expected[i]);
	REPO_ASK(tree, folder, "rev-parse", "main^{tree}");
	assert_string_equal(told.trees[0], tree);
	REPO_ASK(tree, folder, "rev-parse", "main~2^{tree}");
	assert_string_equal(told.trees[2], tree);
}

static void a_walk_is_bounded_and_can_be_ended(void **state)
{
	struct told told = { .n = 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_git_first_parents(folder, c2, 2, note, &told, &err), 0);
	assert_int_equal(told.n, 2);
	told = (struct told){ .stop_at = 3 };
	assert_int_equal(bl_git_first_parents(folder, c2, 500, note, &told, &err), 7);
	assert_int_equal(told.n, 3);
	told.n = 0;
	assert_int_equal(bl_git_first_parents(folder, c2, 0, note, &told, &err), 0);
	assert_int_equal(told.n, 0);
	assert_int_equal(err.code, BL_OK);
}

static void the_merge_base_is_where_a_branch_left(void **state)
{
	struct bl_err err = { 0 };
	char sha[41] = "kept";

	(void)state;
	assert_int_equal(bl_git_merge_base(folder, c2, t2, sha, &err), 0);
	assert_string_equal(sha, m);
	assert_int_equal(bl_git_merge_base(folder, side, c1, sha, &err), 0);
	assert_string_equal(sha, c0);
	assert_int_equal(bl_git_merge_base(folder, c1, t2, sha, &err), 0);
	assert_string_equal(sha, c1);
	assert_int_equal(bl_git_merge_base(folder, m, m, sha, &err), 0);
	assert_string_equal(sha, m);
}

static void what_has_nothing_in_common_has_no_base(void **state)
{
	struct bl_err err = { 0 };
	char other[41], sha[41] = "kept";

	(void)state;
	REPO_GIT(folder, "checkout", "-q", "--orphan", "other");
	commit("alone");
	REPO_ASK(other, folder, "rev-parse", "HEAD");
	assert_int_equal(bl_git_merge_base(folder, c2, other, sha, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_string_equal(sha, "kept");
}

static void what_is_no_commit_here_is_said(void **state)
{
	static const char absent[] = "0123456789012345678901234567890123456789";
	struct told told = { .n = 0 };
	struct bl_err err = { 0 };
	char sha[41];

	(void)state;
	assert_int_equal(bl_git_merge_base(folder, c2, absent, sha, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.next, "fetch-depth"));
	bl_err_clear(&err);
	assert_int_equal(bl_git_first_parents(folder, "main", 5, note, &told, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_git_first_parents(folder, absent, 5, note, &told, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_int_equal(told.n, 0);
}

static void a_shallow_clone_says_that_it_ends_too_early(void **state)
{
	struct told told = { .n = 0 };
	struct bl_err err = { 0 };
	const char *clone = folder_path("clone");
	char url[128], sha[41];

	(void)state;
	snprintf(url, sizeof(url), "file://%s", folder);
	REPO_GIT(folder, "clone", "-q", "--depth", "2", "--no-single-branch", url, "clone");
	assert_int_equal(bl_git_first_parents(clone, c2, 500, note, &told, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.text, "shallow"));
	assert_non_null(strstr(err.next, "fetch-depth: 0"));
	assert_int_equal(told.n, 2);
	assert_string_equal(told.shas[1], m);
	bl_err_clear(&err);
	assert_int_equal(bl_git_merge_base(clone, side, t2, sha, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	/* as deep as it must be: nothing is missed */
	bl_err_clear(&err);
	told = (struct told){ .n = 0 };
	assert_int_equal(bl_git_first_parents(clone, c2, 2, note, &told, &err), 0);
	assert_int_equal(told.n, 2);
}

static int count(void *arg, const char *sha, const char *tree, struct bl_err *err)
{
	(void)err;
	*(size_t *)arg += strlen(sha) == 40 && strlen(tree) == 40;
	return 0;
}

/* zlib and the C library allocate for libgit2 behind its back: the code of that only it knows. */
static int walk_story(struct bl_err *err)
{
	size_t n = 0;
	char sha[41];

	if (bl_git_merge_base(folder, c2, t2, sha, err) ||
	    bl_git_first_parents(folder, sha, 500, count, &n, err)) {
		if (err->code == BL_EIO || err->code == BL_ENOENT)
			err->code = BL_ENOMEM;
		return -1;
	}
	assert_string_equal(sha, m);
	assert_int_equal(n, 3);
	return 0;
}

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	each_allocation_fails(walk_story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HISTORY(the_first_parents_are_told_newest_first),
		IN_HISTORY(a_walk_is_bounded_and_can_be_ended),
		IN_HISTORY(the_merge_base_is_where_a_branch_left),
		IN_HISTORY(what_has_nothing_in_common_has_no_base),
		IN_HISTORY(what_is_no_commit_here_is_said),
		IN_HISTORY(a_shallow_clone_says_that_it_ends_too_early),
		IN_HISTORY(memory_may_fail_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
