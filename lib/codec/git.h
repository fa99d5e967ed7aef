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
 * Appends the difference from HEAD as a patch that `git apply` takes, untracked files included,
 * binary too; submodules are left out. Over patch->max, or one file that is: BL_ELIMIT.
 */
BL_MUST int bl_git_patch(const char *root, struct bl_buf *patch, struct bl_err *err);

/*
 * Appends the bytes of a file at a commit ("branchline.yaml" at the pinned SHA). BL_ENOENT when the
 * file or the commit is not there.
 */
BL_MUST int bl_git_file(const char *root, const char *sha, const char *path, struct bl_buf *out,
                        struct bl_err *err);

/*
 * First 16 hex digits of SHA-256 over the normalised "host/owner/name" of `remote` (scheme,
 * user, port, ".git" and letter case of the host do not matter), else over the work tree's root,
 * else over path, which must be absolute. Design 4.2, REPO.
 */
BL_MUST int bl_git_repo_key(const struct bl_git *git, const char *path, char key[17],
                            struct bl_err *err);

/*
 * What changed between two commits, a line per file as `git diff --numstat` prints it: added lines,
 * tab, removed lines, tab, path; "-" for both where the file is binary. BL_ENOENT: a commit
 * that this clone does not have.
 */
BL_MUST int bl_git_diffstat(const char *root, const char *from_sha, const char *to_sha,
                            struct bl_buf *out, struct bl_err *err);

#endif
