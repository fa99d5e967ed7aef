/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_S3_H
#define BL_AWS_S3_H

#include "aws/client.h"

/*
 * One bucket. Keys: UTF-8, 1..1024 bytes. Every upload carries a checksum that S3 verifies and
 * whose reply we compare; every whole download is compared with the stored one. Over TLS the
 * payload is unsigned, over plain http signed.
 */
enum bl_s3_sum { BL_S3_CRC64, BL_S3_SHA256 };

struct bl_s3_options {
	const char *bucket;
	/* x-amz-expected-bucket-owner, 12 digits; NULL: BRANCHLINE_BUCKET_OWNER, else none */
	const char *owner;
	enum bl_s3_sum sum;
};

struct bl_s3;
/* Asks nobody yet. aws stays the caller's and outlives it. BL_EINPUT: no bucket's name. */
BL_MUST int bl_s3_open(struct bl_aws *aws, const struct bl_s3_options *options, struct bl_s3 **out,
                       struct bl_err *err);
void bl_s3_close(struct bl_s3 *s3); /* takes NULL */
void bl_s3_auto(struct bl_s3 **s3);
#define BL_S3 __attribute__((cleanup(bl_s3_auto))) struct bl_s3 *
const char *bl_s3_bucket(const struct bl_s3 *s3);
struct bl_aws *bl_s3_aws(struct bl_s3 *s3);

/* Asks whether the bucket is there and may be listed. BL_ENOENT, BL_EDENIED. */
BL_MUST int bl_s3_reach(struct bl_s3 *s3, const struct bl_call *call, struct bl_err *err);

/* "s3://bucket/key": bucket and the rest. BL_EINPUT. */
BL_MUST int bl_s3_uri(const char *uri, char bucket[64], char key[1025], struct bl_err *err);

#define BL_ETAG_SIZE 128

struct bl_s3_object {
	uint64_t size;
	char etag[BL_ETAG_SIZE]; /* quotes kept; opaque */
	int64_t modified_wall_ms;
	bool has_crc;
	uint64_t crc; /* CRC-64/NVME of the whole object, where S3 has it */
	char storage_class[32];
};

/* Writes one small object. BL_EDENIED, BL_ERETRY. etag may be NULL. */
BL_MUST int bl_s3_put(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                      const void *bytes, size_t len, char etag[BL_ETAG_SIZE], struct bl_err *err);
/* The same unless its key exists: BL_EEXIST (412; perhaps our own write, whose reply was lost:
 * read, compare the nonce). 409 is repeated, then BL_ERETRY. */
BL_MUST int bl_s3_create(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                         const void *bytes, size_t len, char etag[BL_ETAG_SIZE],
                         struct bl_err *err);
/* Appends up to len bytes from offset; fewer at the end, none past it. BL_ENOENT; BL_EDENIED with
 * the restore command for a storage class that cannot be read. */
BL_MUST int bl_s3_get(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                      uint64_t offset, size_t len, struct bl_buf *buf, uint64_t *total,
                      struct bl_err *err);
/*
 * Small objects, many at once. fn is told of each that came whole, and of each that is not there
 * (bytes NULL), in any order; not of those that failed otherwise: who needs them asks by itself. fn
 * must not call S3. each_max: over it, it is not told. BL_ENOMEM, BL_ETIMEOUT.
 */
typedef int bl_s3_many_fn(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err);
BL_MUST int bl_s3_get_many(struct bl_s3 *s3, const struct bl_call *call, const char *const *keys,
                           size_t n, size_t each_max, bl_s3_many_fn *fn, void *arg,
                           struct bl_err *err);
BL_MUST int bl_s3_head(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                       struct bl_s3_object *out, struct bl_err *err);
/* The same of many, at once. known[i] false: that one failed; who needs it asks by itself.
 * BL_ENOMEM, BL_ETIMEOUT. */
BL_MUST int bl_s3_head_many(struct bl_s3 *s3, const struct bl_call *call, const char *const *keys,
                            size_t n, struct bl_s3_object *objects, bool *known,
                            struct bl_err *err);
/*
 * Pieces of objects, many at once. next says which is wanted (`of` is the caller's), false: none
 * now; it is asked again after each that came. What next or came say other than success ends it.
 * BL_EDATA: an archived object, or one that is not etag's any more; else as bl_s3_get().
 */
struct bl_s3_range {
	const char *key, *etag; /* etag NULL: any */
	uint64_t offset;
	size_t len; /* 1 at least; all of it must be there */
	void *of;
};
struct bl_s3_ranges {
	bool (*next)(void *arg, struct bl_s3_range *out); /* texts stay valid until it came */
	int (*came)(void *arg, const struct bl_s3_range *range, const char *bytes,
	            struct bl_err *err); /* range->len bytes; must not call S3 */
	void *arg;
};
BL_MUST int bl_s3_get_ranges(struct bl_s3 *s3, const struct bl_call *call,
                             const struct bl_s3_ranges *ranges, struct bl_err *err);
/* HeadBucket: the region that it lies in; "" where it does not say (who is not AWS). BL_ENOENT,
 * BL_EDENIED. */
BL_MUST int bl_s3_region(struct bl_s3 *s3, const struct bl_call *call, char *region, size_t size,
                         struct bl_err *err);
BL_MUST int bl_s3_delete(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                         struct bl_err *err);
/* DeleteObjects, 1,000 keys a request. What was refused is in err: the first, and how many. */
BL_MUST int bl_s3_delete_many(struct bl_s3 *s3, const struct bl_call *call, const char *const *keys,
                              size_t n, struct bl_err *err);

struct bl_s3_listed {
	const char *key; /* decoded */
	bool is_prefix;  /* folded by the delimiter */
	struct bl_s3_object object;
};
typedef int bl_s3_list_fn(void *arg, const struct bl_s3_listed *item, struct bl_err *err);
/* In byte order; every page, or an error: never less in silence. fn's non-zero return ends it and
 * is returned. fn may call S3. */
BL_MUST int bl_s3_list(struct bl_s3 *s3, const struct bl_call *call, const char *prefix,
                       const char *start_after, char delimiter, bl_s3_list_fn *fn, void *arg,
                       struct bl_err *err);
/*
 * One page at a time, for a list that overlaps with transfers. Zero-initialise; `prefix` stays
 * valid. The items of a page go to fn when it has come; then done(arg, last, err). One page under
 * way per struct.
 */
struct bl_s3_pages {
	const char *prefix, *start_after;
	char delimiter;
	bl_s3_list_fn *fn;
	void (*done)(void *arg, bool last, struct bl_err *err);
	void *arg;
	char token[1536];        /* ours */
	unsigned n;              /* pages so far */
	struct bl_s3_page *page; /* ours */
};
BL_MUST int bl_s3_page_start(struct bl_s3 *s3, struct bl_s3_pages *pages, struct bl_err *err);
void bl_s3_pages_done(struct bl_s3_pages *pages);

/* Unfinished multipart uploads below prefix that are older than age_ms are ended; how many. */
BL_MUST int bl_s3_abort_stale(struct bl_s3 *s3, const struct bl_call *call, const char *prefix,
                              int64_t age_ms, unsigned *aborted, struct bl_err *err);
/* The same for the uploads of exactly one key. */
BL_MUST int bl_s3_abort_stale_key(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                                  int64_t age_ms, unsigned *aborted, struct bl_err *err);

#endif
