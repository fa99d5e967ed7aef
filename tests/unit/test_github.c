/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/github_open.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OF_REPO "/api/repos/o/n/"

/* --- Opening ---------------------------------------------------------------------------------- */

static void what_is_missing_is_said(void **state)
{
	static const struct {
		struct bl_github_options options;
		const char *text;
	} cases[] = {
		{ { .repository = "o/n" }, "no token" },
		{ { .token = "t" }, "no repository" },
		{ { .token = "t", .repository = "o" }, "'o' is no repository" },
		{ { .token = "t", .repository = "o/n/x" }, "is no repository" },
		{ { .token = "t", .repository = "../n" }, "is no repository" },
		{ { .token = "t", .repository = "o/.." }, "is no repository" },
		{ { .token = "t", .repository = "o/n?x" }, "is no repository" },
		{ { .token = "a\nb", .repository = "o/n" }, "the token holds" },
		{ { .token = "t", .repository = "o/n", .api_url = "ftp://x" }, "GITHUB_API_URL" },
		{ { .token = "t", .repository = "o/n", .api_url = "https://x/?y" },
		  "GITHUB_API_URL" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_github *github = NULL;
		struct bl_err err = { 0 };

		assert_int_equal(bl_github_open(&cases[i].options, &github, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		if (!strstr(err.text, cases[i].text))
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_null(github);
	}
}

static void a_workflow_says_where(void **state)
{
	BL_AUTO(bl_buf) url = BL_BUF(4096);
	BL_GITHUB github = NULL;
	struct bl_err err = { 0 };

	(void)state;
	setenv("GITHUB_API_URL", "https://git.example/api/v3/", 1);
	setenv("GITHUB_REPOSITORY", "team/repo", 1);
	setenv("GITHUB_TOKEN", "t", 1);
	must(bl_github_open(NULL, &github, &err), &err);
	assert_string_equal(bl_github_repository(github), "team/repo");
	bl_github_url(github, "pulls/1", &url);
	assert_string_equal(bl_buf_text(&url),
	                    "https://git.example/api/v3/repos/team/repo/pulls/1");
	assert_int_equal(bl_github_requests(github), 0);
	unsetenv("GITHUB_API_URL");
	unsetenv("GITHUB_REPOSITORY");
	unsetenv("GITHUB_TOKEN");
}

/* --- Calls ------------------------------------------------------------------------------------ */

static int get(struct github *at, struct bl_err *err)
{
	BL_VALUE doc = NULL;

	return bl_github_call(at->client, "GET", "pulls/12", NULL, &doc, err);
}

static int post(struct github *at, struct bl_err *err)
{
	int64_t id;

	return bl_github_comment_create(at->client, 12, "hello", &id, err);
}

static void a_call_says_who_asks(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET " OF_REPO "pulls/12 ", .body = "{\"number\":12}" },
		{ .on = "POST " OF_REPO "issues/12/comments ",
		  .status = 201,
		  .body = "{\"id\":77}" },
		{ .on = "GET /api/user ", .status = 204 },
	};
	BL_VALUE doc = NULL;
	struct bl_err err = { 0 };
	struct github at;
	int64_t id = 0;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(bl_github_call(at.client, "GET", "pulls/12", NULL, &doc, &err), &err);
	assert_int_equal(bl_value_int_or(doc, "number", 0), 12);
	assert_string_equal(sent_header(at.server, 0, "authorization"), "Bearer ghs_secret");
	assert_string_equal(sent_header(at.server, 0, "accept"), "application/vnd.github+json");
	assert_string_equal(sent_header(at.server, 0, "x-github-api-version"), "2022-11-28");
	assert_true(*sent_header(at.server, 0, "user-agent"));
	must(bl_github_comment_create(at.client, 12, "a \"b\"\n", &id, &err), &err);
	assert_int_equal(id, 77);
	assert_string_equal(canned_body(at.server, 1, &(size_t){ 0 }),
	                    "{\"body\":\"a \\\"b\\\"\\n\"}");
	bl_value_free(doc);
	must(bl_github_call(at.client, "GET", "/user", NULL, &doc, &err), &err);
	assert_null(doc);
	assert_int_equal(bl_github_requests(at.client), 3);
	github_close(&at);
}

static void a_read_outlives_bad_replies(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .is_cut = true, .cut = 20, .end = CANNED_RESET },
		{ .times = 1, .status = 502 },
		{ .times = 1, .status = 500, .body = "{\"message\":\"x\"}" },
		{ .body = "{}" },
	};
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(get(&at, &err), &err);
	assert_int_equal(github_waits(), 3);
	assert_true(github_waited(0) < github_waited(2));
	github_close(&at);
}

static void a_read_gives_up(void **state)
{
	const struct canned_reply replies[] = { { .status = 503 } };
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, 1, 0);
	assert_int_equal(get(&at, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
	assert_non_null(strstr(err.text, "GitHub: GET pulls/12: HTTP 503"));
	assert_int_equal(canned_requests(at.server), 4);
	github_close(&at);
}

static void a_comment_is_not_made_twice(void **state)
{
	static const struct canned_reply cases[] = {
		{ .status = 502 },
		{ .is_cut = true, .cut = 10, .end = CANNED_RESET },
		{ .is_cut = true, .cut = 0, .end = CANNED_CLOSE },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_err err = { 0 };
		struct github at;

		github_open(&at, &cases[i], 1, 0);
		assert_int_equal(post(&at, &err), -1);
		assert_int_equal(err.code, BL_ERETRY);
		assert_int_equal(canned_requests(at.server), 1);
		github_close(&at);
	}
}

static void what_may_be_done_twice_is(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 502 }, { .times = 1, .body = "{}" },
		{ .times = 1, .status = 504 }, { .times = 1, .status = 201 },
		{ .times = 1, .status = 500 }, { .body = "{}" }
	};
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(bl_github_react(at.client, 12, "eyes", &err), &err);
	must(bl_github_status(at.client, "abc", "success", "c", "d", NULL, &err), &err);
	must(bl_github_comment_edit(at.client, 5, "text", &err), &err);
	assert_int_equal(canned_requests(at.server), 6);
	github_close(&at);
}

/* --- Limits ----------------------------------------------------------------------------------- */

static void a_limit_is_waited_for(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 403, .headers = "Retry-After: 7\r\n", .body = SECONDARY },
		{ .times = 1, .status = 429, .headers = "Retry-After: 3\r\n" },
		{ .status = 201, .body = "{\"id\":1}" },
	};
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 20000);
	must(post(&at, &err), &err);
	assert_int_equal(github_waited(0), 7000);
	assert_int_equal(github_waited(1), 3000);
	assert_int_equal(at.client->patience_ms, 10000);
	github_close(&at);
}

static void patience_ends(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 403, .body = SECONDARY },
		{ .status = 403, .headers = "Retry-After: 5\r\n", .body = SECONDARY },
	};
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	assert_int_equal(get(&at, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
	assert_non_null(strstr(err.text, "secondary rate limit"));
	assert_non_null(strstr(err.text, "wait 5 s"));
	assert_int_equal(github_waits(), 1);
	assert_int_equal(github_waited(0), 60000);
	github_close(&at);
}

static void a_limit_that_is_too_long_is_not_tested(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 429, .headers = "Retry-After: 100\r\n" },
		{ .body = "{}" },
	};
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	assert_int_equal(get(&at, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
	bl_err_clear(&err);
	assert_int_equal(get(&at, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
	assert_non_null(strstr(err.text, "HTTP 429: wait 100 s"));
	assert_int_equal(canned_requests(at.server), 1);
	bl_err_clear(&err);
	must(at.client->wait(at.client, 45000, &err), &err);
	must(get(&at, &err), &err); /* 55 s more are within its patience */
	assert_int_equal(github_waited(1), 55000);
	assert_int_equal(at.client->patience_ms, 5000);
	github_close(&at);
}

static void writes_are_a_second_apart(void **state)
{
	const struct canned_reply replies[] = { { .status = 200, .body = "{}" } };
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, 1, 0);
	must(bl_github_comment_edit(at.client, 5, "a", &err), &err);
	must(get(&at, &err), &err);
	assert_int_equal(github_waits(), 0);
	must(bl_github_comment_edit(at.client, 5, "b", &err), &err);
	must(bl_github_comment_delete(at.client, 5, &err), &err);
	assert_int_equal(github_waits(), 2);
	assert_int_equal(github_waited(0), 1000);
	github_close(&at);
}

static void a_stop_ends_a_call(void **state)
{
	const struct canned_reply replies[] = { { .end = CANNED_HANG, .is_cut = true } };
	static const volatile int signalled = 1;
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, 1, 0);
	bl_http_stop_when(&signalled);
	assert_int_equal(get(&at, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	bl_err_clear(&err);
	assert_int_equal(bl_github_wait(at.client, 60000, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	bl_http_stop_when(NULL);
	github_close(&at);
}

/* --- Pages ------------------------------------------------------------------------------------ */

static int gather(void *arg, const struct bl_value *item, struct bl_err *err)
{
	(void)err;
	bl_buf_addf(arg, "%d ", (int)item->integer);
	return item->integer == 9;
}

/* The server's port is not known beforehand: what the client believes it to be is. */
#define NEXT_PAGE                                                                                  \
	"Link: <http://127.0.0.1:1/api/repositories/7/list?page=2>; rel=\"next\", "                \
	"<http://127.0.0.1:1/api/repositories/7/list?page=2>; rel=\"last\"\r\n"

static void pages_are_followed(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET " OF_REPO "list?per_page=100 ",
		  .headers = NEXT_PAGE,
		  .body = "[1,2]" },
		{ .on = "GET /api/repositories/7/list?page=2 ",
		  .body = "{\"total_count\":2,\"things\":[3]}" },
		{ .on = "GET " OF_REPO "end?per_page=2 ", .body = "[8,9,10]" },
		{ .on = "GET " OF_REPO "none?per_page=100 ", .body = "{}" },
	};
	BL_AUTO(bl_buf) seen = BL_BUF(4096);
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	at.client->api.port = 1;
	must(bl_github_each(at.client, "list", gather, &seen, &err), &err);
	assert_string_equal(bl_buf_text(&seen), "1 2 3 ");
	bl_buf_reset(&seen);
	assert_int_equal(bl_github_each(at.client, "end?per_page=2", gather, &seen, &err), 1);
	assert_string_equal(bl_buf_text(&seen), "8 9 ");
	assert_int_equal(bl_github_each(at.client, "none", gather, &seen, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	github_close(&at);
}

static void pages_end(void **state)
{
	const struct canned_reply replies[] = { { .headers = NEXT_PAGE, .body = "[1]" } };
	BL_AUTO(bl_buf) seen = BL_BUF(4096);
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	/* elsewhere is not asked: the client is not of that port */
	must(bl_github_each(at.client, "list", gather, &seen, &err), &err);
	assert_int_equal(canned_requests(at.server), 1);
	at.client->api.port = 1;
	assert_int_equal(bl_github_each(at.client, "list", gather, &seen, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_int_equal(canned_requests(at.server), 101);
	github_close(&at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(a_workflow_says_where),
		cmocka_unit_test(a_call_says_who_asks),
		cmocka_unit_test(a_read_outlives_bad_replies),
		cmocka_unit_test(a_read_gives_up),
		cmocka_unit_test(a_comment_is_not_made_twice),
		cmocka_unit_test(what_may_be_done_twice_is),
		cmocka_unit_test(a_limit_is_waited_for),
		cmocka_unit_test(patience_ends),
		cmocka_unit_test(a_limit_that_is_too_long_is_not_tested),
		cmocka_unit_test(writes_are_a_second_apart),
		cmocka_unit_test(a_stop_ends_a_call),
		cmocka_unit_test(pages_are_followed),
		cmocka_unit_test(pages_end),
	};

	unsetenv("GITHUB_API_URL");
	unsetenv("GITHUB_REPOSITORY");
	unsetenv("GITHUB_TOKEN");
	return cmocka_run_group_tests_name("github", tests, NULL, NULL);
}
