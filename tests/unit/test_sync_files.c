/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"
#include "run/sync_parts.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

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

static struct sync_files files;

static int make(void **state)
{
	if (folder_make(state))
		return -1;
	files = (struct sync_files){ .root = folder_fd, .parent_fd = -1 };
	return 0;
}

static int drop(void **state)
{
	sync_files_done(&files);
	return folder_drop(state);
}

static int put_file(const char *name, const char *text, struct bl_err *err)
{
	struct sync_temp temp = { .fd = -1 };

	if (sync_files_temp(&files, name, &temp, err))
		return -1;
	assert_true(sync_is_our_temporary(temp.name));
	if (bl_fs_write(temp.fd, text, strlen(text), err) ||
	    sync_files_commit(&files, name, &temp, err)) {
		sync_files_drop(&files, name, &temp);
		return -1;
	}
	assert_int_equal(temp.fd, -1);
	return 0;
}

static void must_put(const char *name, const char *text)
{
	struct bl_err err = { 0 };

	if (put_file(name, text, &err))
		fail_msg("%s: %s", name, err.text);
	assert_file_holds(name, text);
}

static void files_are_made_and_replaced(void **state)
{
	(void)state;
	must_put("a", "one");
	must_put("a", "two");
	must_put("d/e/f", "three");
	must_put("d/e/g", "four");
	must_put("d/x", "five");
	must_put("new\nline \x01 \xff", "six");
}

static void a_dropped_one_leaves_nothing(void **state)
{
	struct sync_temp temp = { .fd = -1 };
	struct bl_err err = { 0 };
	char path[80];

	(void)state;
	must_put("d/a", "old");
	assert_int_equal(sync_files_temp(&files, "d/a", &temp, &err), 0);
	snprintf(path, sizeof(path), "d/%s", temp.name);
	assert_true(is_there(path));
	sync_files_drop(&files, "d/a", &temp);
	assert_false(is_there(path));
	assert_file_holds("d/a", "old");
	sync_files_drop(&files, "d/a", &temp); /* twice is once */
}

/* What is there is never removed for it, and never followed. */
static void what_is_in_the_way_is_named(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{ "dir", "a directory of that name" }, { "link", "a link of that name" },
		{ "fifo", "a special file" },          { "file/x", "'file' is a file" },
		{ "file/x/y", "'file' is a file" },    { "link/x", "'link' is a link" },
		{ "dir/up/x", "'dir/up' is a link" },
	};

	(void)state;
	must_put("file", "old");
	must_put("outside/x", "secret");
	assert_int_equal(mkdirat(folder_fd, "dir", 0777), 0);
	make_link("link", "outside");
	make_link("dir/up", "../outside");
	assert_int_equal(mkfifoat(folder_fd, "fifo", 0666), 0);
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_err err = { 0 }, check = { 0 };

		assert_int_equal(put_file(cases[i].name, "new", &err), -1);
		assert_int_equal(err.code, BL_EDATA);
		if (!strstr(err.text, cases[i].why))
			fail_msg("%s: %s", cases[i].name, err.text);
		assert_int_equal(sync_files_check(&files, cases[i].name, &check), -1);
		assert_string_equal(check.text, err.text);
	}
	assert_file_holds("file", "old");
	assert_file_holds("outside/x", "secret");
}

static void looking_makes_nothing(void **state)
{
	struct bl_err err = { 0 };
	struct sync_files none = { .root = -1, .parent_fd = -1 };

	(void)state;
	assert_int_equal(sync_files_check(&files, "a/b/c", &err), 0);
	assert_int_equal(err.code, BL_OK);
	assert_false(is_there("a"));
	must_put("a/b", "x");
	assert_int_equal(sync_files_check(&files, "a/b", &err), 0);
	assert_int_equal(sync_files_check(&files, "a/c", &err), 0);
	assert_int_equal(sync_files_check(&none, "a/b/c", &err), 0);
}

static void what_appears_before_the_rename_is_kept(void **state)
{
	struct sync_temp temp = { .fd = -1 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(sync_files_temp(&files, "a", &temp, &err), 0);
	make_link("a", "target");
	assert_int_equal(sync_files_commit(&files, "a", &temp, &err), -1);
	assert_int_equal(err.code, BL_EDATA);
	sync_files_drop(&files, "a", &temp);
	assert_false(is_there("target"));
}

static void removing_takes_emptied_directories_along(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	must_put("a/b/c/d", "x");
	must_put("a/e", "x");
	assert_int_equal(sync_files_remove(&files, "a/b/c/d", &err), 0);
	assert_false(is_there("a/b"));
	assert_true(is_there("a/e"));
	must_put("a/b/c/d", "again");
	assert_int_equal(sync_files_remove(&files, "a/b/c/d", &err), 0);
	assert_int_equal(sync_files_remove(&files, "a/e", &err), 0);
	assert_false(is_there("a"));
	must_put("a/e", "again");
	assert_int_equal(sync_files_remove(&files, "a/gone", &err), 0);
	assert_int_equal(sync_files_remove(&files, "other/x", &err), -1); /* no such directory */
	bl_err_clear(&err);
	make_link("a/link", "e");
	assert_int_equal(sync_files_remove(&files, "a/link", &err), -1);
	assert_true(is_there("a/link"));
}

static void temporary_files_are_locked_while_we_live(void **state)
{
	struct sync_temp temp = { .fd = -1 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(sync_files_temp(&files, "a", &temp, &err), 0);
	sync_remove_leftover(folder_fd, temp.name);
	assert_true(is_there(temp.name));
	bl_fd_done(&temp.fd); /* as a kill does */
	sync_remove_leftover(folder_fd, temp.name);
	assert_false(is_there(temp.name));
}

/* --- Manifest --------------------------------------------------------------------------------- */

static void add_line(struct sync_manifest *manifest, const char *name)
{
	sync_manifest_add(&manifest->lines, &(struct sync_done){ "upload", name, "\"e1\"", 3,
	                                                         bl_crc64nvme(0, "abc", 3), true });
}

static void a_line_for_each_name(void **state)
{
	struct sync_manifest manifest;
	struct bl_err err = { 0 };
	const char *path = folder_path("manifest");

	(void)state;
	put_text("manifest", "{\"act\":\"upl"); /* a full disk cut it */
	assert_int_equal(sync_manifest_open(&manifest, path, &err), 0);
	add_line(&manifest, "a \"b\"\n");
	sync_manifest_add(&manifest.lines,
	                  &(struct sync_done){ .act = "delete", .name = "c", .etag = "" });
	assert_int_equal(sync_manifest_flush(&manifest, &err), 0);
	sync_manifest_done(&manifest);
	assert_file_holds("manifest", "{\"act\":\"upl\n"
	                              "{\"act\":\"upload\",\"name\":\"a \\\"b\\\"\\n\",\"size\":3,"
	                              "\"crc64nvme\":\"BeXKuz/B+us=\",\"etag\":\"e1\"}\n"
	                              "{\"act\":\"delete\",\"name\":\"c\",\"size\":0}\n");
	/* a second run goes on behind it */
	assert_int_equal(sync_manifest_open(&manifest, path, &err), 0);
	assert_int_equal(sync_manifest_flush(&manifest, &err), 0);
	assert_int_equal(manifest.lines.len, 0);
	sync_manifest_done(&manifest);
}

static void no_manifest_is_fine_and_a_bad_one_is_not(void **state)
{
	struct sync_manifest manifest;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(sync_manifest_open(&manifest, NULL, &err), 0);
	add_line(&manifest, "a");
	assert_int_equal(sync_manifest_flush(&manifest, &err), 0);
	sync_manifest_done(&manifest);
	assert_int_equal(sync_manifest_open(&manifest, folder, &err), -1);
	assert_non_null(strstr(err.text, "--manifest"));
	sync_manifest_done(&manifest);
	bl_err_clear(&err);
	assert_int_equal(mkfifoat(folder_fd, "fifo", 0666), 0);
	assert_int_equal(sync_manifest_open(&manifest, folder_path("fifo"), &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	sync_manifest_done(&manifest);
}

/* --- Journal ---------------------------------------------------------------------------------- */

static void begun_and_not_ended(void **state)
{
	static const char bytes[] = "+a\0+b\0-a\0+c\0+a\0-c\0+cut";
	BL_AUTO(bl_buf) keys = BL_BUF(4096);

	(void)state;
	sync_journal_unended(bytes, sizeof(bytes) - 1, &keys);
	assert_int_equal(keys.len, 4);
	assert_memory_equal(keys.data, "b\0a", 4);
	bl_buf_reset(&keys);
	sync_journal_unended("", 0, &keys);
	sync_journal_unended("-x\0?y", 6, &keys);
	assert_int_equal(keys.len, 0);
}

static int story(struct bl_err *err)
{
	struct sync_manifest manifest;
	int rc = put_file("d/e", "x", err);

	if (rc)
		return rc;
	if (sync_files_remove(&files, "d/e", err))
		return -1;
	rc = sync_manifest_open(&manifest, folder_path("manifest"), err);
	if (!rc)
		add_line(&manifest, "a");
	if (!rc)
		rc = sync_manifest_flush(&manifest, err);
	sync_manifest_done(&manifest);
	return rc;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	(void)state;
	each_allocation_fails(story, 200);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(files_are_made_and_replaced),
		IN_FOLDER(a_dropped_one_leaves_nothing),
		IN_FOLDER(what_is_in_the_way_is_named),
		IN_FOLDER(looking_makes_nothing),
		IN_FOLDER(what_appears_before_the_rename_is_kept),
		IN_FOLDER(removing_takes_emptied_directories_along),
		IN_FOLDER(temporary_files_are_locked_while_we_live),
		IN_FOLDER(a_line_for_each_name),
		IN_FOLDER(no_manifest_is_fine_and_a_bad_one_is_not),
		cmocka_unit_test(begun_and_not_ended),
		IN_FOLDER(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
