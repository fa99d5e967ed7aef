/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer_parts.h"

#include "base/failpoint.h"
#include "base/fs.h"
#include "codec/base64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOW_AHEAD 32
#define SHA_BYTES ((uint64_t)64 << 20) /* hashing more would keep the others waiting */

void bl_transfer_moved(struct bl_leg *leg, uint64_t len)
{
	struct bl_transfer_state *state = leg->state;
	const struct bl_call *call = &state->transfer->call;

	leg->counted += len;
	state->moved += len;
	if (call->progress)
		call->progress(call->arg, state->moved,
		               state->size == UINT64_MAX ? 0 : state->size);
}

void bl_transfer_unmoved(struct bl_leg *leg)
{
	leg->state->moved -= leg->counted;
	leg->counted = 0;
}

uint64_t bl_transfer_joined(const struct bl_transfer_state *state)
{
	uint64_t crc = 0;

	for (unsigned i = 0; i < state->n_parts; i++) {
		uint64_t left = state->size - i * state->part_bytes;

		crc = bl_crc64nvme_join(crc, state->crcs[i],
		                        left < state->part_bytes ? left : state->part_bytes);
	}
	return crc;
}

static int changed(const char *how, struct bl_err *err)
{
	bl_fail(err, BL_ECORRUPT, "the file changed while it was read: %s", how);
	return bl_next(err, "upload it when nothing writes to it any more");
}

static int pread_exactly(int fd, char *to, size_t len, uint64_t offset, struct bl_err *err)
{
	int fault = BL_FAULT("s3.upload.read");

	while (len) {
		ssize_t n = fault ? -1 : pread(fd, to, len, (off_t)offset);

		if (fault)
			errno = fault;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bl_fail_errno(err, errno, "read");
		if (!n)
			return changed("it became shorter", err);
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int bl_upload_unchanged(const struct bl_transfer_state *state, struct bl_err *err)
{
	const struct stat *before = &state->before;
	struct stat now;

	if (fstat(state->transfer->fd, &now))
		return bl_fail_errno(err, errno, "stat");
	if ((uint64_t)now.st_size < state->size)
		return changed("it became shorter", err);
	/* a file that is longer was and stays another's to append to; its first bytes count */
	if ((uint64_t)before->st_size > state->size)
		return 0;
	if (now.st_size != before->st_size)
		return changed("it became longer", err);
	if (!same_time(&now.st_mtim, &before->st_mtim) ||
	    !same_time(&now.st_ctim, &before->st_ctim))
		return changed("its time of change", err);
	return 0;
}

/* crc and, where there is one, sha of [offset, offset + len) of the file. */
static int sum_range(const struct bl_transfer_state *state, uint64_t offset, uint64_t len,
                     struct bl_sha256 *sha, uint64_t *crc, struct bl_err *err)
{
	char *scratch = state->all->scratch + BL_MIDDLE;

	*crc = 0;
	while (len) {
		size_t n = len < BL_SCRATCH_BYTES ? (size_t)len : BL_SCRATCH_BYTES;

		if (pread_exactly(state->transfer->fd, scratch, n, offset, err) ||
		    (sha && bl_sha256_add(sha, scratch, n, err)))
			return -1;
		*crc = bl_crc64nvme(*crc, scratch, n);
		offset += n;
		len -= n;
	}
	return 0;
}

static int end_sha(struct bl_sha256 *sha, char sum[48], char hash[BL_SHA256_HEX],
                   struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(47);
	unsigned char raw[BL_SHA256_BYTES];

	if (bl_sha256_raw(sha, raw, err))
		return -1;
	bl_base64_add(&text, raw, sizeof(raw));
	if (bl_buf_check(&text, "checksum", err))
		return -1;
	memcpy(sum, text.data, text.len + 1);
	bl_hex(raw, sizeof(raw), hash);
	return 0;
}

static char *own_buffer(struct bl_leg *leg, struct bl_err *err)
{
	if (!leg->kept)
		leg->kept = aligned_alloc(BL_PAGE_BYTES, BL_MIDDLE + BL_KEPT_BYTES + BL_MIDDLE);
	if (leg->kept)
		return leg->kept + BL_MIDDLE;
	bl_fail(err, BL_ENOMEM, "body: out of memory");
	return NULL;
}

/* A small body is read once: what is sent is what was summed. */
static int keep_range(struct bl_leg *leg, struct bl_sha256 *sha, struct bl_err *err)
{
	size_t len = (size_t)leg->len;
	char *kept = own_buffer(leg, err);

	if (!kept)
		return -1;
	if (pread_exactly(leg->state->transfer->fd, kept, len, leg->offset, err) ||
	    (sha && bl_sha256_add(sha, kept, len, err)))
		return -1;
	leg->announced = bl_crc64nvme(0, kept, len);
	leg->is_kept = true;
	return 0;
}

int bl_leg_sum(struct bl_leg *leg, struct bl_err *err)
{
	bool by_sha = leg->all->s3->sum == BL_S3_SHA256;
	struct bl_sha256 *sha = NULL;
	int rc;

	/* one pass for both: else the client would read it once more to sign it */
	if ((by_sha || bl_aws_hashes_bodies(leg->all->s3->aws, "s3")) && bl_sha256_new(&sha, err))
		return -1;
	if (leg->len <= BL_KEPT_BYTES && leg->all->at_once <= BL_KEPT_SLOTS)
		rc = keep_range(leg, sha, err);
	else
		rc = sum_range(leg->state, leg->offset, leg->len, sha, &leg->announced, err);
	if (!rc && sha)
		rc = end_sha(sha, leg->sum, leg->hash, err);
	if (!rc && !by_sha)
		bl_crc64nvme_text(leg->announced, leg->sum);
	bl_sha256_free(sha);
	return rc;
}

/*
 * Before the last bytes leave: with them the object would be whole, with bytes of which nobody
 * knows when they were in the file. Without them S3 stores nothing.
 */
static int check_sent(struct bl_leg *leg, struct bl_err *err)
{
	if (leg->crc != leg->announced)
		return changed("other bytes than a moment before", err);
	return bl_upload_unchanged(leg->state, err);
}

/* By way of pages of our own where straight would be slow: see BL_MIDDLE. */
static int read_range(const struct bl_leg *leg, char *to, size_t len, uint64_t offset,
                      struct bl_err *err)
{
	size_t ahead = ((uintptr_t)to - (size_t)offset) % BL_PAGE_BYTES;
	char *scratch = leg->all->scratch + BL_MIDDLE;

	if (!ahead || ahead >= SLOW_AHEAD || len < BL_PAGE_BYTES || len > BL_SCRATCH_BYTES)
		return pread_exactly(leg->state->transfer->fd, to, len, offset, err);
	if (pread_exactly(leg->state->transfer->fd, scratch, len, offset, err))
		return -1;
	memcpy(to, scratch, len);
	return 0;
}

static int kept_was_read(struct bl_leg *leg, uint64_t at, struct bl_err *err)
{
	if (at == leg->len && bl_upload_unchanged(leg->state, err))
		return -1;
	bl_transfer_unmoved(leg);
	if (leg->sending)
		bl_transfer_moved(leg, at);
	return 0;
}

int bl_leg_read(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	struct bl_leg *leg = arg;

	if (offset > leg->len || len > leg->len - offset)
		return bl_fail(err, BL_EBUG, "a body was asked for beyond its end");
	if (leg->is_kept) {
		memcpy(to, leg->kept + BL_MIDDLE + offset, len);
		return kept_was_read(leg, offset + len, err);
	}
	if (offset != leg->at) { /* from the beginning again */
		bl_transfer_unmoved(leg);
		if (sum_range(leg->state, leg->offset, offset, NULL, &leg->crc, err))
			return -1;
		leg->at = offset;
	}
	if (read_range(leg, to, len, leg->offset + offset, err))
		return -1;
	leg->crc = bl_crc64nvme(leg->crc, to, len);
	leg->at += len;
	if (leg->at == leg->len && check_sent(leg, err))
		return -1;
	if (leg->sending)
		bl_transfer_moved(leg, len);
	return 0;
}

int bl_leg_flush(struct bl_leg *leg, struct bl_err *err)
{
	size_t len = leg->staged;

	leg->staged = 0;
	if (!len)
		return 0;
	return bl_fs_pwrite(leg->state->transfer->fd, leg->kept + BL_MIDDLE, len,
	                    leg->offset + leg->at - len, err);
}

/* libcurl gives 16 KiB at a time: whole pages of four such cost half as much to write. */
static int stage(struct bl_leg *leg, const char *bytes, size_t len, struct bl_err *err)
{
	char *buffer = own_buffer(leg, err);

	if (!buffer)
		return -1;
	while (len) {
		size_t room = BL_KEPT_BYTES - leg->staged, n = len < room ? len : room;

		memcpy(buffer + leg->staged, bytes, n);
		leg->staged += n;
		leg->at += n;
		bytes += n;
		len -= n;
		if (leg->staged == BL_KEPT_BYTES && bl_leg_flush(leg, err))
			return -1;
	}
	return 0;
}

int bl_leg_write(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	struct bl_leg *leg = arg;

	if (len > leg->len - leg->at)
		return bl_fail(err, BL_ECORRUPT, "more than the %ju bytes that were asked for came",
		               (uintmax_t)leg->len);
	BL_FAILPOINT("s3.download.body");
	leg->crc = bl_crc64nvme(leg->crc, bytes, len);
	if (leg->all->at_once <= BL_KEPT_SLOTS) {
		if (stage(leg, bytes, len, err))
			return -1;
	} else {
		if (bl_fs_pwrite(leg->state->transfer->fd, bytes, len, leg->offset + leg->at, err))
			return -1;
		leg->at += len;
	}
	bl_transfer_moved(leg, len);
	return 0;
}

int bl_leg_restart(void *arg, struct bl_err *err)
{
	struct bl_leg *leg = arg;

	(void)err;
	bl_transfer_unmoved(leg);
	leg->at = leg->crc = leg->staged = 0;
	leg->sending = true;
	return 0;
}

int bl_download_check_sha(const struct bl_transfer_state *state, struct bl_err *err)
{
	char sum[sizeof(state->sha_text)], hash[BL_SHA256_HEX];
	struct bl_sha256 *sha;
	uint64_t crc;
	int rc;

	if (!state->sha_text[0] || state->size > SHA_BYTES)
		return 0;
	if (bl_sha256_new(&sha, err))
		return -1;
	rc = sum_range(state, 0, state->size, sha, &crc, err) || end_sha(sha, sum, hash, err) ? -1
	                                                                                      : 0;
	bl_sha256_free(sha);
	if (!rc && strcmp(sum, state->sha_text) != 0)
		return bl_fail(err, BL_ECORRUPT, "what came has the SHA-256 %s, S3 stored %s", sum,
		               state->sha_text);
	return rc;
}
