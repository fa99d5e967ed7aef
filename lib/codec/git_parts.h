/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GIT_PARTS_H
#define BL_CODEC_GIT_PARTS_H

#include "base/err.h"

#include <git2.h>
#include <git2/sys/alloc.h>

/* What the files that use libgit2 share; they alone include this. */

/* Clean-up of libgit2's objects by attribute: GIT(repository) repo = NULL; */
#define GIT_CLEANUP(type, free_it)                                                                 \
	static inline void done_##type(git_##type **object)                                        \
	{                                                                                          \
		free_it(*object);                                                                  \
	}
#define GIT(type) __attribute__((cleanup(done_##type))) git_##type *

GIT_CLEANUP(repository, git_repository_free)
GIT_CLEANUP(reference, git_reference_free)
GIT_CLEANUP(object, git_object_free)
GIT_CLEANUP(commit, git_commit_free)
GIT_CLEANUP(tree, git_tree_free)
GIT_CLEANUP(tree_entry, git_tree_entry_free)
GIT_CLEANUP(blob, git_blob_free)
GIT_CLEANUP(config, git_config_free)
GIT_CLEANUP(config_iterator, git_config_iterator_free)
GIT_CLEANUP(diff, git_diff_free)
GIT_CLEANUP(patch, git_patch_free)

/* Starts libgit2 at the first call. BL_ENOENT: no repository around path. */
BL_MUST int bl_git_open(const char *path, git_repository **repo, struct bl_err *err);
/* What libgit2 said of its last failure. Returns -1. */
int bl_git_failed(int rc, const char *what, struct bl_err *err);
/* The end of each public function: an answer got from the reserve may be wrong. */
BL_MUST int bl_git_ended(struct bl_err *err);
/* Copies text as UTF-8, cut between characters. */
void bl_git_copy_text(char *to, size_t size, const char *from);
/* sha: 40 digits. BL_ENOENT, with how to fetch it. */
BL_MUST int bl_git_find_commit(git_repository *repo, const char *sha, git_commit **commit,
                               struct bl_err *err);
/* The URL of origin without credentials; "" without. */
BL_MUST int bl_git_read_remote(git_repository *repo, char *out, size_t size, struct bl_err *err);

#endif
