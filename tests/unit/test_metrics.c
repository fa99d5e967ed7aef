/* SPDX-License-Identifier: Apache-2.0 */
#include "run/metrics.h"

#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct folder {
	char path[64];
};

static struct folder folder_new(void)
{
	struct folder folder = { "/tmp/metrics-XXXXXX" };

	assert_non_null(mkdtemp(folder.path));
	return folder;
}

static const char *in_folder(const struct folder *folder, const char *name)
{
	static char path[4][512];
	static size_t turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder->path, name);
	return path[turn];
}

static void folder_done(struct folder *folder)
{
	static const char *const names[] = { "m",
		                             "m2",
		                             "metrics.json",
		                             "trainer_state.json",
		                             "a/b/c/metrics.json",
		                             "checkpoint-10/trainer_state.json",
		                             "checkpoint-20/trainer_state.json" };
	static const char *const dirs[] = { "a/b/c", "a/b", "a", "checkpoint-10", "checkpoint-20" };

	for (size_t i = 0; i < BL_COUNT(names); i++)
		unlink(in_folder(folder, names[i]));
	for (size_t i = 0; i < BL_COUNT(dirs); i++)
		rmdir(in_folder(folder, dirs[i]));
	assert_int_equal(rmdir(folder->path), 0);
}

static void write_file(const char *path, const char *mode, const char *text)
{
	FILE *file = fopen(path, mode);

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

/* Sets the modification time, in seconds: file systems and tests are fast. */
static void dated(const char *path, time_t at)
{
	const struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
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
	struct folder folder = folder_new();
	const char *path = in_folder(&folder, "m");
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ 1, path, { NULL } });

	(void)state;
	scan_shows(metrics, 1000, ""); /* not there yet */
	write_file(path, "a", "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo");
	scan_shows(metrics, 2000, "1{\"loss\":2};");
	scan_shows(metrics, 3000, "");
	write_file(path, "a", "ss\":1.5}\nnot json\n{\"step\":3,\"loss\":NaN}\n");
	scan_shows(metrics, 4000, "2{\"loss\":1.5};3{\"loss\":\"NaN\"};");
	write_file(path, "w", "{\"step\":4,\"loss\":1}\n"); /* truncated: from its start */
	scan_shows(metrics, 5000, "4{\"loss\":1};");
	write_file(path, "a", "{\"step\":5,\"loss\":0.5}\n");
	write_file(in_folder(&folder, "m2"), "w",
	           "{\"step\":6,\"loss\":0.4}\n{\"step\":7,\"loss\":1}");
	assert_int_equal(rename(in_folder(&folder, "m2"), path), 0);
	/* replaced: the old one to its end, then the new one */
	scan_shows(metrics, 6000, "5{\"loss\":0.5};6{\"loss\":0.4};");
	finish_shows(metrics, "7{\"loss\":1};");
	said_is(metrics, "$BRANCHLINE_METRICS (7 points)");
	bl_metrics_free(metrics);
	folder_done(&folder);
}

static void a_line_too_long_is_dropped_alone(void **state)
{
	struct folder folder = folder_new();
	const char *path = in_folder(&folder, "m");
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
	folder_done(&folder);
}

/* Printed and written: what the file names is not taken from stdout, whoever is read first. */
static void the_file_silences_stdout(void **state)
{
	struct folder folder = folder_new();
	const char *path = in_folder(&folder, "m");
	struct bl_metrics *metrics = made(&(struct bl_metrics_where){ 1, path, { NULL } });
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);
	static const char hf[] = "{'loss': 1.2346, 'epoch': 0.1}";
	static const char json[] = "{\"loss\": 1.23, \"extra\": 7}";

	(void)state;
	write_file(path, "a", "{\"step\":10,\"total_steps\":60,\"loss\":1.23456}\n");
	bl_metrics_line(metrics, hf, strlen(hf), 1000, &out);
	bl_metrics_line(metrics, json, strlen(json), 1001, &out);
	assert_string_equal(brief(&out), "10{\"loss\":1.23456};10{\"extra\":7};");
	finish_shows(metrics, "");
	said_is(metrics, "$BRANCHLINE_METRICS (1 point), JSON on stdout (1 point), ignoring "
	                 "Trainer lines on stdout");
	bl_metrics_free(metrics);
	folder_done(&folder);
}

static const char history[] = "{\"log_history\": [{\"step\": 10, \"loss\": 2.0, \"epoch\": 0.1},\n"
			      " {\"step\": 20, \"loss\": NaN}";

static void trainer_state_gives_each_entry_once(void **state)
{
	struct folder folder = folder_new();
	struct bl_metrics_where where = { .attempt = 1, .output_dirs = { folder.path } };
	struct bl_metrics *metrics = made(&where);
	char text[512];

	(void)state;
	mkdir(in_folder(&folder, "checkpoint-10"), 0755);
	mkdir(in_folder(&folder, "checkpoint-20"), 0755);
	const char *first = in_folder(&folder, "checkpoint-10/trainer_state.json");
	write_file(first, "w", history); /* torn: no end */
	dated(first, 100);
	scan_shows(metrics, 10000, "");
	snprintf(text, sizeof(text), "%s]}", history);
	write_file(first, "w", text);
	dated(first, 101);
	scan_shows(metrics, 11000, ""); /* walks every 5 s only */
	scan_shows(metrics, 15000, "10{\"loss\":2};20{\"loss\":\"NaN\"};");
	scan_shows(metrics, 20000, "");
	snprintf(text, sizeof(text),
	         "%s, {\"step\": 20, \"eval_loss\": 1.5},"
	         "{\"step\": 30, \"loss\": 1}]}",
	         history);
	const char *second = in_folder(&folder, "checkpoint-20/trainer_state.json");
	write_file(second, "w", text);
	dated(second, 102);
	scan_shows(metrics, 25000, "20{\"eval_loss\":1.5};30{\"loss\":1};");
	said_is(metrics, "trainer_state.json (4 points)");
	bl_metrics_free(metrics);

	/* a next attempt begins where the restored history ends */
	where.attempt = 2;
	metrics = made(&where);
	scan_shows(metrics, 30000, "");
	snprintf(text + strlen(text) - 2, 64, ", {\"step\": 40, \"loss\": 0.5}]}");
	write_file(in_folder(&folder, "trainer_state.json"), "w", text);
	finish_shows(metrics, "40{\"loss\":0.5};");
	bl_metrics_free(metrics);
	folder_done(&folder);
}

static void metrics_json_is_read_at_the_end(void **state)
{
	struct folder folder = folder_new();
	const struct bl_metrics_where where = { .attempt = 1, .output_dirs = { folder.path } };
	const char *path = in_folder(&folder, "a/b/c/metrics.json");

	(void)state;
	mkdir(in_folder(&folder, "a"), 0755);
	mkdir(in_folder(&folder, "a/b"), 0755);
	mkdir(in_folder(&folder, "a/b/c"), 0755);
	write_file(path, "w", "{\"old\": 1}");
	dated(path, 100);
	struct bl_metrics *metrics = made(&where);
	finish_shows(metrics, ""); /* it was there before */
	bl_metrics_free(metrics);
	metrics = made(&where);
	write_file(path, "w",
	           "{\"eval\": {\"acc\": 0.5, \"f1\": Infinity}, \"name\": \"x\",\n\"n\": [1]}\n");
	dated(path, 101);
	scan_shows(metrics, 10000, "");
	finish_shows(metrics, "{\"eval.acc\":0.5,\"eval.f1\":\"Infinity\"};");
	said_is(metrics, "metrics.json (1 point)");
	bl_metrics_free(metrics);
	folder_done(&folder);
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

/* --- The reader's side ------------------------------------------------------------------------ */

static void the_latest_values_are_kept(void **state)
{
	static const char stream[] =
		"{\"schema\":1,\"attempt\":1,\"at\":1,\"step\":10,\"source\":\"x\",\"total_steps\":"
		"60,"
		"\"values\":{\"loss\":2,\"grad_norm\":\"Infinity\",\"a.b\":1}}\n"
		"{\"schema\":1,\"attempt\":1,\"at\":1,\"step\":20,\"source\":\"x\",\"values\":{"
		"\"loss\":"
		"\"NaN\"}}\ntorn\n{\"schema\":1,\"attempt\":1,\"at\":1,\"step\":30,\"source\":"
		"\"x\","
		"\"values\":{\"eval_loss\":\"NaN\"}}\n{\"schema\"";
	struct bl_latest latest;

	(void)state;
	bl_latest_init(&latest);
	assert_true(isnan(latest.step) && isnan(latest.bad_step));
	assert_int_equal(bl_latest_feed(&latest, stream, strlen(stream)), strlen(stream) - 9);
	assert_true(latest.step == 30 && latest.total_steps == 60);
	assert_int_equal(latest.n, 4);
	assert_string_equal(latest.values[0].name, "loss");
	assert_true(isnan(latest.values[0].value) && latest.values[0].step == 20);
	assert_true(latest.values[0].ever_bad && latest.values[1].ever_bad);
	assert_string_equal(latest.values[2].name, "a.b");
	assert_false(latest.values[2].ever_bad);
	assert_string_equal(latest.bad_name, "loss");
	assert_true(latest.bad_step == 20);
}

static void a_hundred_names_do_not_overflow(void **state)
{
	struct bl_latest latest;
	char line[256];

	(void)state;
	bl_latest_init(&latest);
	for (int i = 0; i < 100; i++) {
		int len = snprintf(line, sizeof(line),
		                   "{\"step\":%d,\"values\":{\"n%d\":1,\"loss\":\"NaN\"}}\n", i, i);
		assert_int_equal(bl_latest_feed(&latest, line, (size_t)len), len);
	}
	assert_int_equal(latest.n, BL_LATEST_MAX);
	assert_true(latest.bad_step == 0);
}

static void goals_follow_from_names(void **state)
{
	static const char *const min[] = { "loss",       "eval_loss", "train/Loss", "error_rate",
		                           "perplexity", "wer",       "eval.ppl",   "test_rmse",
		                           "val-mae",    "eval_cer",  "RMSE" };
	static const char *const max[] = { "acc",   "accuracy", "f1",     "bleu",  "rougeL",
		                           "power", "answer",   "reward", "lower", "" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(min); i++)
		assert_true(bl_metric_goal_is_min(min[i]));
	for (size_t i = 0; i < BL_COUNT(max); i++)
		assert_false(bl_metric_goal_is_min(max[i]));
}

/* More than one look may show: it ends early, says so, and nothing is lost or told twice. */
static void a_long_file_comes_in_pieces(void **state)
{
	enum { POINTS = 60000 };
	BL_AUTO(bl_buf) out = BL_BUF(OUT_MAX);
	struct bl_metrics_where where = { .attempt = 1 };
	char path[] = "/tmp/metrics-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct bl_metrics *metrics;
	struct bl_err err = { 0 };
	size_t looks = 0, lines = 0;
	bool more = true;

	(void)state;
	assert_non_null(file);
	for (int step = 1; step <= POINTS; step++)
		fprintf(file, "{\"step\":%d,\"loss\":0.5}\n", step);
	fclose(file);
	where.metrics_file = path;
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
	unlink(path);
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
		cmocka_unit_test(a_long_file_comes_in_pieces),
		cmocka_unit_test(output_reads_as_expected),
		cmocka_unit_test(the_metrics_file_is_followed),
		cmocka_unit_test(a_line_too_long_is_dropped_alone),
		cmocka_unit_test(the_file_silences_stdout),
		cmocka_unit_test(trainer_state_gives_each_entry_once),
		cmocka_unit_test(metrics_json_is_read_at_the_end),
		cmocka_unit_test(a_held_line_waits_for_its_bar_a_second),
		cmocka_unit_test(names_and_values_are_bounded),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(the_latest_values_are_kept),
		cmocka_unit_test(a_hundred_names_do_not_overflow),
		cmocka_unit_test(goals_follow_from_names),
		cmocka_unit_test(a_failed_allocation_costs_a_metric),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
