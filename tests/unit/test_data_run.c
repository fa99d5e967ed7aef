/* SPDX-License-Identifier: Apache-2.0 */
/* Channels that are what another run left, in a directory. */
#include "run/data_s3.h"

#include "run/checkpoint_parts.h"
#include "run/outcome.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define BASE "runs/" RUN "/"

static void put_manifest(struct bl_store *store, const char *name, const char *prefix,
                         const char *const *paths, size_t n, double value)
{
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	BL_AUTO(bl_buf) doc = BL_BUF(65536);
	struct bl_err err = { 0 };
	char key[256];

	if (sscanf(name, "checkpoints/%u-%u", &manifest.attempt, &manifest.seq) != 2)
		assert_int_equal(sscanf(name, "outputs/%u", &manifest.attempt), 1);
	manifest.primary_value = value;
	manifest.step = 1;
	snprintf(manifest.primary, sizeof(manifest.primary), "eval_loss");
	for (size_t i = 0; i < n; i++) {
		struct bl_entry *entry;

		must(bl_manifest_add(&manifest, paths[i], &entry, &err), &err);
		snprintf(key, sizeof(key), BASE "%s/%s", prefix, paths[i]);
		entry->key = strdup(key);
		assert_non_null(entry->key);
		entry->size = 3;
		entry->crc = bl_crc64nvme(0, "{}\n", 3);
		put_object(store, key, "{}\n");
	}
	bl_manifest_sort(&manifest);
	bl_manifest_write(&manifest, RUN, &doc);
	snprintf(key, sizeof(key), BASE "%s.manifest.json", name);
	put_object(store, key, bl_buf_text(&doc));
}

static void end_run(struct bl_store *store, unsigned attempt)
{
	const struct bl_outcome mine = { .attempt = attempt, .nonce = "0123456789abcdef" };
	struct bl_outcome winner;
	struct bl_err err = { 0 };

	must(bl_outcome_settle(store, RUN, &mine, &winner, &err), &err);
}

static void fill(struct bl_store *store)
{
	static const char *const files[] = { "model/a.jsonl", "model/sub/b.jsonl", "out/c.jsonl" };

	put_run(store, &(struct fixture_run){ .id = RUN });
	put_manifest(store, "outputs/002", "outputs/002", files, 3, 0);
	put_manifest(store, "checkpoints/001-000004", "checkpoints/001-000004", files, 1, 0.5);
	put_manifest(store, "checkpoints/001-000009", "checkpoints/001-000009", files, 2, 0.2);
	put_manifest(store, "checkpoints/002-000001", "checkpoints/002-000001", files, 3, 0.3);
}

static int check(struct bl_store *store, const char *uri, struct bl_data_found *found,
                 struct bl_data_place *place, struct bl_err *err)
{
	const struct bl_data_channel channel = { .name = "warm",
		                                 .uri = uri,
		                                 .depth = BL_DATA_FULL };

	return bl_data_s3_check(NULL, store, &channel, NULL, NULL, found, place, err);
}

static void each_form_is_pinned(void **state)
{
	static const struct {
		const char *uri, *pinned;
		size_t files;
	} cases[] = {
		{ "run://q7xk/outputs", "run://" RUN "/outputs", 3 },
		{ "run://" RUN "/outputs/", "run://" RUN "/outputs", 3 },
		{ "run://q7xk/outputs/model", "run://" RUN "/outputs/model", 2 },
		{ "run://q7xk/outputs/model/sub/b.jsonl", "run://" RUN "/outputs/model/sub/b.jsonl",
		  1 },
		{ "run://q7xk/checkpoints/newest", "run://" RUN "/checkpoints/002-000001", 3 },
		{ "run://q7xk/checkpoints/best", "run://" RUN "/checkpoints/001-000009", 2 },
		{ "run://q7xk/checkpoints/001-000004", "run://" RUN "/checkpoints/001-000004", 1 },
	};

	fill(*state);
	end_run(*state, 2);
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_data_found found;
		struct bl_data_place place;
		struct bl_err err = { 0 };

		must(check(*state, cases[i].uri, &found, &place, &err), &err);
		assert_string_equal(place.uri, cases[i].pinned);
		assert_int_equal(found.files, cases[i].files);
		assert_int_equal(found.records, cases[i].files);
		assert_int_equal(found.bytes, 3 * cases[i].files);
		assert_string_equal(place.region, "");
		/* what is pinned names the same data */
		{
			struct bl_data_found again;

			must(check(*state, place.uri, &again, &place, &err), &err);
			assert_string_equal(again.digest, found.digest);
		}
	}
}

static void what_is_not_there_is_said(void **state)
{
	static const struct {
		const char *uri, *text;
		enum bl_code code;
	} cases[] = {
		{ "run://q7xk/outputs", "has not ended", BL_EDATA },
		{ "run://q7xk/checkpoints/009-000001", "009-000001", BL_EDATA },
		{ "run://q7xk/checkpoints/last", "'last' is no checkpoint", BL_EINPUT },
		{ "run://q7xk/checkpoints", "names no data of a run", BL_EINPUT },
		{ "run://q7xk/weights", "names no data of a run", BL_EINPUT },
		{ "run:///outputs", "names no data of a run", BL_EINPUT },
		{ "run://latest/outputs", "must be named itself", BL_EINPUT },
		{ "run://train@main/outputs", "must be named itself", BL_EINPUT },
		{ "run://zzzz/outputs", "zzzz", BL_EINPUT },
		{ "run://q7xk/checkpoints/newest/none", "holds no file", BL_EDATA },
	};

	fill(*state);
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_data_found found;
		struct bl_data_place place;
		struct bl_err err = { 0 };

		assert_int_equal(check(*state, cases[i].uri, &found, &place, &err), -1);
		if (err.code != cases[i].code || !strstr(err.text, cases[i].text))
			fail_msg("%s: %d %s", cases[i].uri, err.code, err.text);
	}
}

static void an_object_that_was_cut_is_found(void **state)
{
	struct bl_data_found found;
	struct bl_data_place place;
	struct bl_err err = { 0 };

	fill(*state);
	put_object(*state, BASE "checkpoints/002-000001/out/c.jsonl", "{");
	assert_int_equal(check(*state, "run://q7xk/checkpoints/newest", &found, &place, &err), -1);
	assert_int_equal(err.code, BL_EDATA);
	assert_non_null(strstr(err.text, "out/c.jsonl: it has 1 bytes"));
}

static struct bl_store *with;

static int story(struct bl_err *err)
{
	struct bl_data_found found;
	struct bl_data_place place;

	return check(with, "run://q7xk/checkpoints/best", &found, &place, err) ||
	                       check(with, "run://q7xk/outputs", &found, &place, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	fill(*state);
	end_run(*state, 2);
	with = *state;
	each_allocation_fails(story, 4000);
}

static void a_uri_says_where_it_leads(void **state)
{
	(void)state;
	assert_true(bl_data_is_remote("s3://b/k"));
	assert_true(bl_data_is_remote("run://x/outputs"));
	assert_false(bl_data_is_remote("file:///x"));
	assert_false(bl_data_is_remote("s3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(each_form_is_pinned),
		IN_SCRATCH(what_is_not_there_is_said),
		IN_SCRATCH(an_object_that_was_cut_is_found),
		IN_SCRATCH(no_allocation_is_taken_for_granted),
		cmocka_unit_test(a_uri_says_where_it_leads),
	};

	return cmocka_run_group_tests_name("data of runs", tests, NULL, NULL);
}
