/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sticky.h"

#include "base/str.h"
#include "tests/unit/failalloc.h"
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
#define MARK "<!-- branchline:report v1 key=train -->"
#define OURS(id)                                                                                   \
	"{\"id\":" #id ",\"user\":{\"login\":\"github-actions[bot]\"},\"body\":\"" MARK "\"}"
#define LIST(...)                                                                                  \
	.on = "GET " OF_REPO "issues/12/comments?per_page=100 ", .body = "[" __VA_ARGS__ "]"
#define CREATE .on = "POST " OF_REPO "issues/12/comments "
#define EDIT(id) .on = "PATCH " OF_REPO "issues/comments/" #id " "
#define DELETE(id) .on = "DELETE " OF_REPO "issues/comments/" #id " "

/* --- Pure ------------------------------------------------------------------------------------- */

static void a_key_cannot_leave_the_marker(void **state)
{
	static const struct {
		const char *key, *marker;
	} cases[] = {
		{ "train", MARK },
		{ "a.b_c/d-9", "<!-- branchline:report v1 key=a.b_c/d-9 -->" },
		{ "x --> y\n", "<!-- branchline:report v1 key=x%20--%3E%20y%0A -->" },
		{ "50%\xc3\xa9", "<!-- branchline:report v1 key=50%25%C3%A9 -->" },
		{ "", "<!-- branchline:report v1 key= -->" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(512);

		bl_sticky_marker(cases[i].key, &out);
		assert_string_equal(bl_buf_text(&out), cases[i].marker);
	}
}

static void an_edit_is_due_once_a_minute(void **state)
{
	static const struct {
		const char *had, *now;
		int64_t written_ms, now_ms;
		bool final, due;
	} cases[] = {
		{ "", "a", 0, 5, false, true },          { "a", "a", 1000, 999999, false, false },
		{ "a", "a", 1000, 999999, true, false }, { "a", "b", 1000, 60999, false, false },
		{ "a", "b", 1000, 61000, false, true },  { "a", "b", 1000, 1001, true, true },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_sticky sticky = { .written_mono_ms = cases[i].written_ms };
		char sha256[65] = "";

		memcpy(sticky.sha256, cases[i].had, strlen(cases[i].had) + 1);
		memcpy(sha256, cases[i].now, strlen(cases[i].now) + 1);
		assert_int_equal(bl_sticky_due(&sticky, sha256, cases[i].final, cases[i].now_ms),
		                 cases[i].due);
	}
}

/* --- Against a server ------------------------------------------------------------------------- */

static struct bl_sticky of_train(int64_t id)
{
	return (struct bl_sticky){ .number = 12, .key = "train", .id = id };
}

/* Plays one put and says what was asked, "GET POST 7 ..." with the ids of edits and deletes. */
static int play(const struct canned_reply *replies, size_t n, struct bl_sticky *sticky,
                const char *text, struct bl_buf *asked, struct bl_err *err)
{
	struct github at;
	bool wrote = true;
	int rc;

	github_open(&at, replies, n, 0);
	rc = bl_sticky_put(at.client, sticky, text, true, &wrote, err);
	for (size_t i = 0; i < canned_requests(at.server); i++) {
		const char *head = canned_head(at.server, i);

		bl_buf_addf(asked, "%.*s", (int)strcspn(head, " "), head);
		if (bl_str_starts(head, "PATCH") || bl_str_starts(head, "DELETE"))
			bl_buf_addf(asked, " %.*s",
			            (int)strcspn(strstr(head, "comments/") + 9, " "),
			            strstr(head, "comments/") + 9);
		bl_buf_adds(asked, i + 1 < canned_requests(at.server) ? ", " : "");
	}
	assert_int_equal(wrote, !rc);
	github_close(&at);
	return rc;
}

static const struct {
	const char *what;
	int64_t id;
	struct canned_reply replies[6];
	const char *asked;
	int64_t id_after;
} ways[] = {
	{ "first",
	  0,
	  { { LIST(""), .times = 1 },
	    { CREATE, .status = 201, .body = "{\"id\":9}" },
	    { LIST(OURS(9)) } },
	  "GET, POST, GET",
	  9 },
	{ "found",
	  0,
	  { { LIST(OURS(4) "," OURS(5)) }, { EDIT(4), .body = "{}" } },
	  "GET, PATCH 4",
	  4 },
	{ "known", 4, { { EDIT(4), .body = "{}" } }, "PATCH 4", 4 },
	{ "deleted, another is there",
	  4,
	  { { EDIT(4), .status = 404 }, { LIST(OURS(6)) }, { EDIT(6), .body = "{}" } },
	  "PATCH 4, GET, PATCH 6",
	  6 },
	{ "deleted",
	  4,
	  { { EDIT(4), .status = 404 },
	    { LIST(""), .times = 1 },
	    { CREATE, .status = 201, .body = "{\"id\":9}" },
	    { LIST(OURS(9)) } },
	  "PATCH 4, GET, POST, GET",
	  9 },
	{ "a race that we lost",
	  0,
	  { { LIST(""), .times = 1 },
	    { CREATE, .status = 201, .body = "{\"id\":9}" },
	    { LIST(OURS(8) "," OURS(9)) },
	    { DELETE(9), .status = 204 },
	    { EDIT(8), .body = "{}" } },
	  "GET, POST, GET, DELETE 9, PATCH 8",
	  8 },
	{ "a race that we won",
	  0,
	  { { LIST(""), .times = 1 },
	    { CREATE, .status = 201, .body = "{\"id\":9}" },
	    { LIST(OURS(9) "," OURS(10)) } },
	  "GET, POST, GET",
	  9 },
	{ "a lost reply, done",
	  0,
	  { { LIST(""), .times = 1 },
	    { CREATE, .status = 502 },
	    { LIST(OURS(7)) },
	    { EDIT(7), .body = "{}" } },
	  "GET, POST, GET, PATCH 7",
	  7 },
	{ "a lost reply, not done",
	  0,
	  { { LIST(""), .times = 2 },
	    { CREATE, .times = 1, .status = 502 },
	    { CREATE, .status = 201, .body = "{\"id\":9}" },
	    { LIST(OURS(9)) } },
	  "GET, POST, GET, POST, GET",
	  9 },
};

static void each_way_to_one_comment(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(ways); i++) {
		struct bl_sticky sticky = of_train(ways[i].id);
		BL_AUTO(bl_buf) asked = BL_BUF(4096);
		struct bl_err err = { 0 };
		size_t n = 0;

		while (n < BL_COUNT(ways[i].replies) && ways[i].replies[n].on)
			n++;
		if (play(ways[i].replies, n, &sticky, "hello", &asked, &err) ||
		    strcmp(bl_buf_text(&asked), ways[i].asked) != 0 ||
		    sticky.id != ways[i].id_after)
			fail_msg("%s: %s; id %d; %s", ways[i].what, bl_buf_text(&asked),
			         (int)sticky.id, err.text);
		assert_int_equal(strlen(sticky.sha256), 64);
		assert_true(sticky.written_mono_ms > 0);
	}
}

static void what_is_written_is_not_written_again(void **state)
{
	const struct canned_reply replies[] = { { EDIT(4), .body = "{}" } };
	struct bl_sticky sticky = of_train(4);
	struct bl_err err = { 0 };
	struct github at;
	bool wrote = false;

	(void)state;
	github_open(&at, replies, 1, 0);
	must(bl_sticky_put(at.client, &sticky, "one", false, &wrote, &err), &err);
	assert_true(wrote);
	assert_string_equal(canned_body(at.server, 0, &(size_t){ 0 }),
	                    "{\"body\":\"" MARK "\\none\"}");
	must(bl_sticky_put(at.client, &sticky, "one", true, &wrote, &err), &err);
	assert_false(wrote);
	must(bl_sticky_put(at.client, &sticky, "two", false, &wrote, &err), &err);
	assert_false(wrote);
	must(bl_sticky_put(at.client, &sticky, "two", true, NULL, &err), &err);
	assert_int_equal(canned_requests(at.server), 2);
	github_close(&at);
}

static void a_failure_is_said_and_the_id_kept(void **state)
{
	const struct canned_reply replies[] = { { EDIT(4), .status = 403,
		                                  .body = "{\"message\":\"No\"}" } };
	struct bl_sticky sticky = of_train(4);
	BL_AUTO(bl_buf) asked = BL_BUF(4096);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(play(replies, 1, &sticky, "x", &asked, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_true(bl_str_starts(err.text,
	                          "comment on #12: GitHub: PATCH issues/comments/4: HTTP 403: No"));
	assert_non_null(strstr(err.next, "pull-requests: write"));
	assert_int_equal(sticky.id, 4);
	assert_string_equal(sticky.sha256, "");
}

/* --- Long texts ------------------------------------------------------------------------------- */

static char *long_report(void)
{
	BL_AUTO(bl_buf) text = BL_BUF((size_t)1 << 20);

	bl_buf_adds(&text, "### Verdict\n<details><summary>log</summary>\n\n````text\n```\n");
	while (text.len < 70000)
		bl_buf_adds(&text, "a line of the log \xc3\xa9\n");
	bl_buf_adds(&text, "````\n</details>\n");
	return bl_buf_take(&text);
}

static void a_long_text_is_cut_and_closed(void **state)
{
	const struct canned_reply replies[] = {
		{ EDIT(4), .times = 1, .status = 422,
		  .body = "{\"message\":\"Body is too long\"}" },
		{ EDIT(4), .body = "{}" },
	};
	static const char end[] =
		"\\n````\\n</details>\\n\\nTruncated: the job's summary has all of it.\\n\"}";
	char *text = long_report();
	struct bl_sticky sticky = of_train(4);
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	assert_non_null(text);
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(bl_sticky_put(at.client, &sticky, text, true, NULL, &err), &err);
	assert_int_equal(canned_requests(at.server), 2);
	for (size_t i = 0; i < 2; i++) {
		size_t len, min = i ? 28000 : 59000, max = i ? 34000 : 65000; /* as JSON */
		const char *body = canned_body(at.server, i, &len);

		assert_true(len > min && len < max);
		assert_true(bl_str_ends(body, end));
	}
	github_close(&at);
	free(text);
}

static void one_long_line_is_cut_by_characters(void **state)
{
	const struct canned_reply replies[] = { { EDIT(4), .body = "{}" } };
	char *text = calloc(1, 90001);
	struct bl_sticky sticky = of_train(4);
	struct bl_err err = { 0 };
	struct github at;
	size_t len;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < 90000; i += 3)
		memcpy(text + i, "\xe2\x96\x87", 3);
	github_open(&at, replies, 1, 0);
	must(bl_sticky_put(at.client, &sticky, text, true, NULL, &err), &err);
	canned_body(at.server, 0, &len);
	assert_int_equal(bl_utf8_valid(canned_body(at.server, 0, &len), len), len);
	assert_true(len < 61000);
	github_close(&at);
	free(text);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static const char *api_url;

static int story(struct bl_err *err)
{
	const struct bl_github_options options = { .api_url = api_url,
		                                   .token = "t",
		                                   .repository = "o/n" };
	struct bl_sticky sticky = of_train(0);
	BL_GITHUB github = NULL;

	return bl_github_open(&options, &github, err) ||
	                       bl_sticky_put(github, &sticky, "hello", true, NULL, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = {
		{ CREATE, .status = 201, .body = "{\"id\":9}" },
		{ LIST("") },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_err err = { 0 };
	char url[128];

	(void)state;
	snprintf(url, sizeof(url), "%s", canned_url(server, "/api"));
	api_url = url;
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_cannot_leave_the_marker),
		cmocka_unit_test(an_edit_is_due_once_a_minute),
		cmocka_unit_test(each_way_to_one_comment),
		cmocka_unit_test(what_is_written_is_not_written_again),
		cmocka_unit_test(a_failure_is_said_and_the_id_kept),
		cmocka_unit_test(a_long_text_is_cut_and_closed),
		cmocka_unit_test(one_long_line_is_cut_by_characters),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("sticky", tests, NULL, NULL);
}
