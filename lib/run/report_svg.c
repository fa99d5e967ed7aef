/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_svg.h"

#include "run/report_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD 2000.0 /* units of a plot's own system of coordinates, both ways */
#define POINTS 600u  /* of a drawn line */
#define SMOOTH_FROM 60u
#define SMOOTH_POINTS 300u
#define TICKS 12u

/*
 * A plot's line and its labels scale differently: lines are drawn in a stretched inner picture,
 * whatever must keep its shape is placed by per cent.
 */
struct plot {
	struct bl_html_charts *charts;
	const struct bl_html_chart *chart;
	struct bl_range steps, values;
	bool is_log; /* values are powers of ten then */
};

static double y_share(const struct plot *plot, double value)
{
	if (plot->is_log)
		value = log10(value);
	return 1 - (value - plot->values.low) / (plot->values.high - plot->values.low);
}

static double x_share(const struct plot *plot, double step)
{
	return (step - plot->steps.low) / (plot->steps.high - plot->steps.low);
}

/* A whole number of field units; what is far outside stays near the edge. */
static int unit_of(double share)
{
	return (int)lround(fmin(fmax(share, -1), 2) * FIELD);
}

struct pen {
	struct bl_buf *out;
	bool down;      /* within a stretch */
	bool is_single; /* the stretch has one point so far */
};

static void lift(struct pen *pen)
{
	if (pen->down && pen->is_single)
		bl_buf_adds(pen->out, "h0"); /* a round cap makes it a dot */
	pen->down = false;
}

static void draw_to(struct pen *pen, int x, int y)
{
	bl_buf_addf(pen->out, "%s%d %d", pen->down ? " " : "M", x, y);
	pen->is_single = !pen->down;
	pen->down = true;
}

static void add_path(const struct plot *plot, const struct bl_curve *curve)
{
	size_t kept[POINTS], n = bl_chart_thin(curve, POINTS, kept), at = n ? kept[0] : 0;
	struct pen pen = { .out = plot->charts->page };

	for (size_t i = 0; i < n; i++) {
		for (; at < kept[i]; at++)
			if (!isfinite(curve->value[at]))
				lift(&pen);
		draw_to(&pen, unit_of(x_share(plot, curve->step[kept[i]])),
		        unit_of(y_share(plot, curve->value[kept[i]])));
	}
	lift(&pen);
}

/*
 * Means over a window around each point, into smooth[n]; NaN where the point is none. true: the
 * curve is noisy enough for a second line to help.
 */
static bool smooth_out(const struct bl_curve *curve, double *smooth)
{
	size_t half = curve->n / 50 + 1, from = 0, to = 0, in_window = 0;
	double sum = 0, off = 0, height = curve->best_max - curve->best_min;

	for (size_t i = 0; i < curve->n; i++) {
		for (; to < curve->n && to <= i + half; to++) {
			sum += isfinite(curve->value[to]) ? curve->value[to] : 0;
			in_window += isfinite(curve->value[to]);
		}
		for (; from + half < i; from++) {
			sum -= isfinite(curve->value[from]) ? curve->value[from] : 0;
			in_window -= isfinite(curve->value[from]);
		}
		smooth[i] = isfinite(curve->value[i]) ? sum / (double)in_window : NAN;
		if (isfinite(smooth[i]))
			off += fabs(smooth[i] - curve->value[i]);
	}
	return height > 0 && off / (double)curve->n > height * 0.004;
}

static void add_smooth_path(const struct plot *plot, const struct bl_curve *curve,
                            const double *smooth)
{
	struct pen pen = { .out = plot->charts->page };
	size_t stride = curve->n / SMOOTH_POINTS + 1;

	for (size_t i = 0; i < curve->n; i++) {
		if (isnan(smooth[i]))
			lift(&pen);
		else if (i % stride == 0 || i + 1 == curve->n)
			draw_to(&pen, unit_of(x_share(plot, curve->step[i])),
			        unit_of(y_share(plot, smooth[i])));
	}
	lift(&pen);
}

/* One run's line, and its smooth one where that helps. */
static void add_line(const struct plot *plot, size_t side)
{
	const struct bl_curve *curve = plot->chart->curves[side];
	struct bl_buf *out = plot->charts->page;
	double *smooth = NULL;
	bool noisy = false;

	if (curve->n >= SMOOTH_FROM) {
		smooth = calloc(curve->n, sizeof(*smooth));
		if (!smooth)
			out->failed = BL_ENOMEM;
		noisy = smooth && smooth_out(curve, smooth);
	}
	bl_buf_addf(out, "<path class=\"curve s%zu%s\" d=\"", side, noisy ? " noisy" : "");
	add_path(plot, curve);
	bl_buf_adds(out, "\"/>");
	if (noisy) {
		plot->charts->has_smooth = true;
		bl_buf_addf(out, "<path class=\"curve smooth s%zu\" d=\"", side);
		add_smooth_path(plot, curve, smooth);
		bl_buf_adds(out, "\"/>");
	}
	free(smooth);
}

static void add_lines(const struct plot *plot)
{
	struct bl_buf *out = plot->charts->page;

	bl_buf_addf(out,
	            "<svg viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\" width=\"100%%\" "
	            "height=\"100%%\">",
	            FIELD, FIELD);
	for (size_t i = BL_HTML_SIDES; i-- > 0;)
		if (plot->chart->curves[i])
			add_line(plot, i);
	bl_buf_adds(out, "</svg>");
}

static void add_y_tick(const struct plot *plot, double value, const char *label)
{
	double y = y_share(plot, value) * 100;

	bl_buf_addf(plot->charts->page,
	            "<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"%.2f%%\" y2=\"%.2f%%\"/>"
	            "<text x=\"-8\" y=\"%.2f%%\" dy=\".34em\" text-anchor=\"end\">%s</text>",
	            y, y, y, label);
}

static struct bl_number tick_label(double value, double step)
{
	struct bl_number number;
	BL_AUTO(bl_buf) text = BL_BUF(sizeof(number.text) - 1);
	double size = fabs(value);

	if (size >= 1e5 || (size < 1e-3 && size > 0) || (size == 0 && step < 1e-3))
		return size == 0 ? bl_number_text(0) : bl_number_text(value);
	bl_number_add_fixed(&text, value, bl_chart_decimals(step));
	memcpy(number.text, bl_buf_text(&text), text.len + 1);
	return number;
}

static void add_linear_ticks(const struct plot *plot, struct bl_range values)
{
	double ticks[TICKS];
	size_t n = bl_chart_ticks(values, plot->chart->wide ? 6 : 4, ticks, TICKS);

	for (size_t i = 0; i < n; i++)
		add_y_tick(plot, ticks[i],
		           tick_label(ticks[i], n > 1 ? ticks[1] - ticks[0] : 1).text);
}

/* 1, 2 and 5 of each decade while these are few, else every decade; within one as usual. */
static void add_log_ticks(const struct plot *plot)
{
	static const double parts[] = { 1, 2, 5 };
	double decades = plot->values.high - plot->values.low;
	struct bl_range values = { pow(10, plot->values.low), pow(10, plot->values.high) };
	size_t per_decade = decades > 3 ? 1 : BL_COUNT(parts);
	int stride = decades > 8 ? (int)(decades / 6) : 1, first = (int)floor(plot->values.low);

	if (decades < 1) {
		add_linear_ticks(plot, values);
		return;
	}
	for (int power = first; power <= plot->values.high; power += stride) {
		for (size_t i = 0; i < per_decade; i++) {
			double value = parts[i] * pow(10, power);

			if (log10(value) >= plot->values.low - 1e-9 &&
			    log10(value) <= plot->values.high + 1e-9)
				add_y_tick(plot, value, bl_number_text(value).text);
		}
	}
}

static void add_ends(const struct plot *plot)
{
	for (size_t i = BL_HTML_SIDES; i-- > 0;) {
		const struct bl_curve *curve = plot->chart->curves[i];
		size_t last = curve ? curve->n : 0;

		while (last && !isfinite(curve->value[last - 1]))
			last--;
		if (last)
			bl_buf_addf(
				plot->charts->page,
				"<circle class=\"end s%zu\" cx=\"%.2f%%\" cy=\"%.2f%%\" r=\"4\"/>",
				i, x_share(plot, curve->step[last - 1]) * 100,
				y_share(plot, curve->value[last - 1]) * 100);
	}
}

/* All that depends on the scale of the values. */
static void add_scale(const struct plot *plot, const char *class)
{
	struct bl_buf *out = plot->charts->page;

	bl_buf_addf(out, "<g%s%s%s>", *class ? " class=\"" : "", class, *class ? "\"" : "");
	if (plot->is_log)
		add_log_ticks(plot);
	else
		add_linear_ticks(plot, plot->values);
	add_lines(plot);
	add_ends(plot);
	bl_buf_adds(out, "</g>");
}

static void add_x_axis(const struct plot *plot)
{
	struct bl_buf *out = plot->charts->page;
	double ticks[TICKS];
	size_t n = bl_chart_ticks(plot->steps, plot->chart->wide ? 5 : 4, ticks, TICKS);

	bl_buf_addf(out,
	            "<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"100%%\" y2=\"100%%\"/>"
	            "<text x=\"-14\" y=\"100%%\" dy=\"1.5em\" text-anchor=\"end\">%s</text>",
	            plot->chart->curves[0]->has_steps ? "step" : "record");
	for (size_t i = 0; i < n; i++) {
		double x = x_share(plot, ticks[i]) * 100;

		if (ticks[i] != floor(ticks[i])) /* there is no half step */
			continue;
		bl_buf_addf(
			out,
			"<text x=\"%.2f%%\" y=\"100%%\" dy=\"1.5em\" text-anchor=\"%s\">%s</text>",
			x, x > 97 ? "end" : "middle",
			tick_label(ticks[i], n > 1 ? ticks[1] - ticks[0] : 1).text);
	}
}

static void add_vertical(const struct plot *plot, const char *class, double x)
{
	bl_buf_addf(plot->charts->page,
	            "<line class=\"%s\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"100%%\"/>", class,
	            x, x);
}

/* A mark's line, and its label unless the one before it is too near. */
static void add_mark(const struct plot *plot, double step, const char *label, double *labelled)
{
	double x = x_share(plot, step) * 100, room = plot->chart->wide ? 26 : 62;

	if (!(x >= 0 && x <= 100))
		return;
	add_vertical(plot, "resume", x);
	if (x - *labelled < room)
		return;
	*labelled = x;
	bl_buf_addf(plot->charts->page,
	            "<text class=\"resume\" x=\"%.2f%%\" y=\"0\" dy=\"-5\" "
	            "text-anchor=\"%s\">%s</text>",
	            x,
	            x > 70   ? "end"
	            : x < 30 ? "start"
	                     : "middle",
	            label);
}

/* Where this run went on from another one, and where later attempts went on; by step. */
static void add_marks(const struct plot *plot)
{
	const struct bl_series *series = &plot->charts->report->now.series;
	double labelled = -1000; /* per cent */
	char label[96];

	if (!plot->chart->curves[0]->has_steps)
		return;
	for (size_t i = series->n_joined; i-- > 0;) {
		const struct bl_join *join = &series->joined[i];

		snprintf(label, sizeof(label), "continued from %s%s at step %s",
		         plot->chart->wide ? "run " : "", bl_run_short(join->run),
		         bl_number_text(join->step).text);
		add_mark(plot, join->step, label, &labelled);
	}
	for (size_t i = 0; i < series->n_resumed; i++) {
		snprintf(label, sizeof(label), "resumed at step %s",
		         bl_number_text(series->resumed_at[i]).text);
		add_mark(plot, series->resumed_at[i], label, &labelled);
	}
}

/* From where on the values are no numbers; a curve that recovered gets the first place only. */
static void add_divergence(const struct plot *plot)
{
	const struct bl_curve *curve = plot->chart->curves[0];
	double x = x_share(plot, curve->bad_step) * 100;
	bool ended = !isfinite(curve->value[curve->n - 1]);

	if (isnan(curve->bad_step))
		return;
	bl_buf_addf(plot->charts->page,
	            "<rect class=\"nan\" x=\"%.2f%%\" y=\"0\" width=\"%.2f%%\" height=\"100%%\"/>",
	            x, ended ? 100 - x : 0.4);
	add_vertical(plot, "nan-edge", x);
	bl_buf_addf(plot->charts->page,
	            "<text class=\"nan\" x=\"%.2f%%\" y=\"14\" dx=\"%d\" text-anchor=\"%s\">"
	            "not a number %s step %s</text>",
	            x, x > 60 ? -6 : 6, x > 60 ? "end" : "start", ended ? "from" : "at",
	            bl_number_text(curve->bad_step).text);
}

void bl_svg_field(struct bl_html_charts *charts, const struct bl_html_chart *chart,
                  const struct bl_svg_view *view)
{
	struct plot plot = { charts, chart, view->steps, view->values, false };
	struct plot log_plot = { charts, chart, view->steps, view->log_values, true };

	add_x_axis(&plot);
	add_scale(&plot, view->has_log ? "linear" : "");
	if (view->has_log)
		add_scale(&log_plot, "log-scale");
	add_marks(&plot);
	add_divergence(&plot);
	bl_buf_adds(charts->page, "<line class=\"cursor\" y1=\"0\" y2=\"100%\"/>");
	for (size_t i = 0; i < BL_HTML_SIDES; i++)
		if (chart->curves[i])
			bl_buf_addf(charts->page, "<circle class=\"dot s%zu\" r=\"4.5\"/>", i);
}

void bl_html_spark(const struct bl_curve *curve, struct bl_buf *page)
{
	double grid[40];
	struct bl_range values = { NAN, NAN };

	if (!curve || !bl_chart_grid(curve, bl_chart_steps(&curve, 1), BL_COUNT(grid), grid))
		return;
	for (size_t i = 0; i < BL_COUNT(grid); i++) {
		values.low = fmin(values.low, grid[i]);
		values.high = fmax(values.high, grid[i]);
	}
	values = bl_chart_padded(values, 0.05);
	bl_buf_adds(page,
	            "<svg class=\"spark\" viewBox=\"0 0 390 100\" preserveAspectRatio=\"none\" "
	            "aria-hidden=\"true\"><path d=\"M");
	for (size_t i = 0; i < BL_COUNT(grid); i++)
		bl_buf_addf(page, "%s%zu %.0f", i ? " " : "", i * 10,
		            100 * (1 - (grid[i] - values.low) / (values.high - values.low)));
	bl_buf_adds(page, "\"/></svg>");
}
