/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/oidc.h"

#include "aws/fetch.h"
#include "codec/json.h"
#include "codec/jwt.h"
#include "tests/unit/creds_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLAIMS "{\"sub\":\"repo:a/b:pull_request\"}"

static int ask(struct bl_secret *token, struct bl_err *err)
{
	BL_HTTP http = NULL;

	if (bl_http_open(NULL, &http, err))
		return -1;
	return bl_oidc_token(http, NULL, token, err);
}

static void a_token_is_asked_for_as_github_says(void **state)
{
	const struct canned_reply replies[] = { { .body = token_json(CLAIMS) } };
	struct canned *server = canned_start(replies, 1);
	struct bl_secret token = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	be_a_job(server);
	assert_true(bl_oidc_available());
	must(ask(&token, &err), &err);
	assert_string_equal(bl_secret_text(&token), jwt_of(CLAIMS));
	assert_non_null(
		strstr(canned_head(server, 0),
	               "GET /token?api-version=2.0&audience=sts.amazonaws.com HTTP/1.1\r\n"));
	assert_non_null(strcasestr(canned_head(server, 0),
	                           "\r\nauthorization: bearer the-request-token\r\n"));
	bl_secret_done(&token);
	canned_stop(server);
}

static void an_audience_is_encoded(void **state)
{
	const struct canned_reply replies[] = { { .body = token_json(CLAIMS) } };
	struct canned *server = canned_start(replies, 1);
	struct bl_secret token = { 0 };
	struct bl_err err = { 0 };
	BL_HTTP http = NULL;

	(void)state;
	be_a_job(server);
	setenv("ACTIONS_ID_TOKEN_REQUEST_URL", canned_url(server, "/token"), 1);
	must(bl_http_open(NULL, &http, &err), &err);
	must(bl_oidc_token(http, "a b&c=d", &token, &err), &err);
	assert_non_null(strstr(canned_head(server, 0), "GET /token?audience=a%20b%26c%3Dd HTTP"));
	bl_secret_done(&token);
	canned_stop(server);
}

static void without_the_variables_the_permission_is_named(void **state)
{
	static const char *const names[] = { "ACTIONS_ID_TOKEN_REQUEST_URL",
		                             "ACTIONS_ID_TOKEN_REQUEST_TOKEN" };
	struct bl_secret token = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		struct bl_err err = { 0 };

		setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:1/", 1);
		setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t", 1);
		setenv(names[i], "", 1);
		assert_false(bl_oidc_available());
		assert_int_equal(ask(&token, &err), -1);
		assert_int_equal(err.code, BL_EDENIED);
		assert_non_null(strstr(err.text, names[i]));
		assert_string_equal(err.next, "add `permissions: id-token: write` to the job; pull "
		                              "requests from forks get none");
	}
}

static void what_is_no_token_is_refused(void **state)
{
	static char long_body[BL_JWT_MAX + 64];
	const struct {
		struct canned_reply reply;
		enum bl_code code;
		unsigned requests;
		const char *text;
	} table[] = {
		{ { .body = "{\"value\":\"\"}" }, BL_ECORRUPT, 1, "no token" },
		{ { .body = "{\"value\":7}" }, BL_ECORRUPT, 1, "no token" },
		{ { .body = "<html>" }, BL_ECORRUPT, 1, "reply" },
		{ { .body = long_body }, BL_ECORRUPT, 1, "20001 bytes" },
		{ { .status = 401 }, BL_EDENIED, 1, "HTTP 401" },
		{ { .status = 404 }, BL_EIO, 1, "HTTP 404" },
		{ { .status = 503 }, BL_ERETRY, 3, "HTTP 503" },
		{ { .end = CANNED_RESET, .is_cut = true, .cut = 0 }, BL_ERETRY, 3, "3 attempts" },
	};

	(void)state;
	memset(long_body, 'x', sizeof(long_body) - 1);
	memcpy(long_body, "{\"value\":\"", 10);
	memcpy(long_body + 10 + BL_JWT_MAX + 1, "\"}", 3);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned *server = canned_start(&table[i].reply, 1);
		struct bl_secret token = { 0 };
		struct bl_err err = { 0 };

		be_a_job(server);
		assert_int_equal(ask(&token, &err), -1);
		assert_int_equal(err.code, table[i].code);
		assert_non_null(strstr(err.text, table[i].text));
		assert_non_null(strstr(err.text, "GitHub identity token: "));
		assert_null(strstr(err.text, "the-request-token"));
		assert_int_equal(canned_requests(server), table[i].requests);
		assert_null(token.text);
		canned_stop(server);
	}
}

static void a_request_token_with_a_line_break_is_refused(void **state)
{
	struct bl_secret token = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:1/", 1);
	setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t\r\nx-evil: 1", 1);
	assert_int_equal(ask(&token, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_null(strstr(err.text, "evil"));
}

/* --- What a trust policy must say ------------------------------------------------------------- */

static void both_forms_of_sub_follow_from_the_claims(void **state)
{
	static const struct {
		const char *claims, *classic, *immutable;
	} table[] = {
		{ "{\"sub\":\"repo:a/b:pull_request\",\"repository\":\"a/b\","
		  "\"repository_owner_id\":\"1\",\"repository_id\":\"2\"}",
		  "repo:a/b:pull_request", "repo:a@1/b@2:pull_request" },
		/* a token that has the new form already */
		{ "{\"sub\":\"repo:a@1/b@2:environment:gpu%3Ax\",\"repository\":\"a/b\","
		  "\"repository_owner_id\":1,\"repository_id\":2}",
		  "repo:a/b:environment:gpu%3Ax", "repo:a@1/b@2:environment:gpu%3Ax" },
		/* GitHub Enterprise Server of old: no ids */
		{ "{\"sub\":\"repo:a/b:ref:refs/heads/main\",\"repository\":\"a/b\"}",
		  "repo:a/b:ref:refs/heads/main", "" },
		/* include_claim_keys */
		{ "{\"sub\":\"repository_owner:a:environment:x\",\"repository\":\"a/b\","
		  "\"repository_owner_id\":\"1\",\"repository_id\":\"2\"}",
		  "repository_owner:a:environment:x", "" },
		{ "{}", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) classic = BL_BUF(256), immutable = BL_BUF(256);
		struct bl_err err = { 0 };
		BL_VALUE claims = NULL;

		must(bl_json_parse(table[i].claims, strlen(table[i].claims), "claims", &claims,
		                   &err),
		     &err);
		bl_oidc_subs(claims, &classic, &immutable);
		assert_string_equal(bl_buf_text(&classic), table[i].classic);
		assert_string_equal(bl_buf_text(&immutable), table[i].immutable);
	}
}

static void the_policy_names_the_tokens_own_issuer(void **state)
{
	static const char text[] =
		"{\"iss\":\"https://ghes.example.com/_services/token\","
		"\"aud\":\"sts.amazonaws.com\",\"sub\":\"repo:a/b:pull_request\","
		"\"repository\":\"a/b\",\"repository_owner_id\":\"1\","
		"\"repository_id\":\"2\"}";
	static const char expect[] =
		"the token says\n"
		"  iss            https://ghes.example.com/_services/token\n"
		"  aud            sts.amazonaws.com\n"
		"  sub            repo:a/b:pull_request\n"
		"  repository_id  2\n"
		"the role's trust policy must say (StringEquals)\n"
		"  ghes.example.com/_services/token:aud  \"sts.amazonaws.com\"\n"
		"  ghes.example.com/_services/token:sub  [\"repo:a/b:pull_request\",\n"
		"    \"repo:a@1/b@2:pull_request\"]\n"
		"and its Principal must be Federated, the account's OIDC provider "
		"ghes.example.com/_services/token\n";
	BL_AUTO(bl_buf) out = BL_BUF(4096);
	struct bl_err err = { 0 };
	BL_VALUE claims = NULL;

	(void)state;
	must(bl_json_parse(text, strlen(text), "claims", &claims, &err), &err);
	bl_oidc_explain(claims, &out);
	assert_string_equal(bl_buf_text(&out), expect);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int token_story(struct bl_err *err)
{
	struct bl_secret token = { 0 };
	int rc = ask(&token, err);

	bl_secret_done(&token);
	return rc;
}

static int fetch_story(struct bl_err *err)
{
	BL_AUTO(bl_fetched) fetched = { 0 };
	struct bl_fetch fetch = { .what = "it", .url = getenv("ACTIONS_ID_TOKEN_REQUEST_URL") };
	BL_HTTP http = NULL;

	if (bl_http_open(NULL, &http, err))
		return -1;
	return bl_fetch(http, &fetch, &fetched, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = { { .body = token_json(CLAIMS) } };
	struct canned *server = canned_start(replies, 1);

	(void)state;
	be_a_job(server);
	each_allocation_fails(token_story, 3000);
	each_allocation_fails(fetch_story, 3000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_asked_for_as_github_says),
		cmocka_unit_test(an_audience_is_encoded),
		cmocka_unit_test(without_the_variables_the_permission_is_named),
		cmocka_unit_test(what_is_no_token_is_refused),
		cmocka_unit_test(a_request_token_with_a_line_break_is_refused),
		cmocka_unit_test(both_forms_of_sub_follow_from_the_claims),
		cmocka_unit_test(the_policy_names_the_tokens_own_issuer),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("oidc", tests, NULL, NULL);
}
