/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"
#include "codec/json.h"
#include "run/sync_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX_BYTES ((size_t)16 << 20)

static int ends_line(int fd, bool *out, struct bl_err *err)
{
	struct stat st;
	char last;

	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat");
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_EINPUT, "not a regular file");
	*out = true;
	if (!st.st_size)
		return 0;
	if (bl_fs_pread(fd, &last, 1, (uint64_t)st.st_size - 1, err))
		return -1;
	*out = last == '\n';
	return 0;
}

int sync_manifest_open(struct sync_manifest *manifest, const char *path, struct bl_err *err)
{
	bool whole = true;

	*manifest = (struct sync_manifest){ .fd = -1,
		                            .lines = BL_BUF(LINES_MAX_BYTES),
		                            .unsynced = BL_BUF(LINES_MAX_BYTES) };
	if (!path)
		return 0;
	manifest->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
	if (manifest->fd < 0) {
		bl_fail_errno(err, errno, "open");
		return bl_wrap(err, "--manifest %s", path);
	}
	if (ends_line(manifest->fd, &whole, err))
		return bl_wrap(err, "--manifest %s", path);
	if (!whole) /* a line that a full disk cut */
		bl_buf_addc(&manifest->lines, '\n');
	return 0;
}

void sync_manifest_add(struct bl_buf *lines, const struct sync_done *done)
{
	struct bl_json json = BL_JSON(lines);
	char crc[BL_CRC64_TEXT], etag[BL_ETAG_SIZE];
	size_t len = strlen(done->etag);

	bl_json_map(&json, NULL);
	bl_json_text(&json, "act", done->act);
	bl_json_text(&json, "name", done->name);
	bl_json_int(&json, "size", (int64_t)done->size);
	if (done->has_crc) {
		bl_crc64nvme_text(done->crc, crc);
		bl_json_text(&json, "crc64nvme", crc);
	}
	if (len >= 2 && len < sizeof(etag) && done->etag[0] == '"') {
		memcpy(etag, done->etag + 1, len - 2);
		etag[len - 2] = '\0';
		bl_json_text(&json, "etag", etag);
	}
	bl_json_end_map(&json);
	bl_buf_addc(lines, '\n');
}

int sync_manifest_flush(struct sync_manifest *manifest, struct bl_err *err)
{
	if (manifest->fd >= 0 && manifest->lines.len &&
	    (bl_buf_check(&manifest->lines, "lines of the manifest", err) ||
	     bl_fs_write(manifest->fd, manifest->lines.data, manifest->lines.len, err)))
		return bl_wrap(err, "write the manifest");
	bl_buf_reset(&manifest->lines);
	return 0;
}

void sync_manifest_done(struct sync_manifest *manifest)
{
	bl_fd_done(&manifest->fd);
	bl_buf_done(&manifest->lines);
	bl_buf_done(&manifest->unsynced);
}
