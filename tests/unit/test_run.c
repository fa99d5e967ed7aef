/* SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include "base/clock.h"
#include "run/attempt.h"
#include "run/heartbeat.h"
#include "run/store_warm.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OLD "20261123T080301Z-1a2b3c4d-aaaa"
#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define NEW "20261125T080301Z-5e6f7081-bbbb"
#define HEAD "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
#define TREE "ffffffffffffffffffffffffffffffffffffffff"

static void run_json_is_read(void **state)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_err err = { 0 };

	put_run(*state, &(struct fixture_run){ .id = RUN,
	                                       .branch = "feature/x",
	                                       .head = HEAD,
	                                       .tree = TREE,
	                                       .pr = 12,
	                                       .dirty = true,
	                                       .overrides = "[\"hyperparameters.lr\"]" });
	must(bl_run_read(*state, RUN, &run, &err), &err);
	assert_string_equal(run.id, RUN);
	assert_string_equal(run.kind, "local");
	assert_string_equal(run.job, "train");
	assert_string_equal(run.group, "");
	assert_string_equal(run.branch, "feature/x");
	assert_string_equal(run.head, HEAD);
	assert_string_equal(run.tree, TREE);
	assert_string_equal(run.patch_key, "");
	assert_string_equal(run.primary, "loss");
	assert_int_equal(run.pr, 12);
	assert_true(run.dirty);
	assert_int_equal(run.retries, 3);
	assert_int_equal(run.max_runtime_ms, 60000);
	assert_int_equal(run.grace_ms, 1000);
	assert_true(run.max_cost_usd == 10);
	assert_int_equal(run.overrides->n, 1);
	assert_int_equal(run.parents->n, 0);
	assert_null(run.channels);
	assert_true(bl_value_real_or(run.hyperparameters, "lr", 0) == 0.1);
}

static void bad_runs_are_named(void **state)
{
	static const struct {
		const char *id, *text;
		enum bl_code code;
	} cases[] = {
		{ RUN, NULL, BL_ENOENT },
		{ "latest", NULL, BL_ENOENT },
		{ "../../etc", NULL, BL_ENOENT },
		{ RUN, "{\"schema\":1}", BL_ECORRUPT },
		{ RUN, "{\"schema\":2,\"run\":\"" RUN "\",\"created_ms\":1}", BL_ECORRUPT },
		{ RUN, "{\"schema\":1,\"run\":\"" OLD "\",\"created_ms\":1}", BL_ECORRUPT },
		{ RUN, "{\"schema\":1,\"run\":\"" RUN "\",\"created_ms\":\"1\"}", BL_ECORRUPT },
		{ RUN, "[]", BL_ECORRUPT },
	};

	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_run) run = { 0 };
		struct bl_err err = { 0 };

		if (cases[i].text)
			put_object(*state, "runs/" RUN "/run.json", cases[i].text);
		assert_int_equal(bl_run_read(*state, cases[i].id, &run, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_null(run.doc);
	}
}

static void ids_come_newest_first(void **state)
{
	BL_AUTO(bl_run_ids) none = { 0 };
	BL_AUTO(bl_run_ids) list = { 0 };
	struct bl_err err = { 0 };

	must(bl_run_ids_read(*state, &none, &err), &err);
	assert_int_equal(none.n, 0);
	put_run(*state, &(struct fixture_run){ .id = RUN });
	put_run(*state, &(struct fixture_run){ .id = NEW });
	put_run(*state, &(struct fixture_run){ .id = OLD });
	put_object(*state, "runs/notes", "not a run");
	put_object(*state, "runs/20261124T080301Z-1a2b3c4d-0000/x", "no id");
	put_object(*state, "index/a/b", "");
	must(bl_run_ids_read(*state, &list, &err), &err);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.ids[0], NEW);
	assert_string_equal(list.ids[1], RUN);
	assert_string_equal(list.ids[2], OLD);
}

/* Of the second and the third, so that a wrong place shows. */
static void documents_are_fetched_for_a_part_of_the_list(void **state)
{
	static const char *const wanted[] = { "SUCCESS", "log.txt" };
	static const char *const ids[] = { NEW, RUN, OLD };
	BL_AUTO(bl_run_ids) list = { 0 };
	BL_STORE warm = NULL;
	struct bl_err err = { 0 };

	for (size_t i = 0; i < BL_COUNT(ids); i++) {
		put_object(*state, bl_key_run(ids[i], "SUCCESS").text, "before");
		put_object(*state, bl_key_run(ids[i], "log.txt").text, "before");
	}
	must(bl_run_ids_read(*state, &list, &err), &err);
	must(bl_store_warm_open(*state, &warm, &err), &err);
	must(bl_run_ids_fetch(warm, &list, 1, 2, wanted, BL_COUNT(wanted), &err), &err);
	for (size_t i = 0; i < BL_COUNT(ids); i++) {
		put_object(*state, bl_key_run(ids[i], "SUCCESS").text, "after");
		put_object(*state, bl_key_run(ids[i], "log.txt").text, "after");
		assert_object(warm, bl_key_run(ids[i], "SUCCESS").text, i ? "before" : "after");
		assert_object(warm, bl_key_run(ids[i], "log.txt").text, i ? "before" : "after");
	}
}

/* --- states ----------------------------------------------------------------------------------- */

static void claim_as(struct bl_store *store, int64_t pid, uint64_t pidns)
{
	struct bl_claim claim;
	struct bl_err err = { 0 };

	must(bl_claim_make(1, &claim, &err), &err);
	claim.owner.pid = pid;
	if (pidns) {
		/* on a machine that we cannot look into */
		claim.owner.pidns = pidns;
		snprintf(claim.owner.machine_id, sizeof(claim.owner.machine_id), "other");
		snprintf(claim.owner.boot_id, sizeof(claim.owner.boot_id), "other");
	}
	must(bl_claim_create(store, RUN, &claim, NULL, &err), &err);
}

static void beat_at(struct bl_store *store, int64_t at_ms)
{
	struct bl_heartbeat beat;
	struct bl_err err = { 0 };

	bl_heartbeat_init(&beat, 1);
	beat.seq = 1;
	beat.at_ms = at_ms;
	beat.step = 12;
	beat.total_steps = 20;
	snprintf(beat.phase, sizeof(beat.phase), "training");
	beat.n_metrics = 2;
	snprintf(beat.metrics[0].name, 64, "lr");
	snprintf(beat.metrics[1].name, 64, "loss");
	beat.metrics[1].value = 1.5;
	must(bl_heartbeat_write(store, RUN, &beat, &err), &err);
}

static void assert_state(struct bl_store *store, enum bl_run_state state, const char *word)
{
	struct bl_run_summary got;
	struct bl_err err = { 0 };

	must(bl_run_summarise(store, RUN, &got, &err), &err);
	assert_string_equal(got.word, word);
	assert_int_equal(got.state, state);
}

static void end_with(struct bl_store *store, enum bl_class class)
{
	struct bl_end end = {
		.attempt = 1, .by = "host", .nonce = "a", .finished_at_ms = 5, .last_step = NAN
	};
	struct bl_err err = { 0 };

	end.result.class = class;
	end.result.status = bl_class_status(class);
	must(bl_end_create(store, RUN, &end, NULL, &err), &err);
}

static void a_run_before_its_claim_is_pending(void **state)
{
	put_run(*state, &(struct fixture_run){ .id = RUN });
	assert_state(*state, BL_RUN_PENDING, "pending");
}

static void a_live_run_is_running(void **state)
{
	struct bl_run_summary got;
	struct bl_err err = { 0 };

	put_run(*state, &(struct fixture_run){ .id = RUN, .branch = "b", .head = HEAD });
	claim_as(*state, getpid(), 0);
	assert_state(*state, BL_RUN_RUNNING, "running");
	beat_at(*state, 1234);
	must(bl_run_summarise(*state, RUN, &got, &err), &err);
	assert_int_equal(got.attempt, 1);
	assert_string_equal(got.phase, "training");
	assert_string_equal(got.branch, "b");
	assert_string_equal(got.sha, HEAD);
	assert_string_equal(got.primary, "loss");
	assert_true(got.primary_value == 1.5 && got.step == 12 && got.total_steps == 20);
	assert_true(isnan(got.cost_usd));
	assert_int_equal(got.seen_ms, 1234);
	assert_int_equal(got.finished_ms, 0);
	must(bl_stop_ask(*state, RUN, "cancelled", "me", &err), &err);
	assert_state(*state, BL_RUN_STOPPING, "stopping");
}

static void a_dead_owner_leaves_a_resumable_run(void **state)
{
	put_run(*state, &(struct fixture_run){ .id = RUN });
	claim_as(*state, INT32_MAX, 0);
	assert_state(*state, BL_RUN_RESUMABLE, "interrupted (resumable)");
}

static void an_owner_elsewhere_is_known_by_its_heartbeat(void **state)
{
	put_run(*state, &(struct fixture_run){ .id = RUN });
	claim_as(*state, 1, 99);
	assert_state(*state, BL_RUN_RUNNING, "running");
	beat_at(*state, bl_wall_ms());
	assert_state(*state, BL_RUN_RUNNING, "running");
	beat_at(*state, bl_wall_ms() - 2 * BL_HEARTBEAT_MS * BL_HEARTBEATS_TO_DEATH);
	assert_state(*state, BL_RUN_SILENT, "silent");
}

static void an_end_without_outcome(void **state)
{
	put_run(*state, &(struct fixture_run){ .id = RUN });
	claim_as(*state, getpid(), 0);
	end_with(*state, BL_CLASS_STORAGE);
	assert_state(*state, BL_RUN_RESUMABLE, "interrupted (resumable)");
}

static void a_final_end_decides(void **state)
{
	put_run(*state, &(struct fixture_run){ .id = RUN });
	claim_as(*state, getpid(), 0);
	end_with(*state, BL_CLASS_CUDA_OOM);
	assert_state(*state, BL_RUN_ENDED, "failure");
}

static void an_outcome_is_the_truth(void **state)
{
	struct bl_outcome outcome = { .attempt = 1, .finished_at_ms = 99, .nonce = "a" }, winner;
	struct bl_run_summary got;
	struct bl_err err = { 0 };

	put_run(*state, &(struct fixture_run){ .id = RUN });
	claim_as(*state, getpid(), 0);
	outcome.result.status = BL_STATUS_INTERRUPTED;
	outcome.result.class = BL_CLASS_LOST;
	snprintf(outcome.result.message, 512, "why");
	must(bl_outcome_settle(*state, RUN, &outcome, &winner, &err), &err);
	must(bl_run_summarise(*state, RUN, &got, &err), &err);
	assert_int_equal(got.state, BL_RUN_ENDED);
	assert_string_equal(got.word, "interrupted");
	assert_string_equal(got.class, "lost");
	assert_string_equal(got.message, "why");
	assert_int_equal(got.finished_ms, 99);
	assert_int_equal(got.seen_ms, 99);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void assert_runs(struct bl_store *store, struct bl_runs_filter filter, const char *want)
{
	BL_AUTO(bl_runs) runs = { 0 };
	BL_AUTO(bl_buf) got = BL_BUF(1000);
	struct bl_err err = { 0 };

	must(bl_runs_list(store, &filter, &runs, &err), &err);
	for (size_t i = 0; i < runs.n; i++)
		bl_buf_addf(&got, "%s ", runs.runs[i].id + 26);
	assert_string_equal(bl_buf_text(&got), want);
}

static void runs_are_filtered(void **state)
{
	struct bl_outcome outcome = { .attempt = 1, .nonce = "a" }, winner;
	struct bl_err err = { 0 };

	assert_runs(*state, (struct bl_runs_filter){ 0 }, "");
	put_run(*state, &(struct fixture_run){ .id = OLD, .branch = "main", .job = "eval" });
	put_run(*state, &(struct fixture_run){ .id = RUN, .branch = "x", .pr = 3 });
	put_run(*state, &(struct fixture_run){ .id = NEW, .repository = "other" });
	must(bl_outcome_settle(*state, NEW, &outcome, &winner, &err), &err);
	assert_runs(*state, (struct bl_runs_filter){ 0 }, "bbbb q7xk aaaa ");
	assert_runs(*state, (struct bl_runs_filter){ .limit = 2 }, "bbbb q7xk ");
	assert_runs(*state, (struct bl_runs_filter){ .branch = "x", .job = "" }, "q7xk ");
	assert_runs(*state, (struct bl_runs_filter){ .job = "eval", .limit = 1 }, "aaaa ");
	assert_runs(*state, (struct bl_runs_filter){ .pr = 3 }, "q7xk ");
	assert_runs(*state, (struct bl_runs_filter){ .repository_key = "other" }, "bbbb ");
	assert_runs(*state, (struct bl_runs_filter){ .live = true }, "q7xk aaaa ");
	assert_runs(*state, (struct bl_runs_filter){ .branch = "none" }, "");
}

static void runs_of_one_second_are_in_order(void **state)
{
	put_run(*state, &(struct fixture_run){ .id = "20261124T080301Z-1a2b3c4d-aaaa", .ms = 900 });
	put_run(*state, &(struct fixture_run){ .id = "20261124T080301Z-1a2b3c4d-zzzz", .ms = 100 });
	assert_runs(*state, (struct bl_runs_filter){ 0 }, "aaaa zzzz ");
}

static void one_torn_run_hides_no_other(void **state)
{
	BL_AUTO(bl_runs) runs = { 0 };
	struct bl_runs_filter all = { 0 };
	struct bl_err err = { 0 };

	put_run(*state, &(struct fixture_run){ .id = OLD });
	put_object(*state, "runs/" RUN "/run.json", "{\"schema\":1,\"ru");
	put_object(*state, "runs/" NEW "/patch.diff", "its run.json is still to come");
	must(bl_runs_list(*state, &all, &runs, &err), &err);
	assert_int_equal(err.code, BL_OK);
	assert_int_equal(runs.n, 1);
	assert_string_equal(runs.runs[0].id, OLD);
	assert_int_equal(runs.unreadable, 1);
}

static struct bl_store *shared;

static int everything(struct bl_err *err)
{
	struct bl_runs_filter all = { 0 };
	struct bl_run_summary summary;
	BL_AUTO(bl_run) run = { 0 };
	BL_AUTO(bl_run_ids) ids = { 0 };
	BL_AUTO(bl_runs) runs = { 0 };

	if (bl_run_read(shared, RUN, &run, err) || bl_run_ids_read(shared, &ids, err) ||
	    bl_run_summarise(shared, RUN, &summary, err) || bl_runs_list(shared, &all, &runs, err))
		return -1;
	return runs.n == 1 ? 0 : bl_fail(err, BL_EBUG, "%zu runs", runs.n);
}

static void each_allocation(void **state)
{
	shared = *state;
	put_run(*state, &(struct fixture_run){ .id = RUN });
	claim_as(*state, getpid(), 0);
	beat_at(*state, 1);
	each_allocation_fails(everything, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(run_json_is_read),
		IN_SCRATCH(bad_runs_are_named),
		IN_SCRATCH(ids_come_newest_first),
		IN_SCRATCH(documents_are_fetched_for_a_part_of_the_list),
		IN_SCRATCH(a_run_before_its_claim_is_pending),
		IN_SCRATCH(a_live_run_is_running),
		IN_SCRATCH(a_dead_owner_leaves_a_resumable_run),
		IN_SCRATCH(an_owner_elsewhere_is_known_by_its_heartbeat),
		IN_SCRATCH(an_end_without_outcome),
		IN_SCRATCH(a_final_end_decides),
		IN_SCRATCH(an_outcome_is_the_truth),
		IN_SCRATCH(runs_are_filtered),
		IN_SCRATCH(runs_of_one_second_are_in_order),
		IN_SCRATCH(one_torn_run_hides_no_other),
		IN_SCRATCH(each_allocation),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
