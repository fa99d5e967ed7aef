/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "run/complete.h"

#include <stdlib.h>
#include <string.h>

void bl_seen_done(struct bl_seen *seen)
{
	for (size_t i = 0; i < seen->n; i++)
		free(seen->files[i].path);
	free(seen->files);
	*seen = (struct bl_seen){ 0 };
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct seen_file *)a)->path, ((const struct seen_file *)b)->path);
}

static const struct seen_file *find_seen(const struct bl_seen *seen, const char *path)
{
	struct seen_file key = { .path = (char *)(uintptr_t)path };

	return seen->n ? bsearch(&key, seen->files, seen->n, sizeof(key), by_path) : NULL;
}

int bl_seen_update(struct bl_seen *seen, const struct bl_tree *tree, int64_t mono_ms,
                   struct bl_err *err)
{
	BL_AUTO(bl_seen) next = { .files = calloc(tree->n + 1, sizeof(*next.files)) };

	if (!next.files)
		return bl_fail(err, BL_ENOMEM, "snapshot: out of memory");
	for (size_t i = 0; i < tree->n; i++) {
		const struct bl_node *node = &tree->nodes[i];
		struct seen_file *file = &next.files[next.n];
		const struct seen_file *was;

		if (node->kind != BL_NODE_FILE)
			continue;
		file->path = strdup(node->path);
		if (!file->path)
			return bl_fail(err, BL_ENOMEM, "snapshot: out of memory");
		next.n++;
		was = find_seen(seen, node->path);
		file->stamp = node->stamp;
		file->since_mono_ms = was && bl_stamp_equal(&was->stamp, &node->stamp)
		                              ? was->since_mono_ms
		                              : mono_ms;
	}
	if (next.n)
		qsort(next.files, next.n, sizeof(*next.files), by_path);
	bl_seen_done(seen);
	*seen = next;
	next = (struct bl_seen){ 0 };
	return 0;
}

void bl_pieces_done(struct bl_pieces *pieces)
{
	free(pieces->items);
	*pieces = (struct bl_pieces){ 0 };
}

static int add_piece(struct bl_pieces *pieces, size_t first, size_t end, bool whole,
                     struct bl_err *err)
{
	if (pieces->n == pieces->cap) {
		size_t cap = pieces->cap ? pieces->cap * 2 : 16;
		struct bl_piece *items = realloc(pieces->items, cap * sizeof(*items));

		if (!items)
			return bl_fail(err, BL_ENOMEM, "snapshot: out of memory");
		pieces->items = items;
		pieces->cap = cap;
	}
	pieces->items[pieces->n++] = (struct bl_piece){ first, end, whole };
	return 0;
}

const struct bl_entry *bl_node_unchanged(const struct bl_node *node, const struct bl_manifest *last)
{
	const struct bl_entry *entry = bl_manifest_find(last, node->path);

	if (!entry)
		return NULL;
	if (node->kind == BL_NODE_LINK)
		return entry->link && node->target && !strcmp(entry->link, node->target) ? entry
		                                                                         : NULL;
	if (node->kind != BL_NODE_FILE || !entry->key || entry->size != node->stamp.size ||
	    entry->mtime_ns != node->stamp.mtime_ns || entry->ctime_ns != node->stamp.ctime_ns ||
	    entry->inode != node->stamp.inode)
		return NULL;
	return entry;
}

/* Everything in the directory is as the last manifest has it, and nothing is missing. */
static bool is_unchanged(const struct bl_judging *judging, size_t dir)
{
	const struct bl_tree *tree = judging->tree;
	const char *path = tree->nodes[dir].path;
	size_t here = 0, there = 0, len = strlen(path);

	for (size_t i = dir + 1; i < tree->nodes[dir].end; i++) {
		if (tree->nodes[i].kind == BL_NODE_DIR || tree->nodes[i].kind == BL_NODE_OTHER)
			continue;
		if (!bl_node_unchanged(&tree->nodes[i], judging->last))
			return false;
		here++;
	}
	for (size_t i = len ? bl_manifest_lower(judging->last, path) : 0; i < judging->last->n;
	     i++) {
		const char *entry = judging->last->entries[i].path;

		if (strncmp(entry, path, len) != 0)
			break;
		there += !len || entry[len] == '/';
	}
	return here && here == there;
}

static enum bl_writer worse(enum bl_writer a, enum bl_writer b)
{
	if (a == BL_WRITER_OPEN || b == BL_WRITER_OPEN)
		return BL_WRITER_OPEN;
	return a == BL_WRITER_UNKNOWN ? a : b;
}

/* A file that cannot be opened is not whole: as if somebody wrote it. */
static int probe(const struct bl_tree *tree, size_t i, enum bl_writer *out, struct bl_err *err)
{
	BL_FD fd = -1;

	if (!bl_tree_open(tree, i, &fd, err)) {
		*out = bl_writer_probe(fd);
		return 0;
	}
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err);
	*out = BL_WRITER_OPEN;
	return 0;
}

/* The last rule on all files of nodes first .. end together. */
static int judge_last(const struct bl_judging *judging, size_t first, size_t end, bool *whole,
                      struct bl_err *err)
{
	const struct bl_snapshot_when *when = judging->when;
	struct bl_last_look look = {
		.writer = BL_WRITER_NONE,
		.quiet_ms = when->quiet_ms,
		.unchanged_ms = INT64_MAX,
		.changed_at = INT64_MIN,
		.now = when->now_wall_ms,
		.wall_steady = judging->wall_steady,
		.ended = when->ended,
		.crashed = when->crashed,
		.crashed_at = when->crashed_wall_ms,
	};

	for (size_t i = first; i < end; i++) {
		const struct bl_node *node = &judging->tree->nodes[i];
		const struct seen_file *seen = find_seen(judging->seen, node->path);
		int64_t changed_at = bl_stamp_wall_ms(&node->stamp), unchanged_ms;
		enum bl_writer writer;

		if (node->kind != BL_NODE_FILE)
			continue;
		if (probe(judging->tree, i, &writer, err))
			return -1;
		unchanged_ms = seen ? judging->mono_ms - seen->since_mono_ms : 0;
		look.writer = worse(look.writer, writer);
		if (changed_at > look.changed_at)
			look.changed_at = changed_at;
		if (unchanged_ms < look.unchanged_ms)
			look.unchanged_ms = unchanged_ms;
	}
	*whole = bl_whole_at_last(&look);
	return 0;
}

static int judge_file(const struct bl_judging *judging, size_t i, struct bl_pieces *out,
                      struct bl_err *err)
{
	enum bl_whole said;
	bool whole;

	if (bl_node_unchanged(&judging->tree->nodes[i], judging->last))
		return add_piece(out, i, i + 1, true, err);
	if (bl_whole_file(judging->tree, i, &said, err))
		return -1;
	whole = said == BL_WHOLE_YES;
	if (said == BL_WHOLE_FOREIGN && judge_last(judging, i, i + 1, &whole, err))
		return -1;
	return add_piece(out, i, i + 1, whole, err);
}

/* Several files that belong together: each by its rule, and all of them quiet. */
static int judge_group(const struct bl_judging *judging, size_t i, bool *whole, struct bl_err *err)
{
	enum bl_whole said;

	if (bl_whole_below(judging->tree, i, &said, err))
		return -1;
	*whole = false;
	if (said == BL_WHOLE_NO)
		return 0;
	return judge_last(judging, i + 1, judging->tree->nodes[i].end, whole, err);
}

/* *taken false: its content is to be walked. */
static int judge_dir(const struct bl_judging *judging, size_t i, struct bl_pieces *out, bool *taken,
                     struct bl_err *err)
{
	size_t end = judging->tree->nodes[i].end;
	enum bl_whole said;
	bool whole;

	*taken = true;
	if (is_unchanged(judging, i))
		return add_piece(out, i, end, true, err);
	if (bl_whole_dir(judging->tree, i, &said, err))
		return -1;
	if (said != BL_WHOLE_FOREIGN)
		return add_piece(out, i, end, said == BL_WHOLE_YES, err);
	if (i && bl_whole_is_group(judging->tree, i)) {
		if (judge_group(judging, i, &whole, err))
			return -1;
		return add_piece(out, i, end, whole, err);
	}
	*taken = false;
	return 0;
}

int bl_pieces_find(const struct bl_judging *judging, struct bl_pieces *out, struct bl_err *err)
{
	const struct bl_tree *tree = judging->tree;
	BL_AUTO(bl_pieces) pieces = { 0 };

	for (size_t i = 0; i < tree->n;) {
		const struct bl_node *node = &tree->nodes[i];
		bool taken = false;
		int rc = 0;

		if (node->kind == BL_NODE_DIR)
			rc = judge_dir(judging, i, &pieces, &taken, err);
		else if (node->kind == BL_NODE_FILE)
			rc = judge_file(judging, i, &pieces, err);
		else if (node->kind == BL_NODE_LINK)
			rc = add_piece(&pieces, i, i + 1, true, err);
		if (rc)
			return -1;
		i = taken ? node->end : i + 1;
	}
	*out = pieces;
	pieces = (struct bl_pieces){ 0 };
	return 0;
}
