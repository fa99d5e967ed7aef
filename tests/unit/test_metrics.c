/* SPDX-License-Identifier: Apache-2.0 */
#include "run/metrics.h"

#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX (64u << 20)

static struct bl_metrics *made(const struct bl_metrics_where *where)
{
	struct bl_metrics *metrics = NULL;
	struct bl_err err = { 0 };

	if (bl_metrics_new(where, &metrics, &err))
		fail_msg("%s", err.text);
	return metrics;
}

/* The command's output, a millisecond for each line; '\r' ends lines, too. */
static void feed(struct bl_metrics *metrics, const char *text, size_t len, struct bl_buf *out)
{
	int64_t at_ms = 1000;

	while (len) {
		size_t n = 0;

		while (n < len && text[n] != '\n' && text[n] != '\r')
			n++;
		bl_metrics_line(metrics, text, n, at_ms++, out);
		n += n < len;
		text += n;
		len -= n;
	}
}

static void play(const char *input, size_t len, struct bl_buf *out)
{
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ .attempt = 1 });

	feed(metrics, input, len, out);
	assert_false(bl_metrics_finish(metrics, 9999, out));
	bl_metrics_said(metrics, out);
	bl_buf_addc(out, '\n');
	bl_metrics_free(metrics);
}

static void output_reads_as_expected(void **state)
{
	(void)state;
	each_case("metrics", play);
}

/* --- Files ------------------------------------------------------------------------------------ */

static void append(const char *path, const char *text)
{
	FILE *file = fopen(path, "a");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

/* The records as STEP{VALUES}; in a row, for short expectations. Empties out. */
static const char *brief(struct bl_buf *out)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (char *line = out->data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		const char *step = strstr(line, "\"step\":"), *values = strstr(line, "\"values\":");
		assert_non_null(values);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s%.*s;",
		                        step ? (int)strcspn(step + 7, ",") : 0,
		                        step ? step + 7 : "", (int)strlen(values + 9) - 1,
		                        values + 9);
		assert_true(len < sizeof(text));
	}
	bl_buf_reset(out);
	return text;
}

static void scan_shows(struct bl_metrics *metrics, int64_t at_ms, const char *expect)
{
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);

	assert_false(bl_metrics_scan(metrics, at_ms, &out));
	assert_string_equal(brief(&out), expect);
}

static void finish_shows(struct bl_metrics *metrics, const char *expect)
{
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);

	assert_false(bl_metrics_finish(metrics, 1000000, &out));
	assert_string_equal(brief(&out), expect);
}

static void said_is(const struct bl_metrics *metrics, const char *expect)
{
	BL_AUTO(bl_buf) out = BL_BUF(1000);

	bl_metrics_said(metrics, &out);
	assert_string_equal(bl_buf_text(&out), expect);
}

static void the_metrics_file_is_followed(void **state)
{
	const char *path = folder_path("m");
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ 1, path, { NULL } });

	(void)state;
	scan_shows(metrics, 1000, ""); /* not there yet */
	append(path, "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo");
	scan_shows(metrics, 2000, "1{\"loss\":2};");
	scan_shows(metrics, 3000, "");
	append(path, "ss\":1.5}\nnot json\n{\"step\":3,\"loss\":NaN}\n");
	scan_shows(metrics, 4000, "2{\"loss\":1.5};3{\"loss\":\"NaN\"};");
	rewrite_text("m", "{\"step\":4,\"loss\":1}\n"); /* truncated: from its start */
	scan_shows(metrics, 5000, "4{\"loss\":1};");
	append(path, "{\"step\":5,\"loss\":0.5}\n");
	put_text("m2", "{\"step\":6,\"loss\":0.4}\n{\"step\":7,\"loss\":1}");
	assert_int_equal(rename(folder_path("m2"), path), 0);
	/* replaced: the old one to its end, then the new one */
	scan_shows(metrics, 6000, "5{\"loss\":0.5};6{\"loss\":0.4};");
	finish_shows(metrics, "7{\"loss\":1};");
	said_is(metrics, "$BRANCHLINE_METRICS (7 points)");
	bl_metrics_free(metrics);
}

static void a_line_too_long_is_dropped_alone(void **state)
{
	const char *path = folder_path("m");
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ 1, path, { NULL } });
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	fputs("{\"step\":1,\"a\":1}\n{\"step\":2,\"", file);
	for (int i = 0; i < 3000000; i++)
		fputc('x', file);
	fputs("\":1}\n{\"step\":3,\"a\":3}\n", file);
	assert_int_equal(fclose(file), 0);
	scan_shows(metrics, 1000, "1{\"a\":1};3{\"a\":3};");
	bl_metrics_free(metrics);
}

/* Printed and written: what the file names is not taken from stdout, whoever is read first. */
static void the_file_silences_stdout(void **state)
{
	const char *path = folder_path("m");
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ 1, path, { NULL } });
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);
	static const char hf[] = "{'loss': 1.2346, 'epoch': 0.1}";
	static const char json[] = "{\"loss\": 1.23, \"extra\": 7}";

	(void)state;
	append(path, "{\"step\":10,\"total_steps\":60,\"loss\":1.23456}\n");
	bl_metrics_line(metrics, hf, strlen(hf), 1000, &out);
	bl_metrics_line(metrics, json, strlen(json), 1001, &out);
	assert_string_equal(brief(&out), "10{\"loss\":1.23456};10{\"extra\":7};");
	finish_shows(metrics, "");
	said_is(metrics, "$BRANCHLINE_METRICS (1 point), JSON on stdout (1 point), ignoring "
	                 "Trainer lines on stdout");
	bl_metrics_free(metrics);
}

static const char history[] = "{\"log_history\": [{\"step\": 10, \"loss\": 2.0, \"epoch\": 0.1},\n"
			      " {\"step\": 20, \"loss\": NaN}";

static void trainer_state_gives_each_entry_once(void **state)
{
	struct bl_metrics_where where = { .attempt = 1, .output_dirs = { folder } };
	struct bl_metrics *metrics = made(&where);
	static const char first[] = "checkpoint-10/trainer_state.json";
	static const char second[] = "checkpoint-20/trainer_state.json";
	char text[512];

	(void)state;
	put_text(first, history); /* torn: no end */
	set_mtime_ms(first, 100 * 1000);
	scan_shows(metrics, 10000, "");
	snprintf(text, sizeof(text), "%s]}", history);
	rewrite_text(first, text);
	set_mtime_ms(first, 101 * 1000);
	scan_shows(metrics, 11000, ""); /* walks every 5 s only */
	scan_shows(metrics, 15000, "10{\"loss\":2};20{\"loss\":\"NaN\"};");
	scan_shows(metrics, 20000, "");
	snprintf(text, sizeof(text),
	         "%s, {\"step\": 20, \"eval_loss\": 1.5},"
	         "{\"step\": 30, \"loss\": 1}]}",
	         history);
	put_text(second, text);
	set_mtime_ms(second, 102 * 1000);
	scan_shows(metrics, 25000, "20{\"eval_loss\":1.5};30{\"loss\":1};");
	said_is(metrics, "trainer_state.json (4 points)");
	bl_metrics_free(metrics);

	/* a next attempt begins where the restored history ends */
	where.attempt = 2;
	metrics = made(&where);
	scan_shows(metrics, 30000, "");
	snprintf(text + strlen(text) - 2, 64, ", {\"step\": 40, \"loss\": 0.5}]}");
	put_text("trainer_state.json", text);
	finish_shows(metrics, "40{\"loss\":0.5};");
	bl_metrics_free(metrics);
}

static void metrics_json_is_read_at_the_end(void **state)
{
	const struct bl_metrics_where where = { .attempt = 1, .output_dirs = { folder } };
	static const char path[] = "a/b/c/metrics.json";

	(void)state;
	put_text(path, "{\"old\": 1}");
	set_mtime_ms(path, 100 * 1000);
	struct bl_metrics *metrics = made(&where);
	finish_shows(metrics, ""); /* it was there before */
	bl_metrics_free(metrics);
	metrics = made(&where);
	rewrite_text(
		path,
		"{\"eval\": {\"acc\": 0.5, \"f1\": Infinity}, \"name\": \"x\",\n\"n\": [1]}\n");
	set_mtime_ms(path, 101 * 1000);
	scan_shows(metrics, 10000, "");
	finish_shows(metrics, "{\"eval.acc\":0.5,\"eval.f1\":\"Infinity\"};");
	said_is(metrics, "metrics.json (1 point)");
	bl_metrics_free(metrics);
}

static void a_held_line_waits_for_its_bar_a_second(void **state)
{
	static const char bar[] = " 10%|#  | 6/60 [00:01<00:09]",
			  line[] = "{'loss': 2, 'epoch': 0.1}";
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ .attempt = 1 });
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);

	(void)state;
	bl_metrics_line(metrics, bar, strlen(bar), 10000, &out);
	bl_metrics_line(metrics, line, strlen(line), 10001, &out);
	assert_int_equal(out.len, 0);
	scan_shows(metrics, 10900, "");
	scan_shows(metrics, 11100, "6{\"loss\":2};");
	bl_metrics_line(metrics, line, strlen(line), 12000, &out);
	scan_shows(metrics, 5000, "6{\"loss\":2};"); /* the clock stepped back */
	bl_metrics_free(metrics);
}

/* --- Limits ----------------------------------------------------------------------------------- */

static void names_and_values_are_bounded(void **state)
{
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ .attempt = 1 });
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);
	char line[256];
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		int len = snprintf(line, sizeof(line), "{\"step\":%d,\"name%d\":1}", i, i);
		bl_metrics_line(metrics, line, (size_t)len, i, &out);
	}
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	assert_int_equal(lines, 768); /* the names that are kept; the rest is left out */
	bl_metrics_free(metrics);
}

static void a_long_name_is_cut_between_characters(void **state)
{
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ .attempt = 1 });
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);
	BL_AUTO(bl_buf) line = BL_BUF(4096);
	const char *name, *end;

	(void)state;
	bl_buf_adds(&line, "{\"a");
	for (int i = 0; i < 100; i++)
		bl_buf_adds(&line, "\xc3\xa9");
	bl_buf_adds(&line, "\":1}");
	bl_metrics_line(metrics, line.data, line.len, 1, &out);
	name = strstr(bl_buf_text(&out), "\"values\":{\"");
	assert_non_null(name);
	end = strstr(name + 11, "\":1}");
	assert_non_null(end);
	assert_int_equal(end - name - 11, 127); /* 1 and 63 of two bytes: 128 would halve one */
	bl_metrics_free(metrics);
}

/* More than one look may show: it ends early, says so, and nothing is lost or told twice. */
static void a_long_file_comes_in_pieces(void **state)
{
	enum { POINTS = 60000 };
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);
	const struct bl_metrics_where where = { 1, folder_path("m"), { NULL } };
	FILE *file = fopen(where.metrics_file, "w");
	struct bl_metrics *metrics;
	struct bl_err err = { 0 };
	size_t looks = 0, lines = 0;
	bool more = true;

	(void)state;
	assert_non_null(file);
	for (int step = 1; step <= POINTS; step++)
		fprintf(file, "{\"step\":%d,\"loss\":0.5}\n", step);
	fclose(file);
	assert_int_equal(bl_metrics_new(&where, &metrics, &err), 0);
	for (; more; looks++) {
		more = bl_metrics_finish(metrics, 1, &out);
		for (const char *p = bl_buf_text(&out); (p = strchr(p, '\n')); p++)
			lines++;
		assert_int_equal(out.failed, BL_OK);
		bl_buf_reset(&out);
	}
	assert_int_equal(lines, POINTS);
	assert_true(looks > 2);
	bl_metrics_free(metrics);
}

static int whole_story(struct bl_err *err)
{
	static const char line[] = "{\"step\":1,\"loss\":1}";
	struct bl_metrics *metrics;
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);
	const struct bl_metrics_where where = { 1, "/nonexistent", { "/nonexistent", NULL } };

	if (bl_metrics_new(&where, &metrics, err))
		return -1;
	bl_metrics_line(metrics, line, strlen(line), 1, &out);
	if (bl_metrics_scan(metrics, 2, &out) || bl_metrics_finish(metrics, 3, &out))
		bl_buf_reset(&out);
	bl_metrics_said(metrics, &out);
	bl_metrics_free(metrics);
	return bl_buf_check(&out, "stream", err);
}

static void a_failed_allocation_costs_a_metric(void **state)
{
	(void)state;
	each_allocation_fails(whole_story, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(a_long_file_comes_in_pieces),
		cmocka_unit_test(output_reads_as_expected),
		FOLDER_TEST(the_metrics_file_is_followed),
		FOLDER_TEST(a_line_too_long_is_dropped_alone),
		FOLDER_TEST(the_file_silences_stdout),
		FOLDER_TEST(trainer_state_gives_each_entry_once),
		FOLDER_TEST(metrics_json_is_read_at_the_end),
		cmocka_unit_test(a_held_line_waits_for_its_bar_a_second),
		cmocka_unit_test(names_and_values_are_bounded),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(a_failed_allocation_costs_a_metric),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
