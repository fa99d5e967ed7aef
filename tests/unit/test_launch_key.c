/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_gate.h"
#include "run/launch_key.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void key_of(const struct bl_launch_id *id, char key[BL_LAUNCH_KEY_SIZE])
{
	struct bl_err err = { 0 };

	must(bl_launch_key(id, key, &err), &err);
}

static void every_part_makes_another_key(void **state)
{
	static const struct bl_launch_id ids[] = {
		{ "1", "2", "job", "m", NULL }, { "12", "", "job", "m", NULL },
		{ "1", "3", "job", "m", NULL }, { "1", "2", "job2", "m", NULL },
		{ "1", "2", "job", "", NULL },  { "1", "2", "job", "m", "1" },
		{ "1", "2", "job", "m", "2" },  { "1", "2", "jobm", "", NULL },
		{ "1", "2", "", "jobm", NULL },
	};
	char keys[BL_COUNT(ids)][BL_LAUNCH_KEY_SIZE], again[BL_LAUNCH_KEY_SIZE], path[64];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(ids); i++) {
		key_of(&ids[i], keys[i]);
		assert_int_equal(strspn(keys[i], "0123456789abcdef"), 32);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(keys[i], keys[k]);
	}
	key_of(&ids[0], again);
	assert_string_equal(again, keys[0]);
	bl_launch_key_path(again, path);
	assert_int_equal(strlen(path), strlen("index/launches/.json") + 32);
}

static void who_comes_again(void **state)
{
	static const struct {
		bool key, run;
		int outcome; /* -1: none, else enum bl_status */
		bool joined;
		enum bl_adopt expect;
	} table[] = {
		{ false, false, -1, false, BL_ADOPT_CREATE },
		{ true, false, -1, false, BL_ADOPT_CREATE },
		{ true, true, -1, false, BL_ADOPT_GO_ON },
		{ true, true, BL_STATUS_SUCCESS, false, BL_ADOPT_DONE },
		{ true, true, BL_STATUS_FAILURE, false, BL_ADOPT_NEXT_KEY },
		{ true, true, BL_STATUS_CANCELLED, false, BL_ADOPT_NEXT_KEY },
		{ true, true, BL_STATUS_INTERRUPTED, false, BL_ADOPT_NEXT_KEY },
		{ true, true, BL_STATUS_TIMEOUT, false, BL_ADOPT_NEXT_KEY },
		{ true, true, BL_STATUS_BUDGET, false, BL_ADOPT_NEXT_KEY },
		{ false, false, -1, true, BL_ADOPT_CREATE },
		{ true, false, -1, true, BL_ADOPT_CREATE },
		{ true, true, -1, true, BL_ADOPT_GO_ON },
		{ true, true, BL_STATUS_SUCCESS, true, BL_ADOPT_DONE },
		{ true, true, BL_STATUS_FAILURE, true, BL_ADOPT_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_outcome outcome = { 0 };
		const struct bl_outcome *has = table[i].outcome < 0 ? NULL : &outcome;

		if (has)
			outcome.result.status = (enum bl_status)table[i].outcome;
		if (bl_launch_adopt(table[i].key, table[i].run, has, table[i].joined) !=
		    table[i].expect)
			fail_msg("row %zu", i);
	}
}

#define RUN_A "20261124T080301Z-1a2b3c4d-aaaa"
#define RUN_B "20261124T080302Z-1a2b3c4d-bbbb"
#define KEY "0123456789abcdef0123456789abcdef"

static void the_first_taker_of_a_key_counts(void **state)
{
	char run[BL_RUN_SIZE] = RUN_A, other[BL_RUN_SIZE] = RUN_B, read[BL_RUN_SIZE];
	struct bl_err err = { 0 };

	assert_int_equal(bl_launch_key_read(*state, KEY, read, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	must(bl_launch_key_take(*state, KEY, run, &err), &err);
	must(bl_launch_key_take(*state, KEY, other, &err), &err);
	must(bl_launch_key_read(*state, KEY, read, &err), &err);
	assert_string_equal(run, RUN_A);
	assert_string_equal(other, RUN_A);
	assert_string_equal(read, RUN_A);
	put_object(*state, "index/launches/ffffffffffffffffffffffffffffffff.json",
	           "{\"schema\":1,\"run\":\"../x\"}");
	assert_int_equal(bl_launch_key_read(*state, "ffffffffffffffffffffffffffffffff", read, &err),
	                 -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

static void the_deadline_is_the_sum_of_what_is_left(void **state)
{
	const struct bl_run run = { .max_runtime_ms = 3600000,
		                    .grace_ms = 100000,
		                    .flush_reserve_ms = 480000 };
	struct bl_err err = { 0 };
	int64_t deadline;

	(void)state;
	must(bl_launch_deadline(&run, 1000000, 0, &deadline, &err), &err);
	assert_int_equal(deadline, 1000000 + 3600000 + 100000 + 480000 + 60000);
	must(bl_launch_deadline(&run, 0, 3000000, &deadline, &err), &err);
	assert_int_equal(deadline, 600000 + 100000 + 480000 + 60000);
	assert_int_equal(bl_launch_deadline(&run, 0, 3600000, &deadline, &err), -1);
	assert_int_equal(err.code, BL_EDEADLINE);
}

/* --- Money and room --------------------------------------------------------------------------- */

static void the_gate(void **state)
{
	static const double none = (double)NAN;
	static const struct {
		double budgets, ours, estimate, limit;
		int64_t live, live_max;
		enum bl_code code;
		enum bl_class class;
		const char *text;
	} table[] = {
		{ none, none, none, none, 0, 0, BL_OK, 0, NULL },
		{ 90, 20, 5, 100, 1, 2, BL_OK, 0, NULL },
		{ 96, 20, 5, 100, 0, 2, BL_EDEADLINE, BL_CLASS_BUDGET, "96.00 spent" },
		{ 20, 96, 5, 100, 0, 2, BL_EDEADLINE, BL_CLASS_BUDGET, "96.00 spent, up to 5.00" },
		{ none, 96, 5, 100, 0, 0, BL_EDEADLINE, BL_CLASS_BUDGET, "100.00 USD" },
		{ 500, 500, 5, none, 0, 0, BL_OK, 0, NULL },
		{ 0, 0, 5, 100, 2, 2, BL_ECAPACITY, BL_CLASS_QUOTA, "2 machines of stack 's'" },
		{ 0, 0, 5, 100, 9, 0, BL_OK, 0, NULL },
		{ 200, 0, 5, 100, 3, 2, BL_ECAPACITY, BL_CLASS_QUOTA, "its ceiling is 2" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct bl_gate_facts facts = { table[i].budgets,
			                             table[i].ours,
			                             table[i].estimate,
			                             table[i].limit,
			                             table[i].live,
			                             table[i].live_max,
			                             "s" };
		enum bl_class class = BL_CLASS_NONE;
		struct bl_err err = { 0 };
		int rc = bl_launch_gate(&facts, &class, &err);

		if (rc != (table[i].code ? -1 : 0) || err.code != table[i].code ||
		    class != table[i].class ||
		    (table[i].text && (!strstr(err.text, table[i].text) || !*err.next)))
			fail_msg("row %zu: %s / %s", i, err.text, err.next);
	}
}

static void months_begin_in_utc(void **state)
{
	(void)state;
	/* 2026-11-24T08:03:01Z; 2026-11-01T00:00:00Z; 2024-02-29T12:00:00Z */
	assert_int_equal(bl_month_start_ms(1795507381000), 1793491200000);
	assert_int_equal(bl_month_start_ms(1793491200000), 1793491200000);
	assert_int_equal(bl_month_start_ms(1709208000000), 1706745600000);
}

static void put_attempt(struct bl_store *store, const char *run, unsigned n, int64_t from_ms,
                        int64_t until_ms, const char *class)
{
	char key[128], text[512];

	snprintf(key, sizeof(key), "runs/%s/attempts/%03u.started.json", run, n);
	snprintf(text, sizeof(text),
	         "{\"schema\":1,\"attempt\":%u,\"usd_hour\":1.0,\"disk_usd_hour\":0.1,"
	         "\"started_at_ms\":%lld,\"deadline_ms\":%lld}",
	         n, (long long)from_ms, (long long)from_ms + 7200000);
	put_object(store, key, text);
	if (!until_ms)
		return;
	snprintf(key, sizeof(key), "runs/%s/attempts/%03u.end.json", run, n);
	snprintf(text, sizeof(text), "{\"schema\":1,\"class\":\"%s\",\"finished_ms\":%lld}", class,
	         (long long)until_ms);
	put_object(store, key, text);
}

static void our_own_attempts_of_the_month(void **state)
{
	const int64_t now = 1795507381000, hour = 3600000, month = bl_month_start_ms(now);
	struct bl_err err = { 0 };
	double usd = 0;

	must(bl_month_usd(*state, now, &usd, &err), &err);
	assert_true(usd < 0.0001);
	/* two attempts, an hour each */
	put_attempt(*state, "20261110T000000Z-00000000-aaaa", 1, month + 9 * 24 * hour,
	            month + 9 * 24 * hour + hour, "interrupted");
	put_attempt(*state, "20261110T000000Z-00000000-aaaa", 2, month + 9 * 24 * hour + hour,
	            month + 9 * 24 * hour + 2 * hour, "");
	/* from the month before, half an hour of it in this one */
	put_attempt(*state, "20261031T230000Z-00000000-bbbb", 1, month - hour, month + hour / 2,
	            "");
	/* goes on since half an hour */
	put_attempt(*state, "20261124T073301Z-00000000-cccc", 1, now - hour / 2, 0, "");
	/* nobody wrote its end: two hours, its deadline */
	put_attempt(*state, "20261115T000000Z-00000000-dddd", 1, month + 14 * 24 * hour, 0, "");
	/* long ago, and torn */
	put_attempt(*state, "20260910T000000Z-00000000-eeee", 1, month - 90 * 24 * hour, 0, "");
	put_object(*state, "runs/20261111T000000Z-00000000-ffff/attempts/001.started.json", "{");
	must(bl_month_usd(*state, now, &usd, &err), &err);
	if (fabs(usd - 5 * 1.1) > 0.001)
		fail_msg("%f", usd);
}

static int story(struct bl_err *err)
{
	const struct bl_run run = { .max_runtime_ms = 1 };
	const struct bl_gate_facts facts = { .limit_usd = (double)NAN, .stack = "s" };
	const struct bl_launch_id id = { "1", "2", "3", "4", NULL };
	char key[BL_LAUNCH_KEY_SIZE], name[BL_RUN_SIZE] = RUN_A;
	BL_STORE store = NULL;
	enum bl_class class;
	int64_t deadline;
	double usd;

	if (bl_store_open("store", BL_STORE_WRITE, &store, err) || bl_launch_key(&id, key, err) ||
	    bl_launch_key_take(store, key, name, err) ||
	    bl_launch_key_read(store, key, name, err) ||
	    bl_month_usd(store, 1795507381000, &usd, err))
		return -1;
	return bl_launch_gate(&facts, &class, err) || bl_launch_deadline(&run, 0, 0, &deadline, err)
	               ? -1
	               : 0;
}

static void allocations_fail_cleanly(void **state)
{
	struct bl_err err = { 0 };

	put_attempt(*state, "20261110T000000Z-00000000-aaaa", 1, 1794268800000, 0, "");
	must(story(&err), &err); /* libcrypto's one-time set-up */
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_makes_another_key),
		cmocka_unit_test(who_comes_again),
		IN_SCRATCH(the_first_taker_of_a_key_counts),
		cmocka_unit_test(the_deadline_is_the_sum_of_what_is_left),
		cmocka_unit_test(the_gate),
		cmocka_unit_test(months_begin_in_utc),
		IN_SCRATCH(our_own_attempts_of_the_month),
		IN_SCRATCH(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("launch_key", tests, NULL, NULL);
}
