/* SPDX-License-Identifier: Apache-2.0 */
#include "run/mask.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct bl_mask *mask_of(const char *value)
{
	struct bl_mask *mask;
	struct bl_err err = { 0 };

	assert_int_equal(bl_mask_new(&mask, &err), 0);
	assert_int_equal(bl_mask_add(mask, value, &err), 0);
	return mask;
}

static void every_form_is_hidden(void **state)
{
	/* "hunter22/x" plain, percent-encoded, and in base64 after 0, 1 and 2 bytes */
	static const struct {
		const char *text, *hidden;
	} table[] = {
		{ "a hunter22/x b hunter22/x", "a ********** b **********" },
		{ "q=hunter22%2Fx&", "q=************&" },
		{ "aHVudGVyMjIveA==", "*************A==" },
		{ "eGh1bnRlcjIyL3g=", "eG************g=" },
		{ "eHlodW50ZXIyMi94", "eHl*************" },
		{ "hunter2", "hunter2" },
	};
	struct bl_mask *mask = mask_of("hunter22/x");

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		char text[64];

		strncpy(text, table[i].text, sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		bl_mask_apply(mask, text, strlen(text));
		assert_string_equal(text, table[i].hidden);
	}
	bl_mask_free(mask);
}

static void what_must_be_held_back_covers_a_cut_value(void **state)
{
	const char *secret = "0123456789abcdef";
	struct bl_mask *mask = mask_of(secret);
	size_t keep = bl_mask_overlap(mask);

	(void)state;
	assert_true(keep >= strlen(secret) - 1);
	/*
	 * cut at every place: after the first piece only what is beyond `keep` from its end may go
	 */
	for (size_t cut = 1; cut < 16; cut++) {
		char stream[64] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
		size_t first = 32 + cut;

		memcpy(stream + 32, secret, 17);
		bl_mask_apply(mask, stream, first);
		assert_true(first <= keep ||
		            !memmem(stream, first - keep, secret, cut < 3 ? 16 : 3));
		bl_mask_apply(mask, stream, 48);
		assert_null(strstr(stream, "0123"));
	}
	bl_mask_free(mask);
}

static void short_values_stay(void **state)
{
	struct bl_mask *mask = mask_of("yes");
	char text[] = "yes it is";

	(void)state;
	assert_int_equal(bl_mask_apply(mask, text, strlen(text)), 0);
	assert_string_equal(text, "yes it is");
	assert_int_equal(bl_mask_overlap(mask), 0);
	bl_mask_free(mask);
}

static void a_value_that_begins_another_leaves_nothing_of_it(void **state)
{
	static const char *const orders[][2] = { { "hunter", "hunter-and-more" },
		                                 { "hunter-and-more", "hunter" } };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(orders); i++) {
		struct bl_mask *mask = mask_of(orders[i][0]);
		char text[] = "x hunter-and-more hunter";
		struct bl_err err = { 0 };

		assert_int_equal(bl_mask_add(mask, orders[i][1], &err), 0);
		bl_mask_apply(mask, text, strlen(text));
		assert_string_equal(text, "x *************** ******");
		bl_mask_free(mask);
	}
}

static void a_key_file_is_hidden_line_by_line(void **state)
{
	struct bl_mask *mask = mask_of("-----BEGIN KEY-----\nMIIEvQIBADAN\r\nab\n");
	char text[] = "MIIEvQIBADAN\nab\n";

	(void)state;
	bl_mask_apply(mask, text, strlen(text));
	assert_string_equal(text, "************\nab\n");
	bl_mask_free(mask);
}

static int story(struct bl_err *err)
{
	struct bl_mask *mask;

	if (bl_mask_new(&mask, err))
		return -1;
	int rc = bl_mask_add(mask, "a secret value", err);
	bl_mask_free(mask);
	return rc;
}

static void allocations_fail_cleanly(void **state)
{
	(void)state;
	each_allocation_fails(story, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_hidden),
		cmocka_unit_test(what_must_be_held_back_covers_a_cut_value),
		cmocka_unit_test(short_values_stay),
		cmocka_unit_test(a_value_that_begins_another_leaves_nothing_of_it),
		cmocka_unit_test(a_key_file_is_hidden_line_by_line),
		cmocka_unit_test(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
