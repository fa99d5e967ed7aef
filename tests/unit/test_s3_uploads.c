/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3.h"

#include "aws/s3_parts.h"
#include "codec/json.h"
#include "codec/xml.h"
#include "tests/unit/aws_peer.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Uploads that nobody finished. */

static int take_id(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)err;
	if (!strcmp(path, "InitiateMultipartUploadResult/UploadId"))
		snprintf(arg, 512, "%s", text);
	return 0;
}

static void begin_upload(struct bl_s3 *s3, const char *key)
{
	char id[512] = "";
	struct bl_err err = { 0 };

	{
		BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
		BL_AUTO(bl_aws_reply) reply = { 0 };

		must(bl_s3_object_request(s3, "POST", "CreateMultipartUpload", key, NULL, &request,
		                          &err),
		     &err);
		bl_aws_query(&request, "uploads", NULL);
		must(bl_aws_send(s3->aws, &request, &reply, &err), &err);
		must(bl_xml_read(bl_buf_text(&reply.http.body), reply.http.body.len, "the reply",
		                 take_id, id, &err),
		     &err);
	}
	BL_AUTO(bl_aws_request) part = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };
	must(bl_s3_object_request(s3, "PUT", "UploadPart", key, NULL, &part, &err), &err);
	bl_aws_query(&part, "partNumber", "1");
	bl_aws_query(&part, "uploadId", id);
	part.bytes = "part";
	part.size = 4;
	must(bl_aws_send(s3->aws, &part, &reply, &err), &err);
}

static size_t count_uploads(void)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	struct bl_err err = { 0 };
	BL_VALUE list = NULL;

	peer_ask("/uploads?bucket=bucket", &text);
	must(bl_json_parse(bl_buf_text(&text), text.len, "uploads", &list, &err), &err);
	return list->n;
}

static void old_uploads_are_ended(void **state)
{
	struct bl_err err = { 0 };
	unsigned aborted = 7;

	begin_upload(*state, "a/old");
	begin_upload(*state, "a/old+1");
	begin_upload(*state, "a/old 2");
	begin_upload(*state, "b/other");
	peer_control("POST", "/age-uploads", "{\"bucket\":\"bucket\",\"seconds\":7200}");
	begin_upload(*state, "a/new");
	must(bl_s3_abort_stale_key(*state, NULL, "a/old", 3600000, &aborted, &err), &err);
	assert_int_equal(aborted, 1); /* not those whose keys only begin so */
	must(bl_s3_abort_stale(*state, NULL, "a/", 3600000, &aborted, &err), &err);
	assert_int_equal(aborted, 2);
	assert_int_equal(count_uploads(), 2);
	must(bl_s3_abort_stale(*state, NULL, "a/", 3600000, &aborted, &err), &err);
	assert_int_equal(aborted, 0);
	must(bl_s3_abort(*state, NULL, "a/new", "no-such-upload", &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(old_uploads_are_ended, peer_set_up, peer_tear_down),
	};
	int failed;

	if (!peer_start())
		return peer_skip();
	failed = cmocka_run_group_tests_name("s3: unfinished uploads", tests, NULL, NULL);
	peer_stop();
	return failed;
}
