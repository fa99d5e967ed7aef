/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/guarded.h"

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

static void decisions_are_read(void **state)
{
	static const struct {
		const char *text, *why;
		enum bl_code code;
	} table[] = {
		{ "{\"schema\":1,\"accepted\":false,\"reason\":\"from a fork\"}", "from a fork",
		  BL_EDENIED },
		{ "{\"schema\":1,\"sha\":\"" SHA "\"}", "did not accept", BL_EDENIED },
		{ "{\"schema\":1,\"accepted\":\"true\",\"sha\":\"" SHA "\"}", "did not accept",
		  BL_EDENIED },
		{ "{\"schema\":1,\"accepted\":true,\"sha\":\"main\"}", "sha 'main'", BL_ECORRUPT },
		{ "{\"schema\":1,\"accepted\":true}", "sha ''", BL_ECORRUPT },
		{ "{\"schema\":2,\"accepted\":true,\"sha\":\"" SHA "\"}", "schema", BL_ECORRUPT },
		{ "x", "guard.json", BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };
		char sha[41] = "kept";

		assert_int_equal(guarded_decision(table[i].text, strlen(table[i].text), sha, &err),
		                 -1);
		if (!strstr(err.text, table[i].why) || err.code != table[i].code)
			fail_msg("%s: %d %s", table[i].text, err.code, err.text);
		assert_string_equal(sha, "kept");
	}
}

static int story(struct bl_err *err)
{
	struct guarded guarded;

	return guarded_read(&guarded, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	put_text("branchline/guard.json", "{\"schema\":1,\"accepted\":true,\"sha\":\"" SHA "\"}");
	set_event("pull_request", NULL);
	each_allocation_fails(story, 200);
	set_event("push", "refs/heads/main");
	each_allocation_fails(story, 200);
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
		IN_FOLDER(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
