/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* From here on a document is asked for whole, so that its checksum can be verified. */
#define WHOLE_MIN_BYTES ((size_t)64 << 10)
#define ERROR_MAX_BYTES ((size_t)64 << 10)

enum read_kind { READ_WHOLE, READ_RANGE };

static int get_once(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                    enum read_kind kind, uint64_t offset, size_t len, struct bl_aws_reply *reply,
                    struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	char range[64];

	if (bl_s3_object_request(s3, "GET", "GetObject", key, call, &request, err))
		return -1;
	if (kind == READ_WHOLE) {
		bl_aws_header(&request, "x-amz-checksum-mode", "ENABLED");
	} else {
		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, offset,
		         offset + len - 1);
		bl_aws_header(&request, "range", range);
	}
	request.reply_max = len > ERROR_MAX_BYTES ? len : ERROR_MAX_BYTES;
	return bl_aws_send(s3->aws, &request, reply, err);
}

/* Nothing at that offset: the size is all there is to say. */
static int past_the_end(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                        const struct bl_http_reply *http, uint64_t *total, struct bl_err *err)
{
	struct bl_s3_object object;
	struct bl_err unsaid = { 0 };
	char range[64];

	bl_err_clear(err);
	if (!bl_http_header(http, "content-range", range, sizeof(range)) ||
	    bl_s3_reply_object(http, &object, &unsaid)) {
		if (bl_s3_head(s3, call, key, &object, err))
			return -1;
	}
	*total = object.size;
	return 0;
}

/*
 * Takes what was asked for out of a 200 or a 206. A 200 has the whole object, also when a range
 * was asked for: a server may ignore that.
 */
static int take(const struct bl_http_reply *http, uint64_t offset, size_t len, struct bl_buf *buf,
                uint64_t *total, struct bl_err *err)
{
	const char *body = bl_buf_text(&http->body);
	size_t have = http->body.len, skip = 0;
	struct bl_s3_object object;
	uint64_t want;

	if (bl_s3_reply_object(http, &object, err))
		return -1;
	if (http->status == 200) {
		if (have != object.size)
			return bl_fail(err, BL_ECORRUPT, "%zu bytes came of %" PRIu64, have,
			               object.size);
		if (object.has_crc && bl_s3_check_crc(http, bl_crc64nvme(0, body, have), err))
			return -1;
		skip = offset < have ? (size_t)offset : have;
		have -= skip;
	}
	want = offset < object.size ? object.size - offset : 0;
	if (want > len)
		want = len;
	if (have < want || (http->status != 200 && have != want))
		return bl_fail(err, BL_ECORRUPT, "%zu bytes came of the %" PRIu64 " asked for",
		               have, want);
	bl_buf_add(buf, body + skip, (size_t)want);
	if (bl_buf_check(buf, "the object", err))
		return -1;
	*total = object.size;
	return 0;
}

static int get_range(struct bl_s3 *s3, const struct bl_call *call, const char *key, uint64_t offset,
                     size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (!get_once(s3, call, key, READ_RANGE, offset, len, &reply, err) &&
	    !take(&reply.http, offset, len, buf, total, err))
		return 0;
	if (reply.http.status == 416)
		return past_the_end(s3, call, key, &reply.http, total, err);
	return bl_s3_failed(s3, "read", key, &reply, err);
}

/* BL_ELIMIT: over len. */
static int get_whole(struct bl_s3 *s3, const struct bl_call *call, const char *key, size_t len,
                     struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (!get_once(s3, call, key, READ_WHOLE, 0, len, &reply, err) &&
	    !take(&reply.http, 0, len, buf, total, err))
		return 0;
	return bl_s3_failed(s3, "read", key, &reply, err);
}

int bl_s3_get(struct bl_s3 *s3, const struct bl_call *call, const char *key, uint64_t offset,
              size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	struct bl_s3_object object;
	uint64_t size;

	if (!len || offset > UINT64_MAX - len) {
		if (bl_s3_head(s3, call, key, &object, err))
			return -1;
		size = object.size;
	} else if (offset || len < WHOLE_MIN_BYTES) {
		if (get_range(s3, call, key, offset, len, buf, &size, err))
			return -1;
	} else if (get_whole(s3, call, key, len, buf, &size, err)) {
		if (err->code != BL_ELIMIT)
			return -1;
		bl_err_clear(err);
		if (get_range(s3, call, key, offset, len, buf, &size, err))
			return -1;
	}
	if (total)
		*total = size;
	return 0;
}
