/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STREAM_H
#define BL_RUN_STREAM_H

#include "run/keys.h"
#include "run/store.h"

/*
 * The streams of a run: logs/N/OFFSET.log and metrics/N/OFFSET.jsonl, write-once chunks
 * whose key order is the stream, of all attempts in turn. OFFSET counts from the attempt's start,
 * bytes that were dropped on the way too: a gap between chunks is what was dropped. A chunk may end
 * within a line.
 */
enum bl_stream { BL_STREAM_LOG, BL_STREAM_METRICS };

/* Where a reader stands, between two chunks. Zero: at the start. */
struct bl_cursor {
	unsigned attempt;
	uint64_t offset;
};

struct bl_piece {
	unsigned attempt;
	uint64_t offset;   /* of its first byte */
	const char *bytes; /* len, not NUL-terminated; valid during the call */
	size_t len;
	uint64_t dropped; /* bytes missing just before it */
};
/* A non-zero return ends the reading and is returned. */
typedef int bl_piece_fn(void *arg, const struct bl_piece *piece, struct bl_err *err);

/* Key of one chunk. */
struct bl_key bl_stream_key(const char *run, enum bl_stream stream, unsigned attempt,
                            uint64_t offset);

/*
 * Calls fn for each chunk that is stored after `cursor`, which moves with every piece taken;
 * 0 when none is left. Call again to follow a run that goes on.
 */
BL_MUST int bl_stream_read(struct bl_store *store, const char *run, enum bl_stream stream,
                           struct bl_cursor *cursor, bl_piece_fn *fn, void *arg,
                           struct bl_err *err);

/*
 * Appends the last `lines` lines (a last one without '\n' counts), reading chunks from the end:
 * fewer when they are over max_bytes, then from a line's start where one is within them. `end`
 * (may be NULL): where to go on with bl_stream_read().
 */
BL_MUST int bl_stream_tail(struct bl_store *store, const char *run, enum bl_stream stream,
                           size_t lines, size_t max_bytes, struct bl_buf *out,
                           struct bl_cursor *end, struct bl_err *err);

#endif
