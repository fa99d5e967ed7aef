/* SPDX-License-Identifier: Apache-2.0 */
/* From all sources to one tree: layers, precedence, origins. */
#include "run/config.h"

#include "base/str.h"
#include "run/config_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bl_config_done(struct bl_config *config)
{
	bl_value_free(config->tree);
	bl_value_free(config->origins);
	bl_value_free(config->overrides);
	memset(config, 0, sizeof(*config));
}

void bl_config_layer_done(struct bl_config_layer *layer)
{
	for (size_t i = 0; i < layer->n; i++)
		bl_value_free(layer->items[i].value);
	free(layer->items);
	*layer = (struct bl_config_layer){ 0 };
}

int bl_config_layer_add(struct bl_config_layer *layer, const struct bl_config_key *key,
                        struct bl_value *value, const struct bl_config_source *source,
                        struct bl_err *err)
{
	struct bl_config_setting *more =
		reallocarray(layer->items, layer->n + 1, sizeof(*layer->items));

	if (!more) {
		bl_value_free(value);
		return bl_fail(err, BL_ENOMEM, "out of memory");
	}
	layer->items = more;
	more[layer->n++] = (struct bl_config_setting){ key, value, *source };
	return 0;
}

static int add_text(struct bl_config_layer *layer, const struct bl_config_key *key,
                    const char *text, const char *cwd, const struct bl_config_source *source,
                    struct bl_err *err)
{
	BL_VALUE given = NULL;
	struct bl_value *value;

	if (bl_config_from_text(key, text, cwd, source, &given, err) ||
	    bl_config_canonical(key, given, source, &value, err))
		return -1;
	return bl_config_layer_add(layer, key, value, source, err);
}

/* The last one wins, as the shell's own look-up of a repeated name is not defined. */
static const char *variable(const char *const *environ, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (size_t i = 0; environ && environ[i]; i++)
		if (!strncmp(environ[i], name, len) && environ[i][len] == '=')
			found = environ[i] + len + 1;
	return found;
}

static int add_variables(const struct bl_config_input *input, const char *prefix, const char *shown,
                         struct bl_config_layer *layer, struct bl_err *err)
{
	for (size_t i = 0; i < bl_config_table_n; i++) {
		const struct bl_config_key *key = &bl_config_table[i];
		struct bl_config_source source = { 0 };
		char name[BL_CONFIG_NAME];
		const char *text;

		if (key->traits & BL_CONFIG_FILE_ONLY)
			continue;
		bl_config_variable_name(key, prefix, name);
		text = variable(input->environ, name);
		/* an action's input that is left out arrives as "" */
		if (!text || !*text)
			continue;
		snprintf(source.name, sizeof(source.name), "%s%s", shown, name);
		if (add_text(layer, key, text, input->cwd, &source, err))
			return -1;
	}
	return 0;
}

static int unknown_flag(const char *name, struct bl_err *err)
{
	char names[96][BL_CONFIG_NAME];
	const char *words[96], *near;
	size_t n = 0;

	for (size_t i = 0; i < bl_config_table_n && n < BL_COUNT(names); i++) {
		if (bl_config_table[i].traits & BL_CONFIG_FILE_ONLY)
			continue;
		bl_config_flag_name(&bl_config_table[i], names[n]);
		words[n] = names[n];
		n++;
	}
	near = bl_str_nearest(name, words, n);
	return bl_fail(err, BL_EINPUT, "unknown flag --%.64s%s%s%s", name,
	               near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

/* A list flag that is repeated gathers: the earlier items go in front. */
static int gather(struct bl_config_layer *layer, size_t first, struct bl_err *err)
{
	struct bl_config_setting *last = &layer->items[layer->n - 1];

	for (size_t i = layer->n - 1; i-- > first;) {
		const struct bl_config_setting *earlier = &layer->items[i];
		BL_VALUE both = NULL;

		if (earlier->key != last->key)
			continue;
		if (bl_value_copy(earlier->value, &both, err))
			return -1;
		for (size_t j = 0; j < last->value->n; j++) {
			struct bl_value *item;

			if (bl_value_copy(last->value->items[j], &item, err) ||
			    bl_value_append(both, item, err))
				return -1;
		}
		bl_value_free(last->value);
		last->value = both;
		both = NULL;
		return 0;
	}
	return 0;
}

static int add_flags(const struct bl_config_input *input, struct bl_config_layer *layer,
                     struct bl_err *err)
{
	size_t first = layer->n; /* variables came before */

	for (size_t i = 0; i < input->n_flags; i++) {
		const struct bl_config_flag *flag = &input->flags[i];
		struct bl_config_source source = { 0 };
		bool rest = !strcmp(flag->name, "--");
		const struct bl_config_key *key =
			rest ? bl_config_find("command") : bl_config_find_flag(flag->name);

		if (!key)
			return unknown_flag(flag->name, err);
		if (rest)
			snprintf(source.name, sizeof(source.name), "arguments after --");
		else
			snprintf(source.name, sizeof(source.name), "flag --%s", flag->name);
		if (add_text(layer, key, flag->value, input->cwd, &source, err) ||
		    (bl_config_is_list(key->type) && gather(layer, first, err)))
			return -1;
	}
	return 0;
}

static int note_override(struct bl_value *overrides, const char *name, struct bl_err *err)
{
	struct bl_value *text;

	if (bl_value_string(name, &text, err))
		return -1;
	return bl_value_append(overrides, text, err);
}

static bool same(const struct bl_value *a, const struct bl_value *b)
{
	return a && b ? bl_value_equal(a, b) : a == b;
}

static int compare_members(const struct bl_config_key *key, const struct bl_value *file,
                           const struct bl_value *all, struct bl_value *overrides,
                           struct bl_err *err)
{
	for (size_t i = 0; all && i < all->n; i++) {
		char name[BL_CONFIG_NAME + 300];
		const char *member = all->items[i]->key;

		if (same(bl_value_get(file, member), all->items[i]))
			continue;
		snprintf(name, sizeof(name), "%s.%s", key->name, member);
		if (note_override(overrides, name, err))
			return -1;
	}
	return 0;
}

static int compare(const struct bl_value *file, const struct bl_value *all,
                   struct bl_value *overrides, struct bl_err *err)
{
	for (size_t i = 0; i < bl_config_table_n; i++) {
		const struct bl_config_key *key = &bl_config_table[i];
		const struct bl_value *a = bl_value_path(file, key->name);
		const struct bl_value *b = bl_value_path(all, key->name);
		int rc = 0;

		if (!(key->traits & BL_CONFIG_RESULT))
			continue;
		if (bl_config_is_map(key->type))
			rc = compare_members(key, a, b, overrides, err);
		else if (key->type == BL_CONFIG_SWITCH)
			rc = (a && a->type == BL_STRING) == (b && b->type == BL_STRING)
			             ? 0
			             : note_override(overrides, key->name, err);
		else if (a && b && !bl_value_equal(a, b)) /* one may be switched off */
			rc = note_override(overrides, key->name, err);
		if (rc)
			return -1;
	}
	return 0;
}

static int resolve(const struct bl_config_input *input, struct bl_config *config,
                   struct bl_err *err)
{
	BL_AUTO(bl_config_layer) file = { 0 };
	BL_AUTO(bl_config_layer) over = { 0 };
	BL_VALUE plain = NULL;

	config->tree = bl_value_new(BL_MAP);
	config->origins = bl_value_new(BL_MAP);
	config->overrides = bl_value_new(BL_LIST);
	if (!config->tree || !config->origins || !config->overrides)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (bl_config_read_file(input, &file, config->job, err) ||
	    bl_config_apply_all(config->tree, config->origins, &file, err) ||
	    bl_value_copy(config->tree, &plain, err) || bl_config_fill(plain, NULL, err))
		return -1;
	if (add_variables(input, "BRANCHLINE", "environment ", &over, err) ||
	    add_variables(input, "INPUT", "", &over, err) || add_flags(input, &over, err) ||
	    bl_config_apply_all(config->tree, config->origins, &over, err) ||
	    bl_config_fill(config->tree, config->origins, err) ||
	    compare(plain, config->tree, config->overrides, err))
		return -1;
	if (bl_config_check(config, err) || bl_config_obey(config, input->ceilings, err))
		return -1;
	return bl_config_digest(config->tree, config->digest, err);
}

int bl_config_resolve(const struct bl_config_input *input, struct bl_config *out,
                      struct bl_err *err)
{
	BL_AUTO(bl_config) config = { 0 };
	struct bl_config_input named = *input;

	if (!named.file)
		named.file = BL_CONFIG_FILE;
	if (resolve(&named, &config, err))
		return -1;
	*out = config;
	memset(&config, 0, sizeof(config));
	return 0;
}
