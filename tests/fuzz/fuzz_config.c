/* SPDX-License-Identifier: Apache-2.0 */
/* branchline.yaml from anyone's pull request; then the same bytes as flags and a stored tree. */
#include "codec/json.h"
#include "run/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_explain(int rc, const struct bl_err *err)
{
	if ((rc != 0) != (err->code != BL_OK) || (rc && !*err->text))
		abort();
}

static void read_back(const struct bl_config *config)
{
	BL_AUTO(bl_buf) text = BL_BUF(16u << 20);
	BL_AUTO(bl_config) back = { 0 };
	struct bl_json json = BL_JSON(&text);
	struct bl_err err = { 0 };
	BL_VALUE tree = NULL;

	bl_json_value(&json, NULL, config->tree);
	if (bl_buf_check(&text, "tree", &err) ||
	    bl_json_parse(bl_buf_text(&text), text.len, "tree", &tree, &err) ||
	    bl_config_from_tree(tree, &back, &err))
		abort();
	if (strcmp(back.digest, config->digest) != 0)
		abort();
}

static void as_flags(const char *text)
{
	static const char *const names[] = { "param",   "data",          "outputs",
		                             "command", "env",           "gpus",
		                             "grace",   "metrics-noise", "max-log-bytes" };

	for (size_t i = 0; i < BL_COUNT(names); i++) {
		const struct bl_config_flag flag = { names[i], text };
		const struct bl_config_input input = { .flags = &flag, .n_flags = 1, .cwd = "/c" };
		BL_AUTO(bl_config) config = { 0 };
		struct bl_err err = { 0 };

		must_explain(bl_config_resolve(&input, &config, &err), &err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bl_config_input input = { .bytes = (const char *)data, .len = size };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_err err = { 0 };
	char *text = strndup((const char *)data, size);
	int rc = bl_config_resolve(&input, &config, &err);

	must_explain(rc, &err);
	if (!rc)
		read_back(&config);
	if (text && size < 4096)
		as_flags(text);
	free(text);
	return 0;
}
