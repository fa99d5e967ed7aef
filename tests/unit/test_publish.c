/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/post.h"
#include "actions/report/publish.h"
#include "actions/report/publish_decide.h"
#include "tests/unit/markdown.h"
#include "tests/unit/report_input.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	enum bl_status status;
	enum bl_class class;
	bool gate_failed;
	const char *state;
	int exit_status;
	bool on_failure; /* `notify: failure` mentions somebody */
} ends[] = {
	{ BL_STATUS_SUCCESS, BL_CLASS_NONE, false, "success", 0, false },
	{ BL_STATUS_SUCCESS, BL_CLASS_NONE, true, "failure", 1, true },
	{ BL_STATUS_FAILURE, BL_CLASS_USER_EXIT, false, "failure", 1, true },
	{ BL_STATUS_FAILURE, BL_CLASS_NAN, false, "failure", 1, true },
	{ BL_STATUS_FAILURE, BL_CLASS_DATA, false, "failure", 2, true },
	{ BL_STATUS_FAILURE, BL_CLASS_CONFIG, false, "failure", 2, true },
	{ BL_STATUS_FAILURE, BL_CLASS_CAPACITY, false, "failure", 3, true },
	{ BL_STATUS_FAILURE, BL_CLASS_QUOTA, false, "failure", 3, true },
	{ BL_STATUS_FAILURE, BL_CLASS_AUTH, false, "failure", 4, true },
	{ BL_STATUS_FAILURE, BL_CLASS_INTERNAL, false, "failure", 70, true },
	{ BL_STATUS_CANCELLED, BL_CLASS_CANCELLED, false, "error", 5, false },
	{ BL_STATUS_TIMEOUT, BL_CLASS_TIMEOUT, false, "failure", 6, true },
	{ BL_STATUS_BUDGET, BL_CLASS_BUDGET, false, "failure", 6, true },
	{ BL_STATUS_INTERRUPTED, BL_CLASS_INTERRUPTED, false, "error", 75, true },
};

static void an_end_has_one_state_and_one_exit_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(ends); i++) {
		struct report_published done = { .result = { .status = ends[i].status,
			                                     .class = ends[i].class },
			                         .gate_failed = ends[i].gate_failed };

		assert_string_equal(publish_state(&done.result, done.gate_failed), ends[i].state);
		assert_int_equal(bl_exit_status(report_code(&done)), ends[i].exit_status);
		assert_int_equal(publish_notifies("failure", &done.result, done.gate_failed),
		                 ends[i].on_failure);
		assert_true(publish_notifies("always", &done.result, done.gate_failed));
		assert_false(publish_notifies("never", &done.result, done.gate_failed));
	}
}

#define NOW                                                                                        \
	"\"now\":{\"run\":\"r\",\"job\":\"eval\",\"status\":\"success\",\"curves\":[{\"name\":"    \
	"\"loss\","
#define BASE ",\"baseline\":{\"run\":\"b\",\"curves\":[{\"name\":\"loss\",\"to\":1,\"points\":4}]}"

static const struct {
	const char *report, *word, *context;
} reports[] = {
	{ "{" NOW "\"to\":0.5,\"points\":4}]}" BASE "}", "better", "eval/loss" },
	{ "{" NOW "\"to\":2,\"points\":4}]}" BASE "}", "worse", "eval/loss" },
	{ "{\"rules\":{\"noise\":{\"loss\":9}}," NOW "\"to\":2,\"points\":4}]}" BASE "}", "same",
	  "eval/loss" },
	{ "{" NOW "\"to\":2,\"points\":4}]}}", "none", "eval/loss" },
	{ "{\"rules\":{\"fail_if\":[\"loss > 0\"]}," NOW "\"to\":2,\"points\":4}]}}", "gate",
	  "eval/loss" },
	/* what is configured names it before there is any value; else it has no metric's name */
	{ "{\"rules\":{\"primary\":\"acc\"},\"now\":{\"run\":\"r\",\"status\":\"failure\"}}",
	  "none", "default/acc" },
	{ "{\"now\":{\"run\":\"r\",\"status\":\"failure\"}}", "none", "default/training" },
	{ "{\"rules\":{\"primary\":\"<b>`$(x)`é\\n\"},\"now\":{\"run\":\"r\"}}", "none",
	  "default/_b____x_____" },
};

static void a_report_has_one_word_and_one_context(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(reports); i++) {
		char context[PUBLISH_CONTEXT_SIZE];
		BL_AUTO(bl_report) report = { 0 };

		report_of(reports[i].report, strlen(reports[i].report), &report);
		assert_string_equal(publish_word(&report), reports[i].word);
		publish_context(&report, context);
		assert_string_equal(context, reports[i].context);
	}
}

/* The status, the reaction and the notice say what the comment's circle says. */
static void what_diverged_is_bad_though_it_ended_well(void **state)
{
	static const struct {
		const char *report;
		bool is_bad;
	} cases[] = {
		{ "{" NOW "\"to\":2,\"points\":4}]}" BASE "}", false },
		{ "{\"now\":{\"run\":\"r\",\"status\":\"success\",\"lines\":[{\"step\":1,"
		  "\"values\":{"
		  "\"loss\":\"NaN\"}}]}}",
		  true },
		{ "{\"rules\":{\"fail_if\":[\"loss > 0\"]}," NOW "\"to\":2,\"points\":4}]}}",
		  true },
		{ "{\"now\":{\"run\":\"r\",\"status\":\"failure\"}}", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_report) report = { 0 };

		report_of(cases[i].report, strlen(cases[i].report), &report);
		assert_int_equal(publish_is_bad(&report), cases[i].is_bad);
	}
}

static void only_names_that_github_gives_are_mentioned(void **state)
{
	static const char *const people[] = { "a", "ada-lovelace", "A1" };
	static const char *const others[] = { "",
		                              "-a",
		                              "a b",
		                              "a@b",
		                              "dependabot[bot]",
		                              "a/b",
		                              "é",
		                              "a\n",
		                              "0123456789012345678901234567890123456789" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(people); i++)
		assert_true(publish_is_login(people[i]));
	for (size_t i = 0; i < BL_COUNT(others); i++)
		assert_false(publish_is_login(others[i]));
}

static void a_notice_is_short_and_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_hostile_texts; i++) {
		struct bl_report report = { .mood = BL_MOOD_BAD };
		BL_AUTO(bl_buf) text = BL_BUF(8192);

		snprintf(report.verdict, sizeof(report.verdict), "%s", hostile_texts[i]);
		snprintf(report.next, sizeof(report.next), "%s", hostile_texts[i]);
		publish_notice(&report, "not a login", "", &text);
		assert_false(text.failed);
		assert_int_equal(strcspn(text.data, "\n"), text.len - 1);
		check_markdown(bl_buf_text(&text));
	}
	struct bl_report report = { .mood = BL_MOOD_BAD, .verdict = "it broke", .next = "mend it" };
	BL_AUTO(bl_buf) text = BL_BUF(8192);

	publish_notice(&report, "ada", "", &text);
	assert_string_equal(bl_buf_text(&text), "@ada 🔴 it broke. **Next:** mend it\n");
}

static void a_comment_is_of_a_group_else_of_a_job(void **state)
{
	struct bl_run run = { .group = "g", .job = "j" };
	char key[129];

	(void)state;
	publish_key(&run, key, sizeof(key));
	assert_string_equal(key, "g");
	run.group = "";
	publish_key(&run, key, sizeof(key));
	assert_string_equal(key, "j");
	run.job = "";
	publish_key(&run, key, sizeof(key));
	assert_string_equal(key, "default");
}

/* --- The artifact of a fork ------------------------------------------------------------------- */

#define ZW "\xe2\x80\x8b"

static const struct {
	const char *given, *clean;
} texts[] = {
	{ "plain | table |\n", "plain | table |\n" },
	{ "<!-- branchline:report v1 key=default -->\n### a\n", "### a\n" },
	{ "\n\n<!-- x -->\n", "&lt;!-- x -->\n" },
	{ "<details><summary>a</summary>\n</details><sub><code>x</code></sub>",
	  "<details><summary>a</summary>\n</details><sub><code>x</code></sub>" },
	{ "<img src=x> <details open> <a href=x>",
	  "&lt;img src=x> &lt;details open> &lt;a href=x>" },
	{ "@octo #12 # 12 GH-3", "@" ZW "octo #" ZW "12 # 12 GH" ZW "-3" },
	{ "![x](http://e.vil) [a](b) [a][b]",
	  "!" ZW "[x]" ZW "(http:" ZW "//e.vil) [a]" ZW "(b) [a]" ZW "[b]" },
	{ "#2563eb #34, #5", "#2563eb #" ZW "34, #" ZW "5" }, /* a colour is no reference */
	{ "www.e.vil", "www" ZW ".e.vil" },
	{ "a\x01\x1b[31m\r\nb\tc", "a[31m\nb\tc" },
	{ "a" ZW "@b\xe2\x80\xae"
	  "c\xef\xbb\xbf",
	  "a@" ZW "bc" },
	{ "\xe2\x80", "\xe2\x80" }, /* no UTF-8: refused before */
};

static void hostile_markdown_is_made_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(texts); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);

		post_clean(texts[i].given, &out);
		assert_string_equal(bl_buf_text(&out), texts[i].clean);
	}
}

static void a_report_of_ours_stays_as_it_is(void **state)
{
	static const char text[] =
		"{" NOW "\"to\":0.5,\"points\":9}]}" BASE ",\"samples\":\"a\\nb\\n\"}";
	BL_AUTO(bl_buf) given = BL_BUF(1 << 20);
	BL_AUTO(bl_buf) clean = BL_BUF(1 << 20);
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	report_of(text, strlen(text), &report);
	must(bl_report_md(&report, &given, &err), &err);
	post_clean(bl_buf_text(&given), &clean);
	assert_string_equal(bl_buf_text(&clean), strchr(bl_buf_text(&given), '\n') + 1);
}

static void a_post_says_what_is_wrong_with_it(void **state)
{
	static const struct {
		const char *path, *says;
	} bad[] = { { "/nonexistent/report.md", "--post" }, { "/dev/null", "--post" } };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct post_options options = { .path = bad[i].path, .number = 1 };
		struct bl_err err = { 0 };

		assert_int_equal(post_report(&options, &err), -1);
		assert_non_null(strstr(err.text, bad[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_has_one_state_and_one_exit_code),
		cmocka_unit_test(a_report_has_one_word_and_one_context),
		cmocka_unit_test(what_diverged_is_bad_though_it_ended_well),
		cmocka_unit_test(only_names_that_github_gives_are_mentioned),
		cmocka_unit_test(a_notice_is_short_and_harmless),
		cmocka_unit_test(a_comment_is_of_a_group_else_of_a_job),
		cmocka_unit_test(hostile_markdown_is_made_harmless),
		cmocka_unit_test(a_report_of_ours_stays_as_it_is),
		cmocka_unit_test(a_post_says_what_is_wrong_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
