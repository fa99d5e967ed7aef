/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_tree.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TARGET_MAX 4096

void bl_stamp_of(const struct stat *st, struct bl_stamp *out)
{
	*out = (struct bl_stamp){
		.size = (uint64_t)st->st_size,
		.mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
		.ctime_ns = st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec,
		.inode = (uint64_t)st->st_ino,
	};
}

bool bl_stamp_equal(const struct bl_stamp *a, const struct bl_stamp *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
	       a->inode == b->inode;
}

int64_t bl_stamp_wall_ms(const struct bl_stamp *stamp)
{
	int64_t ns = stamp->mtime_ns > stamp->ctime_ns ? stamp->mtime_ns : stamp->ctime_ns;

	return ns / 1000000;
}

const char *bl_node_name(const struct bl_node *node)
{
	const char *slash = strrchr(node->path, '/');

	return slash ? slash + 1 : node->path;
}

size_t bl_tree_next(const struct bl_tree *tree, size_t dir, size_t i)
{
	size_t next = i == dir ? dir + 1 : tree->nodes[i].end;

	return next < tree->nodes[dir].end ? next : 0;
}

size_t bl_tree_child(const struct bl_tree *tree, size_t dir, const char *name)
{
	for (size_t i = bl_tree_next(tree, dir, dir); i; i = bl_tree_next(tree, dir, i))
		if (!strcmp(bl_node_name(&tree->nodes[i]), name))
			return i;
	return 0;
}

size_t bl_tree_parent(const struct bl_tree *tree, size_t i)
{
	size_t parent = 0;

	/* from the root down, each time into the child whose content spans i */
	for (size_t at = bl_tree_next(tree, 0, 0); at; at = bl_tree_next(tree, parent, at)) {
		if (at >= i)
			break;
		if (tree->nodes[at].end > i)
			parent = at;
	}
	return parent;
}

int bl_tree_open(const struct bl_tree *tree, size_t i, int *fd, struct bl_err *err)
{
	/* O_NONBLOCK: what was a file may be a FIFO by now */
	return bl_fs_open_beneath(tree->root, tree->nodes[i].path, O_RDONLY | O_NONBLOCK, 0, fd,
	                          err);
}

void bl_tree_done(struct bl_tree *tree)
{
	for (size_t i = 0; i < tree->n; i++) {
		free(tree->nodes[i].path);
		free(tree->nodes[i].target);
	}
	free(tree->nodes);
	bl_fd_done(&tree->root);
	*tree = BL_TREE;
}

/* Takes path over, also on failure. */
static int add_node(struct bl_tree *tree, char *path, struct bl_node **out, struct bl_err *err)
{
	if (path && tree->n == tree->cap) {
		size_t cap = tree->cap ? tree->cap * 2 : 64;
		struct bl_node *nodes = realloc(tree->nodes, cap * sizeof(*nodes));

		if (!nodes) {
			free(path);
			path = NULL;
		} else {
			tree->nodes = nodes;
			tree->cap = cap;
		}
	}
	if (!path)
		return bl_fail(err, BL_ENOMEM, "read the directory: out of memory");
	if (tree->n >= BL_TREE_NODES_MAX) {
		bl_fail(err, BL_ELIMIT, "'%s': over %u files", path, BL_TREE_NODES_MAX);
		free(path);
		return -1;
	}
	*out = &tree->nodes[tree->n++];
	**out = (struct bl_node){ .path = path, .end = tree->n };
	return 0;
}

struct walk {
	struct bl_tree *tree;
	bl_tree_filter *wants; /* NULL: all */
	const void *arg;
	size_t dir; /* whose content is being read */
	int depth;
};

static enum bl_node_kind kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return BL_NODE_FILE;
	if (S_ISDIR(mode))
		return BL_NODE_DIR;
	return S_ISLNK(mode) ? BL_NODE_LINK : BL_NODE_OTHER;
}

static char *join(const char *dir, const char *name)
{
	char *path = NULL;

	if (!*dir)
		return strdup(name);
	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* A link that vanishes or cannot be read keeps target NULL: nobody records it. */
static int read_target(int dir, const char *name, struct bl_node *node, struct bl_err *err)
{
	char target[TARGET_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n <= 0 || n == sizeof(target) - 1)
		return 0;
	node->target = strndup(target, (size_t)n);
	return node->target ? 0 : bl_fail(err, BL_ENOMEM, "read the link: out of memory");
}

static int visit(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err);

static int enter(const struct walk *walk, int dir, const char *name, size_t at, struct bl_err *err)
{
	struct walk below = *walk;

	below.dir = at;
	below.depth++;
	if (below.depth > BL_TREE_DEPTH_MAX)
		return bl_fail(err, BL_ELIMIT, "'%s' is over %d directories deep",
		               walk->tree->nodes[at].path, BL_TREE_DEPTH_MAX);
	if (bl_fs_list(dir, name, visit, &below, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* removed while we looked: as far as it was seen */
	}
	walk->tree->nodes[at].end = walk->tree->n;
	return 0;
}

static int visit(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	const struct walk *walk = arg;
	size_t at = walk->tree->n;
	struct bl_node *node;
	struct stat st;
	char *path;

	(void)type;
	if (bl_str_starts(name, ".bl-") && bl_str_ends(name, ".tmp"))
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : bl_fail_errno(err, errno, "stat '%s'", name);
	path = join(walk->tree->nodes[walk->dir].path, name);
	if (path && walk->wants && !walk->wants(walk->arg, path, S_ISDIR(st.st_mode))) {
		free(path);
		return 0;
	}
	if (add_node(walk->tree, path, &node, err))
		return -1;
	node->kind = kind_of(st.st_mode);
	bl_stamp_of(&st, &node->stamp);
	if (node->kind == BL_NODE_LINK)
		return read_target(dir, name, node, err);
	return node->kind == BL_NODE_DIR ? enter(walk, dir, name, at, err) : 0;
}

int bl_tree_read_some(const char *path, bl_tree_filter *wants, const void *arg, struct bl_tree *out,
                      struct bl_err *err)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct walk walk = { .tree = &tree, .wants = wants, .arg = arg };
	struct bl_node *root;
	struct stat st;

	if (bl_fs_open_dir(path, &tree.root, err) || add_node(&tree, strdup(""), &root, err))
		return -1;
	if (fstat(tree.root, &st))
		return bl_fail_errno(err, errno, "stat '%s'", path);
	root->kind = BL_NODE_DIR;
	bl_stamp_of(&st, &root->stamp);
	if (bl_fs_list(tree.root, ".", visit, &walk, err))
		return bl_wrap(err, "read '%s'", path);
	tree.nodes[0].end = tree.n;
	*out = tree;
	tree = BL_TREE;
	return 0;
}

int bl_tree_read(const char *path, struct bl_tree *out, struct bl_err *err)
{
	return bl_tree_read_some(path, NULL, NULL, out, err);
}
