/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_TAR_H
#define BL_CODEC_TAR_H

#include "base/buf.h"

#include <stdint.h>

/*
 * Writes tar archives that are the same for the same input: POSIX ustar, owner 0:0 without names,
 * one time for all. A pax header (type 'x') goes before an entry only where ustar cannot say it: a
 * path over 100 bytes that no split at '/' fits, a link target over 100 bytes, a size from 8 GiB,
 * bytes that are not ASCII; in it only the fields that need it.
 */
enum bl_tar_type { BL_TAR_FILE = '0', BL_TAR_LINK = '2', BL_TAR_DIR = '5' };

struct bl_tar_entry {
	const char *path; /* relative, without '/' at the end */
	enum bl_tar_type type;
	unsigned mode;      /* 0644, 0755, 0777 */
	uint64_t size;      /* of a file */
	const char *target; /* of a link */
	int64_t mtime_s;    /* 0 and up */
};

#define BL_TAR_BLOCK 512

/* Appends the header blocks. BL_EINPUT: a path that is empty, absolute, over 4,096 bytes, has an
 * empty, "." or ".." part or a NUL. */
BL_MUST int bl_tar_add_header(struct bl_buf *out, const struct bl_tar_entry *entry,
                              struct bl_err *err);
/* Zero bytes after a body of this size, 0..511; and the archive's end: two blocks of zeros. */
size_t bl_tar_padding(uint64_t size);
#define BL_TAR_END 1024

#endif
