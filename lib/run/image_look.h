/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_LOOK_H
#define BL_RUN_IMAGE_LOOK_H

#include "run/image_place.h"
#include "run/launch_image.h"

struct bl_looked {
	char digest[BL_DIGEST_SIZE];      /* of the manifest that an instance would pull */
	char base_digest[BL_DIGEST_SIZE]; /* of its base, as annotated; "" unknown */
	struct bl_image_needs needs;
};
/*
 * What is at a tag or digest of a place: two or three small reads, no layer. platform: which of an
 * index, "linux/amd64". BL_ENOENT: nothing is there.
 */
BL_MUST int bl_image_look(struct bl_place *place, const char *reference, const char *platform,
                          struct bl_looked *out, struct bl_err *err);

#endif
