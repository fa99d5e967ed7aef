/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "base/clock.h"
#include "tests/unit/canned.h"
#include "tests/unit/client_call.h"
#include "tests/unit/client_open.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bl_aws_request get(const char *path)
{
	struct bl_aws_request request = BL_AWS_REQUEST;

	request.service = "s3";
	request.operation = "GetObject";
	request.protocol = BL_AWS_S3;
	request.method = "GET";
	bl_buf_adds(&request.path, path);
	return request;
}

/* --- What is sent ----------------------------------------------------------------------------- */

static void a_request_of_s3_is_signed(void **state)
{
	static const struct canned_reply replies[] = { { .body = "hello" } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	BL_AUTO(bl_aws_request) request = get("/b/a%20b");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_err err = { 0 };
	const char *head;
	char host[64];

	(void)state;
	bl_aws_query(&request, "versionId", "a/b");
	bl_aws_query(&request, "acl", NULL);
	bl_aws_header(&request, "x-amz-expected-bucket-owner", "123456789012");
	must(bl_aws_send(aws, &request, &reply, &err), &err);
	assert_string_equal(bl_buf_text(&reply.http.body), "hello");
	assert_int_equal(reply.attempts, 1);
	head = canned_head(server, 0);
	assert_memory_equal(head, "GET /b/a%20b?versionId=a%2Fb&acl HTTP/1.1\r\n", 43);
	snprintf(host, sizeof(host), "\r\nhost: 127.0.0.1:%u\r\n", canned_port(server));
	assert_non_null(strcasestr(head, host));
	assert_null(strcasestr(strcasestr(head, host) + 4, "\r\nhost:"));
	assert_non_null(strstr(head, "\r\nx-amz-expected-bucket-owner: 123456789012\r\n"));
	assert_non_null(strstr(head, "\r\nx-amz-content-sha256: "
	                             "e3b0c44298fc1c149afbf4c8996fb924"));
	assert_non_null(strstr(head, "\r\nx-amz-security-token: the-token\r\n"));
	assert_non_null(strstr(head, "\r\namz-sdk-request: attempt=1; max=3\r\n"));
	assert_non_null(strstr(head, "/us-east-1/s3/aws4_request, SignedHeaders="
	                             "amz-sdk-invocation-id;amz-sdk-request;host;"
	                             "x-amz-content-sha256;x-amz-date;"
	                             "x-amz-expected-bucket-owner;x-amz-security-token, "
	                             "Signature="));
	canned_stop(server);
}

static void json_has_its_type_and_an_anonymous_client_no_signature(void **state)
{
	static const struct canned_reply replies[] = { { .body = "{}" } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	const struct bl_aws_options options = { .anonymous = true, .region = "eu-west-1" };
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_err err = { 0 };
	BL_AWS aws = NULL;
	const char *body;
	size_t len;

	(void)state;
	set_endpoint(canned_url(server, ""));
	must(bl_aws_open(&options, &aws, &err), &err);
	assert_null(bl_aws_creds(aws));
	assert_non_null(bl_aws_http(aws));
	assert_string_equal(bl_aws_region(aws), "eu-west-1");
	request.service = "logs";
	request.operation = "PutLogEvents";
	request.protocol = BL_AWS_JSON;
	request.method = "POST";
	request.bytes = "{\"a\":1}";
	request.size = 7;
	bl_aws_header(&request, "x-amz-target", "Logs_20140328.PutLogEvents");
	must(bl_aws_send(aws, &request, &reply, &err), &err);
	assert_memory_equal(canned_head(server, 0), "POST / HTTP/1.1\r\n", 17);
	assert_non_null(strstr(canned_head(server, 0), "\r\ncontent-type: "
	                                               "application/x-amz-json-1.1\r\n"));
	assert_null(strcasestr(canned_head(server, 0), "authorization"));
	body = canned_body(server, 0, &len);
	assert_int_equal(len, 7);
	assert_memory_equal(body, "{\"a\":1}", 7);
	canned_stop(server);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	BL_AWS aws = client_of("http://127.0.0.1:9");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		BL_AUTO(bl_aws_request) request = get("/b/k");
		BL_AUTO(bl_buf) long_text = BL_BUF(32768);

		if (i == 0)
			bl_aws_header(&request, "x-amz-meta-a", "b\r\nx-evil: 1");
		for (int n = 0; i == 1 && n < 17; n++)
			bl_aws_query(&request, "q", "v");
		for (int n = 0; i == 2 && n < 8000; n++)
			bl_buf_adds(&request.path, "abc");
		for (int n = 0; i == 3 && n < 70; n++)
			bl_aws_header(&request, "x-many", "v");
		assert_int_equal(bl_aws_send(aws, &request, &reply, &err), -1);
		assert_int_equal(err.code, BL_ELIMIT);
		assert_memory_equal(err.text, "s3 GetObject: ", 14);
		bl_err_clear(&err);
	}
}

static void bodies_are_hashed_at_plain_http_unless_measured(void **state)
{
	static const struct {
		const char *url, *asked;
		bool hashes;
	} table[] = {
		{ "https://127.0.0.1:9", "0", false },
		{ "http://127.0.0.1:9", "", true },
		{ "http://127.0.0.1:9", "0", true },
		{ "http://127.0.0.1:9", "1", false },
		{ "http://[::1]:9/base", "1", false },
		{ "http://10.0.0.1", "1", true },
		{ "http://169.254.169.254", "1", true },
		{ "http://localhost.example.com", "1", true },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AWS aws = client_of(table[i].url);

		setenv("BRANCHLINE_S3_UNSIGNED", table[i].asked, 1);
		assert_int_equal(bl_aws_hashes_bodies(aws, "s3"), table[i].hashes);
		unsetenv("BRANCHLINE_S3_UNSIGNED");
	}
}

/* A PUT of "hello" goes out with that line. */
static void assert_sent(const char *asked, const char *line)
{
	static const struct canned_reply replies[] = { { .body = "" } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_err err = { 0 };

	request.method = "PUT";
	request.operation = "PutObject";
	request.payload_hash = "UNSIGNED-PAYLOAD";
	request.bytes = "hello";
	request.size = 5;
	setenv("BRANCHLINE_S3_UNSIGNED", asked, 1);
	must(bl_aws_send(aws, &request, &reply, &err), &err);
	unsetenv("BRANCHLINE_S3_UNSIGNED");
	assert_non_null(strstr(canned_head(server, 0), line));
	canned_stop(server);
}

static void an_unsigned_body_is_sent_as_asked(void **state)
{
	(void)state;
	assert_sent("", "\r\nx-amz-content-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e"
	                "1b161e5c1fa7425e73043362938b9824\r\n");
	assert_sent("1", "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n");
}

static int shorter_now(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	const uint64_t *size = arg;

	if (offset + len > *size)
		return bl_fail(err, BL_ECORRUPT, "the file became shorter");
	memset(to, 'x', len);
	return 0;
}

static void what_read_says_ends_the_call(void **state)
{
	static const struct canned_reply replies[] = { { .body = "" } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	struct bl_err err = { 0 };
	uint64_t size = 100000;

	(void)state;
	for (int unsigned_payload = 0; unsigned_payload < 2; unsigned_payload++) {
		BL_AUTO(bl_aws_request) request = get("/b/k");
		BL_AUTO(bl_aws_reply) reply = { 0 };

		request.method = "PUT";
		request.operation = "PutObject";
		request.read = shorter_now;
		request.arg = &size;
		request.size = 300000;
		/* any hash will do here: it is not looked at */
		request.payload_hash = unsigned_payload ? "0" : NULL;
		assert_int_equal(bl_aws_send(aws, &request, &reply, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_string_equal(err.text, "s3 PutObject: the file became shorter");
		bl_err_clear(&err);
	}
	canned_stop(server);
}

/* --- Options and places ----------------------------------------------------------------------- */

static void attempts_come_from_the_environment(void **state)
{
	static const struct {
		const char *text;
		unsigned option, attempts; /* 0: refused */
	} table[] = {
		{ NULL, 0, 3 }, { "", 0, 3 },  { "1", 0, 1 },  { "10", 0, 10 }, { "0", 0, 0 },
		{ "11", 0, 0 }, { "x", 0, 0 }, { "-1", 0, 0 }, { "5", 2, 2 },   { NULL, 99, 10 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct bl_aws_options options = { .anonymous = true,
			                                .max_attempts = table[i].option };
		struct bl_err err = { 0 };
		BL_AWS aws = NULL;

		if (table[i].text)
			setenv("AWS_MAX_ATTEMPTS", table[i].text, 1);
		assert_int_equal(bl_aws_open(&options, &aws, &err), table[i].attempts ? 0 : -1);
		unsetenv("AWS_MAX_ATTEMPTS");
		if (aws)
			assert_int_equal(aws->max_attempts, table[i].attempts);
		else
			assert_int_equal(err.code, BL_EINPUT);
	}
}

static void places_are_kept_and_make_room(void **state)
{
	BL_AWS aws = client_of("http://127.0.0.1:9/base/");
	struct bl_aws_place *place, *again;
	struct bl_endpoint endpoint;
	struct bl_err err = { 0 };
	char region[32], too_long[300];

	(void)state;
	must(bl_aws_place(aws, "s3", NULL, &place, &err), &err);
	assert_string_equal(place->sign_region, "us-east-1");
	assert_string_equal(place->authority, "127.0.0.1:9");
	assert_string_equal(place->base, "/base");
	assert_false(place->tls);
	must(bl_aws_place(aws, "s3", "us-east-1", &again, &err), &err);
	assert_ptr_equal(place, again);
	for (int i = 0; i < 2 * BL_AWS_PLACES; i++) {
		snprintf(region, sizeof(region), "eu-west-%d", i);
		must(bl_aws_place(aws, "s3", region, &place, &err), &err);
		assert_string_equal(place->sign_region, region);
	}
	must(bl_aws_endpoint(aws, "s3", NULL, &endpoint, &err), &err);
	assert_true(endpoint.custom);
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(bl_aws_endpoint(aws, too_long, NULL, &endpoint, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

static void regions_of_buckets_are_remembered(void **state)
{
	BL_AWS aws = client_of("http://127.0.0.1:9");
	char prefix[32], region[32];

	(void)state;
	for (int i = 0; i < BL_AWS_MOVED + 2; i++) {
		BL_AUTO(bl_aws_request) request = get("/key/b0");

		snprintf(prefix, sizeof(prefix), "b%d.", i);
		snprintf(region, sizeof(region), "eu-west-%d", i);
		request.host_prefix = prefix;
		assert_null(bl_aws_moved_region(aws, &request));
		bl_aws_remember_region(aws, &request, "wrong-at-first");
		bl_aws_remember_region(aws, &request, region);
		assert_string_equal(bl_aws_moved_region(aws, &request), region);
	}
	/* in path style the same bucket; the two oldest were forgotten */
	BL_AUTO(bl_aws_request) kept = get("/b2/key");
	BL_AUTO(bl_aws_request) gone = get("/b1");
	BL_AUTO(bl_aws_request) none = get("/");

	assert_string_equal(bl_aws_moved_region(aws, &kept), "eu-west-2");
	assert_null(bl_aws_moved_region(aws, &gone));
	assert_null(bl_aws_moved_region(aws, &none));
	kept.protocol = BL_AWS_QUERY;
	assert_null(bl_aws_moved_region(aws, &kept));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_of_s3_is_signed),
		cmocka_unit_test(json_has_its_type_and_an_anonymous_client_no_signature),
		cmocka_unit_test(what_cannot_be_sent_is_refused),
		cmocka_unit_test(bodies_are_hashed_at_plain_http_unless_measured),
		cmocka_unit_test(an_unsigned_body_is_sent_as_asked),
		cmocka_unit_test(what_read_says_ends_the_call),
		cmocka_unit_test(attempts_come_from_the_environment),
		cmocka_unit_test(places_are_kept_and_make_room),
		cmocka_unit_test(regions_of_buckets_are_remembered),
	};

	if (argc > 2 && !strcmp(argv[1], "--call"))
		return client_calls(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
