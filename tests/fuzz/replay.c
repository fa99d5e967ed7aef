/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer where only gcc is there: runs LLVMFuzzerTestOneInput on
 * each file named on stdin, and on ROUNDS mutations of them. The mutations are the
 * same on every run, so that a failure can be repeated; the sanitizers judge.
 *
 *   fuzz_X ROUNDS <LIST
 */
#include "base/err.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX_BYTES = 256 * 1024, SEEDS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seed {
	uint8_t *bytes;
	size_t len;
};

static struct seed seeds[SEEDS_MAX];
static size_t n_seeds;
static uint64_t state = 0x9e3779b97f4a7c15u;

/* xorshift64: no quality needed, only repetition */
static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The copy has the exact size, so that one byte too far is seen. */
static int run_on(const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	if (!exact)
		return -1;
	memcpy(exact, bytes, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

static int read_seed(const char *path)
{
	static uint8_t bytes[INPUT_MAX_BYTES];
	FILE *file = fopen(path, "rb");
	size_t len;

	if (!file || n_seeds == SEEDS_MAX)
		return -1;
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	seeds[n_seeds].bytes = malloc(len ? len : 1);
	if (!seeds[n_seeds].bytes)
		return -1;
	memcpy(seeds[n_seeds].bytes, bytes, len);
	seeds[n_seeds++].len = len;
	return run_on(bytes, len);
}

static size_t insert_run(uint8_t *bytes, size_t len)
{
	size_t at = next_random() % (len + 1), n = 1 + next_random() % 64;

	if (len + n > INPUT_MAX_BYTES)
		return len;
	memmove(bytes + at + n, bytes + at, len - at);
	memset(bytes + at, (int)(next_random() & 0xff), n);
	return len + n;
}

static size_t mutate(uint8_t *bytes, size_t len)
{
	static const uint8_t odd[] = "\0\"\\{}[]:,\n\r-0e.+#&*!|>'%@`\x7f\x80\xc0\xed\xff";
	size_t at = len ? next_random() % len : 0;

	switch (len ? next_random() % 6 : 4) {
	case 0:
		bytes[at] ^= (uint8_t)(1u << (next_random() % 8));
		return len;
	case 1:
		bytes[at] = odd[next_random() % (sizeof(odd) - 1)];
		return len;
	case 2: /* cut */
		return at;
	case 3: /* leave out */
		memmove(bytes + at, bytes + at + 1, len - at - 1);
		return len - 1;
	case 4:
		return insert_run(bytes, len);
	default: /* repeat a part elsewhere */
		if (len < 2)
			return len;
		size_t from = next_random() % len, n = len - (from > at ? from : at);
		memmove(bytes + at, bytes + from, n);
		return len;
	}
}

static int run_mutations(unsigned long rounds)
{
	static uint8_t bytes[INPUT_MAX_BYTES];

	for (unsigned long i = 0; i < rounds; i++) {
		const struct seed *seed = &seeds[next_random() % n_seeds];
		size_t len = seed->len, steps = 1 + next_random() % 4;

		memcpy(bytes, seed->bytes, len);
		while (steps--)
			len = mutate(bytes, len);
		if (run_on(bytes, len))
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	char path[4096];

	while (fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = '\0';
		if (read_seed(path)) {
			fprintf(stderr, "cannot use seed %s\n", path);
			return 1;
		}
	}
	int failed = n_seeds ? run_mutations(rounds) : -1;
	for (size_t i = 0; i < n_seeds; i++)
		free(seeds[i].bytes);
	return failed ? 1 : 0;
}
