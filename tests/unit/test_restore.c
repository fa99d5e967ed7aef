/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/folder.h"
#include "tests/unit/snapshots.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Files by size and time to the millisecond (the CRC has compared bytes), links by target. */
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

static void objects_of_a_parent_run_are_uploaded_anew(void **state)
{
	struct bl_snapshots *snapshots;
	BL_AUTO(bl_buf) said = BL_BUF(4096);
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_published out;
	struct bl_err err = { 0 };

	(void)state;
	put_zip("ckpt/a.pt", 'a', 10);
	snapshots = make_snapshots(1);
	assert_true(take(snapshots).published);
	bl_snapshots_free(snapshots);
	remove_path("ckpt");
	assert_true(restore_into("ckpt", NULL, &manifest, &said).found);
	assert_int_equal(bl_snapshots_new("20261125T080301Z-1a2b3c4d-q7xl", 1, folder_path("ckpt"),
	                                  &snapshots, &err),
	                 0);
	assert_int_equal(bl_snapshots_adopt(snapshots, &manifest, &err), 0);
	out = take(snapshots);
	assert_int_equal(out.new_files, 1);
	assert_string_equal(key_in(out.manifest, "a.pt"),
	                    "runs/20261125T080301Z-1a2b3c4d-q7xl/checkpoints/001-000001/a.pt");
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

static void no_checkpoint_is_said(void **state)
{
	char key[BL_RUN_KEY_SIZE];
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_checkpoint_newest(store, RUN, key, sizeof(key), &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_checkpoint_goes_out_and_comes_back),
		STORE_TEST(a_damaged_checkpoint_gives_way_to_an_older_one),
		STORE_TEST(nothing_that_verifies_is_a_fresh_start),
		STORE_TEST(a_full_directory_is_not_restored_into),
		STORE_TEST(exactly_one_manifest_can_be_asked_for),
		STORE_TEST(hostile_manifests_are_refused),
		STORE_TEST(restored_links_stay_inside),
		STORE_TEST(what_was_restored_is_not_uploaded_again),
		STORE_TEST(objects_of_a_parent_run_are_uploaded_anew),
		STORE_TEST(an_adopted_object_that_is_gone_is_uploaded_again),
		STORE_TEST(no_checkpoint_is_said),
	};

	return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
