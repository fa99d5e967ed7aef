/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint.h"

#include "codec/hash.h"
#include "tests/unit/failalloc.h"
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

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"

static struct bl_store *store;

static int set_up(void **state)
{
	struct bl_err err = { 0 };

	return folder_make(state) ||
	       bl_store_open(folder_path("store"), BL_STORE_WRITE, &store, &err);
}

static int tear_down(void **state)
{
	bl_store_close(store);
	return folder_drop(state);
}

static struct bl_outputs upload(const struct bl_output_dir *dirs, size_t n)
{
	struct bl_outputs out = { 0 };
	struct bl_err err = { 0 };

	if (bl_outputs_upload(store, NULL, RUN, 1, dirs, n, &out, &err))
		fail_msg("%s", err.text);
	return out;
}

/* The paths of the manifest of attempt 1, one a line. */
static const char *listed(void)
{
	static char text[4096];
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_err err = { 0 };
	size_t len = 0;

	if (bl_outputs_read(store, RUN, 1, &manifest, &err))
		fail_msg("%s", err.text);
	text[0] = '\0';
	for (size_t i = 0; i < manifest.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n",
		                        manifest.entries[i].path);
	return text;
}

static void everything_of_a_directory(void **state)
{
	struct bl_output_dir dirs[] = {
		{ .dir = folder_path("model"), .prefix = "model" },
		{ .dir = folder_path("absent"), .prefix = "data" },
		{ .dir = folder_path("output"), .prefix = "out", .skip = "branchline" },
	};
	BL_AUTO(bl_buf) bytes = BL_BUF(65536);
	char crc[BL_CRC64_TEXT];
	struct bl_outputs out;
	struct bl_err err = { 0 };

	(void)state;
	put_text("model/m.bin", "weights");
	put_text("model/deep/er/n.txt", "");
	put_text("output/branchline/log", "ours");
	put_text("output/sub/branchline", "not ours");
	make_link("model/link", "m.bin");
	out = upload(dirs, BL_COUNT(dirs));
	assert_int_equal(out.files, 3);
	assert_int_equal(out.bytes, 15);
	assert_string_equal(listed(), "model/deep/er/n.txt\nmodel/m.bin\nout/sub/branchline\n");
	assert_file_holds("store/runs/" RUN "/outputs/001/model/m.bin", "weights");
	assert_int_equal(
		bl_store_get(store, NULL, "runs/" RUN "/outputs/001.manifest.json", &bytes, &err),
		0);
	bl_crc64nvme_text(bl_crc64nvme(0, bytes.data, bytes.len), crc);
	assert_string_equal(out.crc, crc);
}

static void globs_choose_and_bound_the_walk(void **state)
{
	static const struct {
		const char *glob, *want;
	} cases[] = {
		{ "*.csv", "files/a.csv\n" },
		{ "results/*.csv", "files/results/b.csv\n" },
		{ "results/**", "files/results/b.csv\nfiles/results/deep/c.csv\n" },
		{ "**/*.csv", "files/a.csv\nfiles/results/b.csv\nfiles/results/deep/c.csv\n" },
		{ "r*/d*/c.csv", "files/results/deep/c.csv\n" },
		{ "*/*/*/*", "" },
		{ "results", "" },
	};

	(void)state;
	put_text("work/a.csv", "a");
	put_text("work/results/b.csv", "b");
	put_text("work/results/deep/c.csv", "c");
	put_text("work/.git/x.csv", "x");
	put_text("work/sub/.branchline/y.csv", "y");
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_output_dir dir = { .dir = folder_path("work"),
			                     .prefix = "files",
			                     .globs = &cases[i].glob,
			                     .n_globs = 1 };

		upload(&dir, 1);
		if (strcmp(listed(), cases[i].want) != 0)
			fail_msg("%s:\n%s", cases[i].glob, listed());
	}
}

static void the_store_is_no_output_of_its_own(void **state)
{
	const char *glob = "**";
	struct bl_output_dir dir = {
		.dir = folder, .prefix = "files", .globs = &glob, .n_globs = 1
	};

	(void)state;
	put_text("store2", "a file");
	upload(&dir, 1);
	upload(&dir, 1);
	assert_string_equal(listed(), "files/store2\n");
}

/* A hundred directories deep would be refused if it were entered. */
static void what_no_glob_reaches_is_not_entered(void **state)
{
	const char *glob = "results/*";
	struct bl_output_dir dir = { .dir = folder, .prefix = "", .globs = &glob, .n_globs = 1 };
	BL_AUTO(bl_buf) path = BL_BUF(4096);

	(void)state;
	for (int i = 0; i < 100; i++)
		bl_buf_adds(&path, "d/");
	bl_buf_adds(&path, "x");
	put_text(path.data, "");
	put_text("results/r", "r");
	upload(&dir, 1);
	assert_string_equal(listed(), "results/r\n");
}

static void a_path_named_twice_is_uploaded_once(void **state)
{
	struct bl_output_dir dirs[] = {
		{ .dir = folder_path("model"), .prefix = "m" },
		{ .dir = folder_path("model"), .prefix = "m" },
	};

	(void)state;
	put_text("model/a", "a");
	assert_int_equal(upload(dirs, 2).files, 1);
}

static void grow(void *arg, uint64_t done, uint64_t total)
{
	int fd = openat(folder_fd, "model/log", O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)arg;
	(void)done;
	(void)total;
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void a_file_that_never_rests_is_named(void **state)
{
	struct bl_output_dir dir = { .dir = folder_path("model"), .prefix = "model" };
	struct bl_call call = { .progress = grow };
	struct bl_outputs out = { .files = 77 };
	struct bl_manifest manifest;
	struct bl_err err = { 0 };

	(void)state;
	put_text("model/log", "x");
	assert_int_equal(bl_outputs_upload(store, &call, RUN, 1, &dir, 1, &out, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, "output 'log'"));
	assert_int_equal(out.files, 77);
	bl_err_clear(&err);
	assert_int_equal(bl_outputs_read(store, RUN, 1, &manifest, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

/* A store that says yes and keeps a byte less. */
static void lying_close(void *self)
{
	(void)self;
}

static int lying_put_file(void *self, const struct bl_call *call, const char *key, int fd,
                          uint64_t size, uint64_t *crc, struct bl_err *err)
{
	(void)self;
	return bl_store_put_file(store, call, key, fd, size - 1, crc, err);
}

static int lying_get_range(void *self, const struct bl_call *call, const char *key, uint64_t offset,
                           size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	(void)self;
	return bl_store_get_range(store, call, key, offset, len, buf, total, err);
}

static void what_the_store_holds_is_compared(void **state)
{
	static const struct bl_store_ops lying = { .close = lying_close,
		                                   .put_file = lying_put_file,
		                                   .get_range = lying_get_range };
	struct bl_output_dir dir = { .dir = folder_path("model"), .prefix = "model" };
	BL_STORE liar = NULL;
	struct bl_outputs out;
	struct bl_err err = { 0 };

	(void)state;
	put_text("model/a", "abc");
	assert_int_equal(bl_store_new(&lying, NULL, folder_path("none"), &liar, &err), 0);
	assert_int_equal(bl_outputs_upload(liar, NULL, RUN, 1, &dir, 1, &out, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, "2 bytes instead of 3"));
}

static void a_manifest_of_another_attempt_is_refused(void **state)
{
	struct bl_output_dir dir = { .dir = folder_path("model"), .prefix = "model" };
	BL_AUTO(bl_buf) bytes = BL_BUF(65536);
	struct bl_manifest manifest;
	struct bl_err err = { 0 };

	(void)state;
	put_text("model/a", "a");
	upload(&dir, 1);
	assert_int_equal(
		bl_store_get(store, NULL, "runs/" RUN "/outputs/001.manifest.json", &bytes, &err),
		0);
	put_bytes("store/runs/" RUN "/outputs/002.manifest.json", bytes.data, bytes.len);
	assert_int_equal(bl_outputs_read(store, RUN, 2, &manifest, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

#ifdef BL_TESTING
static void a_full_store_is_said(void **state)
{
	struct bl_output_dir dir = { .dir = folder_path("model"), .prefix = "model" };
	struct bl_outputs out;
	struct bl_err err = { 0 };

	(void)state;
	put_text("model/a", "a");
	setenv("BRANCHLINE_FAILPOINT", "outputs.object.before=ENOSPC", 1);
	assert_int_equal(bl_outputs_upload(store, NULL, RUN, 1, &dir, 1, &out, &err), -1);
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_int_equal(err.code, BL_ENOSPC);
	assert_false(is_there("store/runs/" RUN "/outputs/001.manifest.json"));
}
#endif

static int upload_and_read(struct bl_err *err)
{
	struct bl_output_dir dir = { .dir = folder_path("model"), .prefix = "model" };
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_outputs out;

	if (bl_outputs_upload(store, NULL, RUN, 1, &dir, 1, &out, err) ||
	    bl_outputs_read(store, RUN, 1, &manifest, err))
		return -1;
	return manifest.n == 2 ? 0 : bl_fail(err, BL_EBUG, "%zu outputs", manifest.n);
}

static void allocations_may_fail(void **state)
{
	(void)state;
	put_text("model/a", "a");
	put_text("model/b/c", "c");
	each_allocation_fails(upload_and_read, 500);
}

int main(void)
{
#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		STORE_TEST(everything_of_a_directory),
		STORE_TEST(globs_choose_and_bound_the_walk),
		STORE_TEST(the_store_is_no_output_of_its_own),
		STORE_TEST(what_no_glob_reaches_is_not_entered),
		STORE_TEST(a_path_named_twice_is_uploaded_once),
		STORE_TEST(a_file_that_never_rests_is_named),
		STORE_TEST(what_the_store_holds_is_compared),
		STORE_TEST(a_manifest_of_another_attempt_is_refused),
#ifdef BL_TESTING
		STORE_TEST(a_full_store_is_said),
#endif
		STORE_TEST(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("outputs", tests, NULL, NULL);
}
