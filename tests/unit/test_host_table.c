/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "runner/host_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct chapter {
	enum host_event ev;
	enum host_act act;
};

static enum host_state tell(const struct chapter *story, size_t n)
{
	struct host_step at = { HACT_IGNORE, HOST_CLAIMING };

	for (size_t i = 0; i < n; i++) {
		at = host_next(at.next, story[i].ev);
		assert_int_equal(at.act, story[i].act);
	}
	return at.next;
}

static void a_quiet_life_ends_with_the_fence(void **state)
{
	static const struct chapter story[] = {
		{ HEV_DONE, HACT_RESTORE }, { HEV_DONE, HACT_START },  { HEV_DONE, HACT_MOVE },
		{ HEV_EXITED, HACT_FLUSH }, { HEV_DONE, HACT_UPLOAD }, { HEV_DONE, HACT_DRAIN },
		{ HEV_DONE, HACT_END },     { HEV_DONE, HACT_QUIT },
	};

	(void)state;
	assert_int_equal(tell(story, BL_COUNT(story)), HOST_DONE);
}

static void a_stop_keeps_the_last_checkpoint(void **state)
{
	static const struct chapter story[] = {
		{ HEV_DONE, HACT_RESTORE }, { HEV_DONE, HACT_START },    { HEV_DONE, HACT_MOVE },
		{ HEV_STOP, HACT_TERM },    { HEV_STOP, HACT_IGNORE },   { HEV_OVER, HACT_KILL },
		{ HEV_EXITED, HACT_FLUSH }, { HEV_FAILED, HACT_UPLOAD }, { HEV_FAILED, HACT_DRAIN },
		{ HEV_FAILED, HACT_END },
	};

	(void)state;
	assert_int_equal(tell(story, BL_COUNT(story)), HOST_ENDING);
}

static void a_stop_before_the_start_starts_nothing(void **state)
{
	static const struct chapter claiming[] = {
		{ HEV_STOP, HACT_MOVE },
		{ HEV_DONE, HACT_END },
		{ HEV_DONE, HACT_QUIT },
	};
	static const struct chapter restoring[] = {
		{ HEV_DONE, HACT_RESTORE },
		{ HEV_STOP, HACT_MOVE },
		{ HEV_DONE, HACT_END },
	};

	(void)state;
	assert_int_equal(tell(claiming, BL_COUNT(claiming)), HOST_DONE);
	assert_int_equal(tell(restoring, BL_COUNT(restoring)), HOST_ENDING);
}

static void a_lost_claim_leaves_no_trace(void **state)
{
	static const struct chapter story[] = { { HEV_FAILED, HACT_GIVE_UP } };
	static const struct chapter stopped[] = {
		{ HEV_STOP, HACT_MOVE },
		{ HEV_FAILED, HACT_GIVE_UP },
	};

	(void)state;
	assert_int_equal(tell(story, BL_COUNT(story)), HOST_DONE);
	assert_int_equal(tell(stopped, BL_COUNT(stopped)), HOST_DONE);
}

/* From no state may a fenced attempt reach an act that writes. */
static void a_fenced_attempt_writes_nothing_more(void **state)
{
	(void)state;
	for (int s = HOST_RESTORING; s < HOST_DONE; s++) {
		struct host_step step = host_next((enum host_state)s, HEV_FENCED);

		if (step.act == HACT_IGNORE)
			continue;
		assert_true(step.next == HOST_FENCED || step.next == HOST_DONE);
	}
	for (int ev = 0; ev < HOST_EVENTS; ev++) {
		struct host_step step = host_next(HOST_FENCED, (enum host_event)ev);

		assert_true(step.act == HACT_IGNORE || step.act == HACT_QUIT);
	}
}

/*
 * Whatever happens in whatever order, every state that waits has a way out when its time is over.
 */
static void no_state_waits_for_ever(void **state)
{
	static const enum host_state waiting[] = { HOST_STOPPING,  HOST_KILLING,  HOST_FLUSHING,
		                                   HOST_UPLOADING, HOST_DRAINING, HOST_ENDING,
		                                   HOST_FENCED };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(waiting); i++)
		assert_int_not_equal(host_next(waiting[i], HEV_OVER).act, HACT_IGNORE);
}

static void done_is_the_end(void **state)
{
	(void)state;
	for (int ev = 0; ev < HOST_EVENTS; ev++) {
		struct host_step step = host_next(HOST_DONE, (enum host_event)ev);

		assert_int_equal(step.act, HACT_IGNORE);
		assert_int_equal(step.next, HOST_DONE);
	}
}

/* No path from an ended command starts another: KILL and FLUSH only lead onwards. */
static void nothing_starts_twice(void **state)
{
	(void)state;
	for (int s = HOST_RUNNING; s < HOST_STATES; s++)
		for (int ev = 0; ev < HOST_EVENTS; ev++)
			assert_int_not_equal(host_next((enum host_state)s, (enum host_event)ev).act,
			                     HACT_START);
}

static void every_state_has_its_phase(void **state)
{
	static const struct {
		enum host_state state;
		const char *phase;
	} table[] = {
		{ HOST_CLAIMING, "claim" },     { HOST_CLAIM_STOPPED, "claim" },
		{ HOST_RESTORING, "restore" },  { HOST_STARTING, "start" },
		{ HOST_STOP_EARLY, "restore" }, { HOST_RUNNING, "training" },
		{ HOST_STOPPING, "stopping" },  { HOST_KILLING, "stopping" },
		{ HOST_FLUSHING, "flush" },     { HOST_UPLOADING, "flush" },
		{ HOST_DRAINING, "flush" },     { HOST_ENDING, "end" },
		{ HOST_FENCED, "stopping" },    { HOST_DONE, "end" },
	};

	(void)state;
	assert_int_equal(BL_COUNT(table), HOST_STATES);
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_string_equal(host_phases[host_phase(table[i].state)], table[i].phase);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_life_ends_with_the_fence),
		cmocka_unit_test(a_stop_keeps_the_last_checkpoint),
		cmocka_unit_test(a_stop_before_the_start_starts_nothing),
		cmocka_unit_test(a_lost_claim_leaves_no_trace),
		cmocka_unit_test(a_fenced_attempt_writes_nothing_more),
		cmocka_unit_test(no_state_waits_for_ever),
		cmocka_unit_test(done_is_the_end),
		cmocka_unit_test(nothing_starts_twice),
		cmocka_unit_test(every_state_has_its_phase),
	};

	return cmocka_run_group_tests_name("host table", tests, NULL, NULL);
}
