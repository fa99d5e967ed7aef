/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/value.h"

#include <stdlib.h>
#include <string.h>

const char *bl_type_name(enum bl_type type)
{
	static const char *const names[] = {
		[BL_NULL] = "nothing", [BL_BOOL] = "true or false", [BL_INT] = "whole number",
		[BL_REAL] = "number",  [BL_STRING] = "text",        [BL_LIST] = "list",
		[BL_MAP] = "map",
	};

	return names[type];
}

struct bl_value *bl_value_new(enum bl_type type)
{
	struct bl_value *value = calloc(1, sizeof(*value));

	if (value)
		value->type = type;
	return value;
}

void bl_value_free(struct bl_value *value)
{
	if (!value)
		return;
	for (size_t i = 0; i < value->n; i++)
		bl_value_free(value->items[i]);
	free(value->items);
	free(value->key);
	free(value->text);
	free(value);
}

void bl_value_auto(struct bl_value **value)
{
	bl_value_free(*value);
	*value = NULL;
}

static int no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "out of memory");
}

static bool copy_text(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

/* Doubles the array at each power of two, so that no capacity is kept. */
static bool has_room(struct bl_value *parent)
{
	struct bl_value **items;

	if (parent->n & (parent->n - 1))
		return true;
	items = reallocarray(parent->items, parent->n ? parent->n * 2 : 1,
	                     sizeof(struct bl_value *));
	if (items)
		parent->items = items;
	return items;
}

int bl_value_append(struct bl_value *list, struct bl_value *item, struct bl_err *err)
{
	if (!item || !has_room(list)) {
		bl_value_free(item);
		return no_memory(err);
	}
	list->items[list->n++] = item;
	return 0;
}

static int copy_items(const struct bl_value *from, struct bl_value *to, struct bl_err *err)
{
	for (size_t i = 0; i < from->n; i++) {
		struct bl_value *item;

		if (bl_value_copy(from->items[i], &item, err) || bl_value_append(to, item, err))
			return -1;
	}
	return 0;
}

int bl_value_copy(const struct bl_value *from, struct bl_value **out, struct bl_err *err)
{
	BL_VALUE copy = bl_value_new(from->type);

	if (!copy)
		return no_memory(err);
	*copy = *from;
	copy->items = NULL;
	copy->n = 0;
	copy->text = NULL;
	if (!copy_text(from->key, &copy->key) || !copy_text(from->text, &copy->text))
		return no_memory(err);
	if (copy_items(from, copy, err))
		return -1;
	*out = copy;
	copy = NULL;
	return 0;
}

int bl_value_string(const char *text, struct bl_value **out, struct bl_err *err)
{
	BL_VALUE value = bl_value_new(BL_STRING);

	if (!value || !copy_text(text, &value->text))
		return no_memory(err);
	*out = value;
	value = NULL;
	return 0;
}

static size_t index_of(const struct bl_value *map, const char *key)
{
	size_t i = 0;

	while (i < map->n && strcmp(map->items[i]->key, key) != 0)
		i++;
	return i;
}

int bl_value_set(struct bl_value *map, const char *key, struct bl_value *member, struct bl_err *err)
{
	size_t at = index_of(map, key);
	char *copy = strdup(key);

	if (!member || !copy) {
		free(copy);
		bl_value_free(member);
		return no_memory(err);
	}
	free(member->key);
	member->key = copy;
	if (at == map->n)
		return bl_value_append(map, member, err);
	bl_value_free(map->items[at]);
	map->items[at] = member;
	return 0;
}

void bl_value_remove(struct bl_value *map, const char *key)
{
	size_t at = index_of(map, key);

	if (at == map->n)
		return;
	bl_value_free(map->items[at]);
	map->n--;
	memmove(map->items + at, map->items + at + 1, (map->n - at) * sizeof(struct bl_value *));
}

const struct bl_value *bl_value_get(const struct bl_value *map, const char *key)
{
	if (!map || map->type != BL_MAP)
		return NULL;
	size_t at = index_of(map, key);
	return at < map->n ? map->items[at] : NULL;
}

static const struct bl_value *get_part(const struct bl_value *map, const char *key, size_t len)
{
	if (map->type != BL_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++) {
		const char *have = map->items[i]->key;

		if (!strncmp(have, key, len) && !have[len])
			return map->items[i];
	}
	return NULL;
}

const struct bl_value *bl_value_path(const struct bl_value *root, const char *path)
{
	while (root) {
		size_t len = strcspn(path, ".");

		root = get_part(root, path, len);
		if (!path[len])
			break;
		path += len + 1;
	}
	return root;
}

static bool is_number(const struct bl_value *value)
{
	return value->type == BL_INT || value->type == BL_REAL;
}

static bool same_number(const struct bl_value *a, const struct bl_value *b)
{
	if (a->type == BL_INT && b->type == BL_INT)
		return a->integer == b->integer;
	return a->real == b->real || (a->real != a->real && b->real != b->real);
}

static bool same_items(const struct bl_value *a, const struct bl_value *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct bl_value *other =
			a->type == BL_LIST ? b->items[i] : bl_value_get(b, a->items[i]->key);

		if (!other || !bl_value_equal(a->items[i], other))
			return false;
	}
	return true;
}

bool bl_value_equal(const struct bl_value *a, const struct bl_value *b)
{
	if (is_number(a) && is_number(b))
		return same_number(a, b);
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case BL_BOOL:
		return a->boolean == b->boolean;
	case BL_STRING:
		return !strcmp(a->text, b->text);
	case BL_LIST:
	case BL_MAP:
		return same_items(a, b);
	default:
		return true;
	}
}

static int must_be(const struct bl_value *root, const char *path, enum bl_type type,
                   const struct bl_value **out, struct bl_err *err)
{
	const struct bl_value *value = bl_value_path(root, path);

	if (!value)
		return bl_fail(err, BL_ECORRUPT, "'%s' is missing", path);
	if (value->type != type)
		return bl_fail(err, BL_ECORRUPT, "'%s': expected %s, found %s", path,
		               bl_type_name(type), bl_type_name(value->type));
	*out = value;
	return 0;
}

int bl_value_text(const struct bl_value *root, const char *path, const char **out,
                  struct bl_err *err)
{
	const struct bl_value *value = NULL;

	if (must_be(root, path, BL_STRING, &value, err))
		return -1;
	*out = value->text;
	return 0;
}

int bl_value_int(const struct bl_value *root, const char *path, int64_t *out, struct bl_err *err)
{
	const struct bl_value *value = NULL;

	if (must_be(root, path, BL_INT, &value, err))
		return -1;
	*out = value->integer;
	return 0;
}

const char *bl_value_text_or(const struct bl_value *root, const char *path, const char *fallback)
{
	const struct bl_value *value = bl_value_path(root, path);

	return value && value->type == BL_STRING ? value->text : fallback;
}

int64_t bl_value_int_or(const struct bl_value *root, const char *path, int64_t fallback)
{
	const struct bl_value *value = bl_value_path(root, path);

	return value && value->type == BL_INT ? value->integer : fallback;
}

double bl_value_real_or(const struct bl_value *root, const char *path, double fallback)
{
	const struct bl_value *value = bl_value_path(root, path);

	return value && is_number(value) ? value->real : fallback;
}

bool bl_value_bool_or(const struct bl_value *root, const char *path, bool fallback)
{
	const struct bl_value *value = bl_value_path(root, path);

	return value && value->type == BL_BOOL ? value->boolean : fallback;
}
