/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_S3_PARTS_H
#define BL_AWS_S3_PARTS_H

#include "aws/s3.h"
#include "codec/hash.h"

/* What the files of S3 and the transfers share. */

struct bl_s3 {
	struct bl_aws *aws;
	char bucket[64];
	char owner[13]; /* "": not known */
	enum bl_s3_sum sum;
	bool addressed, path_style; /* addressed: path_style is known */
	char host_prefix[66];       /* "bucket." */
};

#define BL_S3_UNSIGNED "UNSIGNED-PAYLOAD"

/*
 * Fills what every operation has: service, protocol, method, path and host prefix (path style where
 * the endpoint was named by somebody or the bucket's name has a dot), the bucket's owner,
 * unsigned payload. key NULL: the bucket itself. request: BL_AWS_REQUEST; call may be NULL.
 * operation: static. BL_EINPUT: no region, or a key that cannot be one.
 */
BL_MUST int bl_s3_object_request(struct bl_s3 *s3, const char *method, const char *operation,
                                 const char *key, const struct bl_call *call,
                                 struct bl_aws_request *request, struct bl_err *err);

/* Checksum headers of an upload. The second: by what the bucket was opened with, over `bytes`. */
void bl_s3_add_crc(struct bl_aws_request *request, uint64_t crc);
void bl_s3_add_sha256(struct bl_aws_request *request, const unsigned char raw[BL_SHA256_BYTES]);
BL_MUST int bl_s3_add_sum(const struct bl_s3 *s3, struct bl_aws_request *request, const void *bytes,
                          size_t len, struct bl_err *err);

/*
 * The CRC-64/NVME that a reply names; false: none, or one of parts ("-3" at its end). BL_ECORRUPT
 * by bl_s3_check_crc when there is one and it is not `crc`.
 */
bool bl_s3_reply_crc(const struct bl_http_reply *reply, uint64_t *crc);
BL_MUST int bl_s3_check_crc(const struct bl_http_reply *reply, uint64_t crc, struct bl_err *err);

/*
 * What head or get said of the object: size is the whole object's, also of a 206 (Content-Range).
 * BL_ECORRUPT: no size, or an etag too long.
 */
BL_MUST int bl_s3_reply_object(const struct bl_http_reply *reply, struct bl_s3_object *out,
                               struct bl_err *err);
/* "" when there is none; quotes kept. */
BL_MUST int bl_s3_reply_etag(const struct bl_http_reply *reply, char etag[BL_ETAG_SIZE],
                             struct bl_err *err);

/*
 * After a failed call: the code and the next step that S3 alone knows (a key's absence in a HEAD,
 * InvalidObjectState with its restore command), and the context "WHAT s3://bucket/key". Returns -1.
 */
int bl_s3_failed(const struct bl_s3 *s3, const char *what, const char *key,
                 const struct bl_aws_reply *reply, struct bl_err *err);

/* Ends one multipart upload: again until S3 has none of its parts. Already gone is success. */
BL_MUST int bl_s3_abort(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                        const char *upload_id, struct bl_err *err);

/* Wall time of "Wed, 25 Nov 2026 01:29:00 GMT" or "2026-11-25T01:29:00.000Z"; 0: neither. */
int64_t bl_s3_time(const char *text);

#endif
