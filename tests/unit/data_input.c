/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/data_input.h"

#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct bl_data_channel data_channel_at(const char *path)
{
	return (struct bl_data_channel){ .name = "train", .uri = path, .base = folder };
}

struct bl_data_found data_checked(const struct bl_data_channel *channel)
{
	struct bl_data_found found = { 0 };
	struct bl_err err = { 0 };

	if (bl_data_check(channel, NULL, NULL, &found, &err))
		fail_msg("%s", err.text);
	return found;
}

void assert_bad_data(const struct bl_data_channel *channel, const char *want, const char *next)
{
	struct bl_data_found found = { .files = 77 };
	struct bl_err err = { 0 };

	assert_int_equal(bl_data_check(channel, NULL, NULL, &found, &err), -1);
	assert_int_equal(err.code, BL_EDATA);
	if (!strstr(err.text, want))
		fail_msg("'%s' does not say '%s'", err.text, want);
	if (next && !strstr(err.next, next))
		fail_msg("'%s' does not say '%s'", err.next, next);
	assert_int_equal(found.files, 77);
}
