/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/json.h"
#include "run/metrics_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct bl_metric_source *const sources[] = {
	[BL_METRIC_FILE] = &bl_metric_file, [BL_METRIC_STDOUT] = &bl_metric_stdout,
	[BL_METRIC_HF] = &bl_metric_hf,     [BL_METRIC_STATE] = &bl_metric_state,
	[BL_METRIC_JSON] = &bl_metric_json,
};

static int copy_paths(struct bl_metrics *metrics, const struct bl_metrics_where *where)
{
	if (where->metrics_file && !(metrics->metrics_file = strdup(where->metrics_file)))
		return -1;
	for (size_t i = 0; i < BL_COUNT(where->output_dirs) && where->output_dirs[i]; i++) {
		metrics->output_dirs[i] = strdup(where->output_dirs[i]);
		if (!metrics->output_dirs[i])
			return -1;
		metrics->n_dirs++;
	}
	return 0;
}

int bl_metrics_new(const struct bl_metrics_where *where, struct bl_metrics **out,
                   struct bl_err *err)
{
	struct bl_metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
	metrics->attempt = where->attempt;
	metrics->step = metrics->total = (double)NAN;
	metrics->scratch = metrics->fixed = BL_BUF(BL_METRIC_FILE_MAX);
	metrics->file.fd = -1;
	metrics->file.carry = BL_BUF(BL_METRIC_LINE_MAX);
	metrics->hf.bar_step = metrics->hf.bar_total = metrics->hf.total = (double)NAN;
	metrics->state.last_step = (double)NAN;
	if (copy_paths(metrics, where)) {
		bl_metrics_free(metrics);
		return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
	}
	bl_metric_state_start(metrics);
	(void)bl_metric_find(metrics, "metrics.json", &metrics->json_before);
	*out = metrics;
	return 0;
}

void bl_metrics_free(struct bl_metrics *metrics)
{
	if (!metrics)
		return;
	if (metrics->file.fd >= 0)
		close(metrics->file.fd);
	bl_buf_done(&metrics->file.carry);
	bl_buf_done(&metrics->scratch);
	bl_buf_done(&metrics->fixed);
	free(metrics->metrics_file);
	for (size_t i = 0; i < metrics->n_dirs; i++)
		free(metrics->output_dirs[i]);
	free(metrics);
}

/* --- Records ---------------------------------------------------------------------------------- */

void bl_metric_begin(struct bl_metric_record *record)
{
	record->step = record->total = record->epoch = (double)NAN;
	record->is_log = false;
	record->n = 0;
}

void bl_metric_add(struct bl_metric_record *record, const char *name, size_t len, double value)
{
	size_t i = 0;

	if (len >= BL_METRIC_NAME)
		len = bl_utf8_valid(name, BL_METRIC_NAME - 1);
	while (i < record->n &&
	       (strncmp(record->values[i].name, name, len) != 0 || record->values[i].name[len]))
		i++;
	if (i == BL_METRIC_VALUES || !len)
		return;
	memcpy(record->values[i].name, name, len);
	record->values[i].name[len] = '\0';
	record->values[i].value = value;
	record->n += i == record->n;
}

double bl_metric_step(const struct bl_metrics *metrics, const struct bl_metric_record *record)
{
	if (!isnan(record->step))
		return record->step;
	return isnan(metrics->step) ? record->epoch : metrics->step;
}

/* The claim of this name, made when there is room; NULL: none is left. */
static struct bl_metric_claim *claim_of(struct bl_metrics *metrics, const char *name)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	size_t i;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	for (i = hash % BL_METRIC_NAMES; metrics->claims[i].used; i = (i + 1) % BL_METRIC_NAMES)
		if (!strcmp(metrics->claims[i].name, name))
			return &metrics->claims[i];
	if (metrics->n_claims == BL_METRIC_NAMES * 3 / 4)
		return NULL;
	metrics->n_claims++;
	memcpy(metrics->claims[i].name, name, strlen(name) + 1);
	metrics->claims[i].used = true;
	metrics->claims[i].rank = BL_METRIC_RANKS;
	return &metrics->claims[i];
}

/* Whether this source may give a value of this name; notes that it has. */
static bool may_give(struct bl_metrics *metrics, const char *name, enum bl_metric_rank rank,
                     bool stepped)
{
	struct bl_metric_claim *claim = claim_of(metrics, name);

	if (!claim)
		return false;
	if (claim->rank != rank) {
		if (claim->stepped > stepped)
			return false;
		if (claim->stepped == stepped && claim->rank < rank)
			return false;
	}
	claim->rank = rank;
	claim->stepped |= stepped;
	return true;
}

static bool has_news(const struct bl_metrics *metrics, double step, double total)
{
	return !isnan(step) &&
	       (step != metrics->step || (!isnan(total) && total != metrics->total));
}

void bl_metric_emit(struct bl_metrics *metrics, const struct bl_metric_record *record,
                    enum bl_metric_rank rank)
{
	struct bl_buf *line = &metrics->fixed;
	struct bl_json json = BL_JSON(line);
	double step = bl_metric_step(metrics, record);
	double total = isnan(record->total) ? metrics->total : record->total;
	size_t given = 0;

	bl_buf_reset(line);
	bl_json_begin(&json, 1);
	bl_json_int(&json, "attempt", metrics->attempt);
	bl_json_int(&json, "at", metrics->at_ms);
	if (isfinite(step))
		bl_json_real(&json, "step", step);
	bl_json_text(&json, "source", sources[rank]->name);
	if (isfinite(total))
		bl_json_real(&json, "total_steps", total);
	bl_json_map(&json, "values");
	for (size_t i = 0; i < record->n; i++) {
		if (!may_give(metrics, record->values[i].name, rank, isfinite(step))) {
			metrics->silenced[rank]++;
			continue;
		}
		bl_json_real(&json, record->values[i].name, record->values[i].value);
		given++;
	}
	bl_json_end_map(&json);
	bl_json_end_map(&json);
	bl_buf_addc(line, '\n');
	/* of a file that is read late only the values are news */
	if (line->failed || (!given && (record->n || !has_news(metrics, record->step, total))))
		return;
	metrics->points[rank] += given != 0;
	if (rank < BL_METRIC_STATE && isfinite(record->step))
		metrics->step = record->step;
	if (isfinite(total))
		metrics->total = total;
	bl_buf_add(metrics->out, line->data, line->len);
}

/* --- The calls -------------------------------------------------------------------------------- */

/* "%|" of a progress bar */
static bool has_bar(const char *line, size_t len)
{
	const char *end = line + len;

	while (line < end && (line = memchr(line, '%', (size_t)(end - line))))
		if (++line < end && *line == '|')
			return true;
	return false;
}

void bl_metrics_line(struct bl_metrics *metrics, const char *line, size_t len, int64_t at_ms,
                     struct bl_buf *out)
{
	/* nearly all lines are neither: what decides that must cost next to nothing */
	if ((!memchr(line, '{', len) && !has_bar(line, len)) || len > BL_METRIC_LINE_MAX)
		return;
	metrics->at_ms = at_ms;
	metrics->out = out;
	for (size_t i = 0; i < BL_COUNT(sources); i++)
		if (sources[i]->line)
			sources[i]->line(metrics, line, len);
}

static bool scan_all(struct bl_metrics *metrics, int64_t at_ms, struct bl_buf *out, bool last)
{
	metrics->at_ms = at_ms;
	metrics->out = out;
	for (size_t i = 0; i < BL_COUNT(sources); i++)
		if (sources[i]->scan)
			sources[i]->scan(metrics, last);
	return metrics->file.more;
}

bool bl_metrics_scan(struct bl_metrics *metrics, int64_t at_ms, struct bl_buf *out)
{
	return scan_all(metrics, at_ms, out, false);
}

bool bl_metrics_finish(struct bl_metrics *metrics, int64_t at_ms, struct bl_buf *out)
{
	return scan_all(metrics, at_ms, out, true);
}

void bl_metrics_said(const struct bl_metrics *metrics, struct bl_buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < BL_COUNT(sources); i++) {
		if (!metrics->points[i])
			continue;
		bl_buf_addf(out, "%s%s (%zu point%s)", between, sources[i]->shown,
		            metrics->points[i], metrics->points[i] == 1 ? "" : "s");
		between = ", ";
	}
	if (!*between)
		bl_buf_adds(out, "none found");
	between = ", ignoring ";
	for (size_t i = 0; i < BL_COUNT(sources); i++) {
		if (metrics->points[i] || !metrics->silenced[i])
			continue;
		bl_buf_addf(out, "%s%s", between, sources[i]->shown);
		between = " and ";
	}
}
