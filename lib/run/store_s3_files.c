/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_s3_files.h"

#include <stdlib.h>
#include <string.h>

#define STEP_MS 1000

struct fetching {
	const struct bl_call *call;
	uint64_t done, total;
	struct bl_err failed; /* the first */
};

struct moving {
	struct fetching *all;
	struct bl_file *file;
	struct bl_transfer transfer;
	uint64_t told;
};

static void on_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct moving *moving = arg;
	struct fetching *all = moving->all;

	(void)total_bytes;
	if (done_bytes <= moving->told) /* a part begins again */
		return;
	all->done += done_bytes - moving->told;
	moving->told = done_bytes;
	if (all->call && all->call->progress)
		all->call->progress(all->call->arg, all->done, all->total);
}

static void on_done(void *arg, struct bl_transfer *transfer, struct bl_err *err)
{
	struct moving *moving = arg;

	moving->file->crc = transfer->crc;
	if (!err->code && transfer->bytes != moving->file->size)
		bl_fail(err, BL_ECORRUPT, "it has %llu bytes instead of %llu",
		        (unsigned long long)transfer->bytes,
		        (unsigned long long)moving->file->size);
	if (!err->code || moving->all->failed.code)
		return;
	moving->all->failed = *err;
	bl_wrap(&moving->all->failed, "read %s", moving->file->key);
}

static int move(struct bl_transfers *transfers, struct moving *moving, size_t n, struct bl_err *err)
{
	struct fetching *all = moving->all;

	for (size_t i = 0; i < n; i++)
		if (bl_transfer_start(transfers, &moving[i].transfer, err))
			return -1;
	while (bl_transfers_under_way(transfers)) {
		if (bl_transfers_step(transfers, STEP_MS, err))
			return -1;
		if (all->failed.code) {
			*err = all->failed;
			return -1;
		}
	}
	return 0;
}

int store_s3_get_files(struct bl_s3 *s3, const struct bl_call *call, struct bl_file *files,
                       size_t n, struct bl_err *err)
{
	struct fetching all = { .call = call };
	struct bl_transfers *transfers = NULL;
	struct moving *moving;
	int rc;

	if (!n)
		return 0;
	moving = calloc(n, sizeof(*moving));
	if (!moving)
		return bl_fail(err, BL_ENOMEM, "read %zu objects: out of memory", n);
	for (size_t i = 0; i < n; i++) {
		moving[i] = (struct moving){ .all = &all, .file = &files[i] };
		moving[i].transfer = (struct bl_transfer){
			.key = files[i].key,
			.size = files[i].size,
			.fd = files[i].fd,
			.call = { .progress = on_progress, .arg = &moving[i] },
			.done = on_done,
			.arg = &moving[i],
		};
		if (call)
			moving[i].transfer.call.deadline_mono_ms = call->deadline_mono_ms;
		all.total += files[i].size;
	}
	rc = bl_transfers_open(s3, NULL, &transfers, err);
	if (!rc)
		rc = move(transfers, moving, n, err);
	bl_transfers_close(transfers);
	free(moving);
	return rc;
}
