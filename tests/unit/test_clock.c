/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static int64_t fake_mono, fake_wall;

static int64_t read_mono(void)
{
	return fake_mono;
}

static int64_t read_wall(void)
{
	return fake_wall;
}

static void tests_have_their_own_clock(void **state)
{
	static const struct bl_clock fake = { read_mono, read_wall };

	(void)state;
	fake_mono = 7;
	fake_wall = 9;
	bl_clock_replace(&fake);
	assert_int_equal(bl_mono_ms(), 7);
	assert_int_equal(bl_wall_ms(), 9);
	bl_clock_replace(NULL);
	assert_true(bl_mono_ms() > 7);
	assert_true(bl_wall_ms() > 1700000000000);
}

static void the_system_clocks_are_read_in_milliseconds(void **state)
{
	struct timespec before, after;
	int64_t mono, wall;

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &before);
	mono = bl_mono_ms();
	clock_gettime(CLOCK_BOOTTIME, &after);
	assert_true(mono >= (int64_t)before.tv_sec * 1000 + before.tv_nsec / 1000000);
	assert_true(mono <= (int64_t)after.tv_sec * 1000 + after.tv_nsec / 1000000);
	wall = bl_wall_ms();
	assert_true(wall / 1000 - (int64_t)time(NULL) <= 1);
	assert_true(wall / 1000 - (int64_t)time(NULL) >= -60);
}

static void times_are_written_in_utc(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} table[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 999, "1970-01-01T00:00:00Z" },
		{ 1795507381000, "2026-11-24T08:03:01Z" },
		{ 951782400000, "2000-02-29T00:00:00Z" },
		{ 253402300799000, "9999-12-31T23:59:59Z" },
		{ 253402300800000, "1970-01-01T00:00:00Z" }, /* does not fit */
		{ INT64_MAX, "1970-01-01T00:00:00Z" },
		{ INT64_MIN, "1970-01-01T00:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		char text[BL_UTC_SIZE];

		bl_utc_text(table[i].ms, text);
		assert_string_equal(text, table[i].text);
	}
}

static void times_are_read_in_the_forms_that_services_write(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} table[] = {
		{ "2026-11-24T08:03:01Z", 1795507381000 },
		{ "2026-11-24T08:03:01.5Z", 1795507381500 },
		{ "2026-11-24T08:03:01.123456789Z", 1795507381123 },
		{ "2026-11-24T08:03:01UTC", 1795507381000 },
		{ "2026-11-24T09:03:01+01:00", 1795507381000 },
		{ "2026-11-24T02:33:01-05:30", 1795507381000 },
		{ "2000-02-29T00:00:00Z", 951782400000 },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "", -1 },
		{ "2026-11-24", -1 },
		{ "2026-11-24T08:03:01", -1 },
		{ "2026-11-24T08:03:01.Z", -1 },
		{ "2026-11-24T08:03:01ZZ", -1 },
		{ "2026-11-24T08:03:01+1:00", -1 },
		{ "2026-11-24T08:03:01+15:00", -1 },
		{ "2026-13-24T08:03:01Z", -1 },
		{ "2026-02-31T08:03:01Z", -1 },
		{ "2026-11-24T24:03:01Z", -1 },
		{ "1969-11-24T08:03:01Z", -1 },
		{ "2026-11-24 08:03:01Z", -1 },
		{ " 026-11-24T08:03:01Z", -1 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		int64_t ms = -1;

		assert_int_equal(bl_utc_parse(table[i].text, &ms), table[i].ms >= 0);
		assert_int_equal(ms, table[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tests_have_their_own_clock),
		cmocka_unit_test(the_system_clocks_are_read_in_milliseconds),
		cmocka_unit_test(times_are_written_in_utc),
		cmocka_unit_test(times_are_read_in_the_forms_that_services_write),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
