/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/str.h"
#include "run/image_build_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LFS_FIRST_LINE "version https://git-lfs.github.com/spec/v1\n"
#define LFS_MAX 1024

/* A part that git itself would not write, but that a tree made by hand can hold. */
static int check_parts(const char *path, struct bl_err *err)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		size_t len;

		part += *part == '/';
		len = strcspn(part, "/");
		if (!len || (len == 1 && *part == '.') || (len == 2 && !strncmp(part, "..", 2)) ||
		    (len == 4 && !strncmp(part, ".git", 4)))
			return bl_fail(err, BL_EINPUT,
			               "the commit has a path '%.200s': it could leave its place",
			               path);
	}
	return 0;
}

static int refuse_module(const char *path, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "the context has a submodule '%.200s': its files are not in it",
	        path);
	return bl_next(err, "put the files into the repository, or name it in .dockerignore");
}

static int refuse_pointer(const char *path, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT,
	        "the context has a file of Git LFS (%.200s): only its pointer is "
	        "in the commit",
	        path);
	return bl_next(err, "name it in .dockerignore; give large files as data (data: in "
	                    "branchline.yaml)");
}

static bool is_pointer(const struct bl_git_blob *blob)
{
	size_t len = strlen(LFS_FIRST_LINE);

	return blob->size < LFS_MAX && blob->size >= len &&
	       !memcmp(blob->bytes, LFS_FIRST_LINE, len);
}

/* The directory of a path, made where missing. */
static int open_parent(int dir, const char *path, int *out, const char **name, struct bl_err *err)
{
	char parent[BUILD_PATH_SIZE];
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	build_dir_of(path, parent);
	return bl_fs_make_dir_beneath(dir, *parent ? parent : ".", out, err);
}

static const struct timespec times[2] = { { .tv_sec = 315532800 }, { .tv_sec = 315532800 } };

static int write_file(int dir, const char *name, mode_t mode, const struct bl_git_blob *blob,
                      struct bl_err *err)
{
	BL_FD fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return bl_fail_errno(err, errno, "create");
	if (bl_fs_write(fd, blob->bytes, blob->size, err))
		return -1;
	if (fchmod(fd, mode) || futimens(fd, times))
		return bl_fail_errno(err, errno, "set mode and time");
	return 0;
}

static int write_link(int dir, const char *name, const struct bl_git_blob *blob, struct bl_err *err)
{
	BL_AUTO(bl_buf) target = BL_BUF(4097);

	bl_buf_add(&target, blob->bytes, blob->size);
	if (bl_buf_check(&target, "link", err))
		return -1;
	if (!target.len || memchr(target.data, '\0', target.len))
		return bl_fail(err, BL_EINPUT, "a link to nowhere");
	if (symlinkat(bl_buf_text(&target), dir, name))
		return bl_fail_errno(err, errno, "link");
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW))
		return bl_fail_errno(err, errno, "set time");
	return 0;
}

static int write_entry(const struct bl_build *build, const struct build_entry *entry,
                       const char *path, int dir, struct bl_err *err)
{
	struct bl_git_blob blob = { 0 };
	BL_FD parent = -1;
	const char *name;
	int rc;

	if (check_parts(path, err))
		return -1;
	if (entry->kind == BL_GIT_MODULE)
		return refuse_module(path, err);
	if (open_parent(dir, path, &parent, &name, err) ||
	    bl_git_blob_read(build->tree, entry->id, &blob, err))
		return bl_wrap(err, "'%.200s'", path);
	if (entry->kind == BL_GIT_LINK)
		rc = write_link(parent, name, &blob, err);
	else if (is_pointer(&blob))
		rc = refuse_pointer(path, err);
	else
		rc = write_file(parent, name, entry->kind == BL_GIT_EXEC ? 0755 : 0644, &blob, err);
	bl_git_blob_done(&blob);
	return rc ? bl_wrap(err, "'%.200s'", path) : 0;
}

int build_write_context(const struct bl_build *build, const struct build_inputs *inputs, int dir,
                        struct bl_err *err)
{
	for (size_t i = 0; i < inputs->n; i++) {
		const struct build_entry *entry = &inputs->entries[i];

		if (entry->wanted &&
		    write_entry(build, entry, build_context_path(inputs, entry), dir, err))
			return bl_wrap(err, "build context");
	}
	return 0;
}
