/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_LAYER_PARTS_H
#define BL_RUN_IMAGE_LAYER_PARTS_H

#include "codec/gzip.h"
#include "codec/hash.h"
#include "codec/tar.h"
#include "run/image_layer.h"

/* A layer while it is written: tar, its hash, gzip, the blob's hash, a file without a name. */
struct bl_layer_out {
	int fd;
	struct bl_sha256 *tar, *blob;
	struct bl_gzip *gzip; /* NULL: not decided yet how */
	unsigned threads;
	struct bl_buf held; /* the beginning, until it is known whether it is worth compressing */
	struct bl_buf head; /* of one entry */
	uint64_t tar_bytes, blob_bytes;
};

/* stored: whatever the size, nothing is deflated. */
BL_MUST int bl_layer_begin(struct bl_layer_out *out, bool stored, unsigned threads,
                           struct bl_err *err);
/* Headers of a directory, a link, or a file whose bytes follow by bl_layer_bytes(), then _pad. */
BL_MUST int bl_layer_entry(struct bl_layer_out *out, const struct bl_tar_entry *entry,
                           struct bl_err *err);
BL_MUST int bl_layer_bytes(struct bl_layer_out *out, const void *bytes, size_t len,
                           struct bl_err *err);
BL_MUST int bl_layer_pad(struct bl_layer_out *out, uint64_t size, struct bl_err *err);
/* A whole small file. */
BL_MUST int bl_layer_file(struct bl_layer_out *out, const char *path, unsigned mode,
                          const void *bytes, uint64_t size, struct bl_err *err);
BL_MUST int bl_layer_end(struct bl_layer_out *out, const char *created_by, struct bl_layer *layer,
                         struct bl_err *err);
void bl_layer_out_done(struct bl_layer_out *out);

/*
 * Pure: zlib's level for a tar of so many bytes. Below 2 MiB none: deflating 1 MB costs 10 ms of
 * CPU at level 1, as much as sending the 0.7 MB that it saves at 70 MB/s.
 */
#define BL_LAYER_STORED_MAX ((size_t)2 << 20)
int bl_layer_level(uint64_t tar_bytes);

#endif
