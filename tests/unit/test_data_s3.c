/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_s3.h"

#include "codec/json.h"
#include "tests/unit/aws_peer.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put(const char *key, const char *text)
{
	struct bl_err err = { 0 };

	must(bl_s3_put(at_peer.s3, NULL, key, text, strlen(text), NULL, &err), &err);
}

static struct bl_data_channel channel_at(const char *uri)
{
	return (struct bl_data_channel){ .name = "train", .uri = uri, .depth = BL_DATA_FIRST };
}

static struct bl_data_found found_at(const struct bl_data_channel *channel,
                                     struct bl_data_place *place)
{
	struct bl_data_place unasked;
	struct bl_data_found found = { 0 };
	struct bl_err err = { 0 };

	must(bl_data_s3_check(at_peer.aws, NULL, channel, NULL, NULL, &found,
	                      place ? place : &unasked, &err),
	     &err);
	return found;
}

static void assert_bad(const struct bl_data_channel *channel, enum bl_code code, const char *text,
                       const char *next)
{
	struct bl_data_found found = { .files = 77 };
	struct bl_data_place place = { .region = "before" };
	struct bl_err err = { 0 };

	assert_int_equal(
		bl_data_s3_check(at_peer.aws, NULL, channel, NULL, NULL, &found, &place, &err), -1);
	if (err.code != code || !strstr(err.text, text) || !strstr(err.next, next))
		fail_msg("%d, not %d: %s\nnext: %s", err.code, code, err.text, err.next);
	assert_int_equal(found.files, 77);
	assert_string_equal(place.region, "before");
}

/* --- What is listed --------------------------------------------------------------------------- */

static void a_prefix_is_counted_and_placed(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set");
	struct bl_data_place place;
	struct bl_data_found found;

	(void)state;
	put("set/", "");
	put("set/a.jsonl", "{}\n{}\n");
	put("set/deep/b.jsonl", "[1]\n");
	put("set/c.bin", "\xff\xfe");
	put("set-old/d.jsonl", "broken");
	found = found_at(&channel, &place);
	assert_int_equal(found.files, 3);
	assert_int_equal(found.bytes, 12);
	assert_int_equal(found.records, 3);
	assert_string_equal(place.uri, "s3://bucket/set");
	assert_string_equal(place.region, "us-east-1");
	assert_string_equal(place.storage_class, "STANDARD");
	assert_false(place.other_region);
	assert_int_equal(peer_seen("GetObject"), 2); /* c.bin is not judged */
}

static void one_object_is_a_channel(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/a.jsonl");

	(void)state;
	put("set/a.jsonl", "{}\n");
	put("set/a.jsonl.old", "broken");
	assert_int_equal(found_at(&channel, NULL).files, 1);
	assert_int_equal(peer_seen("ListObjectsV2"), 0);
}

static void globs_choose(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/");
	struct bl_value *include;
	struct bl_err err = { 0 };

	(void)state;
	put("set/a.jsonl", "{}\n");
	put("set/deep/b.jsonl", "{}\n{}\n");
	put("set/deep/b.txt", "no JSON");
	must(bl_json_parse("[\"deep/*.jsonl\"]", 16, "globs", &include, &err), &err);
	channel.include = include;
	channel.format = BL_DATA_JSONL;
	assert_int_equal(found_at(&channel, NULL).files, 1);
	bl_value_free(include);
	must(bl_json_parse("[\"*.csv\"]", 9, "globs", &include, &err), &err);
	channel.include = include;
	assert_bad(&channel, BL_EDATA, "no object below 's3://bucket/set/' matches `include`",
	           "**");
	bl_value_free(include);
}

static void nothing_there_is_said(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/none/");

	(void)state;
	assert_bad(&channel, BL_EDATA, "data channel 'train': 's3://bucket/none/' holds no object",
	           "aws s3 ls s3://bucket/none/");
	channel.uri = "s3://absent-bucket/x/";
	assert_bad(&channel, BL_EDATA, "s3://absent-bucket", "");
	channel.uri = "s3://Bad_Bucket/x/";
	assert_bad(&channel, BL_EINPUT, "cannot be a bucket", "");
	put("empty/a.jsonl", "\n \n");
	channel.uri = "s3://bucket/empty";
	assert_bad(&channel, BL_EDATA, "'s3://bucket/empty' holds no record", "");
}

static void a_digest_is_of_key_size_etag_version(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/");
	char first[BL_SHA256_HEX], other[BL_SHA256_HEX];

	(void)state;
	put("set/a.jsonl", "{}\n");
	memcpy(first, found_at(&channel, NULL).digest, sizeof(first));
	/* the depth is none of the data's business, nor where it lies */
	channel.depth = BL_DATA_EXISTS;
	assert_string_equal(found_at(&channel, NULL).digest, first);
	put("copy/a.jsonl", "{}\n");
	channel.uri = "s3://bucket/copy/";
	assert_string_equal(found_at(&channel, NULL).digest, first);
	channel.version = "v2";
	memcpy(other, found_at(&channel, NULL).digest, sizeof(other));
	assert_string_not_equal(other, first);
	channel.version = NULL;
	put("copy/a.jsonl", "[]\n");
	assert_string_not_equal(found_at(&channel, NULL).digest, first);
}

static void another_region_is_said(void **state)
{
	struct bl_data_channel channel = channel_at("s3://far-bucket/");
	struct bl_data_place place;

	(void)state;
	peer_control("POST", "/buckets", "{\"name\":\"far-bucket\",\"region\":\"eu-west-1\"}");
	peer_control("PUT", "/object?bucket=far-bucket&key=a.jsonl", "{}\n");
	assert_int_equal(found_at(&channel, &place).records, 1);
	assert_string_equal(place.region, "eu-west-1");
	assert_true(place.other_region);
}

/* --- What is judged --------------------------------------------------------------------------- */

static void the_first_bad_record_is_named(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/");

	(void)state;
	for (int i = 0; i < 40; i++) {
		char key[32];

		snprintf(key, sizeof(key), "set/%02d.jsonl", i);
		put(key, i == 33 ? "{}\n{\"a\":}\n" : "{}\n");
	}
	assert_bad(&channel, BL_EDATA, "data channel 'train': 33.jsonl:2:6:", "data_check: exists");
	channel.depth = BL_DATA_EXISTS;
	assert_int_equal(found_at(&channel, NULL).files, 40);
	put("set/x.parquet", "no");
	channel.depth = BL_DATA_FULL;
	channel.format = BL_DATA_PARQUET;
	assert_bad(&channel, BL_EDATA, "too few for a Parquet file", "");
}

static void an_archived_object_is_refused(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/");
	struct bl_data_place place;

	(void)state;
	put("set/a.jsonl", "{}\n");
	peer_control("PUT", "/object?bucket=bucket&key=set%2Fb.bin&storage_class=DEEP_ARCHIVE",
	             "xxxxxxxxxx");
	assert_bad(&channel, BL_EDATA, "set/b.bin", "aws s3api restore-object --bucket bucket");
	channel.depth = BL_DATA_EXISTS;
	assert_bad(&channel, BL_EDATA, "set/b.bin", "aws s3api restore-object --bucket bucket");
	peer_control("PUT", "/object?bucket=bucket&key=set%2Fb.bin&storage_class=GLACIER_IR",
	             "xxxxxxxxxx");
	assert_int_equal(found_at(&channel, &place).files, 2);
	assert_string_equal(place.storage_class, "GLACIER_IR");
}

static void an_object_that_changes_is_refused(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/");

	(void)state;
	put("set/a.jsonl", "{}\n");
	peer_control("POST", "/script",
	             "[{\"operation\":\"GetObject\",\"error\":\"PreconditionFailed\"}]");
	assert_bad(&channel, BL_EDATA, "set/a.jsonl", "replaced while it was read");
}

static void faults_are_outlived(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/");

	(void)state;
	put("set/a.jsonl", "{}\n{}\n");
	put("set/b.jsonl", "{}\n");
	peer_control("POST", "/script",
	             "[{\"operation\":\"GetObject\",\"error\":\"SlowDown\"},"
	             "{\"operation\":\"GetObject\",\"cut\":40},"
	             "{\"operation\":\"ListObjectsV2\",\"status\":500}]");
	assert_int_equal(found_at(&channel, NULL).records, 3);
}

static uint64_t last_done, last_total;

static void see(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	assert_true(done <= total && done >= last_done);
	last_done = done;
	last_total = total;
}

static void progress_reaches_its_end(void **state)
{
	struct bl_data_channel channel = channel_at("s3://bucket/set/");
	struct bl_data_place place;
	struct bl_data_found found;
	struct bl_err err = { 0 };

	(void)state;
	put("set/a.jsonl", "{}\n{}\n");
	peer_control("PUT", "/object?bucket=bucket&key=set%2Fb.parquet", "PAR1data    PAR1");
	channel.depth = BL_DATA_EXISTS;
	must(bl_data_s3_check(at_peer.aws, NULL, &channel, see, NULL, &found, &place, &err), &err);
	assert_int_equal(last_total, 0);
	channel.depth = BL_DATA_FULL;
	channel.format = BL_DATA_JSONL;
	channel.uri = "s3://bucket/set/a.jsonl";
	must(bl_data_s3_check(at_peer.aws, NULL, &channel, see, NULL, &found, &place, &err), &err);
	assert_int_equal(last_total, 6);
	assert_int_equal(last_done, 6);
}

static int story(struct bl_err *err)
{
	const struct bl_data_channel channel = channel_at("s3://bucket/set");
	struct bl_data_found found;
	struct bl_data_place place;
	BL_AWS aws = NULL;

	return bl_aws_open(&(struct bl_aws_options){ 0 }, &aws, err) ||
	                       bl_data_s3_check(aws, NULL, &channel, NULL, NULL, &found, &place,
	                                        err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	put("set/a.jsonl", "{}\n");
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
}

#define PEER(test) cmocka_unit_test_setup_teardown(test, peer_set_up, peer_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER(a_prefix_is_counted_and_placed),
		PEER(one_object_is_a_channel),
		PEER(globs_choose),
		PEER(nothing_there_is_said),
		PEER(a_digest_is_of_key_size_etag_version),
		PEER(another_region_is_said),
		PEER(the_first_bad_record_is_named),
		PEER(an_archived_object_is_refused),
		PEER(an_object_that_changes_is_refused),
		PEER(faults_are_outlived),
		PEER(progress_reaches_its_end),
		PEER(no_allocation_is_taken_for_granted),
	};
	int failed;

	if (!peer_start())
		return peer_skip();
	failed = cmocka_run_group_tests_name("data in S3", tests, NULL, NULL);
	peer_stop();
	return failed;
}
