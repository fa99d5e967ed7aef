/* SPDX-License-Identifier: Apache-2.0 */
/* The curves as one picture, for what shows no page: a workflow's artefact, a chat, a slide. */
#include "run/report_svg.h"
#include "run/report_text.h"

#include <string.h>

#define CHARTS 12u
#define WIDTH 720u
#define HEIGHT 250u /* of one chart and what is around it */

static const char style[] =
	"<style>text{font:11px "
	"system-ui,sans-serif;fill:#57606a}.title{font-size:13px;font-weight:600;"
	"fill:#1f2328}.grid{stroke:#d8dee4}.curve{fill:none;stroke-width:2;stroke-linecap:round;"
	"stroke-linejoin:round;vector-effect:non-scaling-stroke}.noisy{opacity:.3}.s0{stroke:#"
	"2563eb}"
	".s1{stroke:#f97316}.s2{stroke:#8b949e}circle.s0{fill:#2563eb}circle.s1{fill:#f97316}"
	"circle.s2{fill:#8b949e}text.k0{fill:#2563eb}text.k1{fill:#c2570c}text.k2{fill:#6e7781}"
	"line.resume,.nan-edge{stroke:#8b949e;stroke-dasharray:3 "
	"3}rect.nan{fill:#cf222e;opacity:.1}"
	"text.nan{fill:#cf222e}.log-scale,.cursor,.dot{display:none}</style>";

static void add_legend(const struct bl_report *report, const struct bl_html_chart *chart,
                       unsigned top, struct bl_buf *out)
{
	const char *const names[BL_HTML_SIDES] = { "this run", report->baseline_name,
		                                   report->previous_name };
	unsigned x = WIDTH - 20;

	for (size_t i = BL_HTML_SIDES; i-- > 0;) {
		const struct bl_curve *curve = chart->curves[i];
		size_t chars = bl_text_columns(names[i]);

		if (!curve)
			continue;
		bl_buf_addf(out, "<text class=\"k%zu\" x=\"%u\" y=\"%u\" text-anchor=\"end\">", i,
		            x, top + 22);
		bl_text_html(out, names[i], 24);
		bl_buf_addf(out, " %s</text>", bl_number_text(curve->last).text);
		x -= 7 * (unsigned)((chars < 24 ? chars : 24) + 10);
	}
}

static bool add_chart(struct bl_html_charts *charts, const char *name, unsigned top)
{
	const struct bl_report *report = charts->report;
	const struct bl_html_chart chart = {
		.name = name,
		.curves = { bl_series_find(&report->now.series, name),
		            bl_series_find(&report->baseline.series, name),
		            bl_series_find(&report->previous.series, name) },
		.wide = true
	};
	struct bl_buf *out = charts->page;
	struct bl_svg_view view = { 0 };

	if (!bl_svg_view_of(&chart, &view))
		return false;
	view.has_log = false;
	bl_buf_addf(out, "<text class=\"title\" x=\"20\" y=\"%u\">", top + 22);
	bl_text_html(out, name, 48);
	bl_buf_adds(out, "</text>");
	add_legend(report, &chart, top, out);
	bl_buf_addf(out, "<svg x=\"72\" y=\"%u\" width=\"%u\" height=\"%u\" overflow=\"visible\">",
	            top + 44, WIDTH - 72 - 24, HEIGHT - 44 - 34);
	bl_svg_field(charts, &chart, &view);
	bl_buf_adds(out, "</svg>\n");
	return true;
}

int bl_report_svg(const struct bl_report *report, struct bl_buf *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(BL_REPORT_MAX);
	struct bl_html_charts charts = { .report = report, .page = &body };
	unsigned n = 0;

	for (size_t i = 0; i < report->n_rows && n < CHARTS; i++)
		n += add_chart(&charts, report->rows[i].name, n * HEIGHT);
	if (!n)
		bl_buf_adds(&body,
		            "<text x=\"20\" y=\"30\">This run has no curve to draw.</text>\n");
	if (bl_buf_check(&body, "curves", err))
		return -1;
	bl_buf_addf(out,
	            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" width=\"%u\" "
	            "height=\"%u\" role=\"img\"><title>",
	            WIDTH, n ? n * HEIGHT : 50, WIDTH, n ? n * HEIGHT : 50);
	bl_text_html(out, report->verdict, 300);
	bl_buf_addf(out, "</title>%s<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
	            style);
	bl_buf_add(out, bl_buf_text(&body), body.len);
	bl_buf_adds(out, "</svg>\n");
	return bl_buf_check(out, "curves", err);
}
