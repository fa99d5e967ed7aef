/* SPDX-License-Identifier: Apache-2.0 */
/* Values as flags, inputs and variables give them: one text. */
#include "base/str.h"
#include "codec/yaml.h"
#include "codec/yaml_scalar.h"
#include "run/config_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers and booleans as YAML reads them; what is neither stays text. */
static int scalar(const char *text, struct bl_value **out, struct bl_err *err)
{
	const char *why;

	if (bl_value_string(text, out, err))
		return -1;
	if (bl_yaml_resolve(*out, &why) || (*out)->type == BL_NULL ||
	    ((*out)->type == BL_REAL && !isfinite((*out)->real)))
		(*out)->type = BL_STRING;
	return 0;
}

static int slice(const char *from, size_t len, char **out, struct bl_err *err)
{
	*out = strndup(from, len);
	return *out ? 0 : bl_fail(err, BL_ENOMEM, "out of memory");
}

/* A path of --data counts from where the user is, not from the file. */
static int channel(const char *text, const char *cwd, struct bl_value **out, struct bl_err *err)
{
	BL_VALUE map = bl_value_new(BL_MAP);
	BL_AUTO(bl_buf) path = BL_BUF(8192);
	struct bl_value *where;
	bool uri = strstr(text, "://");

	if (!map)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (!uri && cwd && *text && *text != '/')
		bl_buf_addf(&path, "%s/", cwd);
	bl_buf_adds(&path, text);
	if (bl_buf_check(&path, "path", err) || bl_value_string(bl_buf_text(&path), &where, err) ||
	    bl_value_set(map, uri ? "uri" : "local", where, err))
		return -1;
	if (uri && bl_value_set(map, "local", bl_value_new(BL_NULL), err))
		return -1;
	*out = map;
	map = NULL;
	return 0;
}

static int add_member(const struct bl_config_key *key, char *pair, const char *cwd,
                      const struct bl_config_source *source, struct bl_value *map,
                      struct bl_err *err)
{
	char *equals = strchr(pair, '=');
	struct bl_value *value;
	int rc;

	if (!equals || equals == pair)
		return bl_config_fault(source, NULL, key->name, err,
		                       "expected NAME=VALUE, found '%.64s'", pair);
	*equals = '\0';
	if (key->type == BL_CONFIG_CHANNELS)
		rc = channel(equals + 1, cwd, &value, err);
	else if (key->type == BL_CONFIG_SCALARS || key->type == BL_CONFIG_NOISE)
		rc = scalar(equals + 1, &value, err);
	else
		rc = bl_value_string(equals + 1, &value, err);
	return rc ? -1 : bl_value_set(map, pair, value, err);
}

/* Lines of NAME=VALUE */
static int map_of_lines(const struct bl_config_key *key, const char *text, const char *cwd,
                        const struct bl_config_source *source, struct bl_value *map,
                        struct bl_err *err)
{
	while (*text) {
		size_t len = strcspn(text, "\r\n");
		char *pair;
		int rc;

		if (len) {
			if (slice(text, len, &pair, err))
				return -1;
			rc = add_member(key, pair, cwd, source, map, err);
			free(pair);
			if (rc)
				return -1;
		}
		text += len + strspn(text + len, "\r\n");
	}
	return 0;
}

/* Words between commas or line ends, white space around them dropped */
static int list_of_words(const char *text, struct bl_value *list, struct bl_err *err)
{
	static const char blank[] = " \t", ends[] = ",\r\n";

	while (*text) {
		const char *start = text + strspn(text, blank);
		size_t len = strcspn(start, ends);
		struct bl_value *item;
		char *word;
		int rc;

		text = start + len;
		text += *text != '\0';
		while (len && strchr(blank, start[len - 1]))
			len--;
		if (!len)
			continue;
		if (slice(start, len, &word, err))
			return -1;
		rc = bl_value_string(word, &item, err);
		free(word);
		if (rc || bl_value_append(list, item, err))
			return -1;
	}
	return 0;
}

int bl_config_from_text(const struct bl_config_key *key, const char *text, const char *cwd,
                        const struct bl_config_source *source, struct bl_value **out,
                        struct bl_err *err)
{
	bool map = bl_config_is_map(key->type), list = bl_config_is_list(key->type);
	char first = text[strspn(text, " \t\r\n")];
	BL_VALUE value = NULL;

	if (bl_utf8_valid(text, strlen(text)) != strlen(text))
		return bl_config_fault(source, NULL, key->name, err, "the value is not UTF-8");
	if ((map && first == '{') || ((list || key->type == BL_CONFIG_COMMAND) && first == '['))
		return bl_yaml_parse(text, strlen(text), source->name, out, err);
	if (!map && !list) {
		bool typed = key->type == BL_CONFIG_INT || key->type == BL_CONFIG_REAL ||
		             key->type == BL_CONFIG_BOOL || key->type == BL_CONFIG_VERSION;

		return typed ? scalar(text, out, err) : bl_value_string(text, out, err);
	}
	value = bl_value_new(map ? BL_MAP : BL_LIST);
	if (!value)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (map ? map_of_lines(key, text, cwd, source, value, err)
	        : list_of_words(text, value, err))
		return -1;
	*out = value;
	value = NULL;
	return 0;
}
