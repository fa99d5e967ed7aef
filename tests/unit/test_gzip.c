/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gzip.h"

#include "codec/hash.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static int keep(void *arg, const void *bytes, size_t len, struct bl_err *err)
{
	bl_buf_add(arg, bytes, len);
	return bl_buf_check(arg, "stream", err);
}

/* Text with some order in it, the same every time. */
static char *make_text(size_t len)
{
	char *text = malloc(len + 1);
	uint64_t x = 88172645463325252u;

	assert_non_null(text);
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		text[i] = (char)(x % 7 ? 'a' + x % 13 : ' ');
	}
	return text;
}

static int compress(const char *text, size_t len, int level, unsigned threads, size_t step,
                    struct bl_buf *out, struct bl_err *err)
{
	const struct bl_gzip_options options = {
		.level = level, .threads = threads, .sink = keep, .arg = out
	};
	struct bl_gzip *gzip = NULL;
	int rc = bl_gzip_open(&options, &gzip, err);

	for (size_t at = 0; at < len && !rc; at += step)
		rc = bl_gzip_add(gzip, text + at, len - at < step ? len - at : step, err);
	if (!rc)
		rc = bl_gzip_finish(gzip, err);
	bl_gzip_close(gzip);
	return rc;
}

/* What gzip itself makes of it. */
static void assert_unzips(const struct bl_buf *zipped, const char *text, size_t len)
{
	char path[] = "/tmp/branchline-gzip-XXXXXX", command[128];
	char *got = malloc(len + 1);
	int fd = mkstemp(path), out[2];
	size_t n = 0;
	ssize_t k;
	pid_t pid;

	assert_true(got && fd >= 0 && !pipe(out));
	assert_int_equal(write(fd, zipped->data, zipped->len), zipped->len);
	lseek(fd, 0, SEEK_SET);
	pid = fork();
	if (!pid) {
		dup2(fd, 0);
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execlp("gzip", "gzip", "-dc", (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	while ((k = read(out[0], got + n, len + 1 - n)) > 0)
		n += (size_t)k;
	close(out[0]);
	close(fd);
	unlink(path);
	assert_int_equal(waitpid(pid, &fd, 0), pid);
	snprintf(command, sizeof(command), "gzip -dc: status %d", fd);
	if (fd)
		fail_msg("%s", command);
	assert_int_equal(n, len);
	assert_memory_equal(got, text, len);
	free(got);
}

static void gzip_gives_the_input_back(void **state)
{
	static const size_t sizes[] = { 0,           1,         100,       65535,
		                        65536,       2 * 65535, 256 << 10, (256 << 10) + 1,
		                        (512 << 10), 3 * MIB };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(sizes); i++)
		for (int level = 0; level < 2; level++) {
			BL_AUTO(bl_buf) out = BL_BUF(8 * MIB);
			struct bl_err err = { 0 };
			char *text = make_text(sizes[i]);

			if (compress(text, sizes[i], level, 0, 4096, &out, &err))
				fail_msg("%zu bytes: %s", sizes[i], err.text);
			assert_memory_equal(out.data, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
			assert_unzips(&out, text, sizes[i]);
			free(text);
		}
}

/* Also not on the machine: the digest of what zlib makes of it is known. */
static void bytes_depend_on_the_input_alone(void **state)
{
	static const unsigned threads[] = { 0, 1, 2, 8 };
	static const size_t steps[] = { 1000, 256 << 10, 5 * MIB };
	const size_t len = 2 * MIB + 77;
	char *text = make_text(len), want[BL_SHA256_HEX], got[BL_SHA256_HEX];
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(threads); i++)
		for (size_t k = 0; k < BL_COUNT(steps); k++) {
			BL_AUTO(bl_buf) out = BL_BUF(8 * MIB);

			assert_int_equal(compress(text, len, 1, threads[i], steps[k], &out, &err),
			                 0);
			assert_int_equal(bl_sha256_of(out.data, out.len, i + k ? got : want, &err),
			                 0);
			if (i + k)
				assert_string_equal(got, want);
		}
	assert_string_equal(want,
	                    "f21556db9fc944e129dd4690d866ec4416cbec6f23666aaaf0434167833e4eb6");
	free(text);
}

static int refuse(void *arg, const void *bytes, size_t len, struct bl_err *err)
{
	(void)arg;
	(void)bytes;
	(void)len;
	return bl_fail(err, BL_ENOSPC, "full");
}

static void a_sink_that_fails_ends_it(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 3; threads++) {
		const struct bl_gzip_options options = { .level = 1,
			                                 .threads = threads,
			                                 .sink = refuse };
		struct bl_gzip *gzip = NULL;
		struct bl_err err = { 0 };
		char *text = make_text(4 * MIB);
		int rc;

		assert_int_equal(bl_gzip_open(&options, &gzip, &err), 0);
		rc = bl_gzip_add(gzip, text, 4 * MIB, &err);
		if (!rc)
			rc = bl_gzip_finish(gzip, &err);
		assert_int_equal(rc, -1);
		assert_int_equal(err.code, BL_ENOSPC);
		bl_gzip_close(gzip);
		free(text);
	}
}

static int story(struct bl_err *err)
{
	static char text[600 << 10];
	BL_AUTO(bl_buf) out = BL_BUF(8 * MIB);

	return compress(text, sizeof(text), 1, 0, 70000, &out, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_gives_the_input_back),
		cmocka_unit_test(bytes_depend_on_the_input_alone),
		cmocka_unit_test(a_sink_that_fails_ends_it),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
