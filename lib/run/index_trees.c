/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/index.h"

#include <stdlib.h>
#include <string.h>

#define TREES_MAX 100000u
#define DIGITS 40u

void bl_index_trees_done(struct bl_index_trees *trees)
{
	free(trees->trees);
	*trees = (struct bl_index_trees){ 0 };
}

struct listing {
	struct bl_index_trees trees;
	size_t prefix;
};

/* Keys come in byte order: the list is sorted as it is. */
static int keep_tree(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct listing *listing = arg;
	struct bl_index_trees *trees = &listing->trees;
	const char *name = item->key + listing->prefix;

	if (strspn(name, "0123456789abcdef") != DIGITS || strcmp(name + DIGITS, ".json") != 0)
		return 0;
	if (trees->n == TREES_MAX)
		return 1;
	if (trees->n == trees->cap) {
		size_t cap = trees->cap ? trees->cap * 2 : 256;
		char(*more)[41] = reallocarray(trees->trees, cap, sizeof(*more));

		if (!more)
			return bl_fail(err, BL_ENOMEM, "index: out of memory");
		trees->trees = more;
		trees->cap = cap;
	}
	memcpy(trees->trees[trees->n], name, DIGITS);
	trees->trees[trees->n++][DIGITS] = '\0';
	return 0;
}

int bl_index_trees_read(struct bl_store *store, const char *repository, const char *job,
                        struct bl_index_trees *out, struct bl_err *err)
{
	struct bl_key prefix = bl_index_key(repository, job, "trees", "");
	struct listing listing = { .prefix = strlen(prefix.text) - strlen(".json") };

	prefix.text[listing.prefix] = '\0';
	if (bl_store_list(store, NULL, prefix.text, NULL, 0, keep_tree, &listing, err) < 0) {
		bl_index_trees_done(&listing.trees);
		return bl_wrap(err, "index of baselines");
	}
	*out = listing.trees;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

bool bl_index_trees_have(const struct bl_index_trees *trees, const char *tree)
{
	return trees->n && bsearch(tree, trees->trees, trees->n, sizeof(*trees->trees), by_name);
}
