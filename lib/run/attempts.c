/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "codec/json.h"
#include "run/attempt.h"

#include <stdio.h>
#include <string.h>

#define STOP_MAX_BYTES ((size_t)64 << 10)

/* Which attempts have a claim, which an end. */
struct seen {
	size_t skip; /* length of "runs/RUN/attempts/" */
	bool claimed[BL_ATTEMPTS_MAX + 1], ended[BL_ATTEMPTS_MAX + 1];
};

static int note_key(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	const char *name;
	struct seen *seen = arg;
	unsigned n = 0;

	(void)err;
	name = item->key + seen->skip;
	for (size_t i = 0; i < 3; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		n = n * 10 + (unsigned)(name[i] - '0');
	}
	if (!strcmp(name + 3, ".json"))
		seen->claimed[n] = true;
	else if (!strcmp(name + 3, ".end.json"))
		seen->ended[n] = true;
	return 0;
}

int bl_stop_read(struct bl_store *store, const char *run, bool *wanted, char reason[32],
                 struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_STOP);
	BL_AUTO(bl_buf) bytes = BL_BUF(STOP_MAX_BYTES);
	BL_VALUE doc = NULL;

	if (bl_store_get(store, NULL, key.text, &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		*wanted = false;
		return 0;
	}
	if (bl_json_document(bl_buf_text(&bytes), bytes.len, key.text, 1, &doc, err))
		return -1;
	*wanted = true;
	snprintf(reason, 32, "%s", bl_value_text_or(doc, "reason", "cancelled"));
	return 0;
}

static int read_ends(struct bl_store *store, const char *run, const struct seen *seen,
                     struct bl_attempts *out, struct bl_err *err)
{
	for (unsigned n = 1; n <= out->newest; n++) {
		struct bl_end end;

		if (!seen->ended[n])
			continue;
		if (bl_end_read(store, run, n, &end, err))
			return -1;
		if (bl_class_relaunchable(end.result.class))
			out->interruptions++;
		if (n == out->newest) {
			out->newest_ended = true;
			out->end = end;
		}
	}
	return 0;
}

int bl_attempts_read(struct bl_store *store, const char *run, struct bl_attempts *out,
                     struct bl_err *err)
{
	struct bl_key prefix = bl_key_run(run, "attempts/");
	struct seen seen = { .skip = strlen(prefix.text) };
	struct bl_attempts got = { 0 };

	if (bl_store_list(store, NULL, prefix.text, NULL, 0, note_key, &seen, err))
		return -1;
	for (unsigned n = 1; n <= BL_ATTEMPTS_MAX; n++) {
		if (seen.claimed[n])
			got.newest = n;
	}
	if (got.newest && bl_claim_read(store, run, got.newest, &got.claim, err))
		return -1;
	if (read_ends(store, run, &seen, &got, err) ||
	    bl_stop_read(store, run, &got.stop_wanted, got.stop_reason, err))
		return -1;
	got.has_outcome = !bl_outcome_read(store, run, &got.outcome, err);
	if (!got.has_outcome && err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	*out = got;
	return 0;
}

int bl_stop_ask(struct bl_store *store, const char *run, const char *reason, const char *by,
                struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_STOP);
	BL_AUTO(bl_buf) doc = BL_BUF(STOP_MAX_BYTES);
	struct bl_json json = BL_JSON(&doc);
	int64_t now_ms = bl_wall_ms();
	char at[BL_UTC_SIZE];

	bl_utc_text(now_ms, at);
	bl_json_begin(&json, 1);
	bl_json_text(&json, "reason", reason);
	bl_json_text(&json, "by", by);
	bl_json_text(&json, "at", at);
	bl_json_int(&json, "at_ms", now_ms);
	bl_json_end_map(&json);
	if (bl_buf_check(&doc, "stop.json", err))
		return -1;
	return bl_store_put(store, NULL, key.text, doc.data, doc.len, err);
}
