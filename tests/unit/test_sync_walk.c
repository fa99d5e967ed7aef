/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync_parts.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void make_dir(const char *name)
{
	assert_int_equal(mkdirat(folder_fd, name, 0777), 0);
}

static void put(const char *name)
{
	put_text(name, name);
}

static const char kinds[] = {
	[SYNC_FILE] = 'f',  [SYNC_LINK] = 'l',    [SYNC_SPECIAL] = 's',
	[SYNC_BELOW] = 'b', [SYNC_BLOCKED] = 'x',
};

/* "f:a f:b/c ..." */
static int walk_all(struct sync_walk *walk, struct bl_buf *out, struct bl_err *err)
{
	struct sync_item item;
	enum sync_got got;

	if (sync_walk_open(walk, folder_fd, err))
		return -1;
	for (;;) {
		if (sync_walk_next(walk, &item, &got, err))
			return -1;
		if (got == SYNC_END)
			return 0;
		bl_buf_addf(out, "%s%c:%s", out->len ? " " : "", kinds[item.kind], item.name);
	}
}

static void assert_walk(const char *names)
{
	struct sync_walk walk = { 0 };
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct bl_err err = { 0 };

	if (walk_all(&walk, &out, &err))
		fail_msg("%s", err.text);
	sync_walk_done(&walk);
	assert_string_equal(bl_buf_text(&out), names);
}

static void names_come_in_the_order_of_keys(void **state)
{
	(void)state;
	assert_walk("");
	make_dir("a");
	make_dir("a/empty");
	make_dir("b");
	put("a.x");
	put("a/1");
	put("a/z");
	put("a0");
	put("A");
	put("b/\xc3\xa9");
	put("b/~");
	/* '.' < '/' < '0' */
	assert_walk("f:A f:a.x f:a/1 f:a/z f:a0 f:b/~ f:b/\xc3\xa9");
}

static void sizes_and_times_are_told(void **state)
{
	struct sync_walk walk = { 0 };
	struct bl_err err = { 0 };
	struct sync_item item;
	enum sync_got got;

	(void)state;
	put_text("f", "12345");
	set_mtime_ms("f", 1700000000123);
	assert_int_equal(sync_walk_open(&walk, folder_fd, &err), 0);
	assert_int_equal(sync_walk_next(&walk, &item, &got, &err), 0);
	assert_int_equal(item.side.size, 5);
	assert_true(item.side.modified_wall_ms == 1700000000123);
	assert_string_equal(item.etag, "");
	sync_walk_done(&walk);
}

static void links_are_seen_but_never_entered(void **state)
{
	(void)state;
	make_dir("real");
	put("real/x");
	make_link("link", "real");
	make_link("real/up", "..");
	make_link("gone", "nowhere");
	assert_int_equal(mkfifoat(folder_fd, "fifo", 0666), 0);
	assert_walk("s:fifo l:gone b:gone/ l:link b:link/ l:real/up b:real/up/ f:real/x");
}

static void a_directory_that_cannot_be_read_is_told(void **state)
{
	bool root = !geteuid();

	(void)state;
	make_dir("a");
	make_dir("locked");
	put("locked/x");
	put("z");
	assert_int_equal(fchmod(folder_fd, 0755), 0);
	assert_int_equal(fchmodat(folder_fd, "locked", 0, 0), 0);
	if (root) /* who may read everything */
		assert_int_equal(seteuid(65534), 0);
	assert_walk("x:locked/ f:z");
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(fchmodat(folder_fd, "locked", 0777, 0), 0);
}

static void too_deep_is_told_not_followed(void **state)
{
	BL_FD at = dup(folder_fd);
	struct sync_walk walk = { 0 };
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct bl_err err = { 0 };

	(void)state;
	for (int i = 0; i < 260; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0777), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		bl_fd_done(&at);
		at = next;
	}
	if (walk_all(&walk, &out, &err))
		fail_msg("%s", err.text);
	sync_walk_done(&walk);
	assert_true(!strncmp(bl_buf_text(&out), "x:d/d/", 6));
	/* folder_drop's removal stops at 128 directories: undo it here */
	for (int i = 0; i < 260; i++) {
		int above = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		bl_fd_done(&at);
		at = above;
		assert_int_equal(unlinkat(at, "d", AT_REMOVEDIR), 0);
	}
}

static void leftovers_of_a_killed_run_are_removed(void **state)
{
	struct sync_walk walk = { .cleans = true };
	BL_AUTO(bl_buf) out = BL_BUF(4096);
	struct bl_err err = { 0 };
	BL_FD held = -1;

	(void)state;
	put("a");
	put(".bl-synckilledkilled.tmp");
	put(".bl-syncsomeonesalive.tmp"); /* 17 characters: not a name of ours */
	put(".bl-syncsomeonealive.tmp");
	put(".bl-storesomebodysxx.tmp");
	held = openat(folder_fd, ".bl-syncsomeonealive.tmp", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	if (walk_all(&walk, &out, &err))
		fail_msg("%s", err.text);
	sync_walk_done(&walk);
	assert_string_equal(bl_buf_text(&out), "f:.bl-syncsomeonesalive.tmp f:a");
	assert_false(is_there(".bl-synckilledkilled.tmp"));
	assert_true(is_there(".bl-syncsomeonealive.tmp"));
	assert_true(is_there(".bl-storesomebodysxx.tmp"));
}

static void without_leave_nothing_is_removed(void **state)
{
	(void)state;
	put(".bl-synckilledkilled.tmp");
	assert_walk("");
	assert_true(is_there(".bl-synckilledkilled.tmp"));
}

static void one_file_can_be_passed_over(void **state)
{
	struct sync_walk walk = { 0 };
	BL_AUTO(bl_buf) out = BL_BUF(4096);
	struct bl_err err = { 0 };
	struct stat st;

	(void)state;
	put("a");
	put("manifest");
	assert_int_equal(fstatat(folder_fd, "manifest", &st, 0), 0);
	walk.skip_dev = st.st_dev;
	walk.skip_ino = st.st_ino;
	assert_int_equal(walk_all(&walk, &out, &err), 0);
	sync_walk_done(&walk);
	assert_string_equal(bl_buf_text(&out), "f:a");
}

static int story(struct bl_err *err)
{
	struct sync_walk walk = { 0 };
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	int rc = walk_all(&walk, &out, err);

	if (!rc)
		rc = bl_buf_check(&out, "names", err);
	if (!rc)
		assert_string_equal(bl_buf_text(&out), "f:a/b/c f:d");
	sync_walk_done(&walk);
	return rc;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	(void)state;
	make_dir("a");
	make_dir("a/b");
	put("a/b/c");
	put("d");
	each_allocation_fails(story, 200);
}

/* Readable and not searchable: its names come, but none of them can be looked at. */
static void a_directory_that_cannot_be_searched_is_named(void **state)
{
	bool is_root = geteuid() == 0;

	(void)state;
	make_dir("locked");
	put("locked/x");
	put("z");
	assert_int_equal(fchmod(folder_fd, 0755), 0);
	assert_int_equal(fchmodat(folder_fd, "locked", 0444, 0), 0);
	assert_int_equal(is_root ? seteuid(65534) : 0, 0);
	assert_walk("x:locked/ f:z");
	assert_int_equal(is_root ? seteuid(0) : 0, 0);
	assert_int_equal(fchmodat(folder_fd, "locked", 0755, 0), 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(names_come_in_the_order_of_keys),
		IN_FOLDER(a_directory_that_cannot_be_searched_is_named),
		IN_FOLDER(sizes_and_times_are_told),
		IN_FOLDER(links_are_seen_but_never_entered),
		IN_FOLDER(a_directory_that_cannot_be_read_is_told),
		IN_FOLDER(too_deep_is_told_not_followed),
		IN_FOLDER(leftovers_of_a_killed_run_are_removed),
		IN_FOLDER(without_leave_nothing_is_removed),
		IN_FOLDER(one_file_can_be_passed_over),
		IN_FOLDER(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
