/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/sync_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define NAME_TRIES 4
#define IN_THE_WAY "move it away, or name another directory"

static int open_parent(struct sync_files *files, const char *parent, enum sync_make make,
                       struct bl_err *err)
{
	int fd;

	if (make == SYNC_MAKES
	            ? bl_fs_make_dir_beneath(files->root, parent, &fd, err)
	            : bl_fs_open_beneath(files->root, parent, O_RDONLY | O_DIRECTORY, 0, &fd, err))
		return -1;
	bl_fd_done(&files->parent_fd);
	files->parent_fd = fd;
	memcpy(files->parent, parent, strlen(parent) + 1);
	return 0;
}

int sync_files_parent(struct sync_files *files, const char *name, enum sync_make make, int *fd,
                      const char **last, struct bl_err *err)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 1;
	char parent[SYNC_KEY_MAX + 1] = ".";

	if (len > SYNC_KEY_MAX)
		return bl_fail(err, BL_EDATA, "over the 1,024 bytes of a key");
	if (slash)
		memcpy(parent, name, len);
	parent[len] = '\0';
	if ((files->parent_fd < 0 || strcmp(parent, files->parent) != 0) &&
	    open_parent(files, parent, make, err))
		return -1;
	*fd = files->parent_fd;
	*last = slash ? slash + 1 : name;
	return 0;
}

/* A component of name that is there and no directory, or a link. */
static int fail_blocked(const struct sync_files *files, const char *name, struct bl_err *err)
{
	char path[SYNC_KEY_MAX + 1];
	struct stat st;

	for (size_t i = 0; i < SYNC_KEY_MAX && name[i]; i++) {
		path[i] = name[i];
		if (name[i + 1] != '/')
			continue;
		path[i + 1] = '\0';
		if (fstatat(files->root, path, &st, AT_SYMLINK_NOFOLLOW))
			return -1;
		if (S_ISDIR(st.st_mode))
			continue;
		bl_err_clear(err);
		bl_fail(err, BL_EDATA, "'%.200s' is %s, and a directory is needed", path,
		        S_ISLNK(st.st_mode) ? "a link" : "a file");
		return bl_next(err, IN_THE_WAY);
	}
	return -1;
}

static int check_last(int fd, const char *last, struct bl_err *err)
{
	struct stat st;

	if (fstatat(fd, last, &st, AT_SYMLINK_NOFOLLOW) || S_ISREG(st.st_mode))
		return 0;
	bl_fail(err, BL_EDATA, "a %s of that name is there",
	        S_ISDIR(st.st_mode)   ? "directory"
	        : S_ISLNK(st.st_mode) ? "link"
	                              : "special file");
	return bl_next(err, IN_THE_WAY);
}

int sync_files_check(struct sync_files *files, const char *name, struct bl_err *err)
{
	const char *last;
	int fd;

	if (files->root < 0)
		return 0;
	if (!sync_files_parent(files, name, SYNC_LOOKS, &fd, &last, err))
		return check_last(fd, last, err);
	fail_blocked(files, name, err);
	if (err->code == BL_ENOENT) /* to be made */
		bl_err_clear(err);
	return err->code ? -1 : 0;
}

/* 0, or -1 with errno; EAGAIN: the name was taken, or taken away before the lock held. */
static int try_create(int dir, const char *name)
{
	BL_FD fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	struct stat st;

	if (fd < 0) {
		if (errno == EEXIST)
			errno = EAGAIN;
		return -1;
	}
	/* ENOLCK and the like: a file system without locks, whose leftovers stay */
	if ((flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) || fstat(fd, &st) ||
	    !st.st_nlink) {
		errno = EAGAIN;
		return -1;
	}
	return bl_fd_take(&fd);
}

int sync_files_temp(struct sync_files *files, const char *name, struct sync_temp *temp,
                    struct bl_err *err)
{
	char random[13];
	const char *last;
	int dir;

	if (sync_files_parent(files, name, SYNC_MAKES, &dir, &last, err)) {
		if (err->code == BL_ENOENT || err->code == BL_EDENIED)
			return fail_blocked(files, name, err);
		return -1;
	}
	if (check_last(dir, last, err))
		return -1;
	for (int i = 0; i < NAME_TRIES; i++) {
		int fd;

		if (bl_str_random(random, 12, err))
			return -1;
		snprintf(temp->name, sizeof(temp->name), ".bl-sync%s.tmp", random);
		fd = try_create(dir, temp->name);
		if (fd >= 0) {
			temp->fd = fd;
			return 0;
		}
		if (errno != EAGAIN)
			break;
	}
	temp->name[0] = '\0';
	return bl_fail_errno(err, errno, "create a file");
}

int sync_files_commit(struct sync_files *files, const char *name, struct sync_temp *temp,
                      struct bl_err *err)
{
	const char *last;
	int dir;

	if (sync_files_parent(files, name, SYNC_LOOKS, &dir, &last, err) ||
	    check_last(dir, last, err))
		return -1;
	if (renameat(dir, temp->name, dir, last))
		return bl_fail_errno(err, errno, "rename");
	temp->name[0] = '\0';
	bl_fd_done(&temp->fd);
	return 0;
}

void sync_files_drop(struct sync_files *files, const char *name, struct sync_temp *temp)
{
	struct bl_err unsaid = { 0 };
	const char *last;
	int dir;

	/* what cannot be removed is untidy; the next run tries again */
	if (temp->name[0] && !sync_files_parent(files, name, SYNC_LOOKS, &dir, &last, &unsaid))
		unlinkat(dir, temp->name, 0);
	temp->name[0] = '\0';
	bl_fd_done(&temp->fd);
}

/* ENOTEMPTY ends it, as does the root. */
static void remove_empty_parents(struct sync_files *files, const char *name)
{
	char path[SYNC_KEY_MAX + 1];
	struct bl_err unsaid = { 0 };
	char *slash;

	memcpy(path, name, strlen(name) + 1);
	while ((slash = strrchr(path, '/'))) {
		const char *last;
		int dir;

		*slash = '\0';
		if (sync_files_parent(files, path, SYNC_LOOKS, &dir, &last, &unsaid) ||
		    unlinkat(dir, last, AT_REMOVEDIR))
			return;
	}
}

int sync_files_remove(struct sync_files *files, const char *name, struct bl_err *err)
{
	const char *last;
	struct stat st;
	int dir;

	if (sync_files_parent(files, name, SYNC_LOOKS, &dir, &last, err))
		return -1;
	/* between the list and now it may have become what we must not touch */
	if (!fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode))
		return bl_fail(err, BL_EDATA, "it is no longer a file");
	if (unlinkat(dir, last, 0) && errno != ENOENT)
		return bl_fail_errno(err, errno, "remove");
	if (strlen(name) <= SYNC_KEY_MAX)
		remove_empty_parents(files, name);
	return 0;
}

void sync_files_done(struct sync_files *files)
{
	bl_fd_done(&files->parent_fd);
}

void sync_remove_leftover(int dir, const char *name)
{
	BL_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		unlinkat(dir, name, 0);
}
