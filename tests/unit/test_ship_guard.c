/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "runner/ship.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define PERIOD_MS 30000

static int64_t now_ms = 1000;

static int64_t test_now(void)
{
	return now_ms;
}

static const struct bl_clock test_clock = { test_now, test_now };

struct fixture {
	struct bl_store *store; /* as somebody else sees it */
	struct ship ship;
};

static struct fixture the_fixture;

static int set_up(void **state)
{
	struct fixture *fixture = &the_fixture;
	struct bl_err err = { 0 };

	if (scratch_store(state))
		return -1;
	memset(fixture, 0, sizeof(*fixture));
	fixture->store = *state;
	fixture->ship.place = (struct ship_place){ "store", RUN, "work" };
	must(ship_open_store(&fixture->ship, &err), &err);
	bl_clock_replace(&test_clock);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	bl_clock_replace(NULL);
	bl_store_close(fixture->ship.store);
	*state = fixture->store;
	return scratch_done(state);
}

static void claim(struct fixture *fixture)
{
	struct bl_err err = { 0 };

	must(bl_claim_make(1, &fixture->ship.claim, &err), &err);
	fixture->ship.claim.heartbeat_ms = PERIOD_MS;
	fixture->ship.claimed.attempt = 1;
}

static void end_it(struct fixture *fixture, const char *nonce)
{
	struct bl_end end = {
		.attempt = 1,
		.by = "claimer",
		.result = { .status = BL_STATUS_INTERRUPTED, .class = BL_CLASS_LOST },
	};
	struct bl_err err = { 0 };

	snprintf(end.nonce, sizeof(end.nonce), "%s", nonce);
	must(bl_end_create(fixture->store, RUN, &end, NULL, &err), &err);
}

static void before_a_claim_there_is_no_fence(void **state)
{
	struct fixture *fixture = *state;

	end_it(fixture, "somebody-else");
	put_object(fixture->ship.store, "k", "written");
	assert_object(fixture->store, "k", "written");
	assert_false(fixture->ship.fenced);
}

static void a_young_look_is_good_for_a_period(void **state)
{
	struct fixture *fixture = *state;

	claim(fixture);
	put_object(fixture->ship.store, "k", "1");
	end_it(fixture, "somebody-else");
	now_ms += PERIOD_MS - 1;
	put_object(fixture->ship.store, "k", "2");
	assert_object(fixture->store, "k", "2");
}

static void behind_the_fence_nothing_is_written(void **state)
{
	struct fixture *fixture = *state;
	struct bl_store *store = fixture->ship.store;
	struct bl_err err[4] = { 0 };
	BL_FD fd = memfd_create("file", MFD_CLOEXEC);
	uint64_t crc;

	claim(fixture);
	put_object(store, "k", "1");
	end_it(fixture, "somebody-else");
	now_ms += PERIOD_MS;
	assert_int_equal(bl_store_put(store, NULL, "k", "2", 1, &err[0]), -1);
	assert_int_equal(bl_store_put_if_absent(store, NULL, "n", "2", 1, &err[1]), -1);
	assert_int_equal(bl_store_put_file(store, NULL, "n", fd, 0, &crc, &err[2]), -1);
	assert_int_equal(bl_store_delete(store, NULL, "k", &err[3]), -1);
	for (size_t i = 0; i < BL_COUNT(err); i++)
		assert_int_equal(err[i].code, BL_EBUSY);
	assert_true(fixture->ship.fenced);
	assert_object(store, "k", "1");
	assert_absent(fixture->store, "n");
}

static void our_own_end_is_no_fence(void **state)
{
	struct fixture *fixture = *state;

	claim(fixture);
	end_it(fixture, fixture->ship.claim.nonce);
	put_object(fixture->ship.store, "k", "the outcome");
	assert_object(fixture->store, "k", "the outcome");
}

#define GUARDED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void a_small_object_has_a_minute(void **state)
{
	struct bl_call given = { .deadline_mono_ms = 7 }, own = { 0 };
	int64_t before = bl_mono_ms();

	(void)state;
	assert_ptr_equal(ship_bounded(&given, &own), &given);
	assert_int_equal(own.deadline_mono_ms, 0);
	assert_ptr_equal(ship_bounded(NULL, &own), &own);
	assert_in_range(own.deadline_mono_ms, before + 60000, bl_mono_ms() + 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_object_has_a_minute),
		GUARDED(before_a_claim_there_is_no_fence),
		GUARDED(a_young_look_is_good_for_a_period),
		GUARDED(behind_the_fence_nothing_is_written),
		GUARDED(our_own_end_is_no_fence),
	};

	return cmocka_run_group_tests_name("ship: fence", tests, NULL, NULL);
}
