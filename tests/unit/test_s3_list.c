/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3.h"

#include "aws/s3_list.h"
#include "aws/s3_parts.h"
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

static void put(struct bl_s3 *s3, const char *key)
{
	struct bl_err err = { 0 };

	must(bl_s3_put(s3, NULL, key, "12345", 5, NULL, &err), &err);
}

static int note(void *arg, const struct bl_s3_listed *item, struct bl_err *err)
{
	(void)err;
	if (!item->is_prefix)
		assert_int_equal(item->object.size, 5);
	bl_buf_addf(arg, "%s ", item->key);
	return 0;
}

static void assert_list(struct bl_s3 *s3, const char *prefix, const char *after, char delimiter,
                        const char *want)
{
	BL_AUTO(bl_buf) got = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	must(bl_s3_list(s3, NULL, prefix, after, delimiter, note, &got, &err), &err);
	assert_string_equal(bl_buf_text(&got), want);
}

/* --- what a page may hold: no server needed --------------------------------------------------- */

static int read_text(const char *xml, struct bl_buf *keys, struct bl_err *err)
{
	BL_AUTO(listing) listing = LISTING;

	if (listing_read(&listing, xml, strlen(xml), err))
		return -1;
	return listing_emit(&listing, note, keys, err);
}

#define PAGE(inner) "<ListBucketResult>" inner "</ListBucketResult>"
#define KEY(name) "<Contents><Key>" name "</Key><Size>5</Size></Contents>"
#define FOLD(name) "<CommonPrefixes><Prefix>" name "</Prefix></CommonPrefixes>"

static void a_page_is_told_in_order(void **state)
{
	static const struct {
		const char *xml, *want;
	} pages[] = {
		{ PAGE(""), "" },
		{ PAGE(KEY("a") KEY("b")), "a b " },
		{ PAGE(KEY("a") KEY("d") FOLD("b/") FOLD("e/")), "a b/ d e/ " },
		{ PAGE(KEY("a+b%2Bc%25%0A")), "a b+c%\n " },
		{ "\n \n" PAGE(KEY("%C3%A9")), "\xc3\xa9 " },
		{ "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" KEY(
			  "a") "</ListBucketResult>",
		  "a " },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(pages); i++) {
		BL_AUTO(bl_buf) keys = BL_BUF(1000);
		struct bl_err err = { 0 };

		must(read_text(pages[i].xml, &keys, &err), &err);
		assert_string_equal(bl_buf_text(&keys), pages[i].want);
	}
}

static void a_page_that_is_none_is_refused(void **state)
{
	static const char *const pages[] = {
		"",
		"<Error><Code>SlowDown</Code></Error>",
		PAGE(KEY("b") KEY("a")),
		PAGE(KEY("a") KEY("a")),
		PAGE(FOLD("b/") FOLD("a/")),
		PAGE("<Contents><Key>a</Key></Contents>"),
		PAGE("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
		PAGE("<Contents><Key>a</Key><Size>x</Size></Contents>"),
		PAGE(KEY("%zz")),
		PAGE(KEY("%00")),
		PAGE("<IsTruncated>true</IsTruncated>"),
		PAGE("<IsTruncated>True</IsTruncated>"),
		PAGE("<NextContinuationToken>t</NextContinuationToken>"),
		"<ListBucketResult>" KEY("a"),
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(pages); i++) {
		BL_AUTO(bl_buf) keys = BL_BUF(1000);
		struct bl_err err = { 0 };

		assert_int_equal(read_text(pages[i], &keys, &err), -1);
		assert_true(err.code == BL_ECORRUPT || err.code == BL_EINPUT);
	}
}

/* --- lists ------------------------------------------------------------------------------------ */

static void every_page_comes(void **state)
{
	BL_AUTO(bl_buf) want = BL_BUF(1000);
	char key[32];

	peer_control("POST", "/options", "{\"max_keys\":2}");
	for (int i = 0; i < 7; i++) {
		snprintf(key, sizeof(key), "k %d+%%/\xc3\xa9", i);
		put(*state, key);
		bl_buf_addf(&want, "%s ", key);
	}
	assert_list(*state, "", NULL, 0, bl_buf_text(&want));
	assert_int_equal(peer_seen("ListObjectsV2"), 4);
	assert_list(*state, "k 5", NULL, 0, "k 5+%/\xc3\xa9 ");
	assert_list(*state, "", "k 5+", 0, "k 5+%/\xc3\xa9 k 6+%/\xc3\xa9 ");
	assert_list(*state, "k 6", NULL, '/', "k 6+%/ ");
}

static void a_list_never_ends_early_in_silence(void **state)
{
	static const char truncated[] =
		PAGE(KEY("a") "<IsTruncated>true</IsTruncated>"
	                      "<NextContinuationToken>same</NextContinuationToken>");
	BL_AUTO(bl_buf) line = BL_BUF(4096), keys = BL_BUF(1000);
	struct bl_json json = BL_JSON(&line);
	struct bl_err err = { 0 };

	bl_json_map(&json, NULL);
	bl_json_text(&json, "operation", "ListObjectsV2");
	bl_json_int(&json, "count", 0);
	bl_json_int(&json, "status", 200);
	bl_json_text(&json, "body", truncated);
	bl_json_end_map(&json);
	peer_control("POST", "/script", bl_buf_text(&line));
	assert_int_equal(bl_s3_list(*state, NULL, "", NULL, 0, note, &keys, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, "repeats a token"));
}

/* Whole, or an error: at whatever byte the reply is cut. */
static void a_list_cut_anywhere_is_an_error(void **state)
{
	put(*state, "a");
	put(*state, "b");
	for (int at = 0; at < 200; at += 7) {
		BL_AUTO(bl_buf) keys = BL_BUF(1000);
		struct bl_err err = { 0 };
		char line[128];

		snprintf(line, sizeof(line), "{\"operation\":\"ListObjectsV2\",\"truncate_at\":%d}",
		         at);
		peer_control("POST", "/script", line);
		assert_int_equal(bl_s3_list(*state, NULL, "", NULL, 0, note, &keys, &err), -1);
		assert_int_equal(keys.len, 0);
	}
}

struct paging {
	struct bl_buf keys;
	unsigned pages;
	bool last, failed;
};

static int note_page(void *arg, const struct bl_s3_listed *item, struct bl_err *err)
{
	struct paging *paging = arg;

	return note(&paging->keys, item, err);
}

static void page_done(void *arg, bool last, struct bl_err *err)
{
	struct paging *paging = arg;

	paging->pages++;
	paging->last = last;
	paging->failed = err->code != BL_OK;
}

static void take_page(struct bl_s3 *s3, struct bl_s3_pages *pages)
{
	struct paging *paging = pages->arg;
	unsigned before = paging->pages;
	struct bl_err err = { 0 };

	must(bl_s3_page_start(s3, pages, &err), &err);
	while (paging->pages == before)
		must(bl_aws_step(bl_s3_aws(s3), 1000, &err), &err);
}

static void pages_come_one_by_one(void **state)
{
	struct paging paging = { .keys = BL_BUF(1000) };
	struct bl_s3_pages pages = {
		.prefix = "", .fn = note_page, .done = page_done, .arg = &paging
	};
	struct bl_err err = { 0 };

	peer_control("POST", "/options", "{\"max_keys\":2}");
	put(*state, "a");
	put(*state, "b");
	put(*state, "c");
	take_page(*state, &pages);
	assert_string_equal(bl_buf_text(&paging.keys), "a b ");
	assert_false(paging.last);
	take_page(*state, &pages);
	assert_string_equal(bl_buf_text(&paging.keys), "a b c ");
	assert_true(paging.last && !paging.failed);
	/* one that is given up is never heard of */
	must(bl_s3_page_start(*state, &pages, &err), &err);
	bl_s3_pages_done(&pages);
	assert_int_equal(bl_aws_under_way(bl_s3_aws(*state)), 0);
	peer_control("POST", "/script",
	             "{\"operation\":\"ListObjectsV2\",\"error\":\"AccessDenied\"}");
	take_page(*state, &pages);
	assert_true(paging.last && paging.failed);
	bl_s3_pages_done(&pages);
	bl_buf_done(&paging.keys);
}

/* --- deleting many ---------------------------------------------------------------------------- */

static void many_are_deleted_a_thousand_at_once(void **state)
{
	enum { N = 2001 };
	char(*names)[32] = calloc(N, sizeof(*names));
	const char **keys = calloc(N, sizeof(*keys));
	struct bl_err err = { 0 };

	assert_non_null(names);
	assert_non_null(keys);
	for (int i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "k&<%d", i);
		keys[i] = names[i];
	}
	put(*state, "k&<0");
	put(*state, "k&<2000");
	put(*state, "kept");
	must(bl_s3_delete_many(*state, NULL, keys, N, &err), &err);
	assert_int_equal(peer_seen("DeleteObjects"), 3);
	assert_list(*state, "", NULL, 0, "kept ");
	must(bl_s3_delete_many(*state, NULL, NULL, 0, &err), &err);
	free(keys);
	free(names);
}

static void what_may_not_be_deleted_is_named(void **state)
{
	const char *keys[] = { "free", "once/a", "once/b" };
	struct bl_err err = { 0 };

	peer_control("POST", "/buckets", "{\"name\":\"bucket\",\"create_once\":[\"once/*\"]}");
	put(*state, "free");
	assert_int_equal(bl_s3_delete_many(*state, NULL, keys, 3, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.text, "2 of 3"));
	assert_non_null(strstr(err.text, "once/a"));
	assert_list(*state, "", NULL, 0, "");
}

/* --- allocations ------------------------------------------------------------------------------ */

static int story(struct bl_err *err)
{
	const char *keys[] = { "x", "y" };
	struct paging paging = { .keys = BL_BUF(10000) };
	struct bl_s3_pages pages = {
		.prefix = "", .fn = note_page, .done = page_done, .arg = &paging
	};
	struct peer_client here = { 0 };
	struct bl_s3_options options = { .bucket = "bucket" };
	unsigned aborted;
	int rc = -1;

	if (!bl_aws_open(&(struct bl_aws_options){ 0 }, &here.aws, err) &&
	    !bl_s3_open(here.aws, &options, &here.s3, err) &&
	    !bl_s3_list(here.s3, NULL, "", NULL, '/', note, &paging.keys, err) &&
	    !bl_s3_delete_many(here.s3, NULL, keys, 2, err) &&
	    !bl_s3_abort_stale(here.s3, NULL, "", 0, &aborted, err) &&
	    !bl_s3_page_start(here.s3, &pages, err)) {
		rc = 0;
		while (!rc && !paging.pages)
			rc = bl_aws_step(here.aws, 1000, err);
	}
	bl_s3_pages_done(&pages);
	peer_close(&here);
	bl_buf_done(&paging.keys);
	return rc ? bl_recode(err, BL_ENOMEM) : 0; /* curl may send half a URL */
}

static void each_allocation_of_the_lists(void **state)
{
	struct bl_err err = { 0 };

	put(*state, "k");
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
}

#define ON_PEER(test) cmocka_unit_test_setup_teardown(test, peer_set_up, peer_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_told_in_order),
		cmocka_unit_test(a_page_that_is_none_is_refused),
		ON_PEER(every_page_comes),
		ON_PEER(a_list_never_ends_early_in_silence),
		ON_PEER(a_list_cut_anywhere_is_an_error),
		ON_PEER(pages_come_one_by_one),
		ON_PEER(many_are_deleted_a_thousand_at_once),
		ON_PEER(what_may_not_be_deleted_is_named),
		ON_PEER(each_allocation_of_the_lists),
	};
	int failed;

	if (!peer_start())
		return peer_skip();
	failed = cmocka_run_group_tests_name("s3: lists", tests, NULL, NULL);
	peer_stop();
	return failed;
}
