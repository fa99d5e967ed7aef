/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/clock.h"
#include "base/str.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

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

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define OBJECTS "store/runs/" RUN "/checkpoints/"

static struct bl_store *store;
static int64_t mono, wall;

static int64_t mono_now(void)
{
	return mono;
}

static int64_t wall_now(void)
{
	return wall;
}

static const struct bl_clock fake_clock = { mono_now, wall_now };

static void pass(int64_t ms)
{
	mono += ms;
	wall += ms;
}

static int set_up(void **state)
{
	struct bl_err err = { 0 };

	if (folder_make(state) || bl_store_open(folder_path("store"), BL_STORE_WRITE, &store, &err))
		return -1;
	wall = bl_wall_ms();
	mono = 5000;
	bl_clock_replace(&fake_clock);
	return 0;
}

static int tear_down(void **state)
{
	bl_clock_replace(NULL);
	bl_store_close(store);
	return folder_drop(state);
}

static struct bl_snapshots *make_snapshots(unsigned attempt)
{
	struct bl_snapshots *snapshots;
	struct bl_err err = { 0 };

	assert_int_equal(bl_snapshots_new(RUN, attempt, folder_path("ckpt"), &snapshots, &err), 0);
	return snapshots;
}

static struct bl_snapshot_when usual(void)
{
	return (struct bl_snapshot_when){
		.quiet_ms = 10000,
		.now_wall_ms = wall,
		.step = (double)NAN,
		.primary_value = (double)NAN,
	};
}

static struct bl_published take_when(struct bl_snapshots *snapshots,
                                     const struct bl_snapshot_when *when)
{
	struct bl_published out = { 0 };
	struct bl_err err = { 0 };

	if (bl_snapshots_take(snapshots, store, NULL, when, &out, &err))
		fail_msg("%s", err.text);
	assert_int_equal(err.code, BL_OK);
	return out;
}

static struct bl_published take(struct bl_snapshots *snapshots)
{
	struct bl_snapshot_when when = usual();

	return take_when(snapshots, &when);
}

static struct bl_manifest read_manifest(const char *key)
{
	struct bl_manifest manifest = BL_MANIFEST;
	struct bl_err err = { 0 };

	if (bl_manifest_read(store, key, &manifest, &err))
		fail_msg("%s", err.text);
	return manifest;
}

/* The key of `path` in this manifest; "" when it has none. */
static const char *key_in(const char *manifest_key, const char *path)
{
	static char keys[4][1100];
	static unsigned at;
	BL_AUTO(bl_manifest) manifest = read_manifest(manifest_key);
	const struct bl_entry *entry = bl_manifest_find(&manifest, path);
	char *key = keys[at++ % 4];

	snprintf(key, sizeof(keys[0]), "%s", entry && entry->key ? entry->key : "");
	return key;
}

static struct bl_restored restore_into(const char *name, const char *only,
                                       struct bl_manifest *manifest, struct bl_buf *said)
{
	struct bl_restored out = { 0 };
	struct bl_err err = { 0 };

	if (bl_checkpoint_restore(store, NULL, RUN, only, folder_path(name), &out, manifest, said,
	                          &err))
		fail_msg("%s", err.text);
	return out;
}

static int64_t changed_at(const char *path)
{
	struct bl_stamp stamp;
	struct stat st;

	assert_int_equal(fstatat(folder_fd, path, &st, 0), 0);
	bl_stamp_of(&st, &stamp);
	return bl_stamp_wall_ms(&stamp);
}

/* Files by size and mtime to the millisecond (their bytes were compared by CRC), links by target. */
static void assert_same_trees(const char *a, const char *b)
{
	BL_AUTO(bl_tree) x = BL_TREE;
	BL_AUTO(bl_tree) y = BL_TREE;
	struct bl_err err = { 0 };

	assert_int_equal(bl_tree_read(folder_path(a), &x, &err), 0);
	assert_int_equal(bl_tree_read(folder_path(b), &y, &err), 0);
	assert_int_equal(x.n, y.n);
	for (size_t i = 1; i < x.n; i++) {
		assert_string_equal(x.nodes[i].path, y.nodes[i].path);
		assert_int_equal(x.nodes[i].kind, y.nodes[i].kind);
		if (x.nodes[i].kind == BL_NODE_LINK)
			assert_string_equal(x.nodes[i].target, y.nodes[i].target);
		if (x.nodes[i].kind != BL_NODE_FILE)
			continue;
		assert_int_equal(x.nodes[i].stamp.size, y.nodes[i].stamp.size);
		assert_int_equal(x.nodes[i].stamp.mtime_ns / 1000000,
		                 y.nodes[i].stamp.mtime_ns / 1000000);
	}
}

static void a_missing_path_is_empty(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	assert_false(take(snapshots).published);
	bl_snapshots_free(snapshots);
	bl_snapshots_free(NULL);
}

static void a_checkpoint_goes_out_and_comes_back(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_snapshot_when when = usual();
	BL_AUTO(bl_buf) said = BL_BUF(4096);
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_restored restored;
	struct bl_published out;

	(void)state;
	put_trainer_checkpoint("ckpt", 500);
	put_zip("ckpt/last.pt", 'l', 5000);
	make_link("ckpt/newest", "checkpoint-500");
	set_mtime_ms("ckpt/last.pt", 1700000000123);
	when.step = 500;
	when.primary = "eval_loss";
	when.primary_value = 1.25;
	out = take_when(snapshots, &when);
	assert_true(out.published);
	assert_int_equal(out.seq, 1);
	assert_int_equal(out.files, 4);
	assert_int_equal(out.new_files, 4);
	assert_int_equal(out.bytes, out.new_bytes);
	assert_string_equal(out.manifest, "runs/" RUN "/checkpoints/001-000001.manifest.json");
	manifest = read_manifest(out.manifest);
	assert_true(manifest.step == 500);
	assert_string_equal(manifest.primary, "eval_loss");
	assert_true(manifest.primary_value == 1.25);
	bl_manifest_done(&manifest);

	restored = restore_into("back", NULL, &manifest, &said);
	assert_true(restored.found);
	assert_int_equal(restored.files, 4);
	assert_true(restored.step == 500);
	assert_string_equal(bl_buf_text(&said), "");
	assert_same_trees("ckpt", "back");
	bl_snapshots_free(snapshots);
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

/* Lets a file change at a chosen moment of its upload. */
static void (*meddle)(void);

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)done;
	(void)total;
	if (meddle)
		meddle();
}

static struct bl_published take_meddled(struct bl_snapshots *snapshots, void (*how)(void))
{
	struct bl_call call = { .progress = on_progress };
	struct bl_snapshot_when when = usual();
	struct bl_published out = { 0 };
	struct bl_err err = { 0 };

	meddle = how;
	if (bl_snapshots_take(snapshots, store, &call, &when, &out, &err))
		fail_msg("%s", err.text);
	meddle = NULL;
	return out;
}

static void rewrite_last(void)
{
	put_zip("ckpt/last.ckpt", (char)('a' + rand() % 26), 500);
}

static void grow_in_place(void)
{
	int fd = openat(folder_fd, "ckpt/last.ckpt", O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void rotate_away(void)
{
	remove_path("ckpt/checkpoint-500");
}

static void what_changes_while_it_is_read_is_left(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_published out;

	(void)state;
	put_zip("ckpt/last.ckpt", 'a', 1000);
	for (int i = 0; i < 3; i++) {
		out = take_meddled(snapshots, grow_in_place);
		assert_false(out.published);
		assert_string_equal(out.lost, i < 2 ? "" : "last.ckpt");
		put_zip("ckpt/last.ckpt", 'a', 1000);
	}
	assert_false(is_there(OBJECTS "001-000003"));
	assert_true(take(snapshots).published);
	put_zip("ckpt/last.ckpt", 'b', 1000);
	out = take_meddled(snapshots, grow_in_place);
	assert_string_equal(out.lost, ""); /* counted anew */
	/* replaced whole: the descriptor read the old one, which is gone */
	put_zip("ckpt/last.ckpt", 'c', 1000);
	assert_false(take_meddled(snapshots, rewrite_last).published);
	bl_snapshots_free(snapshots);
}

static void a_checkpoint_rotated_away_is_left_out(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_published out;

	(void)state;
	put_trainer_checkpoint("ckpt", 1000);
	put_trainer_checkpoint("ckpt", 500);
	put_text("ckpt/checkpoint-500/zz", "as long as it lasts");
	out = take_meddled(snapshots, rotate_away);
	assert_true(out.published);
	assert_int_equal(out.files, 3);
	assert_string_equal(out.lost, "");
	assert_string_equal(key_in(out.manifest, "checkpoint-500/optimizer.pt"), "");
	bl_snapshots_free(snapshots);
}

static void links_stay_inside(void **state)
{
	static const struct {
		const char *path, *target;
		bool want;
	} cases[] = {
		{ "a", "b", true },
		{ "a", "b/c", true },
		{ "a", "./b//c/", true },
		{ "a", ".", true },
		{ "d/a", "../b", true },
		{ "d/e/a", "../../b", true },
		{ "a", "/etc/passwd", false },
		{ "a", "..", false },
		{ "a", "../b", false },
		{ "d/a", "../../b", false },
		{ "a", "b/../c", false },
		{ "d/a", "../b/../c", false },
		{ "a", "", false },
		{ "a", "\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++)
		if (bl_link_is_safe(cases[i].path, cases[i].target) != cases[i].want)
			fail_msg("%s -> %s", cases[i].path, cases[i].target);
}

static void links_follow_their_targets(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_published out;

	(void)state;
	put_zip("ckpt/one.pt", '1', 10);
	make_link("ckpt/last.pt", "one.pt");
	make_link("ckpt/again", "last.pt");
	make_link("ckpt/nowhere", "absent");
	make_link("ckpt/out", "../../etc");
	out = take(snapshots);
	assert_non_null(strstr(out.refused, "'out'"));
	manifest = read_manifest(out.manifest);
	assert_int_equal(manifest.n, 3);
	assert_string_equal(bl_manifest_find(&manifest, "last.pt")->link, "one.pt");
	bl_manifest_done(&manifest);
	/* it moves to a file that is not whole yet: it stays where it was */
	put_cut_zip("ckpt/two.pt", '2', 10, 3);
	put_zip("ckpt/three.pt", '3', 10);
	remove_path("ckpt/last.pt");
	make_link("ckpt/last.pt", "two.pt");
	out = take(snapshots);
	manifest = read_manifest(out.manifest);
	assert_string_equal(bl_manifest_find(&manifest, "last.pt")->link, "one.pt");
	bl_manifest_done(&manifest);
	put_zip("ckpt/two.pt", '2', 10);
	out = take(snapshots);
	manifest = read_manifest(out.manifest);
	assert_string_equal(bl_manifest_find(&manifest, "last.pt")->link, "two.pt");
	bl_snapshots_free(snapshots);
}

static void names_that_no_store_holds_are_refused(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	struct bl_published out;

	(void)state;
	put_zip("ckpt/good.pt", 'g', 10);
	put_zip("ckpt/bad\xff.pt", 'b', 10);
	out = take(snapshots);
	assert_int_equal(out.files, 1);
	assert_non_null(strstr(out.refused, "not UTF-8"));
	assert_int_equal(bl_utf8_valid(out.refused, strlen(out.refused)), strlen(out.refused));
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

static void a_damaged_checkpoint_gives_way_to_an_older_one(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	BL_AUTO(bl_buf) said = BL_BUF(65536);
	struct bl_restored restored;

	(void)state;
	for (char c = 'a'; c <= 'e'; c++) {
		put_zip("ckpt/last.pt", c, 1000);
		assert_true(take(snapshots).published);
	}
	put_text(OBJECTS "001-000005.manifest.json", "{\"schema\":1,\"run\":");
	remove_path(OBJECTS "001-000004/last.pt");
	put_zip(OBJECTS "001-000003/last.pt", 'x', 1000);
	restored = restore_into("back", NULL, NULL, &said);
	assert_true(restored.found);
	assert_string_equal(restored.manifest, "runs/" RUN "/checkpoints/001-000002.manifest.json");
	assert_non_null(strstr(bl_buf_text(&said), "001-000005.manifest.json does not verify"));
	assert_non_null(strstr(bl_buf_text(&said), "001-000004.manifest.json does not verify"));
	assert_non_null(strstr(bl_buf_text(&said), "CRC64NVME differs"));
	bl_snapshots_free(snapshots);
}

static void nothing_that_verifies_is_a_fresh_start(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	BL_AUTO(bl_buf) said = BL_BUF(65536);
	struct bl_restored restored;

	(void)state;
	assert_false(restore_into("back", NULL, NULL, &said).found);
	put_zip("ckpt/a.pt", 'a', 1000);
	put_zip("ckpt/b.pt", 'b', 1000);
	assert_true(take(snapshots).published);
	put_zip(OBJECTS "001-000001/b.pt", 'b', 999);
	restored = restore_into("back", NULL, NULL, &said);
	assert_false(restored.found);
	assert_true(isnan(restored.step));
	assert_non_null(strstr(bl_buf_text(&said), "bytes instead of"));
	/* the half that verified is not left behind */
	assert_false(is_there("back/a.pt"));
	bl_snapshots_free(snapshots);
}

static void a_full_directory_is_not_restored_into(void **state)
{
	BL_AUTO(bl_buf) said = BL_BUF(4096);
	struct bl_restored out;
	struct bl_err err = { 0 };

	(void)state;
	put_text("back/x", "");
	assert_int_equal(bl_checkpoint_restore(store, NULL, RUN, NULL, folder_path("back"), &out,
	                                       NULL, &said, &err),
	                 -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_true(is_there("back/x"));
}

static void exactly_one_manifest_can_be_asked_for(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	BL_AUTO(bl_buf) said = BL_BUF(4096);
	struct bl_restored out;
	struct bl_err err = { 0 };

	(void)state;
	put_zip("ckpt/a.pt", 'a', 10);
	struct bl_published first = take(snapshots);
	put_zip("ckpt/b.pt", 'b', 10);
	assert_true(take(snapshots).published);
	assert_string_equal(restore_into("back", first.manifest, NULL, &said).manifest,
	                    first.manifest);
	assert_false(is_there("back/b.pt"));
	assert_int_equal(bl_checkpoint_restore(store, NULL, RUN, "runs/other/checkpoints/1-1",
	                                       folder_path("none"), &out, NULL, &said, &err),
	                 -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_snapshots_free(snapshots);
}

static void put_manifest(const char *name, const char *fields)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	char path[200];

	bl_buf_addf(&text,
	            "{\"schema\":1,\"run\":\"" RUN "\",\"attempt\":1,\"seq\":1,\"at_ms\":1,%s}",
	            fields);
	snprintf(path, sizeof(path), OBJECTS "%s", name);
	put_text(path, bl_buf_text(&text));
}

static void hostile_manifests_are_refused(void **state)
{
#define FILE_ENTRY(path, key)                                                                      \
	"\"entries\":[{\"path\":\"" path                                                           \
	"\",\"size\":1,\"crc64nvme\":\"AAAAAAAAAAA=\",\"key\":\"" key "\"}]"
	static const char *const bad[] = {
		"\"entries\":{}",
		"\"entries\":[{}]",
		"\"entries\":[{\"path\":\"a\"}]",
		"\"entries\":[{\"path\":\"../a\",\"link\":\"b\"}]",
		"\"entries\":[{\"path\":\"/a\",\"link\":\"b\"}]",
		"\"entries\":[{\"path\":\"a//b\",\"link\":\"b\"}]",
		"\"entries\":[{\"path\":\"a\",\"link\":\"b\"},{\"path\":\"a\",\"link\":\"c\"}]",
		FILE_ENTRY("a", "runs/other/checkpoints/001-000001/a"),
		FILE_ENTRY("a", "/etc/passwd"),
		"\"entries\":[{\"path\":\"a\",\"size\":-1,\"crc64nvme\":\"AAAAAAAAAAA=\","
		"\"key\":\"runs/" RUN "/checkpoints/001-000001/a\"}]",
	};
#undef FILE_ENTRY

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
		struct bl_err err = { 0 };

		put_manifest("001-000001.manifest.json", bad[i]);
		if (!bl_manifest_read(store, "runs/" RUN "/checkpoints/001-000001.manifest.json",
		                      &manifest, &err) ||
		    err.code != BL_ECORRUPT)
			fail_msg("%s: %s", bad[i], err.text);
	}
	put_manifest("001-000002.manifest.json", "\"entries\":[]");
	struct bl_manifest manifest;
	struct bl_err err = { 0 };
	assert_int_equal(bl_manifest_read(store,
	                                  "runs/" RUN "/checkpoints/001-000002.manifest.json",
	                                  &manifest, &err),
	                 -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

static void restored_links_stay_inside(void **state)
{
	BL_AUTO(bl_buf) said = BL_BUF(4096);

	(void)state;
	put_manifest("001-000001.manifest.json",
	             "\"entries\":[{\"path\":\"d/in\",\"link\":\"../d\"},"
	             "{\"path\":\"out\",\"link\":\"/etc\"}]");
	assert_true(restore_into("back", NULL, NULL, &said).found);
	assert_true(is_there("back/d/in"));
	assert_false(is_there("back/out"));
	assert_non_null(strstr(bl_buf_text(&said), "'out'"));
}

static void what_was_restored_is_not_uploaded_again(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	BL_AUTO(bl_buf) said = BL_BUF(4096);
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_published first, second;
	struct bl_err err = { 0 };

	(void)state;
	put_trainer_checkpoint("ckpt", 5);
	first = take(snapshots);
	bl_snapshots_free(snapshots);
	remove_path("ckpt");
	assert_true(restore_into("ckpt", NULL, &manifest, &said).found);
	snapshots = make_snapshots(2);
	assert_int_equal(bl_snapshots_adopt(snapshots, &manifest, &err), 0);
	assert_false(take(snapshots).published);
	put_trainer_checkpoint("ckpt", 6);
	second = take(snapshots);
	assert_int_equal(second.new_files, 3);
	assert_string_equal(second.manifest, "runs/" RUN "/checkpoints/002-000001.manifest.json");
	assert_string_equal(key_in(second.manifest, "checkpoint-5/optimizer.pt"),
	                    key_in(first.manifest, "checkpoint-5/optimizer.pt"));
	bl_snapshots_free(snapshots);
}

static void an_adopted_object_that_is_gone_is_uploaded_again(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);
	BL_AUTO(bl_buf) said = BL_BUF(4096);
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_published out;
	struct bl_err err = { 0 };

	(void)state;
	put_zip("ckpt/a.pt", 'a', 10);
	put_zip("ckpt/b.pt", 'b', 10);
	assert_true(take(snapshots).published);
	bl_snapshots_free(snapshots);
	remove_path("ckpt");
	assert_true(restore_into("ckpt", NULL, &manifest, &said).found);
	remove_path(OBJECTS "001-000001/a.pt");
	snapshots = make_snapshots(2);
	assert_int_equal(bl_snapshots_adopt(snapshots, &manifest, &err), 0);
	out = take(snapshots);
	assert_int_equal(out.new_files, 1);
	assert_string_equal(key_in(out.manifest, "a.pt"),
	                    "runs/" RUN "/checkpoints/002-000001/a.pt");
	bl_snapshots_free(snapshots);
}

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

static void no_checkpoint_is_said(void **state)
{
	char key[BL_RUN_KEY_SIZE];
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_checkpoint_newest(store, RUN, key, sizeof(key), &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
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
#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_missing_path_is_empty),
		STORE_TEST(a_checkpoint_goes_out_and_comes_back),
		STORE_TEST(nothing_new_is_not_published),
		STORE_TEST(unchanged_files_point_at_earlier_keys),
		STORE_TEST(the_unknown_waits_until_it_is_quiet),
		STORE_TEST(after_the_end_nothing_waits),
		STORE_TEST(a_crash_casts_doubt_on_what_was_just_written),
		STORE_TEST(a_stepped_clock_proves_nothing),
		STORE_TEST(what_is_rewritten_keeps_its_last_version),
		STORE_TEST(a_group_is_taken_together),
		STORE_TEST(what_changes_while_it_is_read_is_left),
		STORE_TEST(a_checkpoint_rotated_away_is_left_out),
		cmocka_unit_test(links_stay_inside),
		STORE_TEST(links_follow_their_targets),
		STORE_TEST(names_that_no_store_holds_are_refused),
		STORE_TEST(the_sequence_goes_on),
		STORE_TEST(a_second_host_goes_on),
		STORE_TEST(a_second_host_trusts_bytes_not_times),
		STORE_TEST(a_damaged_checkpoint_gives_way_to_an_older_one),
		STORE_TEST(nothing_that_verifies_is_a_fresh_start),
		STORE_TEST(a_full_directory_is_not_restored_into),
		STORE_TEST(exactly_one_manifest_can_be_asked_for),
		STORE_TEST(hostile_manifests_are_refused),
		STORE_TEST(restored_links_stay_inside),
		STORE_TEST(what_was_restored_is_not_uploaded_again),
		STORE_TEST(an_adopted_object_that_is_gone_is_uploaded_again),
		STORE_TEST(prune_keeps_the_newest_and_the_best),
		STORE_TEST(prune_spares_a_snapshot_in_the_making),
		STORE_TEST(prune_deletes_nothing_that_it_cannot_judge),
		STORE_TEST(no_checkpoint_is_said),
#ifdef BL_TESTING
		STORE_TEST(a_full_store_leaves_no_manifest),
#endif
		STORE_TEST(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
