/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/base64.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void agrees_with_rfc_4648(void **state)
{
	static const struct {
		const char *bytes, *text;
	} table[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xfe", "+//+" },
	};
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) text = BL_BUF(100);
		BL_AUTO(bl_buf) bytes = BL_BUF(100);

		bl_base64_add(&text, table[i].bytes, strlen(table[i].bytes));
		assert_string_equal(bl_buf_text(&text), table[i].text);
		assert_int_equal(
			bl_base64_decode(table[i].text, strlen(table[i].text), &bytes, &err), 0);
		assert_string_equal(bl_buf_text(&bytes), table[i].bytes);
	}
}

static void any_bytes_come_back(void **state)
{
	unsigned char all[256];
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)(i * 167 + 13);
	for (size_t len = 0; len <= sizeof(all); len++) {
		BL_AUTO(bl_buf) text = BL_BUF(1000);
		BL_AUTO(bl_buf) bytes = BL_BUF(1000);

		bl_buf_adds(&bytes, "kept");
		bl_base64_add(&text, all, len);
		assert_int_equal(bl_base64_decode(bl_buf_text(&text), text.len, &bytes, &err), 0);
		assert_int_equal(bytes.len, len + 4);
		assert_memory_equal(bytes.data, "kept", 4);
		assert_memory_equal(bytes.data + 4, all, len);
	}
}

static void only_the_exact_encoding_is_taken(void **state)
{
	static const char *const bad[] = {
		"Z",        "Zg",       "Zg=",  "Zm9vYg",  "Zh==", /* bits left over */
		"Zm9=",     "=",        "==",   "====",    "Z===", "Zg==\n", " Zm9v",    "Zm 9v",
		"Zm9v====", "Zg==Zg==", "Zm-_", "Zm9\x80", "Zm9*", "Zg=a",   "Zm9vZ===",
	};
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		BL_AUTO(bl_buf) bytes = BL_BUF(100);

		if (!bl_base64_decode(bad[i], strlen(bad[i]), &bytes, &err))
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.code, BL_EINPUT);
		assert_string_equal(bl_buf_text(&bytes), "");
		assert_int_equal(bytes.len, 0);
		bl_err_clear(&err);
	}
	BL_AUTO(bl_buf) nul = BL_BUF(100);
	assert_int_equal(bl_base64_decode("Zm\0v", 4, &nul, &err), -1);
}

static void url_form_may_lack_its_padding(void **state)
{
	static const struct {
		const char *text, *bytes; /* NULL: refused */
	} table[] = {
		{ "", "" },
		{ "Zg", "f" },
		{ "Zg==", "f" },
		{ "Zm8", "fo" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "-__-", "\xfb\xff\xfe" },
		{ "+//+", NULL },
		{ "Zg=", NULL },
		{ "Z", NULL },
		{ "Zm9vY", NULL },
		{ "Zh", NULL },
		{ "Zm9", NULL },
		{ "Zg===", NULL },
		{ "Zg==Zg==", NULL },
		{ "eyJ.", NULL },
	};
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) bytes = BL_BUF(100);
		int rc = bl_base64url_decode(table[i].text, strlen(table[i].text), &bytes, &err);

		if (rc != (table[i].bytes ? 0 : -1))
			fail_msg("'%s' gave %d", table[i].text, rc);
		assert_string_equal(bl_buf_text(&bytes), table[i].bytes ? table[i].bytes : "");
		bl_err_clear(&err);
	}
}

static void the_limit_is_the_buffers(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(7);
	BL_AUTO(bl_buf) bytes = BL_BUF(2);
	struct bl_err err = { 0 };

	(void)state;
	bl_base64_add(&text, "foo", 3);
	bl_base64_add(&text, "foo", 3);
	assert_int_equal(text.failed, BL_ELIMIT);
	assert_string_equal(bl_buf_text(&text), "Zm9v");
	assert_int_equal(bl_base64_decode("Zm9v", 4, &bytes, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
}

static int there_and_back(struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(1000);
	BL_AUTO(bl_buf) bytes = BL_BUF(1000);
	char zeros[100] = { 0 };

	bl_base64_add(&text, zeros, sizeof(zeros));
	if (bl_buf_check(&text, "text", err))
		return -1;
	if (bl_base64_decode(text.data, text.len, &bytes, err))
		return -1;
	return bl_base64url_decode(text.data, text.len, &bytes, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(there_and_back, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_rfc_4648),
		cmocka_unit_test(any_bytes_come_back),
		cmocka_unit_test(only_the_exact_encoding_is_taken),
		cmocka_unit_test(url_form_may_lack_its_padding),
		cmocka_unit_test(the_limit_is_the_buffers),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
