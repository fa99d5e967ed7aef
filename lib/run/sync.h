/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SYNC_H
#define BL_RUN_SYNC_H

#include "base/buf.h"
#include "base/call.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes DST hold what SRC holds. Each is s3://bucket[/prefix] or a directory, at least one of them
 * S3. The two lists are merged as they come, in key order, while objects move; what is equal is
 * not touched. Files appear whole (temporary file, rename), objects too (S3). Safe to
 * repeat: a second run goes on where the first was cut.
 */
struct bl_sync_options {
	const char *src, *dst;
	bool delete_extra; /* --delete */
	bool checksum;     /* compare CRC-64/NVME instead of size and time */
	bool dry_run;
	const char *const *rules; /* "+GLOB" or "-GLOB" in order; the last that matches decides */
	size_t n_rules;
	const char *manifest; /* path: JSON lines of what was done; NULL: none */
	unsigned at_once;     /* 0: 16 */
};

struct bl_sync_totals {
	uint64_t listed_src, listed_dst;
	uint64_t moved, moved_bytes, equal, deleted, excluded;
	uint64_t refused; /* names that would leave the target or cannot be there */
	uint64_t failed;
	uint64_t known_bytes; /* to move, as far as listed */
	bool all_listed;
};

/* What one name needs: pure. Side NULL: not there. */
enum bl_sync_act { BL_SYNC_EQUAL, BL_SYNC_MOVE, BL_SYNC_DELETE, BL_SYNC_LEAVE };
struct bl_sync_side {
	uint64_t size;
	int64_t modified_wall_ms;
};
enum bl_sync_act bl_sync_decide(const struct bl_sync_side *src, const struct bl_sync_side *dst,
                                const struct bl_sync_options *options);

/* said: one line per name acted on or refused, for people; progress: after each step. Both may be
 * NULL. */
struct bl_sync_watch {
	void (*said)(void *arg, const char *act, const char *name, uint64_t size);
	void (*progress)(void *arg, const struct bl_sync_totals *so_far);
	void *arg;
};

/* totals is filled also on failure. BL_EINPUT usage; BL_EDATA: some names were refused or failed, the rest
 * was done. */
BL_MUST int bl_sync(const struct bl_sync_options *options, const struct bl_sync_watch *watch,
                    struct bl_sync_totals *totals, struct bl_err *err);

#endif
