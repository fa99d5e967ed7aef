/* SPDX-License-Identifier: Apache-2.0 */
#include "run/cancel.h"
#include "tests/unit/scratch.h"
#include "tests/unit/wait_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HOUR (60 * MINUTE)

static void check_hours(struct bl_store *store, enum plot plot, unsigned per_10_s)
{
	static const struct wait_how how = { 0 };
	struct wait_ended ended;
	struct bl_err err = { 0 };

	world_begin(store, plot, 6 * HOUR);
	must(world_wait(&how, &ended, &err), &err);
	assert_int_equal(ended.state, WAIT_ENDED);
	assert_int_equal(ended.outcome.result.status, BL_STATUS_SUCCESS);
	assert_in_range(world.worst_minute, 1, per_10_s * 6);
	assert_in_range(world.probes, 6 * 60 - 10, 6 * 60 + 10);
	assert_int_equal(world.fds_late, world.fds_early);
#ifndef __SANITIZE_ADDRESS__                                      /* it keeps what was freed */
	assert_in_range(world.rss_late, 0, world.rss_early + 64); /* pages: 256 KiB */
#endif
	assert_in_range(world.now_ms - world.began_ms, 6 * HOUR, 6 * HOUR + 2 * MINUTE);
}

static void six_hours_of_lines_are_cheap_and_flat(void **state)
{
	check_hours(*state, TALKS, 3);
}

static void six_hours_of_silence_are_cheaper(void **state)
{
	check_hours(*state, IS_SILENT, 1);
}

static void it_hands_over_by_the_clock_of_the_job(void **state)
{
	static const struct wait_how how = { .minutes = 330 };
	struct wait_ended ended;
	struct bl_err err = { 0 };

	world_begin(*state, IS_SILENT, 20 * HOUR);
	must(world_wait(&how, &ended, &err), &err);
	assert_int_equal(ended.state, WAIT_HANDED_OVER);
	assert_int_equal(world.now_ms - world.began_ms, 330 * MINUTE);
	assert_int_equal(world.ended, 0);
}

static void one_that_never_boots_is_ended_with_its_last_words(void **state)
{
	static const struct wait_how how = { 0 };
	struct wait_ended ended;
	struct bl_err err = { 0 };
	struct bl_end end;

	world_begin(*state, BOOTS, 20 * HOUR);
	assert_int_equal(world_wait(&how, &ended, &err), -1);
	/* another attempt is due, and whoever waits may not buy it */
	assert_int_equal(err.code, BL_EINTERRUPTED);
	assert_non_null(strstr(err.text, "attempt 2"));
	assert_non_null(strstr(err.next, "branchline wait " RUN));
	bl_err_clear(&err);
	must(bl_end_read(world.inner, RUN, 1, &end, &err), &err);
	assert_int_equal(end.result.class, BL_CLASS_BOOT);
	assert_non_null(strstr(end.result.message, "user-data: no such bucket"));
	assert_null(strchr(end.result.message, '\033'));
	assert_int_equal(world.ended, 1);
	assert_in_range(world.worst_minute, 1, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(six_hours_of_lines_are_cheap_and_flat),
		IN_SCRATCH(six_hours_of_silence_are_cheaper),
		IN_SCRATCH(it_hands_over_by_the_clock_of_the_job),
		IN_SCRATCH(one_that_never_boots_is_ended_with_its_last_words),
	};

	return cmocka_run_group_tests_name("wait_loop", tests, NULL, NULL);
}
