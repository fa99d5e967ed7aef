/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_WAIT_WORLD_H
#define BL_TESTS_WAIT_WORLD_H

#include "actions/wait/wait_parts.h"
#include "tests/unit/wait_scene.h"

/*
 * A world whose time passes only while somebody waits, with a store and an engine that count what
 * is asked of them as AWS counts.
 */
enum plot { TALKS, IS_SILENT, BOOTS };

extern struct world {
	struct bl_store *inner; /* a directory, that plays a bucket */
	enum plot plot;
	int64_t now_ms, began_ms, hours_ms;
	int64_t beat_ms, chunk_ms; /* written last */
	uint64_t log_end;
	bool has_ended;
	int64_t seq;
	unsigned requests, worst_minute, minute_from; /* of the store and of the probe */
	int64_t minute_ms;
	unsigned probes, ended;
	size_t rss_early, rss_late;
	unsigned fds_early, fds_late;
} world;

/* One attempt of RUN on an instance, bought just now, that will train for so long. */
void world_begin(struct bl_store *store, enum plot plot, int64_t hours_ms);
/* Waits for it without a word on stdout; the clock is the system's again afterwards. */
int world_wait(const struct wait_how *how, struct wait_ended *out, struct bl_err *err);

#endif
