/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SYNC_H
#define BL_RUN_SYNC_H

#include "base/call.h"
#include "base/err.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Makes DST hold what SRC holds. Each is s3://bucket[/prefix] or a directory, at least one of them
 * S3. The two lists are merged as they come, in key order, while objects move; what is equal is
 * not touched. Files appear whole (temporary file, rename), objects too (S3). Safe to
 * repeat: a second run goes on where the first was cut. docs/sync.md is the guide.
 */
struct bl_sync_options {
	const char *src, *dst;
	bool delete_extra; /* --delete */
	bool checksum;     /* compare CRC-64/NVME instead of size and time */
	bool dry_run;
	/* "+GLOB" or "-GLOB" in order; the last that matches decides. A GLOB matches a name, or a
	 * directory above it and so all below; without '/' it is compared with each part. */
	const char *const *rules;
	size_t n_rules;
	const char *manifest;              /* path: JSON lines of what was done; NULL: none */
	unsigned at_once;                  /* 0: 16 */
	const char *bucket_owner;          /* of both buckets; NULL: as in aws/s3.h */
	bool sha256;                       /* uploads carry SHA-256 instead of CRC-64/NVME */
	const volatile sig_atomic_t *stop; /* not 0: end now (BL_ECANCELLED); NULL: never */
};

struct bl_sync_totals {
	uint64_t listed_src, listed_dst;
	uint64_t moved, moved_bytes, equal, deleted, excluded;
	uint64_t skipped; /* links, special files, directory markers */
	uint64_t refused; /* names that would leave the target or cannot be there */
	uint64_t failed;
	uint64_t under_way_bytes;    /* of files not yet whole */
	uint64_t known, known_bytes; /* to move, as far as listed */
	bool all_listed;
};

/* What one name needs: pure. Side NULL: not there. LOOK: only the checksums can tell. */
enum bl_sync_act { BL_SYNC_EQUAL, BL_SYNC_MOVE, BL_SYNC_DELETE, BL_SYNC_LEAVE, BL_SYNC_LOOK };
struct bl_sync_side {
	uint64_t size;
	int64_t modified_wall_ms;
};
enum bl_sync_act bl_sync_decide(const struct bl_sync_side *src, const struct bl_sync_side *dst,
                                const struct bl_sync_options *options);

/*
 * said      one call per name acted on or not: "upload" "download" "copy" "delete" when it is done
 *           (a dry run: would be), "skipped" "refused" "failed" "note" with why; else why is NULL
 * progress  after each step
 * Both may be NULL.
 */
struct bl_sync_watch {
	void (*said)(void *arg, const char *act, const char *name, uint64_t size, const char *why);
	void (*progress)(void *arg, const struct bl_sync_totals *so_far);
	void *arg;
};

/*
 * totals is filled also on failure. Some names refused or failed, the rest done: BL_EDATA, or the
 * failures' own code where they agree (BL_EDENIED, BL_ERETRY, BL_ETIMEOUT). BL_EINPUT usage,
 * BL_ENOSPC disk full, BL_ECANCELLED stopped.
 */
BL_MUST int bl_sync(const struct bl_sync_options *options, const struct bl_sync_watch *watch,
                    struct bl_sync_totals *totals, struct bl_err *err);

#endif
