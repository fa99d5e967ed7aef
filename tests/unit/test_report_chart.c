/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 10000

static double step[MANY], value[MANY];

static struct bl_curve line(size_t n, double (*at)(size_t))
{
	for (size_t i = 0; i < n; i++) {
		step[i] = (double)i * 10;
		value[i] = at(i);
	}
	return (struct bl_curve){ .n = n, .step = step, .value = value, .has_steps = true };
}

static double rising(size_t i)
{
	return (double)i;
}

/* Flat but for one high and one low point, far apart. */
static double spiked(size_t i)
{
	return i == 4321 ? 100 : i == 8765 ? -50 : 1;
}

static double holed(size_t i)
{
	return i % 3 == 1 ? (double)NAN : i % 7 == 2 ? (double)INFINITY : (double)i;
}

static void a_sparse_curve_is_drawn_straight(void **state)
{
	struct bl_curve curve = line(3, rising);
	const struct bl_curve *one = &curve;
	double grid[5];

	(void)state;
	assert_true(bl_chart_grid(&curve, bl_chart_steps(&one, 1), 5, grid));
	for (size_t i = 0; i < 5; i++)
		assert_true(fabs(grid[i] - (double)i / 2) < 1e-12);
}

static void a_grid_keeps_every_spike(void **state)
{
	struct bl_curve curve = line(MANY, spiked);
	const struct bl_curve *one = &curve;
	double grid[100];
	bool high = false, low = false;

	(void)state;
	assert_true(bl_chart_grid(&curve, bl_chart_steps(&one, 1), 100, grid));
	for (size_t i = 0; i < 100; i++) {
		high |= grid[i] == 100;
		low |= grid[i] == -50;
	}
	assert_true(high && low);
	assert_true(grid[0] == 1 && grid[99] == 1);
}

static void thinning_keeps_ends_extremes_and_order(void **state)
{
	struct bl_curve curve = line(MANY, spiked);
	size_t kept[200], n = bl_chart_thin(&curve, 200, kept);
	bool high = false, low = false;

	(void)state;
	assert_true(n >= 4 && n <= 200);
	for (size_t i = 0; i < n; i++) {
		assert_true(!i || kept[i] > kept[i - 1]);
		high |= kept[i] == 4321;
		low |= kept[i] == 8765;
	}
	assert_true(high && low);
	assert_int_equal(kept[0], 0);
	assert_int_equal(kept[n - 1], MANY - 1);
}

static void only_finite_points_are_drawn(void **state)
{
	struct bl_curve curve = line(1000, holed);
	const struct bl_curve *one = &curve;
	double grid[64];
	size_t kept[100], n = bl_chart_thin(&curve, 100, kept);

	(void)state;
	assert_true(bl_chart_grid(&curve, bl_chart_steps(&one, 1), 64, grid));
	for (size_t i = 0; i < 64; i++)
		assert_true(isfinite(grid[i]));
	assert_true(n > 2 && n <= 100);
	for (size_t i = 0; i < n; i++)
		assert_true(isfinite(curve.value[kept[i]]));
}

static void fewer_than_two_points_are_no_chart(void **state)
{
	struct bl_curve curve = line(1, rising);
	const struct bl_curve *one = &curve;
	BL_AUTO(bl_buf) out = BL_BUF(1000);
	double grid[4];
	size_t kept[8];

	(void)state;
	assert_false(bl_chart_grid(&curve, bl_chart_steps(&one, 1), 4, grid));
	bl_chart_sparkline(&curve, 10, &out);
	assert_string_equal(bl_buf_text(&out), "");
	assert_int_equal(bl_chart_thin(&curve, 8, kept), 1);
	curve.n = 0;
	assert_false(bl_chart_grid(&curve, (struct bl_range){ 0, 1 }, 4, grid));
	assert_int_equal(bl_chart_thin(&curve, 8, kept), 0);
}

static void ticks_are_round_and_within(void **state)
{
	static const struct {
		struct bl_range range;
		size_t n;
		double first, last;
	} table[] = {
		{ { 0, 10 }, 6, 0, 10 },
		{ { 1.53, 4.06 }, 5, 2, 4 },
		{ { -1e-6, 3e-6 }, 5, -1e-6, 3e-6 },
		{ { 0, 987654 }, 5, 0, 800000 },
		{ { 5, 5 }, 0, 0, 0 },
	};
	double ticks[12];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		size_t n = bl_chart_ticks(table[i].range, 5, ticks, 12);

		assert_int_equal(n, table[i].n);
		if (!n)
			continue;
		assert_true(fabs(ticks[0] - table[i].first) <= fabs(table[i].first) * 1e-9);
		assert_true(fabs(ticks[n - 1] - table[i].last) <= fabs(table[i].last) * 1e-9);
	}
}

static void a_flat_curve_gets_a_height(void **state)
{
	struct bl_range flat = bl_chart_padded((struct bl_range){ 3, 3 }, 0.05);
	struct bl_range zero = bl_chart_padded((struct bl_range){ 0, 0 }, 0.05);

	(void)state;
	assert_true(flat.low < 3 && flat.high > 3);
	assert_true(zero.low < 0 && zero.high > 0);
}

static void a_sparkline_rises_with_its_curve(void **state)
{
	struct bl_curve curve = line(8, rising);
	BL_AUTO(bl_buf) out = BL_BUF(1000);

	(void)state;
	bl_chart_sparkline(&curve, 8, &out);
	assert_string_equal(bl_buf_text(&out), "▁▂▃▄▅▆▇█");
}

static void braille_dots_lie_on_the_line(void **state)
{
	static const double grid[] = { 0, 1, 2, 3 };
	unsigned char field[2];

	(void)state;
	bl_chart_braille(grid, 4, (struct bl_range){ 0, 3 }, 2, 1, field);
	/* bottom left up to top right: dots 7, 3+6 ... joined without a gap */
	assert_int_equal(field[0], 0x40 | 0x20 | 0x80);
	assert_int_equal(field[1], 0x02 | 0x04 | 0x08 | 0x10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sparse_curve_is_drawn_straight),
		cmocka_unit_test(a_grid_keeps_every_spike),
		cmocka_unit_test(thinning_keeps_ends_extremes_and_order),
		cmocka_unit_test(only_finite_points_are_drawn),
		cmocka_unit_test(fewer_than_two_points_are_no_chart),
		cmocka_unit_test(ticks_are_round_and_within),
		cmocka_unit_test(a_flat_curve_gets_a_height),
		cmocka_unit_test(a_sparkline_rises_with_its_curve),
		cmocka_unit_test(braille_dots_lie_on_the_line),
	};

	return cmocka_run_group_tests_name("report chart", tests, NULL, NULL);
}
