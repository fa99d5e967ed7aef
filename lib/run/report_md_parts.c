/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "run/report_chart.h"
#include "run/report_md.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

static void add_column(const char *name, const struct bl_side *side, struct bl_buf *out)
{
	struct bl_short_sha sha = bl_side_sha(side);

	bl_buf_adds(out, " | ");
	bl_text_md(out, name, BL_MD_CELL);
	if (sha.text[0])
		bl_buf_addf(out, " `%s`", sha.text);
}

static void add_header(const struct bl_report *report, struct bl_buf *out)
{
	bl_buf_adds(out, "| Metric");
	if (report->baseline.present)
		add_column(report->baseline_name, &report->baseline, out);
	if (report->previous.present)
		add_column(report->previous_name, &report->previous, out);
	add_column("this run", &report->now, out);
	if (bl_report_reference(report))
		bl_buf_adds(out, " | Change");
	bl_buf_adds(out, " |\n|---");
	bl_buf_adds(out, report->baseline.present ? "|---:" : "");
	bl_buf_adds(out, report->previous.present ? "|---:" : "");
	bl_buf_adds(out, bl_report_reference(report) ? "|---:|---|\n" : "|---:|\n");
}

void bl_md_value(double value, bool there, const char *mark, struct bl_buf *out)
{
	bl_buf_adds(out, " | ");
	if (!there) {
		bl_buf_adds(out, "–");
		return;
	}
	bl_buf_adds(out, mark);
	bl_number_add(out, value);
	bl_buf_adds(out, mark);
}

static void add_row(const struct bl_report *report, const struct bl_row *row, struct bl_buf *out)
{
	bl_buf_adds(out, "| ");
	bl_text_md(out, row->name, BL_MD_CELL);
	if (report->baseline.present)
		bl_md_value(row->baseline, !isnan(row->baseline), "", out);
	if (report->previous.present)
		bl_md_value(row->previous, !isnan(row->previous), "", out);
	bl_md_value(row->now, row->has_now, strcmp(row->name, report->primary) ? "" : "**", out);
	if (bl_report_reference(report)) {
		bl_buf_adds(out, " | ");
		bl_report_change(row, out);
	}
	bl_buf_adds(out, " |\n");
}

void bl_md_table(const struct bl_report *report, size_t max, bool all, size_t room,
                 struct bl_buf *out)
{
	struct bl_md_part part = bl_md_part_of(room, out);
	size_t rows = 0;

	add_header(report, out);
	for (size_t i = 0; i < report->n_rows && rows < max; i++) {
		if (!all && !report->rows[i].main)
			continue;
		add_row(report, &report->rows[i], &part.row);
		bl_md_keep_row(&part);
		rows++;
	}
	if (all)
		bl_md_end_part(&part, "metrics");
	else
		bl_buf_done(&part.row);
}

/* A bullet of the first fold; nothing for an empty value. */
static void add_about(struct bl_md_part *part, const char *name, const char *value)
{
	bl_md_bullet(name, value, &part->row);
	bl_md_keep_row(part);
}

unsigned bl_md_about(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_side *now = &report->now;
	struct bl_md_part part = bl_md_part_of(room / 2, out);
	char at[BL_UTC_SIZE];

	bl_md_open_fold(out);
	bl_text_md(out, report->facts, 300);
	bl_md_begin_fold(out);
	add_about(&part, "run", now->run);
	add_about(&part, "job", now->job);
	add_about(&part, "branch", now->branch);
	add_about(&part, now->dirty ? "commit, with uncommitted changes" : "commit", now->sha);
	add_about(&part, "subject", now->subject);
	if (now->started_ms > 0) {
		bl_utc_text(now->started_ms, at);
		add_about(&part, "started", at);
	}
	if (now->ended_ms > 0) {
		bl_utc_text(now->ended_ms, at);
		add_about(&part, "ended", at);
	}
	add_about(&part, "store", report->store);
	for (size_t i = 0; i < now->data.n; i++) {
		bl_buf_adds(&part.row, "- data ");
		bl_text_md(&part.row, now->data.items[i].name, BL_MD_CELL);
		bl_buf_adds(&part.row, ": ");
		bl_text_code(&part.row, now->data.items[i].value, 80);
		bl_buf_addc(&part.row, '\n');
		bl_md_keep_row(&part);
	}
	if (report->baseline.present || report->why[0])
		add_about(&part, "baseline", report->why[0] ? report->why : report->baseline.run);
	bl_md_end_part(&part, "facts");
	bl_md_cost(report, room / 2, out);
	bl_md_end_fold(out);
	return 1;
}

void bl_md_cell(const char *text, size_t chars, struct bl_buf *out)
{
	bl_buf_adds(out, " | ");
	if (text)
		bl_text_code(out, text, chars);
	else
		bl_buf_adds(out, "–");
}

/* "3 differences from main: lr, batch_size and more" */
static void add_differences_title(const struct bl_report *report, const char *name,
                                  struct bl_buf *out)
{
	const struct bl_differences *all = &report->differences;

	if (!all->n) {
		bl_buf_adds(out, "Nothing differs from ");
		bl_text_md(out, name, BL_MD_CELL);
		bl_buf_adds(out, ": parameters, data and code are the same");
		return;
	}
	bl_buf_addf(out, "%zu difference%s from ", all->n, all->n > 1 ? "s" : "");
	bl_text_md(out, name, BL_MD_CELL);
	for (size_t i = 0; i < all->n && i < 3; i++) {
		bl_buf_adds(out, i ? ", " : ": ");
		bl_text_md(out, all->items[i].name, 40);
	}
	bl_buf_adds(out, all->n > 3 ? ", …" : "");
}

unsigned bl_md_differences(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_differences *all = &report->differences;
	const char *name = report->baseline.present ? report->baseline_name : report->previous_name;
	struct bl_md_part part = bl_md_part_of(room, out);

	if (!bl_report_reference(report))
		return 0;
	bl_md_open_fold(out);
	add_differences_title(report, name, out);
	bl_md_begin_fold(out);
	if (!all->n)
		bl_buf_adds(out, "Parameters, data, code and settings were compared.\n");
	if (all->n) {
		bl_buf_adds(out, "| | | ");
		bl_text_md(out, name, BL_MD_CELL);
		bl_buf_adds(out, " | this run |\n|---|---|---|---|\n");
	}
	for (size_t i = 0; i < all->n; i++) {
		size_t chars = bl_difference_chars(&all->items[i], BL_MD_CELL);

		bl_buf_addf(&part.row, "| %s | ", bl_difference_word(&all->items[i]));
		bl_text_md(&part.row, all->items[i].name, BL_MD_CELL);
		bl_md_cell(all->items[i].from, chars, &part.row);
		bl_md_cell(all->items[i].to, chars, &part.row);
		bl_buf_adds(&part.row, " |\n");
		bl_md_keep_row(&part);
	}
	bl_md_end_part(&part, "differences");
	bl_md_end_fold(out);
	return 1;
}

static bool has_curves(const struct bl_series *series)
{
	for (size_t i = 0; i < series->n; i++)
		if (series->curves[i].n > 1)
			return true;
	return false;
}

static void add_curves(const struct bl_series *series, size_t room, struct bl_buf *out)
{
	struct bl_md_part part = bl_md_part_of(room, out);

	bl_buf_adds(out, "\n| Metric | curve | first | least | greatest | last |\n"
	                 "|---|---|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < series->n; i++) {
		const struct bl_curve *curve = &series->curves[i];

		bl_buf_adds(&part.row, "| ");
		bl_text_md(&part.row, curve->name, BL_MD_CELL);
		bl_buf_adds(&part.row, " | ");
		bl_chart_sparkline(curve, 20, &part.row);
		bl_md_value(curve->value[0], true, "", &part.row);
		bl_md_value(curve->best_min, true, "", &part.row);
		bl_md_value(curve->best_max, true, "", &part.row);
		bl_md_value(curve->value[curve->n - 1], true, "", &part.row);
		bl_buf_adds(&part.row, " |\n");
		bl_md_keep_row(&part);
	}
	bl_md_end_part(&part, "metrics");
}

static void add_params(const struct bl_pairs *params, size_t room, struct bl_buf *out)
{
	struct bl_md_part part = bl_md_part_of(room, out);

	if (params->n)
		bl_buf_adds(out, "\n| Parameter | |\n|---|---|\n");
	for (size_t i = 0; i < params->n; i++) {
		bl_buf_adds(&part.row, "| ");
		bl_text_md(&part.row, params->items[i].name, BL_MD_CELL);
		bl_md_cell(params->items[i].value, BL_MD_CELL, &part.row);
		bl_buf_adds(&part.row, " |\n");
		bl_md_keep_row(&part);
	}
	bl_md_end_part(&part, "parameters");
}

unsigned bl_md_everything(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_series *series = &report->now.series;

	if (!report->n_rows && !report->now.params.n)
		return 0;
	bl_md_open_fold(out);
	bl_buf_addf(out, "All metrics (%zu) and parameters (%zu)", report->n_rows,
	            report->now.params.n);
	bl_md_begin_fold(out);
	if (report->n_rows)
		bl_md_table(report, report->n_rows, true, room / 3, out);
	if (has_curves(series))
		add_curves(series, room / 3, out);
	add_params(&report->now.params, room / 3, out);
	bl_md_end_fold(out);
	return 1;
}

unsigned bl_md_log(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	return bl_md_log_text(report->now.log, room, out);
}
