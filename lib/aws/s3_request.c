/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_parts.h"
#include "base/clock.h"
#include "base/str.h"
#include "codec/base64.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX 1024
#define LINE_MAX_BYTES 512

/* The endpoint is asked at the first request: only then must there be a region. */
static int address(struct bl_s3 *s3, struct bl_err *err)
{
	struct bl_endpoint endpoint;

	if (s3->addressed)
		return 0;
	if (bl_aws_endpoint(s3->aws, "s3", NULL, &endpoint, err))
		return bl_next(err, "set AWS_REGION to the region of the bucket %s", s3->bucket);
	/* a dot would make one more level, which the certificate of *.s3.REGION does not cover */
	s3->path_style = endpoint.custom || strchr(s3->bucket, '.');
	s3->addressed = true;
	return 0;
}

static int check_key(const char *key, struct bl_err *err)
{
	size_t len = strlen(key);

	if (!len || len > KEY_MAX || bl_utf8_valid(key, len) != len)
		return bl_fail(err, BL_EINPUT, "'%.64s' cannot be an S3 key: %s", key,
		               !len            ? "it is empty"
		               : len > KEY_MAX ? "it is over 1024 bytes"
		                               : "it is not UTF-8");
	return 0;
}

int bl_s3_object_request(struct bl_s3 *s3, const char *method, const char *operation,
                         const char *key, const struct bl_call *call,
                         struct bl_aws_request *request, struct bl_err *err)
{
	if (address(s3, err) || (key && check_key(key, err)))
		return -1;
	request->service = "s3";
	request->operation = operation;
	request->protocol = BL_AWS_S3;
	request->method = method;
	request->payload_hash = BL_S3_UNSIGNED;
	if (call)
		request->call = *call;
	bl_buf_addc(&request->path, '/');
	if (s3->path_style) {
		bl_buf_adds(&request->path, s3->bucket);
		if (key)
			bl_buf_addc(&request->path, '/');
	} else {
		request->host_prefix = s3->host_prefix;
	}
	if (key)
		bl_uri_add_path(&request->path, key, strlen(key));
	if (s3->owner[0])
		bl_aws_header(request, "x-amz-expected-bucket-owner", s3->owner);
	return bl_buf_check(&request->path, "request path", err);
}

void bl_s3_add_crc(struct bl_aws_request *request, uint64_t crc)
{
	char text[BL_CRC64_TEXT];

	bl_crc64nvme_text(crc, text);
	bl_aws_header(request, "x-amz-checksum-crc64nvme", text);
}

void bl_s3_add_sha256(struct bl_aws_request *request, const unsigned char raw[BL_SHA256_BYTES])
{
	BL_AUTO(bl_buf) text = BL_BUF(64);

	bl_base64_add(&text, raw, BL_SHA256_BYTES);
	/* the latch of the headers tells of a lost line; an empty value S3 refuses */
	bl_aws_header(request, "x-amz-checksum-sha256", bl_buf_text(&text));
}

int bl_s3_add_sum(const struct bl_s3 *s3, struct bl_aws_request *request, const void *bytes,
                  size_t len, struct bl_err *err)
{
	unsigned char raw[BL_SHA256_BYTES];
	struct bl_sha256 *sha = NULL;
	int rc;

	if (s3->sum == BL_S3_CRC64) {
		bl_s3_add_crc(request, bl_crc64nvme(0, bytes, len));
		return 0;
	}
	if (bl_sha256_new(&sha, err))
		return -1;
	rc = bl_sha256_add(sha, bytes, len, err) || bl_sha256_raw(sha, raw, err) ? -1 : 0;
	bl_sha256_free(sha);
	if (!rc)
		bl_s3_add_sha256(request, raw);
	return rc;
}

bool bl_s3_reply_crc(const struct bl_http_reply *reply, uint64_t *crc)
{
	struct bl_err unsaid = { 0 };
	char text[64];

	return bl_http_header(reply, "x-amz-checksum-crc64nvme", text, sizeof(text)) &&
	       !bl_crc64nvme_parse(text, crc, &unsaid);
}

int bl_s3_check_crc(const struct bl_http_reply *reply, uint64_t crc, struct bl_err *err)
{
	char ours[BL_CRC64_TEXT], theirs[BL_CRC64_TEXT];
	uint64_t named;

	if (!bl_s3_reply_crc(reply, &named) || named == crc)
		return 0;
	bl_crc64nvme_text(crc, ours);
	bl_crc64nvme_text(named, theirs);
	return bl_fail(err, BL_ECORRUPT, "its CRC64NVME is %s, S3's is %s", ours, theirs);
}

int bl_s3_reply_etag(const struct bl_http_reply *reply, char etag[BL_ETAG_SIZE], struct bl_err *err)
{
	char line[LINE_MAX_BYTES];

	etag[0] = '\0';
	if (!bl_http_header(reply, "etag", line, sizeof(line)))
		return 0;
	if (strlen(line) >= BL_ETAG_SIZE)
		return bl_fail(err, BL_ECORRUPT, "its etag is over %d bytes", BL_ETAG_SIZE - 1);
	memcpy(etag, line, strlen(line) + 1);
	return 0;
}

/* Content-Range: "bytes 0-99/1234", or "bytes * /1234" of a 416; else Content-Length. */
static int whole_size(const struct bl_http_reply *reply, uint64_t *size, struct bl_err *err)
{
	char line[LINE_MAX_BYTES];
	const char *text = line;

	if (bl_http_header(reply, "content-range", line, sizeof(line))) {
		text = strrchr(line, '/');
		text = text ? text + 1 : "";
	} else if (!bl_http_header(reply, "content-length", line, sizeof(line))) {
		if (reply->status == 200 && reply->received) {
			*size = reply->received; /* chunked */
			return 0;
		}
		return bl_fail(err, BL_ECORRUPT, "the reply does not say the object's size");
	}
	if (bl_str_u64(text, 0, UINT64_MAX - 1, size, err)) {
		bl_err_clear(err);
		return bl_fail(err, BL_ECORRUPT, "the reply's size is no number: '%.40s'", line);
	}
	return 0;
}

int bl_s3_reply_object(const struct bl_http_reply *reply, struct bl_s3_object *out,
                       struct bl_err *err)
{
	struct bl_s3_object got = { 0 };
	char line[LINE_MAX_BYTES];

	if (whole_size(reply, &got.size, err) || bl_s3_reply_etag(reply, got.etag, err))
		return -1;
	if (bl_http_header(reply, "last-modified", line, sizeof(line)))
		got.modified_wall_ms = bl_s3_time(line);
	got.has_crc = bl_s3_reply_crc(reply, &got.crc);
	if (!bl_http_header(reply, "x-amz-storage-class", got.storage_class,
	                    sizeof(got.storage_class)))
		snprintf(got.storage_class, sizeof(got.storage_class), "STANDARD");
	*out = got;
	return 0;
}

int64_t bl_s3_time(const char *text)
{
	int64_t wall_ms;

	return bl_http_date(text, &wall_ms) || bl_utc_parse(text, &wall_ms) ? wall_ms : 0;
}

/* In front of what the client advised: it knows neither bucket nor key. */
static void advise_restore(const struct bl_s3 *s3, const char *key, struct bl_err *err)
{
	/* a line to paste: what does not fit or would end the quotes is left to be put in */
	const char *shown = strlen(key) <= 110 && !strchr(key, '\'') ? key : "KEY";

	err->next[0] = '\0';
	bl_next(err,
	        "it is archived: aws s3api restore-object --bucket %s --key '%s' "
	        "--restore-request Days=7, wait until it is done, then repeat",
	        s3->bucket, shown);
}

int bl_s3_failed(const struct bl_s3 *s3, const char *what, const char *key,
                 const struct bl_aws_reply *reply, struct bl_err *err)
{
	if (reply && !strcmp(reply->code, "InvalidObjectState")) {
		bl_recode(err, BL_EDENIED);
		advise_restore(s3, key ? key : "", err);
	} else if (reply && reply->http.status == 404 && err->code != BL_ENOENT) {
		bl_recode(err, BL_ENOENT); /* a HEAD has no body, hence no code */
	}
	return bl_wrap(err, "%s s3://%s%s%s", what, s3->bucket, key ? "/" : "", key ? key : "");
}
