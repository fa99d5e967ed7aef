/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_parts.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* S3 API, "Conditional writes": another write to the key was under way; upload again. */
#define CONFLICT_TRIES 6
#define CONFLICT_FIRST_MS 50

/* false: the deadline would pass first. */
static bool wait_a_moment(const struct bl_call *call, unsigned n)
{
	int64_t ms = CONFLICT_FIRST_MS << n;
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	if (call && call->deadline_mono_ms && bl_mono_ms() + ms >= call->deadline_mono_ms)
		return false;
	while (nanosleep(&left, &left) && errno == EINTR)
		;
	return true;
}

static int put_once(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                    const void *bytes, size_t len, const char *if_none_match,
                    struct bl_aws_reply *reply, char *etag, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	char got[BL_ETAG_SIZE];

	if (bl_s3_object_request(s3, "PUT", "PutObject", key, call, &request, err))
		return -1;
	request.bytes = bytes ? bytes : "";
	request.size = len;
	if (if_none_match)
		bl_aws_header(&request, "if-none-match", if_none_match);
	if (bl_s3_add_sum(s3, &request, request.bytes, len, err) ||
	    bl_aws_send(s3->aws, &request, reply, err) ||
	    bl_s3_check_crc(&reply->http, bl_crc64nvme(0, request.bytes, len), err) ||
	    bl_s3_reply_etag(&reply->http, got, err))
		return -1;
	if (etag)
		memcpy(etag, got, sizeof(got));
	return 0;
}

int bl_s3_put(struct bl_s3 *s3, const struct bl_call *call, const char *key, const void *bytes,
              size_t len, char etag[BL_ETAG_SIZE], struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (put_once(s3, call, key, bytes, len, NULL, &reply, etag, err))
		return bl_s3_failed(s3, "write", key, &reply, err);
	return 0;
}

int bl_s3_create(struct bl_s3 *s3, const struct bl_call *call, const char *key, const void *bytes,
                 size_t len, char etag[BL_ETAG_SIZE], struct bl_err *err)
{
	for (unsigned n = 0;; n++) {
		BL_AUTO(bl_aws_reply) reply = { 0 };
		int status;

		if (!put_once(s3, call, key, bytes, len, "*", &reply, etag, err))
			return 0;
		status = reply.http.status;
		if (status == 409 && n + 1 < CONFLICT_TRIES && wait_a_moment(call, n)) {
			bl_err_clear(err);
			continue;
		}
		if (status == 409)
			bl_recode(err, BL_ERETRY);
		if (status == 412)
			bl_recode(err, BL_EEXIST);
		return bl_s3_failed(s3, "create", key, &reply, err);
	}
}
