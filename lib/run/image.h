/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_H
#define BL_RUN_IMAGE_H

#include "run/config.h"
#include "run/image_layer.h"
#include "run/image_place.h"

/*
 * A commit becomes an image: base + runner layer + code layer, put into a registry or an OCI
 * layout. What is there is not sent again; a commit that was pushed before costs two requests.
 */
struct bl_image_options {
	struct bl_git_tree *tree;
	const struct bl_git_commit *commit;
	const struct bl_config *config;
	struct bl_place *base, *target;
	const struct bl_image_ref *base_ref;
	const struct bl_buf *base_manifest;  /* when it has been fetched already; NULL */
	const struct bl_oci_desc *base_desc; /* of it */
	const char *base_from;               /* hash of the base's inputs; NULL: it was not built */
	const char *const *tags;             /* beside the git SHA */
	size_t n_tags;
	const char *platform;      /* "linux/amd64" */
	const char *runner_folder; /* NULL: beside our own program */
	unsigned at_once;          /* blobs under way; 0: 4 */
	atomic_bool *stop;
	void (*progress)(void *arg, uint64_t sent, uint64_t total);
	void *arg;
};

enum bl_image_part { BL_IMAGE_BASE, BL_IMAGE_RUNNER, BL_IMAGE_CODE_PART, BL_IMAGE_CONFIG };
enum bl_image_how { BL_IMAGE_THERE, BL_IMAGE_MOUNTED, BL_IMAGE_SENT };
struct bl_image_piece {
	enum bl_image_part part;
	enum bl_image_how how;
	struct bl_oci_desc blob;
};

struct bl_image {
	char digest[BL_DIGEST_SIZE], base_digest[BL_DIGEST_SIZE];
	bool unchanged;                /* it had been pushed before: nothing was sent */
	struct bl_image_piece *pieces; /* n_pieces, lowest layer first, the config last */
	size_t n_pieces;
	uint64_t pushed_bytes;
};
void bl_image_done(struct bl_image *image);

/* What to ask for: the digest, else the tag, else "latest", of a layout "". */
const char *bl_image_reference(const struct bl_image_ref *ref);

BL_MUST int bl_image_push(const struct bl_image_options *options, struct bl_image *out,
                          struct bl_err *err);

/* /opt/branchline/exec.json: what exec must know of the configuration. Pure. */
BL_MUST int bl_image_exec_json(const struct bl_config *config, struct bl_buf *out,
                               struct bl_err *err);

/* Annotation of the manifest: the hash of what the image is a function of (run/image_inputs.h). */
#define BL_IMAGE_INPUTS "dev.branchline.inputs"

#endif
