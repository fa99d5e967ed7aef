/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wait_scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void pauses_follow_the_phase(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	assert_int_equal(scene_next(&scene).pause_ms, 5 * SECOND);
	assert_int_equal(scene.wait.phase, BL_WAIT_BOOTING);
	scene_beat(&scene, "training");
	assert_int_equal(scene_next(&scene).pause_ms, 20 * SECOND);
	scene.seen.lines = true;
	assert_int_equal(scene_next(&scene).pause_ms, 10 * SECOND);
	scene.seen.lines = false;
	scene_pass(&scene, 30 * SECOND);
	scene_beat(&scene, "training");
	assert_int_equal(scene_next(&scene).pause_ms, 10 * SECOND); /* lines come in bursts */
	scene_pass(&scene, 30 * SECOND);
	scene_beat(&scene, "training");
	assert_int_equal(scene_next(&scene).pause_ms, 20 * SECOND);
	scene_beat(&scene, "flush");
	assert_int_equal(scene_next(&scene).pause_ms, 5 * SECOND);
	assert_int_equal(scene.wait.phase, BL_WAIT_ENDING);
	scene.wait.near = true;
	assert_true(scene_next(&scene).pause_ms < SECOND);
}

static void a_wish_to_stop_and_a_stale_heartbeat_are_looked_at_closely(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_beat(&scene, "training");
	scene_next(&scene);
	assert_int_equal(scene.wait.phase, BL_WAIT_SILENT);
	scene_pass(&scene, 61 * SECOND);
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	assert_int_equal(scene.wait.phase, BL_WAIT_ENDING);
	scene_beat(&scene, "training");
	scene_next(&scene);
	assert_int_equal(scene.wait.phase, BL_WAIT_SILENT);
	scene.attempts.stop_wanted = true;
	scene_next(&scene);
	assert_int_equal(scene.wait.phase, BL_WAIT_ENDING);
}

static void an_end_before_the_first_heartbeat_is_soon_seen(void **state)
{
	struct scene scene;
	int64_t asked;

	(void)state;
	scene_make(&scene);
	asked = scene.seen.mono_ms;
	for (int64_t left = 5 * MINUTE; left > 0; left -= 5 * SECOND) {
		if (bl_wait_due(&scene.wait, BL_ASK_END, scene.seen.mono_ms))
			asked = scene.seen.mono_ms;
		assert_in_range(scene.seen.mono_ms - asked, 0, 30 * SECOND);
		scene_pass(&scene, scene_next(&scene).pause_ms);
	}
}

static void what_has_ended_is_settled_or_bought_again(void **state)
{
	static const struct {
		enum bl_class class;
		unsigned interruptions;
		enum bl_wait_act act;
	} table[] = {
		{ BL_CLASS_NONE, 0, BL_WAIT_SETTLE },
		{ BL_CLASS_USER_EXIT, 0, BL_WAIT_SETTLE },
		{ BL_CLASS_INTERRUPTED, 1, BL_WAIT_RELAUNCH },
		{ BL_CLASS_CAPACITY, 1, BL_WAIT_RELAUNCH },
		{ BL_CLASS_LOST, 2, BL_WAIT_SETTLE },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct scene scene;

		scene_make(&scene);
		scene_end(&scene, table[i].class, table[i].interruptions);
		assert_int_equal(scene_next(&scene).act, table[i].act);
		scene.attempts.has_outcome = true;
		assert_int_equal(scene_next(&scene).act, BL_WAIT_OVER);
	}
}

static void nothing_left_of_max_runtime_buys_nothing(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_end(&scene, BL_CLASS_INTERRUPTED, 1);
	scene.seen.spent_ms = 60 * MINUTE;
	assert_int_equal(scene_next(&scene).act, BL_WAIT_SETTLE);
}

static void nothing_left_of_the_budget_buys_nothing(void **state)
{
	struct bl_wait_step step;
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_end(&scene, BL_CLASS_INTERRUPTED, 1);
	scene.seen.cost_usd = 5.01;
	step = scene_next(&scene);
	assert_int_equal(step.act, BL_WAIT_ASK_STOP);
	assert_int_equal(step.result.class, BL_CLASS_BUDGET);
	scene.attempts.stop_wanted = true;
	snprintf(scene.attempts.stop_reason, sizeof(scene.attempts.stop_reason), "budget");
	assert_int_equal(scene_next(&scene).act, BL_WAIT_SETTLE);
}

static void a_box_that_is_gone_may_still_have_left_an_end(void **state)
{
	struct scene scene;
	struct bl_wait_step step;

	(void)state;
	scene_make(&scene);
	scene_beat(&scene, "training");
	scene_next(&scene);
	scene.probe.owner = BL_DEAD;
	scene.probe.gone = (struct bl_result){ .class = BL_CLASS_INTERRUPTED };
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	assert_int_equal(scene.wait.phase, BL_WAIT_ENDING);
	scene_pass(&scene, 89 * SECOND);
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	scene_pass(&scene, SECOND);
	step = scene_next(&scene);
	assert_int_equal(step.act, BL_WAIT_ENDED);
	assert_int_equal(step.result.class, BL_CLASS_INTERRUPTED);
	scene.probe.gone = (struct bl_result){ 0 };
	step = scene_next(&scene);
	assert_int_equal(step.result.class, BL_CLASS_LOST);
	assert_string_equal(step.result.stage, "training");
}

static void a_dead_process_writes_nothing_more(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene.attempts.claim.instance_tag[0] = '\0';
	scene.probe.owner = BL_DEAD;
	assert_int_equal(scene_next(&scene).act, BL_WAIT_ENDED);
}

static void silence_is_death_of_an_instance_but_not_of_a_process_that_lives(void **state)
{
	struct bl_wait_step step;
	struct scene scene;

	(void)state;
	for (int process = 0; process < 2; process++) {
		scene_make(&scene);
		if (process)
			scene.attempts.claim.instance_tag[0] = '\0';
		scene_beat(&scene, "training");
		for (int i = 0; i < 2; i++, scene_pass(&scene, 90 * SECOND))
			assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
		step = scene_next(&scene);
		assert_int_equal(step.act, process ? BL_WAIT_POLL : BL_WAIT_TERMINATE);
		if (!process) {
			assert_int_equal(step.result.class, BL_CLASS_LOST);
			assert_false(step.never_came_up);
		}
	}
	/* one that nobody here can look for is dead by its heartbeat */
	scene.probe.owner = BL_UNKNOWN;
	assert_int_equal(scene_next(&scene).act, BL_WAIT_TERMINATE);
}

static void an_instance_that_never_comes_up_is_ended(void **state)
{
	struct bl_wait_step step;
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene.probe = (struct bl_probe){ .owner = BL_UNKNOWN }; /* Describe does not know it yet */
	for (int i = 0; i < 10; i++, scene_pass(&scene, MINUTE))
		assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	step = scene_next(&scene);
	assert_int_equal(step.act, BL_WAIT_TERMINATE);
	assert_int_equal(step.result.class, BL_CLASS_BOOT);
	assert_true(step.never_came_up);
	assert_non_null(strstr(step.result.message, "i-1"));
	scene_beat(&scene, "claim");
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
}

static void a_claim_that_bought_nothing_is_given_up(void **state)
{
	struct bl_wait_step step;
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene.started.instance[0] = '\0';
	scene_pass(&scene, 5 * MINUTE - 1);
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	scene_pass(&scene, 1);
	step = scene_next(&scene);
	assert_int_equal(step.act, BL_WAIT_TERMINATE);
	assert_int_equal(step.result.class, BL_CLASS_BOOT);
	assert_false(step.never_came_up);
}

static void a_run_that_nobody_claimed_is_given_up(void **state)
{
	struct bl_wait_step step;
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene.attempts = (struct bl_attempts){ 0 };
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	scene_pass(&scene, 5 * MINUTE);
	step = scene_next(&scene);
	assert_int_equal(step.act, BL_WAIT_ASK_STOP);
	assert_int_equal(step.result.class, BL_CLASS_LOST);
	scene.attempts.stop_wanted = true;
	snprintf(scene.attempts.stop_reason, sizeof(scene.attempts.stop_reason), "lost");
	assert_int_equal(scene_next(&scene).act, BL_WAIT_SETTLE);
}

static void the_deadline_ends_it_two_minutes_later(void **state)
{
	struct bl_wait_step step;
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_beat(&scene, "training");
	scene_next(&scene);
	scene.started.deadline_ms = BEGAN;
	scene_pass(&scene, 2 * MINUTE - 1);
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	scene_pass(&scene, 1);
	step = scene_next(&scene);
	assert_int_equal(step.act, BL_WAIT_TERMINATE);
	assert_int_equal(step.result.class, BL_CLASS_TIMEOUT);
}

static void the_budget_asks_first_and_ends_it_then(void **state)
{
	struct bl_wait_step step;
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_beat(&scene, "training");
	scene.seen.cost_usd = 5;
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	scene.seen.cost_usd = 5.01;
	step = scene_next(&scene);
	assert_int_equal(step.act, BL_WAIT_ASK_STOP);
	assert_int_equal(step.result.class, BL_CLASS_BUDGET);
	scene.attempts.stop_wanted = true;
	snprintf(scene.attempts.stop_reason, sizeof(scene.attempts.stop_reason), "budget");
	for (int i = 0; i < 4; i++, scene_pass(&scene, MINUTE), scene_beat(&scene, "stopping"))
		assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	step = scene_next(&scene); /* grace 1 min, reserve 2 min, 1 min more */
	assert_int_equal(step.act, BL_WAIT_TERMINATE);
	assert_int_equal(step.result.class, BL_CLASS_BUDGET);
	assert_non_null(strstr(step.result.message, "$5.01"));
}

static void a_run_without_a_budget_may_cost_anything(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_beat(&scene, "training");
	scene.run.max_cost_usd = NAN;
	scene.seen.cost_usd = 1e9;
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	scene.run.max_cost_usd = 1;
	scene.seen.cost_usd = NAN;
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
}

static void who_waits_hands_over_in_time_but_not_what_has_ended(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_beat(&scene, "training");
	scene.seen.hand_over_ms = BEGAN + 3 * SECOND;
	assert_int_equal(scene_next(&scene).pause_ms, 3 * SECOND);
	scene_pass(&scene, 3 * SECOND);
	assert_int_equal(scene_next(&scene).act, BL_WAIT_HAND_OVER);
	scene_end(&scene, BL_CLASS_NONE, 0);
	assert_int_equal(scene_next(&scene).act, BL_WAIT_SETTLE);
}

static void another_attempt_begins_anew(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	scene_beat(&scene, "training");
	scene.probe.owner = BL_DEAD;
	scene_next(&scene);
	scene_pass(&scene, 100 * MINUTE);
	scene.attempts.newest = 2;
	scene.started.started_ms = scene.attempts.claim.claimed_at_ms = scene.seen.wall_ms;
	scene.started.deadline_ms = scene.seen.wall_ms + MINUTE;
	scene.beat.seq = 0;
	scene.probe.owner = BL_ALIVE;
	assert_int_equal(scene_next(&scene).act, BL_WAIT_POLL);
	assert_int_equal(scene.wait.phase, BL_WAIT_BOOTING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_follow_the_phase),
		cmocka_unit_test(a_wish_to_stop_and_a_stale_heartbeat_are_looked_at_closely),
		cmocka_unit_test(an_end_before_the_first_heartbeat_is_soon_seen),
		cmocka_unit_test(what_has_ended_is_settled_or_bought_again),
		cmocka_unit_test(nothing_left_of_max_runtime_buys_nothing),
		cmocka_unit_test(nothing_left_of_the_budget_buys_nothing),
		cmocka_unit_test(a_box_that_is_gone_may_still_have_left_an_end),
		cmocka_unit_test(a_dead_process_writes_nothing_more),
		cmocka_unit_test(silence_is_death_of_an_instance_but_not_of_a_process_that_lives),
		cmocka_unit_test(an_instance_that_never_comes_up_is_ended),
		cmocka_unit_test(a_claim_that_bought_nothing_is_given_up),
		cmocka_unit_test(a_run_that_nobody_claimed_is_given_up),
		cmocka_unit_test(the_deadline_ends_it_two_minutes_later),
		cmocka_unit_test(the_budget_asks_first_and_ends_it_then),
		cmocka_unit_test(a_run_without_a_budget_may_cost_anything),
		cmocka_unit_test(who_waits_hands_over_in_time_but_not_what_has_ended),
		cmocka_unit_test(another_attempt_begins_anew),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
