/* SPDX-License-Identifier: Apache-2.0 */
#include "run/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_values_are_kept),
		cmocka_unit_test(a_hundred_names_do_not_overflow),
		cmocka_unit_test(goals_follow_from_names),
	};

	return cmocka_run_group_tests_name("metrics: the latest", tests, NULL, NULL);
}
