/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials between processes: when the file serves, and whom. */
#include "actions/held.h"

#include "actions/identity.h"
#include "base/clock.h"
#include "tests/unit/creds_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60000)
#define HOUR (60 * MINUTE)
#define CLAIMS "{\"sub\":\"repo:a/b:pull_request\"}"

static void a_file_serves_until_shortly_before_the_end(void **state)
{
	static const struct {
		const char *key;
		int64_t issued, expires, next_try; /* from now */
		enum held_due due;
	} table[] = {
		{ "A", 0, HOUR, -INPUT_NOON, HELD_SERVE },
		{ "", 0, HOUR, -INPUT_NOON, HELD_MUST },
		{ "A", -44 * MINUTE, 16 * MINUTE, -INPUT_NOON, HELD_SERVE },
		{ "A", -45 * MINUTE, 15 * MINUTE, -INPUT_NOON, HELD_RENEW },
		{ "A", -45 * MINUTE, 15 * MINUTE, 0, HELD_RENEW },
		{ "A", -45 * MINUTE, 15 * MINUTE, 1, HELD_SERVE },
		{ "A", -60 * MINUTE, 0, 1, HELD_MUST },
		{ "A", -3000, 1001, -INPUT_NOON, HELD_SERVE },
		{ "A", -3000, 1000, -INPUT_NOON, HELD_RENEW },
		{ "A", MINUTE, 2 * HOUR, -INPUT_NOON, HELD_SERVE },
		{ "A", MINUTE + 1, 2 * HOUR, -INPUT_NOON, HELD_MUST }, /* the clock was set back */
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct held held = { .issued_wall_ms = INPUT_NOON + table[i].issued,
			             .next_try_wall_ms = INPUT_NOON + table[i].next_try };

		snprintf(held.creds.access_key, sizeof(held.creds.access_key), "%s", table[i].key);
		held.creds.expires_wall_ms = INPUT_NOON + table[i].expires;
		assert_int_equal(held_due(&held, INPUT_NOON), table[i].due);
	}
}

static void whatever_differs_makes_another_file(void **state)
{
	static const struct bl_creds_options options[] = {
		{ 0 },
		{ .role_arn = INPUT_ROLE },
		{ .region = INPUT_ROLE },
		{ .profile = INPUT_ROLE },
		{ .audience = INPUT_ROLE },
		{ .session_policy = INPUT_ROLE },
		{ .session_name = INPUT_ROLE },
		{ .duration_s = 900 },
		{ .region = "" },
		{ .region = "a", .role_arn = "b" },
		{ .region = "ab", .role_arn = "" },
	};
	static const char *const job[] = { "GITHUB_SERVER_URL", "GITHUB_REPOSITORY",
		                           "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB" };
	char seen[BL_COUNT(options) + BL_COUNT(job)][65], again[65];
	struct bl_err err = { 0 };
	size_t n = 0;

	(void)state;
	forget_identity();
	for (size_t i = 0; i < BL_COUNT(options); i++)
		must(held_binding(&options[i], seen[n++], &err), &err);
	for (size_t i = 0; i < BL_COUNT(job); i++) {
		setenv(job[i], "1", 1);
		must(held_binding(&options[0], seen[n++], &err), &err);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
	must(held_binding(&options[0], again, &err), &err);
	assert_string_equal(again, seen[n - 1]);
}

/* --- Files ------------------------------------------------------------------------------------ */

static const char *held_key(const struct bl_creds_options *options)
{
	static struct bl_credentials got;
	struct bl_err err = { 0 };

	must(held_get(folder_path("held"), options, &got, &err), &err);
	return got.access_key;
}

static void one_request_serves_until_it_is_renewed(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET /token", .times = 1, .body = token_json(CLAIMS) },
		{ .on = "GET /token", .times = 3, .status = 500 },
		{ .on = "GET /token", .body = token_json(CLAIMS) },
		{ .on = "POST ", .times = 1, .body = assumed_xml("ASIA1", INPUT_NOON + HOUR) },
		{ .on = "POST ", .body = assumed_xml("ASIA2", INPUT_NOON + 2 * HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	const struct bl_creds_options options = { .role_arn = INPUT_ROLE };
	struct stat st;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	assert_string_equal(held_key(&options), "ASIA1");
	assert_int_equal(stat(folder_path("held"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	move_clock(44 * MINUTE);
	assert_string_equal(held_key(&options), "ASIA1");
	assert_int_equal(canned_requests(server), 2);
	move_clock(2 * MINUTE);
	assert_string_equal(held_key(&options), "ASIA1"); /* the issuer fails thrice */
	assert_int_equal(canned_requests(server), 5);
	assert_string_equal(held_key(&options), "ASIA1"); /* and is left alone for a minute */
	assert_int_equal(canned_requests(server), 5);
	move_clock(MINUTE);
	assert_string_equal(held_key(&options), "ASIA2");
	assert_int_equal(canned_requests(server), 7);
	start_clock();
	canned_stop(server);
}

static void the_last_failure_is_told(void **state)
{
	const struct canned_reply replies[] = { { .status = 401 } };
	struct canned *server = canned_start(replies, 1);
	const struct bl_creds_options options = { .role_arn = INPUT_ROLE };
	BL_AUTO(bl_credentials) got = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	be_a_job(server);
	assert_int_equal(held_get(folder_path("held"), &options, &got, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.text, "HTTP 401"));
	assert_false(is_there("held"));
	canned_stop(server);
}

/* A copy of keys that never end would outlive whoever takes them back. */
static void keys_without_an_end_are_not_copied(void **state)
{
	const struct bl_creds_options options = { .region = "us-east-1" };

	(void)state;
	forget_identity();
	setenv("AWS_ACCESS_KEY_ID", "AKIAUSER", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	assert_string_equal(held_key(&options), "AKIAUSER");
	assert_false(is_there("held"));
}

static void paths_that_are_no_file_are_refused(void **state)
{
	static const char *const paths[] = { "", "/", "/dev/null/", "/nonexistent/held" };
	const struct bl_creds_options options = { .role_arn = INPUT_ROLE };

	(void)state;
	forget_identity();
	for (size_t i = 0; i < BL_COUNT(paths); i++) {
		BL_AUTO(bl_credentials) got = { 0 };
		struct bl_err err = { 0 };

		assert_int_equal(held_get(paths[i], &options, &got, &err), -1);
		assert_non_null(strstr(err.text, "cache"));
	}
}

/* --- What users write ------------------------------------------------------------------------- */

static void durations_and_policies_are_read(void **state)
{
	static const struct {
		struct identity identity;
		unsigned seconds;
		const char *policy, *text; /* text: refused */
	} table[] = {
		{ { .duration = "3600" }, 3600, NULL, NULL },
		{ { .duration = "1h30m" }, 5400, NULL, NULL },
		{ { .duration = "900" }, 900, NULL, NULL },
		{ { .duration = "12h" }, 43200, NULL, NULL },
		{ { .duration = "899" }, 0, NULL, "900 to 43200" },
		{ { .duration = "43201" }, 0, NULL, "900 to 43200" },
		{ { .duration = "99999999999999" }, 0, NULL, "duration" },
		{ { .duration = "-1h" }, 0, NULL, "duration" },
		{ { .session_policy = " { \"a\" : [ 1 ] }\n" }, 0, "{\"a\":[1]}", NULL },
		{ { .session_policy = "[]" }, 0, NULL, "not a JSON map" },
		{ { .session_policy = "{" }, 0, NULL, "session-policy" },
		{ { .session_policy = "file:///nonexistent" }, 0, NULL, "/nonexistent" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_creds_options options = { 0 };
		BL_AUTO(bl_buf) policy = BL_BUF(1);
		struct bl_err err = { 0 };
		int rc = identity_options(&table[i].identity, &policy, &options, &err);

		assert_int_equal(rc, table[i].text ? -1 : 0);
		if (rc) {
			assert_non_null(strstr(err.text, table[i].text));
			continue;
		}
		assert_int_equal(options.duration_s, table[i].seconds);
		if (table[i].policy)
			assert_string_equal(options.session_policy, table[i].policy);
	}
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int story(struct bl_err *err)
{
	const struct identity identity = { .role_arn = INPUT_ROLE, .session_policy = "{}" };
	struct bl_creds_options options;
	BL_AUTO(bl_credentials) got = { 0 };
	BL_AUTO(bl_buf) policy = BL_BUF(1);

	remove("held"); /* asked anew each time, and then served */
	if (identity_options(&identity, &policy, &options, err) ||
	    held_get("held", &options, &got, err))
		return -1;
	return held_get("held", &options, &got, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET /token", .body = token_json(CLAIMS) },
		{ .on = "POST ", .body = assumed_xml("ASIA1", bl_wall_ms() + HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	char here[4096];
	struct bl_err err = { 0 };
	char hex[65];

	(void)state;
	be_a_job(server);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(folder), 0);
	must(held_binding(&(struct bl_creds_options){ 0 }, hex, &err),
	     &err); /* libcrypto's set-up */
	each_allocation_fails(story, 3000);
	assert_int_equal(chdir(here), 0);
	canned_stop(server);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_serves_until_shortly_before_the_end),
		cmocka_unit_test(whatever_differs_makes_another_file),
		IN_FOLDER(one_request_serves_until_it_is_renewed),
		IN_FOLDER(the_last_failure_is_told),
		IN_FOLDER(keys_without_an_end_are_not_copied),
		cmocka_unit_test(paths_that_are_no_file_are_refused),
		cmocka_unit_test(durations_and_policies_are_read),
		IN_FOLDER(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
