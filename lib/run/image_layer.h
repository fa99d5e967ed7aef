/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_LAYER_H
#define BL_RUN_IMAGE_LAYER_H

#include "codec/git_tree.h"
#include "codec/oci.h"

/* Layers that we make, each in a file without a name until it is pushed. */
struct bl_layer {
	struct bl_oci_layer oci;
	int fd; /* the blob's bytes, from offset 0 */
};
void bl_layer_done(struct bl_layer *layer);

#define BL_IMAGE_CODE "opt/ml/code"
#define BL_IMAGE_IGNORE ".branchlineignore"

/*
 * The commit's tree below /opt/ml/code, as `git archive` gives it: files 0644 and 0755, links,
 * directories 0755, owner 0:0, mtime 0; gzip. Same tree, context, ignore file and exec.json: same
 * digest. What the base has in that directory is hidden (an opaque whiteout): exactly this commit.
 *
 *   context    only what lies below it, at the same paths; "." or "": all
 *   exec_json  becomes /opt/branchline/exec.json
 *   baked      no code: only exec.json
 *   threads    for compression; 0: as many as there are processors, at most 8
 *
 * .branchlineignore of the commit's root is obeyed. BL_EINPUT, each with the cure, before a byte is
 * written: a submodule (unless ignored), a Git LFS pointer, a path with a "..", "." or ".git" part
 * or a name that begins with ".wh.", an empty result, a context that is not there.
 */
struct bl_layer_code {
	struct bl_git_tree *tree;
	const char *context;
	const char *exec_json;
	size_t exec_json_len;
	bool baked;
	unsigned threads;
};
BL_MUST int bl_layer_of_code(const struct bl_layer_code *how, struct bl_layer *out,
                             struct bl_err *err);

/*
 * The programs found beside ours, below /opt/branchline/bin, mode 0755: branchline-runner, and
 * branchline-gpu where it exists. Stored, not deflated: it is sent once, and its digest is
 * wanted at every push. folder NULL: beside our own executable. BL_ENOENT: no branchline-runner
 * there.
 */
BL_MUST int bl_layer_of_runner(const char *folder, struct bl_layer *out, struct bl_err *err);

/*
 * The same without its bytes (fd -1) where a note beside the programs knows their layer: hashing
 * the programs costs a fifth of making the layer, and mostly the registry has it. A note of other
 * programs counts as none.
 */
#define BL_RUNNER_NOTE "branchline-runner.layer"
BL_MUST int bl_layer_know_runner(const char *folder, struct bl_layer *out, struct bl_err *err);
/* Makes the bytes, where they are not there. BL_ECORRUPT: the note was wrong. */
BL_MUST int bl_layer_make_runner(const char *folder, struct bl_layer *layer, struct bl_err *err);
/* The note's text, a JSON document. */
BL_MUST int bl_layer_describe_runner(const char *folder, struct bl_buf *out, struct bl_err *err);

#endif
