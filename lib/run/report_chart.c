/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_range bl_chart_steps(const struct bl_curve *const *curves, size_t n)
{
	struct bl_range range = { NAN, NAN };

	for (size_t c = 0; c < n; c++) {
		size_t first = 0, last = curves[c] ? curves[c]->n : 0;

		while (first < last && !isfinite(curves[c]->value[first]))
			first++;
		while (last > first && !isfinite(curves[c]->value[last - 1]))
			last--;
		if (first == last)
			continue;
		range.low = fmin(range.low, curves[c]->step[first]);
		range.high = fmax(range.high, curves[c]->step[last - 1]);
	}
	return range;
}

struct bl_range bl_chart_values(const struct bl_curve *const *curves, size_t n,
                                struct bl_range steps)
{
	struct bl_range range = { NAN, NAN };

	for (size_t c = 0; c < n; c++) {
		for (size_t i = 0; curves[c] && i < curves[c]->n; i++) {
			double step = curves[c]->step[i], value = curves[c]->value[i];

			if (!isfinite(value) || step < steps.low || step > steps.high)
				continue;
			range.low = fmin(range.low, value);
			range.high = fmax(range.high, value);
		}
	}
	return range;
}

struct bl_range bl_chart_padded(struct bl_range range, double share)
{
	double height = range.high - range.low;

	if (!(height > fabs(range.high) * 1e-9))
		height = range.high != 0 ? fabs(range.high) * 0.2 : 1;
	if (!isfinite(height))
		return range;
	return (struct bl_range){ range.low - height * share, range.high + height * share };
}

/* First point at or after a step. */
static size_t first_at(const struct bl_curve *curve, double step)
{
	size_t low = 0, high = curve->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (curve->step[middle] < step)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The line through the finite points, at `step`. Starts looking at `from`. */
static double line_at(const struct bl_curve *curve, double step, size_t from)
{
	size_t left = from, right = from;
	double share;

	while (left > 0 &&
	       (left == curve->n || curve->step[left] > step || !isfinite(curve->value[left])))
		left--;
	while (right < curve->n && (curve->step[right] < step || !isfinite(curve->value[right])))
		right++;
	bool has_left =
		left < curve->n && isfinite(curve->value[left]) && curve->step[left] <= step;
	if (right == curve->n)
		return has_left ? curve->value[left] : NAN;
	if (!has_left || curve->step[right] <= curve->step[left])
		return curve->value[right];
	share = (step - curve->step[left]) / (curve->step[right] - curve->step[left]);
	return curve->value[left] + (curve->value[right] - curve->value[left]) * share;
}

/* Indexes of the least and the greatest finite point of from..to; both `to` without any. */
static void find_extremes(const struct bl_curve *curve, size_t from, size_t to, size_t *least,
                          size_t *greatest)
{
	*least = *greatest = to;
	for (size_t i = from; i < to; i++) {
		if (!isfinite(curve->value[i]))
			continue;
		if (*least == to || curve->value[i] < curve->value[*least])
			*least = i;
		if (*greatest == to || curve->value[i] > curve->value[*greatest])
			*greatest = i;
	}
}

/* Puts the extremes of the points from..to into a pair of places, in their order. */
static void put_pair(const struct bl_curve *curve, size_t from, size_t to, double *pair)
{
	size_t least, greatest;

	find_extremes(curve, from, to, &least, &greatest);
	if (least == to)
		return;
	pair[0] = curve->value[least < greatest ? least : greatest];
	pair[1] = curve->value[least < greatest ? greatest : least];
}

bool bl_chart_grid(const struct bl_curve *curve, struct bl_range steps, size_t n, double *out)
{
	size_t from = first_at(curve, steps.low), last = first_at(curve, steps.high), finite = 0;
	double width = (steps.high - steps.low) / (double)(n - 1);

	if (last < curve->n && curve->step[last] == steps.high)
		last++;
	for (size_t i = from; i < last; i++)
		finite += isfinite(curve->value[i]);
	if (finite < 2 || n < 2 || !(steps.high > steps.low))
		return false;
	for (size_t i = 0; i < n; i++) {
		double step = steps.low + width * (double)i;

		out[i] = line_at(curve, step, first_at(curve, step));
	}
	if (last - from <= n)
		return true;
	for (size_t i = 0; i + 1 < n; i += 2) {
		double to = steps.low + width * ((double)i + 1.5);
		size_t end = i + 3 > n ? last : first_at(curve, to);

		if (end > last)
			end = last;
		put_pair(curve, from, end, out + i);
		from = end > from ? end : from;
	}
	return true;
}

/* Appends an index unless it is there already. */
static size_t put_index(size_t *out, size_t used, size_t index)
{
	if (!used || out[used - 1] < index)
		out[used++] = index;
	return used;
}

size_t bl_chart_thin(const struct bl_curve *curve, size_t max, size_t *out)
{
	size_t used = 0, stretches = (max - 2) / 2, first = 0, last = curve->n, from, to;

	while (first < last && !isfinite(curve->value[first]))
		first++;
	while (last > first && !isfinite(curve->value[last - 1]))
		last--;
	if (last - first <= max) {
		for (size_t i = first; i < last; i++)
			if (isfinite(curve->value[i]))
				out[used++] = i;
		return used;
	}
	used = put_index(out, used, first);
	from = first;
	for (size_t s = 0; s < stretches; s++, from = to) {
		size_t least, greatest;

		to = first + (last - first) * (s + 1) / stretches;
		find_extremes(curve, from, to, &least, &greatest);
		if (least == to)
			continue;
		used = put_index(out, used, least < greatest ? least : greatest);
		used = put_index(out, used, least < greatest ? greatest : least);
	}
	return put_index(out, used, last - 1);
}

size_t bl_chart_ticks(struct bl_range range, unsigned wanted, double *out, size_t max)
{
	double raw = (range.high - range.low) / (double)wanted, power, step;
	size_t n = 0;

	if (!(raw > 0) || !isfinite(raw))
		return 0;
	power = pow(10, floor(log10(raw)));
	step = raw / power;
	/* the nearest of these by ratio */
	step = (step < 1.414 ? 1 : step < 3.162 ? 2 : step < 7.071 ? 5 : 10) * power;
	for (double at = ceil(range.low / step - 1e-9); n < max; at++) {
		if (at * step > range.high + step * 1e-9)
			break;
		out[n++] = at == 0 ? 0 : at * step;
	}
	return n;
}

int bl_chart_decimals(double step)
{
	int decimals = step > 0 ? (int)-floor(log10(step) + 1e-9) : 0;

	return decimals < 0 ? 0 : decimals > 12 ? 12 : decimals;
}

void bl_chart_sparkline(const struct bl_curve *curve, size_t n, struct bl_buf *buf)
{
	static const char blocks[] = "▁▂▃▄▅▆▇█"; /* three bytes each */
	double grid[128];
	struct bl_range values = { NAN, NAN };

	if (n > BL_COUNT(grid))
		n = BL_COUNT(grid);
	if (!bl_chart_grid(curve, bl_chart_steps(&curve, 1), n, grid))
		return;
	for (size_t i = 0; i < n; i++) {
		values.low = fmin(values.low, grid[i]);
		values.high = fmax(values.high, grid[i]);
	}
	for (size_t i = 0; i < n; i++) {
		double share = values.high > values.low
		                       ? (grid[i] - values.low) / (values.high - values.low)
		                       : 0.5;

		bl_buf_add(buf, blocks + 3 * (share >= 0 ? (size_t)(share * 7 + 0.5) % 8 : 0), 3);
	}
}

static void set_dot(unsigned char *field, size_t columns, size_t rows, size_t x, size_t y)
{
	static const unsigned char dots[4][2] = {
		{ 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 }
	};

	if (x / 2 < columns && y / 4 < rows)
		field[y / 4 * columns + x / 2] |= dots[y % 4][x % 2];
}

void bl_chart_braille(const double *grid, size_t n, struct bl_range values, size_t columns,
                      size_t rows, unsigned char *out)
{
	double height = (double)(rows * 4 - 1);
	size_t before = 0;

	memset(out, 0, columns * rows);
	for (size_t i = 0; i < n; i++) {
		double share = (grid[i] - values.low) / (values.high - values.low);
		size_t y, x = i * (columns * 2 - 1) / (n > 1 ? n - 1 : 1);

		if (!(share >= -0.01 && share <= 1.01))
			continue;
		share = fmin(fmax(share, 0), 1);
		y = (size_t)((1 - share) * height + 0.5);
		if (!i)
			before = y;
		for (size_t at = y < before ? y : before; at <= (y < before ? before : y); at++)
			set_dot(out, columns, rows, x, at);
		before = y;
	}
}
