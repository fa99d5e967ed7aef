/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void a_tree_is_read_in_order(void **state)
{
	static const char *const want[] = { "", "a", "a/b", "a/b/x", "a/y", "link", "z" };
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };

	(void)state;
	put_text("z", "1");
	put_text("a/y", "22");
	put_text("a/b/x", "");
	put_text("a/.bl-abc.tmp", "ours");
	make_link("link", "a/y");
	assert_int_equal(bl_tree_read(folder, &tree, &err), 0);
	assert_int_equal(tree.n, BL_COUNT(want));
	for (size_t i = 0; i < BL_COUNT(want); i++)
		assert_string_equal(tree.nodes[i].path, want[i]);
	assert_string_equal(tree.nodes[5].target, "a/y");
	assert_int_equal(tree.nodes[4].stamp.size, 2);
	assert_int_equal(bl_tree_child(&tree, 0, "z"), 6);
	assert_int_equal(bl_tree_child(&tree, 1, "z"), 0);
	assert_int_equal(bl_tree_parent(&tree, 3), 2);
	assert_int_equal(bl_tree_parent(&tree, 4), 1);
	assert_int_equal(bl_tree_parent(&tree, 6), 0);
}

static bool wants_no_secrets(const void *arg, const char *path, bool is_dir)
{
	(void)is_dir;
	return strcmp(path, arg) != 0;
}

static void a_filter_bounds_the_walk(void **state)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };

	(void)state;
	put_text("a/x", "1");
	put_text("secrets/y", "2");
	assert_int_equal(bl_tree_read_some(folder, wants_no_secrets, "secrets", &tree, &err), 0);
	assert_int_equal(tree.n, 3);
	assert_string_equal(tree.nodes[2].path, "a/x");
}

static void no_link_is_opened(void **state)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };
	BL_FD fd = -1;

	(void)state;
	put_text("a", "1");
	put_text("d/b", "2");
	assert_int_equal(bl_tree_read(folder, &tree, &err), 0);
	assert_int_equal(bl_tree_open(&tree, 1, &fd, &err), 0);
	/* files turn into links once they were seen */
	remove_path("a");
	make_link("a", "d/b");
	bl_fd_done(&fd);
	assert_int_equal(bl_tree_open(&tree, 1, &fd, &err), -1);
	bl_err_clear(&err);
	remove_path("d");
	make_link("d", "/etc");
	assert_int_equal(bl_tree_open(&tree, 3, &fd, &err), -1);
}

static void an_absent_tree_is_said(void **state)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_tree_read(folder_path("none"), &tree, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static void a_deep_tree_is_refused(void **state)
{
	BL_AUTO(bl_buf) path = BL_BUF(4096);
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };

	(void)state;
	for (int i = 0; i <= BL_TREE_DEPTH_MAX; i++)
		bl_buf_adds(&path, "d/");
	bl_buf_adds(&path, "x");
	put_text(bl_buf_text(&path), "");
	assert_int_equal(bl_tree_read(folder, &tree, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
}

static void numbered_leaves_are_groups(void **state)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };

	(void)state;
	put_text("epoch_3/model", "1");
	put_text("final/model", "1");
	put_text("version_0/checkpoints/last", "1");
	put_text("version_0/metrics.csv", "1");
	assert_int_equal(bl_tree_read(folder, &tree, &err), 0);
	assert_true(bl_whole_is_group(&tree, bl_tree_child(&tree, 0, "epoch_3")));
	assert_false(bl_whole_is_group(&tree, bl_tree_child(&tree, 0, "final")));
	assert_false(bl_whole_is_group(&tree, bl_tree_child(&tree, 0, "version_0")));
}

static void what_vanishes_is_not_whole(void **state)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };
	enum bl_whole said;

	(void)state;
	put_trainer_checkpoint(".", 5);
	assert_int_equal(bl_tree_read(folder, &tree, &err), 0);
	remove_path("checkpoint-5");
	for (size_t i = 1; i < tree.n; i++) {
		int rc = tree.nodes[i].kind == BL_NODE_DIR ? bl_whole_dir(&tree, i, &said, &err)
		                                           : bl_whole_file(&tree, i, &said, &err);

		assert_int_equal(rc, 0);
		assert_int_equal(err.code, BL_OK);
		assert_int_equal(said, BL_WHOLE_NO);
	}
}

#define LOOK(...)                                                                                  \
	{                                                                                          \
		.quiet_ms = 10, .now = 1000, .wall_steady = true, __VA_ARGS__                      \
	}

static const struct {
	const char *why;
	struct bl_last_look look;
	bool want;
} last_looks[] = {
	{ "old by its times", LOOK(.changed_at = 990), true },
	{ "too young", LOOK(.changed_at = 991), false },
	{ "seen unchanged long enough", LOOK(.changed_at = 999, .unchanged_ms = 10), true },
	{ "a writer", LOOK(.changed_at = 1, .writer = BL_WRITER_OPEN), false },
	{ "a writer after the end", LOOK(.changed_at = 1, .writer = BL_WRITER_OPEN, .ended = true),
	  false },
	{ "a blind probe waits three times", LOOK(.changed_at = 971, .writer = BL_WRITER_UNKNOWN),
	  false },
	{ "a blind probe waited", LOOK(.changed_at = 970, .writer = BL_WRITER_UNKNOWN), true },
	{ "a blind probe watched",
	  LOOK(.changed_at = 999, .unchanged_ms = 30, .writer = BL_WRITER_UNKNOWN), true },
	{ "the end needs no quiet", LOOK(.changed_at = 1000, .ended = true), true },
	{ "the end, blind", LOOK(.changed_at = 1000, .ended = true, .writer = BL_WRITER_UNKNOWN),
	  true },
	{ "written as it crashed", LOOK(.changed_at = 895, .crashed = true, .crashed_at = 900),
	  false },
	{ "written as it crashed, then ended",
	  LOOK(.changed_at = 900, .crashed = true, .crashed_at = 900, .ended = true), false },
	{ "written as it crashed, watched since",
	  LOOK(.changed_at = 895, .crashed = true, .crashed_at = 900, .unchanged_ms = 100), false },
	{ "older than the crash by the quiet time",
	  LOOK(.changed_at = 890, .crashed = true, .crashed_at = 900), true },
	{ "written after a worker's crash",
	  LOOK(.changed_at = 901, .crashed = true, .crashed_at = 900), true },
	{ "from the future after a crash",
	  LOOK(.changed_at = 1001, .crashed = true, .crashed_at = 900, .unchanged_ms = 100),
	  false },
	{ "old, and it crashed nobody knows when",
	  LOOK(.changed_at = 1, .crashed = true, .unchanged_ms = 100), false },
	{ "from the future", LOOK(.changed_at = 2000), false },
	{ "from the future, watched", LOOK(.changed_at = 2000, .unchanged_ms = 10), true },
	{ "the clock stepped", { .quiet_ms = 10, .now = 1000, .changed_at = 1 }, false },
	{ "the clock stepped, watched",
	  { .quiet_ms = 10, .now = 1000, .changed_at = 1, .unchanged_ms = 10 },
	  true },
	{ "the clock stepped and a crash",
	  { .quiet_ms = 10,
	    .now = 1000,
	    .changed_at = 1,
	    .unchanged_ms = 10,
	    .crashed = true,
	    .crashed_at = 900 },
	  false },
};

static void the_last_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(last_looks); i++)
		if (bl_whole_at_last(&last_looks[i].look) != last_looks[i].want)
			fail_msg("%s", last_looks[i].why);
}

static void writers_are_seen(void **state)
{
	int writer, reader;
	char *map;

	(void)state;
	put_text("f", "0123456789");
	reader = openat(folder_fd, "f", O_RDONLY | O_CLOEXEC);
	assert_true(reader >= 0);
	if (bl_writer_probe(reader) == BL_WRITER_UNKNOWN) {
		close(reader);
		print_message("no leases on this file system\n");
		skip();
	}
	assert_int_equal(bl_writer_probe(reader), BL_WRITER_NONE);
	writer = openat(folder_fd, "f", O_RDWR | O_CLOEXEC);
	assert_int_equal(bl_writer_probe(reader), BL_WRITER_OPEN);
	map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
	assert_true(map != MAP_FAILED);
	close(writer);
	assert_int_equal(bl_writer_probe(reader), BL_WRITER_OPEN);
	munmap(map, 10);
	assert_int_equal(bl_writer_probe(reader), BL_WRITER_NONE);
	/* the lease is gone again: an open for writing does not wait */
	writer = openat(folder_fd, "f", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(writer >= 0);
	close(writer);
	close(reader);
}

static int judge_everything(struct bl_err *err)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	enum bl_whole said;
	uint64_t size;

	if (bl_tree_read(folder, &tree, err) || bl_whole_below(&tree, 0, &said, err) ||
	    bl_safetensors_size("{}", 2, &size, err))
		return -1;
	for (size_t i = 1; i < tree.n; i++) {
		if (tree.nodes[i].kind == BL_NODE_DIR && bl_whole_dir(&tree, i, &said, err))
			return -1;
		if (tree.nodes[i].kind == BL_NODE_FILE && bl_whole_file(&tree, i, &said, err))
			return -1;
		/* memory must never decide */
		if (said == BL_WHOLE_NO)
			return bl_fail(err, BL_EBUG, "'%s' is whole", tree.nodes[i].path);
	}
	return 0;
}

static void allocations_may_fail(void **state)
{
	(void)state;
	put_trainer_checkpoint(".", 5);
	put_text("checkpoint-5/model.safetensors.index.json",
	         "{\"weight_map\":{\"a\":\"model.safetensors\"}}");
	put_text("dcp/.metadata", "x");
	put_text("latest", "tag");
	put_zip("tag/mp_rank_00_model_states.pt", 'x', 10);
	each_allocation_fails(judge_everything, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(a_tree_is_read_in_order),    FOLDER_TEST(a_filter_bounds_the_walk),
		FOLDER_TEST(no_link_is_opened),          FOLDER_TEST(an_absent_tree_is_said),
		FOLDER_TEST(a_deep_tree_is_refused),     FOLDER_TEST(numbered_leaves_are_groups),
		FOLDER_TEST(what_vanishes_is_not_whole), cmocka_unit_test(the_last_rule),
		FOLDER_TEST(writers_are_seen),           FOLDER_TEST(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("complete", tests, NULL, NULL);
}
