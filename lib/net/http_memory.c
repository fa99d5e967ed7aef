/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include <malloc.h>
#include <stdlib.h>

/*
 * libcurl allocates a buffer for receiving and one for sending anew for each exchange. Their pages
 * go back to the system and come again, which costs more than all else that a small object takes;
 * so those blocks are kept. The resolver's threads, which allocate little ones, never get here.
 */
enum { LARGE_BYTES = 48 << 10, KEPT_BYTES_MAX = 512 << 10, KEPT_MAX = 32 };

static _Thread_local void *kept[KEPT_MAX];
static _Thread_local size_t n_kept;

void *bl_http_malloc(size_t size)
{
	if (size < LARGE_BYTES)
		return malloc(size);
	for (size_t i = n_kept; i > 0; i--) {
		void *block = kept[i - 1];
		size_t room = malloc_usable_size(block);

		if (room < size || room > 2 * size)
			continue;
		kept[i - 1] = kept[--n_kept];
		return block;
	}
	return malloc(size);
}

void bl_http_free(void *block)
{
	size_t room = block ? malloc_usable_size(block) : 0;

	if (room < LARGE_BYTES || room > KEPT_BYTES_MAX || n_kept == KEPT_MAX)
		free(block);
	else
		kept[n_kept++] = block;
}
