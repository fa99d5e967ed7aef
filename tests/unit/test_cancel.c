/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cancel/cancel.h"
#include "codec/json.h"
#include "run/cancel.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define URL "https://github.com/o/r/actions/runs/7"

/* --- in the store ----------------------------------------------------------------------------- */

static const struct bl_run a_run = { .id = RUN, .retries = 3, .max_runtime_ms = 60000 };

static void claim(struct bl_store *store, unsigned attempt)
{
	struct bl_err err = { 0 };
	struct bl_claim mine;

	must(bl_claim_make_instance(RUN, attempt, &mine, &err), &err);
	must(bl_claim_create(store, RUN, &mine, NULL, &err), &err);
}

static void a_run_is_cancelled_once(void **state)
{
	struct bl_outcome outcome, again;
	struct bl_attempts attempts;
	struct bl_err err = { 0 };

	claim(*state, 1);
	must(bl_cancel_run(*state, &a_run, "ada", "the label was removed", &outcome, &err), &err);
	assert_int_equal(outcome.result.class, BL_CLASS_CANCELLED);
	assert_string_equal(outcome.result.message, "the label was removed");
	must(bl_attempts_read(*state, RUN, &attempts, &err), &err);
	assert_true(attempts.stop_wanted && attempts.newest_ended && attempts.has_outcome);
	must(bl_cancel_run(*state, &a_run, "bob", "again", &again, &err), &err);
	assert_string_equal(again.nonce, outcome.nonce);
}

static void what_nobody_claimed_and_what_was_interrupted_is_cancelled(void **state)
{
	struct bl_end end = { .attempt = 1,
		              .by = "host",
		              .nonce = "aaaaaaaaaaaaaaaa",
		              .last_step = __builtin_nan(""),
		              .result = { .status = BL_STATUS_INTERRUPTED,
		                          .class = BL_CLASS_INTERRUPTED } };
	struct bl_outcome outcome;
	struct bl_err err = { 0 };

	claim(*state, 1);
	must(bl_end_create(*state, RUN, &end, NULL, &err), &err);
	must(bl_cancel_run(*state, &a_run, "", "closed", &outcome, &err), &err);
	assert_int_equal(outcome.result.status, BL_STATUS_CANCELLED);
}

static void a_success_that_was_first_stands(void **state)
{
	struct bl_end end = { .attempt = 1,
		              .by = "host",
		              .nonce = "aaaaaaaaaaaaaaaa",
		              .last_step = __builtin_nan(""),
		              .result = { .status = BL_STATUS_SUCCESS } };
	struct bl_outcome outcome;
	struct bl_err err = { 0 };

	claim(*state, 1);
	must(bl_end_create(*state, RUN, &end, NULL, &err), &err);
	must(bl_cancel_run(*state, &a_run, "", "closed", &outcome, &err), &err);
	assert_int_equal(outcome.result.status, BL_STATUS_SUCCESS);
}

static struct bl_store *story_store;

static int story(struct bl_err *err)
{
	struct bl_outcome outcome;

	return bl_cancel_run(story_store, &a_run, "", "x", &outcome, err);
}

static void allocations_fail_cleanly(void **state)
{
	story_store = *state;
	claim(*state, 1);
	each_allocation_fails(story, 4000);
}

/* --- what is meant ---------------------------------------------------------------------------- */

#define PULL "\"pull_request\":{\"number\":12,\"head\":{\"sha\":\"1a2b\"}}"

static const struct decision {
	struct cancel_asked asked;
	const char *event;
	bool in_workflow;
	int scope; /* -1: refused */
	int64_t pr;
	const char *job, *head, *why;
} decisions[] = {
	{ { .named = true }, NULL, false, CANCEL_RUN, 0, "", "", "cancelled on request" },
	{ { .all = true }, NULL, false, CANCEL_REPOSITORY, 0, "", "", "cancelled on request" },
	{ { .pr = 3, .job = "big" },
	  NULL,
	  false,
	  CANCEL_PULL,
	  3,
	  "big",
	  "",
	  "cancelled on request" },
	{ { 0 }, NULL, false, -1, 0, "", "", "" },
	{ { .named = true, .all = true }, NULL, false, -1, 0, "", "", "" },
	{ { .scope = "everything" }, NULL, true, -1, 0, "", "", "" },
	{ { 0 }, NULL, true, CANCEL_JOB, 0, "", "", "the workflow was cancelled" },
	{ { 0 },
	  "{\"action\":\"labeled\"," PULL "}",
	  true,
	  CANCEL_JOB,
	  12,
	  "",
	  "",
	  "the workflow was cancelled" },
	{ { .scope = "pull-request" }, "{}", true, -1, 0, "", "", "" },
	{ { .scope = "pull-request" },
	  "{\"action\":\"closed\"," PULL "}",
	  true,
	  CANCEL_PULL,
	  12,
	  "",
	  "",
	  "the pull request was closed" },
	{ { .scope = "pull-request" },
	  "{\"action\":\"synchronize\"," PULL "}",
	  true,
	  CANCEL_PULL,
	  12,
	  "",
	  "1a2b",
	  "a new commit was pushed" },
	{ { .scope = "pull-request" },
	  "{\"action\":\"unlabeled\",\"label\":{\"name\":\"train:big\"}," PULL "}",
	  true,
	  CANCEL_PULL,
	  12,
	  "big",
	  "",
	  "the label was removed" },
	{ { .scope = "pull-request" },
	  "{\"action\":\"unlabeled\",\"label\":{\"name\":\"train\"}," PULL "}",
	  true,
	  CANCEL_PULL,
	  12,
	  "",
	  "",
	  "the label was removed" },
};

static void what_is_asked_and_the_event_decide(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(decisions); i++) {
		const struct decision *row = &decisions[i];
		struct cancel_what what;
		struct bl_err err = { 0 };
		BL_VALUE event = NULL;
		int rc;

		if (row->event)
			must(bl_json_parse(row->event, strlen(row->event), "event", &event, &err),
			     &err);
		rc = cancel_decide(&row->asked, event, row->in_workflow, &what, &err);
		if (row->scope < 0) {
			assert_int_equal(rc, -1);
			assert_int_equal(err.code, BL_EINPUT);
			continue;
		}
		must(rc, &err);
		assert_int_equal(what.scope, row->scope);
		assert_int_equal(what.pr, row->pr);
		assert_string_equal(what.job, row->job);
		assert_string_equal(what.head, row->head);
		assert_string_equal(what.why, row->why);
	}
}

static void only_what_is_meant_ends(void **state)
{
	static const char text[] = "{\"actions\":{\"url\":\"" URL "\"}}";
	struct cancel_what what = { .scope = CANCEL_PULL, .pr = 12 };
	struct bl_run run = { .id = RUN, .job = "big", .head = "1a2b", .pr = 12 };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_json_parse(text, strlen(text), "run", &run.doc, &err), &err);
	assert_true(cancel_is_meant(&what, &run, ""));
	run.pr = 13;
	assert_false(cancel_is_meant(&what, &run, ""));
	what.scope = CANCEL_REPOSITORY;
	assert_true(cancel_is_meant(&what, &run, ""));
	snprintf(what.job, sizeof(what.job), "small");
	assert_false(cancel_is_meant(&what, &run, ""));
	what.job[0] = '\0';
	snprintf(what.head, sizeof(what.head), "1a2b"); /* the commit that was just pushed */
	assert_false(cancel_is_meant(&what, &run, ""));
	what.head[0] = '\0';
	what.scope = CANCEL_JOB;
	assert_true(cancel_is_meant(&what, &run, URL));
	assert_false(cancel_is_meant(&what, &run, URL "7"));
	assert_false(cancel_is_meant(&what, &run, ""));
	bl_run_done(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_run_is_cancelled_once),
		IN_SCRATCH(what_nobody_claimed_and_what_was_interrupted_is_cancelled),
		IN_SCRATCH(a_success_that_was_first_stands),
		IN_SCRATCH(allocations_fail_cleanly),
		cmocka_unit_test(what_is_asked_and_the_event_decide),
		cmocka_unit_test(only_what_is_meant_ends),
	};

	return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
