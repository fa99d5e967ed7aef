/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints that change while they are read, and links in them. */
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
	/* a number under which an object was ever written is not used again */
	assert_int_equal(take(snapshots).seq, 4);
	put_zip("ckpt/last.ckpt", 'b', 1000);
	out = take_meddled(snapshots, grow_in_place);
	assert_string_equal(out.lost, ""); /* counted anew */
	/* replaced whole: the descriptor read the old one, which is gone */
	put_zip("ckpt/last.ckpt", 'c', 1000);
	assert_false(take_meddled(snapshots, rewrite_last).published);
	bl_snapshots_free(snapshots);
}

/* model.safetensors comes first and is done by then. */
static void replace_the_first_file(void)
{
	if (is_there(OBJECTS "001-000001/checkpoint-7/model.safetensors"))
		put_safetensors("ckpt/checkpoint-7/model.safetensors", 1007, 0);
}

static void add_a_file(void)
{
	put_text("ckpt/checkpoint-7/late", "x");
}

static void a_directory_is_looked_at_again_at_the_end(void **state)
{
	struct bl_snapshots *snapshots = make_snapshots(1);

	(void)state;
	put_trainer_checkpoint("ckpt", 7);
	assert_false(take_meddled(snapshots, replace_the_first_file).published);
	assert_false(is_there(OBJECTS "001-000001"));
	assert_false(take_meddled(snapshots, add_a_file).published);
	assert_int_equal(take(snapshots).files, 4);
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
		{ "d/a", "b/../c", false },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_changes_while_it_is_read_is_left),
		STORE_TEST(a_directory_is_looked_at_again_at_the_end),
		STORE_TEST(a_checkpoint_rotated_away_is_left_out),
		cmocka_unit_test(links_stay_inside),
		STORE_TEST(links_follow_their_targets),
		STORE_TEST(names_that_no_store_holds_are_refused),
	};

	return cmocka_run_group_tests_name("checkpoint_changes", tests, NULL, NULL);
}
