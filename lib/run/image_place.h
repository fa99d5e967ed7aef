/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_PLACE_H
#define BL_RUN_IMAGE_PLACE_H

#include "net/registry.h"

/*
 * Where images are: a repository of a registry, or an OCI layout in a directory. One thread; clone
 * for another.
 *
 *   "localhost:5000/demo", "docker.io/library/python:3.11", "...@sha256:..."
 *   "oci:DIR", "oci:DIR:TAG", "oci:DIR@sha256:..."
 */
struct bl_place;

struct bl_place_options {
	bl_login_fn *login;
	void *login_arg;
	bool allow_http;
	struct bl_registry_counts *counts;
	atomic_bool *stop;
	bool create;           /* an OCI layout that is not there is made */
	struct bl_place *near; /* of the same registry: one login for both; NULL */
};
/* BL_EINPUT: `text` names no place. ref of a layout: repository is DIR, registry "". */
BL_MUST int bl_place_open(const char *text, const struct bl_place_options *options,
                          struct bl_place **out, struct bl_image_ref *ref, struct bl_err *err);
void bl_place_close(struct bl_place *place); /* takes NULL */
void bl_place_auto(struct bl_place **place);
#define BL_PLACE __attribute__((cleanup(bl_place_auto))) struct bl_place *
/* For another thread; session and login are shared. */
BL_MUST int bl_place_clone(struct bl_place *place, struct bl_place **out, struct bl_err *err);

bool bl_place_is_registry(const struct bl_place *place);
/* Which it is, without tag and digest; and as text: "localhost:5000/demo", "oci:DIR". */
void bl_place_ref(const struct bl_place *place, struct bl_image_ref *ref);
void bl_place_add_name(const struct bl_place *place, struct bl_buf *out);
/* Whether a blob of `from` is one of `to`: the same repository, or the same directory. */
bool bl_place_same(const struct bl_place *from, const struct bl_place *to);
/* The same registry, another repository: the name to mount from; NULL otherwise. */
const char *bl_place_mount_from(const struct bl_place *from, const struct bl_place *to);

/* As the functions of net/registry.h, for both kinds. */
BL_MUST int bl_place_get_manifest(struct bl_place *place, const char *reference,
                                  struct bl_buf *body, struct bl_oci_desc *desc,
                                  struct bl_err *err);
BL_MUST int bl_place_head_manifest(struct bl_place *place, const char *reference,
                                   struct bl_oci_desc *desc, struct bl_err *err);
BL_MUST int bl_place_put_manifest(struct bl_place *place, const char *reference, const void *bytes,
                                  const struct bl_oci_desc *desc, struct bl_err *err);
BL_MUST int bl_place_has_blob(struct bl_place *place, const struct bl_oci_desc *blob, bool *has,
                              struct bl_err *err);
BL_MUST int bl_place_get_blob(struct bl_place *place, const struct bl_oci_desc *blob,
                              struct bl_buf *body, struct bl_err *err);
BL_MUST int bl_place_put_blob(struct bl_place *place, const struct bl_oci_desc *blob,
                              const struct bl_blob_source *source, struct bl_push *push,
                              struct bl_err *err);

/* A blob as a source, to be closed after its last read. */
struct bl_place_blob {
	struct bl_blob_source source;
	struct bl_blob_stream *stream; /* ours */
	int fd;                        /* ours */
};
#define BL_PLACE_BLOB ((struct bl_place_blob){ .fd = -1 })
BL_MUST int bl_place_open_blob(struct bl_place *place, const struct bl_oci_desc *blob,
                               struct bl_place_blob *out, struct bl_err *err);
void bl_place_blob_done(struct bl_place_blob *blob);

#endif
