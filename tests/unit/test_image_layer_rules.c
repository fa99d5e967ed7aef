/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/layers.h"
#include "tests/unit/repo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LFS "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
#define SUBMODULE "160000,1234567890123456789012345678901234567890,"

/* --- What may not be in one ------------------------------------------------------------------- */

static void refused(const struct bl_layer_code how, const char *text, const char *next)
{
	struct bl_layer layer = { .fd = -1 };
	struct bl_err err = { 0 };

	assert_int_equal(layer_of_head(how, &layer, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	if (!strstr(err.text, text) || !strstr(err.next, next))
		fail_msg("%s; %s", err.text, err.next);
	assert_int_equal(layer.fd, -1);
}

static void pointers_are_counted_and_the_first_is_named(void **state)
{
	char long_text[1100] = LFS;
	struct bl_layer layer;

	(void)state;
	put_text("r/b.bin", LFS);
	put_text("r/a/w.bin", LFS);
	memset(long_text + strlen(LFS), 'x', 1000); /* too long for a pointer: a text about them */
	put_text("r/z.md", long_text);
	layer_commit();
	refused((struct bl_layer_code){ 0 }, "2 files of Git LFS (a/w.bin)", BL_IMAGE_IGNORE);
	put_text("r/" BL_IMAGE_IGNORE, "*.bin\n");
	chmod(folder_path("r/" BL_IMAGE_IGNORE), 0755);
	layer_commit();
	layer = layer_made((struct bl_layer_code){ 0 });
	bl_layer_done(&layer);
}

static void submodules_are_directories_that_are_not_there(void **state)
{
	struct bl_layer layer;

	(void)state;
	REPO_GIT(folder_path("r"), "update-index", "--add", "--cacheinfo", SUBMODULE "x/one");
	REPO_GIT(folder_path("r"), "update-index", "--add", "--cacheinfo", SUBMODULE "x/two");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "sub");
	refused((struct bl_layer_code){ 0 }, "2 submodules (x/one)", "image.requirements");
	refused((struct bl_layer_code){ .context = "x/two" }, "1 submodule (x/two)", "");
	refused((struct bl_layer_code){ .context = "x/two/b" }, "1 submodule (x/two)", "");
	layer = layer_made((struct bl_layer_code){ .context = "a" });
	assert_layer_names(&layer, "opt/ml/code/\nopt/ml/code/.wh..wh..opq\nopt/ml/code/a/\n"
	                           "opt/ml/code/a/.gitkeep\n");
	bl_layer_done(&layer);
	put_text("r/" BL_IMAGE_IGNORE, "x/*/\n");
	REPO_GIT(folder_path("r"), "add", BL_IMAGE_IGNORE);
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "ignored");
	layer = layer_made((struct bl_layer_code){ 0 });
	bl_layer_done(&layer);
}

static void nothing_left_is_told(void **state)
{
	(void)state;
	put_text("r/" BL_IMAGE_IGNORE, "*\n");
	put_text("r/.wh.gone", "");
	layer_commit();
	refused((struct bl_layer_code){ 0 }, "nothing of the commit", BL_IMAGE_IGNORE);
	refused((struct bl_layer_code){ .context = "train.py" }, "no directory 'train.py'",
	        "image.context");
	put_text("r/" BL_IMAGE_IGNORE, "*.py\n");
	layer_commit();
	refused((struct bl_layer_code){ 0 }, "'.wh.gone'", "rename");
}

static void directories_are_left_out_with_all_below(void **state)
{
	struct bl_layer layer;

	(void)state;
	put_text("r/" BL_IMAGE_IGNORE, "caf*\n.gitkeep\n/" BL_IMAGE_IGNORE "\nrun.sh\nlink\n");
	layer_commit();
	layer = layer_made((struct bl_layer_code){ 0 });
	assert_layer_names(&layer, "opt/ml/code/\nopt/ml/code/.wh..wh..opq\nopt/ml/code/a.b\n"
	                           "opt/ml/code/train.py\n");
	bl_layer_done(&layer);
	layer = layer_made(
		(struct bl_layer_code){ .baked = true, .exec_json = "{}", .exec_json_len = 2 });
	assert_layer_names(&layer, "opt/branchline/exec.json\n");
	bl_layer_done(&layer);
}

/* --- The runner, the file, memory ------------------------------------------------------------- */

static void the_runner_is_what_lies_in_the_folder(void **state)
{
	struct bl_layer layer = { .fd = -1 };
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_layer_of_runner(folder_path("r"), &layer, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.text, "/branchline-runner"));
	assert_non_null(strstr(err.next, "beside"));
	bl_err_clear(&err);
	put_text("r/branchline-runner", "ELF");
	assert_int_equal(bl_layer_of_runner(folder_path("r"), &layer, &err), 0);
	assert_layer_names(&layer, "opt/branchline/\nopt/branchline/bin/\n"
	                           "opt/branchline/bin/branchline-runner\n");
	assert_layer_digests(&layer);
	bl_layer_done(&layer);
	put_text("r/branchline-gpu", "ELF too");
	assert_int_equal(bl_layer_of_runner(folder_path("r"), &layer, &err), 0);
	LAYER_PIPE(layer.fd, &out, "tar", "-tvz", "--numeric-owner");
	assert_non_null(strstr(bl_buf_text(&out), "-rwxr-xr-x 0/0               7 1970-01-01 00:00 "
	                                          "opt/branchline/bin/branchline-gpu\n"));
	bl_layer_done(&layer);
}

static void a_temporary_directory_that_fails_is_named(void **state)
{
	struct bl_layer layer = { .fd = -1 };
	struct bl_err err = { 0 };

	(void)state;
	setenv("TMPDIR", "/nonexistent", 1);
	assert_int_equal(layer_of_head((struct bl_layer_code){ 0 }, &layer, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent"));
	assert_non_null(strstr(err.next, "TMPDIR"));
	bl_err_clear(&err);
	setenv("TMPDIR", folder, 1);
	setenv("BRANCHLINE_FAILPOINT", "image.layer.write=ENOSPC", 1);
	assert_int_equal(layer_of_head((struct bl_layer_code){ 0 }, &layer, &err), -1);
	assert_int_equal(err.code, BL_ENOSPC);
	assert_non_null(strstr(err.text, folder));
	assert_non_null(strstr(err.next, "TMPDIR"));
	unsetenv("BRANCHLINE_FAILPOINT");
	layer = layer_made((struct bl_layer_code){ 0 });
	bl_layer_done(&layer);
	unsetenv("TMPDIR");
}

static int code_story(struct bl_err *err)
{
	struct bl_layer layer = { .fd = -1 };
	int rc = layer_of_head((struct bl_layer_code){ .exec_json = "{}", .exec_json_len = 2 },
	                       &layer, err);

	bl_layer_done(&layer);
	return rc;
}

static int runner_story(struct bl_err *err)
{
	struct bl_layer layer = { .fd = -1 };
	int rc = bl_layer_of_runner(folder_path("r"), &layer, err);

	bl_layer_done(&layer);
	return rc;
}

/* As the layers do, entry by entry: what is held, then deflated. */
static int parts_story(struct bl_err *err)
{
	static char zeros[BL_LAYER_STORED_MAX];
	const struct bl_tar_entry entry = { .path = "f", .type = BL_TAR_FILE, .size = 3 };
	struct bl_layer layer = { .fd = -1 };
	struct bl_layer_out out;
	int rc = bl_layer_begin(&out, false, 0, err) || bl_layer_entry(&out, &entry, err) ||
	                         bl_layer_bytes(&out, "abc", 3, err) ||
	                         bl_layer_pad(&out, 3, err) ||
	                         bl_layer_file(&out, "zeros", 0644, zeros, sizeof(zeros), err) ||
	                         bl_layer_end(&out, "test", &layer, err)
	                 ? -1
	                 : 0;

	bl_layer_out_done(&out);
	bl_layer_done(&layer);
	return rc;
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	put_text("r/branchline-runner", "ELF");
	put_text("r/" BL_IMAGE_IGNORE, "deep\n");
	layer_commit();
	each_allocation_fails(runner_story, 200);
	each_allocation_fails(parts_story, 200);
	each_allocation_fails(code_story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPO(pointers_are_counted_and_the_first_is_named),
		IN_REPO(submodules_are_directories_that_are_not_there),
		IN_REPO(nothing_left_is_told),
		IN_REPO(directories_are_left_out_with_all_below),
		IN_REPO(the_runner_is_what_lies_in_the_folder),
		IN_REPO(a_temporary_directory_that_fails_is_named),
		IN_REPO(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
