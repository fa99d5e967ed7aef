/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "codec/json.h"
#include "run/report.h"
#include "run/report_chart.h"

#include <math.h>
#include <stdlib.h>

#define POINTS 500u /* of one curve */

static const char *const moods[] = { [BL_MOOD_GOOD] = "good",
	                             [BL_MOOD_PLAIN] = "plain",
	                             [BL_MOOD_WARN] = "warning",
	                             [BL_MOOD_BAD] = "bad",
	                             [BL_MOOD_RUNNING] = "running" };
static const char *const goals[] = {
	[BL_GOAL_NONE] = NULL, [BL_GOAL_MIN] = "min", [BL_GOAL_MAX] = "max"
};

static void add_real(struct bl_json *json, const char *key, double value, bool there)
{
	if (there)
		bl_json_real(json, key, value);
	else
		bl_json_null(json, key);
}

static void add_time(struct bl_json *json, const char *key, int64_t ms)
{
	char text[BL_UTC_SIZE];

	if (ms > 0)
		bl_utc_text(ms, text);
	bl_json_text(json, key, ms > 0 ? text : NULL);
}

static void add_pairs(struct bl_json *json, const char *key, const struct bl_pairs *pairs)
{
	bl_json_map(json, key);
	for (size_t i = 0; i < pairs->n; i++)
		bl_json_text(json, pairs->items[i].name, pairs->items[i].value);
	bl_json_end_map(json);
}

static void add_result(struct bl_json *json, const struct bl_side *side)
{
	bl_json_text(json, "status",
	             side->ended   ? bl_status_word(side->result.status)
	             : side->alive ? "running"
	                           : "interrupted");
	if (!side->ended)
		return;
	bl_json_text(json, "class", bl_class_word(side->result.class));
	bl_json_text(json, "stage", side->result.stage);
	bl_json_int(json, "exit_code", side->result.exit_code);
	bl_json_int(json, "signal", side->result.signal);
	bl_json_text(json, "message", side->result.message);
}

static void add_joins(struct bl_json *json, const struct bl_series *series)
{
	bl_json_list(json, "continued_from");
	for (size_t i = 0; i < series->n_joined; i++) {
		const struct bl_join *join = &series->joined[i];

		bl_json_map(json, NULL);
		bl_json_text(json, "run", join->run);
		add_real(json, "step", join->step, !isnan(join->step));
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

static void add_side(struct bl_json *json, const char *key, const struct bl_side *side,
                     const char *name)
{
	if (!side->present) {
		bl_json_null(json, key);
		return;
	}
	bl_json_map(json, key);
	bl_json_text(json, "run", side->run);
	bl_json_text(json, "name", name);
	bl_json_text(json, "job", side->job);
	bl_json_text(json, "branch", side->branch);
	bl_json_text(json, "sha", side->sha);
	bl_json_text(json, "subject", side->subject);
	bl_json_bool(json, "dirty", side->dirty);
	bl_json_bool(json, "overrides", side->overridden);
	add_result(json, side);
	bl_json_int(json, "attempts", side->attempts);
	add_time(json, "started_at", side->started_ms);
	add_time(json, "ended_at", side->ended_ms);
	add_real(json, "step", side->series.last_step, !isnan(side->series.last_step));
	add_real(json, "total_steps", side->series.total_steps, !isnan(side->series.total_steps));
	add_real(json, "cost_usd", side->cost_usd, !isnan(side->cost_usd));
	bl_json_list(json, "resumed_at");
	for (size_t i = 0; i < side->series.n_resumed; i++)
		bl_json_real(json, NULL, side->series.resumed_at[i]);
	bl_json_end_list(json);
	add_joins(json, &side->series);
	add_pairs(json, "parameters", &side->params);
	add_pairs(json, "data", &side->data);
	add_pairs(json, "settings", &side->settings);
	bl_json_end_map(json);
}

void bl_report_json_rows(struct bl_json *json, const struct bl_row *rows, size_t n)
{
	bl_json_list(json, "metrics");
	for (size_t i = 0; i < n; i++) {
		const struct bl_row *row = &rows[i];

		bl_json_map(json, NULL);
		bl_json_text(json, "name", row->name);
		bl_json_text(json, "goal", goals[row->goal]);
		add_real(json, "baseline", row->baseline, !isnan(row->baseline));
		add_real(json, "previous", row->previous, !isnan(row->previous));
		add_real(json, "value", row->now, row->has_now);
		add_real(json, "change", row->change, !isnan(row->change));
		bl_json_text(json, "verdict",
		             *bl_change_word(row->word) ? bl_change_word(row->word) : NULL);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

void bl_report_json_differences(struct bl_json *json, const struct bl_differences *all)
{
	bl_json_list(json, "differences");
	for (size_t i = 0; i < all->n; i++) {
		bl_json_map(json, NULL);
		bl_json_text(json, "kind", bl_difference_word(&all->items[i]));
		bl_json_text(json, "name", all->items[i].name);
		bl_json_text(json, "from", all->items[i].from);
		bl_json_text(json, "to", all->items[i].to);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

static void add_curve(struct bl_json *json, const struct bl_curve *curve)
{
	size_t kept[POINTS], n = bl_chart_thin(curve, POINTS, kept);

	bl_json_map(json, NULL);
	bl_json_text(json, "name", curve->name);
	bl_json_int(json, "points", (int64_t)curve->n);
	bl_json_bool(json, "has_steps", curve->has_steps);
	add_real(json, "least", curve->best_min, !isnan(curve->best_min));
	add_real(json, "greatest", curve->best_max, !isnan(curve->best_max));
	add_real(json, "diverged_at", curve->bad_step, !isnan(curve->bad_step));
	bl_json_list(json, "steps");
	for (size_t i = 0; i < n; i++)
		bl_json_real(json, NULL, curve->step[kept[i]]);
	bl_json_end_list(json);
	bl_json_list(json, "values");
	for (size_t i = 0; i < n; i++)
		bl_json_real(json, NULL, curve->value[kept[i]]);
	bl_json_end_list(json);
	bl_json_end_map(json);
}

static void add_gate(struct bl_json *json, const struct bl_report *report)
{
	static const char *const states[] = { [BL_GATE_PASSED] = "passed",
		                              [BL_GATE_HOLDS] = "failed",
		                              [BL_GATE_NO_REFERENCE] = "no_reference",
		                              [BL_GATE_NO_VALUE] = "no_value",
		                              [BL_GATE_NOT_A_NUMBER] = "not_a_number" };
	BL_AUTO(bl_buf) text = BL_BUF(4096);

	bl_json_list(json, "gate");
	for (size_t i = 0; report->gates && i < report->rules.n_gates; i++) {
		const struct bl_gate_result *result = &report->gates[i];

		bl_buf_reset(&text);
		bl_gate_text(&report->rules.gates[i], &text);
		bl_json_map(json, NULL);
		bl_json_text(json, "fail_if", bl_buf_text(&text));
		bl_json_text(json, "state", states[result->state]);
		add_real(json, "value", result->value, !isnan(result->value));
		add_real(json, "limit", result->limit, !isnan(result->limit));
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
	if (text.failed == BL_ENOMEM)
		json->buf->failed = BL_ENOMEM;
}

static void add_cost(struct bl_json *json, const struct bl_report *report)
{
	const struct bl_expense *expense = &report->now.expense;

	bl_json_list(json, "attempts");
	for (size_t i = 0; i < expense->n; i++) {
		const struct bl_spent *spent = &expense->items[i];

		bl_json_map(json, NULL);
		bl_json_int(json, "attempt", spent->attempt);
		bl_json_text(json, "place", spent->place);
		bl_json_text(json, "instance", spent->instance[0] ? spent->instance : NULL);
		bl_json_int(json, "seconds", spent->cost.seconds);
		add_real(json, "usd_hour", spent->usd_hour, !isnan(spent->usd_hour));
		add_real(json, "usd", spent->cost.usd, !isnan(spent->cost.usd));
		add_real(json, "disk_usd", spent->cost.disk_usd, !isnan(spent->cost.disk_usd));
		add_real(json, "saved_usd", spent->cost.saved_usd, !isnan(spent->cost.saved_usd));
		bl_json_text(json, "ended", spent->ended[0] ? spent->ended : NULL);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
	add_real(json, "month_usd", report->month_usd, !isnan(report->month_usd));
}

static void add_history(struct bl_json *json, const struct bl_history *history)
{
	bl_json_list(json, "history");
	for (size_t i = 0; i < history->n; i++) {
		const struct bl_run_summary *run = &history->runs[i];

		bl_json_map(json, NULL);
		bl_json_text(json, "run", run->id);
		bl_json_text(json, "sha", run->sha);
		bl_json_text(json, "state", run->word);
		add_time(json, "created_at", run->created_ms);
		add_real(json, "value", run->primary_value, !isnan(run->primary_value));
		add_real(json, "cost_usd", run->cost_usd, !isnan(run->cost_usd));
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

int bl_report_json(const struct bl_report *report, struct bl_buf *out, struct bl_err *err)
{
	struct bl_json json = BL_JSON(out);

	json.indent = 1;
	bl_json_begin(&json, 1);
	add_time(&json, "made_at", report->at_ms);
	bl_json_text(&json, "store", report->store);
	bl_json_text(&json, "verdict", report->verdict);
	bl_json_text(&json, "mood", moods[report->mood]);
	bl_json_text(&json, "next_step", report->next[0] ? report->next : NULL);
	bl_json_text(&json, "facts", report->facts);
	bl_json_text(&json, "primary", report->primary[0] ? report->primary : NULL);
	add_real(&json, "diverged_at", report->bad_step, !isnan(report->bad_step));
	add_side(&json, "this", &report->now, "this run");
	add_side(&json, "baseline", &report->baseline, report->baseline_name);
	add_side(&json, "previous", &report->previous, report->previous_name);
	bl_json_text(&json, "baseline_found", report->why[0] ? report->why : NULL);
	bl_json_bool(&json, "gate_failed", report->gate_failed);
	add_gate(&json, report);
	add_cost(&json, report);
	add_history(&json, &report->history);
	bl_report_json_rows(&json, report->rows, report->n_rows);
	bl_report_json_differences(&json, &report->differences);
	bl_json_list(&json, "curves");
	for (size_t i = 0; i < report->now.series.n; i++)
		add_curve(&json, &report->now.series.curves[i]);
	bl_json_end_list(&json);
	bl_json_text(&json, "log_tail", report->now.log);
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
	return bl_buf_check(out, "report", err);
}
