/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "net/registry.h"

#include <string.h>

static int read_fd(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	return bl_fs_pread(*(const int *)arg, to, len, offset, err);
}

struct bl_blob_source bl_blob_of_fd(int *fd)
{
	return (struct bl_blob_source){ read_fd, fd };
}

static int read_buf(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	const struct bl_buf *buf = arg;

	if (offset > buf->len || len > buf->len - offset)
		return bl_fail(err, BL_ECORRUPT, "the blob ends after %zu bytes", buf->len);
	memcpy(to, buf->data + offset, len);
	return 0;
}

struct bl_blob_source bl_blob_of_buf(const struct bl_buf *buf)
{
	return (struct bl_blob_source){ read_buf, (void *)(uintptr_t)buf };
}
