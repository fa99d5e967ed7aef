/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"
#include "tests/unit/report_input.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void page_of(const char *input, struct bl_buf *out)
{
	BL_AUTO(bl_report) report = { 0 };
	struct bl_err err = { 0 };

	report_of(input, strlen(input), &report);
	must(bl_report_html(&report, out, &err), &err);
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void the_channels_of_the_data_share_a_cell(void **state)
{
	BL_AUTO(bl_buf) page = BL_BUF(BL_REPORT_MAX);

	(void)state;
	page_of("{\"now\":{\"run\":\"r\",\"data\":{\"train\":\"1 file, 2 MiB, 9 records, "
	        "digest ca8563cbc2a2\",\"eval\":\"<b>\"}}}",
	        &page);
	assert_non_null(
		strstr(bl_buf_text(&page),
	               "<div class=\"data\"><dt>Data</dt><dd><small><b>eval</b> &lt;b&gt;</small>"
	               "<small><b>train</b> 1 file, 2 MiB, 9 records, <code>ca8563cb</code></small>"
	               "</dd></div>"));
}

static void many_channels_are_counted(void **state)
{
	BL_AUTO(bl_buf) page = BL_BUF(BL_REPORT_MAX);
	const char *data;

	(void)state;
	page_of("{\"now\":{\"run\":\"r\",\"data\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\","
	        "\"e\":\"5\",\"f\":\"6\",\"g\":\"7\",\"h\":\"8\",\"i\":\"9\",\"j\":\"10\"}}}",
	        &page);
	data = strstr(bl_buf_text(&page), "<div class=\"data many\">");
	assert_non_null(data);
	assert_int_equal(count_of(data, "<small><b>"), 8);
	assert_non_null(strstr(data, "<small>… and 2 more</small>"));
}

static void data_are_told_apart_by_their_digest(void **state)
{
	static const struct {
		const char *input;
		size_t differences;
	} cases[] = {
		{ "{\"now\":{\"run\":\"b\",\"data\":{\"t\":\"1 file, 9 records, digest aa\"}},"
		  "\"baseline\":{\"run\":\"a\",\"data\":{\"t\":\"1 file, digest aa\"}}}",
		  0 },
		{ "{\"now\":{\"run\":\"b\",\"data\":{\"t\":\"1 file, 9 records, digest ab\"}},"
		  "\"baseline\":{\"run\":\"a\",\"data\":{\"t\":\"1 file, 9 records, digest aa\"}}}",
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_report) report = { 0 };

		report_of(cases[i].input, strlen(cases[i].input), &report);
		assert_int_equal(report.differences.n, cases[i].differences);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_channels_of_the_data_share_a_cell),
		cmocka_unit_test(many_channels_are_counted),
		cmocka_unit_test(data_are_told_apart_by_their_digest),
	};

	return cmocka_run_group_tests_name("report facts", tests, NULL, NULL);
}
