/* SPDX-License-Identifier: Apache-2.0 */
#include "run/series.h"

#include "run/stream.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int read_all(const char *text, size_t piece, struct bl_series *out, struct bl_err *err)
{
	struct bl_series_reader *reader = NULL;
	size_t len = strlen(text);
	int got = bl_series_reader_new(&reader, err);

	for (size_t at = 0; !got && at < len; at += piece)
		got = bl_series_feed(reader, text + at, len - at < piece ? len - at : piece, err);
	got = got || bl_series_finish(reader, out, err);
	bl_series_reader_free(reader);
	return got ? -1 : 0;
}

static struct bl_series series_of(const char *text)
{
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	must(read_all(text, SIZE_MAX / 2, &series, &err), &err);
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

static void records_become_curves_sorted_by_name(void **state)
{
	struct bl_series series = series_of(
		"{\"schema\":1,\"attempt\":1,\"at\":5,\"step\":10,\"total_steps\":40,"
		"\"values\":{\"loss\":2,\"eval.loss\":3}}\n"
		"{\"schema\":1,\"attempt\":1,\"at\":6,\"step\":20,\"values\":{\"loss\":1.5,"
		"\"acc\":0.5}}\n");

	(void)state;
	assert_int_equal(series.n, 3);
	assert_string_equal(series.curves[0].name, "acc");
	assert_points(&series, "loss", "10:2 20:1.5");
	assert_points(&series, "eval.loss", "10:3");
	assert_true(series.last_step == 20 && series.total_steps == 40);
	assert_int_equal(series.curves[2].at_ms[1], 6);
	assert_true(series.curves[2].best_min == 1.5 && series.curves[2].best_max == 2);
	assert_null(bl_series_find(&series, "los"));
	bl_series_done(&series);
}

static const char resumed[] =
	"{\"attempt\":1,\"step\":10,\"values\":{\"loss\":5,\"eval\":9}}\n"
	"{\"attempt\":1,\"step\":20,\"values\":{\"loss\":4}}\n"
	"{\"attempt\":1,\"step\":30,\"values\":{\"loss\":3,\"lost\":1}}\n"
	"{\"attempt\":1,\"step\":40,\"values\":{\"loss\":2.5}}\n"
	"{\"attempt\":2,\"values\":{\"samples\":7}}\n" /* no step yet: not where it began */
	"{\"attempt\":2,\"step\":0,\"total_steps\":50,\"values\":{}}\n" /* no value: neither */
	"{\"attempt\":2,\"step\":30,\"values\":{\"loss\":3.5}}\n"
	"{\"attempt\":2,\"step\":50,\"values\":{\"loss\":2}}\n";

static void a_resume_voids_what_lay_beyond_it(void **state)
{
	struct bl_series series = series_of(resumed);

	(void)state;
	assert_points(&series, "loss", "10:5 20:4 30:3.5 50:2");
	assert_points(&series, "eval", "10:9");
	assert_points(&series, "lost", "");
	assert_int_equal(series.n_resumed, 1);
	assert_true(series.resumed_at[0] == 20 && series.last_step == 50);
	bl_series_done(&series);
}

static void within_an_attempt_the_later_of_equal_steps_stands(void **state)
{
	struct bl_series series = series_of("{\"attempt\":1,\"step\":30,\"values\":{\"x\":1}}\n"
	                                    "{\"attempt\":1,\"step\":10,\"values\":{\"x\":2}}\n"
	                                    "{\"attempt\":1,\"step\":20,\"values\":{\"x\":3}}\n"
	                                    "{\"attempt\":1,\"step\":10,\"values\":{\"x\":4}}\n"
	                                    "{\"attempt\":1,\"step\":10,\"values\":{\"x\":5}}\n");

	(void)state;
	assert_points(&series, "x", "10:5 20:3 30:1");
	bl_series_done(&series);
}

static void values_without_steps_count_or_join_the_newest_step(void **state)
{
	struct bl_series series = series_of("{\"attempt\":1,\"values\":{\"acc\":0.1}}\n"
	                                    "{\"attempt\":1,\"values\":{\"acc\":0.2}}\n"
	                                    "{\"attempt\":1,\"step\":10,\"values\":{\"loss\":2}}\n"
	                                    "{\"attempt\":1,\"step\":20,\"values\":{\"other\":2}}\n"
	                                    "{\"attempt\":1,\"values\":{\"loss\":1}}\n");

	(void)state;
	assert_points(&series, "acc", "1:0.1 2:0.2");
	assert_points(&series, "loss", "10:2 20:1");
	assert_false(bl_series_find(&series, "acc")->has_steps);
	bl_series_done(&series);
}

static void not_a_number_is_a_result(void **state)
{
	struct bl_series series = series_of(
		"{\"attempt\":1,\"step\":10,\"values\":{\"loss\":2}}\n"
		"{\"attempt\":1,\"step\":20,\"values\":{\"loss\":\"NaN\",\"g\":\"-Infinity\"}}\n"
		"{\"attempt\":1,\"step\":30,\"values\":{\"loss\":\"Infinity\",\"g\":1}}\n"
		"{\"attempt\":1,\"step\":40,\"values\":{\"loss\":\"what\",\"g\":true}}\n");
	const struct bl_curve *loss = bl_series_find(&series, "loss");

	(void)state;
	assert_int_equal(loss->n, 3);
	assert_true(isnan(loss->value[1]) && isinf(loss->value[2]));
	assert_true(loss->bad_step == 20 && loss->last == 2);
	assert_true(bl_series_find(&series, "g")->bad_step == 20);
	bl_series_done(&series);
}

static void bad_lines_are_counted_and_cost_only_themselves(void **state)
{
	struct bl_series series = series_of("{\"attempt\":1,\"step\":10,\"values\":{\"x\":1}}\n"
	                                    "{\"attempt\":1,\"step\":20,\"values\":{\"x\":2\n"
	                                    "\n"
	                                    "hello\n"
	                                    "{\"attempt\":1,\"step\":30,\"values\":{\"x\":3}}");

	(void)state;
	assert_points(&series, "x", "10:1 30:3");
	assert_int_equal(series.bad_lines, 2);
	bl_series_done(&series);
}

static void the_cut_of_the_bytes_does_not_matter(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	for (size_t piece = 1; piece < sizeof(resumed); piece++) {
		struct bl_series series = { 0 };

		must(read_all(resumed, piece, &series, &err), &err);
		assert_points(&series, "loss", "10:5 20:4 30:3.5 50:2");
		assert_int_equal(series.bad_lines, 0);
		bl_series_done(&series);
	}
}

static void a_gap_ends_a_torn_line(void **state)
{
	static const char head[] =
		"{\"attempt\":1,\"step\":1,\"values\":{\"x\":1}}\n{\"attempt\":1,\"st",
			  tail[] = "{\"attempt\":1,\"step\":2,\"values\":{\"x\":2}}\n";
	struct bl_series_reader *reader = NULL;
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_series_reader_new(&reader, &err), &err);
	must(bl_series_feed(reader, head, strlen(head), &err), &err);
	must(bl_series_gap(reader, &err), &err);
	must(bl_series_gap(reader, &err), &err); /* twice is once */
	must(bl_series_feed(reader, tail, strlen(tail), &err), &err);
	must(bl_series_finish(reader, &series, &err), &err);
	bl_series_reader_free(reader);
	assert_points(&series, "x", "1:1 2:2");
	assert_int_equal(series.bad_lines, 1);
	bl_series_done(&series);
}

static void a_line_over_the_limit_is_one_bad_line(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(8u << 20);
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	bl_buf_adds(&text, "{\"attempt\":1,\"values\":{\"");
	for (size_t i = 0; i < (3u << 20); i++)
		bl_buf_addc(&text, 'a');
	bl_buf_adds(&text, "\":1}}\n{\"attempt\":1,\"step\":1,\"values\":{\"x\":1}}\n");
	must(read_all(bl_buf_text(&text), 4096, &series, &err), &err);
	assert_points(&series, "x", "1:1");
	assert_int_equal(series.bad_lines, 1);
	bl_series_done(&series);
}

static void names_beyond_the_limit_are_counted(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(8u << 20);

	(void)state;
	for (unsigned i = 0; i < BL_CURVES_MAX + 5; i++)
		bl_buf_addf(&text, "{\"attempt\":1,\"step\":1,\"values\":{\"metric_%u\":1}}\n", i);
	struct bl_series series = series_of(bl_buf_text(&text));
	assert_int_equal(series.n, BL_CURVES_MAX);
	assert_int_equal(series.over_limit, 5);
	bl_series_done(&series);
}

static void put_chunk(struct bl_store *store, unsigned attempt, uint64_t offset, const char *text)
{
	struct bl_key key =
		bl_stream_key("20261124T080301Z-1a2b3c4d-q7xk", BL_STREAM_METRICS, attempt, offset);
	struct bl_err err = { 0 };

	must(bl_store_put(store, NULL, key.text, text, strlen(text), &err), &err);
}

/* A line cut between chunks is one; cut by a gap or by another attempt it is lost. */
static void chunks_of_a_store_are_one_stream(void **state)
{
	static const char head[] = "{\"attempt\":1,\"step\":10,\"val",
			  tail[] = "ues\":{\"x\":1}}\n{\"attempt\":1,\"st";
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	put_chunk(*state, 1, 0, head);
	put_chunk(*state, 1, strlen(head), tail);
	put_chunk(*state, 1, 9000, "{\"attempt\":1,\"step\":20,\"values\":{\"x\":2}}\n{\"torn");
	put_chunk(*state, 2, 0, "{\"attempt\":2,\"step\":15,\"values\":{\"x\":3}}\n");
	must(bl_series_read(*state, "20261124T080301Z-1a2b3c4d-q7xk", &series, &err), &err);
	assert_points(&series, "x", "10:1 15:3");
	assert_int_equal(series.bad_lines, 2);
	bl_series_done(&series);
}

static void a_run_without_metrics_has_no_curves(void **state)
{
	struct bl_series series = { 0 };
	struct bl_err err = { 0 };

	must(bl_series_read(*state, "20261124T080301Z-1a2b3c4d-q7xk", &series, &err), &err);
	assert_int_equal(series.n, 0);
	assert_true(isnan(series.last_step));
	bl_series_done(&series);
}

static struct bl_store *open_store;

static int read_from_store(struct bl_err *err)
{
	struct bl_series series = { 0 };
	int got = bl_series_read(open_store, "20261124T080301Z-1a2b3c4d-q7xk", &series, err);

	bl_series_done(&series);
	return got;
}

static int read_unordered(struct bl_err *err)
{
	struct bl_series series = { 0 };
	int got = read_all("{\"attempt\":1,\"step\":30,\"values\":{\"x\":1}}\n"
	                   "{\"attempt\":1,\"step\":10,\"values\":{\"x\":2}}\n{\"attempt\"",
	                   7, &series, err);

	bl_series_done(&series);
	return got;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	open_store = *state;
	put_chunk(*state, 1, 0, resumed);
	each_allocation_fails(read_from_store, 200);
	each_allocation_fails(read_unordered, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_become_curves_sorted_by_name),
		cmocka_unit_test(a_resume_voids_what_lay_beyond_it),
		cmocka_unit_test(within_an_attempt_the_later_of_equal_steps_stands),
		cmocka_unit_test(values_without_steps_count_or_join_the_newest_step),
		cmocka_unit_test(not_a_number_is_a_result),
		cmocka_unit_test(bad_lines_are_counted_and_cost_only_themselves),
		cmocka_unit_test(the_cut_of_the_bytes_does_not_matter),
		cmocka_unit_test(a_gap_ends_a_torn_line),
		cmocka_unit_test(a_line_over_the_limit_is_one_bad_line),
		cmocka_unit_test(names_beyond_the_limit_are_counted),
		cmocka_unit_test_setup_teardown(chunks_of_a_store_are_one_stream, scratch_store,
		                                scratch_done),
		cmocka_unit_test_setup_teardown(a_run_without_metrics_has_no_curves, scratch_store,
		                                scratch_done),
		cmocka_unit_test_setup_teardown(no_allocation_is_taken_for_granted, scratch_store,
		                                scratch_done),
	};

	return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
