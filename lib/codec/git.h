/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GIT_H
#define BL_CODEC_GIT_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * What a run must know of the work tree around `path` (libgit2; no filters, hooks or
 * programs are run). Without a repository: found is false and the rest empty.
 */
struct bl_git {
	bool found;
	char root[4096];   /* of the work tree, no trailing slash */
	char sha[41];      /* HEAD's commit; "" before the first commit */
	char tree[41];     /* HEAD's tree */
	char branch[256];  /* "" when detached */
	char remote[512];  /* URL of origin, credentials removed; "" without */
	char subject[256]; /* first line of HEAD's message */
	bool dirty; /* tracked files differ from HEAD, or untracked ones that are not ignored */
};
BL_MUST int bl_git_read(const char *path, struct bl_git *out, struct bl_err *err);

/*
 * The difference from HEAD as a patch that `git apply` takes, untracked files included, binary
 * too. Over patch->max: BL_ELIMIT.
 */
BL_MUST int bl_git_patch(const char *root, struct bl_buf *patch, struct bl_err *err);

/* Bytes of a file at a commit ("branchline.yaml" at the pinned SHA); BL_ENOENT when it is not
 * there. */
BL_MUST int bl_git_file(const char *root, const char *sha, const char *path, struct bl_buf *out,
                        struct bl_err *err);

/*
 * First 16 hex digits of SHA-256 over the normalised "host/owner/name" of `remote` (scheme,
 * user, port, ".git" and letter case of the host do not matter), else over the path. Design 4.2,
 * REPO.
 */
BL_MUST int bl_git_repo_key(const struct bl_git *git, const char *path, char key[17],
                            struct bl_err *err);

/* Diff statistics between two commits for `diff`: names with added/removed lines, one a line. */
BL_MUST int bl_git_diffstat(const char *root, const char *from_sha, const char *to_sha,
                            struct bl_buf *out, struct bl_err *err);

#endif
