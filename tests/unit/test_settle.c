/* SPDX-License-Identifier: Apache-2.0 */
#include "run/settle.h"

#include "run/heartbeat.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define MINUTE 60000

static const struct bl_run a_run = { .id = RUN, .retries = 1, .max_runtime_ms = 60 * MINUTE };

static void claim(struct bl_store *store, unsigned attempt, int64_t at_ms)
{
	struct bl_err err = { 0 };
	struct bl_claim mine;

	must(bl_claim_make(attempt, &mine, &err), &err);
	mine.claimed_at_ms = at_ms;
	must(bl_claim_create(store, RUN, &mine, NULL, &err), &err);
}

static void end(struct bl_store *store, unsigned attempt, enum bl_status status,
                enum bl_class class, int64_t at_ms)
{
	struct bl_end mine = { .attempt = attempt,
		               .by = "host",
		               .nonce = "aaaaaaaaaaaaaaaa",
		               .finished_at_ms = at_ms,
		               .last_step = __builtin_nan(""),
		               .result = {
				       .status = status, .class = class, .stage = "training" } };
	struct bl_err err = { 0 };

	must(bl_end_create(store, RUN, &mine, NULL, &err), &err);
}

static bool settle(struct bl_store *store, enum bl_liveness owner, struct bl_outcome *out)
{
	struct bl_err err = { 0 };
	bool settled;

	must(bl_run_settle(store, &a_run, owner, &settled, out, &err), &err);
	return settled;
}

static void an_end_without_outcome_gets_it(void **state)
{
	struct bl_outcome outcome, again;

	claim(*state, 1, 0);
	end(*state, 1, BL_STATUS_SUCCESS, BL_CLASS_NONE, 5 * MINUTE);
	assert_true(settle(*state, BL_UNKNOWN, &outcome));
	assert_int_equal(outcome.result.status, BL_STATUS_SUCCESS);
	assert_int_equal(outcome.attempt, 1);
	assert_int_equal(outcome.finished_at_ms, 5 * MINUTE);
	assert_true(settle(*state, BL_UNKNOWN, &again));
	assert_string_equal(again.nonce, outcome.nonce); /* settled once, by whoever was first */
}

static void who_may_live_is_left_alone(void **state)
{
	static const enum bl_liveness owners[] = { BL_ALIVE, BL_UNKNOWN };
	struct bl_outcome outcome;
	struct bl_err err = { 0 };
	struct bl_end stands;

	claim(*state, 1, 0);
	for (size_t i = 0; i < BL_COUNT(owners); i++)
		assert_false(settle(*state, owners[i], &outcome));
	assert_int_equal(bl_end_read(*state, RUN, 1, &stands, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static void an_interruption_with_retries_left_stays_open(void **state)
{
	struct bl_outcome outcome;

	claim(*state, 1, 0);
	end(*state, 1, BL_STATUS_INTERRUPTED, BL_CLASS_INTERRUPTED, MINUTE);
	assert_false(settle(*state, BL_UNKNOWN, &outcome));
	claim(*state, 2, 2 * MINUTE);
	end(*state, 2, BL_STATUS_INTERRUPTED, BL_CLASS_LOST, 3 * MINUTE);
	assert_true(settle(*state, BL_UNKNOWN, &outcome)); /* one retry was configured */
	assert_int_equal(outcome.result.status, BL_STATUS_INTERRUPTED);
	assert_int_equal(outcome.attempt, 2);
}

static void a_stop_settles_what_a_dead_owner_left(void **state)
{
	struct bl_outcome outcome;
	struct bl_err err = { 0 };
	struct bl_end stands;

	claim(*state, 1, 0);
	must(bl_stop_ask(*state, RUN, "cancelled", "somebody", &err), &err);
	assert_true(settle(*state, BL_DEAD, &outcome));
	assert_int_equal(outcome.result.status, BL_STATUS_CANCELLED);
	must(bl_end_read(*state, RUN, 1, &stands, &err),
	     &err); /* the fence stands before the outcome */
	assert_string_equal(stands.by, "claimer");
}

static void an_end_for_the_dead_says_why_and_loses_to_their_own(void **state)
{
	static const struct bl_result why = { .status = BL_STATUS_INTERRUPTED,
		                              .class = BL_CLASS_CAPACITY,
		                              .message = "no room" };
	struct bl_attempts attempts;
	struct bl_err err = { 0 };
	struct bl_end stands;

	claim(*state, 1, 5);
	must(bl_attempts_read(*state, RUN, &attempts, &err), &err);
	must(bl_run_end_newest(*state, RUN, &attempts, &why, &err), &err);
	must(bl_end_read(*state, RUN, 1, &stands, &err), &err);
	assert_int_equal(stands.result.class, BL_CLASS_CAPACITY);
	assert_int_equal(stands.finished_at_ms, 5);
	must(bl_run_end_newest(*state, RUN, &attempts, &(struct bl_result){ 0 }, &err), &err);
	must(bl_end_read(*state, RUN, 1, &stands, &err), &err);
	assert_string_equal(stands.result.message, "no room");
}

static void the_time_of_all_attempts_counts(void **state)
{
	struct bl_err err = { 0 };
	int64_t spent;

	claim(*state, 1, 0);
	end(*state, 1, BL_STATUS_INTERRUPTED, BL_CLASS_LOST, 10 * MINUTE);
	claim(*state, 2, 20 * MINUTE);
	end(*state, 2, BL_STATUS_INTERRUPTED, BL_CLASS_LOST,
	    15 * MINUTE); /* a clock that stepped back */
	claim(*state, 3, 30 * MINUTE);
	end(*state, 3, BL_STATUS_INTERRUPTED, BL_CLASS_LOST, 37 * MINUTE);
	claim(*state, 4, 40 * MINUTE); /* not over, and never seen */
	must(bl_run_spent_ms(*state, RUN, 4, &spent, &err), &err);
	assert_int_equal(spent, 17 * MINUTE);
}

/* A run killed in the evening and resumed in the morning has not run all night. */
static void the_time_until_somebody_looks_does_not_count(void **state)
{
	struct bl_heartbeat beat;
	struct bl_outcome outcome;
	struct bl_err err = { 0 };
	struct bl_end stands;
	int64_t spent;

	claim(*state, 1, 10 * MINUTE);
	bl_heartbeat_init(&beat, 1);
	beat.seq = 4;
	beat.at_ms = 13 * MINUTE;
	must(bl_heartbeat_write(*state, RUN, &beat, &err), &err);
	must(bl_run_spent_ms(*state, RUN, 1, &spent, &err), &err);
	assert_int_equal(spent, 3 * MINUTE);
	must(bl_stop_ask(*state, RUN, "cancelled", "somebody", &err), &err);
	assert_true(settle(*state, BL_DEAD, &outcome));
	must(bl_end_read(*state, RUN, 1, &stands, &err), &err);
	assert_int_equal(stands.finished_at_ms, 13 * MINUTE);
	must(bl_run_spent_ms(*state, RUN, 1, &spent, &err), &err);
	assert_int_equal(spent, 3 * MINUTE);
}

static struct bl_store *story_store;

static int story(struct bl_err *err)
{
	struct bl_outcome outcome;
	bool settled;
	int64_t spent;

	if (bl_run_spent_ms(story_store, RUN, 1, &spent, err) ||
	    bl_run_last_seen_ms(story_store, RUN, &(struct bl_claim){ .attempt = 1 }, &spent, err))
		return -1;
	return bl_run_settle(story_store, &a_run, BL_DEAD, &settled, &outcome, err);
}

static void allocations_fail_cleanly(void **state)
{
	story_store = *state;
	claim(*state, 1, 0);
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(an_end_without_outcome_gets_it),
		IN_SCRATCH(who_may_live_is_left_alone),
		IN_SCRATCH(an_interruption_with_retries_left_stays_open),
		IN_SCRATCH(a_stop_settles_what_a_dead_owner_left),
		IN_SCRATCH(an_end_for_the_dead_says_why_and_loses_to_their_own),
		IN_SCRATCH(the_time_of_all_attempts_counts),
		IN_SCRATCH(the_time_until_somebody_looks_does_not_count),
		IN_SCRATCH(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
