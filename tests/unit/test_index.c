/* SPDX-License-Identifier: Apache-2.0 */
#include "run/index.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REPO "0123456789abcdef"
#define ONE "20261120T080301Z-1a2b3c4d-aaaa"
#define TWO "20261121T080301Z-1a2b3c4d-bbbb"
#define THREE "20261122T080301Z-5e6f7081-cccc"
#define TREE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TREE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct bl_outcome success = { .attempt = 1, .finished_at_ms = 1795507381123 };
static const struct bl_outcome failure = { .attempt = 1,
	                                   .result = { .status = BL_STATUS_FAILURE } };

/* Stores the run and enters it, as the end of a run does. */
static bool enter(struct bl_store *store, const struct fixture_run *fixture,
                  const struct bl_outcome *outcome)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_err err = { 0 };
	bool updated = false;

	put_run(store, fixture);
	must(bl_run_read(store, fixture->id, &run, &err), &err);
	must(bl_index_update(store, &run, outcome, &updated, &err), &err);
	return updated;
}

static void set(struct bl_store *store, const char *id)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_err err = { 0 };

	must(bl_run_read(store, id, &run, &err), &err);
	must(bl_index_set(store, &run, &success, &err), &err);
}

static void assert_baseline(struct bl_store *store, struct bl_baseline_query query, const char *run,
                            const char *by)
{
	struct bl_baseline got = { 0 };
	struct bl_err err = { 0 };

	if (!query.repository)
		query.repository = REPO;
	if (!query.job)
		query.job = "train";
	if (!run) {
		assert_int_equal(bl_index_baseline(store, &query, &got, &err), -1);
		assert_int_equal(err.code, BL_ENOENT);
		assert_true(err.next[0]);
		assert_string_equal(got.run, "");
		return;
	}
	must(bl_index_baseline(store, &query, &got, &err), &err);
	assert_string_equal(got.run, run);
	assert_string_equal(got.by, by);
}

static void what_is_no_baseline_says_why(void **state)
{
	static const struct {
		struct fixture_run run;
		const struct bl_outcome *outcome;
		const char *why;
	} cases[] = {
		{ { .id = ONE, .tree = TREE_A }, &success, NULL },
		{ { .id = ONE, .tree = TREE_A, .overrides = "null" }, &success, NULL },
		{ { .id = ONE, .tree = TREE_A }, &failure, "did not succeed" },
		{ { .id = ONE, .tree = TREE_A, .dirty = true }, &success, "uncommitted" },
		{ { .id = ONE, .tree = TREE_A, .overrides = "[\"data.chat\"]" },
		  &success,
		  "branchline.yaml" },
		{ { .id = ONE }, &success, "no commit" },
	};

	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_run) run = { 0 };
		struct bl_err err = { 0 };
		const char *why;

		put_run(*state, &cases[i].run);
		must(bl_run_read(*state, ONE, &run, &err), &err);
		why = bl_index_objection(&run, cases[i].outcome);
		if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
			fail_msg("case %zu: %s", i, why ? why : "eligible");
	}
}

static void only_eligible_runs_are_entered(void **state)
{
	BL_AUTO(bl_buf) none = BL_BUF(10);

	assert_false(enter(*state,
	                   &(struct fixture_run){ .id = ONE, .tree = TREE_A, .dirty = true },
	                   &success));
	assert_false(enter(*state, &(struct fixture_run){ .id = TWO, .tree = TREE_A }, &failure));
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, NULL, NULL);
	assert_true(enter(*state, &(struct fixture_run){ .id = THREE, .tree = TREE_A }, &success));
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, THREE, "tree");
}

static void the_tree_comes_before_the_branch(void **state)
{
	/* a pull request's run is the baseline of its own squash merge: the same tree on main */
	enter(*state, &(struct fixture_run){ .id = ONE, .tree = TREE_A, .branch = "feature" },
	      &success);
	enter(*state, &(struct fixture_run){ .id = TWO, .tree = TREE_B, .branch = "main" },
	      &success);
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, ONE, "tree");
	assert_baseline(*state, (struct bl_baseline_query){ .tree = "c" }, TWO, "branch");
	assert_baseline(*state, (struct bl_baseline_query){ .tree = "" }, TWO, "branch");
	assert_baseline(*state, (struct bl_baseline_query){ .branch = "feature" }, ONE, "branch");
	assert_baseline(*state, (struct bl_baseline_query){ .branch = "other" }, NULL, NULL);
	assert_baseline(*state, (struct bl_baseline_query){ .job = "eval" }, NULL, NULL);
	assert_baseline(*state, (struct bl_baseline_query){ .repository = "f" }, NULL, NULL);
}

static void main_or_else_master(void **state)
{
	enter(*state, &(struct fixture_run){ .id = ONE, .tree = TREE_A, .branch = "master" },
	      &success);
	assert_baseline(*state, (struct bl_baseline_query){ 0 }, ONE, "branch");
	enter(*state, &(struct fixture_run){ .id = TWO, .tree = TREE_B, .branch = "main" },
	      &success);
	assert_baseline(*state, (struct bl_baseline_query){ 0 }, TWO, "branch");
}

static void the_newest_stands(void **state)
{
	struct fixture_run old = { .id = ONE, .tree = TREE_A }, new = { .id = TWO, .tree = TREE_A };

	assert_true(enter(*state, &new, &success));
	assert_false(enter(*state, &old, &success)); /* collected late */
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, TWO, "tree");
	set(*state, ONE); /* unless a person says so */
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, ONE, "tree");
}

static void a_run_is_not_its_own_baseline(void **state)
{
	struct fixture_run first = { .id = ONE, .tree = TREE_A };
	struct fixture_run second = { .id = TWO, .tree = TREE_A };

	enter(*state, &first, &success);
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A, .self = ONE }, NULL,
	                NULL);
	enter(*state, &second, &success);
	enter(*state, &second, &success); /* entered again: what it replaced is not forgotten */
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A, .self = TWO }, ONE,
	                "tree");
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A, .self = ONE }, TWO,
	                "tree");
}

static void a_removed_run_is_no_baseline(void **state)
{
	struct bl_err err = { 0 };

	enter(*state, &(struct fixture_run){ .id = ONE, .tree = TREE_A }, &success);
	enter(*state, &(struct fixture_run){ .id = TWO, .tree = TREE_A }, &success);
	must(bl_store_delete(*state, NULL, "runs/" TWO "/run.json", &err), &err);
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, ONE, "tree");
	must(bl_store_delete(*state, NULL, "runs/" ONE "/run.json", &err), &err);
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, NULL, NULL);
}

static void setting_needs_a_success_and_a_place(void **state)
{
	BL_AUTO(bl_run) run = { 0 };
	BL_AUTO(bl_run) bare = { 0 };
	struct bl_err err = { 0 };

	put_run(*state, &(struct fixture_run){ .id = ONE, .tree = TREE_A, .dirty = true });
	put_run(*state, &(struct fixture_run){ .id = TWO, .branch = "" });
	must(bl_run_read(*state, ONE, &run, &err), &err);
	must(bl_run_read(*state, TWO, &bare, &err), &err);
	assert_int_equal(bl_index_set(*state, &run, &failure, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_index_set(*state, &bare, &success, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	must(bl_index_set(*state, &run, &success, &err), &err); /* dirty, and wanted */
	assert_baseline(*state, (struct bl_baseline_query){ .tree = TREE_A }, ONE, "tree");
}

static void a_torn_entry_is_replaced(void **state)
{
	struct bl_key key = bl_index_key(REPO, "train", "trees", TREE_A);
	struct bl_baseline_query query = { .repository = REPO, .job = "train", .tree = TREE_A };
	struct bl_baseline got;
	struct bl_err err = { 0 };

	put_object(*state, key.text, "{\"schema\":1,\"run\":\"../../etc\"}");
	assert_int_equal(bl_index_baseline(*state, &query, &got, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	put_object(*state, key.text, "{\"sch");
	assert_true(enter(*state, &(struct fixture_run){ .id = ONE, .tree = TREE_A }, &success));
	assert_baseline(*state, query, ONE, "tree");
}

/* --- keys ------------------------------------------------------------------------------------- */

static void names_are_encoded(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "main", "main.json" },
		{ "feature/x", "feature%2Fx.json" },
		{ "..", "%2E..json" },
		{ ".hidden", "%2Ehidden.json" },
		{ "v1.2-rc_3", "v1.2-rc_3.json" },
		{ "100%", "100%25.json" },
		{ "\xc3\xa9 b", "%C3%A9%20b.json" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_key key = bl_index_key(REPO, "a/b", "branches", cases[i].name);
		char want[200];

		snprintf(want, sizeof(want), "index/" REPO "/a%%2Fb/branches/%s", cases[i].want);
		assert_string_equal(key.text, want);
	}
	assert_string_equal(bl_index_key(REPO, "", "trees", "t").text,
	                    "index/" REPO "/default/trees/t.json");
}

static void long_names_keep_apart(void **state)
{
	char one[256], two[256];
	struct bl_key a, b;

	memset(one, '/', sizeof(one) - 1);
	one[sizeof(one) - 1] = '\0';
	memcpy(two, one, sizeof(one));
	two[sizeof(two) - 2] = '_';
	a = bl_index_key(REPO, "train", "branches", one);
	b = bl_index_key(REPO, "train", "branches", two);
	assert_string_not_equal(a.text, b.text);
	put_object(*state, a.text, "fits a file name");
	assert_true(strlen(strrchr(a.text, '/') + 1) <= 255);
	/* as long as may be without the hash */
	one[199] = '\0';
	memset(one, 'n', 199);
	assert_int_equal(strlen(strrchr(bl_index_key(REPO, "t", "branches", one).text, '/') + 1),
	                 199 + strlen(".json"));
}

static struct bl_store *shared;

static int everything(struct bl_err *err)
{
	struct bl_baseline_query query = { .repository = REPO, .job = "train", .tree = TREE_B };
	struct bl_baseline got;
	BL_AUTO(bl_run) run = { 0 };
	bool updated;

	if (bl_run_read(shared, ONE, &run, err) ||
	    bl_index_update(shared, &run, &success, &updated, err) ||
	    bl_index_set(shared, &run, &success, err))
		return -1;
	return bl_index_baseline(shared, &query, &got, err);
}

static void each_allocation(void **state)
{
	shared = *state;
	put_run(*state, &(struct fixture_run){ .id = ONE, .tree = TREE_A });
	each_allocation_fails(everything, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(what_is_no_baseline_says_why),
		IN_SCRATCH(only_eligible_runs_are_entered),
		IN_SCRATCH(the_tree_comes_before_the_branch),
		IN_SCRATCH(main_or_else_master),
		IN_SCRATCH(the_newest_stands),
		IN_SCRATCH(a_run_is_not_its_own_baseline),
		IN_SCRATCH(a_removed_run_is_no_baseline),
		IN_SCRATCH(setting_needs_a_success_and_a_place),
		IN_SCRATCH(a_torn_entry_is_replaced),
		IN_SCRATCH(names_are_encoded),
		IN_SCRATCH(long_names_keep_apart),
		IN_SCRATCH(each_allocation),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
