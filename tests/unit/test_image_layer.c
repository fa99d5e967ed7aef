/* SPDX-License-Identifier: Apache-2.0 */
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

/* Of a known tree. It may never change by itself: each project's layer would be sent anew. */
static void the_same_tree_is_the_same_digest(void **state)
{
	struct bl_layer layer =
		layer_made((struct bl_layer_code){ .exec_json = "{}\n", .exec_json_len = 3 });

	(void)state;
	assert_layer_digests(&layer);
	assert_string_equal(
		layer.oci.diff_id,
		"sha256:e61b6134594a4191016bae19fc6c49e39d10815123068c9149e9c02e8e9c6063");
	assert_string_equal(
		layer.oci.blob.digest,
		"sha256:763d7b3f6929d0e54ecd15c1e297fe50e0f9b1a54dd6225d44b5c8079c22cc98");
	bl_layer_done(&layer);
}

static void entries_are_sorted_and_hide_the_base(void **state)
{
	struct bl_layer layer = layer_made(
		(struct bl_layer_code){ .context = ".", .exec_json = "{}", .exec_json_len = 2 });
	char want[1024], name[121];

	(void)state;
	memset(name, 'd', 120);
	name[120] = '\0';
	snprintf(want, sizeof(want),
	         "opt/branchline/exec.json\nopt/ml/code/\nopt/ml/code/.wh..wh..opq\n"
	         "opt/ml/code/a.b\nopt/ml/code/a/\nopt/ml/code/a/.gitkeep\n"
	         "opt/ml/code/deep/\nopt/ml/code/deep/%s/\nopt/ml/code/deep/%s/caf\xc3\xa9\n"
	         "opt/ml/code/link\nopt/ml/code/run.sh\nopt/ml/code/train.py\n",
	         name, name);
	assert_layer_names(&layer, want);
	bl_layer_done(&layer);
}

static void modes_owner_and_times_are_fixed(void **state)
{
	struct bl_layer layer = layer_made((struct bl_layer_code){ 0 });
	BL_AUTO(bl_buf) list = BL_BUF(65536);

	(void)state;
	LAYER_PIPE(layer.fd, &list, "tar", "-tvz", "--numeric-owner", "--full-time");
	assert_non_null(
		strstr(bl_buf_text(&list),
	               "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 opt/ml/code/\n"));
	assert_non_null(strstr(list.data, "-rw-r--r-- 0/0               0 1970-01-01 00:00:00 "
	                                  "opt/ml/code/.wh..wh..opq\n"));
	assert_non_null(strstr(list.data, "-rwxr-xr-x 0/0              10 1970-01-01 00:00:00 "
	                                  "opt/ml/code/run.sh\n"));
	assert_non_null(strstr(list.data, "lrwxrwxrwx 0/0               0 1970-01-01 00:00:00 "
	                                  "opt/ml/code/link -> a/../train.py\n"));
	bl_layer_done(&layer);
}

/* Extracted it is what `git archive` extracts: bytes, modes and links. */
static void it_is_what_git_archive_gives(void **state)
{
	struct bl_layer layer = layer_made((struct bl_layer_code){ 0 });
	BL_AUTO(bl_buf) out = BL_BUF(65536);

	(void)state;
	assert_int_equal(mkdir(folder_path("ours"), 0755), 0);
	assert_int_equal(mkdir(folder_path("gits"), 0755), 0);
	LAYER_PIPE(layer.fd, &out, "tar", "-xzp", "--strip-components=3", "--exclude=.wh..wh..opq",
	           "-C", folder_path("ours"));
	REPO_GIT(folder_path("r"), "-c", "tar.umask=0022", "archive", "-o", "../gits.tar", "HEAD");
	LAYER_PIPE(layer.fd, &out, "tar", "-xpf", folder_path("gits.tar"), "-C",
	           folder_path("gits"));
	LAYER_PIPE(layer.fd, &out, "diff", "-r", "--no-dereference", folder_path("gits"),
	           folder_path("ours"));
	LAYER_PIPE(layer.fd, &out, "find", folder_path("ours"), "-mindepth", "1", "-printf",
	           "%M %P %l\n");
	assert_non_null(strstr(bl_buf_text(&out), "-rwxr-xr-x run.sh"));
	bl_layer_done(&layer);
}

/* --- Size, threads and compression ------------------------------------------------------------ */

static void put_large(size_t len)
{
	char *bytes = malloc(len);
	uint64_t x = 88172645463325252u;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (char)(x % 7 ? 'a' + x % 13 : ' ');
	}
	put_bytes("r/large", bytes, len);
	free(bytes);
	layer_commit();
}

static void threads_change_no_byte(void **state)
{
	static const unsigned threads[] = { 0, 1, 2, 8 };
	struct bl_layer first, other;

	(void)state;
	put_large((size_t)5 << 20);
	first = layer_made((struct bl_layer_code){ .threads = 1 });
	assert_layer_digests(&first);
	assert_true(first.oci.blob.size < ((uint64_t)5 << 20) * 3 / 4);
	for (size_t i = 0; i < BL_COUNT(threads); i++) {
		other = layer_made((struct bl_layer_code){ .threads = threads[i] });
		assert_string_equal(other.oci.blob.digest, first.oci.blob.digest);
		assert_string_equal(other.oci.diff_id, first.oci.diff_id);
		bl_layer_done(&other);
	}
	bl_layer_done(&first);
}

/* The tar's size alone decides, also where the last bytes are what makes it large. */
static void small_layers_are_stored(void **state)
{
	static const struct {
		uint64_t tar_bytes;
		int level;
	} table[] = { { 0, 0 }, { 2 << 20, 0 }, { (2 << 20) + 512, 1 }, { (uint64_t)1 << 40, 1 } };
	static char zeros[(2 << 20) - 1024];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_int_equal(bl_layer_level(table[i].tar_bytes), table[i].level);
	for (size_t over = 0; over < 2; over++) {
		struct bl_layer_out out;
		struct bl_layer layer = { .fd = -1 };
		struct bl_err err = { 0 };

		assert_int_equal(bl_layer_begin(&out, false, 2, &err), 0);
		assert_int_equal(bl_layer_bytes(&out, zeros, sizeof(zeros), &err), 0);
		assert_int_equal(bl_layer_bytes(&out, zeros, over * 512, &err), 0);
		assert_int_equal(bl_layer_end(&out, "test", &layer, &err), 0);
		assert_int_equal(layer.oci.blob.size < (2 << 20) + over * 512, over);
		bl_layer_out_done(&out);
		bl_layer_done(&layer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPO(the_same_tree_is_the_same_digest),
		IN_REPO(entries_are_sorted_and_hide_the_base),
		IN_REPO(modes_owner_and_times_are_fixed),
		IN_REPO(it_is_what_git_archive_gives),
		IN_REPO(threads_change_no_byte),
		IN_REPO(small_layers_are_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
