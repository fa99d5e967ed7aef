/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/github_open.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_next_page_is_of_the_same_origin(void **state)
{
	static const struct {
		const char *link, *target;
	} cases[] = {
		{ "<https://api.github.com/repositories/1/issues/2/comments?page=2>; rel=\"next\"",
		  "/repositories/1/issues/2/comments?page=2" },
		{ "<https://api.github.com/a?page=1>; rel=\"prev\", "
		  "<https://api.github.com/a?page=3>; rel=\"next\"",
		  "/a?page=3" },
		{ "<https://API.github.com:443/a>; rel=next", "/a" },
		{ "<https://api.github.com/a>;title=\"x, y; rel=next\"; rel=\"last next\"", "/a" },
		{ "<https://api.github.com/a>; title=\"rel=next\"; rel=\"last\"", NULL },
		{ "<https://api.github.com/a>; rel=\"last\"", NULL },
		{ "<https://api.github.com/a>; rel=\"nextish\"", NULL },
		{ "<https://evil.example/a>; rel=\"next\"", NULL },
		{ "<http://api.github.com/a>; rel=\"next\"", NULL },
		{ "<https://api.github.com:8443/a>; rel=\"next\"", NULL },
		{ "<https://u:p@api.github.com/a>; rel=\"next\"", NULL },
		{ "<https://api.github.com/a; rel=\"next\"", NULL },
		{ "</a>; rel=\"next\"", NULL },
		{ "", NULL },
		{ "<>; rel=\"next\", <https://api.github.com/b>; rel=\"next\"", NULL },
	};
	struct bl_url api;
	struct bl_err err = { 0 };

	(void)state;
	must(bl_url_parse("https://api.github.com", &api, &err), &err);
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		char target[128] = "";
		bool found = bl_github_next_page(cases[i].link, &api, target, sizeof(target));

		if (found != (cases[i].target != NULL) ||
		    (found && strcmp(target, cases[i].target) != 0))
			fail_msg("%s: %d %s", cases[i].link, found, target);
	}
	{
		char small[4];

		assert_false(bl_github_next_page("<https://api.github.com/abcd>; rel=\"next\"",
		                                 &api, small, sizeof(small)));
	}
}

static void a_limit_says_how_long(void **state)
{
	static const char date[] = "date: Tue, 14 Nov 2023 22:13:20 GMT\n"; /* 1,700,000,000 */
	static const struct {
		int status;
		const char *head, *message;
		int64_t wait_ms; /* -1: no limit */
	} cases[] = {
		{ 403, "retry-after: 30\n", "", 30000 },
		{ 429, "retry-after: 0\n", "", 1000 },
		{ 403, "retry-after: 99999999999\n", "", 86400000 },
		{ 403, "retry-after: Tue, 14 Nov 2023 22:13:40 GMT\n", "", 20000 },
		{ 403, "retry-after: soon\n", "Resource not accessible by integration", -1 },
		{ 403, "x-ratelimit-remaining: 0\nx-ratelimit-reset: 1700000007\n", "", 7000 },
		{ 403, "x-ratelimit-remaining: 0\nx-ratelimit-reset: 1600000000\n", "", 1000 },
		{ 403, "x-ratelimit-remaining: 0\nx-ratelimit-reset: ever\n", "", 60000 },
		{ 403, "x-ratelimit-remaining: 12\n", "Resource not accessible", -1 },
		{ 403, "", "You have exceeded a secondary rate limit", 60000 },
		{ 403, "", "You have triggered an abuse detection mechanism", 60000 },
		{ 429, "", "", 60000 },
		{ 404, "retry-after: 5\n", "rate limit", -1 },
		{ 503, "retry-after: 5\n", "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_http_reply) reply = { .status = cases[i].status, .head = BL_BUF(4096) };
		int64_t ms = -1;

		bl_buf_adds(&reply.head, date);
		bl_buf_adds(&reply.head, cases[i].head);
		assert_int_equal(bl_github_limited(&reply, cases[i].message, &ms),
		                 cases[i].wait_ms >= 0);
		if (cases[i].wait_ms >= 0 && ms != cases[i].wait_ms)
			fail_msg("%s: %lld", cases[i].head, (long long)ms);
	}
}

static void repeats_are_bounded_and_do_no_harm(void **state)
{
	const struct bl_github_ask get = { .method = "GET" }, post = { .method = "POST" },
				   react = { .method = "POST", .repeatable = true },
				   patch = { .method = "PATCH" };

	(void)state;
	assert_true(bl_github_may_repeat(&get, true));
	assert_true(bl_github_may_repeat(&patch, true));
	assert_true(bl_github_may_repeat(&react, true));
	assert_true(bl_github_may_repeat(&post, false));
	assert_false(bl_github_may_repeat(&post, true));
	assert_int_equal(bl_github_backoff(1, 0), 125);
	assert_int_equal(bl_github_backoff(1, 1), 250);
	assert_int_equal(bl_github_backoff(2, 1), 500);
	assert_int_equal(bl_github_backoff(4000000000u, 1), 5000);
	assert_int_equal(bl_github_spacing(false, 0, 5), 0);
	assert_int_equal(bl_github_spacing(true, 1000, 1000), 1000);
	assert_int_equal(bl_github_spacing(true, 1000, 1700), 300);
	assert_int_equal(bl_github_spacing(true, 1000, 2000), 0);
}

static void a_refusal_names_the_line(void **state)
{
	static const struct {
		const char *method, *path, *line;
	} cases[] = {
		{ "POST", "issues/12/comments", "pull-requests: write" },
		{ "GET", "issues/12/comments?per_page=100", "pull-requests: read" },
		{ "DELETE", "issues/12/labels/train", "pull-requests: write" },
		{ "GET", "pulls/12", "pull-requests: read" },
		{ "POST", "statuses/abc", "statuses: write" },
		{ "GET", "commits/abc/status", "statuses: read" },
		{ "GET", "commits?sha=abc", "contents: read" },
		{ "GET", "/repos/o/n/compare/a...b", "contents: read" },
		{ "GET", "contents/branchline.yaml", "contents: read" },
		{ "GET", "environments/gpu", "actions: read" },
		{ "GET", "actions/runs/1", "actions: read" },
		{ "GET", "actions/permissions/workflow", "" },
		{ "GET", "/user", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++)
		assert_string_equal(bl_github_permission_for(cases[i].method, cases[i].path),
		                    cases[i].line);
}

static void what_github_says_is_cleaned(void **state)
{
	static const struct {
		const char *body, *text;
		bool exists;
	} cases[] = {
		{ "{\"message\":\"Not\\u001b[31m Found\\n::error::x\"}",
		  "Not [31m Found ::error::x", false },
		{ "{\"message\":\"Validation Failed\",\"errors\":[{\"code\":\"already_exists\"}]}",
		  "Validation Failed: already_exists", true },
		{ "{\"message\":\"V\",\"errors\":[\"Reference already exists\"]}",
		  "V: Reference already exists", true },
		{ "{\"message\":\"V\",\"errors\":[{\"code\":\"c\",\"message\":\"too long\"}]}",
		  "V: too long", false },
		{ "{\"message\":7}", "", false },
		{ "[]", "", false },
		{ "<html>", "", false },
		{ "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_http_reply)
		reply = { .status = 422, .head = BL_BUF(4096), .body = BL_BUF(4096) };
		struct bl_github_said said;

		bl_buf_adds(&reply.head, "x-github-request-id: 1:2:3\n");
		bl_buf_adds(&reply.body, cases[i].body);
		bl_github_said_read(&reply, &said);
		assert_string_equal(said.text, cases[i].text);
		assert_string_equal(said.request_id, "1:2:3");
		assert_int_equal(said.exists, cases[i].exists);
	}
}

static void a_status_has_a_code(void **state)
{
	static const struct {
		int status;
		bool exists;
		enum bl_code code;
		const char *next;
	} cases[] = {
		{ 404, false, BL_ENOENT, "`pull-requests: write`" },
		{ 410, false, BL_ENOENT, "" },
		{ 401, false, BL_EDENIED, "GITHUB_TOKEN" },
		{ 403, false, BL_EDENIED,
		  "add `pull-requests: write` to the job's `permissions:`" },
		{ 422, false, BL_EINPUT, "" },
		{ 422, true, BL_EEXIST, "" },
		{ 400, false, BL_EINPUT, "" },
		{ 301, false, BL_EINPUT, "renamed" },
		{ 502, false, BL_ERETRY, "githubstatus" },
	};
	const struct bl_github_ask ask = { .method = "POST", .path = "issues/1/comments" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		const struct bl_github_said said = { .text = "No", .exists = cases[i].exists };
		const struct bl_http_reply reply = { .status = cases[i].status };
		struct bl_err err = { 0 };

		assert_int_equal(bl_github_refused(&ask, &reply, &said, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		if (!strstr(err.next, cases[i].next))
			fail_msg("%d: %s", cases[i].status, err.next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_next_page_is_of_the_same_origin),
		cmocka_unit_test(a_limit_says_how_long),
		cmocka_unit_test(repeats_are_bounded_and_do_no_harm),
		cmocka_unit_test(a_refusal_names_the_line),
		cmocka_unit_test(what_github_says_is_cleaned),
		cmocka_unit_test(a_status_has_a_code),
	};

	return cmocka_run_group_tests_name("github rules", tests, NULL, NULL);
}
