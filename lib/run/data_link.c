/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The same link once more is a repeated start. */
static int make_link(int dir, const char *name, const char *target, struct bl_err *err)
{
	char had[PATH_MAX];
	ssize_t n;

	if (!symlinkat(target, dir, name))
		return 0;
	if (errno != EEXIST)
		return bl_fail_errno(err, errno, "link '%s'", name);
	n = readlinkat(dir, name, had, sizeof(had));
	if (n >= 0 && (size_t)n == strlen(target) && !memcmp(had, target, (size_t)n))
		return 0;
	return bl_fail(err, BL_EEXIST, "'%s' is there already and leads elsewhere", name);
}

/* Directory and name of a path; "a" lies in ".". */
static int split(const char *path, struct bl_buf *dir, const char **name, struct bl_err *err)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	if (slash)
		bl_buf_add(dir, path, slash == path ? 1 : (size_t)(slash - path));
	else
		bl_buf_addc(dir, '.');
	return bl_buf_check(dir, "path", err);
}

static int link_dir(const char *target, const char *into, struct bl_err *err)
{
	BL_AUTO(bl_buf) parent = BL_BUF(PATH_MAX);
	const char *name;
	BL_FD dir = -1;

	if (split(into, &parent, &name, err) || bl_fs_make_dir(parent.data, &dir, err))
		return -1;
	return make_link(dir, name, target, err);
}

static int link_files(const struct bl_data_files *files, const char *into, struct bl_err *err)
{
	struct stat st;
	BL_FD root = -1;

	if (!lstat(into, &st) && S_ISLNK(st.st_mode))
		return bl_fail(err, BL_EEXIST, "'%s' is there already and leads elsewhere", into);
	if (bl_fs_make_dir(into, &root, err))
		return -1;
	for (size_t i = 0; i < files->n; i++) {
		BL_AUTO(bl_buf) parent = BL_BUF(PATH_MAX);
		const char *name;
		BL_FD dir = -1;

		if (split(files->items[i].key, &parent, &name, err) ||
		    bl_fs_make_dir_beneath(root, parent.data, &dir, err) ||
		    make_link(dir, name, files->items[i].path, err))
			return -1;
	}
	return 0;
}

int bl_data_link_channel(const struct bl_data_channel *channel, const char *into,
                         struct bl_err *err)
{
	BL_AUTO(bl_data_files) files = { 0 };
	BL_AUTO(bl_buf) path = BL_BUF(PATH_MAX);
	bool filters = channel->include && channel->include->n;
	struct stat st;
	int rc;

	if (bl_data_path(channel->uri, channel->base, &path, err))
		return bl_wrap(err, "data channel '%s'", channel->name);
	if (!filters && !stat(path.data, &st) && S_ISDIR(st.st_mode))
		rc = link_dir(path.data, into, err);
	else
		rc = bl_data_files_find(channel, &files, err) || link_files(&files, into, err);
	return rc ? bl_wrap(err, "show data channel '%s' to the training", channel->name) : 0;
}

int bl_data_link(const char *uri, const char *into, struct bl_err *err)
{
	const char *slash = strrchr(into, '/');
	struct bl_data_channel channel = { .name = slash ? slash + 1 : into, .uri = uri };

	return bl_data_link_channel(&channel, into, err);
}
