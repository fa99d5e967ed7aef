/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 20)

static int parse_word(const char *word, const char *const *words, size_t n, const char *what,
                      unsigned *out, struct bl_err *err)
{
	const char *nearest = bl_str_nearest(word, words, n);

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(words[i], word)) {
			*out = (unsigned)i;
			return 0;
		}
	}
	bl_fail(err, BL_EINPUT, "'%.64s' is no %s", word, what);
	return nearest ? bl_next(err, "did you mean '%s'?", nearest) : -1;
}

int bl_data_format_parse(const char *word, enum bl_data_format *out, struct bl_err *err)
{
	static const char *const words[] = { "auto", "jsonl", "parquet", "tar", "files" };
	unsigned which = 0;

	if (parse_word(word, words, BL_COUNT(words), "format of data", &which, err))
		return -1;
	*out = (enum bl_data_format)which;
	return 0;
}

int bl_data_depth_parse(const char *word, enum bl_data_depth *out, struct bl_err *err)
{
	static const char *const words[] = { "full", "exists", "off", "first" };
	unsigned which = 0;

	if (parse_word(word, words, BL_COUNT(words), "depth of the data check", &which, err))
		return -1;
	*out = (enum bl_data_depth)which;
	return 0;
}

static void free_chunk(char **chunk)
{
	free(*chunk);
}

static int read_some(int fd, char *chunk, size_t *len, struct bl_err *err)
{
	ssize_t n;

	do
		n = read(fd, chunk, CHUNK_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return bl_fail_errno(err, errno, "read");
	*len = (size_t)n;
	return 0;
}

int bl_data_read(struct bl_data_reading *reading, bl_data_piece *piece, void *arg,
                 struct bl_err *err)
{
	__attribute__((cleanup(free_chunk))) char *chunk = malloc(CHUNK_BYTES);
	uint64_t done = 0;
	size_t len = 0;

	if (!chunk)
		return bl_fail(err, BL_ENOMEM, "read the data: out of memory");
	do {
		if (read_some(reading->fd, chunk, &len, err))
			return bl_wrap(err, "%s", reading->name);
		done += len;
		reading->crc = bl_crc64nvme(reading->crc, chunk, len);
		if (piece && piece(arg, chunk, len, err))
			return -1;
		if (reading->progress && len)
			reading->progress(reading->arg, reading->done_bytes + done,
			                  reading->total_bytes);
	} while (len);
	reading->done_bytes += done;
	if (done == reading->size)
		return 0;
	bl_fail(err, BL_EDATA, "%s: it has %" PRIu64 " bytes now and had %" PRIu64, reading->name,
	        done, reading->size);
	return bl_next(err, "wait until nobody writes it any more");
}

enum bl_data_format bl_data_format_of(const struct bl_data_channel *channel, const char *key)
{
	static const struct {
		const char *suffix;
		enum bl_data_format format;
	} suffixes[] = {
		{ ".jsonl", BL_DATA_JSONL },
		{ ".ndjson", BL_DATA_JSONL },
		{ ".parquet", BL_DATA_PARQUET },
		{ ".tar", BL_DATA_TAR },
	};

	if (channel->depth != BL_DATA_FULL && channel->depth != BL_DATA_FIRST)
		return BL_DATA_FILES;
	if (channel->format != BL_DATA_AUTO)
		return channel->format;
	for (size_t i = 0; i < BL_COUNT(suffixes); i++)
		if (bl_str_ends(key, suffixes[i].suffix))
			return suffixes[i].format;
	return BL_DATA_FILES;
}

static int read_file(struct bl_data_reading *reading, const struct bl_data_file *file,
                     enum bl_data_format format, struct bl_err *err)
{
	BL_FD fd = open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return bl_fail_errno(err, errno, "open '%s'", file->path);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	reading->name = file->key;
	reading->fd = fd;
	reading->size = file->size;
	reading->crc = 0;
	switch (format) {
	case BL_DATA_JSONL:
		return bl_data_read_jsonl(reading, err);
	case BL_DATA_PARQUET:
		return bl_data_read_parquet(reading, err);
	case BL_DATA_TAR:
		return bl_data_read_tar(reading, err);
	case BL_DATA_AUTO:
	case BL_DATA_FILES:
		break;
	}
	return bl_data_read(reading, NULL, NULL, err);
}

int bl_data_digest_add(struct bl_sha256 *sha, const struct bl_data_channel *channel,
                       const char *key, uint64_t size, const char *etag, struct bl_err *err)
{
	const char *version = channel->version ? channel->version : "";
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, size);
	if (bl_sha256_add(sha, key, strlen(key) + 1, err) ||
	    bl_sha256_add(sha, text, strlen(text) + 1, err) ||
	    bl_sha256_add(sha, etag, strlen(etag) + 1, err) ||
	    bl_sha256_add(sha, version, strlen(version) + 1, err))
		return -1;
	return 0;
}

static int add_to_digest(struct bl_sha256 *sha, const struct bl_data_channel *channel,
                         const struct bl_data_file *file, uint64_t crc, struct bl_err *err)
{
	char etag[40];

	if (channel->depth == BL_DATA_OFF)
		snprintf(etag, sizeof(etag), "mtime-%" PRId64, file->mtime_ms);
	else
		bl_crc64nvme_text(crc, etag);
	return bl_data_digest_add(sha, channel, file->key, file->size, etag, err);
}

static void free_sha(struct bl_sha256 **sha)
{
	bl_sha256_free(*sha);
}

static int read_all(const struct bl_data_channel *channel, const struct bl_data_files *files,
                    struct bl_data_reading *reading, struct bl_err *err)
{
	__attribute__((cleanup(free_sha))) struct bl_sha256 *sha = NULL;
	bool only_lines = true;

	if (bl_sha256_new(&sha, err))
		return -1;
	for (size_t i = 0; i < files->n; i++) {
		enum bl_data_format format = bl_data_format_of(channel, files->items[i].key);

		only_lines &= format == BL_DATA_JSONL;
		if (channel->depth != BL_DATA_OFF &&
		    read_file(reading, &files->items[i], format, err))
			return -1;
		if (add_to_digest(sha, channel, &files->items[i], reading->crc, err))
			return -1;
	}
	if (only_lines && !reading->found->records)
		return bl_fail(err, BL_EDATA, "'%s' holds no record", channel->uri);
	return bl_sha256_hex(sha, reading->found->digest, err);
}

int bl_data_check(const struct bl_data_channel *channel, bl_data_progress *progress, void *arg,
                  struct bl_data_found *out, struct bl_err *err)
{
	BL_AUTO(bl_data_files) files = { 0 };
	struct bl_data_found found = { 0 };
	struct bl_data_reading reading = { .found = &found, .progress = progress, .arg = arg };

	if (bl_data_files_find(channel, &files, err))
		return bl_wrap(err, "data channel '%s'", channel->name);
	found.files = files.n;
	found.bytes = reading.total_bytes = files.bytes;
	if (read_all(channel, &files, &reading, err))
		return bl_wrap(err, "data channel '%s'", channel->name);
	*out = found;
	return 0;
}

/* RFC 3986: everything but unreserved characters and '/' is escaped. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~/", c));
}

int bl_data_uri(const struct bl_data_channel *channel, struct bl_buf *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(PATH_MAX);
	char absolute[PATH_MAX];

	if (bl_data_path(channel->uri, channel->base, &path, err))
		return bl_wrap(err, "data channel '%s'", channel->name);
	/* the same data by two paths is the same data */
	if (!realpath(path.data, absolute))
		return bl_fail_errno(err, errno, "data channel '%s': '%s'", channel->name,
		                     path.data);
	bl_buf_adds(out, "file://");
	for (const char *p = absolute; *p; p++) {
		if (is_plain(*p))
			bl_buf_addc(out, *p);
		else
			bl_buf_addf(out, "%%%02X", (unsigned char)*p);
	}
	return bl_buf_check(out, "uri of the data", err);
}
