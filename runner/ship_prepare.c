/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "codec/json.h"
#include "run/data.h"
#include "runner/ship.h"

#include <limits.h>
#include <stdio.h>

/*
 * The tree that the training code sees below its root (design 4.5), in SageMaker's
 * names, and input/config: what exec reads to know what to start.
 */
static const char *const folders[] = {
	"input/config", "input/data", "model", "output/data", "output/branchline", "code",
};

static void write_hyperparameters(struct bl_buf *out, const struct bl_value *map)
{
	struct bl_json json = BL_JSON(out);

	/* SageMaker's contract: every value is a text */
	bl_json_map(&json, NULL);
	for (size_t i = 0; map && i < map->n; i++) {
		const struct bl_value *item = map->items[i];
		BL_AUTO(bl_buf) text = BL_BUF(65536);

		if (item->type == BL_STRING) {
			bl_json_text(&json, item->key, item->text);
			continue;
		}
		struct bl_json inner = BL_JSON(&text);
		bl_json_value(&inner, NULL, item);
		bl_json_bytes(&json, item->key, bl_buf_text(&text), text.len);
	}
	bl_json_end_map(&json);
}

static void write_data_config(struct bl_buf *out, const struct bl_value *channels)
{
	struct bl_json json = BL_JSON(out);

	bl_json_map(&json, NULL);
	for (size_t i = 0; channels && i < channels->n; i++) {
		bl_json_map(&json, channels->items[i]->key);
		bl_json_text(&json, "TrainingInputMode", "File");
		bl_json_text(&json, "S3DistributionType", "FullyReplicated");
		bl_json_text(&json, "RecordWrapperType", "None");
		bl_json_end_map(&json);
	}
	bl_json_end_map(&json);
}

static void write_resources(struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);

	bl_json_map(&json, NULL);
	bl_json_text(&json, "current_host", "algo-1");
	bl_json_list(&json, "hosts");
	bl_json_text(&json, NULL, "algo-1");
	bl_json_end_list(&json);
	bl_json_text(&json, "network_interface_name", "lo");
	bl_json_end_map(&json);
}

/*
 * What exec must know; host's own settings stay with host. The working directory is not in it: exec
 * is started there.
 */
static void write_exec_config(struct bl_buf *out, const struct bl_value *run_doc,
                              const struct ship_claimed *claimed)
{
	static const char *const copied[] = {
		"command", "hyperparameters", "hyperparameters_as", "launcher", "gpus", "env"
	};
	const struct bl_value *config = bl_value_get(run_doc, "config");
	struct bl_json json = BL_JSON(out);

	bl_json_begin(&json, 1);
	for (size_t i = 0; i < BL_COUNT(copied); i++) {
		const struct bl_value *item = bl_value_get(config, copied[i]);

		if (item && item->type != BL_NULL)
			bl_json_value(&json, copied[i], item);
	}
	bl_json_int(&json, "grace_ms", claimed->grace_ms);
	bl_json_int(&json, "max_log_bytes", bl_value_int_or(run_doc, "limits.max_log_bytes", 0));
	bl_json_bool(&json, "echo", false);
	bl_json_end_map(&json);
}

static int place(int root, const char *path, const struct bl_buf *text, struct bl_err *err)
{
	if (bl_buf_check(text, path, err))
		return -1;
	return bl_fs_replace(root, path, bl_buf_text(text), text->len, 0644, err);
}

/* A channel is where its data is, by links: `local` has checked it. */
static int link_data(const struct bl_value *run_doc, const struct ship_claimed *claimed,
                     struct bl_err *err)
{
	const struct bl_value *channels = bl_value_path(run_doc, "data.channels");
	const struct bl_value *configured = bl_value_path(run_doc, "config.data");

	for (size_t i = 0; channels && i < channels->n; i++) {
		const char *name = channels->items[i]->key;
		struct bl_data_channel channel = {
			.name = name,
			.include = bl_value_get(bl_value_get(configured, name), "include"),
		};
		char into[PATH_MAX + 128];

		snprintf(into, sizeof(into), "%s/input/data/%s", claimed->root, name);
		if (bl_value_text(channels->items[i], "uri", &channel.uri, err) ||
		    bl_data_link_channel(&channel, into, err))
			return bl_wrap(err, "channel %s", name);
	}
	return 0;
}

int ship_prepare(const struct bl_value *run_doc, const struct ship_claimed *claimed,
                 struct bl_err *err)
{
	BL_AUTO(bl_buf) exec = BL_BUF(BL_DOC_MAX);
	BL_AUTO(bl_buf) parameters = BL_BUF(BL_DOC_MAX);
	BL_AUTO(bl_buf) data = BL_BUF(BL_DOC_MAX);
	BL_AUTO(bl_buf) resources = BL_BUF(4096);
	const struct bl_value *channels = bl_value_path(run_doc, "data.channels");
	BL_FD root = -1;

	write_exec_config(&exec, run_doc, claimed);
	write_hyperparameters(&parameters, bl_value_path(run_doc, "config.hyperparameters"));
	write_data_config(&data, channels);
	write_resources(&resources);
	if (bl_fs_make_dir(claimed->root, &root, err))
		return bl_wrap(err, "make the work directory");
	for (size_t i = 0; i < BL_COUNT(folders); i++)
		if (bl_fs_make_dir_beneath(root, folders[i], NULL, err))
			return bl_wrap(err, "make the work directory");
	if (place(root, "input/config/hyperparameters.json", &parameters, err) ||
	    place(root, "input/config/inputdataconfig.json", &data, err) ||
	    place(root, "input/config/resourceconfig.json", &resources, err) ||
	    place(root, "input/config/branchline.json", &exec, err) ||
	    link_data(run_doc, claimed, err))
		return bl_wrap(err, "prepare %s", claimed->root);
	return 0;
}
