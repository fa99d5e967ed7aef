/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/sync_show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

static const char *bar(const struct sync_show *show, const struct bl_sync_totals *totals)
{
	static char text[1024];
	BL_AUTO(bl_buf) out = BL_BUF(1023);

	sync_show_bar(show, totals, &out);
	memcpy(text, bl_buf_text(&out), strlen(bl_buf_text(&out)) + 1);
	return text;
}

static void the_bar_tells_what_is_known(void **state)
{
	struct sync_show show = { .width = 100 };
	struct bl_sync_totals totals = { .listed_src = 3000 };

	(void)state;
	assert_string_equal(bar(&show, &totals), "listing   3000 names compared");
	totals.known = 40;
	totals.known_bytes = 200 * MIB;
	totals.moved = 3;
	totals.moved_bytes = 20 * MIB;
	/* more may come: no share, no ETA */
	assert_string_equal(bar(&show, &totals), "syncing   3/40+ files  20.0 MiB/200 MiB+");
	show.rate = 10.0 * MIB;
	assert_string_equal(bar(&show, &totals),
	                    "syncing   3/40+ files  20.0 MiB/200 MiB+  10.0 MiB/s");
	totals.all_listed = true;
	totals.under_way_bytes = 80 * MIB;
	assert_string_equal(bar(&show, &totals),
	                    "syncing ━━━━━━━━━━━━"
	                    "────────────"
	                    "  50 %  3/40 files  100 MiB/200 MiB  10.0 MiB/s  ETA 10 s");
	/* all bytes are here, but not all files */
	totals.under_way_bytes = 180 * MIB;
	assert_non_null(strstr(bar(&show, &totals), " 99 %"));
	totals.moved = 40;
	assert_non_null(strstr(bar(&show, &totals), "100 %"));
}

static void a_narrow_terminal_gets_less(void **state)
{
	struct sync_show show = { .width = 40, .rate = 10.0 * MIB };
	struct bl_sync_totals totals = {
		.known = 40, .known_bytes = 200 * MIB, .moved_bytes = 100 * MIB, .all_listed = true
	};

	(void)state;
	assert_true(strlen(bar(&show, &totals)) < 40);
	assert_non_null(strstr(bar(&show, &totals), "0/40 files"));
}

static void the_last_line(void **state)
{
	struct sync_show show = { 0 };
	const struct {
		struct bl_sync_totals totals;
		int64_t ms;
		bool dry_run;
		const char *line;
	} cases[] = {
		{ { .moved = 12, .moved_bytes = 1288490189, .equal = 4 },
		  3400,
		  false,
		  "synced 12 files, 1.2 GiB in 3.4 s (361 MiB/s), 4 equal, 0 deleted" },
		{ { .moved = 1, .moved_bytes = 2 },
		  20,
		  false,
		  "synced 1 file, 2 B in 0.0 s, 0 equal, 0 deleted" },
		{ { .deleted = 2, .excluded = 3, .skipped = 4, .refused = 5, .failed = 6 },
		  1000,
		  false,
		  "synced 0 files, 0 B in 1.0 s, 0 equal, 2 deleted, 3 excluded, 4 skipped, "
		  "5 refused, 6 failed" },
		{ { .moved = 2, .moved_bytes = 3 * MIB, .deleted = 1 },
		  1000,
		  true,
		  "would sync 2 files, 3.0 MiB, 0 equal, 1 to delete" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(1000);

		show.dry_run = cases[i].dry_run;
		sync_show_sum(&show, &cases[i].totals, cases[i].ms, &out);
		assert_string_equal(bl_buf_text(&out), cases[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bar_tells_what_is_known),
		cmocka_unit_test(a_narrow_terminal_gets_less),
		cmocka_unit_test(the_last_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
