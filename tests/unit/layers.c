/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/layers.h"

#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int layer_set_up(void **state)
{
	char deep[400] = "r/deep/";

	if (folder_make(state))
		return -1;
	memset(deep + 7, 'd', 120);
	memcpy(deep + 127, "/caf\xc3\xa9", 7);
	put_text("r/train.py", "print('hi')\n");
	put_text("r/a/.gitkeep", "");
	put_text("r/a.b", "dot");
	put_text(deep, "long");
	put_text("r/run.sh", "#!/bin/sh\n");
	chmod(folder_path("r/run.sh"), 0755);
	make_link("r/link", "a/../train.py");
	REPO_GIT(folder_path("r"), "init", "-q", "-b", "main");
	REPO_GIT(folder_path("r"), "config", "gc.auto", "0");
	REPO_GIT(folder_path("r"), "add", "-A");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "one");
	return 0;
}

void layer_commit(void)
{
	REPO_GIT(folder_path("r"), "add", "-A");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "next");
}

int layer_of_head(struct bl_layer_code how, struct bl_layer *out, struct bl_err *err)
{
	BL_GIT_TREE tree = NULL;
	struct bl_git_commit commit;

	if (bl_git_tree_open(folder_path("r"), "HEAD", &tree, &commit, err))
		return -1;
	how.tree = tree;
	return bl_layer_of_code(&how, out, err);
}

struct bl_layer layer_made(struct bl_layer_code how)
{
	struct bl_layer layer = { .fd = -1 };
	struct bl_err err = { 0 };

	if (layer_of_head(how, &layer, &err))
		fail_msg("%s", err.text);
	return layer;
}

void layer_pipe(int fd, const char *const *argv, struct bl_buf *out)
{
	int ends[2], status;
	char bytes[4096];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		lseek(fd, 0, SEEK_SET);
		dup2(fd, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		setenv("LC_ALL", "C", 1);
		setenv("TZ", "UTC", 1);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(ends[1]);
	while ((n = read(ends[0], bytes, sizeof(bytes))) > 0)
		bl_buf_add(out, bytes, (size_t)n);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

void assert_layer_names(const struct bl_layer *layer, const char *want)
{
	BL_AUTO(bl_buf) names = BL_BUF(65536);

	LAYER_PIPE(layer->fd, &names, "tar", "-tz", "--quoting-style=literal");
	assert_string_equal(bl_buf_text(&names), want);
}

void assert_layer_digests(const struct bl_layer *layer)
{
	BL_AUTO(bl_buf) blob = BL_BUF((size_t)16 << 20);
	BL_AUTO(bl_buf) tar = BL_BUF((size_t)16 << 20);
	char hex[BL_SHA256_HEX];
	struct bl_err err = { 0 };

	LAYER_PIPE(layer->fd, &blob, "cat");
	LAYER_PIPE(layer->fd, &tar, "gzip", "-dc");
	assert_int_equal(blob.len, layer->oci.blob.size);
	assert_int_equal(bl_sha256_of(blob.data, blob.len, hex, &err), 0);
	assert_string_equal(layer->oci.blob.digest + 7, hex);
	assert_int_equal(bl_sha256_of(tar.data, tar.len, hex, &err), 0);
	assert_string_equal(layer->oci.diff_id + 7, hex);
	assert_string_equal(layer->oci.blob.media_type, BL_OCI_LAYER_GZIP);
}
