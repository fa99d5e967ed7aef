/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"
#include "runner/host.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536

/*
 * Non-blocking and small enough to be atomic: a reader that is slow loses lines, host never waits.
 */
static void say(const struct host *host, struct bl_buf *line)
{
	bl_buf_addc(line, '\n');
	if (host->status_fd < 0 || line->failed)
		return;
	ssize_t ignored = write(host->status_fd, bl_buf_text(line), line->len);
	(void)ignored;
}

static struct bl_json begin(struct bl_buf *line, const char *event)
{
	struct bl_json json = BL_JSON(line);

	bl_json_map(&json, NULL);
	bl_json_text(&json, "event", event);
	return json;
}

void host_say_phase(const struct host *host)
{
	BL_AUTO(bl_buf) line = BL_BUF(LINE_MAX_BYTES);
	struct bl_json json = begin(&line, "phase");

	bl_json_text(&json, "phase", host_phases[host_phase(host->state)]);
	if (host->claim.attempt) {
		bl_json_int(&json, "attempt", host->claim.attempt);
		bl_json_text(&json, "root", host->claim.root);
	}
	if (*host->stop_reason)
		bl_json_text(&json, "stop", host->stop_reason);
	bl_json_end_map(&json);
	say(host, &line);
}

void host_say_step(const struct host *host)
{
	BL_AUTO(bl_buf) line = BL_BUF(LINE_MAX_BYTES);
	struct bl_json json = begin(&line, "step");

	if (!isnan(host->latest.step))
		bl_json_real(&json, "step", host->latest.step);
	if (!isnan(host->latest.total_steps))
		bl_json_real(&json, "total", host->latest.total_steps);
	bl_json_map(&json, "metrics");
	for (size_t i = 0; i < host->latest.n && i < 8; i++)
		bl_json_real(&json, host->latest.values[i].name, host->latest.values[i].value);
	bl_json_end_map(&json);
	bl_json_end_map(&json);
	say(host, &line);
}

void host_say_checkpoint(const struct host *host)
{
	BL_AUTO(bl_buf) line = BL_BUF(LINE_MAX_BYTES);
	struct bl_json json = begin(&line, "checkpoint");

	if (!isnan(host->published_step))
		bl_json_real(&json, "step", host->published_step);
	bl_json_int(&json, "files", (int64_t)host->published.files);
	bl_json_int(&json, "bytes", (int64_t)host->published.bytes);
	bl_json_end_map(&json);
	say(host, &line);
}

void host_note(const struct host *host, const char *level, const char *fmt, ...)
{
	BL_AUTO(bl_buf) line = BL_BUF(LINE_MAX_BYTES);
	struct bl_json json = begin(&line, "note");
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	bl_json_text(&json, "level", level);
	bl_json_text(&json, "text", text);
	bl_json_end_map(&json);
	say(host, &line);
}

void host_say_end(const struct host *host)
{
	BL_AUTO(bl_buf) line = BL_BUF(LINE_MAX_BYTES);
	struct bl_json json = begin(&line, "end");

	bl_json_bool(&json, "settled", host->settled);
	bl_json_bool(&json, "fenced", host->fenced);
	if (host->failure.code) {
		bl_json_int(&json, "code", host->failure.code);
		bl_json_text(&json, "text", host->failure.text);
		bl_json_text(&json, "next", host->failure.next);
	}
	bl_json_end_map(&json);
	say(host, &line);
}
