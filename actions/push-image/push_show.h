/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_PUSH_SHOW_H
#define BL_ACTIONS_PUSH_SHOW_H

#include "run/image.h"

/*
 * What a person sees of a push, on stderr: on a terminal a line with rate and ETA while it takes
 * long, elsewhere one a minute.
 */
struct push_show {
	bool animated, shown;
	int64_t since_ms, drawn_ms, said_ms;
};
void push_show_init(struct push_show *show);
/* For struct bl_image_options; arg is the show. */
void push_show_progress(void *arg, uint64_t sent, uint64_t total);
void push_show_say(void *arg, const char *text);
void push_show_end(struct push_show *show);

/* What came of it. */
struct pushed {
	const struct bl_image *image;
	const char *name; /* "registry/repository@sha256:..." */
	const char *sha, *base;
	bool base_built;
	uint64_t requests, sent_bytes;
	double seconds;
};
/* Pure: "1.1 MB in 0.08 s, 10 requests; ..."; a table in Markdown; JSON. */
void push_show_line(const struct pushed *pushed, struct bl_buf *out);
void push_show_table(const struct pushed *pushed, struct bl_buf *out);
void push_show_json(const struct pushed *pushed, struct bl_buf *out);

#endif
