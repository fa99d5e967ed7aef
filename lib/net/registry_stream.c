/* SPDX-License-Identifier: Apache-2.0 */
#include "net/registry_stream_parts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_BYTES ((size_t)4 << 20)
/* musl's own 128 KiB are little for TLS and name look-ups. */
#define STACK_BYTES ((size_t)512 << 10)

/* Signals are the main thread's to take. */
static int start(struct bl_blob_stream *stream)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	if (!rc)
		rc = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!rc) {
		rc = pthread_create(&stream->thread, &attr, bl_fetch_run, stream);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	return rc;
}

static void drop(struct bl_blob_stream *stream)
{
	bl_registry_close(stream->registry);
	bl_sha256_free(stream->sha);
	free(stream->ring);
	free(stream);
}

static int prepare(struct bl_blob_stream *stream, struct bl_registry_session *session,
                   struct bl_err *err)
{
	uint64_t size = stream->blob.size;

	stream->ring_bytes = size && size < RING_BYTES ? (size_t)size : RING_BYTES;
	stream->ring = malloc(stream->ring_bytes);
	if (!stream->ring)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (bl_sha256_new(&stream->sha, err) || bl_registry_open(session, &stream->registry, err))
		return -1;
	stream->registry->stop = &stream->interrupt;
	return 0;
}

int bl_blob_stream_open(struct bl_registry_session *session, const char *repository,
                        const struct bl_oci_desc *blob, struct bl_blob_stream **out,
                        struct bl_err *err)
{
	struct bl_blob_stream *stream = calloc(1, sizeof(*stream));
	int rc;

	if (!stream)
		return bl_fail(err, BL_ENOMEM, "blob: out of memory");
	snprintf(stream->repository, sizeof(stream->repository), "%s", repository);
	stream->blob = *blob;
	if (prepare(stream, session, err)) {
		drop(stream);
		return bl_wrap(err, "get blob %.80s", blob->digest);
	}
	/* neither has anything to acquire that could fail */
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->came, NULL);
	pthread_cond_init(&stream->taken, NULL);
	rc = start(stream);
	if (rc) {
		drop(stream);
		return bl_fail_errno(err, rc, "get blob %.80s: start a thread", blob->digest);
	}
	*out = stream;
	return 0;
}

void bl_blob_stream_close(struct bl_blob_stream *stream)
{
	if (!stream)
		return;
	pthread_mutex_lock(&stream->lock);
	stream->closing = true;
	atomic_store(&stream->interrupt, true);
	pthread_cond_signal(&stream->taken);
	pthread_mutex_unlock(&stream->lock);
	pthread_join(stream->thread, NULL);
	pthread_cond_destroy(&stream->taken);
	pthread_cond_destroy(&stream->came);
	pthread_mutex_destroy(&stream->lock);
	drop(stream);
}

/* Forward within what is there already is only a step; all else begins a fetch of its own. */
static void go_to(struct bl_blob_stream *stream, uint64_t offset)
{
	if (offset < stream->tail || offset > stream->head) {
		stream->head = offset;
		stream->restart = true;
		atomic_store(&stream->interrupt, true);
	}
	stream->tail = offset;
	pthread_cond_signal(&stream->taken);
}

static size_t take(struct bl_blob_stream *stream, char *to, size_t len)
{
	size_t have = (size_t)(stream->head - stream->tail);
	size_t from = (size_t)(stream->tail % stream->ring_bytes), first;

	if (len > have)
		len = have;
	first = stream->ring_bytes - from < len ? stream->ring_bytes - from : len;
	memcpy(to, stream->ring + from, first);
	memcpy(to + first, stream->ring, len - first);
	stream->tail += len;
	return len;
}

static int read_locked(struct bl_blob_stream *stream, char *to, size_t len, struct bl_err *err)
{
	while (len) {
		size_t n = take(stream, to, len);

		to += n;
		len -= n;
		if (n)
			pthread_cond_signal(&stream->taken);
		if (!len)
			break;
		if (stream->err.code) {
			*err = stream->err;
			return -1;
		}
		if (!n) /* the thread comes or fails: each of its waits has an end */
			pthread_cond_wait(&stream->came, &stream->lock);
	}
	return 0;
}

static int read_stream(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	struct bl_blob_stream *stream = arg;
	int rc;

	if (offset > stream->blob.size || len > stream->blob.size - offset)
		return bl_fail(err, BL_EBUG, "a read past the end of a blob");
	pthread_mutex_lock(&stream->lock);
	if (offset != stream->tail)
		go_to(stream, offset);
	rc = read_locked(stream, to, len, err);
	pthread_mutex_unlock(&stream->lock);
	return rc;
}

struct bl_blob_source bl_blob_of_stream(struct bl_blob_stream *stream)
{
	return (struct bl_blob_source){ read_stream, stream };
}
