/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define RETRIES 2u

/* What a run can look like; `at` is filled by make(). */
enum shape {
	NO_CLAIM,
	RUNNING_ALIVE,
	RUNNING_UNKNOWN,
	DEAD_WITH_RETRIES,
	DEAD_WITHOUT,
	ENDED_SUCCESS,
	ENDED_FINAL,
	ENDED_WITH_RETRIES,
	ENDED_WITHOUT,
	OUTCOME,
	SHAPES
};

struct scene {
	struct bl_attempts seen;
	struct bl_run_view view;
};

static void end_as(struct bl_attempts *seen, enum bl_class class, unsigned interruptions)
{
	seen->newest_ended = true;
	seen->interruptions = interruptions;
	seen->end.attempt = seen->newest;
	seen->end.result = (struct bl_result){ .status = bl_class_status(class),
		                               .class = class,
		                               .exit_code = 7,
		                               .message = "of the end" };
}

static void make(enum shape shape, struct scene *out)
{
	*out = (struct scene){ .seen = { .newest = shape == NO_CLAIM ? 0 : 3 } };
	out->view = (struct bl_run_view){ .retries = RETRIES,
		                          .owner = BL_UNKNOWN,
		                          .budget_left_ms = 1 };
	switch (shape) {
	case RUNNING_ALIVE:
		out->view.owner = BL_ALIVE;
		break;
	case DEAD_WITH_RETRIES:
		out->view.owner = BL_DEAD;
		out->seen.interruptions = RETRIES - 1;
		break;
	case DEAD_WITHOUT:
		out->view.owner = BL_DEAD;
		out->seen.interruptions = RETRIES;
		break;
	case ENDED_SUCCESS:
		end_as(&out->seen, BL_CLASS_NONE, 0);
		break;
	case ENDED_FINAL:
		end_as(&out->seen, BL_CLASS_CUDA_OOM, 0);
		break;
	case ENDED_WITH_RETRIES:
		end_as(&out->seen, BL_CLASS_STORAGE, RETRIES);
		break;
	case ENDED_WITHOUT:
		end_as(&out->seen, BL_CLASS_STORAGE, RETRIES + 1);
		break;
	case OUTCOME:
		end_as(&out->seen, BL_CLASS_LOST, 1);
		out->seen.has_outcome = true;
		break;
	default:
		break;
	}
}

static struct bl_run_step next_of(struct scene *scene)
{
	scene->view.attempts = &scene->seen;
	return bl_run_next(&scene->view);
}

static void set_reason(struct scene *scene, const char *word)
{
	snprintf(scene->seen.stop_reason, sizeof(scene->seen.stop_reason), "%s", word);
}

/* W wait, R relaunch; else the class that it settles with. */
#define W -1
#define R -2

static void every_cell(void **state)
{
	static const struct {
		int quiet, asked, stop, asked_and_stop;
	} want[SHAPES] = {
		[NO_CLAIM] = { W, R, BL_CLASS_BUDGET, BL_CLASS_BUDGET },
		[RUNNING_ALIVE] = { W, W, W, W },
		[RUNNING_UNKNOWN] = { W, W, W, W },
		[DEAD_WITH_RETRIES] = { R, R, BL_CLASS_BUDGET, BL_CLASS_BUDGET },
		[DEAD_WITHOUT] = { BL_CLASS_LOST, R, BL_CLASS_BUDGET, BL_CLASS_BUDGET },
		[ENDED_SUCCESS] = { BL_CLASS_NONE, BL_CLASS_NONE, BL_CLASS_NONE, BL_CLASS_NONE },
		[ENDED_FINAL] = { BL_CLASS_CUDA_OOM, BL_CLASS_CUDA_OOM, BL_CLASS_CUDA_OOM,
		                  BL_CLASS_CUDA_OOM },
		[ENDED_WITH_RETRIES] = { R, R, BL_CLASS_BUDGET, BL_CLASS_BUDGET },
		[ENDED_WITHOUT] = { BL_CLASS_STORAGE, R, BL_CLASS_BUDGET, BL_CLASS_BUDGET },
		[OUTCOME] = { W, W, W, W },
	};

	(void)state;
	for (int shape = 0; shape < SHAPES; shape++) {
		const int wishes[] = { want[shape].quiet, want[shape].asked, want[shape].stop,
			               want[shape].asked_and_stop };

		for (size_t wish = 0; wish < BL_COUNT(wishes); wish++) {
			struct bl_run_step step;
			struct scene scene;
			int got;

			make((enum shape)shape, &scene);
			scene.view.asked = wish & 1;
			scene.seen.stop_wanted = wish & 2;
			set_reason(&scene, "budget");
			step = next_of(&scene);
			got = step.next == BL_WAIT       ? W
			      : step.next == BL_RELAUNCH ? R
			                                 : (int)step.result.class;
			if (got != wishes[wish])
				fail_msg("shape %d, wish %zu: %d instead of %d", shape, wish, got,
				         wishes[wish]);
		}
	}
}

static void nothing_left_of_the_runtime_ends_it(void **state)
{
	static const enum shape relaunched[] = { DEAD_WITH_RETRIES, ENDED_WITH_RETRIES };
	struct bl_run_step step;
	struct scene scene;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(relaunched); i++) {
		for (int asked = 0; asked < 2; asked++) {
			make(relaunched[i], &scene);
			scene.view.budget_left_ms = 0;
			scene.view.asked = asked;
			step = next_of(&scene);
			assert_int_equal(step.next, BL_SETTLE);
			assert_int_equal(step.result.status, BL_STATUS_TIMEOUT);
			assert_int_equal(step.result.class, BL_CLASS_TIMEOUT);
			assert_true(step.result.next_step[0]);
		}
	}
	make(ENDED_SUCCESS, &scene);
	scene.view.budget_left_ms = -5;
	assert_int_equal(next_of(&scene).result.status, BL_STATUS_SUCCESS);
	make(RUNNING_ALIVE, &scene);
	scene.view.budget_left_ms = -5;
	assert_int_equal(next_of(&scene).next, BL_WAIT); /* its own host stops it */
}

static void what_a_settled_run_says(void **state)
{
	struct bl_run_step step;
	struct scene scene;

	(void)state;
	make(ENDED_FINAL, &scene);
	step = next_of(&scene);
	assert_int_equal(step.result.status, BL_STATUS_FAILURE);
	assert_int_equal(step.result.exit_code, 7);
	assert_string_equal(step.result.message, "of the end");
	make(ENDED_WITHOUT, &scene); /* a failure that retries did not mend */
	step = next_of(&scene);
	assert_int_equal(step.result.status, BL_STATUS_INTERRUPTED);
	assert_string_equal(step.result.message, "of the end");
	make(DEAD_WITHOUT, &scene);
	step = next_of(&scene);
	assert_int_equal(step.result.status, BL_STATUS_INTERRUPTED);
	assert_int_equal(step.result.exit_code, -1);
	assert_true(step.result.message[0]);
}

static void a_stop_reason_decides_the_status(void **state)
{
	static const struct {
		const char *word;
		enum bl_status status;
		enum bl_class class;
	} reasons[] = {
		{ "cancelled", BL_STATUS_CANCELLED, BL_CLASS_CANCELLED },
		{ "timeout", BL_STATUS_TIMEOUT, BL_CLASS_TIMEOUT },
		{ "budget", BL_STATUS_BUDGET, BL_CLASS_BUDGET },
		{ "nan", BL_STATUS_FAILURE, BL_CLASS_NAN },
		{ "", BL_STATUS_CANCELLED, BL_CLASS_CANCELLED },
		{ "of a later version", BL_STATUS_CANCELLED, BL_CLASS_CANCELLED },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(reasons); i++) {
		struct bl_run_step step;
		struct scene scene;

		make(DEAD_WITH_RETRIES, &scene);
		scene.seen.stop_wanted = true;
		set_reason(&scene, reasons[i].word);
		step = next_of(&scene);
		assert_int_equal(step.next, BL_SETTLE);
		assert_int_equal(step.result.status, reasons[i].status);
		assert_int_equal(step.result.class, reasons[i].class);
	}
}

static void retries_are_counted_in_relaunches(void **state)
{
	struct scene scene;

	(void)state;
	make(DEAD_WITH_RETRIES, &scene); /* its first death, and none allowed */
	scene.seen.interruptions = 0;
	scene.view.retries = 0;
	assert_int_equal(next_of(&scene).next, BL_SETTLE);
	scene.view.retries = 1;
	assert_int_equal(next_of(&scene).next, BL_RELAUNCH);
	make(ENDED_WITH_RETRIES, &scene);
	scene.seen.interruptions = 1;
	scene.view.retries = 0;
	assert_int_equal(next_of(&scene).next, BL_SETTLE);
	scene.view.retries = 1;
	assert_int_equal(next_of(&scene).next, BL_RELAUNCH);
}

static void a_silent_heartbeat_is_dead_after_six_periods(void **state)
{
	struct bl_watch watch = { 0 };

	(void)state;
	assert_int_equal(bl_watch_seq(&watch, 7, 1000, 50000), BL_UNKNOWN);
	assert_int_equal(bl_watch_seq(&watch, 7, 1000, 55999), BL_UNKNOWN);
	assert_int_equal(bl_watch_seq(&watch, 8, 1000, 55999), BL_ALIVE);
	assert_int_equal(bl_watch_seq(&watch, 8, 1000, 61998), BL_UNKNOWN);
	assert_int_equal(bl_watch_seq(&watch, 8, 1000, 61999), BL_DEAD);
	assert_int_equal(bl_watch_seq(&watch, 9, 1000, 70000), BL_ALIVE); /* it was only asleep */
	/* a new writer counts anew: any other number is a movement */
	assert_int_equal(bl_watch_seq(&watch, 1, 1000, 70001), BL_ALIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell),
		cmocka_unit_test(nothing_left_of_the_runtime_ends_it),
		cmocka_unit_test(what_a_settled_run_says),
		cmocka_unit_test(a_stop_reason_decides_the_status),
		cmocka_unit_test(retries_are_counted_in_relaunches),
		cmocka_unit_test(a_silent_heartbeat_is_dead_after_six_periods),
	};

	return cmocka_run_group_tests_name("next", tests, NULL, NULL);
}
