/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_first_failure_wins(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_fail(&err, BL_EINPUT, "first %d", 1), -1);
	assert_int_equal(bl_fail(&err, BL_EIO, "second"), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(err.text, "first 1");
}

static void contexts_are_prepended(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	bl_fail_errno(&err, ENOSPC, "write 'a'");
	bl_wrap(&err, "save run %s", "R");
	bl_wrap(&err, "local");
	assert_int_equal(err.code, BL_ENOSPC);
	assert_string_equal(err.text, "local: save run R: write 'a': No space left on device");
}

static void a_long_context_never_costs_the_cause(void **state)
{
	struct bl_err err = { 0 };
	char context[1000];

	(void)state;
	memset(context, 'c', sizeof(context) - 1);
	context[sizeof(context) - 1] = '\0';
	bl_fail(&err, BL_EIO, "the cause");
	bl_wrap(&err, "%s", context);
	bl_wrap(&err, "%s", context);
	assert_non_null(strstr(err.text, "ccc: the cause"));
	assert_true(strlen(err.text) < sizeof(err.text));
}

static void a_cut_text_stays_utf8(void **state)
{
	struct bl_err err = { 0 };
	char text[1200] = "x";

	(void)state;
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	bl_fail(&err, BL_EIO, "%s", text);
	size_t len = strlen(err.text);
	assert_int_equal((unsigned char)err.text[len - 1], 0xa9);
}

static void the_innermost_next_step_stands(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	bl_fail(&err, BL_EIO, "x");
	bl_next(&err, "do this");
	bl_next(&err, "do that");
	assert_string_equal(err.next, "do this");
	bl_err_clear(&err);
	assert_int_equal(err.code, BL_OK);
	assert_string_equal(err.text, "");
	assert_string_equal(err.next, "");
}

static void who_knows_better_renames_the_kind(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	bl_fail(&err, BL_EIO, "open '/x': no");
	bl_next(&err, "do y");
	assert_int_equal(bl_recode(&err, BL_EINPUT), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(err.text, "open '/x': no"); /* the cause and the cure stay */
	assert_string_equal(err.next, "do y");
	bl_fail(&err, BL_EBUG, "an echo");
	assert_int_equal(err.code, BL_EINPUT);
}

static void every_code_has_its_exit_status(void **state)
{
	static const struct {
		enum bl_code code;
		int status;
	} table[] = {
		{ BL_OK, 0 },        { BL_ETRAIN, 1 },        { BL_EINPUT, 2 },
		{ BL_EDATA, 2 },     { BL_EBUSY, 2 },         { BL_ENOENT, 2 },
		{ BL_ECAPACITY, 3 }, { BL_EDENIED, 4 },       { BL_ECANCELLED, 5 },
		{ BL_EDEADLINE, 6 }, { BL_EINTERRUPTED, 75 }, { BL_ERETRY, 75 },
		{ BL_ETIMEOUT, 75 }, { BL_EIO, 70 },          { BL_ENOMEM, 70 },
		{ BL_ECORRUPT, 70 }, { BL_ENOSPC, 1 },        { BL_ELIMIT, 70 },
		{ BL_EBUG, 70 },     { BL_EEXIST, 2 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_int_equal(bl_exit_status(table[i].code), table[i].status);
	assert_int_equal(BL_COUNT(table), BL_EBUG + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_failure_wins),
		cmocka_unit_test(contexts_are_prepended),
		cmocka_unit_test(a_long_context_never_costs_the_cause),
		cmocka_unit_test(a_cut_text_stays_utf8),
		cmocka_unit_test(the_innermost_next_step_stands),
		cmocka_unit_test(who_knows_better_renames_the_kind),
		cmocka_unit_test(every_code_has_its_exit_status),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
