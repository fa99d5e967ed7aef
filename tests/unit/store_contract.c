/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_contract.h"

#include "base/clock.h"
#include "base/fs.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_contract_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void put_replaces_whole_objects(void **state)
{
	put_object(*state, "a/b", "first, and longer");
	assert_object(*state, "a/b", "first, and longer");
	put_object(*state, "a/b", "second");
	assert_object(*state, "a/b", "second");
	put_object(*state, "a/b", "");
	assert_object(*state, "a/b", "");
}

static void put_if_absent_creates_once(void **state)
{
	struct bl_err err = { 0 };

	must(bl_store_put_if_absent(*state, NULL, "k", "mine", 4, &err), &err);
	assert_int_equal(bl_store_put_if_absent(*state, NULL, "k", "yours", 5, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_object(*state, "k", "mine");
	assert_list(*state, "", NULL, 0, "k=4 ");
}

static void a_range_ends_with_the_object(void **state)
{
	static const struct {
		uint64_t offset;
		size_t len;
		const char *want;
	} cases[] = {
		{ 0, 10, "0123456789" }, { 3, 4, "3456" }, { 8, 100, "89" }, { 10, 5, "" },
		{ 99, 5, "" },           { 0, 0, "" },     { 9, 1, "9" },
	};

	put_object(*state, "digits", "0123456789");
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(100);
		struct bl_err err = { 0 };
		uint64_t total = 0;

		bl_buf_adds(&buf, ">");
		must(bl_store_get_range(*state, NULL, "digits", cases[i].offset, cases[i].len, &buf,
		                        &total, &err),
		     &err);
		assert_string_equal(bl_buf_text(&buf) + 1, cases[i].want);
		assert_int_equal(total, 10);
	}
}

static void absent_objects_are_an_answer(void **state)
{
	uint64_t size = 7, crc = 7, total = 7;
	BL_AUTO(bl_buf) buf = BL_BUF(10);
	struct bl_err err = { 0 };
	BL_FD fd = memory_file("", 0);

	put_object(*state, "dir/there", "x");
	assert_absent(*state, "nothing");
	assert_absent(*state, "dir/nothing");
	assert_absent(*state, "dir");         /* what only begins a key is no object */
	assert_absent(*state, "dir/there/x"); /* nor is what an object's key begins */
	assert_int_equal(bl_store_get_range(*state, NULL, "n", 0, 1, &buf, &total, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	assert_int_equal(bl_store_get_file(*state, NULL, "n", fd, &size, &crc, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_int_equal(size + crc + total, 21);
}

static void get_keeps_to_the_buffers_limit(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(5);
	struct bl_err err = { 0 };

	put_object(*state, "k", "1234");
	bl_buf_adds(&buf, "ab");
	assert_int_equal(bl_store_get(*state, NULL, "k", &buf, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(bl_buf_text(&buf), "ab");
	bl_err_clear(&err);
	put_object(*state, "k", "123");
	must(bl_store_get(*state, NULL, "k", &buf, &err), &err);
	assert_string_equal(bl_buf_text(&buf), "ab123");
}

static void deleting_what_is_absent_is_done(void **state)
{
	struct bl_err err = { 0 };

	put_object(*state, "a/b/c", "x");
	put_object(*state, "a/d", "x");
	must(bl_store_delete(*state, NULL, "a/b/c", &err), &err);
	must(bl_store_delete(*state, NULL, "a/b/c", &err), &err);
	must(bl_store_delete(*state, NULL, "never/was", &err), &err);
	must(bl_store_delete(*state, NULL, "a", &err), &err);
	assert_absent(*state, "a/b/c");
	assert_list(*state, "", NULL, '/', "a/ ");
	assert_list(*state, "a/", NULL, '/', "a/d=1 ");
	must(bl_store_delete(*state, NULL, "a/d", &err), &err);
	assert_list(*state, "", NULL, '/', "");
	put_object(*state, "a", "now an object");
	assert_object(*state, "a", "now an object");
}

static void an_equal_object_is_our_own(void **state)
{
	struct bl_err err = { 0 };

	must(bl_store_put_once(*state, NULL, "k", "mine", 4, &err), &err);
	must(bl_store_put_once(*state, NULL, "k", "mine", 4, &err), &err);
	assert_int_equal(bl_store_put_once(*state, NULL, "k", "mine!", 5, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	bl_err_clear(&err);
	assert_int_equal(bl_store_put_once(*state, NULL, "k", "min", 3, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_object(*state, "k", "mine");
	bl_err_clear(&err);
	must(bl_store_put_once(*state, NULL, "empty", "", 0, &err), &err);
	must(bl_store_put_once(*state, NULL, "empty", "", 0, &err), &err);
}

#define MANY 100

struct many {
	char keys[MANY][16];
	const char *names[MANY];
	unsigned found, absent;
};

static int note_one(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err)
{
	struct many *many = arg;

	(void)err;
	many->found += bytes != NULL;
	many->absent += bytes == NULL;
	if (bytes) {
		assert_int_equal(len, i % 10);
		assert_memory_equal(bytes, "123456789", len);
	} else {
		assert_int_equal(i % 3, 0);
	}
	return 0;
}

static int refuse_one(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err)
{
	(void)arg;
	(void)bytes;
	(void)len;
	return bl_fail(err, BL_ELIMIT, "enough at %zu", i);
}

static void many_come_and_go_at_once(void **state)
{
	struct many many = { 0 };
	struct bl_err err = { 0 };

	for (size_t i = 0; i < MANY; i++) {
		snprintf(many.keys[i], sizeof(many.keys[i]), "m/%zu", i);
		many.names[i] = many.keys[i];
		if (i % 3)
			must(bl_store_put(*state, NULL, many.keys[i], "123456789", i % 10, &err),
			     &err);
	}
	must(bl_store_get_many(*state, NULL, many.names, MANY, 100, note_one, &many, &err), &err);
	assert_int_equal(many.found, 66);
	assert_int_equal(many.absent, 34);
	/* of those over the limit nothing is told */
	many.found = many.absent = 0;
	must(bl_store_get_many(*state, NULL, many.names, MANY, 4, note_one, &many, &err), &err);
	assert_int_equal(many.found, 33);
	assert_int_equal(many.absent, 34);
	must(bl_store_get_many(*state, NULL, NULL, 0, 100, note_one, &many, &err), &err);
	assert_int_equal(
		bl_store_get_many(*state, NULL, many.names, MANY, 100, refuse_one, NULL, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	bl_err_clear(&err);
	put_object(*state, "n", "stays");
	must(bl_store_delete_many(*state, NULL, many.names, MANY, &err), &err);
	assert_list(*state, "", NULL, 0, "n=5 ");
}

static void bad_keys_are_refused_everywhere(void **state)
{
	char over[BL_KEY_MAX + 2];
	const char *const bad[] = { "",    "/a",     "a/",       "a//b",     ".",        "..",
		                    "a/.", "../a",   "a/../b",   "a\nb",     "a\x7f",    "\xff",
		                    over,  "a/\xc3", "./a/b/c/", "\xc0\xaf", "a/b/../.." };

	memset(over, 'k', sizeof(over) - 1);
	over[sizeof(over) - 1] = '\0';
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		BL_AUTO(bl_buf) buf = BL_BUF(10);
		struct bl_err err[6] = { 0 };

		assert_int_equal(bl_store_delete_many(*state, NULL, &bad[i], 1, &err[4]), -1);
		assert_int_equal(
			bl_store_get_many(*state, NULL, &bad[i], 1, 9, note_one, NULL, &err[5]),
			-1);
		assert_non_null(bl_store_bad_key(bad[i]));
		assert_int_equal(bl_store_put(*state, NULL, bad[i], "", 0, &err[0]), -1);
		assert_int_equal(bl_store_put_if_absent(*state, NULL, bad[i], "", 0, &err[1]), -1);
		assert_int_equal(bl_store_get(*state, NULL, bad[i], &buf, &err[2]), -1);
		assert_int_equal(bl_store_delete(*state, NULL, bad[i], &err[3]), -1);
		for (size_t e = 0; e < BL_COUNT(err); e++)
			assert_int_equal(err[e].code, BL_EINPUT);
	}
	assert_list(*state, "", NULL, 0, "");
}

static void odd_keys_are_keys(void **state)
{
	static const char *const odd[] = { "...", ".hidden",   "a b", "-rf",
		                           "~",   "x=1,y:2@z", "%2f", "\\n*?" };

	for (size_t i = 0; i < BL_COUNT(odd); i++) {
		put_object(*state, odd[i], odd[i]);
		assert_object(*state, odd[i], odd[i]);
	}
}

static void a_deadline_in_the_past_does_nothing(void **state)
{
	struct bl_call call = { .deadline_mono_ms = bl_mono_ms() - 1 };
	BL_AUTO(bl_buf) buf = BL_BUF(10);
	struct bl_err err[4] = { 0 };

	put_object(*state, "k", "old");
	assert_int_equal(bl_store_put(*state, &call, "k", "new", 3, &err[0]), -1);
	assert_int_equal(bl_store_get(*state, &call, "k", &buf, &err[1]), -1);
	assert_int_equal(bl_store_delete(*state, &call, "k", &err[2]), -1);
	assert_int_equal(bl_store_list(*state, &call, "", NULL, 0, note_listed, &buf, &err[3]), -1);
	for (size_t e = 0; e < BL_COUNT(err); e++)
		assert_int_equal(err[e].code, BL_ETIMEOUT);
	assert_object(*state, "k", "old");
}

#define CONTRACT(test)                                                                             \
	{                                                                                          \
#test, test, NULL, NULL, NULL                                                      \
	}

int run_store_contract(const char *name, int (*fresh)(void **state), int (*gone)(void **state))
{
	struct CMUnitTest tests[] = {
		CONTRACT(put_replaces_whole_objects),
		CONTRACT(put_if_absent_creates_once),
		CONTRACT(a_range_ends_with_the_object),
		CONTRACT(absent_objects_are_an_answer),
		CONTRACT(get_keeps_to_the_buffers_limit),
		CONTRACT(files_go_and_come_with_their_sum),
		CONTRACT(a_file_is_taken_from_its_start_to_size),
		CONTRACT(a_file_shorter_than_said_is_not_stored),
		CONTRACT(lists_are_in_key_order),
		CONTRACT(a_prefix_is_text_not_a_directory),
		CONTRACT(a_list_goes_on_after_a_key),
		CONTRACT(a_delimiter_folds),
		CONTRACT(a_callback_ends_the_list),
		CONTRACT(what_is_listed_may_be_deleted),
		CONTRACT(deleting_what_is_absent_is_done),
		CONTRACT(an_equal_object_is_our_own),
		CONTRACT(many_come_and_go_at_once),
		CONTRACT(many_files_come_at_once),
		CONTRACT(bad_keys_are_refused_everywhere),
		CONTRACT(odd_keys_are_keys),
		CONTRACT(a_deadline_in_the_past_does_nothing),
	};

	for (size_t i = 0; i < BL_COUNT(tests); i++) {
		tests[i].setup_func = fresh;
		tests[i].teardown_func = gone;
	}
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
