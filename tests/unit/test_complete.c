/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

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

/* The word of the directory rules on `path`, or of the file rules when it is a file. */
static enum bl_whole judged(const char *path)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	enum bl_whole said = BL_WHOLE_FOREIGN;
	struct bl_err err = { 0 };
	int rc = bl_tree_read(folder, &tree, &err);

	for (size_t i = 0; !rc && i < tree.n; i++) {
		if (strcmp(tree.nodes[i].path, path) != 0)
			continue;
		rc = tree.nodes[i].kind == BL_NODE_DIR ? bl_whole_dir(&tree, i, &said, &err)
		                                       : bl_whole_file(&tree, i, &said, &err);
		if (!rc)
			return said;
	}
	fail_msg("'%s': %s", path, rc ? err.text : "not in the tree");
	return said;
}

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

static void every_cut_of_a_zip_is_seen(void **state)
{
	BL_AUTO(bl_buf) whole = BL_BUF(65536);

	(void)state;
	zip_bytes(&whole, 'x', 300);
	put_zip("model.pt", 'x', 300);
	assert_int_equal(judged("model.pt"), BL_WHOLE_YES);
	for (size_t cut = 1; cut <= whole.len; cut++) {
		put_cut_zip("model.pt", 'x', 300, cut);
		/* a lone "P" may be anything */
		assert_int_equal(judged("model.pt"),
		                 cut == whole.len - 1 ? BL_WHOLE_FOREIGN : BL_WHOLE_NO);
	}
}

static void a_zip_is_known_by_its_bytes(void **state)
{
	static const struct {
		const char *path;
		const char *text;
		enum bl_whole want;
	} cases[] = {
		{ "legacy.pt", "\x80\x02}q", BL_WHOLE_FOREIGN },
		{ "empty.pt", "", BL_WHOLE_NO },
		{ "empty.pth", "", BL_WHOLE_NO },
		{ "empty.ckpt", "", BL_WHOLE_NO },
		{ "empty.json", "", BL_WHOLE_FOREIGN },
		{ "notes.txt", "PKI is short for", BL_WHOLE_FOREIGN },
		{ "cut.npz", "PK\3\4", BL_WHOLE_NO },
		{ "no-suffix", "PK\3\4 and more", BL_WHOLE_NO },
		{ "weights.h5", "\x89HDF", BL_WHOLE_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		put_text(cases[i].path, cases[i].text);
		if (judged(cases[i].path) != cases[i].want)
			fail_msg("%s", cases[i].path);
	}
}

/* The plain record, as zip(1) and numpy write it. */
static size_t plain_zip(unsigned char *out, unsigned directory_at, unsigned directory_bytes,
                        unsigned comment)
{
	size_t at = directory_at + directory_bytes;

	memset(out, 0, at + 22 + comment);
	memcpy(out + directory_at, "PK\1\2", 4);
	memcpy(out + at, "PK\5\6", 4);
	out[at + 8] = out[at + 10] = 1;
	out[at + 12] = (unsigned char)directory_bytes;
	out[at + 16] = (unsigned char)directory_at;
	out[at + 20] = (unsigned char)comment;
	return at + 22 + comment;
}

static void zip_end_records(void **state)
{
	unsigned char zip[1024];
	uint64_t at, members;
	size_t len;

	(void)state;
	len = plain_zip(zip, 100, 50, 0);
	assert_true(bl_zip_ends_well(zip, len, len, &at, &members));
	assert_int_equal(at, 100);
	assert_int_equal(members, 1);
	assert_true(bl_zip_ends_well(zip + 90, len - 90, len, &at, &members));
	assert_false(bl_zip_ends_well(zip, len, len + 1, &at, &members));
	len = plain_zip(zip, 100, 50, 30);
	assert_true(bl_zip_ends_well(zip, len, len, &at, &members));
	assert_false(bl_zip_ends_well(zip, len - 1, len - 1, &at, &members));
	/* 64-bit values announced, no 64-bit record */
	len = plain_zip(zip, 100, 50, 0);
	memset(zip + 150 + 16, 0xff, 4);
	assert_false(bl_zip_ends_well(zip, len, len, &at, &members));
	/* bytes in front of the archive, or missing in it */
	len = plain_zip(zip, 100, 50, 0);
	zip[150 + 16] = 90;
	assert_false(bl_zip_ends_well(zip, len, len, &at, &members));
	assert_false(bl_zip_ends_well(zip, 21, 21, &at, &members));
}

static void safetensors_need_their_whole_length(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{",
		"{\"w\":{}}",
		"{\"w\":{\"data_offsets\":[3,1]}}",
		"{\"w\":{\"data_offsets\":[-1,1]}}",
		"{\"w\":{\"data_offsets\":[0,1.5]}}",
	};
	uint64_t size = 0;

	(void)state;
	put_safetensors("m.safetensors", 500, 0);
	assert_int_equal(judged("m.safetensors"), BL_WHOLE_YES);
	for (size_t cut = 1; cut < 560; cut += 7) {
		put_safetensors("m.safetensors", 500, cut);
		assert_int_equal(judged("m.safetensors"), BL_WHOLE_NO);
	}
	put_text("m.safetensors", "");
	assert_int_equal(judged("m.safetensors"), BL_WHOLE_NO);
	put_text("m.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff and so on");
	assert_int_equal(judged("m.safetensors"), BL_WHOLE_NO);
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_err err = { 0 };

		assert_int_equal(bl_safetensors_size(bad[i], strlen(bad[i]), &size, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
	}
	assert_int_equal(size, 0);
}

static void trainer_directories(void **state)
{
	(void)state;
	put_trainer_checkpoint(".", 500);
	assert_int_equal(judged("checkpoint-500"), BL_WHOLE_YES);
	/* unfinished: what Trainer leaves before trainer_state.json */
	put_safetensors("checkpoint-1000/model.safetensors", 10, 0);
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_NO);
	remove_path("checkpoint-500");
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_FOREIGN);
	put_zip("checkpoint-1000/optimizer.pt", 'o', 10);
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"global_step\": 1000, \"epo");
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"epoch\": 1000}");
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"global_step\": 999}");
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"global_step\": 1000}");
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_YES);
	put_cut_zip("checkpoint-1000/rng_state_1.pth", 'r', 10, 5);
	assert_int_equal(judged("checkpoint-1000"), BL_WHOLE_NO);
}

static void trainer_leaves_its_state_beside_checkpoints_too(void **state)
{
	(void)state;
	put_text("out/trainer_state.json", "{\"global_step\": 7}");
	assert_int_equal(judged("out"), BL_WHOLE_YES);
	put_trainer_checkpoint("out", 7);
	assert_int_equal(judged("out"), BL_WHOLE_FOREIGN);
	assert_int_equal(judged("out/checkpoint-7"), BL_WHOLE_YES);
	put_text("trainer_state.json", "{\"global_step\": 7}");
	assert_int_equal(judged(""), BL_WHOLE_FOREIGN);
}

static void a_missing_shard_is_seen(void **state)
{
	(void)state;
	put_trainer_checkpoint(".", 3);
	put_text("checkpoint-3/model.safetensors.index.json",
	         "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-1.safetensors\","
	         "\"c\":\"model-2.safetensors\"}}");
	put_safetensors("checkpoint-3/model-1.safetensors", 10, 0);
	assert_int_equal(judged("checkpoint-3"), BL_WHOLE_NO);
	put_safetensors("checkpoint-3/model-2.safetensors", 10, 0);
	assert_int_equal(judged("checkpoint-3"), BL_WHOLE_YES);
	put_text("checkpoint-3/model.safetensors.index.json", "{\"weight_map\":{\"a\":1}}");
	assert_int_equal(judged("checkpoint-3"), BL_WHOLE_NO);
}

static void dcp_needs_its_metadata_last(void **state)
{
	(void)state;
	put_text("step/__0_0.distcp", "PK\3\4 many archives");
	assert_int_equal(judged("step"), BL_WHOLE_NO);
	put_text("step/.metadata", "");
	assert_int_equal(judged("step"), BL_WHOLE_NO);
	put_text("step/.metadata", "pickle");
	assert_int_equal(judged("step"), BL_WHOLE_YES);
	set_mtime_ms("step/.metadata", 1000000);
	assert_int_equal(judged("step"), BL_WHOLE_NO);
	set_mtime_ms("step/__0_0.distcp", 1000000);
	assert_int_equal(judged("step"), BL_WHOLE_YES);
	/* within a Trainer's directory it must hold, too */
	put_trainer_checkpoint(".", 9);
	put_text("checkpoint-9/pytorch_model_fsdp_0/__0_0.distcp", "x");
	assert_int_equal(judged("checkpoint-9"), BL_WHOLE_NO);
	put_text("checkpoint-9/pytorch_model_fsdp_0/.metadata", "x");
	assert_int_equal(judged("checkpoint-9"), BL_WHOLE_YES);
}

static void deepspeed_needs_to_be_named(void **state)
{
	(void)state;
	put_zip("global_step5/mp_rank_00_model_states.pt", 'm', 10);
	assert_int_equal(judged("global_step5"), BL_WHOLE_NO);
	put_text("latest", "global_step4");
	assert_int_equal(judged("global_step5"), BL_WHOLE_NO);
	put_text("latest", "global_step5\n");
	assert_int_equal(judged("global_step5"), BL_WHOLE_YES);
	put_cut_zip("global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt", 'm', 10, 1);
	assert_int_equal(judged("global_step5"), BL_WHOLE_NO);
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

static void the_last_rule(void **state)
{
	static const struct {
		const char *why;
		struct bl_last_look look;
		bool want;
	} cases[] = {
#define LOOK(...) { .quiet_ms = 10, .now = 1000, .wall_steady = true, __VA_ARGS__ }
		{ "old by its times", LOOK(.changed_at = 990), true },
		{ "too young", LOOK(.changed_at = 991), false },
		{ "seen unchanged long enough", LOOK(.changed_at = 999, .unchanged_ms = 10), true },
		{ "a writer", LOOK(.changed_at = 1, .writer = BL_WRITER_OPEN), false },
		{ "a writer after the end",
		  LOOK(.changed_at = 1, .writer = BL_WRITER_OPEN, .ended = true), false },
		{ "a blind probe waits three times",
		  LOOK(.changed_at = 971, .writer = BL_WRITER_UNKNOWN), false },
		{ "a blind probe waited", LOOK(.changed_at = 970, .writer = BL_WRITER_UNKNOWN),
		  true },
		{ "a blind probe watched",
		  LOOK(.changed_at = 999, .unchanged_ms = 30, .writer = BL_WRITER_UNKNOWN), true },
		{ "the end needs no quiet", LOOK(.changed_at = 1000, .ended = true), true },
		{ "the end, blind",
		  LOOK(.changed_at = 1000, .ended = true, .writer = BL_WRITER_UNKNOWN), true },
		{ "written as it crashed",
		  LOOK(.changed_at = 895, .crashed = true, .crashed_at = 900), false },
		{ "written as it crashed, then ended",
		  LOOK(.changed_at = 900, .crashed = true, .crashed_at = 900, .ended = true),
		  false },
		{ "written as it crashed, watched since",
		  LOOK(.changed_at = 895, .crashed = true, .crashed_at = 900, .unchanged_ms = 100),
		  false },
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
#undef LOOK
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++)
		if (bl_whole_at_last(&cases[i].look) != cases[i].want)
			fail_msg("%s", cases[i].why);
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
#define FOLDER_TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_drop)
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(a_tree_is_read_in_order),
		FOLDER_TEST(a_filter_bounds_the_walk),
		FOLDER_TEST(no_link_is_opened),
		FOLDER_TEST(an_absent_tree_is_said),
		FOLDER_TEST(a_deep_tree_is_refused),
		FOLDER_TEST(every_cut_of_a_zip_is_seen),
		FOLDER_TEST(a_zip_is_known_by_its_bytes),
		cmocka_unit_test(zip_end_records),
		FOLDER_TEST(safetensors_need_their_whole_length),
		FOLDER_TEST(trainer_directories),
		FOLDER_TEST(trainer_leaves_its_state_beside_checkpoints_too),
		FOLDER_TEST(a_missing_shard_is_seen),
		FOLDER_TEST(dcp_needs_its_metadata_last),
		FOLDER_TEST(deepspeed_needs_to_be_named),
		FOLDER_TEST(numbered_leaves_are_groups),
		FOLDER_TEST(what_vanishes_is_not_whole),
		cmocka_unit_test(the_last_rule),
		FOLDER_TEST(writers_are_seen),
		FOLDER_TEST(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("complete", tests, NULL, NULL);
}
