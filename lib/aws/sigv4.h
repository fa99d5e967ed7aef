/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_SIGV4_H
#define BL_AWS_SIGV4_H

#include "base/buf.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * AWS Signature Version 4, header and presigned form, in three stages that tests look at one by
 * one. Pure: the time is an argument. Spec: IAM User Guide, "AWS Signature Version 4".
 */
struct bl_pair {
	const char *name, *value;
};

#define BL_SIGN_PAIRS_MAX 64 /* query and headers, each; more: BL_ELIMIT */

struct bl_sign {
	const char *method;
	const char *path;            /* as it will be sent, encoded once, "/" at least */
	const struct bl_pair *query; /* decoded; value NULL: "?uploads" */
	size_t n_query;
	const struct bl_pair
		*headers; /* all that are to be signed, "host" too; any case and order */
	size_t n_headers;
	const char *payload_hash; /* 64 hex digits, or "UNSIGNED-PAYLOAD" */
	const char *region, *service;
	bool is_s3; /* the path is signed as sent; others: normalised and encoded twice */
	int64_t wall_ms;
	const char *access_key;
	const struct bl_secret *secret, *token; /* token NULL or empty: none */
};

#define BL_AMZ_DATE_SIZE 17 /* "20261125T012900Z" and a NUL */
void bl_amz_date(int64_t wall_ms, char text[BL_AMZ_DATE_SIZE]);

/* Stage 1. Headers as given: the caller has added x-amz-date, x-amz-security-token. */
void bl_sign_canonical(const struct bl_sign *sign, struct bl_buf *out);
/* Stage 2, from stage 1's text. */
BL_MUST int bl_sign_string(const struct bl_sign *sign, const char *canonical, struct bl_buf *out,
                           struct bl_err *err);

/*
 * The derived key of a day, region and service: kept between requests, so that one costs two
 * hashes and one HMAC. Zero-initialise; belongs to one pair of keys: _done when they change.
 */
struct bl_sign_key {
	char scope[160]; /* "20261125/us-east-1/s3" */
	unsigned char key[32];
};
void bl_sign_key_done(struct bl_sign_key *key); /* wipes */

/* Stage 3: the 64 hex digits of stage 2's text. */
BL_MUST int bl_sign_signature(const struct bl_sign *sign, struct bl_sign_key *key,
                              const char *string, char hex[65], struct bl_err *err);

/*
 * All three. Appends "name: value\n" lines to `lines`: x-amz-date, x-amz-security-token (with a
 * token), authorization. `headers` must hold host and, for S3, x-amz-content-sha256, but none of
 * those three.
 */
BL_MUST int bl_sign_headers(const struct bl_sign *sign, struct bl_sign_key *key,
                            struct bl_buf *lines, struct bl_err *err);

/*
 * Appends the whole presigned query, from X-Amz-Algorithm to X-Amz-Signature, the request's own
 * query included, sorted; expires_s 1..604800.
 */
BL_MUST int bl_sign_query(const struct bl_sign *sign, struct bl_sign_key *key, unsigned expires_s,
                          struct bl_buf *query, struct bl_err *err);

#endif
