/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/guarded.h"
#include "actions/kept.h"
#include "actions/tell.h"
#include "codec/json.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHA "1234567890abcdef1234567890abcdef12345678"
#define MERGE "ffffffffffffffffffffffffffffffffffffffff"

/* A job of GitHub Actions about this event; ref NULL: none. */
static void set_event(const char *event, const char *ref)
{
	setenv("GITHUB_ACTIONS", "true", 1);
	setenv("GITHUB_EVENT_NAME", event, 1);
	setenv("GITHUB_SHA", MERGE, 1);
	setenv("RUNNER_TEMP", folder, 1);
	setenv("GITHUB_EVENT_PATH", folder_path("event.json"), 1);
	put_text("event.json", "{\"repository\":{\"default_branch\":\"main\"}}");
	if (ref)
		setenv("GITHUB_REF", ref, 1);
	else
		unsetenv("GITHUB_REF");
}

static void outside_of_a_workflow_nothing_is_known(void **state)
{
	struct guarded guarded = { .is_main = true };
	struct bl_err err = { 0 };

	(void)state;
	set_event("push", "refs/heads/main");
	unsetenv("GITHUB_ACTIONS");
	assert_int_equal(guarded_read(&guarded, &err), 0);
	assert_false(guarded.in_workflow || guarded.is_main || guarded.is_pull_request);
	assert_string_equal(guarded.sha, "");
}

static void the_default_branch_alone_is_main(void **state)
{
	static const struct {
		const char *event, *ref;
		bool is_main;
	} table[] = {
		{ "push", "refs/heads/main", true },
		{ "workflow_dispatch", "refs/heads/main", true },
		{ "schedule", "refs/heads/main", true },
		{ "push", "refs/heads/other", false },
		{ "push", "refs/heads/main2", false },
		{ "push", "refs/tags/main", false },
		{ "push", NULL, false },
		{ "issue_comment", "refs/heads/main", false },
		{ "workflow_run", "refs/heads/main", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct guarded guarded;
		struct bl_err err = { 0 };

		set_event(table[i].event, table[i].ref);
		if (guarded_read(&guarded, &err))
			fail_msg("%s", err.text);
		assert_true(guarded.in_workflow && !guarded.is_pull_request);
		if (guarded.is_main != table[i].is_main)
			fail_msg("%s of %s", table[i].event, table[i].ref ? table[i].ref : "none");
		assert_string_equal(guarded.sha, MERGE);
	}
}

static void a_pull_request_is_what_guard_accepted(void **state)
{
	static const char *const events[] = { "pull_request", "pull_request_target" };

	(void)state;
	put_text("branchline/guard.json", "{\"schema\":1,\"accepted\":true,\"sha\":\"" SHA "\"}");
	for (size_t i = 0; i < BL_COUNT(events); i++) {
		struct guarded guarded;
		struct bl_err err = { 0 };

		set_event(events[i], "refs/heads/main");
		assert_int_equal(guarded_read(&guarded, &err), 0);
		assert_true(guarded.is_pull_request && !guarded.is_main);
		assert_string_equal(guarded.sha, SHA);
	}
}

static void without_guard_there_is_no_pull_request(void **state)
{
	struct guarded guarded;
	struct bl_err err = { 0 };

	(void)state;
	set_event("pull_request", NULL);
	assert_int_equal(guarded_read(&guarded, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.next, "actions/guard"));
}

#define FULL                                                                                       \
	"{\"schema\":1,\"accepted\":true,\"launched\":true,\"event\":\"workflow_dispatch\","       \
	"\"sha\":\"" SHA "\",\"job\":\"big\",\"pr\":12,\"comment_id\":77,\"key\":\"big\","         \
	"\"label\":\"train:big\",\"labeller\":\"ann\",\"actor\":\"bob\",\"head_ref\":\"topic\","   \
	"\"base_ref\":\"main\",\"base_sha\":\"" MERGE "\",\"job_started_ms\":1796000000000}"

/* A dispatch may do without; what guard left counts. */
static void every_member_is_read(void **state)
{
	struct guarded guarded;
	struct bl_err err = { 0 };

	(void)state;
	set_event("workflow_dispatch", "refs/heads/main");
	assert_int_equal(guarded_read(&guarded, &err), 0);
	assert_true(guarded.is_main && !guarded.has_guard);
	assert_string_equal(guarded.sha, MERGE);
	put_text("branchline/guard.json", FULL);
	assert_int_equal(guarded_read(&guarded, &err), 0);
	assert_true(guarded.is_main && guarded.has_guard && !guarded.is_pull_request);
	assert_string_equal(guarded.sha, SHA);
	assert_string_equal(guarded.job, "big");
	assert_true(guarded.pr == 12 && guarded.comment_id == 77);
	assert_true(guarded.job_started_ms == 1796000000000);
	assert_string_equal(guarded.key, "big");
	assert_string_equal(guarded.label, "train:big");
	assert_string_equal(guarded.labeller, "ann");
	assert_string_equal(guarded.actor, "bob");
	assert_string_equal(guarded.head_ref, "topic");
	assert_string_equal(guarded.base_ref, "main");
	assert_string_equal(guarded.base_sha, MERGE);
}

/* A no counts for every event, and so does a document that was left by another one. */
static void no_event_gets_past_a_refusal(void **state)
{
	struct guarded guarded;
	struct bl_err err = { 0 };

	(void)state;
	set_event("workflow_dispatch", "refs/heads/main");
	put_text("branchline/guard.json", "{\"schema\":1,\"accepted\":false,\"reason\":\"no\"}");
	assert_int_equal(guarded_read(&guarded, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	bl_err_clear(&err);
	set_event("pull_request", NULL);
	put_text("branchline/guard.json", FULL);
	assert_int_equal(guarded_read(&guarded, &err), -1);
	assert_non_null(strstr(err.text, "another event"));
}

static void decisions_are_read(void **state)
{
	static const struct {
		const char *text, *why;
		enum bl_code code;
	} table[] = {
		{ "{\"accepted\":false,\"reason\":\"from a fork\"}", "from a fork", BL_EDENIED },
		{ "{\"sha\":\"" SHA "\"}", "did not accept", BL_EDENIED },
		{ "{\"accepted\":\"true\",\"sha\":\"" SHA "\"}", "did not accept", BL_EDENIED },
		{ "{\"accepted\":true,\"sha\":\"main\"}", "sha 'main'", BL_ECORRUPT },
		{ "{\"accepted\":true}", "sha ''", BL_ECORRUPT },
		{ "{\"accepted\":true,\"sha\":\"" SHA "0\"}", "sha is over 40", BL_ECORRUPT },
		{ "{\"accepted\":true,\"sha\":\"" SHA "\",\"base_sha\":\"x\"}", "base_sha 'x'",
		  BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct guarded guarded = { .sha = "kept" };
		struct bl_err err = { 0 };
		BL_VALUE doc = NULL;

		assert_int_equal(
			bl_json_parse(table[i].text, strlen(table[i].text), "t", &doc, &err), 0);
		assert_int_equal(guarded_decision(doc, "pull_request", &guarded, &err), -1);
		if (!strstr(err.text, table[i].why) || err.code != table[i].code)
			fail_msg("%s: %d %s", table[i].text, err.code, err.text);
		assert_string_equal(guarded.sha, "kept");
		assert_false(guarded.has_guard);
	}
}

static void what_is_no_document_is_refused(void **state)
{
	static const char *const table[] = { "x", "[]", "{\"schema\":2}" };
	struct guarded guarded;

	(void)state;
	set_event("pull_request", NULL);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };

		put_text("branchline/guard.json", table[i]);
		assert_int_equal(guarded_read(&guarded, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
	}
}

static void a_launch_is_remembered(void **state)
{
	static const struct told_run run = { "20261124T080301Z-1a2b3c4d-q7xk", "s3://bucket",
		                             "g6.xlarge spot us-east-1b", "big" };
	struct told_run back = { .run = "kept" };
	struct bl_err err = { 0 };

	(void)state;
	set_event("push", NULL);
	assert_int_equal(tell_run_read(&back, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_string_equal(back.run, "kept");
	bl_err_clear(&err);
	assert_int_equal(tell_run_write(&run, &err), 0);
	assert_int_equal(tell_run_read(&back, &err), 0);
	assert_memory_equal(back.place, run.place, strlen(run.place) + 1);
	assert_string_equal(back.run, run.run);
	assert_string_equal(back.store, run.store);
	assert_string_equal(back.job, run.job);
	put_text("branchline/run.json", "{\"schema\":1,\"run\":\"../x\"}");
	assert_int_equal(tell_run_read(&back, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	unsetenv("RUNNER_TEMP");
	bl_err_clear(&err);
	assert_int_equal(tell_run_write(&run, &err), 0);
	assert_int_equal(tell_run_read(&back, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static int story(struct bl_err *err)
{
	struct guarded guarded;

	return guarded_read(&guarded, err);
}

static int run_story(struct bl_err *err)
{
	struct told_run run = { .run = "20261124T080301Z-1a2b3c4d-q7xk" };

	return tell_run_write(&run, err) || tell_run_read(&run, err) ? -1 : 0;
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	put_text("branchline/guard.json", "{\"schema\":1,\"accepted\":true,\"sha\":\"" SHA "\"}");
	set_event("pull_request", NULL);
	each_allocation_fails(story, 200);
	set_event("push", "refs/heads/main");
	each_allocation_fails(story, 200);
	each_allocation_fails(run_story, 200);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(outside_of_a_workflow_nothing_is_known),
		IN_FOLDER(the_default_branch_alone_is_main),
		IN_FOLDER(a_pull_request_is_what_guard_accepted),
		IN_FOLDER(without_guard_there_is_no_pull_request),
		cmocka_unit_test(decisions_are_read),
		IN_FOLDER(every_member_is_read),
		IN_FOLDER(no_event_gets_past_a_refusal),
		IN_FOLDER(what_is_no_document_is_refused),
		IN_FOLDER(a_launch_is_remembered),
		IN_FOLDER(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
