/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/tar.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *repeat(const char *unit, size_t n, char *out)
{
	size_t len = strlen(unit);

	for (size_t i = 0; i < n; i++)
		memcpy(out + i * len, unit, len);
	out[n * len] = '\0';
	return out;
}

static size_t blocks_of(const char *path, enum bl_tar_type type, uint64_t size, const char *target,
                        struct bl_buf *out)
{
	struct bl_err err = { 0 };
	const struct bl_tar_entry entry = {
		.path = path, .type = type, .mode = 0644, .size = size, .target = target
	};

	bl_buf_reset(out);
	if (bl_tar_add_header(out, &entry, &err))
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(out->len % BL_TAR_BLOCK, 0);
	return out->len / BL_TAR_BLOCK;
}

/* Every block's own sum, counted with its field as blanks. */
static void assert_sums(const struct bl_buf *tar, size_t at)
{
	const unsigned char *block = (const unsigned char *)tar->data + at;
	unsigned sum = 0;

	for (size_t i = 0; i < BL_TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : block[i];
	assert_int_equal(strtoul((const char *)block + 148, NULL, 8), sum);
}

static void a_plain_file_is_one_block(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(65536);

	(void)state;
	assert_int_equal(blocks_of("a/b.py", BL_TAR_FILE, 1234, NULL, &out), 1);
	assert_string_equal(out.data, "a/b.py");
	assert_memory_equal(out.data + 100,
	                    "0000644\0"
	                    "0000000\0"
	                    "0000000\0",
	                    24);
	assert_memory_equal(out.data + 124,
	                    "00000002322\0"
	                    "00000000000\0",
	                    24);
	assert_int_equal(out.data[156], '0');
	assert_memory_equal(out.data + 257,
	                    "ustar\0"
	                    "00\0",
	                    9);
	assert_sums(&out, 0);
}

static void names_split_where_both_halves_fit(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	char name[101], path[400];

	(void)state;
	repeat("n", 100, name);
	assert_int_equal(blocks_of(name, BL_TAR_FILE, 0, NULL, &out), 1);
	snprintf(path, sizeof(path), "dir/%s", name);
	assert_int_equal(blocks_of(path, BL_TAR_FILE, 0, NULL, &out), 1);
	assert_memory_equal(out.data, name, 100);
	assert_string_equal(out.data + 345, "dir");
	/* 101 bytes without a '/' have no place but pax */
	snprintf(path, sizeof(path), "%sn", name);
	assert_int_equal(blocks_of(path, BL_TAR_FILE, 0, NULL, &out), 3);
	assert_non_null(strstr(out.data + BL_TAR_BLOCK, "111 path=nnn"));
	assert_sums(&out, 0);
	assert_sums(&out, (size_t)2 * BL_TAR_BLOCK);
}

static void pax_says_only_what_ustar_cannot(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	char target[200];

	(void)state;
	assert_int_equal(blocks_of("caf\xc3\xa9", BL_TAR_FILE, 3, NULL, &out), 3);
	assert_string_equal(out.data + BL_TAR_BLOCK, "14 path=caf\xc3\xa9\n");
	assert_int_equal(out.data[156], 'x');
	repeat("t", 101, target);
	assert_int_equal(blocks_of("l", BL_TAR_LINK, 9, target, &out), 3);
	assert_non_null(strstr(out.data + BL_TAR_BLOCK, "115 linkpath=ttt"));
	assert_null(strstr(out.data + BL_TAR_BLOCK, " path="));
	assert_null(strstr(out.data + BL_TAR_BLOCK, "size="));
	assert_int_equal(blocks_of("big", BL_TAR_FILE, (uint64_t)8 << 30, NULL, &out), 3);
	assert_string_equal(out.data + BL_TAR_BLOCK, "19 size=8589934592\n");
	assert_int_equal(blocks_of("big", BL_TAR_FILE, ((uint64_t)8 << 30) - 1, NULL, &out), 1);
}

/* The length counts its own digits: 9 or 10 digits of it, 99 or 100. */
static void record_lengths_count_themselves(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	char target[1200];

	(void)state;
	for (size_t n = 101; n < 1100; n++) {
		char *end;
		const char *record;
		unsigned long said;

		(void)blocks_of("l", BL_TAR_LINK, 0, repeat("t", n, target), &out);
		record = out.data + BL_TAR_BLOCK;
		said = strtoul(record, &end, 10);
		assert_int_equal(record[said - 1], '\n');
		assert_int_equal(said, strlen(" linkpath=") + n + 1 + (size_t)(end - record));
	}
}

static void paths_that_could_leave_are_refused(void **state)
{
	static const char *const paths[] = { "",    "/a",   "a/",   "a//b",  ".",     "..",
		                             "./a", "a/..", "../a", "a/./b", "a/../b" };
	static const char *const fine[] = { "...", "a/...", "..a", ".a", "a..b/.c" };
	BL_AUTO(bl_buf) out = BL_BUF(65536);

	(void)state;
	for (size_t i = 0; i < BL_COUNT(paths); i++) {
		const struct bl_tar_entry entry = { .path = paths[i], .type = BL_TAR_FILE };
		struct bl_err err = { 0 };

		assert_int_equal(bl_tar_add_header(&out, &entry, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_int_equal(out.len, 0);
	}
	for (size_t i = 0; i < BL_COUNT(fine); i++)
		assert_int_equal(blocks_of(fine[i], BL_TAR_FILE, 0, NULL, &out), 1);
}

static void bodies_are_padded_to_blocks(void **state)
{
	(void)state;
	assert_int_equal(bl_tar_padding(0), 0);
	assert_int_equal(bl_tar_padding(1), 511);
	assert_int_equal(bl_tar_padding(511), 1);
	assert_int_equal(bl_tar_padding(512), 0);
	assert_int_equal(bl_tar_padding(513), 511);
}

static int story(struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	const struct bl_tar_entry entry = { .path = "\xc3\xa9", .type = BL_TAR_FILE, .size = 1 };

	return bl_tar_add_header(&out, &entry, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_file_is_one_block),
		cmocka_unit_test(names_split_where_both_halves_fit),
		cmocka_unit_test(pax_says_only_what_ustar_cannot),
		cmocka_unit_test(record_lengths_count_themselves),
		cmocka_unit_test(paths_that_could_leave_are_refused),
		cmocka_unit_test(bodies_are_padded_to_blocks),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
