/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/folder.h"
#include "tests/unit/snapshots.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct bl_published take_with(struct bl_snapshots *snapshots, double primary)
{
	struct bl_snapshot_when when = usual();
	static char fill = 'A';

	put_zip("ckpt/last.pt", fill++, 100);
	when.primary = "loss";
	when.primary_value = primary;
	return take_when(snapshots, &when);
}

static unsigned prune(unsigned keep, bool keep_best)
{
	unsigned removed = 99;
	struct bl_err err = { 0 };

	if (bl_checkpoint_prune(store, RUN, keep, keep_best, true, &removed, &err))
		fail_msg("%s", err.text);
	return removed;
}

static void prune_keeps_the_newest_and_the_best(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	char newest[BL_RUN_KEY_SIZE];
	struct bl_published last;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(prune(2, true), 0);
	put_zip("ckpt/fixed.pt", 'f', 100);
	take_with(snapshots, 3);
	take_with(snapshots, 1);
	take_with(snapshots, (double)NAN);
	take_with(snapshots, 2);
	last = take_with(snapshots, 4);
	assert_int_equal(prune(1, true), 3);
	assert_true(is_there(OBJECTS "001-000005.manifest.json"));
	assert_true(is_there(OBJECTS "001-000002.manifest.json"));
	assert_false(is_there(OBJECTS "001-000004.manifest.json"));
	/* the first snapshot is gone, the object that both others name is not */
	assert_false(is_there(OBJECTS "001-000001.manifest.json"));
	assert_false(is_there(OBJECTS "001-000001/last.pt"));
	assert_true(is_there(OBJECTS "001-000001/fixed.pt"));
	assert_int_equal(bl_checkpoint_newest(store, RUN, newest, sizeof(newest), &err), 0);
	assert_string_equal(newest, last.manifest);
	assert_int_equal(prune(0, false), 1);
	assert_true(is_there(OBJECTS "001-000005.manifest.json"));
	bl_snapshots_free(snapshots);
}

static void prune_spares_a_snapshot_in_the_making(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	take_with(snapshots, 1);
	put_text(OBJECTS "001-000002/half", "x");
	put_text(OBJECTS "002-000001/half", "x");
	put_text(OBJECTS "000-000009/orphan", "x");
	assert_int_equal(prune(1, false), 0);
	assert_true(is_there(OBJECTS "001-000002/half"));
	assert_true(is_there(OBJECTS "002-000001/half"));
	assert_false(is_there(OBJECTS "000-000009/orphan"));
	bl_snapshots_free(snapshots);
}

static void prune_deletes_nothing_that_it_cannot_judge(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	take_with(snapshots, 1);
	take_with(snapshots, 2);
	put_text(OBJECTS "001-000002.manifest.json", "{\"schema\":99}");
	/* the newest that can be read stays as well */
	assert_int_equal(prune(1, false), 0);
	assert_true(is_there(OBJECTS "001-000002.manifest.json"));
	assert_true(is_there(OBJECTS "001-000001.manifest.json"));
	assert_true(is_there(OBJECTS "001-000002/last.pt"));
	bl_snapshots_free(snapshots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(prune_keeps_the_newest_and_the_best),
		STORE_TEST(prune_spares_a_snapshot_in_the_making),
		STORE_TEST(prune_deletes_nothing_that_it_cannot_judge),
	};

	return cmocka_run_group_tests_name("checkpoint: prune", tests, NULL, NULL);
}
