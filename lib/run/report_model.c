/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_text.h"
#include "run/report_verdict.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bl_side_done(struct bl_side *side)
{
	bl_pairs_done(&side->params);
	bl_pairs_done(&side->data);
	bl_pairs_done(&side->settings);
	bl_series_done(&side->series);
	bl_expense_done(&side->expense);
	free(side->log);
	*side = (struct bl_side){ 0 };
}

struct bl_short_sha bl_side_sha(const struct bl_side *side)
{
	struct bl_short_sha sha = { "" };

	if (strspn(side->sha, "0123456789abcdef") >= sizeof(sha.text) - 1)
		memcpy(sha.text, side->sha, sizeof(sha.text) - 1);
	return sha;
}

void bl_report_done(struct bl_report *report)
{
	bl_side_done(&report->now);
	bl_side_done(&report->baseline);
	bl_side_done(&report->previous);
	bl_rules_done(&report->rules);
	bl_differences_done(&report->differences);
	bl_history_done(&report->history);
	bl_samples_done(&report->samples);
	free(report->rows);
	free(report->gates);
	*report = (struct bl_report){ 0 };
}

const char *bl_mood_icon(enum bl_mood mood)
{
	switch (mood) {
	case BL_MOOD_GOOD:
	case BL_MOOD_PLAIN:
		return "🟢";
	case BL_MOOD_WARN:
		return "🟠";
	case BL_MOOD_BAD:
		return "🔴";
	case BL_MOOD_RUNNING:
		break;
	}
	return "🟡";
}

const struct bl_row *bl_report_row(const struct bl_report *report, const char *name)
{
	for (size_t i = 0; i < report->n_rows; i++)
		if (!strcmp(report->rows[i].name, name))
			return &report->rows[i];
	return NULL;
}

const struct bl_side *bl_report_reference(const struct bl_report *report)
{
	if (report->baseline.present)
		return &report->baseline;
	return report->previous.present ? &report->previous : NULL;
}

void bl_report_change(const struct bl_row *row, struct bl_buf *out)
{
	const char *word = bl_change_word(row->word);

	if (row->word == BL_CHANGE_DIVERGED) {
		bl_buf_addf(out, "✖ %s", word);
		return;
	}
	if (isnan(row->change))
		return;
	if (row->change == 0) {
		bl_buf_adds(out, "= no change");
		return;
	}
	bl_buf_adds(out, row->word == BL_CHANGE_SAME ? "≈ " : row->change < 0 ? "▼ " : "▲ ");
	bl_buf_adds(out, row->change < 0 ? "−" : "+");
	bl_buf_adds(out, bl_number_distance(row->now - row->change, row->now).text);
	if (*word)
		bl_buf_addf(out, " %s", word);
}

const char *bl_report_log_tail(const char *log, size_t max_bytes, size_t *lines)
{
	size_t len = strlen(log);
	const char *from = len > max_bytes ? log + len - max_bytes : log, *line;

	if (from > log && from[-1] != '\n') {
		line = strchr(from, '\n');
		if (line && line[1])
			from = line + 1;
	}
	while (((unsigned char)*from & 0xc0) == 0x80) /* never from within a character */
		from++;
	*lines = 0;
	for (const char *p = from; *p; p++)
		*lines += *p == '\n' || !p[1];
	return from;
}

const char *bl_run_short(const char *run)
{
	size_t len = strlen(run);

	return run + (len > 4 ? len - 4 : 0);
}

bool bl_report_wants_baseline(const struct bl_report *report)
{
	return !report->baseline.present && report->now.ended &&
	       report->now.result.status == BL_STATUS_SUCCESS && report->mood != BL_MOOD_BAD;
}

/* "main", or "run q7xk" when the branch does not tell it from this run. */
static void name_side(const struct bl_report *report, const struct bl_side *side,
                      struct bl_sentence to)
{
	if (!side->present)
		return;
	if (side->branch[0] && strcmp(side->branch, report->now.branch)) {
		bl_say(to, side->branch);
		return;
	}
	bl_say(to, "run ");
	bl_say(to, bl_run_short(side->run));
}

/* The first curve that went bad and never recovered; of several at one step the primary. */
static void find_divergence(struct bl_report *report)
{
	const struct bl_series *series = &report->now.series;
	const struct bl_curve *found = NULL;

	report->bad_step = NAN;
	for (size_t i = 0; i < series->n; i++) {
		const struct bl_curve *it = &series->curves[i];

		if (isnan(it->bad_step) || isfinite(it->value[it->n - 1]))
			continue;
		if (!found || it->bad_step < found->bad_step ||
		    (it->bad_step == found->bad_step && !strcmp(it->name, report->primary)))
			found = it;
	}
	if (!found)
		return;
	report->bad_step = found->bad_step;
	snprintf(report->bad_name, sizeof(report->bad_name), "%s", found->name);
}

static void say_interruptions(const struct bl_side *side, struct bl_sentence to)
{
	char count[48];

	if (side->attempts < 2)
		return;
	snprintf(count, sizeof(count), " · %u interruption%s", side->attempts - 1,
	         side->attempts > 2 ? "s" : "");
	bl_say(to, count);
	for (size_t i = 0; i < side->series.n_resumed && i < 4; i++) {
		bl_say(to, i ? " and " : ", resumed at step ");
		bl_say_number(to, side->series.resumed_at[i]);
	}
}

/* ", continued from run q7xk at step 400", the newest first. */
static void say_joins(const struct bl_side *side, struct bl_sentence to)
{
	const struct bl_series *series = &side->series;

	for (size_t i = 0; i < series->n_joined && i < 4; i++) {
		bl_say(to, i ? ", that one from run " : " · continued from run ");
		bl_say(to, bl_run_short(series->joined[i].run));
		if (isnan(series->joined[i].step))
			continue;
		bl_say(to, " at step ");
		bl_say_number(to, series->joined[i].step);
	}
}

/* Only what ended well is judged by its numbers: anything else has failed already. */
static int judge_gates(struct bl_report *report, struct bl_err *err)
{
	const struct bl_rules *rules = &report->rules;

	free(report->gates);
	report->gates = NULL;
	report->gate_failed = false;
	if (!rules->n_gates || !report->now.ended || report->now.result.status != BL_STATUS_SUCCESS)
		return 0;
	report->gates = calloc(rules->n_gates, sizeof(*report->gates));
	if (!report->gates)
		return bl_fail(err, BL_ENOMEM, "metrics.fail_if: out of memory");
	for (size_t i = 0; i < rules->n_gates; i++) {
		const struct bl_row *row = bl_report_row(report, rules->gates[i].metric);
		struct bl_gate_input input = { (double)NAN, (double)NAN, (double)NAN, false };

		if (row)
			input = (struct bl_gate_input){ row->now, row->baseline,
				                        report->same_before ? row->baseline
				                                            : row->previous,
				                        row->has_now };
		report->gates[i] = bl_gate_judge(&rules->gates[i], &input);
		report->gate_failed |= bl_gate_fails(report->gates[i].state);
	}
	return 0;
}

/*
 * "Cost $0.63, 61 % below on-demand · 41 min on g6.xlarge spot us-east-1b · 1 interruption,
 * resumed at step 400"
 */
static void judge_facts(struct bl_report *report)
{
	const struct bl_side *now = &report->now;
	struct bl_sentence to = BL_SENTENCE_IN(report->facts);
	int64_t end = now->ended_ms ? now->ended_ms : report->at_ms;
	double saved = bl_expense_saved(&now->expense);
	char cost[48];

	if (now->cost_usd > 0) {
		snprintf(cost, sizeof(cost), "Cost %s$%.2f", now->expense.is_part ? "over " : "",
		         now->cost_usd);
		bl_say(to, cost);
		if (saved >= 1) {
			snprintf(cost, sizeof(cost), ", %.0f %% below on-demand", saved);
			bl_say(to, cost);
		}
		bl_say(to, " · ");
	}
	if (now->started_ms > 0 && end >= now->started_ms) {
		bl_say_duration(to, end - now->started_ms);
		bl_say(to, " on ");
	} else {
		bl_say(to, "On ");
	}
	bl_say(to, now->place[0] ? now->place : "this machine");
	say_joins(now, to);
	say_interruptions(now, to);
}

int bl_report_judge(struct bl_report *report, struct bl_err *err)
{
	const struct bl_side *reference = bl_report_reference(report);
	const char *primary = bl_compare_primary(&report->rules, &report->now);

	free(report->rows);
	report->rows = NULL;
	bl_differences_done(&report->differences);
	report->n_rows = 0;
	report->verdict[0] = report->cause[0] = report->next[0] = report->facts[0] = '\0';
	report->baseline_name[0] = report->previous_name[0] = report->bad_name[0] = '\0';
	snprintf(report->primary, sizeof(report->primary), "%s", primary ? primary : "");
	if (bl_compare_metrics(&report->rules, &report->baseline, &report->previous, &report->now,
	                       &report->rows, &report->n_rows, err) ||
	    judge_gates(report, err) ||
	    (reference && bl_compare(reference, &report->now, &report->differences, err)))
		return bl_wrap(err, "report of run %s", report->now.run);
	name_side(report, &report->baseline, BL_SENTENCE_IN(report->baseline_name));
	name_side(report, &report->previous, BL_SENTENCE_IN(report->previous_name));
	find_divergence(report);
	bl_report_verdict(report);
	judge_facts(report);
	return 0;
}
