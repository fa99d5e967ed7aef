/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_estimate.h"
#include "run/launch_pools.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/launch_input.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOUR 3600000LL

static struct bl_stack stack;
static struct bl_fits fits;
static struct bl_pools pools;
static struct bl_purchases purchases;

static void choose(const struct bl_wanted *wanted, const struct bl_market_facts *facts)
{
	struct bl_err err = { 0 };

	bl_stack_done(&stack);
	must(bl_stack_parse(launch_stack_text, strlen(launch_stack_text), &stack, &err), &err);
	must(launch_fits(wanted, &stack, &fits, &err), &err);
	must(bl_launch_pools(&stack, &fits, facts, &pools, &err), &err);
}

static int tear_down(void **state)
{
	(void)state;
	bl_stack_done(&stack);
	return 0;
}

static void pools_are_sorted_and_only_where_offered(void **state)
{
	static const char expect[] = "g4dn.xlarge us-east-1a 0.20\ng6.xlarge us-east-1b 0.25\n"
				     "g6.xlarge us-east-1a 0.30\ng5.xlarge us-east-1a 0.45\n"
				     "g4dn.xlarge us-east-1b ?\n";
	const struct bl_wanted wanted = { .gpus = 1 };
	BL_AUTO(bl_buf) text = BL_BUF(4096);

	(void)state;
	choose(&wanted, &launch_market);
	for (size_t i = 0; i < pools.n; i++) {
		bl_buf_addf(&text, "%s %s ", pools.items[i].type, pools.items[i].zone);
		bl_add_usd(&text, pools.items[i].spot_usd_hour);
		bl_buf_addc(&text, '\n');
	}
	assert_string_equal(bl_buf_text(&text), expect);
}

static void nothing_offered_is_refused_and_unknown_offers_are_not(void **state)
{
	const struct bl_wanted arm = { .gpus = 1, .arch = "arm64" };
	const struct bl_market_facts nobody = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	choose(&arm, &nobody);
	assert_int_equal(pools.n, 2);
	assert_int_equal(bl_launch_pools(&stack, &fits, &launch_market, &pools, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "us-east-1a, us-east-1b"));
	assert_non_null(strstr(err.text, "g5g.xlarge"));
}

static void fleets_by_template_and_market(void **state)
{
	static const struct {
		enum bl_market market;
		const char *expect; /* template, market, pools of each */
	} table[] = {
		{ BL_MARKET_SPOT, "lt-0a1 v3 spot 6; " },
		{ BL_MARKET_ON_DEMAND, "lt-0a1 v3 on-demand 6; lt-0a2 v1 on-demand 2; " },
		{ BL_MARKET_SPOT_THEN_ON_DEMAND,
		  "lt-0a1 v3 spot 6; lt-0a1 v3 on-demand 6; lt-0a2 v1 on-demand 2; " },
	};
	const struct bl_market_facts all = { .spot = launch_market.spot,
		                             .n_spot = launch_market.n_spot };
	const struct bl_wanted any = { .gpus = 1 };

	(void)state;
	choose(&any, &all);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) text = BL_BUF(4096);

		bl_launch_purchases(&stack, &fits, &pools, table[i].market, &purchases);
		for (size_t k = 0; k < purchases.n; k++)
			bl_buf_addf(&text, "%s v%d %s %zu; ", purchases.items[k].template_id,
			            (int)purchases.items[k].template_version,
			            purchases.items[k].spot ? "spot" : "on-demand",
			            purchases.items[k].n_pools);
		assert_string_equal(bl_buf_text(&text), table[i].expect);
		assert_string_equal(bl_market_word(table[i].market),
		                    i == 0   ? "spot"
		                    : i == 1 ? "on-demand"
		                             : "spot-then-on-demand");
	}
}

static void markets_by_word(void **state)
{
	struct bl_err err = { 0 };
	enum bl_market market;

	(void)state;
	must(bl_market_parse("on-demand", &market, &err), &err);
	assert_int_equal(market, BL_MARKET_ON_DEMAND);
	assert_int_equal(bl_market_parse("futures", &market, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

static void near(double got, double wanted)
{
	if (isnan(wanted) ? !isnan(got) : !(fabs(got - wanted) < 0.0006))
		fail_msg("%f, not %f", got, wanted);
}

static void what_it_will_cost(void **state)
{
	static const struct {
		const char *gpu;
		enum bl_market market;
		int64_t runtime, wait;
		double most, disk; /* of a GB and month */
		double low, high, hour_low, hour_high, max;
		int64_t lasts, minutes;
		const char *line;
	} table[] = {
		/* 6 h and 8 min of flushing; 100 GB at 0.08 are 0.01096 an hour */
		{ "l4", BL_MARKET_SPOT, 6 * HOUR, 330, 10, 0.08, 1.600, 1.907, 0.25, 0.30, 1.907, 0,
		  330, "1.60 to 1.91 USD for 6 h, never over 10 USD" },
		{ "l4", BL_MARKET_ON_DEMAND, 6 * HOUR, 330, 10, 0.08, 4.974, 4.974, 0.8, 0.8, 4.974,
		  0, 330, "4.97 USD for 6 h, never over 10 USD" },
		{ "l4", BL_MARKET_SPOT_THEN_ON_DEMAND, 6 * HOUR, 330, 10, (double)NAN, 1.533, 4.907,
		  0.25, 0.8, 4.907, 0, 330, "1.53 to 4.91 USD for 6 h, never over 10 USD" },
		{ "l4", BL_MARKET_SPOT, 6 * HOUR, 330, 0.6, (double)NAN, 0.6, 0.6, 0.25, 0.30, 0.6,
		  2 * HOUR, 330, "0.60 USD for 6 h, never over 0.6 USD" },
		{ "t4", BL_MARKET_SPOT, HOUR, 330, 10, (double)NAN, 0.2267, (double)NAN, 0.2,
		  (double)NAN, 10, 0, 60, "0.23 to ? USD for 1 h, never over 10 USD" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct bl_wanted wanted = { .gpu = table[i].gpu, .gpus = 1 };
		const struct bl_estimate_input input = {
			.pools = &pools,
			.fits = &fits,
			.market = table[i].market,
			.max_runtime_ms = table[i].runtime,
			.flush_reserve_ms = 8 * 60000,
			.wait_ms = table[i].wait * 60000,
			.max_cost_usd = table[i].most,
			.disk_gb = 100,
			.disk_usd_gb_month = table[i].disk,
		};
		BL_AUTO(bl_buf) line = BL_BUF(256);
		struct bl_estimate got;

		choose(&wanted, &launch_market);
		bl_launch_estimate(&input, &got);
		near(got.usd_hour_low, table[i].hour_low);
		near(got.usd_hour_high, table[i].hour_high);
		near(got.usd_low, table[i].low);
		near(got.usd_high, table[i].high);
		near(got.usd_max, table[i].max);
		assert_int_equal(got.money_lasts_ms, table[i].lasts);
		assert_int_equal(got.ci_minutes, table[i].minutes);
		near(got.ci_usd, (double)table[i].minutes * BL_CI_USD_MINUTE);
		bl_estimate_line(&got, &input, &line);
		assert_string_equal(bl_buf_text(&line), table[i].line);
	}
}

static void amounts_as_people_write_them(void **state)
{
	static const struct {
		double usd;
		const char *text;
	} table[] = { { 0, "0.00" },       { 0.0123, "0.0123" }, { 0.5, "0.50" },
		      { 12.345, "12.35" }, { 0.0999, "0.10" },   { (double)NAN, "?" } };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) text = BL_BUF(64);

		bl_add_usd(&text, table[i].usd);
		assert_string_equal(bl_buf_text(&text), table[i].text);
	}
}

static int story(struct bl_err *err)
{
	const struct bl_wanted wanted = { .gpus = 1, .arch = "arm64" };
	BL_AUTO(bl_stack) mine = { 0 };
	struct bl_err refused = { 0 };
	enum bl_market market;

	if (bl_stack_parse(launch_stack_text, strlen(launch_stack_text), &mine, err) ||
	    launch_fits(&wanted, &mine, &fits, err) || bl_market_parse("spot", &market, err))
		return -1;
	/* a refusal names what it can; the names are all that it allocates */
	return bl_launch_pools(&mine, &fits, &launch_market, &pools, &refused) ? 0 : -1;
}

static void allocations_fail_cleanly(void **state)
{
	(void)state;
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(pools_are_sorted_and_only_where_offered, tear_down),
		cmocka_unit_test_teardown(nothing_offered_is_refused_and_unknown_offers_are_not,
		                          tear_down),
		cmocka_unit_test_teardown(fleets_by_template_and_market, tear_down),
		cmocka_unit_test(markets_by_word),
		cmocka_unit_test_teardown(what_it_will_cost, tear_down),
		cmocka_unit_test(amounts_as_people_write_them),
		cmocka_unit_test(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("launch_pools", tests, NULL, NULL);
}
