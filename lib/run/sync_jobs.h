/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SYNC_JOBS_H
#define BL_RUN_SYNC_JOBS_H

#include "run/sync_parts.h"

#define SYNC_PART_BYTES ((uint64_t)8 << 20)
#define SYNC_READY_BYTES ((uint64_t)256 << 20)
#define SYNC_READY_MS 2000

/* One name on its way. */
struct sync_job {
	struct sync_job *next, *before;
	struct sync *sync;
	struct sync_plan *plan; /* owned */
	struct bl_transfer transfer;
	struct sync_temp temp; /* of a download */
	int fd;                /* of an upload's file, or a copy's nameless one */
	bool puts, in_parts;
	uint64_t seen_bytes;
	struct bl_err err;
};

void sync_jobs_add(struct sync_jobs *jobs, struct sync_job *job);
void sync_jobs_remove(struct sync_jobs *jobs, struct sync_job *job);
void sync_job_free(struct sync_job *job); /* with what it has open, and its temporary file */
/* Counts, tells, and adds its line. */
void sync_job_succeeded(struct sync_job *job, struct bl_buf *lines);
/* The job then waits in sync->ready. */
BL_MUST int sync_make_ready(struct sync_job *job, struct bl_err *err);

#endif
