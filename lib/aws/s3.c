/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3.h"

#include "aws/s3_parts.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNER_DIGITS 12

/* S3 User Guide, "General purpose bucket naming rules": what a URL could misread. */
static const char *bad_bucket(const char *name, size_t len)
{
	static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";

	if (len < 3 || len > 63)
		return "it must have 3 to 63 characters";
	if (strspn(name, inner) < len)
		return "only a-z, 0-9, '-' and '.' are allowed";
	if (strchr("-.", name[0]) || strchr("-.", name[len - 1]))
		return "it must begin and end with a letter or digit";
	for (size_t i = 1; i < len; i++) {
		if (name[i] == '.' && name[i - 1] == '.')
			return "two dots in a row";
	}
	return NULL;
}

static int fail_bucket(const char *name, size_t len, const char *why, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "'%.*s' cannot be a bucket: %s", len > 80 ? 80 : (int)len, name,
	        why);
	return bl_next(err, "write s3://BUCKET, as `aws s3 ls` shows it");
}

int bl_s3_uri(const char *uri, char bucket[64], char key[1025], struct bl_err *err)
{
	const char *name = uri + strlen("s3://");
	const char *why, *rest;
	size_t len;

	if (!bl_str_starts(uri, "s3://"))
		return bl_fail(err, BL_EINPUT, "'%.100s' does not begin with s3://", uri);
	len = strcspn(name, "/");
	why = bad_bucket(name, len);
	if (why)
		return fail_bucket(name, len, why, err);
	rest = name + len + (name[len] == '/');
	if (strlen(rest) > 1024)
		return bl_fail(err, BL_EINPUT, "the key of '%.100s...' is over 1024 bytes", uri);
	memcpy(bucket, name, len);
	bucket[len] = '\0';
	memcpy(key, rest, strlen(rest) + 1);
	return 0;
}

static int set_owner(struct bl_s3 *s3, const char *owner, struct bl_err *err)
{
	if (!owner)
		owner = getenv("BRANCHLINE_BUCKET_OWNER");
	if (!owner || !*owner)
		return 0;
	if (strlen(owner) != OWNER_DIGITS || strspn(owner, "0123456789") != OWNER_DIGITS) {
		bl_fail(err, BL_EINPUT, "bucket owner '%.40s' is no account id of 12 digits",
		        owner);
		return bl_next(err, "correct BRANCHLINE_BUCKET_OWNER");
	}
	memcpy(s3->owner, owner, OWNER_DIGITS + 1);
	return 0;
}

int bl_s3_open(struct bl_aws *aws, const struct bl_s3_options *options, struct bl_s3 **out,
               struct bl_err *err)
{
	const char *bucket = options->bucket ? options->bucket : "";
	size_t len = strlen(bucket);
	const char *why = bad_bucket(bucket, len);
	struct bl_s3 *s3;

	if (why)
		return fail_bucket(bucket, len, why, err);
	s3 = calloc(1, sizeof(*s3));
	if (!s3)
		return bl_fail(err, BL_ENOMEM, "open s3://%s: out of memory", bucket);
	s3->aws = aws;
	s3->sum = options->sum;
	memcpy(s3->bucket, bucket, len + 1);
	snprintf(s3->host_prefix, sizeof(s3->host_prefix), "%s.", bucket);
	if (set_owner(s3, options->owner, err)) {
		bl_s3_close(s3);
		return -1;
	}
	*out = s3;
	return 0;
}

void bl_s3_close(struct bl_s3 *s3)
{
	free(s3);
}

void bl_s3_auto(struct bl_s3 **s3)
{
	bl_s3_close(*s3);
	*s3 = NULL;
}

const char *bl_s3_bucket(const struct bl_s3 *s3)
{
	return s3->bucket;
}

struct bl_aws *bl_s3_aws(struct bl_s3 *s3)
{
	return s3->aws;
}

int bl_s3_reach(struct bl_s3 *s3, const struct bl_call *call, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };

	/* not HeadBucket: its errors have no body, hence do not say why */
	if (bl_s3_object_request(s3, "GET", "ListObjectsV2", NULL, call, &request, err))
		return -1;
	bl_aws_query(&request, "list-type", "2");
	bl_aws_query(&request, "max-keys", "1");
	if (bl_aws_send(s3->aws, &request, &reply, err))
		return bl_s3_failed(s3, "look at", NULL, &reply, err);
	return 0;
}

int bl_s3_head(struct bl_s3 *s3, const struct bl_call *call, const char *key,
               struct bl_s3_object *out, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (bl_s3_object_request(s3, "HEAD", "HeadObject", key, call, &request, err))
		return -1;
	bl_aws_header(&request, "x-amz-checksum-mode", "ENABLED");
	if (bl_aws_send(s3->aws, &request, &reply, err) ||
	    bl_s3_reply_object(&reply.http, out, err))
		return bl_s3_failed(s3, "look at", key, &reply, err);
	return 0;
}

int bl_s3_delete(struct bl_s3 *s3, const struct bl_call *call, const char *key, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (bl_s3_object_request(s3, "DELETE", "DeleteObject", key, call, &request, err))
		return -1;
	if (!bl_aws_send(s3->aws, &request, &reply, err))
		return 0;
	if (!strcmp(reply.code, "NoSuchKey")) {
		bl_err_clear(err); /* AWS answers 204; some others do not */
		return 0;
	}
	return bl_s3_failed(s3, "delete", key, &reply, err);
}
