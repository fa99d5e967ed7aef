/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_contract_parts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITERS 8

/* Runs `writes` in a process that dies at the failpoint. */
static void die_writing(struct bl_store *store, const char *failpoint, const char *key,
                        int (*write)(struct bl_store *, const struct bl_call *, const char *,
                                     const void *, size_t, struct bl_err *))
{
	struct bl_err err = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		setenv("BRANCHLINE_FAILPOINT", failpoint, 1);
		_exit(write(store, NULL, key, "new", 3, &err) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_crash_before_the_rename_leaves_the_old(void **state)
{
	put_object(*state, "d/k", "old");
	die_writing(*state, "store.put.before_rename=kill", "d/k", bl_store_put);
	assert_object(*state, "d/k", "old");
	assert_list(*state, "", NULL, 0, "d/k=3 ");
	die_writing(*state, "store.put.before_rename=kill", "d/n", bl_store_put_if_absent);
	assert_list(*state, "", NULL, 0, "d/k=3 ");
	assert_int_equal(count_files("store"), 3); /* two leftovers */
	put_object(*state, "d/n", "later");
	assert_object(*state, "d/n", "later");
}

static void a_crash_after_the_link_leaves_the_new(void **state)
{
	struct bl_err err = { 0 };

	die_writing(*state, "fs.create.after=kill", "d/n", bl_store_put_if_absent);
	assert_object(*state, "d/n", "new");
	assert_list(*state, "", NULL, 0, "d/n=3 ");
	assert_int_equal(bl_store_put_if_absent(*state, NULL, "d/n", "x", 1, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
}

static void a_full_disk_names_the_key_and_tears_nothing(void **state)
{
	BL_FD fd = open("source", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	struct bl_err err[4] = { 0 };
	uint64_t crc = 0, size;

	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	put_object(*state, "d/k", "old");
	setenv("BRANCHLINE_FAILPOINT",
	       "store.put.write=ENOSPC,store.put_file.write=ENOSPC@3,"
	       "store.get_file.write=ENOSPC",
	       1);
	assert_int_equal(bl_store_put(*state, NULL, "d/k", "new", 3, &err[0]), -1);
	assert_int_equal(bl_store_put_if_absent(*state, NULL, "d/n", "new", 3, &err[1]), -1);
	assert_int_equal(bl_store_put_file(*state, NULL, "d/k", fd, 3 << 20, &crc, &err[2]), -1);
	assert_int_equal(bl_store_get_file(*state, NULL, "d/k", fd, &size, &crc, &err[3]), -1);
	unsetenv("BRANCHLINE_FAILPOINT");
	for (size_t i = 0; i < BL_COUNT(err); i++) {
		assert_int_equal(err[i].code, BL_ENOSPC);
		assert_non_null(strstr(err[i].text, i == 1 ? "d/n" : "d/k"));
		assert_non_null(strstr(err[i].text, "No space left"));
		assert_true(i == 3 || strstr(err[i].next, "free space"));
	}
	assert_object(*state, "d/k", "old");
	assert_int_equal(count_files("store"), 1);
}

static int create_as(struct bl_store *store, int start, unsigned who)
{
	struct bl_err err = { 0 };
	char text[32], byte;

	snprintf(text, sizeof(text), "writer %u", who);
	if (read(start, &byte, 1) != 0) /* the pipe's end: all start at once */
		return 100;
	if (!bl_store_put_if_absent(store, NULL, "race/k", text, strlen(text), &err))
		return (int)who;
	return err.code == BL_EEXIST ? 50 : 101;
}

static void one_of_eight_creates(void **state)
{
	int start[2], winner = -1, losers = 0;
	char want[32];

	assert_int_equal(pipe(start), 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			close(start[1]);
			_exit(create_as(*state, start[0], i));
		}
	}
	close(start[0]);
	close(start[1]);
	for (unsigned i = 0; i < WRITERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 50) {
			losers++;
			continue;
		}
		assert_int_equal(winner, -1);
		winner = WEXITSTATUS(status);
	}
	assert_int_equal(losers, WRITERS - 1);
	assert_in_range(winner, 0, WRITERS - 1);
	snprintf(want, sizeof(want), "writer %d", winner);
	assert_object(*state, "race/k", want);
	assert_int_equal(count_files("store"), 1);
}

/* A writer and a deleter in one directory: its removal as empty must not fail the write. */
static void a_vanishing_directory_does_not_fail_a_write(void **state)
{
	struct bl_err err = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		for (int i = 0; i < 300; i++) {
			if (bl_store_put(*state, NULL, "d/e/child", "x", 1, &err) ||
			    bl_store_delete(*state, NULL, "d/e/child", &err))
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 300; i++) {
		must(bl_store_put(*state, NULL, "d/e/parent", "x", 1, &err), &err);
		must(bl_store_delete(*state, NULL, "d/e/parent", &err), &err);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_list(*state, "", NULL, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_crash_before_the_rename_leaves_the_old),
		IN_SCRATCH(a_crash_after_the_link_leaves_the_new),
		IN_SCRATCH(a_full_disk_names_the_key_and_tears_nothing),
		IN_SCRATCH(one_of_eight_creates),
		IN_SCRATCH(a_vanishing_directory_does_not_fail_a_write),
	};

	return cmocka_run_group_tests_name("store: crashes, full disks, races", tests, NULL, NULL);
}
