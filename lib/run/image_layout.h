/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_LAYOUT_H
#define BL_RUN_IMAGE_LAYOUT_H

#include "net/registry.h"

/*
 * An OCI image layout (image-spec 1.1): oci-layout, index.json, blobs/sha256/. Blobs and index.json
 * appear whole or not at all; several writers of one directory take turns by a lock on oci-layout.
 * fd: the directory.
 */
BL_MUST int bl_layout_open(const char *path, bool create, int *fd, struct bl_err *err);

/* reference: a digest, or the annotation org.opencontainers.image.ref.name; "" the only manifest.
 * BL_ENOENT; BL_ECORRUPT for bytes that do not have their digest. */
BL_MUST int bl_layout_get_manifest(int fd, const char *reference, struct bl_buf *body,
                                   struct bl_oci_desc *desc, struct bl_err *err);
BL_MUST int bl_layout_head_manifest(int fd, const char *reference, struct bl_oci_desc *desc,
                                    struct bl_err *err);
/* reference: a tag, which moves here when another had it; a digest: without a name. */
BL_MUST int bl_layout_put_manifest(int fd, const char *reference, const void *bytes,
                                   const struct bl_oci_desc *desc, struct bl_err *err);
BL_MUST int bl_layout_has_blob(int fd, const struct bl_oci_desc *blob, bool *has,
                               struct bl_err *err);
/* Verified while it is written. */
BL_MUST int bl_layout_put_blob(int fd, const struct bl_oci_desc *blob,
                               const struct bl_blob_source *source, struct bl_push *push,
                               struct bl_err *err);
/* Opens it for reading; the size is as said, or BL_ECORRUPT. */
BL_MUST int bl_layout_open_blob(int fd, const struct bl_oci_desc *blob, int *out,
                                struct bl_err *err);

#endif
