/* SPDX-License-Identifier: Apache-2.0 */
/* Parquet and tar, as far as the check reads them. */
#include "run/data_parts.h"

#include "base/str.h"
#include "codec/json.h"
#include "tests/unit/data_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void parquet_ends(void **state)
{
	struct bl_data_channel channel = data_channel_at("d.parquet");

	(void)state;
	put_bytes("d.parquet", "PAR1data\1\0\0\0PAR1", 16);
	assert_int_equal(data_checked(&channel).files, 1);
	put_bytes("d.parquet", "PAR1data\1\0\0\0PAR", 15);
	assert_bad_data(&channel, "d.parquet: does not end", "cut");
	put_bytes("d.parquet", "PAR1data\xff\0\0\0PAR1", 16);
	assert_bad_data(&channel, "d.parquet: does not end", NULL);
	put_bytes("d.parquet", "XAR1data\1\0\0\0PAR1", 16);
	assert_bad_data(&channel, "d.parquet: does not begin", NULL);
	put_bytes("d.parquet", "PAR1PAR1", 8);
	assert_bad_data(&channel, "too few", NULL);
}

static void add_tar_member(struct bl_buf *out, const char *name, size_t n)
{
	unsigned char header[512] = { 0 };
	unsigned sum = 0;

	snprintf((char *)header, 100, "%s", name);
	snprintf((char *)header + 124, 12, "%011zo", n);
	header[156] = '0';
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	bl_buf_add(out, header, sizeof(header));
	for (size_t i = 0; i < (n + 511) / 512 * 512; i++)
		bl_buf_addc(out, 'm');
}

static void tar_members(void **state)
{
	struct bl_data_channel channel = data_channel_at("d.tar");
	BL_AUTO(bl_buf) tar = BL_BUF(1 << 16);
	unsigned char zero[1024] = { 0 };

	(void)state;
	add_tar_member(&tar, "a", 700);
	add_tar_member(&tar, "b", 0);
	put_bytes("d.tar", tar.data, tar.len);
	assert_int_equal(data_checked(&channel).records, 2);
	put_bytes("d.tar", tar.data, 1000);
	assert_bad_data(&channel, "d.tar: the archive is cut in a member at byte 512", NULL);
	bl_buf_add(&tar, zero, sizeof(zero));
	put_bytes("d.tar", tar.data, tar.len);
	assert_int_equal(data_checked(&channel).records, 2);
	tar.data[600 + 1024] ^= 1;
	put_bytes("d.tar", tar.data, tar.len);
	assert_bad_data(&channel, "no tar header at byte 1536", NULL);
	put_bytes("d.tar", zero, sizeof(zero));
	assert_bad_data(&channel, "no member", NULL);
	put_text("d.tar", "");
	assert_bad_data(&channel, "empty", NULL);
	put_text("d.tar", "short");
	assert_bad_data(&channel, "cut", NULL);
}

static void tar_numbers(void **state)
{
	static const struct {
		const char *field;
		bool good;
		uint64_t want;
	} cases[] = {
		{ "0000000017 ", true, 15 },
		{ "  17\0xxxxxx", true, 15 },
		{ "\x80\0\0\0\0\0\0\0\0\1\2", true, 258 },
		{ "9999999999 ", false, 0 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		uint64_t got = 0;
		bool good = bl_tar_number((const unsigned char *)cases[i].field, 11, &got);

		assert_int_equal(good, cases[i].good);
		if (good)
			assert_int_equal(got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(parquet_ends),
		FOLDER_TEST(tar_members),
		cmocka_unit_test(tar_numbers),
	};

	return cmocka_run_group_tests_name("data_formats", tests, NULL, NULL);
}
