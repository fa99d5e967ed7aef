/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt.h"
#include "run/heartbeat.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define KEY(tail) "runs/" RUN "/" tail

/* --- heartbeats ------------------------------------------------------------------------------- */

static void fill(struct bl_heartbeat *beat)
{
	bl_heartbeat_init(beat, 3);
	beat->seq = 41;
	beat->at_ms = 1795507381123;
	snprintf(beat->phase, sizeof(beat->phase), "training");
	beat->step = 120;
	beat->total_steps = 200;
	beat->cost_usd = 0.25;
	beat->n_metrics = 4;
	snprintf(beat->metrics[0].name, 64, "eval.loss");
	beat->metrics[0].value = 1.25;
	snprintf(beat->metrics[1].name, 64, "grad \"norm\" \xc3\xa9");
	beat->metrics[1].value = NAN;
	snprintf(beat->metrics[2].name, 64, "up");
	beat->metrics[2].value = INFINITY;
	snprintf(beat->metrics[3].name, 64, "down");
	beat->metrics[3].value = -INFINITY;
	snprintf(beat->checkpoint.manifest, BL_RUN_KEY_SIZE, "%s",
	         KEY("checkpoints/003-000002.manifest.json"));
	beat->checkpoint.at_ms = 5;
	beat->checkpoint.step = 100;
	beat->log = (struct bl_stream_mark){ 1000, 1500 };
	beat->metrics_stream = (struct bl_stream_mark){ 7, 9 };
	beat->n_phases = 2;
	snprintf(beat->phases[0].name, 24, "data");
	beat->phases[0].ms = 1200;
	snprintf(beat->phases[1].name, 24, "training");
	beat->phases[1].ms = 90000;
}

static void a_heartbeat_reads_back(void **state)
{
	struct bl_heartbeat beat, got = { 0 };
	struct bl_err err = { 0 };

	fill(&beat);
	assert_int_equal(bl_heartbeat_read(*state, RUN, 3, &got, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	must(bl_heartbeat_write(*state, RUN, &beat, &err), &err);
	must(bl_heartbeat_read(*state, RUN, 3, &got, &err), &err);
	assert_int_equal(got.attempt, 3);
	assert_int_equal(got.seq, 41);
	assert_string_equal(got.phase, "training");
	assert_true(got.step == 120 && got.total_steps == 200 && got.cost_usd == 0.25);
	assert_int_equal(got.n_metrics, 4);
	assert_string_equal(got.metrics[0].name, "eval.loss");
	assert_true(got.metrics[0].value == 1.25);
	assert_string_equal(got.metrics[1].name, "grad \"norm\" \xc3\xa9");
	assert_true(isnan(got.metrics[1].value));
	assert_true(isinf(got.metrics[2].value) && got.metrics[2].value > 0);
	assert_true(isinf(got.metrics[3].value) && got.metrics[3].value < 0);
	assert_string_equal(got.checkpoint.manifest, beat.checkpoint.manifest);
	assert_true(got.checkpoint.step == 100 && got.checkpoint.at_ms == 5);
	assert_true(got.log.offset == 1000 && got.log.end == 1500);
	assert_true(got.metrics_stream.offset == 7 && got.metrics_stream.end == 9);
	assert_int_equal(got.n_phases, 2);
	assert_string_equal(got.phases[1].name, "training");
	assert_int_equal(got.phases[1].ms, 90000);
}

static void a_heartbeat_is_refused_or_taken_as_far_as_it_goes(void **state)
{
	static const struct {
		const char *text;
		bool read;
	} table[] = {
		{ "{\"schema\":1,\"attempt\":2,\"seq\":7,\"at_ms\":9}", true },
		{ "{\"schema\":1,\"attempt\":2,\"seq\":7,\"at_ms\":9,\"step\":\"x\","
		  "\"metrics\":[],\"phases\":3,\"checkpoint\":null,\"log\":1,\"new\":{}}",
		  true },
		{ "{\"schema\":2,\"attempt\":2,\"seq\":7,\"at_ms\":9}", false },
		{ "{\"schema\":1,\"attempt\":0,\"seq\":7,\"at_ms\":9}", false },
		{ "{\"schema\":1,\"attempt\":1000,\"seq\":7,\"at_ms\":9}", false },
		{ "{\"schema\":1,\"attempt\":2,\"at_ms\":9}", false },
		{ "{\"schema\":1,\"attempt\":2,\"seq\":7}", false },
		{ "{\"schema\":1,\"attempt\":2,\"seq\":7,\"at_ms\":", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_heartbeat got = { .seq = 77 };
		struct bl_err err = { 0 };
		int rc = bl_heartbeat_decode(table[i].text, strlen(table[i].text), &got, &err);

		assert_int_equal(rc, table[i].read ? 0 : -1);
		assert_int_equal(err.code, table[i].read ? BL_OK : BL_ECORRUPT);
		assert_int_equal(got.seq, table[i].read ? 7 : 77);
		if (!rc)
			assert_true(got.attempt == 2 && isnan(got.step) && !got.n_metrics);
	}
}

static void an_early_heartbeat_knows_little(void **state)
{
	struct bl_heartbeat beat, got = { 0 };
	struct bl_err err = { 0 };

	bl_heartbeat_init(&beat, 1);
	beat.seq = 1;
	must(bl_heartbeat_write(*state, RUN, &beat, &err), &err);
	must(bl_heartbeat_read(*state, RUN, 1, &got, &err), &err);
	assert_true(isnan(got.step) && isnan(got.total_steps) && isnan(got.cost_usd));
	assert_true(isnan(got.checkpoint.step));
	assert_string_equal(got.checkpoint.manifest, "");
	assert_int_equal(got.n_metrics + got.n_phases, 0);
}

/* Names over 63 bytes are cut: two that only then are alike must not make it unreadable. */
static void alike_names_do_not_spoil_a_heartbeat(void **state)
{
	struct bl_heartbeat beat, got = { 0 };
	struct bl_err err = { 0 };

	bl_heartbeat_init(&beat, 1);
	beat.n_metrics = 3;
	for (size_t i = 0; i < 3; i++) {
		snprintf(beat.metrics[i].name, 64, i == 1 ? "other" : "same");
		beat.metrics[i].value = (double)i;
	}
	must(bl_heartbeat_write(*state, RUN, &beat, &err), &err);
	must(bl_heartbeat_read(*state, RUN, 1, &got, &err), &err);
	assert_int_equal(got.n_metrics, 2);
}

static void bad_heartbeats_are_named(void **state)
{
	static const char *const bad[] = {
		"",
		"{\"schema\":1}",
		"{\"schema\":1,\"attempt\":0,\"seq\":1,\"at_ms\":1}",
		"{\"schema\":1,\"attempt\":1000,\"seq\":1,\"at_ms\":1}",
		"{\"schema\":1,\"attempt\":1,\"seq\":\"x\",\"at_ms\":1}",
		"{\"schema\":2,\"attempt\":1,\"seq\":1,\"at_ms\":1}",
	};

	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_heartbeat got;
		struct bl_err err = { 0 };

		put_object(*state, KEY("heartbeats/001.json"), bad[i]);
		assert_int_equal(bl_heartbeat_read(*state, RUN, 1, &got, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_non_null(strstr(err.text, "heartbeat"));
	}
	put_object(*state, KEY("heartbeats/001.json"),
	           "{\"schema\":1,\"attempt\":1,\"seq\":1,\"at_ms\":1,\"metrics\":[],\"log\":7,"
	           "\"phases\":null,\"checkpoint\":[1]}");
	struct bl_heartbeat got;
	struct bl_err err = { 0 };
	must(bl_heartbeat_read(*state, RUN, 1, &got, &err), &err);
}

/* --- allocations ------------------------------------------------------------------------------ */

static struct bl_store *shared;

static int everything(struct bl_err *err)
{
	struct bl_heartbeat beat, read_beat;

	fill(&beat);
	if (bl_heartbeat_write(shared, RUN, &beat, err))
		return -1;
	return bl_heartbeat_read(shared, RUN, 3, &read_beat, err);
}

static void each_allocation(void **state)
{
	shared = *state;
	each_allocation_fails(everything, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_heartbeat_reads_back),
		cmocka_unit_test(a_heartbeat_is_refused_or_taken_as_far_as_it_goes),
		IN_SCRATCH(an_early_heartbeat_knows_little),
		IN_SCRATCH(alike_names_do_not_spoil_a_heartbeat),
		IN_SCRATCH(bad_heartbeats_are_named),
		IN_SCRATCH(each_allocation),
	};

	return cmocka_run_group_tests_name("heartbeat", tests, NULL, NULL);
}
