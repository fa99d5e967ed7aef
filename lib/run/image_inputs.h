/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_INPUTS_H
#define BL_RUN_IMAGE_INPUTS_H

#include "codec/hash.h"
#include "run/image.h"

/*
 * What an image is a function of. Two pushes with the same make the same image, to the byte: the
 * hash of it stands in the manifest, and the second push needs to look at that alone.
 */
struct bl_image_inputs {
	const char *base_digest, *base_name; /* as the reference resolved; without the digest */
	const char *base_from;               /* hash of a built base's inputs; NULL */
	const char *platform, *sha, *tree, *context;
	const char *source; /* "https://host/owner/name"; NULL: not known */
	const char *exec_json;
	size_t exec_json_len;
	const char *runner_digest;
	bool baked;
};
/* Pure. */
BL_MUST int bl_image_inputs_hash(const struct bl_image_inputs *inputs, char hex[BL_SHA256_HEX],
                                 struct bl_err *err);

/* "https://host/owner/name" of the commit's remote, where it has one with a host; else "". Pure. */
void bl_image_source(const struct bl_git_commit *commit, struct bl_buf *out);

#endif
