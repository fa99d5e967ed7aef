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

/* The next piece of a file: `len` bytes, 0 at its end. */
typedef int bl_data_piece(void *arg, const char *bytes, size_t len, struct bl_err *err);

/* Reads it whole: CRC and progress; piece may be NULL. BL_EDATA when its size is another now. */
BL_MUST int bl_data_read(struct bl_data_reading *reading, bl_data_piece *piece, void *arg,
                         struct bl_err *err);

BL_MUST int bl_data_read_jsonl(struct bl_data_reading *reading, struct bl_err *err);
BL_MUST int bl_data_read_parquet(struct bl_data_reading *reading, struct bl_err *err);
BL_MUST int bl_data_read_tar(struct bl_data_reading *reading, struct bl_err *err);

/* Pure: the value of a tar header's octal or base-256 field. */
bool bl_tar_number(const unsigned char *field, size_t len, uint64_t *out);
/* Pure: does the checksum of this 512-byte header hold? */
bool bl_tar_header_holds(const unsigned char *header);

#endif
