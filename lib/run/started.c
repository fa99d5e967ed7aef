/* SPDX-License-Identifier: Apache-2.0 */
#include "run/started.h"

#include "codec/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STARTED_MAX_BYTES ((size_t)64 << 10)
#define LEAST_MS 60000 /* AWS bills a minute at least */
#define HOUR_MS 3600000.0

void bl_started_init(struct bl_started *started)
{
	*started = (struct bl_started){ .usd_hour = (double)NAN,
		                        .on_demand_usd_hour = (double)NAN,
		                        .disk_usd_hour = (double)NAN };
}

static void add_text(struct bl_json *json, const char *key, const char *text)
{
	if (*text)
		bl_json_text(json, key, text);
}

static void add_price(struct bl_json *json, const char *key, double usd)
{
	if (!isnan(usd))
		bl_json_real(json, key, usd);
}

static void encode(const struct bl_started *started, struct bl_buf *buf)
{
	struct bl_json json = BL_JSON(buf);

	bl_json_begin(&json, 1);
	bl_json_int(&json, "attempt", started->attempt);
	bl_json_text(&json, "nonce", started->nonce);
	bl_json_text(&json, "engine", started->engine);
	if (started->pid)
		bl_json_int(&json, "pid", started->pid);
	add_text(&json, "instance", started->instance);
	add_text(&json, "type", started->type);
	add_text(&json, "zone", started->zone);
	add_text(&json, "fleet", started->fleet);
	add_text(&json, "market", started->market);
	add_price(&json, "usd_hour", started->usd_hour);
	add_price(&json, "on_demand_usd_hour", started->on_demand_usd_hour);
	add_price(&json, "disk_usd_hour", started->disk_usd_hour);
	bl_json_int(&json, "started_at_ms", started->started_ms);
	bl_json_int(&json, "deadline_ms", started->deadline_ms);
	bl_json_end_map(&json);
}

/* Absent is ""; what does not fit was not written by us. */
static int take_text(const struct bl_value *doc, const char *key, char *out, size_t size,
                     struct bl_err *err)
{
	const char *text = bl_value_text_or(doc, key, "");

	if (strlen(text) >= size)
		return bl_fail(err, BL_ECORRUPT, "%s is over %zu bytes", key, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int decode(const struct bl_value *doc, unsigned attempt, struct bl_started *out,
                  struct bl_err *err)
{
	struct bl_started got;
	int64_t number;

	bl_started_init(&got);
	if (bl_value_int(doc, "attempt", &number, err) ||
	    take_text(doc, "nonce", got.nonce, sizeof(got.nonce), err) ||
	    take_text(doc, "engine", got.engine, sizeof(got.engine), err) ||
	    take_text(doc, "instance", got.instance, sizeof(got.instance), err) ||
	    take_text(doc, "type", got.type, sizeof(got.type), err) ||
	    take_text(doc, "zone", got.zone, sizeof(got.zone), err) ||
	    take_text(doc, "fleet", got.fleet, sizeof(got.fleet), err) ||
	    take_text(doc, "market", got.market, sizeof(got.market), err) ||
	    bl_value_int(doc, "started_at_ms", &got.started_ms, err))
		return -1;
	if (number != attempt)
		return bl_fail(err, BL_ECORRUPT, "it says attempt %lld", (long long)number);
	got.attempt = attempt;
	got.pid = bl_value_int_or(doc, "pid", 0);
	got.deadline_ms = bl_value_int_or(doc, "deadline_ms", 0);
	got.usd_hour = bl_value_real_or(doc, "usd_hour", (double)NAN);
	got.on_demand_usd_hour = bl_value_real_or(doc, "on_demand_usd_hour", (double)NAN);
	got.disk_usd_hour = bl_value_real_or(doc, "disk_usd_hour", (double)NAN);
	*out = got;
	return 0;
}

int bl_started_read(struct bl_store *store, const char *run, unsigned attempt,
                    struct bl_started *out, struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_STARTED, attempt);
	BL_AUTO(bl_buf) bytes = BL_BUF(STARTED_MAX_BYTES);
	BL_VALUE doc = NULL;

	if (bl_store_get(store, NULL, key.text, &bytes, err) ||
	    bl_json_document(bl_buf_text(&bytes), bytes.len, key.text, 1, &doc, err))
		return -1;
	if (decode(doc, attempt, out, err))
		return bl_wrap(err, "%s", key.text);
	return 0;
}

int bl_started_create(struct bl_store *store, const char *run, const struct bl_started *started,
                      struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_STARTED, started->attempt);
	BL_AUTO(bl_buf) doc = BL_BUF(STARTED_MAX_BYTES);
	struct bl_started stands;

	encode(started, &doc);
	if (bl_buf_check(&doc, key.text, err))
		return -1;
	if (!bl_store_put_if_absent(store, NULL, key.text, doc.data, doc.len, err))
		return 0;
	if (err->code != BL_EEXIST)
		return -1;
	bl_err_clear(err);
	if (bl_started_read(store, run, started->attempt, &stands, err))
		return -1;
	if (!strcmp(stands.nonce, started->nonce))
		return 0;
	return bl_fail(err, BL_EEXIST, "attempt %u of run %s was started by another",
	               started->attempt, run);
}

struct bl_cost bl_started_cost(const struct bl_started *started, int64_t until_ms)
{
	int64_t ms = until_ms - started->started_ms;
	double hours;

	if (ms < LEAST_MS)
		ms = LEAST_MS;
	hours = (double)ms / HOUR_MS;
	return (struct bl_cost){ .usd = started->usd_hour * hours,
		                 .disk_usd = started->disk_usd_hour * hours,
		                 .saved_usd =
		                         (started->on_demand_usd_hour - started->usd_hour) * hours,
		                 .seconds = (ms + 500) / 1000 };
}
