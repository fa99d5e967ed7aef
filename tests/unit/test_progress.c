/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/progress.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct progress at(double step, double total, double rate, int width)
{
	struct progress progress = { .step = step, .total = total, .rate = rate, .width = width };

	snprintf(progress.phase, sizeof(progress.phase), "training");
	snprintf(progress.metrics, sizeof(progress.metrics), "loss 1.842");
	return progress;
}

static void the_bar_says_share_rate_and_eta(void **state)
{
	struct progress progress = at(100, 400, 5, 120);
	BL_AUTO(bl_buf) bar = BL_BUF(4096);

	(void)state;
	progress_bar(&progress, 0, &bar);
	assert_string_equal(bl_buf_text(&bar), "training ━━━━━━"
	                                       "─────────"
	                                       "─────────"
	                                       "  25 %  100/400  ETA 60 s  "
	                                       "5.0 steps/s  loss 1.842");
}

static void slow_steps_are_counted_by_the_minute_or_hour(void **state)
{
	static const struct {
		double rate;
		const char *text;
	} cases[] = {
		{ 312.4, "312 steps/s" },      { 0.5, "0.5 steps/s" },
		{ 0.0333, "2.0 steps/min" },   { 0.4, "24 steps/min" },
		{ 0.5 / 60, "0.5 steps/min" }, { 0.001, "3.6 steps/h" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct progress progress = at(100, 400, cases[i].rate, 120);
		BL_AUTO(bl_buf) bar = BL_BUF(4096);

		progress_bar(&progress, 0, &bar);
		if (!strstr(bl_buf_text(&bar), cases[i].text))
			fail_msg("%s: %s", cases[i].text, bl_buf_text(&bar));
	}
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

static void a_secret_is_hidden_wherever_a_long_line_is_cut(void **state)
{
	static const char secret[] = "hunter2-is-no-password";
	static char line[70000], shown[2 * sizeof(line)];
	struct bl_err err = { 0 };
	struct progress progress;
	struct bl_mask *mask;

	(void)state;
	assert_int_equal(bl_mask_new(&mask, &err), 0);
	assert_int_equal(bl_mask_add(mask, secret, &err), 0);
	for (size_t cut = 1; cut < sizeof(secret) - 1; cut++) {
		int fd = memfd_create("shown", MFD_CLOEXEC);
		ssize_t n;

		memset(line, 'x', sizeof(line));
		memcpy(line + 65536 - cut, secret, sizeof(secret) - 1);
		progress_init(&progress, fd, mask);
		progress_output(&progress, line, sizeof(line));
		progress_done(&progress);
		n = pread(fd, shown, sizeof(shown), 0);
		assert_int_equal(n, sizeof(line) + 1); /* a line end is added */
		assert_null(memmem(shown, (size_t)n, "h", 1));
		assert_non_null(memmem(shown, (size_t)n, "x**********************x", 24));
		close(fd);
	}
	bl_mask_free(mask);
}

static void wild_numbers_draw_a_bar_too(void **state)
{
	static const double wild[] = { INFINITY, -INFINITY, 1e300, -1e300, 0, NAN };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(wild) * BL_COUNT(wild) * BL_COUNT(wild); i++) {
		struct progress progress = at(wild[i % 6], wild[i / 6 % 6], wild[i / 36], 120);
		BL_AUTO(bl_buf) bar = BL_BUF(4096);

		progress_bar(&progress, 1000, &bar);
		assert_int_equal(bar.failed, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bar_says_share_rate_and_eta),
		cmocka_unit_test(slow_steps_are_counted_by_the_minute_or_hour),
		cmocka_unit_test(a_narrow_terminal_loses_the_least_important),
		cmocka_unit_test(without_a_total_it_says_how_long_it_lasts),
		cmocka_unit_test(steps_beyond_the_total_stay_in_the_bar),
		cmocka_unit_test(a_secret_is_hidden_wherever_a_long_line_is_cut),
		cmocka_unit_test(wild_numbers_draw_a_bar_too),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
