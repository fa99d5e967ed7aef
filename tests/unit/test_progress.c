/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/progress.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct progress at(double step, double total, double rate, int width)
{
	struct progress progress = { .step = step, .total = total, .rate = rate, .width = width };

	strcpy(progress.phase, "training");
	strcpy(progress.metrics, "loss 1.842");
	return progress;
}

static void the_bar_says_share_rate_and_eta(void **state)
{
	struct progress progress = at(100, 400, 5, 120);
	BL_AUTO(bl_buf) bar = BL_BUF(4096);

	(void)state;
	progress_bar(&progress, 0, &bar);
	assert_string_equal(bl_buf_text(&bar),
	                    "training ━━━━━━──────────────────  25 %  100/400  ETA 60 s  "
	                    "5.0 steps/s  loss 1.842");
}

static void a_narrow_terminal_loses_the_least_important(void **state)
{
	struct progress progress = at(100, 400, 5, 60);
	BL_AUTO(bl_buf) bar = BL_BUF(4096);

	(void)state;
	progress_bar(&progress, 0, &bar);
	assert_non_null(strstr(bl_buf_text(&bar), "25 %"));
	assert_non_null(strstr(bl_buf_text(&bar), "ETA 60 s"));
	assert_null(strstr(bl_buf_text(&bar), "loss"));
}

static void without_a_total_it_says_how_long_it_lasts(void **state)
{
	struct progress progress = at(NAN, NAN, NAN, 80);
	BL_AUTO(bl_buf) bar = BL_BUF(4096);

	(void)state;
	progress_bar(&progress, 65000, &bar);
	assert_non_null(strstr(bl_buf_text(&bar), "65 s"));
	assert_null(strstr(bl_buf_text(&bar), "%"));
}

static void steps_beyond_the_total_stay_in_the_bar(void **state)
{
	struct progress progress = at(500, 400, 5, 120);
	BL_AUTO(bl_buf) bar = BL_BUF(4096);

	(void)state;
	progress_bar(&progress, 0, &bar);
	assert_non_null(strstr(bl_buf_text(&bar), "100 %"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bar_says_share_rate_and_eta),
		cmocka_unit_test(a_narrow_terminal_loses_the_least_important),
		cmocka_unit_test(without_a_total_it_says_how_long_it_lasts),
		cmocka_unit_test(steps_beyond_the_total_stay_in_the_bar),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
