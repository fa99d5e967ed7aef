/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "tests/unit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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

	assert_int_equal(bl_fs_list(folder_fd, path, count_one, &n, &err), 0);
	return n;
}

static void replace_makes_parents_and_leaves_no_temporary(void **state)
{
	(void)state;
	put_text("deep/er/file", "old");
	put_text("deep/er/file", "new");
	assert_file_holds("deep/er/file", "new");
	assert_int_equal(count_entries("deep/er"), 1);
}

static void a_failed_replace_keeps_the_old_bytes(void **state)
{
	static const char *const faults[] = { "fs.write=ENOSPC", "fs.fsync=ENOSPC" };

	(void)state;
	put_text("keep/file", "old");
	for (size_t i = 0; i < BL_COUNT(faults); i++) {
		struct bl_err err = { 0 };

		setenv("BRANCHLINE_FAILPOINT", faults[i], 1);
		assert_int_equal(bl_fs_replace(folder_fd, "keep/file", "new", 3, 0644, &err), -1);
		unsetenv("BRANCHLINE_FAILPOINT");
		assert_int_equal(err.code, BL_ENOSPC);
		assert_file_holds("keep/file", "old");
		assert_int_equal(count_entries("keep"), 1);
	}
}

static void create_happens_once(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_fs_create(folder_fd, "once/file", "first", 5, 0644, &err), 0);
	assert_int_equal(bl_fs_create(folder_fd, "once/file", "second", 6, 0644, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_file_holds("once/file", "first");
	assert_int_equal(count_entries("once"), 1);
}

static void create_refuses_to_replace_a_link(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(symlinkat("nowhere", folder_fd, "taken"), 0);
	assert_int_equal(bl_fs_create(folder_fd, "taken", "x", 1, 0644, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
}

static void a_write_does_not_leave_through_a_link(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(symlinkat("/tmp", folder_fd, "exit"), 0);
	assert_int_equal(bl_fs_replace(folder_fd, "exit/f", "x", 1, 0644, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
}

static void a_temporary_that_is_not_committed_vanishes(void **state)
{
	struct bl_fs_temp temp = BL_FS_TEMP;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_fs_temp_open(folder_fd, "temp/file", 0644, &temp, &err), 0);
	assert_int_equal(bl_fs_write(temp.fd, "x", 1, &err), 0);
	assert_int_equal(count_entries("temp"), 1);
	bl_fs_temp_done(&temp);
	assert_int_equal(count_entries("temp"), 0);
	bl_fs_temp_done(&temp); /* twice is fine */
	assert_int_equal(bl_fs_temp_open(folder_fd, "temp/file", 0600, &temp, &err), 0);
	assert_int_equal(bl_fs_write(temp.fd, "mine", 4, &err), 0);
	assert_int_equal(bl_fs_temp_create(&temp, &err), 0);
	bl_fs_temp_done(&temp);
	assert_int_equal(count_entries("temp"), 1);
	assert_file_holds("temp/file", "mine");
}

static void many_files_are_published_after_one_sync(void **state)
{
	struct bl_fs_temp temp[3] = { BL_FS_TEMP, BL_FS_TEMP, BL_FS_TEMP };
	struct bl_err err = { 0 };
	char name[32];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(temp); i++) {
		snprintf(name, sizeof(name), "many/%zu", i);
		assert_int_equal(bl_fs_temp_open(folder_fd, name, 0644, &temp[i], &err), 0);
		assert_int_equal(bl_fs_write(temp[i].fd, name, strlen(name), &err), 0);
	}
	assert_int_equal(bl_fs_sync_all(folder_fd, &err), 0);
	for (size_t i = 0; i < BL_COUNT(temp); i++) {
		assert_int_equal(bl_fs_temp_publish(&temp[i], &err), 0);
		bl_fs_temp_done(&temp[i]);
	}
	assert_file_holds("many/2", "many/2");
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
	assert_int_equal(bl_fs_temp_open(folder_fd, "room", 0644, &temp, &err), 0);
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
	put_text("pieces", "123456");
	assert_int_equal(bl_fs_open_beneath(folder_fd, "pieces", O_RDWR, 0, &fd, &err), 0);
	assert_int_equal(bl_fs_pwrite(fd, "xy", 2, 3, &err), 0);
	assert_int_equal(bl_fs_pread(fd, got, 6, 0, &err), 0);
	assert_string_equal(got, "123xy6");
	assert_int_equal(bl_fs_pwrite(-1, "x", 1, 0, &err), -1);
	assert_int_equal(err.code, BL_EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replace_makes_parents_and_leaves_no_temporary),
		cmocka_unit_test(a_failed_replace_keeps_the_old_bytes),
		cmocka_unit_test(create_happens_once),
		cmocka_unit_test(create_refuses_to_replace_a_link),
		cmocka_unit_test(a_write_does_not_leave_through_a_link),
		cmocka_unit_test(a_temporary_that_is_not_committed_vanishes),
		cmocka_unit_test(many_files_are_published_after_one_sync),
		cmocka_unit_test(allocating_makes_a_file_longer_never_shorter),
		cmocka_unit_test(a_piece_is_written_where_it_belongs),
	};

	return cmocka_run_group_tests_name("fs: writing", tests, folder_make_in_tmp, folder_drop);
}
