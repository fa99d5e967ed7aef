/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"
#include "run/report_chart.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

#define CHART_ROWS 10u
#define CHART_MAX 90u /* columns */
#define LABEL 9u      /* columns left of the axis */
#define ROWS_MAX 20u  /* of the table */
#define FAILED_LINES 20u
#define DIFFERENCES 8u

struct paint {
	const char *off, *bold, *dim, *good, *bad, *warn, *ours, *other;
};
static const struct paint plain = { "", "", "", "", "", "", "", "" };
static const struct paint coloured = { "\x1b[0m",  "\x1b[1m",  "\x1b[2m",  "\x1b[32m",
	                               "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[33m" };

struct screen {
	const struct bl_report *report;
	const struct paint *paint;
	unsigned columns;
	struct bl_buf *out;
};

static const char *mood_colour(const struct screen *screen)
{
	switch (screen->report->mood) {
	case BL_MOOD_BAD:
		return screen->paint->bad;
	case BL_MOOD_WARN:
	case BL_MOOD_RUNNING:
		return screen->paint->warn;
	default:
		return screen->paint->good;
	}
}

static void add_spaces(struct bl_buf *out, size_t n)
{
	while (n--)
		bl_buf_addc(out, ' ');
}

/* Right-aligned text in a colour, three columns from its left neighbour. */
static void add_cell(const struct screen *screen, const char *text, size_t width,
                     const char *colour)
{
	size_t columns = bl_text_columns(text);

	add_spaces(screen->out, 3 + (columns < width ? width - columns : 0));
	bl_buf_addf(screen->out, "%s%s%s", colour, text, *colour ? screen->paint->off : "");
}

/* A table's column: its head, and how wide it is. */
struct column {
	char head[64];
	size_t width;
};

static void set_head(struct column *column, const char *name, const struct bl_side *side)
{
	BL_AUTO(bl_buf) text = BL_BUF(sizeof(column->head) - 1);

	bl_text_term(&text, name, 12);
	if (side->sha[0])
		bl_buf_addf(&text, " %s", bl_side_sha(side).text);
	memcpy(column->head, bl_buf_text(&text), text.len + (text.len > 0));
	column->width = bl_text_columns(column->head);
	if (column->width < 10)
		column->width = 10;
}

static const char *change_colour(const struct screen *screen, const struct bl_row *row)
{
	switch (row->word) {
	case BL_CHANGE_BETTER:
		return screen->paint->good;
	case BL_CHANGE_WORSE:
	case BL_CHANGE_DIVERGED:
		return screen->paint->bad;
	default:
		return screen->paint->dim;
	}
}

static void add_number_cell(const struct screen *screen, double value, bool there,
                            const struct column *column, const char *colour)
{
	struct bl_number number = bl_number_text(value);

	add_cell(screen, there ? number.text : "–", column->width, colour);
}

static void add_row(const struct screen *screen, const struct bl_row *row, size_t name_width,
                    const struct column heads[3])
{
	const struct bl_report *report = screen->report;
	BL_AUTO(bl_buf) name = BL_BUF(1024);
	BL_AUTO(bl_buf) change = BL_BUF(256);
	size_t columns;
	bool primary = !strcmp(row->name, report->primary);

	bl_text_term(&name, row->name, 32);
	columns = bl_text_columns(bl_buf_text(&name));
	bl_report_change(row, &change);
	if (name.failed || change.failed)
		screen->out->failed = BL_ENOMEM;
	bl_buf_addf(screen->out, "  %s", bl_buf_text(&name));
	add_spaces(screen->out, columns < name_width ? name_width - columns : 0);
	if (report->baseline.present)
		add_number_cell(screen, row->baseline, !isnan(row->baseline), &heads[0], "");
	if (report->previous.present)
		add_number_cell(screen, row->previous, !isnan(row->previous), &heads[1], "");
	add_number_cell(screen, row->now, row->has_now, &heads[2],
	                primary ? screen->paint->bold : "");
	if (change.len)
		bl_buf_addf(screen->out, "   %s%s%s", change_colour(screen, row),
		            bl_buf_text(&change), screen->paint->off);
	bl_buf_addc(screen->out, '\n');
}

static size_t name_columns(const struct bl_report *report)
{
	size_t width = strlen("Metric");

	for (size_t i = 0; i < report->n_rows && i < ROWS_MAX; i++) {
		size_t columns = bl_text_columns(report->rows[i].name);

		if (columns > 33)
			columns = 33;
		if (columns > width)
			width = columns;
	}
	return width;
}

static void add_table(const struct screen *screen)
{
	const struct bl_report *report = screen->report;
	struct column columns[3] = { 0 };
	size_t width = name_columns(report), shown = 0;

	if (!report->n_rows)
		return;
	set_head(&columns[0], report->baseline_name, &report->baseline);
	set_head(&columns[1], report->previous_name, &report->previous);
	set_head(&columns[2], "this run", &report->now);
	bl_buf_addf(screen->out, "\n  %sMetric", screen->paint->dim);
	add_spaces(screen->out, width - strlen("Metric"));
	for (size_t i = 0; i < BL_COUNT(columns); i++)
		if (i == 2 || (i ? &report->previous : &report->baseline)->present)
			add_cell(screen, columns[i].head, columns[i].width, "");
	bl_buf_addf(screen->out, "%s%s\n", bl_report_reference(report) ? "   Change" : "",
	            screen->paint->off);
	for (size_t i = 0; i < report->n_rows && shown < ROWS_MAX; i++, shown++)
		add_row(screen, &report->rows[i], width, columns);
	if (shown < report->n_rows)
		bl_buf_addf(screen->out, "  … and %zu more\n", report->n_rows - shown);
}

/* One Braille character; ours covers the other run's. */
static void add_dots(const struct screen *screen, unsigned char ours, unsigned char other)
{
	unsigned char dots = ours | other;
	char text[4] = { (char)0xe2, (char)(0xa0 | dots >> 6), (char)(0x80 | (dots & 0x3f)), 0 };

	if (!dots)
		bl_buf_addc(screen->out, ' ');
	else
		bl_buf_addf(screen->out, "%s%s%s",
		            ours ? screen->paint->ours : screen->paint->other, text,
		            screen->paint->off);
}

static void add_label(const struct screen *screen, double value)
{
	struct bl_number number = bl_number_text(value);
	size_t columns = strlen(number.text);

	add_spaces(screen->out, columns < LABEL ? LABEL - columns : 0);
	bl_buf_addf(screen->out, "%s%s ┤%s", screen->paint->dim, number.text, screen->paint->off);
}

static void add_field(const struct screen *screen, struct bl_range values, size_t columns,
                      const unsigned char *ours, const unsigned char *other)
{
	for (size_t y = 0; y < CHART_ROWS; y++) {
		if (y == 0 || y == CHART_ROWS - 1 || y == CHART_ROWS / 2) {
			add_label(screen, values.high - (values.high - values.low) * (double)y /
			                                        (CHART_ROWS - 1));
		} else {
			add_spaces(screen->out, LABEL + 1);
			bl_buf_addf(screen->out, "%s│%s", screen->paint->dim, screen->paint->off);
		}
		for (size_t x = 0; x < columns; x++)
			add_dots(screen, ours[y * columns + x], other[y * columns + x]);
		bl_buf_addc(screen->out, '\n');
	}
}

static void add_axis(const struct screen *screen, struct bl_range steps, size_t columns,
                     const char *unit)
{
	struct bl_number low = bl_number_text(steps.low), high = bl_number_text(steps.high);
	size_t used = strlen(low.text) + strlen(high.text) + strlen(unit) + 1;

	add_spaces(screen->out, LABEL + 1);
	bl_buf_addf(screen->out, "%s└", screen->paint->dim);
	for (size_t x = 0; x < columns; x++)
		bl_buf_adds(screen->out, "─");
	bl_buf_addc(screen->out, '\n');
	add_spaces(screen->out, LABEL + 2);
	bl_buf_adds(screen->out, low.text);
	add_spaces(screen->out, used < columns ? columns - used : 1);
	bl_buf_addf(screen->out, "%s %s%s\n", unit, high.text, screen->paint->off);
}

static void add_swatch(const struct screen *screen, const char *colour)
{
	bl_buf_addf(screen->out, "   %s──%s ", colour, screen->paint->off);
}

static void add_chart(const struct screen *screen)
{
	const struct bl_report *report = screen->report;
	const struct bl_side *reference = bl_report_reference(report);
	const struct bl_curve *both[2] = { bl_series_find(&report->now.series, report->primary) };
	size_t columns = screen->columns - LABEL - 4;
	unsigned char ours[CHART_MAX * CHART_ROWS] = { 0 }, other[CHART_MAX * CHART_ROWS] = { 0 };
	double grid[CHART_MAX * 2];
	struct bl_range steps, values;

	if (columns > CHART_MAX)
		columns = CHART_MAX;
	if (reference)
		both[1] = bl_series_find(&reference->series, report->primary);
	steps = bl_chart_steps(both, 1);
	values = bl_chart_padded(bl_chart_values(both, 2, steps), 0);
	if (values.low == values.high)
		values = bl_chart_padded(values, 0.5);
	if (!both[0] || !bl_chart_grid(both[0], steps, columns * 2, grid))
		return;
	bl_chart_braille(grid, columns * 2, values, columns, CHART_ROWS, ours);
	if (both[1] && bl_chart_grid(both[1], steps, columns * 2, grid))
		bl_chart_braille(grid, columns * 2, values, columns, CHART_ROWS, other);
	else
		both[1] = NULL;
	bl_buf_addf(screen->out, "\n  %s", screen->paint->bold);
	bl_text_term(screen->out, report->primary, 60);
	bl_buf_adds(screen->out, screen->paint->off);
	add_swatch(screen, screen->paint->ours);
	bl_buf_adds(screen->out, "this run");
	if (both[1]) {
		add_swatch(screen, screen->paint->other);
		bl_text_term(screen->out,
		             report->baseline.present ? report->baseline_name
		                                      : report->previous_name,
		             40);
	}
	bl_buf_addc(screen->out, '\n');
	add_field(screen, values, columns, ours, other);
	add_axis(screen, steps, columns, both[0]->has_steps ? "step" : "record");
}

static void add_differences(const struct screen *screen)
{
	const struct bl_report *report = screen->report;
	const struct bl_differences *all = &report->differences;

	if (!bl_report_reference(report))
		return;
	bl_buf_addf(screen->out, "\n  %sDiffers from ", screen->paint->dim);
	bl_text_term(screen->out,
	             report->baseline.present ? report->baseline_name : report->previous_name, 40);
	bl_buf_addf(screen->out, ":%s%s\n", screen->paint->off, all->n ? "" : " nothing");
	for (size_t i = 0; i < all->n && i < DIFFERENCES; i++) {
		size_t chars = bl_difference_chars(&all->items[i], 40);

		bl_buf_addf(screen->out, "    %s%s%s ", screen->paint->dim,
		            bl_difference_word(&all->items[i]), screen->paint->off);
		bl_text_term(screen->out, all->items[i].name, 40);
		bl_buf_adds(screen->out, "  ");
		bl_text_term(screen->out, all->items[i].from ? all->items[i].from : "–", chars);
		bl_buf_adds(screen->out, " → ");
		bl_text_term(screen->out, all->items[i].to ? all->items[i].to : "–", chars);
		bl_buf_addc(screen->out, '\n');
	}
	if (all->n > DIFFERENCES)
		bl_buf_addf(screen->out, "    … and %zu more: branchline diff\n",
		            all->n - DIFFERENCES);
}

static void add_failed_log(const struct screen *screen)
{
	const char *log = screen->report->now.log, *line;
	size_t lines = 0;

	if (screen->report->mood != BL_MOOD_BAD || !log)
		return;
	line = log + strlen(log);
	for (const char *p = line; p > log && lines <= FAILED_LINES; p--) {
		if (p[-1] != '\n')
			continue;
		if (lines++ < FAILED_LINES || p == line)
			line = p;
	}
	if (lines <= FAILED_LINES)
		line = log;
	bl_buf_addf(screen->out, "\n  %sLast lines of the log:%s\n", screen->paint->dim,
	            screen->paint->off);
	while (*line) {
		BL_AUTO(bl_buf) one = BL_BUF(64u << 10);
		size_t len = strcspn(line, "\n");

		bl_buf_add(&one, line, len);
		bl_buf_adds(screen->out, "  │ ");
		bl_text_term(screen->out, bl_buf_text(&one), 400);
		bl_buf_addc(screen->out, '\n');
		line += len + (line[len] == '\n');
	}
}

static void add_end(const struct screen *screen)
{
	const struct bl_report *report = screen->report;

	bl_buf_adds(screen->out, "\n  ");
	bl_text_term(screen->out, report->facts, 400);
	bl_buf_addf(screen->out, "\n  %srun ", screen->paint->dim);
	bl_text_term(screen->out, report->now.run, BL_RUN_SIZE);
	bl_buf_addf(screen->out, "%s\n", screen->paint->off);
	if (bl_report_wants_baseline(report))
		bl_buf_adds(
			screen->out,
			"  No baseline yet: make one with `branchline baseline RUN`, or name a run "
			"with --baseline RUN\n");
	if (!report->next[0])
		return;
	bl_buf_addf(screen->out, "  %sNext:%s ", screen->paint->bold, screen->paint->off);
	bl_text_term(screen->out, report->next, 400);
	bl_buf_addc(screen->out, '\n');
}

int bl_report_term(const struct bl_report *report, bool colour, unsigned columns,
                   struct bl_buf *out, struct bl_err *err)
{
	struct screen screen = {
		.report = report,
		.paint = colour ? &coloured : &plain,
		.columns = columns < 40    ? 40
		           : columns > 200 ? 200
		                           : columns,
		.out = out,
	};

	bl_buf_addf(out, "%s●%s %s", mood_colour(&screen), screen.paint->off, screen.paint->bold);
	bl_text_term(out, report->verdict, 400);
	bl_buf_addf(out, "%s\n", screen.paint->off);
	add_table(&screen);
	add_chart(&screen);
	add_differences(&screen);
	add_failed_log(&screen);
	add_end(&screen);
	return bl_buf_check(out, "report", err);
}
