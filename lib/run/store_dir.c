/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_dir.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "codec/hash.h"
#include "run/store_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define OBJECT_MODE 0666
/* A parent directory may be removed as empty between its making and our file in it. */
#define RACE_TRIES 8

struct dir_store {
	int root;
	bool writes;
	char *path;
	struct tidied tidied;
};

/* What an object is made of: bytes, or the first `size` bytes of a file. */
struct body {
	const void *bytes; /* NULL: fd */
	int fd;
	uint64_t size;
	uint64_t crc; /* out, of a file */
	const struct bl_call *call;
};

typedef int commit_fn(struct bl_fs_temp *temp, struct bl_err *err);

static int check_deadline(const struct bl_call *call, struct bl_err *err)
{
	if (call && call->deadline_mono_ms && bl_mono_ms() >= call->deadline_mono_ms)
		return bl_fail(err, BL_ETIMEOUT, "its deadline has passed");
	return 0;
}

static void report_progress(const struct bl_call *call, uint64_t done, uint64_t total)
{
	if (call && call->progress)
		call->progress(call->arg, done, total);
}

static int may_write(const struct dir_store *self, struct bl_err *err)
{
	if (self->writes)
		return 0;
	return bl_fail(err, BL_EDENIED, "the store was opened for reading");
}

static int fail_fault(int errnum, struct bl_err *err)
{
	return errnum ? bl_fail_errno(err, errnum, "write") : 0;
}

static int copy_file(struct body *body, int to, struct bl_err *err)
{
	__attribute__((cleanup(free_chunk))) char *chunk = malloc(CHUNK_BYTES);
	uint64_t done = 0;

	if (!chunk)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	while (done < body->size) {
		uint64_t left = body->size - done;
		size_t n = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

		if (check_deadline(body->call, err))
			return -1;
		if (bl_fs_pread(body->fd, chunk, n, done, err))
			return bl_wrap(err, "read its source");
		if (fail_fault(BL_FAULT("store.put_file.write"), err) ||
		    bl_fs_write(to, chunk, n, err))
			return -1;
		body->crc = bl_crc64nvme(body->crc, chunk, n);
		done += n;
		report_progress(body->call, done, body->size);
	}
	return 0;
}

static int write_body(struct body *body, int to, struct bl_err *err)
{
	if (!body->bytes)
		return copy_file(body, to, err);
	if (fail_fault(BL_FAULT("store.put.write"), err) ||
	    bl_fs_write(to, body->bytes, (size_t)body->size, err))
		return -1;
	report_progress(body->call, body->size, body->size);
	return 0;
}

static int try_write(const struct dir_store *self, const char *key, struct body *body,
                     commit_fn *commit, struct bl_err *err)
{
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;

	if (bl_fs_temp_open(self->root, key, OBJECT_MODE, &temp, err) ||
	    write_body(body, temp.fd, err))
		return -1;
	BL_FAILPOINT("store.put.before_rename");
	return commit(&temp, err);
}

static int write_object(struct dir_store *self, const char *key, struct body *body,
                        commit_fn *commit, struct bl_err *err)
{
	if (may_write(self, err) || check_deadline(body->call, err))
		return -1;
	if (is_temporary_key(key))
		return bl_fail(err, BL_EINPUT, "the name is kept for temporary files");
	if (has_long_part(key))
		return bl_fail(err, BL_EINPUT, "a part of it is over %d bytes", NAME_MAX);
	tidy_parent(&self->tidied, self->root, key);
	for (int i = 0; i < RACE_TRIES; i++) {
		body->crc = 0;
		if (!try_write(self, key, body, commit, err))
			return 0;
		if (err->code != BL_ENOENT)
			break;
		bl_err_clear(err);
	}
	if (err->code == BL_OK)
		bl_fail(err, BL_EIO, "its directory vanishes again and again");
	fail_blocked(self->root, key, err);
	if (err->code == BL_ENOSPC)
		bl_next(err, "free space on the disk of %s", self->path);
	return -1;
}

static int dir_put_if_absent(void *self, const struct bl_call *call, const char *key,
                             const void *bytes, size_t len, struct bl_err *err)
{
	struct body body = { .bytes = bytes ? bytes : "", .size = len, .call = call };

	return write_object(self, key, &body, bl_fs_temp_create, err);
}

static int dir_put(void *self, const struct bl_call *call, const char *key, const void *bytes,
                   size_t len, struct bl_err *err)
{
	struct body body = { .bytes = bytes ? bytes : "", .size = len, .call = call };

	return write_object(self, key, &body, bl_fs_temp_replace, err);
}

static int dir_put_file(void *self, const struct bl_call *call, const char *key, int fd,
                        uint64_t size, uint64_t *crc, struct bl_err *err)
{
	struct body body = { .fd = fd, .size = size, .call = call };

	if (write_object(self, key, &body, bl_fs_temp_replace, err))
		return -1;
	*crc = body.crc;
	return 0;
}

static int open_object(const struct dir_store *self, const char *key, int *out, uint64_t *size,
                       struct bl_err *err)
{
	BL_FD fd = -1;
	struct stat st;

	if (is_temporary_key(key) || has_long_part(key))
		return bl_fail(err, BL_ENOENT, "no such object");
	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	if (bl_fs_open_beneath(self->root, key, O_RDONLY | O_NONBLOCK, 0, &fd, err))
		return -1;
	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat");
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_ENOENT, "not a regular file");
	*size = (uint64_t)st.st_size;
	*out = bl_fd_take(&fd);
	return 0;
}

static int dir_get_range(void *self, const struct bl_call *call, const char *key, uint64_t offset,
                         size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	BL_FD fd = -1;
	uint64_t size;
	char *to;

	if (check_deadline(call, err) || open_object(self, key, &fd, &size, err))
		return -1;
	if (offset >= size)
		len = 0;
	else if (len > size - offset)
		len = (size_t)(size - offset);
	to = bl_buf_room(buf, len);
	if (!to)
		return bl_buf_check(buf, key, err);
	if (bl_fs_pread(fd, to, len, offset, err))
		return -1;
	bl_buf_grew(buf, len);
	*total = size;
	return 0;
}

static int dir_get_file(void *self, const struct bl_call *call, const char *key, int fd,
                        uint64_t *size, uint64_t *crc, struct bl_err *err)
{
	__attribute__((cleanup(free_chunk))) char *chunk = malloc(CHUNK_BYTES);
	uint64_t total, done = 0, sum = 0;
	BL_FD from = -1;

	if (!chunk)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (open_object(self, key, &from, &total, err))
		return -1;
	while (done < total) {
		uint64_t left = total - done;
		size_t n = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

		if (check_deadline(call, err) || bl_fs_pread(from, chunk, n, done, err) ||
		    fail_fault(BL_FAULT("store.get_file.write"), err) ||
		    bl_fs_pwrite(fd, chunk, n, done, err))
			return -1;
		sum = bl_crc64nvme(sum, chunk, n);
		done += n;
		report_progress(call, done, total);
	}
	*size = total;
	*crc = sum;
	return 0;
}

static int dir_list(void *self, const struct bl_call *call, const char *prefix,
                    const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
                    struct bl_err *err)
{
	const struct dir_store *store = self;
	struct walk walk = { .root = store->root,
		             .call = call,
		             .prefix = prefix,
		             .start_after = start_after ? start_after : "",
		             .folds = delimiter != 0,
		             .fn = fn,
		             .arg = arg };

	if (check_deadline(call, err))
		return bl_wrap(err, "list %s", prefix);
	return walk_keys(&walk, err);
}

/* Directories are no objects: an empty one goes, as far up as can be. */
static void remove_empty_parents(const struct dir_store *self, const char *key)
{
	char path[BL_KEY_MAX + 1];
	char *slash;

	memcpy(path, key, strlen(key) + 1);
	while ((slash = strrchr(path, '/'))) {
		*slash = '\0';
		if (unlinkat(self->root, path, AT_REMOVEDIR))
			return;
	}
}

static int dir_delete(void *self, const struct bl_call *call, const char *key, struct bl_err *err)
{
	const struct dir_store *store = self;
	const char *slash = strrchr(key, '/');
	BL_FD parent = -1;
	char path[BL_KEY_MAX + 1] = ".";

	if (may_write(store, err) || check_deadline(call, err))
		return -1;
	if (slash) {
		memcpy(path, key, (size_t)(slash - key));
		path[slash - key] = '\0';
	}
	if (bl_fs_open_beneath(store->root, path, O_RDONLY | O_DIRECTORY, 0, &parent, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	if (unlinkat(parent, slash ? slash + 1 : key, 0) && errno != ENOENT && errno != EISDIR)
		return bl_fail_errno(err, errno, "unlink");
	remove_empty_parents(store, key);
	return 0;
}

static void dir_close(void *self)
{
	struct dir_store *store = self;

	bl_fd_done(&store->root);
	free(store->path);
	free(store);
}

static const struct bl_store_ops ops = {
	.close = dir_close,
	.put_if_absent = dir_put_if_absent,
	.put = dir_put,
	.put_file = dir_put_file,
	.get_range = dir_get_range,
	.get_file = dir_get_file,
	.list = dir_list,
	.delete = dir_delete,
};

/* A byte written and taken back: what cannot be written is better known before the training. */
static int prove_writable(int root, struct bl_err *err)
{
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;

	if (bl_fs_temp_open(root, "writable", OBJECT_MODE, &temp, err) ||
	    fail_fault(BL_FAULT("store.open.write"), err) || bl_fs_write(temp.fd, "1", 1, err)) {
		if (err->code == BL_EDENIED)
			bl_next(err, "choose another with --store DIR, or make it writable");
		if (err->code == BL_ENOSPC)
			bl_next(err, "free space on its disk, or choose another with --store DIR");
		return -1;
	}
	return 0;
}

static int open_root(const char *path, enum bl_store_mode mode, int *root, struct bl_err *err)
{
	int got = mode == BL_STORE_WRITE ? bl_fs_make_dir(path, root, err)
	                                 : bl_fs_open_dir(path, root, err);

	if (!got)
		return 0;
	if (err->code == BL_ENOENT && mode == BL_STORE_READ)
		bl_next(err, "`branchline local` makes one; --store DIR names another");
	if (err->code == BL_EDENIED)
		bl_next(err, "choose another with --store DIR, or change its permissions");
	return -1;
}

int bl_store_dir_open(const char *path, enum bl_store_mode mode, struct bl_store **out,
                      struct bl_err *err)
{
	struct dir_store *self = calloc(1, sizeof(*self));

	if (!self)
		return bl_fail(err, BL_ENOMEM, "store '%s': out of memory", path);
	self->root = -1;
	self->writes = mode == BL_STORE_WRITE;
	if (open_root(path, mode, &self->root, err) ||
	    (self->writes && prove_writable(self->root, err)))
		goto fail;
	/* absolute: the process that reads it may have another working directory */
	self->path = realpath(path, NULL);
	if (!self->path) {
		bl_fail_errno(err, errno, "its absolute path");
		goto fail;
	}
	if (bl_store_new(&ops, self, self->path, out, err))
		goto fail;
	return 0;
fail:
	dir_close(self);
	return bl_wrap(err, "store '%s'", path);
}
