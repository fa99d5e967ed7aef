/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_PROGRESS_H
#define BL_ACTIONS_PROGRESS_H

#include "base/buf.h"
#include "run/mask.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What a person sees while training runs. The training's own output goes to stdout; around
 * it, on stderr:
 *
 *   a terminal      a bar with rate and ETA, redrawn below the output
 *   GitHub Actions  output in a group, between ::stop-commands:: and its token
 *   anything else   the output as it is
 *
 * Where no bar is redrawn, a line a minute says how far it is.
 */
struct progress {
	bool animated, github, colour;
	int width, out_fd;        /* out_fd: where the training's output goes */
	char phase[24];           /* in people's words */
	double step, total, rate; /* NaN unknown; steps per second */
	char metrics[160];        /* "loss 1.842  lr 0.0003" */
	double rate_step;
	int64_t rate_since_ms, phase_since_ms, drawn_ms, said_ms;
	bool bar_shown, group_open, commands_stopped;
	char token[33];
	struct bl_buf line; /* output since the last line's end */
	const struct bl_mask *mask;
};

void progress_init(struct progress *progress, int out_fd, const struct bl_mask *mask);
void progress_done(struct progress *progress);

void progress_phase(struct progress *progress, const char *phase);
void progress_step(struct progress *progress, double step, double total, const char *metrics);
void progress_note(struct progress *progress, const char *level, const char *text);
/* Bytes of the training's output, as they come. */
void progress_output(struct progress *progress, const char *bytes, size_t len);
/* Time has passed: redraws. Returns milliseconds until it wants to be called again, -1: no need. */
int progress_tick(struct progress *progress);

/* Pure: the bar's text for a terminal of `width` columns. */
void progress_bar(const struct progress *progress, int64_t now_ms, struct bl_buf *out);

#endif
