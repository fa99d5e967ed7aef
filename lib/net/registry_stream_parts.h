/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_REGISTRY_STREAM_PARTS_H
#define BL_NET_REGISTRY_STREAM_PARTS_H

#include "codec/hash.h"
#include "net/registry_parts.h"

/*
 * A blob that is fetched ahead. registry_stream.c is the reader's side, registry_fetch.c the
 * thread's; all below `lock` is theirs together, and each changes it under the lock.
 */
struct bl_blob_stream {
	struct bl_registry *registry; /* the thread's */
	char repository[256];
	struct bl_oci_desc blob;
	pthread_t thread;
	char *ring; /* ring_bytes */
	size_t ring_bytes;
	atomic_bool interrupt; /* ends what the thread waits for: see `restart` and `closing` */

	pthread_mutex_t lock;
	pthread_cond_t came, taken;
	uint64_t head, tail; /* offsets of the next byte to come and to be read */
	bool restart;        /* the reader went elsewhere: fetch from head */
	bool closing;
	struct bl_err err; /* final */

	/* the thread's own */
	struct bl_sha256 *sha; /* of the first `hashed` bytes, each as it came first */
	uint64_t hashed;
	struct bl_http_reply *reply; /* under way */
	uint64_t at;                 /* of the next byte of it */
	bool is_begun;               /* its head was looked at */
};

/* Fetches until it is told to close or nothing helps. arg is the stream. */
void *bl_fetch_run(void *arg);

/*
 * Pure: whether a reply's head fits a request from offset, and where in the blob its first byte is.
 * range, length: "" when the head has none. BL_ECORRUPT.
 */
BL_MUST int bl_fetch_begins(const char *range, const char *length, uint64_t offset, uint64_t size,
                            uint64_t *at, struct bl_err *err);

#endif
