/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/report_input.h"

#include "codec/json.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void copy_text(const struct bl_value *doc, const char *key, char *to, size_t size)
{
	snprintf(to, size, "%s", bl_value_text_or(doc, key, ""));
}

static void read_result(const struct bl_value *doc, struct bl_side *side)
{
	struct bl_result *result = &side->result;
	struct bl_err err = { 0 };

	side->ended = bl_value_get(doc, "status") != NULL;
	if (!side->ended)
		return;
	must(bl_status_parse(bl_value_text_or(doc, "status", ""), &result->status, &err), &err);
	if (bl_value_get(doc, "class"))
		must(bl_class_parse(bl_value_text_or(doc, "class", ""), &result->class, &err),
		     &err);
	copy_text(doc, "stage", result->stage, sizeof(result->stage));
	copy_text(doc, "message", result->message, sizeof(result->message));
	copy_text(doc, "next_step", result->next_step, sizeof(result->next_step));
}

/* A curve as lines of the stream: the reader is part of what is tested. */
static void add_curve(const struct bl_value *curve, struct bl_buf *lines)
{
	double from = bl_value_real_or(curve, "from", 3), to = bl_value_real_or(curve, "to", 1);
	int64_t n = bl_value_int_or(curve, "points", 10),
		every = bl_value_int_or(curve, "every", 10);
	int64_t first = bl_value_int_or(curve, "first", every);

	for (int64_t i = 0; i < n; i++) {
		struct bl_json json = BL_JSON(lines);
		int64_t step = first + i * every;

		bl_json_begin(&json, 1);
		bl_json_int(&json, "attempt", bl_value_int_or(curve, "attempt", 1));
		bl_json_int(&json, "at", 1795507200000 + step * 100);
		bl_json_int(&json, "step", step);
		bl_json_int(&json, "total_steps",
		            bl_value_int_or(curve, "total", first + (n - 1) * every));
		bl_json_map(&json, "values");
		bl_json_real(&json, bl_value_text_or(curve, "name", "loss"),
		             to + (from - to) / (1 + 8 * (double)i / (double)n));
		bl_json_end_map(&json);
		bl_json_end_map(&json);
		bl_buf_addc(lines, '\n');
	}
}

static void read_series(const struct bl_value *doc, struct bl_side *side)
{
	const struct bl_value *curves = bl_value_get(doc, "curves");
	const struct bl_value *records = bl_value_get(doc, "lines");
	const struct bl_value *joins = bl_value_get(doc, "joined");
	struct bl_series_reader *reader = NULL;
	BL_AUTO(bl_buf) lines = BL_BUF(64u << 20);
	struct bl_err err = { 0 };

	for (size_t i = 0; curves && i < curves->n; i++)
		add_curve(curves->items[i], &lines);
	for (size_t i = 0; records && i < records->n; i++) {
		struct bl_json json = BL_JSON(&lines);

		bl_json_value(&json, NULL, records->items[i]);
		bl_buf_addc(&lines, '\n');
	}
	must(bl_buf_check(&lines, "lines", &err), &err);
	must(bl_series_reader_new(&reader, &err), &err);
	must(bl_series_feed(reader, bl_buf_text(&lines), lines.len, &err), &err);
	must(bl_series_finish(reader, &side->series, &err), &err);
	bl_series_reader_free(reader);
	for (size_t i = 0; joins && i < joins->n; i++) {
		struct bl_join *join = &side->series.joined[side->series.n_joined++];

		copy_text(joins->items[i], "run", join->run, sizeof(join->run));
		join->step = bl_value_real_or(joins->items[i], "step", (double)NAN);
	}
}

static void read_side(const struct bl_value *doc, struct bl_side *side)
{
	struct bl_err err = { 0 };

	side->cost_usd = bl_value_real_or(doc, "cost", (double)NAN);
	side->present = doc != NULL;
	if (!doc)
		return;
	copy_text(doc, "run", side->run, sizeof(side->run));
	copy_text(doc, "job", side->job, sizeof(side->job));
	copy_text(doc, "branch", side->branch, sizeof(side->branch));
	copy_text(doc, "sha", side->sha, sizeof(side->sha));
	copy_text(doc, "subject", side->subject, sizeof(side->subject));
	copy_text(doc, "phase", side->phase, sizeof(side->phase));
	copy_text(doc, "place", side->place, sizeof(side->place));
	side->dirty = bl_value_bool_or(doc, "dirty", false);
	side->alive = bl_value_bool_or(doc, "alive", false);
	side->attempts = (unsigned)bl_value_int_or(doc, "attempts", 1);
	side->started_ms = bl_value_int_or(doc, "started", 0);
	side->ended_ms = bl_value_int_or(doc, "ended", 0);
	read_result(doc, side);
	must(bl_pairs_add_value(&side->params, NULL, bl_value_get(doc, "params"), &err), &err);
	must(bl_pairs_add_value(&side->data, NULL, bl_value_get(doc, "data"), &err), &err);
	must(bl_pairs_add_value(&side->settings, NULL, bl_value_get(doc, "settings"), &err), &err);
	bl_pairs_sort(&side->params);
	bl_pairs_sort(&side->data);
	bl_pairs_sort(&side->settings);
	read_series(doc, side);
	if (bl_value_get(doc, "log"))
		side->log = strdup(bl_value_text_or(doc, "log", ""));
}

static void read_expense(const struct bl_value *spent, struct bl_side *side)
{
	for (size_t i = 0; spent && i < spent->n; i++) {
		const struct bl_value *doc = spent->items[i];
		const char *status = bl_value_text_or(doc, "status", NULL);
		struct bl_end end = { .finished_at_ms = bl_value_int_or(doc, "ended", 0) };
		struct bl_started started;
		struct bl_err err = { 0 };

		bl_started_init(&started);
		started.attempt = (unsigned)i + 1;
		copy_text(doc, "engine", started.engine, sizeof(started.engine));
		copy_text(doc, "instance", started.instance, sizeof(started.instance));
		copy_text(doc, "type", started.type, sizeof(started.type));
		copy_text(doc, "zone", started.zone, sizeof(started.zone));
		copy_text(doc, "market", started.market, sizeof(started.market));
		started.usd_hour = bl_value_real_or(doc, "usd_hour", (double)NAN);
		started.on_demand_usd_hour = bl_value_real_or(doc, "on_demand", (double)NAN);
		started.disk_usd_hour = bl_value_real_or(doc, "disk", (double)NAN);
		started.started_ms = bl_value_int_or(doc, "started", 0);
		if (status)
			must(bl_status_parse(status, &end.result.status, &err), &err);
		must(bl_expense_add(&side->expense, &started, status ? &end : NULL,
		                    bl_value_int_or(doc, "ended", 0), &err),
		     &err);
	}
	if (!spent || !spent->n)
		return;
	side->cost_usd = bl_expense_total(&side->expense);
	snprintf(side->place, sizeof(side->place), "%s",
	         side->expense.items[side->expense.n - 1].place);
}

static void read_history(const struct bl_value *history, struct bl_report *report)
{
	if (!history)
		return;
	report->history.pr = bl_value_int_or(history, "pr", 0);
	history = bl_value_get(history, "runs");
	report->history.runs = calloc(history->n + 1, sizeof(*report->history.runs));
	assert_non_null(report->history.runs);
	for (size_t i = 0; i < history->n; i++) {
		const struct bl_value *doc = history->items[i];
		struct bl_run_summary *run = &report->history.runs[report->history.n++];

		copy_text(doc, "run", run->id, sizeof(run->id));
		copy_text(doc, "sha", run->sha, sizeof(run->sha));
		copy_text(doc, "word", run->word, sizeof(run->word));
		copy_text(doc, "primary", run->primary, sizeof(run->primary));
		run->primary_value = bl_value_real_or(doc, "value", (double)NAN);
		run->cost_usd = bl_value_real_or(doc, "cost", (double)NAN);
		run->created_ms = bl_value_int_or(doc, "created", 0);
	}
}

static void read_samples(const struct bl_value *doc, struct bl_report *report)
{
	const char *now = bl_value_text_or(doc, "samples", "");
	const char *baseline = bl_value_text_or(doc, "baseline_samples", "");
	const char *page = bl_value_text_or(doc, "page", NULL);
	struct bl_err err = { 0 };

	must(bl_samples_pair(now, strlen(now), baseline, strlen(baseline), &report->samples, &err),
	     &err);
	if (page)
		report->samples.page = strdup(page);
}

void report_of(const char *json, size_t len, struct bl_report *out)
{
	BL_VALUE doc = NULL;
	struct bl_err err = { 0 };

	*out = (struct bl_report){ 0 };
	must(bl_json_parse(json, len, "input", &doc, &err), &err);
	out->at_ms = bl_value_int_or(doc, "at", 1795510800000);
	copy_text(doc, "store", out->store, sizeof(out->store));
	copy_text(doc, "why", out->why, sizeof(out->why));
	copy_text(doc, "label", out->label, sizeof(out->label));
	out->month_usd = bl_value_real_or(doc, "month", (double)NAN);
	out->ci_ms = bl_value_int_or(doc, "ci_ms", 0);
	out->brief = bl_value_bool_or(doc, "brief", false);
	out->same_before = bl_value_bool_or(doc, "same_before", false);
	must(bl_rules_read(bl_value_get(doc, "rules"), &out->rules, &err), &err);
	read_side(bl_value_get(doc, "now"), &out->now);
	read_side(bl_value_get(doc, "baseline"), &out->baseline);
	read_side(bl_value_get(doc, "previous"), &out->previous);
	read_expense(bl_value_path(doc, "now.spent"), &out->now);
	read_history(bl_value_get(doc, "history"), out);
	read_samples(doc, out);
	must(bl_report_judge(out, &err), &err);
}
