/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * libc's, replaced to see what is wiped: freed memory cannot be looked at. The second is what the
 * first is called in a hardened build.
 */
static size_t wiped;
void explicit_bzero(void *bytes, size_t len);
void __explicit_bzero_chk(void *bytes, size_t len, size_t size);

void explicit_bzero(void *bytes, size_t len)
{
	volatile unsigned char *to = bytes;

	for (size_t i = 0; i < len; i++)
		to[i] = 0;
	wiped += len;
}

void __explicit_bzero_chk(void *bytes, size_t len, size_t size)
{
	assert_true(len <= size);
	explicit_bzero(bytes, len);
}

static void what_goes_is_wiped(void **state)
{
	struct bl_secret secret = { 0 };
	struct bl_buf buf = BL_BUF(100);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_secret_set(&secret, "12345", 5, &err), 0);
	wiped = 0;
	assert_int_equal(bl_secret_set(&secret, "1234567", 7, &err), 0);
	assert_int_equal(wiped, 5);
	bl_secret_done(&secret);
	assert_int_equal(wiped, 12);
	bl_secret_done(&secret);
	assert_int_equal(wiped, 12);
	bl_buf_adds(&buf, "what was dropped lies behind the end");
	bl_buf_reset(&buf);
	wiped = 0;
	bl_buf_wipe(&buf);
	assert_true(wiped >= 36);
}

static void a_secret_is_set_as_a_whole(void **state)
{
	BL_AUTO(bl_secret) secret = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_string_equal(bl_secret_text(&secret), "");
	assert_int_equal(bl_secret_set(&secret, "first-key", 5, &err), 0);
	assert_string_equal(bl_secret_text(&secret), "first");
	assert_int_equal(secret.len, 5);
	/* a part of itself */
	assert_int_equal(bl_secret_set(&secret, secret.text + 1, 3, &err), 0);
	assert_string_equal(bl_secret_text(&secret), "irs");
	assert_int_equal(bl_secret_set(&secret, "", 0, &err), 0);
	assert_null(secret.text);
	assert_int_equal(secret.len, 0);
}

static void a_nul_inside_is_refused(void **state)
{
	BL_AUTO(bl_secret) secret = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_secret_set(&secret, "kept", 4, &err), 0);
	assert_int_equal(bl_secret_set(&secret, "a\0b", 3, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(bl_secret_text(&secret), "kept");
}

static void a_copy_stands_alone(void **state)
{
	BL_AUTO(bl_secret) from = { 0 };
	BL_AUTO(bl_secret) to = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_secret_set(&from, "token", 5, &err), 0);
	assert_int_equal(bl_secret_copy(&to, &from, &err), 0);
	bl_secret_done(&from);
	assert_string_equal(bl_secret_text(&to), "token");
	assert_int_equal(bl_secret_copy(&to, &from, &err), 0);
	assert_string_equal(bl_secret_text(&to), "");
	bl_secret_done(&to);
	bl_secret_done(&to);
}

static void wiping_leaves_zeros_only_where_asked(void **state)
{
	char bytes[] = "abcdef";

	(void)state;
	bl_wipe(bytes + 1, 4);
	assert_memory_equal(bytes, "a\0\0\0\0f", 7);
	bl_wipe(NULL, 0);
}

static void a_wiped_buffer_is_an_empty_one(void **state)
{
	struct bl_buf buf = BL_BUF(100);

	(void)state;
	bl_buf_wipe(&buf);
	bl_buf_adds(&buf, "secret");
	bl_buf_reset(&buf);
	bl_buf_wipe(&buf);
	assert_null(buf.data);
	assert_int_equal(buf.max, 100);
}

static int set_and_copy(struct bl_err *err)
{
	BL_AUTO(bl_secret) from = { 0 };
	BL_AUTO(bl_secret) to = { 0 };

	if (bl_secret_set(&from, "key", 3, err) || bl_secret_copy(&to, &from, err))
		return to.text ? -2 : -1;
	if (!bl_secret_set(&to, "other", 5, err))
		return 0;
	return strcmp(bl_secret_text(&to), "key") ? -2 : -1; /* what was there stays */
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(set_and_copy, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_is_wiped),
		cmocka_unit_test(a_secret_is_set_as_a_whole),
		cmocka_unit_test(a_nul_inside_is_refused),
		cmocka_unit_test(a_copy_stands_alone),
		cmocka_unit_test(wiping_leaves_zeros_only_where_asked),
		cmocka_unit_test(a_wiped_buffer_is_an_empty_one),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
