/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete_parts.h"

#include "base/str.h"

#include <string.h>

/*
 * DeepSpeed writes TAG/mp_rank_00_model_states.pt, TAG/..._optim_states.pt and then the file
 * `latest` beside TAG, which names it. An older tag that `latest` no longer names cannot be told
 * from one that was cut, so only the named one counts.
 */
#define LATEST_MAX_BYTES 4096u

static bool holds_states(const struct bl_tree *tree, size_t dir)
{
	for (size_t i = bl_tree_next(tree, dir, dir); i; i = bl_tree_next(tree, dir, i))
		if (bl_str_ends(tree->nodes[i].path, "_states.pt"))
			return true;
	return false;
}

static int is_named(const struct bl_tree *tree, size_t latest, const char *tag, bool *out,
                    struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(LATEST_MAX_BYTES);
	size_t len;

	if (bl_fs_read(tree->root, tree->nodes[latest].path, &text, err))
		return -1;
	len = strcspn(bl_buf_text(&text), "\r\n");
	*out = len == strlen(tag) && !memcmp(bl_buf_text(&text), tag, len);
	return 0;
}

int bl_whole_deepspeed(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	size_t latest;
	bool named;

	*out = BL_WHOLE_FOREIGN;
	if (!i || !holds_states(tree, i))
		return 0;
	*out = BL_WHOLE_NO;
	latest = bl_tree_child(tree, bl_tree_parent(tree, i), "latest");
	if (!latest || tree->nodes[latest].kind != BL_NODE_FILE)
		return 0;
	if (is_named(tree, latest, bl_node_name(&tree->nodes[i]), &named, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err); /* being replaced just now */
		return 0;
	}
	return named ? bl_whole_below(tree, i, out, err) : 0;
}
