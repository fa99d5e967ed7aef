/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_inputs.h"

#include "codec/git_remote.h"
#include "codec/json.h"

#define FORMAT 1 /* of the images that we make: rises when the same inputs give another */
#define DOC_MAX ((size_t)64 << 10)

int bl_image_inputs_hash(const struct bl_image_inputs *inputs, char hex[BL_SHA256_HEX],
                         struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(DOC_MAX);
	struct bl_json json = BL_JSON(&text);
	char exec[BL_SHA256_HEX];

	if (bl_sha256_of(inputs->exec_json, inputs->exec_json_len, exec, err))
		return -1;
	bl_json_begin(&json, FORMAT);
	bl_json_text(&json, "base", inputs->base_digest);
	bl_json_text(&json, "base_name", inputs->base_name);
	bl_json_text(&json, "base_from", inputs->base_from);
	bl_json_text(&json, "platform", inputs->platform);
	bl_json_text(&json, "commit", inputs->sha);
	bl_json_text(&json, "tree", inputs->tree);
	bl_json_text(&json, "context", inputs->context);
	bl_json_text(&json, "source", inputs->source);
	bl_json_text(&json, "exec", exec);
	bl_json_text(&json, "runner", inputs->runner_digest);
	bl_json_bool(&json, "baked", inputs->baked);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, "the image's inputs", err))
		return -1;
	return bl_sha256_of(bl_buf_text(&text), text.len, hex, err);
}

void bl_image_source(const struct bl_git_commit *commit, struct bl_buf *out)
{
	BL_AUTO(bl_buf) name = BL_BUF(1024);

	if (!bl_remote_add_name(&name, commit->remote))
		return;
	bl_buf_addf(out, "https://%s", bl_buf_text(&name));
}

/* Only what exec reads: what is host's, such as checkpoints, makes no other image. */
int bl_image_exec_json(const struct bl_config *config, struct bl_buf *out, struct bl_err *err)
{
	static const char *const copied[] = {
		"command", "hyperparameters", "hyperparameters_as", "launcher", "gpus", "env"
	};
	const char *workdir = bl_config_text(config, "workdir");
	struct bl_json json = BL_JSON(out);

	bl_json_begin(&json, 1);
	for (size_t i = 0; i < BL_COUNT(copied); i++) {
		const struct bl_value *item = bl_value_get(config->tree, copied[i]);

		if (item && item->type != BL_NULL)
			bl_json_value(&json, copied[i], item);
	}
	bl_json_text(&json, "workdir", workdir ? workdir : ".");
	bl_json_int(&json, "grace_ms", bl_config_duration_ms(config, "grace"));
	bl_json_int(&json, "max_log_bytes", (int64_t)bl_config_bytes(config, "max_log_bytes"));
	bl_json_end_map(&json);
	return bl_buf_check(out, "exec.json", err);
}
