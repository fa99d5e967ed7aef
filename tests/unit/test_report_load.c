/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt.h"
#include "run/index.h"
#include "run/report.h"
#include "run/stream.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAIN "20261122T080301Z-1a2b3c4d-aaaa"
#define OLDER "20261123T080301Z-1a2b3c4d-bbbb"
#define OTHER "20261123T090301Z-1a2b3c4d-cccc"
#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define LATER "20261125T080301Z-1a2b3c4d-dddd"

/* A run of this branch with one metric and its end. */
static void make_run(struct bl_store *store, const char *id, const char *branch, double loss,
                     enum bl_status status)
{
	struct bl_claim claim = { 0 };
	struct bl_outcome outcome = { .result = { .status = status, .class = BL_CLASS_USER_EXIT },
		                      .attempt = 1,
		                      .finished_at_ms = bl_run_id_wall_ms(id) + 60000,
		                      .nonce = "abcdefgh234567yy" };
	struct bl_outcome winner;
	struct bl_err err = { 0 };
	struct bl_key key;
	char line[200];

	if (status == BL_STATUS_SUCCESS)
		outcome.result.class = BL_CLASS_NONE;
	put_run(store, &(struct fixture_run){ .id = id, .branch = branch, .tree = id });
	must(bl_claim_make(1, &claim, &err), &err);
	must(bl_claim_create(store, id, &claim, NULL, &err), &err);
	key = bl_stream_key(id, BL_STREAM_METRICS, 1, 0);
	snprintf(line, sizeof(line), "{\"attempt\":1,\"step\":1,\"values\":{\"loss\":%g}}\n", loss);
	put_object(store, key.text, line);
	key = bl_stream_key(id, BL_STREAM_LOG, 1, 0);
	put_object(store, key.text, "first\n\x1b[32mgreen\x1b[0m\r\n 10%\r 55%\r100%\nlast \xff");
	must(bl_outcome_settle(store, id, &outcome, &winner, &err), &err);
}

static void make_baseline(struct bl_store *store)
{
	struct bl_outcome outcome;
	BL_AUTO(bl_run) run = { 0 };
	struct bl_err err = { 0 };
	bool updated;

	make_run(store, MAIN, "main", 3, BL_STATUS_SUCCESS);
	must(bl_run_read(store, MAIN, &run, &err), &err);
	must(bl_outcome_read(store, MAIN, &outcome, &err), &err);
	must(bl_index_update(store, &run, &outcome, &updated, &err), &err);
	assert_true(updated);
}

static void make_history(struct bl_store *store)
{
	make_baseline(store);
	make_run(store, OLDER, "feature", 2, BL_STATUS_SUCCESS);
	make_run(store, OTHER, "feature", 9, BL_STATUS_FAILURE);
	make_run(store, RUN, "feature", 1, BL_STATUS_SUCCESS);
	make_run(store, LATER, "feature", 0.5, BL_STATUS_SUCCESS);
}

static void a_report_finds_what_to_compare_with(void **state)
{
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };

	make_history(*state);
	must(bl_report_build(*state, RUN, NULL, NULL, NULL, &report, &err), &err);
	assert_string_equal(report.baseline.run, MAIN);
	assert_string_equal(report.previous.run, OLDER); /* not the failure, not the later one */
	assert_int_equal(report.history.n, 3);
	assert_true(report.history.newer);
	assert_string_equal(report.history.runs[0].id, LATER);
	assert_string_equal(report.why, "run aaaa, the newest of main");
	assert_string_equal(report.baseline_name, "main");
	assert_string_equal(report.previous_name, "run bbbb");
	assert_string_equal(report.verdict,
	                    "Training finished: loss 1, better than main by 2 (66.7 %)");
	assert_int_equal(report.now.ended_ms - report.now.started_ms, 60000);
	assert_string_equal(bl_pairs_find(&report.now.params, "lr"), "0.1");
}

static void names_given_stand(void **state)
{
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };

	make_history(*state);
	must(bl_report_build(*state, RUN, LATER, LATER, NULL, &report, &err), &err);
	assert_string_equal(report.baseline.run, LATER);
	assert_false(report.previous.present); /* the same run twice tells nothing */
	assert_int_equal(report.rows[0].word, BL_CHANGE_WORSE);
}

static void a_run_alone_has_nothing_beside_it(void **state)
{
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };

	make_run(*state, RUN, "feature", 1, BL_STATUS_FAILURE);
	must(bl_report_build(*state, RUN, NULL, NULL, NULL, &report, &err), &err);
	assert_null(bl_report_reference(&report));
	assert_int_equal(report.mood, BL_MOOD_BAD);
}

static void a_removed_baseline_costs_the_comparison_only(void **state)
{
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };
	struct bl_key key = bl_key_run(MAIN, "run.json");

	make_history(*state);
	must(bl_store_delete(*state, NULL, key.text, &err), &err);
	must(bl_report_build(*state, RUN, NULL, NULL, NULL, &report, &err), &err);
	assert_false(report.baseline.present);
	assert_string_equal(report.previous.run, OLDER);
}

static void what_is_not_there_is_said(void **state)
{
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };

	make_history(*state);
	assert_int_equal(bl_report_build(*state, RUN, "20200101T000000Z-00000000-aaaa", NULL, NULL,
	                                 &report, &err),
	                 -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	assert_int_equal(bl_report_build(*state, "20200101T000000Z-00000000-aaaa", NULL, NULL, NULL,
	                                 &report, &err),
	                 -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_false(report.now.present);
}

static void the_log_is_what_a_person_saw(void **state)
{
	BL_AUTO(bl_side) side = { 0 };
	struct bl_err err = { 0 };

	make_run(*state, RUN, "main", 1, BL_STATUS_SUCCESS);
	must(bl_side_read(*state, RUN, &side, &err), &err);
	assert_string_equal(side.log, "first\ngreen\n100%\nlast \xef\xbf\xbd\n");
}

static struct bl_store *shared;

static int build(struct bl_err *err)
{
	struct bl_report report = { 0 };
	int got = bl_report_build(shared, RUN, NULL, NULL, NULL, &report, err);

	bl_report_done(&report);
	return got;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	shared = *state;
	make_baseline(shared);
	make_run(shared, RUN, "feature", 1, BL_STATUS_SUCCESS);
	each_allocation_fails(build, 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_report_finds_what_to_compare_with),
		IN_SCRATCH(names_given_stand),
		IN_SCRATCH(a_run_alone_has_nothing_beside_it),
		IN_SCRATCH(a_removed_baseline_costs_the_comparison_only),
		IN_SCRATCH(what_is_not_there_is_said),
		IN_SCRATCH(the_log_is_what_a_person_saw),
		IN_SCRATCH(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("report load", tests, NULL, NULL);
}
