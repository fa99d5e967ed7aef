/* SPDX-License-Identifier: Apache-2.0 */
/* The resolved tree: settings put into it, defaults filled in, its digest. */
#include "base/str.h"
#include "codec/json.h"
#include "run/config_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bl_config_parent(struct bl_value *tree, const char *name, struct bl_value **out,
                     const char **last, struct bl_err *err)
{
	const char *dot = strchr(name, '.');
	char section[BL_CONFIG_NAME];

	*last = dot ? dot + 1 : name;
	*out = tree;
	if (!dot)
		return 0;
	snprintf(section, sizeof(section), "%.*s", (int)(dot - name), name);
	for (size_t i = 0; i < tree->n; i++)
		if (!strcmp(tree->items[i]->key, section) && tree->items[i]->type == BL_MAP) {
			*out = tree->items[i];
			return 0;
		}
	struct bl_value *made = bl_value_new(BL_MAP);
	if (bl_value_set(tree, section, made, err))
		return -1;
	*out = made;
	return 0;
}

static int note_origin(struct bl_value *origins, const char *name,
                       const struct bl_config_source *source, const struct bl_value *value,
                       struct bl_err *err)
{
	char text[192];
	struct bl_value *origin;
	int line = value->key_line ? value->key_line : value->line;

	if (!origins)
		return 0;
	if (source->file)
		snprintf(text, sizeof(text), "%.128s:%d", source->file, line);
	else
		snprintf(text, sizeof(text), "%s", source->name);
	if (bl_value_string(text, &origin, err))
		return -1;
	return bl_value_set(origins, name, origin, err);
}

static struct bl_value *member_of(const struct bl_value *map, const char *key)
{
	for (size_t i = 0; map && map->type == BL_MAP && i < map->n; i++)
		if (!strcmp(map->items[i]->key, key))
			return map->items[i];
	return NULL;
}

/* The map of this name in parent, made when it is not there or something else. */
static int map_in(struct bl_value *parent, const char *key, struct bl_value **out,
                  struct bl_err *err)
{
	struct bl_value *map = member_of(parent, key);

	if (!map || map->type != BL_MAP) {
		map = bl_value_new(BL_MAP);
		if (bl_value_set(parent, key, map, err))
			return -1;
	}
	*out = map;
	return 0;
}

static int set_copy(struct bl_value *parent, const char *key, const struct bl_value *value,
                    struct bl_err *err)
{
	struct bl_value *copy;

	if (bl_value_copy(value, &copy, err))
		return -1;
	return bl_value_set(parent, key, copy, err);
}

static int merge(struct bl_value *into, struct bl_value *origins,
                 const struct bl_config_setting *setting, struct bl_err *err)
{
	for (size_t i = 0; i < setting->value->n; i++) {
		const struct bl_value *item = setting->value->items[i];
		char name[BL_CONFIG_NAME + 300];
		struct bl_value *map;

		snprintf(name, sizeof(name), "%s.%s", setting->key->name, item->key);
		if (note_origin(origins, name, &setting->source, item, err))
			return -1;
		if (item->type != BL_MAP) {
			if (set_copy(into, item->key, item, err))
				return -1;
			continue;
		}
		if (map_in(into, item->key, &map, err))
			return -1;
		for (size_t j = 0; j < item->n; j++)
			if (set_copy(map, item->items[j]->key, item->items[j], err))
				return -1;
	}
	return 0;
}

int bl_config_apply(struct bl_value *tree, struct bl_value *origins,
                    const struct bl_config_setting *setting, struct bl_err *err)
{
	struct bl_value *parent, *map;
	const char *last;

	if (bl_config_parent(tree, setting->key->name, &parent, &last, err))
		return -1;
	if (bl_config_is_map(setting->key->type)) {
		if (map_in(parent, last, &map, err))
			return -1;
		return merge(map, origins, setting, err);
	}
	if (note_origin(origins, setting->key->name, &setting->source, setting->value, err))
		return -1;
	/* a section that was switched off is on again */
	if (origins && bl_str_starts(setting->key->name, "checkpoints."))
		bl_value_remove(origins, "checkpoints");
	return set_copy(parent, last, setting->value, err);
}

int bl_config_apply_all(struct bl_value *tree, struct bl_value *origins,
                        const struct bl_config_layer *layer, struct bl_err *err)
{
	for (size_t i = 0; i < layer->n; i++)
		if (bl_config_apply(tree, origins, &layer->items[i], err))
			return -1;
	return 0;
}

static int fill_channel(struct bl_value *channel, struct bl_err *err)
{
	static const char *const empty[] = { "uri", "local", "version" };
	struct bl_value *format;

	for (size_t i = 0; i < BL_COUNT(empty); i++)
		if (!bl_value_get(channel, empty[i]) &&
		    bl_value_set(channel, empty[i], bl_value_new(BL_NULL), err))
			return -1;
	if (!bl_value_get(channel, "include") &&
	    bl_value_set(channel, "include", bl_value_new(BL_LIST), err))
		return -1;
	if (bl_value_get(channel, "format"))
		return 0;
	if (bl_value_string("auto", &format, err))
		return -1;
	return bl_value_set(channel, "format", format, err);
}

static int default_of(const struct bl_config_key *key, struct bl_value **out, struct bl_err *err)
{
	static const struct bl_config_source source = { .name = "default" };
	BL_VALUE given = NULL;
	enum bl_type empty = bl_config_is_map(key->type)    ? BL_MAP
	                     : bl_config_is_list(key->type) ? BL_LIST
	                                                    : BL_NULL;

	if (key->type == BL_CONFIG_VERSION)
		return bl_config_from_text(key, "1", NULL, &source, out, err);
	if (!key->fallback) {
		*out = bl_value_new(empty);
		return *out ? 0 : bl_fail(err, BL_ENOMEM, "out of memory");
	}
	if (bl_config_from_text(key, key->fallback, NULL, &source, &given, err))
		return -1;
	return bl_config_canonical(key, given, &source, out, err);
}

static bool is_off(const struct bl_value *tree, const char *name)
{
	const struct bl_value *section = bl_value_get(tree, "checkpoints");

	return section && section->type == BL_STRING && !strncmp(name, "checkpoints.", 12);
}

int bl_config_fill(struct bl_value *tree, struct bl_value *origins, struct bl_err *err)
{
	static const struct bl_config_source source = { .name = "default" };

	for (size_t i = 0; i < bl_config_table_n; i++) {
		const struct bl_config_key *key = &bl_config_table[i];
		struct bl_value *parent, *value;
		const char *last;

		if (key->type == BL_CONFIG_SWITCH || is_off(tree, key->name) ||
		    (key->traits & BL_CONFIG_FILE_ONLY && key->type != BL_CONFIG_VERSION) ||
		    bl_value_path(tree, key->name))
			continue;
		if (bl_config_parent(tree, key->name, &parent, &last, err) ||
		    default_of(key, &value, err))
			return -1;
		if (bl_value_set(parent, last, value, err) ||
		    note_origin(origins, key->name, &source, value, err))
			return -1;
	}
	const struct bl_value *data = bl_value_get(tree, "data");
	for (size_t i = 0; i < data->n; i++)
		if (fill_channel(data->items[i], err))
			return -1;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct bl_value *const *left = a, *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

static int write_sorted(struct bl_json *json, const char *key, const struct bl_value *value,
                        struct bl_err *err)
{
	const struct bl_value **items;
	int rc = 0;

	if (value->type != BL_MAP) {
		bl_json_value(json, key, value);
		return 0;
	}
	items = calloc(value->n + 1, sizeof(*items));
	if (!items)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < value->n; i++)
		items[i] = value->items[i];
	qsort(items, value->n, sizeof(*items), by_key);
	bl_json_map(json, key);
	for (size_t i = 0; i < value->n && !rc; i++)
		rc = write_sorted(json, items[i]->key, items[i], err);
	bl_json_end_map(json);
	free(items);
	return rc;
}

int bl_config_digest(const struct bl_value *tree, char hex[BL_SHA256_HEX], struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(8 * BL_CONFIG_FILE_MAX);
	struct bl_json json = BL_JSON(&text);

	if (write_sorted(&json, NULL, tree, err) || bl_buf_check(&text, "configuration", err))
		return -1;
	return bl_sha256_of(bl_buf_text(&text), text.len, hex, err);
}
