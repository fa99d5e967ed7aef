/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/progress.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536
#define REDRAW_MS 200
#define RATE_MS 5000
#define BAR_CELLS 24
#define SAY_MS 60000
#define WIDE 1000
#define ETA_MAX_MS 1e13 /* three centuries */

static void put(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EAGAIN) { /* whoever shares it has made it non-blocking */
			struct pollfd room = { .fd = fd, .events = POLLOUT };

			if (poll(&room, 1, -1) == 1)
				continue;
		}
		if (n <= 0) /* a closed terminal must not end the supervision */
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

static void puts_to(int fd, const char *text)
{
	put(fd, text, strlen(text));
}

void progress_init(struct progress *progress, int out_fd, const struct bl_mask *mask)
{
	struct winsize size = { 0 };
	struct bl_err err = { 0 };

	*progress = (struct progress){ .step = NAN, .total = NAN, .rate = NAN, .rate_step = NAN };
	progress->mask = mask;
	progress->out_fd = out_fd;
	progress->line = BL_BUF(2 * LINE_MAX_BYTES);
	progress->github = bl_log_format() == BL_LOG_GITHUB;
	progress->animated =
		!progress->github && bl_log_format() == BL_LOG_HUMAN && isatty(STDERR_FILENO);
	progress->colour = bl_log_colour(STDERR_FILENO);
	progress->width = 80;
	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 20)
		progress->width = size.ws_col;
	progress->phase_since_ms = progress->said_ms = bl_mono_ms();
	if (bl_str_random(progress->token, sizeof(progress->token) - 1, &err))
		progress->token[0] = '\0'; /* then output is not shown in Actions at all */
}

static void add_bar(struct bl_buf *out, double share, bool colour)
{
	int full = (int)(share * BAR_CELLS);

	bl_buf_adds(out, colour ? "\033[32m" : "");
	for (int i = 0; i < full; i++)
		bl_buf_adds(out, "━");
	bl_buf_adds(out, colour ? "\033[2;37m" : "");
	for (int i = full; i < BAR_CELLS; i++)
		bl_buf_adds(out, colour ? "━" : "─");
	bl_buf_adds(out, colour ? "\033[0m" : "");
}

/* Columns that UTF-8 text without wide characters takes; escape sequences take none. */
static int columns(const char *text)
{
	int n = 0;

	for (; *text; text++) {
		if (*text == '\033') {
			while (*text && *text != 'm')
				text++;
			if (!*text)
				break;
		} else if (((unsigned char)*text & 0xc0) != 0x80) {
			n++;
		}
	}
	return n;
}

static void add_part(struct bl_buf *out, int width, const struct bl_buf *part)
{
	if (columns(bl_buf_text(out)) + columns(bl_buf_text(part)) < width)
		bl_buf_adds(out, bl_buf_text(part));
}

static bool is_counted(const struct progress *progress)
{
	return isfinite(progress->step) && isfinite(progress->total) && progress->total > 0;
}

/* In the unit that shows a step of seconds, minutes or hours as more than nothing. */
static void add_rate(double per_s, struct bl_buf *out)
{
	double rate = per_s >= 0.5 ? per_s : per_s >= 0.5 / 60 ? per_s * 60 : per_s * 3600;
	const char *unit = per_s >= 0.5 ? "s" : per_s >= 0.5 / 60 ? "min" : "h";

	bl_buf_addf(out, "  %.*f steps/%s", rate < 10 ? 1 : 0, rate, unit);
}

/* Speed and the newest metrics, as far as they fit. */
static void add_pace(const struct progress *progress, int width, struct bl_buf *out)
{
	BL_AUTO(bl_buf) part = BL_BUF(1024);
	double left_ms = is_counted(progress)
	                         ? (progress->total - progress->step) / progress->rate * 1000
	                         : NAN;

	if (progress->rate > 0 && left_ms >= 0 && left_ms < ETA_MAX_MS) {
		bl_buf_adds(&part, "  ETA ");
		bl_str_add_duration(&part, (int64_t)left_ms);
		add_part(out, width, &part);
	}
	if (progress->rate > 0 && isfinite(progress->rate)) {
		bl_buf_reset(&part);
		add_rate(progress->rate, &part);
		add_part(out, width, &part);
	}
	if (*progress->metrics) {
		bl_buf_reset(&part);
		bl_buf_addf(&part, "  %s", progress->metrics);
		add_part(out, width, &part);
	}
}

void progress_bar(const struct progress *progress, int64_t now_ms, struct bl_buf *out)
{
	BL_AUTO(bl_buf) part = BL_BUF(1024);

	bl_buf_addf(out, "%s%-8s%s ", progress->colour ? "\033[1m" : "", progress->phase,
	            progress->colour ? "\033[0m" : "");
	if (is_counted(progress)) {
		double share = progress->step / progress->total;

		share = share > 1 ? 1 : share < 0 ? 0 : share;
		add_bar(out, share, progress->colour);
		bl_buf_addf(out, " %3.0f %%", share * 100);
		bl_buf_addf(&part, "  %.0f/%.0f", progress->step, progress->total);
		add_part(out, progress->width, &part);
	} else if (isfinite(progress->step)) {
		bl_buf_addf(out, "step %.0f", progress->step);
	}
	if (!is_counted(progress) || !(progress->rate > 0)) {
		bl_buf_reset(&part);
		bl_buf_adds(&part, "  ");
		bl_str_add_duration(&part, now_ms - progress->phase_since_ms);
		add_part(out, progress->width, &part);
	}
	add_pace(progress, progress->width, out);
}

static void hide_bar(struct progress *progress)
{
	if (progress->bar_shown)
		puts_to(STDERR_FILENO, "\r\033[K");
	progress->bar_shown = false;
}

static void show_bar(struct progress *progress)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	int64_t now = bl_mono_ms();

	if (!progress->animated || !*progress->phase)
		return;
	bl_buf_adds(&text, "\r\033[K");
	BL_AUTO(bl_buf) bar = BL_BUF(4096);
	progress_bar(progress, now, &bar);
	bl_buf_adds(&text, bl_buf_text(&bar));
	put(STDERR_FILENO, bl_buf_text(&text), text.len);
	progress->bar_shown = true;
	progress->drawn_ms = now;
}

/* Between these two nothing that training prints is a command to the runner. */
static void stop_commands(struct progress *progress)
{
	char text[64];

	if (!progress->github || progress->commands_stopped)
		return;
	snprintf(text, sizeof(text), "::stop-commands::%s\n", progress->token);
	puts_to(progress->out_fd, text);
	progress->commands_stopped = true;
}

static void resume_commands(struct progress *progress)
{
	char text[64];

	if (!progress->commands_stopped)
		return;
	snprintf(text, sizeof(text), "::%s::\n", progress->token);
	puts_to(progress->out_fd, text);
	progress->commands_stopped = false;
}

/* Passes the line on but for `keep` bytes: a secret that begins in them is not whole yet. */
static void put_masked(struct progress *progress, size_t keep)
{
	struct bl_buf *line = &progress->line;
	size_t n = line->len > keep ? line->len - keep : 0;

	bl_mask_apply(progress->mask, line->data, line->len);
	put(progress->out_fd, bl_buf_text(line), n);
	bl_buf_drop(line, n);
}

static void flush_line(struct progress *progress)
{
	if (progress->line.len && progress->line.data[progress->line.len - 1] != '\n')
		bl_buf_addc(&progress->line, '\n');
	put_masked(progress, 0);
}

/* All that training prints is folded away. */
static void open_group(struct progress *progress)
{
	if (!progress->github || progress->group_open)
		return;
	puts_to(progress->out_fd, "::group::branchline: output of the command\n");
	progress->group_open = true;
}

static void close_group(struct progress *progress)
{
	if (progress->line.len)
		flush_line(progress);
	resume_commands(progress);
	if (progress->group_open)
		puts_to(progress->out_fd, "::endgroup::\n");
	progress->group_open = false;
}

/* What a person calls the supervisor's phases. */
static const char *word_of(const char *phase)
{
	static const char *const words[][2] = { { "claim", "starting" },
		                                { "restore", "restoring" },
		                                { "start", "starting" },
		                                { "flush", "saving" },
		                                { "end", "saving" } };

	for (size_t i = 0; i < BL_COUNT(words); i++)
		if (!strcmp(phase, words[i][0]))
			return words[i][1];
	return phase;
}

void progress_phase(struct progress *progress, const char *phase)
{
	const char *word = word_of(phase);

	if (!strcmp(word, progress->phase))
		return;
	snprintf(progress->phase, sizeof(progress->phase), "%s", word);
	progress->phase_since_ms = progress->said_ms = bl_mono_ms();
	progress->rate = NAN;
	progress->rate_step = NAN;
	close_group(progress);
	show_bar(progress);
}

/* Where nothing is redrawn, a line now and then: how far, how fast, how long still. */
static void say_step(struct progress *progress, int64_t now)
{
	BL_AUTO(bl_buf) text = BL_BUF(1024);

	if (now - progress->said_ms < SAY_MS)
		return;
	progress->said_ms = now;
	bl_buf_addf(&text, "step %.0f", progress->step);
	if (progress->total > 0)
		bl_buf_addf(&text, " of %.0f", progress->total);
	add_pace(progress, WIDE, &text);
	hide_bar(progress);
	bl_log(BL_LOG_INFO, "%s", bl_buf_text(&text));
}

void progress_step(struct progress *progress, double step, double total, const char *metrics)
{
	int64_t now = bl_mono_ms();

	progress->step = step;
	progress->total = total;
	snprintf(progress->metrics, sizeof(progress->metrics), "%s", metrics);
	if (isnan(progress->rate_step) || step < progress->rate_step) {
		progress->rate_step = step;
		progress->rate_since_ms = now;
	} else if (step > progress->rate_step && now - progress->rate_since_ms >= 1000) {
		double rate = (step - progress->rate_step) /
		              ((double)(now - progress->rate_since_ms) / 1000);

		progress->rate = isnan(progress->rate) ? rate : 0.6 * progress->rate + 0.4 * rate;
		if (now - progress->rate_since_ms >= RATE_MS) {
			progress->rate_step = step;
			progress->rate_since_ms = now;
		}
	}
	if (progress->animated)
		show_bar(progress);
	else if (isfinite(step))
		say_step(progress, now);
}

void progress_note(struct progress *progress, const char *level, const char *text)
{
	enum bl_log_level how = !strcmp(level, "warn") ? BL_LOG_WARN : BL_LOG_INFO;

	hide_bar(progress);
	if (progress->line.len && progress->github)
		flush_line(progress);
	resume_commands(progress);
	bl_log(how, "%s", text);
	show_bar(progress);
}

void progress_output(struct progress *progress, const char *bytes, size_t len)
{
	if (!len || (progress->github && !*progress->token))
		return;
	hide_bar(progress);
	open_group(progress);
	stop_commands(progress);
	while (len) {
		size_t n = len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES;
		const char *end = memrchr(bytes, '\n', n);

		if (end)
			n = (size_t)(end - bytes) + 1;
		bl_buf_add(&progress->line, bytes, n);
		if (end || progress->line.len >= LINE_MAX_BYTES)
			put_masked(progress, end ? 0 : bl_mask_overlap(progress->mask));
		bytes += n;
		len -= n;
	}
	show_bar(progress);
}

int progress_tick(struct progress *progress)
{
	if (!progress->animated)
		return -1;
	if (bl_mono_ms() - progress->drawn_ms >= REDRAW_MS)
		show_bar(progress);
	return REDRAW_MS;
}

void progress_done(struct progress *progress)
{
	hide_bar(progress);
	if (progress->line.len)
		flush_line(progress);
	close_group(progress);
	bl_buf_done(&progress->line);
}
