/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml.h"

#include "codec/json.h"
#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void play(const char *input, size_t len, struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);
	struct bl_err err = { 0 };
	BL_VALUE value = NULL;

	if (bl_yaml_parse(input, len, "input", &value, &err)) {
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
	each_case("yaml", play);
}

static struct bl_value *parsed(const char *text)
{
	struct bl_value *value = NULL;
	struct bl_err err = { 0 };

	if (bl_yaml_parse(text, strlen(text), "f", &value, &err))
		fail_msg("%s", err.text);
	return value;
}

static void positions_and_source_text_are_kept(void **state)
{
	BL_VALUE root = parsed("# c\na: 0x10\nlist:\n  - x\n  - {k: 1.50}\n");
	const struct bl_value *a = bl_value_get(root, "a"), *list = bl_value_get(root, "list");
	const struct bl_value *k = bl_value_get(list->items[1], "k");

	(void)state;
	assert_int_equal(root->line, 2);
	assert_int_equal(a->key_line, 2);
	assert_int_equal(a->key_column, 1);
	assert_int_equal(a->line, 2);
	assert_int_equal(a->column, 4);
	assert_int_equal(a->integer, 16);
	assert_true(a->real == 16);
	assert_string_equal(a->text, "0x10");
	assert_int_equal(list->key_line, 3);
	assert_int_equal(list->line, 4);
	assert_int_equal(list->items[0]->column, 5);
	assert_int_equal(k->key_line, 5);
	assert_int_equal(k->key_column, 6);
	assert_int_equal(k->column, 9);
	assert_string_equal(k->text, "1.50");
}

static void an_alias_in_a_list_has_no_key(void **state)
{
	BL_VALUE root = parsed("[a: &x 1, *x]");

	(void)state;
	assert_string_equal(root->items[0]->items[0]->key, "a");
	assert_null(root->items[1]->key);
	assert_int_equal(root->items[1]->key_line, 0);
	assert_int_equal(root->items[1]->integer, 1);
}

static void refuse(const char *text, size_t len, const char *why)
{
	struct bl_value *value = NULL;
	struct bl_err err = { 0 };

	assert_int_equal(bl_yaml_parse(text, len, "f", &value, &err), -1);
	assert_null(value);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(err.text, why);
}

static void nesting_is_bounded(void **state)
{
	char text[80];

	(void)state;
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	text[66] = '\0';
	text[65] = '\0';
	BL_VALUE deepest = parsed(text + 1);
	assert_int_equal(deepest->type, BL_LIST);
	text[65] = ']';
	refuse(text, 66, "f:1:33: nested deeper than 32");
}

/* Nine lists of nine aliases each: a thousand million values in 250 bytes. */
static void aliases_cannot_blow_up(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(10000);

	(void)state;
	bl_buf_adds(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 9; i++) {
		bl_buf_addf(&text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 9; j++)
			bl_buf_addf(&text, "%s*a%d", j ? "," : "", i - 1);
		bl_buf_adds(&text, "]\n");
	}
	refuse(bl_buf_text(&text), text.len, "f:5:10: more than 10000 values");
}

static void nodes_are_bounded(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(100000);

	(void)state;
	for (int i = 0; i < 9999; i++)
		bl_buf_adds(&text, "- 1\n");
	BL_VALUE full = parsed(bl_buf_text(&text));
	assert_int_equal(full->n, 9999);
	bl_buf_adds(&text, "- 1\n");
	refuse(bl_buf_text(&text), text.len, "f:10000:3: more than 10000 values");
}

static int parse_sample(struct bl_err *err)
{
	static const char text[] = "a: &x {b: [1, two, 3.5]}\nc: *x\nd: \"q\"\n";
	BL_VALUE value = NULL;

	return bl_yaml_parse(text, sizeof(text) - 1, "f", &value, err);
}

static int parse_nothing(struct bl_err *err)
{
	BL_VALUE value = NULL;

	return bl_yaml_parse("", 0, "f", &value, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(parse_sample, 300);
	each_allocation_fails(parse_nothing, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_read_as_expected),
		cmocka_unit_test(positions_and_source_text_are_kept),
		cmocka_unit_test(an_alias_in_a_list_has_no_key),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(aliases_cannot_blow_up),
		cmocka_unit_test(nodes_are_bounded),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
