/* SPDX-License-Identifier: Apache-2.0 */
#include "run/stream.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"

static void put_chunk(struct bl_store *store, unsigned attempt, uint64_t offset, const char *text)
{
	put_object(store, bl_stream_key(RUN, BL_STREAM_LOG, attempt, offset).text, text);
}

/* Pieces as text: "ATTEMPT@OFFSET:BYTES;", "+N" before it for what was dropped. */
static int note(void *arg, const struct bl_piece *piece, struct bl_err *err)
{
	(void)err;
	if (piece->dropped)
		bl_buf_addf(arg, "+%llu ", (unsigned long long)piece->dropped);
	bl_buf_addf(arg, "%u@%llu:%.*s; ", piece->attempt, (unsigned long long)piece->offset,
	            (int)piece->len, piece->bytes);
	return 0;
}

static void assert_read(struct bl_store *store, struct bl_cursor *cursor, const char *want)
{
	BL_AUTO(bl_buf) got = BL_BUF(10000);
	struct bl_err err = { 0 };

	must(bl_stream_read(store, RUN, BL_STREAM_LOG, cursor, note, &got, &err), &err);
	assert_string_equal(bl_buf_text(&got), want);
}

static void a_stream_is_followed(void **state)
{
	struct bl_cursor cursor = { 0 };

	assert_read(*state, &cursor, "");
	put_chunk(*state, 1, 0, "abc");
	put_chunk(*state, 1, 3, "de");
	assert_read(*state, &cursor, "1@0:abc; 1@3:de; ");
	assert_read(*state, &cursor, "");
	put_chunk(*state, 1, 5, "f");
	put_chunk(*state, 1, 6, "g");
	assert_read(*state, &cursor, "1@5:f; 1@6:g; ");
	put_chunk(*state, 2, 0, "second");
	put_chunk(*state, 1, 7, "h");
	assert_read(*state, &cursor, "1@7:h; 2@0:second; ");
	put_chunk(*state, 10, 0, "tenth");
	assert_read(*state, &cursor, "10@0:tenth; ");
	assert_int_equal(cursor.attempt, 10);
	assert_int_equal(cursor.offset, 5);
}

static void a_gap_is_what_was_dropped(void **state)
{
	struct bl_cursor cursor = { 0 };

	put_chunk(*state, 1, 4, "a");
	put_chunk(*state, 1, 105, "b");
	put_chunk(*state, 2, 0, "c");
	assert_read(*state, &cursor, "+4 1@4:a; +100 1@105:b; 2@0:c; ");
	put_chunk(*state, 2, 9, "d");
	assert_read(*state, &cursor, "+8 2@9:d; ");
}

static void other_names_are_no_chunks(void **state)
{
	struct bl_cursor cursor = { 0 };

	put_chunk(*state, 1, 0, "a");
	put_object(*state, "runs/" RUN "/logs/001/0000000000000001.tmp", "x");
	put_object(*state, "runs/" RUN "/logs/001/1.log", "x");
	put_object(*state, "runs/" RUN "/logs/1/0000000000000001.log", "x");
	put_object(*state, "runs/" RUN "/logs/001/000000000000000x.log", "x");
	put_object(*state, "runs/" RUN "/metrics/001/0000000000000000.jsonl", "x");
	assert_read(*state, &cursor, "1@0:a; ");
}

static int refuse_second(void *arg, const struct bl_piece *piece, struct bl_err *err)
{
	int *seen = arg;

	(void)piece;
	if (++*seen == 2)
		return bl_fail(err, BL_EIO, "the terminal is gone");
	return 0;
}

static void a_piece_that_failed_is_read_again(void **state)
{
	struct bl_cursor cursor = { 0 };
	struct bl_err err = { 0 };
	int seen = 0;

	put_chunk(*state, 1, 0, "a");
	put_chunk(*state, 1, 1, "b");
	assert_int_equal(
		bl_stream_read(*state, RUN, BL_STREAM_LOG, &cursor, refuse_second, &seen, &err),
		-1);
	assert_int_equal(err.code, BL_EIO);
	assert_read(*state, &cursor, "1@1:b; ");
}

static void last_lines(void **state)
{
	static const struct {
		size_t lines, max;
		const char *want;
	} cases[] = {
		{ 1, 100, "six\n" },
		{ 2, 100, "five\nsix\n" },
		{ 4, 100, "three\nfour\nfive\nsix\n" },
		{ 6, 100, "one\ntwo\nthree\nfour\nfive\nsix\n" },
		{ 99, 100, "one\ntwo\nthree\nfour\nfive\nsix\n" },
		{ 0, 100, "" },
		{ 3, 9, "five\nsix\n" },  /* the third is over the bytes */
		{ 3, 10, "five\nsix\n" }, /* and half a line is none */
		{ 3, 3, "ix\n" },         /* unless there is nothing else */
	};
	struct bl_cursor end;

	put_chunk(*state, 1, 0, "one\ntw");
	put_chunk(*state, 1, 6, "o\nthree\n");
	put_chunk(*state, 2, 0, "four\n");
	put_chunk(*state, 2, 5, "fi");
	put_chunk(*state, 2, 7, "ve\nsix\n");
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) got = BL_BUF(1000);
		struct bl_err err = { 0 };

		must(bl_stream_tail(*state, RUN, BL_STREAM_LOG, cases[i].lines, cases[i].max, &got,
		                    &end, &err),
		     &err);
		if (strcmp(bl_buf_text(&got), cases[i].want) != 0)
			fail_msg("case %zu: '%s'", i, bl_buf_text(&got));
		assert_int_equal(end.attempt, 2);
		assert_int_equal(end.offset, 14);
	}
	put_chunk(*state, 2, 14, "seven");
	assert_read(*state, &end, "2@14:seven; ");
}

static void an_open_last_line_counts(void **state)
{
	BL_AUTO(bl_buf) got = BL_BUF(1000);
	struct bl_err err = { 0 };

	put_chunk(*state, 1, 0, "one\ntwo\nth");
	put_chunk(*state, 1, 10, "ree");
	must(bl_stream_tail(*state, RUN, BL_STREAM_LOG, 2, 100, &got, NULL, &err), &err);
	assert_string_equal(bl_buf_text(&got), "two\nthree");
}

static void nothing_has_no_tail(void **state)
{
	struct bl_cursor end = { 9, 9 };
	BL_AUTO(bl_buf) got = BL_BUF(1000);
	struct bl_err err = { 0 };

	must(bl_stream_tail(*state, RUN, BL_STREAM_LOG, 5, 100, &got, &end, &err), &err);
	assert_int_equal(got.len, 0);
	assert_int_equal(end.attempt, 0);
	put_chunk(*state, 1, 0, "");
	must(bl_stream_tail(*state, RUN, BL_STREAM_LOG, 5, 100, &got, &end, &err), &err);
	assert_int_equal(got.len, 0);
	assert_int_equal(end.attempt, 1);
}

/* A first chunk over the limit of what is read at once: only who touches it fails. */
static void a_tail_reads_the_end_only(void **state)
{
	struct bl_key first = bl_stream_key(RUN, BL_STREAM_LOG, 1, 0);
	BL_AUTO(bl_buf) got = BL_BUF(1000);
	struct bl_err err = { 0 };
	char path[sizeof(first) + 8];

	put_chunk(*state, 1, 0, "");
	snprintf(path, sizeof(path), "store/%s", first.text);
	assert_int_equal(truncate(path, BL_DOC_MAX + 1), 0);
	for (unsigned i = 0; i < 9; i++)
		put_chunk(*state, 1, BL_DOC_MAX + 1 + i * 5, "line\n");
	must(bl_stream_tail(*state, RUN, BL_STREAM_LOG, 3, 1000, &got, NULL, &err), &err);
	assert_string_equal(bl_buf_text(&got), "line\nline\nline\n");
	assert_int_equal(bl_stream_tail(*state, RUN, BL_STREAM_LOG, 99, 1000, &got, NULL, &err),
	                 -1);
	assert_int_equal(err.code, BL_ELIMIT);
}

static struct bl_store *shared;

static int everything(struct bl_err *err)
{
	struct bl_cursor cursor = { 0 };
	BL_AUTO(bl_buf) got = BL_BUF(1000);

	if (bl_stream_read(shared, RUN, BL_STREAM_LOG, &cursor, note, &got, err) ||
	    bl_stream_tail(shared, RUN, BL_STREAM_LOG, 1, 100, &got, &cursor, err))
		return -1;
	return bl_buf_check(&got, "buffer", err);
}

static void each_allocation(void **state)
{
	shared = *state;
	put_chunk(*state, 1, 0, "one\n");
	put_chunk(*state, 1, 4, "two\n");
	each_allocation_fails(everything, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_stream_is_followed),
		IN_SCRATCH(a_gap_is_what_was_dropped),
		IN_SCRATCH(other_names_are_no_chunks),
		IN_SCRATCH(a_piece_that_failed_is_read_again),
		IN_SCRATCH(last_lines),
		IN_SCRATCH(an_open_last_line_counts),
		IN_SCRATCH(nothing_has_no_tail),
		IN_SCRATCH(a_tail_reads_the_end_only),
		IN_SCRATCH(each_allocation),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
