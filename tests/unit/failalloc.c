/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/failalloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STORY_DONE = 0, STORY_FAILED_WELL = 10, STORY_WRONG = 11, STORY_UNREACHED = 12 };

static volatile long armed = -1; /* allocations left before one fails; -1: off */
static volatile bool and_later;
static volatile bool has_failed;

static bool must_fail(void)
{
	if (armed < 0)
		return false;
	if (has_failed)
		return and_later;
	if (armed-- > 1)
		return false;
	armed = 0;
	has_failed = true;
	return true;
}

/*
 * In a plain build the executable's own malloc stands before libc's for every
 * library. Under AddressSanitizer that would unseat its allocator, so there the
 * linker wraps the calls of our own objects only.
 */
#if defined(__SANITIZE_ADDRESS__)
#define HOOK(name) __wrap_##name
#define REAL(name) __real_##name
void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
#else
#define HOOK(name) name
#define REAL(name) __libc_##name
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
#endif
void *HOOK(malloc)(size_t size);
void *HOOK(calloc)(size_t n, size_t size);
void *HOOK(realloc)(void *old, size_t size);

void *HOOK(malloc)(size_t size)
{
	if (!must_fail())
		return REAL(malloc)(size);
	errno = ENOMEM;
	return NULL;
}

void *HOOK(calloc)(size_t n, size_t size)
{
	if (!must_fail())
		return REAL(calloc)(n, size);
	errno = ENOMEM;
	return NULL;
}

void *HOOK(realloc)(void *old, size_t size)
{
	if (!must_fail())
		return REAL(realloc)(old, size);
	errno = ENOMEM;
	return NULL;
}

static int run_story(alloc_story *story, unsigned k, bool later)
{
	struct bl_err err = { 0 };
	int got;

	and_later = later;
	armed = (long)k;
	got = story(&err);
	armed = -1;
	if (got == 0 && err.code == BL_OK)
		return has_failed ? STORY_DONE : STORY_UNREACHED;
	if (got == -1 && err.code == BL_ENOMEM)
		return STORY_FAILED_WELL;
	fprintf(stderr, "allocation %u%s: returned %d, code %d: %s\n", k, later ? " and later" : "",
	        got, err.code, err.text);
	return STORY_WRONG;
}

static int pass(alloc_story *story, unsigned k, bool later)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(run_story(story, k, later));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("allocation %u%s: ended by signal %d", k, later ? " and later" : "",
		         WTERMSIG(status));
	return WEXITSTATUS(status);
}

void each_allocation_fails(alloc_story *story, unsigned max)
{
	for (int later = 0; later < 2; later++) {
		unsigned k = 1;

		for (; k <= max; k++) {
			int how = pass(story, k, later);

			if (how == STORY_UNREACHED)
				break;
			if (how != STORY_DONE && how != STORY_FAILED_WELL)
				fail_msg("allocation %u: exit %d", k, how);
		}
		if (k > max)
			fail_msg("more than %u allocations: raise the bound or shorten the story",
			         max);
#if !defined(__SANITIZE_ADDRESS__)  /* there the libraries' own are not seen */
		assert_true(k > 1); /* a story without an allocation proves nothing */
#endif
	}
}
