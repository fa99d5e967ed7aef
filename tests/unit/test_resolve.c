/* SPDX-License-Identifier: Apache-2.0 */
#include "run/resolve.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HERE "0123456789abcdef"
#define ONE "20261120T080301Z-1a2b3c4d-aaaa"
#define TWO "20261121T080301Z-1a2b3c4d-bbbb"
#define THREE "20261122T080301Z-5e6f7081-cccc"
#define FOUR "20261123T080301Z-00000000-2026"
#define ELSEWHERE "20261124T080301Z-5e6f7081-dddd"
#define SHA_A "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
#define SHA_B "1a2b3c4dffffffffffffffffffffffffffffffff"
#define SHA_C "5e6f708100000000000000000000000000000000"

static void put_runs(struct bl_store *store)
{
	const struct fixture_run runs[] = {
		{ .id = ONE, .branch = "main", .job = "train", .head = SHA_A },
		{ .id = TWO, .branch = "feature/x", .job = "train", .head = SHA_B, .pr = 12 },
		{ .id = THREE, .branch = "main", .job = "eval", .head = SHA_C, .pr = 12 },
		{ .id = FOUR, .branch = "", .job = "train" },
		{ .id = ELSEWHERE,
		  .branch = "main",
		  .job = "train",
		  .head = SHA_C,
		  .pr = 13,
		  .repository = "fedcba9876543210" },
	};

	for (size_t i = 0; i < BL_COUNT(runs); i++)
		put_run(store, &runs[i]);
}

static void what_people_write(void **state)
{
	static const struct {
		const char *query, *want;
	} cases[] = {
		{ ONE, ONE },
		{ ELSEWHERE, ELSEWHERE },
		{ "20261122", THREE },
		{ "20261121T08", TWO },
		{ "cccc", THREE },
		{ "5e6f7081000000", NULL }, /* its commit: two runs of it */
		{ "1a2b3c4d5e", ONE },      /* beyond the id's eight: run.json decides */
		{ SHA_B, TWO },
		{ "latest", THREE }, /* on main, here */
		{ "", THREE },
		{ NULL, THREE },
		{ "pr:12", THREE },
		{ "pr:13", NULL }, /* of another repository */
		{ "train@main", ONE },
		{ "eval@main", THREE },
		{ "train@feature/x", TWO },
		{ "2026", NULL }, /* a prefix of all, and the last four of one */
		{ "1a2b3c4", NULL },
		{ "zzzz", NULL },
		{ "nothing", NULL },
		{ "pr:0", NULL },
		{ "pr:x", NULL },
		{ "@main", NULL },
		{ "train@", NULL },
		{ "20261120T080301Z-1a2b3c4d-aaab", NULL },
		{ "../run", NULL },
	};
	struct bl_resolve_context context = { .repository = HERE, .branch = "main" };

	put_runs(*state);
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		const char *shown = cases[i].query ? cases[i].query : "(null)";
		char id[BL_RUN_SIZE] = "untouched";
		struct bl_err err = { 0 };
		int got = bl_run_resolve(*state, cases[i].query, &context, id, &err);

		if (got && cases[i].want)
			fail_msg("'%s': %s", shown, err.text);
		if (!got && (!cases[i].want || strcmp(id, cases[i].want) != 0))
			fail_msg("'%s' is %s", shown, id);
		if (got) {
			assert_int_equal(err.code, BL_EINPUT);
			assert_true(err.next[0]);
			assert_string_equal(id, "untouched");
		}
	}
}

static void fail_for(struct bl_store *store, const char *query,
                     const struct bl_resolve_context *context, struct bl_err *err)
{
	char id[BL_RUN_SIZE];

	bl_err_clear(err);
	assert_int_equal(bl_run_resolve(store, query, context, id, err), -1);
	assert_int_equal(err->code, BL_EINPUT);
}

static void errors_name_the_way_out(void **state)
{
	struct bl_resolve_context context = { .repository = HERE,
		                              .branch = "lost",
		                              .job = "train" };
	struct bl_err err = { 0 };

	fail_for(*state, "latest", &context, &err);
	assert_non_null(strstr(err.text, "no run in"));
	assert_non_null(strstr(err.next, "branchline local"));
	put_runs(*state);
	fail_for(*state, "1a2b3c4", &context, &err);
	assert_non_null(strstr(err.text, "any of 2 runs: " TWO ", " ONE));
	fail_for(*state, "aaab", &context, &err);
	assert_non_null(strstr(err.text, "did you mean " ONE));
	fail_for(*state, "20261120T080301Z-1a2b3c4d-aaba", &context, &err);
	assert_non_null(strstr(err.text, "did you mean " ONE));
	fail_for(*state, "zzzz", &context, &err);
	assert_non_null(strstr(err.text, "the newest is " ELSEWHERE));
	assert_non_null(strstr(err.next, "branchline runs"));
	fail_for(*state, "latest", &context, &err);
	assert_non_null(
		strstr(err.text, "no run of job 'train' on branch 'lost' of this repository"));
	fail_for(*state, "pr:77", &context, &err);
	assert_non_null(strstr(err.text, "of pull request 77"));
	fail_for(*state, "train@nowhere", &context, &err);
	assert_non_null(strstr(err.text, "of job 'train' on branch 'nowhere'"));
	fail_for(*state, "pr:abc", &context, &err);
	assert_non_null(strstr(err.next, "pr:12"));
}

static void many_candidates_are_counted(void **state)
{
	struct bl_resolve_context context = { 0 };
	struct bl_err err = { 0 };
	char id[BL_RUN_SIZE] = "20261124T080300Z-1a2b3c4d-aaaa";

	for (int i = 0; i < 11; i++) {
		id[29] = (char)('a' + i);
		put_run(*state, &(struct fixture_run){ .id = id });
	}
	fail_for(*state, "20261124", &context, &err);
	assert_non_null(strstr(err.text, "any of 11 runs"));
	assert_non_null(strstr(err.text, "and 3 more"));
}

static void without_context_everything_counts(void **state)
{
	struct bl_resolve_context context = { .repository = "", .branch = NULL };
	char id[BL_RUN_SIZE];
	struct bl_err err = { 0 };

	put_runs(*state);
	must(bl_run_resolve(*state, "latest", &context, id, &err), &err);
	assert_string_equal(id, ELSEWHERE);
	context.branch = "feature/x";
	must(bl_run_resolve(*state, NULL, &context, id, &err), &err);
	assert_string_equal(id, TWO);
}

static void runs_of_one_second(void **state)
{
	struct bl_resolve_context context = { .branch = "main" };
	char id[BL_RUN_SIZE];
	struct bl_err err = { 0 };

	put_run(*state, &(struct fixture_run){ .id = "20261124T080301Z-1a2b3c4d-aaaa", .ms = 900 });
	put_run(*state, &(struct fixture_run){ .id = "20261124T080301Z-1a2b3c4d-zzzz", .ms = 100 });
	put_run(*state, &(struct fixture_run){ .id = "20261124T080300Z-1a2b3c4d-yyyy", .ms = 950 });
	must(bl_run_resolve(*state, "latest", &context, id, &err), &err);
	assert_string_equal(id, "20261124T080301Z-1a2b3c4d-aaaa");
}

/* A name is found without a look into any run: one that cannot be read is in nobody's way. */
static void names_need_no_run_json(void **state)
{
	struct bl_resolve_context context = { .repository = HERE, .branch = "main" };
	char id[BL_RUN_SIZE];
	struct bl_err err = { 0 };

	put_object(*state, "runs/" ONE "/run.json", "torn");
	must(bl_run_resolve(*state, "aaaa", &context, id, &err), &err);
	must(bl_run_resolve(*state, "1a2b3c4", &context, id, &err), &err);
	must(bl_run_resolve(*state, ONE, &context, id, &err), &err);
	put_runs(*state);
	put_object(*state, "runs/" THREE "/run.json", "torn");
	must(bl_run_resolve(*state, "latest", &context, id, &err), &err);
	assert_string_equal(id, ONE);
}

static struct bl_store *shared;

static int everything(struct bl_err *err)
{
	static const char *const queries[] = { "latest", "aaaa", SHA_A, "eval@main", "pr:12" };
	struct bl_resolve_context context = { .repository = HERE, .branch = "main" };
	char id[BL_RUN_SIZE];

	for (size_t i = 0; i < BL_COUNT(queries); i++) {
		if (bl_run_resolve(shared, queries[i], &context, id, err))
			return -1;
	}
	return 0;
}

static void each_allocation(void **state)
{
	shared = *state;
	put_run(*state, &(struct fixture_run){ .id = ONE, .head = SHA_A, .job = "eval", .pr = 12 });
	each_allocation_fails(everything, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(what_people_write),
		IN_SCRATCH(errors_name_the_way_out),
		IN_SCRATCH(many_candidates_are_counted),
		IN_SCRATCH(without_context_everything_counts),
		IN_SCRATCH(runs_of_one_second),
		IN_SCRATCH(names_need_no_run_json),
		IN_SCRATCH(each_allocation),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
