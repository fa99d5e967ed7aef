/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_DATA_H
#define BL_RUN_DATA_H

#include "codec/hash.h"
#include "codec/value.h"

/*
 * Training data before anything is started or bought: it is there, whole and counted, and
 * its digest says which data a run was made from.
 */
enum bl_data_format {
	BL_DATA_AUTO, /* by each file's suffix: .jsonl .ndjson .parquet .tar, anything else FILES */
	BL_DATA_JSONL,
	BL_DATA_PARQUET,
	BL_DATA_TAR,
	BL_DATA_FILES, /* read, not judged */
};

enum bl_data_depth {
	BL_DATA_FULL,   /* every byte is read, every record judged */
	BL_DATA_EXISTS, /* every byte is read for the digest, nothing judged */
	BL_DATA_OFF,    /* nothing is read: times stand in for content in the digest */
	BL_DATA_FIRST,  /* of objects in S3 the first MiB; of files here the same as FULL */
};

struct bl_data_channel {
	const char *name;
	const char *uri;     /* a path or file:///path, of a file or a directory */
	const char *base;    /* what a relative path starts from; NULL: the working directory */
	const char *version; /* the user's own word for this data; NULL */
	const struct bl_value *include; /* list of globs on paths below uri; NULL or empty: all */
	enum bl_data_format format;
	enum bl_data_depth depth;
};

struct bl_data_found {
	size_t files;
	uint64_t bytes;
	uint64_t records;      /* JSON lines that are not blank, members of tar archives */
	uint64_t longest_line; /* bytes */
	/* SHA-256 of "key\0size\0etag\0version\0" of each file in the order of the keys; key is the
	 * path below uri, etag the CRC64NVME of the content */
	char digest[BL_SHA256_HEX];
};

typedef void bl_data_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes);

BL_MUST int bl_data_format_parse(const char *word, enum bl_data_format *out, struct bl_err *err);
/* "full", "exists", "off", "first" */
BL_MUST int bl_data_depth_parse(const char *word, enum bl_data_depth *out, struct bl_err *err);

/*
 * Reads a channel in one pass with bounded memory (a line may have BL_DATA_LINE_MAX bytes).
 * progress may be NULL. BL_EDATA: nothing there (the nearest name is said), no file, no record, or
 * the first bad record by file, line, column and reason. BL_EINPUT: a uri that this version cannot
 * read.
 */
#define BL_DATA_LINE_MAX (64u << 20)
BL_MUST int bl_data_check(const struct bl_data_channel *channel, bl_data_progress *progress,
                          void *arg, struct bl_data_found *out, struct bl_err *err);

/* Appends "file:///absolute/path" of the channel, percent-encoded: what run.json holds. */
BL_MUST int bl_data_uri(const struct bl_data_channel *channel, struct bl_buf *out,
                        struct bl_err *err);

/*
 * Shows a channel to the training at `into` ("ROOT/input/data/NAME"), a directory in any case: a
 * link to the directory that uri names, or a directory that holds a link to its one file. Missing
 * parents are made; the same link again is fine, BL_EEXIST when something else is there.
 */
BL_MUST int bl_data_link(const char *uri, const char *into, struct bl_err *err);

/* The same with only the files that the channel includes: a directory of links. */
BL_MUST int bl_data_link_channel(const struct bl_data_channel *channel, const char *into,
                                 struct bl_err *err);

#endif
