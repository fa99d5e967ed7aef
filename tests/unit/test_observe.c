/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "runner/observe.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char text[1 << 20];

static const char *content(int fd)
{
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static int file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* --- Lines --- */

struct got {
	char text[4096];
	size_t n, longest;
};

static void take(void *arg, const char *line, size_t len)
{
	struct got *got = arg;
	size_t at = strlen(got->text);

	if (len < 100)
		snprintf(got->text + at, sizeof(got->text) - at, "%.*s|", (int)len, line);
	if (len > got->longest)
		got->longest = len;
	got->n++;
}

static void lines_are_the_same_however_they_are_cut(void **state)
{
	static const char input[] = "one\r\n\rtwo\r 92%|##| 5/6\r   {'loss': 3.04}\n\n"
				    "\x1b[31mred\x1b[0m\nin\xffvalid\nlast";
	static const char expect[] = "one|two| 92%|##| 5/6|   {'loss': 3.04}|red|in\xffvalid|last|";
	struct observe_lines *lines = calloc(1, sizeof(*lines));

	(void)state;
	for (size_t cut = 1; cut <= sizeof(input); cut++) {
		struct got got = { .n = 0 };

		memset(lines, 0, sizeof(*lines));
		for (size_t at = 0; at < sizeof(input) - 1; at += cut) {
			size_t left = sizeof(input) - 1 - at, len = left < cut ? left : cut;
			char scratch[sizeof(input)];

			memcpy(scratch, input + at, len);
			observe_lines_feed(lines, scratch, len, take, &got);
		}
		observe_lines_end(lines, take, &got);
		assert_string_equal(got.text, expect);
	}
	free(lines);
}

static void a_line_without_end_is_bounded(void **state)
{
	struct observe_lines *lines = calloc(1, sizeof(*lines));
	char *block = malloc(1 << 16);
	struct got got = { .n = 0 };

	(void)state;
	for (int i = 0; i < 800; i++) { /* 50 MB */
		memset(block, 'x', 1 << 16);
		observe_lines_feed(lines, block, 1 << 16, take, &got);
	}
	assert_int_equal(got.n, 0);
	memcpy(block, "\nnext\n", 6);
	observe_lines_feed(lines, block, 6, take, &got);
	assert_string_equal(got.text, "next|");
	assert_int_equal(got.n, 1);
	free(block);
	free(lines);
}

static void the_longest_line_is_parsed(void **state)
{
	static const struct {
		size_t len, lines;
	} table[] = { { OBSERVE_LINE_MAX, 1 }, { OBSERVE_LINE_MAX + 1, 0 } };
	struct observe_lines *lines = calloc(1, sizeof(*lines));
	char *block = malloc(OBSERVE_LINE_MAX + 2);

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		for (size_t first = 0; first < 2; first++) { /* whole, or its first byte alone */
			struct got got = { .n = 0 };
			size_t rest = table[i].len + 1 - first;

			memset(block, 'x', table[i].len);
			block[table[i].len] = '\n';
			observe_lines_feed(lines, block, first, take, &got);
			observe_lines_feed(lines, block + first, rest, take, &got);
			assert_int_equal(got.n, table[i].lines);
		}
	}
	free(block);
	free(lines);
}

/* --- Tail --- */

static void the_tail_keeps_the_last_bytes(void **state)
{
	struct observe_tail *tail = calloc(1, sizeof(*tail));
	static char all[400000];
	size_t sizes[] = { 1, 7, 4096, 65536, 65537, 131072, 131073, 262144 }, len;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i * 31 + i / 251);
	for (size_t s = 0; s < BL_COUNT(sizes); s++) {
		tail->len = 0;
		for (size_t at = 0; at < sizeof(all); at += sizes[s]) {
			size_t left = sizeof(all) - at, part = left < sizes[s] ? left : sizes[s];

			observe_tail_add(tail, all + at, part);
			const char *last = observe_tail_last(tail, &len);
			size_t have = at + part,
			       want = have < OBSERVE_TAIL_MAX ? have : OBSERVE_TAIL_MAX;
			assert_int_equal(len, want);
			assert_memory_equal(last, all + have - want, want);
		}
	}
	free(tail);
}

/* --- Log --- */

static void dropped_bytes_are_said_on_a_line(void **state)
{
	struct observe_log log;
	uint64_t lost = 0;
	int fd = file();

	(void)state;
	observe_log_init(&log, fd, 1 << 20, &lost);
	observe_log_dropped(&log, 0);
	observe_log_add(&log, "whole\n", 6);
	observe_log_dropped(&log, 5);
	observe_log_add(&log, "half", 4);
	observe_log_dropped(&log, 7);
	observe_log_add(&log, "rest", 4);
	observe_log_end(&log, "rest", 4);
	assert_string_equal(content(fd), "whole\n[branchline: 5 bytes dropped]\nhalf\n"
	                                 "[branchline: 7 bytes dropped]\nrest");
	assert_int_equal(lost, 0);
	close(fd);
}

static void beyond_the_limit_only_the_tail_is_kept(void **state)
{
	struct observe_log log;
	uint64_t lost = 0;
	int fd = file();

	(void)state;
	observe_log_init(&log, fd, 10, &lost);
	observe_log_add(&log, "0123456", 7);
	observe_log_add(&log, "789abcdef", 9);
	observe_log_add(&log, "ghij", 4);
	assert_int_equal(lost, 10);
	observe_log_end(&log, "6789abcdefghij", 14);
	assert_string_equal(content(fd),
	                    "0123456789\n"
	                    "[branchline: log limit of 10 bytes reached; the rest is counted, not "
	                    "kept]\n"
	                    "[branchline: 0 bytes not kept; the last 10 follow]\n"
	                    "abcdefghij");
	assert_int_equal(lost, 0);
	close(fd);
}

static void a_full_disk_is_said_once_there_is_room(void **state)
{
	struct observe_log log;
	uint64_t lost = 0;
	int fd = file();

	(void)state;
#ifndef BL_TESTING
	skip();
#endif
	observe_log_init(&log, fd, 1 << 20, &lost);
	observe_log_add(&log, "before\n", 7);
	setenv("BRANCHLINE_FAILPOINT", "observe.log=ENOSPC", 1);
	observe_log_add(&log, "lost\n", 5);
	observe_log_add(&log, "lost too\n", 9);
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_int_equal(lost, 14);
	observe_log_add(&log, "after\n", 6);
	observe_log_end(&log, "", 0);
	assert_string_equal(content(fd), "before\n[branchline: 14 bytes not written: No space left "
	                                 "on device]\nafter\n");
	assert_int_equal(lost, 14);
	close(fd);
}

static void a_disk_that_stayed_full_gets_the_tail_at_the_end(void **state)
{
	struct observe_log log;
	uint64_t lost = 0;
	int fd = file();

	(void)state;
#ifndef BL_TESTING
	skip();
#endif
	observe_log_init(&log, fd, 1 << 20, &lost);
	observe_log_add(&log, "kept\n", 5);
	setenv("BRANCHLINE_FAILPOINT", "observe.log=ENOSPC", 1);
	observe_log_add(&log, "lost\n", 5);
	observe_log_add(&log, "the end\n", 8);
	unsetenv("BRANCHLINE_FAILPOINT"); /* there is room again */
	observe_log_end(&log, "the end\n", 8);
	assert_string_equal(content(fd), "kept\n[branchline: 5 bytes not kept: No space left on "
	                                 "device; the last 8 follow]\nthe end\n");
	assert_int_equal(lost, 5);
	close(fd);
}

static void without_a_file_nothing_is_written(void **state)
{
	struct observe_log log;
	uint64_t lost = 0;

	(void)state;
	observe_log_init(&log, -1, 10, &lost);
	observe_log_add(&log, "0123456789abc", 13);
	observe_log_dropped(&log, 3);
	observe_log_end(&log, "abc", 3);
	assert_int_equal(lost, 0);
}

/* --- Echo --- */

static void an_echo_in_actions_is_wrapped(void **state)
{
	struct observe_echo echo;
	char expect[256];
	int fd = file();

	(void)state;
	observe_echo_init(&echo, fd, true);
	assert_int_equal(strlen(echo.token), 32);
	snprintf(expect, sizeof(expect), "::stop-commands::%s\n::error::mine\nhalf\n::%s::\n",
	         echo.token, echo.token);
	observe_echo_add(&echo, "::error::mine\nhalf", 18);
	observe_echo_end(&echo, 1000);
	assert_string_equal(content(fd), expect);
	close(fd);
}

static void a_plain_echo_is_the_output(void **state)
{
	struct observe_echo echo;
	int fd = file();

	(void)state;
	observe_echo_init(&echo, fd, false);
	observe_echo_add(&echo, "a\nb", 3);
	observe_echo_end(&echo, 1000);
	assert_string_equal(content(fd), "a\nb");
	close(fd);
}

static void a_reader_that_sleeps_stalls_nothing(void **state)
{
	static char block[1 << 16];
	struct observe_echo echo;
	uint64_t given = 0, kept = 0, said = 0;
	int ends[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0); /* writing blocks, were it not asked first */
	memset(block, 'x', sizeof(block));
	observe_echo_init(&echo, ends[1], false);
	for (int i = 0; i < 64; i++) {
		observe_echo_add(&echo, block, sizeof(block));
		given += sizeof(block);
	}
	assert_true(echo.dropped > 0);
	assert_true(echo.pending.len <= OBSERVE_ECHO_MAX);
	said = echo.dropped;
	/* the reader wakes: all that is pending comes, then what was dropped is said */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	while (observe_echo_flush(&echo) || echo.pending.len)
		while ((n = read(ends[0], text, sizeof(text))) > 0)
			kept += (uint64_t)n;
	while ((n = read(ends[0], text, sizeof(text))) > 0)
		kept += (uint64_t)n;
	assert_int_equal(kept + said, given);
	observe_echo_add(&echo, "more\n", 5);
	observe_echo_end(&echo, 1000);
	n = read(ends[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	char expect[128];
	snprintf(expect, sizeof(expect), "\n[branchline: %llu bytes not shown]\nmore\n",
	         (unsigned long long)said);
	assert_string_equal(text, expect);
	close(ends[0]);
	close(ends[1]);
}

static void a_reader_that_left_ends_the_echo(void **state)
{
	struct observe_echo echo;
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	observe_echo_init(&echo, ends[1], false);
	observe_echo_add(&echo, "x", 1);
	assert_int_equal(echo.fd, -1);
	observe_echo_add(&echo, "y", 1);
	observe_echo_end(&echo, 1000);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_same_however_they_are_cut),
		cmocka_unit_test(a_line_without_end_is_bounded),
		cmocka_unit_test(the_longest_line_is_parsed),
		cmocka_unit_test(the_tail_keeps_the_last_bytes),
		cmocka_unit_test(dropped_bytes_are_said_on_a_line),
		cmocka_unit_test(beyond_the_limit_only_the_tail_is_kept),
		cmocka_unit_test(a_full_disk_is_said_once_there_is_room),
		cmocka_unit_test(a_disk_that_stayed_full_gets_the_tail_at_the_end),
		cmocka_unit_test(without_a_file_nothing_is_written),
		cmocka_unit_test(an_echo_in_actions_is_wrapped),
		cmocka_unit_test(a_plain_echo_is_the_output),
		cmocka_unit_test(a_reader_that_sleeps_stalls_nothing),
		cmocka_unit_test(a_reader_that_left_ends_the_echo),
	};

	return cmocka_run_group_tests_name("observe", tests, NULL, NULL);
}
