/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLAIM_MAX_BYTES ((size_t)64 << 10)

static int64_t period_ms(void)
{
#ifdef BL_TESTING
	const char *period = getenv("BRANCHLINE_TEST_HEARTBEAT_MS");

	if (period)
		return strtol(period, NULL, 10);
#endif
	return BL_HEARTBEAT_MS;
}

int bl_claim_make(unsigned attempt, struct bl_claim *out, struct bl_err *err)
{
	struct bl_claim made = { .attempt = attempt, .heartbeat_ms = period_ms() };

	if (bl_proc_self(&made.owner, err) ||
	    bl_str_random(made.nonce, sizeof(made.nonce) - 1, err))
		return bl_wrap(err, "claim attempt %u", attempt);
	made.claimed_at_ms = bl_wall_ms();
	*out = made;
	return 0;
}

int bl_claim_make_instance(const char *run, unsigned attempt, struct bl_claim *out,
                           struct bl_err *err)
{
	struct bl_claim made = { .attempt = attempt, .heartbeat_ms = period_ms() };

	if (bl_str_random(made.nonce, sizeof(made.nonce) - 1, err))
		return bl_wrap(err, "claim attempt %u", attempt);
	snprintf(made.instance_tag, sizeof(made.instance_tag), "%s/%u", run, attempt);
	made.claimed_at_ms = bl_wall_ms();
	*out = made;
	return 0;
}

void bl_claim_holder(const struct bl_claim *claim, char text[48])
{
	if (claim->instance_tag[0])
		snprintf(text, 48, "an instance");
	else
		snprintf(text, 48, "process %lld", (long long)claim->owner.pid);
}

static void write_time(struct bl_json *json, const char *text_key, const char *ms_key, int64_t ms)
{
	char text[BL_UTC_SIZE];

	bl_utc_text(ms, text);
	bl_json_text(json, text_key, text);
	bl_json_int(json, ms_key, ms);
}

static void encode_owner(struct bl_json *json, const struct bl_claim *claim)
{
	bl_json_map(json, "owner");
	if (claim->instance_tag[0]) {
		bl_json_text(json, "instance_tag", claim->instance_tag);
	} else {
		bl_json_text(json, "machine_id", claim->owner.machine_id);
		bl_json_text(json, "boot_id", claim->owner.boot_id);
		bl_json_int(json, "pidns", (int64_t)claim->owner.pidns);
		bl_json_int(json, "pid", claim->owner.pid);
		bl_json_int(json, "start_ticks", (int64_t)claim->owner.start_ticks);
	}
	bl_json_end_map(json);
}

static void encode_claim(const struct bl_claim *claim, struct bl_buf *buf)
{
	struct bl_json json = BL_JSON(buf);

	bl_json_begin(&json, 1);
	bl_json_int(&json, "attempt", claim->attempt);
	encode_owner(&json, claim);
	bl_json_text(&json, "nonce", claim->nonce);
	bl_json_int(&json, "heartbeat_ms", claim->heartbeat_ms);
	write_time(&json, "claimed_at", "claimed_ms", claim->claimed_at_ms);
	bl_json_end_map(&json);
}

static int take_attempt(const struct bl_value *doc, unsigned wanted, unsigned *out,
                        struct bl_err *err)
{
	int64_t attempt;

	if (bl_value_int(doc, "attempt", &attempt, err))
		return -1;
	if (attempt != wanted)
		return bl_fail(err, BL_ECORRUPT, "it says attempt %lld", (long long)attempt);
	*out = wanted;
	return 0;
}

static int take_text(const struct bl_value *doc, const char *path, char *out, size_t size,
                     struct bl_err *err)
{
	const char *text;

	if (bl_value_text(doc, path, &text, err))
		return -1;
	if (strlen(text) >= size)
		return bl_fail(err, BL_ECORRUPT, "%s is over %zu bytes", path, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int decode_owner(const struct bl_value *doc, struct bl_claim *out, struct bl_err *err)
{
	int64_t pidns, ticks;

	if (bl_value_text_or(doc, "owner.instance_tag", NULL))
		return take_text(doc, "owner.instance_tag", out->instance_tag,
		                 sizeof(out->instance_tag), err);
	if (take_text(doc, "owner.machine_id", out->owner.machine_id, sizeof(out->owner.machine_id),
	              err) ||
	    take_text(doc, "owner.boot_id", out->owner.boot_id, sizeof(out->owner.boot_id), err) ||
	    bl_value_int(doc, "owner.pidns", &pidns, err) ||
	    bl_value_int(doc, "owner.pid", &out->owner.pid, err) ||
	    bl_value_int(doc, "owner.start_ticks", &ticks, err))
		return -1;
	out->owner.pidns = (uint64_t)pidns;
	out->owner.start_ticks = (uint64_t)ticks;
	return 0;
}

static int decode_claim(const struct bl_value *doc, unsigned attempt, struct bl_claim *out,
                        struct bl_err *err)
{
	struct bl_claim got = { 0 };

	if (take_attempt(doc, attempt, &got.attempt, err) || decode_owner(doc, &got, err) ||
	    take_text(doc, "nonce", got.nonce, sizeof(got.nonce), err) ||
	    bl_value_int(doc, "heartbeat_ms", &got.heartbeat_ms, err) ||
	    bl_value_int(doc, "claimed_ms", &got.claimed_at_ms, err))
		return -1;
	*out = got;
	return 0;
}

static int read_document(struct bl_store *store, const char *key, struct bl_value **out,
                         struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(CLAIM_MAX_BYTES);

	if (bl_store_get(store, NULL, key, &bytes, err))
		return -1;
	return bl_json_document(bl_buf_text(&bytes), bytes.len, key, 1, out, err);
}

int bl_claim_read(struct bl_store *store, const char *run, unsigned attempt, struct bl_claim *out,
                  struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_CLAIM, attempt);
	BL_VALUE doc = NULL;

	if (read_document(store, key.text, &doc, err))
		return -1;
	if (decode_claim(doc, attempt, out, err))
		return bl_wrap(err, "%s", key.text);
	return 0;
}

int bl_claim_create(struct bl_store *store, const char *run, const struct bl_claim *mine,
                    struct bl_claim *held, struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_CLAIM, mine->attempt);
	BL_AUTO(bl_buf) doc = BL_BUF(CLAIM_MAX_BYTES);
	struct bl_claim stands;
	char holder[48];

	encode_claim(mine, &doc);
	if (bl_buf_check(&doc, "claim", err))
		return -1;
	if (!bl_store_put_if_absent(store, NULL, key.text, doc.data, doc.len, err))
		return 0;
	if (err->code != BL_EEXIST)
		return -1;
	bl_err_clear(err);
	if (bl_claim_read(store, run, mine->attempt, &stands, err))
		return -1;
	if (!strcmp(stands.nonce, mine->nonce))
		return 0;
	if (held)
		*held = stands;
	bl_claim_holder(&stands, holder);
	bl_fail(err, BL_EBUSY, "attempt %u of run %s is held by %s", mine->attempt, run, holder);
	return bl_next(err, "watch it with `branchline logs -f %s`", run);
}

static void encode_end(const struct bl_end *end, struct bl_buf *buf)
{
	struct bl_json json = BL_JSON(buf);

	bl_json_begin(&json, 1);
	bl_json_int(&json, "attempt", end->attempt);
	bl_json_text(&json, "by", end->by);
	bl_json_text(&json, "nonce", end->nonce);
	bl_result_write(&json, &end->result);
	write_time(&json, "finished_at", "finished_ms", end->finished_at_ms);
	bl_json_text(&json, "outputs_crc", end->outputs_crc[0] ? end->outputs_crc : NULL);
	bl_json_real_or_null(&json, "last_step", end->last_step);
	bl_json_end_map(&json);
}

static int decode_end(const struct bl_value *doc, unsigned attempt, struct bl_end *out,
                      struct bl_err *err)
{
	struct bl_end got = { 0 };

	if (take_attempt(doc, attempt, &got.attempt, err) ||
	    take_text(doc, "by", got.by, sizeof(got.by), err) ||
	    take_text(doc, "nonce", got.nonce, sizeof(got.nonce), err) ||
	    bl_result_read(doc, &got.result, err) ||
	    bl_value_int(doc, "finished_ms", &got.finished_at_ms, err))
		return -1;
	snprintf(got.outputs_crc, sizeof(got.outputs_crc), "%s",
	         bl_value_text_or(doc, "outputs_crc", ""));
	got.last_step = bl_value_real_or(doc, "last_step", (double)NAN);
	*out = got;
	return 0;
}

int bl_end_read(struct bl_store *store, const char *run, unsigned attempt, struct bl_end *out,
                struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_END, attempt);
	BL_VALUE doc = NULL;

	if (read_document(store, key.text, &doc, err))
		return -1;
	if (decode_end(doc, attempt, out, err))
		return bl_wrap(err, "%s", key.text);
	return 0;
}

int bl_end_create(struct bl_store *store, const char *run, const struct bl_end *mine,
                  struct bl_end *winner, struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_END, mine->attempt);
	BL_AUTO(bl_buf) doc = BL_BUF(CLAIM_MAX_BYTES);
	struct bl_end stands;

	encode_end(mine, &doc);
	if (bl_buf_check(&doc, "end of an attempt", err))
		return -1;
	if (!bl_store_put_if_absent(store, NULL, key.text, doc.data, doc.len, err))
		return 0;
	if (err->code != BL_EEXIST)
		return -1;
	bl_err_clear(err);
	if (bl_end_read(store, run, mine->attempt, &stands, err))
		return -1;
	if (!strcmp(stands.nonce, mine->nonce))
		return 0;
	if (winner)
		*winner = stands;
	return bl_fail(err, BL_EEXIST, "attempt %u of run %s was ended by a %s", mine->attempt, run,
	               stands.by);
}
