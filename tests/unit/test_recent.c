/* SPDX-License-Identifier: Apache-2.0 */
#include "run/recent.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINE "0123456789abcdef"
#define OTHERS "fedcba9876543210"

static const struct fixture_run runs[] = {
	{ .id = "20261124T080301Z-1a2b3c4d-aaaa" },
	{ .id = "20261124T080302Z-1a2b3c4d-bbbb", .repository = OTHERS },
	{ .id = "20261124T080303Z-1a2b3c4d-cccc" },
	{ .id = "20261124T080304Z-1a2b3c4d-dddd" },
};

/* "dddd", "cccc+" with an outcome, "aaaa!" reported too, in the order told. */
static int note(void *arg, const struct bl_recent *recent, struct bl_err *err)
{
	struct bl_buf *seen = arg;

	(void)err;
	bl_buf_addf(seen, "%s%s%s ", recent->run->id + 26, recent->has_outcome ? "+" : "",
	            recent->is_reported ? "!" : "");
	return 0;
}

static void put_all(struct bl_store *store)
{
	for (size_t i = 0; i < BL_COUNT(runs); i++)
		put_run(store, &runs[i]);
	put_object(store, "runs/20261124T080303Z-1a2b3c4d-cccc/outcome.json", "{}");
	put_object(store, "runs/20261124T080301Z-1a2b3c4d-aaaa/outcome.json", "{}");
	put_object(store, "runs/20261124T080301Z-1a2b3c4d-aaaa/reported.json", "{}");
}

static void assert_seen(struct bl_store *store, const char *repository, size_t max,
                        const char *want, size_t unreadable)
{
	BL_AUTO(bl_buf) seen = BL_BUF(4096);
	struct bl_err err = { 0 };
	size_t missed;

	must(bl_recent_each(store, repository, max, note, &seen, &missed, &err), &err);
	assert_string_equal(bl_buf_text(&seen), want);
	assert_int_equal(missed, unreadable);
}

static void newest_first_of_one_repository(void **state)
{
	put_all(*state);
	assert_seen(*state, MINE, 100, "dddd cccc+ aaaa+! ", 0);
	assert_seen(*state, OTHERS, 100, "bbbb ", 0);
	assert_seen(*state, "", 100, "dddd cccc+ bbbb aaaa+! ", 0);
	assert_seen(*state, NULL, 2, "dddd cccc+ ", 0);
	assert_seen(*state, MINE, 0, "", 0);
}

static void one_that_is_torn_hides_no_other(void **state)
{
	put_all(*state);
	put_object(*state, "runs/20261124T080304Z-1a2b3c4d-dddd/run.json", "{");
	put_object(*state, "runs/20261124T080305Z-1a2b3c4d-eeee/run.json",
	           "{\"schema\":2,\"run\":\"x\"}");
	put_object(*state, "runs/20261124T080306Z-1a2b3c4d-ffff/stop.json", "{}");
	assert_seen(*state, MINE, 100, "cccc+ aaaa+! ", 2);
}

static int stop(void *arg, const struct bl_recent *recent, struct bl_err *err)
{
	(void)recent, (void)err;
	return ++*(int *)arg == 2 ? 7 : 0;
}

static void whoever_has_seen_enough_ends_it(void **state)
{
	struct bl_err err = { 0 };
	int n = 0;

	put_all(*state);
	assert_int_equal(bl_recent_each(*state, NULL, 100, stop, &n, NULL, &err), 7);
	assert_int_equal(n, 2);
}

static struct bl_store *story_store;

static int story(struct bl_err *err)
{
	BL_AUTO(bl_buf) seen = BL_BUF(4096);

	return bl_recent_each(story_store, MINE, 100, note, &seen, NULL, err);
}

static void allocations_fail_cleanly(void **state)
{
	story_store = *state;
	put_run(*state, &runs[0]);
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(newest_first_of_one_repository),
		IN_SCRATCH(one_that_is_torn_hides_no_other),
		IN_SCRATCH(whoever_has_seen_enough_ends_it),
		IN_SCRATCH(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("recent", tests, NULL, NULL);
}
