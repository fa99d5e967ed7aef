/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "run/report_html.h"
#include "run/report_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHANNELS 8u /* shown of the data */
#define BESIDE 3u   /* that many fit beside the other cells */

static void keep_failure(struct bl_buf *out, const struct bl_buf *part)
{
	if (part->failed)
		out->failed = part->failed;
}

/* A cell of facts: name, value, and a small line below it; nothing without a value. */
static void add_fact(const char *name, const char *value, const char *small, struct bl_buf *out)
{
	if (!value[0])
		return;
	bl_buf_addf(out, "<div><dt>%s</dt><dd>", name);
	bl_text_html(out, value, 80);
	if (small[0]) {
		bl_buf_adds(out, "<small>");
		bl_text_html(out, small, 120);
		bl_buf_adds(out, "</small>");
	}
	bl_buf_adds(out, "</dd></div>");
}

static void add_duration(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_side *now = &report->now;
	int64_t end = now->ended_ms ? now->ended_ms : report->at_ms;
	BL_AUTO(bl_buf) text = BL_BUF(64);
	BL_AUTO(bl_buf) started = BL_BUF(64);
	char at[BL_UTC_SIZE];

	if (now->started_ms <= 0 || end < now->started_ms)
		return;
	bl_str_add_duration(&text, end - now->started_ms);
	bl_utc_text(now->started_ms, at);
	bl_buf_addf(&started, "started %.5s UTC, %.10s", at + 11, at);
	add_fact(now->ended ? "Duration" : "So far", bl_buf_text(&text), bl_buf_text(&started),
	         out);
	keep_failure(out, &text);
	keep_failure(out, &started);
}

static void add_steps(const struct bl_side *now, struct bl_buf *out)
{
	BL_AUTO(bl_buf) text = BL_BUF(128);
	BL_AUTO(bl_buf) small = BL_BUF(512);

	if (!isnan(now->series.last_step))
		bl_number_add(&text, now->series.last_step);
	if (text.len && now->series.total_steps > now->series.last_step) {
		bl_buf_adds(&text, " / ");
		bl_number_add(&text, now->series.total_steps);
	}
	add_fact("Steps", bl_buf_text(&text), "", out);
	keep_failure(out, &text);
	if (now->attempts < 2)
		return;
	bl_buf_reset(&text);
	bl_buf_addf(&text, "%u", now->attempts);
	for (size_t i = 0; i < now->series.n_resumed && i < 4; i++) {
		bl_buf_adds(&small, i ? ", " : "resumed at step ");
		bl_number_add(&small, now->series.resumed_at[i]);
	}
	add_fact("Attempts", bl_buf_text(&text), bl_buf_text(&small), out);
	keep_failure(out, &text);
	keep_failure(out, &small);
}

/* "run q7xk" and "at step 400, that one from run b2c3"; nothing without one. */
static void add_joins(const struct bl_series *series, struct bl_buf *out)
{
	BL_AUTO(bl_buf) text = BL_BUF(64);
	BL_AUTO(bl_buf) small = BL_BUF(512);

	for (size_t i = 0; i < series->n_joined && i < 3; i++) {
		const struct bl_join *join = &series->joined[i];

		if (!i)
			bl_buf_addf(&text, "run %s", bl_run_short(join->run));
		else
			bl_buf_addf(&small, "%sthat one from run %s ", small.len ? ", " : "",
			            bl_run_short(join->run));
		if (!isnan(join->step)) {
			bl_buf_adds(&small, "at step ");
			bl_number_add(&small, join->step);
		}
	}
	add_fact("Continued from", bl_buf_text(&text), bl_buf_text(&small), out);
	keep_failure(out, &text);
	keep_failure(out, &small);
}

/* "train", "2.5 MiB, 7999 records" and the digest, of which 8 digits tell versions apart. */
static void add_channel(const struct bl_param *data, struct bl_buf *out)
{
	const char *digest = strstr(data->value, "digest ");
	size_t len = digest ? (size_t)(digest - data->value) : strlen(data->value);
	char size[160], first[9];

	if (len >= sizeof(size))
		len = sizeof(size) - 1;
	memcpy(size, data->value, len);
	size[len] = '\0';
	bl_buf_adds(out, "<small><b>");
	bl_text_html(out, data->name, 40);
	bl_buf_adds(out, "</b> ");
	bl_text_html(out, size, 120);
	if (digest) {
		snprintf(first, sizeof(first), "%s", digest + strlen("digest "));
		bl_buf_adds(out, "<code>");
		bl_text_html(out, first, sizeof(first));
		bl_buf_adds(out, "</code>");
	}
	bl_buf_adds(out, "</small>");
}

/* All channels in one cell; many of them get a row of their own. */
static void add_data(const struct bl_pairs *data, struct bl_buf *out)
{
	size_t shown = data->n > CHANNELS ? CHANNELS : data->n;

	if (!data->n)
		return;
	bl_buf_addf(out, "<div class=\"data%s\"><dt>Data</dt><dd>",
	            data->n > BESIDE ? " many" : "");
	for (size_t i = 0; i < shown; i++)
		add_channel(&data->items[i], out);
	if (shown < data->n)
		bl_buf_addf(out, "<small>… and %zu more</small>", data->n - shown);
	bl_buf_adds(out, "</dd></div>");
}

void bl_html_facts(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_side *now = &report->now;
	char sha[13], cost[48];

	bl_buf_adds(out, "<dl class=\"card facts\">");
	add_duration(report, out);
	add_steps(now, out);
	add_joins(&now->series, out);
	if (now->cost_usd > 0) {
		BL_AUTO(bl_buf) text = BL_BUF(sizeof(cost));

		bl_buf_addf(&text, "$%.2f", now->cost_usd);
		add_fact("Cost", bl_buf_text(&text), "", out);
		keep_failure(out, &text);
	}
	add_fact("Where", now->place, "", out);
	memcpy(sha, now->sha, sizeof(sha) - 1);
	sha[12] = '\0';
	add_fact(now->dirty ? "Commit, with uncommitted changes" : "Commit", sha, now->subject,
	         out);
	add_data(&now->data, out);
	bl_buf_adds(out, "</dl>\n");
}
