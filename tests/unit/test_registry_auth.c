/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/registry_open.h"

#include "base/str.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BASIC "Www-Authenticate: Basic realm=\"r\"\r\n"
#define MANIFEST                                                                                   \
	{                                                                                          \
		.on = "GET /v2/demo/manifests/t ", .body = DOC                                     \
	}

static void nobody_is_told_before_it_is_asked(void **state)
{
	const struct canned_reply replies[] = { MANIFEST };
	struct opened at = { .logins = { { "u", "p", false } }, .n_logins = 1 };
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, 1);
	must(registry_get(&at, &err), &err);
	assert_string_equal(sent_header(at.server, 0, "authorization"), "");
	assert_int_equal(at.n_asked, 0);
	assert_int_equal(at.counts.requests, 1);
	assert_int_equal(at.counts.received_bytes, strlen(DOC));
	registry_close(&at);
}

static void basic_is_sent_from_then_on(void **state)
{
	const struct canned_reply replies[] = { { .times = 1, .status = 401, .headers = BASIC },
		                                MANIFEST };
	struct opened at = { .logins = { { "u", "p:q", false } }, .n_logins = 1 };
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, 2);
	must(registry_get(&at, &err), &err);
	must(registry_get(&at, &err), &err);
	assert_int_equal(canned_requests(at.server), 3);
	assert_string_equal(sent_header(at.server, 0, "authorization"), "");
	assert_string_equal(sent_header(at.server, 1, "authorization"), "Basic dTpwOnE=");
	assert_string_equal(sent_header(at.server, 2, "authorization"), "Basic dTpwOnE=");
	assert_int_equal(at.n_asked, 1);
	assert_int_equal(at.counts.requests, 2);
	assert_int_equal(at.counts.auth_requests, 1);
	registry_close(&at);
}

/* ECR's token ends in the middle of a push. */
static void a_login_that_expired_is_asked_for_again(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 401, .headers = BASIC },
		{ .on = "GET ", .times = 1, .body = DOC },
		{ .on = "PUT ", .times = 1, .status = 401, .headers = BASIC },
		{ .on = "PUT ", .status = 201 },
	};
	struct opened at = { .logins = { { "AWS", "1", false }, { "AWS", "2", false } },
		             .n_logins = 2 };
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, BL_COUNT(replies));
	must(registry_get(&at, &err), &err);
	must(registry_put(&at, &err), &err);
	assert_string_equal(sent_header(at.server, 2, "authorization"), "Basic QVdTOjE=");
	assert_string_equal(sent_header(at.server, 3, "authorization"), "Basic QVdTOjI=");
	assert_int_equal(at.n_asked, 2);
	assert_int_equal(at.n_again, 1);
	registry_close(&at);
}

/* So it is in truth: a 403, and for a HEAD without a word. */
static void ecr_says_403_of_an_expired_login(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 401, .headers = BASIC },
		{ .on = "HEAD ", .times = 1, .status = 403 },
		{ .on = "HEAD ", .status = 404 },
		{ .on = "PUT ",
		  .times = 1,
		  .status = 403,
		  .body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"Your authorization "
		          "token "
		          "has expired. Reauthenticate and try again.\"}]}" },
		{ .on = "PUT ", .status = 201 },
		{ .on = "GET ", .status = 403, .body = "{\"errors\":[{\"code\":\"DENIED\"}]}" },
	};
	struct opened at = {
		.logins = { { "AWS", "1", false }, { "AWS", "2", false }, { "AWS", "3", false } },
		.n_logins = 3
	};
	struct bl_oci_desc desc;
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, BL_COUNT(replies));
	registry_rename(&at, "111122223333.dkr.ecr.eu-west-1.amazonaws.com");
	assert_int_equal(bl_registry_head_manifest(at.registry, "demo", "t", &desc, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	assert_int_equal(at.n_again, 1);
	must(registry_put(&at, &err), &err);
	assert_int_equal(at.n_again, 2);
	assert_string_equal(sent_header(at.server, 4, "authorization"), "Basic QVdTOjM=");
	/* another 403 is what it says */
	assert_int_equal(registry_get(&at, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_int_equal(at.n_again, 2);
	registry_close(&at);
}

static void a_storm_of_401_ends(void **state)
{
	static const struct {
		const char *user, *headers, *text, *next;
		size_t requests;
	} table[] = {
		{ "u", BASIC, ": get manifest demo:t: it refuses our login", "docker login 127",
		  3 },
		{ NULL, BASIC, ": get manifest demo:t: it wants a login", "docker login 127", 3 },
		{ "u", "", "no way known here", "docker login", 1 },
		{ "u", "Www-Authenticate: Negotiate\r\n", "no way known here", "docker login", 1 },
		{ "u", "Www-Authenticate: Negotiate\r\n" BASIC, "refuses our login", "docker", 3 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply reply = { .status = 401, .headers = table[i].headers };
		struct opened at = { .logins = { { table[i].user, "hidden", false } },
			             .n_logins = 1 };
		struct bl_err err = { 0 };

		registry_open(&at, &reply, 1);
		assert_int_equal(registry_get(&at, &err), -1);
		if (err.code != BL_EDENIED || !strstr(err.text, table[i].text) ||
		    !strstr(err.next, table[i].next) || strstr(err.text, "hidden") ||
		    !bl_str_starts(err.text, "registry 127.0.0.1:"))
			fail_msg("%zu: %d %s / %s", i, err.code, err.text, err.next);
		assert_int_equal(canned_requests(at.server), table[i].requests);
		/* from then on: once as it is known, once anew */
		bl_err_clear(&err);
		assert_int_equal(registry_get(&at, &err), -1);
		assert_true(canned_requests(at.server) <= table[i].requests + 2);
		registry_close(&at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_told_before_it_is_asked),
		cmocka_unit_test(basic_is_sent_from_then_on),
		cmocka_unit_test(a_login_that_expired_is_asked_for_again),
		cmocka_unit_test(ecr_says_403_of_an_expired_login),
		cmocka_unit_test(a_storm_of_401_ends),
	};

	return cmocka_run_group_tests_name("registry auth", tests, NULL, NULL);
}
