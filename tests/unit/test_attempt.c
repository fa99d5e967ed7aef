/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt.h"
#include "run/heartbeat.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define KEY(tail) "runs/" RUN "/" tail

static struct bl_end end_of(unsigned attempt, enum bl_class class, const char *nonce)
{
	struct bl_end end = { .attempt = attempt,
		              .by = "host",
		              .finished_at_ms = 1795507381123,
		              .outputs_crc = "pxgjIdAxGBA=",
		              .last_step = 120 };

	end.result = (struct bl_result){ .status = bl_class_status(class),
		                         .class = class,
		                         .stage = "training",
		                         .exit_code = 3,
		                         .message = "why" };
	snprintf(end.nonce, sizeof(end.nonce), "%s", nonce);
	return end;
}

static void claim(struct bl_store *store, unsigned attempt)
{
	struct bl_claim mine;
	struct bl_err err = { 0 };

	must(bl_claim_make(attempt, &mine, &err), &err);
	must(bl_claim_create(store, RUN, &mine, NULL, &err), &err);
}

/* --- claims ----------------------------------------------------------------------------------- */

static void a_claim_reads_back(void **state)
{
	struct bl_claim mine = { 0 }, read = { 0 };
	struct bl_proc_id self = { 0 };
	struct bl_err err = { 0 };

	must(bl_claim_make(7, &mine, &err), &err);
	must(bl_proc_self(&self, &err), &err);
	assert_int_equal(mine.attempt, 7);
	assert_int_equal(mine.heartbeat_ms, BL_HEARTBEAT_MS);
	assert_int_equal(strlen(mine.nonce), BL_NONCE_SIZE - 1);
	assert_int_equal(mine.owner.pid, getpid());
	assert_true(mine.owner.start_ticks == self.start_ticks && self.start_ticks);
	must(bl_claim_create(*state, RUN, &mine, NULL, &err), &err);
	must(bl_claim_read(*state, RUN, 7, &read, &err), &err);
	assert_int_equal(read.attempt, 7);
	assert_string_equal(read.nonce, mine.nonce);
	assert_string_equal(read.owner.boot_id, mine.owner.boot_id);
	assert_string_equal(read.owner.machine_id, mine.owner.machine_id);
	assert_true(read.owner.pidns == mine.owner.pidns);
	assert_true(read.owner.start_ticks == mine.owner.start_ticks);
	assert_int_equal(read.owner.pid, getpid());
	assert_true(read.claimed_at_ms == mine.claimed_at_ms);
	assert_int_equal(read.heartbeat_ms, mine.heartbeat_ms);
}

static void an_instance_is_known_by_its_tags(void **state)
{
	struct bl_claim mine = { 0 }, process = { 0 }, read = { 0 };
	enum bl_liveness owner = BL_ALIVE;
	struct bl_err err = { 0 };
	char holder[48];

	must(bl_claim_make_instance(RUN, 12, &mine, &err), &err);
	assert_string_equal(mine.instance_tag, RUN "/12");
	must(bl_claim_create(*state, RUN, &mine, NULL, &err), &err);
	must(bl_claim_read(*state, RUN, 12, &read, &err), &err);
	assert_string_equal(read.instance_tag, RUN "/12");
	assert_string_equal(read.nonce, mine.nonce);
	assert_true(read.claimed_at_ms == mine.claimed_at_ms && !read.owner.pid);
	bl_claim_holder(&read, holder);
	assert_string_equal(holder, "an instance");
	must(bl_proc_probe(&read.owner, &owner, &err), &err);
	assert_int_equal(owner, BL_UNKNOWN);

	must(bl_claim_make(12, &process, &err), &err);
	assert_string_equal(process.instance_tag, "");
	assert_int_equal(bl_claim_create(*state, RUN, &process, NULL, &err), -1);
	assert_int_equal(err.code, BL_EBUSY);
	assert_non_null(strstr(err.text, "is held by an instance"));
}

static void another_owners_claim_is_busy(void **state)
{
	struct bl_claim mine, theirs, held = { 0 };
	struct bl_err err = { 0 };

	must(bl_claim_make(1, &theirs, &err), &err);
	must(bl_claim_make(1, &mine, &err), &err);
	assert_string_not_equal(mine.nonce, theirs.nonce);
	must(bl_claim_create(*state, RUN, &theirs, NULL, &err), &err);
	assert_int_equal(bl_claim_create(*state, RUN, &mine, &held, &err), -1);
	assert_int_equal(err.code, BL_EBUSY);
	assert_string_equal(held.nonce, theirs.nonce);
	assert_non_null(strstr(err.text, "attempt 1 of run " RUN " is held by process"));
	assert_true(err.next[0]);
	bl_err_clear(&err);
	assert_int_equal(bl_claim_create(*state, RUN, &mine, NULL, &err), -1);
	bl_err_clear(&err);
	/* our own write, repeated after its answer was lost */
	must(bl_claim_create(*state, RUN, &theirs, &held, &err), &err);
	assert_int_equal(err.code, BL_OK);
}

static void one_of_many_claims(void **state)
{
	int start[2], winners = 0, status;

	assert_int_equal(pipe(start), 0);
	for (int i = 0; i < 6; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			struct bl_claim mine;
			struct bl_err err = { 0 };
			char byte;

			close(start[1]);
			if (bl_claim_make(1, &mine, &err) || read(start[0], &byte, 1))
				_exit(99);
			if (!bl_claim_create(*state, RUN, &mine, NULL, &err))
				_exit(0);
			_exit(err.code == BL_EBUSY ? 1 : 99);
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < 6; i++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		winners += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(winners, 1);
}

static void bad_claims_are_named(void **state)
{
	static const char *const bad[] = {
		"{\"schema\":1}",
		"{\"schema\":1,\"attempt\":2,\"owner\":{\"machine_id\":\"\",\"boot_id\":\"\","
		"\"pidns\":1,"
		"\"pid\":1,\"start_ticks\":1},\"nonce\":\"a\",\"heartbeat_ms\":1,\"claimed_ms\":1}",
		"{\"schema\":1,\"attempt\":1,\"owner\":{\"machine_id\":\"\",\"boot_id\":\"\","
		"\"pidns\":1,"
		"\"pid\":\"x\",\"start_ticks\":1},\"nonce\":\"a\",\"heartbeat_ms\":1,\"claimed_"
		"ms\":1}",
		"{\"schema\":1,\"attempt\":1,\"owner\":{\"machine_id\":\"\",\"boot_id\":\"\","
		"\"pidns\":1,"
		"\"pid\":1,\"start_ticks\":1},\"nonce\":\"longer than any nonce is\","
		"\"heartbeat_ms\":1,\"claimed_ms\":1}",
		"not json",
	};

	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_claim got = { .attempt = 77 };
		struct bl_err err = { 0 };

		put_object(*state, KEY("attempts/001.json"), bad[i]);
		assert_int_equal(bl_claim_read(*state, RUN, 1, &got, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_non_null(strstr(err.text, "attempts/001.json"));
		assert_int_equal(got.attempt, 77);
	}
}

/* --- ends ------------------------------------------------------------------------------------- */

static void the_first_end_is_the_fence(void **state)
{
	struct bl_end mine = end_of(1, BL_CLASS_NONE, "aaaaaaaaaaaaaaaa");
	struct bl_end late = end_of(1, BL_CLASS_LOST, "bbbbbbbbbbbbbbbb");
	struct bl_end winner = { 0 }, read = { 0 };
	struct bl_err err = { 0 };

	assert_int_equal(bl_end_read(*state, RUN, 1, &read, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	must(bl_end_create(*state, RUN, &mine, NULL, &err), &err);
	assert_int_equal(bl_end_create(*state, RUN, &late, &winner, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_string_equal(winner.nonce, mine.nonce);
	bl_err_clear(&err);
	must(bl_end_create(*state, RUN, &mine, &winner, &err), &err);
	must(bl_end_read(*state, RUN, 1, &read, &err), &err);
	assert_string_equal(read.by, "host");
	assert_string_equal(read.outputs_crc, "pxgjIdAxGBA=");
	assert_true(read.last_step == 120);
	assert_int_equal(read.result.exit_code, 3);
	assert_string_equal(read.result.message, "why");
	assert_int_equal(read.result.status, BL_STATUS_SUCCESS);
}

static void an_end_without_steps_or_outputs(void **state)
{
	struct bl_end mine = end_of(1, BL_CLASS_LOST, "a"), read = { 0 };
	struct bl_err err = { 0 };

	mine.last_step = NAN;
	mine.outputs_crc[0] = '\0';
	mine.result.exit_code = -1;
	must(bl_end_create(*state, RUN, &mine, NULL, &err), &err);
	must(bl_end_read(*state, RUN, 1, &read, &err), &err);
	assert_true(isnan(read.last_step));
	assert_string_equal(read.outputs_crc, "");
	assert_int_equal(read.result.exit_code, -1);
}

/* --- what the store knows --------------------------------------------------------------------- */

static void attempts_of_a_run(void **state)
{
	struct bl_end lost = end_of(1, BL_CLASS_LOST, "a"), full = end_of(2, BL_CLASS_STORAGE, "b");
	struct bl_end fine = end_of(10, BL_CLASS_NONE, "c");
	struct bl_outcome outcome = { .attempt = 10, .finished_at_ms = 5, .nonce = "d" }, winner;
	struct bl_attempts seen;
	struct bl_err err = { 0 };

	must(bl_attempts_read(*state, RUN, &seen, &err), &err);
	assert_int_equal(seen.newest, 0);
	assert_true(!seen.has_outcome && !seen.stop_wanted && !seen.newest_ended);
	claim(*state, 1);
	must(bl_end_create(*state, RUN, &lost, NULL, &err), &err);
	put_object(*state, KEY("attempts/001.started.json"), "{}");
	put_object(*state, KEY("attempts/001.try-1.json"), "{}");
	claim(*state, 2);
	must(bl_attempts_read(*state, RUN, &seen, &err), &err);
	assert_int_equal(seen.newest, 2);
	assert_false(seen.newest_ended);
	assert_int_equal(seen.interruptions, 1);
	assert_int_equal(seen.claim.attempt, 2);
	must(bl_end_create(*state, RUN, &full, NULL, &err), &err);
	must(bl_attempts_read(*state, RUN, &seen, &err), &err);
	assert_true(seen.newest_ended);
	assert_int_equal(seen.interruptions, 2);
	assert_int_equal(seen.end.result.class, BL_CLASS_STORAGE);
	claim(*state, 10);
	must(bl_end_create(*state, RUN, &fine, NULL, &err), &err);
	must(bl_outcome_settle(*state, RUN, &outcome, &winner, &err), &err);
	must(bl_attempts_read(*state, RUN, &seen, &err), &err);
	assert_int_equal(seen.newest, 10);
	assert_int_equal(seen.interruptions, 2);
	assert_true(seen.has_outcome);
	assert_string_equal(seen.outcome.nonce, "d");
	assert_int_equal(err.code, BL_OK);
}

static void a_stop_is_a_wish_with_a_reason(void **state)
{
	struct bl_attempts seen;
	struct bl_err err = { 0 };
	char reason[32];
	bool wanted = true;

	must(bl_stop_read(*state, RUN, &wanted, reason, &err), &err);
	assert_false(wanted);
	must(bl_stop_ask(*state, RUN, "cancelled", "me", &err), &err);
	must(bl_stop_ask(*state, RUN, "budget", "me", &err), &err);
	must(bl_attempts_read(*state, RUN, &seen, &err), &err);
	assert_true(seen.stop_wanted);
	assert_string_equal(seen.stop_reason, "budget");
	put_object(*state, KEY("stop.json"), "{\"schema\":1}");
	must(bl_attempts_read(*state, RUN, &seen, &err), &err);
	assert_string_equal(seen.stop_reason, "cancelled");
	put_object(*state, KEY("stop.json"), "{\"schema\":");
	assert_int_equal(bl_attempts_read(*state, RUN, &seen, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

/* --- allocations ------------------------------------------------------------------------------ */

static struct bl_store *shared;

static int everything(struct bl_err *err)
{
	struct bl_end end = end_of(1, BL_CLASS_LOST, "a"), read_end;
	struct bl_claim mine, read_claim;
	struct bl_attempts seen;
	struct bl_err lost = { 0 };

	if (bl_claim_make(1, &mine, err))
		return -1;
	snprintf(mine.nonce, sizeof(mine.nonce), "always the same");
	if (bl_claim_create(shared, RUN, &mine, NULL, err) ||
	    bl_claim_read(shared, RUN, 1, &read_claim, err) ||
	    bl_end_create(shared, RUN, &end, NULL, err) ||
	    bl_end_read(shared, RUN, 1, &read_end, err) ||
	    bl_stop_ask(shared, RUN, "cancelled", "me", err) ||
	    bl_attempts_read(shared, RUN, &seen, err))
		return -1;
	snprintf(mine.nonce, sizeof(mine.nonce), "another");
	if (!bl_claim_create(shared, RUN, &mine, NULL, &lost))
		return bl_fail(err, BL_EBUG, "two claims of one attempt");
	if (lost.code == BL_EBUSY)
		return 0;
	*err = lost;
	return -1;
}

static void each_allocation(void **state)
{
	shared = *state;
	each_allocation_fails(everything, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_claim_reads_back),
		IN_SCRATCH(an_instance_is_known_by_its_tags),
		IN_SCRATCH(another_owners_claim_is_busy),
		IN_SCRATCH(one_of_many_claims),
		IN_SCRATCH(bad_claims_are_named),
		IN_SCRATCH(the_first_end_is_the_fence),
		IN_SCRATCH(an_end_without_steps_or_outputs),
		IN_SCRATCH(attempts_of_a_run),
		IN_SCRATCH(a_stop_is_a_wish_with_a_reason),
		IN_SCRATCH(each_allocation),
	};

	return cmocka_run_group_tests_name("attempt", tests, NULL, NULL);
}
