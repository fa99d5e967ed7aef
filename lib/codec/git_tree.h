/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GIT_TREE_H
#define BL_CODEC_GIT_TREE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A commit's tree from the object database: no work tree, no filter, nothing untracked. Objects of
 * a shallow clone are all there; those of a partial clone may be missing (BL_ENOENT, with what to
 * fetch).
 */
struct bl_git_tree;

enum bl_git_kind { BL_GIT_DIR, BL_GIT_FILE, BL_GIT_EXEC, BL_GIT_LINK, BL_GIT_MODULE };

struct bl_git_entry {
	const char *path; /* from the tree's root, "a/b.py", directories without '/' at the end */
	enum bl_git_kind kind;
	char id[41]; /* of blob, tree, or the submodule's commit */
};

struct bl_git_commit {
	char sha[41], tree[41];
	int64_t committed_s; /* the committer's time, seconds since 1970 */
	char branch[256];    /* that HEAD is on, if HEAD is this commit; else "" */
	char remote[512];    /* as in struct bl_git */
	bool partial;        /* objects may be missing by intent */
};

/*
 * rev: 40 digits, a unique prefix, or a name as git has it ("HEAD", "main", "v1.0").
 * BL_ENOENT: not in this clone; next: how to fetch it.
 */
BL_MUST int bl_git_tree_open(const char *path, const char *rev, struct bl_git_tree **out,
                             struct bl_git_commit *commit, struct bl_err *err);
void bl_git_tree_close(struct bl_git_tree *tree); /* takes NULL */
void bl_git_tree_auto(struct bl_git_tree **tree);
#define BL_GIT_TREE __attribute__((cleanup(bl_git_tree_auto))) struct bl_git_tree *

/*
 * Each entry in the byte order of paths where a directory counts as "name/": a directory comes
 * before what is in it. visit returns 0 to go on, 1 to leave a directory out (0 elsewhere), -1 with
 * err to end. Names are given as they are in the tree, also bad ones ("..", ".git", with control
 * characters): judging them is the caller's.
 */
typedef int bl_git_visit(void *arg, const struct bl_git_entry *entry, struct bl_err *err);
BL_MUST int bl_git_tree_walk(struct bl_git_tree *tree, bl_git_visit *visit, void *arg,
                             struct bl_err *err);

/*
 * The bytes of a blob, whole in memory: *bytes stay valid until bl_git_blob_done(). BL_ENOENT: not
 * in this clone (partial clone: says `git fetch` of what). BL_ECORRUPT: the clone is damaged, or
 * the object is no blob.
 */
struct bl_git_blob {
	const char *bytes;
	uint64_t size;
	void *object; /* ours */
};
BL_MUST int bl_git_blob_read(struct bl_git_tree *tree, const char id[41], struct bl_git_blob *out,
                             struct bl_err *err);
void bl_git_blob_done(struct bl_git_blob *blob); /* takes a zeroed one */

#endif
