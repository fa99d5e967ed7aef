/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "tests/unit/failalloc.h"

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

static char root[64];
static int dir = -1;

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/bl-fs-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int drop_root(void **state)
{
	struct bl_err err = { 0 };
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = bl_fs_remove_tree(tmp, root + 5, &err);

	(void)state;
	close(tmp);
	close(dir);
	return rc;
}

static void put(const char *path, const char *text)
{
	struct bl_err err = { 0 };

	if (bl_fs_replace(dir, path, text, strlen(text), 0644, &err))
		fail_msg("%s", err.text);
}

static void assert_holds(const char *path, const char *text)
{
	BL_AUTO(bl_buf) buf = BL_BUF(4096);
	struct bl_err err = { 0 };

	if (bl_fs_read(dir, path, &buf, &err))
		fail_msg("%s", err.text);
	assert_string_equal(bl_buf_text(&buf), text);
}

static size_t count_entries(const char *path);

static int count_one(void *arg, int in, const char *name, unsigned char type, struct bl_err *err)
{
	(void)in, (void)name, (void)type, (void)err;
	++*(size_t *)arg;
	return 0;
}

static size_t count_entries(const char *path)
{
	struct bl_err err = { 0 };
	size_t n = 0;

	assert_int_equal(bl_fs_list(dir, path, count_one, &n, &err), 0);
	return n;
}

static void escapes_are_refused(void **state)
{
	static const char *const paths[] = {
		"../x",       "a/../../x", "/etc/passwd", "..",   "a/..",
		"out/passwd", "in/f",      "a/../a/f",    "leaf",
	};

	(void)state;
	put("a/f", "1");
	assert_int_equal(symlinkat("/etc", dir, "out"), 0);
	assert_int_equal(symlinkat("a", dir, "in"), 0);
	assert_int_equal(symlinkat("a/f", dir, "leaf"), 0);
	for (int walk = 0; walk < 2; walk++) {
		if (walk) /* the walk by hand must judge as the kernel does */
			setenv("BRANCHLINE_FAILPOINT", "fs.openat2.missing=EIO", 1);
		for (size_t i = 0; i < BL_COUNT(paths); i++) {
			struct bl_err err = { 0 };
			int fd = -7;

			assert_int_equal(bl_fs_open_beneath(dir, paths[i], O_RDONLY, 0, &fd, &err),
			                 -1);
			if (err.code != BL_EDENIED)
				fail_msg("'%s': code %d: %s", paths[i], err.code, err.text);
			assert_int_equal(fd, -7);
		}
		assert_holds("a/f", "1");
		assert_holds("./a//f", "1");
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
			bl_fs_open_beneath(dir, "new", O_WRONLY | O_CREAT, 0600, &fd, &err), 0);
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
	put("f", "1");
	for (size_t i = 0; i < BL_COUNT(paths); i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(16);
		struct bl_err err = { 0 };

		assert_int_equal(bl_fs_read(dir, paths[i], &buf, &err), -1);
		assert_int_equal(err.code, BL_ENOENT);
		bl_err_clear(&err);
		assert_int_equal(bl_fs_exists(dir, paths[i], &there, &err), 0);
		assert_false(there);
	}
}

static void a_dangling_link_exists(void **state)
{
	struct bl_err err = { 0 };
	bool there = false;

	(void)state;
	assert_int_equal(symlinkat("nowhere", dir, "dangling"), 0);
	assert_int_equal(bl_fs_exists(dir, "dangling", &there, &err), 0);
	assert_true(there);
}

static void reading_keeps_to_its_limit(void **state)
{
	BL_AUTO(bl_buf) exact = BL_BUF(5);
	BL_AUTO(bl_buf) small = BL_BUF(5);
	struct bl_err err = { 0 };

	(void)state;
	put("five", "12345");
	put("six", "123456");
	assert_int_equal(bl_fs_read(dir, "five", &exact, &err), 0);
	assert_int_equal(exact.len, 5);
	bl_buf_adds(&small, "ab");
	assert_int_equal(bl_fs_read(dir, "six", &small, &err), -1);
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
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(bl_fs_read(dir, "fifo", &buf, &err), -1); /* and does not wait */
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_fs_read_path(root, &buf, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

static void replace_makes_parents_and_leaves_no_temporary(void **state)
{
	(void)state;
	put("deep/er/file", "old");
	put("deep/er/file", "new");
	assert_holds("deep/er/file", "new");
	assert_int_equal(count_entries("deep/er"), 1);
}

static void a_failed_replace_keeps_the_old_bytes(void **state)
{
	static const char *const faults[] = { "fs.write=ENOSPC", "fs.fsync=ENOSPC" };

	(void)state;
	put("keep/file", "old");
	for (size_t i = 0; i < BL_COUNT(faults); i++) {
		struct bl_err err = { 0 };

		setenv("BRANCHLINE_FAILPOINT", faults[i], 1);
		assert_int_equal(bl_fs_replace(dir, "keep/file", "new", 3, 0644, &err), -1);
		unsetenv("BRANCHLINE_FAILPOINT");
		assert_int_equal(err.code, BL_ENOSPC);
		assert_holds("keep/file", "old");
		assert_int_equal(count_entries("keep"), 1);
	}
}

static void create_happens_once(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_fs_create(dir, "once/file", "first", 5, 0644, &err), 0);
	assert_int_equal(bl_fs_create(dir, "once/file", "second", 6, 0644, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_holds("once/file", "first");
	assert_int_equal(count_entries("once"), 1);
}

static void create_refuses_to_replace_a_link(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(symlinkat("nowhere", dir, "taken"), 0);
	assert_int_equal(bl_fs_create(dir, "taken", "x", 1, 0644, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
}

static void a_write_does_not_leave_through_a_link(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(symlinkat("/tmp", dir, "exit"), 0);
	assert_int_equal(bl_fs_replace(dir, "exit/f", "x", 1, 0644, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
}

static void a_temporary_that_is_not_committed_vanishes(void **state)
{
	struct bl_fs_temp temp = BL_FS_TEMP;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_fs_temp_open(dir, "temp/file", 0644, &temp, &err), 0);
	assert_int_equal(bl_fs_write(temp.fd, "x", 1, &err), 0);
	assert_int_equal(count_entries("temp"), 1);
	bl_fs_temp_done(&temp);
	assert_int_equal(count_entries("temp"), 0);
	bl_fs_temp_done(&temp); /* twice is fine */
	assert_int_equal(bl_fs_temp_open(dir, "temp/file", 0600, &temp, &err), 0);
	assert_int_equal(bl_fs_write(temp.fd, "mine", 4, &err), 0);
	assert_int_equal(bl_fs_temp_create(&temp, &err), 0);
	bl_fs_temp_done(&temp);
	assert_int_equal(count_entries("temp"), 1);
	assert_holds("temp/file", "mine");
}

static void many_files_are_published_after_one_sync(void **state)
{
	struct bl_fs_temp temp[3] = { BL_FS_TEMP, BL_FS_TEMP, BL_FS_TEMP };
	struct bl_err err = { 0 };
	char name[32];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(temp); i++) {
		snprintf(name, sizeof(name), "many/%zu", i);
		assert_int_equal(bl_fs_temp_open(dir, name, 0644, &temp[i], &err), 0);
		assert_int_equal(bl_fs_write(temp[i].fd, name, strlen(name), &err), 0);
	}
	assert_int_equal(bl_fs_sync_all(dir, &err), 0);
	for (size_t i = 0; i < BL_COUNT(temp); i++) {
		assert_int_equal(bl_fs_temp_publish(&temp[i], &err), 0);
		bl_fs_temp_done(&temp[i]);
	}
	assert_holds("many/2", "many/2");
	assert_int_equal(count_entries("many"), 3);
	assert_int_equal(bl_fs_sync_all(-1, &err), -1);
	assert_int_equal(err.code, BL_EIO);
}

static void allocating_makes_a_file_longer_never_shorter(void **state)
{
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;
	struct bl_err err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(bl_fs_temp_open(dir, "room", 0644, &temp, &err), 0);
	assert_int_equal(bl_fs_allocate(temp.fd, 0, &err), 0);
	assert_int_equal(bl_fs_allocate(temp.fd, 100000, &err), 0);
	assert_int_equal(bl_fs_allocate(temp.fd, 10, &err), 0);
	assert_int_equal(fstat(temp.fd, &st), 0);
	assert_int_equal(st.st_size, 100000);
	assert_int_equal(bl_fs_allocate(temp.fd, (uint64_t)INT64_MAX, &err), -1);
	assert_true(err.code == BL_ENOSPC || err.code == BL_EIO); /* EFBIG */
	bl_err_clear(&err);
	assert_int_equal(bl_fs_allocate(temp.fd, UINT64_MAX, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

static void a_piece_is_written_where_it_belongs(void **state)
{
	struct bl_err err = { 0 };
	BL_FD fd = -1;
	char got[8] = "";

	(void)state;
	put("pieces", "123456");
	assert_int_equal(bl_fs_open_beneath(dir, "pieces", O_RDWR, 0, &fd, &err), 0);
	assert_int_equal(bl_fs_pwrite(fd, "xy", 2, 3, &err), 0);
	assert_int_equal(bl_fs_pread(fd, got, 6, 0, &err), 0);
	assert_string_equal(got, "123xy6");
	assert_int_equal(bl_fs_pwrite(-1, "x", 1, 0, &err), -1);
	assert_int_equal(err.code, BL_EIO);
}

static void a_short_read_is_corrupt(void **state)
{
	struct bl_err err = { 0 };
	BL_FD fd = -1;
	char got[8] = "";

	(void)state;
	put("short", "123456");
	assert_int_equal(bl_fs_open_beneath(dir, "short", O_RDONLY, 0, &fd, &err), 0);
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
	put("list/b", "");
	put("list/B", "");
	put("list/a/x", "");
	put("list/\xc3\xa9", "");
	assert_int_equal(symlinkat("b", dir, "list/c"), 0);
	assert_int_equal(bl_fs_list(dir, "list", note, &seen, &err), 0);
	assert_string_equal(seen.text, "B a/ b c@ \xc3\xa9 ");
	put("list/stop-here", "");
	seen.text[0] = '\0';
	assert_int_equal(bl_fs_list(dir, "list", note, &seen, &err), 7);
	assert_string_equal(seen.text, "B a/ b c@ stop-here ");
}

static void removing_a_tree_spares_what_links_point_at(void **state)
{
	struct bl_err err = { 0 };
	bool there = true;

	(void)state;
	put("target/file", "safe");
	put("tree/x/y/z", "1");
	assert_int_equal(symlinkat("../target", dir, "tree/link"), 0);
	assert_int_equal(bl_fs_remove_tree(dir, "tree", &err), 0);
	assert_int_equal(bl_fs_exists(dir, "tree", &there, &err), 0);
	assert_false(there);
	assert_holds("target/file", "safe");
	assert_int_equal(bl_fs_remove_tree(dir, "tree", &err), 0); /* absent */
	assert_int_equal(bl_fs_remove_tree(dir, "no/such", &err), 0);
	assert_int_equal(bl_fs_remove_tree(dir, "..", &err), -1);
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

		snprintf(path, sizeof(path), "%s/made/by//name/", root);
		assert_int_equal(bl_fs_make_dir(path, &fd, &err), 0);
		assert_true(fd >= 0);
		assert_int_equal(bl_fs_make_dir_beneath(dir, "made/beneath/it", &beneath, &err), 0);
		assert_true(beneath >= 0);
		assert_int_equal(bl_fs_make_dir_beneath(dir, "made/beneath/it", NULL, &err), 0);
		assert_int_equal(bl_fs_free_bytes(fd, &bytes, &err), 0);
		assert_true(bytes > 0);
	}
	put("made/file", "");
	assert_int_equal(bl_fs_make_dir_beneath(dir, "made/file", NULL, &err), -1);
	assert_int_equal(bl_fs_make_dir_beneath(dir, "made/file/x", NULL, &err), -1);
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

	snprintf(path, sizeof(path), "%s/alloc/file", root);
	return bl_fs_make_dir_beneath(dir, "alloc/a/b", &made, err) ||
	                       bl_fs_replace(dir, "alloc/file", "1", 1, 0644, err) ||
	                       bl_fs_remove_tree(dir, "alloc/once", err) ||
	                       bl_fs_create(dir, "alloc/once", "1", 1, 0644, err) ||
	                       bl_fs_temp_open(dir, "alloc/t", 0644, &temp, err) ||
	                       bl_fs_temp_replace(&temp, err) ||
	                       bl_fs_read(dir, "alloc/file", &buf, err) ||
	                       bl_fs_read_path(path, &buf, err) ||
	                       bl_fs_list(dir, "alloc", note, &seen, err) ||
	                       bl_fs_exists(dir, "alloc/file", &there, err) ||
	                       bl_fs_remove_tree(dir, "alloc/a", err)
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
		cmocka_unit_test(replace_makes_parents_and_leaves_no_temporary),
		cmocka_unit_test(a_failed_replace_keeps_the_old_bytes),
		cmocka_unit_test(create_happens_once),
		cmocka_unit_test(create_refuses_to_replace_a_link),
		cmocka_unit_test(a_write_does_not_leave_through_a_link),
		cmocka_unit_test(a_temporary_that_is_not_committed_vanishes),
		cmocka_unit_test(many_files_are_published_after_one_sync),
		cmocka_unit_test(allocating_makes_a_file_longer_never_shorter),
		cmocka_unit_test(a_piece_is_written_where_it_belongs),
		cmocka_unit_test(a_short_read_is_corrupt),
		cmocka_unit_test(listing_is_sorted_by_bytes_and_stoppable),
		cmocka_unit_test(removing_a_tree_spares_what_links_point_at),
		cmocka_unit_test(directories_are_made_and_found),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("fs", tests, make_root, drop_root);
}
