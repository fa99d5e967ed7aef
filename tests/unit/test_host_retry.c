/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "runner/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE 60000

static int64_t now_ms;

static int64_t test_now(void)
{
	return now_ms;
}

static const struct bl_clock test_clock = { test_now, test_now };

static struct host host;

static int set_up(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	host.status_fd = -1;
	now_ms = 100 * MINUTE;
	host.bulk_since = now_ms;
	host.flush_until = now_ms + 8 * MINUTE;
	bl_clock_replace(&test_clock);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bl_clock_replace(NULL);
	return 0;
}

static bool again(enum host_state at, enum ship_op op, enum bl_code code)
{
	struct ship_reply reply = { .op = op, .err.code = code };
	bool control = op == SHIP_TICK || op == SHIP_DRAIN;

	host.state = at;
	host.bulk_again_at = host.control_again_at = 0;
	return host_tries_again(&host, control ? SHIP_CONTROL : SHIP_BULK, &reply);
}

static void what_waits_for_the_store(void **state)
{
	static const struct {
		enum host_state at;
		enum ship_op op;
		bool waits;
	} cases[] = {
		{ HOST_CLAIMING, SHIP_CLAIM, true },
		{ HOST_CLAIM_STOPPED, SHIP_CLAIM, false }, /* a stop is wanted: nothing began */
		{ HOST_RESTORING, SHIP_RESTORE, true },
		{ HOST_STOP_EARLY, SHIP_RESTORE, false },
		{ HOST_RUNNING, SHIP_STARTED, true },
		{ HOST_STOPPING, SHIP_STARTED, true },
		{ HOST_RUNNING, SHIP_SNAPSHOT, false }, /* the next one comes anyway */
		{ HOST_FLUSHING, SHIP_SNAPSHOT, true },
		{ HOST_UPLOADING, SHIP_OUTPUTS, true },
		{ HOST_DRAINING, SHIP_DRAIN, true },
		{ HOST_ENDING, SHIP_END, true },
		{ HOST_RUNNING, SHIP_TICK, false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		assert_int_equal(again(cases[i].at, cases[i].op, BL_ERETRY), cases[i].waits);
		assert_int_equal(host.bulk_again_at || host.control_again_at, cases[i].waits);
		assert_int_equal(again(cases[i].at, cases[i].op, BL_ETIMEOUT), cases[i].waits);
		assert_false(again(cases[i].at, cases[i].op, BL_EDENIED));
		assert_false(again(cases[i].at, cases[i].op, BL_ENOSPC));
		assert_false(again(cases[i].at, cases[i].op, BL_OK));
	}
}

static void patience_has_an_end(void **state)
{
	(void)state;
	now_ms += 8 * MINUTE;
	assert_false(again(HOST_CLAIMING, SHIP_CLAIM, BL_ERETRY));
	assert_false(again(HOST_RESTORING, SHIP_RESTORE, BL_ERETRY));
	assert_false(again(HOST_FLUSHING, SHIP_SNAPSHOT, BL_ERETRY));
	assert_false(again(HOST_UPLOADING, SHIP_OUTPUTS, BL_ERETRY));
	assert_false(again(HOST_DRAINING, SHIP_DRAIN, BL_ERETRY));
	assert_true(again(HOST_RUNNING, SHIP_STARTED, BL_ERETRY));
	assert_true(again(HOST_ENDING, SHIP_END, BL_ERETRY)); /* its own time is host's timer */
	host.hurried = true;
	assert_false(again(HOST_ENDING, SHIP_END, BL_ERETRY));
}

static void pauses_grow_to_five_seconds(void **state)
{
	static const int64_t pauses[] = { 1000, 2000, 4000, 5000, 5000 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(pauses); i++) {
		assert_true(again(HOST_ENDING, SHIP_END, BL_ERETRY));
		assert_int_equal(host.bulk_again_at - now_ms, pauses[i]);
	}
	assert_false(again(HOST_ENDING, SHIP_END, BL_OK));
	assert_true(again(HOST_ENDING, SHIP_END, BL_ERETRY));
	assert_int_equal(host.bulk_again_at - now_ms, pauses[0]);
}

/* A snapshot that found nothing new has not asked the store: it does not say that it is back. */
static void it_is_back_when_it_was_asked(void **state)
{
	(void)state;
	assert_false(again(HOST_RUNNING, SHIP_SNAPSHOT, BL_ERETRY));
	assert_false(again(HOST_RUNNING, SHIP_TICK, BL_ERETRY));
	assert_false(again(HOST_RUNNING, SHIP_SNAPSHOT, BL_OK));
	assert_false(again(HOST_RUNNING, SHIP_TICK, BL_OK));
	assert_true(host.unreachable);
	assert_false(again(HOST_RUNNING, SHIP_STARTED, BL_OK));
	assert_false(host.unreachable);
}

static void a_published_snapshot_is_not_repeated_for_its_pruning(void **state)
{
	struct ship_reply reply = { .op = SHIP_SNAPSHOT, .err.code = BL_ERETRY };

	(void)state;
	reply.published.published = true;
	host.state = HOST_FLUSHING;
	assert_false(host_tries_again(&host, SHIP_BULK, &reply));
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOST(what_waits_for_the_store),
		WITH_HOST(patience_has_an_end),
		WITH_HOST(pauses_grow_to_five_seconds),
		WITH_HOST(it_is_back_when_it_was_asked),
		WITH_HOST(a_published_snapshot_is_not_repeated_for_its_pruning),
	};

	return cmocka_run_group_tests_name("host: a store out of reach", tests, NULL, NULL);
}
