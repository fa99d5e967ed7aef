/* SPDX-License-Identifier: Apache-2.0 */
/* Folded parts around a run: its gate, what it cost, what its model says, its history, commands. */
#include "base/clock.h"
#include "base/str.h"
#include "run/report_md.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

/* --- Gate ------------------------------------------------------------------------------------- */

static const char *gate_mark(enum bl_gate_state state)
{
	if (bl_gate_fails(state))
		return "❌";
	return state == BL_GATE_PASSED ? "✅" : "⚪";
}

/* "Gate: 2 conditions passed", "Gate: 1 of 2 conditions failed", "Gate: not checked, ..." */
static void add_gates_title(const struct bl_report *report, struct bl_buf *out)
{
	size_t n = report->rules.n_gates, failed = 0, open = 0;

	for (size_t i = 0; i < n; i++) {
		failed += bl_gate_fails(report->gates[i].state);
		open += report->gates[i].state == BL_GATE_NO_REFERENCE;
	}
	bl_buf_adds(out, "Gate: ");
	if (failed)
		bl_buf_addf(out, "%zu of %zu condition%s failed", failed, n, n > 1 ? "s" : "");
	else if (open)
		bl_buf_addf(out, "%zu of %zu condition%s could not be checked yet", open, n,
		            n > 1 ? "s" : "");
	else
		bl_buf_addf(out, "%zu condition%s passed", n, n > 1 ? "s" : "");
}

unsigned bl_md_gates(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	struct bl_md_part part = bl_md_part_of(room, out);
	BL_AUTO(bl_buf) text = BL_BUF(4096);

	if (!report->gates)
		return 0;
	bl_md_open_fold(out);
	add_gates_title(report, out);
	bl_md_begin_fold(out);
	bl_buf_adds(out, "| | fails if | |\n|---|---|---|\n");
	for (size_t i = 0; i < report->rules.n_gates; i++) {
		bl_buf_addf(&part.row, "| %s", gate_mark(report->gates[i].state));
		bl_buf_reset(&text);
		bl_gate_text(&report->rules.gates[i], &text);
		bl_md_cell(bl_buf_text(&text), 200, &part.row);
		bl_buf_reset(&text);
		bl_gate_say(&report->rules.gates[i], &report->gates[i], &text);
		bl_buf_adds(&part.row, " | ");
		bl_text_md(&part.row, bl_buf_text(&text), 200);
		bl_buf_adds(&part.row, " |\n");
		bl_md_keep_row(&part);
	}
	if (text.failed == BL_ENOMEM)
		out->failed = BL_ENOMEM;
	bl_md_end_part(&part, "conditions");
	bl_md_end_fold(out);
	return 1;
}

/* --- Cost ------------------------------------------------------------------------------------- */

static void add_attempt(const struct bl_spent *spent, struct bl_buf *out)
{
	bl_buf_addf(out, "| %u | ", spent->attempt);
	bl_text_md(out, spent->place, 64);
	if (spent->instance[0]) {
		bl_buf_adds(out, " ");
		bl_text_code(out, spent->instance, 32);
	}
	bl_buf_adds(out, " | ");
	bl_str_add_duration(out, spent->cost.seconds * 1000);
	if (isnan(spent->usd_hour))
		bl_buf_adds(out, " | – | ");
	else
		bl_buf_addf(out, " | &#36;%.4f | ", spent->usd_hour);
	bl_md_usd(spent->cost.usd, out);
	bl_buf_addf(out, " | %s |\n", spent->ended[0] ? spent->ended : "running");
}

/* "Disk $0.02 · total $0.65 · $0.98 saved against on-demand · this month $12.40 · CI 52 min" */
static void add_sums(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_expense *expense = &report->now.expense;
	const char *between = "";

	if (expense->disk_usd > 0) {
		bl_buf_adds(out, "Disk ");
		bl_md_usd(expense->disk_usd, out);
		between = " · ";
	}
	if (!isnan(bl_expense_total(expense))) {
		bl_buf_addf(out, "%stotal ", between);
		bl_md_usd(bl_expense_total(expense), out);
		between = " · ";
	}
	if (expense->saved_usd > 0) {
		bl_buf_adds(out, between);
		bl_md_usd(expense->saved_usd, out);
		bl_buf_adds(out, " saved against on-demand");
		between = " · ";
	}
	if (!isnan(report->month_usd)) {
		bl_buf_addf(out, "%sall runs of this month ", between);
		bl_md_usd(report->month_usd, out);
		between = " · ";
	}
	if (report->ci_ms > 0) {
		bl_buf_addf(out, "%sCI ", between);
		bl_str_add_duration(out, report->ci_ms);
	}
	bl_buf_addc(out, '\n');
}

void bl_md_cost(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_expense *expense = &report->now.expense;
	struct bl_md_part part = bl_md_part_of(room, out);

	if (!expense->n || isnan(bl_expense_total(expense)))
		return;
	bl_buf_adds(out, "\n| Attempt | on | for | an hour | cost | ended |\n"
	                 "|---:|---|---:|---:|---:|---|\n");
	for (size_t i = 0; i < expense->n; i++) {
		add_attempt(&expense->items[i], &part.row);
		bl_md_keep_row(&part);
	}
	bl_md_end_part(&part, "attempts");
	bl_buf_addc(out, '\n');
	add_sums(report, out);
}

/* --- Samples ---------------------------------------------------------------------------------- */

/* A cell: line breaks are shown as such, a whole text is not code. */
static void add_sample(const char *text, struct bl_buf *out)
{
	bl_buf_adds(out, " | ");
	if (text)
		bl_text_md(out, text, BL_SAMPLE_CHARS);
	else
		bl_buf_adds(out, "–");
}

static void add_samples(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_samples *samples = &report->samples;
	struct bl_md_part part = bl_md_part_of(room, out);
	bool has_prompt = false, has_baseline = false;

	for (size_t i = 0; i < samples->n; i++) {
		has_prompt |= samples->items[i].prompt != NULL;
		has_baseline |= samples->items[i].baseline != NULL;
	}
	bl_buf_adds(out, has_prompt ? "| prompt" : "| ");
	if (has_baseline) {
		bl_buf_adds(out, " | ");
		bl_text_md(out, report->baseline_name, BL_MD_CELL);
	}
	bl_buf_addf(out, " | this run |\n|---|---|%s\n", has_baseline ? "---|" : "");
	for (size_t i = 0; i < samples->n; i++) {
		if (samples->items[i].prompt) {
			bl_buf_adds(&part.row, "| ");
			bl_text_md(&part.row, samples->items[i].prompt, BL_SAMPLE_CHARS);
		} else {
			bl_buf_addf(&part.row, "| %zu", i + 1);
		}
		if (has_baseline)
			add_sample(samples->items[i].baseline, &part.row);
		add_sample(samples->items[i].now, &part.row);
		bl_buf_adds(&part.row, " |\n");
		bl_md_keep_row(&part);
	}
	part.left_out += samples->left_out;
	bl_md_end_part(&part, "samples in `outputs`");
}

/* Whole lines of at most `room` bytes. */
static void add_page(const char *text, size_t room, struct bl_buf *out)
{
	BL_AUTO(bl_buf) cut = BL_BUF(room + 1);
	size_t len = strnlen(text, room);

	while (text[len] && len && text[len - 1] != '\n')
		len--;
	bl_buf_add(&cut, text, len ? len : bl_utf8_valid(text, strnlen(text, room)));
	if (cut.failed)
		out->failed = cut.failed;
	bl_text_fence(out, bl_buf_text(&cut));
	if (text[cut.len])
		bl_buf_adds(out, "\n… and more in `outputs`\n");
}

unsigned bl_md_samples(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_samples *samples = &report->samples;

	if (!samples->n && !samples->page)
		return 0;
	bl_md_open_fold(out);
	if (samples->n)
		bl_buf_addf(out, "Samples (%zu)", samples->n + samples->left_out);
	else
		bl_buf_adds(out, "Samples");
	bl_md_begin_fold(out);
	if (samples->n) {
		add_samples(report, room, out);
	} else {
		add_page(samples->page, room / 8, out); /* a bad byte grows to three */
		if (samples->baseline_page) {
			bl_buf_adds(out, "\n");
			bl_text_md(out, report->baseline_name, BL_MD_CELL);
			bl_buf_adds(out, ":\n\n");
			add_page(samples->baseline_page, room / 8, out);
		}
	}
	bl_md_end_fold(out);
	return 1;
}

/* --- History ---------------------------------------------------------------------------------- */

static void add_past(const struct bl_run_summary *run, const char *primary, struct bl_buf *out)
{
	char at[BL_UTC_SIZE];

	bl_utc_text(run->created_ms, at);
	bl_buf_addf(out, "| `%s` | ", bl_run_short(run->id));
	if (strspn(run->sha, "0123456789abcdef") >= 7)
		bl_buf_addf(out, "`%.7s`", run->sha);
	bl_buf_addf(out, " | %.10s %.5s | ", at, at + 11);
	bl_text_md(out, run->word, 40);
	bl_md_value(run->primary_value,
	            !isnan(run->primary_value) && !strcmp(run->primary, primary), "", out);
	bl_buf_adds(out, " | ");
	bl_md_usd(run->cost_usd, out);
	bl_buf_adds(out, " |\n");
}

unsigned bl_md_history(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_history *history = &report->history;
	struct bl_md_part part = bl_md_part_of(room, out);

	if (!history->n)
		return 0;
	bl_md_open_fold(out);
	bl_buf_addf(out, "%zu other run%s of this %s", history->n, history->n > 1 ? "s" : "",
	            history->pr ? "pull request" : "branch");
	bl_md_begin_fold(out);
	bl_buf_adds(out, "| Run | commit | began (UTC) | | ");
	bl_text_md(out, report->primary[0] ? report->primary : "metric", BL_MD_CELL);
	bl_buf_adds(out, " | cost |\n|---|---|---|---|---:|---:|\n");
	for (size_t i = 0; i < history->n; i++) {
		add_past(&history->runs[i], report->primary, &part.row);
		bl_md_keep_row(&part);
	}
	bl_md_end_part(&part, "runs");
	bl_md_end_fold(out);
	return 1;
}

/* --- Commands --------------------------------------------------------------------------------- */

unsigned bl_md_commands(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	const struct bl_side *now = &report->now;

	(void)room;
	if (!bl_run_id_valid(now->run))
		return 0;
	bl_md_open_fold(out);
	bl_buf_adds(out, now->alive ? "Commands: stop it, follow it"
	                            : "Commands: get its files, its log, its curves");
	bl_md_begin_fold(out);
	bl_buf_adds(out, "```sh\n");
	if (now->alive) {
		bl_md_command("stop", now->run, "", report->store, out);
		bl_md_command("logs", now->run, " --follow", report->store, out);
	} else {
		bl_md_command("pull", now->run, "", report->store, out);
		bl_md_command("logs", now->run, "", report->store, out);
		bl_md_command("report", now->run, " -o report.html", report->store, out);
	}
	bl_buf_adds(out, "```\n");
	if (!now->alive && report->history.pr && report->label[0]) {
		bl_buf_adds(out, "\nTo run it again, add the label ");
		bl_text_code(out, report->label, 60);
		bl_buf_adds(out, " again.\n");
	}
	bl_md_end_fold(out);
	return 1;
}
