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

#define ROOM ((size_t)40 << 10)
#define LOG_ROOM ((size_t)6 << 10)

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
	bl_md_next(comment_text(comment->next), out);
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

	if (comment_is_over(comment)) /* what it cost is told */
		return;
	if (isfinite(comment->usd_hour)) {
		add_dot(out, from);
		bl_buf_addf(out, "&#36;%.3f an hour", comment->usd_hour);
	}
	if (before && isfinite(comment->estimate_usd)) {
		add_dot(out, from);
		bl_buf_adds(out, "about ");
		bl_md_usd(comment->estimate_usd, out);
		bl_buf_adds(out, " estimated");
	}
	if (isfinite(comment->max_cost_usd)) {
		add_dot(out, from);
		bl_buf_adds(out, "at most ");
		bl_md_usd(comment->max_cost_usd, out);
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
	struct bl_report *report;

	if (!curve || !curve->n)
		return 0;
	report = calloc(1, sizeof(*report));
	if (!report)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	/* a series of one, which the chart's writer only reads */
	report->now.series.curves = (struct bl_curve *)curve;
	report->now.series.n = 1;
	report->bad_step = curve->bad_step;
	snprintf(report->primary, sizeof(report->primary), "%s", curve->name);
	if (comment_is_over(comment))
		bl_md_folded_chart(report, ROOM, out);
	else if (bl_md_chart(report, out))
		bl_buf_addc(out, '\n');
	free(report);
	return 0;
}

/* --- What is folded --------------------------------------------------------------------------- */

/* What a reader may type, to the letter. */
static void add_commands(const struct bl_comment *comment, struct bl_buf *out)
{
	const char *store = comment_text(comment->store);
	bool is_over = comment_is_over(comment);

	if (!has_run(comment))
		return;
	bl_md_open_fold(out);
	bl_buf_addf(out, "%s from a laptop",
	            is_over ? "Log and outputs" : "Follow, stop or fetch it");
	bl_md_begin_fold(out);
	bl_buf_adds(out, "```sh\n");
	bl_md_command(is_over ? "logs" : "logs -f", comment->run, "", store, out);
	if (!is_over)
		bl_md_command("stop", comment->run, "", store, out);
	bl_md_command("pull", comment->run, "", store, out);
	bl_buf_adds(out, "```\n");
	bl_md_end_fold(out);
}

static void add_details(const struct bl_comment *comment, struct bl_buf *out)
{
	bl_md_open_fold(out);
	bl_buf_adds(out, "Commit, job and place");
	bl_md_begin_fold(out);
	bl_md_bullet("commit", comment_text(comment->sha), out);
	if (*comment_text(comment->job))
		bl_md_bullet("job", comment->job, out);
	else
		bl_buf_adds(out, "- job: the default one\n");
	bl_md_bullet("asked for by", comment_text(comment->actor), out);
	bl_md_bullet("run", comment_text(comment->run), out);
	bl_md_bullet("machine", comment_text(comment->place), out);
	bl_md_bullet("store", comment_text(comment->store), out);
	bl_md_end_fold(out);
}

/* --- The last line ---------------------------------------------------------------------------- */

/* An address that stands for itself in Markdown. */
static bool is_plain_url(const char *url)
{
	return (bl_str_starts(url, "https://") || bl_str_starts(url, "http://")) &&
	       bl_text_is_word(url);
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
	bl_md_log_text(comment->log, LOG_ROOM, &text);
	add_commands(comment, &text);
	add_details(comment, &text);
	add_footer(comment, &text);
	if (bl_buf_check(&text, "comment", err))
		return -1;
	bl_buf_add(out, bl_buf_text(&text), text.len);
	return bl_buf_check(out, "comment", err);
}
