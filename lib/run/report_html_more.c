/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the page around a run: its gate, attempts, samples, other runs. */
#include "base/clock.h"
#include "base/str.h"
#include "run/report_html.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

/* Heads are ours; "#..." is a column of numbers. */
static void begin_table(const char *title, const char *const *heads, size_t n, struct bl_buf *out)
{
	bl_buf_addf(out,
	            "<h2>%s</h2>\n<div class=\"card scroll\" tabindex=\"0\"><table><thead><tr>",
	            title);
	for (size_t i = 0; i < n; i++)
		bl_buf_addf(out, "<th scope=\"col\"%s>%s</th>",
		            *heads[i] == '#' ? " class=\"num\"" : "",
		            heads[i] + (*heads[i] == '#'));
	bl_buf_adds(out, "</tr></thead><tbody>\n");
}

static void end_table(struct bl_buf *out)
{
	bl_buf_adds(out, "</tbody></table></div>\n");
}

static void add_cell(const char *text, size_t chars, struct bl_buf *out)
{
	bl_buf_adds(out, "<td>");
	bl_text_html(out, text ? text : "–", chars);
	bl_buf_adds(out, "</td>");
}

static void add_usd(double usd, int decimals, struct bl_buf *out)
{
	if (isnan(usd))
		bl_buf_adds(out, "<td class=\"num\">–</td>");
	else
		bl_buf_addf(out, "<td class=\"num\">$%.*f</td>", decimals, usd);
}

void bl_html_gates(const struct bl_report *report, struct bl_buf *out)
{
	static const char *const heads[] = { "Gate", "Fails if", "" };
	BL_AUTO(bl_buf) text = BL_BUF(4096);

	if (!report->gates)
		return;
	begin_table("Gate", heads, BL_COUNT(heads), out);
	for (size_t i = 0; i < report->rules.n_gates; i++) {
		const struct bl_gate_result *result = &report->gates[i];

		bl_buf_addf(out, "<tr><td>%s</td>",
		            bl_gate_fails(result->state)      ? "failed"
		            : result->state == BL_GATE_PASSED ? "passed"
		                                              : "not checked");
		bl_buf_reset(&text);
		bl_gate_text(&report->rules.gates[i], &text);
		add_cell(bl_buf_text(&text), 200, out);
		bl_buf_reset(&text);
		bl_gate_say(&report->rules.gates[i], result, &text);
		add_cell(bl_buf_text(&text), 300, out);
		bl_buf_adds(out, "</tr>\n");
	}
	if (text.failed == BL_ENOMEM)
		out->failed = BL_ENOMEM;
	end_table(out);
}

void bl_html_attempts(const struct bl_report *report, struct bl_buf *out)
{
	static const char *const heads[] = { "Attempt",  "On",    "#For",   "#An hour",
		                             "#Machine", "#Disk", "#Saved", "Ended" };
	const struct bl_expense *expense = &report->now.expense;

	if (!expense->n || isnan(bl_expense_total(expense)))
		return;
	begin_table("Cost", heads, BL_COUNT(heads), out);
	for (size_t i = 0; i < expense->n; i++) {
		const struct bl_spent *spent = &expense->items[i];

		bl_buf_addf(out, "<tr><td>%u</td>", spent->attempt);
		add_cell(spent->place, 64, out);
		bl_buf_adds(out, "<td class=\"num\">");
		bl_str_add_duration(out, spent->cost.seconds * 1000);
		bl_buf_adds(out, "</td>");
		add_usd(spent->usd_hour, 4, out);
		add_usd(spent->cost.usd, 2, out);
		add_usd(spent->cost.disk_usd, 2, out);
		add_usd(spent->cost.saved_usd, 2, out);
		add_cell(spent->ended[0] ? spent->ended : "running", 24, out);
		bl_buf_adds(out, "</tr>\n");
	}
	end_table(out);
}

void bl_html_samples(const struct bl_report *report, struct bl_buf *out)
{
	static const char *const heads[] = { "Prompt", "Baseline", "This run" };
	const struct bl_samples *samples = &report->samples;

	if (samples->n) {
		begin_table("Samples", heads, BL_COUNT(heads), out);
		for (size_t i = 0; i < samples->n; i++) {
			bl_buf_adds(out, "<tr>");
			add_cell(samples->items[i].prompt, BL_SAMPLE_CHARS, out);
			add_cell(samples->items[i].baseline, BL_SAMPLE_CHARS, out);
			add_cell(samples->items[i].now, BL_SAMPLE_CHARS, out);
			bl_buf_adds(out, "</tr>\n");
		}
		end_table(out);
	} else if (samples->page) {
		bl_buf_adds(out, "<h2>Samples</h2>\n<div class=\"card log\" tabindex=\"0\"><pre>");
		bl_text_pre(out, samples->page);
		bl_buf_adds(out, "</pre></div>\n");
	}
}

void bl_html_history(const struct bl_report *report, struct bl_buf *out)
{
	static const char *const heads[] = { "Run",   "Commit", "Began (UTC)",
		                             "State", "#Value", "#Cost" };
	char at[BL_UTC_SIZE];

	if (!report->history.n)
		return;
	begin_table(report->history.pr ? "Other runs of this pull request"
	                               : "Other runs of this branch",
	            heads, BL_COUNT(heads), out);
	for (size_t i = 0; i < report->history.n; i++) {
		const struct bl_run_summary *run = &report->history.runs[i];

		bl_utc_text(run->created_ms, at);
		bl_buf_adds(out, "<tr>");
		add_cell(run->id, BL_RUN_SIZE, out);
		add_cell(run->sha, 7, out);
		bl_buf_addf(out, "<td>%.10s %.5s</td>", at, at + 11);
		add_cell(run->word, 40, out);
		bl_buf_addf(out, "<td class=\"num\">%s</td>",
		            isnan(run->primary_value) ? "–"
		                                      : bl_number_text(run->primary_value).text);
		add_usd(run->cost_usd, 2, out);
		bl_buf_adds(out, "</tr>\n");
	}
	end_table(out);
}
