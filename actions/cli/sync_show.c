/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/sync_show.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NAMED_MAX 20
#define REDRAW_MS 200
#define SAY_MS 60000
#define SAY_BYTES ((uint64_t)64 << 20)
#define RATED_MS 100 /* in less a rate means nothing */
#define RATE_MS 1000
#define BAR_CELLS 24
#define ETA_MAX_S 1e9
#define WIDE 1000

void sync_show_init(struct sync_show *show, bool prints, bool dry_run)
{
	struct winsize size = { 0 };

	*show = (struct sync_show){ .prints = prints, .dry_run = dry_run, .width = 80 };
	show->animated = bl_log_format() == BL_LOG_HUMAN && isatty(STDERR_FILENO);
	show->colour = bl_log_colour(STDERR_FILENO);
	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 20)
		show->width = size.ws_col;
	show->since_ms = show->said_ms = show->rate_since_ms = bl_mono_ms();
}

static void hide_bar(struct sync_show *show)
{
	if (show->bar_shown)
		fputs("\r\033[K", stderr);
	show->bar_shown = false;
}

static void print_name(const char *act, const char *name, uint64_t size)
{
	BL_AUTO(bl_buf) line = BL_BUF(16384);

	bl_buf_addf(&line, "%-8s  ", act);
	if (strcmp(act, "delete") != 0) {
		size_t before = line.len;

		bl_str_add_bytes(&line, size);
		while (line.len < before + 10)
			bl_buf_addc(&line, ' ');
		bl_buf_addc(&line, ' ');
	} else {
		bl_buf_addf(&line, "%-11s", "");
	}
	bl_log_add_text(&line, name);
	puts(bl_buf_text(&line));
}

void sync_show_said(void *arg, const char *act, const char *name, uint64_t size, const char *why)
{
	struct sync_show *show = arg;
	BL_AUTO(bl_buf) text = BL_BUF(16384);

	if (!why) {
		if (!show->prints)
			return;
		hide_bar(show);
		print_name(act, name, size);
		return;
	}
	if (show->named >= NAMED_MAX) {
		show->unnamed++;
		return;
	}
	show->named++;
	bl_log_add_text(&text, name);
	hide_bar(show);
	if (!strcmp(act, "note"))
		bl_log(BL_LOG_WARN, "%s: %s", bl_buf_text(&text), why);
	else
		bl_log(BL_LOG_WARN, "%s %s: %s", act, bl_buf_text(&text), why);
}

/* --- The bar --------------------------------------------------------------------------------- */

static uint64_t bytes_so_far(const struct bl_sync_totals *totals)
{
	return totals->moved_bytes + totals->under_way_bytes;
}

static void add_cells(const struct sync_show *show, double share, struct bl_buf *out)
{
	int full = (int)(share * BAR_CELLS);

	bl_buf_adds(out, show->colour ? "\033[32m" : "");
	for (int i = 0; i < full; i++)
		bl_buf_adds(out, "━");
	bl_buf_adds(out, show->colour ? "\033[2;37m" : "");
	for (int i = full; i < BAR_CELLS; i++)
		bl_buf_adds(out, show->colour ? "━" : "─");
	bl_buf_adds(out, show->colour ? "\033[0m" : "");
}

static void add_plural(struct bl_buf *out, uint64_t n)
{
	bl_buf_addf(out, "%" PRIu64 " %s", n, n == 1 ? "file" : "files");
}

static void add_pace(const struct sync_show *show, const struct bl_sync_totals *so_far,
                     struct bl_buf *out)
{
	uint64_t done = bytes_so_far(so_far);
	double left_s;

	if (!(show->rate > 0))
		return;
	bl_buf_adds(out, "  ");
	bl_str_add_bytes(out, (uint64_t)show->rate);
	bl_buf_adds(out, "/s");
	if (!so_far->all_listed || done >= so_far->known_bytes)
		return;
	left_s = (double)(so_far->known_bytes - done) / show->rate;
	if (left_s < 1 || left_s > ETA_MAX_S)
		return;
	bl_buf_adds(out, "  ETA ");
	bl_str_add_duration(out, (int64_t)(left_s * 1000));
}

/* "12 of 30 files, 1.2 GiB of 3.4 GiB"; with '+' while the list is not at its end. */
static void add_counts(const struct bl_sync_totals *so_far, struct bl_buf *out)
{
	const char *more = so_far->all_listed ? "" : "+";

	bl_buf_addf(out, "%" PRIu64 "/%" PRIu64 "%s files  ", so_far->moved, so_far->known, more);
	bl_str_add_bytes(out, bytes_so_far(so_far));
	bl_buf_addc(out, '/');
	bl_str_add_bytes(out, so_far->known_bytes);
	bl_buf_adds(out, more);
}

static void add_bar_text(const struct sync_show *show, const struct bl_sync_totals *so_far,
                         struct bl_buf *out)
{
	if (!so_far->known && !so_far->listed_src)
		return;
	if (!so_far->known) {
		bl_buf_addf(out, "  %" PRIu64 " names compared", so_far->listed_src);
		return;
	}
	bl_buf_adds(out, "  ");
	add_counts(so_far, out);
	add_pace(show, so_far, out);
}

void sync_show_bar(const struct sync_show *show, const struct bl_sync_totals *so_far,
                   struct bl_buf *out)
{
	double share = so_far->known_bytes && so_far->all_listed
	                       ? (double)bytes_so_far(so_far) / (double)so_far->known_bytes
	                       : -1;
	BL_AUTO(bl_buf) text = BL_BUF(512);
	int used = 8;

	bl_buf_addf(out, "%s%-8s%s", show->colour ? "\033[1m" : "",
	            share < 0 && !so_far->known ? "listing" : "syncing",
	            show->colour ? "\033[0m" : "");
	if (share > 0.99 && so_far->moved < so_far->known)
		share = 0.99;
	share = share > 1 ? 1 : share;
	add_bar_text(show, so_far, &text);
	if (share >= 0 && used + BAR_CELLS + 7 + (int)text.len < show->width) {
		add_cells(show, share, out);
		bl_buf_addf(out, " %3.0f %%", share * 100);
		used += BAR_CELLS + 6;
	}
	bl_buf_addf(out, "%.*s", show->width - 1 - used, bl_buf_text(&text));
}

static void measure(struct sync_show *show, const struct bl_sync_totals *so_far, int64_t now)
{
	uint64_t done = bytes_so_far(so_far);
	double rate;

	if (now - show->rate_since_ms < RATE_MS)
		return;
	rate = done > show->rate_bytes ? (double)(done - show->rate_bytes) /
	                                         ((double)(now - show->rate_since_ms) / 1000)
	                               : 0;
	show->rate = show->rate > 0 ? 0.7 * show->rate + 0.3 * rate : rate;
	show->rate_since_ms = now;
	show->rate_bytes = done;
}

/* Where nothing is redrawn, a line between listing and moving, if there is much to move. */
static void say_listed(const struct bl_sync_totals *so_far)
{
	uint64_t left = so_far->known_bytes - bytes_so_far(so_far);
	BL_AUTO(bl_buf) text = BL_BUF(512);

	if (bytes_so_far(so_far) > so_far->known_bytes || left < SAY_BYTES)
		return;
	bl_buf_addf(&text, "%" PRIu64 " names listed, ", so_far->listed_src);
	add_plural(&text, so_far->known - so_far->moved);
	bl_buf_adds(&text, " to go, ");
	bl_str_add_bytes(&text, left);
	bl_log(BL_LOG_INFO, "%s", bl_buf_text(&text));
}

void sync_show_progress(void *arg, const struct bl_sync_totals *so_far)
{
	struct sync_show *show = arg;
	BL_AUTO(bl_buf) text = BL_BUF(2048);
	int64_t now = bl_mono_ms();

	measure(show, so_far, now);
	if (show->animated && now - show->drawn_ms >= REDRAW_MS) {
		sync_show_bar(show, so_far, &text);
		fprintf(stderr, "\r\033[K%s", bl_buf_text(&text));
		show->bar_shown = true;
		show->drawn_ms = now;
	}
	if (!show->animated && so_far->all_listed && !show->listed) {
		show->listed = true;
		say_listed(so_far);
	}
	if (show->animated || now - show->said_ms < SAY_MS)
		return;
	show->said_ms = now;
	add_counts(so_far, &text);
	add_pace(show, so_far, &text);
	bl_log(BL_LOG_INFO, "%s", bl_buf_text(&text));
}

/* --- The end --------------------------------------------------------------------------------- */

static void add_count(struct bl_buf *out, uint64_t n, const char *what)
{
	if (n)
		bl_buf_addf(out, ", %" PRIu64 " %s", n, what);
}

void sync_show_sum(const struct sync_show *show, const struct bl_sync_totals *totals, int64_t ms,
                   struct bl_buf *out)
{
	bl_buf_adds(out, show->dry_run ? "would sync " : "synced ");
	add_plural(out, totals->moved);
	bl_buf_adds(out, ", ");
	bl_str_add_bytes(out, totals->moved_bytes);
	if (!show->dry_run) {
		bl_buf_adds(out, " in ");
		bl_str_add_duration(out, ms);
		if (totals->moved_bytes && ms >= RATED_MS) {
			bl_buf_adds(out, " (");
			bl_str_add_bytes(
				out, (uint64_t)((double)totals->moved_bytes * 1000 / (double)ms));
			bl_buf_adds(out, "/s)");
		}
	}
	bl_buf_addf(out, ", %" PRIu64 " equal, %" PRIu64 " %s", totals->equal, totals->deleted,
	            show->dry_run ? "to delete" : "deleted");
	add_count(out, totals->excluded, "excluded");
	add_count(out, totals->skipped, "skipped");
	add_count(out, totals->refused, "refused");
	add_count(out, totals->failed, "failed");
}

void sync_show_end(struct sync_show *show, const struct bl_sync_totals *totals, bool failed)
{
	BL_AUTO(bl_buf) text = BL_BUF(1024);

	hide_bar(show);
	fflush(stdout);
	if (show->unnamed)
		bl_log(BL_LOG_WARN, "and %" PRIu64 " more", show->unnamed);
	if (failed && !totals->listed_src && !totals->listed_dst)
		return; /* it did not come to that */
	sync_show_sum(show, totals, bl_mono_ms() - show->since_ms, &text);
	bl_log(BL_LOG_INFO, "%s", bl_buf_text(&text));
}
