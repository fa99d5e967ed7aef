/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync_jobs.h"

#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_MAX 64
#define STALE_MS (24 * 3600000ll)

/* --- Queues ---------------------------------------------------------------------------------- */

void sync_jobs_add(struct sync_jobs *jobs, struct sync_job *job)
{
	job->next = NULL;
	job->before = jobs->last;
	if (jobs->last)
		jobs->last->next = job;
	else
		jobs->first = job;
	jobs->last = job;
	jobs->n++;
}

void sync_jobs_remove(struct sync_jobs *jobs, struct sync_job *job)
{
	if (job->before)
		job->before->next = job->next;
	else
		jobs->first = job->next;
	if (job->next)
		job->next->before = job->before;
	else
		jobs->last = job->before;
	jobs->n--;
}

void sync_job_free(struct sync_job *job)
{
	struct sync *sync = job->sync;

	sync->totals->under_way_bytes -= job->seen_bytes;
	sync_files_drop(&sync->files, job->plan->name, &job->temp);
	bl_fd_done(&job->fd);
	free(job->plan);
	job->next = sync->spare; /* the next one takes its place */
	sync->spare = job;
}

/* All zero. NULL: out of memory. */
static struct sync_job *new_job(struct sync *sync)
{
	struct sync_job *job = sync->spare;

	if (!job)
		return calloc(1, sizeof(*job));
	sync->spare = job->next;
	*job = (struct sync_job){ 0 };
	return job;
}

static void free_all(struct sync_jobs *jobs)
{
	while (jobs->first) {
		struct sync_job *job = jobs->first;

		sync_jobs_remove(jobs, job);
		sync_job_free(job);
	}
}

void sync_jobs_done(struct sync *sync)
{
	free_all(&sync->running);
	free_all(&sync->finished);
	free_all(&sync->ready);
	while (sync->spare) {
		struct sync_job *job = sync->spare;

		sync->spare = job->next;
		free(job);
	}
	while (sync->plans) {
		struct sync_plan *plan = sync->plans;

		sync->plans = plan->next;
		free(plan);
	}
}

/* --- Starting -------------------------------------------------------------------------------- */

/* May come while another call waits: only notes it. */
static void transfer_done(void *arg, struct bl_transfer *transfer, struct bl_err *err)
{
	struct sync_job *job = arg;

	(void)transfer;
	job->err = *err;
	sync_jobs_remove(&job->sync->running, job);
	sync_jobs_add(&job->sync->finished, job);
}

static void show_bytes(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct sync_job *job = arg;

	(void)total_bytes;
	job->sync->totals->under_way_bytes += done_bytes - job->seen_bytes;
	job->seen_bytes = done_bytes;
}

static int key_of(const struct sync_place *place, const char *name, char key[SYNC_KEY_MAX + 1],
                  struct bl_err *err)
{
	if (snprintf(key, SYNC_KEY_MAX + 1, "%s%s", place->prefix, name) > SYNC_KEY_MAX)
		return bl_fail(err, BL_EDATA, "over the 1,024 bytes of a key");
	return 0;
}

/* Old uploads that nobody will finish, once per run that makes some itself. */
static void tidy_uploads(struct sync *sync)
{
	struct bl_err err = { 0 };
	unsigned ended = 0;

	if (sync->tidied)
		return;
	sync->tidied = true;
	if (bl_s3_abort_stale(sync->dst.s3, NULL, sync->dst.prefix, STALE_MS, &ended, &err))
		sync_say(sync, "note", sync->dst.word, 0, err.text);
}

static int start_put(struct sync_job *job, struct bl_err *err)
{
	struct sync *sync = job->sync;
	char key[SYNC_KEY_MAX + 1];

	if (key_of(&sync->dst, job->plan->name, key, err))
		return -1;
	job->transfer = (struct bl_transfer){ .upload = true, .key = key, .fd = job->fd };
	job->transfer.size = job->plan->side.size;
	if (job->plan->side.size > SYNC_PART_BYTES) {
		tidy_uploads(sync);
		sync_journal_add(&sync->journal, SYNC_BEGUN, key);
		job->in_parts = true;
	}
	job->transfer.call.progress = sync->way == SYNC_COPY ? NULL : show_bytes;
	job->transfer.call.arg = job->transfer.arg = job;
	job->transfer.done = transfer_done;
	job->puts = true;
	BL_FAILPOINT("sync.put.before");
	return bl_transfer_start(sync->put, &job->transfer, err);
}

static int start_get(struct sync_job *job, int fd, struct bl_err *err)
{
	struct sync *sync = job->sync;
	char key[SYNC_KEY_MAX + 1];

	if (key_of(&sync->src, job->plan->name, key, err))
		return -1;
	job->transfer = (struct bl_transfer){
		.key = key, .etag = job->plan->etag, .size = job->plan->side.size, .fd = fd
	};
	job->transfer.call.progress = show_bytes;
	job->transfer.call.arg = job->transfer.arg = job;
	job->transfer.done = transfer_done;
	return bl_transfer_start(sync->get, &job->transfer, err);
}

static int open_source(struct sync_job *job, struct bl_err *err)
{
	struct sync *sync = job->sync;
	struct stat st;

	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	if (bl_fs_open_beneath(sync->src.root, job->plan->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
	                       0, &job->fd, err))
		return -1;
	if (fstat(job->fd, &st))
		return bl_fail_errno(err, errno, "stat");
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_EDATA, "it is no longer a file");
	sync->totals->known_bytes += (uint64_t)st.st_size - job->plan->side.size;
	job->plan->side.size = (uint64_t)st.st_size;
	return 0;
}

/* A file without a name: nothing of it stays, however this ends. */
static int open_nameless(int *out, struct bl_err *err)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && snprintf(path, sizeof(path), "%s/.bl-XXXXXX", dir) < (int)sizeof(path)) {
		fd = mkostemp(path, O_CLOEXEC); /* a file system without O_TMPFILE */
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0) {
		bl_fail_errno(err, errno, "a temporary file in '%.200s'", dir);
		return bl_next(err, "set TMPDIR to a directory with room");
	}
	*out = fd;
	return 0;
}

static int start(struct sync_job *job, struct bl_err *err)
{
	switch (job->sync->way) {
	case SYNC_UPLOAD:
		return open_source(job, err) || start_put(job, err) ? -1 : 0;
	case SYNC_COPY:
		return open_nameless(&job->fd, err) || start_get(job, job->fd, err) ? -1 : 0;
	default:
		if (sync_files_temp(&job->sync->files, job->plan->name, &job->temp, err))
			return -1;
		BL_FAILPOINT("sync.temp.after");
		return start_get(job, job->temp.fd, err);
	}
}

static const char *const acts[] = {
	[SYNC_UPLOAD] = "upload",
	[SYNC_DOWNLOAD] = "download",
	[SYNC_COPY] = "copy",
};

/* What is in the way of a download is refused, not failed. */
static void not_started(struct sync *sync, const struct sync_plan *plan, struct bl_err *err)
{
	if (sync->way != SYNC_DOWNLOAD || err->code != BL_EDATA) {
		sync_failed(sync, plan->name, err);
		return;
	}
	sync->totals->refused++;
	sync_say(sync, "refused", plan->name, plan->side.size, err->text);
	bl_err_clear(err);
}

static void only_say(struct sync *sync, const struct sync_plan *plan)
{
	struct bl_err err = { 0 };

	if (sync->way == SYNC_DOWNLOAD && sync_files_check(&sync->files, plan->name, &err)) {
		not_started(sync, plan, &err);
		return;
	}
	sync->totals->moved++;
	sync->totals->moved_bytes += plan->side.size;
	sync_say(sync, acts[sync->way], plan->name, plan->side.size, NULL);
}

/* True: nothing is left to do for it. */
static bool is_settled(struct sync *sync, struct sync_plan *plan)
{
	struct bl_err err = { 0 };
	bool equal = false;

	if (plan->look && sync_look(sync, plan, &equal, &err)) {
		sync_failed(sync, plan->name, &err);
		return true;
	}
	if (equal) {
		sync->totals->equal++;
		sync->totals->known--;
		sync->totals->known_bytes -= plan->side.size;
		return true;
	}
	if (!sync->options->dry_run)
		return false;
	only_say(sync, plan);
	return true;
}

/* Takes plan. */
static void start_job(struct sync *sync, struct sync_plan *plan)
{
	struct sync_job *job = new_job(sync);
	struct bl_err err = { 0 };

	if (!job) {
		bl_fail(&err, BL_ENOMEM, "out of memory");
		sync_failed(sync, plan->name, &err);
		free(plan);
		return;
	}
	job->sync = sync;
	job->plan = plan;
	job->fd = job->temp.fd = -1;
	if (!start(job, &err)) {
		sync_jobs_add(&sync->running, job);
		return;
	}
	not_started(sync, plan, &err);
	sync_job_free(job);
}

static bool is_full(const struct sync *sync)
{
	return (sync->get && bl_transfers_full(sync->get)) ||
	       (sync->put && bl_transfers_full(sync->put));
}

void sync_start_jobs(struct sync *sync)
{
	/* not all that is planned: what has come is to be settled, and shown, in between */
	for (int i = 0; i < TURN_MAX && sync->plans && !sync->fatal.code; i++) {
		struct sync_plan *plan = sync->plans;

		if (is_full(sync) || sync_is_stopped(sync))
			return;
		sync->plans = plan->next;
		if (!sync->plans)
			sync->last_plan = NULL;
		sync->n_plans--;
		sync->plan_bytes -= sync_plan_bytes(plan);
		if (is_settled(sync, plan))
			free(plan);
		else
			start_job(sync, plan);
	}
}

/* --- Settling -------------------------------------------------------------------------------- */

void sync_job_succeeded(struct sync_job *job, struct bl_buf *lines)
{
	struct sync *sync = job->sync;
	const struct bl_transfer *transfer = &job->transfer;

	sync->lost_in_row = 0;
	sync->totals->moved++;
	sync->totals->moved_bytes += job->plan->side.size;
	sync_say(sync, acts[sync->way], job->plan->name, job->plan->side.size, NULL);
	if (sync->manifest.fd >= 0)
		sync_manifest_add(lines,
		                  &(struct sync_done){ acts[sync->way], job->plan->name,
		                                       transfer->result_etag, transfer->bytes,
		                                       transfer->crc, true });
}

static void settle(struct sync_job *job)
{
	struct sync *sync = job->sync;
	struct bl_err err = job->err;
	char key[SYNC_KEY_MAX + 1];

	if (job->puts && job->in_parts && !key_of(&sync->dst, job->plan->name, key, &err))
		sync_journal_add(&sync->journal, SYNC_ENDED, key);
	if (!err.code && sync->way == SYNC_COPY && !job->puts) {
		job->plan->side.size = job->transfer.bytes;
		if (!start_put(job, &err)) {
			sync_jobs_add(&sync->running, job);
			return;
		}
	}
	if (!err.code && sync->way == SYNC_DOWNLOAD && !sync_make_ready(job, &err))
		return;
	if (err.code)
		sync_failed(sync, job->plan->name, &err);
	else
		sync_job_succeeded(job, &sync->manifest.lines);
	sync_job_free(job);
}

void sync_settle_jobs(struct sync *sync)
{
	while (sync->finished.first) {
		struct sync_job *job = sync->finished.first;

		sync_jobs_remove(&sync->finished, job);
		settle(job);
	}
}
