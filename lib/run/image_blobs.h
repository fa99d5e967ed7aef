/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_BLOBS_H
#define BL_RUN_IMAGE_BLOBS_H

#include "run/image.h"
#include "run/image_place.h"

/* One blob that the target has to have. */
struct bl_image_job {
	struct bl_image_piece *piece; /* blob in, how out */
	struct bl_place *from;        /* where it is; NULL: `source` has its bytes */
	struct bl_blob_source source;
};

struct bl_image_jobs {
	struct bl_image_job *jobs;
	size_t n;
	struct bl_place *target;
	unsigned at_once;  /* threads; 1: the caller's alone; 0: 4 */
	atomic_bool *stop; /* NULL: none */
	void (*progress)(void *arg, uint64_t sent, uint64_t total); /* one call at a time; NULL */
	void *arg;
};

/*
 * Puts all of them. The first failure is err's; after it no other blob is begun, and where `stop`
 * is given, those under way end too (it is then true).
 */
BL_MUST int bl_image_put_blobs(const struct bl_image_jobs *jobs, struct bl_err *err);

/*
 * bytes and desc are a manifest or an index that `place` gave; of an index they become those of its
 * manifest for the platform, which `out` holds.
 */
BL_MUST int bl_image_manifest_for(struct bl_place *place, const char *platform,
                                  struct bl_buf *bytes, struct bl_oci_desc *desc,
                                  struct bl_oci_manifest *out, struct bl_err *err);

/* A whole image, to the byte, from one place to another under a tag. */
struct bl_image_copy {
	struct bl_place *from;
	const char *reference;
	const char *platform; /* which one of an index */
	struct bl_place *to;
	const char *tag;
	unsigned at_once; /* 0: 4 */
	atomic_bool *stop;
	void (*progress)(void *arg, uint64_t sent, uint64_t total);
	void *arg;
};
BL_MUST int bl_image_copy(const struct bl_image_copy *copy, struct bl_err *err);

#endif
