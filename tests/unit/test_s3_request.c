/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_parts.h"
#include "tests/unit/aws_peer.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- names ------------------------------------------------------------------------------------ */

static void uris_are_bucket_and_key(void **state)
{
	static const struct {
		const char *uri, *bucket, *key;
	} good[] = {
		{ "s3://abc", "abc", "" },
		{ "s3://abc/", "abc", "" },
		{ "s3://a.b-c9/k", "a.b-c9", "k" },
		{ "s3://abc//k", "abc", "/k" },
		{ "s3://abc/a/../b c", "abc", "a/../b c" },
	};
	static const char *const bad[] = { "",           "s3:/abc",    "S3://abc", "s3://ab",
		                           "s3://Abc",   "s3://a_c",   "s3://-ab", "s3://ab.",
		                           "s3://a..bc", "s3://a bc/k" };
	char bucket[64], key[1025], longest[5 + 4 + 1025 + 1];
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(good); i++) {
		must(bl_s3_uri(good[i].uri, bucket, key, &err), &err);
		assert_string_equal(bucket, good[i].bucket);
		assert_string_equal(key, good[i].key);
	}
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		bl_err_clear(&err);
		assert_int_equal(bl_s3_uri(bad[i], bucket, key, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
	}
	snprintf(longest, sizeof(longest), "s3://abc/%01025d", 7);
	bl_err_clear(&err);
	assert_int_equal(bl_s3_uri(longest, bucket, key, &err), -1);
	longest[strlen(longest) - 1] = '\0';
	bl_err_clear(&err);
	must(bl_s3_uri(longest, bucket, key, &err), &err);
}

static void assert_address(const char *bucket, const char *endpoint, const char *prefix,
                           const char *path)
{
	struct bl_s3_options options = { .bucket = bucket };
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AWS aws = NULL;
	BL_S3 s3 = NULL;
	struct bl_err err = { 0 };

	if (endpoint)
		setenv("AWS_ENDPOINT_URL", endpoint, 1);
	else
		unsetenv("AWS_ENDPOINT_URL");
	must(bl_aws_open(&(struct bl_aws_options){ 0 }, &aws, &err), &err);
	must(bl_s3_open(aws, &options, &s3, &err), &err);
	assert_string_equal(bl_s3_bucket(s3), bucket);
	assert_ptr_equal(bl_s3_aws(s3), aws);
	must(bl_s3_object_request(s3, "GET", "GetObject", "a b/\xc3\xa9+", NULL, &request, &err),
	     &err);
	assert_string_equal(bl_buf_text(&request.path), path);
	if (prefix)
		assert_string_equal(request.host_prefix, prefix);
	else
		assert_null(request.host_prefix);
}

static void buckets_are_hosts_where_they_can_be(void **state)
{
	char endpoint[128];

	(void)state;
	snprintf(endpoint, sizeof(endpoint), "%s", getenv("AWS_ENDPOINT_URL"));
	assert_address("bucket", NULL, "bucket.", "/a%20b/%C3%A9%2B");
	assert_address("a.bucket", NULL, NULL, "/a.bucket/a%20b/%C3%A9%2B");
	assert_address("bucket", endpoint, NULL, "/bucket/a%20b/%C3%A9%2B");
}

static void an_owner_is_an_account(void **state)
{
	struct bl_s3_options options = { .bucket = "bucket", .owner = "12345678901" };
	struct bl_err err = { 0 };
	struct bl_s3 *s3 = NULL;

	(void)state;
	assert_int_equal(bl_s3_open(at_peer.aws, &options, &s3, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	options.owner = "999999999999";
	must(bl_s3_open(at_peer.aws, &options, &s3, &err), &err);
	assert_int_equal(bl_s3_reach(s3, NULL, &err), -1);
	assert_int_equal(err.code, BL_EDENIED); /* the bucket is another account's */
	bl_s3_close(s3);
}

static void an_upload_carries_its_sum(void **state)
{
	BL_AUTO(bl_aws_request) crc = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_request) sha = BL_AWS_REQUEST;
	struct bl_s3 s3 = { .sum = BL_S3_CRC64 };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_s3_add_sum(&s3, &crc, "123456789", 9, &err), &err);
	assert_string_equal(bl_buf_text(&crc.headers), "x-amz-checksum-crc64nvme: rosUhgp5mIg=\n");
	s3.sum = BL_S3_SHA256;
	must(bl_s3_add_sum(&s3, &sha, "abc", 3, &err), &err);
	assert_string_equal(
		bl_buf_text(&sha.headers),
		"x-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\n");
}

/* --- replies ---------------------------------------------------------------------------------- */

static struct bl_http_reply reply_of(int status, const char *head)
{
	struct bl_http_reply reply = { .status = status, .head = BL_BUF(4096) };

	bl_buf_adds(&reply.head, head);
	return reply;
}

static void a_reply_tells_of_its_object(void **state)
{
	BL_AUTO(bl_http_reply)
	whole = reply_of(
		200,
		"content-length: 12\netag: \"e\"\nlast-modified: Wed, 25 Nov 2026 01:29:00 GMT\n"
		"x-amz-checksum-crc64nvme: AAAAAAAAAAE=\nx-amz-storage-class: GLACIER_IR\n");
	BL_AUTO(bl_http_reply)
	part = reply_of(206, "content-range: bytes 3-5/77\n"
	                     "content-length: 3\n"
	                     "x-amz-checksum-crc64nvme: AAAAAAAAAAE=-3\n");
	struct bl_s3_object object;
	struct bl_err err = { 0 };

	(void)state;
	must(bl_s3_reply_object(&whole, &object, &err), &err);
	assert_int_equal(object.size, 12);
	assert_string_equal(object.etag, "\"e\"");
	assert_string_equal(object.storage_class, "GLACIER_IR");
	assert_true(object.has_crc && object.crc == 1);
	assert_true(object.modified_wall_ms == 1795570140000);
	assert_true(bl_s3_time("2026-11-25T01:29:00.250Z") == 1795570140250);
	assert_true(bl_s3_time("yesterday") == 0);
	must(bl_s3_check_crc(&whole, 1, &err), &err);
	assert_int_equal(bl_s3_check_crc(&whole, 2, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	bl_err_clear(&err);
	must(bl_s3_reply_object(&part, &object, &err), &err);
	assert_int_equal(object.size, 77);
	assert_false(object.has_crc); /* one of parts */
	must(bl_s3_check_crc(&part, 2, &err), &err);
	assert_string_equal(object.etag, "");
}

static void a_reply_that_cannot_be_is_refused(void **state)
{
	BL_AUTO(bl_http_reply) sizeless = reply_of(200, "etag: \"e\"\n");
	BL_AUTO(bl_http_reply) odd = reply_of(200, "content-length: -1\n");
	BL_AUTO(bl_http_reply) long_etag = reply_of(200, "content-length: 1\netag: ");
	struct bl_s3_object object;
	char etag[BL_ETAG_SIZE];
	struct bl_err err[4] = { 0 };

	(void)state;
	for (int i = 0; i < BL_ETAG_SIZE; i++)
		bl_buf_addc(&long_etag.head, 'e');
	bl_buf_addc(&long_etag.head, '\n');
	assert_int_equal(bl_s3_reply_object(&sizeless, &object, &err[0]), -1);
	assert_int_equal(bl_s3_reply_object(&odd, &object, &err[1]), -1);
	assert_int_equal(bl_s3_reply_object(&long_etag, &object, &err[2]), -1);
	assert_int_equal(bl_s3_reply_etag(&long_etag, etag, &err[3]), -1);
	for (size_t i = 0; i < BL_COUNT(err); i++)
		assert_int_equal(err[i].code, BL_ECORRUPT);
}

static void a_failure_names_bucket_and_key(void **state)
{
	struct bl_aws_reply reply = { .http.status = 404 };
	struct bl_err err = { 0 };

	bl_fail(&err, BL_EIO, "HTTP 404");
	assert_int_equal(bl_s3_failed(*state, "look at", "a/b", &reply, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_string_equal(err.text, "look at s3://bucket/a/b: HTTP 404");
}

#define ON_PEER(test) cmocka_unit_test_setup_teardown(test, peer_set_up, peer_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris_are_bucket_and_key),
		ON_PEER(buckets_are_hosts_where_they_can_be),
		ON_PEER(an_owner_is_an_account),
		cmocka_unit_test(an_upload_carries_its_sum),
		cmocka_unit_test(a_reply_tells_of_its_object),
		cmocka_unit_test(a_reply_that_cannot_be_is_refused),
		ON_PEER(a_failure_names_bucket_and_key),
	};
	int failed;

	if (!peer_start())
		return peer_skip();
	failed = cmocka_run_group_tests_name("s3: requests", tests, NULL, NULL);
	peer_stop();
	return failed;
}
