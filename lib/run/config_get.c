/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a resolved configuration. */
#include "base/str.h"
#include "run/config_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const struct bl_value *bl_config_value(const struct bl_config *config, const char *name)
{
	assert(bl_config_find(name));
	return bl_value_path(config->tree, name);
}

bool bl_config_has(const struct bl_config *config, const char *name)
{
	const struct bl_value *value = bl_config_value(config, name);

	return value && value->type != BL_NULL;
}

/* The text of a value; the table's where its section is switched off. */
const char *bl_config_text(const struct bl_config *config, const char *name)
{
	const struct bl_value *value = bl_config_value(config, name);

	if (!value)
		return bl_config_find(name)->fallback;
	return value->type == BL_STRING ? value->text : NULL;
}

double bl_config_real(const struct bl_config *config, const char *name)
{
	const struct bl_value *value = bl_config_value(config, name);
	const char *fallback = bl_config_find(name)->fallback;

	if (!value)
		return fallback ? strtod(fallback, NULL) : 0;
	return value->type == BL_INT || value->type == BL_REAL ? value->real : 0;
}

int64_t bl_config_int(const struct bl_config *config, const char *name)
{
	const struct bl_value *value = bl_config_value(config, name);

	return value && value->type == BL_INT ? value->integer
	                                      : (int64_t)bl_config_real(config, name);
}

bool bl_config_bool(const struct bl_config *config, const char *name)
{
	const struct bl_value *value = bl_config_value(config, name);
	const char *fallback = bl_config_find(name)->fallback;

	return value ? value->boolean : fallback && !strcmp(fallback, "true");
}

int64_t bl_config_duration_ms(const struct bl_config *config, const char *name)
{
	const char *text = bl_config_text(config, name);
	struct bl_err ignored = { 0 }; /* the tree's forms are canonical */
	int64_t ms = 0;

	return text && !bl_str_duration(text, &ms, &ignored) ? ms : 0;
}

uint64_t bl_config_bytes(const struct bl_config *config, const char *name)
{
	const char *text = bl_config_text(config, name);
	struct bl_err ignored = { 0 };
	uint64_t bytes = 0;

	return text && !bl_str_size(text, &bytes, &ignored) ? bytes : 0;
}

bool bl_config_lists(const struct bl_config *config, const char *name, const char *word)
{
	const struct bl_value *list = bl_config_value(config, name);

	for (size_t i = 0; list && i < list->n; i++)
		if (list->items[i]->text && !strcmp(list->items[i]->text, word))
			return true;
	return false;
}

bool bl_config_checkpoints(const struct bl_config *config)
{
	return bl_config_value(config, "checkpoints")->type == BL_MAP;
}

const char *bl_config_origin(const struct bl_config *config, const char *name)
{
	const struct bl_value *origin = bl_value_get(config->origins, name);

	return origin && origin->text ? origin->text : "default";
}

size_t bl_config_channels(const struct bl_config *config)
{
	return bl_config_value(config, "data")->n;
}

void bl_config_channel(const struct bl_config *config, size_t i, struct bl_channel *out)
{
	const struct bl_value *data = bl_config_value(config, "data");

	assert(i < data->n);
	const struct bl_value *channel = data->items[i];
	*out = (struct bl_channel){
		.name = channel->key,
		.uri = bl_value_text_or(channel, "uri", NULL),
		.local = bl_value_text_or(channel, "local", NULL),
		.format = bl_value_text_or(channel, "format", "auto"),
		.version = bl_value_text_or(channel, "version", NULL),
		.include = bl_value_get(channel, "include"),
	};
}

/* One key of a stored tree, checked as the file's would be. */
static int take_stored(const struct bl_config_key *key, const struct bl_value *tree,
                       struct bl_value *into, struct bl_err *err)
{
	static const struct bl_config_source source = { .name = "stored configuration" };
	struct bl_config_setting setting = { .key = key, .source = source };
	const struct bl_value *given = bl_value_path(tree, key->name);
	int rc;

	if (!given || given->type == BL_NULL || key->traits & BL_CONFIG_FILE_ONLY ||
	    (key->type == BL_CONFIG_SWITCH && given->type == BL_MAP))
		return 0;
	if (bl_config_canonical(key, given, &source, &setting.value, err))
		return err->code == BL_EINPUT ? bl_recode(err, BL_ECORRUPT) : -1;
	rc = bl_config_apply(into, NULL, &setting, err);
	bl_value_free(setting.value);
	return rc;
}

int bl_config_from_tree(const struct bl_value *tree, struct bl_config *out, struct bl_err *err)
{
	BL_AUTO(bl_config) config = { 0 };

	if (!tree || tree->type != BL_MAP)
		return bl_fail(err, BL_ECORRUPT, "stored configuration: not a map");
	config.tree = bl_value_new(BL_MAP);
	config.origins = bl_value_new(BL_MAP);
	config.overrides = bl_value_new(BL_LIST);
	if (!config.tree || !config.origins || !config.overrides)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < bl_config_table_n; i++)
		if (take_stored(&bl_config_table[i], tree, config.tree, err))
			return -1;
	if (bl_config_fill(config.tree, NULL, err) ||
	    bl_config_digest(config.tree, config.digest, err))
		return -1;
	*out = config;
	memset(&config, 0, sizeof(config));
	return 0;
}
