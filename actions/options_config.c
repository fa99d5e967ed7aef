/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that a verb works with: found, read, resolved. */
#include "actions/options.h"
#include "base/fs.h"
#include "codec/git.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_there(const char *dir, const char *name)
{
	char path[4096 + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

/* Cuts the last part off; false at the root. */
static bool go_up(char *dir)
{
	char *slash = strrchr(dir, '/');

	if (!slash || !dir[1])
		return false;
	*(slash == dir ? slash + 1 : slash) = '\0';
	return true;
}

/* Here or above, not beyond the repository; without one, only here. */
static void look_upwards(const char *cwd, struct bl_found *found)
{
	char dir[sizeof(found->root)], top[sizeof(found->root)];

	snprintf(top, sizeof(top), "%s", cwd);
	while (!is_there(top, ".git"))
		if (!go_up(top)) {
			snprintf(top, sizeof(top), "%s", cwd);
			break;
		}
	snprintf(dir, sizeof(dir), "%s", cwd);
	while (!is_there(dir, BL_CONFIG_FILE) && strcmp(dir, top) != 0)
		if (!go_up(dir))
			break;
	if (!is_there(dir, BL_CONFIG_FILE))
		return;
	snprintf(found->root, sizeof(found->root), "%s", dir);
	snprintf(found->path, sizeof(found->path), "%s%s%s", strcmp(dir, cwd) ? dir : "",
	         strcmp(dir, cwd) ? "/" : "", BL_CONFIG_FILE);
}

static int root_of(const char *path, char root[4096], struct bl_err *err)
{
	char real[PATH_MAX];

	if (!realpath(path, real))
		return bl_fail_errno(err, errno, "'%s'", path);
	go_up(real);
	snprintf(root, 4096, "%s", real);
	return 0;
}

int bl_options_config(const char *path, const char *job, const struct bl_args *args,
                      const struct bl_value *ceilings, struct bl_config *out,
                      struct bl_found *found, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_CONFIG_FILE_MAX);
	struct bl_found here = { 0 };

	if (!getcwd(here.root, sizeof(here.root)))
		return bl_fail_errno(err, errno, "current directory");
	char cwd[sizeof(here.root)];
	snprintf(cwd, sizeof(cwd), "%s", here.root);
	if (!path)
		look_upwards(cwd, &here);
	else if (root_of(path, here.root, err))
		return bl_next(err, "name a file with --file, or leave it out");
	else
		snprintf(here.path, sizeof(here.path), "%s", path);
	if (here.path[0] && bl_fs_read_path(here.path, &bytes, err))
		return -1;
	struct bl_config_input input = {
		.bytes = here.path[0] ? bl_buf_text(&bytes) : NULL,
		.len = bytes.len,
		.file = here.path[0] ? here.path : BL_CONFIG_FILE,
		.job = job,
		.flags = args->flags,
		.n_flags = args->n_flags,
		.environ = (const char *const *)environ,
		.cwd = cwd,
		.ceilings = ceilings,
	};
	if (bl_config_resolve(&input, out, err))
		return -1;
	*found = here;
	return 0;
}

int bl_options_config_at(const char *root, const char *sha, const char *path, const char *job,
                         const struct bl_args *args, const struct bl_value *ceilings,
                         struct bl_config *out, struct bl_found *found, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_CONFIG_FILE_MAX);
	bool is_there = true;

	if (bl_git_file(root, sha, path ? path : BL_CONFIG_FILE, &bytes, err)) {
		if (path || err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* defaults and flags, as without a file */
		is_there = false;
	}
	snprintf(found->path, sizeof(found->path), "%.12s:%s", sha, path ? path : BL_CONFIG_FILE);
	const struct bl_config_input input = {
		.bytes = is_there ? bl_buf_text(&bytes) : NULL,
		.len = bytes.len,
		.file = found->path,
		.job = job,
		.flags = args->flags,
		.n_flags = args->n_flags,
		.environ = (const char *const *)environ,
		.ceilings = ceilings,
	};

	return bl_config_resolve(&input, out, err);
}
