/* SPDX-License-Identifier: Apache-2.0 */
/* The instance's role, by IMDSv2. */
#include "aws/creds_parts.h"

#include "tests/unit/creds_input.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60000)
#define HOUR (60 * MINUTE)

#define ROLES "GET /latest/meta-data/iam/security-credentials/"

static void be_an_instance(const struct canned *server)
{
	forget_identity();
	unsetenv("AWS_EC2_METADATA_DISABLED");
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", canned_url(server, "/"), 1);
	stop_clock(INPUT_NOON);
}

static void a_metadata_token_serves_for_its_time(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "PUT /latest/api/token ", .body = "the-token" },
		{ .on = ROLES " ", .body = "my-role\n" },
		{ .on = ROLES "my-role ",
		  .times = 1,
		  .body = keys_json("ASIA1", INPUT_NOON + HOUR) },
		{ .on = ROLES "my-role ",
		  .times = 1,
		  .body = keys_json("ASIA2", INPUT_NOON + 2 * HOUR) },
		{ .on = ROLES "my-role ", .body = keys_json("ASIA3", INPUT_NOON + 9 * HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_an_instance(server);
	creds = open_creds(NULL);
	assert_string_equal(key_of(creds), "ASIA1");
	assert_non_null(strcasestr(canned_head(server, 0),
	                           "\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
	assert_non_null(
		strcasestr(canned_head(server, 2), "\r\nx-aws-ec2-metadata-token: the-token\r\n"));
	move_clock(50 * MINUTE);
	assert_string_equal(key_of(creds), "ASIA2");
	assert_int_equal(canned_requests(server), 5); /* no PUT */
	move_clock(6 * HOUR);
	assert_string_equal(key_of(creds), "ASIA3");
	assert_int_equal(canned_requests(server), 8); /* the token had run out */
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

/* "Static stability": given stale, or none at all, what is there serves on. */
static void an_instances_keys_outlive_their_end(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "PUT /latest/api/token ", .times = 1, .body = "the-token" },
		{ .on = ROLES " ", .times = 2, .body = "my-role" },
		{ .on = ROLES "my-role ", .body = keys_json("ASIA1", INPUT_NOON - MINUTE) },
		{ .on = ROLES " ", .status = 500 },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_an_instance(server);
	creds = open_creds(NULL);
	assert_string_equal(key_of(creds), "ASIA1"); /* stale when it came */
	assert_int_equal(canned_requests(server), 3);
	move_clock(11 * MINUTE);
	assert_string_equal(key_of(creds), "ASIA1");
	assert_int_equal(canned_requests(server), 3);
	move_clock(9 * MINUTE);
	assert_string_equal(key_of(creds), "ASIA1");
	assert_int_equal(canned_requests(server), 5);
	move_clock(2 * HOUR); /* now it fails, and they have run out */
	assert_string_equal(key_of(creds), "ASIA1");
	assert_int_equal(canned_requests(server), 7);
	assert_string_equal(key_of(creds), "ASIA1");
	assert_int_equal(canned_requests(server), 7);
	bl_creds_stale(creds); /* but not when AWS itself refuses them */
	assert_int_equal(failure_of(creds).code, BL_ERETRY);
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

/* F50 */
static void nobody_there_is_asked_once(void **state)
{
	const struct canned_reply replies[] = { { .end = CANNED_RESET, .is_cut = true } };
	struct canned *server = canned_start(replies, 1);
	struct bl_creds *creds;
	struct bl_err err;

	(void)state;
	be_an_instance(server);
	creds = open_creds(NULL);
	for (int i = 0; i < 3; i++) {
		err = failure_of(creds);
		assert_int_equal(err.code, BL_EDENIED);
		assert_non_null(
			strstr(err.text, "none found (profile 'default'); tried GitHub OIDC"));
		assert_int_equal(canned_requests(server), 2);
	}
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void an_instance_answers_in_version_two_or_not(void **state)
{
	static const struct {
		struct canned_reply token, role;
		const char *text;
		unsigned requests;
	} table[] = {
		{ { .status = 403 }, { 0 }, "HTTP 403 when asked for a token", 1 },
		{ { .status = 404 }, { 0 }, "HTTP 404 when asked for a token", 1 },
		{ { .status = 405 }, { 0 }, "HTTP 405 when asked for a token", 1 },
		{ { .body = "a\nb" }, { 0 }, "when asked for a token", 1 },
		{ { .body = "t" }, { .status = 404 }, "this instance has no role", 2 },
		{ { .body = "t" }, { .status = 401 }, "HTTP 401", 4 },
		{ { .body = "t" }, { .body = "../../x" }, "no role's name", 2 },
		{ { .body = "t" }, { .body = "" }, "no role's name", 2 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned_reply replies[] = { table[i].token, table[i].role };
		struct canned *server;
		struct bl_creds *creds;

		replies[0].on = "PUT ";
		replies[1].on = "GET ";
		server = canned_start(replies, 2);
		be_an_instance(server);
		creds = open_creds(NULL);
		assert_non_null(strstr(failure_of(creds).text, table[i].text));
		assert_int_equal(canned_requests(server), table[i].requests);
		bl_creds_close(creds);
		start_clock();
		canned_stop(server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_metadata_token_serves_for_its_time),
		cmocka_unit_test(an_instances_keys_outlive_their_end),
		cmocka_unit_test(nobody_there_is_asked_once),
		cmocka_unit_test(an_instance_answers_in_version_two_or_not),
	};

	return cmocka_run_group_tests_name("creds imds", tests, NULL, NULL);
}
