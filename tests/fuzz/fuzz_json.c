/* SPDX-License-Identifier: Apache-2.0 */
/* What is read and written reads the same again; the scanner takes all that the parser takes. */
#include "codec/json.h"
#include "codec/jsonl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void write_and_read_again(const struct bl_value *value, int indent)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 24);
	struct bl_json json = BL_JSON(&text);
	struct bl_err err = { 0 };
	BL_VALUE again = NULL;

	json.indent = indent;
	bl_json_value(&json, NULL, value);
	must(!bl_buf_check(&text, "text", &err));
	must(!bl_json_parse(bl_buf_text(&text), text.len, "text", &again, &err));
	must(bl_value_equal(value, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct bl_json_fault fault;
	struct bl_err err = { 0 };
	BL_VALUE value = NULL;

	if (bl_json_parse(text, size, "input", &value, &err)) {
		must(err.code == BL_ECORRUPT && !value);
		return 0;
	}
	must(!err.code && !bl_json_check(text, size, &fault));
	write_and_read_again(value, 0);
	write_and_read_again(value, 2);
	return 0;
}
