/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/failpoint.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of all files of a manifest together, for the one who watches. */
struct progress {
	const struct bl_call *call;
	uint64_t before, total;
};

static void pass_on(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	const struct progress *progress = arg;

	(void)total_bytes;
	if (progress->call && progress->call->progress)
		progress->call->progress(progress->call->arg, progress->before + done_bytes,
		                         progress->total);
}

struct restoring {
	struct bl_store *store;
	int into;
	struct progress progress;
	struct bl_buf *said;
};

static int any_name(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	(void)arg;
	(void)dir;
	(void)type;
	bl_fail(err, BL_EEXIST, "it holds '%.100s' already", name);
	return bl_next(err, "move its content away, then restore");
}

static int remove_name(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	(void)arg;
	(void)type;
	return bl_fs_remove_tree(dir, name, err);
}

/* It was empty before: what is in it came from us. */
static int empty_again(int into, struct bl_err *err)
{
	return bl_fs_list(into, ".", remove_name, NULL, err);
}

/* Programs that look for their newest file by its time must find the same one as before. */
static int set_time(int fd, const struct bl_entry *entry, struct bl_err *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	if (entry->mtime_ns <= 0)
		return 0;
	times[1].tv_sec = (time_t)(entry->mtime_ns / 1000000000);
	times[1].tv_nsec = (long)(entry->mtime_ns % 1000000000);
	return futimens(fd, times) ? bl_fail_errno(err, errno, "set its time") : 0;
}

static int keep_stamp(int fd, struct bl_entry *entry, struct bl_err *err)
{
	struct bl_stamp stamp;
	struct stat st;

	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat");
	bl_stamp_of(&st, &stamp);
	entry->mtime_ns = stamp.mtime_ns;
	entry->ctime_ns = stamp.ctime_ns;
	entry->inode = stamp.inode;
	return 0;
}

static int restore_file(struct restoring *job, struct bl_entry *entry, struct bl_err *err)
{
	struct bl_call call = { .progress = pass_on, .arg = &job->progress };
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;
	uint64_t size, crc;

	if (job->progress.call)
		call.deadline_mono_ms = job->progress.call->deadline_mono_ms;
	if (bl_fs_temp_open(job->into, entry->path, 0666, &temp, err) ||
	    bl_store_get_file(job->store, &call, entry->key, temp.fd, &size, &crc, err))
		return -1;
	if (size != entry->size)
		return bl_fail(err, BL_ECORRUPT, "it has %llu bytes instead of %llu",
		               (unsigned long long)size, (unsigned long long)entry->size);
	if (crc != entry->crc)
		return bl_fail(err, BL_ECORRUPT, "its CRC64NVME differs");
	BL_FAILPOINT("checkpoint.restore.file");
	if (set_time(temp.fd, entry, err) || bl_fs_temp_replace(&temp, err) ||
	    keep_stamp(temp.fd, entry, err))
		return -1;
	job->progress.before += size;
	return 0;
}

static int restore_link(const struct restoring *job, const struct bl_entry *entry,
                        struct bl_err *err)
{
	const char *slash = strrchr(entry->path, '/');
	BL_AUTO(bl_buf) parent = BL_BUF(65536);
	BL_FD dir = -1;

	if (!bl_link_is_safe(entry->path, entry->link)) {
		bl_buf_addf(job->said, "left out link '%.100s': it leads outside the checkpoint\n",
		            entry->path);
		return 0;
	}
	if (slash)
		bl_buf_add(&parent, entry->path, (size_t)(slash - entry->path));
	else
		bl_buf_addc(&parent, '.');
	if (bl_buf_check(&parent, "path", err) ||
	    bl_fs_make_dir_beneath(job->into, parent.data, &dir, err))
		return -1;
	if (symlinkat(entry->link, dir, slash ? slash + 1 : entry->path))
		return bl_fail_errno(err, errno, "link");
	return 0;
}

/* Links last: nothing is ever written through one. */
static int restore_all(struct restoring *job, struct bl_manifest *manifest, struct bl_err *err)
{
	for (int links = 0; links < 2; links++) {
		for (size_t i = 0; i < manifest->n; i++) {
			struct bl_entry *entry = &manifest->entries[i];

			if (links != (entry->link != NULL))
				continue;
			if (links ? restore_link(job, entry, err) : restore_file(job, entry, err))
				return bl_wrap(err, "'%s'", entry->path);
		}
	}
	return 0;
}

/* What it says is that this checkpoint is no good, not that we cannot work here. */
static bool is_about_the_checkpoint(enum bl_code code)
{
	return code == BL_ENOENT || code == BL_ECORRUPT || code == BL_EIO || code == BL_ELIMIT ||
	       code == BL_EINPUT || code == BL_EEXIST;
}

static int try_manifest(struct restoring *job, const char *key, struct bl_manifest *manifest,
                        struct bl_err *err)
{
	struct bl_err cleaning = { 0 };

	if (bl_manifest_read(job->store, key, manifest, err))
		return -1;
	job->progress.before = job->progress.total = 0;
	for (size_t i = 0; i < manifest->n; i++)
		job->progress.total += manifest->entries[i].size;
	if (!restore_all(job, manifest, err))
		return 0;
	if (empty_again(job->into, &cleaning)) {
		*err = cleaning;
		bl_wrap(err, "remove a restore that failed");
	}
	return -1;
}

static int say_failed(struct bl_buf *said, const char *key, struct bl_err *err)
{
	bl_buf_addf(said, "checkpoint %s does not verify: %s\n", key, err->text);
	bl_err_clear(err);
	return bl_buf_check(said, "messages of the restore", err);
}

static void fill_in(struct bl_restored *out, const char *key, const struct bl_manifest *manifest)
{
	*out = (struct bl_restored){ .found = true, .step = manifest->step };
	snprintf(out->manifest, sizeof(out->manifest), "%.*s", BL_RUN_KEY_SIZE - 1, key);
	for (size_t i = 0; i < manifest->n; i++) {
		out->files += manifest->entries[i].key != NULL;
		out->bytes += manifest->entries[i].size;
	}
}

static void free_ids(struct bl_checkpoint_id **ids)
{
	free(*ids);
}

/* The ids to try, newest first: all, or the only one asked for. */
static int choose(struct bl_store *store, const struct bl_call *call, const char *run,
                  const char *only, struct bl_checkpoint_id **ids, size_t *n, struct bl_err *err)
{
	struct bl_checkpoint_id id;
	const char *rest;

	if (!only)
		return bl_checkpoint_list(store, call, run, ids, n, 0, NULL, err);
	if (!bl_checkpoint_key(only, run, &id, &rest) || strcmp(rest, ".manifest.json") != 0)
		return bl_fail(err, BL_EINPUT, "'%.160s' is no checkpoint of run %s", only, run);
	*ids = malloc(sizeof(**ids));
	if (!*ids)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	**ids = id;
	*n = 1;
	return 0;
}

/* Newest first until one verifies; *found stays zero when none does. */
static int try_all(struct restoring *job, const char *run, const struct bl_checkpoint_id *ids,
                   size_t n, struct bl_restored *found, struct bl_manifest *restored,
                   struct bl_err *err)
{
	struct bl_err unread = { 0 };

	for (size_t i = 0; i < n; i++) {
		BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
		struct bl_key key = bl_key_run(run, BL_KEY_MANIFEST, ids[i].attempt, ids[i].seq);

		if (!try_manifest(job, key.text, &manifest, err)) {
			fill_in(found, key.text, &manifest);
			if (restored) {
				*restored = manifest;
				manifest = BL_MANIFEST;
			}
			return 0;
		}
		if (!is_about_the_checkpoint(err->code))
			return -1;
		if (err->code == BL_EIO)
			unread = *err;
		if (say_failed(job->said, key.text, err))
			return -1;
	}
	/* a disk that cannot be read is no reason to start all over */
	if (unread.code != BL_OK) {
		*err = unread;
		return -1;
	}
	return 0;
}

int bl_checkpoint_restore(struct bl_store *store, const struct bl_call *call, const char *run,
                          const char *only_manifest, const char *into, struct bl_restored *out,
                          struct bl_manifest *restored, struct bl_buf *said, struct bl_err *err)
{
	__attribute__((cleanup(free_ids))) struct bl_checkpoint_id *ids = NULL;
	struct bl_restored found = { .step = (double)NAN };
	struct restoring job = { .store = store, .into = -1, .progress.call = call, .said = said };
	BL_FD dir = -1;
	size_t n = 0;

	if (bl_fs_make_dir(into, &dir, err) || bl_fs_list(dir, ".", any_name, NULL, err))
		return bl_wrap(err, "restore into '%s'", into);
	job.into = dir;
	if (choose(store, call, run, only_manifest, &ids, &n, err) ||
	    try_all(&job, run, ids, n, &found, restored, err))
		return bl_wrap(err, "restore a checkpoint");
	*out = found;
	return 0;
}
