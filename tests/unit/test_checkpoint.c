/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void a_missing_path_is_empty(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	assert_false(take(snapshots).published);
	bl_snapshots_free(snapshots);
	bl_snapshots_free(NULL);
}

static void nothing_new_is_not_published(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	put_zip("ckpt/a.pt", 'a', 100);
	assert_true(take(snapshots).published);
	assert_false(take(snapshots).published);
	put_zip("ckpt/b.pt", 'b', 100);
	assert_int_equal(take(snapshots).seq, 2);
	/* only deleted: what is there stays restorable */
	remove_path("ckpt/a.pt");
	assert_false(take(snapshots).published);
	remove_path("ckpt/b.pt");
	assert_false(take(snapshots).published);
	bl_snapshots_free(snapshots);
}

static void unchanged_files_point_at_earlier_keys(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_published first, second;

	(void)state;
	put_trainer_checkpoint("ckpt", 1);
	first = take(snapshots);
	put_trainer_checkpoint("ckpt", 2);
	second = take(snapshots);
	assert_int_equal(second.new_files, 3);
	assert_int_equal(second.files, 6);
	assert_string_equal(key_in(second.manifest, "checkpoint-1/optimizer.pt"),
	                    key_in(first.manifest, "checkpoint-1/optimizer.pt"));
	assert_string_equal(key_in(second.manifest, "checkpoint-2/optimizer.pt"),
	                    "runs/" RUN "/checkpoints/001-000002/checkpoint-2/optimizer.pt");
	bl_snapshots_free(snapshots);
}

static void the_unknown_waits_until_it_is_quiet(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	put_text("ckpt/state.json", "{}");
	wall = changed_at("ckpt/state.json");
	assert_int_equal(take(snapshots).incomplete, 1);
	pass(31000);
	assert_true(take(snapshots).published);
	bl_snapshots_free(snapshots);
}

static void after_the_end_nothing_waits(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_snapshot_when when = usual();
	int writer;

	(void)state;
	put_text("ckpt/a.json", "{}");
	put_text("ckpt/b.json", "{}");
	put_cut_zip("ckpt/cut.pt", 'x', 100, 30);
	writer = openat(folder_fd, "ckpt/b.json", O_WRONLY | O_CLOEXEC);
	when.ended = true;
	struct bl_published out = take_when(snapshots, &when);
	assert_true(out.published);
	assert_string_not_equal(key_in(out.manifest, "a.json"), "");
	assert_string_equal(key_in(out.manifest, "b.json"), "");
	assert_string_equal(key_in(out.manifest, "cut.pt"), "");
	assert_int_equal(out.incomplete, 2);
	close(writer);
	bl_snapshots_free(snapshots);
}

static void a_crash_casts_doubt_on_what_was_just_written(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_snapshot_when when = usual();
	struct bl_published out;

	(void)state;
	put_text("ckpt/torn.json", "{");
	put_zip("ckpt/known.pt", 'k', 10);
	when.crashed = true;
	when.crashed_wall_ms = wall = changed_at("ckpt/known.pt");
	when.now_wall_ms = wall;
	out = take_when(snapshots, &when);
	assert_true(out.published);
	assert_string_equal(key_in(out.manifest, "torn.json"), "");
	pass(3600000);
	when.now_wall_ms = wall;
	when.ended = true;
	assert_false(take_when(snapshots, &when).published);
	bl_snapshots_free(snapshots);
}

static void a_stepped_clock_proves_nothing(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	put_text("ckpt/state.json", "{}");
	wall = changed_at("ckpt/state.json");
	assert_false(take(snapshots).published);
	wall += 3600000; /* forward, and the file looks old */
	assert_false(take(snapshots).published);
	pass(9000);
	assert_false(take(snapshots).published);
	pass(21000);
	assert_true(take(snapshots).published);
	/* backward: a file from the future waits its time, too */
	wall -= 7200000;
	put_text("ckpt/more.json", "{}");
	assert_false(take(snapshots).published);
	pass(31000);
	assert_true(take(snapshots).published);
	bl_snapshots_free(snapshots);
}

static void what_is_rewritten_keeps_its_last_version(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_published first, second;

	(void)state;
	put_zip("ckpt/last.ckpt", 'a', 1000);
	first = take(snapshots);
	put_cut_zip("ckpt/last.ckpt", 'b', 1000, 200);
	assert_false(take(snapshots).published);
	put_zip("ckpt/step-2.pt", 'c', 10);
	second = take(snapshots);
	assert_true(second.published);
	assert_int_equal(second.incomplete, 1);
	assert_string_equal(key_in(second.manifest, "last.ckpt"),
	                    key_in(first.manifest, "last.ckpt"));
	put_zip("ckpt/last.ckpt", 'b', 1000);
	assert_string_equal(key_in(take(snapshots).manifest, "last.ckpt"),
	                    "runs/" RUN "/checkpoints/001-000003/last.ckpt");
	bl_snapshots_free(snapshots);
}

static void a_group_is_taken_together(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	put_zip("ckpt/epoch_1/model.pt", 'm', 10);
	wall = changed_at("ckpt/epoch_1/model.pt");
	assert_false(take(snapshots).published); /* optim.pt may be to come */
	put_zip("ckpt/epoch_1/optim.pt", 'o', 10);
	pass(31000);
	assert_int_equal(take(snapshots).files, 2);
	bl_snapshots_free(snapshots);
}

static void the_sequence_goes_on(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(2);

	(void)state;
	put_text(OBJECTS "002-000007.manifest.json", "{}");
	put_text(OBJECTS "002-000009/cut-upload", "x");
	put_text(OBJECTS "003-000050.manifest.json", "{}");
	put_zip("ckpt/a.pt", 'a', 10);
	assert_int_equal(take(snapshots).seq, 10);
	bl_snapshots_free(snapshots);
}

static void a_second_host_goes_on(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_snapshot_when when = usual();
	struct bl_published out;

	(void)state;
	put_text("ckpt/model.h5", "by the last rule");
	put_zip("ckpt/best.pt", 'b', 10);
	when.ended = true;
	assert_int_equal(take_when(snapshots, &when).files, 2);
	bl_snapshots_free(snapshots);

	snapshots = make_snapshots(1);
	when.ended = false;
	when.crashed = true; /* nobody knows when */
	assert_false(take_when(snapshots, &when).published);
	bl_snapshots_free(snapshots);

	/* what cannot be trusted keeps the version that can */
	rewrite_text("ckpt/model.h5", "torn");
	put_zip("ckpt/new.pt", 'n', 10);
	snapshots = make_snapshots(1);
	out = take_when(snapshots, &when);
	assert_int_equal(out.seq, 2);
	assert_int_equal(out.files, 3);
	assert_int_equal(out.new_files, 1);
	assert_string_equal(key_in(out.manifest, "model.h5"),
	                    "runs/" RUN "/checkpoints/001-000001/model.h5");
	assert_string_equal(key_in(out.manifest, "best.pt"),
	                    "runs/" RUN "/checkpoints/001-000001/best.pt");
	bl_snapshots_free(snapshots);
}

static void a_second_host_trusts_bytes_not_times(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_published out;

	(void)state;
	put_zip("ckpt/last.pt", 'a', 100);
	set_mtime_ms("ckpt/last.pt", 1700000000000);
	assert_true(take(snapshots).published);
	bl_snapshots_free(snapshots);
	put_zip("ckpt/last.pt", 'b', 100);
	set_mtime_ms("ckpt/last.pt", 1700000000000);
	snapshots = make_snapshots(1);
	out = take(snapshots);
	assert_int_equal(out.new_files, 1);
	bl_snapshots_free(snapshots);
}

#ifdef BL_TESTING
static int count_name(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	(void)dir;
	(void)name;
	(void)type;
	(void)err;
	++*(size_t *)arg;
	return 0;
}

/* Names in a directory; 0 when it is not there. */
static size_t count_names(const char *path)
{
	struct bl_err err = { 0 };
	size_t n = 0;

	if (bl_fs_list(folder_fd, path, count_name, &n, &err))
		assert_int_equal(err.code, BL_ENOENT);
	return n;
}

static void a_full_store_leaves_no_manifest(void **state)
{
	static const char *const points[] = { "checkpoint.object.before=ENOSPC@2",
		                              "checkpoint.manifest.before=ENOSPC",
		                              "store.put_file.write=ENOSPC@2" };

	(void)state;
	put_zip("ckpt/a.pt", 'a', 10);
	put_zip("ckpt/b.pt", 'b', 10);
	for (size_t i = 0; i < BL_COUNT(points); i++) {
		struct bl_snapshots *snapshots = make_snapshots((unsigned)i + 1);
		struct bl_snapshot_when when = usual();
		struct bl_published out = { .seq = 77 };
		struct bl_err err = { 0 };

		setenv("BRANCHLINE_FAILPOINT", points[i], 1);
		assert_int_equal(bl_snapshots_take(snapshots, store, NULL, &when, &out, &err), -1);
		unsetenv("BRANCHLINE_FAILPOINT");
		assert_int_equal(err.code, BL_ENOSPC);
		assert_int_equal(out.seq, 77);
		assert_int_equal(count_names("store/runs/" RUN "/checkpoints"), 0);
		assert_true(take(snapshots).published);
		bl_snapshots_free(snapshots);
		remove_path("store/runs/" RUN);
	}
}
#endif

/* Each pass is a process of its own, and so has a run and a directory of its own. */
static int whole_life(struct bl_err *err)
{
	struct bl_snapshots *snapshots = NULL, *second = NULL;
	BL_AUTO(bl_buf) said = BL_BUF(4096);
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	char name[17], run[BL_RUN_SIZE], back[32], key[BL_RUN_KEY_SIZE];
	struct bl_snapshot_when when = usual();
	struct bl_restored restored;
	struct bl_published out;
	unsigned removed;
	int rc;

	if (bl_str_random(name, sizeof(name) - 1, err))
		return -1;
	snprintf(run, sizeof(run), "run-%s", name);
	snprintf(back, sizeof(back), "back-%s", name);
	rc = bl_snapshots_new(run, 1, folder_path("ckpt"), &snapshots, err) ||
	     bl_snapshots_take(snapshots, store, NULL, &when, &out, err) ||
	     bl_checkpoint_newest(store, run, key, sizeof(key), err) ||
	     bl_checkpoint_restore(store, NULL, run, NULL, folder_path(back), &restored, &manifest,
	                           &said, err) ||
	     bl_snapshots_adopt(snapshots, &manifest, err) ||
	     bl_snapshots_take(snapshots, store, NULL, &when, &out, err) ||
	     bl_snapshots_new(run, 1, folder_path("ckpt"), &second, err) ||
	     bl_snapshots_take(second, store, NULL, &when, &out, err) ||
	     bl_checkpoint_prune(store, run, 1, true, true, &removed, err);
	if (!rc && !restored.found)
		rc = bl_fail(err, BL_EBUG, "not found: %s", bl_buf_text(&said));
	bl_snapshots_free(snapshots);
	bl_snapshots_free(second);
	return rc ? -1 : 0;
}

static void allocations_may_fail(void **state)
{
	(void)state;
	put_zip("ckpt/a.pt", 'a', 10);
	put_text("ckpt/x.json", "{}");
	make_link("ckpt/link", "a.pt");
	pass(60000);
	each_allocation_fails(whole_life, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_missing_path_is_empty),
		STORE_TEST(nothing_new_is_not_published),
		STORE_TEST(unchanged_files_point_at_earlier_keys),
		STORE_TEST(the_unknown_waits_until_it_is_quiet),
		STORE_TEST(after_the_end_nothing_waits),
		STORE_TEST(a_crash_casts_doubt_on_what_was_just_written),
		STORE_TEST(a_stepped_clock_proves_nothing),
		STORE_TEST(what_is_rewritten_keeps_its_last_version),
		STORE_TEST(a_group_is_taken_together),
		STORE_TEST(the_sequence_goes_on),
		STORE_TEST(a_second_host_goes_on),
		STORE_TEST(a_second_host_trusts_bytes_not_times),
#ifdef BL_TESTING
		STORE_TEST(a_full_store_leaves_no_manifest),
#endif
		STORE_TEST(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
