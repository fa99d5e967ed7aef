/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/xml.h"

#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int show(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)err;
	bl_buf_addf(arg, "%s = [%s]\n", path, text);
	return 0;
}

static void play(const char *input, size_t len, struct bl_buf *out)
{
	struct bl_err err = { 0 };

	if (bl_xml_read(input, len, "reply", show, out, &err))
		show_error(out, &err);
}

static void cases_read_as_expected(void **state)
{
	(void)state;
	each_case("xml", play);
}

static int ignore(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)arg;
	(void)path;
	(void)text;
	(void)err;
	return 0;
}

/* F09: whatever came before the cut, a document without its end is an error. */
static void a_document_cut_anywhere_is_an_error(void **state)
{
	static const char whole[] =
		"\n <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<r xmlns=\"http://a/\"><!-- c --><K a='1'>x&amp;&#233;\xc3\xa9</K>"
		"<E/><![CDATA[<z>]]></r>";
	size_t len = sizeof(whole) - 1;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_xml_read(whole, len, "reply", ignore, NULL, &err), 0);
	for (size_t cut = 0; cut < len; cut++) {
		char *exact = malloc(cut ? cut : 1);

		assert_non_null(exact);
		memcpy(exact, whole, cut);
		if (!bl_xml_read(exact, cut, "reply", ignore, NULL, &err))
			fail_msg("taken when cut to %zu bytes", cut);
		assert_int_equal(err.code, BL_ECORRUPT);
		bl_err_clear(&err);
		free(exact);
	}
}

static int count(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)path;
	(void)text;
	(void)err;
	++*(unsigned *)arg;
	return 0;
}

static void read_repeated(const char *before, const char *again, size_t n, const char *after,
                          const char *error)
{
	BL_AUTO(bl_buf) doc = BL_BUF((size_t)9 << 20);
	struct bl_err err = { 0 };
	unsigned calls = 0;

	bl_buf_adds(&doc, before);
	for (size_t i = 0; i < n; i++)
		bl_buf_adds(&doc, again);
	bl_buf_adds(&doc, after);
	assert_int_equal(bl_buf_check(&doc, "document", &err), 0);
	assert_int_equal(bl_xml_read(doc.data, doc.len, "d", count, &calls, &err), *error ? -1 : 0);
	assert_string_equal(err.text, error);
	assert_int_equal(err.code, *error ? BL_ECORRUPT : BL_OK);
	assert_true(!calls == !!*error);
}

static void hostile_documents_are_bounded(void **state)
{
	static const char *const no_end = "";

	(void)state;
	read_repeated(no_end, "<a>", 1000000, "", "d: line 1: nested deeper than 16");
	read_repeated("<a", " b='1'", 0, "/>", "");
	read_repeated("<a>", "x", 131072, "</a>", "");
	read_repeated("<a>", "x", 131073, "</a>", "d: line 1: text of more than 128 KiB");
	read_repeated("<a>", "xxxxxxxx", (size_t)1 << 20, "</a>",
	              "d: line 1: text of more than 128 KiB");
	read_repeated("<a>", "&amp;", 131073, "</a>", "d: line 1: text of more than 128 KiB");
	/* lay-out is no text */
	read_repeated("<a>", "\n          <b/>", 100000, "</a>", "");
	read_repeated("<", "a", 256, "/>", "");
	read_repeated("<", "a", 257, "/>", "d: line 1: names too long");
	read_repeated("<!--", "comment ", (size_t)1 << 20, "--><a/>", "");
}

static void attributes_are_counted(void **state)
{
	BL_AUTO(bl_buf) doc = BL_BUF((size_t)16 << 20);
	struct bl_err err = { 0 };

	(void)state;
	for (int n = 16; n < 500000; n += 499984 / 2) {
		bl_buf_reset(&doc);
		bl_buf_adds(&doc, "<a");
		for (int i = 0; i < n; i++)
			bl_buf_addf(&doc, " b%d='1'", i);
		bl_buf_adds(&doc, "/>");
		assert_int_equal(bl_xml_read(doc.data, doc.len, "d", ignore, NULL, &err),
		                 n > 16 ? -1 : 0);
		assert_string_equal(err.text, n > 16 ? "d: line 1: more than 16 attributes" : "");
		bl_err_clear(&err);
	}
}

static void depth_of_16_is_read(void **state)
{
	BL_AUTO(bl_buf) doc = BL_BUF(1000);
	struct bl_err err = { 0 };
	unsigned calls = 0;

	(void)state;
	for (int i = 0; i < 16; i++)
		bl_buf_adds(&doc, "<abcdefghijklmn>");
	for (int i = 0; i < 16; i++)
		bl_buf_adds(&doc, "</abcdefghijklmn>");
	assert_int_equal(bl_xml_read(doc.data, doc.len, "d", count, &calls, &err), 0);
	assert_int_equal(calls, 16);
}

static int stop_at_b(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)text;
	++*(unsigned *)arg;
	if (!strcmp(path, "a/b/c"))
		return 7;
	if (!strcmp(path, "a/d"))
		return bl_fail(err, BL_EEXIST, "d");
	return 0;
}

static void the_reader_may_end_it(void **state)
{
	static const char first[] = "<a><x/><b><c/></b><d/></a>", second[] = "<a><d/><d/></a>";
	struct bl_err err = { 0 };
	unsigned calls = 0;

	(void)state;
	assert_int_equal(bl_xml_read(first, strlen(first), "d", stop_at_b, &calls, &err), 7);
	assert_int_equal(err.code, BL_OK);
	assert_int_equal(calls, 2);
	assert_int_equal(bl_xml_read(second, strlen(second), "d", stop_at_b, &calls, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_string_equal(err.text, "d");
	assert_int_equal(calls, 3);
}

static void a_nul_is_no_xml(void **state)
{
	static const char inside[] = "<a>x\0y</a>", after[] = "<a>x</a>\0";
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_xml_read(inside, sizeof(inside) - 1, "d", ignore, NULL, &err), -1);
	bl_err_clear(&err);
	assert_int_equal(bl_xml_read(after, sizeof(after) - 1, "d", ignore, NULL, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

static void written_text_is_read_back(void **state)
{
	static const char text[] = "a<b>&\"c' \t\r\n\x7f\xc3\xa9";
	BL_AUTO(bl_buf) doc = BL_BUF(1000);
	BL_AUTO(bl_buf) shown = BL_BUF(1000);
	struct bl_err err = { 0 };
	char expect[100];

	(void)state;
	bl_buf_adds(&doc, "<K>");
	bl_xml_add_text(&doc, text);
	bl_buf_adds(&doc, "</K>");
	assert_string_equal(bl_buf_text(&doc), "<K>a&lt;b&gt;&amp;&quot;c&apos; &#x9;&#xD;&#xA;"
	                                       "&#x7F;\xc3\xa9</K>");
	assert_int_equal(bl_xml_read(doc.data, doc.len, "d", show, &shown, &err), 0);
	snprintf(expect, sizeof(expect), "K = [%s]\n", text);
	assert_string_equal(bl_buf_text(&shown), expect);
	bl_buf_reset(&doc);
	bl_xml_add_text(&doc, "\x01\x1f");
	assert_string_equal(bl_buf_text(&doc), "&#x1;&#x1F;");
}

static int read_sample(struct bl_err *err)
{
	static const char text[] =
		"<?xml version='1.0'?>\n<List xmlns='http://a/'><C><Key>a&lt;b</Key>"
		"<Size>1</Size></C>\n<C><Key>a</Key></C></List>";
	BL_AUTO(bl_buf) shown = BL_BUF(10000);

	if (bl_xml_read(text, sizeof(text) - 1, "reply", show, &shown, err))
		return -1;
	return bl_buf_check(&shown, "shown", err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(read_sample, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_read_as_expected),
		cmocka_unit_test(a_document_cut_anywhere_is_an_error),
		cmocka_unit_test(hostile_documents_are_bounded),
		cmocka_unit_test(attributes_are_counted),
		cmocka_unit_test(depth_of_16_is_read),
		cmocka_unit_test(the_reader_may_end_it),
		cmocka_unit_test(a_nul_is_no_xml),
		cmocka_unit_test(written_text_is_read_back),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
