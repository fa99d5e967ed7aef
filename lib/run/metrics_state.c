/* SPDX-License-Identifier: Apache-2.0 */
/* Hugging Face's trainer_state.json: each entry of its log_history once. */
#include "run/metrics_parts.h"

#include <math.h>
#include <string.h>

#define WALK_EVERY_MS 5000

struct entries {
	struct bl_metrics *metrics;
	size_t n;      /* seen so far */
	size_t known;  /* the first so many are not new */
	uint64_t last; /* hash of the newest */
	bool emitting;
};

static uint64_t hash_of(const char *bytes, size_t len)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
	return hash ? hash : 1;
}

/* First pass: where does what we know end. */
static int count_entry(struct entries *entries, uint64_t hash)
{
	entries->n++;
	entries->last = hash;
	if (hash == entries->metrics->state.last_item)
		entries->known = entries->n;
	return 0;
}

static int take_entry(void *arg, const char *item, size_t len)
{
	struct entries *entries = arg;
	struct bl_metrics *metrics = entries->metrics;
	struct bl_metric_record *record = &metrics->record;

	if (!entries->emitting)
		return count_entry(entries, hash_of(item, len));
	if (entries->n++ < entries->known || !bl_metric_members(metrics, item, len, record))
		return 0;
	/* the history was rewritten: only what goes beyond is new */
	if (!entries->known && record->step <= metrics->state.last_step)
		return 0;
	bl_metric_emit(metrics, record, BL_METRIC_STATE);
	if (!isnan(record->step))
		metrics->state.last_step = record->step;
	return 0;
}

static bool each_entry(struct bl_metrics *metrics, struct entries *entries)
{
	struct bl_json_fault fault;

	entries->n = 0;
	return !bl_json_items(bl_buf_text(&metrics->scratch), metrics->scratch.len, "log_history",
	                      true, take_entry, entries, &fault);
}

/* A file that is being written does not parse: it is looked at again. */
static void read_state(struct bl_metrics *metrics, bool emit)
{
	struct entries entries = { .metrics = metrics };
	struct bl_metric_found found;

	if (!bl_metric_find(metrics, "trainer_state.json", &found))
		return;
	if (found.mtime_ns == metrics->state.seen.mtime_ns &&
	    found.size == metrics->state.seen.size && !strcmp(found.path, metrics->state.seen.path))
		return;
	if (!bl_metric_read(metrics, found.path) || !each_entry(metrics, &entries))
		return;
	entries.emitting = true;
	if (emit)
		(void)each_entry(metrics, &entries);
	metrics->state.last_item = entries.last;
	metrics->state.seen = found;
}

void bl_metric_state_start(struct bl_metrics *metrics)
{
	read_state(metrics, false);
}

static void scan(struct bl_metrics *metrics, bool last)
{
	if (!last && metrics->at_ms - metrics->walked_at_ms < WALK_EVERY_MS &&
	    metrics->at_ms >= metrics->walked_at_ms)
		return;
	metrics->walked_at_ms = metrics->at_ms;
	read_state(metrics, true);
}

const struct bl_metric_source bl_metric_state = {
	.name = "trainer_state",
	.shown = "trainer_state.json",
	.scan = scan,
};
