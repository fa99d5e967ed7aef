/* SPDX-License-Identifier: Apache-2.0 */
/* A registry that wants tokens of its token service. */
#include "tests/unit/registry_open.h"

#include "base/clock.h"
#include "tests/unit/scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct two {
	struct canned *tokens;
	struct opened at;
};

/* A registry that wants a token of `tokens`. */
static void open_two(struct two *two, const struct canned_reply *tokens, size_t n)
{
	struct canned_reply replies[3] = { { .times = 1, .status = 401 } };

	two->tokens = canned_start(tokens, n);
	replies[0].headers = bearer_of(two->tokens);
	replies[1] = (struct canned_reply){ .on = "GET ", .body = DOC };
	replies[2] = (struct canned_reply){ .on = "PUT ", .status = 201 };
	registry_open(&two->at, replies, 3);
}

static void close_two(struct two *two)
{
	registry_close(&two->at);
	canned_stop(two->tokens);
}

static void a_token_is_fetched_per_scope(void **state)
{
	const struct canned_reply tokens[] = {
		{ .on = "GET /token?service=s&scope=repository%3Ademo%3Apull ",
		  .body = "{\"token\":\"one\"}" },
		{ .on = "GET /token?service=s&scope=repository%3Ademo%3Apull%2Cpush ",
		  .body = "{\"access_token\":\"two\",\"expires_in\":300}" },
	};
	struct two two = { .at = { .logins = { { "u", "p", false } }, .n_logins = 1 } };
	struct bl_err err = { 0 };

	(void)state;
	open_two(&two, tokens, 2);
	must(registry_get(&two.at, &err), &err);
	must(registry_get(&two.at, &err), &err);
	must(registry_put(&two.at, &err), &err);
	assert_string_equal(sent_header(two.tokens, 0, "authorization"), "Basic dTpw");
	assert_string_equal(sent_header(two.at.server, 1, "authorization"), "Bearer one");
	assert_string_equal(sent_header(two.at.server, 2, "authorization"), "Bearer one");
	assert_string_equal(sent_header(two.at.server, 3, "authorization"), "Bearer two");
	assert_int_equal(canned_requests(two.tokens), 2);
	assert_int_equal(two.at.counts.requests, 3);
	assert_int_equal(two.at.counts.auth_requests, 3);
	close_two(&two);
}

static void nobody_gets_a_token_too(void **state)
{
	const struct canned_reply tokens[] = { { .body = "{\"token\":\"one\"}" } };
	struct two two = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	open_two(&two, tokens, 1);
	must(registry_put(&two.at, &err), &err);
	assert_string_equal(sent_header(two.tokens, 0, "authorization"), "");
	/* the right to push is one to pull */
	must(registry_get(&two.at, &err), &err);
	assert_string_equal(sent_header(two.at.server, 2, "authorization"), "Bearer one");
	assert_int_equal(canned_requests(two.tokens), 1);
	close_two(&two);
}

static int64_t later_ms;

static int64_t later(void)
{
	return 1000000 + later_ms;
}

static void a_token_about_to_end_is_fetched_anew(void **state)
{
	static const struct bl_clock clock = { .mono_ms = later, .wall_ms = later };
	const struct canned_reply tokens[] = {
		{ .times = 1, .body = "{\"token\":\"one\",\"expires_in\":10}" }, /* 60 at least */
		{ .body = "{\"token\":\"two\",\"expires_in\":3600}" },
	};
	struct two two = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	later_ms = 0;
	bl_clock_replace(&clock);
	open_two(&two, tokens, 2);
	must(registry_get(&two.at, &err), &err);
	later_ms = 49000;
	must(registry_get(&two.at, &err), &err);
	assert_int_equal(canned_requests(two.tokens), 1);
	later_ms = 51000;
	must(registry_get(&two.at, &err), &err);
	assert_string_equal(sent_header(two.at.server, 3, "authorization"), "Bearer two");
	later_ms += 3500 * 1000;
	must(registry_get(&two.at, &err), &err);
	assert_int_equal(canned_requests(two.tokens), 2);
	bl_clock_replace(NULL);
	close_two(&two);
}

static void a_refused_token_is_fetched_anew(void **state)
{
	const struct canned_reply tokens[] = { { .times = 1, .body = "{\"token\":\"one\"}" },
		                               { .body = "{\"token\":\"two\"}" } };
	struct two two = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	two.tokens = canned_start(tokens, 2);
	const struct canned_reply replies[] = {
		{ .times = 2, .status = 401, .headers = bearer_of(two.tokens) },
		{ .body = DOC },
	};
	registry_open(&two.at, replies, 2);
	must(registry_get(&two.at, &err), &err);
	assert_string_equal(sent_header(two.at.server, 1, "authorization"), "Bearer one");
	assert_string_equal(sent_header(two.at.server, 2, "authorization"), "Bearer two");
	close_two(&two);
}

static void the_service_may_refuse_an_old_login(void **state)
{
	const struct canned_reply tokens[] = { { .times = 1, .status = 401 },
		                               { .body = "{\"token\":\"one\"}" } };
	struct two two = { .at = { .logins = { { "u", "old", false }, { "u", "p", false } },
		                   .n_logins = 2 } };
	struct bl_err err = { 0 };

	(void)state;
	open_two(&two, tokens, 2);
	must(registry_get(&two.at, &err), &err);
	assert_int_equal(two.at.n_again, 1);
	assert_string_equal(sent_header(two.tokens, 1, "authorization"), "Basic dTpw");
	close_two(&two);
}

static void an_identity_token_goes_in_the_body(void **state)
{
	const struct canned_reply tokens[] = { { .on = "POST /token ",
		                                 .body = "{\"access_token\":\"one\"}" } };
	struct two two = { .at = { .logins = { { "<token>", "a+b", true } }, .n_logins = 1 } };
	struct bl_err err = { 0 };

	(void)state;
	open_two(&two, tokens, 1);
	must(registry_get(&two.at, &err), &err);
	assert_string_equal(canned_body(two.tokens, 0, NULL),
	                    "grant_type=refresh_token&client_id=branchline&service=s&"
	                    "scope=repository%3Ademo%3Apull&refresh_token=a%2Bb");
	assert_string_equal(sent_header(two.tokens, 0, "content-type"),
	                    "application/x-www-form-urlencoded");
	assert_string_equal(sent_header(two.tokens, 0, "authorization"), "");
	close_two(&two);
}

static const struct {
	struct canned_reply reply;
	const char *user;
	bool is_identity_token;
	enum bl_code code;
	size_t asked;
	const char *text, *next;
} wrongs[] = {
	{ { .status = 401, .body = "{\"details\":\"incorrect\"}" },
	  "u",
	  false,
	  BL_EDENIED,
	  2,
	  "it refuses our login: incorrect",
	  "docker login" },
	{ { .status = 403 }, NULL, false, BL_EDENIED, 1, "wants a login", "docker login" },
	{ { .status = 404 }, "u", true, BL_EDENIED, 1, "no identity tokens", "a password" },
	{ { .status = 400 }, "u", true, BL_EDENIED, 2, "refuses our login", "docker" },
	{ { .status = 400, .body = "{\"message\":\"scope\"}" },
	  "u",
	  false,
	  BL_EDENIED,
	  1,
	  "its token service: HTTP 400: scope",
	  "" },
	{ { .status = 503 }, "u", false, BL_ERETRY, 5, "its token service: HTTP 503", "" },
	{ { .status = 302, .headers = "Location: https://evil.io/\r\n" },
	  "u",
	  false,
	  BL_EDENIED,
	  1,
	  "HTTP 302",
	  "" },
	{ { .body = "{}" }, "u", false, BL_ECORRUPT, 1, "without a token", "" },
	{ { .body = "{\"token\":7}" }, "u", false, BL_ECORRUPT, 1, "without a token", "" },
	{ { .body = "{\"token\":\"a\\nb: c\"}" }, "u", false, BL_ECORRUPT, 1, "without", "" },
	{ { .body = "no" }, "u", false, BL_ECORRUPT, 1, "its token service", "" },
};

static void what_a_token_service_may_say_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(wrongs); i++) {
		struct two two = { .at = { .logins = { { wrongs[i].user, "hidden",
			                                 wrongs[i].is_identity_token } },
			                   .n_logins = 1 } };
		struct bl_err err = { 0 };

		open_two(&two, &wrongs[i].reply, 1);
		assert_int_equal(registry_get(&two.at, &err), -1);
		if (err.code != wrongs[i].code || !strstr(err.text, wrongs[i].text) ||
		    !strstr(err.next, wrongs[i].next) || strstr(err.text, "hidden"))
			fail_msg("%zu: %d %s / %s", i, err.code, err.text, err.next);
		assert_int_equal(canned_requests(two.tokens), wrongs[i].asked);
		close_two(&two);
	}
}

static void a_realm_in_the_clear_gets_no_login(void **state)
{
	static const char *const realms[] = {
		"Www-Authenticate: Bearer realm=\"http://10.0.0.1/token\"\r\n",
		"Www-Authenticate: Bearer realm=\"http://169.254.169.254/token\"\r\n",
		"Www-Authenticate: Bearer realm=\"file:///etc/passwd\"\r\n",
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(realms); i++) {
		const struct canned_reply reply = { .status = 401, .headers = realms[i] };
		struct opened at = { .logins = { { "u", "p", false } }, .n_logins = 1 };
		struct bl_err err = { 0 };

		registry_open(&at, &reply, 1);
		assert_int_equal(registry_get(&at, &err), -1);
		assert_non_null(strstr(err.text, "its token service: it sends us to"));
		registry_close(&at);
	}
}

/* --- Threads ---------------------------------------------------------------------------------- */

static void *get_alone(void *arg)
{
	struct opened *at = arg;
	BL_AUTO(bl_buf) body = BL_BUF(4096);
	struct bl_oci_desc desc;
	struct bl_err err = { 0 };
	BL_REGISTRY registry = NULL;

	if (bl_registry_open(at->session, &registry, &err) ||
	    bl_registry_get_manifest(registry, "other", "t", &body, &desc, &err))
		return arg;
	return NULL;
}

static void threads_share_one_token(void **state)
{
	const struct canned_reply tokens[] = { { .body = "{\"token\":\"one\"}" } };
	struct two two = { .at = { .logins = { { "u", "p", false } }, .n_logins = 1 } };
	pthread_t threads[8];
	struct bl_err err = { 0 };
	void *failed;

	(void)state;
	open_two(&two, tokens, 1);
	must(registry_get(&two.at, &err), &err);
	for (size_t i = 0; i < BL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_alone, &two.at), 0);
	for (size_t i = 0; i < BL_COUNT(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	/* one for each repository */
	assert_int_equal(canned_requests(two.tokens), 2);
	assert_int_equal(two.at.n_asked, 1);
	close_two(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_fetched_per_scope),
		cmocka_unit_test(nobody_gets_a_token_too),
		cmocka_unit_test(a_token_about_to_end_is_fetched_anew),
		cmocka_unit_test(a_refused_token_is_fetched_anew),
		cmocka_unit_test(the_service_may_refuse_an_old_login),
		cmocka_unit_test(an_identity_token_goes_in_the_body),
		cmocka_unit_test(what_a_token_service_may_say_wrong),
		cmocka_unit_test(a_realm_in_the_clear_gets_no_login),
		cmocka_unit_test(threads_share_one_token),
	};

	return cmocka_run_group_tests_name("registry token", tests, NULL, NULL);
}
