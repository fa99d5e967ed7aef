/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX_BYTES ((size_t)256 << 20)
#define DEPTH_MAX 128
#define REMOVE_PASSES 3

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void free_names(const char ***names)
{
	free(*names);
}

static unsigned char type_of(int dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return DT_UNKNOWN;
	return (unsigned char)IFTODT(st.st_mode);
}

/* Appends one record (type byte, name, NUL) per entry. */
static int read_names(DIR *stream, const char *path, struct bl_buf *records, size_t *n,
                      struct bl_err *err)
{
	const struct dirent *entry;
	size_t count = 0;

	while (errno = 0, (entry = readdir(stream))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		bl_buf_addc(records, (char)type_of(dirfd(stream), entry));
		bl_buf_add(records, entry->d_name, strlen(entry->d_name) + 1);
		count++;
	}
	if (errno)
		return bl_fail_errno(err, errno, "list '%s'", path);
	*n = count;
	return bl_buf_check(records, "list of names", err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a + 1, *(const char *const *)b + 1);
}

static int open_stream(int dir, const char *path, DIR **out, struct bl_err *err)
{
	BL_FD fd = -1;

	if (bl_fs_open_beneath(dir, path, O_RDONLY | O_DIRECTORY, 0, &fd, err))
		return -1;
	*out = fdopendir(fd);
	if (!*out)
		return bl_fail_errno(err, errno, "list '%s'", path);
	(void)!bl_fd_take(&fd);
	return 0;
}

int bl_fs_list(int dir, const char *path, bl_fs_visit *visit, void *arg, struct bl_err *err)
{
	__attribute__((cleanup(close_dir))) DIR *stream = NULL;
	__attribute__((cleanup(free_names))) const char **names = NULL;
	BL_AUTO(bl_buf) records = BL_BUF(NAMES_MAX_BYTES);
	size_t n = 0;

	if (open_stream(dir, path, &stream, err) || read_names(stream, path, &records, &n, err))
		return -1;
	if (!n)
		return 0;
	names = calloc(n, sizeof(*names));
	if (!names)
		return bl_fail(err, BL_ENOMEM, "list '%s': out of memory", path);
	const char *at = records.data;
	for (size_t i = 0; i < n; i++) {
		names[i] = at;
		at += strlen(at + 1) + 2;
	}
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		int stop = visit(arg, dirfd(stream), names[i] + 1, (unsigned char)names[i][0], err);

		if (stop)
			return stop;
	}
	return 0;
}

/* `depth` is how many directories we are in. */
static int remove_entry(void *depth, int dir, const char *name, unsigned char type,
                        struct bl_err *err)
{
	int below = *(int *)depth + 1;

	if (type != DT_DIR) {
		if (!unlinkat(dir, name, 0) || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return bl_fail_errno(err, errno, "remove '%s'", name);
	}
	if (below > DEPTH_MAX)
		return bl_fail(err, BL_ELIMIT, "'%s' is over %d directories deep", name, DEPTH_MAX);
	/* a writer may add to a directory while it is being emptied */
	for (int pass = 0; pass < REMOVE_PASSES; pass++) {
		if (bl_fs_list(dir, name, remove_entry, &below, err)) {
			if (err->code != BL_ENOENT)
				return bl_wrap(err, "'%s'", name);
			bl_err_clear(err);
		}
		if (!unlinkat(dir, name, AT_REMOVEDIR) || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			break;
	}
	return bl_fail_errno(err, errno, "remove '%s'", name);
}

int bl_fs_remove_tree(int dir, const char *path, struct bl_err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	BL_AUTO(bl_buf) parent = BL_BUF(65536);
	BL_FD parent_fd = -1;
	struct stat st;
	int depth = 0;

	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || *path == '/')
		return bl_fail(err, BL_EDENIED, "remove '%s': not a name beneath the directory",
		               path);
	if (slash)
		bl_buf_add(&parent, path, (size_t)(slash - path));
	else
		bl_buf_adds(&parent, ".");
	if (bl_buf_check(&parent, "path", err))
		return -1;
	if (bl_fs_open_beneath(dir, bl_buf_text(&parent), O_RDONLY | O_DIRECTORY, 0, &parent_fd,
	                       err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : bl_fail_errno(err, errno, "stat '%s'", path);
	return remove_entry(&depth, parent_fd, name, (unsigned char)IFTODT(st.st_mode), err);
}
