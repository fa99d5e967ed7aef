/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/json.h"
#include "codec/oci.h"

#include <stdio.h>
#include <string.h>

/* --- Editing ---------------------------------------------------------------------------------- */

static int set_text(struct bl_value *map, const char *key, const char *text, struct bl_err *err)
{
	struct bl_value *value = NULL;

	if (bl_value_string(text, &value, err))
		return -1;
	return bl_value_set(map, key, value, err);
}

static int add_text(struct bl_value *list, const char *text, struct bl_err *err)
{
	struct bl_value *value = NULL;

	if (bl_value_string(text, &value, err))
		return -1;
	return bl_value_append(list, value, err);
}

/* The member, made where it is missing or null. BL_ECORRUPT: it is something else. */
static struct bl_value *member(struct bl_value *map, const char *key, enum bl_type type,
                               struct bl_err *err)
{
	struct bl_value *made;

	for (size_t i = 0; i < map->n; i++) {
		if (strcmp(map->items[i]->key, key) != 0)
			continue;
		if (map->items[i]->type == type)
			return map->items[i];
		if (map->items[i]->type == BL_NULL)
			break;
		bl_fail(err, BL_ECORRUPT, "%s: expected a %s, found a %s", key, bl_type_name(type),
		        bl_type_name(map->items[i]->type));
		return NULL;
	}
	made = bl_value_new(type);
	if (!made) {
		bl_fail(err, BL_ENOMEM, "%s: out of memory", key);
		return NULL;
	}
	return bl_value_set(map, key, made, err) ? NULL : made;
}

/* --- The change ------------------------------------------------------------------------------- */

static int check_platform(const struct bl_value *doc, const char *platform, struct bl_err *err)
{
	const char *variant = bl_value_text_or(doc, "variant", "");
	char has[96];

	snprintf(has, sizeof(has), "%.40s/%.40s", bl_value_text_or(doc, "os", "?"),
	         bl_value_text_or(doc, "architecture", "?"));
	if (bl_str_starts(platform, has)) {
		const char *rest = platform + strlen(has);

		if (!*rest || (*rest == '/' && (!*variant || !strcmp(rest + 1, variant))))
			return 0;
	}
	bl_fail(err, BL_EINPUT, "it is made for %s%s%.40s, not for %.60s", has, *variant ? "/" : "",
	        variant, platform);
	return bl_next(err, "take another base, or ask for this one by --platform %s", has);
}

static int set_entrypoint(struct bl_value *config, const char *const *words, struct bl_err *err)
{
	struct bl_value *list = bl_value_new(BL_LIST);

	if (!list)
		return bl_fail(err, BL_ENOMEM, "Entrypoint: out of memory");
	if (bl_value_set(config, "Entrypoint", list, err))
		return -1;
	for (; *words; words++)
		if (add_text(list, *words, err))
			return -1;
	bl_value_remove(config, "Cmd");
	bl_value_remove(config, "Healthcheck");
	return 0;
}

static int change_config(struct bl_value *doc, const struct bl_oci_change *change,
                         struct bl_err *err)
{
	struct bl_value *config = member(doc, "config", BL_MAP, err), *labels;

	if (!config || (change->entrypoint && set_entrypoint(config, change->entrypoint, err)) ||
	    (change->workdir && set_text(config, "WorkingDir", change->workdir, err)))
		return -1;
	if (!change->n_labels)
		return 0;
	labels = member(config, "Labels", BL_MAP, err);
	if (!labels)
		return -1;
	for (size_t i = 0; i < change->n_labels; i++)
		if (set_text(labels, change->labels[i][0], change->labels[i][1], err))
			return -1;
	return 0;
}

static int add_history(struct bl_value *history, const struct bl_oci_layer *layer,
                       const char *created, struct bl_err *err)
{
	struct bl_value *entry = bl_value_new(BL_MAP);

	if (!entry)
		return bl_fail(err, BL_ENOMEM, "history: out of memory");
	if (bl_value_append(history, entry, err))
		return -1;
	if (set_text(entry, "created", created, err) ||
	    set_text(entry, "created_by", layer->created_by, err))
		return -1;
	return set_text(entry, "comment", "branchline", err);
}

/* Entries belong to layers by their place: where the base's are not complete, ours would be taken
 * for those of its layers. */
static bool tells_all(const struct bl_value *history, size_t layers)
{
	size_t n = 0;

	for (size_t i = 0; i < history->n; i++)
		n += !bl_value_bool_or(history->items[i], "empty_layer", false);
	return n == layers;
}

static int add_layers(struct bl_value *doc, size_t base_layers, const struct bl_oci_change *change,
                      struct bl_err *err)
{
	struct bl_value *rootfs = member(doc, "rootfs", BL_MAP, err), *ids;

	ids = rootfs ? member(rootfs, "diff_ids", BL_LIST, err) : NULL;
	if (!ids)
		return -1;
	if (ids->n != base_layers)
		return bl_fail(err, BL_ECORRUPT, "%zu diff_ids for %zu layers", ids->n,
		               base_layers);
	for (size_t i = 0; i < ids->n; i++)
		if (ids->items[i]->type != BL_STRING || !bl_digest_valid(ids->items[i]->text))
			return bl_fail(err, BL_ECORRUPT, "diff_id %zu is no sha256 digest", i + 1);
	if (bl_oci_layers_check(base_layers + change->n_layers, err))
		return -1;
	for (size_t i = 0; i < change->n_layers; i++)
		if (add_text(ids, change->layers[i].diff_id, err))
			return -1;
	return 0;
}

static int tell_history(struct bl_value *doc, size_t base_layers,
                        const struct bl_oci_change *change, struct bl_err *err)
{
	struct bl_value *history;

	if (base_layers && !bl_value_get(doc, "history"))
		return 0;
	history = member(doc, "history", BL_LIST, err);
	if (!history)
		return -1;
	for (size_t i = 0, n = tells_all(history, base_layers) ? change->n_layers : 0; i < n; i++)
		if (add_history(history, &change->layers[i], change->created, err))
			return -1;
	return 0;
}

int bl_oci_config_change(const char *bytes, size_t len, size_t base_layers,
                         const struct bl_oci_change *change, struct bl_buf *out, struct bl_err *err)
{
	struct bl_json json = BL_JSON(out);
	BL_VALUE doc = NULL;

	if (bl_json_parse(bytes, len, "config", &doc, err))
		return -1;
	if (doc->type != BL_MAP)
		return bl_fail(err, BL_ECORRUPT, "config: no map");
	if (check_platform(doc, change->platform, err) || change_config(doc, change, err) ||
	    add_layers(doc, base_layers, change, err) ||
	    tell_history(doc, base_layers, change, err) ||
	    set_text(doc, "created", change->created, err))
		return bl_wrap(err, "the base's config");
	bl_value_remove(doc, "container"); /* Docker's notes on the build of the base */
	bl_value_remove(doc, "container_config");
	bl_json_value(&json, NULL, doc);
	return bl_buf_check(out, "config", err);
}
