/* SPDX-License-Identifier: Apache-2.0 */
#include "run/compute_parts.h"

#include "tests/unit/compute_drive.h"
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

static const struct bl_purchase_pool pools[] = {
	{ "g6.xlarge", "subnet-a", "us-east-1a", 0.3, 0.8 },
	{ "g5.xlarge", "subnet-b", "us-east-1b", NAN, NAN },
};
static const struct bl_purchase spot = { "lt-1", 3, true, pools, 2 };
static struct bl_run a_run = { .id = RUN, .repository_key = "0123456789abcdef", .job = "train" };

static struct bl_start a_start(struct bl_store *store)
{
	return (struct bl_start){ .store = store,
		                  .run = &a_run,
		                  .attempt = 2,
		                  .purchases = &spot,
		                  .n_purchases = 1,
		                  .disk_usd_hour = 0.01,
		                  .deadline_ms = 1795651200999,
		                  .spec_sha256 = "5e0c",
		                  .host_sha256 = "405f",
		                  .launch_key = "" };
}

/* --- Token and tags --------------------------------------------------------------------------- */

static void token_of(const struct bl_run *run, unsigned attempt, unsigned number,
                     const struct bl_purchase *purchase, char token[65])
{
	struct bl_err err = { 0 };

	must(bl_compute_token(run, attempt, number, purchase, token, &err), &err);
}

static void a_token_is_of_all_that_is_bought(void **state)
{
	struct bl_purchase_pool other_pools[] = { pools[1], pools[0] };
	struct bl_purchase others[5] = { spot, spot, spot, spot, spot };
	struct bl_run run = a_run;
	char first[65], token[65];

	(void)state;
	token_of(&a_run, 1, 1, &spot, first);
	/* the lines' SHA-256 by Python's base64.b32encode */
	assert_string_equal(first, "25e7cpusqtcjt4ukjuvaxmjjpa5p6dulwehgq3cimx7ru3zkwrma");
	assert_int_equal(strlen(first), 52);
	token_of(&a_run, 1, 1, &spot, token);
	assert_string_equal(token, first);
	others[0].spot = false;
	others[1].template_id = "lt-2";
	others[2].template_version = 4;
	others[3].pools = other_pools;
	others[4].n_pools = 1;
	for (size_t i = 0; i < BL_COUNT(others); i++) {
		token_of(&a_run, 1, 1, &others[i], token);
		assert_string_not_equal(token, first);
	}
	token_of(&a_run, 2, 1, &spot, token);
	assert_string_not_equal(token, first);
	token_of(&a_run, 1, 2, &spot, token);
	assert_string_not_equal(token, first);
	run.repository_key = "fedcba9876543210";
	token_of(&run, 1, 1, &spot, token);
	assert_string_not_equal(token, first);
	/* prices do not matter */
	other_pools[0] = pools[0];
	other_pools[1] = pools[1];
	other_pools[0].usd_hour = 7;
	token_of(&a_run, 1, 1, &others[3], token);
	assert_string_equal(token, first);
}

static void tags_name_what_it_is_for(void **state)
{
	static const char *const wanted[] = {
		"branchline:stack=s",
		"branchline:run=" RUN,
		"branchline:attempt=2",
		"branchline:deadline=1795651200",
		"branchline:repository=0123456789abcdef",
		"branchline:job=train",
		"branchline:spec=5e0c",
		"branchline:host=405f",
		"branchline:mode=spot",
	};
	struct bl_start what = a_start(NULL);
	struct bl_run run = a_run;
	struct bl_compute_tags tags;

	(void)state;
	bl_compute_tags("s", &what, true, &tags);
	assert_int_equal(tags.n, BL_COUNT(wanted));
	for (size_t i = 0; i < tags.n; i++) {
		char text[128];

		snprintf(text, sizeof(text), "%s=%s", tags.items[i].key, tags.items[i].value);
		assert_string_equal(text, wanted[i]);
	}
	run.pr = 12;
	what.run = &run;
	what.launch_key = "k";
	bl_compute_tags("s", &what, false, &tags);
	assert_int_equal(tags.n, 11);
	assert_string_equal(tags.items[5].value, "12");
	assert_string_equal(tags.items[10].value, "on-demand");
}

static void the_request_for_a_plan(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct bl_start what = a_start(NULL);
	struct bl_err err = { 0 };

	(void)state;
	must(bl_compute_request_text("s", &what, 0, &out, &err), &err);
	assert_non_null(strstr(bl_buf_text(&out), "Action=CreateFleet\n"));
	assert_non_null(strstr(bl_buf_text(&out), "Overrides.2.InstanceType=g5.xlarge\n"));
	assert_non_null(strstr(bl_buf_text(&out), "TagSpecification.2.Tag.2.Value=" RUN "\n"));
}

/* --- Tries ------------------------------------------------------------------------------------ */

static void a_try_is_what_is_sent_again(void **state)
{
	struct bl_start what = a_start(*state);
	BL_AUTO(bl_try) try = { 0 };
	struct bl_ec2_fleet_request request;
	struct bl_purchase other = spot;
	BL_AUTO(bl_try) again = { 0 };
	struct bl_err err = { 0 };
	char token[65];
	unsigned newest = 9;

	must(bl_try_newest(*state, RUN, 2, &newest, &err), &err);
	assert_int_equal(newest, 0);
	must(bl_try_store("s", &what, 1, 0, &try, &err), &err);
	token_of(&a_run, 2, 1, &spot, token);
	assert_string_equal(try.token, token);
	assert_true(try.spot && try.number == 1 && try.template_version == 3);
	assert_true(try.deadline_ms == what.deadline_ms && try.disk_usd_hour == 0.01);
	assert_int_equal(try.n_pools, 2);
	assert_true(try.pools[0].usd_hour == 0.3 && isnan(try.pools[1].usd_hour));
	assert_string_equal(try.pools[1].zone, "us-east-1b");
	bl_try_request(&try, &request);
	assert_string_equal(request.pools[1].subnet, "subnet-b");
	assert_int_equal(request.n_tags, 9);

	/* whoever comes later with other wishes sends what stands */
	other.spot = false;
	what.purchases = &other;
	must(bl_try_store("s", &what, 1, 0, &again, &err), &err);
	assert_string_equal(again.token, token);
	assert_true(again.spot);
	bl_try_done(&again);
	must(bl_try_store("s", &what, 12, 0, &again, &err), &err);
	must(bl_try_newest(*state, RUN, 2, &newest, &err), &err);
	assert_int_equal(newest, 12);
	must(bl_try_newest(*state, RUN, 1, &newest, &err), &err);
	assert_int_equal(newest, 0);
}

static void what_is_no_try(void **state)
{
	static const char *const table[] = {
		"{",
		"{\"schema\":1}",
		"{\"schema\":1,\"try\":1,\"token\":\"t\",\"market\":\"spot\",\"template\":{\"id\":"
		"\"lt-1\",\"version\":1},\"deadline_ms\":1,\"pools\":[],\"tags\":{\"a\":\"b\"}}",
		"{\"schema\":1,\"try\":2,\"token\":\"t\",\"market\":\"spot\",\"template\":{\"id\":"
		"\"lt-1\",\"version\":1},\"deadline_ms\":1,\"pools\":[{\"type\":\"t\",\"subnet\":"
		"\"s\",\"zone\":\"z\"}],\"tags\":{\"a\":\"b\"}}",
		"{\"schema\":1,\"try\":1,\"token\":\"t\",\"market\":\"spot\",\"template\":{\"id\":"
		"\"lt-1\",\"version\":1},\"deadline_ms\":1,\"pools\":[{\"type\":\"t\",\"subnet\":"
		"\"s\",\"zone\":\"z\"}],\"tags\":{\"a\":1}}",
	};
	struct bl_try try = { .number = 99 };

	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };

		must(bl_store_put(*state, NULL, "runs/" RUN "/attempts/001.try-001.json", table[i],
		                  strlen(table[i]), &err),
		     &err);
		assert_int_equal(bl_try_read(*state, RUN, 1, 1, &try, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_int_equal(try.number, 99);
	}
}

/* --- Why an instance is gone ------------------------------------------------------------------ */

static void reasons_mean_classes(void **state)
{
	static const struct {
		const char *code, *message;
		enum bl_class class;
		bool again;
		const char *says;
	} table[] = {
		{ "Server.SpotInstanceTermination",
		  "Server.SpotInstanceTermination: Instance "
		  "terminated due to no capacity",
		  BL_CLASS_INTERRUPTED, true,
		  "EC2 took the spot instance back (Server.SpotInstanceTermination: Instance" },
		{ "Server.SpotInstanceShutdown", "", BL_CLASS_INTERRUPTED, true,
		  "back (Server.SpotInstanceShutdown)" },
		{ "Server.InsufficientInstanceCapacity", "m", BL_CLASS_CAPACITY, true, "(m)" },
		{ "Server.InternalError", "m", BL_CLASS_LOST, true, "inside EC2" },
		{ "Client.InstanceInitiatedShutdown", "m", BL_CLASS_BOOT, true, "switched itself" },
		{ "Client.UserInitiatedShutdown", "m", BL_CLASS_CANCELLED, false, "somebody" },
		{ "Client.VolumeLimitExceeded", "m", BL_CLASS_CONFIG, false, "EBS" },
		{ "Client.InvalidSnapshot.NotFound", "m", BL_CLASS_CONFIG, false, "snapshot" },
		{ "Client.InternalError", "m", BL_CLASS_CONFIG, false, "could not start" },
		{ "Server.ScheduledStop", "m", BL_CLASS_LOST, true, "gone (m)" },
		{ "", "", BL_CLASS_LOST, true, "the instance is gone" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_result result = bl_compute_gone(table[i].code, table[i].message);

		assert_int_equal(result.class, table[i].class);
		assert_int_equal(result.status, bl_class_status(table[i].class));
		assert_int_equal(bl_class_relaunchable(result.class), table[i].again);
		if (!strstr(result.message, table[i].says))
			fail_msg("%s: %s", table[i].code, result.message);
		assert_true(result.next_step[0] && result.exit_code == -1);
	}
}

/* --- Waiting ---------------------------------------------------------------------------------- */

static void a_pause_ends_with_a_signal(void **state)
{
	volatile int stop = 1;

	(void)state;
	assert_false(bl_compute_pause(3600000, &stop));
	assert_true(bl_compute_pause(0, NULL));
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_store *shared;

static int story(struct bl_err *err)
{
	struct bl_compute_options options = { .name = "local", .runner = "/bin/false", .cwd = "." };
	BL_AUTO(bl_buf) text = BL_BUF(65536);
	struct bl_start what = a_start(shared);
	BL_AUTO(bl_try) try = { 0 };
	BL_AUTO(bl_try) read = { 0 };
	BL_COMPUTE compute = NULL;
	unsigned newest;

	return bl_compute_open(&options, &compute, err) ||
	                       bl_compute_request_text("s", &what, 0, &text, err) ||
	                       bl_try_store("s", &what, 1, 0, &try, err) ||
	                       bl_try_read(shared, RUN, 2, 1, &read, err) ||
	                       bl_try_newest(shared, RUN, 2, &newest, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	struct bl_err err = { 0 };

	shared = *state;
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_of_all_that_is_bought),
		cmocka_unit_test(tags_name_what_it_is_for),
		cmocka_unit_test(the_request_for_a_plan),
		IN_SCRATCH(a_try_is_what_is_sent_again),
		IN_SCRATCH(what_is_no_try),
		cmocka_unit_test(reasons_mean_classes),
		cmocka_unit_test(a_pause_ends_with_a_signal),
		IN_SCRATCH(no_allocation_is_taken_for_granted),
	};

	if (argc > 1 && !strcmp(argv[1], "--drive"))
		return compute_drive(argc, argv);
	return cmocka_run_group_tests_name("compute", tests, NULL, NULL);
}
