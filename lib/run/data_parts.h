/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_DATA_PARTS_H
#define BL_RUN_DATA_PARTS_H

/* What the parts of data.h share; nobody else includes it. */

#include "base/fs.h"
#include "run/data.h"

/* --- data_files.c --------------------------------------------------------------------------- */

struct bl_data_file {
	char *key;  /* path below the channel's directory; of a single file its name */
	char *path; /* absolute */
	uint64_t size;
	int64_t mtime_ms;
};

struct bl_data_files {
	struct bl_data_file *items; /* sorted by key */
	size_t n, cap;
	uint64_t bytes;
	bool is_single; /* uri names a file */
};
void bl_data_files_done(struct bl_data_files *files);

/* Appends the absolute path that a uri means. */
BL_MUST int bl_data_path(const char *uri, const char *base, struct bl_buf *path,
                         struct bl_err *err);
/* Every regular file, links followed. BL_EDATA when there is none. */
BL_MUST int bl_data_files_find(const struct bl_data_channel *channel, struct bl_data_files *out,
                               struct bl_err *err);

/* --- data_jsonl.c, data_formats.c ----------------------------------------------------------- */

/* A file that is being read, and what became of it. */
struct bl_data_reading {
	const char *name; /* for messages */
	int fd;
	uint64_t size;               /* as it was listed */
	uint64_t crc;                /* out */
	struct bl_data_found *found; /* records and longest_line are added to */
	bl_data_progress *progress;
	void *arg;
	uint64_t done_bytes, total_bytes; /* of the whole channel */
};

/* --- data.c ----------------------------------------------------------------------------------- */

/* How a file of that key is to be read; FILES where nothing is judged. */
enum bl_data_format bl_data_format_of(const struct bl_data_channel *channel, const char *key);
/* One file of the channel's digest. */
BL_MUST int bl_data_digest_add(struct bl_sha256 *sha, const struct bl_data_channel *channel,
                               const char *key, uint64_t size, const char *etag,
                               struct bl_err *err);
bool bl_data_is_included(const struct bl_value *include, const char *key);

/* The next piece of a file: `len` bytes, 0 at its end. */
typedef int bl_data_piece(void *arg, const char *bytes, size_t len, struct bl_err *err);

/* Reads it whole: CRC and progress; piece may be NULL. BL_EDATA when its size is another now. */
BL_MUST int bl_data_read(struct bl_data_reading *reading, bl_data_piece *piece, void *arg,
                         struct bl_err *err);

/* JSON lines as they come, whatever they come from. */
struct bl_data_lines {
	const char *name; /* for messages */
	struct bl_data_found *found;
	uint64_t line;      /* number of the next one, from 1 */
	uint64_t offset;    /* of its first byte in the file */
	struct bl_buf rest; /* what has no end yet */
};
void bl_data_lines_init(struct bl_data_lines *lines, const char *name, struct bl_data_found *found);
void bl_data_lines_done(struct bl_data_lines *lines);
/* A struct bl_data_piece. */
BL_MUST int bl_data_lines_piece(void *lines, const char *bytes, size_t len, struct bl_err *err);

/* Bytes at a Parquet file's ends that say whether it is one; of a file that has fewer: BL_EDATA. */
#define BL_PARQUET_HEAD_BYTES 4u
#define BL_PARQUET_END_BYTES 8u
BL_MUST int bl_data_parquet_fits(const char *name, uint64_t size, struct bl_err *err);
BL_MUST int bl_data_parquet_head(const char *name, const unsigned char *head, struct bl_err *err);
BL_MUST int bl_data_parquet_end(const char *name, uint64_t size, const unsigned char *end,
                                struct bl_err *err);

/* The block at `at` of an archive of `size` bytes: *next is where the following header lies, or
 * `size` and more at its end. A member is counted. */
#define BL_TAR_BLOCK 512u
BL_MUST int bl_data_tar_block(const char *name, uint64_t size, uint64_t at,
                              const unsigned char *block, uint64_t *next,
                              struct bl_data_found *found, struct bl_err *err);
BL_MUST int bl_data_tar_cut(const char *name, uint64_t at, struct bl_err *err); /* fails */

BL_MUST int bl_data_read_jsonl(struct bl_data_reading *reading, struct bl_err *err);
BL_MUST int bl_data_read_parquet(struct bl_data_reading *reading, struct bl_err *err);
BL_MUST int bl_data_read_tar(struct bl_data_reading *reading, struct bl_err *err);

/* Pure: the value of a tar header's octal or base-256 field. */
bool bl_tar_number(const unsigned char *field, size_t len, uint64_t *out);
/* Pure: does the checksum of this 512-byte header hold? */
bool bl_tar_header_holds(const unsigned char *header);

#endif
