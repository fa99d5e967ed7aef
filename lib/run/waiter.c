/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "codec/json.h"
#include "run/wait.h"

#include <string.h>

#define WAITER_MAX_BYTES ((size_t)64 << 10)
#define WAITER_PERIODS 3

bool bl_waiter_waits(const struct bl_waiter *waiter, int64_t now_wall_ms)
{
	return waiter->waits &&
	       now_wall_ms - waiter->at_ms < (int64_t)WAITER_PERIODS * BL_WAITER_MS;
}

int bl_waiter_write(struct bl_store *store, const char *run, int64_t seq, const char *by,
                    struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(WAITER_MAX_BYTES);
	struct bl_json json = BL_JSON(&text);
	struct bl_key key = bl_key_run(run, "waiter.json");

	bl_json_begin(&json, 1);
	bl_json_int(&json, "seq", seq);
	bl_json_int(&json, "at_ms", bl_wall_ms());
	bl_json_text(&json, "by", by);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, "waiter.json", err))
		return -1;
	return bl_store_put(store, NULL, key.text, text.data, text.len, err);
}

int bl_waiter_read(struct bl_store *store, const char *run, struct bl_waiter *out,
                   struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(WAITER_MAX_BYTES);
	struct bl_key key = bl_key_run(run, "waiter.json");
	BL_VALUE doc = NULL;

	if (bl_store_get(store, NULL, key.text, &text, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		*out = (struct bl_waiter){ 0 };
		return 0;
	}
	if (bl_json_document(bl_buf_text(&text), text.len, key.text, 1, &doc, err))
		return -1;
	out->seq = bl_value_int_or(doc, "seq", 0);
	out->at_ms = bl_value_int_or(doc, "at_ms", 0);
	out->waits = !strcmp(bl_value_text_or(doc, "by", ""), "wait");
	return 0;
}
