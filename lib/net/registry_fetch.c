/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/registry_stream_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TRIES 5 /* in a row without a byte */

/* --- Pure ------------------------------------------------------------------------------------- */

/* "bytes FIRST-LAST/TOTAL", TOTAL perhaps "*". */
static int parse_range(const char *range, uint64_t *first, uint64_t *last, uint64_t *total)
{
	char text[128], *dash, *slash;
	struct bl_err err = { 0 };

	if (strlen(range) >= sizeof(text) || !bl_str_starts(range, "bytes "))
		return -1;
	snprintf(text, sizeof(text), "%s", range + strlen("bytes "));
	dash = strchr(text, '-');
	slash = strchr(text, '/');
	if (!dash || !slash || dash > slash)
		return -1;
	*dash = *slash = '\0';
	if (bl_str_u64(text, 0, UINT64_MAX, first, &err) ||
	    bl_str_u64(dash + 1, *first, UINT64_MAX, last, &err))
		return -1;
	return strcmp(slash + 1, "*") ? bl_str_u64(slash + 1, 0, UINT64_MAX, total, &err) : 0;
}

int bl_fetch_begins(const char *range, const char *length, uint64_t offset, uint64_t size,
                    uint64_t *at, struct bl_err *err)
{
	uint64_t first = 0, last = size ? size - 1 : 0, total = size, n;
	struct bl_err bad = { 0 };

	if (*range) {
		if (parse_range(range, &first, &last, &total))
			return bl_fail(err, BL_ECORRUPT, "content-range: %.80s", range);
		if (first != offset)
			return bl_fail(err, BL_ECORRUPT,
			               "it sent bytes from %" PRIu64 ", not from %" PRIu64, first,
			               offset);
	} else if (*length && !bl_str_u64(length, 0, UINT64_MAX, &n, &bad)) {
		total = n;
	}
	if (total != size || (size && last != size - 1))
		return bl_fail(err, BL_ECORRUPT, "it has %" PRIu64 " bytes, not %" PRIu64,
		               total != size ? total : last + 1, size);
	*at = first; /* without a range all of it comes: what lies before offset is dropped */
	return 0;
}

/* --- Bytes that come -------------------------------------------------------------------------- */

/* Both are the reader's wish to end what is under way. */
static bool is_wanted_elsewhere(const struct bl_blob_stream *stream)
{
	return stream->closing || stream->restart;
}

static int look_at_head(struct bl_blob_stream *stream, uint64_t offset, struct bl_err *err)
{
	char range[128] = "", length[32] = "";

	stream->is_begun = true;
	bl_http_header(stream->reply, "content-range", range, sizeof(range));
	bl_http_header(stream->reply, "content-length", length, sizeof(length));
	return bl_fetch_begins(range, length, offset, stream->blob.size, &stream->at, err);
}

/* What comes a second time, after the reader went back, is not hashed again. */
static int hash(struct bl_blob_stream *stream, const char *bytes, size_t len, struct bl_err *err)
{
	uint64_t end = stream->at + len;
	char digest[BL_DIGEST_SIZE];
	size_t old;

	if (stream->at > stream->hashed || end <= stream->hashed)
		return 0;
	old = (size_t)(stream->hashed - stream->at);
	if (bl_sha256_add(stream->sha, bytes + old, len - old, err))
		return -1;
	stream->hashed = end;
	if (end < stream->blob.size)
		return 0;
	if (bl_digest_end(stream->sha, digest, err))
		return -1;
	if (!strcmp(digest, stream->blob.digest))
		return 0;
	bl_fail(err, BL_ECORRUPT, "its bytes are %s", digest);
	return bl_next(err, "push that image again: the registry's copy is damaged");
}

static void copy_in(struct bl_blob_stream *stream, const char *bytes, size_t len)
{
	size_t to = (size_t)(stream->head % stream->ring_bytes);
	size_t first = stream->ring_bytes - to < len ? stream->ring_bytes - to : len;

	memcpy(stream->ring + to, bytes, first);
	memcpy(stream->ring, bytes + first, len - first);
	stream->head += len;
	pthread_cond_signal(&stream->came);
}

/* Hands over, as fast as the reader takes. */
static int hand_over(struct bl_blob_stream *stream, const char *bytes, size_t len,
                     struct bl_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&stream->lock);
	while (len && !rc) {
		size_t held = (size_t)(stream->head - stream->tail);
		size_t n = stream->ring_bytes - held < len ? stream->ring_bytes - held : len;

		if (is_wanted_elsewhere(stream)) {
			rc = bl_fail(err, BL_ECANCELLED, "no longer wanted");
		} else if (!n) {
			pthread_cond_wait(&stream->taken, &stream->lock);
		} else {
			copy_in(stream, bytes, n);
			bytes += n;
			len -= n;
		}
	}
	pthread_mutex_unlock(&stream->lock);
	return rc;
}

/* head stays where this fetch began until its first byte is handed over. */
static int on_bytes(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	struct bl_blob_stream *stream = arg;
	uint64_t head;
	size_t skip = 0;

	pthread_mutex_lock(&stream->lock);
	head = stream->head;
	if (is_wanted_elsewhere(stream))
		bl_fail(err, BL_ECANCELLED, "no longer wanted");
	pthread_mutex_unlock(&stream->lock);
	if (err->code || (!stream->is_begun && look_at_head(stream, head, err)))
		return -1;
	if (len > stream->blob.size - stream->at)
		return bl_fail(err, BL_ECORRUPT, "it has more than %" PRIu64 " bytes",
		               stream->blob.size);
	if (hash(stream, bytes, len, err))
		return -1;
	if (stream->at < head)
		skip = head - stream->at < len ? (size_t)(head - stream->at) : len;
	stream->at += len;
	return hand_over(stream, bytes + skip, len - skip, err);
}

/* --- Requests --------------------------------------------------------------------------------- */

static int fetch_once(struct bl_blob_stream *stream, uint64_t offset, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	char what[400], target[400], scope[300], headers[64] = "";
	struct bl_registry_ask ask = {
		.what = what,
		.method = "GET",
		.target = target,
		.scope = scope,
		.headers = headers,
		.write = on_bytes,
		.arg = stream,
		.once = true,
		.redirects = true,
	};
	const char *repository = stream->repository, *digest = stream->blob.digest;
	int rc;

	snprintf(what, sizeof(what), "get blob %s@%s", repository, digest);
	snprintf(target, sizeof(target), "/v2/%s/blobs/%s", repository, digest);
	snprintf(scope, sizeof(scope), "repository:%s:pull", repository);
	if (offset)
		snprintf(headers, sizeof(headers), "range: bytes=%ju-\n", (uintmax_t)offset);
	stream->reply = &reply;
	stream->is_begun = false;
	rc = bl_registry_request(stream->registry, &ask, &reply, err);
	stream->reply = NULL;
	if (rc)
		return -1;
	if (reply.status / 100 != 2)
		return bl_registry_refused(stream->registry, &ask, &reply, err);
	if (!stream->is_begun || stream->at < stream->blob.size)
		return bl_fail(err, BL_ERETRY, "registry %s: %s: it ended early",
		               stream->registry->session->registry, what);
	return 0;
}

/* Who reads all of it once more has all of it verified once more. */
static int hash_anew(struct bl_blob_stream *stream, struct bl_err *err)
{
	struct bl_sha256 *sha;

	if (!stream->hashed)
		return 0;
	if (bl_sha256_new(&sha, err))
		return -1;
	bl_sha256_free(stream->sha);
	stream->sha = sha;
	stream->hashed = 0;
	return 0;
}

/* From head to the end, over cuts. The reader's wishes end it with BL_ECANCELLED. */
static int fetch(struct bl_blob_stream *stream, struct bl_err *err)
{
	uint64_t last = UINT64_MAX;

	for (unsigned failed = 0;;) {
		struct bl_registry *registry = stream->registry;
		uint64_t head;

		pthread_mutex_lock(&stream->lock);
		head = stream->head;
		pthread_mutex_unlock(&stream->lock);
		if (head != last)
			failed = 0;
		last = head;
		if (!head && hash_anew(stream, err))
			return -1;
		if (head == stream->blob.size || !fetch_once(stream, head, err))
			return 0;
		if (err->code != BL_ERETRY || ++failed > TRIES)
			return -1;
		bl_err_clear(err);
		if (bl_registry_sleep(registry, bl_registry_wait(failed, 0, registry->random()),
		                      err))
			return -1;
	}
}

/* After a fetch, which `failed` or not. False: the end; else the reader wants bytes from head. */
static bool wait_for_wish(struct bl_blob_stream *stream, const struct bl_err *failed)
{
	bool goes_on;

	pthread_mutex_lock(&stream->lock);
	if (failed->code && !is_wanted_elsewhere(stream)) {
		stream->err = *failed;
		pthread_cond_signal(&stream->came);
	}
	while (!is_wanted_elsewhere(stream))
		pthread_cond_wait(&stream->taken, &stream->lock);
	goes_on = !stream->closing && !stream->err.code;
	if (goes_on) {
		stream->restart = false;
		atomic_store(&stream->interrupt, false);
	}
	pthread_mutex_unlock(&stream->lock);
	return goes_on;
}

void *bl_fetch_run(void *arg)
{
	static const struct bl_err none;
	struct bl_blob_stream *stream = arg;
	struct bl_err err;

	do {
		err = (struct bl_err){ 0 };
	} while (wait_for_wish(stream, fetch(stream, &err) ? &err : &none));
	return NULL;
}
