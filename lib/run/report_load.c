/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "run/attempt.h"
#include "run/report.h"
#include "run/run.h"
#include "run/store_warm.h"
#include "run/stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LINES 50u
#define LOG_BYTES (32u << 10)
#define OLDER_RUNS 100u /* looked through for the previous run */
#define BATCH 25u

/* A line that redraws itself ends as its last drawing; colours go. */
static void add_log_line(struct bl_buf *out, char *line, size_t len)
{
	const char *drawn;

	while (len && line[len - 1] == '\r')
		len--;
	drawn = memrchr(line, '\r', len);
	if (drawn) {
		len -= (size_t)(drawn + 1 - line);
		line += drawn + 1 - line;
	}
	bl_utf8_add(out, line, bl_str_strip_ansi(line, len));
	bl_buf_addc(out, '\n');
}

static int read_log(struct bl_store *store, struct bl_side *side, struct bl_err *err)
{
	BL_AUTO(bl_buf) raw = BL_BUF(LOG_BYTES * 4);
	BL_AUTO(bl_buf) clean = BL_BUF(LOG_BYTES * 16);

	if (bl_stream_tail(store, side->run, BL_STREAM_LOG, LOG_LINES, LOG_BYTES, &raw, NULL, err))
		return -1;
	for (char *line = raw.data, *end = raw.data + raw.len; line && line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));

		add_log_line(&clean, line, (size_t)((stop ? stop : end) - line));
		line = stop ? stop + 1 : end;
	}
	if (bl_buf_check(&clean, "log", err))
		return -1;
	for (size_t i = 0; i < clean.len; i++)
		if (!clean.data[i])
			clean.data[i] = ' ';
	side->log = bl_buf_take(&clean);
	return 0;
}

/* "2 files, 1.2 MiB, 7999 records, digest 1a2b3c4d5e6f": tells one version from others. */
static int read_channel(const struct bl_value *channel, struct bl_side *side, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	int64_t files = bl_value_int_or(channel, "files", 0);
	int64_t bytes = bl_value_int_or(channel, "bytes", 0);
	int64_t records = bl_value_int_or(channel, "records", 0);

	if (files > 0 && bytes >= 0) {
		bl_buf_addf(&text, "%lld file%s, ", (long long)files, files > 1 ? "s" : "");
		bl_str_add_bytes(&text, (uint64_t)bytes);
		bl_buf_adds(&text, ", ");
	}
	if (records > 0)
		bl_buf_addf(&text, "%lld record%s, ", (long long)records, records > 1 ? "s" : "");
	bl_buf_addf(&text, "digest %.12s", bl_value_text_or(channel, "digest", ""));
	if (bl_buf_check(&text, "data", err))
		return -1;
	return bl_pairs_add(&side->data, channel->key, bl_buf_text(&text), err);
}

static int read_pairs(const struct bl_run *run, struct bl_side *side, struct bl_err *err)
{
	static const char *const settings[] = {
		"launcher", "hyperparameters_as", "workdir", "env", "image", "gpu", "gpus"
	};

	if (bl_pairs_add_value(&side->params, NULL, run->hyperparameters, err) ||
	    bl_pairs_add_value(&side->settings, "command", run->command, err))
		return -1;
	for (size_t i = 0; i < BL_COUNT(settings); i++)
		if (bl_pairs_add_value(&side->settings, settings[i],
		                       bl_value_get(run->config, settings[i]), err))
			return -1;
	for (size_t i = 0; run->channels && i < run->channels->n; i++)
		if (run->channels->type == BL_MAP &&
		    read_channel(run->channels->items[i], side, err))
			return -1;
	bl_pairs_sort(&side->params);
	bl_pairs_sort(&side->data);
	bl_pairs_sort(&side->settings);
	return 0;
}

static void read_names(const struct bl_run *run, struct bl_side *side)
{
	snprintf(side->run, sizeof(side->run), "%s", run->id);
	snprintf(side->job, sizeof(side->job), "%s", run->job);
	snprintf(side->branch, sizeof(side->branch), "%s", run->branch);
	snprintf(side->sha, sizeof(side->sha), "%s", run->head);
	snprintf(side->tree, sizeof(side->tree), "%s", run->tree);
	snprintf(side->subject, sizeof(side->subject), "%s", run->subject);
	snprintf(side->place, sizeof(side->place), "%s",
	         strcmp(run->kind, "local") != 0 ? run->kind : "this machine");
	side->dirty = run->dirty;
	side->overridden = run->overrides && run->overrides->n;
	side->started_ms = run->created_ms;
}

static int read_state(struct bl_store *store, struct bl_side *side, struct bl_err *err)
{
	struct bl_run_summary summary;
	struct bl_attempts attempts;

	if (bl_run_summarise(store, side->run, &summary, err) ||
	    bl_attempts_read(store, side->run, &attempts, err))
		return -1;
	side->attempts = attempts.newest;
	if (bl_expense_read(store, side->run, attempts.newest, bl_wall_ms(), &side->expense, err))
		return -1;
	side->cost_usd = bl_expense_total(&side->expense);
	if (isnan(side->cost_usd))
		side->cost_usd = summary.cost_usd;
	if (side->expense.n)
		snprintf(side->place, sizeof(side->place), "%s",
		         side->expense.items[side->expense.n - 1].place);
	side->heard_ms = summary.seen_ms;
	snprintf(side->phase, sizeof(side->phase), "%s", summary.phase);
	side->ended = summary.state == BL_RUN_ENDED;
	side->alive = !side->ended && summary.state != BL_RUN_RESUMABLE;
	if (side->ended) {
		side->result = attempts.has_outcome ? attempts.outcome.result : attempts.end.result;
		side->ended_ms = summary.finished_ms;
	} else if (!side->alive) {
		side->ended_ms = side->heard_ms;
	}
	return 0;
}

static int read_side(struct bl_store *store, const struct bl_run *run, struct bl_side *side,
                     struct bl_err *err)
{
	read_names(run, side);
	side->present = true;
	if (read_pairs(run, side, err) || read_state(store, side, err) ||
	    bl_series_read_joined(store, run->id, &side->series, err) || read_log(store, side, err))
		return -1;
	return 0;
}

/* From a run.json that was read. */
static int side_of(struct bl_store *store, const struct bl_run *run, struct bl_side *out,
                   struct bl_err *err)
{
	struct bl_side side = { .cost_usd = NAN };

	if (read_side(store, run, &side, err)) {
		bl_side_done(&side);
		return -1;
	}
	*out = side;
	return 0;
}

int bl_side_read(struct bl_store *store, const char *run, struct bl_side *out, struct bl_err *err)
{
	BL_AUTO(bl_run) doc = { 0 };

	if (bl_run_read(store, run, &doc, err))
		return -1;
	return side_of(store, &doc, out, err);
}

/* Whether `id` is a success of the same branch and job. A run that cannot be read is not. */
static int is_previous(struct bl_store *store, const struct bl_run *now, const char *id, bool *out,
                       struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_outcome outcome;

	*out = false;
	if (bl_run_read(store, id, &run, err) || strcmp(run.repository_key, now->repository_key) ||
	    strcmp(run.branch, now->branch) || strcmp(run.job, now->job) ||
	    bl_outcome_read(store, id, &outcome, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	*out = outcome.result.status == BL_STATUS_SUCCESS;
	return 0;
}

/* Newest success before `now` on its branch; previous stays "" without one. */
static int find_previous(struct bl_store *store, const struct bl_run *now,
                         char previous[BL_RUN_SIZE], struct bl_err *err)
{
	static const char *const wanted[] = { "run.json", "outcome.json", "SUCCESS", "FAILURE" };
	BL_AUTO(bl_run_ids) list = { 0 };
	BL_STORE warm = NULL;
	size_t from = 0, n;
	bool is_it;

	if (bl_run_ids_read(store, &list, err) || bl_store_warm_open(store, &warm, err))
		return -1;
	while (from < list.n && strcmp(list.ids[from], now->id) >= 0)
		from++;
	n = list.n - from < OLDER_RUNS ? list.n - from : OLDER_RUNS;
	for (size_t i = 0; i < n; i++) {
		if (i % BATCH == 0 && bl_store_is_remote(bl_store_uri(store)) &&
		    bl_run_ids_fetch(warm, &list, from + i, n - i < BATCH ? n - i : BATCH, wanted,
		                     BL_COUNT(wanted), err))
			return -1;
		if (is_previous(warm, now, list.ids[from + i], &is_it, err))
			return -1;
		if (is_it) {
			memcpy(previous, list.ids[from + i], BL_RUN_SIZE);
			return 0;
		}
	}
	return 0;
}

/* A baseline that was removed since costs the comparison, not the report. */
static int read_other(struct bl_store *store, const char *id, bool named, struct bl_side *out,
                      struct bl_err *err)
{
	if (!id[0] || !bl_side_read(store, id, out, err))
		return 0;
	if (named || err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err);
	return 0;
}

struct others {
	const char *baseline, *previous; /* named; NULL: to be found */
	const struct bl_baseline_place *place;
};

static int choose(struct bl_store *store, const struct bl_run *run, const struct others *others,
                  char base[BL_RUN_SIZE], struct bl_report *report, struct bl_err *err)
{
	static const struct bl_baseline_place nowhere = { NULL, NULL };
	struct bl_baseline_choice choice;

	if (others->baseline) {
		snprintf(base, BL_RUN_SIZE, "%s", others->baseline);
		return 0;
	}
	if (bl_baseline_choose(store, run, others->place ? others->place : &nowhere, &choice, err))
		return -1;
	memcpy(base, choice.run, BL_RUN_SIZE);
	memcpy(report->why, choice.why, sizeof(report->why));
	return 0;
}

static int read_others(struct bl_store *store, const struct bl_run *run,
                       const struct others *others, struct bl_report *report, struct bl_err *err)
{
	char base[BL_RUN_SIZE] = "", before[BL_RUN_SIZE] = "";

	if (choose(store, run, others, base, report, err))
		return -1;
	if (others->previous)
		snprintf(before, sizeof(before), "%s", others->previous);
	else if (find_previous(store, run, before, err))
		return -1;
	report->same_before = before[0] && !strcmp(before, base);
	if (report->same_before)
		before[0] = '\0';
	if (read_other(store, base, others->baseline, &report->baseline, err))
		return bl_wrap(err, "baseline");
	if (read_other(store, before, others->previous, &report->previous, err))
		return bl_wrap(err, "previous run");
	return 0;
}

/* The attempt whose outputs count. */
static unsigned winner(const struct bl_side *side)
{
	return side->present && side->ended ? side->attempts : 0;
}

static int build(struct bl_store *store, const struct bl_run *run, const struct others *others,
                 struct bl_report *report, struct bl_err *err)
{
	report->at_ms = bl_wall_ms();
	report->month_usd = (double)NAN;
	snprintf(report->store, sizeof(report->store), "%s", bl_store_uri(store));
	snprintf(report->label, sizeof(report->label), "%s",
	         bl_value_text_or(run->config, "label", ""));
	if (bl_rules_read(bl_value_get(run->config, "metrics"), &report->rules, err) ||
	    side_of(store, run, &report->now, err) ||
	    read_others(store, run, others, report, err) ||
	    bl_history_read(store, run, &report->history, err) ||
	    bl_samples_read(store, run->id, winner(&report->now), report->baseline.run,
	                    winner(&report->baseline), &report->samples, err))
		return -1;
	if (report->now.cost_usd > 0 &&
	    bl_expense_month(store, report->at_ms, &report->month_usd, err))
		return -1;
	return 0;
}

int bl_report_build(struct bl_store *store, const char *run, const char *baseline,
                    const char *previous, const struct bl_baseline_place *place,
                    struct bl_report *out, struct bl_err *err)
{
	struct others others = { baseline, previous, place };
	struct bl_report report = { 0 }, before = *out;
	BL_AUTO(bl_run) doc = { 0 };

	if (bl_run_read(store, run, &doc, err) || build(store, &doc, &others, &report, err)) {
		bl_report_done(&report);
		return bl_wrap(err, "report");
	}
	*out = report;
	/* what is judged points into the report: it must be where it stays */
	if (bl_report_judge(out, err)) {
		bl_report_done(out);
		*out = before;
		return bl_wrap(err, "report");
	}
	return 0;
}
