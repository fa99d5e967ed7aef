/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void pieces_are_joined(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	char long_text[400];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	bl_buf_adds(&buf, "a");
	bl_buf_addc(&buf, 'b');
	bl_buf_add(&buf, "c\0d", 3);
	bl_buf_addf(&buf, "%d", 42);
	assert_int_equal(buf.len, 7);
	assert_memory_equal(buf.data, "abc\0d42", 8);
	bl_buf_reset(&buf);
	bl_buf_addf(&buf, "<%s>", long_text); /* longer than its small buffer */
	assert_int_equal(buf.len, 401);
	assert_int_equal(buf.data[400], '>');
	assert_int_equal(buf.data[401], '\0');
}

static void an_empty_buffer_has_text(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(10);
	struct bl_err err = { 0 };

	(void)state;
	assert_string_equal(bl_buf_text(&buf), "");
	assert_null(bl_buf_take(&buf));
	assert_int_equal(bl_buf_check(&buf, "x", &err), 0);
	bl_buf_drop(&buf, 0);
	bl_buf_reset(&buf);
	bl_buf_adds(&buf, "");
	assert_string_equal(bl_buf_text(&buf), "");
}

static void the_limit_latches(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(5);
	struct bl_err err = { 0 };

	(void)state;
	bl_buf_adds(&buf, "12345");
	assert_int_equal(bl_buf_check(&buf, "x", &err), 0);
	bl_buf_addc(&buf, '6');
	bl_buf_adds(&buf, "");
	assert_string_equal(bl_buf_text(&buf), "12345");
	assert_int_equal(bl_buf_check(&buf, "metrics.json", &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(err.text, "metrics.json: over the limit of 5 bytes");
	assert_null(bl_buf_take(&buf));
	assert_null(bl_buf_room(&buf, 0));
	bl_buf_reset(&buf);
	bl_buf_addf(&buf, "%s", "1234");
	assert_string_equal(bl_buf_text(&buf), "1234");
	bl_buf_addf(&buf, "%s", "56");
	assert_int_equal(buf.failed, BL_ELIMIT);
}

static void a_huge_length_is_over_the_limit(void **state)
{
	BL_AUTO(bl_buf) small = BL_BUF(100);
	BL_AUTO(bl_buf) unbounded = BL_BUF(SIZE_MAX);

	(void)state;
	bl_buf_adds(&small, "x");
	assert_null(bl_buf_room(&small, SIZE_MAX));
	assert_int_equal(small.failed, BL_ELIMIT);
	bl_buf_adds(&unbounded, "x");
	assert_null(bl_buf_room(&unbounded, SIZE_MAX - 1));
	assert_int_equal(unbounded.failed, BL_ELIMIT);
}

static void room_is_filled_by_the_caller(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	char *to;

	(void)state;
	bl_buf_adds(&buf, "ab");
	to = bl_buf_room(&buf, 500);
	assert_non_null(to);
	memcpy(to, "cd", 2);
	bl_buf_grew(&buf, 2);
	assert_string_equal(bl_buf_text(&buf), "abcd");
}

static void the_front_is_dropped(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(100);

	(void)state;
	bl_buf_adds(&buf, "one two");
	bl_buf_drop(&buf, 4);
	assert_string_equal(bl_buf_text(&buf), "two");
	bl_buf_drop(&buf, 3);
	assert_int_equal(buf.len, 0);
	assert_string_equal(bl_buf_text(&buf), "");
}

static void taken_bytes_are_the_callers(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(100);
	char *text;

	(void)state;
	bl_buf_adds(&buf, "mine");
	text = bl_buf_take(&buf);
	bl_buf_adds(&buf, "next");
	assert_string_equal(text, "mine");
	assert_string_equal(bl_buf_text(&buf), "next");
	assert_int_equal(buf.max, 100);
	free(text);
}

static int fill(struct bl_err *err)
{
	BL_AUTO(bl_buf) buf = BL_BUF(10000);

	for (int i = 0; i < 100; i++) {
		bl_buf_addf(&buf, "%d", i);
		bl_buf_adds(&buf, "some more");
		bl_buf_addc(&buf, '\n');
	}
	return bl_buf_check(&buf, "text", err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(fill, 50);
}

/* A file that is empty: room was made, and nothing came. */
static void unused_room_is_no_text(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(4096);
	char *used = malloc(128);

	(void)state;
	assert_non_null(used);
	memset(used, 'x', 128);
	free(used); /* what the next allocation of that size may hold */
	assert_non_null(bl_buf_room(&buf, 100));
	assert_string_equal(bl_buf_text(&buf), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_joined),
		cmocka_unit_test(an_empty_buffer_has_text),
		cmocka_unit_test(unused_room_is_no_text),
		cmocka_unit_test(the_limit_latches),
		cmocka_unit_test(a_huge_length_is_over_the_limit),
		cmocka_unit_test(room_is_filled_by_the_caller),
		cmocka_unit_test(the_front_is_dropped),
		cmocka_unit_test(taken_bytes_are_the_callers),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
