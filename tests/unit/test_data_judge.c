/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that come in pieces: what is asked for, and what is made of it. */
#include "run/data_s3_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

struct judged {
	int rc;
	struct bl_err err;
	struct bl_data_found found;
	size_t pieces;
	uint64_t bytes, last_offset;
};

static struct judged judge_it(enum bl_data_format format, bool to_the_end, const struct bl_buf *of)
{
	BL_AUTO(bl_data_judge) judge = { 0 };
	struct judged out = { 0 };
	uint64_t offset;
	size_t len;

	out.rc = bl_data_judge_init(&judge, format, to_the_end, "d", of->len, &out.found, &out.err);
	while (!out.rc && bl_data_judge_wants(&judge, &offset, &len)) {
		assert_true(len && offset + len <= of->len && out.pieces < 100);
		/* each piece in memory of its own: a read past it is seen */
		char *piece = malloc(len);

		assert_non_null(piece);
		memcpy(piece, of->data + offset, len);
		out.rc = bl_data_judge_take(&judge, piece, len, &out.err);
		free(piece);
		out.pieces++;
		out.bytes += len;
		out.last_offset = offset;
	}
	if (!out.rc)
		assert_true(out.bytes <= bl_data_judge_bytes(&judge));
	return out;
}

static void repeat(struct bl_buf *out, const char *text, size_t bytes)
{
	size_t end = out->len + bytes;

	while (out->len < end)
		bl_buf_adds(out, text);
}

/* --- JSON lines ------------------------------------------------------------------------------- */

static void lines_to_the_end_or_not(void **state)
{
	BL_AUTO(bl_buf) of = BL_BUF(16 * MIB);
	struct judged got;

	(void)state;
	bl_buf_adds(&of, "{\"a\":1}\n\n[2]");
	got = judge_it(BL_DATA_JSONL, false, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.found.records, 2);
	assert_int_equal(got.pieces, 1);
	bl_buf_reset(&of);
	repeat(&of, "{\"text\":\"abc\"}\n", 6 * MIB);
	bl_buf_adds(&of, "{\"bad\n");
	got = judge_it(BL_DATA_JSONL, false, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.bytes, MIB);
	assert_int_equal(got.found.records, MIB / 15);
	got = judge_it(BL_DATA_JSONL, true, &of);
	assert_int_equal(got.rc, -1);
	assert_int_equal(got.err.code, BL_EDATA);
	assert_non_null(strstr(got.err.text, "d:419432:"));
}

static void a_line_that_goes_on_is_not_judged(void **state)
{
	BL_AUTO(bl_buf) of = BL_BUF(16 * MIB);
	struct judged got;

	(void)state;
	bl_buf_adds(&of, "{\"x\":\"");
	repeat(&of, "y", 2 * MIB);
	bl_buf_adds(&of, "\"}\n");
	got = judge_it(BL_DATA_JSONL, false, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.found.records, 0);
	got = judge_it(BL_DATA_JSONL, true, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.found.records, 1);
	assert_int_equal(got.found.longest_line, 2 * MIB + 8);
}

/* --- Tar -------------------------------------------------------------------------------------- */

static void add_header(struct bl_buf *out, size_t size, char type)
{
	char block[512] = "name";
	unsigned sum = 0;

	snprintf(block + 124, 12, "%011zo", size);
	block[156] = type;
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	bl_buf_add(out, block, sizeof(block));
}

static void add_member(struct bl_buf *out, size_t size)
{
	static const char zero[512];

	add_header(out, size, '0');
	for (size_t i = 0; i < (size + 511) / 512; i++)
		bl_buf_add(out, zero, sizeof(zero));
}

static void what_members_hold_is_not_asked_for(void **state)
{
	static const char zero[1024];
	BL_AUTO(bl_buf) of = BL_BUF(64 * MIB);
	struct judged got;

	(void)state;
	for (int i = 0; i < 3; i++)
		add_member(&of, 9 * MIB);
	bl_buf_add(&of, zero, sizeof(zero));
	got = judge_it(BL_DATA_TAR, true, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.found.records, 3);
	assert_int_equal(got.pieces, 4);
	assert_true(got.bytes < 13 * MIB);
	got = judge_it(BL_DATA_TAR, false, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.found.records, 1);
	assert_int_equal(got.bytes, MIB);
}

static void small_members_are_counted(void **state)
{
	BL_AUTO(bl_buf) of = BL_BUF(64 * MIB);
	struct judged got;

	(void)state;
	/* headers at every border of the pieces of 4 MiB: 1,024 and 1,536 bytes in turn */
	for (int i = 0; i < 4000; i++)
		add_member(&of, i % 2 ? 700 : 5);
	got = judge_it(BL_DATA_TAR, true, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.found.records, 4000);
	assert_int_equal(got.pieces, 2);
	of.data[of.len - 1536 - 1024 + 3] ^= 1; /* the last header but one */
	got = judge_it(BL_DATA_TAR, true, &of);
	assert_int_equal(got.rc, -1);
	assert_non_null(strstr(got.err.text, "d: no tar header at byte"));
}

static void archives_that_are_cut(void **state)
{
	static const struct {
		size_t keep;
		const char *text;
	} cases[] = {
		{ 0, "d: the archive is empty" },
		{ 100, "d: the archive is empty" },
		{ 700, "d: the archive is cut in a member at byte 512" },
		{ 1024 + 100, "d: the archive is cut at byte 1024" },
	};
	BL_AUTO(bl_buf) of = BL_BUF(MIB);

	(void)state;
	add_member(&of, 300);
	add_member(&of, 300);
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_buf part = of;
		struct judged got;

		part.len = cases[i].keep;
		got = judge_it(BL_DATA_TAR, i % 2, &part);
		assert_int_equal(got.rc, -1);
		assert_int_equal(got.err.code, BL_EDATA);
		if (!strstr(got.err.text, cases[i].text))
			fail_msg("%s: %s", cases[i].text, got.err.text);
	}
}

/* --- The others ------------------------------------------------------------------------------- */

static void parquet_by_its_ends(void **state)
{
	static const char good[] = "PAR1....\4\0\0\0PAR1", cut[] = "PAR1........";
	BL_AUTO(bl_buf) of = BL_BUF(MIB);
	struct judged got;

	(void)state;
	bl_buf_add(&of, good, sizeof(good) - 1);
	got = judge_it(BL_DATA_PARQUET, false, &of);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.bytes, 12);
	assert_int_equal(got.last_offset, sizeof(good) - 1 - 8);
	of.data[8] = 5; /* its footer would begin before the file does */
	assert_int_equal(judge_it(BL_DATA_PARQUET, false, &of).rc, -1);
	bl_buf_reset(&of);
	bl_buf_add(&of, cut, sizeof(cut) - 1);
	got = judge_it(BL_DATA_PARQUET, true, &of);
	assert_non_null(strstr(got.err.text, "does not end as a Parquet file"));
	of.data[0] = 'X';
	got = judge_it(BL_DATA_PARQUET, true, &of);
	assert_non_null(strstr(got.err.text, "does not begin as a Parquet file"));
	of.len = 11;
	got = judge_it(BL_DATA_PARQUET, true, &of);
	assert_non_null(strstr(got.err.text, "11 bytes are too few"));
	assert_int_equal(judge_it(BL_DATA_FILES, true, &of).pieces, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_to_the_end_or_not),
		cmocka_unit_test(a_line_that_goes_on_is_not_judged),
		cmocka_unit_test(what_members_hold_is_not_asked_for),
		cmocka_unit_test(small_members_are_counted),
		cmocka_unit_test(archives_that_are_cut),
		cmocka_unit_test(parquet_by_its_ends),
	};

	return cmocka_run_group_tests_name("data judge", tests, NULL, NULL);
}
