/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_md.h"

#include "run/report_text.h"
#include "run/sticky.h"

#include <math.h>
#include <string.h>

/* Bytes that a folded part may take; all of them and the visible ones stay below the limit. */
#define GATES_ROOM 2000u
#define ABOUT_ROOM 6000u
#define DIFFERENCES_ROOM 7000u
#define SAMPLES_ROOM 8000u
#define HISTORY_ROOM 3000u
#define EVERYTHING_ROOM 12000u
#define LOG_ROOM 10000u
#define CHART_ROOM 5000u
#define TABLE_ROOM 3500u
#define COMMANDS_ROOM 1500u

/* The comment is found again by this line. */
static void add_marker(const struct bl_report *report, struct bl_buf *out)
{
	bl_sticky_marker(report->now.job[0] ? report->now.job : "default", out);
	bl_buf_addc(out, '\n');
}

static unsigned add_heading(const struct bl_report *report, struct bl_buf *out)
{
	bl_buf_addf(out, "### %s ", bl_mood_icon(report->mood));
	bl_text_md(out, report->verdict, 200);
	bl_buf_adds(out, "\n\n");
	return 2;
}

/* What a table without a baseline leaves open. */
static unsigned add_no_baseline(const struct bl_report *report, struct bl_buf *out)
{
	if (!bl_report_wants_baseline(report))
		return 0;
	bl_buf_adds(out, "No baseline yet");
	if (report->why[0]) {
		bl_buf_adds(out, ": ");
		bl_text_md(out, report->why, 300);
	}
	bl_buf_adds(out, ". Make one with `branchline baseline RUN`, or name a run with "
	                 "`--baseline RUN`.\n\n");
	return 2;
}

/* A reader who must act comes for the cause and the log; the curve is folded then. That of a gate
 * comes for the numbers. */
static bool must_act(const struct bl_report *report)
{
	return !report->gate_failed && (report->mood == BL_MOOD_BAD || report->next[0]);
}

static void add_footer(const struct bl_report *report, struct bl_buf *out)
{
	bl_buf_adds(out, "<sub>run <code>");
	bl_text_html(out, report->now.run, BL_RUN_SIZE);
	bl_buf_adds(out, "</code></sub>\n");
}

struct folded {
	unsigned (*write)(const struct bl_report *report, size_t room, struct bl_buf *out);
	size_t room;
	bool brief; /* also where `details` says brief */
};

/* The order is by what a reader asks next; a failure's first question is the log. */
static unsigned add_folded(const struct bl_report *report, struct bl_buf *out)
{
	static const struct folded good[] = {
		{ bl_md_gates, GATES_ROOM, true },
		{ bl_md_about, ABOUT_ROOM, true },
		{ bl_md_differences, DIFFERENCES_ROOM, true },
		{ bl_md_samples, SAMPLES_ROOM, true },
		{ bl_md_history, HISTORY_ROOM, true },
		{ bl_md_everything, EVERYTHING_ROOM, false },
		{ bl_md_log, LOG_ROOM, false },
		{ bl_md_commands, COMMANDS_ROOM, true },
	};
	static const struct folded bad[] = {
		{ bl_md_log, LOG_ROOM, true },
		{ bl_md_gates, GATES_ROOM, true },
		{ bl_md_folded_chart, CHART_ROOM, true },
		{ bl_md_about, ABOUT_ROOM, true },
		{ bl_md_differences, DIFFERENCES_ROOM, true },
		{ bl_md_samples, SAMPLES_ROOM, true },
		{ bl_md_history, HISTORY_ROOM, true },
		{ bl_md_everything, EVERYTHING_ROOM, false },
		{ bl_md_commands, COMMANDS_ROOM, true },
	};
	const struct folded *parts = must_act(report) ? bad : good;
	size_t n = must_act(report) ? BL_COUNT(bad) : BL_COUNT(good);
	unsigned lines = 0;

	for (size_t i = 0; i < n; i++)
		if (parts[i].brief || !report->brief)
			lines += parts[i].write(report, parts[i].room, out);
	return lines;
}

/* The chart, when it is not folded, and a blank line. */
static unsigned add_chart(const struct bl_report *report, struct bl_buf *out)
{
	unsigned lines = must_act(report) ? 0 : bl_md_chart(report, out);

	if (!lines)
		return 0;
	bl_buf_addc(out, '\n');
	return lines + 1;
}

static size_t main_rows(const struct bl_report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n_rows; i++)
		n += report->rows[i].main;
	return n;
}

/* A table that fits into what all else left of the lines. */
static void add_table(const struct bl_report *report, unsigned lines, struct bl_buf *out)
{
	size_t rows = main_rows(report), left = BL_REPORT_MD_LINES - lines;

	if (!rows || left < 4) /* two of its head, one blank */
		return;
	bl_md_table(report, rows < left - 3 ? rows : left - 3, false, TABLE_ROOM, out);
	bl_buf_addc(out, '\n');
}

/* Without the marker. */
int bl_report_comment(const struct bl_report *report, struct bl_buf *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) head = BL_BUF(BL_REPORT_MD_MAX);
	BL_AUTO(bl_buf) table = BL_BUF(BL_REPORT_MD_MAX);
	BL_AUTO(bl_buf) tail = BL_BUF(BL_REPORT_MD_MAX);
	unsigned lines = 2; /* the marker, which others write, and the footer */

	lines += add_heading(report, &head) + bl_md_next(report->next, &head);
	lines += add_no_baseline(report, &head);
	lines += add_chart(report, &tail) + add_folded(report, &tail);
	add_footer(report, &tail);
	add_table(report, lines, &table);
	if (bl_buf_check(&head, "report", err) || bl_buf_check(&table, "report", err) ||
	    bl_buf_check(&tail, "report", err))
		return -1;
	bl_buf_add(out, bl_buf_text(&head), head.len);
	bl_buf_add(out, bl_buf_text(&table), table.len);
	bl_buf_add(out, bl_buf_text(&tail), tail.len);
	return bl_buf_check(out, "report", err);
}

int bl_report_md(const struct bl_report *report, struct bl_buf *out, struct bl_err *err)
{
	add_marker(report, out);
	return bl_report_comment(report, out, err);
}
