/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete_parts.h"

#include "base/str.h"

/*
 * torch.distributed.checkpoint: every rank writes *.distcp shards, then the coordinator writes
 * .metadata. FSDP state of Lightning, Accelerate and Trainer has the same form.
 */
static bool holds_shards(const struct bl_tree *tree, size_t dir)
{
	for (size_t i = bl_tree_next(tree, dir, dir); i; i = bl_tree_next(tree, dir, i))
		if (bl_str_ends(tree->nodes[i].path, ".distcp"))
			return true;
	return false;
}

/* A shard younger than .metadata: the directory is being written once more. */
static bool has_younger_shard(const struct bl_tree *tree, size_t dir, size_t metadata)
{
	int64_t at_ms = tree->nodes[metadata].stamp.mtime_ns / 1000000;

	for (size_t i = bl_tree_next(tree, dir, dir); i; i = bl_tree_next(tree, dir, i))
		if (bl_str_ends(tree->nodes[i].path, ".distcp") &&
		    tree->nodes[i].stamp.mtime_ns / 1000000 > at_ms)
			return true;
	return false;
}

int bl_whole_dcp(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	size_t metadata = bl_tree_child(tree, i, ".metadata");

	*out = BL_WHOLE_FOREIGN;
	if (!metadata && !holds_shards(tree, i))
		return 0;
	*out = BL_WHOLE_NO;
	if (!metadata || tree->nodes[metadata].kind != BL_NODE_FILE ||
	    !tree->nodes[metadata].stamp.size || has_younger_shard(tree, i, metadata))
		return 0;
	return bl_whole_below(tree, i, out, err);
}
