/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/verbs.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

struct options {
	const char *job, *file;
	bool json, docs;
};

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct options, job), "JOB", "resolve this job" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct options, file), "PATH",
	  "read this file; default branchline.yaml, here or above" },
	{ "docs", 0, BL_OPT_SWITCH, offsetof(struct options, docs), NULL,
	  "print docs/configuration.md" },
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "config",
	.example = "branchline config --job smoke --max-runtime 2h",
	.about = "Prints the resolved configuration, and where each value came from.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
	.rest = true,
	.more = bl_config_help,
};

/* One line of the answer: a key, or one member of a key that is a map. */
typedef int row_fn(void *arg, const char *name, const struct bl_value *value, const char *origin,
                   struct bl_err *err);

static int each_row(const struct bl_config *config, row_fn *fn, void *arg, struct bl_err *err)
{
	for (size_t i = 0; i < bl_config_table_n; i++) {
		const struct bl_config_key *key = &bl_config_table[i];
		const struct bl_value *value = bl_config_value(config, key->name);
		bool members = bl_config_is_map(key->type) && value && value->n;

		if (!value || (key->type == BL_CONFIG_SWITCH && value->type == BL_MAP))
			continue;
		if (!members && fn(arg, key->name, value, bl_config_origin(config, key->name), err))
			return -1;
		for (size_t j = 0; members && j < value->n; j++) {
			char name[BL_CONFIG_NAME + 300];

			snprintf(name, sizeof(name), "%s.%s", key->name, value->items[j]->key);
			if (fn(arg, name, value->items[j], bl_config_origin(config, name), err))
				return -1;
		}
	}
	return 0;
}

static bool is_plain(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return *text;
}

/* What of a data channel is not empty: "uri s3://b/x, format jsonl" */
static void add_channel(struct bl_buf *out, const struct bl_value *channel)
{
	for (size_t i = 0; i < channel->n; i++) {
		const struct bl_value *field = channel->items[i];
		struct bl_json json = BL_JSON(out);

		if (field->type == BL_NULL || (field->type == BL_LIST && !field->n))
			continue;
		bl_buf_addf(out, "%s%s ", out->len ? ", " : "", field->key);
		if (field->type == BL_STRING && is_plain(field->text))
			bl_buf_adds(out, field->text);
		else
			bl_json_value(&json, NULL, field);
	}
}

/* Text as it is where that is safe on a terminal, the rest as JSON. */
static int add_value(struct bl_buf *out, const struct bl_value *value, struct bl_err *err)
{
	struct bl_json json = BL_JSON(out);

	if (value->type == BL_NULL)
		bl_buf_adds(out, "-");
	else if (value->type == BL_STRING && is_plain(value->text))
		bl_buf_adds(out, value->text);
	else if (value->type == BL_MAP && value->n)
		add_channel(out, value);
	else
		bl_json_value(&json, NULL, value);
	return bl_buf_check(out, "value", err);
}

struct widths {
	int name, value;
};

enum { NAME_MAX_WIDTH = 40, VALUE_MAX_WIDTH = 44 };

static int widest(int now, size_t len, int max)
{
	int wide = len > (size_t)max ? max : (int)len;

	return wide > now ? wide : now;
}

static int measure_row(void *arg, const char *name, const struct bl_value *value,
                       const char *origin, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_CONFIG_FILE_MAX);
	struct widths *widths = arg;

	(void)origin;
	if (add_value(&text, value, err))
		return -1;
	widths->name = widest(widths->name, strlen(name), NAME_MAX_WIDTH);
	widths->value = widest(widths->value, text.len, VALUE_MAX_WIDTH);
	return 0;
}

static int print_row(void *arg, const char *name, const struct bl_value *value, const char *origin,
                     struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_CONFIG_FILE_MAX);
	const struct widths *widths = arg;

	if (add_value(&text, value, err))
		return -1;
	printf("%-*s  %-*s  %s\n", widths->name, name, widths->value, bl_buf_text(&text), origin);
	return 0;
}

static int print_table(const struct bl_config *config, const struct bl_found *found,
                       struct bl_err *err)
{
	struct widths widths = { 0 };

	printf("job     %s\nfile    %s\ndigest  %.12s\n\n", config->job,
	       found->path[0] ? found->path : "-", config->digest);
	if (each_row(config, measure_row, &widths, err))
		return -1;
	return each_row(config, print_row, &widths, err);
}

static int json_row(void *arg, const char *name, const struct bl_value *value, const char *origin,
                    struct bl_err *err)
{
	struct bl_json *json = arg;

	(void)err;
	bl_json_map(json, name);
	bl_json_value(json, "value", value);
	bl_json_text(json, "origin", origin);
	bl_json_end_map(json);
	return 0;
}

static int print_json(const struct bl_config *config, const struct bl_found *found,
                      struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(8 * BL_CONFIG_FILE_MAX);
	struct bl_json json = BL_JSON(&text);

	json.indent = 2;
	bl_json_begin(&json, 1);
	bl_json_text(&json, "job", config->job);
	bl_json_text(&json, "file", found->path[0] ? found->path : NULL);
	bl_json_text(&json, "digest", config->digest);
	bl_json_value(&json, "config", config->tree);
	bl_json_map(&json, "values");
	if (each_row(config, json_row, &json, err))
		return -1;
	bl_json_end_map(&json);
	bl_json_value(&json, "overrides", config->overrides);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, "configuration", err))
		return -1;
	puts(bl_buf_text(&text));
	return 0;
}

static int print_docs(struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_CONFIG_FILE_MAX);

	bl_config_docs(&text);
	if (bl_buf_check(&text, "documentation", err))
		return -1;
	fputs(bl_buf_text(&text), stdout);
	return 0;
}

int verb_config(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(bl_config) config = { 0 };
	struct options opt = { 0 };
	struct bl_found found;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (opt.docs)
		return print_docs(err);
	if (bl_options_config(opt.file, opt.job, &args, NULL, &config, &found, err))
		return -1;
	return opt.json ? print_json(&config, &found, err) : print_table(&config, &found, err);
}
