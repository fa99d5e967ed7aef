/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 16384 /* six bytes for each of the longest text, and the rest */

static const char *program_name = "branchline", *title_now = "branchline";
static enum bl_log_format format_now = BL_LOG_HUMAN;
static enum bl_log_level lowest_level = BL_LOG_INFO;

static bool env_is(const char *name, const char *value)
{
	const char *have = getenv(name);

	return have && !strcmp(have, value);
}

static bool env_set(const char *name)
{
	const char *have = getenv(name);

	return have && *have;
}

static bool env_on(const char *name)
{
	return env_set(name) && !env_is(name, "0");
}

void bl_log_set(enum bl_log_format format, enum bl_log_level lowest)
{
	format_now = format;
	lowest_level = lowest;
}

void bl_log_title(const char *title)
{
	title_now = title;
}

enum bl_log_format bl_log_format(void)
{
	return format_now;
}

void bl_log_init(const char *program)
{
	enum bl_log_format format = BL_LOG_HUMAN;

	program_name = title_now = program;
	if (env_is("BRANCHLINE_LOG", "json"))
		format = BL_LOG_JSON;
	else if (env_is("BRANCHLINE_LOG", "github") ||
	         (!env_set("BRANCHLINE_LOG") && env_is("GITHUB_ACTIONS", "true")))
		format = BL_LOG_GITHUB;
	bool debug = env_is("BRANCHLINE_DEBUG", "1") || env_is("RUNNER_DEBUG", "1");
	bl_log_set(format, debug ? BL_LOG_DEBUG : BL_LOG_INFO);
}

bool bl_log_colour(int fd)
{
	const char *term = getenv("TERM");

	if (env_set("NO_COLOR"))
		return false;
	if (env_on("FORCE_COLOR") || env_on("CLICOLOR_FORCE") || env_is("GITHUB_ACTIONS", "true"))
		return true;
	return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

void bl_log_add_text(struct bl_buf *line, const char *text)
{
	size_t n;

	for (; *text; text += n) {
		unsigned char c = (unsigned char)*text;

		n = bl_utf8_sequence(text, strnlen(text, 4));
		if (c == '\n' || c == '\t')
			bl_buf_addc(line, ' ');
		else if (!n || c < 0x20 || c == 0x7f)
			bl_buf_addf(line, "\\x%02x", c);
		else if (c == 0xc2 && (unsigned char)text[1] < 0xa0)
			bl_buf_addf(line, "\\x%02x", (unsigned char)text[1]);
		else
			bl_buf_add(line, text, n);
		n = n ? n : 1;
	}
}

/* One line: what failed; what next. */
static void add_message(struct bl_buf *line, const char *text, const char *next)
{
	bl_log_add_text(line, text);
	if (*next) {
		bl_buf_adds(line, "; ");
		bl_log_add_text(line, next);
	}
}

static void add_human(struct bl_buf *line, enum bl_log_level level, const char *text,
                      const char *next)
{
	static const char *const words[] = { "debug: ", "", "warning: ", "" };
	static const char *const colours[] = { "\033[2m", "", "\033[33m", "\033[31m" };
	bool colour = bl_log_colour(STDERR_FILENO);

	bl_buf_addf(line, "%s%s: %s", colour ? colours[level] : "", program_name, words[level]);
	add_message(line, text, next);
	bl_buf_addf(line, "%s\n", colour && *colours[level] ? "\033[0m" : "");
}

static void add_escaped_for_github(struct bl_buf *line, const char *text)
{
	for (; *text; text++) {
		if (*text == '%' || *text == '\r' || *text == '\n')
			bl_buf_addf(line, "%%%02X", (unsigned char)*text);
		else
			bl_buf_addc(line, *text);
	}
}

static void pass_failure_on(const struct bl_buf *part, struct bl_buf *line)
{
	if (part->failed)
		line->failed = part->failed;
}

/* Not a command: the runner knows one by "::" at a line's start or by "##[" anywhere in it. */
static void add_plain_for_github(struct bl_buf *line, const char *text, const char *next)
{
	BL_AUTO(bl_buf) message = BL_BUF(LINE_MAX_BYTES);
	const char *from, *mark;

	add_message(&message, text, next);
	pass_failure_on(&message, line);
	bl_buf_addf(line, "%s: ", program_name);
	for (from = bl_buf_text(&message); (mark = strstr(from, "##[")); from = mark + 2) {
		bl_buf_add(line, from, (size_t)(mark - from));
		bl_buf_adds(line, "# #");
	}
	bl_buf_adds(line, from);
	bl_buf_addc(line, '\n');
}

static void add_github(struct bl_buf *line, enum bl_log_level level, const char *text,
                       const char *next)
{
	static const char *const commands[] = { "::debug::", "", "::warning ", "::error " };

	if (level == BL_LOG_INFO) {
		add_plain_for_github(line, text, next);
		return;
	}
	bl_buf_adds(line, commands[level]);
	if (level >= BL_LOG_WARN)
		bl_buf_addf(line, "title=%s::", title_now);
	add_escaped_for_github(line, text);
	if (*next) {
		bl_buf_adds(line, "%0A");
		add_escaped_for_github(line, next);
	}
	bl_buf_addc(line, '\n');
}

static void add_json_text(struct bl_buf *line, const char *name, const char *text)
{
	BL_AUTO(bl_buf) clean = BL_BUF(LINE_MAX_BYTES);

	bl_utf8_add(&clean, text, strlen(text));
	pass_failure_on(&clean, line);
	bl_buf_addf(line, ",\"%s\":\"", name);
	for (const char *p = bl_buf_text(&clean); *p; p++) {
		if (*p == '"' || *p == '\\')
			bl_buf_addf(line, "\\%c", *p);
		else if ((unsigned char)*p < 0x20)
			bl_buf_addf(line, "\\u%04x", (unsigned char)*p);
		else
			bl_buf_addc(line, *p);
	}
	bl_buf_addc(line, '"');
}

static void add_json(struct bl_buf *line, enum bl_log_level level, const char *text,
                     const char *next)
{
	static const char *const words[] = { "debug", "info", "warn", "error" };
	char at[BL_UTC_SIZE];

	bl_utc_text(bl_wall_ms(), at);
	bl_buf_addf(line, "{\"at\":\"%s\",\"level\":\"%s\"", at, words[level]);
	add_json_text(line, "program", program_name);
	add_json_text(line, "text", text);
	if (*next)
		add_json_text(line, "next", next);
	bl_buf_adds(line, "}\n");
}

static void emit(enum bl_log_level level, const char *text, const char *next)
{
	BL_AUTO(bl_buf) line = BL_BUF(LINE_MAX_BYTES);

	if (level < lowest_level)
		return;
	if (format_now == BL_LOG_JSON)
		add_json(&line, level, text, next);
	else if (format_now == BL_LOG_GITHUB)
		add_github(&line, level, text, next);
	else
		add_human(&line, level, text, next);
	if (line.failed) { /* without memory the plain words must do */
		dprintf(STDERR_FILENO, "%s: %s\n", program_name, text);
		return;
	}
	/* a message that cannot be written has nowhere to be reported */
	ssize_t ignored = write(STDERR_FILENO, bl_buf_text(&line), line.len);
	(void)ignored;
}

void bl_log(enum bl_log_level level, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	emit(level, text, "");
}

void bl_log_err(enum bl_log_level level, const struct bl_err *err)
{
	emit(level, err->text, err->next);
}
