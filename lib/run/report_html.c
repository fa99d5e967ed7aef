/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_html.h"

#include "base/clock.h"
#include "codec/hash.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

static const char *mood_class(const struct bl_report *report)
{
	static const char *const classes[] = { [BL_MOOD_GOOD] = "good",
		                               [BL_MOOD_PLAIN] = "plain",
		                               [BL_MOOD_WARN] = "warning",
		                               [BL_MOOD_BAD] = "bad",
		                               [BL_MOOD_RUNNING] = "running" };

	return classes[report->mood];
}

static const char *state_word(const struct bl_report *report)
{
	const struct bl_side *side = &report->now;

	if (!isnan(report->bad_step) && report->mood == BL_MOOD_BAD)
		return "diverged";
	if (!side->ended)
		return side->alive ? "running" : side->attempts ? "interrupted" : "not started";
	if (report->gate_failed)
		return "gate failed";
	return bl_status_word(side->result.status);
}

/* base64 of a hash given in hex, as a content security policy wants it. */
static void add_base64(const char hex[BL_SHA256_HEX], struct bl_buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char hex_digits[] = "0123456789abcdef";
	uint32_t bits = 0;
	unsigned n = 0;

	for (const char *p = hex; *p; p++) {
		bits = bits << 4 | (uint32_t)(strchr(hex_digits, *p) - hex_digits);
		n += 4;
		if (n >= 6) {
			n -= 6;
			bl_buf_addc(out, digits[bits >> n & 63]);
		}
	}
	if (n) /* 256 bits leave four */
		bl_buf_addc(out, digits[bits << (6 - n) & 63]);
	bl_buf_addc(out, '=');
}

/* Nothing is fetched, and only our own style and script have effect, whatever a text holds. */
static int add_policy(struct bl_buf *out, struct bl_err *err)
{
	char style[BL_SHA256_HEX], script[BL_SHA256_HEX];

	if (bl_sha256_of(bl_page_style, strlen(bl_page_style), style, err) ||
	    bl_sha256_of(bl_page_script, strlen(bl_page_script), script, err))
		return -1;
	bl_buf_adds(out,
	            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	            "style-src 'sha256-");
	add_base64(style, out);
	bl_buf_adds(out, "'; script-src 'sha256-");
	add_base64(script, out);
	bl_buf_adds(out, "'; base-uri 'none'; form-action 'none'\">\n");
	return 0;
}

static int add_head(const struct bl_report *report, struct bl_buf *out, struct bl_err *err)
{
	bl_buf_adds(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
	if (add_policy(out, err))
		return -1;
	bl_buf_adds(out,
	            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	            "<meta name=\"color-scheme\" content=\"light dark\">\n"
	            "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
	bl_text_html(out, report->verdict, 120);
	bl_buf_adds(out, "</title>\n<style>");
	bl_buf_adds(out, bl_page_style);
	bl_buf_adds(out, "</style>\n</head>\n<body>\n<main>\n");
	return 0;
}

static void add_crumb(const char *what, const char *text, struct bl_buf *out)
{
	if (!text[0])
		return;
	bl_buf_addf(out, "<span>%s ", what);
	bl_text_html(out, text, 80);
	bl_buf_adds(out, "</span>");
}

static void add_change_pill(const struct bl_row *row, struct bl_buf *out)
{
	static const char *const classes[] = { [BL_CHANGE_NONE] = "plain",
		                               [BL_CHANGE_SAME] = "plain",
		                               [BL_CHANGE_BETTER] = "better",
		                               [BL_CHANGE_WORSE] = "worse",
		                               [BL_CHANGE_DIVERGED] = "diverged" };
	BL_AUTO(bl_buf) text = BL_BUF(256);

	bl_report_change(row, &text);
	if (text.failed)
		out->failed = text.failed;
	if (text.len)
		bl_buf_addf(out, "<span class=\"pill %s\">%s</span>", classes[row->word],
		            bl_buf_text(&text));
}

static void add_figure(unsigned side, const char *name, double value, const char *size,
                       struct bl_buf *out)
{
	bl_buf_addf(out, "<div class=\"figure\"><div class=\"name\"><i class=\"swatch s%u\"></i>",
	            side);
	bl_text_html(out, name, 60);
	bl_buf_addf(out, "</div><span class=\"%s\">%s</span>", size, bl_number_text(value).text);
}

static void add_primary(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_row *row = bl_report_row(report, report->primary);

	if (!row || !row->has_now)
		return;
	bl_buf_adds(out, "<div class=\"primary\">");
	add_figure(0, row->name, row->now, "big", out);
	if (report->now.ended && report->now.result.status == BL_STATUS_SUCCESS)
		add_change_pill(row, out);
	bl_buf_adds(out, "</div>");
	if (!isnan(row->baseline)) {
		add_figure(1, report->baseline_name, row->baseline, "mid", out);
		bl_buf_adds(out, "</div>");
	}
	if (!isnan(row->previous)) {
		add_figure(2, report->previous_name, row->previous, "mid", out);
		bl_buf_adds(out, "</div>");
	}
	bl_buf_adds(out, "</div>");
}

static void add_hero(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_side *now = &report->now;

	bl_buf_addf(out,
	            "<header class=\"card hero %s\"><p class=\"crumbs\"><span class=\"pill %s\">%s"
	            "</span>",
	            mood_class(report), mood_class(report), state_word(report));
	add_crumb("job", now->job, out);
	add_crumb("branch", now->branch, out);
	bl_buf_adds(out, "<code>");
	bl_text_html(out, now->run, BL_RUN_SIZE);
	bl_buf_adds(out, "</code></p>\n<h1>");
	bl_text_html(out, report->verdict, 400);
	bl_buf_adds(out, "</h1>\n");
	add_primary(report, out);
	bl_buf_adds(out, "</header>\n");
}

static void add_fault(const struct bl_report *report, struct bl_buf *out)
{
	const char *class = bl_class_word(report->now.result.class);

	if (report->mood != BL_MOOD_BAD && !report->next[0])
		return;
	bl_buf_addf(out, "<section class=\"card %s\">",
	            report->mood == BL_MOOD_BAD ? "fault" : "next");
	if (report->cause[0])
		bl_buf_addf(out, "<h2>What went wrong <code>%s</code></h2>", class);
	if (report->cause[0]) {
		bl_buf_adds(out, "<p class=\"mono\">");
		bl_text_html(out, report->cause, 512);
		bl_buf_adds(out, "</p>");
	}
	if (report->next[0]) {
		bl_buf_adds(out, "<p><strong>Next:</strong> ");
		bl_text_html(out, report->next, 400);
		bl_buf_adds(out, "</p>");
	}
	bl_buf_adds(out, "</section>\n");
}

static void add_charts(struct bl_html_charts *charts)
{
	const struct bl_report *report = charts->report;

	for (size_t i = 0; i < report->n_rows; i++) {
		const char *name = report->rows[i].name;
		struct bl_html_chart chart = {
			.name = name,
			.curves = { bl_series_find(&report->now.series, name),
			            bl_series_find(&report->baseline.series, name),
			            bl_series_find(&report->previous.series, name) },
			.wide = !strcmp(name, report->primary),
		};

		(void)bl_html_chart(charts, &chart);
	}
}

/* The charts, with only those switches that one of them obeys. */
static void add_chart_section(const struct bl_report *report, struct bl_buf *numbers,
                              struct bl_buf *out)
{
	BL_AUTO(bl_buf) page = BL_BUF(BL_REPORT_MAX);
	struct bl_html_charts charts = { .report = report, .page = &page, .numbers = numbers };

	add_charts(&charts);
	if (page.failed)
		out->failed = page.failed;
	if (!charts.n) {
		bl_buf_adds(
			out,
			"<h2>Curves</h2><p class=\"card note\">No curves: this run logged fewer "
			"than two values of each metric.</p>\n");
		return;
	}
	bl_buf_adds(out, "<div class=\"tools\"><h2>Curves</h2><div>");
	if (charts.has_smooth)
		bl_buf_adds(out,
		            "<label><input type=\"checkbox\" id=\"smooth\" checked>smooth</label>");
	if (charts.has_log)
		bl_buf_adds(out, "<label><input type=\"checkbox\" id=\"log\">log scale</label>");
	bl_buf_adds(out, "</div></div>\n<div class=\"charts\">\n");
	bl_buf_add(out, bl_buf_text(&page), page.len);
	bl_buf_adds(out, "</div>\n");
}

static void add_end(const struct bl_report *report, const struct bl_buf *numbers,
                    struct bl_buf *out)
{
	char at[BL_UTC_SIZE];

	bl_utc_text(report->at_ms, at);
	bl_buf_addf(out, "<footer>Made %s by branchline from <code>", at);
	bl_text_html(out, report->store, 300);
	bl_buf_adds(out,
	            "</code></footer>\n</main>\n<script type=\"application/json\" id=\"curves\">[");
	bl_buf_add(out, bl_buf_text(numbers), numbers->len);
	bl_buf_adds(out, "]</script>\n<script>");
	bl_buf_adds(out, bl_page_script);
	bl_buf_adds(out, "</script>\n</body>\n</html>\n");
}

int bl_report_html(const struct bl_report *report, struct bl_buf *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) numbers = BL_BUF(BL_REPORT_MAX);
	bool failed = report->now.ended && report->now.result.status == BL_STATUS_FAILURE;

	if (add_head(report, out, err))
		return -1;
	add_hero(report, out);
	add_fault(report, out);
	bl_html_facts(report, out);
	if (failed)
		bl_html_log(report, out);
	bl_html_gates(report, out);
	bl_html_metrics(report, out);
	add_chart_section(report, &numbers, out);
	bl_html_differences(report, out);
	bl_html_attempts(report, out);
	bl_html_samples(report, out);
	bl_html_history(report, out);
	bl_html_params(report, out);
	if (!failed)
		bl_html_log(report, out);
	add_end(report, &numbers, out);
	if (numbers.failed)
		return bl_buf_check(&numbers, "report", err);
	return bl_buf_check(out, "report", err);
}
