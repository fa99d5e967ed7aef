/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scratch.h"

#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

int scratch_store(void **state)
{
	struct bl_store *store = NULL;
	struct bl_err err = { 0 };
	const char *tmp = "/tmp/branchline-test-XXXXXX";

	snprintf(dir, sizeof(dir), "%s", tmp);
	if (!mkdtemp(dir) || chdir(dir) || bl_store_open("store", BL_STORE_WRITE, &store, &err)) {
		fprintf(stderr, "scratch: %s %s\n", dir, err.text);
		return -1;
	}
	*state = store;
	return 0;
}

int scratch_done(void **state)
{
	struct bl_err err = { 0 };
	BL_FD tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	bl_store_close(*state);
	*state = NULL;
	if (chdir("/") || bl_fs_remove_tree(tmp, dir + strlen("/tmp/"), &err)) {
		fprintf(stderr, "scratch: %s\n", err.text);
		return -1;
	}
	return 0;
}

const char *scratch_dir(void)
{
	return dir;
}
