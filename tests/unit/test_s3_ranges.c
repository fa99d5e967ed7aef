/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3.h"

#include "base/str.h"
#include "tests/unit/aws_peer.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int fresh(void **state)
{
	struct bl_err err = { 0 };

	peer_set_up(state);
	must(bl_s3_put(at_peer.s3, NULL, "a", "0123456789", 10, NULL, &err), &err);
	return 0;
}

/* Wants n pieces one after another, each of `step` bytes; what came is in `got` at its place. */
struct wish {
	const char *key, *etag;
	size_t n, next, step, came, fails_at;
	char got[64];
};

static bool next(void *arg, struct bl_s3_range *out)
{
	struct wish *wish = arg;

	if (wish->next == wish->n)
		return false;
	*out = (struct bl_s3_range){
		.key = wish->key,
		.etag = wish->etag,
		.offset = wish->next++ * wish->step,
		.len = wish->step,
		.of = wish,
	};
	return true;
}

static int came(void *arg, const struct bl_s3_range *range, const char *bytes, struct bl_err *err)
{
	struct wish *wish = arg;

	assert_ptr_equal(range->of, wish);
	memcpy(wish->got + range->offset, bytes, range->len);
	if (++wish->came == wish->fails_at)
		return bl_fail(err, BL_EDATA, "not that one");
	return 0;
}

static int get(struct wish *wish, struct bl_err *err)
{
	const struct bl_s3_ranges ranges = { next, came, wish };

	return bl_s3_get_ranges(at_peer.s3, NULL, &ranges, err);
}

static void pieces_come_to_their_places(void **state)
{
	struct wish wish = { .key = "a", .n = 10, .step = 1 };
	struct bl_err err = { 0 };

	(void)state;
	must(get(&wish, &err), &err);
	assert_string_equal(wish.got, "0123456789");
	assert_int_equal(peer_seen("GetObject"), 10);
	/* who ignores a range sends all of it */
	peer_control("POST", "/script",
	             "[{\"operation\":\"GetObject\",\"count\":0,\"status\":200,\"body\":"
	             "\"abcdefghij\"}]");
	wish = (struct wish){ .key = "a", .n = 5, .step = 2 };
	must(get(&wish, &err), &err);
	assert_string_equal(wish.got, "abcdefghij");
	wish = (struct wish){ .key = "a", .n = 0 };
	must(get(&wish, &err), &err);
}

static void what_ends_it_is_said(void **state)
{
	static const struct {
		struct wish wish;
		enum bl_code code;
		const char *text;
	} cases[] = {
		{ { .key = "none", .n = 1, .step = 1 }, BL_ENOENT, "read s3://bucket/none" },
		{ { .key = "a", .etag = "\"other\"", .n = 1, .step = 1 }, BL_EDATA, "HTTP 412" },
		{ { .key = "a", .n = 2, .step = 10 }, BL_EDATA, "HTTP 416" },
		{ { .key = "a", .n = 1, .step = 11 }, BL_ECORRUPT, "10 bytes came of the 11" },
		{ { .key = "a", .n = 10, .step = 1, .fails_at = 3 }, BL_EDATA, "not that one" },
		{ { .key = "", .n = 1, .step = 1 }, BL_EINPUT, "cannot be an S3 key" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct wish wish = cases[i].wish;
		struct bl_err err = { 0 };

		assert_int_equal(get(&wish, &err), -1);
		if (err.code != cases[i].code || !strstr(err.text, cases[i].text))
			fail_msg("%s: %d %s", cases[i].text, err.code, err.text);
	}
	assert_int_equal(bl_aws_under_way(at_peer.aws), 0);
}

static void an_archived_piece_is_data(void **state)
{
	struct wish wish = { .key = "old", .n = 1, .step = 1 };
	struct bl_err err = { 0 };

	(void)state;
	peer_control("PUT", "/object?bucket=bucket&key=old&storage_class=GLACIER", "x");
	assert_int_equal(get(&wish, &err), -1);
	assert_int_equal(err.code, BL_EDATA);
	assert_non_null(strstr(err.next, "restore-object"));
}

static void a_bucket_says_its_region(void **state)
{
	char region[32] = "", tiny[4] = "abc";
	struct bl_err err = { 0 };

	(void)state;
	must(bl_s3_region(at_peer.s3, NULL, region, sizeof(region), &err), &err);
	assert_string_equal(region, "us-east-1");
	must(bl_s3_region(at_peer.s3, NULL, tiny, sizeof(tiny), &err), &err);
	assert_string_equal(tiny, "");
	peer_control("POST", "/script", "[{\"operation\":\"HeadBucket\",\"status\":403}]");
	assert_int_equal(bl_s3_region(at_peer.s3, NULL, region, sizeof(region), &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
}

#define PEER(test) cmocka_unit_test_setup_teardown(test, fresh, peer_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER(pieces_come_to_their_places),
		PEER(what_ends_it_is_said),
		PEER(an_archived_piece_is_data),
		PEER(a_bucket_says_its_region),
	};
	int failed;

	if (!peer_start())
		return peer_skip();
	failed = cmocka_run_group_tests_name("S3 ranges", tests, NULL, NULL);
	peer_stop();
	return failed;
}
