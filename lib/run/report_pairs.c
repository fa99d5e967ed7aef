/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"
#include "run/report.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 4096u
#define VALUE_MAX 4096u /* bytes of one value; a longer one is cut */

void bl_pairs_done(struct bl_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->items[i].name);
		free(pairs->items[i].value);
	}
	free(pairs->items);
	*pairs = (struct bl_pairs){ 0 };
}

int bl_pairs_add(struct bl_pairs *pairs, const char *name, const char *value, struct bl_err *err)
{
	struct bl_param pair;

	if (pairs->n >= PAIRS_MAX)
		return 0; /* more than anybody compares */
	if (pairs->n == pairs->cap) {
		size_t cap = pairs->cap ? pairs->cap * 2 : 16;
		struct bl_param *items = reallocarray(pairs->items, cap, sizeof(*items));

		if (!items)
			return bl_fail(err, BL_ENOMEM, "parameters: out of memory");
		pairs->items = items;
		pairs->cap = cap;
	}
	pair.name = strdup(name);
	pair.value = strndup(value, VALUE_MAX);
	if (!pair.name || !pair.value) {
		free(pair.name);
		free(pair.value);
		return bl_fail(err, BL_ENOMEM, "parameters: out of memory");
	}
	pairs->items[pairs->n++] = pair;
	return 0;
}

static int add_scalar(struct bl_pairs *pairs, const char *name, const struct bl_value *value,
                      struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(1u << 20);
	struct bl_json json = BL_JSON(&text);

	if (value->type == BL_STRING)
		return bl_pairs_add(pairs, name, value->text, err);
	bl_json_value(&json, NULL, value);
	if (bl_buf_check(&text, "parameters", err))
		return -1;
	return bl_pairs_add(pairs, name, bl_buf_text(&text), err);
}

int bl_pairs_add_value(struct bl_pairs *pairs, const char *prefix, const struct bl_value *value,
                       struct bl_err *err)
{
	BL_AUTO(bl_buf) name = BL_BUF(1u << 20);

	if (!value || value->type == BL_NULL)
		return 0;
	if (value->type != BL_MAP)
		return add_scalar(pairs, prefix ? prefix : "", value, err);
	for (size_t i = 0; i < value->n; i++) {
		bl_buf_reset(&name);
		if (prefix)
			bl_buf_addf(&name, "%s.", prefix);
		bl_buf_adds(&name, value->items[i]->key);
		if (bl_buf_check(&name, "parameters", err) ||
		    bl_pairs_add_value(pairs, bl_buf_text(&name), value->items[i], err))
			return -1;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct bl_param *)a)->name, ((const struct bl_param *)b)->name);
}

void bl_pairs_sort(struct bl_pairs *pairs)
{
	if (pairs->n)
		qsort(pairs->items, pairs->n, sizeof(*pairs->items), by_name);
}

const char *bl_pairs_find(const struct bl_pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (!strcmp(pairs->items[i].name, name))
			return pairs->items[i].value;
	return NULL;
}
