/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete_parts.h"

#include <string.h>

/* A directory of Trainer may hold a DCP or DeepSpeed one: the outermost speaks. */
const struct bl_whole_rule bl_whole_dir_rules[] = {
	{ "trainer", bl_whole_hf },
	{ "dcp", bl_whole_dcp },
	{ "deepspeed", bl_whole_deepspeed },
	{ NULL, NULL },
};

const struct bl_whole_rule bl_whole_file_rules[] = {
	{ "zip", bl_whole_zip },
	{ "safetensors", bl_whole_safetensors },
	{ NULL, NULL },
};

static int ask(const struct bl_whole_rule *rule, const struct bl_tree *tree, size_t i,
               enum bl_whole *out, struct bl_err *err)
{
	enum bl_whole said = BL_WHOLE_FOREIGN;

	for (; rule->name && said == BL_WHOLE_FOREIGN; rule++)
		if (rule->judge(tree, i, &said, err))
			return bl_wrap(err, "look at '%s'", tree->nodes[i].path);
	*out = said;
	return 0;
}

int bl_whole_file(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	return ask(bl_whole_file_rules, tree, i, out, err);
}

int bl_whole_dir(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	return ask(bl_whole_dir_rules, tree, i, out, err);
}

int bl_whole_below(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	for (size_t at = i + 1; at < tree->nodes[i].end; at++) {
		enum bl_whole said = BL_WHOLE_FOREIGN;
		enum bl_node_kind kind = tree->nodes[at].kind;

		if (kind == BL_NODE_DIR && bl_whole_dir(tree, at, &said, err))
			return -1;
		if (kind == BL_NODE_DIR && said != BL_WHOLE_FOREIGN)
			at = tree->nodes[at].end - 1;
		if (kind == BL_NODE_FILE && bl_whole_file(tree, at, &said, err))
			return -1;
		if (said == BL_WHOLE_NO) {
			*out = BL_WHOLE_NO;
			return 0;
		}
	}
	*out = BL_WHOLE_YES;
	return 0;
}

bool bl_whole_is_group(const struct bl_tree *tree, size_t i)
{
	const char *name = bl_node_name(&tree->nodes[i]);
	size_t len = strlen(name), files = 0;

	if (!len || name[len - 1] < '0' || name[len - 1] > '9')
		return false;
	for (size_t at = bl_tree_next(tree, i, i); at; at = bl_tree_next(tree, i, at)) {
		if (tree->nodes[at].kind == BL_NODE_DIR)
			return false;
		files += tree->nodes[at].kind == BL_NODE_FILE;
	}
	return files > 0;
}
