/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reported.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define KEY "runs/" RUN "/reported.json"

static const struct bl_reported one = { .status = BL_STATUS_FAILURE,
	                                .gate_failed = true,
	                                .verdict = "it \"failed\"",
	                                .comment_id = 4711,
	                                .reported_at_ms = 1795507381123 };

static void what_is_written_is_read(void **state)
{
	struct bl_reported got;
	struct bl_err err = { 0 };
	bool already = true;

	assert_int_equal(bl_reported_read(*state, RUN, &got, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	must(bl_reported_create(*state, RUN, &one, &already, &err), &err);
	assert_false(already);
	must(bl_reported_read(*state, RUN, &got, &err), &err);
	assert_int_equal(got.status, BL_STATUS_FAILURE);
	assert_true(got.gate_failed);
	assert_string_equal(got.verdict, one.verdict);
	assert_int_equal(got.comment_id, 4711);
	assert_int_equal(got.reported_at_ms, one.reported_at_ms);
}

static void the_first_stands(void **state)
{
	struct bl_reported other = one, got;
	struct bl_err err = { 0 };
	bool already = false;

	other.comment_id = 0;
	must(bl_reported_create(*state, RUN, &other, &already, &err), &err);
	must(bl_reported_create(*state, RUN, &one, &already, &err), &err);
	assert_true(already);
	assert_int_equal(err.code, BL_OK);
	must(bl_reported_read(*state, RUN, &got, &err), &err);
	assert_int_equal(got.comment_id, 0);
}

static void what_nobody_wrote_is_refused(void **state)
{
	struct bl_reported got;
	struct bl_err err = { 0 };

	put_object(*state, KEY, "{\"schema\":2}");
	assert_int_equal(bl_reported_read(*state, RUN, &got, &err), -1);
	bl_err_clear(&err);
	put_object(*state, KEY, "{\"schema\":1,\"status\":\"lucky\"}");
	assert_int_equal(bl_reported_read(*state, RUN, &got, &err), -1);
	assert_int_not_equal(err.code, BL_ENOENT);
}

static struct bl_store *shared;

static int story(struct bl_err *err)
{
	struct bl_reported got;
	bool already;

	return bl_reported_create(shared, RUN, &one, &already, err) ||
	                       bl_reported_read(shared, RUN, &got, err)
	               ? -1
	               : 0;
}

static void memory_may_fail_anywhere(void **state)
{
	shared = *state;
	each_allocation_fails(story, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(what_is_written_is_read),
		IN_SCRATCH(the_first_stands),
		IN_SCRATCH(what_nobody_wrote_is_refused),
		IN_SCRATCH(memory_may_fail_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
