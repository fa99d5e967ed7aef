/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec_config.h"

#include "base/fs.h"
#include "codec/json.h"

#include <inttypes.h>

#define CONFIG_MAX_BYTES ((size_t)8 << 20)
#define CONFIG_PATH "input/config/branchline.json"
#define HYPERPARAMETERS_PATH "input/config/hyperparameters.json" /* SageMaker's */
#define IMAGE_CONFIG_PATH "/opt/branchline/exec.json"

void exec_config_done(struct exec_config *config)
{
	bl_value_free(config->doc);
	bl_value_free(config->hyperparameters);
	*config = EXEC_CONFIG;
}

/* An absent key keeps its default. */
static int read_count(const struct bl_value *doc, const char *key, int64_t *number,
                      struct bl_err *err)
{
	const struct bl_value *value = bl_value_get(doc, key);

	if (!value || value->type == BL_NULL)
		return 0;
	if (value->type != BL_INT || value->integer < 0)
		return bl_fail(err, BL_EINPUT, "%s must be a whole number from 0", key);
	*number = value->integer;
	return 0;
}

static int read_bool(const struct bl_value *doc, const char *key, bool *boolean, struct bl_err *err)
{
	const struct bl_value *value = bl_value_get(doc, key);

	if (!value || value->type == BL_NULL)
		return 0;
	if (value->type != BL_BOOL)
		return bl_fail(err, BL_EINPUT, "%s must be true or false", key);
	*boolean = value->boolean;
	return 0;
}

static int read_text(const struct bl_value *doc, const char *key, const char **text,
                     struct bl_err *err)
{
	const struct bl_value *value = bl_value_get(doc, key);

	if (!value || value->type == BL_NULL)
		return 0;
	if (value->type != BL_STRING)
		return bl_fail(err, BL_EINPUT, "%s must be a text", key);
	*text = value->text;
	return 0;
}

static int read_keys(struct exec_config *config, struct bl_err *err)
{
	const struct bl_value *doc = config->doc, *map = bl_value_get(doc, "hyperparameters");
	const char *style = "flags", *launcher = "none";

	config->command = bl_value_get(doc, "command");
	if (read_text(doc, "workdir", &config->workdir, err) ||
	    read_text(doc, "hyperparameters_as", &style, err) ||
	    read_text(doc, "launcher", &launcher, err) ||
	    read_count(doc, "gpus", &config->gpus, err) ||
	    read_count(doc, "grace_ms", &config->grace_ms, err) ||
	    read_count(doc, "max_log_bytes", &config->max_log_bytes, err) ||
	    read_bool(doc, "echo", &config->echo, err) ||
	    command_style_parse(style, &config->style, err) ||
	    command_launcher_parse(launcher, &config->launcher, err))
		return -1;
	if (!config->max_log_bytes)
		config->max_log_bytes = EXEC_CONFIG.max_log_bytes;
	config->env = bl_value_get(doc, "env");
	if (config->env && config->env->type == BL_NULL)
		config->env = NULL;
	if (config->env && config->env->type != BL_MAP)
		return bl_fail(err, BL_EINPUT, "env must be a map");
	if (!map || map->type == BL_NULL)
		return 0;
	if (map->type != BL_MAP)
		return bl_fail(err, BL_EINPUT, "hyperparameters must be a map");
	return bl_value_copy(map, &config->hyperparameters, err);
}

int exec_config_parse(const char *bytes, size_t len, const char *what, struct exec_config *out,
                      struct bl_err *err)
{
	BL_AUTO(exec_config) config = EXEC_CONFIG;

	if (bl_json_document(bytes, len, what, 1, &config.doc, err))
		return -1;
	if (read_keys(&config, err))
		return bl_wrap(err, "%s", what);
	*out = config;
	config = EXEC_CONFIG;
	return 0;
}

/* Each of SageMaker's values takes the place of the image's own. */
static int take_over(const struct bl_value *texts, struct exec_config *config, struct bl_err *err)
{
	BL_VALUE typed = NULL;

	if (command_decode_texts(texts, &typed, err))
		return -1;
	if (!config->hyperparameters) {
		config->hyperparameters = typed;
		typed = NULL;
		return 0;
	}
	for (size_t i = 0; i < typed->n; i++) {
		struct bl_value *value = NULL;

		if (bl_value_copy(typed->items[i], &value, err) ||
		    bl_value_set(config->hyperparameters, typed->items[i]->key, value, err))
			return -1;
	}
	return 0;
}

static int read_sagemaker(int root, struct exec_config *config, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(CONFIG_MAX_BYTES);
	BL_VALUE doc = NULL;

	if (bl_fs_read(root, HYPERPARAMETERS_PATH, &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	if (bl_json_parse(bl_buf_text(&bytes), bytes.len, HYPERPARAMETERS_PATH, &doc, err))
		return -1;
	if (doc->type != BL_MAP)
		return bl_fail(err, BL_EINPUT, HYPERPARAMETERS_PATH ": not a map");
	return take_over(doc, config, err);
}

/* 0 with *found false when there is no such file. */
static int read_file(int root, const char *path, struct exec_config *config, bool *found,
                     struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(CONFIG_MAX_BYTES);

	if (root >= 0 ? bl_fs_read(root, path, &bytes, err) : bl_fs_read_path(path, &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		*found = false;
		return 0;
	}
	*found = true;
	return exec_config_parse(bl_buf_text(&bytes), bytes.len, path, config, err);
}

int exec_config_read(int root, struct exec_config *out, struct bl_err *err)
{
	BL_AUTO(exec_config) config = EXEC_CONFIG;
	bool from_host = false, in_image = false;

	if (root >= 0 && read_file(root, CONFIG_PATH, &config, &from_host, err))
		return -1;
	if (!from_host && read_file(-1, IMAGE_CONFIG_PATH, &config, &in_image, err))
		return -1;
	/* what host says holds; what the image says are defaults for whoever starts it */
	if (root >= 0 && (!from_host || !config.hyperparameters) &&
	    read_sagemaker(root, &config, err))
		return -1;
	*out = config;
	config = EXEC_CONFIG;
	return 0;
}
