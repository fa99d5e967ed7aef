/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_OBSERVE_H
#define BL_RUNNER_OBSERVE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * observe's parts. It may die at any moment: that costs metrics and the verdict, never
 * the training, whose output goes on into the ring.
 */
#define OBSERVE_LINE_MAX ((size_t)65536)
#define OBSERVE_TAIL_MAX ((size_t)65536)

/* --- observe_log.c: the file `log`, the output as it came ---
 *
 * What is missing is said in a line of its own: "[branchline: N bytes dropped]". Writing that fails
 * is tried again with the next bytes, and what was lost meanwhile is said then.
 */
struct observe_log {
	int fd; /* -1: no file */
	uint64_t max, size;
	uint64_t over;      /* bytes beyond max */
	uint64_t unwritten; /* bytes since writing began to fail */
	uint64_t *lost;     /* in all, for exit.json */
	int errnum;
	bool at_line_start, over_said;
};
void observe_log_init(struct observe_log *log, int fd, uint64_t max_bytes, uint64_t *lost);
void observe_log_add(struct observe_log *log, const char *bytes, size_t len);
void observe_log_dropped(struct observe_log *log, uint64_t n);
/* The end: beyond the limit or unwritten, the tail is written all the same, if it now can be. */
void observe_log_end(struct observe_log *log, const char *tail, size_t len);

/* --- observe_lines.c: lines of bounded length, for the parsers ---
 *
 * A line ends at \n or \r; ANSI sequences are removed; empty lines and those over
 * OBSERVE_LINE_MAX are not handed on.
 */
struct observe_lines {
	char kept[OBSERVE_LINE_MAX]; /* the beginning of a line whose end has not come */
	size_t len;
	bool too_long;
};
typedef void observe_line_fn(void *arg, const char *line, size_t len);
/* bytes is scratch: its lines are changed in place. */
void observe_lines_feed(struct observe_lines *lines, char *bytes, size_t len, observe_line_fn *fn,
                        void *arg);
/* What has no end is a line as it is. */
void observe_lines_end(struct observe_lines *lines, observe_line_fn *fn, void *arg);

/* --- The last bytes, for the verdict --- */
struct observe_tail {
	char bytes[2 * OBSERVE_TAIL_MAX];
	size_t len;
};
void observe_tail_add(struct observe_tail *tail, const char *bytes, size_t len);
/* At most OBSERVE_TAIL_MAX. */
const char *observe_tail_last(const struct observe_tail *tail, size_t *len);

/* --- observe_echo.c: the output once more, on our stdout ---
 *
 * Never waits for its reader: what does not fit is dropped, counted and said. In GitHub Actions the
 * whole is wrapped so that no line of it is taken for a workflow command.
 */
struct observe_echo {
	int fd; /* -1: off */
	bool never_waits, at_line_start;
	char token[33]; /* "": not wrapped */
	uint64_t dropped;
	struct bl_buf pending;
	size_t sent; /* of pending */
};
#define OBSERVE_ECHO_MAX ((size_t)1 << 20)
void observe_echo_init(struct observe_echo *echo, int fd, bool in_actions);
void observe_echo_add(struct observe_echo *echo, const char *bytes, size_t len);
/* Writes what can be written without waiting; true: some is left. */
bool observe_echo_flush(struct observe_echo *echo);
/* Waits for the reader at most wait_ms in all. */
void observe_echo_end(struct observe_echo *echo, int64_t wait_ms);

#endif
