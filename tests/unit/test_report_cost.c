/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_cost.h"

#include "base/clock.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define SECOND "20261125T080301Z-1a2b3c4d-bbbb"
#define LAST_MONTH "20261031T235959Z-1a2b3c4d-aaaa"
#define HOUR 3600000
#define BEGAN 1795507200000 /* 2026-11-24T08:00:00Z */
#define NONE ((double)NAN)

static struct bl_started started_of(unsigned attempt, double usd_hour, double on_demand,
                                    int64_t started_ms)
{
	struct bl_started started;

	bl_started_init(&started);
	started.attempt = attempt;
	started.usd_hour = usd_hour;
	started.on_demand_usd_hour = on_demand;
	started.disk_usd_hour = 0.01;
	started.started_ms = started_ms;
	snprintf(started.engine, sizeof(started.engine), "ec2");
	snprintf(started.nonce, sizeof(started.nonce), "abcdefgh234567ab");
	snprintf(started.type, sizeof(started.type), "g6.xlarge");
	snprintf(started.market, sizeof(started.market), "spot");
	snprintf(started.zone, sizeof(started.zone), "us-east-1b");
	return started;
}

static void near(double got, double wanted)
{
	assert_true(fabs(got - wanted) < 1e-9);
}

static void attempts_are_summed_at_their_own_prices(void **state)
{
	BL_AUTO(bl_expense) expense = { 0 };
	struct bl_started first = started_of(1, 0.3, 0.8, BEGAN);
	struct bl_started second = started_of(2, 0.8, 0.8, BEGAN + HOUR);
	struct bl_end end = { .result = { .status = BL_STATUS_INTERRUPTED },
		              .finished_at_ms = BEGAN + HOUR / 2 };
	struct bl_err err = { 0 };

	(void)state;
	assert_true(isnan(bl_expense_total(&expense)));
	assert_true(isnan(bl_expense_saved(&expense)));
	must(bl_expense_add(&expense, &first, &end, 0, &err), &err);
	must(bl_expense_add(&expense, &second, NULL, BEGAN + 2 * HOUR, &err), &err);
	assert_int_equal(expense.n, 2);
	assert_string_equal(expense.items[0].place, "g6.xlarge spot us-east-1b");
	assert_string_equal(expense.items[0].ended, "interrupted");
	assert_string_equal(expense.items[1].ended, "");
	assert_int_equal(expense.items[0].cost.seconds, 1800);
	assert_int_equal(expense.seconds, 5400);
	near(expense.usd, 0.15 + 0.8);
	near(expense.disk_usd, 0.015);
	near(expense.saved_usd, 0.25);
	near(bl_expense_total(&expense), 0.965);
	near(bl_expense_saved(&expense), 0.25 / 1.2 * 100);
	assert_false(expense.is_part);
}

static void what_has_no_price_is_said_not_counted(void **state)
{
	BL_AUTO(bl_expense) expense = { 0 };
	struct bl_started unknown = started_of(1, NONE, NONE, BEGAN);
	struct bl_started known = started_of(2, 1, NONE, BEGAN);
	struct bl_err err = { 0 };

	(void)state;
	unknown.disk_usd_hour = NONE;
	must(bl_expense_add(&expense, &unknown, NULL, BEGAN + HOUR, &err), &err);
	assert_true(isnan(bl_expense_total(&expense)));
	must(bl_expense_add(&expense, &known, NULL, BEGAN + HOUR, &err), &err);
	near(bl_expense_total(&expense), 1.01);
	assert_true(isnan(bl_expense_saved(&expense)));
	assert_true(expense.is_part);
}

static void a_process_here_costs_nothing(void **state)
{
	BL_AUTO(bl_expense) expense = { 0 };
	struct bl_started here;
	struct bl_err err = { 0 };

	(void)state;
	bl_started_init(&here);
	snprintf(here.engine, sizeof(here.engine), "process");
	must(bl_expense_add(&expense, &here, NULL, HOUR, &err), &err);
	assert_string_equal(expense.items[0].place, "this machine");
	assert_true(isnan(bl_expense_total(&expense)));
	assert_false(expense.is_part);
}

static void begin(struct bl_store *store, const char *run, unsigned attempt, double usd_hour,
                  int64_t started_ms)
{
	struct bl_started started = started_of(attempt, usd_hour, 0.8, started_ms);
	struct bl_err err = { 0 };

	must(bl_started_create(store, run, &started, &err), &err);
}

static void end(struct bl_store *store, const char *run, unsigned attempt, int64_t at_ms)
{
	struct bl_end ended = { .attempt = attempt,
		                .by = "host",
		                .nonce = "abcdefgh234567ab",
		                .finished_at_ms = at_ms,
		                .last_step = NONE };
	struct bl_err err = { 0 };

	must(bl_end_create(store, run, &ended, NULL, &err), &err);
}

static void a_run_is_read_from_its_documents(void **state)
{
	BL_AUTO(bl_expense) expense = { 0 };
	struct bl_err err = { 0 };

	put_run(*state, &(struct fixture_run){ .id = RUN });
	begin(*state, RUN, 1, 0.3, BEGAN);
	end(*state, RUN, 1, BEGAN + HOUR);
	begin(*state, RUN, 2, 0.4, BEGAN + 2 * HOUR); /* never ended: until the third began */
	begin(*state, RUN, 3, 0.5, BEGAN + 3 * HOUR);
	must(bl_expense_read(*state, RUN, 3, BEGAN + 4 * HOUR, &expense, &err), &err);
	assert_int_equal(expense.n, 3);
	near(expense.usd, 0.3 + 0.4 + 0.5);
	assert_int_equal(expense.seconds, 3 * 3600);
}

static void a_torn_document_costs_its_own_price_only(void **state)
{
	BL_AUTO(bl_expense) expense = { 0 };
	struct bl_err err = { 0 };

	begin(*state, RUN, 1, 0.3, BEGAN);
	put_object(*state, "runs/" RUN "/attempts/002.started.json", "{\"schema\":1,");
	put_object(*state, "runs/" RUN "/attempts/003.started.json", "{\"schema\":2}");
	must(bl_expense_read(*state, RUN, 3, BEGAN + HOUR, &expense, &err), &err);
	assert_int_equal(expense.n, 1);
	assert_int_equal(err.code, BL_OK);
	bl_expense_done(&expense);
	must(bl_expense_read(*state, RUN, 0, BEGAN, &expense, &err), &err);
	assert_int_equal(expense.n, 0);
	assert_true(isnan(bl_expense_total(&expense)));
}

static void the_month_is_all_runs_that_began_in_it(void **state)
{
	struct bl_err err = { 0 };
	double usd = 7;

	must(bl_expense_month(*state, BEGAN, &usd, &err), &err);
	assert_true(isnan(usd));
	put_run(*state, &(struct fixture_run){ .id = LAST_MONTH });
	begin(*state, LAST_MONTH, 1, 100, BEGAN);
	end(*state, LAST_MONTH, 1, BEGAN + HOUR);
	put_run(*state, &(struct fixture_run){ .id = RUN });
	for (unsigned n = 1; n <= 4; n++) {
		begin(*state, RUN, n, 1, BEGAN + n * HOUR);
		end(*state, RUN, n, BEGAN + (n + 1) * HOUR);
	}
	put_run(*state, &(struct fixture_run){ .id = SECOND });
	begin(*state, SECOND, 1, 2, BEGAN);
	must(bl_expense_month(*state, BEGAN + HOUR, &usd, &err), &err);
	near(usd, 4 * 1.01 + 2.01);
}

static struct bl_store *shared;

static int story(struct bl_err *err)
{
	struct bl_expense expense = { 0 };
	double usd;

	if (bl_expense_read(shared, RUN, 2, BEGAN + HOUR, &expense, err))
		return -1;
	assert_int_equal(expense.n, 2);
	bl_expense_done(&expense);
	return bl_expense_month(shared, BEGAN, &usd, err);
}

static void memory_may_fail_anywhere(void **state)
{
	shared = *state;
	put_run(*state, &(struct fixture_run){ .id = RUN });
	begin(*state, RUN, 1, 1, BEGAN);
	end(*state, RUN, 1, BEGAN + HOUR);
	begin(*state, RUN, 2, 1, BEGAN);
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_are_summed_at_their_own_prices),
		cmocka_unit_test(what_has_no_price_is_said_not_counted),
		cmocka_unit_test(a_process_here_costs_nothing),
		IN_SCRATCH(a_run_is_read_from_its_documents),
		IN_SCRATCH(a_torn_document_costs_its_own_price_only),
		IN_SCRATCH(the_month_is_all_runs_that_began_in_it),
		IN_SCRATCH(memory_may_fail_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
