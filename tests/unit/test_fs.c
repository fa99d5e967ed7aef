/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void escapes_are_refused(void **state)
{
	static const char *const paths[] = {
		"../x",       "a/../../x", "/etc/passwd", "..",   "a/..",
		"out/passwd", "in/f",      "a/../a/f",    "leaf",
	};

	(void)state;
	put_text("a/f", "1");
	assert_int_equal(symlinkat("/etc", folder_fd, "out"), 0);
	assert_int_equal(symlinkat("a", folder_fd, "in"), 0);
	assert_int_equal(symlinkat("a/f", folder_fd, "leaf"), 0);
	for (int walk = 0; walk < 2; walk++) {
		if (walk) /* the walk by hand must judge as the kernel does */
			setenv("BRANCHLINE_FAILPOINT", "fs.openat2.missing=EIO", 1);
		for (size_t i = 0; i < BL_COUNT(paths); i++) {
			struct bl_err err = { 0 };
			int fd = -7;

			assert_int_equal(
				bl_fs_open_beneath(folder_fd, paths[i], O_RDONLY, 0, &fd, &err),
				-1);
			if (err.code != BL_EDENIED)
				fail_msg("'%s': code %d: %s", paths[i], err.code, err.text);
			assert_int_equal(fd, -7);
		}
		assert_file_holds("a/f", "1");
		assert_file_holds("./a//f", "1");
		unsetenv("BRANCHLINE_FAILPOINT");
	}
}

static void an_opened_file_is_close_on_exec(void **state)
{
	for (int walk = 0; walk < 2; walk++) {
		struct bl_err err = { 0 };
		BL_FD fd = -1;

		if (walk)
			setenv("BRANCHLINE_FAILPOINT", "fs.openat2.missing=EIO", 1);
		assert_int_equal(
			bl_fs_open_beneath(folder_fd, "new", O_WRONLY | O_CREAT, 0600, &fd, &err),
			0);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		unsetenv("BRANCHLINE_FAILPOINT");
	}
	(void)state;
}

static void absence_and_files_in_the_way_are_enoent(void **state)
{
	static const char *const paths[] = { "none", "none/x", "f/x" };
	bool there = true;

	(void)state;
	put_text("f", "1");
	for (size_t i = 0; i < BL_COUNT(paths); i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(16);
		struct bl_err err = { 0 };

		assert_int_equal(bl_fs_read(folder_fd, paths[i], &buf, &err), -1);
		assert_int_equal(err.code, BL_ENOENT);
		bl_err_clear(&err);
		assert_int_equal(bl_fs_exists(folder_fd, paths[i], &there, &err), 0);
		assert_false(there);
	}
}

static void a_dangling_link_exists(void **state)
{
	struct bl_err err = { 0 };
	bool there = false;

	(void)state;
	assert_int_equal(symlinkat("nowhere", folder_fd, "dangling"), 0);
	assert_int_equal(bl_fs_exists(folder_fd, "dangling", &there, &err), 0);
	assert_true(there);
}

static void reading_keeps_to_its_limit(void **state)
{
	BL_AUTO(bl_buf) exact = BL_BUF(5);
	BL_AUTO(bl_buf) small = BL_BUF(5);
	struct bl_err err = { 0 };

	(void)state;
	put_text("five", "12345");
	put_text("six", "123456");
	assert_int_equal(bl_fs_read(folder_fd, "five", &exact, &err), 0);
	assert_int_equal(exact.len, 5);
	bl_buf_adds(&small, "ab");
	assert_int_equal(bl_fs_read(folder_fd, "six", &small, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(bl_buf_text(&small), "ab");
}

static void files_without_a_size_are_read_and_bounded(void **state)
{
	BL_AUTO(bl_buf) whole = BL_BUF(65536);
	BL_AUTO(bl_buf) small = BL_BUF(8);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_fs_read_path("/proc/self/status", &whole, &err), 0);
	assert_non_null(strstr(bl_buf_text(&whole), "State:"));
	assert_int_equal(bl_fs_read_path("/proc/self/status", &small, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(bl_buf_text(&small), "");
}

static void only_regular_files_are_read(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(16);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(mkfifoat(folder_fd, "fifo", 0600), 0);
	assert_int_equal(bl_fs_read(folder_fd, "fifo", &buf, &err), -1); /* and does not wait */
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_fs_read_path(folder, &buf, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

static void a_short_read_is_corrupt(void **state)
{
	struct bl_err err = { 0 };
	BL_FD fd = -1;
	char got[8] = "";

	(void)state;
	put_text("short", "123456");
	assert_int_equal(bl_fs_open_beneath(folder_fd, "short", O_RDONLY, 0, &fd, &err), 0);
	assert_int_equal(bl_fs_pread(fd, got, 3, 2, &err), 0);
	assert_string_equal(got, "345");
	assert_int_equal(bl_fs_pread(fd, got, 3, 4, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

struct seen {
	char text[256];
};

static int note(void *arg, int in, const char *name, unsigned char type, struct bl_err *err)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	(void)in, (void)err;
	snprintf(seen->text + len, sizeof(seen->text) - len, "%s%s ", name,
	         type == DT_DIR   ? "/"
	         : type == DT_LNK ? "@"
	                          : "");
	return !strcmp(name, "stop-here") ? 7 : 0;
}

static void listing_is_sorted_by_bytes_and_stoppable(void **state)
{
	struct bl_err err = { 0 };
	struct seen seen = { "" };

	(void)state;
	put_text("list/b", "");
	put_text("list/B", "");
	put_text("list/a/x", "");
	put_text("list/\xc3\xa9", "");
	assert_int_equal(symlinkat("b", folder_fd, "list/c"), 0);
	assert_int_equal(bl_fs_list(folder_fd, "list", note, &seen, &err), 0);
	assert_string_equal(seen.text, "B a/ b c@ \xc3\xa9 ");
	put_text("list/stop-here", "");
	seen.text[0] = '\0';
	assert_int_equal(bl_fs_list(folder_fd, "list", note, &seen, &err), 7);
	assert_string_equal(seen.text, "B a/ b c@ stop-here ");
}

static void removing_a_tree_spares_what_links_point_at(void **state)
{
	struct bl_err err = { 0 };
	bool there = true;

	(void)state;
	put_text("target/file", "safe");
	put_text("tree/x/y/z", "1");
	assert_int_equal(symlinkat("../target", folder_fd, "tree/link"), 0);
	assert_int_equal(bl_fs_remove_tree(folder_fd, "tree", &err), 0);
	assert_int_equal(bl_fs_exists(folder_fd, "tree", &there, &err), 0);
	assert_false(there);
	assert_file_holds("target/file", "safe");
	assert_int_equal(bl_fs_remove_tree(folder_fd, "tree", &err), 0); /* absent */
	assert_int_equal(bl_fs_remove_tree(folder_fd, "no/such", &err), 0);
	assert_int_equal(bl_fs_remove_tree(folder_fd, "..", &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
}

static void directories_are_made_and_found(void **state)
{
	struct bl_err err = { 0 };
	char path[128];
	uint64_t bytes = 0;

	(void)state;
	for (int again = 0; again < 2; again++) {
		BL_FD fd = -1;
		BL_FD beneath = -1;

		snprintf(path, sizeof(path), "%s/made/by//name/", folder);
		assert_int_equal(bl_fs_make_dir(path, &fd, &err), 0);
		assert_true(fd >= 0);
		assert_int_equal(
			bl_fs_make_dir_beneath(folder_fd, "made/beneath/it", &beneath, &err), 0);
		assert_true(beneath >= 0);
		assert_int_equal(bl_fs_make_dir_beneath(folder_fd, "made/beneath/it", NULL, &err),
		                 0);
		assert_int_equal(bl_fs_free_bytes(fd, &bytes, &err), 0);
		assert_true(bytes > 0);
	}
	put_text("made/file", "");
	assert_int_equal(bl_fs_make_dir_beneath(folder_fd, "made/file", NULL, &err), -1);
	assert_int_equal(bl_fs_make_dir_beneath(folder_fd, "made/file/x", NULL, &err), -1);
	bl_err_clear(&err);
	BL_FD none = -1;
	assert_int_equal(bl_fs_make_dir("/proc/branchline", &none, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	assert_int_equal(bl_fs_open_dir("/no/such/directory", &none, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static int every_call(struct bl_err *err)
{
	BL_AUTO(bl_buf) buf = BL_BUF(4096);
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;
	struct seen seen = { "" };
	BL_FD made = -1;
	bool there;
	char path[128];

	snprintf(path, sizeof(path), "%s/alloc/file", folder);
	return bl_fs_make_dir_beneath(folder_fd, "alloc/a/b", &made, err) ||
	                       bl_fs_replace(folder_fd, "alloc/file", "1", 1, 0644, err) ||
	                       bl_fs_remove_tree(folder_fd, "alloc/once", err) ||
	                       bl_fs_create(folder_fd, "alloc/once", "1", 1, 0644, err) ||
	                       bl_fs_temp_open(folder_fd, "alloc/t", 0644, &temp, err) ||
	                       bl_fs_temp_replace(&temp, err) ||
	                       bl_fs_read(folder_fd, "alloc/file", &buf, err) ||
	                       bl_fs_read_path(path, &buf, err) ||
	                       bl_fs_list(folder_fd, "alloc", note, &seen, err) ||
	                       bl_fs_exists(folder_fd, "alloc/file", &there, err) ||
	                       bl_fs_remove_tree(folder_fd, "alloc/a", err)
	               ? -1
	               : 0;
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(every_call, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_are_refused),
		cmocka_unit_test(an_opened_file_is_close_on_exec),
		cmocka_unit_test(absence_and_files_in_the_way_are_enoent),
		cmocka_unit_test(a_dangling_link_exists),
		cmocka_unit_test(reading_keeps_to_its_limit),
		cmocka_unit_test(files_without_a_size_are_read_and_bounded),
		cmocka_unit_test(only_regular_files_are_read),
		cmocka_unit_test(a_short_read_is_corrupt),
		cmocka_unit_test(listing_is_sorted_by_bytes_and_stoppable),
		cmocka_unit_test(removing_a_tree_spares_what_links_point_at),
		cmocka_unit_test(directories_are_made_and_found),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("fs", tests, folder_make_in_tmp, folder_drop);
}
