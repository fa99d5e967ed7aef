/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_BASE_H
#define BL_RUN_IMAGE_BASE_H

#include "run/config.h"
#include "run/image_build.h"
#include "run/image_place.h"

/*
 * The base that the configuration asks for: image.base as it is; or one that is built from
 * image.requirements or image.dockerfile, unless the target has it: by tag base-HASH, which is
 * written for the default branch only, or base-pr-HASH, which all others write, and which the
 * default branch never uses.
 */
struct bl_base_options {
	struct bl_git_tree *tree;
	const struct bl_config *config;
	struct bl_place *target;
	const struct bl_place_options *places; /* how image.base is opened */
	const char *platform, *tool_version;
	bool is_main;     /* a push to, or a dispatch on, the default branch */
	const char *work; /* an empty folder for a build, the caller's */
	unsigned at_once; /* blobs; 0: 4 */
	atomic_bool *stop;
	void (*say)(void *arg, const char *text); /* what takes long; NULL */
	void (*progress)(void *arg, uint64_t sent, uint64_t total);
	void *arg;
};

struct bl_base {
	struct bl_place *place; /* owned */
	struct bl_image_ref ref;
	struct bl_buf manifest; /* of ref, when it was looked at; else empty */
	struct bl_oci_desc desc;
	char hash[BL_BUILD_HASH]; /* of its inputs; "": it is not built */
	bool built;               /* now */
};
void bl_base_done(struct bl_base *base);

/* BL_EINPUT: no base is named. BL_ENOENT: it is not there. As bl_build_run(). */
BL_MUST int bl_base_get(const struct bl_base_options *options, struct bl_base *out,
                        struct bl_err *err);

/* Pure: tags to look for, best first, and the one to write. */
struct bl_base_tags {
	char read[2][32], write[32]; /* read[1] "": none */
};
void bl_base_tags(const char *hash, bool is_main, struct bl_base_tags *out);

#endif
