/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/ship_streams.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "run/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* At most this much a call: a flood is shipped over several ticks, a heartbeat between them. */
#define PUMP_MAX_BYTES (16u << 20)

struct tail_of {
	uint64_t offset, size;
	size_t prefix_len;
};

static int keep_newest(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct tail_of *tail = arg;

	(void)err;
	tail->offset = strtoull(item->key + tail->prefix_len, NULL, 10);
	tail->size = item->size;
	return 0;
}

int stream_open(struct stream *stream, struct bl_store *store, const char *run, unsigned attempt,
                struct bl_err *err)
{
	struct bl_key first = bl_stream_key(run, stream->which, attempt, 0);
	struct tail_of tail = { 0 };

	stream->held = BL_BUF(2 * PUMP_MAX_BYTES);
	stream->fd = -1;
	char *slash = strrchr(first.text, '/');
	slash[1] = '\0';
	tail.prefix_len = strlen(first.text);
	if (bl_store_list(store, NULL, first.text, NULL, 0, keep_newest, &tail, err))
		return bl_wrap(err, "find the end of %s", first.text);
	stream->newest = tail.offset;
	stream->stored = stream->read = tail.offset + tail.size;
	return 0;
}

/* Reads what the file has grown by, up to the bound. more: it has more still. */
static int take(struct stream *stream, const char *path, bool *more, struct bl_err *err)
{
	uint64_t taken = 0;

	*more = false;
	if (stream->fd < 0) {
		stream->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (stream->fd < 0 && errno == ENOENT)
			return 0;
		if (stream->fd < 0)
			return bl_fail_errno(err, errno, "open '%s'", path);
	}
	while (taken < PUMP_MAX_BYTES && stream->held.len < PUMP_MAX_BYTES) {
		char *room = bl_buf_room(&stream->held, 65536);

		if (!room)
			return bl_buf_check(&stream->held, path, err);
		ssize_t n = pread(stream->fd, room, 65536, (off_t)stream->read);
		if (n < 0)
			return bl_fail_errno(err, errno, "read '%s'", path);
		if (!n)
			return 0;
		if (!stream->held.len)
			stream->since_mono_ms = bl_mono_ms();
		bl_buf_grew(&stream->held, (size_t)n);
		stream->read += (uint64_t)n;
		taken += (uint64_t)n;
	}
	*more = true;
	return 0;
}

/* Bytes of `held` that make the next chunk; 0: none is due. */
static size_t due(const struct stream *stream, int64_t wait_ms, bool last)
{
	size_t ready = stream->held.len, keep = last ? 0 : bl_mask_overlap(stream->mask), n;
	const char *end;

	if (ready <= keep)
		return 0;
	ready -= keep;
	n = ready < STREAM_CHUNK_BYTES ? ready : STREAM_CHUNK_BYTES;
	if (n < STREAM_CHUNK_BYTES && !last && bl_mono_ms() - stream->since_mono_ms < wait_ms)
		return 0;
	if (last && n == stream->held.len)
		return n;
	end = memrchr(stream->held.data, '\n', n);
	if (end)
		return (size_t)(end - stream->held.data) + 1;
	return stream->which == BL_STREAM_METRICS && n < STREAM_CHUNK_BYTES ? 0 : n;
}

static int store_chunk(struct stream *stream, struct bl_store *store, const char *run,
                       unsigned attempt, size_t len, struct bl_err *err)
{
	struct bl_key key = bl_stream_key(run, stream->which, attempt, stream->stored);
	int fault = BL_FAULT("ship.chunk.before");
	uint64_t size = len;

	if (fault)
		return bl_fail_errno(err, fault, "store %s", key.text);
	if (bl_store_put_if_absent(store, NULL, key.text, stream->held.data, len, err)) {
		BL_AUTO(bl_buf) none = BL_BUF(1);

		if (err->code != BL_EEXIST)
			return bl_wrap(err, "store %s", key.text);
		bl_err_clear(err); /* our own, repeated: go on where it ends */
		if (bl_store_get_range(store, NULL, key.text, 0, 0, &none, &size, err))
			return -1;
		if (!size || size > stream->held.len)
			return bl_fail(err, BL_ECORRUPT, "%s is not ours", key.text);
	}
	BL_FAILPOINT("ship.chunk.after");
	stream->newest = stream->stored;
	stream->stored += size;
	bl_buf_drop(&stream->held, size);
	stream->since_mono_ms = bl_mono_ms();
	return 0;
}

/* more: the file has more than the bound still. */
static int read_on(struct stream *stream, const char *path, struct bl_latest *latest, bool *more,
                   struct bl_err *err)
{
	size_t from = stream->held.len;

	if (take(stream, path, more, err))
		return -1;
	if (latest && stream->held.len > from) {
		/* a line cut by an earlier read begins before `from` */
		const char *line = from ? memrchr(stream->held.data, '\n', from) : NULL;
		size_t start = line ? (size_t)(line - stream->held.data) + 1 : 0;

		bl_latest_feed(latest, stream->held.data + start, stream->held.len - start);
	}
	bl_mask_apply(stream->mask, stream->held.data, stream->held.len);
	return 0;
}

int stream_read(struct stream *stream, const char *path, struct bl_latest *latest,
                struct bl_err *err)
{
	bool more;

	return read_on(stream, path, latest, &more, err);
}

int stream_pump(struct stream *stream, struct bl_store *store, const char *run, unsigned attempt,
                const char *path, int64_t wait_ms, bool last, struct bl_latest *latest,
                struct bl_err *err)
{
	bool more = true;
	size_t len;

	while (more) {
		if (read_on(stream, path, latest, &more, err))
			return -1;
		while ((len = due(stream, wait_ms, last && !more)))
			if (store_chunk(stream, store, run, attempt, len, err))
				return -1;
		if (!last)
			break;
	}
	return 0;
}

void stream_done(struct stream *stream)
{
	bl_fd_done(&stream->fd);
	bl_buf_done(&stream->held);
}
