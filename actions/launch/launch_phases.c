/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/launch/launching.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

void launching_done(struct launching *launching)
{
	bl_market_answers_done(&launching->answers);
	bl_config_done(&launching->config);
	bl_buf_done(&launching->notes);
	bl_buf_done(&launching->spec);
	cloud_done(&launching->cloud);
}

int launch_fail(struct launching *launching, enum bl_class class, struct bl_err *err,
                const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	launching->class = class;
	return bl_fail(err, bl_class_code(class), "%s", text);
}

static void say_phase(const struct launch_phase *phase, const struct bl_buf *said, int64_t ms)
{
	bl_log(BL_LOG_INFO, "%-7s %s  (%lld.%02lld s)", phase->name, bl_buf_text(said),
	       (long long)(ms / 1000), (long long)(ms % 1000 / 10));
}

/* One line for what people should know and what stops nobody. */
static void say_notes(struct launching *launching)
{
	const char *line = bl_buf_text(&launching->notes), *end;

	while ((end = strchr(line, '\n'))) {
		bl_log(BL_LOG_INFO, "        %.*s", (int)(end - line), line);
		line = end + 1;
	}
	bl_buf_reset(&launching->notes);
}

int launch_phases(struct launching *launching, const struct launch_phase *phases, size_t n,
                  struct bl_err *err)
{
	for (size_t i = 0; i < n; i++) {
		BL_AUTO(bl_buf) said = BL_BUF(16384);
		int64_t began = bl_mono_ms();

		if (*launching->stop)
			return bl_fail(err, BL_ECANCELLED, "stopped before anything was bought");
		if (phases[i].run(launching, &said, err)) {
			say_notes(launching);
			return bl_wrap(err, "%s", phases[i].name);
		}
		say_phase(&phases[i], &said, bl_mono_ms() - began);
		say_notes(launching);
	}
	return 0;
}
