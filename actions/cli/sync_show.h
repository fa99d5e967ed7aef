/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_CLI_SYNC_SHOW_H
#define BL_ACTIONS_CLI_SYNC_SHOW_H

#include "base/buf.h"
#include "run/sync.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What a person sees of a sync, on stderr: on a terminal a bar with rate and ETA, elsewhere a line
 * when all is listed and one a minute; names that were not done, at most 20; at the end one line. A
 * dry run prints the names on stdout.
 */
struct sync_show {
	bool animated, colour, prints, dry_run, bar_shown, listed;
	int width;
	int64_t since_ms, drawn_ms, said_ms;
	uint64_t named, unnamed; /* not done, and said so or not */
	int64_t rate_since_ms;
	uint64_t rate_bytes;
	double rate; /* bytes a second; 0: not known */
};
void sync_show_init(struct sync_show *show, bool prints, bool dry_run);
void sync_show_said(void *arg, const char *act, const char *name, uint64_t size, const char *why);
void sync_show_progress(void *arg, const struct bl_sync_totals *so_far);
void sync_show_end(struct sync_show *show, const struct bl_sync_totals *totals, bool failed);

/* Pure: the bar's text for a terminal of show->width columns, and the last line. */
void sync_show_bar(const struct sync_show *show, const struct bl_sync_totals *so_far,
                   struct bl_buf *out);
void sync_show_sum(const struct sync_show *show, const struct bl_sync_totals *totals, int64_t ms,
                   struct bl_buf *out);

#endif
