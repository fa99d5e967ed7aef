/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_LAYOUT_PARTS_H
#define BL_RUN_IMAGE_LAYOUT_PARTS_H

#include "codec/value.h"
#include "run/image_layout.h"

/* image_layout.c: the directory and its blobs; image_layout_index.c: names and manifests. */

#define BL_LAYOUT_FILE "oci-layout"
#define BL_LAYOUT_INDEX "index.json"
#define BL_LAYOUT_NAME "org.opencontainers.image.ref.name"
#define BL_LAYOUT_PATH_SIZE 96 /* "blobs/sha256/" and 64 digits */

/* BL_EINPUT: no sha256 digest. */
BL_MUST int bl_layout_blob_path(const char *digest, char path[BL_LAYOUT_PATH_SIZE],
                                struct bl_err *err);

/* Pure: index.json after `name` ("": none) was given to desc. old NULL: there was none. */
BL_MUST int bl_layout_index_change(const struct bl_value *old, const struct bl_oci_desc *desc,
                                   const char *name, struct bl_buf *out, struct bl_err *err);
/* Pure: the descriptor of a name, or of the only manifest (""; BL_EINPUT: several). BL_ENOENT. */
BL_MUST int bl_layout_index_find(const struct bl_value *index, const char *name,
                                 struct bl_oci_desc *out, struct bl_err *err);

#endif
