/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RENAME_NOREPLACE_ 1 /* linux/fs.h */
#define NAME_TRIES 4

int bl_fs_write(int fd, const void *bytes, size_t len, struct bl_err *err)
{
	const char *from = bytes;

	while (len) {
		int fault = BL_FAULT("fs.write");
		ssize_t n = fault ? -1 : write(fd, from, len);

		if (fault)
			errno = fault;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bl_fail_errno(err, errno, "write");
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int bl_fs_pwrite(int fd, const void *bytes, size_t len, uint64_t offset, struct bl_err *err)
{
	const char *from = bytes;

	while (len) {
		int fault = BL_FAULT("fs.pwrite");
		ssize_t n = fault ? -1 : pwrite(fd, from, len, (off_t)offset);

		if (fault)
			errno = fault;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bl_fail_errno(err, errno, "write");
		from += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_fd(int fd)
{
	int fault = BL_FAULT("fs.fsync");

	if (fault) {
		errno = fault;
		return -1;
	}
	/* EINVAL: some file systems cannot sync a directory, and need not */
	return fsync(fd) && errno != EINVAL && errno != ENOTSUP ? -1 : 0;
}

/* The directory of path, made where missing, and the name in it. */
static int open_parent(int dir, const char *path, struct bl_fs_temp *temp, struct bl_err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char parent[PATH_MAX] = ".";

	if (!*name || strlen(name) >= sizeof(temp->final_name) || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return bl_fail(err, BL_EINPUT, "'%s' does not name a file", path);
	if (slash) {
		size_t len = (size_t)(slash - path);

		if (!len || len >= sizeof(parent))
			return bl_fail(err, BL_EDENIED, "'%s' leads outside its directory", path);
		memcpy(parent, path, len);
		parent[len] = '\0';
	}
	if (bl_fs_make_dir_beneath(dir, parent, &temp->dir_fd, err))
		return -1;
	snprintf(temp->final_name, sizeof(temp->final_name), "%s", name);
	return 0;
}

int bl_fs_temp_open(int dir, const char *path, mode_t mode, struct bl_fs_temp *temp,
                    struct bl_err *err)
{
	struct bl_fs_temp made = BL_FS_TEMP;
	char random[17];

	if (open_parent(dir, path, &made, err))
		return -1;
	for (int i = 0; i < NAME_TRIES && made.fd < 0; i++) {
		if (bl_str_random(random, 16, err)) {
			bl_fd_done(&made.dir_fd);
			return -1;
		}
		snprintf(made.name, sizeof(made.name), ".bl-%s.tmp", random);
		made.fd = openat(made.dir_fd, made.name,
		                 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (made.fd < 0 && errno != EEXIST)
			break;
	}
	if (made.fd < 0) {
		bl_fail_errno(err, errno, "create a file beside '%s'", path);
		bl_fd_done(&made.dir_fd);
		return -1;
	}
	*temp = made;
	return 0;
}

int bl_fs_temp_replace(struct bl_fs_temp *temp, struct bl_err *err)
{
	if (sync_fd(temp->fd))
		return bl_fail_errno(err, errno, "sync '%s'", temp->final_name);
	BL_FAILPOINT("fs.replace.before");
	if (renameat(temp->dir_fd, temp->name, temp->dir_fd, temp->final_name))
		return bl_fail_errno(err, errno, "replace '%s'", temp->final_name);
	temp->name[0] = '\0';
	BL_FAILPOINT("fs.replace.after");
	if (sync_fd(temp->dir_fd))
		return bl_fail_errno(err, errno, "sync the directory of '%s'", temp->final_name);
	return 0;
}

int bl_fs_sync_all(int dir, struct bl_err *err)
{
	int fault = BL_FAULT("fs.sync_all");

	if (fault)
		errno = fault;
	if (fault || syncfs(dir))
		return bl_fail_errno(err, errno, "sync the file system");
	return 0;
}

int bl_fs_temp_publish(struct bl_fs_temp *temp, struct bl_err *err)
{
	BL_FAILPOINT("fs.publish.before");
	if (renameat(temp->dir_fd, temp->name, temp->dir_fd, temp->final_name))
		return bl_fail_errno(err, errno, "replace '%s'", temp->final_name);
	temp->name[0] = '\0';
	return 0;
}

int bl_fs_allocate(int fd, uint64_t size, struct bl_err *err)
{
	struct stat st;
	int rc, fault = BL_FAULT("fs.allocate");

	if (size > INT64_MAX)
		return bl_fail(err, BL_EINPUT, "no file can have %ju bytes", (uintmax_t)size);
	/* the system call, not posix_fallocate(): libc would write a byte into each block */
	do
		rc = fault ? -1 : fallocate(fd, 0, 0, (off_t)size);
	while (rc && !fault && errno == EINTR);
	if (fault)
		errno = fault;
	if (!rc || !size)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
		return bl_fail_errno(err, errno, "allocate %ju bytes", (uintmax_t)size);
	if (fstat(fd, &st) || ((uint64_t)st.st_size < size && ftruncate(fd, (off_t)size)))
		return bl_fail_errno(err, errno, "make the file %ju bytes long", (uintmax_t)size);
	return 0;
}

/* link(2), or a rename that refuses to replace where the file system has no links. */
static int publish_once(struct bl_fs_temp *temp)
{
	if (!linkat(temp->dir_fd, temp->name, temp->dir_fd, temp->final_name, 0))
		return 0;
#ifdef SYS_renameat2
	if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS) {
		if (syscall(SYS_renameat2, temp->dir_fd, temp->name, temp->dir_fd, temp->final_name,
		            RENAME_NOREPLACE_))
			return -1;
		temp->name[0] = '\0';
		return 0;
	}
#endif
	return -1;
}

int bl_fs_temp_create(struct bl_fs_temp *temp, struct bl_err *err)
{
	if (sync_fd(temp->fd))
		return bl_fail_errno(err, errno, "sync '%s'", temp->final_name);
	BL_FAILPOINT("fs.create.before");
	if (publish_once(temp))
		return bl_fail_errno(err, errno, "create '%s'", temp->final_name);
	BL_FAILPOINT("fs.create.after");
	if (temp->name[0])
		unlinkat(temp->dir_fd, temp->name, 0); /* a leftover is only untidy */
	temp->name[0] = '\0';
	if (sync_fd(temp->dir_fd))
		return bl_fail_errno(err, errno, "sync the directory of '%s'", temp->final_name);
	return 0;
}

void bl_fs_temp_done(struct bl_fs_temp *temp)
{
	if (temp->dir_fd >= 0 && temp->name[0])
		unlinkat(temp->dir_fd, temp->name, 0);
	bl_fd_done(&temp->fd);
	bl_fd_done(&temp->dir_fd);
	*temp = BL_FS_TEMP;
}

int bl_fs_replace(int dir, const char *path, const void *bytes, size_t len, mode_t mode,
                  struct bl_err *err)
{
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;

	if (bl_fs_temp_open(dir, path, mode, &temp, err))
		return -1;
	if (bl_fs_write(temp.fd, bytes, len, err) || bl_fs_temp_replace(&temp, err))
		return bl_wrap(err, "'%s'", path);
	return 0;
}

int bl_fs_create(int dir, const char *path, const void *bytes, size_t len, mode_t mode,
                 struct bl_err *err)
{
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;

	if (bl_fs_temp_open(dir, path, mode, &temp, err))
		return -1;
	if (bl_fs_write(temp.fd, bytes, len, err) || bl_fs_temp_create(&temp, err))
		return bl_wrap(err, "'%s'", path);
	return 0;
}
