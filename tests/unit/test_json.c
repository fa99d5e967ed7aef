/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void play(const char *input, size_t len, struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);
	struct bl_err err = { 0 };
	BL_VALUE value = NULL;

	if (bl_json_parse(input, len, "input", &value, &err)) {
		assert_null(value);
		show_error(out, &err);
		return;
	}
	bl_json_value(&json, NULL, value);
	bl_buf_addc(out, '\n');
}

static void cases_read_as_expected(void **state)
{
	(void)state;
	each_case("json", play);
}

static void nesting_is_bounded(void **state)
{
	char text[200];
	struct bl_err err = { 0 };
	BL_VALUE value = NULL;

	(void)state;
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	assert_int_equal(bl_json_parse(text + 1, 128, "f", &value, &err), 0);
	bl_value_free(value);
	value = NULL;
	assert_int_equal(bl_json_parse(text, 130, "f", &value, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_string_equal(err.text, "f:1:65: nested deeper than 64");
}

static void a_document_has_a_schema_that_we_know(void **state)
{
	static const struct {
		const char *text, *why;
	} table[] = {
		{ "{\"schema\":1,\"x\":2}", NULL },
		{ "{\"schema\":2}", "run.json: has schema 2, and this program knows up to 1" },
		{ "{\"schema\":0}", "run.json: schema 0 does not exist" },
		{ "{}", "run.json: 'schema' is missing" },
		{ "{\"schema\":\"1\"}", "run.json: 'schema': expected whole number, found text" },
		{ "[1]", "run.json: expected map, found list" },
		{ "{\"schema\":1", "run.json:1:11: '}' expected near end of file" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const char *text = table[i].text;
		struct bl_err err = { 0 };
		BL_VALUE value = NULL;
		int rc = bl_json_document(text, strlen(text), "run.json", 1, &value, &err);

		assert_int_equal(rc, table[i].why ? -1 : 0);
		assert_string_equal(err.text, table[i].why ? table[i].why : "");
		assert_int_equal(err.code, table[i].why ? BL_ECORRUPT : BL_OK);
		assert_int_equal(value != NULL, !rc);
		assert_string_equal(err.next, i == 1 ? "use a newer branchline" : "");
	}
}

static void write_sample(struct bl_json *json)
{
	bl_json_begin(json, 1);
	bl_json_text(json, "name", "a\"b\\\n\x01");
	bl_json_text(json, "none", NULL);
	bl_json_map(json, "empty");
	bl_json_end_map(json);
	bl_json_list(json, "list");
	bl_json_int(json, NULL, INT64_MIN);
	bl_json_real_or_null(json, NULL, -0.5);
	bl_json_bool(json, NULL, true);
	bl_json_real_or_null(json, NULL, (double)NAN);
	bl_json_bytes(json, NULL, "\xff\xc3\xa9\xed\xa0\x80", 6);
	bl_json_real(json, NULL, (double)NAN);
	bl_json_real(json, NULL, -(double)INFINITY);
	bl_json_list(json, NULL);
	bl_json_end_list(json);
	bl_json_end_list(json);
	bl_json_end_map(json);
}

static void the_writer_escapes_and_breaks_lines(void **state)
{
	BL_AUTO(bl_buf) compact = BL_BUF(1000);
	BL_AUTO(bl_buf) broken = BL_BUF(1000);
	struct bl_json json = BL_JSON(&compact);

	(void)state;
	write_sample(&json);
	assert_string_equal(
		bl_buf_text(&compact),
		"{\"schema\":1,\"name\":\"a\\\"b\\\\\\n\\u0001\",\"none\":null,\"empty\":{},"
		"\"list\":[-9223372036854775808,-0.5,true,null,"
		"\"\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
		"\"NaN\",\"-Infinity\",[]]}");
	json = BL_JSON(&broken);
	json.indent = 2;
	write_sample(&json);
	assert_string_equal(
		bl_buf_text(&broken),
		"{\n  \"schema\": 1,\n  \"name\": \"a\\\"b\\\\\\n\\u0001\",\n  \"none\": null,\n"
		"  \"empty\": {},\n  \"list\": [\n    -9223372036854775808,\n    -0.5,\n"
		"    true,\n    null,\n"
		"    \"\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\n"
		"    \"NaN\",\n    \"-Infinity\",\n    []\n  ]\n}");
}

static void what_is_written_of_any_bytes_can_be_read(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(4096);
	struct bl_json json = BL_JSON(&buf);
	struct bl_err err = { 0 };
	BL_VALUE root = NULL;
	char bytes[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	bl_json_map(&json, NULL);
	bl_json_bytes(&json, "all", bytes, sizeof(bytes));
	bl_json_end_map(&json);
	assert_int_equal(bl_json_parse(bl_buf_text(&buf), buf.len, "all", &root, &err), 0);
	assert_memory_equal(bl_value_text_or(root, "all", ""), "\xef\xbf\xbd", 3);
	assert_memory_equal(bl_value_text_or(root, "all", "") + 3, bytes + 1, 127);
}

static void reals_are_short_and_read_back(void **state)
{
	static const struct {
		double number;
		const char *text;
	} table[] = {
		{ 0, "0" },
		{ -0.0, "-0" },
		{ 3, "3" },
		{ -2.5, "-2.5" },
		{ 0.1, "0.1" },
		{ 0.0001, "0.0001" },
		{ 0.00003, "3e-05" },
		{ 1e-7, "1e-07" },
		{ 0.05, "0.05" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 123456789.25, "123456789.25" },
		{ 1e15, "1e+15" },
		{ 1e22, "1e+22" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ DBL_MAX, "1.7976931348623157e+308" },
		{ 5e-324, "5e-324" },
		{ DBL_MIN, "2.2250738585072014e-308" },
		{ (double)2.3f, "2.299999952316284" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(40);

		bl_json_add_real(&buf, table[i].number);
		assert_string_equal(bl_buf_text(&buf), table[i].text);
	}
}

/* xorshift: the same numbers each time */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void any_real_reads_back_the_same(void **state)
{
	static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e6, 1e9, 1e12 };
	uint64_t seed = 88172645463325252;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(40);
		uint64_t bits = next_random(&seed);
		double number;

		memcpy(&number, &bits, sizeof(number));
		if (i % 2) /* few decimals, as metrics have them */
			number = (double)(bits >> 20) / powers[i / 2 % 8];
		if (!isfinite(number))
			continue;
		bl_json_add_real(&buf, number);
		assert_true(strtod(bl_buf_text(&buf), NULL) == number);
	}
}

static void a_full_buffer_is_told_once_at_the_end(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(10);
	struct bl_json json = BL_JSON(&buf);
	struct bl_err err = { 0 };

	(void)state;
	write_sample(&json);
	assert_int_equal(bl_buf_check(&buf, "run.json", &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
}

static int parse_and_write(struct bl_err *err)
{
	static const char text[] =
		/* the last two close their quotes where jansson's token buffer must grow */
		"{\"schema\":1,\"k\":[1,2.5,{\"b\":null},\"12345678901234\","
		"\"123456789012345678901234567890\"]}";
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	struct bl_json json = BL_JSON(&buf);
	BL_VALUE value = NULL;

	if (bl_json_document(text, sizeof(text) - 1, "t", 1, &value, err))
		return -1;
	bl_json_value(&json, NULL, value);
	return bl_buf_check(&buf, "t", err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(parse_and_write, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_read_as_expected),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(a_document_has_a_schema_that_we_know),
		cmocka_unit_test(the_writer_escapes_and_breaks_lines),
		cmocka_unit_test(what_is_written_of_any_bytes_can_be_read),
		cmocka_unit_test(reals_are_short_and_read_back),
		cmocka_unit_test(any_real_reads_back_the_same),
		cmocka_unit_test(a_full_buffer_is_told_once_at_the_end),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
