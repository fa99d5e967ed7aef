/* SPDX-License-Identifier: Apache-2.0 */
#include "run/started.h"

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
#define KEY "runs/" RUN "/attempts/002.started.json"
#define T0 1795651200000
#define HOUR 3600000

static struct bl_started an_instance(void)
{
	struct bl_started started;

	bl_started_init(&started);
	started.attempt = 2;
	snprintf(started.nonce, sizeof(started.nonce), "abcdefgh234567zz");
	snprintf(started.engine, sizeof(started.engine), "ec2");
	snprintf(started.instance, sizeof(started.instance), "i-0123456789abcdef0");
	snprintf(started.type, sizeof(started.type), "g6.xlarge");
	snprintf(started.zone, sizeof(started.zone), "us-east-1b");
	snprintf(started.fleet, sizeof(started.fleet),
	         "fleet-12345678-1234-1234-1234-123456789012");
	snprintf(started.market, sizeof(started.market), "spot");
	started.usd_hour = 0.3417;
	started.on_demand_usd_hour = 0.8048;
	started.disk_usd_hour = 0.011;
	started.started_ms = T0;
	started.deadline_ms = T0 + HOUR;
	return started;
}

static void an_instance_reads_back(void **state)
{
	struct bl_started mine = an_instance(), read;
	struct bl_err err = { 0 };

	must(bl_started_create(*state, RUN, &mine, &err), &err);
	must(bl_started_read(*state, RUN, 2, &read, &err), &err);
	assert_int_equal(read.attempt, 2);
	assert_string_equal(read.nonce, mine.nonce);
	assert_string_equal(read.engine, "ec2");
	assert_string_equal(read.instance, mine.instance);
	assert_string_equal(read.type, mine.type);
	assert_string_equal(read.zone, mine.zone);
	assert_string_equal(read.fleet, mine.fleet);
	assert_string_equal(read.market, "spot");
	assert_true(read.usd_hour == 0.3417 && read.on_demand_usd_hour == 0.8048);
	assert_true(read.disk_usd_hour == 0.011);
	assert_true(read.started_ms == T0 && read.deadline_ms == T0 + HOUR);
	assert_int_equal(read.pid, 0);
}

/* As runner/ship_claim.c writes it. */
static void a_process_has_no_price(void **state)
{
	struct bl_started read;
	struct bl_err err = { 0 };

	put_object(*state, KEY,
	           "{\"schema\":1,\"attempt\":2,\"nonce\":\"abcdefgh234567zz\",\"engine\":"
	           "\"process\",\"pid\":4711,\"started_at_ms\":17,\"deadline_ms\":18}");
	must(bl_started_read(*state, RUN, 2, &read, &err), &err);
	assert_string_equal(read.engine, "process");
	assert_int_equal(read.pid, 4711);
	assert_true(read.started_ms == 17 && read.deadline_ms == 18);
	assert_string_equal(read.instance, "");
	assert_true(isnan(read.usd_hour) && isnan(read.on_demand_usd_hour));
	assert_true(isnan(read.disk_usd_hour));
}

static void unknown_prices_are_not_written(void **state)
{
	struct bl_started mine = an_instance(), read;
	struct bl_err err = { 0 };

	mine.usd_hour = mine.on_demand_usd_hour = mine.disk_usd_hour = (double)NAN;
	mine.fleet[0] = '\0';
	must(bl_started_create(*state, RUN, &mine, &err), &err);
	assert_object(
		*state, KEY,
		"{\"schema\":1,\"attempt\":2,\"nonce\":\"abcdefgh234567zz\",\"engine\":\"ec2\","
		"\"instance\":\"i-0123456789abcdef0\",\"type\":\"g6.xlarge\","
		"\"zone\":\"us-east-1b\",\"market\":\"spot\",\"started_at_ms\":1795651200000,"
		"\"deadline_ms\":1795654800000}");
	must(bl_started_read(*state, RUN, 2, &read, &err), &err);
	assert_true(isnan(read.usd_hour));
	assert_string_equal(read.fleet, "");
}

static void it_is_created_once(void **state)
{
	struct bl_started mine = an_instance(), other = mine;
	struct bl_err err = { 0 };

	must(bl_started_create(*state, RUN, &mine, &err), &err);
	mine.usd_hour = 7; /* the first write stands; it was our own */
	must(bl_started_create(*state, RUN, &mine, &err), &err);
	snprintf(other.nonce, sizeof(other.nonce), "zzzzzzzzzzzzzzzz");
	assert_int_equal(bl_started_create(*state, RUN, &other, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	bl_err_clear(&err);
	must(bl_started_read(*state, RUN, 2, &other, &err), &err);
	assert_true(other.usd_hour == 0.3417);
}

static void what_cannot_be_read(void **state)
{
	static const struct {
		const char *text;
		enum bl_code code;
		const char *why;
	} table[] = {
		{ "{", BL_ECORRUPT, "started.json" },
		{ "{\"schema\":2}", BL_ECORRUPT, "schema" },
		{ "{\"schema\":1}", BL_ECORRUPT, "attempt" },
		{ "{\"schema\":1,\"attempt\":3,\"started_at_ms\":1}", BL_ECORRUPT, "attempt 3" },
		{ "{\"schema\":1,\"attempt\":2}", BL_ECORRUPT, "started_at_ms" },
		{ "{\"schema\":1,\"attempt\":2,\"started_at_ms\":1,\"instance\":"
		  "\"i-0123456789abcdef0123456789abcdef\"}",
		  BL_ECORRUPT, "instance is over 31 bytes" },
	};
	struct bl_started read = { .attempt = 99 };
	struct bl_err err = { 0 };

	assert_int_equal(bl_started_read(*state, RUN, 2, &read, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		bl_err_clear(&err);
		must(bl_store_put(*state, NULL, KEY, table[i].text, strlen(table[i].text), &err),
		     &err);
		assert_int_equal(bl_started_read(*state, RUN, 2, &read, &err), -1);
		assert_int_equal(err.code, table[i].code);
		if (!strstr(err.text, table[i].why))
			fail_msg("%zu: %s", i, err.text);
	}
	assert_int_equal(read.attempt, 99);
}

static void what_it_costs(void **state)
{
	static const struct {
		int64_t ms;
		double usd_hour, on_demand, disk;
		double usd, disk_usd, saved;
		int64_t seconds;
	} table[] = {
		{ HOUR, 0.3, 1.0, 0.01, 0.3, 0.01, 0.7, 3600 },
		{ 90 * 60000, 2.0, 5.0, 0.1, 3.0, 0.15, 4.5, 5400 },
		{ 60000, 6.0, 6.0, 0.6, 0.1, 0.01, 0, 60 },
		{ 59999, 6.0, 6.0, 0.6, 0.1, 0.01, 0, 60 }, /* a minute at least */
		{ 0, 6.0, 12.0, 0.6, 0.1, 0.01, 0.1, 60 },
		{ -HOUR, 6.0, 12.0, 0.6, 0.1, 0.01, 0.1, 60 }, /* the clock stepped back */
		{ 100500, 3.6, 3.6, 0, 0.1005, 0, 0, 101 },
		{ HOUR, 1.5, 1.0, 0, 1.5, 0, -0.5, 3600 }, /* spot was dearer */
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_started started = { .started_ms = T0,
			                      .usd_hour = table[i].usd_hour,
			                      .on_demand_usd_hour = table[i].on_demand,
			                      .disk_usd_hour = table[i].disk };
		struct bl_cost cost = bl_started_cost(&started, T0 + table[i].ms);

		assert_true(fabs(cost.usd - table[i].usd) < 1e-9);
		assert_true(fabs(cost.disk_usd - table[i].disk_usd) < 1e-9);
		assert_true(fabs(cost.saved_usd - table[i].saved) < 1e-9);
		assert_int_equal(cost.seconds, table[i].seconds);
	}
}

static void an_unknown_price_is_no_cost(void **state)
{
	struct bl_started started;
	struct bl_cost cost;

	(void)state;
	bl_started_init(&started);
	started.started_ms = T0;
	cost = bl_started_cost(&started, T0 + HOUR);
	assert_true(isnan(cost.usd) && isnan(cost.disk_usd) && isnan(cost.saved_usd));
	assert_int_equal(cost.seconds, 3600);
	started.usd_hour = 1;
	cost = bl_started_cost(&started, T0 + HOUR);
	assert_true(cost.usd == 1 && isnan(cost.saved_usd));
}

static struct bl_store *story_store;

static int story(struct bl_err *err)
{
	struct bl_started mine = an_instance(), read;

	return bl_started_create(story_store, RUN, &mine, err) ||
	                       bl_started_read(story_store, RUN, 2, &read, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	story_store = *state;
	each_allocation_fails(story, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(an_instance_reads_back),
		IN_SCRATCH(a_process_has_no_price),
		IN_SCRATCH(unknown_prices_are_not_written),
		IN_SCRATCH(it_is_created_once),
		IN_SCRATCH(what_cannot_be_read),
		cmocka_unit_test(what_it_costs),
		cmocka_unit_test(an_unknown_price_is_no_cost),
		IN_SCRATCH(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("started", tests, NULL, NULL);
}
