/* SPDX-License-Identifier: Apache-2.0 */
#include "run/stream.h"

#include "base/str.h"
#include "run/store_warm.h"

#include <stdlib.h>
#include <string.h>

#define OFFSET_DIGITS 16
#define CHUNKS_MAX_BYTES ((size_t)64 << 20) /* of their list */

static const struct kind {
	const char *folder, *suffix;
} kinds[] = {
	[BL_STREAM_LOG] = { "logs/", ".log" },
	[BL_STREAM_METRICS] = { "metrics/", ".jsonl" },
};

struct chunk {
	uint64_t offset, size;
	unsigned attempt;
};

struct bl_key bl_stream_key(const char *run, enum bl_stream stream, unsigned attempt,
                            uint64_t offset)
{
	/* one call per format, so that the compiler checks it */
	if (stream == BL_STREAM_LOG)
		return bl_key_run(run, BL_KEY_LOG, attempt, (unsigned long long)offset);
	return bl_key_run(run, BL_KEY_METRICS, attempt, (unsigned long long)offset);
}

static bool take_digits(const char **at, size_t n, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (uint64_t)(c - '0');
	}
	*at += n;
	*out = value;
	return true;
}

/* `name` is NNN/OFFSET.SUFFIX; anything else beside the chunks is none of ours. */
static bool parse_name(const char *name, const struct kind *kind, struct chunk *out)
{
	uint64_t attempt, offset;

	if (!take_digits(&name, 3, &attempt) || *name++ != '/' ||
	    !take_digits(&name, OFFSET_DIGITS, &offset) || strcmp(name, kind->suffix) != 0)
		return false;
	out->attempt = (unsigned)attempt;
	out->offset = offset;
	return true;
}

struct reading {
	struct bl_store *store;
	const char *run;
	enum bl_stream stream;
	size_t skip; /* of a key, to its NNN/OFFSET.SUFFIX */
	struct bl_cursor *cursor;
	bl_piece_fn *fn;
	void *arg;
	struct bl_buf bytes;
};

static void reading_done(struct reading *reading)
{
	bl_buf_done(&reading->bytes);
}

static int read_chunk(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct reading *reading = arg;
	struct bl_cursor *cursor = reading->cursor;
	struct bl_piece piece = { 0 };
	struct chunk chunk;
	uint64_t from;
	int stop;

	if (!parse_name(item->key + reading->skip, &kinds[reading->stream], &chunk))
		return 0;
	from = chunk.attempt == cursor->attempt ? cursor->offset : 0;
	if (chunk.offset < from)
		return 0;
	bl_buf_reset(&reading->bytes);
	if (bl_store_get(reading->store, NULL, item->key, &reading->bytes, err))
		return -1;
	piece = (struct bl_piece){ .attempt = chunk.attempt,
		                   .offset = chunk.offset,
		                   .bytes = bl_buf_text(&reading->bytes),
		                   .len = reading->bytes.len,
		                   .dropped = chunk.offset - from };
	stop = reading->fn(reading->arg, &piece, err);
	if (stop < 0)
		return stop;
	cursor->attempt = chunk.attempt;
	cursor->offset = chunk.offset + piece.len;
	return stop;
}

struct chunk_list {
	size_t skip;
	const struct kind *kind;
	struct bl_buf chunks; /* struct chunk each */
};

static void chunk_list_done(struct chunk_list *list)
{
	bl_buf_done(&list->chunks);
}

static int note_chunk(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct chunk_list *list = arg;
	struct chunk chunk = { .size = item->size };

	if (!parse_name(item->key + list->skip, list->kind, &chunk))
		return 0;
	bl_buf_add(&list->chunks, &chunk, sizeof(chunk));
	return bl_buf_check(&list->chunks, "list of chunks", err);
}

static struct chunk chunk_at(const struct chunk_list *list, size_t i)
{
	struct chunk chunk;

	memcpy(&chunk, list->chunks.data + i * sizeof(chunk), sizeof(chunk));
	return chunk;
}

/* So many chunks, of 1 MiB at most, are fetched at once. */
#define AT_ONCE 16

static int read_window(struct reading *reading, const struct chunk_list *list, size_t from,
                       size_t n, struct bl_err *err)
{
	struct bl_key keys[AT_ONCE];
	const char *names[AT_ONCE];

	for (size_t i = 0; i < n; i++) {
		struct chunk chunk = chunk_at(list, from + i);

		keys[i] = bl_stream_key(reading->run, reading->stream, chunk.attempt, chunk.offset);
		names[i] = keys[i].text;
	}
	if (bl_store_warm_fetch(reading->store, names, n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct bl_listed item = { .key = names[i] };
		int stop = read_chunk(reading, &item, err);

		if (stop)
			return stop;
	}
	return 0;
}

/* Across a network: the list first, then the chunks many at once. */
static int read_far(struct reading *reading, const char *prefix, const char *after,
                    struct bl_err *err)
{
	__attribute__((cleanup(chunk_list_done))) struct chunk_list list = {
		.skip = reading->skip,
		.kind = &kinds[reading->stream],
		.chunks = BL_BUF(CHUNKS_MAX_BYTES),
	};
	BL_STORE warm = NULL;
	size_t n;

	if (bl_store_list(reading->store, NULL, prefix, after, 0, note_chunk, &list, err) ||
	    bl_store_warm_open(reading->store, &warm, err))
		return -1;
	reading->store = warm;
	n = list.chunks.len / sizeof(struct chunk);
	for (size_t at = 0; at < n; at += AT_ONCE) {
		int stop =
			read_window(reading, &list, at, n - at < AT_ONCE ? n - at : AT_ONCE, err);

		if (stop)
			return stop;
	}
	return 0;
}

int bl_stream_read(struct bl_store *store, const char *run, enum bl_stream stream,
                   struct bl_cursor *cursor, bl_piece_fn *fn, void *arg, struct bl_err *err)
{
	struct bl_key prefix = bl_key_run(run, "%s", kinds[stream].folder);
	struct bl_key after = bl_stream_key(run, stream, cursor->attempt,
	                                    cursor->offset ? cursor->offset - 1 : 0);
	__attribute__((cleanup(reading_done))) struct reading reading = {
		.store = store,
		.run = run,
		.stream = stream,
		.skip = strlen(prefix.text),
		.cursor = cursor,
		.fn = fn,
		.arg = arg,
		.bytes = BL_BUF(BL_DOC_MAX),
	};

	/* start_after is exclusive: a chunk that begins at the cursor is still to come */
	const char *start_after = cursor->offset ? after.text : NULL;

	if (bl_store_is_remote(bl_store_uri(store)))
		return read_far(&reading, prefix.text, start_after, err);
	return bl_store_list(store, NULL, prefix.text, start_after, 0, read_chunk, &reading, err);
}

/* The chunks from `first` on, whole. */
static int read_from(struct bl_store *store, const char *run, enum bl_stream stream,
                     const struct chunk_list *list, size_t first, struct bl_buf *out,
                     struct bl_err *err)
{
	size_t n = list->chunks.len / sizeof(struct chunk);

	for (size_t i = first; i < n; i++) {
		struct chunk chunk = chunk_at(list, i);
		struct bl_key key = bl_stream_key(run, stream, chunk.attempt, chunk.offset);

		if (bl_store_get(store, NULL, key.text, out, err))
			return -1;
	}
	return 0;
}

/* Where the last `lines` lines begin, within the last max_bytes. */
static size_t tail_start(const char *text, size_t len, size_t lines, size_t max_bytes)
{
	size_t low = len > max_bytes ? len - max_bytes : 0, seen = 0;
	const char *line_end;

	if (!lines)
		return len;
	/* a line end as the last byte ends the last line and begins none */
	for (size_t i = len ? len - 1 : 0; i > low; i--) {
		if (text[i - 1] == '\n' && ++seen == lines)
			return i;
	}
	if (!low || text[low - 1] == '\n')
		return low;
	line_end = memchr(text + low, '\n', len - low);
	return line_end && line_end + 1 < text + len ? (size_t)(line_end + 1 - text) : low;
}

/* The first chunk to read: `lines` line ends before the last byte, or max_bytes, lie behind it. */
static int first_needed(struct bl_store *store, const char *run, enum bl_stream stream,
                        const struct chunk_list *list, size_t lines, size_t max_bytes,
                        size_t *first, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);
	size_t i = list->chunks.len / sizeof(struct chunk);
	uint64_t seen = 0, ends = 0;

	/* one more than asked: the stream's last byte may be one that begins no line */
	while (i && seen <= max_bytes && ends <= lines) {
		struct chunk chunk = chunk_at(list, --i);
		struct bl_key key = bl_stream_key(run, stream, chunk.attempt, chunk.offset);

		bl_buf_reset(&bytes);
		if (bl_store_get(store, NULL, key.text, &bytes, err))
			return -1;
		for (size_t at = 0; at < bytes.len; at++)
			ends += bytes.data[at] == '\n';
		seen += bytes.len;
	}
	*first = i;
	return 0;
}

int bl_stream_tail(struct bl_store *store, const char *run, enum bl_stream stream, size_t lines,
                   size_t max_bytes, struct bl_buf *out, struct bl_cursor *end, struct bl_err *err)
{
	struct bl_key prefix = bl_key_run(run, "%s", kinds[stream].folder);
	__attribute__((cleanup(chunk_list_done))) struct chunk_list list = {
		.skip = strlen(prefix.text),
		.kind = &kinds[stream],
		.chunks = BL_BUF(CHUNKS_MAX_BYTES),
	};
	BL_AUTO(bl_buf) bytes = BL_BUF(max_bytes + 2 * (size_t)BL_DOC_MAX);
	struct bl_cursor after = { 0 };
	size_t n, first, start;

	if (bl_store_list(store, NULL, prefix.text, NULL, 0, note_chunk, &list, err) ||
	    first_needed(store, run, stream, &list, lines, max_bytes, &first, err) ||
	    read_from(store, run, stream, &list, first, &bytes, err))
		return -1;
	n = list.chunks.len / sizeof(struct chunk);
	if (n) {
		struct chunk last = chunk_at(&list, n - 1);

		after = (struct bl_cursor){ last.attempt, last.offset + last.size };
	}
	start = tail_start(bl_buf_text(&bytes), bytes.len, lines, max_bytes);
	bl_buf_add(out, bl_buf_text(&bytes) + start, bytes.len - start);
	if (bl_buf_check(out, "last lines", err))
		return -1;
	if (end)
		*end = after;
	return 0;
}
