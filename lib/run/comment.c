/* SPDX-License-Identifier: Apache-2.0 */
#include "run/comment.h"

#include "base/clock.h"
#include "base/str.h"
#include "run/comment_parts.h"
#include "run/report_md.h"
#include "run/report_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADING_CHARS 160u /* a longer message is told whole below it */
#define ROOM ((size_t)40 << 10)
#define LOG_BYTES ((size_t)6 << 10)

void bl_comment_init(struct bl_comment *comment)
{
	*comment = (struct bl_comment){
		.primary_value = NAN,
		.step = NAN,
		.total_steps = NAN,
		.cost_usd = NAN,
		.usd_hour = NAN,
		.estimate_usd = NAN,
		.max_cost_usd = NAN,
		.resumed_step = NAN,
	};
}

static bool is_over(const struct bl_comment *comment)
{
	return comment->state == BL_COMMENT_FAILED || comment->state == BL_COMMENT_CANCELLED;
}

static bool has_run(const struct bl_comment *comment)
{
	return bl_run_id_valid(comment_text(comment->run));
}

/* --- What is visible -------------------------------------------------------------------------- */

/* The cause where the heading does not hold it, and what to do. */
static void add_cause(const struct bl_comment *comment, struct bl_buf *out)
{
	const char *message = comment_text(comment->message);
	bool in_heading = comment->state == BL_COMMENT_REFUSED ||
	                  comment->state == BL_COMMENT_FAILED ||
	                  comment->state == BL_COMMENT_CANCELLED;

	if (*message && (!in_heading || strlen(message) > HEADING_CHARS)) {
		bl_text_md(out, message, 600);
		bl_buf_adds(out, "\n\n");
	}
	if (*comment_text(comment->next)) {
		bl_buf_adds(out, "**Next:** ");
		bl_text_md(out, comment->next, 500);
		bl_buf_adds(out, "\n\n");
	}
}

#define FOLLOWS "; this comment follows and becomes the report.\n\n"

/* What follows by itself. */
static void add_outlook(const struct bl_comment *comment, struct bl_buf *out)
{
	switch (comment->state) {
	case BL_COMMENT_ACCEPTED:
		bl_buf_adds(out, "Next come the image, a machine and the training" FOLLOWS);
		break;
	case BL_COMMENT_BUILDING:
		bl_buf_adds(out, "Next come a machine and the training" FOLLOWS);
		break;
	case BL_COMMENT_LAUNCHING:
		bl_buf_adds(out, "Next comes the training" FOLLOWS);
		break;
	case BL_COMMENT_HANDED_OVER:
		bl_buf_adds(out, "Its report comes here when it has ended: the scheduled `collect` "
		                 "makes it, or whoever waits for it again.\n\n");
		break;
	default:
		break;
	}
}

static void add_dot(struct bl_buf *out, size_t from)
{
	if (out->len > from)
		bl_buf_adds(out, " · ");
}

static void add_money(const struct bl_comment *comment, size_t from, struct bl_buf *out)
{
	bool before = !isfinite(comment->cost_usd) || comment->cost_usd <= 0;

	if (is_over(comment)) /* what it cost is told */
		return;
	if (isfinite(comment->usd_hour)) {
		add_dot(out, from);
		bl_buf_addf(out, "$%.3f an hour", comment->usd_hour);
	}
	if (before && isfinite(comment->estimate_usd)) {
		add_dot(out, from);
		bl_buf_addf(out, "about $%.2f estimated", comment->estimate_usd);
	}
	if (isfinite(comment->max_cost_usd)) {
		add_dot(out, from);
		bl_buf_addf(out, "at most $%.2f", comment->max_cost_usd);
	}
}

/* "g6.xlarge spot us-east-1b · attempt 2 · 1 interruption · $0.31 so far · at most $10.00" */
static void add_facts(const struct bl_comment *comment, struct bl_buf *out)
{
	size_t from = out->len;

	if (*comment_text(comment->place) && comment->state != BL_COMMENT_BOOTING)
		bl_text_md(out, comment->place, 80);
	if (comment->state != BL_COMMENT_RUNNING) {
		BL_AUTO(bl_buf) progress = BL_BUF(1024);

		comment_progress(comment, &progress);
		if (progress.failed)
			out->failed = progress.failed;
		if (progress.len)
			add_dot(out, from);
		bl_buf_adds(out, bl_buf_text(&progress));
	}
	if (comment->attempt > 1) {
		add_dot(out, from);
		bl_buf_addf(out, "attempt %u", comment->attempt);
	}
	if (comment->interruptions) {
		add_dot(out, from);
		bl_buf_addf(out, "%u interruption%s", comment->interruptions,
		            comment->interruptions == 1 ? "" : "s");
		if (isfinite(comment->resumed_step)) {
			bl_buf_adds(out, ", resumed at step ");
			bl_number_add(out, comment->resumed_step);
		}
	}
	add_money(comment, from, out);
	if (out->len > from)
		bl_buf_adds(out, "\n\n");
}

/* The curve so far, drawn as the report will. */
static int add_chart(const struct bl_comment *comment, struct bl_buf *out, struct bl_err *err)
{
	const struct bl_curve *curve = comment->curve;
	bool folded = is_over(comment);
	BL_AUTO(bl_buf) chart = BL_BUF(ROOM);
	struct bl_report *report;

	if (!curve || !curve->n)
		return 0;
	report = calloc(1, sizeof(*report));
	if (!report)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	/* a series of one, which bl_md_chart() only reads */
	report->now.series.curves = (struct bl_curve *)curve;
	report->now.series.n = 1;
	report->bad_step = curve->bad_step;
	snprintf(report->primary, sizeof(report->primary), "%s", curve->name);
	bl_md_chart(report, &chart);
	free(report);
	if (chart.len && folded) {
		bl_buf_adds(out, "<details><summary>Curve of ");
		bl_text_md(out, curve->name, 60);
		bl_buf_adds(out, "</summary>\n\n");
	}
	bl_buf_add(out, bl_buf_text(&chart), chart.len);
	if (chart.len)
		bl_buf_adds(out, folded ? "\n</details>\n\n" : "\n");
	return bl_buf_check(&chart, "chart", err);
}

/* --- What is folded --------------------------------------------------------------------------- */

static void add_log(const struct bl_comment *comment, struct bl_buf *out)
{
	const char *log = comment_text(comment->log), *from;
	size_t lines;

	if (!*log)
		return;
	from = bl_report_log_tail(log, LOG_BYTES, &lines); /* bad bytes grow to three */
	bl_buf_addf(out, "<details><summary>Last %zu line%s of the log</summary>\n\n", lines,
	            lines == 1 ? "" : "s");
	bl_text_fence(out, from);
	bl_buf_adds(out, "\n</details>\n");
}

/* A word of a shell's: nothing else goes between single quotes unharmed. */
static bool is_plain_word(const char *text)
{
	return *text && strlen(text) <= 400 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                    "_-./:=+,%") == strlen(text);
}

static void add_command(const struct bl_comment *comment, const char *verb, struct bl_buf *out)
{
	const char *store = comment_text(comment->store);

	bl_buf_addf(out, "branchline %s %s", verb, comment->run);
	if (is_plain_word(store))
		bl_buf_addf(out, " --store %s", store);
	bl_buf_addc(out, '\n');
}

/* What a reader may type, to the letter. */
static void add_commands(const struct bl_comment *comment, struct bl_buf *out)
{
	if (!has_run(comment))
		return;
	bl_buf_addf(out, "<details><summary>%s from a laptop</summary>\n\n```sh\n",
	            is_over(comment) ? "Log and outputs" : "Follow, stop or fetch it");
	add_command(comment, is_over(comment) ? "logs" : "logs -f", out);
	if (!is_over(comment))
		add_command(comment, "stop", out);
	add_command(comment, "pull", out);
	bl_buf_adds(out, "```\n\n</details>\n");
}

static void add_about(struct bl_buf *out, const char *name, const char *value)
{
	if (!*value)
		return;
	bl_buf_addf(out, "- %s: ", name);
	bl_text_code(out, value, 300);
	bl_buf_addc(out, '\n');
}

static void add_details(const struct bl_comment *comment, struct bl_buf *out)
{
	bl_buf_adds(out, "<details><summary>Commit, job and place</summary>\n\n");
	add_about(out, "commit", comment_text(comment->sha));
	if (*comment_text(comment->job))
		add_about(out, "job", comment->job);
	else
		bl_buf_adds(out, "- job: the default one\n");
	add_about(out, "asked for by", comment_text(comment->actor));
	add_about(out, "run", comment_text(comment->run));
	add_about(out, "machine", comment_text(comment->place));
	add_about(out, "store", comment_text(comment->store));
	bl_buf_adds(out, "\n</details>\n");
}

/* --- The last line ---------------------------------------------------------------------------- */

/* An address that stands for itself in Markdown. */
static bool is_plain_url(const char *url)
{
	return (bl_str_starts(url, "https://") || bl_str_starts(url, "http://")) &&
	       is_plain_word(url);
}

static void add_footer(const struct bl_comment *comment, struct bl_buf *out)
{
	bool has_url = is_plain_url(comment_text(comment->job_url));
	size_t from;

	if (!has_run(comment) && !has_url && comment->at_ms <= 0)
		return;
	bl_buf_adds(out, "\n<sub>");
	from = out->len;
	if (has_run(comment))
		bl_buf_addf(out, "run <code>%s</code>", comment->run);
	if (has_url) {
		add_dot(out, from);
		bl_buf_addf(out, "<a href=\"%s\">workflow</a>", comment->job_url);
	}
	if (comment->at_ms > 0) {
		char at[BL_UTC_SIZE];

		bl_utc_text(comment->at_ms, at);
		add_dot(out, from);
		bl_buf_addf(out, "updated %.10s %.5s UTC", at, at + 11);
	}
	bl_buf_adds(out, "</sub>\n");
}

int bl_comment_write(const struct bl_comment *comment, struct bl_buf *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(ROOM);

	comment_heading(comment, &text);
	add_cause(comment, &text);
	add_outlook(comment, &text);
	add_facts(comment, &text);
	if (add_chart(comment, &text, err))
		return -1;
	add_log(comment, &text);
	add_commands(comment, &text);
	add_details(comment, &text);
	add_footer(comment, &text);
	if (bl_buf_check(&text, "comment", err))
		return -1;
	bl_buf_add(out, bl_buf_text(&text), text.len);
	return bl_buf_check(out, "comment", err);
}
