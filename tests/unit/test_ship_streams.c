/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "runner/ship_streams.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define WAIT_MS 10000

static int64_t now_ms = 1000;

static int64_t test_now(void)
{
	return now_ms;
}

static const struct bl_clock test_clock = { test_now, test_now };

struct fixture {
	struct bl_store *store;
	struct stream stream;
	char path[PATH_MAX + 16];
	int file;
};

static struct fixture the_fixture;

static int set_up(void **state)
{
	struct fixture *fixture = &the_fixture;
	struct bl_err err = { 0 };

	if (scratch_store(state))
		return -1;
	*fixture = (struct fixture){ .store = *state };
	snprintf(fixture->path, sizeof(fixture->path), "%s/log", scratch_dir());
	fixture->file = open(fixture->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	fixture->stream = (struct stream){ .which = BL_STREAM_LOG, .fd = -1 };
	must(stream_open(&fixture->stream, fixture->store, RUN, 1, &err), &err);
	bl_clock_replace(&test_clock);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	bl_clock_replace(NULL);
	stream_done(&fixture->stream);
	close(fixture->file);
	*state = fixture->store;
	return scratch_done(state);
}

static void grow(struct fixture *fixture, const char *text, size_t len)
{
	struct bl_err err = { 0 };

	must(bl_fs_write(fixture->file, text, len, &err), &err);
}

static void pump(struct fixture *fixture, bool last)
{
	struct bl_err err = { 0 };

	must(stream_pump(&fixture->stream, fixture->store, RUN, 1, fixture->path, WAIT_MS, last,
	                 NULL, &err),
	     &err);
}

static int add_key(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	(void)err;
	bl_buf_addf(arg, "%s=%llu ", strrchr(item->key, '/') + 1, (unsigned long long)item->size);
	return 0;
}

static void assert_chunks(struct fixture *fixture, const char *want)
{
	BL_AUTO(bl_buf) got = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	must(bl_store_list(fixture->store, NULL, "runs/" RUN "/", NULL, 0, add_key, &got, &err),
	     &err);
	assert_string_equal(bl_buf_text(&got), want);
}

static void a_chunk_waits_for_its_time(void **state)
{
	struct fixture *fixture = *state;

	grow(fixture, "one\ntwo\n", 8);
	pump(fixture, false);
	assert_chunks(fixture, "");
	now_ms += WAIT_MS;
	pump(fixture, false);
	assert_chunks(fixture, "0000000000000000.log=8 ");
	grow(fixture, "three\n", 6);
	pump(fixture, true);
	assert_chunks(fixture, "0000000000000000.log=8 0000000000000008.log=6 ");
}

static void a_full_chunk_goes_at_once_and_ends_at_a_line(void **state)
{
	struct fixture *fixture = *state;
	static char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 1100; i++)
		grow(fixture, line, sizeof(line));
	pump(fixture, false);
	assert_chunks(fixture, "0000000000000000.log=1048000 ");
	pump(fixture, true);
	assert_chunks(fixture, "0000000000000000.log=1048000 0000000001048000.log=52000 ");
}

static void an_endless_line_is_cut_not_kept(void **state)
{
	struct fixture *fixture = *state;
	char *flood = malloc(3u << 20);

	memset(flood, 'y', 3u << 20);
	grow(fixture, flood, 3u << 20);
	free(flood);
	pump(fixture, false);
	assert_chunks(fixture, "0000000000000000.log=1048576 0000000001048576.log=1048576 "
	                       "0000000002097152.log=1048576 ");
}

/*
 * A ship that was restarted finds where its predecessor left off; nothing is lost or stored twice.
 */
static void a_successor_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct bl_err err = { 0 };

	grow(fixture, "first\n", 6);
	pump(fixture, true);
	grow(fixture, "lost with the ship\n", 19);
	pump(fixture, false);
	stream_done(&fixture->stream);
	fixture->stream = (struct stream){ .which = BL_STREAM_LOG, .fd = -1 };
	must(stream_open(&fixture->stream, fixture->store, RUN, 1, &err), &err);
	assert_int_equal(fixture->stream.stored, 6);
	pump(fixture, true);
	assert_chunks(fixture, "0000000000000000.log=6 0000000000000006.log=19 ");
}

/* The store took a chunk whose answer was lost: it is ours, and the rest follows. */
static void a_repeated_chunk_is_not_stored_twice(void **state)
{
	struct fixture *fixture = *state;
	struct bl_key key = bl_stream_key(RUN, BL_STREAM_LOG, 1, 0);
	struct bl_err err = { 0 };

	must(bl_store_put_if_absent(fixture->store, NULL, key.text, "ab\n", 3, &err), &err);
	grow(fixture, "ab\ncd\n", 6);
	pump(fixture, true);
	assert_chunks(fixture, "0000000000000000.log=3 0000000000000003.log=3 ");
}

static void a_secret_across_two_reads_is_hidden(void **state)
{
	struct fixture *fixture = *state;
	struct bl_err err = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_key key = bl_stream_key(RUN, BL_STREAM_LOG, 1, 0);

	must(bl_mask_new(&fixture->stream.mask, &err), &err);
	must(bl_mask_add(fixture->stream.mask, "open sesame", &err), &err);
	grow(fixture, "say open se", 11);
	pump(fixture, false);
	now_ms += WAIT_MS;
	pump(fixture, false);
	grow(fixture, "same now\n", 9);
	pump(fixture, true);
	must(bl_store_get(fixture->store, NULL, key.text, &text, &err), &err);
	assert_null(strstr(bl_buf_text(&text), "open se"));
	bl_mask_free(fixture->stream.mask);
	fixture->stream.mask = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_chunk_waits_for_its_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_chunk_goes_at_once_and_ends_at_a_line,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_endless_line_is_cut_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_successor_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_repeated_chunk_is_not_stored_twice, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(a_secret_across_two_reads_is_hidden, set_up,
		                                tear_down),
	};

	return cmocka_run_group_tests_name("streams of a ship", tests, NULL, NULL);
}
