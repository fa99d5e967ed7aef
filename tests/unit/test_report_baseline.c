/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_baseline.h"

#include "run/index.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/repo.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define OLD "20261120T080301Z-1a2b3c4d-aaaa"
#define NEW "20261123T080301Z-1a2b3c4d-bbbb"
#define KEY "0123456789abcdef"

/* main: m1 m2 m3 m4, each with a tree of its own; topic leaves it at m3 and has one commit. */
static char root[512];
static char commits[5][41], trees[5][41];

static int make_repo(void **state)
{
	if (scratch_store(state))
		return -1;
	snprintf(root, sizeof(root), "%s/repo", scratch_dir());
	assert_int_equal(mkdir(root, 0700), 0);
	REPO_GIT(root, "init", "-q", "-b", "main");
	for (int i = 0; i < 5; i++) {
		char path[600];
		FILE *file;

		if (i == 4) {
			REPO_GIT(root, "checkout", "-q", "-b", "topic", "main~1");
		}
		snprintf(path, sizeof(path), "%s/file", root);
		file = fopen(path, "we");
		assert_non_null(file);
		fprintf(file, "%d\n", i);
		assert_int_equal(fclose(file), 0);
		REPO_GIT(root, "add", "-A");
		REPO_GIT(root, "commit", "-q", "-m", "change");
		REPO_ASK(commits[i], root, "rev-parse", "HEAD");
		REPO_ASK(trees[i], root, "rev-parse", "HEAD^{tree}");
	}
	return 0;
}

#define IN_REPO(test) cmocka_unit_test_setup_teardown(test, make_repo, scratch_done)

/* A success of that commit; on main it is a baseline of the branch, too. */
static void succeed(struct bl_store *store, const char *id, int commit, const char *branch)
{
	static const struct bl_outcome success = { .attempt = 1, .finished_at_ms = 1795507381123 };
	BL_AUTO(bl_run) run = { 0 };
	struct bl_err err = { 0 };
	bool updated;

	put_run(store, &(struct fixture_run){ .id = id,
	                                      .branch = branch,
	                                      .head = commits[commit],
	                                      .tree = trees[commit] });
	must(bl_run_read(store, id, &run, &err), &err);
	must(bl_index_update(store, &run, &success, &updated, &err), &err);
	assert_true(updated);
}

static struct bl_baseline_choice choose(struct bl_store *store, const char *clone, bool dirty)
{
	const struct bl_baseline_place place = { .root = clone };
	struct bl_baseline_choice choice = { .run = "unset" };
	BL_AUTO(bl_run) run = { 0 };
	struct bl_err err = { 0 };

	put_run(store, &(struct fixture_run){ .id = RUN,
	                                      .branch = "topic",
	                                      .head = commits[4],
	                                      .tree = trees[4],
	                                      .dirty = dirty });
	must(bl_run_read(store, RUN, &run, &err), &err);
	must(bl_baseline_choose(store, &run, &place, &choice, &err), &err);
	assert_int_equal(err.code, BL_OK);
	return choice;
}

static void assert_choice(struct bl_baseline_choice choice, const char *run, const char *why)
{
	assert_string_equal(choice.run, run);
	assert_string_equal(choice.why, why);
}

static void nothing_is_found_where_nothing_succeeded(void **state)
{
	assert_choice(choose(*state, root, false), "", "no run of main has succeeded yet");
}

static void the_same_tree_comes_first(void **state)
{
	succeed(*state, OLD, 4, "elsewhere");
	succeed(*state, NEW, 2, "main");
	assert_choice(choose(*state, root, false), OLD, "run aaaa of the same tree");
	/* uncommitted changes have no tree */
	assert_choice(choose(*state, root, true), NEW, choose(*state, root, true).why);
}

static void then_where_the_branch_began(void **state)
{
	char why[128];

	succeed(*state, OLD, 2, "main");
	succeed(*state, NEW, 3, "main"); /* newer, but after the branch began */
	snprintf(why, sizeof(why), "run aaaa of %.7s, where this branch began", commits[2]);
	assert_choice(choose(*state, root, false), OLD, why);
}

static void then_the_newest_commit_before(void **state)
{
	char why[128];

	succeed(*state, OLD, 0, "main");
	succeed(*state, NEW, 3, "main");
	snprintf(why, sizeof(why), "run aaaa of %.7s, 2 commits before this branch began",
	         commits[0]);
	assert_choice(choose(*state, root, false), OLD, why);
}

static void a_run_that_was_removed_is_passed_by(void **state)
{
	struct bl_err err = { 0 };
	char why[128];

	succeed(*state, OLD, 0, "main");
	succeed(*state, NEW, 1, "main");
	must(bl_store_delete(*state, NULL, "runs/" NEW "/run.json", &err), &err);
	snprintf(why, sizeof(why), "run aaaa of %.7s, 2 commits before this branch began",
	         commits[0]);
	assert_choice(choose(*state, root, false), OLD, why);
}

static void where_history_has_none_the_newest_of_main(void **state)
{
	succeed(*state, NEW, 3, "main");
	assert_choice(choose(*state, root, false), NEW, "run bbbb, the newest of main");
	assert_choice(choose(*state, NULL, false), NEW, "run bbbb, the newest of main");
}

static void where_nothing_is_said_of_main_either(void **state)
{
	succeed(*state, NEW, 3, "release");
	assert_choice(choose(*state, root, false), "",
	              "none of the 3 commits before this branch began has a successful run");
}

static void a_shallow_clone_is_said(void **state)
{
	struct bl_baseline_choice choice;
	char url[600], clone[600];

	succeed(*state, OLD, 0, "main");
	snprintf(url, sizeof(url), "file://%s", root);
	snprintf(clone, sizeof(clone), "%s/clone", scratch_dir());
	REPO_GIT(scratch_dir(), "clone", "-q", "--depth", "1", "--no-single-branch", url, clone);
	choice = choose(*state, clone, false);
	assert_string_equal(choice.run, OLD);
	assert_non_null(strstr(choice.why, "the newest of main; not by history: "));
	assert_non_null(strstr(choice.why, "shallow"));
}

static void trees_are_listed_and_found(void **state)
{
	BL_AUTO(bl_index_trees) all = { 0 };
	struct bl_err err = { 0 };

	must(bl_index_trees_read(*state, KEY, "train", &all, &err), &err);
	assert_int_equal(all.n, 0);
	assert_false(bl_index_trees_have(&all, trees[0]));
	bl_index_trees_done(&all);
	for (int i = 0; i < 5; i++)
		succeed(*state, i ? NEW : OLD, i, "main");
	put_object(*state, "index/" KEY "/train/trees/none.json", "{}");
	must(bl_index_trees_read(*state, KEY, "train", &all, &err), &err);
	assert_int_equal(all.n, 5);
	for (int i = 0; i < 5; i++)
		assert_true(bl_index_trees_have(&all, trees[i]));
	assert_false(bl_index_trees_have(&all, commits[0]));
	bl_index_trees_done(&all);
	must(bl_index_trees_read(*state, KEY, "other", &all, &err), &err);
	assert_int_equal(all.n, 0);
}

static struct bl_store *shared;

/* What only libgit2 knows the code of costs the walk, not the choice. */
static int story(struct bl_err *err)
{
	const struct bl_baseline_place place = { .root = root };
	struct bl_baseline_choice choice;
	struct bl_index_trees all;
	BL_AUTO(bl_run) run = { 0 };

	if (bl_run_read(shared, RUN, &run, err))
		return -1;
	run.base = commits[3];
	if (bl_baseline_choose(shared, &run, &place, &choice, err))
		return -1;
	assert_string_equal(choice.run, OLD);
	if (bl_index_trees_read(shared, KEY, "train", &all, err))
		return -1;
	bl_index_trees_done(&all);
	return 0;
}

static void memory_may_fail_anywhere(void **state)
{
	shared = *state;
	succeed(*state, OLD, 1, "main");
	choose(*state, root, false);
	each_allocation_fails(story, 6000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPO(nothing_is_found_where_nothing_succeeded),
		IN_REPO(the_same_tree_comes_first),
		IN_REPO(then_where_the_branch_began),
		IN_REPO(then_the_newest_commit_before),
		IN_REPO(a_run_that_was_removed_is_passed_by),
		IN_REPO(where_history_has_none_the_newest_of_main),
		IN_REPO(where_nothing_is_said_of_main_either),
		IN_REPO(a_shallow_clone_is_said),
		IN_REPO(trees_are_listed_and_found),
		IN_REPO(memory_may_fail_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
