/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_S3_LIST_H
#define BL_AWS_S3_LIST_H

#include "aws/s3.h"

/* One page of ListObjectsV2, read whole before any of it is told. */
struct listing_item {
	size_t key_at; /* in keys */
	bool sized;
	struct bl_s3_object object;
};
struct listing_side {
	struct bl_buf items, keys;
	size_t n, next;
};
enum { LISTED_KEYS, LISTED_PREFIXES };
struct listing {
	struct listing_side side[2];
	bool whole, more;
	char token[1536];
	struct listing_item item; /* being read */
	char name[3 * 1024 + 1];
};
#define LISTING_BYTES ((size_t)8 << 20)
#define LISTING_SIDE                                                                               \
	{                                                                                          \
		BL_BUF(LISTING_BYTES), BL_BUF(LISTING_BYTES), 0, 0                                 \
	}
#define LISTING ((struct listing){ .side = { LISTING_SIDE, LISTING_SIDE } })
void listing_done(struct listing *listing);

/* BL_ECORRUPT: no whole list. */
BL_MUST int listing_read(struct listing *listing, const char *bytes, size_t len,
                         struct bl_err *err);
/* In order; what fn returned other than 0. */
BL_MUST int listing_emit(struct listing *listing, bl_s3_list_fn *fn, void *arg, struct bl_err *err);

BL_MUST int listing_request(struct bl_s3 *s3, const struct bl_s3_pages *pages,
                            const struct bl_call *call, struct bl_aws_request *request,
                            struct bl_err *err);
/* Takes over the token of the next page. BL_ECORRUPT: the same again; BL_ELIMIT: too many pages. */
BL_MUST int listing_turn(struct bl_s3_pages *pages, const struct listing *listing,
                         struct bl_err *err);

#endif
