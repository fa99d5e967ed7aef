/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/show.h"

#include "base/log.h"

#include <math.h>
#include <sys/ioctl.h>
#include <unistd.h>

static size_t columns_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

size_t show_text(const char *text, size_t columns, struct bl_buf *out)
{
	BL_AUTO(bl_buf) plain = BL_BUF(65536);
	const char *p;
	size_t n;

	bl_log_add_text(&plain, text);
	p = bl_buf_text(&plain);
	n = columns_of(p);
	if (n <= columns) {
		bl_buf_adds(out, p);
		return n;
	}
	for (n = 0; *p; p++) {
		n += ((unsigned char)*p & 0xc0) != 0x80;
		if (n == columns)
			break;
		bl_buf_addc(out, *p);
	}
	bl_buf_adds(out, "…");
	return columns;
}

void show_step(double step, double total, struct bl_buf *out)
{
	if (isnan(step))
		return;
	bl_buf_addf(out, "%.0f", step);
	if (!isnan(total))
		bl_buf_addf(out, "/%.0f", total);
}

void show_metric(const char *name, double value, struct bl_buf *out)
{
	if (*name && !isnan(value))
		bl_buf_addf(out, "%s %.4g", name, value);
}

static void time_or_null(struct bl_json *json, const char *key, int64_t ms)
{
	if (ms)
		bl_json_int(json, key, ms);
	else
		bl_json_null(json, key);
}

void show_summary_json(struct bl_json *json, const struct bl_run_summary *run)
{
	bl_json_map(json, NULL);
	bl_json_text(json, "run", run->id);
	bl_json_text(json, "kind", run->kind);
	bl_json_text(json, "job", run->job);
	bl_json_text(json, "branch", run->branch);
	bl_json_text(json, "sha", run->sha);
	bl_json_text(json, "subject", run->subject);
	bl_json_bool(json, "dirty", run->dirty);
	bl_json_text(json, "state", run->word);
	bl_json_bool(json, "ended", run->state == BL_RUN_ENDED);
	bl_json_text(json, "class", *run->class ? run->class : NULL);
	bl_json_text(json, "message", *run->message ? run->message : NULL);
	bl_json_text(json, "phase", *run->phase ? run->phase : NULL);
	bl_json_int(json, "attempt", run->attempt);
	bl_json_real_or_null(json, "step", run->step);
	bl_json_real_or_null(json, "total_steps", run->total_steps);
	bl_json_text(json, "primary", *run->primary ? run->primary : NULL);
	bl_json_real_or_null(json, "primary_value", run->primary_value);
	bl_json_real_or_null(json, "cost_usd", run->cost_usd);
	bl_json_int(json, "created_ms", run->created_ms);
	time_or_null(json, "seen_ms", run->seen_ms);
	time_or_null(json, "finished_ms", run->finished_ms);
	bl_json_end_map(json);
}

unsigned show_columns(void)
{
	struct winsize size;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return 100;
}
