/* SPDX-License-Identifier: Apache-2.0 */
/* Engine ec2 on a server of ours; what it does against an EC2 that remembers is in tests/e2e. */
#include "run/compute.h"

#include "base/clock.h"
#include "tests/unit/client_open.h"
#include "tests/unit/ec2_replies.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define ID "i-0123456789abcdef0"
#define BOUGHT                                                                                     \
	OK("CreateFleet",                                                                          \
	   "<fleetId>fleet-1</fleetId><fleetInstanceSet><item><launchTemplateAndOverrides>"        \
	   "<overrides><instanceType>g6.xlarge</instanceType><subnetId>subnet-b</subnetId>"        \
	   "</overrides></launchTemplateAndOverrides><lifecycle>spot</lifecycle><instanceIds>"     \
	   "<item>" ID "</item></instanceIds></item></fleetInstanceSet>")
#define INSTANCE(state)                                                                            \
	OK("DescribeInstances",                                                                    \
	   "<reservationSet><item><instancesSet><item><instanceId>" ID "</instanceId>"             \
	   "<instanceState><name>" state "</name></instanceState><tagSet><item><key>"              \
	   "branchline:run</key><value>" RUN "</value></item></tagSet></item></instancesSet>"      \
	   "</item></reservationSet>")

static const struct bl_purchase_pool pools[] = {
	{ "g6.xlarge", "subnet-a", "us-east-1a", 0.5, 0.8 },
	{ "g6.xlarge", "subnet-b", "us-east-1b", 0.3, 0.8 },
};
static const struct bl_purchase spot = { "lt-1", 3, true, pools, 2 };
static const struct bl_run a_run = { .id = RUN,
	                             .repository_key = "0123456789abcdef",
	                             .job = "train" };

struct engine {
	struct canned *server;
	struct bl_aws *aws;
	struct bl_compute *compute;
};

static struct engine engine_on(const struct canned_reply *replies, size_t n, struct bl_store *store)
{
	struct engine engine = { .server = canned_start(replies, n) };
	struct bl_err err = { 0 };

	engine.aws = client_of(canned_url(engine.server, ""));
	must(bl_compute_open(
		     &(struct bl_compute_options){
			     .name = "ec2", .aws = engine.aws, .stack = "s", .store = store },
		     &engine.compute, &err),
	     &err);
	return engine;
}

static void engine_off(struct engine *engine)
{
	bl_compute_close(engine->compute);
	bl_aws_close(engine->aws);
	canned_stop(engine->server);
}

static struct bl_start a_start(struct bl_store *store, unsigned attempt)
{
	return (struct bl_start){ .store = store,
		                  .run = &a_run,
		                  .attempt = attempt,
		                  .purchases = &spot,
		                  .n_purchases = 1,
		                  .disk_usd_hour = 0.01,
		                  .deadline_ms = 1795651200000,
		                  .spec_sha256 = "5e0c",
		                  .host_sha256 = "405f" };
}

static void what_was_bought_has_its_pools_price(void **state)
{
	const struct canned_reply reply = { .body = BOUGHT };
	struct engine engine = engine_on(&reply, 1, *state);
	struct bl_start what = a_start(*state, 1);
	struct bl_started out, stored;
	struct bl_err err = { 0 };

	must(bl_compute_start(engine.compute, &what, &out, &err), &err);
	assert_string_equal(out.instance, ID);
	assert_string_equal(out.zone, "us-east-1b");
	assert_true(out.usd_hour == 0.3 && out.on_demand_usd_hour == 0.8);
	must(bl_started_read(*state, RUN, 1, &stored, &err), &err);
	assert_string_equal(stored.instance, ID);
	/* again: from the record */
	must(bl_compute_start(engine.compute, &what, &out, &err), &err);
	assert_int_equal(canned_requests(engine.server), 1);
	engine_off(&engine);
}

static void nothing_is_bought_once_stopped(void **state)
{
	struct engine engine = engine_on(NULL, 0, *state);
	struct bl_start what = a_start(*state, 1);
	volatile int stop = 15;
	struct bl_started out;
	struct bl_err err = { 0 };

	what.stop = &stop;
	assert_int_equal(bl_compute_start(engine.compute, &what, &out, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	assert_absent(*state, "runs/" RUN "/attempts/001.json");
	assert_int_equal(canned_requests(engine.server), 0);
	engine_off(&engine);
}

static void a_process_is_none_of_ours(void **state)
{
	struct engine engine = engine_on(NULL, 0, *state);
	struct bl_attempts attempts = { .newest = 1, .claim = { .owner = { .pid = 7 } } };
	struct bl_probe probe = { .owner = BL_DEAD };
	struct bl_err err = { 0 };

	must(bl_compute_probe(engine.compute, &a_run, &attempts, &probe, &err), &err);
	assert_int_equal(probe.owner, BL_UNKNOWN);
	assert_int_equal(canned_requests(engine.server), 0);
	engine_off(&engine);
}

/* Who asks for nothing in particular does not end the whole stack. */
static void whose_boxes_must_be_said(void **state)
{
	const struct bl_end_scope scope = { .run = "", .repository = "", .job = "" };
	struct bl_compute *nothing = NULL;
	struct engine engine = engine_on(NULL, 0, *state);
	struct bl_ended_boxes boxes;
	struct bl_err err = { 0 };

	assert_int_equal(bl_compute_end(engine.compute, &scope, &boxes, &err), -1);
	assert_int_equal(err.code, BL_EBUG);
	assert_int_equal(canned_requests(engine.server), 0);
	bl_err_clear(&err);
	assert_int_equal(
		bl_compute_open(&(struct bl_compute_options){ .name = "ec2", .aws = engine.aws },
	                        &nothing, &err),
		-1);
	assert_null(nothing);
	engine_off(&engine);
}

static void a_known_one_is_ended_before_anything_is_asked(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .body = OK("TerminateInstances", "") },
		{ .body = OK("DescribeInstances", "") },
	};
	const struct bl_end_scope scope = { .run = RUN, .instance = ID };
	struct engine engine = engine_on(replies, 2, *state);
	struct bl_ended_boxes boxes;
	struct bl_err err = { 0 };

	must(bl_compute_end(engine.compute, &scope, &boxes, &err), &err);
	assert_non_null(strstr(body_of(engine.server, 0), "Action=TerminateInstances&"));
	assert_non_null(
		strstr(body_of(engine.server, 1), "Filter.1.Name=tag%3Abranchline%3Astack"));
	assert_int_equal(boxes.n, 1);
	assert_string_equal(boxes.runs[0], RUN);
	engine_off(&engine);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct engine shared;
static struct bl_store *shared_store;

static int buying(struct bl_err *err)
{
	/* each pass leaves documents behind: it is another attempt, or one that goes on */
	struct bl_start what = a_start(shared_store, (unsigned)getpid() % 999 + 1);
	struct bl_started out;

	return bl_compute_start(shared.compute, &what, &out, err);
}

static int looking(struct bl_err *err)
{
	const struct bl_end_scope scope = { .run = RUN, .attempt = 1 };
	const struct bl_started started = { .instance = ID };
	struct bl_attempts attempts = {
		.newest = 1, .claim = { .instance_tag = RUN "/1", .claimed_at_ms = bl_wall_ms() }
	};
	const struct bl_compute_options options = { .name = "ec2",
		                                    .aws = shared.aws,
		                                    .stack = "s" };
	BL_AUTO(bl_buf) console = BL_BUF(4096);
	struct bl_ended_boxes boxes;
	BL_COMPUTE other = NULL;
	struct bl_probe probe;

	return bl_compute_open(&options, &other, err) ||
	                       bl_compute_probe(shared.compute, &a_run, &attempts, &probe, err) ||
	                       bl_compute_end(shared.compute, &scope, &boxes, err) ||
	                       bl_compute_console(shared.compute, &started, &console, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	static const struct {
		alloc_story *story;
		const char *body;
	} table[] = { { buying, BOUGHT }, { looking, INSTANCE("running") } };

	shared_store = *state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply reply = { .on = "POST / ",
			                            .end = CANNED_CLOSE,
			                            .body = table[i].body };
		struct bl_err err = { 0 };

		shared = engine_on(&reply, 1, *state);
		must(table[i].story(&err), &err); /* what is set up once has thousands */
		each_allocation_fails(table[i].story, 4000);
		engine_off(&shared);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(what_was_bought_has_its_pools_price),
		IN_SCRATCH(nothing_is_bought_once_stopped),
		IN_SCRATCH(a_process_is_none_of_ours),
		IN_SCRATCH(whose_boxes_must_be_said),
		IN_SCRATCH(a_known_one_is_ended_before_anything_is_asked),
		IN_SCRATCH(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("compute ec2", tests, NULL, NULL);
}
