/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GIT_MEMORY_H
#define BL_CODEC_GIT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * libgit2 crashes, or answers wrongly, when an allocation fails. So it allocates through these:
 * where malloc fails they draw on a reserve of 1 MiB and remember it, and git.c gives the
 * result up as out of memory. file and line are what libgit2's interface adds.
 */
void *bl_git_malloc(size_t size, const char *file, int line);
void *bl_git_realloc(void *old, size_t size, const char *file, int line);
void bl_git_free(void *block);

/* What versions before 1.7 want besides. */
void *bl_git_calloc(size_t n, size_t size, const char *file, int line);
void *bl_git_mallocarray(size_t n, size_t size, const char *file, int line);
void *bl_git_reallocarray(void *old, size_t n, size_t size, const char *file, int line);
char *bl_git_strdup(const char *text, const char *file, int line);
char *bl_git_strndup(const char *text, size_t max, const char *file, int line);
char *bl_git_substrdup(const char *text, size_t len, const char *file, int line);

/* Whether the reserve was ever touched; it is never filled up again. */
bool bl_git_ran_out(void);

#endif
