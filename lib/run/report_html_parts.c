/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_html.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

#define ROWS_MAX 500u
#define CELL 120u /* characters */

static void add_head_cell(const char *name, const struct bl_side *side, const char *class,
                          struct bl_buf *out)
{
	bl_buf_addf(out, "<th scope=\"col\" class=\"num%s\">", class);
	bl_text_html(out, name, 40);
	if (side->sha[0])
		bl_buf_addf(out, " <code>%s</code>", bl_side_sha(side).text);
	bl_buf_adds(out, "</th>");
}

static void add_value(double value, bool there, const char *class, struct bl_buf *out)
{
	if (there)
		bl_buf_addf(out, "<td class=\"num%s\">%s</td>", class, bl_number_text(value).text);
	else
		bl_buf_addf(out, "<td class=\"num none%s\">–</td>", class);
}

static void add_row(const struct bl_report *report, const struct bl_row *row, struct bl_buf *out)
{
	static const char less[] = " <b title=\"less is better\">↓</b>";
	static const char more[] = " <b title=\"more is better\">↑</b>";
	const char *goal = row->goal == BL_GOAL_MIN ? less : row->goal == BL_GOAL_MAX ? more : "";
	static const char *const pills[] = { [BL_CHANGE_NONE] = "",
		                             [BL_CHANGE_SAME] = "pill",
		                             [BL_CHANGE_BETTER] = "pill better",
		                             [BL_CHANGE_WORSE] = "pill worse",
		                             [BL_CHANGE_DIVERGED] = "pill diverged" };

	bl_buf_addf(out, "<tr%s><th scope=\"row\">",
	            strcmp(row->name, report->primary) ? "" : " class=\"first\"");
	bl_text_html(out, row->name, 129);
	bl_buf_addf(out, "%s</th><td class=\"trend\">", goal);
	bl_html_spark(bl_series_find(&report->now.series, row->name), out);
	bl_buf_adds(out, "</td>");
	if (report->baseline.present)
		add_value(row->baseline, !isnan(row->baseline), "", out);
	if (report->previous.present)
		add_value(row->previous, !isnan(row->previous), " previous", out);
	add_value(row->now, row->has_now, "", out);
	if (bl_report_reference(report)) {
		bl_buf_addf(out, "<td><span class=\"%s\">", pills[row->word]);
		bl_report_change(row, out);
		bl_buf_adds(out, "</span></td>");
	}
	bl_buf_adds(out, "</tr>\n");
}

void bl_html_metrics(const struct bl_report *report, struct bl_buf *out)
{
	bl_buf_adds(out, "<h2>Metrics</h2>\n");
	if (bl_report_wants_baseline(report))
		bl_buf_adds(
			out,
			"<p class=\"card note\">No baseline yet: make one with <code>branchline "
			"baseline RUN</code>, or name a run with <code>--baseline RUN</code>."
			"</p>\n");
	if (!report->n_rows) {
		bl_buf_adds(out,
		            "<p class=\"card note\">No metrics: write JSON lines to the file that "
		            "<code>$BRANCHLINE_METRICS</code> names, or print them.</p>\n");
		return;
	}
	bl_buf_adds(out,
	            "<div class=\"card scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">"
	            "Metric</th><th scope=\"col\" class=\"trend\">Trend</th>");
	if (report->baseline.present)
		add_head_cell(report->baseline_name, &report->baseline, "", out);
	if (report->previous.present)
		add_head_cell(report->previous_name, &report->previous, " previous", out);
	add_head_cell("this run", &report->now, "", out);
	bl_buf_adds(out, bl_report_reference(report) ? "<th scope=\"col\">Change</th>" : "");
	bl_buf_adds(out, "</tr></thead><tbody>\n");
	for (size_t i = 0; i < report->n_rows && i < ROWS_MAX; i++)
		add_row(report, &report->rows[i], out);
	bl_buf_adds(out, "</tbody></table></div>\n");
}

static void add_side(const char *tag, const char *text, size_t chars, struct bl_buf *out)
{
	if (!text) {
		bl_buf_adds(out, "<td class=\"none\">–</td>");
		return;
	}
	bl_buf_addf(out, "<td><%s>", tag);
	bl_text_html(out, text, chars);
	bl_buf_addf(out, "</%s></td>", tag);
}

void bl_html_differences(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_differences *all = &report->differences;
	const char *name = report->baseline.present ? report->baseline_name : report->previous_name;

	if (!bl_report_reference(report))
		return;
	bl_buf_adds(out, "<h2>What differs from ");
	bl_text_html(out, name, 60);
	bl_buf_adds(out, "</h2>\n");
	if (!all->n) {
		bl_buf_adds(
			out,
			"<p class=\"card note\">Nothing: parameters, data and code are the same."
			"</p>\n");
		return;
	}
	bl_buf_adds(out,
	            "<div class=\"card scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">"
	            "Kind</th><th scope=\"col\">Name</th><th scope=\"col\">");
	bl_text_html(out, name, 60);
	bl_buf_adds(out, "</th><th scope=\"col\">this run</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < all->n && i < ROWS_MAX; i++) {
		const struct bl_difference *one = &all->items[i];

		bl_buf_addf(out, "<tr><td>%s</td><th scope=\"row\">", bl_difference_word(one));
		bl_text_html(out, one->name, CELL);
		bl_buf_adds(out, "</th>");
		add_side("del", one->from, bl_difference_chars(one, CELL), out);
		add_side("ins", one->to, bl_difference_chars(one, CELL), out);
		bl_buf_adds(out, "</tr>\n");
	}
	bl_buf_adds(out, "</tbody></table></div>\n");
}

static bool is_changed(const struct bl_report *report, const char *name)
{
	const struct bl_differences *all = &report->differences;

	for (size_t i = 0; i < all->n; i++)
		if (all->items[i].kind == BL_DIFF_PARAM && !strcmp(all->items[i].name, name))
			return true;
	return false;
}

void bl_html_params(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_pairs *params = &report->now.params;

	if (!params->n)
		return;
	bl_buf_adds(out, "<h2>Parameters</h2>\n<dl class=\"card pairs\">");
	for (size_t i = 0; i < params->n && i < ROWS_MAX; i++) {
		bl_buf_addf(out, "<div%s><dt>",
		            is_changed(report, params->items[i].name) ? " class=\"changed\"" : "");
		bl_text_html(out, params->items[i].name, CELL);
		bl_buf_adds(out, "</dt><dd>");
		bl_text_html(out, params->items[i].value, CELL);
		bl_buf_adds(out, "</dd></div>");
	}
	bl_buf_adds(out, "</dl>\n");
}

void bl_html_log(const struct bl_report *report, struct bl_buf *out)
{
	const char *from;
	size_t lines;

	if (!report->now.log || !report->now.log[0])
		return;
	from = bl_report_log_tail(report->now.log, 64u << 10, &lines);
	bl_buf_addf(
		out,
		"<h2>Last %zu line%s of the log</h2>\n<div class=\"card log\" tabindex=\"0\"><pre>",
		lines, lines == 1 ? "" : "s");
	bl_text_pre(out, from);
	bl_buf_adds(out, "</pre></div>\n");
}
