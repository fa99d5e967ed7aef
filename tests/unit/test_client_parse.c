/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A reply as the transport leaves it; its buffers are the caller's to free. */
static struct bl_http_reply a_reply(int status, const char *head, const char *body)
{
	struct bl_http_reply reply = { .status = status,
		                       .head = BL_BUF(1 << 16),
		                       .body = BL_BUF(1 << 20) };

	bl_buf_adds(&reply.head, head);
	bl_buf_adds(&reply.body, body);
	return reply;
}

static void drop_reply(struct bl_http_reply *reply)
{
	bl_buf_done(&reply->head);
	bl_buf_done(&reply->body);
}

#define S3_ERROR                                                                                   \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"                \
	"<Message>The key\nis &lt;not&gt; there.</Message><Key>a</Key>"                            \
	"<RequestId>4442587FB7D0A2F9</RequestId><HostId>h</HostId></Error>"
#define STS_ERROR                                                                                  \
	"<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"               \
	"<Type>Sender</Type><Code>ExpiredToken</Code><Message>expired</Message></Error>"           \
	"<RequestId>c6104cbe</RequestId></ErrorResponse>"
#define EC2_ERROR                                                                                  \
	"<Response><Errors><Error><Code>InsufficientInstanceCapacity</Code>"                       \
	"<Message>none</Message></Error><Error><Code>Other</Code></Error></Errors>"                \
	"<RequestID>ea966190</RequestID></Response>"

static void errors_are_read_in_every_form(void **state)
{
	static const struct {
		const char *head, *body, *code, *message, *id, *region;
	} table[] = {
		{ "", S3_ERROR, "NoSuchKey", "The key is <not> there.", "4442587FB7D0A2F9", "" },
		{ "x-amz-request-id: HEAD1\n", S3_ERROR, "NoSuchKey", "The key is <not> there.",
		  "HEAD1", "" },
		{ "", STS_ERROR, "ExpiredToken", "expired", "c6104cbe", "" },
		{ "", EC2_ERROR, "InsufficientInstanceCapacity", "none", "ea966190", "" },
		{ "", " \n<Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>",
		  "PermanentRedirect", "", "", "eu-west-1" },
		{ "x-amz-bucket-region: us-west-2\n", "", "", "", "", "us-west-2" },
		{ "x-amzn-requestid: r1\n",
		  "{\"__type\":\"com.amazon#ThrottlingException\","
		  "\"message\":\"slow\"}",
		  "ThrottlingException", "slow", "r1", "" },
		{ "x-amzn-errortype: AccessDenied:http://x/\n", "{\"Message\":\"no\"}",
		  "AccessDenied", "no", "", "" },
		{ "", "{\"__type\":\"ExpiredTokenException\"}", "ExpiredTokenException", "", "",
		  "" },
		{ "", "{\"code\":\"Odd\",\"__type\":7}", "Odd", "", "", "" },
		{ "x-amz-error-code: NoSuchBucket\nx-amz-error-message: gone\n", "", "NoSuchBucket",
		  "gone", "", "" },
		{ "", "<html><head><title>502</title></head></html>", "", "", "", "" },
		{ "", "<html><p>broken", "", "", "", "" },
		{ "", "plain words", "", "", "", "" },
		{ "", "", "", "", "", "" },
		/* a code that is no word; a control character in a message */
		{ "", "<Error><Code>No Such\tKey</Code><Message>a&#x9;b&#xD;c</Message></Error>",
		  "", "a b c", "", "" },
		{ "", "{\"__type\":\"\\u001b[31mRed\",\"message\":\"\\u001b[31mred\"}", "",
		  " [31mred", "", "" },
		/* cut: what was whole counts */
		{ "", "<Error><Code>SlowDown</Code><Message>Please re", "SlowDown", "", "", "" },
		{ "", "<Error><Code>SlowDo", "", "", "", "" },
		/* the document is refused, not obeyed */
		{ "", "<!DOCTYPE x [<!ENTITY a \"b\">]><Error><Code>&a;</Code></Error>", "", "", "",
		  "" },
	};

	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_http_reply reply = a_reply(400, table[i].head, table[i].body);
		struct bl_aws_error got;

		must(bl_aws_error_read(&reply, &got, &err), &err);
		assert_string_equal(got.code, table[i].code);
		assert_string_equal(got.message, table[i].message);
		assert_string_equal(got.request_id, table[i].id);
		assert_string_equal(got.region, table[i].region);
		drop_reply(&reply);
	}
}

static void a_long_message_is_cut_between_characters(void **state)
{
	char body[2000] = "<Error><Message>x";
	struct bl_http_reply reply;
	struct bl_aws_error got;
	struct bl_err err = { 0 };

	(void)state;
	for (int i = 0; i < 300; i++)
		memcpy(body + strlen(body), "é", 3);
	memcpy(body + strlen(body), "</Message></Error>", 19);
	reply = a_reply(400, "", body);
	must(bl_aws_error_read(&reply, &got, &err), &err);
	assert_int_equal(strlen(got.message), 255); /* x and 127 of two bytes */
	assert_memory_equal(got.message + 253, "é", 3);
	drop_reply(&reply);
}

static void a_success_may_hold_an_error(void **state)
{
	static const struct {
		const char *body;
		bool is_error;
		const char *code;
	} table[] = {
		{ "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
		  false, "" },
		{ "  \n <CompleteMultipartUploadResult/>", false, "" },
		{ "<Error><Code>InternalError</Code></Error>", true, "InternalError" },
		{ "   <Error><Code>InternalError</Code></Error>", true, "InternalError" },
		{ "<Error/>", true, "" },
		/* not the root: somebody's text */
		{ "<Result><Error>x</Error></Result>", false, "" },
		{ "", true, "" },
		{ "      ", true, "" },
		{ "<html>", true, "" },
		{ "<CompleteMultipartUploadResult><ETag>e</ETag>", true, "" },
		{ "<Error><Code>InternalError</Code>", true, "" },
	};

	struct bl_err err = { 0 };
	bool is_error;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_http_reply reply = a_reply(200, "", table[i].body);
		struct bl_aws_error got;

		must(bl_aws_body_is_error(&reply, &got, &is_error, &err), &err);
		assert_int_equal(is_error, table[i].is_error);
		if (table[i].is_error)
			assert_string_equal(got.code, table[i].code);
		drop_reply(&reply);
	}
}

static void an_error_cut_anywhere_is_never_a_success(void **state)
{
	static const char whole[] =
		"<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		"<Key>k</Key><ETag>&quot;e-2&quot;</ETag></CompleteMultipartUploadResult>";
	char text[sizeof(whole)];
	struct bl_err err = { 0 };
	bool is_error;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct bl_http_reply reply;
		struct bl_aws_error got;

		memcpy(text, whole, len);
		text[len] = '\0';
		reply = a_reply(200, "", text);
		must(bl_aws_body_is_error(&reply, &got, &is_error, &err), &err);
		assert_true(is_error);
		drop_reply(&reply);
	}
}

static void a_servers_clock_counts_when_it_is_far_off(void **state)
{
	static const struct {
		const char *head;
		int64_t offset_ms;
	} table[] = {
		{ "date: Wed, 25 Nov 2026 01:29:00 GMT\n", 0 },
		{ "date: Wed, 25 Nov 2026 01:33:00 GMT\n", 0 },
		{ "date: Wed, 25 Nov 2026 01:34:00 GMT\n", 300000 },
		{ "date: Tue, 24 Nov 2026 19:29:00 GMT\n", -21600000 },
		{ "date: soon\n", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_aws_reply reply = { .http = a_reply(200, table[i].head, "") };

		reply.http.date_wall_ms = 1795570140000;
		assert_int_equal(bl_aws_offset_ms(&reply), table[i].offset_ms);
		drop_reply(&reply.http);
	}
}

static void a_host_tells_its_region(void **state)
{
	static const struct {
		const char *host, *region;
	} table[] = {
		{ "bucket.s3.eu-west-1.amazonaws.com", "eu-west-1" },
		{ "bucket.s3-us-west-2.amazonaws.com", "us-west-2" },
		{ "s3.dualstack.ap-southeast-4.amazonaws.com", "ap-southeast-4" },
		{ "b.s3.cn-north-1.amazonaws.com.cn", "cn-north-1" },
		{ "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1" },
		{ "bucket.s3.amazonaws.com", "" },
		{ "bucket.s3-external-1.amazonaws.com", "" },
		{ "eu-west-1.example.com", "" },
		{ "s3-.amazonaws.com", "" },
		{ ".amazonaws.com", "" },
	};
	char region[BL_REGION_SIZE];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		bl_aws_region_of_host(table[i].host, region);
		assert_string_equal(region, table[i].region);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_read_in_every_form),
		cmocka_unit_test(a_long_message_is_cut_between_characters),
		cmocka_unit_test(a_success_may_hold_an_error),
		cmocka_unit_test(an_error_cut_anywhere_is_never_a_success),
		cmocka_unit_test(a_servers_clock_counts_when_it_is_far_off),
		cmocka_unit_test(a_host_tells_its_region),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
