/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_text.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef void writer(struct bl_buf *buf, const char *text, size_t max_chars);

static void assert_written(writer *write, const char *text, const char *expect)
{
	BL_AUTO(bl_buf) out = BL_BUF(4096);

	write(&out, text, 100);
	assert_string_equal(bl_buf_text(&out), expect);
}

#define ZW "\xe2\x80\x8b"
#define BAD "\xef\xbf\xbd"

static void markdown_is_inert(void **state)
{
	static const struct {
		const char *text, *expect;
	} table[] = {
		{ "eval_loss", "eval_loss" },
		{ "a_b_", "a_b&#95;" },
		{ "_a_", "&#95;a&#95;" },
		{ "*bold* `code`", "&#42;bold&#42; &#96;code&#96;" },
		{ "<!-- x -->", "&#60;!-- x --&#62;" },
		{ "[a](http://b.c)", "&#91;a&#93;(http:" ZW "//b.c)" },
		{ "ping @octocat now", "ping @" ZW "octocat now" },
		{ "see #12 and GH-12", "see &#35;" ZW "12 and GH-" ZW "12" },
		{ "www.example.com", "www." ZW "example.com" },
		{ "a|b\nc\td", "a&#124;b c d" },
		{ "# title", "&#35;" ZW " title" },
		{ "- item", "&#45; item" },
		{ "1. item", "1&#46; item" },
		{ "> quote", "&#62; quote" },
		{ "~~gone~~ $x$", "&#126;&#126;gone&#126;&#126; &#36;x&#36;" },
		{ ":tada:", "&#58;" ZW "tada:" },
		{ "&lt; \\<", "&#38;lt; &#92;&#60;" },
		{ "caf\xc3\xa9 \xff\xfe", "caf\xc3\xa9 " BAD BAD },
		{ "\x1b[31mred\x07", BAD "&#91;31mred" BAD },
		{ "a\xe2\x80\xae"
		  "b",
		  "a" BAD "b" }, /* right-to-left override */
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_written(bl_text_md, table[i].text, table[i].expect);
}

static void code_spans_cannot_be_closed(void **state)
{
	static const struct {
		const char *text, *expect;
	} table[] = {
		{ "0.001", "`0.001`" },
		{ "a`b", "`` a`b ``" },
		{ "``", "``` `` ```" },
		{ "<b> @x", "`<b> @x`" }, /* inert in code */
		{ "a|b", "a&#124;b" },    /* no escape exists in a table's code */
		{ "a\nb", "`a b`" },
		{ "``````````", "&#96;&#96;&#96;&#96;&#96;&#96;&#96;&#96;&#96;&#96;" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_written(bl_text_code, table[i].text, table[i].expect);
}

static void other_media_get_their_own_escapes(void **state)
{
	(void)state;
	assert_written(bl_text_html, "<a href=\"x\">'&", "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
	assert_written(bl_text_term, "a\x1b[2Jb\r\nc\xc2\x9b", "a" BAD "[2Jb  c" BAD);
	assert_written(bl_text_mermaid, "eval/loss \"x\"; %%{", "eval/loss _x__ ___");
}

static void long_text_is_cut_at_a_character(void **state)
{
	static writer *const writers[] = { bl_text_md, bl_text_html, bl_text_term };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(writers); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);

		writers[i](&out, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 3);
		assert_string_equal(bl_buf_text(&out), "\xc3\xa9\xc3\xa9\xc3\xa9…");
	}
}

static void a_fence_outlives_its_text(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(4096);

	(void)state;
	bl_text_fence(&out, "one\n````\n</details>\ntwo");
	assert_string_equal(bl_buf_text(&out), "`````text\none\n````\n</details>\ntwo\n`````\n");
}

/* Every byte sequence of a little alphabet of trouble: what must never come out raw. */
static void nothing_raw_comes_out(void **state)
{
	static const char alphabet[] = "@a<`\n-1_#[*:/.|";
	char text[6] = "";
	size_t total = 1;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		total *= sizeof(alphabet) - 1;
	for (size_t n = 0; n < total; n += 7) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		size_t rest = n;

		for (size_t i = 0; i < 5; i++, rest /= sizeof(alphabet) - 1)
			text[i] = alphabet[rest % (sizeof(alphabet) - 1)];
		bl_text_md(&out, text, 100);
		for (const char *p = bl_buf_text(&out); *p; p++) {
			assert_null(strchr("<`\n[*|", *p));
			if (*p == '@')
				assert_false(isalnum((unsigned char)p[1]) || p[1] == '-');
		}
		assert_null(strstr(bl_buf_text(&out), "://"));
	}
}

static void a_word_is_left_alone_by_every_shell(void **state)
{
	static const char *const words[] = { "s3://bucket/a_b-c.d", "file:///x", "100%",
		                             "a+b=c@d,e" };
	static const char *const others[] = { "",    "a b", "a;b", "a'b",  "a\"b", "a$b",
		                              "a`b", "a*b", "~/x", "a\nb", "a#b",  "a&b",
		                              "a|b", "a<b", "(a)", "é" };
	char text[402];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(words); i++)
		assert_true(bl_text_is_word(words[i]));
	for (size_t i = 0; i < BL_COUNT(others); i++)
		assert_false(bl_text_is_word(others[i]));
	memset(text, 'a', sizeof(text) - 1);
	text[401] = '\0';
	assert_false(bl_text_is_word(text));
	assert_true(bl_text_is_word(text + 1));
}

static void numbers_are_short_and_exact_enough(void **state)
{
	static const struct {
		double number;
		const char *expect;
	} table[] = {
		{ 1.731, "1.731" },
		{ 0.1 + 0.2, "0.3" },
		{ 12000, "12000" },
		{ 1e5, "100000" },
		{ 0, "0" },
		{ -0.0, "0" },
		{ 1e-5, "1e-05" },
		{ 0.0001, "0.0001" },
		{ 99999.6, "100000" },
		{ 123456.7, "123457" },
		{ 1.23456789, "1.2346" },
		{ -3.25, "-3.25" },
		{ 1e300, "1e+300" },
		{ (double)NAN, "NaN" },
		{ (double)-INFINITY, "-Infinity" },
		{ 9.9999999, "10" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_string_equal(bl_number_text(table[i].number).text, table[i].expect);
}

static void a_distance_is_no_finer_than_its_ends(void **state)
{
	(void)state;
	assert_string_equal(bl_number_distance(1.773, 1.731).text, "0.042");
	assert_string_equal(bl_number_distance(1.7911, 1.70113).text, "0.09");
	assert_string_equal(bl_number_distance(17842, 17571).text, "271");
	assert_string_equal(bl_number_distance(0, 1e-9).text, "1e-09");
	assert_string_equal(bl_number_distance(1, 1 + 1e-9).text, "1e-09");
}

static void fixed_decimals_have_no_exponent(void **state)
{
	static const double numbers[] = { 1e-9, 1e300, -1e-12, 0.5, 123456789.125, 1e22 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(numbers); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);

		bl_number_add_fixed(&out, numbers[i], 6);
		assert_null(strpbrk(bl_buf_text(&out), "eE"));
		assert_true(fabs(strtod(bl_buf_text(&out), NULL) - numbers[i]) <=
		            5.1e-7 + fabs(numbers[i]) * 1e-15);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markdown_is_inert),
		cmocka_unit_test(code_spans_cannot_be_closed),
		cmocka_unit_test(other_media_get_their_own_escapes),
		cmocka_unit_test(long_text_is_cut_at_a_character),
		cmocka_unit_test(a_fence_outlives_its_text),
		cmocka_unit_test(nothing_raw_comes_out),
		cmocka_unit_test(a_word_is_left_alone_by_every_shell),
		cmocka_unit_test(numbers_are_short_and_exact_enough),
		cmocka_unit_test(a_distance_is_no_finer_than_its_ends),
		cmocka_unit_test(fixed_decimals_have_no_exponent),
	};

	return cmocka_run_group_tests_name("report text", tests, NULL, NULL);
}
