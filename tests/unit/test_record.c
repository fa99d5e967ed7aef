/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/record.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int write_it(struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(16);

	bl_buf_adds(&text, "{}");
	return record_replace(folder_fd, "exit.json", &text, err);
}

static void a_record_needs_no_room_of_its_own(void **state)
{
	struct bl_err err = { 0 };
	struct stat st;

	(void)state;
	record_keep_room(folder_fd);
	assert_int_equal(stat(folder_path("reserve"), &st), 0);
	assert_true(st.st_blocks * 512 >= 65536);
	/* the disk is full until the room is given back */
	setenv("BRANCHLINE_FAILPOINT", "fs.write=ENOSPC@1", 1);
	assert_int_equal(write_it(&err), 0);
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_file_holds("exit.json", "{}");
	assert_false(is_there("reserve"));
}

static void with_room_enough_it_is_kept_and_then_freed(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	record_keep_room(folder_fd);
	assert_int_equal(write_it(&err), 0);
	assert_true(is_there("reserve"));
	record_free_room(folder_fd);
	assert_false(is_there("reserve"));
}

static void a_disk_that_stays_full_is_told(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	setenv("BRANCHLINE_FAILPOINT", "fs.write=ENOSPC", 1);
	assert_int_equal(write_it(&err), -1);
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_int_equal(err.code, BL_ENOSPC);
	assert_false(is_there("exit.json"));
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(write_it, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_record_needs_no_room_of_its_own, folder_make,
		                                folder_drop),
		cmocka_unit_test_setup_teardown(with_room_enough_it_is_kept_and_then_freed,
		                                folder_make, folder_drop),
		cmocka_unit_test_setup_teardown(a_disk_that_stays_full_is_told, folder_make,
		                                folder_drop),
		cmocka_unit_test_setup_teardown(allocations_may_fail, folder_make, folder_drop),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
