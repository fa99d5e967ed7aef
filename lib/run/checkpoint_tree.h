/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_CHECKPOINT_TREE_H
#define BL_RUN_CHECKPOINT_TREE_H

#include "base/fs.h"

/*
 * A directory's content as it was read once: what the completeness rules and the snapshots
 * decide on. Nodes stand in walk order, a directory before its content, names sorted by bytes.
 */
enum bl_node_kind { BL_NODE_FILE, BL_NODE_DIR, BL_NODE_LINK, BL_NODE_OTHER };

/* What tells a changed file from an unchanged one. */
struct bl_stamp {
	uint64_t size; /* bytes */
	int64_t mtime_ns, ctime_ns;
	uint64_t inode;
};

struct bl_node {
	enum bl_node_kind kind;
	char *path;   /* below the tree's root; "" for the root itself */
	char *target; /* of a link; else NULL */
	struct bl_stamp stamp;
	size_t end; /* index behind the node's content; its own index + 1 without */
};

struct bl_tree {
	int root;              /* descriptor; the tree's */
	struct bl_node *nodes; /* [0] is the root directory */
	size_t n, cap;
};
#define BL_TREE ((struct bl_tree){ .root = -1 })

#define BL_TREE_NODES_MAX 200000u
#define BL_TREE_DEPTH_MAX 32

/*
 * Reads the tree at `path`, which the user named. A missing path is BL_ENOENT; what vanishes
 * meanwhile is left out; over BL_TREE_NODES_MAX or the depth: BL_ELIMIT. Links are never followed,
 * and temporary files of our own (".bl-*.tmp") do not exist.
 */
BL_MUST int bl_tree_read(const char *path, struct bl_tree *out, struct bl_err *err);

/* The same with only what `wants` says yes to; a directory that it refuses is not entered. */
typedef bool bl_tree_filter(const void *arg, const char *path, bool is_dir);
BL_MUST int bl_tree_read_some(const char *path, bl_tree_filter *wants, const void *arg,
                              struct bl_tree *out, struct bl_err *err);
void bl_tree_done(struct bl_tree *tree);

/* Index of the child `name` of directory `dir`, 0 when there is none. */
size_t bl_tree_child(const struct bl_tree *tree, size_t dir, const char *name);
/* The next sibling behind child `i` of `dir`, or its first child with i == dir; 0: none. */
size_t bl_tree_next(const struct bl_tree *tree, size_t dir, size_t i);
/* The directory that holds node i; 0 for the root. */
size_t bl_tree_parent(const struct bl_tree *tree, size_t i);
/* Last part of a node's path. */
const char *bl_node_name(const struct bl_node *node);

/* Opens a regular file of the tree for reading; no link is followed. */
BL_MUST int bl_tree_open(const struct bl_tree *tree, size_t i, int *fd, struct bl_err *err);

void bl_stamp_of(const struct stat *st, struct bl_stamp *out);
bool bl_stamp_equal(const struct bl_stamp *a, const struct bl_stamp *b);
/* The later of the two times, in wall ms. */
int64_t bl_stamp_wall_ms(const struct bl_stamp *stamp);

#endif
