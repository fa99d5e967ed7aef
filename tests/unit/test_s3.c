/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3.h"

#include "aws/s3_parts.h"
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

static void script(const char *line)
{
	peer_control("POST", "/script", line);
}

static void put(struct bl_s3 *s3, const char *key, const char *text)
{
	struct bl_err err = { 0 };

	must(bl_s3_put(s3, NULL, key, text, strlen(text), NULL, &err), &err);
}

static void assert_bytes(struct bl_s3 *s3, const char *key, const char *want)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1 << 20);
	struct bl_err err = { 0 };
	uint64_t total = 0;

	must(bl_s3_get(s3, NULL, key, 0, 1 << 20, &buf, &total, &err), &err);
	assert_string_equal(bl_buf_text(&buf), want);
	assert_int_equal(total, strlen(want));
}

/* --- objects ---------------------------------------------------------------------------------- */

static void every_key_is_a_key(void **state)
{
	static const char *const keys[] = {
		"a//b",     "a/../b", "./x",   "..",    "a b",    "a+b",       "a%2Fb",
		"\xc3\xa9", "~t",     "a?b#c", "x/",    "a\x01z", "new\nline", "(1)*!'",
		"&<\"'>",   "/top",   "a=b",   "a,b;c", "\\$@:",  "tab\t",     "\xf0\x9f\x98\x80",
	};
	char longest[1026];
	struct bl_err err = { 0 };

	for (size_t i = 0; i < BL_COUNT(keys); i++) {
		put(*state, keys[i], keys[i]);
		assert_bytes(*state, keys[i], keys[i]);
		must(bl_s3_delete(*state, NULL, keys[i], &err), &err);
	}
	memset(longest, 'k', 1025);
	longest[1025] = '\0';
	assert_int_equal(bl_s3_put(*state, NULL, longest, "", 0, NULL, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	longest[1024] = '\0';
	put(*state, longest, "longest");
	assert_bytes(*state, longest, "longest");
}

static void a_head_knows_the_object(void **state)
{
	struct bl_s3_object object = { 0 };
	char etag[BL_ETAG_SIZE] = "";
	struct bl_err err = { 0 };

	must(bl_s3_put(*state, NULL, "k", "12345", 5, etag, &err), &err);
	must(bl_s3_head(*state, NULL, "k", &object, &err), &err);
	assert_int_equal(object.size, 5);
	assert_string_equal(object.etag, etag);
	assert_int_equal(etag[0], '"');
	assert_true(object.has_crc && object.crc == bl_crc64nvme(0, "12345", 5));
	assert_string_equal(object.storage_class, "STANDARD");
	assert_true(object.modified_wall_ms > 1700000000000);
	assert_int_equal(bl_s3_head(*state, NULL, "n", &object, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static void a_sha256_where_it_is_asked_for(void **state)
{
	struct bl_s3_options options = { .bucket = "bucket", .sum = BL_S3_SHA256 };
	BL_AUTO(bl_buf) objects = BL_BUF(10000);
	struct bl_err err = { 0 };
	BL_S3 s3 = NULL;

	(void)state;
	must(bl_s3_open(at_peer.aws, &options, &s3, &err), &err);
	put(s3, "k", "text");
	peer_ask("/objects?bucket=bucket", &objects);
	assert_non_null(strstr(bl_buf_text(&objects), "\"algorithm\": \"sha256\""));
	assert_bytes(s3, "k", "text");
}

static void a_create_is_lost_or_repeated(void **state)
{
	struct bl_err err = { 0 };

	script("{\"operation\":\"PutObject\",\"error\":\"ConditionalRequestConflict\","
	       "\"count\":2}");
	must(bl_s3_create(*state, NULL, "k", "mine", 4, NULL, &err), &err);
	assert_int_equal(peer_seen("PutObject"), 3);
	assert_int_equal(bl_s3_create(*state, NULL, "k", "other", 5, NULL, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_bytes(*state, "k", "mine");
	bl_err_clear(&err);
	script("{\"operation\":\"PutObject\",\"error\":\"ConditionalRequestConflict\","
	       "\"count\":0}");
	assert_int_equal(bl_s3_create(*state, NULL, "n", "mine", 4, NULL, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
}

static void sums_are_compared_both_ways(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1 << 20);
	struct bl_err err = { 0 };
	uint64_t total;

	script("{\"operation\":\"PutObject\",\"wrong_checksum\":true}");
	assert_int_equal(bl_s3_put(*state, NULL, "k", "text", 4, NULL, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	for (unsigned bit = 0; bit < 32; bit++) {
		char line[128];

		bl_err_clear(&err);
		snprintf(line, sizeof(line), "{\"operation\":\"GetObject\",\"flip_bit\":%u}", bit);
		script(line);
		assert_int_equal(bl_s3_get(*state, NULL, "k", 0, 1 << 20, &buf, &total, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_int_equal(buf.len, 0);
	}
	assert_bytes(*state, "k", "text");
}

static void a_range_is_what_was_asked_for(void **state)
{
	static const struct {
		uint64_t offset;
		size_t len;
		const char *want;
	} cases[] = {
		{ 0, 4, "0123" }, { 8, 100, "89" }, { 10, 1, "" },
		{ 99, 7, "" },    { 3, 0, "" },     { UINT64_MAX, 5, "" },
	};

	put(*state, "k", "0123456789");
	put(*state, "empty", "");
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(100);
		struct bl_err err = { 0 };
		uint64_t total = 0;

		must(bl_s3_get(*state, NULL, "k", cases[i].offset, cases[i].len, &buf, &total,
		               &err),
		     &err);
		assert_string_equal(bl_buf_text(&buf), cases[i].want);
		assert_int_equal(total, 10);
		must(bl_s3_get(*state, NULL, "empty", cases[i].offset, cases[i].len, &buf, NULL,
		               &err),
		     &err);
		assert_string_equal(bl_buf_text(&buf), cases[i].want);
	}
}

static void a_range_that_is_short_is_no_answer(void **state)
{
	static const char *const replies[] = {
		"\"status\":206,\"body\":\"012\",\"headers\":{\"Content-Range\":\"bytes 0-3/10\"}",
		"\"status\":206,\"body\":\"01234\",\"headers\":{\"Content-Range\":\"bytes "
		"0-4/10\"}",
		"\"status\":206,\"body\":\"0123\",\"headers\":{\"Content-Range\":\"bytes 0-3/*\"}",
	};

	put(*state, "k", "0123456789");
	for (size_t i = 0; i < BL_COUNT(replies); i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(100), line = BL_BUF(1000);
		struct bl_err err = { 0 };
		uint64_t total;

		bl_buf_addf(&line, "{\"operation\":\"GetObject\",%s}", replies[i]);
		script(bl_buf_text(&line));
		assert_int_equal(bl_s3_get(*state, NULL, "k", 0, 4, &buf, &total, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_int_equal(buf.len, 0);
	}
}

/* A server may send the whole; one over the limit is then asked for in part. */
static void more_than_asked_for_is_cut(void **state)
{
	size_t size = 200000, limit = 100000;
	char *bytes = malloc(size);
	BL_AUTO(bl_buf) buf = BL_BUF(limit);
	struct bl_err err = { 0 };
	uint64_t total = 0;

	assert_non_null(bytes);
	memset(bytes, 'x', size);
	must(bl_s3_put(*state, NULL, "k", bytes, size, NULL, &err), &err);
	must(bl_s3_get(*state, NULL, "k", 0, limit, &buf, &total, &err), &err);
	assert_int_equal(buf.len, limit);
	assert_int_equal(total, size);
	free(bytes);
}

static void an_archived_object_says_how_to_bring_it_back(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(100);
	struct bl_err err = { 0 };
	uint64_t total;

	peer_control("PUT", "/object?bucket=bucket&key=old&storage_class=DEEP_ARCHIVE", "x");
	assert_int_equal(bl_s3_get(*state, NULL, "old", 0, 10, &buf, &total, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.text, "InvalidObjectState"));
	assert_non_null(strstr(err.next, "aws s3api restore-object --bucket bucket --key 'old'"));
}

/* --- many ------------------------------------------------------------------------------------- */

struct seen {
	unsigned found, absent;
};

static int note_one(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err)
{
	struct seen *seen = arg;

	(void)i;
	(void)err;
	seen->found += bytes && len == 4 && !memcmp(bytes, "text", 4);
	seen->absent += !bytes;
	return 0;
}

/* What fails is left out, and what was asked for again came in the end. */
static void many_come_but_for_those_that_fail(void **state)
{
	const char *keys[] = { "a", "bad", "none", "slow", "denied" };
	struct bl_call past = { .deadline_mono_ms = 1 };
	struct bl_err err = { 0 };
	struct seen seen = { 0 };

	put(*state, "a", "text");
	put(*state, "bad", "text");
	put(*state, "slow", "text");
	put(*state, "denied", "text");
	peer_control("POST", "/corrupt", "{\"bucket\":\"bucket\",\"key\":\"bad\",\"bit\":3}");
	script("{\"operation\":\"GetObject\",\"key\":\"slow\",\"error\":\"SlowDown\"}");
	script("{\"operation\":\"GetObject\",\"key\":\"denied\",\"error\":\"AccessDenied\"}");
	must(bl_s3_get_many(*state, NULL, keys, BL_COUNT(keys), 100, note_one, &seen, &err), &err);
	assert_int_equal(seen.found, 2);
	assert_int_equal(seen.absent, 1);
	assert_int_equal(bl_s3_get_many(*state, &past, keys, 1, 100, note_one, &seen, &err), -1);
	assert_int_equal(err.code, BL_ETIMEOUT);
	assert_int_equal(bl_aws_under_way(at_peer.aws), 0);
}

static void many_heads_come_at_once(void **state)
{
	char names[100][8];
	const char *keys[100];
	struct bl_s3_object objects[100];
	struct bl_err err = { 0 };
	bool known[100];

	for (size_t i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		keys[i] = names[i];
		if (i % 10)
			must(bl_s3_put(*state, NULL, keys[i], names[0], i % 3, NULL, &err), &err);
	}
	must(bl_s3_head_many(*state, NULL, keys, 100, objects, known, &err), &err);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(known[i], i % 10 != 0);
		if (!known[i])
			continue;
		assert_int_equal(objects[i].size, i % 3);
		assert_true(objects[i].has_crc);
		assert_true(objects[i].crc == bl_crc64nvme(0, names[0], i % 3));
	}
	assert_int_equal(bl_aws_under_way(at_peer.aws), 0);
}

/* --- allocations ------------------------------------------------------------------------------ */

static int story(struct bl_err *err)
{
	const char *keys[] = { "k", "none" };
	struct seen seen = { 0 };
	struct bl_s3_options options = { .bucket = "bucket", .owner = "111122223333" };
	BL_AUTO(bl_buf) buf = BL_BUF(100000);
	struct bl_s3_object object, objects[2];
	char etag[BL_ETAG_SIZE];
	uint64_t total;
	bool known[2];
	BL_AWS aws = NULL;
	BL_S3 s3 = NULL;

	if (bl_aws_open(&(struct bl_aws_options){ 0 }, &aws, err) ||
	    bl_s3_open(aws, &options, &s3, err) || bl_s3_reach(s3, NULL, err) ||
	    bl_s3_put(s3, NULL, "k", "text", 4, etag, err) ||
	    bl_s3_get(s3, NULL, "k", 0, 100000, &buf, &total, err) ||
	    bl_s3_get_many(s3, NULL, keys, 2, 1000, note_one, &seen, err) ||
	    bl_s3_head_many(s3, NULL, keys, 2, objects, known, err) ||
	    bl_s3_head(s3, NULL, "k", &object, err) || bl_s3_delete(s3, NULL, "k", err) ||
	    bl_s3_create(s3, NULL, "k", "text", 4, etag, err))
		return err->code ? bl_recode(err, BL_ENOMEM) : -1; /* curl may send half a URL */
	return 0;
}

static void each_allocation_of_the_operations(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
}

#define ON_PEER(test) cmocka_unit_test_setup_teardown(test, peer_set_up, peer_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PEER(every_key_is_a_key),
		ON_PEER(a_head_knows_the_object),
		ON_PEER(a_sha256_where_it_is_asked_for),
		ON_PEER(a_create_is_lost_or_repeated),
		ON_PEER(sums_are_compared_both_ways),
		ON_PEER(a_range_is_what_was_asked_for),
		ON_PEER(a_range_that_is_short_is_no_answer),
		ON_PEER(more_than_asked_for_is_cut),
		ON_PEER(an_archived_object_says_how_to_bring_it_back),
		ON_PEER(many_come_but_for_those_that_fail),
		ON_PEER(many_heads_come_at_once),
		ON_PEER(each_allocation_of_the_operations),
	};
	int failed;

	if (!peer_start())
		return peer_skip();
	failed = cmocka_run_group_tests_name("s3", tests, NULL, NULL);
	peer_stop();
	return failed;
}
