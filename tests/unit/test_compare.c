/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"
#include "run/report.h"
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

/* One metric, from the baseline's value to this run's, under a rule. */
static enum bl_change judged(const char *name, double from, double to, const char *rules)
{
	struct bl_report report;
	enum bl_change word;
	char text[1024];

	snprintf(text, sizeof(text),
	         "{\"rules\":%s,\"now\":{\"run\":\"b\",\"status\":\"success\",\"lines\":"
	         "[{\"attempt\":1,\"step\":1,\"values\":{\"%s\":%.17g}}]},\"baseline\":{\"run\":"
	         "\"a\","
	         "\"lines\":[{\"attempt\":1,\"step\":1,\"values\":{\"%s\":%.17g}}]}}",
	         rules, name, to, name, from);
	report_of(text, strlen(text), &report);
	word = report.rows[0].word;
	bl_report_done(&report);
	return word;
}

static void every_change_has_its_word(void **state)
{
	static const struct {
		const char *name;
		double from, to;
		const char *rules;
		enum bl_change word;
	} table[] = {
		{ "loss", 2, 1, "{}", BL_CHANGE_BETTER },
		{ "loss", 1, 2, "{}", BL_CHANGE_WORSE },
		{ "loss", 1, 1, "{}", BL_CHANGE_SAME },
		{ "loss", 0.1 + 0.2, 0.3, "{}", BL_CHANGE_SAME }, /* only rounding */
		{ "accuracy", 0.5, 0.6, "{}", BL_CHANGE_BETTER },
		{ "accuracy", 0.6, 0.5, "{}", BL_CHANGE_WORSE },
		{ "samples", 5, 6, "{}", BL_CHANGE_NONE },
		{ "samples", 5, 6, "{\"goals\":{\"samples\":\"max\"}}", BL_CHANGE_BETTER },
		{ "samples", 5, 6, "{\"goals\":{\"samples\":\"min\"}}", BL_CHANGE_WORSE },
		{ "loss", 2, 1, "{\"goals\":{\"loss\":\"max\"}}", BL_CHANGE_WORSE },
		/* exactly the noise is within it; a hair more is not */
		{ "loss", 1.0, 1.1, "{\"noise\":{\"loss\":0.1}}", BL_CHANGE_SAME },
		{ "loss", 1.0, 1.1001, "{\"noise\":{\"loss\":0.1}}", BL_CHANGE_WORSE },
		{ "loss", 2.0, 2.04, "{\"noise\":{\"loss\":\"2%\"}}", BL_CHANGE_SAME },
		{ "loss", 2.0, 1.95, "{\"noise\":{\"loss\":\"2%\"}}", BL_CHANGE_BETTER },
		{ "loss", -2.0, -2.03, "{\"noise\":{\"loss\":\"2%\"}}", BL_CHANGE_SAME },
		{ "loss", 0, 1e-9, "{\"noise\":{\"loss\":\"50%\"}}", BL_CHANGE_WORSE },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		enum bl_change word =
			judged(table[i].name, table[i].from, table[i].to, table[i].rules);

		if (word != table[i].word)
			fail_msg("row %zu: '%s', not '%s'", i, bl_change_word(word),
			         bl_change_word(table[i].word));
	}
}

static void names_tell_which_way_is_better(void **state)
{
	static const struct {
		const char *name;
		enum bl_goal goal;
	} table[] = {
		{ "loss", BL_GOAL_MIN },
		{ "eval/loss", BL_GOAL_MIN },
		{ "train_loss", BL_GOAL_MIN },
		{ "rmse", BL_GOAL_MIN },
		{ "word_error_rate", BL_GOAL_MIN },
		{ "eval_wer", BL_GOAL_MIN },
		{ "tower", BL_GOAL_NONE },
		{ "perplexity", BL_GOAL_MIN },
		{ "eval_accuracy", BL_GOAL_MAX },
		{ "acc", BL_GOAL_MAX },
		{ "accelerate", BL_GOAL_NONE },
		{ "rouge1", BL_GOAL_MAX },
		{ "rewards/mean", BL_GOAL_MAX },
		{ "f1", BL_GOAL_MAX },
		{ "learning_rate", BL_GOAL_NONE },
		{ "", BL_GOAL_NONE },
	};
	static const struct bl_rules none;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_int_equal(bl_rules_goal(&none, table[i].name), table[i].goal);
}

static struct bl_report report_from(const char *text)
{
	struct bl_report report;

	report_of(text, strlen(text), &report);
	return report;
}

static const char *rows_in_order(const struct bl_report *report, struct bl_buf *out)
{
	for (size_t i = 0; i < report->n_rows; i++)
		bl_buf_addf(out, "%s%s%s", i ? " " : "", report->rows[i].name,
		            report->rows[i].main ? "!" : "");
	return bl_buf_text(out);
}

#define SOME_RUN                                                                                   \
	"\"now\":{\"run\":\"b\",\"status\":\"success\",\"lines\":[{\"attempt\":1,\"step\":1,"      \
	"\"values\":{\"zeta\":1,\"loss\":2,\"accuracy\":3,\"eval_loss\":4,\"alpha\":5}}]},"        \
	"\"baseline\":{\"run\":\"a\",\"lines\":[{\"attempt\":1,\"step\":1,\"values\":{\"gone_"     \
	"loss\":1}}]}"

static void rows_come_by_worth(void **state)
{
	static const struct {
		const char *rules, *rows;
	} table[] = {
		{ "{}", "eval_loss! accuracy! gone_loss! loss! alpha zeta" },
		{ "{\"primary\":\"accuracy\"}",
		  "accuracy! eval_loss! gone_loss! loss! alpha zeta" },
		{ "{\"primary\":\"loss\",\"show\":[\"zeta\",\"accuracy\"]}",
		  "loss! zeta! accuracy! eval_loss gone_loss alpha" },
		{ "{\"primary\":\"absent\"}", "accuracy! eval_loss! gone_loss! loss! alpha zeta" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) text = BL_BUF(4096);
		BL_AUTO(bl_buf) rows = BL_BUF(4096);

		bl_buf_addf(&text, "{\"rules\":%s,%s}", table[i].rules, SOME_RUN);
		struct bl_report report = report_from(bl_buf_text(&text));
		assert_string_equal(rows_in_order(&report, &rows), table[i].rows);
		bl_report_done(&report);
	}
}

static void the_best_value_counts_where_asked(void **state)
{
	static const char text[] =
		"{\"rules\":{\"value\":\"best\"},\"now\":{\"run\":\"b\",\"status\":\"success\","
		"\"lines\":["
		"{\"attempt\":1,\"step\":1,\"values\":{\"loss\":1,\"acc\":0.9,\"other\":5}},"
		"{\"attempt\":1,\"step\":2,\"values\":{\"loss\":2,\"acc\":0.8,\"other\":6}}]}}";
	struct bl_report report = report_from(text);

	(void)state;
	assert_true(bl_report_row(&report, "loss")->now == 1);
	assert_true(bl_report_row(&report, "acc")->now == 0.9);
	assert_true(bl_report_row(&report, "other")->now == 6); /* nobody knows its best */
	bl_report_done(&report);
}

static void a_run_cut_short_is_not_called_worse(void **state)
{
	static const char text[] = "{\"now\":{\"run\":\"b\",\"status\":\"cancelled\",\"lines\":[{"
				   "\"attempt\":1,\"step\":1,"
				   "\"values\":{\"loss\":3}}]},\"baseline\":{\"run\":\"a\","
				   "\"status\":\"success\",\"lines\":"
				   "[{\"attempt\":1,\"step\":1,\"values\":{\"loss\":1}}]}}";
	struct bl_report report = report_from(text);

	(void)state;
	assert_int_equal(report.rows[0].word, BL_CHANGE_NONE);
	assert_true(report.rows[0].change == 2);
	bl_report_done(&report);
}

static void what_differs_is_named_once(void **state)
{
	static const char text[] =
		"{\"now\":{\"run\":\"b\",\"status\":\"success\",\"sha\":\"bbbb\",\"dirty\":true,"
		"\"params\":{\"lr\":0.002,\"same\":1,\"opt\":{\"name\":\"adam\"},\"new\":[1,2]},"
		"\"data\":{\"train\":\"x\"},\"settings\":{\"command\":\"a\"}},"
		"\"baseline\":{\"run\":\"a\",\"sha\":\"aaaa\",\"params\":{\"lr\":0.001,\"same\":1,"
		"\"opt\":{\"name\":\"sgd\"},\"old\":true},\"data\":{\"train\":\"y\"},"
		"\"settings\":{\"command\":\"a\"}}}";
	struct bl_report report = report_from(text);
	BL_AUTO(bl_buf) got = BL_BUF(4096);

	(void)state;
	for (size_t i = 0; i < report.differences.n; i++) {
		const struct bl_difference *one = &report.differences.items[i];

		bl_buf_addf(&got, "%s %s %s %s\n", bl_difference_word(one), one->name,
		            one->from ? one->from : "-", one->to ? one->to : "-");
	}
	assert_string_equal(bl_buf_text(&got), "parameter lr 0.001 0.002\n"
	                                       "parameter new - [1,2]\n"
	                                       "parameter old true -\n"
	                                       "parameter opt.name sgd adam\n"
	                                       "data train y x\n"
	                                       "code commit aaaa bbbb\n"
	                                       "code uncommitted changes no yes\n");
	bl_report_done(&report);
}

static const struct bl_value *rules_doc;

static int read_and_compare(struct bl_err *err)
{
	struct bl_side a = { .present = true }, b = { .present = true };
	struct bl_differences differences = { 0 };
	struct bl_rules rules = { 0 };
	struct bl_row *rows = NULL;
	size_t n = 0;
	int got = bl_rules_read(rules_doc, &rules, err) ||
	          bl_pairs_add_value(&a.params, "p", rules_doc, err) ||
	          bl_pairs_add(&b.params, "x", "y", err) || bl_compare(&a, &b, &differences, err) ||
	          bl_compare_metrics(&rules, &a, &a, &b, &rows, &n, err);

	free(rows);
	bl_rules_done(&rules);
	bl_differences_done(&differences);
	bl_side_done(&a);
	bl_side_done(&b);
	return got ? -1 : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	static const char text[] = "{\"primary\":\"a\",\"goals\":{\"x\":\"min\",\"y\":\"max\"},"
				   "\"noise\":{\"x\":\"1%\"},\"show\":[\"z\"]}";
	BL_VALUE doc = NULL;
	struct bl_err err = { 0 };

	(void)state;
	must(bl_json_parse(text, strlen(text), "rules", &doc, &err), &err);
	rules_doc = doc;
	each_allocation_fails(read_and_compare, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_change_has_its_word),
		cmocka_unit_test(names_tell_which_way_is_better),
		cmocka_unit_test(rows_come_by_worth),
		cmocka_unit_test(the_best_value_counts_where_asked),
		cmocka_unit_test(a_run_cut_short_is_not_called_worse),
		cmocka_unit_test(what_differs_is_named_once),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
