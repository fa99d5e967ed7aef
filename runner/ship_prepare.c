/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/str.h"
#include "codec/json.h"
#include "run/config.h"
#include "runner/ship.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* A channel is where its data is: one link, whose target `local` has checked. A file becomes a directory of one. */
static int link_channel(int root, const struct bl_value *channel, struct bl_err *err)
{
	const char *uri, *name;
	char at[NAME_MAX + 64], into[PATH_MAX];
	struct stat st;

	if (bl_value_text(channel, "uri", &uri, err))
		return -1;
	if (!bl_str_starts(uri, "file://"))
		return bl_fail(err, BL_EINPUT, "'%s' is not on this machine", uri);
	uri += strlen("file://");
	if (stat(uri, &st))
		return bl_fail_errno(err, errno, "'%s'", uri);
	snprintf(at, sizeof(at), "input/data/%s", channel->key);
	snprintf(into, sizeof(into), "%s", at);
	if (S_ISREG(st.st_mode)) {
		name = strrchr(uri, '/') + 1;
		if (bl_fs_make_dir_beneath(root, at, NULL, err))
			return -1;
		snprintf(into, sizeof(into), "%s/%s", at, name);
	}
	if (symlinkat(uri, root, into) && errno != EEXIST) /* a repeated claim has linked it */
		return bl_fail_errno(err, errno, "link '%s'", into);
	return 0;
}

static int link_data(int root, const struct bl_value *channels, struct bl_err *err)
{
	for (size_t i = 0; channels && i < channels->n; i++)
		if (link_channel(root, channels->items[i], err))
			return bl_wrap(err, "channel %s", channels->items[i]->key);
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
	    link_data(root, channels, err))
		return bl_wrap(err, "prepare %s", claimed->root);
	return 0;
}
