/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_TRANSFER_H
#define BL_AWS_TRANSFER_H

#include "aws/s3.h"

/*
 * Many objects, and parts of large ones, at once from one thread. Bodies are streamed: from a file
 * by pread, to a file by pwrite; nothing is held whole. Objects up to `part_bytes` are one request;
 * larger ones go in parts (multipart upload, ranged GET with If-Match), each repeated by itself.
 */
struct bl_transfers;

struct bl_transfer_options {
	uint64_t part_bytes; /* 0: 8 MiB; raised so that 10,000 parts are enough */
	unsigned at_once;    /* requests under way; 0: 16 */
};
BL_MUST int bl_transfers_open(struct bl_s3 *s3, const struct bl_transfer_options *options,
                              struct bl_transfers **out, struct bl_err *err);
void bl_transfers_close(struct bl_transfers *transfers); /* aborts what is under way; takes NULL */

/*
 *   size    of an upload, or as the listing said; UINT64_MAX for a download: ask
 *   etag    of the listing, for If-Match; NULL: none
 *   fd      open regular file, the caller's until done. A download is allocated beforehand and
 *           written from offset 0; it is for the caller to sync and rename. An upload takes the
 *           first `size` bytes; a file of just that size must not be touched meanwhile
 *           (size, times of change), of a longer one only those bytes count.
 */
struct bl_transfer {
	bool upload, create; /* create: only where the key does not exist */
	const char *key, *etag;
	uint64_t size;
	int fd;
	struct bl_call call;
	/* err clean: done. BL_ECORRUPT: a file or object that changed while it was read, or a
	 * checksum that does not match after all tries. The struct may be freed or used again
	 * inside. */
	void (*done)(void *arg, struct bl_transfer *transfer, struct bl_err *err);
	void *arg;
	/* results */
	uint64_t crc; /* CRC-64/NVME of what was sent or written */
	uint64_t bytes;
	char result_etag[BL_ETAG_SIZE];
	struct bl_transfer_state *state; /* ours */
};
/* done comes from a later step. key and etag are copied. */
BL_MUST int bl_transfer_start(struct bl_transfers *transfers, struct bl_transfer *transfer,
                              struct bl_err *err);
BL_MUST int bl_transfers_step(struct bl_transfers *transfers, int timeout_ms, struct bl_err *err);
/* Not yet done; and whether another would have to wait for a slot. */
size_t bl_transfers_under_way(const struct bl_transfers *transfers);
bool bl_transfers_full(const struct bl_transfers *transfers);

/* One file, waited for. */
BL_MUST int bl_s3_put_file(struct bl_s3 *s3, const struct bl_call *call, const char *key, int fd,
                           uint64_t size, uint64_t *crc, struct bl_err *err);
BL_MUST int bl_s3_get_file(struct bl_s3 *s3, const struct bl_call *call, const char *key, int fd,
                           uint64_t *size, uint64_t *crc, struct bl_err *err);

#endif
