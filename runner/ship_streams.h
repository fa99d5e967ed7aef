/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_SHIP_STREAMS_H
#define BL_RUNNER_SHIP_STREAMS_H

#include "base/buf.h"
#include "run/mask.h"
#include "run/metrics.h"
#include "run/store.h"
#include "run/stream.h"

/*
 * Two files that observe appends to (the captured log, the normalised metrics)
 * become write-once chunks in the store: closed at 1 MiB, or when their first
 * byte has waited `wait_ms`. The name of a chunk is its offset in the stream.
 */
#define STREAM_CHUNK_BYTES (1u << 20)

struct stream {
	enum bl_stream which;
	struct bl_mask *mask; /* NULL: none */
	int fd;               /* of the file, -1 until it is there */
	uint64_t read;        /* bytes taken from the file */
	uint64_t newest;      /* offset of the newest chunk stored */
	uint64_t stored;      /* where it ends */
	struct bl_buf held;   /* bytes from `stored` on that wait for their chunk */
	int64_t since_mono_ms;
};

/* Finds where an earlier ship of this attempt left off. */
BL_MUST int stream_open(struct stream *stream, struct bl_store *store, const char *run,
                        unsigned attempt, struct bl_err *err);

/*
 * Takes what is new in the file at `path`, as far as there is room, and stores nothing: what the
 * training does is known also while the store cannot be reached.
 */
BL_MUST int stream_read(struct stream *stream, const char *path, struct bl_latest *latest,
                        struct bl_err *err);

/*
 * Takes what is new in the file at `path`, stores the chunks that are due (all, when
 * `last`). latest (may be NULL) is fed with what was read.
 */
BL_MUST int stream_pump(struct stream *stream, struct bl_store *store, const char *run,
                        unsigned attempt, const char *path, int64_t wait_ms, bool last,
                        struct bl_latest *latest, struct bl_err *err);

void stream_done(struct stream *stream);

#endif
