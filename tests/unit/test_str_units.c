/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void whole_numbers_have_a_range(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max, value;
		bool good;
	} table[] = {
		{ "0", 0, 10, 0, true },
		{ "10", 0, 10, 10, true },
		{ "007", 1, 10, 7, true },
		{ "11", 0, 10, 0, false },
		{ "0", 1, 10, 0, false },
		{ "18446744073709551615", 0, UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", 0, UINT64_MAX, 0, false },
		{ "", 0, 10, 0, false },
		{ "-1", 0, UINT64_MAX, 0, false },
		{ "+1", 0, 10, 0, false },
		{ " 1", 0, 10, 0, false },
		{ "1 ", 0, 10, 0, false },
		{ "1.5", 0, 10, 0, false },
		{ "0x1", 0, 10, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };
		uint64_t value = 99;
		int rc = bl_str_u64(table[i].text, table[i].min, table[i].max, &value, &err);

		assert_int_equal(rc, table[i].good ? 0 : -1);
		assert_true(value == (table[i].good ? table[i].value : 99));
		assert_int_equal(err.code, table[i].good ? BL_OK : BL_EINPUT);
	}
	struct bl_err err = { 0 };
	uint64_t value;
	assert_int_equal(bl_str_u64("9x", 1, 8, &value, &err), -1);
	assert_string_equal(err.text, "'9x' is not a whole number from 1 to 8");
}

static void durations_have_units(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} table[] = {
		{ "90s", 90000 },
		{ "30m", 1800000 },
		{ "6h", 21600000 },
		{ "2d", 172800000 },
		{ "500ms", 500 },
		{ "1h30m", 5400000 },
		{ "1m500ms", 60500 },
		{ "0", 0 },
		{ "0s", 0 },
		{ "3650d", 315360000000 },
		{ "3650d1ms", -1 },
		{ "", -1 },
		{ "90", -1 },
		{ "s", -1 },
		{ "-1s", -1 },
		{ "1.5h", -1 },
		{ "1h 30m", -1 },
		{ "1x", -1 },
		{ "1H", -1 },
		{ "999999999999999999d", -1 },
		{ "9999999999999999999s", -1 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };
		int64_t ms = 7;
		int rc = bl_str_duration(table[i].text, &ms, &err);

		assert_int_equal(rc, table[i].ms < 0 ? -1 : 0);
		assert_true(ms == (table[i].ms < 0 ? 7 : table[i].ms));
		assert_int_equal(err.code, rc ? BL_EINPUT : BL_OK);
	}
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		bool good;
	} table[] = {
		{ "100", 100, true },
		{ "0", 0, true },
		{ "10B", 10, true },
		{ "1KB", 1000, true },
		{ "1KiB", 1024, true },
		{ "512MiB", 536870912, true },
		{ "2GiB", 2147483648, true },
		{ "1GB", 1000000000, true },
		{ "3TiB", 3298534883328, true },
		{ "999999999999999999", 999999999999999999, true },
		{ "", 0, false },
		{ "GiB", 0, false },
		{ "1.5GiB", 0, false },
		{ "-1", 0, false },
		{ "1 GiB", 0, false },
		{ "1gib", 0, false },
		{ "99999999999999999999", 0, false },
		{ "99999999TiB", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };
		uint64_t bytes = 7;
		int rc = bl_str_size(table[i].text, &bytes, &err);

		assert_int_equal(rc, table[i].good ? 0 : -1);
		assert_true(bytes == (table[i].good ? table[i].bytes : 7));
		assert_int_equal(err.code, rc ? BL_EINPUT : BL_OK);
	}
}

static void people_read_durations_and_sizes(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} durations[] = {
		{ -5, "0 s" },
		{ 0, "0.0 s" },
		{ 840, "0.8 s" },
		{ 9949, "9.9 s" },
		{ 9950, "10 s" },
		{ 12300, "12 s" },
		{ 119499, "119 s" },
		{ 119500, "2 min" },
		{ 2460000, "41 min" },
		{ 7500000, "2 h 5 min" },
		{ 172799000, "2 d 0 h" },
		{ 183600000, "2 d 3 h" },
	};
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, "0 B" },
		{ 310, "310 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1288490189, "1.2 GiB" },
		{ 104857600, "100 MiB" },
		{ 1048064, "1.0 MiB" },
		{ UINT64_MAX, "16384 PiB" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(durations); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(100);

		bl_str_add_duration(&out, durations[i].ms);
		assert_string_equal(bl_buf_text(&out), durations[i].text);
	}
	for (size_t i = 0; i < BL_COUNT(sizes); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(100);

		bl_str_add_bytes(&out, sizes[i].bytes);
		assert_string_equal(bl_buf_text(&out), sizes[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_have_a_range),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(people_read_durations_and_sizes),
	};

	return cmocka_run_group_tests_name("str: numbers and units", tests, NULL, NULL);
}
