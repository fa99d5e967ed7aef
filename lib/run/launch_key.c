/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_key.h"

#include "codec/hash.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#define KEY_DOC_MAX ((size_t)4 << 10)
#define MINUTE_MS 60000

int bl_launch_key(const struct bl_launch_id *id, char key[BL_LAUNCH_KEY_SIZE], struct bl_err *err)
{
	const char *const parts[] = { id->repository_id, id->workflow_run, id->job, id->matrix,
		                      id->run_attempt };
	BL_AUTO(bl_buf) text = BL_BUF(1u << 20);
	char hex[BL_SHA256_HEX];

	for (size_t i = 0; i < BL_COUNT(parts); i++)
		bl_buf_addf(&text, "%zu:%s\n", parts[i] ? strlen(parts[i]) : 0,
		            parts[i] ? parts[i] : "");
	if (bl_buf_check(&text, "launch key", err) ||
	    bl_sha256_of(bl_buf_text(&text), text.len, hex, err))
		return -1;
	memcpy(key, hex, BL_LAUNCH_KEY_SIZE - 1);
	key[BL_LAUNCH_KEY_SIZE - 1] = '\0';
	return 0;
}

void bl_launch_key_path(const char *key, char path[64])
{
	snprintf(path, 64, "index/launches/%.32s.json", key);
}

enum bl_adopt bl_launch_adopt(bool has_key, bool has_run, const struct bl_outcome *outcome,
                              bool attempt_joined)
{
	if (!has_key || !has_run)
		return BL_ADOPT_CREATE;
	if (!outcome)
		return BL_ADOPT_GO_ON;
	if (outcome->result.status == BL_STATUS_SUCCESS)
		return BL_ADOPT_DONE;
	return attempt_joined ? BL_ADOPT_FAILED : BL_ADOPT_NEXT_KEY;
}

int bl_launch_key_read(struct bl_store *store, const char *key, char run[BL_RUN_SIZE],
                       struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(KEY_DOC_MAX);
	BL_VALUE doc = NULL;
	const char *id;
	char path[64];

	bl_launch_key_path(key, path);
	if (bl_store_get(store, NULL, path, &bytes, err) ||
	    bl_json_document(bl_buf_text(&bytes), bytes.len, path, 1, &doc, err))
		return -1;
	id = bl_value_text_or(doc, "run", "");
	if (!bl_run_id_valid(id))
		return bl_fail(err, BL_ECORRUPT, "%s: run '%.40s' is none", path, id);
	memcpy(run, id, BL_RUN_SIZE);
	return 0;
}

int bl_launch_key_take(struct bl_store *store, const char *key, char run[BL_RUN_SIZE],
                       struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(KEY_DOC_MAX);
	struct bl_json json = BL_JSON(&bytes);
	char path[64];

	bl_launch_key_path(key, path);
	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", run);
	bl_json_end_map(&json);
	if (bl_buf_check(&bytes, path, err))
		return -1;
	if (!bl_store_put_if_absent(store, NULL, path, bytes.data, bytes.len, err))
		return 0;
	if (err->code != BL_EEXIST)
		return -1;
	bl_err_clear(err);
	return bl_launch_key_read(store, key, run, err);
}

int bl_launch_deadline(const struct bl_run *run, int64_t now_ms, int64_t spent_ms,
                       int64_t *deadline_ms, struct bl_err *err)
{
	int64_t left = run->max_runtime_ms - spent_ms;

	if (left <= 0) {
		bl_fail(err, BL_EDEADLINE, "nothing is left of max_runtime");
		return bl_next(err, "start a new run with a larger max_runtime");
	}
	*deadline_ms = now_ms + left + run->grace_ms + run->flush_reserve_ms + MINUTE_MS;
	return 0;
}
