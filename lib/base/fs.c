/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

#define READ_CHUNK 65536

/* linux/openat2.h, which a musl tool chain need not have */
#define RESOLVE_NO_MAGICLINKS_ 0x02
#define RESOLVE_NO_SYMLINKS_ 0x04
#define RESOLVE_BENEATH_ 0x08
#define RACE_TRIES 8

struct open_how_ {
	uint64_t flags, mode, resolve;
};

void bl_fd_done(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int bl_fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static bool has_dotdot(const char *path)
{
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2]))
			return true;
	}
	return false;
}

static int check_contained(const char *path, struct bl_err *err)
{
	if (!*path)
		return bl_fail(err, BL_EINPUT, "an empty path");
	if (*path == '/' || has_dotdot(path))
		return bl_fail(err, BL_EDENIED, "'%s' leads outside its directory", path);
	return 0;
}

static int fail_open(const char *path, int errnum, struct bl_err *err)
{
	if (errnum == EXDEV || errnum == ELOOP)
		return bl_fail(err, BL_EDENIED,
		               "open '%s': it or a directory of it is a symbolic link", path);
	return bl_fail_errno(err, errnum, "open '%s'", path);
}

/* ENOSYS where the kernel (before 5.6) or a sandbox lacks it. */
static int try_openat2(int dir, const char *path, int flags, mode_t mode)
{
#ifdef SYS_openat2
	struct open_how_ how = {
		.flags = (uint64_t)(unsigned)flags,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH_ | RESOLVE_NO_SYMLINKS_ | RESOLVE_NO_MAGICLINKS_,
	};
	long fd = -1;

	if (BL_FAULT("fs.openat2.missing")) {
		errno = ENOSYS;
		return -1;
	}
	for (int i = 0; i < RACE_TRIES; i++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		/* EAGAIN: a rename elsewhere raced with the walk */
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return (int)fd;
#else
	(void)dir, (void)path, (void)flags, (void)mode;
	errno = ENOSYS;
	return -1;
#endif
}

/* Opens one name; a link there is ELOOP also where the kernel says ENOTDIR (O_DIRECTORY). */
static int open_name(int dir, const char *name, int flags, mode_t mode)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	struct stat st;

	if (fd < 0 && errno == ENOTDIR) {
		if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
			errno = ELOOP;
		else
			errno = ENOTDIR;
	}
	return fd;
}

/* Copies the next component to name and returns what follows it; NULL: too long. */
static const char *next_component(const char *path, char name[NAME_MAX + 1])
{
	size_t len;

	path += strspn(path, "/");
	len = strcspn(path, "/");
	if (len > NAME_MAX)
		return NULL;
	memcpy(name, path, len);
	name[len] = '\0';
	path += len;
	return path + strspn(path, "/");
}

static int walk_open(int dir, const char *path, int flags, mode_t mode)
{
	BL_FD held = -1;
	char name[NAME_MAX + 1];
	int at = dir;

	for (;;) {
		const char *rest = next_component(path, name);

		if (!rest) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (!*rest)
			return open_name(at, name, flags, mode);
		int next = open_name(at, name, O_PATH | O_DIRECTORY, 0);
		if (next < 0)
			return -1;
		bl_fd_done(&held);
		held = at = next;
		path = rest;
	}
}

int bl_fs_open_beneath(int dir, const char *path, int flags, mode_t mode, int *out,
                       struct bl_err *err)
{
	int fd;

	if (check_contained(path, err))
		return -1;
	fd = try_openat2(dir, path, flags | O_CLOEXEC, mode);
	/* EPERM: old container engines' filters answer so to calls that they do not know */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = walk_open(dir, path, flags, mode);
	if (fd < 0)
		return fail_open(path, errno, err);
	*out = fd;
	return 0;
}

int bl_fs_open_dir(const char *path, int *out, struct bl_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return bl_fail_errno(err, errno, "open directory '%s'", path);
	*out = fd;
	return 0;
}

int bl_fs_make_dir(const char *path, int *out, struct bl_err *err)
{
	size_t len = strlen(path);
	char part[PATH_MAX];
	int why = 0, fd;

	if (!len || len >= sizeof(part))
		return bl_fail(err, BL_EINPUT, "'%.64s' is no path of 1 to %d bytes", path,
		               PATH_MAX - 1);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i])
			continue;
		part[i] = '\0';
		/* the open below judges: what exists may answer EROFS or EACCES to mkdir */
		if (mkdir(part, 0777) && errno != EEXIST)
			why = errno;
		part[i] = path[i];
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return bl_fail_errno(err, errno == ENOENT && why ? why : errno,
		                     "make directory '%s'", path);
	*out = fd;
	return 0;
}

static int make_components(int dir, const char *path, int *out, struct bl_err *err)
{
	BL_FD held = -1;
	char name[NAME_MAX + 1];
	const char *rest = path;
	int at = dir;

	do {
		rest = next_component(rest, name);
		if (!rest)
			return bl_fail_errno(err, ENAMETOOLONG, "make directory '%s'", path);
		if (mkdirat(at, name, 0777) && errno != EEXIST)
			return bl_fail_errno(err, errno, "make directory '%s'", path);
		int next = open_name(at, name, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0)
			return fail_open(path, errno, err);
		bl_fd_done(&held);
		held = at = next;
	} while (*rest);
	*out = bl_fd_take(&held);
	return 0;
}

int bl_fs_make_dir_beneath(int dir, const char *path, int *out, struct bl_err *err)
{
	BL_FD fd = -1;

	if (bl_fs_open_beneath(dir, path, O_RDONLY | O_DIRECTORY, 0, &fd, err)) {
		struct stat st;

		/* ENOTDIR is BL_ENOENT too: a file in the way cannot become a directory */
		if (err->code != BL_ENOENT ||
		    (!fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(st.st_mode)))
			return -1;
		bl_err_clear(err);
		if (make_components(dir, path, &fd, err))
			return -1;
	}
	if (out)
		*out = bl_fd_take(&fd);
	return 0;
}

/* Reads to the end; what was read of a file that fails stays out of buf. */
static int read_rest(int fd, const char *path, struct bl_buf *buf, struct bl_err *err)
{
	for (;;) {
		size_t want = buf->max - buf->len;
		char probe, *to = &probe;
		ssize_t n;

		if (want > READ_CHUNK)
			want = READ_CHUNK;
		if (want && !(to = bl_buf_room(buf, want)))
			return bl_buf_check(buf, path, err);
		n = read(fd, to, want ? want : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bl_fail_errno(err, errno, "read '%s'", path);
		if (!n)
			return 0;
		if (!want)
			return bl_fail(err, BL_ELIMIT, "'%s' is over the limit of %zu bytes", path,
			               buf->max);
		bl_buf_grew(buf, (size_t)n);
	}
}

static int read_regular(int fd, const char *path, struct bl_buf *buf, struct bl_err *err)
{
	size_t before = buf->len;
	struct stat st;

	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_EINPUT, "'%s' is not a regular file", path);
	if (bl_buf_check(buf, path, err))
		return -1;
	if ((uint64_t)st.st_size > buf->max - before)
		return bl_fail(err, BL_ELIMIT, "'%s' is over the limit of %zu bytes", path,
		               buf->max);
	if (read_rest(fd, path, buf, err)) {
		buf->len = before;
		if (buf->data)
			buf->data[before] = '\0';
		return -1;
	}
	return 0;
}

int bl_fs_read(int dir, const char *path, struct bl_buf *buf, struct bl_err *err)
{
	BL_FD fd = -1;

	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	if (bl_fs_open_beneath(dir, path, O_RDONLY | O_NONBLOCK, 0, &fd, err))
		return -1;
	return read_regular(fd, path, buf, err);
}

int bl_fs_read_path(const char *path, struct bl_buf *buf, struct bl_err *err)
{
	BL_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return bl_fail_errno(err, errno, "open '%s'", path);
	return read_regular(fd, path, buf, err);
}

int bl_fs_pread(int fd, void *bytes, size_t len, uint64_t offset, struct bl_err *err)
{
	char *to = bytes;
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, to + got, len - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bl_fail_errno(err, errno, "read at %llu",
			                     (unsigned long long)(offset + got));
		if (!n)
			return bl_fail(err, BL_ECORRUPT, "ends after %zu of %zu bytes", got, len);
		got += (size_t)n;
	}
	return 0;
}

int bl_fs_exists(int dir, const char *path, bool *out, struct bl_err *err)
{
	BL_FD fd = -1;

	if (!bl_fs_open_beneath(dir, path, O_PATH | O_NOFOLLOW, 0, &fd, err)) {
		*out = true;
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	*out = false;
	return 0;
}

int bl_fs_free_bytes(int dir, uint64_t *out, struct bl_err *err)
{
	struct statvfs vfs;

	if (fstatvfs(dir, &vfs))
		return bl_fail_errno(err, errno, "statvfs");
	*out = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return 0;
}
