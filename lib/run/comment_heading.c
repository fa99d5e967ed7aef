/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of the comment: what a reader wants to know. */
#include "base/str.h"
#include "run/comment_parts.h"
#include "run/report_md.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

static void add_separator(struct bl_buf *out, size_t from)
{
	if (out->len > from)
		bl_buf_adds(out, ", ");
}

static void add_step(const struct bl_comment *comment, struct bl_buf *out)
{
	double step = comment->step, total = comment->total_steps;

	if (!isfinite(step))
		return;
	bl_buf_adds(out, "step ");
	bl_number_add(out, step);
	if (!isfinite(total) || total <= 0 || step > total)
		return;
	bl_buf_addc(out, '/');
	bl_number_add(out, total);
	bl_buf_addf(out, " (%.0f %%)", floor(step / total * 100));
}

void comment_progress(const struct bl_comment *comment, struct bl_buf *out)
{
	size_t from = out->len;

	add_step(comment, out);
	if (*comment_text(comment->primary) && !isnan(comment->primary_value)) {
		add_separator(out, from);
		bl_text_md(out, comment->primary, 60);
		bl_buf_addc(out, ' ');
		bl_number_add(out, comment->primary_value);
	}
	if (comment->eta_ms > 0 && comment->state == BL_COMMENT_RUNNING) {
		add_separator(out, from);
		bl_buf_adds(out, "ETA ");
		bl_str_add_duration(out, comment->eta_ms);
	}
	if (isfinite(comment->cost_usd) && comment->cost_usd > 0) {
		add_separator(out, from);
		bl_md_usd(comment->cost_usd, out);
		bl_buf_adds(out, comment_is_over(comment) ? "" : " so far");
	}
}

static void add_sha(const struct bl_comment *comment, struct bl_buf *out)
{
	const char *sha = comment_text(comment->sha);

	if (strlen(sha) >= 7 && strspn(sha, "0123456789abcdef") == strlen(sha))
		bl_buf_addf(out, "`%.7s`", sha);
	else
		bl_buf_adds(out, "this commit");
}

/* "TITLE: text", or the title alone. */
static void add_titled(struct bl_buf *out, const char *title, const char *text)
{
	bl_buf_adds(out, title);
	if (!*comment_text(text))
		return;
	bl_buf_adds(out, ": ");
	bl_text_md(out, text, HEADING_CHARS);
}

/* What people call the phases of a heartbeat. */
static void add_phase(const struct bl_comment *comment, struct bl_buf *out)
{
	static const struct {
		const char *phase, *words;
	} known[] = {
		{ "", "Training" },
		{ "training", "Training" },
		{ "claim", "Starting" },
		{ "preflight", "Looking at the GPU" },
		{ "pull", "Pulling the image" },
		{ "data", "Fetching the data" },
		{ "restore", "Restoring the checkpoint" },
		{ "start", "Starting the command" },
		{ "flush", "Saving what it made" },
		{ "upload", "Saving what it made" },
	};
	const char *phase = comment_text(comment->phase);

	for (size_t i = 0; i < BL_COUNT(known); i++) {
		if (!strcmp(known[i].phase, phase)) {
			bl_buf_adds(out, known[i].words);
			return;
		}
	}
	bl_buf_adds(out, "Running, ");
	bl_text_md(out, phase, 40);
}

static void add_running(const struct bl_comment *comment, struct bl_buf *out)
{
	size_t from;

	add_phase(comment, out);
	bl_buf_adds(out, ": ");
	from = out->len;
	comment_progress(comment, out);
	if (out->len == from)
		bl_buf_adds(out, "no step yet");
}

static void add_launching(const struct bl_comment *comment, struct bl_buf *out)
{
	bl_buf_adds(out, "Launching ");
	add_sha(comment, out);
	if (*comment_text(comment->phase) && strcmp(comment->phase, "launch") != 0) {
		bl_buf_adds(out, ": ");
		bl_text_md(out, comment->phase, HEADING_CHARS);
	}
}

static void add_booting(const struct bl_comment *comment, struct bl_buf *out)
{
	bl_buf_adds(out, "Booting ");
	if (*comment_text(comment->place))
		bl_text_md(out, comment->place, 80);
	else
		bl_buf_adds(out, "the machine");
}

static void add_interrupted(const struct bl_comment *comment, struct bl_buf *out)
{
	bl_buf_addf(out, "Interrupted, attempt %u goes on ", comment->attempt);
	if (isfinite(comment->resumed_step)) {
		bl_buf_adds(out, "from step ");
		bl_number_add(out, comment->resumed_step);
	} else {
		bl_buf_adds(out, "from the start");
	}
}

static void add_failed(const struct bl_comment *comment, struct bl_buf *out)
{
	static const struct {
		const char *stage, *words;
	} known[] = {
		{ "guard", "The guard failed" },
		{ "push-image", "The image could not be made" },
		{ "launch", "Launch failed" },
		{ "wait", "Waiting for the run failed" },
		{ "report", "The report could not be made" },
	};
	const char *stage = comment_text(comment->stage), *words = "Failed";

	for (size_t i = 0; i < BL_COUNT(known); i++)
		if (!strcmp(known[i].stage, stage))
			words = known[i].words;
	add_titled(out, words, comment->message);
}

static void add_state(const struct bl_comment *comment, struct bl_buf *out)
{
	switch (comment->state) {
	case BL_COMMENT_ACCEPTED:
		bl_buf_adds(out, "Accepted: ");
		add_sha(comment, out);
		bl_buf_adds(out, " will be trained");
		break;
	case BL_COMMENT_REFUSED:
		add_titled(out, "Not trained", comment->message);
		break;
	case BL_COMMENT_BUILDING:
		bl_buf_adds(out, "Making the image of ");
		add_sha(comment, out);
		break;
	case BL_COMMENT_LAUNCHING:
		add_launching(comment, out);
		break;
	case BL_COMMENT_BOOTING:
		add_booting(comment, out);
		break;
	case BL_COMMENT_RUNNING:
		add_running(comment, out);
		break;
	case BL_COMMENT_INTERRUPTED:
		add_interrupted(comment, out);
		break;
	case BL_COMMENT_HANDED_OVER:
		bl_buf_adds(out, "The run goes on, and this job no longer waits for it");
		break;
	case BL_COMMENT_FAILED:
		add_failed(comment, out);
		break;
	case BL_COMMENT_CANCELLED:
		add_titled(out, "Cancelled", comment->message);
		break;
	}
}

void comment_heading(const struct bl_comment *comment, struct bl_buf *out)
{
	static const char *const icons[] = {
		[BL_COMMENT_ACCEPTED] = "🟡",    [BL_COMMENT_REFUSED] = "⛔",
		[BL_COMMENT_BUILDING] = "🟡",    [BL_COMMENT_LAUNCHING] = "🟡",
		[BL_COMMENT_BOOTING] = "🟡",     [BL_COMMENT_RUNNING] = "🟡",
		[BL_COMMENT_INTERRUPTED] = "🟠", [BL_COMMENT_HANDED_OVER] = "🔵",
		[BL_COMMENT_FAILED] = "🔴",         [BL_COMMENT_CANCELLED] = "⚪",
	};

	bl_buf_addf(out, "### %s ", icons[comment->state]);
	add_state(comment, out);
	bl_buf_adds(out, "\n\n");
}
