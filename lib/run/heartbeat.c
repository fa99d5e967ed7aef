/* SPDX-License-Identifier: Apache-2.0 */
#include "run/heartbeat.h"

#include "base/clock.h"
#include "codec/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEARTBEAT_MAX_BYTES ((size_t)64 << 10)

void bl_heartbeat_init(struct bl_heartbeat *beat, unsigned attempt)
{
	*beat = (struct bl_heartbeat){
		.attempt = attempt, .step = NAN, .total_steps = NAN, .cost_usd = NAN
	};
	beat->checkpoint.step = NAN;
}

static void write_mark(struct bl_json *json, const char *key, const struct bl_stream_mark *mark)
{
	bl_json_map(json, key);
	bl_json_int(json, "offset", mark->offset);
	bl_json_int(json, "end", mark->end);
	bl_json_end_map(json);
}

static void write_checkpoint(struct bl_json *json, const struct bl_heartbeat *beat)
{
	if (!beat->checkpoint.manifest[0]) {
		bl_json_null(json, "checkpoint");
		return;
	}
	bl_json_map(json, "checkpoint");
	bl_json_text(json, "manifest", beat->checkpoint.manifest);
	bl_json_int(json, "at_ms", beat->checkpoint.at_ms);
	bl_json_real_or_null(json, "step", beat->checkpoint.step);
	bl_json_end_map(json);
}

/* Two long names may have been cut to the same text: a reader would refuse the double key. */
static bool is_repeated(const struct bl_heartbeat *beat, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (!strcmp(beat->metrics[i].name, beat->metrics[at].name))
			return true;
	}
	return false;
}

static void write_metrics(struct bl_json *json, const struct bl_heartbeat *beat)
{
	bl_json_map(json, "metrics");
	for (size_t i = 0; i < beat->n_metrics; i++) {
		if (!is_repeated(beat, i))
			bl_json_real(json, beat->metrics[i].name, beat->metrics[i].value);
	}
	bl_json_end_map(json);
}

void bl_heartbeat_encode(const struct bl_heartbeat *beat, struct bl_buf *buf)
{
	struct bl_json json = BL_JSON(buf);
	char at[BL_UTC_SIZE];

	bl_utc_text(beat->at_ms, at);
	bl_json_begin(&json, 1);
	bl_json_int(&json, "attempt", beat->attempt);
	bl_json_int(&json, "seq", beat->seq);
	bl_json_text(&json, "at", at);
	bl_json_int(&json, "at_ms", beat->at_ms);
	bl_json_text(&json, "phase", beat->phase);
	bl_json_real_or_null(&json, "step", beat->step);
	bl_json_real_or_null(&json, "total_steps", beat->total_steps);
	write_metrics(&json, beat);
	bl_json_real_or_null(&json, "cost_usd", beat->cost_usd);
	write_checkpoint(&json, beat);
	write_mark(&json, "log", &beat->log);
	write_mark(&json, "metrics_stream", &beat->metrics_stream);
	bl_json_map(&json, "phases");
	for (size_t i = 0; i < beat->n_phases; i++)
		bl_json_int(&json, beat->phases[i].name, beat->phases[i].ms);
	bl_json_end_map(&json);
	bl_json_end_map(&json);
}

static double number_of(const struct bl_value *value)
{
	if (value->type == BL_STRING && value->text[0] == 'I')
		return INFINITY;
	if (value->type == BL_STRING && value->text[0] == '-')
		return -INFINITY;
	return value->type == BL_INT || value->type == BL_REAL ? value->real : (double)NAN;
}

static void read_metrics(const struct bl_value *map, struct bl_heartbeat *out)
{
	for (size_t i = 0; map && i < map->n && out->n_metrics < BL_HEARTBEAT_METRICS; i++) {
		const struct bl_value *item = map->items[i];

		snprintf(out->metrics[out->n_metrics].name, sizeof(out->metrics[0].name), "%s",
		         item->key);
		out->metrics[out->n_metrics++].value = number_of(item);
	}
}

static void read_phases(const struct bl_value *map, struct bl_heartbeat *out)
{
	for (size_t i = 0; map && i < map->n && out->n_phases < BL_HEARTBEAT_PHASES; i++) {
		const struct bl_value *item = map->items[i];

		if (item->type != BL_INT)
			continue;
		snprintf(out->phases[out->n_phases].name, sizeof(out->phases[0].name), "%s",
		         item->key);
		out->phases[out->n_phases++].ms = item->integer;
	}
}

static const struct bl_value *map_of(const struct bl_value *doc, const char *key)
{
	const struct bl_value *map = bl_value_get(doc, key);

	return map && map->type == BL_MAP ? map : NULL;
}

static void read_mark(const struct bl_value *doc, const char *key, struct bl_stream_mark *out)
{
	out->offset = bl_value_int_or(map_of(doc, key), "offset", 0);
	out->end = bl_value_int_or(map_of(doc, key), "end", 0);
}

int bl_heartbeat_decode(const char *bytes, size_t len, struct bl_heartbeat *out, struct bl_err *err)
{
	struct bl_heartbeat got;
	BL_VALUE doc = NULL;
	int64_t attempt;

	if (bl_json_document(bytes, len, "heartbeat", 1, &doc, err) ||
	    bl_value_int(doc, "attempt", &attempt, err))
		return -1;
	if (attempt < 1 || attempt > BL_ATTEMPTS_MAX)
		return bl_fail(err, BL_ECORRUPT, "heartbeat: attempt %lld", (long long)attempt);
	bl_heartbeat_init(&got, (unsigned)attempt);
	if (bl_value_int(doc, "seq", &got.seq, err) || bl_value_int(doc, "at_ms", &got.at_ms, err))
		return bl_wrap(err, "heartbeat");
	snprintf(got.phase, sizeof(got.phase), "%s", bl_value_text_or(doc, "phase", ""));
	got.step = bl_value_real_or(doc, "step", (double)NAN);
	got.total_steps = bl_value_real_or(doc, "total_steps", (double)NAN);
	got.cost_usd = bl_value_real_or(doc, "cost_usd", (double)NAN);
	read_metrics(map_of(doc, "metrics"), &got);
	snprintf(got.checkpoint.manifest, sizeof(got.checkpoint.manifest), "%s",
	         bl_value_text_or(map_of(doc, "checkpoint"), "manifest", ""));
	got.checkpoint.at_ms = bl_value_int_or(map_of(doc, "checkpoint"), "at_ms", 0);
	got.checkpoint.step = bl_value_real_or(map_of(doc, "checkpoint"), "step", (double)NAN);
	read_mark(doc, "log", &got.log);
	read_mark(doc, "metrics_stream", &got.metrics_stream);
	read_phases(map_of(doc, "phases"), &got);
	*out = got;
	return 0;
}

int bl_heartbeat_write(struct bl_store *store, const char *run, const struct bl_heartbeat *beat,
                       struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_HEARTBEAT, beat->attempt);
	BL_AUTO(bl_buf) doc = BL_BUF(HEARTBEAT_MAX_BYTES);

	bl_heartbeat_encode(beat, &doc);
	if (bl_buf_check(&doc, "heartbeat", err))
		return -1;
	return bl_store_put(store, NULL, key.text, doc.data, doc.len, err);
}

int bl_heartbeat_read(struct bl_store *store, const char *run, unsigned attempt,
                      struct bl_heartbeat *out, struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_HEARTBEAT, attempt);
	BL_AUTO(bl_buf) doc = BL_BUF(HEARTBEAT_MAX_BYTES);

	if (bl_store_get(store, NULL, key.text, &doc, err))
		return -1;
	if (bl_heartbeat_decode(bl_buf_text(&doc), doc.len, out, err))
		return bl_wrap(err, "%s", key.text);
	return 0;
}
