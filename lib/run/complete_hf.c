/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete_parts.h"

#include "base/str.h"
#include "codec/json.h"
#include "codec/jsonl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Hugging Face Trainer writes trainer_state.json last, after the model, the optimiser and the
 * random states (transformers, Trainer._save_checkpoint).
 */
#define STATE_NAME "trainer_state.json"
#define STATE_MAX_BYTES (64u << 20)
#define INDEX_MAX_BYTES (32u << 20)

/* "checkpoint-500": 500. */
static bool step_of_name(const char *name, uint64_t *step)
{
	char *end;

	if (!bl_str_starts(name, "checkpoint-"))
		return false;
	name += strlen("checkpoint-");
	if (*name < '0' || *name > '9' || strlen(name) > 18)
		return false;
	*step = strtoull(name, &end, 10);
	return !*end;
}

static bool holds_checkpoints(const struct bl_tree *tree, size_t dir)
{
	uint64_t step;

	for (size_t i = bl_tree_next(tree, dir, dir); i; i = bl_tree_next(tree, dir, i))
		if (tree->nodes[i].kind == BL_NODE_DIR &&
		    step_of_name(bl_node_name(&tree->nodes[i]), &step))
			return true;
	return false;
}

static bool has_name(const struct bl_tree *tree, size_t dir, const char *name)
{
	return bl_tree_child(tree, dir, name) != 0;
}

/* A neighbour checkpoint-M that Trainer has finished: then this one is Trainer's, too. */
static bool has_finished_neighbour(const struct bl_tree *tree, size_t dir)
{
	size_t parent = bl_tree_parent(tree, dir);
	uint64_t step;

	for (size_t i = bl_tree_next(tree, parent, parent); i; i = bl_tree_next(tree, parent, i))
		if (i != dir && tree->nodes[i].kind == BL_NODE_DIR &&
		    step_of_name(bl_node_name(&tree->nodes[i]), &step) &&
		    has_name(tree, i, STATE_NAME))
			return true;
	return false;
}

/* Its directory before trainer_state.json is there. */
static bool is_unfinished(const struct bl_tree *tree, size_t dir)
{
	static const char *const marks[] = { "training_args.bin", "optimizer.pt", "scheduler.pt",
		                             "rng_state.pth", "rng_state_0.pth" };
	uint64_t step;

	if (!step_of_name(bl_node_name(&tree->nodes[dir]), &step))
		return false;
	for (size_t i = 0; i < BL_COUNT(marks); i++)
		if (has_name(tree, dir, marks[i]))
			return true;
	return has_finished_neighbour(tree, dir);
}

static int keep_step(void *arg, const struct bl_member *member)
{
	if (member->kind == BL_SCALAR_NUMBER && member->key_len == strlen("global_step") &&
	    !memcmp(member->key, "global_step", member->key_len))
		*(double *)arg = member->number;
	return 0;
}

/* Python may write bare NaN into it, hence the lenient scan. */
static int judge_state(const struct bl_tree *tree, size_t dir, size_t state, enum bl_whole *out,
                       struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(STATE_MAX_BYTES);
	struct bl_json_fault fault;
	double step = (double)NAN;
	uint64_t named;

	*out = BL_WHOLE_NO;
	if (bl_fs_read(tree->root, tree->nodes[state].path, &text, err))
		return -1;
	if (bl_json_members(bl_buf_text(&text), text.len, true, keep_step, &step, &fault) ||
	    isnan(step))
		return 0;
	if (step_of_name(bl_node_name(&tree->nodes[dir]), &named) && step != (double)named)
		return 0;
	*out = BL_WHOLE_YES;
	return 0;
}

/* "X.index.json" lists the shards of a model: each must be there. */
static int judge_index(const struct bl_tree *tree, size_t dir, size_t index, enum bl_whole *out,
                       struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(INDEX_MAX_BYTES);
	const struct bl_value *map;
	BL_VALUE root = NULL;

	*out = BL_WHOLE_NO;
	if (bl_fs_read(tree->root, tree->nodes[index].path, &text, err) ||
	    bl_json_parse(bl_buf_text(&text), text.len, "shard index", &root, err))
		return -1;
	map = bl_value_get(root, "weight_map");
	for (size_t i = 0; map && i < map->n; i++) {
		const struct bl_value *shard = map->items[i];
		/* a thousand tensors of one shard stand together */
		bool same = i && map->items[i - 1]->type == BL_STRING && shard->text &&
		            !strcmp(map->items[i - 1]->text, shard->text);

		if (shard->type != BL_STRING || (!same && !has_name(tree, dir, shard->text)))
			return 0;
	}
	*out = BL_WHOLE_YES;
	return 0;
}

static int judge_indexes(const struct bl_tree *tree, size_t dir, enum bl_whole *out,
                         struct bl_err *err)
{
	for (size_t i = bl_tree_next(tree, dir, dir); i; i = bl_tree_next(tree, dir, i)) {
		if (tree->nodes[i].kind != BL_NODE_FILE ||
		    !bl_str_ends(tree->nodes[i].path, ".index.json"))
			continue;
		if (judge_index(tree, dir, i, out, err))
			return -1;
		if (*out == BL_WHOLE_NO)
			return 0;
	}
	*out = BL_WHOLE_YES;
	return 0;
}

static int judge_all(const struct bl_tree *tree, size_t dir, size_t state, enum bl_whole *out,
                     struct bl_err *err)
{
	if (judge_state(tree, dir, state, out, err))
		return -1;
	if (*out == BL_WHOLE_YES && judge_indexes(tree, dir, out, err))
		return -1;
	if (*out == BL_WHOLE_YES && bl_whole_below(tree, dir, out, err))
		return -1;
	return 0;
}

int bl_whole_hf(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	size_t state;

	*out = BL_WHOLE_FOREIGN;
	/* Trainer.save_state() leaves the file in output_dir, too, beside its checkpoints */
	if (!i || holds_checkpoints(tree, i))
		return 0;
	state = bl_tree_child(tree, i, STATE_NAME);
	if (!state) {
		*out = is_unfinished(tree, i) ? BL_WHOLE_NO : BL_WHOLE_FOREIGN;
		return 0;
	}
	if (!judge_all(tree, i, state, out, err))
		return 0;
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err); /* vanished, unreadable, or no JSON: not whole */
	*out = BL_WHOLE_NO;
	return 0;
}
