/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GIT_WALK_H
#define BL_CODEC_GIT_WALK_H

#include "base/err.h"

#include <stddef.h>

/* History of a clone; commits are given by their 40 digits. */

/* BL_ENOENT: one of them is not in this clone, they have no common ancestor, or the clone is
 * shallow: then nobody can tell. */
BL_MUST int bl_git_merge_base(const char *root, const char *one, const char *other, char sha[41],
                              struct bl_err *err);

/*
 * The commit and its first parents, newest first, with their trees: at most `max`; fn's non-zero
 * return ends it and is returned. BL_ENOENT: a commit of them is not in this clone; those before it
 * were told.
 */
typedef int bl_git_commit_fn(void *arg, const char *sha, const char *tree, struct bl_err *err);
BL_MUST int bl_git_first_parents(const char *root, const char *sha, size_t max,
                                 bl_git_commit_fn *fn, void *arg, struct bl_err *err);

#endif
