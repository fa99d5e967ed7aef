/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include "tests/unit/failalloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct bl_value *parsed(const char *json)
{
	struct bl_value *value = NULL;
	struct bl_err err = { 0 };

	if (bl_json_parse(json, strlen(json), "test", &value, &err))
		fail_msg("%s", err.text);
	return value;
}

static void members_are_found_by_key_and_path(void **state)
{
	BL_VALUE root = parsed("{\"a\":{\"b\":{\"c\":7}},\"a.b\":1,\"list\":[1]}");

	(void)state;
	assert_int_equal(bl_value_path(root, "a.b.c")->integer, 7);
	assert_int_equal(bl_value_get(root, "a.b")->integer, 1);
	assert_null(bl_value_path(root, "a.x.c"));
	assert_null(bl_value_path(root, "a.b.c.d"));
	assert_null(bl_value_path(root, "list.0"));
	assert_null(bl_value_path(root, ""));
	assert_null(bl_value_path(NULL, "a"));
	assert_null(bl_value_get(NULL, "a"));
	assert_null(bl_value_get(bl_value_get(root, "list"), "a"));
}

static void set_adds_replaces_and_remove_takes_away(void **state)
{
	BL_VALUE root = bl_value_new(BL_MAP);
	struct bl_err err = { 0 };
	struct bl_value *text = NULL;
	char key[8] = "k0";

	(void)state;
	for (; key[1] < '7'; key[1]++)
		assert_int_equal(bl_value_set(root, key, bl_value_new(BL_NULL), &err), 0);
	assert_int_equal(root->n, 7);
	assert_int_equal(bl_value_string("x", &text, &err), 0);
	assert_int_equal(bl_value_set(root, "k3", text, &err), 0);
	assert_int_equal(root->n, 7);
	assert_string_equal(root->items[3]->text, "x");
	bl_value_remove(root, "k0");
	bl_value_remove(root, "k6");
	bl_value_remove(root, "absent");
	assert_int_equal(root->n, 5);
	assert_string_equal(root->items[0]->key, "k1");
	assert_string_equal(root->items[4]->key, "k5");
	for (; root->n;)
		bl_value_remove(root, root->items[0]->key);
	assert_int_equal(bl_value_set(root, "again", bl_value_new(BL_BOOL), &err), 0);
	assert_non_null(bl_value_get(root, "again"));
}

static void a_member_without_memory_is_an_error(void **state)
{
	BL_VALUE root = bl_value_new(BL_MAP);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_value_set(root, "a", NULL, &err), -1);
	assert_int_equal(err.code, BL_ENOMEM);
	assert_int_equal(root->n, 0);
}

static void equality_ignores_order_and_spelling_of_numbers(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} table[] = {
		{ "{\"a\":1,\"b\":[true,null]}", "{\"b\":[true,null],\"a\":1}", true },
		{ "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "[1,2]", "[2,1]", false },
		{ "[1,2]", "[1]", false },
		{ "3", "3.0", true },
		{ "9007199254740993", "9007199254740992", false },
		{ "0.1", "0.2", false },
		{ "\"x\"", "\"x\"", true },
		{ "\"x\"", "\"y\"", false },
		{ "true", "false", false },
		{ "null", "null", true },
		{ "null", "false", false },
		{ "\"1\"", "1", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_VALUE a = parsed(table[i].a);
		BL_VALUE b = parsed(table[i].b);

		assert_int_equal(bl_value_equal(a, b), table[i].equal);
		assert_int_equal(bl_value_equal(b, a), table[i].equal);
	}
	BL_VALUE nan = bl_value_new(BL_REAL);
	nan->real = (double)NAN;
	assert_true(bl_value_equal(nan, nan));
}

static void a_copy_is_whole_and_apart(void **state)
{
	BL_VALUE root = parsed("{\"a\":{\"list\":[1,\"two\",3.5]}}");
	BL_VALUE copy = NULL;
	struct bl_err err = { 0 };

	(void)state;
	root->items[0]->key_line = 7;
	assert_int_equal(bl_value_copy(root, &copy, &err), 0);
	assert_true(bl_value_equal(root, copy));
	assert_int_equal(copy->items[0]->key_line, 7);
	assert_ptr_not_equal(bl_value_path(root, "a.list"), bl_value_path(copy, "a.list"));
	bl_value_remove(root, "a");
	assert_int_equal(bl_value_path(copy, "a.list")->n, 3);
}

static void typed_reading_says_what_was_expected(void **state)
{
	BL_VALUE root =
		parsed("{\"o\":{\"pid\":12,\"name\":\"n\",\"x\":1.5,\"yes\":true,\"no\":null}}");
	struct bl_err err = { 0 };
	const char *text = "untouched";
	int64_t number = -1;

	(void)state;
	assert_int_equal(bl_value_int(root, "o.pid", &number, &err), 0);
	assert_int_equal(number, 12);
	assert_int_equal(bl_value_text(root, "o.name", &text, &err), 0);
	assert_string_equal(text, "n");
	assert_int_equal(bl_value_int(root, "o.x", &number, &err), -1);
	assert_int_equal(number, 12);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_string_equal(err.text, "'o.x': expected whole number, found number");
	bl_err_clear(&err);
	assert_int_equal(bl_value_text(root, "o.none", &text, &err), -1);
	assert_string_equal(err.text, "'o.none' is missing");
	assert_string_equal(text, "n");
	assert_int_equal(bl_value_int_or(root, "o.pid", 5), 12);
	assert_int_equal(bl_value_int_or(root, "o.no", 5), 5);
	assert_string_equal(bl_value_text_or(root, "o.name", "f"), "n");
	assert_string_equal(bl_value_text_or(root, "o.pid", "f"), "f");
	assert_true(bl_value_real_or(root, "o.pid", 0) == 12);
	assert_true(bl_value_real_or(root, "o.x", 0) == 1.5);
	assert_true(bl_value_real_or(root, "o.name", 4) == 4);
	assert_true(bl_value_bool_or(root, "o.yes", false));
	assert_true(bl_value_bool_or(root, "o.absent", true));
}

static int build_and_copy(struct bl_err *err)
{
	BL_VALUE root = bl_value_new(BL_MAP);
	BL_VALUE copy = NULL;
	struct bl_value *text;

	if (!root)
		return bl_fail(err, BL_ENOMEM, "root");
	for (char key[2] = "a"; *key < 'd'; ++*key)
		if (bl_value_set(root, key, bl_value_new(BL_LIST), err))
			return -1;
	if (bl_value_string("x", &text, err) || bl_value_append(root->items[1], text, err))
		return -1;
	return bl_value_copy(root, &copy, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(build_and_copy, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_by_key_and_path),
		cmocka_unit_test(set_adds_replaces_and_remove_takes_away),
		cmocka_unit_test(a_member_without_memory_is_an_error),
		cmocka_unit_test(equality_ignores_order_and_spelling_of_numbers),
		cmocka_unit_test(a_copy_is_whole_and_apart),
		cmocka_unit_test(typed_reading_says_what_was_expected),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
