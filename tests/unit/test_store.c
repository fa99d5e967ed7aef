/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "run/store.h"
#include "run/store_warm.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_contract.h"
#include "tests/unit/store_contract_parts.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void write_path(const char *path, const char *text)
{
	struct bl_err err = { 0 };

	must(bl_fs_replace(AT_FDCWD, path, text, strlen(text), 0644, &err), &err);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void names_of_a_store(void **state)
{
	static const struct {
		const char *uri;
		enum bl_code code;
	} bad[] = {
		{ "", BL_EINPUT },
		{ "s3://bucket/prefix", BL_EINPUT },
		{ "https://x/y", BL_EINPUT },
		{ "file://host/x", BL_EINPUT },
		{ "file:///x%2", BL_EINPUT },
		{ "file:///x%zz", BL_EINPUT },
		{ "file:///x%00", BL_EINPUT },
		{ "absent", BL_ENOENT },
		{ "file:///absent/store", BL_ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_store *store = NULL;
		struct bl_err err = { 0 };

		assert_int_equal(bl_store_open(bad[i].uri, BL_STORE_READ, &store, &err), -1);
		assert_int_equal(err.code, bad[i].code);
		assert_null(store);
	}
}

static void a_store_is_made_and_found_again(void **state)
{
	BL_STORE made = NULL;
	BL_STORE again = NULL;
	struct bl_err err = { 0 };
	char want[PATH_MAX], uri[PATH_MAX];

	(void)state;
	must(bl_store_open("deep/in the/store", BL_STORE_WRITE, &made, &err), &err);
	snprintf(want, sizeof(want), "%s/deep/in the/store", scratch_dir());
	assert_string_equal(bl_store_uri(made), want);
	put_object(made, "k", "v");
	snprintf(uri, sizeof(uri), "file://%s/deep/in%%20the/store", scratch_dir());
	must(bl_store_open(uri, BL_STORE_READ, &again, &err), &err);
	assert_object(again, "k", "v");
	assert_int_equal(count_files("deep"), 1); /* the proof of being writable is gone */
}

static void a_store_for_reading_refuses_to_write(void **state)
{
	BL_STORE reader = NULL;
	struct bl_err err[3] = { 0 };

	put_object(*state, "k", "v");
	must(bl_store_open("store", BL_STORE_READ, &reader, &err[0]), &err[0]);
	assert_int_equal(bl_store_put(reader, NULL, "k", "w", 1, &err[0]), -1);
	assert_int_equal(bl_store_put_if_absent(reader, NULL, "n", "w", 1, &err[1]), -1);
	assert_int_equal(bl_store_delete(reader, NULL, "k", &err[2]), -1);
	for (size_t i = 0; i < BL_COUNT(err); i++)
		assert_int_equal(err[i].code, BL_EDENIED);
	assert_object(reader, "k", "v");
}

static void what_cannot_be_a_store_says_so(void **state)
{
	struct bl_store *store = NULL;
	struct bl_err err = { 0 };

	(void)state;
	write_path("file", "");
	assert_int_equal(bl_store_open("file", BL_STORE_WRITE, &store, &err), -1);
	assert_non_null(strstr(err.text, "store 'file'"));
	bl_err_clear(&err);
	/* nobody can make directories there, root neither */
	assert_int_equal(bl_store_open("/proc/branchline", BL_STORE_WRITE, &store, &err), -1);
	assert_null(store);
	bl_err_clear(&err);
	setenv("BRANCHLINE_FAILPOINT", "store.open.write=ENOSPC", 1);
	assert_int_equal(bl_store_open("full", BL_STORE_WRITE, &store, &err), -1);
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_int_equal(err.code, BL_ENOSPC);
	assert_non_null(strstr(err.next, "--store"));
	assert_int_equal(count_files("full"), 0);
}

static void a_directory_without_the_right_says_so(void **state)
{
	struct bl_store *store = NULL;
	struct bl_err err = { 0 };

	(void)state;
	if (!geteuid())
		skip(); /* root may write anywhere */
	assert_int_equal(mkdir("closed", 0555), 0);
	assert_int_equal(bl_store_open("closed", BL_STORE_WRITE, &store, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.next, "--store"));
}

/* --- directories, links, temporary files ------------------------------------------------------ */

static void a_key_cannot_begin_another(void **state)
{
	struct bl_err err[2] = { 0 };
	uint64_t crc;
	BL_FD fd = open("/dev/null", O_RDONLY);

	put_object(*state, "a/b", "x");
	assert_int_equal(bl_store_put(*state, NULL, "a/b/c", "", 0, &err[0]), -1);
	assert_int_equal(bl_store_put_file(*state, NULL, "a", fd, 0, &crc, &err[1]), -1);
	assert_int_equal(err[0].code, BL_EINPUT);
	assert_non_null(strstr(err[0].text, "write a/b/c: 'a/b' is an object"));
	assert_int_equal(err[1].code, BL_EINPUT);
	assert_non_null(strstr(err[1].text, "'a' is a directory"));
	assert_list(*state, "", NULL, 0, "a/b=1 ");
}

static void a_part_fits_a_file_name(void **state)
{
	char key[3 + NAME_MAX + 2] = "d/";
	BL_AUTO(bl_buf) buf = BL_BUF(10);
	struct bl_err err = { 0 };

	memset(key + 2, 'n', NAME_MAX);
	key[2 + NAME_MAX] = '\0';
	put_object(*state, key, "x");
	assert_object(*state, key, "x");
	key[2 + NAME_MAX] = 'n';
	key[3 + NAME_MAX] = '\0';
	assert_int_equal(bl_store_put(*state, NULL, key, "", 0, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_store_get(*state, NULL, key, &buf, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_list(*state, key, NULL, 0, "");
}

static void links_lead_nowhere(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	struct bl_err err = { 0 };

	put_object(*state, "real/k", "inside");
	assert_int_equal(mkdir("outside", 0777), 0);
	write_path("outside/secret", "secret");
	assert_int_equal(symlink("../outside", "store/way"), 0);
	assert_int_equal(symlink("../outside/secret", "store/file"), 0);
	assert_int_equal(symlink("real", "store/alias"), 0);
	assert_list(*state, "", NULL, 0, "real/k=6 ");
	assert_int_equal(bl_store_get(*state, NULL, "file", &buf, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	bl_err_clear(&err);
	assert_int_equal(bl_store_get(*state, NULL, "way/secret", &buf, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	bl_err_clear(&err);
	assert_int_equal(bl_store_get(*state, NULL, "alias/k", &buf, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	bl_err_clear(&err);
	assert_int_equal(bl_store_put(*state, NULL, "way/new", "x", 1, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	bl_err_clear(&err);
	assert_int_equal(bl_store_delete(*state, NULL, "way/secret", &err), -1);
	assert_int_equal(count_files("outside"), 1);
	bl_err_clear(&err);
	/* over a link at the key itself: it is replaced, not followed */
	put_object(*state, "file", "mine");
	assert_object(*state, "file", "mine");
	assert_int_equal(count_files("outside"), 1);
}

static void only_regular_files_are_objects(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	struct bl_err err = { 0 };

	assert_int_equal(mkfifo("store/fifo", 0666), 0);
	assert_int_equal(mkdir("store/empty", 0777), 0);
	assert_list(*state, "", NULL, 0, "");
	assert_int_equal(bl_store_get(*state, NULL, "fifo", &buf, &err), -1); /* does not wait */
	assert_int_equal(err.code, BL_ENOENT);
	assert_list(*state, "", NULL, '/', ""); /* an empty directory is nothing */
}

#define TEMP_NAME ".bl-abcdefgh234567zz.tmp"

static void temporary_files_are_not_there(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	struct bl_err err = { 0 };

	put_object(*state, "d/k", "x");
	write_path("store/d/" TEMP_NAME, "half");
	write_path("store/only/" TEMP_NAME, "half");
	assert_list(*state, "", NULL, 0, "d/k=1 ");
	assert_int_equal(bl_store_get(*state, NULL, "d/" TEMP_NAME, &buf, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	assert_int_equal(bl_store_put(*state, NULL, "d/" TEMP_NAME, "", 0, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_list(*state, "", NULL, '/', "d/ ");
	put_object(*state, "d/.bl-short.tmp", "a name like any other");
}

static void age(const char *path, int64_t seconds)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		                     { .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void old_leftovers_go_with_the_next_write(void **state)
{
	write_path("store/d/" TEMP_NAME, "old");
	write_path("store/d/.bl-aaaaaaaaaaaaaaaa.tmp", "another writer's, just now");
	write_path("store/d/old", "an object, as old");
	age("store/d/" TEMP_NAME, 2 * 60 * 60);
	age("store/d/old", 2 * 60 * 60);
	put_object(*state, "d/new", "x");
	assert_int_equal(access("store/d/" TEMP_NAME, F_OK), -1);
	assert_int_equal(access("store/d/.bl-aaaaaaaaaaaaaaaa.tmp", F_OK), 0);
	assert_list(*state, "", NULL, 0, "d/new=1 d/old=17 ");
}

/* --- fetched beforehand ----------------------------------------------------------------------- */

static void what_was_fetched_is_read_from_memory(void **state)
{
	static const char *const keys[] = { "a", "b", "none", "empty" };
	BL_AUTO(bl_buf) buf = BL_BUF(100);
	BL_STORE warm = NULL;
	struct bl_err err = { 0 };
	uint64_t total = 0;

	put_object(*state, "a", "0123456789");
	put_object(*state, "b", "b");
	put_object(*state, "c", "c");
	put_object(*state, "empty", "");
	must(bl_store_warm_open(*state, &warm, &err), &err);
	assert_string_equal(bl_store_uri(warm), bl_store_uri(*state));
	must(bl_store_warm_fetch(warm, keys, BL_COUNT(keys), &err), &err);
	put_object(*state, "a", "changed behind it");
	put_object(*state, "none", "made behind it");
	put_object(*state, "c", "not fetched");
	assert_object(warm, "a", "0123456789");
	assert_object(warm, "empty", "");
	assert_absent(warm, "none");
	assert_object(warm, "c", "not fetched");
	must(bl_store_get_range(warm, NULL, "a", 8, 5, &buf, &total, &err), &err);
	assert_string_equal(bl_buf_text(&buf), "89");
	assert_int_equal(total, 10);
	must(bl_store_get_range(warm, NULL, "a", 10, 5, &buf, &total, &err), &err);
	assert_int_equal(buf.len, 2);
	/* what is written through it is no longer what was fetched */
	put_object(warm, "b", "new");
	assert_object(warm, "b", "new");
	assert_int_equal(bl_store_put_if_absent(warm, NULL, "none", "x", 1, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_object(warm, "none", "made behind it");
	bl_err_clear(&err);
	must(bl_store_warm_fetch(warm, NULL, 0, &err), &err);
	assert_object(warm, "a", "changed behind it");
}

/* --- allocations ------------------------------------------------------------------------------ */

static int look_warmly(struct bl_store *store, struct bl_err *err)
{
	static const char *const keys[] = { "d/k", "d/o", "none" };
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	BL_STORE warm = NULL;

	if (bl_store_warm_open(store, &warm, err) || bl_store_warm_fetch(warm, keys, 3, err))
		return -1;
	return bl_store_get(warm, NULL, "d/k", &buf, err);
}

static int every_operation(struct bl_err *err)
{
	static const char *const keys[] = { "d/n", "d/o" };
	BL_STORE store = NULL;
	BL_AUTO(bl_buf) buf = BL_BUF(1000);
	BL_FD fd = open("copy", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	char uri[PATH_MAX];
	uint64_t size, crc, total;

	snprintf(uri, sizeof(uri), "file://%s/other", scratch_dir());
	if (bl_store_open(uri, BL_STORE_WRITE, &store, err) ||
	    bl_store_put(store, NULL, "d/k", "text", 4, err))
		return -1;
	if (bl_store_put_if_absent(store, NULL, "d/n", "text", 4, err)) {
		if (err->code != BL_EEXIST)
			return -1;
		bl_err_clear(err);
	}
	if (bl_store_get_file(store, NULL, "d/k", fd, &size, &crc, err) ||
	    bl_store_put_file(store, NULL, "d/f", fd, size, &crc, err) ||
	    bl_store_get_files(store, NULL, &(struct bl_file){ "d/f", fd, size, 0 }, 1, err) ||
	    bl_store_get(store, NULL, "d/k", &buf, err) ||
	    bl_store_get_range(store, NULL, "d/k", 1, 2, &buf, &total, err) ||
	    bl_store_list(store, NULL, "", NULL, '/', note_listed, &buf, err) ||
	    bl_store_list(store, NULL, "d/", NULL, 0, note_listed, &buf, err) ||
	    bl_buf_check(&buf, "buffer", err) ||
	    bl_store_put_once(store, NULL, "d/o", "text", 4, err) || look_warmly(store, err) ||
	    bl_store_delete_many(store, NULL, keys, BL_COUNT(keys), err))
		return -1;
	return 0;
}

static void each_allocation_of_the_store(void **state)
{
	(void)state;
	each_allocation_fails(every_operation, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(names_of_a_store),
		IN_SCRATCH(a_store_is_made_and_found_again),
		IN_SCRATCH(a_store_for_reading_refuses_to_write),
		IN_SCRATCH(what_cannot_be_a_store_says_so),
		IN_SCRATCH(a_directory_without_the_right_says_so),
		IN_SCRATCH(a_key_cannot_begin_another),
		IN_SCRATCH(a_part_fits_a_file_name),
		IN_SCRATCH(links_lead_nowhere),
		IN_SCRATCH(only_regular_files_are_objects),
		IN_SCRATCH(temporary_files_are_not_there),
		IN_SCRATCH(old_leftovers_go_with_the_next_write),
		IN_SCRATCH(what_was_fetched_is_read_from_memory),
		IN_SCRATCH(each_allocation_of_the_store),
	};
	int failed = run_store_contract("store contract: directory", scratch_store, scratch_done);

	return failed + cmocka_run_group_tests_name("store: directory", tests, NULL, NULL);
}
