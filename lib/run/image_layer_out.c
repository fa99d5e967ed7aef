/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"
#include "base/fs.h"
#include "run/image_layer_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bl_layer_level(uint64_t tar_bytes)
{
	return tar_bytes <= BL_LAYER_STORED_MAX ? 0 : 1;
}

void bl_layer_done(struct bl_layer *layer)
{
	bl_fd_done(&layer->fd);
}

void bl_layer_out_done(struct bl_layer_out *out)
{
	bl_fd_done(&out->fd);
	bl_sha256_free(out->tar);
	bl_sha256_free(out->blob);
	bl_gzip_close(out->gzip);
	bl_buf_done(&out->held);
	bl_buf_done(&out->head);
}

/* --- The file --------------------------------------------------------------------------------- */

static int full(int error, const char *dir, struct bl_err *err)
{
	bl_fail_errno(err, error, "layer: temporary file in %.200s", dir);
	return bl_next(err, "TMPDIR names another directory for it");
}

static const char *temp_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/tmp";
}

static int open_file(int *out, struct bl_err *err)
{
	char path[4096];
	int fd = open(temp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		snprintf(path, sizeof(path), "%s/branchline-XXXXXX", temp_dir());
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		return full(errno, temp_dir(), err);
	*out = fd;
	return 0;
}

static int write_blob(void *arg, const void *bytes, size_t len, struct bl_err *err)
{
	struct bl_layer_out *out = arg;
	int failure = BL_FAULT("image.layer.write");

	if (failure)
		return full(failure, temp_dir(), err);
	if (bl_sha256_add(out->blob, bytes, len, err))
		return -1;
	out->blob_bytes += len;
	if (!bl_fs_write(out->fd, bytes, len, err))
		return 0;
	bl_wrap(err, "layer: temporary file in %.200s", temp_dir());
	return bl_next(err, "TMPDIR names another directory for it");
}

/* --- The tar ---------------------------------------------------------------------------------- */

static int open_gzip(struct bl_layer_out *out, int level, struct bl_err *err)
{
	const struct bl_gzip_options options = {
		.level = level, .threads = out->threads, .sink = write_blob, .arg = out
	};

	return bl_gzip_open(&options, &out->gzip, err);
}

int bl_layer_begin(struct bl_layer_out *out, bool stored, unsigned threads, struct bl_err *err)
{
	*out = (struct bl_layer_out){
		.fd = -1,
		.threads = threads,
		.held = BL_BUF(BL_LAYER_STORED_MAX),
		.head = BL_BUF(32768),
	};
	if (bl_sha256_new(&out->tar, err) || bl_sha256_new(&out->blob, err) ||
	    (stored && open_gzip(out, 0, err)))
		return -1;
	return open_file(&out->fd, err);
}

/* How to compress is decided by the whole size, which may come only with what is held. */
static int decide(struct bl_layer_out *out, bool at_end, struct bl_err *err)
{
	int level = bl_layer_level(at_end ? out->tar_bytes : BL_LAYER_STORED_MAX + 1);

	if (open_gzip(out, level, err) ||
	    bl_gzip_add(out->gzip, out->held.data, out->held.len, err))
		return -1;
	bl_buf_done(&out->held);
	return 0;
}

int bl_layer_bytes(struct bl_layer_out *out, const void *bytes, size_t len, struct bl_err *err)
{
	if (!len)
		return 0;
	if (bl_sha256_add(out->tar, bytes, len, err))
		return -1;
	out->tar_bytes += len;
	if (!out->gzip && out->tar_bytes <= BL_LAYER_STORED_MAX) {
		bl_buf_add(&out->held, bytes, len);
		return bl_buf_check(&out->held, "layer", err);
	}
	if (!out->gzip && decide(out, false, err))
		return -1;
	return bl_gzip_add(out->gzip, bytes, len, err);
}

int bl_layer_entry(struct bl_layer_out *out, const struct bl_tar_entry *entry, struct bl_err *err)
{
	bl_buf_reset(&out->head);
	if (bl_tar_add_header(&out->head, entry, err))
		return -1;
	return bl_layer_bytes(out, out->head.data, out->head.len, err);
}

int bl_layer_pad(struct bl_layer_out *out, uint64_t size, struct bl_err *err)
{
	static const char zeros[BL_TAR_BLOCK];

	return bl_layer_bytes(out, zeros, bl_tar_padding(size), err);
}

int bl_layer_file(struct bl_layer_out *out, const char *path, unsigned mode, const void *bytes,
                  uint64_t size, struct bl_err *err)
{
	const struct bl_tar_entry entry = {
		.path = path, .type = BL_TAR_FILE, .mode = mode, .size = size
	};

	return bl_layer_entry(out, &entry, err) || bl_layer_bytes(out, bytes, size, err) ||
	                       bl_layer_pad(out, size, err)
	               ? -1
	               : 0;
}

int bl_layer_end(struct bl_layer_out *out, const char *created_by, struct bl_layer *layer,
                 struct bl_err *err)
{
	static const char zeros[BL_TAR_END];
	struct bl_layer made = { .fd = -1, .oci.blob.media_type = BL_OCI_LAYER_GZIP };

	if (bl_layer_bytes(out, zeros, sizeof(zeros), err) ||
	    (!out->gzip && decide(out, true, err)) || bl_gzip_finish(out->gzip, err) ||
	    bl_digest_end(out->blob, made.oci.blob.digest, err) ||
	    bl_digest_end(out->tar, made.oci.diff_id, err))
		return -1;
	made.oci.blob.size = out->blob_bytes;
	made.oci.created_by = created_by;
	made.fd = bl_fd_take(&out->fd);
	*layer = made;
	return 0;
}
