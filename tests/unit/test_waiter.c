/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"
#include "tests/unit/wait_scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void two_quick_interruptions_go_on_demand(void **state)
{
	struct bl_end ends[3] = { 0 };
	static const struct {
		enum bl_class a, b;
		int64_t a_ago, b_ago;
		const char *market;
		bool on_demand;
	} table[] = {
		{ BL_CLASS_INTERRUPTED, BL_CLASS_INTERRUPTED, 29, 1, "spot-then-on-demand", true },
		{ BL_CLASS_INTERRUPTED, BL_CLASS_INTERRUPTED, 30, 1, "spot-then-on-demand", false },
		{ BL_CLASS_INTERRUPTED, BL_CLASS_INTERRUPTED, 29, 1, "spot", false },
		{ BL_CLASS_LOST, BL_CLASS_INTERRUPTED, 29, 1, "spot-then-on-demand", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		ends[1].result.class = table[i].a;
		ends[1].finished_at_ms = BEGAN - table[i].a_ago * MINUTE;
		ends[2].result.class = table[i].b;
		ends[2].finished_at_ms = BEGAN - table[i].b_ago * MINUTE;
		assert_int_equal(bl_wait_on_demand(table[i].market, ends, 3, BEGAN),
		                 table[i].on_demand);
	}
	assert_false(bl_wait_on_demand("spot-then-on-demand", ends, 1, BEGAN));
}

/* Requests that one kind of question costs: AWS's own, by how lib/run asks. */
static const unsigned costs[BL_ASKS] = {
	[BL_ASK_BEAT] = 1,  [BL_ASK_LOG] = 2,  [BL_ASK_END] = 1,
	[BL_ASK_PROBE] = 1, [BL_ASK_WAVE] = 1, [BL_ASK_ATTEMPTS] = 5,
};

/* Six hours, decided only: what is asked for, and that nothing is given up. */
static void six_hours_are_cheap(void **state)
{
	static const struct {
		bool lines;
		int64_t boots;
		unsigned per_10_s;
	} table[] = { { true, 0, 3 }, { false, 0, 1 }, { false, 9 * MINUTE, 1 } };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		int64_t left = table[i].boots ? table[i].boots : 360 * MINUTE, total = left;
		unsigned requests = 0;
		struct scene scene;

		scene_make(&scene);
		scene.run.max_runtime_ms = scene.started.deadline_ms = 0;
		scene.seen.lines = table[i].lines;
		while (left > 0) {
			struct bl_wait_step step;

			if (!table[i].boots)
				scene_beat(&scene, "training");
			for (int what = 0; what < BL_ASKS; what++)
				if (bl_wait_due(&scene.wait, (enum bl_wait_ask)what,
				                scene.seen.mono_ms))
					requests += costs[what];
			step = scene_next(&scene);
			assert_int_equal(step.act, BL_WAIT_POLL);
			scene_pass(&scene, step.pause_ms);
			left -= step.pause_ms;
		}
		/* the first look asks for all there is */
		assert_in_range(requests, 1, table[i].per_10_s * (total / (10 * SECOND)) + 12);
	}
}

static void a_waiter_reads_back(void **state)
{
	struct bl_waiter waiter = { 7, 7, true };
	struct bl_err err = { 0 };

	must(bl_waiter_read(*state, RUN, &waiter, &err), &err);
	assert_true(!waiter.seq && !waiter.at_ms);
	assert_false(bl_waiter_waits(&waiter, BEGAN));
	must(bl_waiter_write(*state, RUN, 3, "wait", &err), &err);
	must(bl_waiter_read(*state, RUN, &waiter, &err), &err);
	assert_int_equal(waiter.seq, 3);
	assert_true(bl_waiter_waits(&waiter, waiter.at_ms + 179 * SECOND));
	assert_false(bl_waiter_waits(&waiter, waiter.at_ms + 180 * SECOND));
	/* whoever only reads along starts nothing again */
	must(bl_waiter_write(*state, RUN, 4, "logs", &err), &err);
	must(bl_waiter_read(*state, RUN, &waiter, &err), &err);
	assert_false(bl_waiter_waits(&waiter, waiter.at_ms));
	/* nor does who has handed over */
	must(bl_waiter_write(*state, RUN, 4, "nobody", &err), &err);
	must(bl_waiter_read(*state, RUN, &waiter, &err), &err);
	assert_false(bl_waiter_waits(&waiter, waiter.at_ms));
	put_object(*state, "runs/" RUN "/waiter.json", "{");
	assert_int_equal(bl_waiter_read(*state, RUN, &waiter, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

static struct bl_store *story_store;

static int story(struct bl_err *err)
{
	struct bl_waiter waiter;

	if (bl_waiter_write(story_store, RUN, 1, "wait", err))
		return -1;
	return bl_waiter_read(story_store, RUN, &waiter, err);
}

static void allocations_fail_cleanly(void **state)
{
	story_store = *state;
	each_allocation_fails(story, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_quick_interruptions_go_on_demand),
		cmocka_unit_test(six_hours_are_cheap),
		IN_SCRATCH(a_waiter_reads_back),
		IN_SCRATCH(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("waiter", tests, NULL, NULL);
}
