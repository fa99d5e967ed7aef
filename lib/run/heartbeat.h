/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_HEARTBEAT_H
#define BL_RUN_HEARTBEAT_H

#include "run/keys.h"
#include "run/store.h"

/*
 * heartbeats/N.json: replaced by the host every period, so that a poll of a run is one
 * read. Names over their size are cut; metrics and phases over the counts are left out.
 */
#define BL_HEARTBEAT_METRICS 64
#define BL_HEARTBEAT_PHASES 16

/* How far a stream of chunks has come: key of the newest chunk, and where it ends. */
struct bl_stream_mark {
	int64_t offset, end; /* bytes; dropped ones count too */
};

struct bl_heartbeat {
	unsigned attempt;
	int64_t seq;              /* from 1; its movement is the sign of life */
	int64_t at_ms;            /* wall */
	char phase[24];           /* "start" "data" "restore" "training" "flush" ... */
	double step, total_steps; /* NaN unknown */
	size_t n_metrics;
	struct {
		char name[64];
		double value;
	} metrics[BL_HEARTBEAT_METRICS]; /* newest values */
	double cost_usd;                 /* so far; NaN unknown */
	struct {
		char manifest[BL_RUN_KEY_SIZE]; /* key of the newest; "" none yet */
		int64_t at_ms;
		double step; /* NaN unknown */
	} checkpoint;
	struct bl_stream_mark log, metrics_stream;
	size_t n_phases;
	struct {
		char name[24];
		int64_t ms; /* spent in it so far */
	} phases[BL_HEARTBEAT_PHASES];
};

/* Attempt, and unknowns as NaN. */
void bl_heartbeat_init(struct bl_heartbeat *beat, unsigned attempt);

/* The document, for whoever stores it; the buffer's latch tells of failure. */
void bl_heartbeat_encode(const struct bl_heartbeat *beat, struct bl_buf *buf);
BL_MUST int bl_heartbeat_decode(const char *bytes, size_t len, struct bl_heartbeat *out,
                                struct bl_err *err); /* BL_ECORRUPT */

BL_MUST int bl_heartbeat_write(struct bl_store *store, const char *run,
                               const struct bl_heartbeat *beat, struct bl_err *err);
BL_MUST int bl_heartbeat_read(struct bl_store *store, const char *run, unsigned attempt,
                              struct bl_heartbeat *out, struct bl_err *err); /* BL_ENOENT */

#endif
