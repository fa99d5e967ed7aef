/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "run/sync_jobs.h"

#include <errno.h>
#include <fcntl.h>

/* Downloads that are whole become visible many at once: syncing a disk costs too much for each. */

/* Its time becomes the object's: by that the next run knows it. */
int sync_make_ready(struct sync_job *job, struct bl_err *err)
{
	int64_t ms = job->plan->side.modified_wall_ms;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		                     { .tv_sec = ms / 1000,
		                       .tv_nsec = (long)(ms % 1000) * 1000000 } };
	struct sync *sync = job->sync;

	if (ms >= 0 && futimens(job->temp.fd, times))
		return bl_fail_errno(err, errno, "set its time");
	if (!sync->ready.n)
		sync->ready_since_ms = bl_mono_ms();
	sync->ready_bytes += job->transfer.bytes;
	sync_jobs_add(&sync->ready, job);
	return 0;
}

static bool is_due(const struct sync *sync)
{
	return sync->ready.n >= sync->ready_max || sync->ready_bytes >= SYNC_READY_BYTES ||
	       bl_mono_ms() - sync->ready_since_ms >= SYNC_READY_MS;
}

/* All written or renamed so far outlives a power cut: what waited for that may be claimed. */
static int sync_disk(struct sync *sync, struct bl_err *err)
{
	if (bl_fs_sync_all(sync->dst.root, err))
		return -1;
	sync->renamed = false;
	bl_buf_add(&sync->manifest.lines, bl_buf_text(&sync->manifest.unsynced),
	           sync->manifest.unsynced.len);
	bl_buf_reset(&sync->manifest.unsynced);
	return 0;
}

static void rename_ready(struct sync *sync)
{
	struct bl_err err = { 0 };

	while (sync->ready.first) {
		struct sync_job *job = sync->ready.first;

		sync_jobs_remove(&sync->ready, job);
		BL_FAILPOINT("sync.rename.before");
		if (sync_files_commit(&sync->files, job->plan->name, &job->temp, &err)) {
			sync_failed(sync, job->plan->name, &err);
		} else {
			sync->renamed = true;
			sync_job_succeeded(job, &sync->manifest.unsynced);
		}
		sync_job_free(job);
	}
	sync->ready_bytes = 0;
}

void sync_commit(struct sync *sync, enum sync_due due)
{
	struct bl_err err = { 0 };

	if (sync->ready.n && (due == SYNC_NOW || is_due(sync))) {
		if (sync_disk(sync, &err)) {
			sync_make_fatal(sync, &err);
			return;
		}
		rename_ready(sync);
	}
	if (due == SYNC_NOW && sync->renamed && sync_disk(sync, &err))
		sync_make_fatal(sync, &err);
}
