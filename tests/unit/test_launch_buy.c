/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "codec/hash.h"
#include "run/launch_buy.h"
#include "tests/unit/client_open.h"
#include "tests/unit/ec2_replies.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/launch_input.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define SPEC(engine, types, wait)                                                                  \
	"{\"schema\":1,\"run\":\"" RUN "\",\"created_ms\":1,\"kind\":\"cloud\",\"job\":\"j\","     \
	"\"repository\":{\"key\":\"0123456789abcdef\"},\"config\":{\"wait_for_capacity\":\"" wait  \
	"\"},\"limits\":{\"max_runtime_ms\":3600000,\"grace_ms\":100000,"                          \
	"\"flush_reserve_ms\":480000},\"versions\":{\"host_sha256\":\"hh\"},"                      \
	"\"place\":{\"engine\":\"" engine "\"},\"compute\":{\"market\":\"spot\","                  \
	"\"launch_key\":\"kk\",\"types\":[" types "],\"estimate\":{\"disk_usd_hour\":0.01}}}"
#define TYPE(name, template) "{\"type\":\"" name "\",\"template\":\"" template "\"}"

/* --- An engine that tells what it was asked --------------------------------------------------- */

struct engine {
	unsigned refuses; /* so many times there is no capacity */
	unsigned starts;
	struct bl_start asked;
	struct bl_purchase first;
	struct bl_purchase_pool pool;
	volatile int *stops; /* becomes non-zero with the first refusal */
	enum bl_class lacks; /* why */
};

static int engine_start(void *self, const struct bl_start *what, struct bl_started *out,
                        struct bl_err *err)
{
	struct engine *engine = self;

	engine->starts++;
	engine->asked = *what;
	if (what->n_purchases) {
		engine->first = what->purchases[0];
		engine->pool = what->purchases[0].pools[0];
	}
	if (engine->starts <= engine->refuses) {
		if (engine->stops)
			*engine->stops = 1;
		*what->lack = engine->lacks;
		return bl_fail(err, BL_ECAPACITY, "no pool has any");
	}
	snprintf(out->instance, sizeof(out->instance), "i-1");
	return 0;
}

static void engine_close(void *self)
{
	(void)self;
}

static const struct bl_compute_ops ops = { .name = "fake",
	                                   .close = engine_close,
	                                   .start = engine_start };

static int read_run(struct bl_store *store, const char *spec, struct bl_run *run)
{
	struct bl_err err = { 0 };

	put_object(store, "runs/" RUN "/run.json", spec);
	must(bl_run_parse(spec, strlen(spec), RUN, run, &err), &err);
	return 0;
}

/* --- Waiting ---------------------------------------------------------------------------------- */

static int64_t now_ms;

static int64_t the_clock(void)
{
	return now_ms += 60000; /* a minute passes with each look */
}

static const struct bl_clock fast = { .mono_ms = the_clock, .wall_ms = the_clock };

static void asks_again_with_a_later_deadline_until_there_is_capacity(void **state)
{
	struct engine engine = { .refuses = 3 };
	const struct bl_launch_order order = { .disk_usd_hour = 0.5 };
	struct bl_launch_place place = { .store = *state };
	BL_AUTO(bl_run) run = { 0 };
	BL_COMPUTE compute = NULL;
	struct bl_started started;
	struct bl_err err = { 0 };
	int64_t first;

	read_run(*state, SPEC("ec2", "", "7d"), &run);
	must(bl_compute_new(&ops, &engine, &compute, &err), &err);
	place.compute = compute;
	bl_clock_replace(&fast);
	first = now_ms + 3600000 + 100000 + 480000 + 60000;
	must(bl_launch_buy(&place, &run, 1, &order, &started, &err), &err);
	bl_clock_replace(NULL);
	assert_int_equal(engine.starts, 4);
	assert_true(engine.asked.deadline_ms > first + 3 * 60000);
	assert_string_equal(started.instance, "i-1");
	assert_string_equal(engine.asked.host_sha256, "hh");
	assert_string_equal(engine.asked.launch_key, "kk");
}

static void does_not_wait_longer_than_it_may(void **state)
{
	struct engine engine = { .refuses = 99 };
	const struct bl_launch_order order = { 0 };
	struct bl_launch_place place = { .store = *state };
	BL_AUTO(bl_run) run = { 0 };
	BL_COMPUTE compute = NULL;
	struct bl_started started;
	struct bl_err err = { 0 };

	read_run(*state, SPEC("ec2", "", "0s"), &run);
	must(bl_compute_new(&ops, &engine, &compute, &err), &err);
	place.compute = compute;
	assert_int_equal(bl_launch_buy(&place, &run, 1, &order, &started, &err), -1);
	assert_int_equal(err.code, BL_ECAPACITY);
	assert_int_equal(engine.starts, 1);
}

static void a_signal_ends_the_wait(void **state)
{
	volatile int stop = 0;
	struct engine engine = { .refuses = 99, .stops = &stop };
	const struct bl_launch_order order = { 0 };
	struct bl_launch_place place = { .store = *state, .stop = &stop };
	BL_AUTO(bl_run) run = { 0 };
	BL_COMPUTE compute = NULL;
	struct bl_started started;
	struct bl_err err = { 0 };

	read_run(*state, SPEC("ec2", "", "1h"), &run);
	must(bl_compute_new(&ops, &engine, &compute, &err), &err);
	place.compute = compute;
	assert_int_equal(bl_launch_buy(&place, &run, 1, &order, &started, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	assert_int_equal(engine.starts, 1);
	bl_err_clear(&err);
	assert_int_equal(bl_launch_buy(&place, &run, 1, &order, &started, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	assert_int_equal(engine.starts, 1);
}

static void a_quota_is_not_waited_for(void **state)
{
	struct engine engine = { .refuses = 99, .lacks = BL_CLASS_QUOTA };
	const struct bl_launch_order order = { 0 };
	struct bl_launch_place place = { .store = *state };
	BL_AUTO(bl_run) run = { 0 };
	BL_COMPUTE compute = NULL;
	struct bl_started started;
	struct bl_err err = { 0 };

	read_run(*state, SPEC("ec2", "", "7d"), &run);
	must(bl_compute_new(&ops, &engine, &compute, &err), &err);
	place.compute = compute;
	bl_clock_replace(&fast);
	assert_int_equal(bl_launch_buy(&place, &run, 1, &order, &started, &err), -1);
	bl_clock_replace(NULL);
	assert_int_equal(err.code, BL_ECAPACITY);
	assert_int_equal(engine.starts, 1);
}

static void pauses_grow_to_five_minutes(void **state)
{
	static const int64_t expect[] = { 15000, 30000, 60000, 120000, 240000, 300000, 300000 };

	(void)state;
	for (unsigned i = 0; i < BL_COUNT(expect); i++)
		assert_int_equal(bl_launch_pause_ms(i), expect[i]);
	assert_int_equal(bl_launch_pause_ms(1000), 300000);
}

/* --- A relaunch ------------------------------------------------------------------------------- */

#define PRICES                                                                                     \
	OK("DescribeSpotPriceHistory",                                                             \
	   "<spotPriceHistorySet><item><instanceType>g6.xlarge</instanceType>"                     \
	   "<productDescription>Linux/UNIX</productDescription><spotPrice>0.25</spotPrice>"        \
	   "<timestamp>2026-11-25T10:00:00.000Z</timestamp><availabilityZone>us-east-1b"           \
	   "</availabilityZone></item></spotPriceHistorySet>")
static void read_stack(struct bl_stack *stack)
{
	struct bl_err err = { 0 };

	must(bl_stack_parse(launch_stack_text, strlen(launch_stack_text), stack, &err), &err);
}

static void a_relaunch_buys_what_the_document_names_at_todays_prices(void **state)
{
	static const struct {
		bool on_demand;
		double usd_hour;
	} table[] = { { false, 0.25 }, { true, (double)NAN } };

	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply replies[] = { { .times = 1, .body = LAUNCH_OFFERS },
			                                { .times = 1, .body = PRICES },
			                                { .status = 400, .body = "{}" } };
		struct canned *server = canned_start(replies, 3);
		struct engine engine = { 0 };
		BL_AUTO(bl_stack) stack = { 0 };
		BL_AUTO(bl_run) run = { 0 };
		BL_COMPUTE compute = NULL;
		struct bl_started started;
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));
		struct bl_launch_place place = { .aws = aws, .stack = &stack, .store = *state };

		read_stack(&stack);
		read_run(*state,
		         SPEC("ec2", TYPE("g6.xlarge", "lt-0a1") "," TYPE("gone.xlarge", "lt-9"),
		              "0s"),
		         &run);
		must(bl_compute_new(&ops, &engine, &compute, &err), &err);
		place.compute = compute;
		must(bl_launch_attempt(&place, &run, 2, table[i].on_demand, &started, &err), &err);
		assert_int_equal(engine.asked.attempt, 2);
		assert_int_equal(engine.asked.n_purchases, 1);
		assert_int_equal(engine.first.n_pools, 1);
		assert_int_equal(engine.first.spot, !table[i].on_demand);
		assert_string_equal(engine.first.template_id, "lt-0a1");
		assert_string_equal(engine.pool.zone, "us-east-1b");
		assert_true(isnan(table[i].usd_hour) ? isnan(engine.pool.usd_hour)
		                                     : engine.pool.usd_hour == table[i].usd_hour);
		canned_stop(server);
	}
}

static void engine_local_needs_no_pools(void **state)
{
	struct engine engine = { 0 };
	struct bl_launch_place place = { .store = *state };
	BL_AUTO(bl_run) run = { 0 };
	BL_COMPUTE compute = NULL;
	struct bl_started started;
	struct bl_err err = { 0 };

	read_run(*state, SPEC("process", "", "0s"), &run);
	must(bl_compute_new(&ops, &engine, &compute, &err), &err);
	place.compute = compute;
	must(bl_launch_attempt(&place, &run, 1, false, &started, &err), &err);
	assert_int_equal(engine.asked.n_purchases, 0);
}

static void types_that_the_stack_has_no_more_are_left_out(void **state)
{
	BL_AUTO(bl_stack) stack = { 0 };
	BL_AUTO(bl_run) run = { 0 }, none = { 0 };
	struct bl_err err = { 0 };
	struct bl_fits fits;

	read_stack(&stack);
	/* its template was made anew: the type is found by its name */
	read_run(*state, SPEC("ec2", TYPE("g5.xlarge", "lt-old") "," TYPE("x.large", "lt-9"), "0s"),
	         &run);
	must(bl_launch_fits_of_run(&run, &stack, &fits, &err), &err);
	assert_int_equal(fits.n, 1);
	assert_string_equal(fits.items[0].type.name, "g5.xlarge");
	assert_int_equal(fits.items[0].template, 0);
	read_run(*state, SPEC("ec2", TYPE("x.large", "lt-9"), "0s"), &none);
	assert_int_equal(bl_launch_fits_of_run(&none, &stack, &fits, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_store *kept;

static int story(struct bl_err *err)
{
	static const char spec[] = SPEC("process", "", "0s");
	struct engine engine = { 0 };
	struct bl_launch_place place = { .store = kept };
	BL_AUTO(bl_run) run = { 0 };
	BL_COMPUTE compute = NULL;
	struct bl_started started;

	if (bl_run_parse(spec, sizeof(spec) - 1, RUN, &run, err) ||
	    bl_compute_new(&ops, &engine, &compute, err))
		return -1;
	place.compute = compute;
	return bl_launch_attempt(&place, &run, 1, false, &started, err);
}

static void allocations_fail_cleanly(void **state)
{
	struct bl_err err = { 0 };

	kept = *state;
	put_object(kept, "runs/" RUN "/run.json", SPEC("process", "", "0s"));
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(asks_again_with_a_later_deadline_until_there_is_capacity),
		IN_SCRATCH(does_not_wait_longer_than_it_may),
		IN_SCRATCH(a_signal_ends_the_wait),
		IN_SCRATCH(a_quota_is_not_waited_for),
		cmocka_unit_test(pauses_grow_to_five_minutes),
		IN_SCRATCH(a_relaunch_buys_what_the_document_names_at_todays_prices),
		IN_SCRATCH(engine_local_needs_no_pools),
		IN_SCRATCH(types_that_the_stack_has_no_more_are_left_out),
		IN_SCRATCH(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("launch_buy", tests, NULL, NULL);
}
