/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_FS_H
#define BL_BASE_FS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* BL_FD fd = -1; is closed when it leaves its scope. Everything here opens close-on-exec. */
#define BL_FD __attribute__((cleanup(bl_fd_done))) int
void bl_fd_done(int *fd);
BL_MUST int bl_fd_take(int *fd);

/*
 * Paths named by others (store keys, checkpoint entries, configuration) are
 * opened beneath a directory: "..", absolute paths and symbolic links in any
 * component are refused (openat2 RESOLVE_BENEATH|NO_SYMLINKS, or the same walk
 * by hand on kernels without it). BL_EDENIED when a path would escape.
 */
BL_MUST int bl_fs_open_beneath(int dir, const char *path, int flags, mode_t mode, int *out,
                               struct bl_err *err);

/* A directory that the user named: links are followed. */
BL_MUST int bl_fs_open_dir(const char *path, int *out, struct bl_err *err);

/* Makes path and its missing parents (0777 less umask) and opens it. */
BL_MUST int bl_fs_make_dir(const char *path, int *out, struct bl_err *err);

/* The same beneath dir; out may be NULL when only the directory is wanted. */
BL_MUST int bl_fs_make_dir_beneath(int dir, const char *path, int *out, struct bl_err *err);

/*
 * Appends the whole regular file to buf, whose limit holds: BL_ELIMIT over it, BL_ENOENT absent,
 * BL_EINPUT no regular file. On failure buf is as before.
 */
BL_MUST int bl_fs_read(int dir, const char *path, struct bl_buf *buf, struct bl_err *err);

/* Like bl_fs_read, from a path that the user named. */
BL_MUST int bl_fs_read_path(const char *path, struct bl_buf *buf, struct bl_err *err);

/*
 * Replaces path: temporary file beside it, fsync, rename, fsync of the
 * directory. A reader sees the old bytes or the new ones, also after a power
 * cut. Missing parents are made. path is beneath dir.
 */
BL_MUST int bl_fs_replace(int dir, const char *path, const void *bytes, size_t len, mode_t mode,
                          struct bl_err *err);

/* Creates path with these bytes unless it exists (BL_EEXIST): temporary file, fsync, link(2). */
BL_MUST int bl_fs_create(int dir, const char *path, const void *bytes, size_t len, mode_t mode,
                         struct bl_err *err);

/*
 * For bodies that are streamed: a temporary file (".bl-RANDOM.tmp": no reader lists it) in path's
 * own directory, which is made where missing, then one of the two commits. _done removes what was
 * not committed. name is the temporary's name in dir_fd; a process killed in between leaves it.
 */
struct bl_fs_temp {
	int fd, dir_fd;
	char name[64];
	char final_name[256];
};
#define BL_FS_TEMP ((struct bl_fs_temp){ .fd = -1, .dir_fd = -1 })
BL_MUST int bl_fs_temp_open(int dir, const char *path, mode_t mode, struct bl_fs_temp *temp,
                            struct bl_err *err);
BL_MUST int bl_fs_temp_replace(struct bl_fs_temp *temp, struct bl_err *err);
BL_MUST int bl_fs_temp_create(struct bl_fs_temp *temp, struct bl_err *err); /* BL_EEXIST */
void bl_fs_temp_done(struct bl_fs_temp *temp);

/*
 * Many files at once: bl_fs_sync_all() after their bytes were written, then bl_fs_temp_publish()
 * for each, which is bl_fs_temp_replace() without a sync, then bl_fs_sync_all() for the names. dir
 * is any descriptor on their file system.
 */
BL_MUST int bl_fs_sync_all(int dir, struct bl_err *err);
BL_MUST int bl_fs_temp_publish(struct bl_fs_temp *temp, struct bl_err *err);

/* Makes the file at least so long and takes the room for it at once, where the file system can:
 * BL_ENOSPC comes before the first byte. */
BL_MUST int bl_fs_allocate(int fd, uint64_t size, struct bl_err *err);

/* Writes or reads all of it, over EINTR and short counts. A short read is BL_ECORRUPT. */
BL_MUST int bl_fs_write(int fd, const void *bytes, size_t len, struct bl_err *err);
BL_MUST int bl_fs_pwrite(int fd, const void *bytes, size_t len, uint64_t offset,
                         struct bl_err *err);
BL_MUST int bl_fs_pread(int fd, void *bytes, size_t len, uint64_t offset, struct bl_err *err);

/*
 * Calls each name in the directory (not "." and ".."), sorted by bytes.
 * type is DT_REG, DT_DIR, DT_LNK, ...; a non-zero return stops the walk and is returned.
 */
typedef int bl_fs_visit(void *arg, int dir, const char *name, unsigned char type,
                        struct bl_err *err);
BL_MUST int bl_fs_list(int dir, const char *path, bl_fs_visit *visit, void *arg,
                       struct bl_err *err);

/* Removes path beneath dir and all below it; absent is success. Never follows a link. */
BL_MUST int bl_fs_remove_tree(int dir, const char *path, struct bl_err *err);

/* Whether path exists beneath dir (a link counts as there). */
BL_MUST int bl_fs_exists(int dir, const char *path, bool *out, struct bl_err *err);

/* Free bytes for us on the file system of this directory. */
BL_MUST int bl_fs_free_bytes(int dir, uint64_t *out, struct bl_err *err);

#endif
