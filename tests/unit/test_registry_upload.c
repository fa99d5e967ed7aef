/* SPDX-License-Identifier: Apache-2.0 */
#include "net/registry_push_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

/* --- What follows ----------------------------------------------------------------------------- */

struct turn {
	enum bl_upload_step step;
	enum bl_upload_event event;
	uint64_t kept; /* what the step leaves behind; 0: as it was */
};

static enum bl_upload_step play(struct bl_upload_state *at, const struct turn *turns, size_t n)
{
	enum bl_upload_step step = BL_UPLOAD_BEGIN;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(step, turns[i].step);
		if (turns[i].kept)
			at->kept = turns[i].kept;
		step = bl_upload_next(at, step, turns[i].event);
	}
	return step;
}
#define PLAY(at, turns) play(at, turns, BL_COUNT(turns))

static void the_good_case_is_two_requests(void **state)
{
	static const struct turn turns[] = { { BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		                             { BL_UPLOAD_ALL, BL_UPLOAD_OK, 0 } };
	struct bl_upload_state at = { .size = 100 };

	(void)state;
	assert_int_equal(PLAY(&at, turns), BL_UPLOAD_DONE);
	assert_int_equal(at.begun, 1);
}

static void a_cut_goes_on_where_it_was(void **state)
{
	static const struct turn turns[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },  { BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 40 },   { BL_UPLOAD_PART, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 70 },   { BL_UPLOAD_PART, BL_UPLOAD_OK, 100 },
		{ BL_UPLOAD_FINISH, BL_UPLOAD_OK, 0 },
	};
	struct bl_upload_state at = { .size = 100 };

	(void)state;
	assert_int_equal(PLAY(&at, turns), BL_UPLOAD_DONE);
	assert_int_equal(at.begun, 1);
}

static void all_kept_needs_only_the_end(void **state)
{
	static const struct turn turns[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 100 },
		{ BL_UPLOAD_FINISH, BL_UPLOAD_OK, 0 },
	};
	struct bl_upload_state at = { .size = 100 };

	(void)state;
	assert_int_equal(PLAY(&at, turns), BL_UPLOAD_DONE);
}

static void a_lost_success_is_success(void **state)
{
	static const struct turn turns[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_GONE, 0 },
		{ BL_UPLOAD_LOOK, BL_UPLOAD_OK, 0 },
	};
	struct bl_upload_state at = { .size = 100 };

	(void)state;
	assert_int_equal(PLAY(&at, turns), BL_UPLOAD_DONE);
}

/* The registry was still storing what it had got when it was asked. */
static void a_wrong_offset_is_asked_again(void **state)
{
	static const struct turn turns[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 }, { BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 40 },  { BL_UPLOAD_PART, BL_UPLOAD_GONE, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 50 },  { BL_UPLOAD_PART, BL_UPLOAD_GONE, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 50 },  { BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_ALL, BL_UPLOAD_OK, 0 },
	};
	struct bl_upload_state at = { .size = 100 };

	(void)state;
	assert_int_equal(PLAY(&at, turns), BL_UPLOAD_DONE);
}

static void three_sessions_and_no_more(void **state)
{
	static const struct turn turns[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 }, { BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_GONE, 0 }, { BL_UPLOAD_LOOK, BL_UPLOAD_NO, 0 },
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 }, { BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 0 }, /* nothing kept */
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 }, { BL_UPLOAD_ALL, BL_UPLOAD_GONE, 0 },
		{ BL_UPLOAD_LOOK, BL_UPLOAD_NO, 0 },
	};
	struct bl_upload_state at = { .size = 100 };

	(void)state;
	assert_int_equal(PLAY(&at, turns), BL_UPLOAD_FAIL);
	assert_int_equal(at.begun, 3);
}

static void the_last_session_is_in_parts(void **state)
{
	static const struct turn turns[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_PART, BL_UPLOAD_OK, 10 * MIB },
		{ BL_UPLOAD_PART, BL_UPLOAD_OK, 11 * MIB },
		{ BL_UPLOAD_FINISH, BL_UPLOAD_OK, 0 },
	};
	struct bl_upload_state at = { .size = 11 * MIB };

	(void)state;
	assert_int_equal(PLAY(&at, turns), BL_UPLOAD_DONE);
}

static void refused_as_a_whole_goes_in_parts(void **state)
{
	static const struct turn turns[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },  { BL_UPLOAD_ALL, BL_UPLOAD_UNFIT, 0 },
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },  { BL_UPLOAD_PART, BL_UPLOAD_OK, 100 },
		{ BL_UPLOAD_FINISH, BL_UPLOAD_OK, 0 },
	};
	static const struct turn neither[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_ALL, BL_UPLOAD_UNFIT, 0 },
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_PART, BL_UPLOAD_UNFIT, 0 },
	};
	static const struct turn no_patch[] = {
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },  { BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 40 },   { BL_UPLOAD_PART, BL_UPLOAD_UNFIT, 0 },
		{ BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },  { BL_UPLOAD_ALL, BL_UPLOAD_LOST, 0 },
		{ BL_UPLOAD_ASK, BL_UPLOAD_OK, 90 },   { BL_UPLOAD_BEGIN, BL_UPLOAD_OK, 0 },
		{ BL_UPLOAD_ALL, BL_UPLOAD_UNFIT, 0 },
	};
	struct bl_upload_state a = { .size = 100 }, b = a, c = a;

	(void)state;
	assert_int_equal(PLAY(&a, turns), BL_UPLOAD_DONE);
	assert_int_equal(PLAY(&b, neither), BL_UPLOAD_FAIL);
	assert_int_equal(PLAY(&c, no_patch), BL_UPLOAD_FAIL);
}

static void parts_are_of_ten_mib(void **state)
{
	static const struct {
		uint64_t size, kept;
		bool in_parts;
		uint64_t end;
	} cases[] = {
		{ 25 * MIB, 0, false, 25 * MIB },       { 25 * MIB, 0, true, 10 * MIB },
		{ 25 * MIB, 10 * MIB, true, 20 * MIB }, { 25 * MIB, 20 * MIB, true, 25 * MIB },
		{ 20 * MIB, 10 * MIB, true, 20 * MIB }, { 25 * MIB, 3, true, 10 * MIB + 3 },
		{ 25 * MIB, 3, false, 25 * MIB },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		const struct bl_upload_state at = { .size = cases[i].size,
			                            .kept = cases[i].kept,
			                            .in_parts = cases[i].in_parts };

		assert_int_equal(bl_upload_part_end(&at), cases[i].end);
	}
}

/* A registry that always keeps one byte more, and one that says so without doing it. */
static void resuming_ends(void **state)
{
	for (uint64_t more = 0; more < 2; more++) {
		struct bl_upload_state at = { .size = 1000 };
		enum bl_upload_step step = BL_UPLOAD_BEGIN;
		uint64_t kept = 40;
		unsigned steps = 0;

		(void)state;
		for (; step != BL_UPLOAD_FAIL && steps < 1000; steps++) {
			bool cut = step == BL_UPLOAD_ALL || step == BL_UPLOAD_PART;

			if (step == BL_UPLOAD_ASK)
				at.kept = kept += more;
			step = bl_upload_next(&at, step, cut ? BL_UPLOAD_LOST : BL_UPLOAD_OK);
		}
		assert_int_equal(step, BL_UPLOAD_FAIL);
		assert_int_equal(at.begun, BL_UPLOAD_TRIES);
		assert_true(steps < 200);
	}
}

/* --- What a reply says ------------------------------------------------------------------------ */

static void replies_are_told_apart(void **state)
{
	static const struct {
		enum bl_upload_step step;
		int status;
		const char *code;
		enum bl_upload_event event;
	} cases[] = {
		{ BL_UPLOAD_BEGIN, 202, "", BL_UPLOAD_OK },
		{ BL_UPLOAD_BEGIN, 404, "NAME_UNKNOWN", BL_UPLOAD_REFUSED },
		{ BL_UPLOAD_BEGIN, 405, "", BL_UPLOAD_REFUSED },
		{ BL_UPLOAD_BEGIN, 307, "", BL_UPLOAD_REFUSED },
		{ BL_UPLOAD_ALL, 201, "", BL_UPLOAD_OK },
		{ BL_UPLOAD_ALL, 204, "", BL_UPLOAD_OK },
		{ BL_UPLOAD_ALL, 307, "", BL_UPLOAD_REFUSED },
		{ BL_UPLOAD_ALL, 400, "DIGEST_INVALID", BL_UPLOAD_DAMAGED },
		{ BL_UPLOAD_FINISH, 400, "DIGEST_INVALID", BL_UPLOAD_DAMAGED },
		{ BL_UPLOAD_ALL, 400, "BLOB_UPLOAD_INVALID", BL_UPLOAD_GONE },
		{ BL_UPLOAD_ALL, 400, "UNSUPPORTED", BL_UPLOAD_REFUSED },
		{ BL_UPLOAD_ALL, 404, "BLOB_UPLOAD_UNKNOWN", BL_UPLOAD_GONE },
		{ BL_UPLOAD_ALL, 404, "", BL_UPLOAD_GONE },
		{ BL_UPLOAD_ALL, 404, "NAME_UNKNOWN", BL_UPLOAD_REFUSED },
		{ BL_UPLOAD_ALL, 403, "DENIED", BL_UPLOAD_REFUSED },
		{ BL_UPLOAD_ALL, 405, "UNSUPPORTED", BL_UPLOAD_UNFIT },
		{ BL_UPLOAD_ALL, 413, "", BL_UPLOAD_UNFIT },
		{ BL_UPLOAD_PART, 202, "", BL_UPLOAD_OK },
		{ BL_UPLOAD_PART, 416, "", BL_UPLOAD_GONE },
		{ BL_UPLOAD_PART, 405, "", BL_UPLOAD_UNFIT },
		{ BL_UPLOAD_ASK, 204, "", BL_UPLOAD_OK },
		{ BL_UPLOAD_ASK, 404, "BLOB_UPLOAD_UNKNOWN", BL_UPLOAD_GONE },
		{ BL_UPLOAD_ASK, 416, "RANGE_INVALID", BL_UPLOAD_GONE },
		{ BL_UPLOAD_ASK, 405, "UNSUPPORTED", BL_UPLOAD_GONE },
		{ BL_UPLOAD_ASK, 403, "DENIED", BL_UPLOAD_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++)
		assert_int_equal(bl_upload_event(cases[i].step, cases[i].status, cases[i].code),
		                 cases[i].event);
}

static void ranges_are_read(void **state)
{
	static const struct {
		const char *range;
		bool ok;
		uint64_t kept;
	} cases[] = {
		{ "", true, 0 },
		{ "0-0", true, 0 },
		{ "0-99", true, 100 },
		{ "0-41", true, 42 },
		{ "bytes=0-41", true, 42 },
		{ "0-100", false, 0 },
		{ "1-41", false, 0 },
		{ "0-", false, 0 },
		{ "0--1", false, 0 },
		{ "0-1x", false, 0 },
		{ "nonsense", false, 0 },
		{ "0-18446744073709551615", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		uint64_t kept = 7;

		assert_int_equal(bl_upload_kept(cases[i].range, 100, &kept), cases[i].ok);
		if (cases[i].ok)
			assert_int_equal(kept, cases[i].kept);
	}
}

/* --- Locations -------------------------------------------------------------------------------- */

#define ASKED "/v2/demo/blobs/uploads/"

static void locations_stay_at_the_registry(void **state)
{
	static const struct {
		const char *base, *location, *url; /* url NULL: refused */
	} cases[] = {
		{ "http://localhost:5000", "/v2/d/blobs/uploads/u?_state=a%3D",
		  "http://localhost:5000/v2/d/blobs/uploads/u?_state=a%3D" },
		{ "http://localhost:5000", "http://localhost:5000/v2/u",
		  "http://localhost:5000/v2/u" },
		{ "http://localhost:5000", "//localhost:5000/u", "http://localhost:5000/u" },
		{ "http://localhost:5000", "u?x",
		  "http://localhost:5000/v2/demo/blobs/uploads/u?x" },
		{ "http://localhost:5000", "?x", "http://localhost:5000/v2/demo/blobs/uploads/?x" },
		{ "https://reg.example", "https://REG.example:443/u", "https://reg.example/u" },
		/* behind a proxy that ends TLS; never back to http */
		{ "https://reg.example", "http://reg.example/u", "https://reg.example/u" },
		{ "https://reg.example", "http://reg.example:5000/u", NULL },
		{ "https://reg.example", "https://other.example/u", NULL },
		{ "http://localhost:5000", "http://localhost:5001/u", NULL },
		{ "http://localhost:5000", "//169.254.169.254/latest", NULL },
		{ "https://reg.example", "https://reg.example@evil.example/u", NULL },
		{ "https://reg.example", "https:///u", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) asked = BL_BUF(1024), out = BL_BUF(1024);
		struct bl_err err = { 0 };
		int rc;

		bl_buf_addf(&asked, "%s%s", i % 2 ? cases[i].base : "", ASKED);
		rc = bl_upload_location(cases[i].base, bl_buf_text(&asked), cases[i].location, &out,
		                        &err);
		assert_int_equal(rc, cases[i].url ? 0 : -1);
		if (cases[i].url)
			assert_string_equal(bl_buf_text(&out), cases[i].url);
		else
			assert_true(err.code == BL_EDENIED || err.code == BL_ECORRUPT);
	}
}

static void the_digest_joins_the_query(void **state)
{
	BL_AUTO(bl_buf) plain = BL_BUF(256), query = BL_BUF(256);

	(void)state;
	bl_buf_adds(&plain, "http://h/u");
	bl_buf_adds(&query, "http://h/u?_state=x");
	bl_upload_add_digest(&plain, "sha256:ab");
	bl_upload_add_digest(&query, "sha256:ab");
	assert_string_equal(bl_buf_text(&plain), "http://h/u?digest=sha256%3Aab");
	assert_string_equal(bl_buf_text(&query), "http://h/u?_state=x&digest=sha256%3Aab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_good_case_is_two_requests),
		cmocka_unit_test(a_cut_goes_on_where_it_was),
		cmocka_unit_test(all_kept_needs_only_the_end),
		cmocka_unit_test(a_lost_success_is_success),
		cmocka_unit_test(a_wrong_offset_is_asked_again),
		cmocka_unit_test(three_sessions_and_no_more),
		cmocka_unit_test(the_last_session_is_in_parts),
		cmocka_unit_test(refused_as_a_whole_goes_in_parts),
		cmocka_unit_test(parts_are_of_ten_mib),
		cmocka_unit_test(resuming_ends),
		cmocka_unit_test(replies_are_told_apart),
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(locations_stay_at_the_registry),
		cmocka_unit_test(the_digest_joins_the_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
