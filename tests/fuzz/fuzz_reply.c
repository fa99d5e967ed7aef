/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a service answers: a code is a word, and a message one clean line. */
#include "aws/client_parts.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void is_clean(const char *text, size_t size)
{
	must(strlen(text) < size && bl_utf8_valid(text, strlen(text)) == strlen(text));
	for (; *text; text++)
		must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check(const struct bl_aws_error *got)
{
	is_clean(got->code, sizeof(got->code));
	must(!strchr(got->code, ' '));
	is_clean(got->message, sizeof(got->message));
	is_clean(got->request_id, sizeof(got->request_id));
	is_clean(got->region, sizeof(got->region));
}

/* What follows is decided, and leads nowhere but to AWS. */
static void decide(const struct bl_http_reply *reply, const struct bl_aws_error *got)
{
	struct bl_aws_facts facts = { .status = 307,
		                      .code = got->code,
		                      .region = got->region,
		                      .signed_region = "us-east-1" };
	struct bl_aws_verdict verdict;
	char location[2048];

	if (!bl_http_header(reply, "location", location, sizeof(location)))
		location[0] = '\0';
	facts.location = location;
	bl_aws_decide(&facts, &verdict);
	if (verdict.act == BL_AWS_FOLLOW)
		must(strstr(verdict.host, ".amazonaws.com") || strstr(verdict.host, ".api.aws"));
}

/* Head, an empty line, body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_http_reply reply = { .status = 400,
		                       .head = BL_BUF(1 << 20),
		                       .body = BL_BUF(1 << 20) };
	const uint8_t *body = memmem(data, size, "\n\n", 2);
	size_t head_len = body ? (size_t)(body - data) + 1 : 0;
	struct bl_aws_error got;
	struct bl_err err = { 0 };
	bool is_error;

	bl_buf_add(&reply.head, data, head_len);
	body = body ? body + 2 : data;
	bl_buf_add(&reply.body, body, size - (size_t)(body - data));
	if (!bl_aws_error_read(&reply, &got, &err)) {
		check(&got);
		decide(&reply, &got);
	}
	if (!bl_aws_body_is_error(&reply, &got, &is_error, &err))
		check(&got);
	bl_buf_done(&reply.head);
	bl_buf_done(&reply.body);
	return 0;
}
