/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/json_call.h"

#include "base/clock.h"

#include <stdio.h>

#define CALL_MS 30000
#define REPLY_MAX ((size_t)1 << 20)

int bl_aws_json(struct bl_aws *aws, const struct bl_aws_service *service, const char *region,
                const char *operation, const struct bl_buf *body, struct bl_aws_reply *reply,
                struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	char target[128];

	if (bl_buf_check(body, operation, err))
		return -1;
	snprintf(target, sizeof(target), "%s%s", service->target, operation);
	request.service = service->name;
	request.operation = operation;
	request.protocol = BL_AWS_JSON;
	request.method = "POST";
	request.region = region;
	request.bytes = bl_buf_text(body);
	request.size = body->len;
	request.reply_max = REPLY_MAX;
	request.call.deadline_mono_ms = bl_mono_ms() + CALL_MS;
	bl_aws_header(&request, "x-amz-target", target);
	return bl_aws_send(aws, &request, reply, err);
}

int bl_aws_json_value(struct bl_aws *aws, const struct bl_aws_service *service,
                      const char *operation, const struct bl_buf *body, struct bl_value **out,
                      struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (bl_aws_json(aws, service, NULL, operation, body, &reply, err))
		return -1;
	return bl_json_parse(bl_buf_text(&reply.http.body), reply.http.body.len, operation, out,
	                     err);
}
