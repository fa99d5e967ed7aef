/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync.h"

#include "run/sync_jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STEP_MS 100
#define READY_MAX 256
#define FILES_SPARE 128 /* descriptors for connections, directories and the program */

bool sync_is_stopped(const struct sync *sync)
{
	return sync->options->stop && *sync->options->stop;
}

/* --- Opening --------------------------------------------------------------------------------- */

static int open_s3(struct sync *sync, struct sync_place *place, struct bl_transfers **transfers,
                   struct bl_err *err)
{
	struct bl_s3_options options = { .bucket = place->bucket,
		                         .owner = sync->options->bucket_owner,
		                         .sum = sync->options->sha256 ? BL_S3_SHA256
		                                                      : BL_S3_CRC64 };
	struct bl_transfer_options moves = { .part_bytes = SYNC_PART_BYTES,
		                             .at_once = sync->options->at_once };

	if (bl_s3_open(sync->aws, &options, &place->s3, err) ||
	    bl_transfers_open(place->s3, &moves, transfers, err))
		return bl_wrap(err, "%s", place->word);
	sync_pages_open(&place->pages, place->s3, place->prefix);
	return 0;
}

static int open_dir(struct sync *sync, struct sync_place *place, struct bl_err *err)
{
	bool is_dst = place == &sync->dst;

	if (is_dst && !sync->options->dry_run) {
		if (bl_fs_make_dir(place->word, &place->root, err))
			return -1;
	} else if (bl_fs_open_dir(place->word, &place->root, err)) {
		if (errno == ENOTDIR)
			bl_next(err, "name the directory, and --exclude '*' --include the file");
		if (!is_dst || err->code != BL_ENOENT || errno == ENOTDIR)
			return -1;
		bl_err_clear(err); /* it would be made */
		return 0;
	}
	place->walk.cleans = is_dst && !sync->options->dry_run;
	if (sync->manifest.fd >= 0) {
		struct stat st;

		if (fstat(sync->manifest.fd, &st))
			return bl_fail_errno(err, errno, "stat");
		place->walk.skip_dev = st.st_dev;
		place->walk.skip_ino = st.st_ino;
	}
	return sync_walk_open(&place->walk, place->root, err);
}

static size_t ready_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= 2 * READY_MAX + FILES_SPARE)
		return READY_MAX;
	return files.rlim_cur <= FILES_SPARE + 2 ? 1 : (size_t)(files.rlim_cur - FILES_SPARE) / 2;
}

static int open_sides(struct sync *sync, struct bl_err *err)
{
	struct bl_aws_options options = { 0 };

	if (bl_aws_open(&options, &sync->aws, err))
		return -1;
	if (sync->src.bucket[0] ? open_s3(sync, &sync->src, &sync->get, err)
	                        : open_dir(sync, &sync->src, err))
		return -1;
	if (sync->dst.bucket[0] ? open_s3(sync, &sync->dst, &sync->put, err)
	                        : open_dir(sync, &sync->dst, err))
		return -1;
	sync->files.root = sync->dst.root;
	return 0;
}

static int check_rules(const struct bl_sync_options *options, struct bl_err *err)
{
	for (size_t i = 0; i < options->n_rules; i++) {
		const char *rule = options->rules[i];

		if ((rule[0] != '+' && rule[0] != '-') || !rule[1])
			return bl_fail(err, BL_EINPUT, "an empty GLOB");
		if (strlen(rule) > SYNC_KEY_MAX)
			return bl_fail(err, BL_EINPUT, "a GLOB over 1,024 bytes");
	}
	return 0;
}

static int open_all(struct sync *sync, struct bl_err *err)
{
	const struct bl_sync_options *options = sync->options;
	struct bl_err note = { 0 };

	if (sync_place_parse(&sync->src, options->src, err) ||
	    sync_place_parse(&sync->dst, options->dst, err) ||
	    sync_places_check(&sync->src, &sync->dst, err) || check_rules(options, err))
		return -1;
	sync->way = !sync->src.bucket[0]   ? SYNC_UPLOAD
	            : !sync->dst.bucket[0] ? SYNC_DOWNLOAD
	                                   : SYNC_COPY;
	if (sync_manifest_open(&sync->manifest, options->dry_run ? NULL : options->manifest, err) ||
	    open_sides(sync, err))
		return -1;
	sync->ready_max = ready_max();
	sync->doomed = BL_BUF((size_t)4 << 20);
	if (!sync->dst.s3 || options->dry_run)
		return 0;
	if (sync_journal_open(&sync->journal, sync->dst.s3, sync->dst.prefix, &note, err))
		return -1;
	if (note.code)
		sync_say(sync, "note", sync->dst.word, 0, note.text);
	return 0;
}

static void close_all(struct sync *sync)
{
	bool open = sync->running.n > 0;

	bl_transfers_close(sync->get);
	bl_transfers_close(sync->put);
	sync_jobs_done(sync);
	sync_journal_close(&sync->journal, open ? SYNC_MAY_BE_OPEN : SYNC_NOTHING_OPEN);
	sync_place_done(&sync->src);
	sync_place_done(&sync->dst);
	sync_files_done(&sync->files);
	sync_manifest_done(&sync->manifest);
	bl_buf_done(&sync->doomed);
	bl_aws_close(sync->aws);
}

/* --- The loop -------------------------------------------------------------------------------- */

static void show(const struct sync *sync)
{
	if (sync->watch && sync->watch->progress)
		sync->watch->progress(sync->watch->arg, sync->totals);
}

/* Waits for the network, but not while more could be begun. */
static int wait_some(struct sync *sync, struct bl_err *err)
{
	bool could = sync->plans && !sync->fatal.code &&
	             !(sync->get && bl_transfers_full(sync->get)) &&
	             !(sync->put && bl_transfers_full(sync->put));
	int timeout_ms = could || sync->finished.n ? 0 : STEP_MS;

	if (sync->get && bl_transfers_step(sync->get, sync->put ? 0 : timeout_ms, err))
		return -1;
	if (sync->put && sync->finished.n)
		timeout_ms = 0;
	return sync->put ? bl_transfers_step(sync->put, timeout_ms, err) : 0;
}

static bool is_over(const struct sync *sync)
{
	if (sync->running.n || sync->finished.n)
		return false;
	return sync->fatal.code || (sync_merged(sync) && !sync->plans);
}

static int move_all(struct sync *sync, struct bl_err *err)
{
	while (!is_over(sync)) {
		if (sync_is_stopped(sync))
			return bl_fail(err, BL_ECANCELLED, "stopped before all was done");
		if (!sync->fatal.code && sync_merge(sync, err)) {
			/* what is under way may end well */
			sync->fatal = *err;
			bl_err_clear(err);
		}
		sync_start_jobs(sync);
		show(sync);
		if (is_over(sync))
			break;
		if (wait_some(sync, err))
			return -1;
		sync_settle_jobs(sync);
		sync_commit(sync, SYNC_IF_DUE);
		if (sync_manifest_flush(&sync->manifest, err))
			return -1;
	}
	if (!sync->fatal.code && sync_flush_doomed(sync, err))
		return -1;
	return 0;
}

/* What has come whole is kept, whatever else happened. */
static int finish(struct sync *sync, struct bl_err *err)
{
	struct bl_err flushed = { 0 };

	sync_settle_jobs(sync);
	sync_commit(sync, SYNC_NOW);
	if (sync_manifest_flush(&sync->manifest, &flushed) && !err->code)
		*err = flushed;
	if (!err->code && sync->fatal.code)
		*err = sync->fatal;
	show(sync);
	return err->code ? -1 : 0;
}

static int judge(struct sync *sync, struct bl_err *err)
{
	const struct bl_sync_totals *totals = sync->totals;

	if (!totals->listed_src && sync_explain_empty(sync, err))
		return -1;
	if (!totals->refused && !totals->failed)
		return 0;
	if (!totals->failed)
		bl_fail(err, BL_EDATA, "%ju refused, the rest is done", (uintmax_t)totals->refused);
	else if (!totals->refused)
		bl_fail(err, sync->failure, "%ju failed, the rest is done",
		        (uintmax_t)totals->failed);
	else
		bl_fail(err, BL_EDATA, "%ju refused and %ju failed, the rest is done",
		        (uintmax_t)totals->refused, (uintmax_t)totals->failed);
	if (!totals->failed)
		return bl_next(err, "rename them at the source, or --exclude them");
	return bl_next(err, "put it right and run it again: what is done is not done twice");
}

int bl_sync(const struct bl_sync_options *options, const struct bl_sync_watch *watch,
            struct bl_sync_totals *totals, struct bl_err *err)
{
	struct sync *sync = calloc(1, sizeof(*sync));
	int rc;

	*totals = (struct bl_sync_totals){ 0 };
	if (!sync)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	sync->options = options;
	sync->watch = watch;
	sync->totals = totals;
	sync->src.root = sync->dst.root = sync->files.root = sync->files.parent_fd = -1;
	sync->manifest.fd = -1;
	sync->journal = SYNC_JOURNAL;
	rc = open_all(sync, err);
	if (!rc) {
		(void)!move_all(sync, err); /* finish tells */
		rc = finish(sync, err);
	}
	if (!rc)
		rc = judge(sync, err);
	close_all(sync);
	free(sync);
	return rc;
}
