/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"
#include "run/series.h"
#include "run/stream.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/report_input.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIRST "20261122T080301Z-1a2b3c4d-aaaa"
#define SECOND "20261123T080301Z-1a2b3c4d-bbbb"
#define RUN "20261124T080301Z-1a2b3c4d-q7xk"

static struct bl_series series_of(const char *text)
{
	struct bl_series_reader *reader = NULL;
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	must(bl_series_reader_new(&reader, &err), &err);
	must(bl_series_feed(reader, text, strlen(text), &err), &err);
	must(bl_series_finish(reader, &series, &err), &err);
	bl_series_reader_free(reader);
	return series;
}

static void assert_points(const struct bl_series *series, const char *name, const char *expect)
{
	const struct bl_curve *curve = bl_series_find(series, name);
	BL_AUTO(bl_buf) got = BL_BUF(4096);

	for (size_t i = 0; curve && i < curve->n; i++)
		bl_buf_addf(&got, "%s%g:%g", i ? " " : "", curve->step[i], curve->value[i]);
	assert_string_equal(bl_buf_text(&got), expect);
}

static const char before[] =
	"{\"attempt\":1,\"at\":7,\"step\":10,\"values\":{\"loss\":5,\"old\":1}}\n"
	"{\"attempt\":1,\"step\":20,\"values\":{\"loss\":4,\"eval\":9}}\n"
	"{\"attempt\":1,\"step\":30,\"values\":{\"loss\":3}}\n"
	"{\"attempt\":1,\"step\":40,\"values\":{\"loss\":2.5,\"eval\":8}}\n"
	"{\"attempt\":1,\"values\":{\"loose\":1}}\n";

/* A series from `first` on: two values of loss, one of eval. */
static struct bl_series series_from(int first)
{
	char text[400];

	snprintf(text, sizeof(text),
	         "{\"attempt\":1,\"step\":%d,\"values\":{\"loss\":2}}\n"
	         "{\"attempt\":1,\"step\":%d,\"values\":{\"loss\":1,\"eval\":7,\"new\":1}}\n",
	         first, first + 10);
	return series_of(text);
}

static void points_join_up_to_the_first_of_their_own(void **state)
{
	static const struct {
		int first;
		double saved, joined_at;
		const char *loss, *eval;
	} cases[] = {
		{ 30, 20, 20, "10:5 20:4 30:2 40:1", "20:9 40:7" },
		{ 30, NAN, 20, "10:5 20:4 30:2 40:1", "20:9 40:7" },
		{ 35, 32, 32, "10:5 20:4 30:3 35:2 45:1", "20:9 45:7" }, /* between the values */
		{ 50, NAN, 40, "10:5 20:4 30:3 40:2.5 50:2 60:1", "20:9 40:8 60:7" },
		/* the manifest names a step newer, or older, than what it holds */
		{ 30, 33, 20, "10:5 20:4 30:2 40:1", "20:9 40:7" },
		{ 50, 20, 40, "10:5 20:4 30:3 40:2.5 50:2 60:1", "20:9 40:8 60:7" },
		{ 10, 40, NAN, "10:2 20:1", "20:7" }, /* it started anew */
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_series earlier = series_of(before);
		struct bl_series series = series_from(cases[i].first);
		struct bl_err err = { 0 };
		double at = -1;

		must(bl_series_join(&series, &earlier, cases[i].saved, &at, &err), &err);
		assert_points(&series, "loss", cases[i].loss);
		assert_points(&series, "eval", cases[i].eval);
		assert_points(&series, "old", "");
		assert_int_equal(series.n, 3);
		assert_true(isnan(at) ? isnan(cases[i].joined_at) : at == cases[i].joined_at);
		bl_series_done(&series);
		bl_series_done(&earlier);
	}
}

static void a_joined_curve_knows_its_extremes(void **state)
{
	struct bl_series earlier =
		series_of("{\"attempt\":1,\"at\":7,\"step\":1,\"values\":{\"loss\":0.5}}\n"
	                  "{\"attempt\":1,\"at\":8,\"step\":2,\"values\":{\"loss\":\"NaN\"}}\n");
	struct bl_series series = series_from(30);
	struct bl_err err = { 0 };
	const struct bl_curve *loss;
	double at;

	(void)state;
	must(bl_series_join(&series, &earlier, NAN, &at, &err), &err);
	loss = bl_series_find(&series, "loss");
	assert_true(loss->best_min == 0.5 && loss->best_max == 2 && loss->last == 1);
	assert_true(loss->bad_step == 2);
	assert_int_equal(loss->at_ms[0], 7);
	assert_true(series.last_step == 40);
	bl_series_done(&series);
	bl_series_done(&earlier);
}

static void put_step(struct bl_store *store, const char *run, int from, int to)
{
	BL_AUTO(bl_buf) lines = BL_BUF(1 << 16);
	struct bl_key key = bl_stream_key(run, BL_STREAM_METRICS, 1, 0);

	for (int step = from; step <= to; step += 10)
		bl_buf_addf(&lines, "{\"attempt\":1,\"step\":%d,\"values\":{\"loss\":%d}}\n", step,
		            100 - step);
	put_object(store, key.text, bl_buf_text(&lines));
}

/* A run that goes on from the checkpoint of `parent` at step `saved`; 0: it was pruned. */
static void put_child(struct bl_store *store, const char *run, const char *parent, int saved)
{
	struct bl_key key = bl_key_run(parent, BL_KEY_MANIFEST, 1u, 1u);
	BL_AUTO(bl_buf) parents = BL_BUF(2048);
	char manifest[400];

	bl_buf_addf(&parents, "[{\"run\":\"%s\",\"manifest\":\"%s\",\"crc\":\"\"}]", parent,
	            key.text);
	put_run(store, &(struct fixture_run){ .id = run, .parents = bl_buf_text(&parents) });
	if (!saved)
		return;
	snprintf(manifest, sizeof(manifest),
	         "{\"schema\":1,\"run\":\"%s\",\"attempt\":1,\"seq\":1,\"at_ms\":5,\"step\":%d,"
	         "\"entries\":[]}",
	         parent, saved);
	put_object(store, key.text, manifest);
}

static void put_lineage(struct bl_store *store)
{
	put_run(store, &(struct fixture_run){ .id = FIRST });
	put_step(store, FIRST, 10, 40);
	put_child(store, SECOND, FIRST, 25);
	put_step(store, SECOND, 30, 60);
	put_child(store, RUN, SECOND, 0);
	put_step(store, RUN, 50, 70);
}

static void a_line_of_runs_is_one_curve(void **state)
{
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	put_lineage(*state);
	must(bl_series_read_joined(*state, RUN, &series, &err), &err);
	assert_points(&series, "loss", "10:90 20:80 30:70 40:60 50:50 60:40 70:30");
	assert_int_equal(series.n_joined, 2);
	assert_string_equal(series.joined[0].run, SECOND);
	assert_string_equal(series.joined[1].run, FIRST);
	assert_true(series.joined[0].step == 40 && series.joined[1].step == 25);
	bl_series_done(&series);
}

static void a_removed_run_costs_the_joined_part_only(void **state)
{
	BL_AUTO(bl_side) side = { 0 };
	struct bl_err err = { 0 };
	struct bl_key key = bl_key_run(SECOND, "run.json");

	put_lineage(*state);
	must(bl_store_delete(*state, NULL, key.text, &err), &err);
	must(bl_side_read(*state, RUN, &side, &err), &err);
	assert_points(&side.series, "loss", "50:50 60:40 70:30");
	assert_int_equal(side.series.n_joined, 1);
	assert_string_equal(side.series.joined[0].run, SECOND);
	assert_true(isnan(side.series.joined[0].step));
}

static void a_circle_ends(void **state)
{
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	put_child(*state, SECOND, RUN, 0);
	put_step(*state, SECOND, 30, 60);
	put_child(*state, RUN, SECOND, 0);
	put_step(*state, RUN, 50, 70);
	must(bl_series_read_joined(*state, RUN, &series, &err), &err);
	assert_points(&series, "loss", "30:70 40:60 50:50 60:40 70:30");
	assert_int_equal(series.n_joined, 1);
	bl_series_done(&series);
}

static void a_long_line_of_runs_is_cut(void **state)
{
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };
	char id[BL_RUN_SIZE], parent[BL_RUN_SIZE] = FIRST;

	put_run(*state, &(struct fixture_run){ .id = FIRST });
	put_step(*state, FIRST, 10, 10);
	for (int i = 1; i <= 20; i++) {
		snprintf(id, sizeof(id), "20261124T0803%02dZ-1a2b3c4d-q7xk", i);
		put_child(*state, id, parent, 0);
		put_step(*state, id, 10 + i * 10, 10 + i * 10);
		memcpy(parent, id, sizeof(parent));
	}
	must(bl_series_read_joined(*state, parent, &series, &err), &err);
	assert_int_equal(series.n_joined, 16);
	assert_int_equal(bl_series_find(&series, "loss")->n, 17);
	bl_series_done(&series);
}

static void parents_that_are_none_are_passed_over(void **state)
{
	static const char *const cases[] = { "[]",           "{}",  "null",
		                             "[{}]",         "[1]", "[{\"run\":\"../../etc\"}]",
		                             "[{\"run\":7}]" };

	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_series series = { 0 };
		struct bl_err err = { 0 };
		char id[BL_RUN_SIZE];

		snprintf(id, sizeof(id), "20261124T0803%02zuZ-1a2b3c4d-q7xk", i);
		put_run(*state, &(struct fixture_run){ .id = id, .parents = cases[i] });
		put_step(*state, id, 10, 20);
		must(bl_series_read_joined(*state, id, &series, &err), &err);
		assert_int_equal(series.n_joined, 0);
		assert_points(&series, "loss", "10:90 20:80");
		bl_series_done(&series);
	}
}

static void a_report_marks_where_a_run_continues(void **state)
{
	static const char input[] =
		"{\"now\":{\"run\":\"" RUN "\",\"status\":\"success\",\"curves\":[{\"points\":40}],"
		"\"joined\":[{\"run\":\"" SECOND "\",\"step\":200},{\"run\":\"" FIRST "\"}]}}";
	static const struct {
		int (*write)(const struct bl_report *, struct bl_buf *, struct bl_err *);
		const char *expect;
	} formats[] = {
		{ bl_report_md, "this run · continued from run bbbb at step 200" },
		{ bl_report_md, "continued from run bbbb at step 200, that one from run aaaa<" },
		{ bl_report_html, ">continued from run bbbb at step 200</text>" },
		{ bl_report_html, "<dt>Continued from</dt><dd>run bbbb<small>at step 200, that" },
		{ bl_report_json, "\"step\": 200" },
	};
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	report_of(input, sizeof(input) - 1, &report);
	for (size_t i = 0; i < BL_COUNT(formats); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(BL_REPORT_MAX);

		must(formats[i].write(&report, &out, &err), &err);
		if (!strstr(bl_buf_text(&out), formats[i].expect))
			fail_msg("no '%s' in:\n%s", formats[i].expect, bl_buf_text(&out));
	}
}

static struct bl_store *shared;

static int read_joined(struct bl_err *err)
{
	struct bl_series series = { 0 };
	int got = bl_series_read_joined(shared, RUN, &series, err);

	bl_series_done(&series);
	return got;
}

static int join(struct bl_err *err)
{
	struct bl_series earlier = { 0 }, series = { 0 };
	double at;
	int got = bl_series_read(shared, SECOND, &earlier, err) ||
	          bl_series_read(shared, RUN, &series, err) ||
	          bl_series_join(&series, &earlier, NAN, &at, err);

	bl_series_done(&earlier);
	bl_series_done(&series);
	return got ? -1 : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	shared = *state;
	put_lineage(shared);
	each_allocation_fails(read_joined, 5000);
	each_allocation_fails(join, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_join_up_to_the_first_of_their_own),
		cmocka_unit_test(a_joined_curve_knows_its_extremes),
		IN_SCRATCH(a_line_of_runs_is_one_curve),
		IN_SCRATCH(a_removed_run_costs_the_joined_part_only),
		IN_SCRATCH(a_circle_ends),
		IN_SCRATCH(a_long_line_of_runs_is_cut),
		IN_SCRATCH(parents_that_are_none_are_passed_over),
		cmocka_unit_test(a_report_marks_where_a_run_continues),
		IN_SCRATCH(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("series join", tests, NULL, NULL);
}
