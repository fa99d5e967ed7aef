/* SPDX-License-Identifier: Apache-2.0 */
/* Which source is asked, and stays. */
/* Credentials kept fresh, by a clock that the test moves. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "tests/unit/creds_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INPUT_MINUTE
#define HOUR INPUT_HOUR

/* --- Whose they are --------------------------------------------------------------------------- */

static void one_source_is_kept(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = INPUT_TOKEN, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_STS, .times = 1, .body = assumed_xml("ASIAONE", INPUT_NOON + HOUR) },
		{ .on = INPUT_STS, .body = assumed_xml("ASIATWO", INPUT_NOON + 2 * HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER", 1); /* a named role comes first */
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	creds = open_creds(NULL);
	assert_string_equal(fresh_key_of(creds), "ASIAONE");
	assert_ptr_equal(creds->source->fetch, creds_fetch_github);
	move_clock(HOUR);
	assert_string_equal(fresh_key_of(creds), "ASIATWO");
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void fixed_ones_stay(void **state)
{
	struct bl_credentials values = { .access_key = "AKIAFIXED", .expires_wall_ms = 1 };
	const struct bl_credentials *got;
	struct bl_creds *creds = NULL;
	struct bl_err err = { 0 };

	(void)state;
	must(bl_secret_set(&values.secret, "s", 1, &err), &err);
	must(bl_creds_fixed(&values, &creds, &err), &err);
	bl_credentials_done(&values);
	bl_creds_stale(creds);
	must(bl_creds_get(creds, &got, &err), &err);
	assert_string_equal(got->access_key, "AKIAFIXED");
	assert_string_equal(bl_secret_text(&got->secret), "s");
	bl_creds_close(creds);
	bl_creds_close(NULL);
}

static void wrong_options_are_told_at_once(void **state)
{
	static char long_policy[BL_STS_POLICY_MAX + 2];
	const struct {
		struct bl_creds_options options;
		const char *text;
	} table[] = {
		{ { .role_arn = "train" }, "not the ARN" },
		{ { .duration_s = 899 }, "900 to 43200" },
		{ { .duration_s = 43201 }, "900 to 43200" },
		{ { .session_policy = long_policy }, "2049 bytes" },
		{ { .profile = "absent" }, "no profile 'absent'" },
	};

	(void)state;
	forget_identity();
	memset(long_policy, 'x', sizeof(long_policy) - 1);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_creds *creds = NULL;
		struct bl_err err = { 0 };

		assert_int_equal(bl_creds_open(&table[i].options, &creds, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, table[i].text));
		assert_null(creds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_source_is_kept),
		cmocka_unit_test(fixed_ones_stay),
		cmocka_unit_test(wrong_options_are_told_at_once),
	};

	return cmocka_run_group_tests_name("creds_choice", tests, NULL, NULL);
}
