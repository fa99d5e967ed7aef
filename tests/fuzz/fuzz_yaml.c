/* SPDX-License-Identifier: Apache-2.0 */
/* What YAML gives can be stored as JSON, copied, and has positions. */
#include "codec/json.h"
#include "codec/yaml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_positions(const struct bl_value *value)
{
	for (size_t i = 0; i < value->n; i++) {
		const struct bl_value *item = value->items[i];

		must(item->line > 0 && item->column > 0);
		must((item->key != NULL) == (value->type == BL_MAP));
		must(!item->key || (item->key_line > 0 && item->key_column > 0));
		check_positions(item);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 26);
	struct bl_json json = BL_JSON(&text);
	struct bl_err err = { 0 };
	BL_VALUE value = NULL;
	BL_VALUE copy = NULL;
	BL_VALUE stored = NULL;

	if (bl_yaml_parse((const char *)data, size, "input", &value, &err)) {
		must(err.code == BL_EINPUT && !value);
		return 0;
	}
	must(!err.code);
	check_positions(value);
	must(!bl_value_copy(value, &copy, &err) && bl_value_equal(value, copy));
	bl_json_value(&json, NULL, value);
	must(!bl_buf_check(&text, "text", &err));
	must(!bl_json_parse(bl_buf_text(&text), text.len, "text", &stored, &err));
	return 0;
}
