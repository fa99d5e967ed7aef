/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics that are JSON objects: lines of stdout, and metrics.json at the end. */
#include "base/str.h"
#include "run/metrics_parts.h"

#include <ctype.h>
#include <string.h>

static bool is_key(const struct bl_member *member, const char *name)
{
	return member->key_len == strlen(name) && !memcmp(member->key, name, member->key_len);
}

/* A logger's JSON line carries numbers, too: time, line, process. */
static bool tells_of_a_log(const struct bl_member *member)
{
	static const char *const keys[] = { "level", "levelname", "msg", "message", "event" };

	for (size_t i = 0; i < BL_COUNT(keys); i++)
		if (is_key(member, keys[i]))
			return true;
	return false;
}

static int take_member(void *arg, const struct bl_member *member)
{
	struct bl_metric_record *record = arg;

	if (member->kind == BL_SCALAR_TEXT && tells_of_a_log(member))
		record->is_log = true;
	if (member->kind != BL_SCALAR_NUMBER)
		return 0;
	if (is_key(member, "step") || is_key(member, "global_step"))
		record->step = member->number;
	else if (is_key(member, "total_steps") || is_key(member, "max_steps"))
		record->total = member->number;
	else if (is_key(member, "epoch"))
		record->epoch = member->number;
	else
		bl_metric_add(record, member->key, member->key_len, member->number);
	return 0;
}

/* The line with what is no UTF-8 replaced: a bad byte in a name must not cost the point. */
static bool repair(struct bl_metrics *metrics, const char **text, size_t *len)
{
	if (bl_utf8_valid(*text, *len) == *len)
		return true;
	bl_buf_reset(&metrics->fixed);
	bl_utf8_add(&metrics->fixed, *text, *len);
	*text = bl_buf_text(&metrics->fixed);
	*len = metrics->fixed.len;
	return !metrics->fixed.failed;
}

bool bl_metric_members(struct bl_metrics *metrics, const char *text, size_t len,
                       struct bl_metric_record *record)
{
	struct bl_json_fault fault;

	bl_metric_begin(record);
	return repair(metrics, &text, &len) &&
	       !bl_json_members(text, len, true, take_member, record, &fault) &&
	       (record->n || record->step == record->step);
}

static void read_line(struct bl_metrics *metrics, const char *line, size_t len)
{
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	while (len && isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	if (len < 2 || *line != '{' || line[len - 1] != '}')
		return;
	if (!bl_metric_members(metrics, line, len, &metrics->record) || metrics->record.is_log)
		return;
	/* what was written to the file before this line was printed comes first */
	bl_metric_file.scan(metrics, false);
	if (bl_metric_members(metrics, line, len, &metrics->record))
		bl_metric_emit(metrics, &metrics->record, BL_METRIC_STDOUT);
}

const struct bl_metric_source bl_metric_stdout = {
	.name = "stdout_json",
	.shown = "JSON on stdout",
	.line = read_line,
};

static bool is_same(const struct bl_metric_found *a, const struct bl_metric_found *b)
{
	return !strcmp(a->path, b->path) && a->mtime_ns == b->mtime_ns && a->size == b->size;
}

/* Written once, at the end; one that was there before the start is another run's. */
static void read_at_end(struct bl_metrics *metrics, bool last)
{
	struct bl_metric_found found;

	if (!last || !bl_metric_find(metrics, "metrics.json", &found) ||
	    is_same(&found, &metrics->json_before) || !bl_metric_read(metrics, found.path))
		return;
	if (bl_metric_members(metrics, bl_buf_text(&metrics->scratch), metrics->scratch.len,
	                      &metrics->record))
		bl_metric_emit(metrics, &metrics->record, BL_METRIC_JSON);
}

const struct bl_metric_source bl_metric_json = {
	.name = "metrics_json",
	.shown = "metrics.json",
	.scan = read_at_end,
};
