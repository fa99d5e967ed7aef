/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_SVG_H
#define BL_RUN_REPORT_SVG_H

#include "run/report_chart.h"
#include "run/report_html.h"

/* What of the plane a chart shows. log_values are exponents of ten, when has_log. */
struct bl_svg_view {
	struct bl_range steps, values, log_values;
	bool has_log;
};

/* What of a chart's plane is worth showing; false: there is no curve to draw. */
bool bl_svg_view_of(const struct bl_html_chart *chart, struct bl_svg_view *view);

/* The inside of a chart's <svg>: axes, lines, marks, and what the script moves. */
void bl_svg_field(struct bl_html_charts *charts, const struct bl_html_chart *chart,
                  const struct bl_svg_view *view);

#endif
