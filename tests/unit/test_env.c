/* SPDX-License-Identifier: Apache-2.0 */
#include "base/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void empty_is_as_good_as_none(void **state)
{
	(void)state;
	unsetenv("BL_TEST_ENV");
	assert_string_equal(bl_env("BL_TEST_ENV"), "");
	assert_null(bl_env_or_null("BL_TEST_ENV"));
	setenv("BL_TEST_ENV", "", 1);
	assert_string_equal(bl_env("BL_TEST_ENV"), "");
	assert_null(bl_env_or_null("BL_TEST_ENV"));
	setenv("BL_TEST_ENV", " x", 1);
	assert_string_equal(bl_env("BL_TEST_ENV"), " x");
	assert_string_equal(bl_env_or_null("BL_TEST_ENV"), " x");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(empty_is_as_good_as_none) };

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
