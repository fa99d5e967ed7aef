/* SPDX-License-Identifier: Apache-2.0 */
#include "run/outcome.h"

#include "base/clock.h"
#include "codec/json.h"
#include "run/keys.h"

#include <stdio.h>
#include <string.h>

#define OUTCOME_MAX_BYTES ((size_t)64 << 10)

void bl_result_write(struct bl_json *json, const struct bl_result *result)
{
	bl_json_text(json, "status", bl_status_word(result->status));
	bl_json_text(json, "class", result->class ? bl_class_word(result->class) : NULL);
	bl_json_text(json, "stage", result->stage);
	if (result->exit_code < 0)
		bl_json_null(json, "exit_code");
	else
		bl_json_int(json, "exit_code", result->exit_code);
	if (result->signal <= 0)
		bl_json_null(json, "signal");
	else
		bl_json_int(json, "signal", result->signal);
	bl_json_text(json, "message", result->message);
	bl_json_text(json, "next_step", result->next_step);
}

int bl_result_read(const struct bl_value *map, struct bl_result *out, struct bl_err *err)
{
	const char *class = bl_value_text_or(map, "class", "");
	struct bl_result got = { 0 };
	const char *status;

	if (bl_value_text(map, "status", &status, err) ||
	    bl_status_parse(status, &got.status, err) ||
	    (*class && bl_class_parse(class, &got.class, err)))
		return bl_recode(err, BL_ECORRUPT);
	snprintf(got.stage, sizeof(got.stage), "%s", bl_value_text_or(map, "stage", ""));
	got.exit_code = (int)bl_value_int_or(map, "exit_code", -1);
	got.signal = (int)bl_value_int_or(map, "signal", 0);
	snprintf(got.message, sizeof(got.message), "%s", bl_value_text_or(map, "message", ""));
	snprintf(got.next_step, sizeof(got.next_step), "%s",
	         bl_value_text_or(map, "next_step", ""));
	*out = got;
	return 0;
}

static void encode(const struct bl_outcome *outcome, struct bl_buf *buf)
{
	struct bl_json json = BL_JSON(buf);
	char at[BL_UTC_SIZE];

	bl_utc_text(outcome->finished_at_ms, at);
	bl_json_begin(&json, 1);
	bl_result_write(&json, &outcome->result);
	bl_json_int(&json, "attempt", outcome->attempt);
	bl_json_text(&json, "finished_at", at);
	bl_json_int(&json, "finished_ms", outcome->finished_at_ms);
	bl_json_text(&json, "nonce", outcome->nonce);
	bl_json_end_map(&json);
}

static int decode(const struct bl_buf *buf, struct bl_outcome *out, struct bl_err *err)
{
	struct bl_outcome got = { 0 };
	BL_VALUE doc = NULL;
	const char *nonce;
	int64_t attempt;

	if (bl_json_document(bl_buf_text(buf), buf->len, "outcome.json", 1, &doc, err))
		return -1;
	if (bl_result_read(doc, &got.result, err) || bl_value_int(doc, "attempt", &attempt, err) ||
	    bl_value_int(doc, "finished_ms", &got.finished_at_ms, err) ||
	    bl_value_text(doc, "nonce", &nonce, err))
		return bl_wrap(err, "outcome.json");
	if (attempt < 0 || attempt > BL_ATTEMPTS_MAX)
		return bl_fail(err, BL_ECORRUPT, "outcome.json: attempt %lld", (long long)attempt);
	got.attempt = (unsigned)attempt;
	snprintf(got.nonce, sizeof(got.nonce), "%s", nonce);
	*out = got;
	return 0;
}

/* A key that is there costs one look; nothing is read. */
static int is_there(struct bl_store *store, const char *key, bool *there, struct bl_err *err)
{
	BL_AUTO(bl_buf) none = BL_BUF(1);

	*there = true;
	if (!bl_store_get_range(store, NULL, key, 0, 0, &none, NULL, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	*there = false;
	return 0;
}

/* The same line whoever writes it, so that it does not matter who is first. */
static int write_marker(struct bl_store *store, const char *run, const struct bl_outcome *outcome,
                        struct bl_err *err)
{
	const struct bl_result *result = &outcome->result;
	bool success = result->status == BL_STATUS_SUCCESS;
	struct bl_key key = bl_key_run(run, "%s", success ? "SUCCESS" : "FAILURE");
	BL_AUTO(bl_buf) line = BL_BUF(OUTCOME_MAX_BYTES);
	struct bl_json json = BL_JSON(&line);
	bool there;

	if (is_there(store, key.text, &there, err) || there)
		return err->code ? -1 : 0;
	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", run);
	bl_json_text(&json, "status", bl_status_word(result->status));
	bl_json_text(&json, "class", result->class ? bl_class_word(result->class) : NULL);
	bl_json_int(&json, "attempt", outcome->attempt);
	bl_json_int(&json, "finished_ms", outcome->finished_at_ms);
	bl_json_end_map(&json);
	bl_buf_addc(&line, '\n');
	if (bl_buf_check(&line, "marker", err))
		return -1;
	if (!bl_store_put_if_absent(store, NULL, key.text, line.data, line.len, err))
		return 0;
	if (err->code != BL_EEXIST)
		return -1;
	bl_err_clear(err);
	return 0;
}

/*
 * The marker follows from an outcome that stands already: a reader without the right, or a disk
 * without the room, to write it leaves it to the next one.
 */
static int derive_marker(struct bl_store *store, const char *run, const struct bl_outcome *outcome,
                         struct bl_err *err)
{
	if (!write_marker(store, run, outcome, err))
		return 0;
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int read_outcome(struct bl_store *store, const char *run, struct bl_outcome *out,
                        struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, "outcome.json");
	BL_AUTO(bl_buf) doc = BL_BUF(OUTCOME_MAX_BYTES);

	if (bl_store_get(store, NULL, key.text, &doc, err))
		return -1;
	if (decode(&doc, out, err))
		return bl_wrap(err, "run %s", run);
	return 0;
}

static int create_outcome(struct bl_store *store, const char *run, const struct bl_outcome *mine,
                          struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, "outcome.json");
	BL_AUTO(bl_buf) doc = BL_BUF(OUTCOME_MAX_BYTES);

	encode(mine, &doc);
	if (bl_buf_check(&doc, "outcome.json", err))
		return -1;
	return bl_store_put_if_absent(store, NULL, key.text, doc.data, doc.len, err);
}

int bl_outcome_settle(struct bl_store *store, const char *run, const struct bl_outcome *mine,
                      struct bl_outcome *winner, struct bl_err *err)
{
	struct bl_outcome stands = *mine;

	if (create_outcome(store, run, mine, err)) {
		if (err->code != BL_EEXIST)
			return bl_wrap(err, "settle run %s", run);
		bl_err_clear(err); /* losing the race is an answer */
		if (read_outcome(store, run, &stands, err))
			return -1;
	}
	if (derive_marker(store, run, &stands, err))
		return -1;
	*winner = stands;
	return 0;
}

int bl_outcome_read(struct bl_store *store, const char *run, struct bl_outcome *out,
                    struct bl_err *err)
{
	struct bl_outcome got;

	if (read_outcome(store, run, &got, err) || derive_marker(store, run, &got, err))
		return -1;
	*out = got;
	return 0;
}
