/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reported.h"

#include "base/clock.h"
#include "codec/json.h"
#include "run/keys.h"

#include <stdio.h>

#define REPORTED_MAX_BYTES ((size_t)64 << 10)
#define KEY "reported.json"

static void encode(const char *run, const struct bl_reported *reported, struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);
	char at[BL_UTC_SIZE];

	bl_utc_text(reported->reported_at_ms, at);
	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", run);
	bl_json_text(&json, "status", bl_status_word(reported->status));
	bl_json_bool(&json, "gate_failed", reported->gate_failed);
	bl_json_text(&json, "verdict", reported->verdict);
	if (reported->comment_id)
		bl_json_int(&json, "comment_id", reported->comment_id);
	else
		bl_json_null(&json, "comment_id");
	bl_json_text(&json, "reported_at", at);
	bl_json_int(&json, "reported_ms", reported->reported_at_ms);
	bl_json_end_map(&json);
}

int bl_reported_create(struct bl_store *store, const char *run, const struct bl_reported *reported,
                       bool *already, struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, KEY);
	BL_AUTO(bl_buf) doc = BL_BUF(REPORTED_MAX_BYTES);

	encode(run, reported, &doc);
	if (bl_buf_check(&doc, KEY, err))
		return -1;
	if (bl_store_put_if_absent(store, NULL, key.text, doc.data, doc.len, err)) {
		if (err->code != BL_EEXIST)
			return bl_wrap(err, KEY " of run %s", run);
		bl_err_clear(err);
		*already = true;
		return 0;
	}
	*already = false;
	return 0;
}

int bl_reported_read(struct bl_store *store, const char *run, struct bl_reported *out,
                     struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, KEY);
	BL_AUTO(bl_buf) bytes = BL_BUF(REPORTED_MAX_BYTES);
	struct bl_reported got = { 0 };
	BL_VALUE doc = NULL;

	if (bl_store_get(store, NULL, key.text, &bytes, err) ||
	    bl_json_document(bl_buf_text(&bytes), bytes.len, key.text, 1, &doc, err) ||
	    bl_status_parse(bl_value_text_or(doc, "status", ""), &got.status, err))
		return -1;
	got.gate_failed = bl_value_bool_or(doc, "gate_failed", false);
	snprintf(got.verdict, sizeof(got.verdict), "%s", bl_value_text_or(doc, "verdict", ""));
	got.comment_id = bl_value_int_or(doc, "comment_id", 0);
	got.reported_at_ms = bl_value_int_or(doc, "reported_ms", 0);
	*out = got;
	return 0;
}
