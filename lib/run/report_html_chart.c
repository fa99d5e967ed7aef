/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_svg.h"
#include "run/report_text.h"

#include <math.h>

#define POINTS 600u /* of a curve that hovering reads */
#define TABLE_ROWS 24u

struct figure {
	struct bl_html_charts *charts;
	const struct bl_html_chart *chart;
};

static const char *side_name(const struct bl_report *report, size_t side)
{
	const char *const names[BL_HTML_SIDES] = { "this run", report->baseline_name,
		                                   report->previous_name };

	return names[side];
}

static void add_key(const struct figure *it)
{
	struct bl_buf *out = it->charts->page;

	bl_buf_adds(out, "<p class=\"key\">");
	for (size_t i = 0; i < BL_HTML_SIDES; i++) {
		const struct bl_curve *curve = it->chart->curves[i];

		if (!curve)
			continue;
		bl_buf_addf(out, "<span><i class=\"swatch s%zu\"></i><span class=\"name\">", i);
		bl_text_html(out, side_name(it->charts->report, i), 60);
		bl_buf_addf(out, "</span> <b>%s</b></span>",
		            bl_number_text(curve->value[curve->n - 1]).text);
	}
	bl_buf_adds(out, "</p>");
}

/* What the picture says, for those who do not see it. */
static void add_description(const struct figure *it)
{
	const struct bl_curve *curve = it->chart->curves[0];
	struct bl_buf *out = it->charts->page;

	bl_text_html(out, it->chart->name, 129);
	bl_buf_addf(out, ": from %s at %s %s", bl_number_text(curve->value[0]).text,
	            curve->has_steps ? "step" : "record", bl_number_text(curve->step[0]).text);
	bl_buf_addf(out, " to %s at %s", bl_number_text(curve->value[curve->n - 1]).text,
	            bl_number_text(curve->step[curve->n - 1]).text);
	bl_buf_addf(out, "; least %s, ", bl_number_text(curve->best_min).text);
	bl_buf_addf(out, "greatest %s. Arrow keys read values.",
	            bl_number_text(curve->best_max).text);
}

/* The point of a curve that is nearest to a step. */
static size_t nearest(const struct bl_curve *curve, double step)
{
	size_t low = 0, high = curve->n - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (curve->step[middle] < step)
			low = middle + 1;
		else
			high = middle;
	}
	return low && step - curve->step[low - 1] < curve->step[low] - step ? low - 1 : low;
}

static void add_table(const struct figure *it)
{
	struct bl_buf *out = it->charts->page;
	const struct bl_curve *own = it->chart->curves[0];
	size_t rows = own->n < TABLE_ROWS ? own->n : TABLE_ROWS;

	bl_buf_addf(out,
	            "<details><summary>Values</summary><div tabindex=\"0\"><table><thead><tr>"
	            "<th scope=\"col\">%s</th>",
	            own->has_steps ? "step" : "record");
	for (size_t i = 0; i < BL_HTML_SIDES; i++) {
		if (!it->chart->curves[i])
			continue;
		bl_buf_adds(out, "<th scope=\"col\" class=\"num\">");
		bl_text_html(out, side_name(it->charts->report, i), 60);
		bl_buf_adds(out, "</th>");
	}
	bl_buf_adds(out, "</tr></thead><tbody>");
	for (size_t r = 0; r < rows; r++) {
		double step = own->step[rows > 1 ? (own->n - 1) * r / (rows - 1) : 0];

		bl_buf_addf(out, "<tr><th scope=\"row\">%s</th>", bl_number_text(step).text);
		for (size_t i = 0; i < BL_HTML_SIDES; i++) {
			const struct bl_curve *curve = it->chart->curves[i];

			if (curve)
				bl_buf_addf(
					out, "<td class=\"num\">%s</td>",
					bl_number_text(curve->value[nearest(curve, step)]).text);
		}
		bl_buf_adds(out, "</tr>");
	}
	bl_buf_adds(out, "</tbody></table></div></details>");
}

static void add_range(struct bl_buf *out, const char *name, struct bl_range range)
{
	bl_buf_addf(out, ",\"%s\":[%.9g,%.9g]", name, range.low, range.high);
}

static void add_numbers_of(struct bl_buf *out, const struct bl_curve *curve, size_t side)
{
	size_t kept[POINTS], n = bl_chart_thin(curve, POINTS, kept);

	bl_buf_addf(out, "{\"c\":%zu,\"x\":[", side);
	for (size_t i = 0; i < n; i++)
		bl_buf_addf(out, "%s%s", i ? "," : "", bl_number_text(curve->step[kept[i]]).text);
	bl_buf_adds(out, "],\"y\":[");
	for (size_t i = 0; i < n; i++)
		bl_buf_addf(out, "%s%s", i ? "," : "", bl_number_text(curve->value[kept[i]]).text);
	bl_buf_adds(out, "]}");
}

static void add_numbers(const struct figure *it, const struct bl_svg_view *view)
{
	struct bl_buf *out = it->charts->numbers;
	bool first = true;

	bl_buf_addf(out, "%s{\"unit\":\"%s\"", it->charts->n ? ",\n" : "",
	            it->chart->curves[0]->has_steps ? "step" : "record");
	add_range(out, "x", view->steps);
	add_range(out, "y", view->values);
	if (view->has_log)
		add_range(out, "log", view->log_values);
	bl_buf_adds(out, ",\"s\":[");
	for (size_t i = 0; i < BL_HTML_SIDES; i++) {
		if (!it->chart->curves[i])
			continue;
		bl_buf_adds(out, first ? "" : ",");
		add_numbers_of(out, it->chart->curves[i], i);
		first = false;
	}
	bl_buf_adds(out, "]}");
}

/*
 * All runs' steps, so that a run cut short shows how far it came; its own when it would be lost
 * among them.
 */
bool bl_svg_view_of(const struct bl_html_chart *chart, struct bl_svg_view *view)
{
	struct bl_range own = bl_chart_steps(chart->curves, 1), values;
	double grid[2];

	if (!chart->curves[0] || !bl_chart_grid(chart->curves[0], own, 2, grid))
		return false;
	own.high = chart->curves[0]->step[chart->curves[0]->n - 1]; /* where it is no number, too */
	view->steps = bl_chart_steps(chart->curves, BL_HTML_SIDES);
	view->steps.high = fmax(view->steps.high, own.high);
	if (own.high - own.low < (view->steps.high - view->steps.low) * 0.02)
		view->steps = own;
	values = bl_chart_values(chart->curves, BL_HTML_SIDES, view->steps);
	view->values = bl_chart_padded(values, 0.05);
	view->has_log = values.low > 0 && values.high > values.low * 2;
	if (view->has_log)
		view->log_values = bl_chart_padded(
			(struct bl_range){ log10(values.low), log10(values.high) }, 0.05);
	return isfinite(view->values.high - view->values.low);
}

bool bl_html_chart(struct bl_html_charts *charts, const struct bl_html_chart *chart)
{
	struct figure it = { charts, chart };
	struct bl_buf *out = charts->page;
	struct bl_svg_view view = { 0 };

	if (charts->n >= BL_HTML_CHARTS || !bl_svg_view_of(chart, &view))
		return false;
	bl_buf_addf(out, "<figure class=\"card%s\" data-chart=\"%u\"><figcaption>",
	            chart->wide ? " wide" : "", charts->n);
	bl_text_html(out, chart->name, 129);
	bl_buf_adds(out, "</figcaption>");
	add_key(&it);
	bl_buf_adds(out, "<div class=\"plot\"><svg class=\"field\" role=\"img\" tabindex=\"0\" "
	                 "aria-label=\"");
	add_description(&it);
	bl_buf_adds(out, "\">");
	bl_svg_field(charts, chart, &view);
	bl_buf_adds(out, "</svg><div class=\"tip\" role=\"status\"></div></div>");
	add_table(&it);
	bl_buf_adds(out, "</figure>\n");
	add_numbers(&it, &view);
	charts->has_log |= view.has_log;
	charts->n++;
	return true;
}
