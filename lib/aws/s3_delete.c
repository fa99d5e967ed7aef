/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/advice.h"
#include "aws/s3_parts.h"
#include "codec/xml.h"

#include <stdio.h>
#include <string.h>

#define KEYS_AT_ONCE 1000 /* S3 API, DeleteObjects */
#define BODY_MAX_BYTES ((size_t)16 << 20)

/* What of a batch S3 refused. */
struct refused {
	size_t n;
	bool whole;
	char key[128], code[96], message[160];
	char first[128], first_code[96], first_message[160];
};

static void set(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

static int on_element(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct refused *refused = arg;

	(void)err;
	if (!strcmp(path, "DeleteResult"))
		refused->whole = true;
	if (!strcmp(path, "DeleteResult/Error/Key"))
		set(refused->key, sizeof(refused->key), text);
	if (!strcmp(path, "DeleteResult/Error/Code"))
		set(refused->code, sizeof(refused->code), text);
	if (!strcmp(path, "DeleteResult/Error/Message"))
		set(refused->message, sizeof(refused->message), text);
	if (strcmp(path, "DeleteResult/Error") != 0)
		return 0;
	if (strcmp(refused->code, "NoSuchKey") != 0 && !refused->n++) {
		memcpy(refused->first, refused->key, sizeof(refused->first));
		memcpy(refused->first_code, refused->code, sizeof(refused->first_code));
		memcpy(refused->first_message, refused->message, sizeof(refused->first_message));
	}
	return 0;
}

static void add_body(struct bl_buf *body, const char *const *keys, size_t n)
{
	bl_buf_adds(body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
	                  "<Quiet>true</Quiet>");
	for (size_t i = 0; i < n; i++) {
		bl_buf_adds(body, "<Object><Key>");
		bl_xml_add_text(body, keys[i]);
		bl_buf_adds(body, "</Key></Object>");
	}
	bl_buf_adds(body, "</Delete>");
}

static int delete_batch(struct bl_s3 *s3, const struct bl_call *call, const char *const *keys,
                        size_t n, struct refused *refused, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) body = BL_BUF(BODY_MAX_BYTES);

	add_body(&body, keys, n);
	if (bl_buf_check(&body, "keys to delete", err) ||
	    bl_s3_object_request(s3, "POST", "DeleteObjects", NULL, call, &request, err))
		return -1;
	bl_aws_query(&request, "delete", NULL);
	bl_aws_header(&request, "content-type", "application/xml");
	request.bytes = body.data;
	request.size = body.len;
	request.body_may_fail = true;
	refused->whole = false;
	if (bl_s3_add_sum(s3, &request, body.data, body.len, err) ||
	    bl_aws_send(s3->aws, &request, &reply, err) ||
	    bl_xml_read(bl_buf_text(&reply.http.body), reply.http.body.len, "DeleteResult",
	                on_element, refused, err))
		return bl_s3_failed(s3, "delete from", NULL, &reply, err);
	if (!refused->whole) {
		bl_fail(err, BL_ECORRUPT, "the reply is no DeleteResult");
		return bl_s3_failed(s3, "delete from", NULL, NULL, err);
	}
	return 0;
}

int bl_s3_delete_many(struct bl_s3 *s3, const struct bl_call *call, const char *const *keys,
                      size_t n, struct bl_err *err)
{
	struct refused refused = { 0 };

	for (size_t done = 0; done < n; done += KEYS_AT_ONCE) {
		size_t now = n - done < KEYS_AT_ONCE ? n - done : KEYS_AT_ONCE;

		if (delete_batch(s3, call, keys + done, now, &refused, err))
			return -1;
	}
	if (!refused.n)
		return 0;
	bl_fail(err, bl_aws_code("s3", 200, refused.first_code), "delete s3://%s/%s: %s: %s",
	        s3->bucket, refused.first, refused.first_code, refused.first_message);
	if (refused.n > 1)
		bl_wrap(err, "%zu of %zu keys were not deleted, the first", refused.n, n);
	return -1;
}
