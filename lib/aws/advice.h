/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_ADVICE_H
#define BL_AWS_ADVICE_H

#include "base/err.h"

/* An operation that AWS refused. Any text may be NULL or "": unknown. */
struct bl_refusal {
	const char *service;   /* "s3", "sts" */
	const char *operation; /* "PutObject" */
	int status;            /* of HTTP */
	const char *code;      /* "AccessDenied" */
	const char *message; /* what AWS said: names the permission that lacks, or the key of KMS */
	const char *resource; /* S3: "bucket" or "bucket/key", decoded; STS: the role's ARN */
	const char *region;   /* that was asked */
};

/*
 * What a person can do about it, as err's next step unless it has one: one sentence of a table by
 * service, operation and code, of at most 250 bytes; the resource's names are put in quoted for a
 * shell, or left as BUCKET and KEY where they would not fit. Nothing is set when no more is known
 * than what the message says.
 */
void bl_advise(const struct bl_refusal *refusal, struct bl_err *err);

/*
 * Which of our codes an error of AWS is; service, code: "" when unknown.
 *
 *   BL_EDENIED    AccessDenied, keys, tokens and clocks that do not hold, a class of storage that
 *                 cannot be read, any other 401 and 403
 *   BL_ENOENT     NoSuchKey, NoSuchBucket, NoSuchUpload, "*.NotFound", any other 404
 *   BL_EEXIST     412 of S3
 *   BL_EINPUT     wrong region, name of a bucket, or value of a parameter
 *   BL_ECORRUPT   the bytes that came are not those of the checksum
 *   BL_ECAPACITY  EC2 has none; a quota
 *   BL_ERETRY     throttled, 5xx, 409 of S3
 *   BL_EIO        else
 */
enum bl_code bl_aws_code(const char *service, int status, const char *code);

#endif
