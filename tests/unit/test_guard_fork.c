/* SPDX-License-Identifier: Apache-2.0 */
#include "run/guard_fork.h"

#include "codec/json.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"

static int read_event(const char *event, long long head, const char *sha, struct bl_guard_fork *out,
                      struct bl_err *err)
{
	char text[600];

	snprintf(
		text, sizeof(text),
		"{\"repository\":{\"id\":5},\"workflow_run\":{\"event\":\"%s\",\"head_sha\":\"%s\","
		"\"head_branch\":\"a/b&c=d\",\"head_repository\":{\"id\":%lld,\"owner\":{\"login\":"
		"\"mallory\"}}}}",
		event, sha, head);
	return bl_guard_fork_read(text, strlen(text), out, err);
}

static void a_forks_run_is_recognised(void **state)
{
	BL_AUTO(bl_buf) path = BL_BUF(1000);
	struct bl_guard_fork fork;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(read_event("pull_request", 6, HEAD, &fork, &err), 0);
	assert_true(fork.is_fork);
	bl_guard_fork_path(&fork, &path);
	assert_string_equal(bl_buf_text(&path),
	                    "pulls?state=open&per_page=100&head=mallory%3Aa%2Fb%26c%3Dd");
}

static void others_runs_are_none_of_its_business(void **state)
{
	struct bl_guard_fork fork;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(read_event("pull_request", 5, HEAD, &fork, &err), 0);
	assert_false(fork.is_fork); /* the repository's own */
	assert_int_equal(read_event("push", 6, HEAD, &fork, &err), 0);
	assert_false(fork.is_fork);
	assert_int_equal(read_event("pull_request_target", 6, HEAD, &fork, &err), 0);
	assert_false(fork.is_fork);
	assert_int_equal(read_event("pull_request", 0, HEAD, &fork, &err), 0);
	assert_false(fork.is_fork); /* gone */
}

static void an_event_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = { "{", "[]", "{}", "{\"workflow_run\":{}}",
		                             "{\"repository\":{\"id\":5}}" };
	struct bl_guard_fork fork = { .branch = "untouched" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(texts); i++) {
		struct bl_err err = { 0 };

		assert_int_equal(bl_guard_fork_read(texts[i], strlen(texts[i]), &fork, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
	}
	struct bl_err err = { 0 };

	assert_int_equal(read_event("pull_request", 6, "$(id)", &fork, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(fork.branch, "untouched");
}

static bool is_it(const char *labels, long long head, const char *sha, struct bl_guard_event *event)
{
	struct bl_guard_fork fork;
	struct bl_err err = { 0 };
	BL_VALUE pull = NULL;
	char text[600];

	assert_int_equal(read_event("pull_request", 6, HEAD, &fork, &err), 0);
	snprintf(text, sizeof(text),
	         "{\"number\":12,\"labels\":%s,\"head\":{\"sha\":\"%s\",\"repo\":{\"id\":%lld}}}",
	         labels, sha, head);
	assert_int_equal(bl_json_parse(text, strlen(text), "pull", &pull, &err), 0);
	return bl_guard_fork_event(&fork, pull, "train", event);
}

static void its_pull_request_gets_guards_own_answer(void **state)
{
	const struct bl_guard_rules rules = { .label = "train", .job = "" };
	struct bl_guard_event event;
	struct bl_guard guard;

	(void)state;
	assert_true(is_it("[{\"name\":\"bug\"},{\"name\":\"train:big\"}]", 6, HEAD, &event));
	assert_true(is_it("[{\"name\":\"Train\"}]", 6, HEAD, &event)); /* the same, to GitHub */
	assert_true(is_it("[{\"name\":\"train\"},{\"name\":\"train:big\"}]", 6, HEAD, &event));
	assert_int_equal(event.pr, 12);
	bl_guard_decide(&event, &rules, NULL, &guard);
	assert_int_equal(guard.verdict, BL_GUARD_REFUSE);
	assert_true(guard.is_fork);
	assert_non_null(strstr(guard.reason, "forks cannot train"));
}

static void another_pull_request_gets_none(void **state)
{
	static const char other[] = "2a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d";
	struct bl_guard_event event;

	(void)state;
	assert_false(is_it("[{\"name\":\"bug\"},{\"name\":\"training\"}]", 6, HEAD, &event));
	assert_false(is_it("[]", 6, HEAD, &event));
	assert_false(is_it("null", 6, HEAD, &event));
	assert_false(is_it("[{\"name\":\"train\"}]", 7, HEAD, &event));  /* another fork */
	assert_false(is_it("[{\"name\":\"train\"}]", 6, other, &event)); /* moved on */
}

static int reads(struct bl_err *err)
{
	struct bl_guard_fork fork;

	return read_event("pull_request", 6, HEAD, &fork, err);
}

static void memory_runs_out(void **state)
{
	(void)state;
	each_allocation_fails(reads, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forks_run_is_recognised),
		cmocka_unit_test(others_runs_are_none_of_its_business),
		cmocka_unit_test(an_event_that_is_none_is_refused),
		cmocka_unit_test(its_pull_request_gets_guards_own_answer),
		cmocka_unit_test(another_pull_request_gets_none),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
