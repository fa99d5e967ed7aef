/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/tell.h"

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/canned.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SHA "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"
#define EDIT "PATCH /repos/o/r/issues/comments/77 "
#define COMMENT "{\"id\":77,\"body\":\"x\",\"user\":{\"login\":\"github-actions[bot]\"}}"

static int64_t later_ms; /* than it is */
static struct canned *server;

static int64_t test_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + later_ms;
}

static const struct bl_clock test_clock = { test_now, test_now };
static const struct guarded guarded = { .in_workflow = true,
	                                .has_guard = true,
	                                .is_pull_request = true,
	                                .sha = SHA,
	                                .pr = 12,
	                                .comment_id = 77,
	                                .key = "small",
	                                .job = "small",
	                                .labeller = "ann" };

/* A job of a workflow whose GitHub answers so. */
static void begin(const struct canned_reply *replies, size_t n)
{
	server = canned_start(replies, n);
	setenv("GITHUB_API_URL", canned_url(server, ""), 1);
	setenv("GITHUB_TOKEN", "token", 1);
	setenv("GITHUB_REPOSITORY", "o/r", 1);
	setenv("GITHUB_SERVER_URL", "https://github.com", 1);
	setenv("GITHUB_RUN_ID", "99", 1);
	setenv("GITHUB_STEP_SUMMARY", folder_path("summary"), 1);
	bl_log_set(BL_LOG_HUMAN, BL_LOG_ERROR);
	later_ms = 0;
	bl_clock_replace(&test_clock);
}

static void end(void)
{
	bl_clock_replace(NULL);
	canned_stop(server);
}

static struct bl_comment running(double step)
{
	struct bl_comment comment;

	bl_comment_init(&comment);
	comment.state = BL_COMMENT_RUNNING;
	comment.step = step;
	return comment;
}

static void it_edits_when_something_is_new(void **state)
{
	static const struct canned_reply replies[] = { { .on = EDIT, .body = COMMENT } };
	struct bl_comment one = running(1), two = running(2);
	struct tell tell;
	size_t len;

	(void)state;
	begin(replies, BL_COUNT(replies));
	tell_open(&tell, &guarded, 0, NULL);
	tell_comment(&tell, &one, false);
	assert_int_equal(canned_requests(server), 1);
	assert_non_null(strstr(canned_body(server, 0, &len), "key=small -->"));
	assert_non_null(strstr(canned_body(server, 0, &len), "step 1"));
	assert_non_null(strstr(canned_body(server, 0, &len), "/o/r/actions/runs/99"));
	tell_comment(&tell, &two, false); /* too soon */
	assert_int_equal(canned_requests(server), 1);
	later_ms += 61000;
	tell_comment(&tell, &one, false); /* only the time is another */
	assert_int_equal(canned_requests(server), 1);
	tell_comment(&tell, &two, false);
	assert_int_equal(canned_requests(server), 2);
	tell_done(&tell);
	end();
}

/* Not at each look at the run, but said, and in the summary in the end. */
static void what_cannot_be_written_is_tried_seldom(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = NULL, .status = 403, .body = "{\"message\":\"not accessible\"}" },
	};
	struct bl_comment one = running(1);
	struct tell tell;
	size_t n;

	(void)state;
	begin(replies, BL_COUNT(replies));
	tell_open(&tell, &guarded, 0, NULL);
	tell_comment(&tell, &one, false);
	n = canned_requests(server);
	assert_true(n >= 1 && tell.failed);
	later_ms += 59000;
	tell_comment(&tell, &one, false);
	assert_int_equal(canned_requests(server), n);
	later_ms += 2000;
	tell_comment(&tell, &one, false);
	assert_true(canned_requests(server) > n);
	assert_false(is_there("summary"));
	tell_text(&tell, "### The end\n", true);
	assert_file_holds("summary", "### The end\n\n");
	tell_done(&tell);
	end();
}

static void without_anybody_nothing_is_asked(void **state)
{
	struct guarded nobody = guarded, laptop = { .pr = 0 };
	struct bl_comment one = running(1);
	struct tell tell;

	(void)state;
	begin(NULL, 0);
	nobody.pr = 0;
	tell_open(&tell, &nobody, 0, NULL);
	tell_comment(&tell, &one, false);
	tell_reaction(&tell, "eyes");
	assert_false(is_there("summary"));
	tell_comment(&tell, &one, true);
	assert_true(is_there("summary"));
	tell_done(&tell);
	remove_path("summary");
	tell_open(&tell, &laptop, 0, NULL);
	tell_comment(&tell, &one, true);
	assert_false(is_there("summary"));
	tell_done(&tell);
	assert_int_equal(canned_requests(server), 0);
	end();
}

static void failures_have_their_words(void **state)
{
	static const struct {
		const char *verb;
		enum bl_code code;
		bool told;
		enum bl_comment_state state;
	} table[] = {
		{ "launch", BL_ECAPACITY, true, BL_COMMENT_FAILED },
		{ "launch", BL_ETRAIN, true, BL_COMMENT_FAILED },
		{ "push-image", BL_EINPUT, true, BL_COMMENT_FAILED },
		{ "report", BL_EIO, true, BL_COMMENT_FAILED },
		{ "report", BL_ETRAIN, false, BL_COMMENT_FAILED },
		{ "wait", BL_ETRAIN, false, BL_COMMENT_FAILED },
		{ "wait", BL_EDEADLINE, false, BL_COMMENT_FAILED },
		{ "wait", BL_ECANCELLED, true, BL_COMMENT_CANCELLED },
		{ "launch", BL_ECANCELLED, true, BL_COMMENT_CANCELLED },
		{ "wait", BL_ERETRY, true, BL_COMMENT_HANDED_OVER },
		{ "launch", BL_ERETRY, true, BL_COMMENT_FAILED },
		{ "guard", BL_EDENIED, false, BL_COMMENT_FAILED },
		{ "status", BL_EIO, false, BL_COMMENT_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err failure = { .code = table[i].code, .next = "do this" };
		struct bl_comment comment;

		snprintf(failure.text, sizeof(failure.text), "%s: the cause", table[i].verb);
		if (tell_failure_comment(table[i].verb, &failure, &comment) != table[i].told)
			fail_msg("%s %d", table[i].verb, table[i].code);
		if (!table[i].told)
			continue;
		assert_int_equal(comment.state, table[i].state);
		assert_string_equal(comment.message, "the cause");
		assert_string_equal(comment.next, "do this");
		assert_string_equal(comment.stage, table[i].verb);
	}
}

static void a_failure_is_told_once(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = EDIT, .body = COMMENT },
		{ .on = "POST /repos/o/r/issues/12/reactions ", .status = 201, .body = "{}" },
	};
	const struct bl_err failure = { BL_ECAPACITY, "launch: no pool has any", "wait" };
	size_t len;

	(void)state;
	begin(replies, BL_COUNT(replies));
	setenv("GITHUB_ACTIONS", "true", 1);
	setenv("GITHUB_EVENT_NAME", "pull_request", 1);
	setenv("RUNNER_TEMP", folder, 1);
	tell_failure("launch", &failure); /* guard has accepted nothing */
	assert_int_equal(canned_requests(server), 0);
	put_text("branchline/guard.json", "{\"schema\":1,\"accepted\":true,\"sha\":\"" SHA
	                                  "\",\"pr\":12,\"comment_id\":77,\"key\":\"small\"}");
	put_text("branchline/run.json",
	         "{\"schema\":1,\"run\":\"20261124T080301Z-1a2b3c4d-q7xk\"}");
	tell_failure("launch", &failure);
	assert_non_null(strstr(canned_body(server, 0, &len), "Launch failed: no pool has any"));
	assert_non_null(strstr(canned_body(server, 0, &len), "20261124T080301Z-1a2b3c4d-q7xk"));
	assert_true(is_there("summary"));
	len = canned_requests(server);
	tell_failure("launch", &failure);
	assert_int_equal(canned_requests(server), len);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(a_failure_is_told_once), /* before anybody has a last word */
		FOLDER_TEST(it_edits_when_something_is_new),
		FOLDER_TEST(what_cannot_be_written_is_tried_seldom),
		FOLDER_TEST(without_anybody_nothing_is_asked),
		cmocka_unit_test(failures_have_their_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
