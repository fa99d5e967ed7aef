/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_verdict.h"

#include "base/str.h"
#include "run/report_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void bl_say(struct bl_sentence to, const char *text)
{
	size_t have = strlen(to.text), len = strlen(text);

	if (len >= to.size - have)
		len = bl_utf8_valid(text, to.size - have - 1);
	memcpy(to.text + have, text, len);
	to.text[have + len] = '\0';
}

void bl_say_number(struct bl_sentence to, double number)
{
	bl_say(to, bl_number_text(number).text);
}

void bl_say_duration(struct bl_sentence to, int64_t ms)
{
	BL_AUTO(bl_buf) text = BL_BUF(64);

	bl_str_add_duration(&text, ms);
	bl_say(to, bl_buf_text(&text));
}

static void say_step(struct bl_sentence to, const struct bl_series *series)
{
	if (isnan(series->last_step))
		return;
	bl_say(to, " at step ");
	bl_say_number(to, series->last_step);
}

/* "eval_loss 1.731, better than main by 0.042 (2.4 %)" */
static void say_primary(const struct bl_report *report, struct bl_sentence to)
{
	const struct bl_row *row = bl_report_row(report, report->primary);
	bool has_baseline = row && !isnan(row->baseline);
	double reference;

	if (!row || !row->has_now)
		return;
	bl_say(to, row->name);
	bl_say(to, " ");
	bl_say_number(to, row->now);
	if (isnan(row->change) || !report->now.ended ||
	    report->now.result.status != BL_STATUS_SUCCESS)
		return;
	reference = has_baseline ? row->baseline : row->previous;
	bl_say(to, row->word == BL_CHANGE_SAME ? ", no clear change from " : ", ");
	if (row->word == BL_CHANGE_BETTER || row->word == BL_CHANGE_WORSE) {
		bl_say(to, bl_change_word(row->word));
		bl_say(to, " than ");
	} else if (row->word == BL_CHANGE_NONE) {
		bl_say(to, row->change < 0 ? "lower than " : "higher than ");
	}
	bl_say(to, has_baseline ? report->baseline_name : report->previous_name);
	if (row->word == BL_CHANGE_SAME)
		return;
	bl_say(to, " by ");
	bl_say(to, bl_number_distance(reference, row->now).text);
	if (reference != 0 && isfinite(row->change / reference)) {
		char percent[32];

		snprintf(percent, sizeof(percent), " (%.1f %%)",
		         fabs(row->change / reference) * 100);
		if (fabs(row->change / reference) < 10)
			bl_say(to, percent);
	}
}

static void judge_finished(struct bl_report *report, struct bl_sentence to)
{
	const struct bl_row *row = bl_report_row(report, report->primary);

	bl_say(to, "Training finished");
	if (row && row->has_now)
		bl_say(to, ": ");
	say_primary(report, to);
	report->mood = row && row->word == BL_CHANGE_BETTER  ? BL_MOOD_GOOD
	               : row && row->word == BL_CHANGE_WORSE ? BL_MOOD_WARN
	                                                     : BL_MOOD_PLAIN;
}

/* "Training finished, but fails its gate: eval_loss 1.81 > 1.785 (baseline 1.75 * 1.02)" */
static void judge_gate_failed(struct bl_report *report, struct bl_sentence to)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_SENTENCE);
	size_t more = 0;

	bl_say(to, "Training finished, but fails its gate: ");
	for (size_t i = 0; i < report->rules.n_gates; i++) {
		if (!bl_gate_fails(report->gates[i].state))
			continue;
		if (!more++)
			bl_gate_say(&report->rules.gates[i], &report->gates[i], &text);
	}
	bl_say(to, bl_buf_text(&text));
	bl_buf_reset(&text);
	if (more > 1)
		bl_buf_addf(&text, ", and %zu more", more - 1);
	bl_say(to, bl_buf_text(&text));
	report->mood = BL_MOOD_BAD;
	bl_say(BL_SENTENCE_IN(report->next),
	       "improve it, or change metrics.fail_if in branchline.yaml");
}

static void judge_diverged(struct bl_report *report, struct bl_sentence to)
{
	bl_say(to, "Training diverged");
	if (!isnan(report->bad_step)) {
		bl_say(to, " at step ");
		bl_say_number(to, report->bad_step);
	}
	if (report->bad_name[0]) {
		const struct bl_curve *curve =
			bl_series_find(&report->now.series, report->bad_name);

		bl_say(to, ": ");
		bl_say(to, report->bad_name);
		bl_say(to, curve && isinf(curve->value[curve->n - 1]) ? " is infinite"
		                                                      : " is not a number");
	}
	report->mood = BL_MOOD_BAD;
	bl_say(BL_SENTENCE_IN(report->next), "lower the learning rate, warm up longer or clip "
	                                     "gradients; the last checkpoint before "
	                                     "that step is kept");
}

/* First line of the failure; the rest is in the log. */
static void judge_failed(struct bl_report *report, struct bl_sentence to)
{
	static const struct {
		const char *stage, *words;
	} stages[] = {
		{ "claim", "The run could not start" },
		{ "data", "The data could not be used" },
		{ "restore", "The checkpoint could not be restored" },
		{ "start", "The command could not start" },
		{ "flush", "Saving the results failed" },
	};
	const struct bl_result *result = &report->now.result;
	const char *words = "Training failed";

	for (size_t i = 0; i < BL_COUNT(stages); i++)
		if (!strcmp(result->stage, stages[i].stage))
			words = stages[i].words;
	bl_say(to, words);
	if (!strcmp(words, "Training failed"))
		say_step(to, &report->now.series);
	if (result->message[0]) {
		bl_say(to, ": ");
		bl_say(to, result->message);
	}
	report->mood = BL_MOOD_BAD;
}

static void judge_stopped(struct bl_report *report, struct bl_sentence to)
{
	static const char *const words[] = {
		[BL_STATUS_CANCELLED] = "Cancelled",
		[BL_STATUS_TIMEOUT] = "Stopped by max_runtime",
		[BL_STATUS_BUDGET] = "Stopped by max_cost_usd",
		[BL_STATUS_INTERRUPTED] = "Interrupted, all retries used",
	};
	const struct bl_series *series = &report->now.series;
	const struct bl_row *row = bl_report_row(report, report->primary);

	bl_say(to, words[report->now.result.status]);
	say_step(to, series);
	if (!isnan(series->last_step) && series->total_steps > series->last_step) {
		bl_say(to, " of ");
		bl_say_number(to, series->total_steps);
	}
	if (row && row->has_now) {
		bl_say(to, ": ");
		say_primary(report, to);
	} else if (report->now.result.message[0]) {
		bl_say(to, ": ");
		bl_say(to, report->now.result.message);
	}
	report->mood = BL_MOOD_WARN;
}

/* What is left, from the pace of the newest half of the longest curve; 0: nobody can tell. */
static int64_t eta_ms(const struct bl_series *series)
{
	const struct bl_curve *longest = NULL;
	double done, left;
	size_t from;

	for (size_t i = 0; i < series->n; i++)
		if (series->curves[i].has_steps && (!longest || series->curves[i].n > longest->n))
			longest = &series->curves[i];
	if (!longest || longest->n < 3 || !(series->total_steps > series->last_step))
		return 0;
	from = longest->n / 2;
	done = longest->step[longest->n - 1] - longest->step[from];
	left = series->total_steps - series->last_step;
	if (done <= 0 || longest->at_ms[longest->n - 1] <= longest->at_ms[from])
		return 0;
	left *= (double)(longest->at_ms[longest->n - 1] - longest->at_ms[from]) / done;
	return left < 1e15 ? (int64_t)left : 0;
}

static void say_progress(const struct bl_report *report, struct bl_sentence to)
{
	const struct bl_series *series = &report->now.series;
	const struct bl_row *row = bl_report_row(report, report->primary);
	char percent[32];

	if (isnan(series->last_step))
		return;
	bl_say(to, ": step ");
	bl_say_number(to, series->last_step);
	if (series->total_steps >= series->last_step) {
		snprintf(percent, sizeof(percent), " (%.0f %%)",
		         series->last_step / series->total_steps * 100);
		bl_say(to, "/");
		bl_say_number(to, series->total_steps);
		bl_say(to, percent);
	}
	if (row && row->has_now) {
		bl_say(to, ", ");
		bl_say(to, row->name);
		bl_say(to, " ");
		bl_say_number(to, row->now);
	}
}

static void judge_unended(struct bl_report *report, struct bl_sentence to)
{
	const struct bl_side *now = &report->now;
	int64_t eta = eta_ms(&now->series);

	report->mood = now->alive ? BL_MOOD_RUNNING : BL_MOOD_WARN;
	if (!now->attempts) {
		bl_say(to, "Not started yet");
	} else if (!now->alive) {
		bl_say(to, "Interrupted");
		say_progress(report, to);
		bl_say(BL_SENTENCE_IN(report->next),
		       "go on from the newest checkpoint: branchline local --resume ");
		bl_say(BL_SENTENCE_IN(report->next), now->run);
	} else if (now->phase[0] && strcmp(now->phase, "training")) {
		bl_say(to, "Running: ");
		bl_say(to, now->phase);
	} else {
		bl_say(to, "Training");
		say_progress(report, to);
		if (eta) {
			bl_say(to, ", about ");
			bl_say_duration(to, eta);
			bl_say(to, " left");
		}
	}
}

void bl_report_verdict(struct bl_report *report)
{
	const struct bl_side *now = &report->now;
	const struct bl_row *row = bl_report_row(report, report->primary);
	struct bl_sentence to = BL_SENTENCE_IN(report->verdict);
	bool diverged = row && row->word == BL_CHANGE_DIVERGED;

	if (!now->ended)
		judge_unended(report, to);
	else if (now->result.class == BL_CLASS_NAN ||
	         (now->result.status == BL_STATUS_SUCCESS && diverged))
		judge_diverged(report, to);
	else if (now->result.status == BL_STATUS_SUCCESS && report->gate_failed)
		judge_gate_failed(report, to);
	else if (now->result.status == BL_STATUS_SUCCESS)
		judge_finished(report, to);
	else if (now->result.status == BL_STATUS_FAILURE)
		judge_failed(report, to);
	else
		judge_stopped(report, to);
	if (!now->ended || now->result.status == BL_STATUS_SUCCESS)
		return;
	bl_say(BL_SENTENCE_IN(report->cause), now->result.message);
	if (now->result.next_step[0])
		snprintf(report->next, sizeof(report->next), "%s", now->result.next_step);
}
