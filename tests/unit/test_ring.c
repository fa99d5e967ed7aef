/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/ring.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Eight bytes of each position's own number: a torn or misplaced byte shows. */
static void numbers(uint64_t at, char *to, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = at + i;

		memcpy(to + i, &word, 8);
	}
}

static int make(void **state)
{
	struct bl_err err = { 0 };
	struct ring *ring = malloc(sizeof(*ring));

	*ring = RING;
	*state = ring;
	return ring_create(ring, &err);
}

static int drop(void **state)
{
	ring_done(*state);
	free(*state);
	return 0;
}

static void write_numbers(struct ring *ring, uint64_t len)
{
	static char block[1 << 16];
	uint64_t at = atomic_load(&ring->shared->written);

	for (uint64_t done = 0; done < len; done += sizeof(block)) {
		numbers(at + done, block, sizeof(block));
		ring_write(ring, block, sizeof(block));
	}
}

/* Takes all there is; each word must say its own position. Returns how many bytes were missed. */
static uint64_t take_numbers(struct ring *ring, uint64_t *taken)
{
	static char chunk[1 << 18];
	uint64_t missed = 0, dropped;
	size_t n;

	while ((n = ring_take(ring, chunk, sizeof(chunk), &dropped)) || dropped) {
		missed += dropped;
		for (size_t i = 0; i < n; i += 8) {
			uint64_t word;

			memcpy(&word, chunk + i, 8);
			if (word != ring->at - n + i)
				fail_msg("at %llu is %llu", (unsigned long long)(ring->at - n + i),
				         (unsigned long long)word);
		}
		*taken += n;
		ring_release(ring);
	}
	return missed;
}

static void what_fits_arrives_whole(void **state)
{
	struct ring *ring = *state;
	uint64_t taken = 0;

	for (int round = 0; round < 5; round++) { /* past the wrap */
		write_numbers(ring, RING_BYTES - (1 << 20));
		assert_int_equal(take_numbers(ring, &taken), 0);
	}
	assert_int_equal(taken, atomic_load(&ring->shared->written));
	assert_int_equal(atomic_load(&ring->shared->taken), taken);
}

static void overwritten_bytes_are_counted_exactly(void **state)
{
	struct ring *ring = *state;
	uint64_t taken = 0, missed;

	write_numbers(ring, 3 * RING_BYTES);
	missed = take_numbers(ring, &taken);
	assert_true(missed >= 2 * RING_BYTES);
	assert_int_equal(missed + taken, 3 * RING_BYTES);
	assert_int_equal(atomic_load(&ring->shared->dropped), missed);
	assert_true(taken >= RING_BYTES / 2); /* the newest bytes are there */
}

static void another_process_reads_while_we_overrun_it(void **state)
{
	struct ring *ring = *state;
	const uint64_t total = (uint64_t)512 << 20;
	int status;
	pid_t reader = fork();

	if (!reader) {
		struct ring mine = RING;
		struct bl_err err = { 0 };
		uint64_t taken = 0, missed = 0;

		if (ring_open(dup(ring->fd), &mine, &err))
			_exit(2);
		while (!atomic_load(&mine.shared->closed))
			missed += take_numbers(&mine, &taken);
		missed += take_numbers(&mine, &taken);
		_exit(taken + missed == total && missed == atomic_load(&mine.shared->dropped) ? 0
		                                                                              : 1);
	}
	write_numbers(ring, total);
	atomic_store(&ring->shared->closed, 1);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
}

static void a_pipe_is_read_across_the_wrap(void **state)
{
	struct ring *ring = *state;
	char word[8], got[8];
	uint64_t taken = 0, dropped;
	int ends[2];

	write_numbers(ring, RING_BYTES - (1 << 16));
	take_numbers(ring, &taken);
	ring->at += (1 << 16) - 4; /* four bytes before the end of the memory */
	atomic_store(&ring->shared->written, ring->at);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], "abcdefgh", 8), 8);
	assert_int_equal(ring_fill(ring, ends[0]), 8);
	assert_int_equal(ring_fill(ring, ends[0]), -1); /* empty: nothing is committed */
	assert_int_equal(ring_take(ring, got, sizeof(got), &dropped), 8);
	memcpy(word, "abcdefgh", 8);
	assert_memory_equal(got, word, 8);
	close(ends[1]);
	assert_int_equal(ring_fill(ring, ends[0]), 0);
	assert_int_equal(ring_take(ring, got, sizeof(got), &dropped), 0);
	close(ends[0]);
}

static void what_was_not_released_is_taken_again(void **state)
{
	struct ring *ring = *state;
	struct ring heir = RING;
	struct bl_err err = { 0 };
	uint64_t dropped;
	char got[4];

	ring_write(ring, "abcdef", 6);
	assert_int_equal(ring_take(ring, got, 2, &dropped), 2);
	ring_release(ring);
	assert_int_equal(ring_take(ring, got, 2, &dropped), 2); /* and dies here */
	assert_int_equal(ring_open(dup(ring->fd), &heir, &err), 0);
	assert_int_equal(ring_take(&heir, got, 4, &dropped), 4);
	assert_memory_equal(got, "cdef", 4);
	ring_done(&heir);
}

static void a_sleeper_is_woken_once(void **state)
{
	struct ring *ring = *state;
	uint64_t dropped;
	char got[8];

	assert_false(ring_wants_wake(ring));
	assert_true(ring_sleep(ring));
	ring_write(ring, "x", 1);
	assert_true(ring_wants_wake(ring));
	assert_false(ring_wants_wake(ring));
	assert_false(ring_sleep(ring)); /* there is a byte */
	assert_int_equal(ring_take(ring, got, sizeof(got), &dropped), 1);
	assert_true(ring_sleep(ring));
}

static void memory_grows_in_steps_to_the_whole(void **state)
{
	struct ring *ring = *state;
	struct stat st;
	size_t steps = 0;

	assert_int_equal(fstat(ring->fd, &st), 0);
	assert_int_equal(st.st_blocks, 8); /* the header's page */
	while (ring_grow(ring))
		steps++;
	assert_int_equal(steps, RING_BYTES / RING_GROW_BYTES);
	assert_int_equal(fstat(ring->fd, &st), 0);
	assert_true((size_t)st.st_blocks * 512 >= RING_BYTES);
}

static void only_a_ring_is_opened(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct ring ring = RING;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(ring_open(fd, &ring, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_null(ring.shared);
	close(fd);
}

#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(what_fits_arrives_whole),
		WITH_RING(overwritten_bytes_are_counted_exactly),
		WITH_RING(another_process_reads_while_we_overrun_it),
		WITH_RING(a_pipe_is_read_across_the_wrap),
		WITH_RING(what_was_not_released_is_taken_again),
		WITH_RING(a_sleeper_is_woken_once),
		WITH_RING(memory_grows_in_steps_to_the_whole),
		cmocka_unit_test(only_a_ring_is_opened),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
