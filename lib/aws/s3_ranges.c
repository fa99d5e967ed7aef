/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 16
#define STEP_MS 1000
#define ERROR_MAX_BYTES ((size_t)64 << 10)

struct reading;

struct slot {
	struct reading *reading;
	bool busy;
	struct bl_s3_range range;
	struct bl_aws_request request;
	struct bl_aws_reply reply;
};

struct reading {
	struct bl_s3 *s3;
	const struct bl_call *call;
	const struct bl_s3_ranges *ranges;
	size_t under_way;
	struct bl_err failed; /* what ends it */
	struct slot slots[AT_ONCE];
};

static void empty(struct slot *slot)
{
	bl_aws_request_done(&slot->request);
	bl_aws_reply_done(&slot->reply);
	memset(&slot->reply, 0, sizeof(slot->reply));
	slot->busy = false;
}

/* A server may ignore a range and send all of it. */
static int take(const struct slot *slot, struct bl_err *err)
{
	const struct bl_http_reply *http = &slot->reply.http;
	const struct bl_s3_range *range = &slot->range;
	const struct bl_s3_ranges *ranges = slot->reading->ranges;
	size_t skip = http->status == 200 ? (size_t)range->offset : 0;

	if (http->body.len < skip || http->body.len - skip < range->len ||
	    (http->status != 200 && http->body.len != range->len))
		return bl_fail(err, BL_ECORRUPT, "%zu bytes came of the %zu asked for",
		               http->body.len, range->len);
	return ranges->came(ranges->arg, range, http->body.data + skip, err);
}

static int refused(const struct slot *slot, struct bl_err *err)
{
	const struct bl_aws_reply *reply = &slot->reply;

	if (reply->http.status == 412 || reply->http.status == 416)
		bl_recode(err, BL_EDATA);
	bl_s3_failed(slot->reading->s3, "read", slot->range.key, reply, err);
	if (!strcmp(reply->code, "InvalidObjectState"))
		bl_recode(err, BL_EDATA);
	return -1;
}

static void came(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct slot *slot = arg;
	struct reading *reading = slot->reading;

	(void)reply;
	reading->under_way--;
	if (!reading->failed.code) {
		if (err->code)
			refused(slot, err);
		else
			(void)take(slot, err);
		reading->failed = *err;
	}
	empty(slot);
}

static int start(struct slot *slot, struct bl_err *err)
{
	struct reading *reading = slot->reading;
	const struct bl_s3_range *range = &slot->range;
	char text[64];

	slot->request = BL_AWS_REQUEST;
	if (bl_s3_object_request(reading->s3, "GET", "GetObject", range->key, reading->call,
	                         &slot->request, err))
		return -1;
	snprintf(text, sizeof(text), "bytes=%" PRIu64 "-%" PRIu64, range->offset,
	         range->offset + range->len - 1);
	bl_aws_header(&slot->request, "range", text);
	if (range->etag)
		bl_aws_header(&slot->request, "if-match", range->etag);
	slot->request.reply_max = range->len > ERROR_MAX_BYTES ? range->len : ERROR_MAX_BYTES;
	if (bl_aws_start(reading->s3->aws, &slot->request, &slot->reply, came, slot, err))
		return -1;
	slot->busy = true;
	reading->under_way++;
	return 0;
}

static int fill(struct reading *reading, struct bl_err *err)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *slot = &reading->slots[i];

		if (slot->busy)
			continue;
		slot->reading = reading;
		slot->range = (struct bl_s3_range){ 0 };
		if (!reading->ranges->next(reading->ranges->arg, &slot->range))
			return 0;
		if (start(slot, err))
			return bl_wrap(err, "read s3://%s/%s", reading->s3->bucket,
			               slot->range.key);
	}
	return 0;
}

static int read_all(struct reading *reading, struct bl_err *err)
{
	for (;;) {
		if (fill(reading, err))
			return -1;
		if (!reading->under_way)
			return 0;
		if (bl_aws_step(reading->s3->aws, STEP_MS, err))
			return -1;
		if (reading->failed.code) {
			*err = reading->failed;
			return -1;
		}
	}
}

int bl_s3_get_ranges(struct bl_s3 *s3, const struct bl_call *call,
                     const struct bl_s3_ranges *ranges, struct bl_err *err)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int rc;

	if (!reading)
		return bl_fail(err, BL_ENOMEM, "read s3://%s: out of memory", s3->bucket);
	reading->s3 = s3;
	reading->call = call;
	reading->ranges = ranges;
	rc = read_all(reading, err);
	for (size_t i = 0; i < AT_ONCE; i++) {
		if (reading->slots[i].busy)
			bl_aws_cancel(s3->aws, &reading->slots[i]);
		empty(&reading->slots[i]);
	}
	free(reading);
	return rc;
}

int bl_s3_region(struct bl_s3 *s3, const struct bl_call *call, char *region, size_t size,
                 struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (bl_s3_object_request(s3, "HEAD", "HeadBucket", NULL, call, &request, err))
		return -1;
	if (bl_aws_send(s3->aws, &request, &reply, err))
		return bl_s3_failed(s3, "look at", NULL, &reply, err);
	if (!bl_http_header(&reply.http, "x-amz-bucket-region", region, size))
		*region = '\0';
	return 0;
}
