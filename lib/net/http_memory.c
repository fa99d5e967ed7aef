/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/*
 * libcurl allocates a buffer for receiving and one for sending anew for each exchange. Their pages
 * go back to the system and come again, which costs more than all else that a small object takes;
 * so those blocks are kept, and known from all others by
 * ourselves: to ask malloc() at each free() is slow in musl. The
 * resolver's threads, which allocate little ones, never get here.
 */
enum { LARGE_BYTES = 48 << 10, KEPT_BYTES_MAX = 512 << 10, KEPT_MAX = 64, MARKS = 1024 };

static _Thread_local void *lent[KEPT_MAX], *spare[KEPT_MAX]; /* one of the two, or neither */
static _Thread_local size_t bytes[KEPT_MAX];
static _Thread_local unsigned char n_lent[MARKS]; /* by the page: most blocks are not of them */

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;
static _Thread_local bool is_armed;

/* A thread that ends takes what it kept with it. */
static void drop_spares(void *armed)
{
	(void)armed;
	is_armed = false; /* what others give back after this comes here again */
	for (size_t i = 0; i < KEPT_MAX; i++) {
		free(spare[i]);
		spare[i] = NULL;
	}
}

static void make_key(void)
{
	has_key = !pthread_key_create(&key, drop_spares);
}

/* False: nothing would free it at this thread's end. */
static bool may_keep(void)
{
	if (!is_armed)
		is_armed = !pthread_once(&key_once, make_key) && has_key &&
		           !pthread_setspecific(key, &is_armed);
	return is_armed;
}

static unsigned char *mark_of(const void *block)
{
	return &n_lent[((uintptr_t)block >> 12) % MARKS];
}

static void *lend_spare(size_t size)
{
	for (size_t i = 0; i < KEPT_MAX; i++) {
		if (!spare[i] || bytes[i] < size || bytes[i] > 2 * size)
			continue;
		lent[i] = spare[i];
		spare[i] = NULL;
		++*mark_of(lent[i]);
		return lent[i];
	}
	return NULL;
}

void *bl_http_malloc(size_t size)
{
	void *block;

	if (size < LARGE_BYTES || size > KEPT_BYTES_MAX)
		return malloc(size);
	block = lend_spare(size);
	if (block)
		return block;
	block = malloc(size);
	for (size_t i = 0; block && i < KEPT_MAX; i++) {
		if (lent[i] || spare[i])
			continue;
		lent[i] = block;
		bytes[i] = size;
		++*mark_of(block);
		break;
	}
	return block;
}

/* Takes it from those lent; false: it is an ordinary one. */
static bool take_back(const void *block, size_t *place)
{
	if (!block || !*mark_of(block))
		return false;
	for (size_t i = 0; i < KEPT_MAX; i++) {
		if (lent[i] != block)
			continue;
		lent[i] = NULL;
		--*mark_of(block);
		*place = i;
		return true;
	}
	return false;
}

void bl_http_free(void *block)
{
	size_t place;

	/* what another thread gave back may have come again as a little one */
	if (take_back(block, &place) && malloc_usable_size(block) >= bytes[place] && may_keep())
		spare[place] = block;
	else
		free(block);
}

void *bl_http_realloc(void *block, size_t size)
{
	size_t place;
	/* one that grows is an ordinary one from now on */
	bool was_lent = take_back(block, &place);
	void *moved = realloc(block, size);

	if (!moved && was_lent) {
		lent[place] = block;
		++*mark_of(block);
	}
	return moved;
}
