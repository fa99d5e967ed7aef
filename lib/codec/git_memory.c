/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_memory.h"

#include <malloc.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE_BYTES (1 << 20)
#define HEAD 16 /* before each block of the reserve: its size */

static alignas(HEAD) unsigned char reserve[RESERVE_BYTES];
static atomic_size_t reserve_used;

bool bl_git_ran_out(void)
{
	return atomic_load(&reserve_used) > 0;
}

static void *from_reserve(size_t size)
{
	size_t whole = HEAD + (size + HEAD - 1) / HEAD * HEAD, at;

	if (size > RESERVE_BYTES)
		size = whole = RESERVE_BYTES; /* cannot be there, and counts as touched */
	at = atomic_fetch_add(&reserve_used, whole);
	if (at > RESERVE_BYTES || whole > RESERVE_BYTES - at || whole <= size)
		return NULL;
	memcpy(reserve + at, &size, sizeof(size));
	return reserve + at + HEAD;
}

static bool is_reserved(const void *block)
{
	uintptr_t at = (uintptr_t)block, from = (uintptr_t)reserve;

	return at >= from && at < from + RESERVE_BYTES;
}

static size_t size_of(void *block)
{
	size_t size;

	if (!is_reserved(block))
		return malloc_usable_size(block);
	memcpy(&size, (unsigned char *)block - HEAD, sizeof(size));
	return size;
}

void bl_git_free(void *block)
{
	if (!is_reserved(block))
		free(block);
}

void *bl_git_malloc(size_t size, const char *file, int line)
{
	void *block = malloc(size ? size : 1);

	(void)file;
	(void)line;
	if (block)
		return block;
	return from_reserve(size);
}

void *bl_git_realloc(void *old, size_t size, const char *file, int line)
{
	void *block;

	if (!old)
		return bl_git_malloc(size, file, line);
	block = is_reserved(old) ? NULL : realloc(old, size ? size : 1);
	if (block)
		return block;
	block = from_reserve(size);
	if (!block)
		return NULL;
	memcpy(block, old, size < size_of(old) ? size : size_of(old));
	bl_git_free(old);
	return block;
}

void *bl_git_reallocarray(void *old, size_t n, size_t size, const char *file, int line)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return bl_git_realloc(old, bytes, file, line);
}

void *bl_git_mallocarray(size_t n, size_t size, const char *file, int line)
{
	return bl_git_reallocarray(NULL, n, size, file, line);
}

void *bl_git_calloc(size_t n, size_t size, const char *file, int line)
{
	void *block = bl_git_mallocarray(n, size, file, line);

	return block ? memset(block, 0, n * size) : NULL;
}

char *bl_git_substrdup(const char *text, size_t len, const char *file, int line)
{
	char *copy = len < SIZE_MAX ? bl_git_malloc(len + 1, file, line) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *bl_git_strndup(const char *text, size_t max, const char *file, int line)
{
	return bl_git_substrdup(text, strnlen(text, max), file, line);
}

char *bl_git_strdup(const char *text, const char *file, int line)
{
	return bl_git_substrdup(text, strlen(text), file, line);
}
