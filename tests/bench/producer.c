/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands for a training that prints as fast as it can, and measures how long it was
 * held up by whoever reads:
 *
 *   producer BYTES CHUNK REPORT
 *
 * writes BYTES of log-like lines to stdout, CHUNK at a time, then one line to the file
 * REPORT: "bytes seconds p50_us p99_us max_us", of the time spent in write(2).
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_MAX_BYTES = 1 << 20, LINE_BYTES = 96 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint32_t left, right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	return (left > right) - (left < right);
}

static int write_chunk(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int report(const char *path, uint32_t *took_ns, size_t n, uint64_t bytes, uint64_t all_ns)
{
	FILE *out = fopen(path, "w");

	if (!out)
		return -1;
	qsort(took_ns, n, sizeof(*took_ns), by_value);
	fprintf(out, "%llu %.6f %.3f %.3f %.3f\n", (unsigned long long)bytes, (double)all_ns / 1e9,
	        took_ns[n / 2] / 1e3, took_ns[n - 1 - n / 100] / 1e3, took_ns[n - 1] / 1e3);
	return fclose(out);
}

static int produce(uint64_t bytes, size_t chunk, const char *path)
{
	static char lines[CHUNK_MAX_BYTES];
	size_t n = bytes / chunk;
	uint32_t *took_ns = malloc(n * sizeof(*took_ns));

	if (!took_ns)
		return -1;
	memset(took_ns, 0, n * sizeof(*took_ns)); /* no page fault while measuring */
	for (size_t i = 0; i < chunk; i++)
		lines[i] = i % LINE_BYTES == LINE_BYTES - 1 ? '\n' : (char)('a' + i % 23);
	uint64_t begin = now_ns(), before = begin;
	for (size_t i = 0; i < n; i++) {
		if (write_chunk(lines, chunk))
			return -1;
		uint64_t after = now_ns();
		took_ns[i] = (uint32_t)(after - before > UINT32_MAX ? UINT32_MAX : after - before);
		before = after;
	}
	int rc = report(path, took_ns, n, n * chunk, before - begin);
	free(took_ns);
	return rc;
}

int main(int argc, char **argv)
{
	uint64_t bytes = argc == 4 ? strtoull(argv[1], NULL, 10) : 0;
	uint64_t chunk = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;

	if (!chunk || chunk > CHUNK_MAX_BYTES || bytes < chunk) {
		fputs("usage: producer BYTES CHUNK REPORT\n", stderr);
		return 2;
	}
	return produce(bytes, (size_t)chunk, argv[3]) ? 1 : 0;
}
