/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_chart.h"
#include "run/report_md.h"
#include "run/report_text.h"

#include <math.h>
#include <stdio.h>

#define POINTS 100u

/* What the chart shows: ours and the one beside it, which may be NULL. */
struct pair {
	const struct bl_curve *now, *other;
	struct bl_range steps;
	double now_grid[POINTS], other_grid[POINTS];
	bool has_other;
	double scale; /* values are shown times this; a power of ten */
	int exponent; /* 0: as they are */
	struct bl_range values;
	int decimals;
};

/* Fixed decimals cannot show 1e-5 nor hold 1e12: brings the greatest to 1..10. */
static void choose_scale(struct pair *pair)
{
	double size = fmax(fabs(pair->values.low), fabs(pair->values.high));

	pair->scale = 1;
	pair->exponent = 0;
	if (size == 0 || (size >= 0.01 && size < 1e6))
		return;
	pair->exponent = (int)floor(log10(size));
	pair->scale = pow(10, -pair->exponent);
}

static bool prepare(const struct bl_report *report, struct pair *pair)
{
	const struct bl_side *reference = bl_report_reference(report);
	const struct bl_curve *both[2];

	*pair = (struct pair){ .now = bl_series_find(&report->now.series, report->primary) };
	if (!pair->now)
		return false;
	if (reference)
		pair->other = bl_series_find(&reference->series, report->primary);
	pair->steps = bl_chart_steps(&pair->now, 1);
	if (!bl_chart_grid(pair->now, pair->steps, POINTS, pair->now_grid))
		return false;
	pair->has_other =
		pair->other && bl_chart_grid(pair->other, pair->steps, POINTS, pair->other_grid);
	both[0] = pair->now;
	both[1] = pair->has_other ? pair->other : NULL;
	pair->values = bl_chart_values(both, 2, pair->steps);
	choose_scale(pair);
	pair->values = bl_chart_padded(pair->values, 0.05);
	pair->values.low *= pair->scale;
	pair->values.high *= pair->scale;
	pair->decimals = bl_chart_decimals((pair->values.high - pair->values.low) / 1000);
	return isfinite(pair->scale) && pair->scale > 0 && isfinite(pair->values.low) &&
	       isfinite(pair->values.high) && pair->decimals <= 6;
}

static void add_line(struct bl_buf *out, const double *grid, const struct pair *pair)
{
	bl_buf_adds(out, "  line [");
	for (size_t i = 0; i < POINTS; i++) {
		if (i)
			bl_buf_adds(out, ", ");
		bl_number_add_fixed(out, grid[i] * pair->scale, pair->decimals);
	}
	bl_buf_adds(out, "]\n");
}

static void add_chart(const struct bl_report *report, const struct pair *pair, struct bl_buf *out)
{
	bl_buf_addf(out,
	            "```mermaid\n%%%%{init: {\"themeVariables\": {\"xyChart\": "
	            "{\"plotColorPalette\": \"%s#2563eb\"}}}}%%%%\nxychart-beta\n  title \"",
	            pair->has_other ? "#f97316, " : "");
	bl_text_mermaid(out, report->primary, 60);
	if (pair->exponent)
		bl_buf_addf(out, " (x 1e%d)", pair->exponent);
	bl_buf_addf(out, "\"\n  x-axis \"%s\" ", pair->now->has_steps ? "step" : "record");
	bl_number_add_fixed(out, pair->steps.low, 6);
	bl_buf_adds(out, " --> ");
	bl_number_add_fixed(out, pair->steps.high, 6);
	bl_buf_adds(out, "\n  y-axis ");
	bl_number_add_fixed(out, pair->values.low, pair->decimals);
	bl_buf_adds(out, " --> ");
	bl_number_add_fixed(out, pair->values.high, pair->decimals);
	bl_buf_addc(out, '\n');
	if (pair->has_other)
		add_line(out, pair->other_grid, pair);
	add_line(out, pair->now_grid, pair);
	bl_buf_adds(out, "```\n");
}

static void add_legend(const struct bl_report *report, const struct pair *pair, struct bl_buf *out)
{
	const struct bl_series *series = &report->now.series;

	bl_buf_adds(out, "🟦 this run");
	if (pair->has_other) {
		bl_buf_adds(out, " · 🟧 ");
		bl_text_md(out,
		           report->baseline.present ? report->baseline_name : report->previous_name,
		           60);
	}
	if (pair->has_other && pair->other->step[pair->other->n - 1] < pair->steps.high) {
		bl_buf_adds(out, " (until step ");
		bl_number_add(out, pair->other->step[pair->other->n - 1]);
		bl_buf_adds(out, ")");
	}
	for (size_t i = 0; i < series->n_joined && i < 2; i++) {
		if (isnan(series->joined[i].step))
			break;
		bl_buf_adds(out, i ? ", that one from run " : " · continued from run ");
		bl_text_md(out, bl_run_short(series->joined[i].run), 4);
		bl_buf_adds(out, " at step ");
		bl_number_add(out, series->joined[i].step);
	}
	for (size_t i = 0; i < series->n_resumed && i < 3; i++) {
		bl_buf_adds(out, i ? ", " : " · resumed at step ");
		bl_number_add(out, series->resumed_at[i]);
	}
	if (!isnan(report->bad_step)) {
		bl_buf_adds(out, " · not a number from step ");
		bl_number_add(out, report->bad_step);
	}
	bl_buf_addc(out, '\n');
}

static unsigned add_sparkline(const struct bl_report *report, const struct bl_curve *curve,
                              struct bl_buf *out)
{
	BL_AUTO(bl_buf) line = BL_BUF(1024);

	if (curve)
		bl_chart_sparkline(curve, 40, &line);
	if (line.failed)
		out->failed = line.failed;
	if (!line.len)
		return 0;
	bl_text_md(out, report->primary, 60);
	bl_buf_addf(out, " `%s` ", bl_buf_text(&line));
	bl_number_add(out, curve->value[0]);
	bl_buf_adds(out, " → ");
	bl_number_add(out, curve->last);
	bl_buf_addc(out, '\n');
	return 1;
}

unsigned bl_md_chart(const struct bl_report *report, struct bl_buf *out)
{
	struct pair pair;

	if (!prepare(report, &pair))
		return add_sparkline(report, pair.now, out);
	add_chart(report, &pair, out);
	add_legend(report, &pair, out);
	return pair.has_other ? BL_MD_CHART_LINES : BL_MD_CHART_LINES - 1;
}
