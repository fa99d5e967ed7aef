/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"

#include "codec/json.h"
#include "codec/xml.h"
#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/report_input.h"
#include "tests/unit/report_trouble.h"
#include "tests/unit/scratch.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Markdown and terminal of one report: what people see changes only on purpose. */
static void play(const char *input, size_t len, struct bl_buf *out)
{
	struct bl_report report;
	struct bl_err err = { 0 };

	report_of(input, len, &report);
	must(bl_report_md(&report, out, &err), &err);
	bl_buf_adds(out, "=== term\n");
	must(bl_report_term(&report, false, 72, out, &err), &err);
	bl_report_done(&report);
}

static void reports_look_as_agreed(void **state)
{
	(void)state;
	each_case("report", play);
}

/* Lines a reader sees: all but those inside <details>; its summary is one. */
static unsigned visible_lines(const char *md)
{
	unsigned lines = 0;
	bool folded = false;

	for (const char *line = md; *line;) {
		size_t len = strcspn(line, "\n");

		if (!folded)
			lines++;
		if (!strncmp(line, "<details>", 9))
			folded = true;
		else if (len == 10 && !strncmp(line, "</details>", 10))
			folded = false;
		line += len + (line[len] == '\n');
	}
	assert_false(folded);
	return lines;
}

/* Length of one of the tags that we write ourselves at p; 0 when there is none. */
static size_t our_tag(const char *p)
{
	static const char *const ours[] = { "<details>", "</details>", "<summary>", "</summary>",
		                            "<sub>",     "</sub>",     "<code>",    "</code>" };

	for (size_t i = 0; i < BL_COUNT(ours); i++)
		if (!strncmp(p, ours[i], strlen(ours[i])))
			return strlen(ours[i]);
	return 0;
}

/* The end of the code span that begins at p, or p + ticks when nothing closes it on its line. */
static const char *after_span(const char *p)
{
	size_t ticks = strspn(p, "`");

	for (const char *q = p + ticks; *q && *q != '\n';) {
		size_t run = strspn(q, "`");

		if (run == ticks)
			return q + run;
		q += run ? run : 1;
	}
	return p + ticks;
}

static void assert_inert_line(const char *line, size_t len)
{
	for (const char *p = line; p < line + len;) {
		if (*p == '`') {
			p = after_span(p);
			continue;
		}
		if (*p == '<' && !our_tag(p))
			fail_msg("raw tag: %.*s", (int)len, line);
		if (*p == '@' && (isalnum((unsigned char)p[1]) || p[1] == '-' || p[1] == '_'))
			fail_msg("mention: %.*s", (int)len, line);
		if (*p == '[' || !strncmp(p, "://", 3))
			fail_msg("link: %.*s", (int)len, line);
		p += *p == '<' ? our_tag(p) : 1;
	}
}

/* Fences pair up, and outside of them no raw mark of a run's text is left. */
static void assert_inert(const char *md)
{
	size_t fence = 0;

	assert_int_equal(strncmp(md, "<!-- branchline:report v1 key=", 30), 0);
	assert_non_null(strstr(md, " -->\n###"));
	for (const char *line = strchr(md, '\n') + 1; *line;) {
		size_t len = strcspn(line, "\n"), ticks = strspn(line, "`");

		if (fence)
			fence = ticks == fence && len == ticks ? 0 : fence;
		else if (ticks >= 3 && !memchr(line + ticks, '`', len - ticks))
			fence = ticks;
		else
			assert_inert_line(line, len);
		line += len + (line[len] == '\n');
	}
	assert_int_equal(fence, 0);
}

/* What Mermaid 11 and 12 take: fixed decimals, finite, at most 100 points, a range with height. */
static void assert_mermaid(const char *md)
{
	const char *chart = strstr(md, "```mermaid\n"), *end, *axis;
	double low, high;

	if (!chart)
		return;
	end = strstr(chart + 4, "\n```\n");
	assert_non_null(end);
	for (const char *line = strstr(chart, "  line ["); line && line < end;
	     line = strstr(line + 1, "  line [")) {
		size_t len = strcspn(line + 8, "]\n"), points = 1;

		assert_true(line[8 + len] == ']' && len > 0);
		assert_int_equal(strspn(line + 8, "0123456789.-, "), len);
		for (size_t i = 0; i < len; i++)
			points += line[8 + i] == ',';
		assert_true(points >= 2 && points <= 100);
	}
	axis = strstr(chart, "  y-axis ");
	assert_non_null(axis);
	assert_int_equal(sscanf(axis, "  y-axis %lf --> %lf", &low, &high), 2);
	assert_true(low < high);
	assert_int_equal(strspn(axis + 9, "0123456789.-> "), strcspn(axis + 9, "\n"));
	axis = strstr(chart, "  x-axis \"");
	assert_int_equal(strspn(strchr(axis + 10, '"') + 1, "0123456789.-> "),
	                 strcspn(strchr(axis + 10, '"') + 1, "\n"));
	assert_null(memmem(chart, (size_t)(end - chart), "nan", 3));
}

/* Every '<' begins a tag of ours, every tag is closed, and no attribute can run anything. */
static void assert_page(const char *html)
{
	const char *json = strstr(html, "<script type=\"application/json\" id=\"curves\">");
	const char *p = html, *end = json;
	long depth = 0;

	assert_non_null(json);
	for (p = strstr(html, "</style>"); p < end; p++) {
		if (*p != '<')
			continue;
		assert_true(islower((unsigned char)p[1]) || p[1] == '/');
		depth += p[1] == '/' ? -1 : 1;
		const char *close = strchr(p, '>');
		if (close[-1] == '/' || !strncmp(p, "<input", 6))
			depth--;
		assert_null(memmem(p, (size_t)(close - p), " on", 3));
		assert_null(memmem(p, (size_t)(close - p), " style=", 7));
		assert_null(memmem(p, (size_t)(close - p), " href=", 6));
		assert_null(memmem(p, (size_t)(close - p), " src=", 5));
	}
	assert_int_equal(depth,
	                 -1); /* <body> is closed behind the numbers only, <style> began before */
	assert_null(strstr(html, "<script>alert"));
	json = strchr(json, '>') + 1;
	end = strstr(json, "</script>");
	BL_VALUE numbers = NULL;
	struct bl_err err = { 0 };
	must(bl_json_parse(json, (size_t)(end - json), "numbers", &numbers, &err), &err);
}

static void assert_plain_terminal(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		assert_true(*p == '\n' || (*p >= 0x20 && *p != 0x7f));
}

static int no_script(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)arg;
	(void)text;
	(void)err;
	assert_null(strstr(path, "script"));
	return 0;
}

/* The two limits of Markdown and the promises of every medium, whatever comes in. */
static void no_input_breaks_a_report(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		BL_AUTO(bl_buf) input = BL_BUF(8u << 20);
		BL_AUTO(bl_buf) out = BL_BUF(BL_REPORT_MAX);
		struct bl_report report;
		struct bl_err err = { 0 };
		BL_VALUE doc = NULL;

		troubled_report(round + 1, 1 + round * 4, &input);
		report_of(bl_buf_text(&input), input.len, &report);
		must(bl_report_md(&report, &out, &err), &err);
		assert_true(out.len <= BL_REPORT_MD_MAX);
		if (visible_lines(bl_buf_text(&out)) > BL_REPORT_MD_LINES)
			fail_msg("round %u: %u lines\n%.3000s", round,
			         visible_lines(bl_buf_text(&out)), bl_buf_text(&out));
		assert_inert(bl_buf_text(&out));
		assert_mermaid(bl_buf_text(&out));
		bl_buf_reset(&out);
		must(bl_report_term(&report, false, 80, &out, &err), &err);
		assert_plain_terminal(bl_buf_text(&out));
		bl_buf_reset(&out);
		must(bl_report_html(&report, &out, &err), &err);
		assert_page(bl_buf_text(&out));
		bl_buf_reset(&out);
		must(bl_report_json(&report, &out, &err), &err);
		must(bl_json_document(bl_buf_text(&out), out.len, "report", 1, &doc, &err), &err);
		bl_buf_reset(&out);
		must(bl_report_svg(&report, &out, &err), &err);
		must(bl_xml_read(bl_buf_text(&out), out.len, "curves", no_script, NULL, &err),
		     &err);
		bl_report_done(&report);
	}
}

/* Rates of 1e-5, values of 1e12, flat lines, steps of 1e-9: charts or sparklines, never errors. */
static void charts_take_any_scale(void **state)
{
	static const struct {
		double from, to;
	} scales[] = { { 2e-5, 1e-6 }, { 1e12, 1e15 },  { 3, 3 },           { 0, 0 },
		       { -5, 5 },      { 1, 1 + 1e-9 }, { 1e-300, 1e-301 }, { 1e300, 1e299 } };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(scales); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(BL_REPORT_MAX);
		struct bl_report report;
		struct bl_err err = { 0 };
		char text[512];

		snprintf(text, sizeof(text),
		         "{\"now\":{\"run\":\"r\",\"status\":\"success\",\"curves\":[{\"name\":"
		         "\"loss\","
		         "\"from\":%.17g,\"to\":%.17g,\"points\":300}]}}",
		         scales[i].from, scales[i].to);
		report_of(text, strlen(text), &report);
		must(bl_report_md(&report, &out, &err), &err);
		assert_mermaid(bl_buf_text(&out));
		assert_true(strstr(bl_buf_text(&out), "xychart-beta") ||
		            strstr(bl_buf_text(&out), "▁") || strstr(bl_buf_text(&out), "▅"));
		bl_buf_reset(&out);
		must(bl_report_html(&report, &out, &err), &err);
		assert_page(bl_buf_text(&out));
		bl_report_done(&report);
	}
}

static void a_small_buffer_is_an_error(void **state)
{
	static const char text[] = "{\"now\":{\"run\":\"r\",\"curves\":[{\"name\":\"loss\"}]}}";
	struct bl_report report;

	(void)state;
	report_of(text, strlen(text), &report);
	for (size_t i = 0; i < 6; i++) {
		BL_AUTO(bl_buf) out = BL_BUF(64);
		struct bl_err err = { 0 };
		int got = i == 0   ? bl_report_md(&report, &out, &err)
		          : i == 1 ? bl_report_html(&report, &out, &err)
		          : i == 2 ? bl_report_json(&report, &out, &err)
		          : i == 3 ? bl_report_comment(&report, &out, &err)
		          : i == 4 ? bl_report_svg(&report, &out, &err)
		                   : bl_report_term(&report, true, 80, &out, &err);

		assert_int_equal(got, -1);
		assert_int_equal(err.code, BL_ELIMIT);
	}
	bl_report_done(&report);
}

static struct bl_report *shown;

static int write_all(struct bl_err *err)
{
	BL_AUTO(bl_buf) md = BL_BUF(BL_REPORT_MAX);
	BL_AUTO(bl_buf) html = BL_BUF(BL_REPORT_MAX);
	BL_AUTO(bl_buf) json = BL_BUF(BL_REPORT_MAX);
	BL_AUTO(bl_buf) term = BL_BUF(BL_REPORT_MAX);
	BL_AUTO(bl_buf) svg = BL_BUF(BL_REPORT_MAX);

	if (bl_report_judge(shown, err) || bl_report_md(shown, &md, err) ||
	    bl_report_html(shown, &html, err) || bl_report_json(shown, &json, err) ||
	    bl_report_term(shown, true, 100, &term, err) || bl_report_svg(shown, &svg, err))
		return -1;
	return 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	static const char text[] =
		"{\"rules\":{\"fail_if\":[\"loss > "
		"baseline\"]},\"samples\":\"x\\n\",\"history\":{\"runs\":[{}]},"
		"\"now\":{\"run\":\"b\",\"job\":\"j\",\"status\":\"success\",\"log\":\"a\\nb\\n\","
		"\"params\":{\"x\":1},\"curves\":[{\"name\":\"loss\",\"points\":90}]},"
		"\"baseline\":{\"run\":\"a\",\"curves\":[{\"name\":\"loss\",\"points\":90}]}}";
	struct bl_report report;

	(void)state;
	report_of(text, strlen(text), &report);
	shown = &report;
	each_allocation_fails(write_all, 2000);
	bl_report_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_look_as_agreed),
		cmocka_unit_test(no_input_breaks_a_report),
		cmocka_unit_test(charts_take_any_scale),
		cmocka_unit_test(a_small_buffer_is_an_error),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
